"""The ASN.1 shapes of RFC 3161 and RFC 5652 that a time stamp needs, for the strict DER reader of `cryptography`.

`list[TLV]` stands for what is not looked into, and for sets whose order authorities do not keep (certificates).
"""

from typing import Annotated, TypeVar

from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ObjectIdentifier

DER = Encoding.DER

SHA256 = ObjectIdentifier("2.16.840.1.101.3.4.2.1")
SIGNED_DATA = ObjectIdentifier("1.2.840.113549.1.7.2")
TST_INFO = ObjectIdentifier("1.2.840.113549.1.9.16.1.4")
CONTENT_TYPE = ObjectIdentifier("1.2.840.113549.1.9.3")
MESSAGE_DIGEST = ObjectIdentifier("1.2.840.113549.1.9.4")
SIGNING_CERTIFICATE = ObjectIdentifier("1.2.840.113549.1.9.16.2.12")
SIGNING_CERTIFICATE_V2 = ObjectIdentifier("1.2.840.113549.1.9.16.2.47")
RSA = ObjectIdentifier("1.2.840.113549.1.1.1")
ED25519 = ObjectIdentifier("1.3.101.112")

HASHES: dict[ObjectIdentifier, hashes.HashAlgorithm] = {
    SHA256: hashes.SHA256(),
    ObjectIdentifier("2.16.840.1.101.3.4.2.2"): hashes.SHA384(),
    ObjectIdentifier("2.16.840.1.101.3.4.2.3"): hashes.SHA512(),
}
SIGNED_HASHES: dict[ObjectIdentifier, hashes.HashAlgorithm] = {
    ObjectIdentifier("1.2.840.113549.1.1.11"): hashes.SHA256(),
    ObjectIdentifier("1.2.840.113549.1.1.12"): hashes.SHA384(),
    ObjectIdentifier("1.2.840.113549.1.1.13"): hashes.SHA512(),
    ObjectIdentifier("1.2.840.10045.4.3.2"): hashes.SHA256(),
    ObjectIdentifier("1.2.840.10045.4.3.3"): hashes.SHA384(),
    ObjectIdentifier("1.2.840.10045.4.3.4"): hashes.SHA512(),
}
RSA_KINDS = frozenset(
    {RSA, *(oid for oid in SIGNED_HASHES if oid.dotted_string.startswith("1.2.840.113549."))}
)
ECDSA_KINDS = frozenset(SIGNED_HASHES) - RSA_KINDS

T = TypeVar("T")


@asn1.sequence
class Imprint:
    """MessageImprint."""

    algorithm: list[asn1.TLV]
    digest: bytes


@asn1.sequence
class Request:
    """TimeStampReq, without extensions."""

    version: int
    imprint: Imprint
    policy: ObjectIdentifier | None
    nonce: int | None
    cert_req: Annotated[bool, asn1.Default(False)]


@asn1.sequence
class StatusInfo:
    """PKIStatusInfo."""

    status: int
    words: list[str] | None
    failure: asn1.BitString | None


@asn1.sequence
class Response:
    """TimeStampResp with a token."""

    status: StatusInfo
    token: asn1.TLV


@asn1.sequence
class TokenlessResponse:
    """TimeStampResp of an authority that refuses."""

    status: StatusInfo


@asn1.sequence
class Attribute:
    """Attribute of a signer."""

    kind: ObjectIdentifier
    values: asn1.SetOf[asn1.TLV]


@asn1.sequence
class IssuerAndSerial:
    """IssuerAndSerialNumber."""

    issuer: asn1.TLV
    serial: int


@asn1.sequence
class SignerInfo:
    """SignerInfo; `identifier` is a choice."""

    version: int
    identifier: asn1.TLV
    digest_algorithm: list[asn1.TLV]
    signed_attributes: Annotated[list[asn1.TLV] | None, asn1.Implicit(0)]
    signature_algorithm: list[asn1.TLV]
    signature: bytes
    unsigned_attributes: Annotated[list[asn1.TLV] | None, asn1.Implicit(1)]


@asn1.sequence
class Encapsulated:
    """EncapsulatedContentInfo."""

    content_type: ObjectIdentifier
    content: Annotated[bytes | None, asn1.Explicit(0)]


@asn1.sequence
class SignedData:
    """SignedData."""

    version: int
    digest_algorithms: asn1.SetOf[asn1.TLV]
    encapsulated: Encapsulated
    certificates: Annotated[list[asn1.TLV] | None, asn1.Implicit(0)]
    revocations: Annotated[list[asn1.TLV] | None, asn1.Implicit(1)]
    signer_infos: asn1.SetOf[SignerInfo]


@asn1.sequence
class ContentInfo:
    """ContentInfo around SignedData: the TimeStampToken."""

    content_type: ObjectIdentifier
    content: Annotated[SignedData, asn1.Explicit(0)]


@asn1.sequence
class Accuracy:
    """Accuracy."""

    seconds: int | None
    millis: Annotated[int | None, asn1.Implicit(0)]
    micros: Annotated[int | None, asn1.Implicit(1)]


@asn1.sequence
class TstInfo:
    """TSTInfo."""

    version: int
    policy: ObjectIdentifier
    imprint: Imprint
    serial: int
    gen_time: asn1.GeneralizedTime
    accuracy: Accuracy | None
    ordering: Annotated[bool, asn1.Default(False)]
    nonce: int | None
    authority: Annotated[list[asn1.TLV] | None, asn1.Implicit(0)]
    extensions: Annotated[list[asn1.TLV] | None, asn1.Implicit(1)]


@asn1.sequence
class CertificateId:
    """ESSCertID."""

    digest: bytes
    issuer_serial: list[asn1.TLV] | None


@asn1.sequence
class SigningCertificate:
    """SigningCertificate (RFC 2634)."""

    certificates: list[CertificateId]
    policies: list[asn1.TLV] | None


@asn1.sequence
class CertificateIdV2:
    """ESSCertIDv2; no algorithm means SHA-256."""

    algorithm: list[asn1.TLV] | None
    digest: bytes
    issuer_serial: list[asn1.TLV] | None


@asn1.sequence
class SigningCertificateV2:
    """SigningCertificateV2 (RFC 5035)."""

    certificates: list[CertificateIdV2]
    policies: list[asn1.TLV] | None


def decode(form: type[T], data: bytes) -> T | None:
    """The value of that form, None when the bytes are another or no DER."""
    try:
        return asn1.decode_der(form, data)
    except (ValueError, OverflowError):
        return None


def parse(form: type[T], encoded: asn1.TLV) -> T | None:
    """The same of something not yet looked into."""
    return decode(form, asn1.encode_der(encoded))


def any_of(data: bytes) -> asn1.TLV:
    """DER bytes as something that is not looked into."""
    return asn1.decode_der(asn1.TLV, data)


def oid_of(algorithm: list[asn1.TLV]) -> ObjectIdentifier | None:
    """The name of an AlgorithmIdentifier."""
    return parse(ObjectIdentifier, algorithm[0]) if algorithm else None
