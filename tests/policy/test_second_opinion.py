"""A second evaluator, written from the rules alone: it walks the JSON, counts truth in halves and shares no code."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings

from ashiato.policy.evaluation import Request, decide
from ashiato.policy.odrl import parse_policy
from tests.policy.drawing import ACTIONS, DURATIONS, Document, documents, requests

YES, MAYBE, NO = 1.0, 0.5, 0.0
COVERS = {
    "use": {"use", "read", "present", "display", "distribute"},
    "present": {"present", "display"},
    **{action: {action} for action in ("read", "display", "access", "distribute", "https://x.example/act")},
}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Json = Mapping[str, Any]


def instant(ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=ms)


def ordered(left: Any, operator: str, right: Any) -> float:
    outcomes = {"lt": left < right, "lteq": left <= right, "gt": left > right, "gteq": left >= right}
    outcomes |= {"eq": left == right, "neq": left != right}
    return float(outcomes[operator])


def atom(node: Json, request: Request, permits: bool, later_ms: int = 0, later_uses: int = 0) -> float:
    left, operator, right = node["leftOperand"], node["operator"], node["rightOperand"]
    now = instant(request.now_ms + later_ms)
    if left in ("ashiato:participant", "recipient", "assignee"):
        named = request.participant_id in ([right] if isinstance(right, str) else right)
        return float(named == (operator in ("eq", "isAnyOf")))
    if left == "dateTime":
        return ordered(now, operator, datetime.fromisoformat(right))
    if left == "elapsedTime":
        if operator == "neq":
            return MAYBE
        if request.agreed_at_ms is None:
            return float(permits) if request.checkpoint in ("catalog", "negotiation") else MAYBE
        elapsed = now - instant(request.agreed_at_ms)
        return ordered(elapsed, "lteq" if operator == "eq" else operator, DURATIONS[right])
    if left == "count":
        if operator == "isA" or right == "two":
            return MAYBE
        if request.checkpoint in ("catalog", "negotiation"):
            return float(permits)
        uses = request.uses_count + later_uses + (request.checkpoint == "read")
        return ordered(uses, operator, int(right))
    if left not in request.claims:
        return MAYBE
    shared = [value for value in right if value in request.claims[left]]
    return float(
        {"isAnyOf": shared != [], "isNoneOf": shared == [], "isAllOf": len(shared) == len(right)}[operator]
    )


def eventual(node: Json, request: Request) -> float:
    """The value that the comparison keeps from now on, whatever time and further uses bring; else undecided."""
    if node["leftOperand"] == "elapsedTime" and request.agreed_at_ms is None:
        return MAYBE
    hours = range(8)
    steps_ms = [
        0,
        *(hour * 3_600_000 + step for hour in hours for step in (-1, 0, 1) if hour * 3_600_000 + step > 0),
    ]
    uses = range(6) if node["leftOperand"] == "count" else range(1)
    values = {atom(node, request, True, step_ms, used) for step_ms in steps_ms for used in uses}
    return values.pop() if len(values) == 1 else MAYBE


def combined(name: str, values: list[float]) -> float:
    if name == "or":
        return max(values)
    if name == "xone":
        return max(
            min([value, *(1 - other for at, other in enumerate(values) if at != place)])
            for place, value in enumerate(values)
        )
    return min(values)


def tree(node: Json, request: Request, permits: bool, *, ever: bool = False) -> float:
    for name in ("and", "or", "xone", "andSequence"):
        if name in node:
            return combined(name, [tree(child, request, permits, ever=ever) for child in node[name]])
    return eventual(node, request) if ever else atom(node, request, permits)


def atoms(node: Json) -> Iterable[Json]:
    children = [child for name in ("and", "or", "xone", "andSequence") for child in node.get(name, [])]
    return [leaf for child in children for leaf in atoms(child)] or [node]


def all_of(rule: Json, request: Request, permits: bool, *, ever: bool = False) -> float:
    return min([YES, *(tree(node, request, permits, ever=ever) for node in rule.get("constraint", []))])


def addressed(document: Json, rule: Json, request: Request) -> bool:
    parties = {document.get("assignee"), rule.get("assignee")} - {None}
    return parties <= {request.participant_id}


def understood(duty: Json, request: Request) -> bool:
    leaves = [leaf for node in duty.get("constraint", []) for leaf in atoms(node)]
    return duty["action"] in ("delete", "inform") and all(
        atom(leaf, request, True) != MAYBE for leaf in leaves
    )


def granted(document: Json, rule: Json, request: Request) -> bool:
    if not addressed(document, rule, request) or all_of(rule, request, True) != YES:
        return False
    duties = rule.get("duty", [])
    return all(understood(duty, request) and all_of(duty, request, True, ever=True) != NO for duty in duties)


def permitted(document: Json, request: Request) -> bool:
    grants = [rule["action"] for rule in document["permission"] if granted(document, rule, request)]
    barred = [
        rule["action"]
        for rule in document.get("prohibition", [])
        if addressed(document, rule, request) and all_of(rule, request, False) != NO
    ]
    against = [
        action
        for action in barred
        if request.action in COVERS[action]
        or action.startswith("https:")
        or (action in ("use", "read", "access") and action in COVERS[request.action])
    ]
    if not any(request.action in COVERS[action] for action in grants):
        return False
    conflict = document.get("conflict", "prohibit")
    if against and conflict != "perm":
        return False
    if conflict == "invalid" and any(
        ours in COVERS[theirs] or theirs in COVERS[ours] or theirs.startswith("https:")
        for ours in grants
        for theirs in barred
    ):
        return False
    return all(understood(duty, request) for duty in document.get("obligation", []))


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents, requests)
def test_the_engine_and_a_second_evaluator_agree(document: Document, request: Request) -> None:
    assert decide(parse_policy(document), request).permitted is permitted(document, request)


def test_the_second_evaluator_knows_every_action_that_is_drawn() -> None:
    assert set(COVERS) == set(ACTIONS)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents, requests)
def test_a_permit_comes_from_a_permission_and_a_denial_always_has_a_reason(
    document: Document, request: Request
) -> None:
    decision = decide(parse_policy(document), request)
    assert decision.reasons
    assert decision.permitted is (decision.reasons[0].code == "permission_applies")
    assert decision == decide(parse_policy(document), request)
