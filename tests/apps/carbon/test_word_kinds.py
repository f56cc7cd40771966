"""Nothing but a canonical declaration of a footprint is ever signed for an app."""

from typing import Any

import msgspec
import pytest

from ashiato.apps.carbon.attestations import DECLARATION_TYP, FootprintWithdrawal
from ashiato.apps.carbon.declarations import canonical, hash_of
from ashiato.apps.carbon.word_kinds import footprint
from ashiato.connector.problems import Invalid
from tests.apps.carbon.suppliers import declaration

PLAIN = declaration(issuer="did:web:acme.example", supersedes="urn:example:0")


def built() -> dict[str, Any]:
    made: dict[str, Any] = msgspec.to_builtins(PLAIN)
    return made


def test_a_declaration_is_signed_as_its_canonical_bytes_under_a_typ_of_its_own() -> None:
    checked = footprint(built())
    assert (checked.typ, checked.body) == (DECLARATION_TYP, canonical(PLAIN))
    assert checked.sha256 == hash_of(PLAIN)
    assert (checked.issuer, checked.subject_id) == ("did:web:acme.example", "urn:example:1")
    assert checked.supersedes == "urn:example:0"
    # No token, credential or agreement has this typ.
    assert DECLARATION_TYP == "ashiato-footprint+jwt"


WITHDRAWAL = FootprintWithdrawal(
    issuer="did:web:acme.example",
    declaration_id="urn:example:1",
    declaration_sha256="ab" * 32,
    reason="wrong",
    at_ms=1,
)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"iss": "did:web:acme.example", "sub": "did:web:acme.example", "aud": "x", "exp": 1_900_000_000},
        {"@context": ["https://www.w3.org/ns/credentials/v2"], "type": ["VerifiableCredential"]},
        {"@type": "Agreement", "assigner": "did:web:acme.example"},
        msgspec.to_builtins(WITHDRAWAL),
        {**built(), "iss": "did:web:acme.example"},
        {**built(), "type": "FootprintVerification"},
        {**built(), "version": 2},
        {**built(), "validFromMs": 1 << 60},
        {**built(), "issuer": "did:web:acme.example\n"},
        {**built(), "amount": "1.0e400"},
        {name: value for name, value in built().items() if name != "plant"},
    ],
)
def test_anything_else_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        footprint(document)
