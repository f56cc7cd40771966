import pytest

from ashiato.trust.access_tokens import AccessGrant, mint_access_token, verify_access_token
from ashiato.trust.did import DidDocument
from ashiato.trust.jws import TokenRefused
from ashiato.trust.keys import VerificationKey
from ashiato.trust.tokens import mint_token, parse_token
from tests.trust.parties import ACME, GLOBEX, NOW_MS, NOW_S, Party, document_with, forge, new_party


def _mint(provider: Party, *, now_ms: int = NOW_MS) -> str:
    return mint_access_token(
        provider.key,
        provider=provider.did,
        consumer=ACME,
        agreement_id="urn:uuid:agreement",
        transfer_pid="urn:uuid:transfer",
        asset_id="urn:uuid:asset",
        now_ms=now_ms,
        ttl_s=300,
        token_id="access-1",
    )


def _claims(**changes: object) -> dict[str, object]:
    claims: dict[str, object] = {
        "iss": GLOBEX,
        "sub": ACME,
        "client_id": ACME,
        "aud": GLOBEX,
        "iat": NOW_S,
        "exp": NOW_S + 300,
        "jti": "access-1",
        "agreement_id": "urn:uuid:agreement",
        "transfer_pid": "urn:uuid:transfer",
        "asset_id": "urn:uuid:asset",
    }
    return {name: value for name, value in (claims | changes).items() if value is not None}


def _why(text: str, source: DidDocument | VerificationKey, *, now_ms: int = NOW_MS) -> str:
    with pytest.raises(TokenRefused) as refusal:
        verify_access_token(text, source, provider=GLOBEX, now_ms=now_ms)
    return refusal.value.why_code


def test_a_minted_token_opens_what_it_names(globex: Party) -> None:
    for source in (globex.document, globex.key.verification_key()):
        grant = verify_access_token(_mint(globex), source, provider=GLOBEX, now_ms=NOW_MS)
        assert grant.consumer == ACME
        assert grant.agreement_id == "urn:uuid:agreement"
        assert grant.transfer_pid == "urn:uuid:transfer"
        assert grant.asset_id == "urn:uuid:asset"
        assert grant.token_id == "access-1"
        assert grant.expires_ms == (NOW_S + 300) * 1000


def test_a_grant_cannot_be_made_by_hand() -> None:
    with pytest.raises(TypeError, match="verify_access_token"):
        AccessGrant(ACME, "a", "t", "x", 0, "id", object())


def test_a_key_of_another_did_cannot_mint_for_the_provider(acme: Party) -> None:
    with pytest.raises(ValueError, match="does not belong"):
        mint_access_token(
            acme.key,
            provider=GLOBEX,
            consumer=ACME,
            agreement_id="a",
            transfer_pid="t",
            asset_id="x",
            now_ms=NOW_MS,
            ttl_s=300,
            token_id="1",
        )


def test_every_token_path_checks_time(globex: Party) -> None:
    text = _mint(globex)
    expires_ms = (NOW_S + 300) * 1000
    assert verify_access_token(text, globex.document, provider=GLOBEX, now_ms=expires_ms - 1)
    assert _why(text, globex.document, now_ms=expires_ms) == "expired"
    assert _why(text, globex.document, now_ms=NOW_S * 1000 - 1) == "not_yet_valid"
    assert verify_access_token(text, globex.document, provider=GLOBEX, now_ms=expires_ms, leeway_s=1)
    assert verify_access_token(text, globex.document, provider=GLOBEX, now_ms=NOW_S * 1000 - 1, leeway_s=1)


def test_a_forged_token_is_refused(acme: Party, globex: Party) -> None:
    header = {"alg": "ES256", "typ": "at+jwt", "kid": globex.kid}
    text = forge(acme.private, header, _claims())
    assert _why(text, globex.document) == "wrong_signature"
    assert _why(text, globex.key.verification_key()) == "wrong_signature"


def test_a_token_signed_by_the_consumer_is_refused(acme: Party, globex: Party) -> None:
    text = forge(acme.private, {"alg": "ES256", "typ": "at+jwt", "kid": acme.kid}, _claims())
    assert _why(text, globex.document) == "foreign_key"
    assert _why(text, globex.key.verification_key()) == "unknown_key"
    assert _why(text, acme.key.verification_key()) == "unknown_key"
    assert _why(text, acme.document) == "wrong_document"


@pytest.mark.parametrize(
    "changes", [{"iss": ACME}, {"aud": ACME}, {"iss": None}, {"aud": [GLOBEX]}], ids=repr
)
def test_a_token_of_or_for_another_provider_is_refused(changes: dict[str, object], globex: Party) -> None:
    header = {"alg": "ES256", "typ": "at+jwt", "kid": globex.kid}
    assert _why(forge(globex.private, header, _claims(**changes)), globex.document) == "wrong_parties"


@pytest.mark.parametrize("name", ["sub", "agreement_id", "transfer_pid", "asset_id", "exp", "iat", "jti"])
def test_a_token_that_leaves_something_open_is_refused(name: str, globex: Party) -> None:
    header = {"alg": "ES256", "typ": "at+jwt", "kid": globex.kid}
    text = forge(globex.private, header, _claims(**{name: None}))
    assert _why(text, globex.document) == "missing_claim"


def test_an_identity_token_is_no_access_token(globex: Party) -> None:
    text = mint_token(
        globex.key,
        audience=GLOBEX,
        now_ms=NOW_MS,
        ttl_s=60,
        token_id="t",
        claims={"agreement_id": "a", "transfer_pid": "t", "asset_id": "x"},
    )
    assert _why(text, globex.document) == "wrong_typ"
    untyped = forge(globex.private, {"alg": "ES256", "kid": globex.kid}, _claims())
    assert _why(untyped, globex.document) == "wrong_typ"


def test_an_access_token_is_no_identity_token(globex: Party) -> None:
    with pytest.raises(TokenRefused) as refusal:
        parse_token(_mint(globex))
    assert refusal.value.why_code == "wrong_typ"


def test_a_key_that_may_not_assert_is_refused(globex: Party) -> None:
    document = document_with(
        GLOBEX, {globex.kid: globex.key.verification_key()}, {"capabilityInvocation": [globex.kid]}
    )
    assert _why(_mint(globex), document) == "key_not_for_this_use"


def test_a_token_of_a_key_that_was_rotated_away_is_refused(globex: Party) -> None:
    fresh = new_party(GLOBEX, "key-2")
    assert _why(_mint(globex), fresh.document) == "unknown_key"
    assert _why(_mint(globex), fresh.key.verification_key()) == "unknown_key"
