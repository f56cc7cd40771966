"""Verifiable Presentations secured as JWT, in the two profiles of DCP 1.0 (5.4.2, 5.4.3)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass

import msgspec

from ashiato.trust import jws
from ashiato.trust.credentials import (
    CONTEXT_OF,
    VC11,
    VC20,
    Profile,
    UnverifiedCredential,
    VerifiedCredential,
    check_context,
    parse_credential,
    type_names,
)
from ashiato.trust.did import DidDocument
from ashiato.trust.jws import (
    CompactJws,
    MalformedToken,
    MisdirectedToken,
    OutOfTime,
    UntrustedSignature,
)
from ashiato.trust.keys import KeyIdentity, SigningKey

MAX_PRESENTATION_CHARS = 524_288
MAX_CREDENTIALS = 32
BASE_TYPE = "VerifiablePresentation"

_TYPS: frozenset[str | None] = frozenset({"vp+jwt", "vp+ld+json+jwt", "JWT", None})
_TYP_OF: Mapping[Profile, str] = {VC20: "vp+jwt", VC11: "JWT"}
_ENVELOPED = "EnvelopedVerifiableCredential"
_DATA_URLS = ("data:application/vc+jwt,", "data:application/vc+ld+json+jwt,")
_DOOR = object()


class UnverifiedPresentation(msgspec.Struct, frozen=True):
    """A well-formed presentation with its well-formed credentials, nothing of it proved."""

    profile: Profile
    holder: str
    audience: str
    nonce: str | None
    token_id: str | None
    issued_s: int | None
    not_before_s: int | None
    expires_s: int
    credentials: tuple[UnverifiedCredential, ...]
    signed: CompactJws

    @property
    def kid(self) -> str | None:
        return self.signed.kid


@dataclass(frozen=True, slots=True)
class VerifiedPresentation:
    """What `holder` presented to us. Only `verify_presentation` makes one.

    Each of its credentials still has to be verified; `verify_presented` then says whether all are the
    holder's.
    """

    holder: str
    profile: Profile
    credentials: tuple[UnverifiedCredential, ...]
    token_id: str | None
    expires_ms: int
    door: InitVar[object]

    def __post_init__(self, door: object) -> None:
        if door is not _DOOR:
            raise TypeError("a VerifiedPresentation comes from verify_presentation only")


def parse_presentation(compact: str, *, loose_vc11: bool = False) -> UnverifiedPresentation:
    """The presentation in `compact` with all its credentials, read once; raises `MalformedToken`.

    All credentials have the profile of the presentation (DCP 1.0, "Homogeneity requirement"). `loose_vc11`
    as in `parse_credential`.
    """
    signed = jws.parse_compact(compact, typs=_TYPS, max_chars=MAX_PRESENTATION_CHARS)
    payload = jws.parse_members(signed.payload, "payload", max_bytes=MAX_PRESENTATION_CHARS)
    if "vc" in payload:
        raise MalformedToken("wrong_type", "the token holds a credential; a presentation is needed")
    profile = VC11 if "vp" in payload else VC20
    presentation = payload.get("vp", payload)
    if not isinstance(presentation, Mapping) or (profile == VC11 and "@context" in payload):
        raise MalformedToken("malformed_claim", "the claim 'vp' is not the one presentation of the token")
    if profile == VC11 and signed.header.get("typ") not in ("JWT", None):
        raise MalformedToken("wrong_typ", "a presentation with the claim 'vp' has the typ JWT or none")
    if BASE_TYPE not in type_names(presentation):
        raise MalformedToken("wrong_type", f"'type' lacks {BASE_TYPE}")
    if profile == VC20 or not loose_vc11:
        check_context(presentation, profile)
    credentials = tuple(
        parse_credential(text, loose_vc11=loose_vc11)
        for text in _compacts(presentation.get("verifiableCredential"), profile)
    )
    if any(credential.profile != profile for credential in credentials):
        raise MalformedToken(
            "mixed_profiles", f"a presentation of {profile} holds a credential of another profile"
        )
    return UnverifiedPresentation(
        profile=profile,
        holder=_holder(presentation, payload),
        audience=jws.single_audience(payload),
        nonce=jws.text_claim(payload, "nonce") if payload.get("nonce") is not None else None,
        token_id=jws.text_claim(payload, "jti") if payload.get("jti") is not None else None,
        issued_s=jws.date_claim(payload, "iat") if "iat" in payload else None,
        not_before_s=jws.date_claim(payload, "nbf") if "nbf" in payload else None,
        expires_s=jws.date_claim(payload, "exp"),
        credentials=credentials,
        signed=signed,
    )


def _holder(presentation: Mapping[str, object], payload: Mapping[str, object]) -> str:
    """The holder, who is also the issuer of the token and, where they are named, its subject."""
    holder = jws.text_claim(payload, "iss", max_chars=jws.MAX_DID_CHARS)
    named = presentation.get("holder")
    if isinstance(named, dict):
        named = named.get("id")
    if named not in (None, holder) or payload.get("sub") not in (None, holder):
        raise MalformedToken("wrong_holder", "'iss', 'sub' and 'holder' of a presentation must not differ")
    return holder


def _compacts(value: object, profile: Profile) -> list[str]:
    entries = value if isinstance(value, list) else [] if value is None else [value]
    compacts: list[str] = []
    for entry in entries[: MAX_CREDENTIALS + 1]:
        texts = [entry] if profile == VC11 and isinstance(entry, str) else _enveloped(entry, profile)
        if not texts:
            raise MalformedToken("malformed_claim", "'verifiableCredential' holds something else than JWTs")
        compacts += texts
    if len(compacts) > MAX_CREDENTIALS:
        raise MalformedToken("too_large", f"a presentation holds at most {MAX_CREDENTIALS} credentials")
    return compacts


def _enveloped(entry: object, profile: Profile) -> list[str]:
    """The JWTs in an EnvelopedVerifiableCredential (VC Data Model 2.0, 4.13.1).

    VC-JOSE-COSE, 3.1.2 shows several data URLs in one `id`, with `;` between.
    """
    if profile != VC20 or not isinstance(entry, dict) or _ENVELOPED not in type_names(entry):
        return []
    url = entry.get("id")
    if not isinstance(url, str):
        return []
    return [_compact_of(part) for part in url.split(";", MAX_CREDENTIALS)]


def _compact_of(data_url: str) -> str:
    for start in _DATA_URLS:
        if data_url.startswith(start):
            return data_url[len(start) :]
    raise MalformedToken("malformed_claim", "an enveloped credential is no data URL of application/vc+jwt")


def verify_presentation(
    presentation: UnverifiedPresentation,
    holder_document: DidDocument,
    *,
    audience: str,
    now_ms: int,
    leeway_s: int = 0,
    nonce: str | None = None,
) -> VerifiedPresentation:
    """Who presented, after the checks of DCP 1.0, 5.4.3 that concern the presentation itself:

    1. It was made for `audience`, and with `nonce` if one was given out.
    2. The document is the holder's.
    3. `nbf`, `iat` and `exp` hold (step 7).
    4. The key stands in `authentication` (step 3) and made the signature (step 2).

    Raises `TokenRefused`.
    """
    # 1.
    if presentation.audience != audience:
        raise MisdirectedToken("wrong_audience", f"the presentation was made for another than {audience}")
    if nonce is not None and presentation.nonce != nonce:
        raise MisdirectedToken("wrong_nonce", "the presentation does not answer this request (nonce)")
    # 2.
    if holder_document.did != presentation.holder:
        raise UntrustedSignature(
            "wrong_document", "the DID document is not that of the presentation's holder"
        )
    # 3.
    leeway_ms = leeway_s * 1000
    starts_ms = max(presentation.not_before_s or 0, presentation.issued_s or 0) * 1000
    if now_ms + leeway_ms < starts_ms:
        raise OutOfTime("not_yet_valid", "the presentation is not valid yet; wait, or set the clock right")
    if now_ms - leeway_ms >= presentation.expires_s * 1000:
        raise OutOfTime("expired", "the presentation is expired; ask for a fresh one")
    # 4.
    key = jws.choose_key(presentation.signed, holder_document, "authentication")
    jws.check_signature(presentation.signed, key)
    return VerifiedPresentation(
        presentation.holder,
        presentation.profile,
        presentation.credentials,
        presentation.token_id,
        (presentation.expires_s + leeway_s) * 1000,
        _DOOR,
    )


def verify_presented(
    presentation: VerifiedPresentation, credentials: Iterable[VerifiedCredential]
) -> tuple[VerifiedCredential, ...]:
    """`credentials`, if they are exactly the presented ones and each is about the holder (DCP 1.0, 5.4.3).

    Raises `MisdirectedToken`.
    """
    verified = tuple(credentials)
    if [one.compact for one in verified] != [one.compact for one in presentation.credentials]:
        raise MisdirectedToken(
            "not_presented", "the verified credentials are not those of the presentation, one by one"
        )
    for credential in verified:
        if credential.subject != presentation.holder:
            raise MisdirectedToken(
                "wrong_holder",
                f"the credential {credential.credential_id[:256]!r} is about another than the one who presents it",
            )
    return verified


class PresentationDraft(msgspec.Struct, frozen=True, kw_only=True):
    """What a holder is about to present to `audience`: compact credentials of one profile."""

    audience: str
    credentials: Sequence[str]
    profile: Profile
    now_ms: int
    ttl_s: int
    token_id: str
    nonce: str | None = None


def present(key: SigningKey, draft: PresentationDraft) -> str:
    """The compact presentation of the key's DID as holder."""
    data = presentation_signing_input(key, draft)
    return jws.assemble(data, key.sign(data))


def presentation_signing_input(signer: KeyIdentity, draft: PresentationDraft) -> bytes:
    """The bytes to sign for `present`, by a key that signs elsewhere; `jws.assemble` ends the work."""
    if len(draft.credentials) > MAX_CREDENTIALS:
        raise ValueError(f"a presentation holds at most {MAX_CREDENTIALS} credentials")
    issued_s = draft.now_ms // 1000
    claims: dict[str, object] = {
        "iss": signer.did,
        "sub": signer.did,
        "aud": draft.audience,
        "jti": draft.token_id,
        "iat": issued_s,
        "nbf": issued_s,
        "exp": issued_s + draft.ttl_s,
    }
    if draft.nonce is not None:
        claims["nonce"] = draft.nonce
    presentation: dict[str, object] = {
        "@context": [CONTEXT_OF[draft.profile]],
        # One text, no list: the field's most used connector reads nothing else.
        "type": BASE_TYPE,
        "holder": signer.did,
    }
    if draft.profile == VC11:
        claims["vp"] = presentation | {"verifiableCredential": list(draft.credentials)}
        return jws.signing_input(signer, _TYP_OF[VC11], msgspec.json.encode(claims))
    envelopes = [
        {"@context": [CONTEXT_OF[VC20]], "id": _DATA_URLS[0] + compact, "type": _ENVELOPED}
        for compact in draft.credentials
    ]
    payload = presentation | {"verifiableCredential": envelopes} | claims
    return jws.signing_input(signer, _TYP_OF[VC20], msgspec.json.encode(payload), cty="vp")
