"""What is said about each term: in the document, in its label, and at each checkpoint."""

from pathlib import Path

import pytest

from ashiato.facts.decisions import JAPANESE
from ashiato.policy.builder import compare
from ashiato.policy.evaluation import decide, unenforceable
from ashiato.policy.labels import Label, labels_of
from ashiato.policy.odrl import parse_policy
from ashiato.policy.terms import LEFT_OPERANDS, Kind
from ashiato.policy.vocabulary import CATENA_X_NAMES, Checkpoint, Enforcement, covers, is_known_action, term
from tests import documents
from tests.policy.asking import ALICE, asked, permission
from tests.policy.telling import condition_rows, duty_rows

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "policies.md").read_text("utf-8")


def test_the_page_of_policies_tells_every_condition_as_it_is_held() -> None:
    told = documents.rows(PAGE, "left operand", "label", "refused at", "compared with", "IDS class")
    assert documents.differences(told, condition_rows()) == []


def test_the_page_of_policies_tells_every_duty_as_it_is_held() -> None:
    told = documents.rows(PAGE, "duty", "label", "refused at", "when", "IDS class")
    plain = [(row[0].replace("`", ""), *row[1:]) for row in told]
    assert documents.differences(plain, duty_rows()) == []


def test_every_name_of_catena_x_has_a_label() -> None:
    assert set(LEFT_OPERANDS) >= CATENA_X_NAMES


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("odrl:use", "use"),
        ("http://www.w3.org/ns/odrl/2/anything", "anything"),
        ("cx-policy:UsagePurpose", "UsagePurpose"),
        ("cx-policy:Nothing", "cx-policy:Nothing"),
        ("https://w3id.org/idsa/code/SECURITY_LEVEL", "security_profile"),
        ("idsc:MPC", "idsc:MPC"),
        ("https://w3id.org/ashiato/2026/1/policy/jsonPath", "jsonPath"),
        ("https://evil.example/ns/odrl/2/use", "https://evil.example/ns/odrl/2/use"),
        ("role", "role"),
    ],
)
def test_known_names_lose_their_prefix_and_others_keep_it(name: str, short: str) -> None:
    assert term(name) == short


def test_to_log_is_a_part_of_using() -> None:
    assert covers("use", "log")
    assert is_known_action("log")
    assert not is_known_action("idsc:MPC")


MIXED: dict[str, object] = {
    "permission": [
        {
            "action": "use",
            "constraint": [
                compare("Membership", "eq", "active"),
                {"or": [compare("purpose", "eq", "research"), compare("Liability", "eq", "cx.slightNegligence:1")]},
                compare("moonPhase", "eq", "full"),
                compare("count", "isA", "3"),
            ],
            "duty": [{"action": "delete", "consequence": [{"action": "compensate"}]}],
        }
    ],
    "prohibition": [
        {"action": "distribute", "remedy": [{"action": "inform"}]},
        {"action": "read", "constraint": [compare("elapsedTime", "gt", "P1Y")]},
        {"action": "x:y"},
    ],
    "obligation": [{"action": "anonymize"}, {"action": "x:dance"}],
}  # fmt: skip
EVERYWHERE = tuple(Checkpoint)
AGREED = (Checkpoint.TRANSFER, Checkpoint.READ, Checkpoint.RUNNING)
ENFORCED, ATTESTED, CONTRACTUAL = Enforcement


def test_every_term_of_a_policy_has_its_label_by_its_place() -> None:
    assert labels_of(parse_policy(MIXED)) == (
        Label("permission[0].constraint[0]", "Membership", ENFORCED, EVERYWHERE),
        Label("permission[0].constraint[1].or[0]", "purpose", ATTESTED),
        Label("permission[0].constraint[1].or[1]", "Liability", CONTRACTUAL),
        Label("permission[0].constraint[2]", "moonPhase", None),
        Label("permission[0].constraint[3]", "count", None),
        Label("permission[0].duty[0]", "delete", ATTESTED),
        Label("permission[0].duty[0].consequence[0]", "compensate", ENFORCED, AGREED),
        Label("prohibition[0]", "distribute", CONTRACTUAL),
        Label("prohibition[0].remedy[0]", "inform", ATTESTED),
        Label("prohibition[1]", "read", ENFORCED, EVERYWHERE),
        Label("prohibition[1].constraint[0]", "elapsedTime", ENFORCED, AGREED),
        Label("prohibition[2]", "x:y", None),
        Label("obligation[0]", "anonymize", ATTESTED),
        Label("obligation[1]", "x:dance", None),
    )


def test_what_has_no_label_is_what_an_owner_is_refused_for() -> None:
    policy = parse_policy(MIXED)
    nameless = {label.path for label in labels_of(policy) if label.enforcement is None}
    assert {gap.path for gap in unenforceable(policy)} == nameless


def test_a_label_is_told_in_both_languages() -> None:
    label = Label("p", "purpose", ATTESTED)
    assert label.sentence.text == (
        "purpose is attested: the receiving connector holds it and signs that it did"
    )
    assert label.sentence.text_in(JAPANESE).startswith("purpose：証明")
    assert Label("p", "x", None).sentence.text == "x can neither be judged nor held"


# One request that fits and one that does not, for each enforced condition; the same at every checkpoint.
HELD: dict[str, tuple[str, str, dict[str, object], dict[str, object]]] = {
    "ashiato:participant": ("eq", ALICE, {}, {"by": "did:web:x"}),
    "recipient": ("eq", ALICE, {}, {"by": "did:web:x"}),
    "assignee": ("eq", ALICE, {}, {"by": "did:web:x"}),
    "connector": ("eq", ALICE, {}, {"by": "did:web:x"}),
    "dateTime": ("lteq", "2026-12-01T00:00:00Z", {}, {"now_ms": 2_000_000_000_000}),
    "elapsedTime": ("lteq", "P1D", {}, {"agreed_at_ms": 0}),
    "count": ("lteq", "3", {}, {"uses_count": 4}),
    "event": ("eq", "fair", {"facts": {"event": ["fair"]}}, {"facts": {"event": []}}),
    "classification": ("eq", "open", {"facts": {"classification": ["open"]}}, {"facts": {"classification": ["secret"]}}),
    "payAmount": ("gteq", "5", {"facts": {"payAmount": ["5.5"]}}, {"facts": {"payAmount": ["4.99"]}}),
    "location": ("eq", "JP", {"claims": {"location": ["JP"]}}, {"claims": {"location": ["DE"]}}),
    "security_profile": (
        "eq", "trust", {"claims": {"security_profile": ["trust"]}}, {"claims": {"security_profile": ["base"]}},
    ),
    "DataFrequency": ("eq", "cx.dataFrequency.once:1", {}, {"uses_count": 2}),
    "DataUsageEndDate": ("eq", "2026-12-01T00:00:00Z", {}, {"now_ms": 2_000_000_000_000}),
    "DataProvisioningEndDate": ("eq", "2026-12-01T00:00:00Z", {}, {"now_ms": 2_000_000_000_000}),
    "DataUsageEndDurationDays": ("eq", "1", {}, {"agreed_at_ms": 0}),
    "DataProvisioningEndDurationDays": ("eq", "1", {}, {"agreed_at_ms": 0}),
    **{
        name: ("eq", "x", {"claims": {known.claims[0]: ["x"]}}, {"claims": {known.claims[0]: ["y"]}})
        for name, known in LEFT_OPERANDS.items()
        if known.kind is Kind.CLAIM
    },
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(LEFT_OPERANDS))
@pytest.mark.parametrize("checkpoint", list(Checkpoint))
def test_each_condition_is_refused_exactly_where_its_label_says(name: str, checkpoint: Checkpoint) -> None:
    known = LEFT_OPERANDS[name]
    if known.kind is Kind.DESCRIPTION:
        assert not decide(parse_policy(permission(compare(name, "eq", "x"))), asked(checkpoint)).permitted
        return
    if known.enforcement is not Enforcement.ENFORCED:
        operator = next(iter(sorted(known.operators & {"eq", "isAnyOf", "gteq"})))
        policy = parse_policy(permission(compare(name, operator, "5")))
        assert decide(policy, asked(checkpoint)).permitted
        return
    operator, right, fits, misfits = HELD[name]
    policy = parse_policy(permission(compare(name, operator, right)))
    early = checkpoint in (Checkpoint.CATALOG, Checkpoint.NEGOTIATION)
    if early and checkpoint not in known.checkpoints:
        # There is no agreement yet, and nothing of what is only asked later.
        assert decide(policy, asked(checkpoint, agreed_at_ms=None)).permitted
        return
    assert decide(policy, asked(checkpoint, **({"uses_count": 0} | fits))).permitted  # type: ignore[arg-type]  # by name
    assert not decide(policy, asked(checkpoint, **misfits)).permitted  # type: ignore[arg-type]  # by name
