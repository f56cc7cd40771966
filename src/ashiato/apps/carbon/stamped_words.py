"""A signed word about a footprint with the hour at which it existed, by the word of a time stamp authority (RFC 3161).

The time stamp stands beside the compact JWS and changes no byte of it: it is over the whole of it, as on agreements, so over what
was said and over the signature. Whoever passes a word on can have it stamped, and whoever has no anchors reads it all the same.
"""

import base64
import binascii
from typing import Literal

import msgspec

from ashiato.apps.carbon.attestations import (
    DECLARATION_TYP,
    MAX_COMPACT_CHARS,
    VERIFICATION_TYP,
    WITHDRAWAL_TYP,
)
from ashiato.apps.carbon.declarations import MalformedDeclaration, canonical
from ashiato.connector.time_stamps import stamped_text
from ashiato.facts.strict_json import MalformedJson, parse_strict
from ashiato.trust import jws
from ashiato.trust.timestamps import (
    MAX_RESPONSE_BYTES,
    Anchors,
    VerifiedTimeStamp,
    request,
    verify_response,
    verify_token,
)

VERSION = 1
_TYPS = frozenset({DECLARATION_TYP, WITHDRAWAL_TYP, VERIFICATION_TYP})
# Neither the compact form nor base64 has a character that JSON escapes; 1024 bytes are for the names of the members.
_MOST_BYTES = MAX_COMPACT_CHARS + MAX_RESPONSE_BYTES * 4 // 3 + 1024


class StampedWord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """`compact` as it was signed, and in `time_stamp` the TimeStampToken over it (DER, base64)."""

    version: int = VERSION
    type: Literal["StampedFootprintWord"] = "StampedFootprintWord"
    compact: str
    time_stamp: str


def stamp_request(compact: str, nonce: int) -> bytes:
    """The TimeStampReq in DER over a declaration, a withdrawal or a verifier's statement; raises `TokenRefused`."""
    return request(_text(compact), nonce)


def stamped(compact: str, response: bytes, nonce: int, anchors: Anchors) -> StampedWord:
    """The word with the time stamp in an authority's answer to `stamp_request(compact, nonce)`.

    Raises `TokenRefused`, and `TimeStampRefused` where the answer would convince nobody who has these anchors.
    """
    stamp = verify_response(response, _text(compact), nonce, anchors)
    return StampedWord(compact=compact, time_stamp=base64.b64encode(stamp.token).decode("ascii"))


def written(word: StampedWord) -> bytes:
    """The canonical JSON of the word with its time stamp."""
    return canonical(word)


def read(data: bytes) -> StampedWord:
    """The word with its time stamp in foreign bytes; raises `MalformedDeclaration`. Nothing is believed of either yet."""
    try:
        word = msgspec.convert(parse_strict(data, max_bytes=_MOST_BYTES), StampedWord, strict=True)
    except (MalformedJson, msgspec.ValidationError) as error:
        raise MalformedDeclaration(f"it is no StampedWord: {error}") from None
    if word.version != VERSION:
        raise MalformedDeclaration(f"version {word.version} is not known")
    return word


def verify_stamp(word: StampedWord, anchors: Anchors) -> VerifiedTimeStamp:
    """The instant (`at_ms`) at which these signed bytes existed, and the authority that says so.

    Raises `MalformedDeclaration`, `TokenRefused`, and `TimeStampRefused` for a time stamp over something else or of an authority
    that does not lead to `anchors`. That the one who is named signed them is for `verify_declaration` and its siblings, on
    `word.compact`: a time stamp says nothing of that.
    """
    try:
        token = base64.b64decode(word.time_stamp, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedDeclaration("its time stamp is no base64") from None
    return verify_token(token, _text(word.compact), anchors)


def _text(compact: str) -> bytes:
    """What is stamped, by the rule of agreements; nothing but a word about a footprint is."""
    jws.parse_compact(compact, typs=_TYPS, max_chars=MAX_COMPACT_CHARS)
    return stamped_text(compact)
