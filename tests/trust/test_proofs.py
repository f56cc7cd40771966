import pytest

from ashiato.trust.jws import TokenRefused
from ashiato.trust.proofs import VerifiedProof, mint_proof, target_of, verify_proof
from ashiato.trust.tokens import mint_token
from tests.trust.parties import ACME, GLOBEX, NOW_MS, NOW_S, Party, document_with, forge

URL = "https://globex.example:9000/data/asset-1"
# RFC 9449, section 4.1 and 7.1: this access token has this hash in the proof's `ath`.
RFC_TOKEN = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
RFC_ATH = "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"


def _mint(consumer: Party, *, method: str = "GET", url: str = URL) -> str:
    return mint_proof(
        consumer.key, method=method, url=url, access_token=RFC_TOKEN, now_ms=NOW_MS, token_id="proof-1"
    )


def _verify(
    text: str,
    consumer: Party,
    *,
    method: str = "GET",
    url: str = URL,
    access_token: str = RFC_TOKEN,
    now_ms: int = NOW_MS,
) -> VerifiedProof:
    return verify_proof(
        text,
        method=method,
        url=url,
        access_token=access_token,
        document=consumer.document,
        consumer=ACME,
        now_ms=now_ms,
    )


def _claims(**changes: object) -> dict[str, object]:
    claims: dict[str, object] = {"jti": "p", "htm": "GET", "htu": URL, "iat": NOW_S, "ath": RFC_ATH}
    return {name: value for name, value in (claims | changes).items() if value is not None}


def _forged(party: Party, **changes: object) -> str:
    return forge(party.private, {"alg": "ES256", "typ": "dpop+jwt", "kid": party.kid}, _claims(**changes))


def test_a_proof_shows_who_sent_the_request(acme: Party) -> None:
    proof = _verify(_mint(acme), acme)
    assert proof.participant_id == ACME
    assert proof.token_id == "proof-1"
    assert proof.expires_ms == (NOW_S + 65) * 1000


def test_the_hash_of_the_access_token_is_that_of_the_standard(acme: Party) -> None:
    assert _verify(_forged(acme), acme).token_id == "p"


def test_a_proof_cannot_be_made_by_hand() -> None:
    with pytest.raises(TypeError, match="verify_proof"):
        VerifiedProof(ACME, "p", 0, object())


@pytest.mark.parametrize(
    "url",
    [
        f"{URL}?page=2",
        f"{URL}#part",
        "HTTPS://GLOBEX.example:9000/data/asset-1",
    ],
)
def test_query_fragment_and_case_of_the_host_do_not_count(url: str, acme: Party) -> None:
    assert _verify(_mint(acme, url=url), acme).token_id == "proof-1"
    assert _verify(_mint(acme), acme, url=url).token_id == "proof-1"


def test_a_default_port_and_an_empty_path_do_not_count() -> None:
    assert target_of("https://h.example:443") == target_of("https://h.example/") == "https://h.example/"
    assert target_of("http://h.example:80/a") == "http://h.example/a"
    assert target_of("http://[::1]:8080/a?b#c") == "http://[::1]:8080/a"


def test_a_proof_for_another_method_is_refused(acme: Party) -> None:
    for method in ("POST", "get", "GET "):
        with pytest.raises(TokenRefused) as refusal:
            _verify(_mint(acme), acme, method=method)
        assert refusal.value.why_code == "wrong_request"


@pytest.mark.parametrize(
    "url",
    [
        "https://globex.example:9000/data/asset-2",
        "https://globex.example:9000/data/asset-1/",
        "https://globex.example:9000/data/../data/asset-1",
        "https://globex.example:9000/data%2Fasset-1",
        "https://globex.example/data/asset-1",
        "https://evil.example:9000/data/asset-1",
        "http://globex.example:9000/data/asset-1",
    ],
)
def test_a_proof_for_another_address_is_refused(url: str, acme: Party) -> None:
    with pytest.raises(TokenRefused) as refusal:
        _verify(_mint(acme), acme, url=url)
    assert refusal.value.why_code == "wrong_request"


@pytest.mark.parametrize(
    "htu",
    [
        "/data",
        "",
        "https://",
        "ftp://h/",
        "https://a@h/",
        "https://h:99999/",
        "https://h/\n",
        "https://h /",
        5,
    ],
)
def test_a_proof_whose_address_is_no_address_is_refused(htu: object, acme: Party) -> None:
    with pytest.raises(TokenRefused) as refusal:
        _verify(_forged(acme, htu=htu), acme)
    assert refusal.value.why_code == "malformed_claim"


def test_a_proof_for_another_access_token_is_refused(acme: Party) -> None:
    with pytest.raises(TokenRefused) as refusal:
        _verify(_mint(acme), acme, access_token=RFC_TOKEN + "x")
    assert refusal.value.why_code == "wrong_access_token"


def test_a_stolen_access_token_is_worthless_without_the_consumers_key(acme: Party, globex: Party) -> None:
    text = forge(globex.private, {"alg": "ES256", "typ": "dpop+jwt", "kid": acme.kid}, _claims())
    with pytest.raises(TokenRefused) as refusal:
        _verify(text, acme)
    assert refusal.value.why_code == "wrong_signature"


def test_a_proof_by_another_participant_than_the_grants_consumer_is_refused(globex: Party) -> None:
    with pytest.raises(TokenRefused) as refusal:
        _verify(_mint(globex), globex)
    assert refusal.value.why_code == "wrong_parties"


def test_a_proof_is_fresh_for_a_minute(acme: Party) -> None:
    text = _mint(acme)
    assert _verify(text, acme, now_ms=(NOW_S + 65) * 1000 - 1)
    assert _verify(text, acme, now_ms=(NOW_S - 5) * 1000)
    for now_ms, why in (((NOW_S + 65) * 1000, "expired"), ((NOW_S - 5) * 1000 - 1, "not_yet_valid")):
        with pytest.raises(TokenRefused) as refusal:
            _verify(text, acme, now_ms=now_ms)
        assert refusal.value.why_code == why


@pytest.mark.parametrize("name", ["jti", "htm", "htu", "iat", "ath"])
def test_a_proof_without_a_required_claim_is_refused(name: str, acme: Party) -> None:
    with pytest.raises(TokenRefused) as refusal:
        _verify(_forged(acme, **{name: None}), acme)
    assert refusal.value.why_code == "missing_claim"


def test_an_embedded_key_is_refused_though_the_standard_embeds_it(acme: Party, globex: Party) -> None:
    header = {"alg": "ES256", "typ": "dpop+jwt", "jwk": globex.key.public_jwk()}
    with pytest.raises(TokenRefused) as refusal:
        _verify(forge(globex.private, header, _claims()), acme)
    assert refusal.value.why_code == "header_not_allowed"


def test_an_identity_token_is_no_proof(acme: Party) -> None:
    claims = {"htm": "GET", "htu": URL, "ath": RFC_ATH}
    text = mint_token(acme.key, audience=GLOBEX, now_ms=NOW_MS, ttl_s=60, token_id="t", claims=claims)
    with pytest.raises(TokenRefused) as refusal:
        _verify(text, acme)
    assert refusal.value.why_code == "wrong_typ"


def test_a_key_that_may_not_invoke_is_refused(acme: Party) -> None:
    document = document_with(ACME, {acme.kid: acme.key.verification_key()}, {"assertionMethod": [acme.kid]})
    with pytest.raises(TokenRefused) as refusal:
        verify_proof(
            _mint(acme),
            method="GET",
            url=URL,
            access_token=RFC_TOKEN,
            document=document,
            consumer=ACME,
            now_ms=NOW_MS,
        )
    assert refusal.value.why_code == "key_not_for_this_use"


def test_a_change_of_any_character_is_refused(acme: Party) -> None:
    text = _mint(acme)
    for position in range(0, len(text), 3):
        changed = text[:position] + ("A" if text[position] != "A" else "B") + text[position + 1 :]
        with pytest.raises(TokenRefused):
            _verify(changed, acme)
