"""Credentials, presentations and status lists as their issuer or holder signs them (DCP 1.0, profiles; VC-JOSE-COSE)."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec

from ashiato.trust import credentials, jws
from ashiato.trust.credentials import CredentialDraft, StatusEntry, credential_signing_input
from ashiato.trust.presentations import PresentationDraft, presentation_signing_input
from ashiato.trust.signing import Signer
from ashiato.trust.status_lists import MIN_LIST_BITS, status_list_draft

STATUS_LIST_BITS_COUNT = MIN_LIST_BITS
"""Each list has the least size that its herd privacy demands (Bitstring Status List 1.0, 6.1)."""


class Profile(StrEnum):
    """The profiles of DCP 1.0: which data model, which status list, which envelope."""

    VC20 = "vc20-bssl/jwt"
    VC11 = "vc11-sl2021/jwt"

    @property
    def envelope_format(self) -> str:
        """How a CredentialMessage names the envelope; peers of the field know these two words."""
        return "VC2_0_JOSE" if self is Profile.VC20 else "VC1_0_JWT"


class Purpose(StrEnum):
    """What a set bit of a status list says (Bitstring Status List 1.0, 2.2)."""

    REVOCATION = "revocation"
    SUSPENSION = "suspension"


class StatusReference(msgspec.Struct, frozen=True):
    """Where a credential's status stands: the bit `index` of the list at `list_url`."""

    list_url: str
    purpose: Purpose
    index: int


class CredentialTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What an issuer says of `subject` (a DID), and for how long."""

    credential_id: str
    profile: Profile
    credential_type: str
    issuer: str
    subject: str
    claims: Mapping[str, object]
    valid_from_ms: int
    valid_until_ms: int
    status: tuple[StatusReference, ...] = ()


_NAME: Mapping[Profile, credentials.Profile] = {
    Profile.VC20: credentials.VC20,
    Profile.VC11: credentials.VC11,
}
_KIND: Mapping[Profile, credentials.StatusKind] = {
    Profile.VC20: "BitstringStatusListEntry",
    Profile.VC11: "StatusList2021Entry",
}


async def sign_credential(signer: Signer, terms: CredentialTerms) -> str:
    """The enveloped credential of `terms` in its profile; raises `SigningFailed`."""
    draft = CredentialDraft(
        credential_id=terms.credential_id,
        subject=terms.subject,
        types=(terms.credential_type,),
        claims=terms.claims,
        issued_ms=terms.valid_from_ms,
        valid_from_ms=terms.valid_from_ms,
        valid_until_ms=terms.valid_until_ms,
        statuses=tuple(
            StatusEntry(_KIND[terms.profile], status.purpose.value, status.list_url, status.index)
            for status in terms.status
        ),
        profile=_NAME[terms.profile],
    )
    return await _signed(signer, credential_signing_input(signer, draft))


async def sign_presentation(
    signer: Signer,
    profile: Profile,
    envelopes: Sequence[str],
    *,
    audience: str,
    now_ms: int,
    ttl_s: int,
    token_id: str,
) -> str:
    """The presentation of credentials of one profile to `audience` alone (DCP 1.0, 5.4.3); raises `SigningFailed`."""
    draft = PresentationDraft(
        audience=audience,
        credentials=envelopes,
        profile=_NAME[profile],
        now_ms=now_ms,
        ttl_s=ttl_s,
        token_id=token_id,
    )
    return await _signed(signer, presentation_signing_input(signer, draft))


async def sign_status_list(
    signer: Signer,
    profile: Profile,
    *,
    list_url: str,
    purpose: Purpose,
    bits: bytes,
    issued_ms: int,
    valid_until_ms: int,
) -> str:
    """The enveloped status list whose bits are `bits` (Bitstring Status List 1.0, 2.2); raises `SigningFailed`."""
    draft = status_list_draft(
        list_url=list_url,
        purpose=purpose.value,
        bits=bits,
        issued_ms=issued_ms,
        valid_until_ms=valid_until_ms,
        kind=_KIND[profile],
    )
    return await _signed(signer, credential_signing_input(signer, draft))


async def _signed(signer: Signer, data: bytes) -> str:
    return jws.assemble(data, await signer.sign(data))
