"""The access tokens of a credential service: made and read by the holder alone (DCP 1.0, 4.3.1, claim `token`).

Nothing is stored: the token says to whom it was given and which credentials it opens, under the holder's own signature.
"""

from collections.abc import Sequence
from dataclasses import InitVar, dataclass

import msgspec

from ashiato.trust import jws
from ashiato.trust.did import DidDocument
from ashiato.trust.jws import MalformedToken, MisdirectedToken, OutOfTime, UntrustedSignature
from ashiato.trust.keys import SigningKey

SERVICE_TOKEN_TTL_S = 120
_TYP = "dcp-at+jwt"
_TYPS: frozenset[str | None] = frozenset({_TYP})
_MAX_SCOPE_CHARS = 4096
_DOOR = object()


@dataclass(frozen=True, slots=True)
class ServiceGrant:
    """What `bearer` may ask the credential service of `holder` for. Only `verify_service_token` makes one."""

    holder: str
    bearer: str
    scopes: tuple[str, ...]
    door: InitVar[object]

    def __post_init__(self, door: object) -> None:
        if door is not _DOOR:
            raise TypeError("a ServiceGrant comes from verify_service_token only")


def mint_service_token(
    key: SigningKey, *, bearer: str, scopes: Sequence[str], now_ms: int, token_id: str
) -> str:
    """A token with which `bearer` alone may ask for `scopes`, for two minutes."""
    issued_s = now_ms // 1000
    claims = {
        "iss": key.did,
        "aud": key.did,
        "sub": bearer,
        "scope": " ".join(scopes),
        "iat": issued_s,
        "exp": issued_s + SERVICE_TOKEN_TTL_S,
        "jti": token_id,
    }
    return jws.sign_compact(key, _TYP, msgspec.json.encode(claims))


def verify_service_token(text: str, document: DidDocument, *, bearer: str, now_ms: int) -> ServiceGrant:
    """The grant in a token that the holder of `document` made for `bearer`; raises `TokenRefused`."""
    signed = jws.parse_compact(text, typs=_TYPS)
    claims = jws.parse_members(signed.payload, "payload")
    if claims.get("iss") != document.did or claims.get("aud") != document.did:
        raise MisdirectedToken("wrong_parties", f"the access token was not made by and for {document.did}")
    if claims.get("sub") != bearer:
        raise MisdirectedToken("wrong_parties", "the access token was given to somebody else")
    if now_ms < jws.date_claim(claims, "iat") * 1000:
        raise OutOfTime("not_yet_valid", "the access token was issued in the future; set the clock right")
    if now_ms >= jws.date_claim(claims, "exp") * 1000:
        raise OutOfTime("expired", "the access token is expired; a fresh one comes with the next request")
    scope = claims.get("scope")
    if not isinstance(scope, str) or len(scope) > _MAX_SCOPE_CHARS:
        raise MalformedToken("malformed_claim", "the claim 'scope' is not a text")
    if signed.kid is None:
        raise UntrustedSignature("no_key", "the access token names no key")
    jws.check_signature(signed, jws.choose_key(signed, document, "capabilityInvocation"))
    return ServiceGrant(document.did, bearer, tuple(scope.split()), _DOOR)
