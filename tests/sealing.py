"""Authorities and the certificates of organisations that they make, for tests."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.trust.parties import NOW_MS

NOW = datetime.fromtimestamp(NOW_MS // 1000, UTC)
DAY = timedelta(days=1)
DAY_MS = 86_400_000


@dataclass(frozen=True)
class Authority:
    """One that certifies organisations."""

    private: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)


def distinguished(*attributes: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])


ORGANIZATION = distinguished(
    (NameOID.COUNTRY_NAME, "JP"),
    (NameOID.ORGANIZATION_NAME, "Acme Cells K.K."),
    (NameOID.ORGANIZATION_IDENTIFIER, "NTRJP-0100-01-000001"),
    (NameOID.COMMON_NAME, "Acme e-seal"),
)


def usage_of(**on: bool) -> x509.KeyUsage:
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign "
        "crl_sign encipher_only decipher_only"
    ).split()
    return x509.KeyUsage(**{name: on.get(name, False) for name in names})


def certify(
    public: Any,
    subject: x509.Name,
    issuer: Authority | None,
    private: ec.EllipticCurvePrivateKey,
    *,
    is_authority: bool = False,
    path_count: int | None = None,
    start: datetime = NOW - DAY,
    end: datetime = NOW + 30 * DAY,
    usage: x509.KeyUsage | None = None,
) -> x509.Certificate:
    """A certificate of `public`, signed by the issuer, or by `private` itself."""
    authority_key = issuer.private.public_key() if issuer else private.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(is_authority, path_count), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key), critical=False)
    )
    if usage is not None:
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(issuer.private if issuer else private, hashes.SHA256())


def make_authority(name: str, issuer: Authority | None = None, **changes: Any) -> Authority:
    """One with a key of its own, below `issuer` or a root."""
    private = ec.generate_private_key(ec.SECP256R1())
    subject = distinguished((NameOID.ORGANIZATION_NAME, name), (NameOID.COMMON_NAME, name))
    members: dict[str, Any] = {
        "is_authority": True,
        "usage": usage_of(key_cert_sign=True, crl_sign=True),
    } | changes
    return Authority(private, certify(private.public_key(), subject, issuer, private, **members))


def seal_of(public: Any, issuer: Authority, subject: x509.Name = ORGANIZATION, **changes: Any) -> bytes:
    """The certificate of an organisation for its key, in DER."""
    members = {"usage": usage_of(content_commitment=True)} | changes
    certificate = certify(public, subject, issuer, issuer.private, **members)
    return certificate.public_bytes(serialization.Encoding.DER)
