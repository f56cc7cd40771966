"""When two policies are the same."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from ashiato.policy.builder import as_offer, compare, permit
from ashiato.policy.identity import policy_hash, same_rules
from ashiato.policy.odrl import MalformedPolicy
from tests.policy.asking import permission
from tests.policy.drawing import Document, documents

COUNT: Document = {"permission": [{"action": "use", "constraint": [compare("count", "lteq", "5")]}]}


def test_the_hash_is_sha256_over_the_canonical_rules_alone() -> None:
    canonical = (
        b'{"permission":[{"action":"use","constraint":'
        b'[{"leftOperand":"count","operator":"lteq","rightOperand":"5"}]}]}'
    )
    assert policy_hash(COUNT) == hashlib.sha256(canonical).hexdigest()


def test_the_rules_are_canonical_by_rfc_8785(conformance: Path) -> None:
    for name in ("values", "weird", "structures"):
        source = json.loads((conformance / "jcs" / "input" / f"{name}.json").read_bytes())
        expected = (conformance / "jcs" / "output" / f"{name}.json").read_bytes()
        canonical = b'{"permission":[{"action":"use","x:y":' + expected + b"}]}"
        document = {"permission": [{"x:y": source, "action": "use"}]}
        assert policy_hash(document) == hashlib.sha256(canonical).hexdigest()


def test_an_offer_and_the_agreement_made_from_it_have_one_hash() -> None:
    agreement = {
        "@context": ["https://w3id.org/dspace/2025/1/context.jsonld"],
        "@id": "urn:uuid:2",
        "@type": "Agreement",
        "target": "urn:uuid:asset",
        "assigner": "did:web:a",
        "assignee": "did:web:b",
        "timestamp": "2026-11-24T00:00:00Z",
        **COUNT,
    }
    assert policy_hash(as_offer(COUNT, "urn:uuid:1")) == policy_hash(agreement) == policy_hash(COUNT)
    assert same_rules(as_offer(COUNT, "urn:uuid:1"), agreement)


@pytest.mark.parametrize("rest", [{"prohibition": []}, {"obligation": None}, {"profile": []}])
def test_a_list_without_rules_is_no_rule(rest: Document) -> None:
    assert policy_hash({**COUNT, **rest}) == policy_hash(COUNT)
    assert same_rules({**COUNT, **rest}, COUNT)


def test_rules_under_a_long_name_are_hashed_like_those_under_the_short_one() -> None:
    assert policy_hash({"odrl:permission": COUNT["permission"]}) == policy_hash(COUNT)
    assert policy_hash({"odrl:prohibition": [{"action": "use"}], **COUNT}) != policy_hash(COUNT)


def test_an_integer_and_the_same_digits_as_text_are_the_same_rule() -> None:
    integer: Document = json.loads(json.dumps(COUNT).replace('"5"', "5"))
    assert policy_hash(integer) == policy_hash(COUNT)
    assert same_rules(integer, COUNT)


def test_a_truth_value_is_not_taken_for_its_python_name() -> None:
    truth = permission({**compare("x:y", "eq", ""), "rightOperand": True})
    assert not same_rules(truth, permission(compare("x:y", "eq", "True")))
    assert not same_rules(truth, permission({**compare("x:y", "eq", ""), "rightOperand": 1}))


@pytest.mark.parametrize(
    "other",
    [
        {"odrl:permission": COUNT["permission"]},
        {"permission": COUNT["permission"], "@type": "Set", "assignee": "x"},
        permission({"@type": "AtomicConstraint", **compare("count", "lteq", "5")}),
        permission(
            {"odrl:leftOperand": {"@id": "odrl:count"}, "operator": {"@id": "odrl:lteq"}, "rightOperand": 5}
        ),
        {
            "permission": {
                "@type": "odrl:Permission",
                "action": {"@id": "odrl:use"},
                "constraint": compare("odrl:count", "http://www.w3.org/ns/odrl/2/lteq", "5"),
            }
        },
        permission({**compare("count", "lteq", "5"), "unit": None}, duty=[]),
    ],
)
def test_another_spelling_of_the_same_rules_is_forgiven(other: Document) -> None:
    assert same_rules(COUNT, other)
    assert policy_hash(other) == policy_hash(COUNT)


@pytest.mark.parametrize(
    "other",
    [
        {},
        permission(compare("count", "lteq", "6")),
        permission(compare("count", "lt", "5")),
        permission(compare("count", "lteq", "5.0")),
        permission(compare("count", "lteq", "5"), action="read"),
        permission({**compare("count", "lteq", "5"), "unit": "kg"}),
        permission(compare("count", "lteq", "5"), assignee="did:web:x"),
        permission(compare("count", "lteq", "5"), action="use", **{"x:price": "100"}),
        permission({"and": [compare("count", "lteq", "5")]}),
        permission(compare("count", "lteq", "5"), compare("count", "lteq", "5")),
        permission({**compare("count", "lteq", "x"), "rightOperand": True}),
        permission({**compare("count", "lteq", "x"), "rightOperand": ["5"]}),
        permission({**compare("count", "lteq", "x"), "rightOperand": {"@value": "5"}}),
        {**COUNT, "prohibition": [{"action": "use"}]},
        {**COUNT, "obligation": [{"action": "delete"}]},
        {**COUNT, "conflict": "perm"},
        {**COUNT, "profile": "https://x.example/"},
        {"prohibition": COUNT["permission"]},
    ],
)
def test_any_other_difference_is_a_difference(other: Document) -> None:
    assert not same_rules(COUNT, other)
    assert policy_hash(other) != policy_hash(COUNT)


@settings(max_examples=100, deadline=None)
@given(documents)
def test_policies_survive_a_trip_through_json_with_hash_and_rules(document: Document) -> None:
    again = json.loads(json.dumps(document))
    assert policy_hash(again) == policy_hash(document)
    assert same_rules(again, document)


def deep() -> Any:
    node: Any = "x"
    for _ in range(5000):
        node = [node]
    return node


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Membership", "cx-policy:Membership"),
        ("Membership", "https://w3id.org/catenax/policy/Membership"),
        ("FrameworkAgreement", "https://w3id.org/catenax/2025/9/policy/FrameworkAgreement"),
        ("BusinessPartnerNumber", "https://w3id.org/tractusx/v0.0.1/ns/BusinessPartnerNumber"),
        ("count", "idsc:COUNT"),
        ("purpose", "https://w3id.org/idsa/code/PURPOSE"),
        ("role", "ashiato:role"),
        ("role", "https://w3id.org/ashiato/2026/1/policy/role"),
        ("ashiato:participant", "https://w3id.org/ashiato/2026/1/policy/participant"),
    ],
)
def test_the_names_of_a_profile_are_one_name_however_they_are_prefixed(left: str, right: str) -> None:
    documents = [permission(compare(name, "eq", "x")) for name in (left, right)]
    assert policy_hash(documents[0]) == policy_hash(documents[1])


@pytest.mark.parametrize("name", ["cx-policy:role", "idsc:Membership", "ashiato:count", "x:Membership"])
def test_a_name_that_its_profile_does_not_have_stays_another(name: str) -> None:
    plain = permission(compare(name.partition(":")[2], "eq", "x"))
    assert policy_hash(permission(compare(name, "eq", "x"))) != policy_hash(plain)


@settings(max_examples=200, deadline=None)
@given(documents, documents)
def test_the_hash_tells_apart_what_is_not_the_same(left: Document, right: Document) -> None:
    assert (policy_hash(left) == policy_hash(right)) is same_rules(left, right)


def test_an_integer_whose_digits_no_reader_can_be_sure_of_has_no_hash() -> None:
    with pytest.raises(MalformedPolicy):
        policy_hash(permission(compare("count", "lteq", 2**53)))
    assert policy_hash(permission(compare("count", "lteq", 2**53 - 1)))


@pytest.mark.parametrize("value", [2**53, float("nan"), "\ud800", deep()])
def test_rules_without_a_canonical_form_are_refused(value: object) -> None:
    document: Document = {"permission": [{"action": "use", "x:y": value}]}
    with pytest.raises(MalformedPolicy):
        policy_hash(document)
    with pytest.raises(MalformedPolicy):
        same_rules(document, permit())
