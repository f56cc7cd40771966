"""A time stamp authority of the tests' own: honest by default, and able to lie in every part of its answer."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ashiato.trust import timestamp_forms as forms
from ashiato.trust.timestamps import Anchors
from tests.clients.loopback_server import Asked, LoopbackServer, loopback_server, respond

DAY = timedelta(days=1)
START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
ECDSA = x509.ObjectIdentifier("1.2.840.10045.4.3.2")
SHA1 = x509.ObjectIdentifier("1.3.14.3.2.26")
DATA = x509.ObjectIdentifier("1.2.840.113549.1.7.1")
POLICY = x509.ObjectIdentifier("1.2.3.4.1")


@dataclass(frozen=True)
class Answer:
    """What the authority says; each field can be another than the honest one."""

    status: int = 0
    has_token: bool = True
    digest: bytes | None = None
    imprint_kind: x509.ObjectIdentifier = forms.SHA256
    nonce: int | None = None
    at: datetime = START
    content_type: x509.ObjectIdentifier = forms.TST_INFO
    attribute_type: x509.ObjectIdentifier = forms.TST_INFO
    digest_kind: x509.ObjectIdentifier = forms.SHA256
    message_digest: bytes | None = None
    named_v2: bytes | None = None
    named_v1: bytes | None = None
    names_certificate: bool = True
    serial_of_signer: int | None = None
    has_certificates: bool = True
    signers_count: int = 1
    signed_by: ec.EllipticCurvePrivateKey | None = None
    signature_kind: x509.ObjectIdentifier = ECDSA


class StampAuthority:
    """A root, and a certificate for time stamps below it."""

    def __init__(
        self,
        *,
        purposes: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.TIME_STAMPING,),
        is_critical: bool = True,
        start: datetime = START - DAY,
        end: datetime = START + 365 * DAY,
        extra: x509.ExtensionType | None = None,
        usage: x509.KeyUsage | None = None,
    ) -> None:
        self.root_key, self.key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        root_name, name = _name("Test root"), _name("Test time")
        self.root = (
            _begin(root_name, root_name, self.root_key, self.root_key, START - 2 * DAY, START + 9999 * DAY)
            .add_extension(x509.BasicConstraints(True, None), critical=True)
            .add_extension(_usage(key_cert_sign=True), critical=True)
            .sign(self.root_key, hashes.SHA256())
        )
        builder = _begin(name, root_name, self.key, self.root_key, start, end)
        builder = builder.add_extension(usage or _usage(digital_signature=True), critical=True)
        if purposes:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=is_critical)
        if extra is not None:
            builder = builder.add_extension(extra, critical=True)
        self.certificate = builder.sign(self.root_key, hashes.SHA256())

    @property
    def anchors(self) -> Anchors:
        return Anchors((self.root,))

    @property
    def anchors_pem(self) -> bytes:
        return self.root.public_bytes(Encoding.PEM)

    def answer(self, query: bytes, answer: Answer = Answer()) -> bytes:  # frozen
        """The response to a request, told in the way of `answer`."""
        asked = asn1.decode_der(forms.Request, query)
        if not answer.has_token:
            return asn1.encode_der(forms.TokenlessResponse(status=_status(answer.status)))
        nonce = asked.nonce if answer.nonce is None else answer.nonce
        token = self.token(answer.digest or asked.imprint.digest, replace(answer, nonce=nonce))
        return asn1.encode_der(forms.Response(status=_status(answer.status), token=forms.any_of(token)))

    def stamp(self, text: bytes, answer: Answer = Answer()) -> str:  # frozen
        """A token over the text in base64, as it is kept."""
        return base64.b64encode(self.token(hashlib.sha256(text).digest(), answer)).decode()

    def token(self, digest: bytes, answer: Answer) -> bytes:
        info = forms.TstInfo(
            version=1,
            policy=POLICY,
            imprint=forms.Imprint(algorithm=_algorithm(answer.imprint_kind), digest=digest),
            serial=2**120 + 7,
            gen_time=asn1.GeneralizedTime(answer.at),
            accuracy=None,
            ordering=False,
            nonce=answer.nonce,
            authority=None,
            extensions=None,
        )
        content = asn1.encode_der(info)
        signer = self._signer(content, answer)
        root, own = (forms.any_of(one.public_bytes(Encoding.DER)) for one in (self.root, self.certificate))
        signed = forms.SignedData(
            version=3,
            digest_algorithms=asn1.SetOf([]),
            encapsulated=forms.Encapsulated(content_type=answer.content_type, content=content),
            certificates=[root, own] if answer.has_certificates else None,
            revocations=None,
            signer_infos=asn1.SetOf([signer] * answer.signers_count),
        )
        return asn1.encode_der(forms.ContentInfo(content_type=forms.SIGNED_DATA, content=signed))

    def _signer(self, content: bytes, answer: Answer) -> forms.SignerInfo:
        attributes = [_attribute(forms.CONTENT_TYPE, asn1.encode_der(answer.attribute_type))]
        digest = answer.message_digest or hashlib.sha256(content).digest()
        attributes.append(_attribute(forms.MESSAGE_DIGEST, asn1.encode_der(digest)))
        if answer.names_certificate:
            named = answer.named_v2 or self.certificate.fingerprint(hashes.SHA256())
            second = forms.CertificateIdV2(algorithm=None, digest=named, issuer_serial=None)
            value = forms.SigningCertificateV2(certificates=[second], policies=None)
            attributes.append(_attribute(forms.SIGNING_CERTIFICATE_V2, asn1.encode_der(value)))
        if answer.named_v1 is not None:
            first = forms.CertificateId(digest=answer.named_v1, issuer_serial=None)
            old = forms.SigningCertificate(certificates=[first], policies=None)
            attributes.append(_attribute(forms.SIGNING_CERTIFICATE, asn1.encode_der(old)))
        signed = asn1.encode_der(asn1.SetOf(attributes))
        serial = answer.serial_of_signer or self.certificate.serial_number
        issuer = forms.any_of(self.certificate.issuer.public_bytes())
        identifier = forms.IssuerAndSerial(issuer=issuer, serial=serial)
        return forms.SignerInfo(
            version=1,
            identifier=forms.any_of(asn1.encode_der(identifier)),
            digest_algorithm=_algorithm(answer.digest_kind),
            signed_attributes=attributes,
            signature_algorithm=_algorithm(answer.signature_kind),
            signature=(answer.signed_by or self.key).sign(signed, ec.ECDSA(hashes.SHA256())),
            unsigned_attributes=None,
        )


@asynccontextmanager
async def serving(
    answer_of: Callable[[bytes], bytes], *, status: str = "200 OK", kind: str = "application/timestamp-reply"
) -> AsyncIterator[LoopbackServer]:
    """An authority behind an address of this machine that answers each query so."""

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        body = answer_of(asked.body)
        await respond(body, status=status, headers={"Content-Type": kind})(asked, writer)

    async with loopback_server(answer) as server:
        yield server


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _begin(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    start: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
    public, authority = key.public_key(), issuer_key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority), critical=False)
    )


def _usage(**on: bool) -> x509.KeyUsage:
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign "
        "crl_sign encipher_only decipher_only"
    ).split()
    return x509.KeyUsage(**{name: on.get(name, False) for name in names})


def _status(status: int) -> forms.StatusInfo:
    return forms.StatusInfo(status=status, words=["no time today"] if status > 1 else None, failure=None)


def _algorithm(kind: x509.ObjectIdentifier) -> list[asn1.TLV]:
    return [forms.any_of(asn1.encode_der(kind))]


def _attribute(kind: x509.ObjectIdentifier, value: bytes) -> asn1.TLV:
    attribute = forms.Attribute(kind=kind, values=asn1.SetOf([forms.any_of(value)]))
    return forms.any_of(asn1.encode_der(attribute))
