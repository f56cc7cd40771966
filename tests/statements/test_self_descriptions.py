import json

import pytest

from ashiato.statements.receipts import sign
from ashiato.statements.self_descriptions import (
    LIFE_MS,
    MOST_LEVELS_COUNT,
    SELF_DESCRIPTION_TYP,
    Described,
    Level,
    MalformedDescription,
    VerifiedDescription,
    Weight,
    describe,
    verify_answer,
    verify_description,
    weigh,
)
from ashiato.trust.jws import TokenRefused
from ashiato.trust.signing import LocalSigner
from ashiato.trust.standing import Standing
from tests.trust.parties import ACME, GLOBEX, NOW_MS, new_party

PARTY = new_party(ACME)
SIGNER = LocalSigner(PARTY.key)


async def _signed(payload: bytes, typ: str = SELF_DESCRIPTION_TYP) -> str:
    return await sign(SIGNER, typ, payload)


async def test_a_description_comes_back_without_what_is_empty() -> None:
    about = {"name": "Acme", "location": "JP", "more": ""}
    payload = describe(Described.NODE, ACME, ACME, about, NOW_MS)
    verified = verify_description(await _signed(payload), PARTY.document, NOW_MS)
    assert verified.description.about == {"name": "Acme", "location": "JP"}
    assert (verified.description.kind, verified.description.id) == (Described.NODE, ACME)


async def test_it_is_believed_for_a_day() -> None:
    compact = await _signed(describe(Described.NODE, ACME, ACME, {}, NOW_MS))
    verify_description(compact, PARTY.document, NOW_MS + LIFE_MS - 1)
    for now_ms in (NOW_MS + LIFE_MS, NOW_MS - LIFE_MS - 1):
        with pytest.raises(TokenRefused) as refused:
            verify_description(compact, PARTY.document, now_ms)
        assert refused.value.why_code == "expired"


async def test_nobody_describes_another() -> None:
    compact = await _signed(describe(Described.NODE, GLOBEX, GLOBEX, {}, NOW_MS))
    with pytest.raises(TokenRefused):
        verify_description(compact, PARTY.document, NOW_MS)
    other = new_party(GLOBEX)
    with pytest.raises(TokenRefused):
        verify_description(compact, other.document, NOW_MS)


async def test_a_receipt_or_a_changed_description_is_none() -> None:
    payload = describe(Described.NODE, ACME, ACME, {}, NOW_MS)
    with pytest.raises(TokenRefused):
        verify_description(await _signed(payload, "ashiato-receipt+jwt"), PARTY.document, NOW_MS)
    for change in ({"kind": "hub"}, {"version": 2}, {"more": 1}, {"about": {"a": "b\n"}}):
        changed = json.dumps({**json.loads(payload), **change}).encode()
        with pytest.raises(MalformedDescription):
            verify_description(await _signed(changed), PARTY.document, NOW_MS)


async def test_only_its_door_makes_a_verified_one() -> None:
    payload = describe(Described.NODE, ACME, ACME, {}, NOW_MS)
    description = verify_description(await _signed(payload), PARTY.document, NOW_MS).description
    with pytest.raises(TypeError):
        VerifiedDescription(description, object())


def _level(value: str = "trust", name: str = "security_profile") -> Level:
    return Level(name=name, value=value, credential_id="urn:uuid:1", issuer="did:web:hub.example")


async def _node(*levels: Level, location: str = "JP") -> VerifiedDescription:
    payload = describe(
        Described.NODE, ACME, ACME, {"name": "Acme", "location": location}, NOW_MS, levels=levels
    )
    return verify_description(await _signed(payload), PARTY.document, NOW_MS)


def _weights(found: VerifiedDescription, **claims: frozenset[str]) -> dict[tuple[str, str], Weight]:
    facts = weigh(found, Standing(ACME, claims))
    return {(fact.name, fact.value): fact.weight for fact in facts}


async def test_a_fact_is_backed_by_a_verified_claim_and_by_no_mention_of_a_credential() -> None:
    found = await _node(_level(), _level("iso-27001", "certification"))
    assert _weights(found) == {
        ("name", "Acme"): Weight.CLAIMED,
        ("location", "JP"): Weight.CLAIMED,
        ("security_profile", "trust"): Weight.CLAIMED,
        ("certification", "iso-27001"): Weight.CLAIMED,
    }
    verified = {
        "location": frozenset({"JP"}),
        "security_profile": frozenset({"base", "trust"}),
        "certification": frozenset({"iso-27001"}),
        "name": frozenset({"Acme"}),
    }
    assert _weights(found, **verified) == {
        ("name", "Acme"): Weight.CLAIMED,
        ("location", "JP"): Weight.BACKED,
        ("security_profile", "trust"): Weight.BACKED,
        ("certification", "iso-27001"): Weight.BACKED,
    }


async def test_another_place_or_profile_is_a_contradiction_and_another_certification_is_none() -> None:
    found = await _node(_level("trust+"), _level("iso-27001", "certification"), location="KR")
    verified = {
        "location": frozenset({"JP"}),
        "security_profile": frozenset({"base", "trust"}),
        "certification": frozenset({"iso-9001"}),
    }
    assert _weights(found, **verified) == {
        ("name", "Acme"): Weight.CLAIMED,
        ("location", "KR"): Weight.CONTRADICTED,
        ("security_profile", "trust+"): Weight.CONTRADICTED,
        ("certification", "iso-27001"): Weight.CLAIMED,
    }


async def test_what_is_verified_of_another_backs_nothing() -> None:
    facts = weigh(await _node(), Standing(GLOBEX, {"location": frozenset({"JP"})}))
    assert {fact.weight for fact in facts} == {Weight.CLAIMED}


async def test_the_credential_that_is_named_for_a_level_is_shown() -> None:
    *_, fact = weigh(await _node(_level()), Standing(ACME))
    assert (fact.credential_id, fact.issuer) == ("urn:uuid:1", "did:web:hub.example")


async def test_more_levels_than_fit_and_levels_that_do_not_print_are_refused() -> None:
    for levels in ([_level()] * (MOST_LEVELS_COUNT + 1), [_level("a\n")], [_level("x" * 3000)]):
        payload = describe(Described.NODE, ACME, ACME, {}, NOW_MS, levels=levels)
        with pytest.raises(MalformedDescription):
            verify_description(await _signed(payload), PARTY.document, NOW_MS)


async def test_an_answer_is_of_one_node_and_each_thing_once() -> None:
    def made(kind: Described, identifier: str) -> bytes:
        return describe(kind, identifier, ACME, {}, NOW_MS)

    node = await _signed(made(Described.NODE, ACME))
    service = await _signed(made(Described.SERVICE, f"{ACME}#connector"))
    asset = await _signed(made(Described.ASSET, "cfp"))
    other = await _signed(made(Described.NODE, GLOBEX))
    assert len(verify_answer([node, service], PARTY.document, NOW_MS)) == 2
    assert len(verify_answer([asset], PARTY.document, NOW_MS, "cfp")) == 1
    for wrong in ([], [service], [node, node], [node, asset], [node, other], [node] * 101, "x", None):
        with pytest.raises(MalformedDescription):
            verify_answer(wrong, PARTY.document, NOW_MS)
    for wrong in ([node], [asset, node], [asset, asset]):
        with pytest.raises(MalformedDescription):
            verify_answer(wrong, PARTY.document, NOW_MS, "cfp")
    with pytest.raises(MalformedDescription):
        verify_answer([asset], PARTY.document, NOW_MS, "secret")
    with pytest.raises(TokenRefused):
        verify_answer([node, 1], PARTY.document, NOW_MS)
    with pytest.raises(TokenRefused):
        verify_answer([node, f"{service[:-4]}AAAA"], PARTY.document, NOW_MS)
