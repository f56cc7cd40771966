import dataclasses
import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey

from ashiato.trust.did import DidDocument, parse_did_document
from ashiato.trust.jws import assemble
from ashiato.trust.keys import verification_key_from_jwk
from ashiato.trust.tokens import (
    MalformedToken,
    MisdirectedToken,
    OutOfTime,
    TokenRefused,
    UntrustedSignature,
    VerifiedCaller,
    mint_token,
    parse_token,
    token_signing_input,
    verify_token,
)
from tests.trust.parties import ACME, GLOBEX, NOW_MS, NOW_S, Party, b64, document_with, forge, new_party


def _header(party: Party) -> dict[str, object]:
    return {"alg": "ES256", "typ": "JWT", "kid": party.kid}


def _claims(**changes: object) -> dict[str, object]:
    """The claims of a good token from ACME to GLOBEX; a change to `None` leaves the claim out."""
    claims: dict[str, object] = {
        "iss": ACME,
        "sub": ACME,
        "aud": GLOBEX,
        "iat": NOW_S,
        "exp": NOW_S + 60,
        "jti": "token-1",
    }
    return {name: value for name, value in (claims | changes).items() if value is not None}


def _verify(text: str, document: DidDocument, *, now_ms: int = NOW_MS, leeway_s: int = 5) -> VerifiedCaller:
    token = parse_token(text)
    return verify_token(token, document, audience=GLOBEX, now_ms=now_ms, leeway_s=leeway_s, max_ttl_s=300)


def _why(text: str, document: DidDocument, *, now_ms: int = NOW_MS) -> str:
    with pytest.raises(TokenRefused) as refusal:
        _verify(text, document, now_ms=now_ms)
    assert refusal.value.sentence == str(refusal.value)
    assert len(refusal.value.sentence) < 1000
    return refusal.value.why_code


def test_a_minted_token_proves_its_caller(acme: Party) -> None:
    text = mint_token(
        acme.key, audience=GLOBEX, now_ms=NOW_MS, ttl_s=60, token_id="t-1", claims={"token": "opaque"}
    )
    caller = _verify(text, acme.document)
    assert caller.participant_id == ACME
    assert caller.token_id == "t-1"
    assert caller.expires_ms == (NOW_S + 60 + 5) * 1000  # with the leeway: until then it would be accepted
    assert dict(caller.claims) == {"token": "opaque"}
    assert caller.access_token == "opaque"


def test_an_access_token_is_optional_and_a_text(acme: Party) -> None:
    assert _verify(forge(acme.private, _header(acme), _claims()), acme.document).access_token is None
    values: list[object] = [5, ["a"], {}, "", "x" * 8193, True]
    for value in values:
        assert _why(forge(acme.private, _header(acme), _claims(token=value)), acme.document) == (
            "malformed_claim"
        )


@pytest.mark.parametrize("name", ["vc", "vp", "credentialSubject", "verifiableCredential"])
def test_a_credential_or_presentation_is_no_identity_token(name: str, acme: Party) -> None:
    assert _why(forge(acme.private, _header(acme), _claims(**{name: {}})), acme.document) == "wrong_typ"


def test_a_key_that_signs_elsewhere_mints_the_same_token(acme: Party) -> None:
    data = token_signing_input(acme.key, audience=GLOBEX, now_ms=NOW_MS, ttl_s=60, token_id="t-1")
    text = mint_token(acme.key, audience=GLOBEX, now_ms=NOW_MS, ttl_s=60, token_id="t-1")
    assert assemble(data, acme.key.sign(data)) == text


def test_another_implementation_reads_a_minted_token(acme: Party) -> None:
    text = mint_token(acme.key, audience=GLOBEX, now_ms=NOW_MS, ttl_s=60, token_id="t-1")
    read = jwt.decode(text, ECKey.import_key(acme.private.public_key()), algorithms=["ES256"])
    assert read.header == {"alg": "ES256", "typ": "JWT", "kid": acme.kid}
    assert read.claims == {
        "iss": ACME,
        "sub": ACME,
        "aud": GLOBEX,
        "iat": NOW_S,
        "exp": NOW_S + 60,
        "jti": "t-1",
    }


def test_a_token_of_another_implementation_is_accepted(acme: Party) -> None:
    text = jwt.encode(_header(acme), _claims(), ECKey.import_key(acme.private))
    assert _verify(text, acme.document).participant_id == ACME


def test_a_token_without_typ_is_accepted_as_other_connectors_send_it(acme: Party) -> None:
    text = forge(acme.private, {"alg": "ES256", "kid": acme.kid}, _claims())
    assert _verify(text, acme.document).participant_id == ACME


def test_a_token_with_one_audience_in_an_array_is_accepted(acme: Party) -> None:
    assert (
        _verify(forge(acme.private, _header(acme), _claims(aud=[GLOBEX])), acme.document).token_id
        == "token-1"
    )


@pytest.mark.parametrize("alg", ["EdDSA", "Ed25519"])
def test_an_ed25519_token_is_accepted(alg: str) -> None:
    private = ed25519.Ed25519PrivateKey.generate()
    kid = f"{ACME}#ed"
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": b64(private.public_key().public_bytes_raw())}
    document = document_with(
        ACME, {kid: verification_key_from_jwk(jwk, kid)}, {"capabilityInvocation": [kid]}
    )
    text = forge(private, {"alg": alg, "typ": "JWT", "kid": kid}, _claims())
    assert _verify(text, document).participant_id == ACME


def test_a_registered_claim_cannot_be_replaced_when_minting(acme: Party) -> None:
    for name in ("iss", "sub", "aud", "iat", "exp", "nbf", "jti"):
        with pytest.raises(ValueError, match="registered"):
            mint_token(acme.key, audience=GLOBEX, now_ms=NOW_MS, ttl_s=60, token_id="t", claims={name: "x"})


def test_a_verified_caller_cannot_be_made_by_hand(acme: Party) -> None:
    with pytest.raises(TypeError, match="verify_token"):
        VerifiedCaller(ACME, "t", 0, {}, acme.key.verification_key(), object())
    caller = _verify(forge(acme.private, _header(acme), _claims()), acme.document)
    with pytest.raises(TypeError, match="verify_token"):
        dataclasses.replace(caller, participant_id=GLOBEX, door=object())
    with pytest.raises(dataclasses.FrozenInstanceError):
        caller.participant_id = GLOBEX  # type: ignore[misc]  # the very assignment that must fail
    with pytest.raises(TypeError):
        caller.claims["x"] = 1  # type: ignore[index]  # the very assignment that must fail


def test_a_wrong_key_is_refused(acme: Party, globex: Party) -> None:
    assert _why(forge(globex.private, _header(acme), _claims()), acme.document) == "wrong_signature"


def test_a_key_id_that_the_document_lacks_is_refused(acme: Party) -> None:
    text = forge(acme.private, _header(acme) | {"kid": f"{ACME}#key-2"}, _claims())
    assert _why(text, acme.document) == "unknown_key"


def test_a_key_id_of_another_did_is_refused(acme: Party, globex: Party) -> None:
    assert _why(forge(globex.private, _header(globex), _claims()), acme.document) == "foreign_key"


@pytest.mark.parametrize("kid", [f"{ACME}.evil.example#key-1", ACME, f"{ACME}?#key-1", "#key-1", "key-1", ""])
def test_a_key_id_that_only_resembles_the_issuer_is_refused(kid: str, acme: Party) -> None:
    text = forge(acme.private, _header(acme) | {"kid": kid}, _claims())
    assert _why(text, acme.document) == "foreign_key"


def test_a_document_that_lists_a_key_of_another_did_does_not_lend_it(acme: Party, globex: Party) -> None:
    data = {
        "id": ACME,
        "verificationMethod": [
            {
                "id": globex.kid,
                "type": "JsonWebKey2020",
                "controller": ACME,
                "publicKeyJwk": globex.key.public_jwk(),
            }
        ],
        "capabilityInvocation": [globex.kid],
    }
    document = parse_did_document(json.dumps(data).encode(), ACME)
    assert _why(forge(globex.private, _header(globex), _claims()), document) == "foreign_key"


def test_a_key_without_capability_invocation_is_refused(acme: Party) -> None:
    document = document_with(
        ACME,
        {acme.kid: acme.key.verification_key()},
        {"authentication": [acme.kid], "assertionMethod": [acme.kid]},
    )
    assert _why(forge(acme.private, _header(acme), _claims()), document) == "key_not_for_this_use"


def test_without_key_id_the_only_key_is_used(acme: Party) -> None:
    text = forge(acme.private, {"alg": "ES256", "typ": "JWT"}, _claims())
    assert _verify(text, acme.document).participant_id == ACME


def test_without_key_id_one_of_several_keys_is_refused(acme: Party) -> None:
    second = new_party(ACME, "key-2")
    keys = {acme.kid: acme.key.verification_key(), second.kid: second.key.verification_key()}
    document = document_with(ACME, keys, {"capabilityInvocation": list(keys)})
    text = forge(acme.private, {"alg": "ES256", "typ": "JWT"}, _claims())
    assert _why(text, document) == "no_key"
    assert _verify(forge(acme.private, _header(acme), _claims()), document).participant_id == ACME


def test_without_key_id_a_second_method_of_unknown_kind_counts(acme: Party) -> None:
    methods = [
        {"id": acme.kid, "type": "JsonWebKey", "controller": ACME, "publicKeyJwk": acme.key.public_jwk()},
        {"id": f"{ACME}#other", "type": "Multikey", "controller": ACME, "publicKeyMultibase": "z6Mk"},
    ]
    data = {"id": ACME, "verificationMethod": methods, "capabilityInvocation": [acme.kid]}
    document = parse_did_document(json.dumps(data).encode(), ACME)
    text = forge(acme.private, {"alg": "ES256", "typ": "JWT"}, _claims())
    assert _why(text, document) == "no_key"


def test_the_document_of_another_did_is_refused(acme: Party, globex: Party) -> None:
    assert _why(forge(acme.private, _header(acme), _claims()), globex.document) == "wrong_document"


def test_an_algorithm_that_does_not_fit_the_key_is_refused(acme: Party) -> None:
    text = forge(acme.private, _header(acme) | {"alg": "EdDSA"}, _claims())
    assert _why(text, acme.document) == "wrong_signature"


def test_a_token_for_another_audience_is_refused(acme: Party) -> None:
    text = forge(acme.private, _header(acme), _claims(aud="did:web:other.example"))
    assert _why(text, acme.document) == "wrong_audience"


@pytest.mark.parametrize("aud", [f"{GLOBEX} ", GLOBEX.upper(), f"{GLOBEX}:x", GLOBEX[:-1]])
def test_the_audience_is_compared_exactly(aud: str, acme: Party) -> None:
    assert _why(forge(acme.private, _header(acme), _claims(aud=aud)), acme.document) == "wrong_audience"


def test_a_token_for_several_audiences_is_refused(acme: Party) -> None:
    for aud in ([GLOBEX, ACME], [], [5], {"x": GLOBEX}):
        text = forge(acme.private, _header(acme), _claims(aud=aud))
        assert _why(text, acme.document) == "malformed_claim"


def test_an_issuer_that_is_not_the_subject_is_refused(acme: Party) -> None:
    for changes in ({"sub": GLOBEX}, {"iss": GLOBEX}):
        text = forge(acme.private, _header(acme), _claims(**changes))
        assert _why(text, acme.document) == "issuer_is_not_subject"


def test_an_expired_token_is_refused_from_its_last_instant_on(acme: Party) -> None:
    text = forge(acme.private, _header(acme), _claims())
    expires_ms = (NOW_S + 60) * 1000
    token = parse_token(text)
    caller = verify_token(
        token, acme.document, audience=GLOBEX, now_ms=expires_ms - 1, leeway_s=0, max_ttl_s=300
    )
    assert caller.expires_ms == expires_ms
    with pytest.raises(OutOfTime) as refusal:
        verify_token(token, acme.document, audience=GLOBEX, now_ms=expires_ms, leeway_s=0, max_ttl_s=300)
    assert refusal.value.why_code == "expired"
    assert _verify(text, acme.document, now_ms=expires_ms + 4_999).expires_ms == expires_ms + 5_000
    assert _why(text, acme.document, now_ms=expires_ms + 5_000) == "expired"


def test_a_token_issued_in_the_future_is_refused(acme: Party) -> None:
    ahead = forge(acme.private, _header(acme), _claims(iat=NOW_S + 6, exp=NOW_S + 66))
    assert _why(ahead, acme.document) == "not_yet_valid"
    near = forge(acme.private, _header(acme), _claims(iat=NOW_S + 5, exp=NOW_S + 65))
    assert _verify(near, acme.document).token_id == "token-1"


def test_a_token_not_yet_valid_is_refused(acme: Party) -> None:
    text = forge(acme.private, _header(acme), _claims(nbf=NOW_S + 6))
    assert _why(text, acme.document) == "not_yet_valid"
    assert (
        _verify(forge(acme.private, _header(acme), _claims(nbf=NOW_S)), acme.document).token_id == "token-1"
    )


def test_a_token_that_lives_too_long_is_refused(acme: Party) -> None:
    text = forge(acme.private, _header(acme), _claims(exp=NOW_S + 301))
    assert _why(text, acme.document) == "lives_too_long"
    assert _verify(forge(acme.private, _header(acme), _claims(exp=NOW_S + 300)), acme.document)


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "iat", "exp", "jti"])
def test_a_token_without_a_required_claim_is_refused(name: str, acme: Party) -> None:
    assert _why(forge(acme.private, _header(acme), _claims(**{name: None})), acme.document) == "missing_claim"


@pytest.mark.parametrize("name", ["iat", "exp", "nbf"])
@pytest.mark.parametrize(
    "value",
    ["1764000060", 1764000060.0, 1764000060.5, True, -1, 10**30, 1_764_000_060_000, [], {}],
    ids=repr,
)
def test_a_date_that_is_no_sane_whole_number_is_refused(name: str, value: object, acme: Party) -> None:
    text = forge(acme.private, _header(acme), _claims(**{name: value}))
    assert _why(text, acme.document) == "malformed_claim"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_a_date_that_is_no_number_at_all_is_refused(number: str, acme: Party) -> None:
    payload = json.dumps(_claims()).replace(str(NOW_S + 60), number).encode()
    assert number.encode() in payload
    assert _why(forge(acme.private, _header(acme), payload), acme.document) == "not_json"


@pytest.mark.parametrize("value", ["", "x" * 257, 5, ["a"], {}, True], ids=repr)
def test_a_token_id_that_is_no_short_text_is_refused(value: object, acme: Party) -> None:
    text = forge(acme.private, _header(acme), _claims(jti=value))
    assert _why(text, acme.document) == "malformed_claim"


def test_an_overlong_issuer_is_refused(acme: Party) -> None:
    did = "did:web:" + "a" * 505
    assert (
        _why(forge(acme.private, _header(acme), _claims(iss=did, sub=did)), acme.document)
        == "malformed_claim"
    )


@pytest.mark.parametrize(
    "alg",
    ["none", "None", "NONE", "", "HS256", "es256", "Es256", "ES384", "ES256K", "RS256", "PS256", None, 5],
)
def test_an_algorithm_outside_the_list_is_refused(alg: object, acme: Party) -> None:
    assert (
        _why(forge(acme.private, _header(acme) | {"alg": alg}, _claims()), acme.document) == "alg_not_allowed"
    )


def test_a_missing_algorithm_is_refused(acme: Party) -> None:
    assert _why(forge(acme.private, {"kid": acme.kid}, _claims()), acme.document) == "alg_not_allowed"


def test_an_unsigned_token_is_refused(acme: Party) -> None:
    parts = forge(acme.private, _header(acme) | {"alg": "none"}, _claims()).split(".")
    assert _why(f"{parts[0]}.{parts[1]}.", acme.document) == "not_compact"
    assert _why(f"{parts[0]}.{parts[1]}", acme.document) == "not_compact"


def test_an_hmac_keyed_with_the_public_key_is_refused(acme: Party) -> None:
    pem = acme.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    header = b64(json.dumps(_header(acme) | {"alg": "HS256"}).encode())
    signing_input = f"{header}.{b64(json.dumps(_claims()).encode())}"
    tag = hmac.new(pem, signing_input.encode(), hashlib.sha256).digest()
    assert _why(f"{signing_input}.{b64(tag)}", acme.document) == "alg_not_allowed"


@pytest.mark.parametrize(
    "extra",
    [
        {"crit": []},
        {"crit": ["exp"]},
        {"crit": ["b64"], "b64": False},
        {"crit": ["unknown"], "unknown": 1},
        {"crit": None},
        {"b64": False},
        {"b64": True},
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/cert"},
        {"x5c": ["MIIB"]},
        {"zip": "DEF"},
        {"enc": "A256GCM"},
    ],
    ids=repr,
)
def test_a_header_that_changes_the_key_or_the_signed_bytes_is_refused(
    extra: dict[str, object], acme: Party
) -> None:
    assert _why(forge(acme.private, _header(acme) | extra, _claims()), acme.document) == "header_not_allowed"


def test_an_embedded_key_is_refused(acme: Party, globex: Party) -> None:
    header = _header(acme) | {"jwk": globex.key.public_jwk()}
    assert _why(forge(globex.private, header, _claims()), acme.document) == "header_not_allowed"


@pytest.mark.parametrize("typ", ["at+jwt", "dpop+jwt", "vc+jwt", "jwt", "", None, 5, ["JWT"]], ids=repr)
def test_a_token_of_another_type_is_refused(typ: object, acme: Party) -> None:
    assert _why(forge(acme.private, _header(acme) | {"typ": typ}, _claims()), acme.document) == "wrong_typ"


@pytest.mark.parametrize("kid", [None, 5, ["x"], {}], ids=repr)
def test_a_key_id_that_is_no_text_is_refused(kid: object, acme: Party) -> None:
    text = forge(acme.private, _header(acme) | {"kid": kid}, _claims())
    assert _why(text, acme.document) == "header_not_allowed"


def test_duplicate_keys_in_the_header_are_refused(acme: Party) -> None:
    header = f'{{"alg":"none","alg":"ES256","typ":"JWT","kid":"{acme.kid}"}}'.encode()
    assert _why(forge(acme.private, header, _claims()), acme.document) == "not_json"


def test_duplicate_keys_in_the_payload_are_refused(acme: Party) -> None:
    payload = json.dumps(_claims())[:-1] + ', "exp": 9999999999}'
    assert _why(forge(acme.private, _header(acme), payload.encode()), acme.document) == "not_json"


def test_spare_bits_in_any_part_are_refused(acme: Party) -> None:
    # 64 signature bytes leave four spare bits in the last character.
    text = forge(acme.private, _header(acme), _claims())
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    changed = text[:-1] + alphabet[alphabet.index(text[-1]) + 1]
    assert _why(changed, acme.document) == "not_canonical"


@pytest.mark.parametrize("part", [0, 1, 2])
def test_padding_in_any_part_is_refused(part: int, acme: Party) -> None:
    parts = forge(acme.private, _header(acme), _claims()).split(".")
    parts[part] += "=" * (-len(parts[part]) % 4 or 1)
    assert _why(".".join(parts), acme.document) == "not_compact"


@pytest.mark.parametrize("change", ["{} ", " {}", "{}\n", "{}.", ".{}", "{}.e30", "Bearer {}", "{}\0", "{}é"])
def test_anything_around_the_three_parts_is_refused(change: str, acme: Party) -> None:
    text = change.format(forge(acme.private, _header(acme), _claims()))
    assert _why(text, acme.document) == "not_compact"


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.", ".b.c", "a..c", "{}", "null"])
def test_what_is_no_token_at_all_is_refused(text: str, acme: Party) -> None:
    assert _why(text, acme.document) == "not_compact"


def test_a_header_of_two_megabytes_is_refused_before_it_is_read(acme: Party) -> None:
    text = forge(acme.private, _header(acme) | {"x": "y" * 2_000_000}, _claims())
    assert _why(text, acme.document) == "too_large"


def test_a_token_may_have_16_384_characters_and_not_one_more(acme: Party) -> None:
    signed_part = forge(acme.private, _header(acme), _claims()).rpartition(".")[0]
    room = 16_384 - len(signed_part) - 1
    if room % 4 == 1:
        signed_part = forge(acme.private, _header(acme), _claims(x=1)).rpartition(".")[0]
        room = 16_384 - len(signed_part) - 1
    assert parse_token(f"{signed_part}.{'A' * room}").issuer == ACME
    with pytest.raises(MalformedToken, match="longer than 16384"):
        parse_token(f"{signed_part}.{'A' * (room + 1)}")


def test_a_payload_nested_a_thousandfold_is_refused(acme: Party) -> None:
    payload = json.dumps(_claims())[:-1] + ', "x": ' + "[" * 1000 + "]" * 1000 + "}"
    assert _why(forge(acme.private, _header(acme), payload.encode()), acme.document) == "not_json"


@pytest.mark.parametrize(
    "payload", [b"[]", b'"x"', b"5", b"null", b"foo", b"\xff", b'{"a": "\\ud800"}', b"\xef\xbb\xbf{}"]
)
def test_a_payload_that_is_no_json_object_is_refused(payload: bytes, acme: Party) -> None:
    assert _why(forge(acme.private, _header(acme), payload), acme.document) == "not_json"


def test_the_sentence_does_not_repeat_a_long_foreign_text(acme: Party) -> None:
    payload = b'{"%s": 1, "%s": 2}' % (b"k" * 4000, b"k" * 4000)
    assert _why(forge(acme.private, _header(acme), payload), acme.document) == "not_json"
    kid = f"{ACME}#{'k' * 4000}"
    assert _why(forge(acme.private, _header(acme) | {"kid": kid}, _claims()), acme.document) == "unknown_key"


def test_a_change_of_any_character_is_refused(acme: Party) -> None:
    text = forge(acme.private, _header(acme), _claims())
    assert _verify(text, acme.document)
    for position in range(len(text)):
        changed = text[:position] + ("A" if text[position] != "A" else "B") + text[position + 1 :]
        with pytest.raises(TokenRefused):
            _verify(changed, acme.document)


def test_every_refusal_belongs_to_one_family() -> None:
    for kind in (MalformedToken, UntrustedSignature, OutOfTime, MisdirectedToken):
        assert issubclass(kind, TokenRefused)


_JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
# A loaded machine must not fail a test that is right.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
_ATTACKER = ec.generate_private_key(ec.SECP256R1())


@PATIENT
@given(
    header=st.dictionaries(st.sampled_from(["alg", "typ", "kid", "cty", "x"]), _JSON),
    payload=st.dictionaries(st.sampled_from(["iss", "sub", "aud", "iat", "exp", "nbf", "jti"]), _JSON),
    is_sound=st.booleans(),
)
def test_no_token_of_a_foreign_key_passes_and_none_breaks_the_reader(
    header: dict[str, object], payload: dict[str, object], is_sound: bool, acme: Party
) -> None:
    sound_header, sound_payload = (_header(acme), _claims()) if is_sound else ({}, {})
    text = forge(_ATTACKER, sound_header | header, sound_payload | payload)
    with pytest.raises(TokenRefused):
        _verify(text, acme.document)


@PATIENT
@given(st.text(alphabet="eyJhbGciOiJFUzI1NiJ9.-_= \n\0é", max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    with pytest.raises(MalformedToken):
        parse_token(text)
