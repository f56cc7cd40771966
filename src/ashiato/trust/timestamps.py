"""Time stamps of a third party (RFC 3161, with RFC 5816): asked for over a text, and checked against given anchors.

The bytes are read by the strict DER reader of `cryptography`; the shapes stand in `timestamp_forms`. Whether a certificate was
revoked is not in here: whoever must know it asks the authority.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import InitVar, dataclass
from datetime import datetime
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import NameOID

from ashiato.trust import timestamp_chain
from ashiato.trust import timestamp_forms as forms
from ashiato.trust.certificates import UNREADABLE

MAX_RESPONSE_BYTES = 32_768
MAX_CERTIFICATES_COUNT = 8
GRANTED = frozenset({0, 1})

TimeStampFault = Literal[
    "too_large",
    "malformed",
    "not_granted",
    "wrong_imprint",
    "wrong_nonce",
    "wrong_content",
    "wrong_signer",
    "wrong_digest",
    "wrong_signing_certificate",
    "unsupported_algorithm",
    "wrong_signature",
    "wrong_use",
    "untrusted",
]

_DOOR = object()


class TimeStampRefused(ValueError):
    """The time stamp proves nothing; `fault` says why. The authority must give another, or the reader name other anchors."""

    def __init__(self, fault: TimeStampFault, sentence: str) -> None:
        super().__init__(sentence)
        self.fault: TimeStampFault = fault
        self.sentence = sentence


class UnusableAnchors(ValueError):
    """The file of anchors holds no PEM certificates; who gave it must give another."""


@dataclass(frozen=True, slots=True)
class Anchors:
    """Certificates of authorities whose time stamps are believed."""

    certificates: tuple[x509.Certificate, ...]


@dataclass(frozen=True, slots=True)
class VerifiedTimeStamp:
    """That a text existed at `at_ms`, by the word of `authority`. Only `verify_response` and `verify_token` make one.

    `token` is the TimeStampToken in DER, to be kept; `policy` the object identifier of the authority's policy.
    """

    token: bytes
    at_ms: int
    serial: int
    policy: str
    authority: str
    door: InitVar[object]

    def __post_init__(self, door: object) -> None:
        if door is not _DOOR:
            raise TypeError("a VerifiedTimeStamp comes from verify_response or verify_token only")


def load_anchors(pem: bytes) -> Anchors:
    """The anchors in a PEM file; raises `UnusableAnchors`."""
    try:
        return Anchors(tuple(x509.load_pem_x509_certificates(pem)))
    except UNREADABLE:
        raise UnusableAnchors("there are no PEM certificates in it") from None


def request(text: bytes, nonce: int) -> bytes:
    """The TimeStampReq in DER over the SHA-256 of `text`; it asks for the certificates (2.4.1)."""
    imprint = forms.Imprint(
        algorithm=[forms.any_of(asn1.encode_der(forms.SHA256)), forms.any_of(b"\x05\x00")],
        digest=hashlib.sha256(text).digest(),
    )
    return asn1.encode_der(forms.Request(version=1, imprint=imprint, policy=None, nonce=nonce, cert_req=True))


def verify_response(response: bytes, text: bytes, nonce: int, anchors: Anchors) -> VerifiedTimeStamp:
    """The time stamp in an authority's answer to `request(text, nonce)` (2.4.2); raises `TimeStampRefused`."""
    _check_size(response)
    answer = forms.decode(forms.Response, response)
    if answer is None:
        refused = forms.decode(forms.TokenlessResponse, response)
        if refused is None:
            raise TimeStampRefused("malformed", "the answer is no TimeStampResp in DER")
        raise TimeStampRefused("not_granted", f"the authority gives no time stamp: {_told(refused.status)}")
    if answer.status.status not in GRANTED:
        raise TimeStampRefused("not_granted", f"the authority refuses: {_told(answer.status)}")
    return _verified(asn1.encode_der(answer.token), text, anchors, nonce)


def verify_token(token: bytes, text: bytes, anchors: Anchors) -> VerifiedTimeStamp:
    """A kept TimeStampToken as a statement about `text`, without its request; raises `TimeStampRefused`."""
    _check_size(token)
    return _verified(token, text, anchors, None)


def _verified(token: bytes, text: bytes, anchors: Anchors, nonce: int | None) -> VerifiedTimeStamp:
    """1. The content is a TSTInfo about this text, with this nonce (2.4.2).

    2. One signer, whose certificate is in the token and is named by the signed attributes (RFC 5816, 2.2.1).
    3. The signed attributes name the content and its hash, and the signature over them holds (RFC 5652, 5.4 and 5.6).
    4. The certificate is for time stamps only, and leads to an anchor at that hour (2.3).
    """
    signed, content = _signed_data(token)
    # 1.
    info = _info(signed, content)
    if forms.oid_of(info.imprint.algorithm) != forms.SHA256:
        raise TimeStampRefused("wrong_imprint", "the time stamp is over another kind of hash than SHA-256")
    if info.imprint.digest != hashlib.sha256(text).digest():
        raise TimeStampRefused("wrong_imprint", "the time stamp is over something else")
    if nonce is not None and info.nonce != nonce:
        raise TimeStampRefused("wrong_nonce", "the answer belongs to another request")
    # 2.
    signers = signed.signer_infos.as_list()
    if len(signers) != 1:
        raise TimeStampRefused("wrong_signer", "a time stamp has exactly one signer")
    certificates = _certificates(signed)
    signer = signers[0]
    attributes = _attributes(signer)
    certificate = _signing_certificate(signer, attributes, certificates)
    # 3.
    _check_attributes(signer, attributes, content)
    _check_signature(signer, certificate)
    # 4.
    at = info.gen_time.as_datetime()
    _check_chain(certificate, certificates, anchors, at)
    return VerifiedTimeStamp(
        token=token,
        at_ms=round(at.timestamp() * 1000),
        serial=info.serial,
        policy=info.policy.dotted_string,
        authority=_name(certificate),
        door=_DOOR,
    )


def _check_size(data: bytes) -> None:
    if len(data) > MAX_RESPONSE_BYTES:
        raise TimeStampRefused("too_large", f"a time stamp has at most {MAX_RESPONSE_BYTES} bytes")


def _told(status: forms.StatusInfo) -> str:
    words = " ".join(status.words or [])
    return f"status {status.status} {words[:200]}".strip()


def _signed_data(token: bytes) -> tuple[forms.SignedData, bytes]:
    envelope = forms.decode(forms.ContentInfo, token)
    if envelope is None or envelope.content_type != forms.SIGNED_DATA:
        raise TimeStampRefused("malformed", "the token is no SignedData in DER")
    content = envelope.content.encapsulated.content
    if content is None:
        raise TimeStampRefused("malformed", "the token holds no content")
    return envelope.content, content


def _info(signed: forms.SignedData, content: bytes) -> forms.TstInfo:
    if signed.encapsulated.content_type != forms.TST_INFO:
        raise TimeStampRefused("wrong_content", "what is signed is no time stamp")
    info = forms.decode(forms.TstInfo, content)
    if info is None or info.version != 1:
        raise TimeStampRefused("malformed", "the time stamp is no TSTInfo of version 1 in DER")
    return info


def _certificates(signed: forms.SignedData) -> list[x509.Certificate]:
    found = signed.certificates or []
    if not 0 < len(found) <= MAX_CERTIFICATES_COUNT:
        raise TimeStampRefused(
            "wrong_signer",
            f"a time stamp brings 1 to {MAX_CERTIFICATES_COUNT} certificates, the signer's too",
        )
    try:
        return [x509.load_der_x509_certificate(asn1.encode_der(one)) for one in found]
    except UNREADABLE:
        raise TimeStampRefused("malformed", "what stands among the certificates is none") from None


def _attributes(signer: forms.SignerInfo) -> dict[x509.ObjectIdentifier, asn1.TLV]:
    """The signed attributes, each with its one value."""
    found: dict[x509.ObjectIdentifier, asn1.TLV] = {}
    for encoded in signer.signed_attributes or []:
        attribute = forms.parse(forms.Attribute, encoded)
        values = [] if attribute is None else attribute.values.as_list()
        if attribute is None or attribute.kind in found or len(values) != 1:
            raise TimeStampRefused(
                "malformed", "the signed attributes are not one of each kind, with one value"
            )
        found[attribute.kind] = values[0]
    return found


def _signing_certificate(
    signer: forms.SignerInfo,
    attributes: dict[x509.ObjectIdentifier, asn1.TLV],
    certificates: Sequence[x509.Certificate],
) -> x509.Certificate:
    """The one that the signed attributes name by its hash: the first of their list (RFC 2634, 5.4; RFC 5035, 3)."""
    named: list[tuple[str, bytes]] = []
    if (value := attributes.get(forms.SIGNING_CERTIFICATE_V2)) is not None:
        second = forms.parse(forms.SigningCertificateV2, value)
        if second is not None and second.certificates:
            first_v2 = second.certificates[0]
            named.append((_hash_name(first_v2.algorithm), first_v2.digest))
    if (value := attributes.get(forms.SIGNING_CERTIFICATE)) is not None:
        first = forms.parse(forms.SigningCertificate, value)
        if first is not None and first.certificates:
            named.append(("sha1", first.certificates[0].digest))
    if not named:
        raise TimeStampRefused(
            "wrong_signing_certificate", "the signed attributes do not name the certificate of the signer"
        )
    for certificate in certificates:
        if all(_fingerprint(certificate, kind) == digest for kind, digest in named):
            if not _is_signer(signer, certificate):
                break
            return certificate
    raise TimeStampRefused(
        "wrong_signing_certificate",
        "the certificate that the signed attributes name is not that of the signer",
    )


def _is_signer(signer: forms.SignerInfo, certificate: x509.Certificate) -> bool:
    issued = forms.parse(forms.IssuerAndSerial, signer.identifier)
    if issued is None:
        raise TimeStampRefused("wrong_signer", "the signer is not named by issuer and serial number")
    return (
        issued.serial == certificate.serial_number
        and asn1.encode_der(issued.issuer) == certificate.issuer.public_bytes()
    )


def _fingerprint(certificate: x509.Certificate, kind: str) -> bytes:
    der = certificate.public_bytes(forms.DER)
    # SHA-1 only tells the certificate from the others in the token; no signature rests on it.
    return hashlib.new(kind, der, usedforsecurity=False).digest()


def _hash_name(algorithm: list[asn1.TLV] | None) -> str:
    oid = forms.SHA256 if algorithm is None else forms.oid_of(algorithm)
    found = forms.HASHES.get(oid) if oid is not None else None
    if found is None:
        raise TimeStampRefused("unsupported_algorithm", "only SHA-256, SHA-384 and SHA-512 are taken")
    return found.name


def _check_attributes(
    signer: forms.SignerInfo, attributes: dict[x509.ObjectIdentifier, asn1.TLV], content: bytes
) -> None:
    kind, digest = attributes.get(forms.CONTENT_TYPE), attributes.get(forms.MESSAGE_DIGEST)
    if kind is None or forms.parse(x509.ObjectIdentifier, kind) != forms.TST_INFO:
        raise TimeStampRefused("wrong_content", "the signed attributes do not say that it is a time stamp")
    expected = hashlib.new(_hash_name(signer.digest_algorithm), content).digest()
    if digest is None or forms.parse(bytes, digest) != expected:
        raise TimeStampRefused("wrong_digest", "the signed attributes belong to another content")


def _check_signature(signer: forms.SignerInfo, certificate: x509.Certificate) -> None:
    """What is signed are the attributes as a SET OF of their own (RFC 5652, 5.4)."""
    signed = asn1.encode_der(asn1.SetOf(signer.signed_attributes or []))
    oid = forms.oid_of(signer.signature_algorithm)
    digest_oid = forms.oid_of(signer.digest_algorithm)
    if oid is None or digest_oid is None:
        raise TimeStampRefused("malformed", "an algorithm has no name")
    hashed = forms.HASHES[digest_oid] if oid == forms.RSA else forms.SIGNED_HASHES.get(oid)
    try:
        public = certificate.public_key()
        if isinstance(public, rsa.RSAPublicKey) and hashed is not None and oid in forms.RSA_KINDS:
            public.verify(signer.signature, signed, padding.PKCS1v15(), hashed)
        elif (
            isinstance(public, ec.EllipticCurvePublicKey) and hashed is not None and oid in forms.ECDSA_KINDS
        ):
            public.verify(signer.signature, signed, ec.ECDSA(hashed))
        elif isinstance(public, ed25519.Ed25519PublicKey) and oid == forms.ED25519:
            public.verify(signer.signature, signed)
        else:
            raise TimeStampRefused(
                "unsupported_algorithm",
                f"signatures of the kind {oid.dotted_string} by this key are not taken",
            )
    except InvalidSignature:
        raise TimeStampRefused(
            "wrong_signature", "another key signed, or the time stamp was changed"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise TimeStampRefused("unsupported_algorithm", "the key of the authority cannot be read") from None


def _check_chain(
    certificate: x509.Certificate, others: Sequence[x509.Certificate], anchors: Anchors, at: datetime
) -> None:
    problem = timestamp_chain.misuse_of(certificate)
    if problem is not None:
        raise TimeStampRefused("wrong_use", problem)
    problem = timestamp_chain.distrust_of(certificate, others, anchors.certificates, at)
    if problem is not None:
        raise TimeStampRefused("untrusted", problem)


def _name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else certificate.subject.rfc4514_string()
