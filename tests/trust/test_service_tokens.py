import pytest

from ashiato.trust.jws import TokenRefused
from ashiato.trust.service_tokens import mint_service_token, verify_service_token
from tests.trust.parties import NOW_MS, Party

VERIFIER = "did:web:verifier.example"
SCOPES = ("org.eclipse.dspace.dcp.vc.type:MembershipCredential:read",)


def minted(acme: Party) -> str:
    return mint_service_token(acme.key, bearer=VERIFIER, scopes=SCOPES, now_ms=NOW_MS, token_id="access-1")


def test_the_bearer_gets_what_it_was_given(acme: Party) -> None:
    grant = verify_service_token(minted(acme), acme.document, bearer=VERIFIER, now_ms=NOW_MS)
    assert (grant.holder, grant.bearer, grant.scopes) == (acme.did, VERIFIER, SCOPES)


def test_nobody_else_gets_anything(acme: Party) -> None:
    with pytest.raises(TokenRefused):
        verify_service_token(minted(acme), acme.document, bearer="did:web:thief.example", now_ms=NOW_MS)


def test_after_two_minutes_it_opens_nothing(acme: Party) -> None:
    token = minted(acme)
    assert verify_service_token(token, acme.document, bearer=VERIFIER, now_ms=NOW_MS + 119_000)
    with pytest.raises(TokenRefused):
        verify_service_token(token, acme.document, bearer=VERIFIER, now_ms=NOW_MS + 121_000)


def test_a_changed_token_is_refused(acme: Party) -> None:
    head, body, signature = minted(acme).split(".")
    other = signature[:-4] + ("AAAA" if signature[-4:] != "AAAA" else "BBBB")
    with pytest.raises(TokenRefused):
        verify_service_token(f"{head}.{body}.{other}", acme.document, bearer=VERIFIER, now_ms=NOW_MS)
