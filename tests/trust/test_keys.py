import base64
import hashlib

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from ashiato.trust.keys import (
    SigningKey,
    UnusableKey,
    encode_private_key,
    load_signing_key,
    verification_key_from_jwk,
)
from tests.trust.parties import Party, b64

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P


def test_a_signature_is_64_bytes_that_another_implementation_accepts(acme: Party) -> None:
    signature = acme.key.sign(b"data")
    assert len(signature) == 64
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    acme.private.public_key().verify(der, b"data", ec.ECDSA(hashes.SHA256()))


def test_signing_needs_no_dice(acme: Party) -> None:
    assert acme.key.sign(b"data") == acme.key.sign(b"data")
    assert acme.key.sign(b"data") != acme.key.sign(b"Data")


def test_rfc_6979_appendix_a_2_5_is_reproduced() -> None:
    secret = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
    key = SigningKey("did:web:host#key-1", ec.derive_private_key(secret, ec.SECP256R1()))
    assert key.sign(b"sample").hex().upper() == (
        "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
        "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"
    )


def test_rfc_8032_section_7_1_test_2_is_reproduced() -> None:
    secret = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    key = SigningKey("did:web:host#ed", ed25519.Ed25519PrivateKey.from_private_bytes(secret))
    assert key.algorithm == "Ed25519"
    assert key.public_jwk() == {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": b64(bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")),
    }
    signature = key.sign(b"\x72")
    assert signature.hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert key.verification_key().verify(signature, b"\x72")


def test_an_ed25519_key_survives_its_pem_file() -> None:
    private = ed25519.Ed25519PrivateKey.generate()
    for passphrase in (None, b"a long passphrase"):
        pem = encode_private_key(private, passphrase=passphrase)
        loaded = load_signing_key(pem, "did:web:host#ed", passphrase=passphrase)
        assert (loaded.algorithm, loaded.kid, loaded.did) == ("Ed25519", "did:web:host#ed", "did:web:host")
        assert loaded.public_jwk()["x"] == b64(private.public_key().public_bytes_raw())


def test_a_key_of_another_kind_is_refused() -> None:
    pem = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(UnusableKey, match="neither"):
        load_signing_key(pem, "did:web:host#key-1")


def test_a_key_survives_its_pem_file_with_and_without_passphrase(acme: Party) -> None:
    for passphrase in (None, b"a long passphrase"):
        pem = encode_private_key(acme.private, passphrase=passphrase)
        loaded = load_signing_key(pem, acme.kid, passphrase=passphrase)
        assert loaded.public_jwk() == acme.key.public_jwk()
        assert loaded.did == acme.did
        assert (b"ENCRYPTED" in pem) == (passphrase is not None)


@pytest.mark.parametrize(
    "pem", [b"", b"garbage", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_a_broken_pem_is_refused_without_quoting_it(pem: bytes) -> None:
    with pytest.raises(UnusableKey, match="no private key"):
        load_signing_key(pem, "did:web:host#key-1")


def test_a_wrong_passphrase_is_refused(acme: Party) -> None:
    pem = encode_private_key(acme.private, passphrase=b"right")
    for wrong in (b"wrong", None):
        with pytest.raises(UnusableKey, match="passphrase"):
            load_signing_key(pem, acme.kid, passphrase=wrong)


def test_a_key_on_another_curve_is_refused() -> None:
    with pytest.raises(UnusableKey, match="P-256"):
        load_signing_key(encode_private_key(ec.generate_private_key(ec.SECP384R1())), "did:web:host#key-1")


@pytest.mark.parametrize("kid", ["key-1", "did:web:host", "did:web:host#", "#key-1", "https://host#key-1"])
def test_a_key_id_that_is_no_did_url_is_refused(kid: str, acme: Party) -> None:
    with pytest.raises(UnusableKey, match="DID URL"):
        SigningKey(kid, acme.private)


def test_a_signing_key_does_not_show_itself(acme: Party) -> None:
    secret = acme.private.private_numbers().private_value
    assert repr(acme.key) == f"SigningKey({acme.kid!r})"
    assert str(secret) not in repr(acme.key)
    assert "d" not in acme.key.public_jwk()


def test_a_public_jwk_gives_the_key_that_verifies(acme: Party) -> None:
    key = verification_key_from_jwk(acme.key.public_jwk(), acme.kid)
    signature = acme.key.sign(b"data")
    assert key.verify(signature, b"data")
    assert not key.verify(signature, b"other")
    assert not key.verify(signature + b"\0", b"data")
    assert not key.verify(signature[:32] + b"\0" + signature[32:], b"data")
    assert not key.verify(b"", b"data")


def test_an_ed25519_jwk_gives_the_key_that_verifies() -> None:
    private = ed25519.Ed25519PrivateKey.generate()
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": b64(private.public_key().public_bytes_raw())}
    key = verification_key_from_jwk(jwk, "did:web:host#ed")
    assert key.jwk() == jwk
    assert key.verify(private.sign(b"data"), b"data")
    assert not key.verify(private.sign(b"data"), b"other")


@pytest.mark.parametrize(
    "change",
    [
        {"d": "AAAA"},
        {"use": "enc"},
        {"key_ops": ["encrypt"]},
        {"key_ops": "verify"},
        {"alg": "ES384"},
        {"crv": "P-384"},
        {"crv": "secp256k1"},
        {"kty": "RSA"},
        {"kty": "oct", "k": "AAAA"},
        {"x": None},
        {"x": 5},
        {"x": "AAAA"},
        {"x": "A" * 43 + "="},
        {"x": "A" * 44},
        {"x": b64(bytes(32)), "y": b64(bytes(32))},
        {"x": b64(b"\xff" * 32)},
    ],
)
def test_a_jwk_that_is_no_signature_key_of_ours_is_refused(change: dict[str, object], acme: Party) -> None:
    with pytest.raises(UnusableKey):
        verification_key_from_jwk(acme.key.public_jwk() | change, acme.kid)


def _recover_x(y: int, sign: int) -> int | None:
    """x of the Edwards point with this y (RFC 8032, 5.1.3)."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    root = pow(square, (P + 3) // 8, P)
    if (root * root - square) % P:
        root = root * pow(2, (P - 1) // 4, P) % P
    if (root * root - square) % P or (root == 0 and sign):
        return None
    return root if root % 2 == sign else P - root


def _add(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    product = D * a[0] * b[0] * a[1] * b[1] % P
    x = (a[0] * b[1] + a[1] * b[0]) * pow(1 + product, -1, P) % P
    y = (a[1] * b[1] + a[0] * b[0]) * pow(1 - product, -1, P) % P
    return x, y


def _small_order_points() -> set[tuple[int, int]]:
    """All eight points of order 1, 2, 4 and 8, found by clearing the large factor from other points."""
    order = 2**252 + 27742317777372353535851937790883648493
    points: set[tuple[int, int]] = set()
    y = 2
    while len(points) < 8:
        x = _recover_x(y, 0)
        y += 1
        if x is None:
            continue
        result, base, left = (0, 1), (x, y - 1), order
        while left:
            result = _add(result, base) if left & 1 else result
            base, left = _add(base, base), left >> 1
        points.add(result)
    return points


def test_every_ed25519_point_of_small_order_is_refused() -> None:
    points = _small_order_points()
    assert len(points) == 8
    encodings = {(y | (x & 1) << 255) for x, y in points}
    # Spelled also with y plus the prime, where that still fits 255 bits, and with the wrong sign of x = 0.
    encodings |= {(y + P) | (x & 1) << 255 for x, y in points if y + P < 2**255}
    encodings |= {y | 1 << 255 for x, y in points if x == 0}
    for encoding in encodings:
        jwk = {"kty": "OKP", "crv": "Ed25519", "x": b64(encoding.to_bytes(32, "little"))}
        with pytest.raises(UnusableKey, match="small order"):
            verification_key_from_jwk(jwk, "did:web:host#ed")


def test_the_thumbprint_of_rfc_8037_appendix_a_3_is_reproduced() -> None:
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    found = {verification_key_from_jwk(jwk, f"did:web:a.example#{name}").thumbprint() for name in "xy"}
    assert found == {"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"}


def test_the_thumbprint_of_a_p_256_key_is_the_hash_of_its_four_members_in_order(acme: Party) -> None:
    jwk = acme.key.public_jwk()
    text = f'{{"crv":"P-256","kty":"EC","x":"{jwk["x"]}","y":"{jwk["y"]}"}}'
    expected = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
    assert acme.key.verification_key().thumbprint() == expected
