"""Access tokens of the data plane: made and read by the provider alone (RFC 9068 profile, `at+jwt`)."""

from dataclasses import InitVar, dataclass

import msgspec

from ashiato.trust import jws
from ashiato.trust.did import DidDocument
from ashiato.trust.jws import MisdirectedToken, OutOfTime, UntrustedSignature
from ashiato.trust.keys import SigningKey, VerificationKey

_TYP = "at+jwt"
_TYPS: frozenset[str | None] = frozenset({_TYP})
_MAX_NAME_CHARS = 2048
_DOOR = object()


@dataclass(frozen=True, slots=True)
class AccessGrant:
    """What one access token opens, and for whom. Only `verify_access_token` makes one.

    The token is bound to the consumer: serve it only with a proof of possession by `consumer` (`proofs`).
    Whether the agreement and the transfer still stand is not in the token: ask the store at each request.
    """

    consumer: str
    agreement_id: str
    transfer_pid: str
    asset_id: str
    expires_ms: int
    token_id: str
    door: InitVar[object]

    def __post_init__(self, door: object) -> None:
        if door is not _DOOR:
            raise TypeError("an AccessGrant comes from verify_access_token only")


def mint_access_token(
    key: SigningKey,
    *,
    provider: str,
    consumer: str,
    agreement_id: str,
    transfer_pid: str,
    asset_id: str,
    now_ms: int,
    ttl_s: int,
    token_id: str,
) -> str:
    """A token that opens `asset_id` to `consumer` under one agreement and transfer for `ttl_s` seconds.

    Raises `ValueError` when the key is not the provider's: such a token could never be verified.
    """
    if key.did != provider:
        raise ValueError(f"the key {key.kid} does not belong to the provider {provider}")
    issued_s = now_ms // 1000
    claims = {
        "iss": provider,
        "sub": consumer,
        "client_id": consumer,
        "aud": provider,
        "iat": issued_s,
        "exp": issued_s + ttl_s,
        "jti": token_id,
        "agreement_id": agreement_id,
        "transfer_pid": transfer_pid,
        "asset_id": asset_id,
    }
    return jws.sign_compact(key, _TYP, msgspec.json.encode(claims))


def verify_access_token(
    text: str,
    document_or_public_key: DidDocument | VerificationKey,
    *,
    provider: str,
    now_ms: int,
    leeway_s: int = 0,
) -> AccessGrant:
    """The grant in a token that `provider` itself signed; leeway only for machines with several clocks.

    With a DID document the key must stand in `assertionMethod`; a single key must be the one named by `kid`.
    Raises `TokenRefused`; the consumer then asks for a fresh token.
    """
    signed = jws.parse_compact(text, typs=_TYPS)
    claims = jws.parse_members(signed.payload, "payload")
    expires_ms = jws.date_claim(claims, "exp") * 1000
    if claims.get("iss") != provider or claims.get("aud") != provider:
        raise MisdirectedToken("wrong_parties", f"the access token was not made by and for {provider}")
    if now_ms + leeway_s * 1000 < jws.date_claim(claims, "iat") * 1000:
        raise OutOfTime("not_yet_valid", "the access token was issued in the future; set the clock right")
    if now_ms - leeway_s * 1000 >= expires_ms:
        raise OutOfTime("expired", "the access token is expired; ask for a fresh one")
    jws.check_signature(signed, _own_key(signed, document_or_public_key, provider))
    return AccessGrant(
        consumer=jws.text_claim(claims, "sub", max_chars=jws.MAX_DID_CHARS),
        agreement_id=jws.text_claim(claims, "agreement_id", max_chars=_MAX_NAME_CHARS),
        transfer_pid=jws.text_claim(claims, "transfer_pid", max_chars=_MAX_NAME_CHARS),
        asset_id=jws.text_claim(claims, "asset_id", max_chars=_MAX_NAME_CHARS),
        expires_ms=expires_ms,
        token_id=jws.text_claim(claims, "jti"),
        door=_DOOR,
    )


def _own_key(signed: jws.CompactJws, source: DidDocument | VerificationKey, provider: str) -> VerificationKey:
    if isinstance(source, VerificationKey):
        if signed.kid != source.kid or not source.kid.startswith(provider + "#"):
            raise UntrustedSignature(
                "unknown_key", "the access token was not signed by the provider's present key"
            )
        return source
    if source.did != provider:
        raise UntrustedSignature("wrong_document", f"the DID document is not that of {provider}")
    return jws.choose_key(signed, source, "assertionMethod")
