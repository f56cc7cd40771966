"""Every Wycheproof vector for the signatures and the JWS form that this room reads."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ashiato.trust.jws import TokenRefused, check_signature, parse_compact
from ashiato.trust.keys import UnusableKey, VerificationKey, verification_key_from_jwk
from tests.trust.parties import b64

KID = "did:web:host#key"

# JWS vectors that Wycheproof calls valid and this room refuses, and why. None is the other way round.
HS256 = "a shared secret says nothing about who signed"
RSA = "RSA is not among the accepted algorithms (ES256, EdDSA)"
P521 = "P-521 is not among the accepted curves"
TYPO = "marked valid, but a '?' stands inside a base64url part; RFC 7515, 2 allows none"
STRICTER = (
    dict.fromkeys((1, 348, 352, 357, 358, 359, 376, 377), HS256)
    | dict.fromkeys((33, *range(259, 276), 287, 288, *range(320, 324), *range(325, 329)), RSA)
    | dict.fromkeys((345, 346, 349, 350), RSA)
    | dict.fromkeys((347, 351), P521)
    | dict.fromkeys((372, 373), TYPO)
)


def _vectors(folder: Path, name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    document = json.loads((folder / "wycheproof" / name).read_text("utf-8"))
    for group in document["testGroups"]:
        for vector in group["tests"]:
            yield group, vector


def _signature_faults(
    folder: Path, name: str, jwk_of: Callable[[dict[str, Any]], dict[str, str]]
) -> tuple[int, list[str]]:
    count, faults = 0, []
    for group, vector in _vectors(folder, name):
        count += 1
        try:
            key: VerificationKey | None = verification_key_from_jwk(jwk_of(group), KID)
        except UnusableKey:
            key = None
        message, signature = bytes.fromhex(vector["msg"]), bytes.fromhex(vector["sig"])
        accepted = key is not None and key.verify(signature, message)
        if accepted != (vector["result"] == "valid"):
            faults.append(f"{vector['tcId']} {vector['comment']}: {vector['result']}, accepted {accepted}")
    return count, faults


def _p256_jwk(group: dict[str, Any]) -> dict[str, str]:
    x, y = (int(group["publicKey"][name], 16).to_bytes(32, "big") for name in ("wx", "wy"))
    return {"kty": "EC", "crv": "P-256", "x": b64(x), "y": b64(y)}


def test_every_es256_vector_is_judged_as_wycheproof_does(conformance: Path) -> None:
    count, faults = _signature_faults(conformance, "ecdsa_secp256r1_sha256_p1363_test.json", _p256_jwk)
    assert count == 262
    assert faults == []


def test_every_ed25519_vector_is_judged_as_wycheproof_does(conformance: Path) -> None:
    count, faults = _signature_faults(conformance, "ed25519_test.json", lambda group: group["publicKeyJwk"])
    assert count == 151
    assert faults == []


def _is_accepted(group: dict[str, Any], token: str) -> bool:
    try:
        key = verification_key_from_jwk(group.get("public") or group["private"], KID)
        check_signature(parse_compact(token, typs=frozenset({None})), key)
    except (UnusableKey, TokenRefused):
        return False
    return True


def test_no_jws_vector_is_accepted_wrongly_and_each_stricter_answer_has_its_reason(conformance: Path) -> None:
    accepted: set[int] = set()
    valid: set[int] = set()
    refused: set[int] = set()
    for group, vector in _vectors(conformance, "json_web_signature_test.json"):
        number = vector["tcId"]
        text = vector["jws"] if isinstance(vector["jws"], str) else json.dumps(vector["jws"])
        (valid if vector["result"] == "valid" else refused).add(number)
        if _is_accepted(group, text):
            accepted.add(number)
    assert len(valid | refused) == 401
    assert accepted & refused == set()
    assert valid - accepted == set(STRICTER)
    assert accepted == {18, 378}


@pytest.mark.parametrize("number", [18, 378])
def test_an_accepted_jws_vector_is_refused_after_any_change_of_one_character(
    number: int, conformance: Path
) -> None:
    vectors = _vectors(conformance, "json_web_signature_test.json")
    group, vector = next(pair for pair in vectors if pair[1]["tcId"] == number)
    token = vector["jws"]
    for position, character in enumerate(token):
        changed = token[:position] + ("A" if character != "A" else "B") + token[position + 1 :]
        assert not _is_accepted(group, changed), position
