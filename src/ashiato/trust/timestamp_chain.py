"""The certificate of a time stamp authority: for that use only, and from a given anchor (RFC 3161, 2.3; RFC 5280, 6.1)."""

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from ashiato.trust.certificates import UNREADABLE

MAX_CHAIN_COUNT = 5

_UNDERSTOOD = frozenset(
    {ExtensionOID.EXTENDED_KEY_USAGE, ExtensionOID.KEY_USAGE, ExtensionOID.BASIC_CONSTRAINTS}
)


def misuse_of(certificate: x509.Certificate) -> str | None:
    """Why the certificate is none for time stamps; None when it is."""
    try:
        extensions = certificate.extensions
    except UNREADABLE:
        return "the extensions of the authority's certificate cannot be read"
    found = {extension.oid: extension for extension in extensions}
    use = found.get(ExtensionOID.EXTENDED_KEY_USAGE)
    if use is None or not use.critical or not isinstance(use.value, x509.ExtendedKeyUsage):
        return "the authority's certificate has no critical extended key usage"
    if list(use.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        return "the authority's certificate is not for time stamps alone"
    usage = found.get(ExtensionOID.KEY_USAGE)
    if usage is not None and not _is_for_signatures(usage.value):
        return "the authority's key is not for signatures"
    if any(extension.critical and extension.oid not in _UNDERSTOOD for extension in extensions):
        return "the authority's certificate has a critical extension that nobody here understands"
    return None


def _is_for_signatures(usage: x509.ExtensionType) -> bool:
    if not isinstance(usage, x509.KeyUsage) or usage.key_cert_sign:
        return False
    return usage.digital_signature or usage.content_commitment


def distrust_of(
    certificate: x509.Certificate,
    others: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    at: datetime,
) -> str | None:
    """Why the certificate did not lead to one of `anchors` at that hour; None when it did."""
    if not anchors:
        return "no authority is trusted for time stamps"
    try:
        (
            PolicyBuilder()
            .store(Store(list(anchors)))
            .time(at)
            .max_chain_depth(MAX_CHAIN_COUNT)
            .extension_policies(ca_policy=_issuers(), ee_policy=ExtensionPolicy.permit_all())
            .build_client_verifier()
            .verify(certificate, [other for other in others if other != certificate])
        )
    except VerificationError as error:
        return f"the authority's certificate did not lead to a trusted one at that hour: {error}"
    except UNREADABLE:
        return "a certificate between the authority's and a trusted one cannot be read"
    return None


def _issuers() -> ExtensionPolicy:
    """Issuers as on the web, but for any or for this use."""
    return ExtensionPolicy.webpki_defaults_ca().may_be_present(
        x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _for_time_stamps
    )


def _for_time_stamps(
    policy: Policy, certificate: x509.Certificate, use: x509.ExtendedKeyUsage | None
) -> None:
    del policy, certificate
    allowed = {ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if use is not None and not allowed & set(use):
        raise ValueError("an issuer is not for time stamps")
