"""Signing and verification keys: ES256 on P-256 and Ed25519 (RFC 7518, RFC 8037)."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from ashiato.trust import base64url

KeyKind = Literal["P-256", "Ed25519"]
Algorithm = Literal["ES256", "Ed25519"]

# The header names of JOSE. "EdDSA" is what we write for Ed25519: older programs do not know RFC 9864's "Ed25519".
KIND_OF: Mapping[object, KeyKind] = {"ES256": "P-256", "EdDSA": "Ed25519", "Ed25519": "Ed25519"}
HEADER_OF: Mapping[Algorithm, str] = {"ES256": "ES256", "Ed25519": "EdDSA"}

MAX_CHAIN = 8
MAX_CERTIFICATE_BYTES = 16_384

_COORDINATE_BYTES = 32
_SIGNATURE_BYTES = 64
# RFC 6979 nonces: a repeated or biased random number (a forked process, a young virtual machine) leaks an
# ECDSA key.
_SIGN = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
_VERIFY = ec.ECDSA(hashes.SHA256())

# Encodings of Ed25519 points of small order, sign bit cleared: under them a signature can fit every message.
_SMALL_ORDER = frozenset(
    bytes.fromhex(point)
    for point in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    )
)


class UnusableKey(ValueError):
    """The key is not one that this room can use; whoever published or configured it must replace it."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key under its full DID URL `kid`."""

    kid: str
    kind: KeyKind
    public: ec.EllipticCurvePublicKey | Ed25519PublicKey

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether `signature` (64 bytes: r||s for P-256, R||S for Ed25519) is this key's over `data`."""
        if len(signature) != _SIGNATURE_BYTES:
            return False
        try:
            if isinstance(self.public, Ed25519PublicKey):
                self.public.verify(signature, data)
            else:
                r = int.from_bytes(signature[:_COORDINATE_BYTES])
                s = int.from_bytes(signature[_COORDINATE_BYTES:])
                self.public.verify(encode_dss_signature(r, s), data, _VERIFY)
        except InvalidSignature:
            return False
        return True

    def jwk(self) -> dict[str, str]:
        """The public JWK (RFC 7517) without `kid`."""
        return (
            _ed25519_jwk(self.public) if isinstance(self.public, Ed25519PublicKey) else _p256_jwk(self.public)
        )

    def thumbprint(self) -> str:
        """The JWK thumbprint with SHA-256 in base64url (RFC 7638): the same for the same key under whatever `kid`."""
        members = dict(sorted(self.jwk().items()))
        return base64url.encode(hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest())


class KeyIdentity(Protocol):
    """Whose key signs, and how: all that must be known before the signature itself is made.

    A `SigningKey` is one, and so is anything that signs elsewhere and later.
    """

    @property
    def kid(self) -> str: ...

    @property
    def did(self) -> str: ...

    @property
    def algorithm(self) -> Algorithm: ...


class SigningKey:
    """A P-256 or Ed25519 private key under its full DID URL `kid`, such as `did:web:host%3A9000:acme#key-1`."""

    __slots__ = ("_private", "algorithm", "did", "kid")

    def __init__(self, kid: str, private: ec.EllipticCurvePrivateKey | Ed25519PrivateKey) -> None:
        """Raises `UnusableKey` for another curve or a `kid` that is no DID URL with a fragment."""
        did, hash_sign, fragment = kid.partition("#")
        if not did.startswith("did:") or not hash_sign or not fragment:
            raise UnusableKey(
                f"the key id {kid!r} is not a DID URL with a fragment, such as did:web:host#key-1"
            )
        if isinstance(private, ec.EllipticCurvePrivateKey) and not isinstance(private.curve, ec.SECP256R1):
            raise UnusableKey(f"the key {kid} is on {private.curve.name}; ES256 needs a key on P-256")
        self.kid = kid
        self.did = did
        self.algorithm: Algorithm = "Ed25519" if isinstance(private, Ed25519PrivateKey) else "ES256"
        self._private = private

    def __repr__(self) -> str:
        return f"SigningKey({self.kid!r})"

    def sign(self, data: bytes) -> bytes:
        """The signature of `data`, 64 bytes: r||s for ES256 (RFC 7518, 3.4), R||S for Ed25519 (RFC 8032).

        The same data, the same signature.
        """
        if isinstance(self._private, Ed25519PrivateKey):
            return self._private.sign(data)
        r, s = decode_dss_signature(self._private.sign(data, _SIGN))
        return r.to_bytes(_COORDINATE_BYTES) + s.to_bytes(_COORDINATE_BYTES)

    def public_jwk(self) -> dict[str, str]:
        """The public half as a JWK (RFC 7517) without `kid`."""
        return self.verification_key().jwk()

    def verification_key(self) -> VerificationKey:
        """The public half, as others hold it after reading our DID document."""
        return VerificationKey(self.kid, KIND_OF[self.algorithm], self._private.public_key())


def load_signing_key(pem: bytes, kid: str, *, passphrase: bytes | None = None) -> SigningKey:
    """The P-256 or Ed25519 key in a PKCS#8 (or SEC1) PEM file; raises `UnusableKey`, which never quotes it."""
    try:
        private = serialization.load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError):
        raise UnusableKey(
            f"the PEM for {kid} is no private key, or the passphrase does not open it"
        ) from None
    if not isinstance(private, ec.EllipticCurvePrivateKey | Ed25519PrivateKey):
        raise UnusableKey(f"the PEM for {kid} holds neither a P-256 key nor an Ed25519 key")
    return SigningKey(kid, private)


def encode_private_key(
    private: ec.EllipticCurvePrivateKey | Ed25519PrivateKey, *, passphrase: bytes | None = None
) -> bytes:
    """`private` as a PKCS#8 PEM file that `load_signing_key` reads, encrypted when a passphrase is given."""
    protection = (
        serialization.NoEncryption()
        if passphrase is None
        else serialization.BestAvailableEncryption(passphrase)
    )
    return private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)


def verification_key_from_jwk(jwk: Mapping[str, object], kid: str) -> VerificationKey:
    """The signature key in a public JWK (P-256 or Ed25519); raises `UnusableKey` for every other one.

    A JWK that holds its private part, that is meant for encryption, or that names another algorithm is
    unusable.
    """
    if "d" in jwk:
        raise UnusableKey("the JWK publishes its private part: the key is burnt")
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        raise UnusableKey("the JWK is not meant for verifying signatures")
    kind = (jwk.get("kty"), jwk.get("crv"))
    if kind == ("EC", "P-256") and jwk.get("alg", "ES256") == "ES256":
        return VerificationKey(kid, "P-256", _p256_from_jwk(jwk))
    if kind == ("OKP", "Ed25519") and jwk.get("alg", "EdDSA") in ("EdDSA", "Ed25519"):
        return VerificationKey(kid, "Ed25519", ed25519_from_point(_coordinate(jwk, "x")))
    raise UnusableKey("the JWK is neither a P-256 key for ES256 nor an Ed25519 key")


def chain_of(jwk: Mapping[str, object]) -> tuple[bytes, ...]:
    """The DER certificates of a JWK's `x5c`, the key's own first; empty where there is none.

    Raises `UnusableKey` for what is no list of at most `MAX_CHAIN` texts in base64.
    """
    value = jwk.get("x5c")
    if value is None:
        return ()
    if not isinstance(value, list) or not 0 < len(value) <= MAX_CHAIN:
        raise UnusableKey(f"x5c is not a list of 1 to {MAX_CHAIN} certificates")
    return tuple(_der(text) for text in value)


def _der(text: object) -> bytes:
    if not isinstance(text, str) or len(text) > MAX_CERTIFICATE_BYTES * 4 // 3:
        raise UnusableKey("x5c holds something else than certificates")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise UnusableKey("x5c holds something else than base64") from None


def _p256_jwk(public: ec.EllipticCurvePublicKey) -> dict[str, str]:
    point = public.public_numbers()
    x, y = (base64url.encode(part.to_bytes(_COORDINATE_BYTES)) for part in (point.x, point.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


def _ed25519_jwk(public: Ed25519PublicKey) -> dict[str, str]:
    return {"kty": "OKP", "crv": "Ed25519", "x": base64url.encode(public.public_bytes_raw())}


def _p256_from_jwk(jwk: Mapping[str, object]) -> ec.EllipticCurvePublicKey:
    x, y = (int.from_bytes(_coordinate(jwk, name)) for name in ("x", "y"))
    try:
        return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    except ValueError:
        raise UnusableKey("the JWK's point is not on P-256") from None


def ed25519_from_point(point: bytes) -> Ed25519PublicKey:
    """The key of 32 bytes; raises `UnusableKey` for a point of small order."""
    if point[:-1] + bytes((point[-1] & 0x7F,)) in _SMALL_ORDER:
        raise UnusableKey("the Ed25519 point has a small order")
    return Ed25519PublicKey.from_public_bytes(point)


def _coordinate(jwk: Mapping[str, object], name: str) -> bytes:
    text = jwk.get(name)
    if not isinstance(text, str):
        raise UnusableKey(f"the JWK has no {name!r}")
    try:
        value = base64url.decode(text)
    except ValueError as error:
        raise UnusableKey(f"the JWK's {name!r} is not base64url: {error}") from None
    if len(value) != _COORDINATE_BYTES:
        raise UnusableKey(f"the JWK's {name!r} has {len(value)} bytes; {_COORDINATE_BYTES} are needed")
    return value
