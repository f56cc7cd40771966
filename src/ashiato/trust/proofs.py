"""Proof of possession for data requests, in the manner of RFC 9449 (DPoP).

One thing differs: the key is not embedded (`jwk`) but named by `kid` in the consumer's DID document, so that
a stolen access token is worthless without a key of the consumer's DID.
"""

import hashlib
import re
from dataclasses import InitVar, dataclass
from urllib.parse import urlsplit

import msgspec

from ashiato.trust import base64url, jws
from ashiato.trust.did import DidDocument
from ashiato.trust.jws import MalformedToken, MisdirectedToken, OutOfTime
from ashiato.trust.keys import SigningKey

_TYP = "dpop+jwt"
_TYPS: frozenset[str | None] = frozenset({_TYP})
_DEFAULT_PORT = {"https": 443, "http": 80}
_MAX_URL_CHARS = 4096
_DOOR = object()


@dataclass(frozen=True, slots=True)
class VerifiedProof:
    """The consumer that signed one request. Only `verify_proof` makes one."""

    participant_id: str
    token_id: str
    expires_ms: int
    door: InitVar[object]

    def __post_init__(self, door: object) -> None:
        if door is not _DOOR:
            raise TypeError("a VerifiedProof comes from verify_proof only")


def mint_proof(
    key: SigningKey, *, method: str, url: str, access_token: str, now_ms: int, token_id: str
) -> str:
    """The `DPoP` header's value for one request; use no `token_id` (`jti`) twice (RFC 9449, 4.2)."""
    claims = {
        "jti": token_id,
        "htm": method,
        "htu": target_of(url),
        "iat": now_ms // 1000,
        "ath": _hash_of(access_token),
    }
    return jws.sign_compact(key, _TYP, msgspec.json.encode(claims))


def verify_proof(
    text: str,
    *,
    method: str,
    url: str,
    access_token: str,
    document: DidDocument,
    consumer: str,
    now_ms: int,
    leeway_s: int = 5,
    max_age_s: int = 60,
) -> VerifiedProof:
    """Who signed this request, after the checks of RFC 9449, 4.3.

    `document` must be that of `consumer`, the consumer of the grant that `access_token` stands for. `url` is
    the request's address as the sender sees it; query and fragment do not count. **The replay check is the
    caller's duty**: store (`participant_id`, `token_id`) until `expires_ms`, and refuse a proof that is
    there. Raises `TokenRefused`.
    """
    signed = jws.parse_compact(text, typs=_TYPS)
    claims = jws.parse_members(signed.payload, "payload")
    token_id = jws.text_claim(claims, "jti")
    issued_ms = jws.date_claim(claims, "iat") * 1000
    if document.did != consumer:
        raise MisdirectedToken("wrong_parties", f"the proof must be signed by a key of {consumer}")
    if jws.text_claim(claims, "htm") != method:
        raise MisdirectedToken("wrong_request", "the proof was made for another method (htm)")
    if target_of(jws.text_claim(claims, "htu", max_chars=_MAX_URL_CHARS)) != target_of(url):
        raise MisdirectedToken("wrong_request", "the proof was made for another address (htu)")
    if jws.text_claim(claims, "ath") != _hash_of(access_token):
        raise MisdirectedToken("wrong_access_token", "the proof was made for another access token (ath)")
    expires_ms = issued_ms + (max_age_s + leeway_s) * 1000
    if issued_ms > now_ms + leeway_s * 1000:
        raise OutOfTime("not_yet_valid", "the proof was made in the future (iat); set the clock right")
    if now_ms >= expires_ms:
        raise OutOfTime("expired", "the proof is too old (iat); make a fresh one for each request")
    jws.check_signature(signed, jws.choose_key(signed, document, "capabilityInvocation"))
    return VerifiedProof(document.did, token_id, expires_ms, _DOOR)


def target_of(url: str) -> str:
    """`url` as two sides can compare it: no query, fragment or default port (RFC 9449, 4.3, item 9).

    Raises `MalformedToken` for what is no absolute http(s) URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise MalformedToken("malformed_claim", "the address is not a URL") from None
    host = parts.hostname
    if parts.scheme not in _DEFAULT_PORT or not host or "@" in parts.netloc or not _PRINTABLE.fullmatch(url):
        raise MalformedToken("malformed_claim", "the address is not an absolute http or https URL")
    if ":" in host:
        host = f"[{host}]"
    suffix = "" if port in (None, _DEFAULT_PORT[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{host}{suffix}{parts.path or '/'}"


# urlsplit drops tabs and line breaks silently: two different addresses would look the same.
_PRINTABLE = re.compile(r"[!-~]+")


def _hash_of(access_token: str) -> str:
    return base64url.encode(hashlib.sha256(access_token.encode("utf-8")).digest())
