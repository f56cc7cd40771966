"""Self-Issued ID tokens: who calls (DCP 1.0, 4.3; RFC 7519)."""

from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from types import MappingProxyType

import msgspec

from ashiato.trust import jws
from ashiato.trust.did import DidDocument
from ashiato.trust.jws import (
    CompactJws,
    MalformedToken,
    MisdirectedToken,
    OutOfTime,
    TokenRefused,
    UntrustedSignature,
)
from ashiato.trust.keys import KeyIdentity, SigningKey, VerificationKey

__all__ = [
    "MalformedToken",
    "MisdirectedToken",
    "OutOfTime",
    "TokenRefused",
    "UntrustedSignature",
    "UnverifiedToken",
    "VerifiedCaller",
    "mint_token",
    "parse_token",
    "verify_token",
]

_TYP = "JWT"
# RFC 7519, 5.1 makes typ optional and widely used connectors leave it out; our other tokens always carry
# their own.
_TYPS = frozenset({_TYP, None})
_REGISTERED = frozenset({"iss", "sub", "aud", "iat", "exp", "nbf", "jti"})
# Credentials and presentations may carry the same typ; one of them is never an identity token.
_OTHER_USES = ("vc", "vp", "credentialSubject", "verifiableCredential")
ACCESS_TOKEN_CLAIM = "token"
_MAX_ACCESS_TOKEN_CHARS = 8192
_DOOR = object()


class UnverifiedToken(msgspec.Struct, frozen=True):
    """A well-formed token, nothing of it proved; `issuer` and `kid` only say which document to fetch."""

    issuer: str
    subject: str
    audience: str
    kid: str | None
    token_id: str
    issued_s: int
    expires_s: int
    not_before_s: int | None
    claims: Mapping[str, object]
    signed: CompactJws


@dataclass(frozen=True, slots=True)
class VerifiedCaller:
    """A participant that proved itself. Only `verify_token` makes one.

    From `expires_ms` on, leeway included, its token is accepted no more: until then its id must be remembered. `key` is the one
    of which it proved the possession.
    """

    participant_id: str
    token_id: str
    expires_ms: int
    claims: Mapping[str, object] = field(hash=False)
    key: VerificationKey
    door: InitVar[object]

    def __post_init__(self, door: object) -> None:
        if door is not _DOOR:
            raise TypeError("a VerifiedCaller comes from verify_token only")

    @property
    def access_token(self) -> str | None:
        """What opens the caller's Credential Service to us, opaque (DCP 1.0, 4.3.1)."""
        token = self.claims.get(ACCESS_TOKEN_CLAIM)
        return token if isinstance(token, str) else None


def mint_token(
    key: SigningKey,
    *,
    audience: str,
    now_ms: int,
    ttl_s: int,
    token_id: str,
    claims: Mapping[str, object] | None = None,
) -> str:
    """A Self-Issued ID token of the key's DID for `audience`, living `ttl_s` seconds (DCP 1.0, 4.3).

    `token_id` (`jti`) must never be used twice. Raises `ValueError` when `claims` would replace a registered
    claim.
    """
    data = token_signing_input(
        key, audience=audience, now_ms=now_ms, ttl_s=ttl_s, token_id=token_id, claims=claims
    )
    return jws.assemble(data, key.sign(data))


def token_signing_input(
    signer: KeyIdentity,
    *,
    audience: str,
    now_ms: int,
    ttl_s: int,
    token_id: str,
    claims: Mapping[str, object] | None = None,
) -> bytes:
    """The bytes to sign for `mint_token`, by a key that signs elsewhere; `jws.assemble` ends the work."""
    if claims and not _REGISTERED.isdisjoint(claims):
        raise ValueError("a registered claim cannot be given as an extra claim")
    issued_s = now_ms // 1000
    payload = {
        "iss": signer.did,
        "sub": signer.did,
        "aud": audience,
        "iat": issued_s,
        "exp": issued_s + ttl_s,
        "jti": token_id,
        **(claims or {}),
    }
    return jws.signing_input(signer, _TYP, msgspec.json.encode(payload))


def parse_token(text: str) -> UnverifiedToken:
    """The token's parts, believed by nobody yet; raises `MalformedToken` (see `jws.parse_compact`)."""
    signed = jws.parse_compact(text, typs=_TYPS)
    claims = jws.parse_members(signed.payload, "payload")
    for name in _OTHER_USES:
        if name in claims:
            raise MalformedToken("wrong_typ", f"the token holds {name!r}; it does not say who calls")
    if claims.get(ACCESS_TOKEN_CLAIM) is not None:
        jws.text_claim(claims, ACCESS_TOKEN_CLAIM, max_chars=_MAX_ACCESS_TOKEN_CHARS)
    return UnverifiedToken(
        issuer=jws.text_claim(claims, "iss", max_chars=jws.MAX_DID_CHARS),
        subject=jws.text_claim(claims, "sub", max_chars=jws.MAX_DID_CHARS),
        audience=jws.single_audience(claims),
        kid=signed.kid,
        token_id=jws.text_claim(claims, "jti"),
        issued_s=jws.date_claim(claims, "iat"),
        expires_s=jws.date_claim(claims, "exp"),
        not_before_s=jws.date_claim(claims, "nbf") if "nbf" in claims else None,
        claims=claims,
        signed=signed,
    )


def verify_token(
    token: UnverifiedToken,
    document: DidDocument,
    *,
    audience: str,
    now_ms: int,
    leeway_s: int,
    max_ttl_s: int,
) -> VerifiedCaller:
    """The caller that `token` proves, by "Validating Self-Issued ID Tokens" of DCP 1.0, 4.3.3:

    1. `iss` and `sub` are the same DID.
    2. `aud` is us.
    3. The signature is by a key of the subject's document that `kid` names, or by its only one, and the key
       stands in `capabilityInvocation`.
    4. The document's `id` is `sub`.
    5. `nbf`, `exp` and `iat` hold within `leeway_s`; the token lives at most `max_ttl_s`.
    6. `jti` was never used before.

    **Step 6 is the caller's duty**: store (`participant_id`, `token_id`) until `expires_ms`, and
    refuse the request if it is there. Raises `TokenRefused`.
    """
    # 1.
    if token.issuer != token.subject:
        raise MisdirectedToken(
            "issuer_is_not_subject", "iss and sub differ; a participant speaks for itself only"
        )
    # 2.
    if token.audience != audience:
        raise MisdirectedToken("wrong_audience", f"the token was made for another audience than {audience}")
    # 4. stands before 3., which reads the document.
    if token.subject != document.did:
        raise UntrustedSignature("wrong_document", "the DID document is not the token subject's")
    # 5. stands before 3., because it costs nothing.
    _check_times(token, now_ms, leeway_s, max_ttl_s)
    # 3.
    key = jws.choose_key(token.signed, document, "capabilityInvocation")
    jws.check_signature(token.signed, key)
    extra = {name: value for name, value in token.claims.items() if name not in _REGISTERED}
    expires_ms = (token.expires_s + leeway_s) * 1000
    return VerifiedCaller(token.subject, token.token_id, expires_ms, MappingProxyType(extra), key, _DOOR)


def _check_times(token: UnverifiedToken, now_ms: int, leeway_s: int, max_ttl_s: int) -> None:
    leeway_ms = leeway_s * 1000
    if token.not_before_s is not None and now_ms + leeway_ms < token.not_before_s * 1000:
        raise OutOfTime("not_yet_valid", "the token is not valid yet (nbf); wait, or set the clock right")
    if now_ms + leeway_ms < token.issued_s * 1000:
        raise OutOfTime("not_yet_valid", "the token was issued in the future (iat); set the clock right")
    if now_ms - leeway_ms >= token.expires_s * 1000:
        raise OutOfTime("expired", "the token is expired; mint a fresh one")
    if token.expires_s - token.issued_s > max_ttl_s:
        raise OutOfTime(
            "lives_too_long", f"the token lives longer than {max_ttl_s} s; mint one for a shorter time"
        )
