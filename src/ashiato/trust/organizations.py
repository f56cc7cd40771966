"""X.509 organisation certificates and e-seals: which registered organisation stands behind a key (RFC 5280).

A JWK carries the chain in `x5c` (RFC 7517, 4.7; `keys.chain_of`). Revocation is not in here: whoever must know it asks the
authority, or trusts anchors of short-lived certificates only.
"""

from collections.abc import Iterable, Sequence
from dataclasses import InitVar, dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from ashiato.trust.certificates import UNREADABLE
from ashiato.trust.keys import MAX_CERTIFICATE_BYTES, MAX_CHAIN, VerificationKey

_DOOR = object()


class UnboundKey(ValueError):
    """The certificate says nothing about the key; the organisation must get or publish a right one."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class BoundOrganization:
    """The organisation that an authority names as the owner of the key `kid`. Only `bind_key` makes one.

    `identifier` is the organizationIdentifier (X.520, 6.4.6; ETSI EN 319 412-1, 5.1.4), such as
    `VATDE-123456789`; None where the authority writes none. Valid until `valid_until_ms`, exclusive.
    """

    kid: str
    name: str
    identifier: str | None
    country: str | None
    authority: str
    thumbprint: bytes
    valid_until_ms: int
    door: InitVar[object]

    def __post_init__(self, door: object) -> None:
        if door is not _DOOR:
            raise TypeError("a BoundOrganization comes from bind_key only")


def bind_key(
    key: VerificationKey, chain: Sequence[bytes], anchors: Iterable[bytes], *, now_ms: int
) -> BoundOrganization:
    """The organisation behind `key` by its certificate, the first of `chain` (DER, then its issuers).

    1. The chain leads to one of `anchors` (DER) and holds at `now_ms` (RFC 5280, 6.1).
    2. The certificate is for signatures, and names an organisation.
    3. Its key is exactly `key`.

    Authorities certify P-256 here; an Ed25519 key cannot be bound. Raises `UnboundKey`.
    """
    if not chain or len(chain) > MAX_CHAIN:
        raise UnboundKey(f"a chain has 1 to {MAX_CHAIN} certificates")
    leaf, *issuers = (_certificate(der) for der in chain)
    # 1.
    path = _verified_path(leaf, issuers, [_certificate(der) for der in anchors], now_ms)
    # 2.
    name = _one(leaf.subject, NameOID.ORGANIZATION_NAME)
    if name is None:
        raise UnboundKey("the certificate names no organisation (O)")
    # 3.
    public = leaf.public_key()
    if not isinstance(public, ec.EllipticCurvePublicKey) or public != key.public:
        raise UnboundKey(f"the certificate is for another key than {key.kid}")
    return BoundOrganization(
        kid=key.kid,
        name=name,
        identifier=_one(leaf.subject, NameOID.ORGANIZATION_IDENTIFIER),
        country=_one(leaf.subject, NameOID.COUNTRY_NAME),
        authority=_one(leaf.issuer, NameOID.ORGANIZATION_NAME) or leaf.issuer.rfc4514_string(),
        thumbprint=leaf.fingerprint(hashes.SHA256()),
        valid_until_ms=min(int(one.not_valid_after_utc.timestamp()) * 1000 + 1000 for one in path),
        door=_DOOR,
    )


def check_certificate(der: bytes) -> None:
    """Raises `UnboundKey` for bytes that are no certificate."""
    _certificate(der)


def _certificate(der: bytes) -> x509.Certificate:
    if len(der) > MAX_CERTIFICATE_BYTES:
        raise UnboundKey(f"a certificate has more than {MAX_CERTIFICATE_BYTES} bytes")
    try:
        return x509.load_der_x509_certificate(der)
    except UNREADABLE:
        raise UnboundKey("what stands in the chain is no certificate") from None


def _verified_path(
    leaf: x509.Certificate, issuers: list[x509.Certificate], anchors: list[x509.Certificate], now_ms: int
) -> Sequence[x509.Certificate]:
    if not anchors:
        raise UnboundKey("no authority is trusted for organisation certificates")
    try:
        verifier = (
            PolicyBuilder()
            .store(Store(anchors))
            .time(datetime.fromtimestamp(now_ms / 1000, UTC))
            .max_chain_depth(MAX_CHAIN)
            .extension_policies(
                ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=_organization_policy()
            )
            .build_client_verifier()
        )
        return verifier.verify(leaf, issuers).chain
    except VerificationError as error:
        raise UnboundKey(f"the certificate does not lead to a trusted authority: {error}") from None
    except UNREADABLE:
        raise UnboundKey("a certificate of the chain cannot be read") from None


def _organization_policy() -> ExtensionPolicy:
    """A certificate of an organisation: no host names and no extended use, but for signatures."""
    return ExtensionPolicy.permit_all().require_present(x509.KeyUsage, Criticality.AGNOSTIC, _for_signatures)


def _for_signatures(policy: Policy, certificate: x509.Certificate, usage: x509.KeyUsage) -> None:
    del policy, certificate
    if not (usage.digital_signature or usage.content_commitment) or usage.key_cert_sign:
        raise ValueError("its key is not for signatures")


def _one(name: x509.Name, oid: x509.ObjectIdentifier) -> str | None:
    """The only value of that kind; several would leave it open which one is meant."""
    values = name.get_attributes_for_oid(oid)
    if len(values) > 1:
        raise UnboundKey(f"the certificate has several values of {oid.dotted_string}")
    return str(values[0].value) if values else None
