"""Keys bound to an X.509 organisation certificate: the chain that stands as `x5c` in the JWK (RFC 7517, 4.7)."""

import base64
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ashiato.trust.keys import UnusableKey, VerificationKey

MAX_CERTIFICATES_COUNT = 8
# What the parser raises for what others call a certificate; parts of one are read only when something of them is asked for.
UNREADABLE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


def bound_chain(pem: bytes, key: VerificationKey) -> tuple[str, ...]:
    """The chain in a PEM file, the key's own certificate first, in the form of `x5c`; raises `UnusableKey`.

    Checked is that the first certificate is of this key and that each was signed by the next. Whether the last one is of an
    accredited authority, its reader decides.
    """
    try:
        chain = x509.load_pem_x509_certificates(pem)
    except UNREADABLE:
        raise UnusableKey("the file holds no PEM certificates") from None
    if not 0 < len(chain) <= MAX_CERTIFICATES_COUNT:
        raise UnusableKey(f"give 1 to {MAX_CERTIFICATES_COUNT} certificates, the key's own first")
    if _raw(chain[0].public_key()) != _raw(key.public):
        raise UnusableKey(f"the first certificate is not of the key {key.kid}")
    for certificate, issuer in pairwise(chain):
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            raise UnusableKey("a certificate of the chain was not signed by the one behind it") from None
    return tuple(base64.b64encode(found.public_bytes(Encoding.DER)).decode() for found in chain)


def _raw(public: object) -> bytes:
    encode = getattr(public, "public_bytes", None)
    return encode(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) if encode is not None else b""
