import json

import pytest

from ashiato.statements.receipts import sign
from ashiato.statements.self_descriptions import (
    LIFE_MS,
    SELF_DESCRIPTION_TYP,
    Described,
    MalformedDescription,
    VerifiedDescription,
    describe,
    verify_description,
)
from ashiato.trust.jws import TokenRefused
from ashiato.trust.signing import LocalSigner
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
