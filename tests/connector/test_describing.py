"""Which levels a participant says it has reached, from what it holds."""

import pytest

from ashiato.connector.describing import LONGEST_CREDENTIAL_ID_CHARS, levels_of
from ashiato.identity.wallet import HeldCredential
from ashiato.trust.enveloping import Profile
from tests.trust.parties import ACME, NOW_MS, forge, new_party

HUB = new_party("did:web:hub.example")


def _held(
    type_: str,
    subject: dict[str, object],
    *,
    number: int = 1,
    credential_id: str = "",
    until_ms: int | None = None,
    envelope: str = "",
) -> HeldCredential:
    id_ = credential_id or f"urn:uuid:{number}"
    claims = {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "id": id_,
        "type": ["VerifiableCredential", type_],
        "issuer": HUB.did,
        "validFrom": "2025-01-01T00:00:00Z",
        "credentialSubject": {"id": ACME, **subject},
    }
    return HeldCredential(
        held_id=f"{number}",
        credential_id=id_,
        profile=Profile.VC20,
        types=(type_,),
        issuer=HUB.did,
        valid_from_ms=0,
        valid_until_ms=until_ms,
        envelope=envelope or forge(HUB.private, {"alg": "ES256", "typ": "vc+jwt", "kid": HUB.kid}, claims),
        request_id="",
        received_ms=number,
    )


def test_profile_and_certifications_are_shown_with_their_credentials_the_newest_first() -> None:
    held = [
        _held("SecurityProfileCredential", {"profile": "trust"}, number=1),
        _held("CompanyCertificationCredential", {"scheme": "iso-27001"}, number=2),
    ]
    assert [(one.name, one.value, one.credential_id, one.issuer) for one in levels_of(held, NOW_MS)] == [
        ("certification", "iso-27001", "urn:uuid:2", HUB.did),
        ("security_profile", "trust", "urn:uuid:1", HUB.did),
    ]


@pytest.mark.parametrize(
    "held",
    [
        _held("MembershipCredential", {"holderIdentifier": "BPNL1"}),
        _held("RoleCredential", {"role": "recycler"}),
        _held("SecurityProfileCredential", {"profile": "trust"}, until_ms=NOW_MS),
        _held("SecurityProfileCredential", {"profile": "trust"}, envelope="a.b.c"),
        _held("SecurityProfileCredential", {"profile": "tr\nust"}),
        _held("SecurityProfileCredential", {"profile": {"name": "trust"}}),
        _held(
            "SecurityProfileCredential",
            {"profile": "trust"},
            credential_id="urn:" + "x" * LONGEST_CREDENTIAL_ID_CHARS,
        ),
    ],
    ids=["membership", "role", "expired", "broken", "does not print", "no text", "long id"],
)
def test_what_is_not_for_everybody_or_cannot_be_shown_is_left_out(held: HeldCredential) -> None:
    assert levels_of([held], NOW_MS) == ()


def test_not_more_are_shown_than_fit() -> None:
    held = [
        _held("CompanyCertificationCredential", {"scheme": f"s{number}"}, number=number)
        for number in range(1, 12)
    ]
    assert [one.value for one in levels_of(held, NOW_MS)] == [f"s{number}" for number in range(11, 3, -1)]
