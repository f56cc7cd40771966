"""The 25 classes of the IDS usage-control language: how each is written, who holds it, and that it is held.

The classes and the names of the operands are those of the IDS-G, "Usage Control / Contract" (policy classes 1 to 25). The
Dataspace Protocol carries actions as plain names, so refinements stand as constraints here.
"""

from typing import NamedTuple

import pytest

from ashiato.policy.builder import compare
from ashiato.policy.evaluation import DutyState, Request, Side, decide, unenforceable
from ashiato.policy.labels import labels_of
from ashiato.policy.odrl import parse_policy
from ashiato.policy.terms import AT_REST, DUTY_ACTIONS, LEFT_OPERANDS
from ashiato.policy.transformations import announced
from ashiato.policy.vocabulary import Checkpoint, Enforcement
from tests.policy.asking import ALICE, BOB, NOW_MS, asked, permission
from tests.policy.drawing import Document

ENFORCED, ATTESTED, CONTRACTUAL = Enforcement
EURO = "http://dbpedia.org/resource/Euro"
BEFORE_USE = compare("event", "lt", "odrl:policyUsage")
PAID = {"permission[0].duty[0]": DutyState.FULFILLED}


def of_duty(action: str, *described: object) -> Document:
    return permission(duty=[{"action": action, "constraint": list(described)}])


def in_vault(**facts: list[str]) -> Request:
    return asked(side=Side.CONSUMER, facts=facts)


class Class(NamedTuple):
    """A policy of the class, the term that carries its label, a request that is granted and one that is refused."""

    number: int
    document: Document
    term: str
    label: Enforcement
    granted: Request
    refused: Request | None = None


REPLACE = of_duty(
    "idsc:REPLACE", compare("idsc:JSON_PATH", "eq", "$.name"), compare("idsc:REPLACE_WITH", "eq", "xxxx")
)
SALE = of_duty("compensate", {**compare("payAmount", "eq", "500.00"), "unit": EURO}, BEFORE_USE)
AT_LEAST_TRUST = permission(
    compare(
        "idsc:SECURITY_LEVEL",
        "isPartOf",
        ["idsc:TRUST_PLUS_SECURITY_PROFILE", "idsc:TRUST_SECURITY_PROFILE"],
    )
)
CLASSES = [
    Class(1, permission(assignee=ALICE), "", ENFORCED, asked(by=ALICE), asked(by=BOB)),
    Class(1, permission(compare("recipient", "eq", ALICE)), "recipient", ENFORCED, asked(by=ALICE), asked(by=BOB)),
    Class(2, permission(compare("idsc:CONNECTOR", "isAnyOf", [ALICE, "did:web:x"])), "connector", ENFORCED,
          asked(by=ALICE), asked(by=BOB)),
    Class(3, permission(compare("idsc:APPLICATION", "isPartOf", ["app:pcf", "app:dpp"])), "application", ATTESTED,
          in_vault(application=["app:pcf"]), in_vault(application=["app:other"])),
    Class(4, permission(compare("idsc:ROLE", "eq", "miner")), "role", ENFORCED,
          asked(claims={"role": ["miner", "refiner"]}), asked(claims={"role": ["trader"]})),
    Class(5, permission(compare("spatial", "eq", "http://ontologi.es/place/DE")), "spatial", ATTESTED,
          in_vault(location=["DE-BY"]), in_vault(location=["FR"])),
    Class(6, permission(compare("purpose", "isPartOf", ["Risk Management", "Defect Analysis"])), "purpose", ATTESTED,
          in_vault(purpose=["Defect Analysis"]), in_vault(purpose=["Defect Analysis", "Marketing"])),
    Class(7, permission(compare("event", "eq", "Recall 2026")), "event", ENFORCED,
          asked(facts={"event": ["Recall 2026", "fair"]}), asked(facts={"event": []})),
    Class(8, AT_LEAST_TRUST,
          "security_profile", ENFORCED,
          asked(claims={"security_profile": ["base", "trust"]}), asked(claims={"security_profile": ["base"]})),
    Class(9, permission(compare("dateTime", "gteq", "2026-11-24T12:00:00Z"), compare("dateTime", "lteq", "2026-12-01T08:00:00Z")),
          "dateTime", ENFORCED, asked(now_ms=NOW_MS), asked(now_ms=NOW_MS - 1)),
    Class(10, permission(compare("elapsedTime", "eq", "P3M")), "elapsedTime", ENFORCED,
          asked(), asked(agreed_at_ms=NOW_MS - 100 * 86_400_000)),
    Class(11, permission(compare("count", "lteq", "10")), "count", ENFORCED, asked(uses_count=9), asked(uses_count=10)),
    Class(12, of_duty("delete", compare("idsc:DELAY", "eq", "P30D")), "delete", ATTESTED, asked()),
    Class(12, of_duty("delete"), "delete", ATTESTED, asked()),
    Class(12, of_duty("delete", compare("dateTime", "lteq", "2026-12-01T00:00:00Z")), "delete", ATTESTED,
          asked(), asked(now_ms=NOW_MS + 30 * 86_400_000)),
    Class(13, REPLACE, "anonymize", ENFORCED, asked(duties=announced(parse_policy(REPLACE))), asked()),
    Class(14, {**permission(), "obligation": [{"action": "anonymize"}]}, "anonymize", ATTESTED, asked()),
    Class(15, of_duty("idsc:log", compare("idsc:LOG_LEVEL", "eq", "idsc:ON_ALLOW"), compare("systemDevice", "eq", "ch.example")),
          "log", ATTESTED, asked()),
    Class(16, of_duty("inform", compare("idsc:NOTIFICATION_LEVEL", "eq", "idsc:ON_ALLOW")), "inform", ATTESTED, asked()),
    Class(17, permission(action="distribute", duty=[{"action": "nextPolicy"}]), "nextPolicy", CONTRACTUAL,
          asked(action="distribute")),
    Class(18, permission(compare("idsc:ARTIFACT_STATE", "isAllOf", ["idsc:encrypted", "idsc:anonymized"])), "artifact_state",
          ATTESTED, in_vault(artifact_state=["idsc:encrypted", "idsc:anonymized"]), in_vault(artifact_state=["idsc:encrypted"])),
    Class(19, SALE, "compensate", ENFORCED, asked(duties=PAID), asked()),
    Class(19, permission({**compare("idsc:PAY_AMOUNT", "eq", "500.00"), "unit": EURO}), "payAmount", ENFORCED,
          asked(facts={f"payAmount in {EURO}": ["500"]}), asked(facts={f"payAmount in {EURO}": ["499.99"]})),
    Class(20, of_duty("compensate", compare("timeInterval", "eq", "P1M")), "compensate", ENFORCED, asked(duties=PAID), asked()),
    Class(21, permission(compare("idsc:STATE", "eq", "firewall:on")), "state", ATTESTED,
          in_vault(state=["firewall:on"]), in_vault(state=[])),
    Class(22, permission(compare("location", "isAnyOf", ["cx.region.europe:1", "JP"])), "location", ENFORCED,
          asked(claims={"location": ["FR"]}), asked(claims={"location": ["FR", "US"]})),
    Class(23, of_duty("obtainConsent"), "obtainConsent", ENFORCED, asked(duties=PAID), asked()),
    Class(24, permission(compare("classification", "isPartOf", ["public", "internal"])), "classification", ENFORCED,
          asked(facts={"classification": ["internal"]}), asked(facts={"classification": ["secret"]})),
]  # fmt: skip


@pytest.mark.parametrize("given", CLASSES, ids=lambda given: f"class-{given.number}-{given.term}")
def test_each_class_is_labelled_and_held_as_its_label_says(given: Class) -> None:
    policy = parse_policy(given.document)
    assert unenforceable(policy) == ()
    if given.term:
        assert {label.enforcement for label in labels_of(policy) if label.term == given.term} == {given.label}
    assert decide(policy, given.granted).permitted
    if given.refused is not None:
        assert not decide(policy, given.refused).permitted


@pytest.mark.parametrize(
    "given",
    [given for given in CLASSES if given.label is not ENFORCED],
    ids=lambda given: f"class-{given.number}",
)
def test_what_this_node_does_not_hold_never_keeps_data_from_being_handed_out(given: Class) -> None:
    policy = parse_policy(given.document)
    action = given.granted.action
    for checkpoint in Checkpoint:
        assert decide(policy, asked(checkpoint, action=action)).permitted


def test_every_class_is_tried_except_the_one_that_nobody_here_understands() -> None:
    assert {given.number for given in CLASSES} == set(range(1, 25))
    known = [term.ids_classes for term in LEFT_OPERANDS.values()]
    known += [duty.ids_classes for duty in (*DUTY_ACTIONS.values(), AT_REST)]
    assert {number for numbers in known for number in numbers} == set(range(1, 25))


@pytest.mark.parametrize("action", ["idsc:MPC", "idsc:PET"])
def test_class_25_asks_for_computation_that_is_not_there_and_is_refused(action: str) -> None:
    policy = parse_policy(of_duty(action))
    assert [gap.code for gap in unenforceable(policy)] == ["not_enforced_duty"]
    assert [label.enforcement for label in labels_of(policy)] == [None]
    assert not decide(policy, asked()).permitted


def test_a_user_role_may_stand_as_the_refinement_of_the_party() -> None:
    team = {
        "@type": "PartyCollection",
        "source": ALICE,
        "refinement": [compare("idsc:ROLE", "isPartOf", ["leader"])],
    }
    policy = parse_policy(permission(assignee=team))
    assert decide(policy, asked(claims={"role": ["leader"]})).permitted
    assert not decide(policy, asked(claims={"role": ["intern"]})).permitted
    assert not decide(policy, asked(by=BOB, claims={"role": ["leader"]})).permitted


def test_a_state_may_stand_as_the_refinement_of_the_asset() -> None:
    asset = {
        "@type": "AssetCollection",
        "source": "urn:asset",
        "refinement": [compare("ids:artifact_state", "eq", "x")],
    }
    document = {**permission(target=asset), "target": "urn:asset"}
    assert decide(parse_policy(document), in_vault(artifact_state=["x"])).permitted
    assert not decide(parse_policy(document), in_vault(artifact_state=["y"])).permitted


def test_what_happens_once_a_year_is_not_read_as_once_and_for_all() -> None:
    rent = {**compare("payAmount", "eq", "500.00"), "unit": EURO, "dc:frequency": {"@id": "freq:annual"}}
    policy = parse_policy(permission(rent))
    assert [gap.code for gap in unenforceable(policy)] == ["right_operand_unreadable"]
    assert not decide(policy, asked(facts={f"payAmount in {EURO}": ["500.00"]})).permitted
