"""Multibase and Multikey (Controlled Identifiers 1.0, 2.2.2 and 2.4): short texts for keys and signatures."""

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ashiato.trust.keys import UnusableKey, VerificationKey, ed25519_from_point

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUE_OF = {character: value for value, character in enumerate(_BASE58)}
# Base 58 is a division of the whole number: its cost grows with the square of the length.
_MAX_CHARS = 256

_ED25519 = b"\xed\x01"
_P256 = b"\x80\x24"
_ED25519_BYTES = 32
_P256_COMPRESSED_BYTES = 33


def encode_base58btc(data: bytes) -> str:
    """`data` in base 58 behind the multibase sign `z`."""
    number, digits = int.from_bytes(data), []
    while number:
        number, digit = divmod(number, 58)
        digits.append(_BASE58[digit])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return "z" + "1" * zeros + "".join(reversed(digits))


def decode_base58btc(text: str) -> bytes:
    """The bytes of a multibase text of at most 256 characters with the sign `z`; raises `ValueError`."""
    if not text.startswith("z") or not 1 < len(text) <= _MAX_CHARS:
        raise ValueError(f"it is not a multibase text (base58btc) of 2 to {_MAX_CHARS} characters")
    number = 0
    for character in text[1:]:
        value = _VALUE_OF.get(character)
        if value is None:
            raise ValueError("it holds a character outside the alphabet of base58btc")
        number = number * 58 + value
    zeros = len(text) - 1 - len(text[1:].lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8)


def encode_multikey(key: VerificationKey) -> str:
    """The `publicKeyMultibase` of `key`."""
    if isinstance(key.public, Ed25519PublicKey):
        return encode_base58btc(_ED25519 + key.public.public_bytes_raw())
    point = key.public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    return encode_base58btc(_P256 + point)


def verification_key_from_multikey(text: str, kid: str) -> VerificationKey:
    """The P-256 or Ed25519 key in a `publicKeyMultibase`; raises `UnusableKey` for every other one."""
    try:
        data = decode_base58btc(text)
    except ValueError as error:
        raise UnusableKey(f"the Multikey cannot be read: {error}") from None
    sign, point = data[:2], data[2:]
    if sign == _ED25519 and len(point) == _ED25519_BYTES:
        return VerificationKey(kid, "Ed25519", ed25519_from_point(point))
    if sign == _P256 and len(point) == _P256_COMPRESSED_BYTES:
        try:
            return VerificationKey(
                kid, "P-256", ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
            )
        except ValueError:
            raise UnusableKey("the Multikey's point is not on P-256") from None
    raise UnusableKey("the Multikey is neither a P-256 nor an Ed25519 key")
