"""Signed webhooks: a detached JWS (RFC 7515, appendix F) tells the receiver who sent the body, and when.

Three headers travel with the body: `Ashiato-Delivery` (the delivery's id), `Ashiato-Timestamp` (Unix seconds)
and `Ashiato-Signature`, a compact JWS with an empty middle part, typ `ashiato-webhook+jws`, ES256, `kid` a
DID URL of the sender. The payload that the receiver puts into the middle is the ASCII text

    timestamp "." delivery-id "." lower-case hexadecimal SHA-256 of the body
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import InitVar, dataclass

from ashiato.trust import base64url, jws
from ashiato.trust.did import DidDocument
from ashiato.trust.jws import MalformedToken, OutOfTime
from ashiato.trust.keys import SigningKey

DELIVERY_HEADER = "Ashiato-Delivery"
TIMESTAMP_HEADER = "Ashiato-Timestamp"
SIGNATURE_HEADER = "Ashiato-Signature"

_TYP = "ashiato-webhook+jws"
_TYPS: frozenset[str | None] = frozenset({_TYP})
_DELIVERY_ID = re.compile(r"[A-Za-z0-9_:-]{1,128}")
_TIMESTAMP = re.compile(r"[1-9][0-9]{0,11}")
_DOOR = object()


@dataclass(frozen=True, slots=True)
class VerifiedDelivery:
    """Who sent a webhook's body. Only `verify_webhook` makes one."""

    sender: str
    delivery_id: str
    sent_ms: int
    door: InitVar[object]

    def __post_init__(self, door: object) -> None:
        if door is not _DOOR:
            raise TypeError("a VerifiedDelivery comes from verify_webhook only")


def sign_webhook(key: SigningKey, body: bytes, now_ms: int, delivery_id: str) -> dict[str, str]:
    """The three headers for `body`; a repeated try keeps its `delivery_id` and is signed anew.

    Raises `ValueError` for an id outside letters, digits, `_`, `:` and `-`, at most 128 of them.
    """
    if not _DELIVERY_ID.fullmatch(delivery_id):
        raise ValueError("a delivery id has 1 to 128 letters, digits, '_', ':' or '-'")
    timestamp = str(now_ms // 1000)
    header, _, signature = jws.sign_compact(key, _TYP, _payload(timestamp, delivery_id, body)).split(".")
    return {
        DELIVERY_HEADER: delivery_id,
        TIMESTAMP_HEADER: timestamp,
        SIGNATURE_HEADER: f"{header}..{signature}",
    }


def verify_webhook(
    headers: Mapping[str, str], body: bytes, document: DidDocument, *, now_ms: int, tolerance_s: int = 300
) -> VerifiedDelivery:
    """Who sent `body`, if a key of `document` with `assertionMethod` signed it within `tolerance_s` of now.

    **The replay check is the caller's duty**: a `delivery_id` seen before from this sender is a repeated
    delivery and must have no second effect. Raises `TokenRefused`.
    """
    values = {name.lower(): value for name, value in headers.items()}
    timestamp, delivery_id = values.get(TIMESTAMP_HEADER.lower(), ""), values.get(DELIVERY_HEADER.lower(), "")
    if not _TIMESTAMP.fullmatch(timestamp) or not _DELIVERY_ID.fullmatch(delivery_id):
        raise MalformedToken(
            "malformed_claim", f"{TIMESTAMP_HEADER} or {DELIVERY_HEADER} is absent or malformed"
        )
    header, dots, signature = values.get(SIGNATURE_HEADER.lower(), "").partition("..")
    if not dots:
        raise MalformedToken("not_compact", f"{SIGNATURE_HEADER} is absent or no detached JWS")
    sent_ms = int(timestamp) * 1000
    if abs(now_ms - sent_ms) > tolerance_s * 1000:
        raise OutOfTime(
            "expired", f"the webhook was signed more than {tolerance_s} s away from now; sign it anew"
        )
    payload = base64url.encode(_payload(timestamp, delivery_id, body))
    signed = jws.parse_compact(f"{header}.{payload}.{signature}", typs=_TYPS)
    jws.check_signature(signed, jws.choose_key(signed, document, "assertionMethod"))
    return VerifiedDelivery(document.did, delivery_id, sent_ms, _DOOR)


def _payload(timestamp: str, delivery_id: str, body: bytes) -> bytes:
    return f"{timestamp}.{delivery_id}.{hashlib.sha256(body).hexdigest()}".encode("ascii")
