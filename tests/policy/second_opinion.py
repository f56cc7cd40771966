"""A second evaluator, written from the rules alone.

It walks the JSON, counts truth in halves, tries every zone and every later hour one by one, and shares no code with the
engine.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from ashiato.policy.evaluation import Request
from tests.policy.drawing import DURATIONS, EURO, LEVELS

YES, MAYBE, NO = 1.0, 0.5, 0.0
COVERS = {
    "use": {"use", "read", "present", "display", "distribute"},
    "present": {"present", "display"},
    **{action: {action} for action in ("read", "display", "access", "distribute", "https://x.example/act")},
}
WIDER = {
    "JP": {"JP", "cx.region.asia:1", "cx.region.all:1"},
    "JP-13": {"JP-13", "JP", "cx.region.asia:1", "cx.region.all:1"},
    "DE": {"DE", "EU", "EEA", "cx.region.europe:1", "cx.region.all:1"},
    "cx.circular.dpp:1": {"cx.circular.dpp:1", "cx.circular.dpp", "cx.circular"},
    "cx.circular.smc:1": {"cx.circular.smc:1", "cx.circular.smc", "cx.circular"},
}
PARTY_OPERANDS = ("ashiato:participant", "recipient", "assignee", "idsc:CONNECTOR")
CLAIMS = {"BusinessPartnerGroup": "group", "role": "role", "moonPhase": "moonPhase"}
EACH = {"location": "location", "spatial": "location", "purpose": "purpose", "UsagePurpose": "purpose"}
EACH |= {"idsc:APPLICATION": "application"}
ATTESTED = {"spatial", "purpose", "UsagePurpose", "idsc:APPLICATION", "state"}
NOT_YET = {"event", "payAmount"}
TIMED = {"dateTime", "elapsedTime", "count", "DataUsageEndDate", "DataUsageEndDurationDays", "DataFrequency"}
TIMED |= {"DataProvisioningEndDate"}
FIRST = {"compensate", "obtainConsent"}
CHECKPOINTS = ["catalog", "negotiation", "transfer", "read", "running"]
BEFORE = CHECKPOINTS[:2]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Json = Mapping[str, Any]


def instant(ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=ms)


def ordered(left: Any, operator: str, right: Any) -> float:
    outcomes = {"lt": left < right, "lteq": left <= right, "gt": left > right, "gteq": left >= right}
    outcomes |= {"eq": left == right, "neq": left != right}
    return float(outcomes[operator])


def in_all_zones(now: datetime, edges: Iterable[datetime]) -> float:
    found = {float(now >= edge) for edge in edges}
    return found.pop() if len(found) == 1 else MAYBE


def dated(now: datetime, operator: str, text: str) -> float:
    """Against a day, or an instant without zone: every zone is tried."""
    zoned = text.endswith("Z") or "+" in text
    length = timedelta(milliseconds=1) if "T" in text else timedelta(days=1)
    plain = text[:-1] if text.endswith("Z") else text.partition("+")[0]
    start = datetime.fromisoformat(plain).replace(tzinfo=UTC)
    if "+" in text:
        start -= timedelta(hours=9)
    shifts = [0] if zoned else range(-14, 15)
    begun = in_all_zones(now, [start + timedelta(hours=shift) for shift in shifts])
    over = in_all_zones(now, [start + length + timedelta(hours=shift) for shift in shifts])
    during = min(begun, 1 - over)
    return {"lt": 1 - begun, "gteq": begun, "lteq": 1 - over, "gt": over, "eq": during, "neq": 1 - during}[
        operator
    ]


def atom(node: Json, request: Request, permits: bool, later_ms: int = 0, later_uses: int = 0) -> float:
    left: str = node["leftOperand"]
    operator, right = node["operator"], node.get("rightOperand")
    if right is None or (left == "count" and (operator == "isA" or right == "two" or "unit" in node)):
        return MAYBE
    if left in TIMED:
        return timed(left, operator, right, request, permits, later_ms, later_uses)
    if left in PARTY_OPERANDS:
        named = request.participant_id in ([right] if isinstance(right, str) else right)
        return float(named == (operator in ("eq", "isAnyOf")))
    if left == "UsageRestriction":
        return float(permits)
    if left in ("idsc:SECURITY_LEVEL", "security_profile"):
        found = request.claims.get("security_profile")
    elif left in CLAIMS or left == "location":
        found = request.claims.get(CLAIMS.get(left, left))
    else:
        found = request.facts.get(f"payAmount in {EURO}" if left == "payAmount" else EACH.get(left, left))
    if found is None:
        asked_from = "read" if left in ATTESTED else "transfer" if left in NOT_YET else "catalog"
        spared = CHECKPOINTS.index(request.checkpoint) < CHECKPOINTS.index(asked_from)
        spared |= left in ATTESTED and request.side == "provider"
        return float(permits) if spared else MAYBE
    return known(left, operator, right, found, permits)


def timed(
    left: str, operator: str, right: Any, request: Request, permits: bool, later_ms: int, later_uses: int
) -> float:
    now = instant(request.now_ms + later_ms)
    if left == "dateTime":
        if right.endswith("Z") and "T" in right:
            return ordered(now, operator, datetime.fromisoformat(right))
        return dated(now, operator, right)
    if left in ("DataUsageEndDate", "DataProvisioningEndDate"):
        return float(now <= datetime.fromisoformat(right))
    if left in ("count", "DataFrequency"):
        if request.checkpoint in BEFORE:
            return float(permits)
        uses = request.uses_count + later_uses + (request.checkpoint == "read")
        if left == "DataFrequency":
            return float(uses <= 1 or "unlimited" in right)
        return ordered(uses, operator, int(right))
    if operator == "neq":
        return MAYBE
    if request.agreed_at_ms is None:
        return float(permits) if request.checkpoint in BEFORE else MAYBE
    elapsed = now - instant(request.agreed_at_ms)
    bound = DURATIONS[right] if left == "elapsedTime" else timedelta(days=int(right))
    return ordered(elapsed, "lteq" if operator == "eq" else operator, bound)


def known(left: str, operator: str, right: Any, found: frozenset[str], permits: bool) -> float:
    if left == "payAmount":
        try:
            amounts = [Decimal(value) for value in found]
        except InvalidOperation:
            return MAYBE
        return ordered(amounts[0], operator, Decimal(right)) if len(amounts) == 1 else MAYBE
    if left in ("idsc:SECURITY_LEVEL", "security_profile"):
        reached = max([-1, *(LEVELS.index(level) for level in found)])
        at_least = float(reached >= LEVELS.index(right))
        if operator in ("eq", "isPartOf"):
            return at_least
        return 1 - at_least if operator == "neq" else ordered(reached, operator, LEVELS.index(right))
    wanted = {right} if isinstance(right, str) else set(right)
    if operator == "lteq":
        (bound,) = wanted
        if not bound.isdigit() or len(found) != 1 or not min(found).isdigit():
            return MAYBE
        return float(int(min(found)) <= int(bound))
    if left not in EACH:
        shared = wanted & found
        by = {"isAnyOf": shared != set(), "isNoneOf": shared == set(), "isAllOf": shared == wanted}
        by |= {"eq": shared != set(), "neq": shared == set()}
        return float(by[operator])
    hits = [WIDER.get(value, {value}) & wanted != set() for value in found]
    if operator == "isAllOf":
        return float(wanted <= set().union(*(WIDER.get(value, {value}) for value in found)))
    if operator == "isNoneOf":
        misses = [not hit for hit in hits]
        return float(not hits or (all(misses) if permits else any(misses)))
    return float(hits != [] and (all(hits) if permits else any(hits)))


def eventual(node: Json, request: Request, timed_only: bool) -> float:
    """The value that the comparison keeps from now on, whatever time and further uses bring; else undecided."""
    left = node["leftOperand"]
    if left not in TIMED:
        return MAYBE if timed_only else atom(node, request, True)
    if left in ("elapsedTime", "DataUsageEndDurationDays") and request.agreed_at_ms is None:
        return MAYBE
    if left in ("count", "DataFrequency") and request.checkpoint in BEFORE:
        return MAYBE
    steps_ms = [0] + [
        hour * 3_600_000 + step for hour in range(60) for step in (-1, 0, 1) if hour * 3_600_000 + step > 0
    ]
    uses = range(6) if left in ("count", "DataFrequency") else range(1)
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


def tree(node: Json, request: Request, permits: bool, ever: bool | None = None) -> float:
    """`ever` None: the value now; else what it will stay, by time alone when `ever` is True."""
    for name in ("and", "or", "xone", "andSequence"):
        if name in node:
            return combined(name, [tree(child, request, permits, ever) for child in node[name]])
    return atom(node, request, permits) if ever is None else eventual(node, request, ever)


def leaves(node: Json) -> list[Json]:
    children = [child for name in ("and", "or", "xone", "andSequence") for child in node.get(name, [])]
    return [leaf for child in children for leaf in leaves(child)] or [node]


def conditions(rule: Json) -> list[Json]:
    assignee = rule.get("assignee")
    refined = assignee["refinement"] if isinstance(assignee, dict) else []
    return [*rule.get("constraint", []), *refined]


def all_of(nodes: list[Json], request: Request, permits: bool, ever: bool | None = None) -> float:
    return min([YES, *(tree(node, request, permits, ever) for node in nodes)])


def addressed(document: Json, rule: Json, request: Request) -> bool:
    assignee = rule.get("assignee")
    party = assignee["source"] if isinstance(assignee, dict) else assignee
    return {document.get("assignee"), party} - {None} <= {request.participant_id}


def in_the_way(duty: Json, path: str, request: Request) -> bool:
    """Whether the duty keeps data from being handed out; an obligation only does when it is not understood."""
    action, owed_by_permission = duty["action"], path.startswith("permission")
    describing = ("delayPeriod", "jsonPath", "method")
    said = [
        leaf
        for node in duty.get("constraint", [])
        for leaf in leaves(node)
        if leaf["leftOperand"] in describing or leaf.get("rightOperand") == "odrl:policyUsage"
    ]
    rest = [] if said else list(duty.get("constraint", []))
    names = {leaf["leftOperand"] for leaf in said}
    if action.startswith("https:"):
        return True
    if action == "anonymize" and owed_by_permission and not {"jsonPath", "method"} <= names:
        return True
    state, changes = request.duties.get(path), action == "anonymize" and owed_by_permission
    if state is not None and not changes:
        return owed_by_permission and state == "violated"
    if any(atom(leaf, request, True) == MAYBE for node in rest for leaf in leaves(node)):
        return True
    now = all_of(rest, request, True)
    if action == "use":
        return now == NO
    if not owed_by_permission:
        return False
    first = action in FIRST or "event" in names
    if not changes and all_of(rest, request, True, True) == NO:
        return True
    if now == NO or request.is_open_world or not (first or changes):
        return False
    if action in ("delete", "inform"):
        return request.side == "consumer" and request.checkpoint in ("read", "running")
    if request.side == "consumer" or request.checkpoint in BEFORE:
        return False
    return not changes or (request.checkpoint != "transfer" and state != "fulfilled")


def granted(document: Json, index: int, request: Request) -> bool:
    rule = document["permission"][index]
    if not addressed(document, rule, request) or all_of(conditions(rule), request, True) != YES:
        return False
    duties = enumerate(rule.get("duty", []))
    return not any(
        in_the_way(duty, f"permission[{index}].duty[{number}]", request) for number, duty in duties
    )


def permitted(document: Json, request: Request) -> bool:
    permissions = document["permission"]
    grants = [rule["action"] for index, rule in enumerate(permissions) if granted(document, index, request)]
    barred = [
        rule["action"]
        for rule in document.get("prohibition", [])
        if addressed(document, rule, request) and all_of(conditions(rule), request, False) != NO
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
    duties = enumerate(document.get("obligation", []))
    return not any(in_the_way(duty, f"obligation[{at}]", request) for at, duty in duties)
