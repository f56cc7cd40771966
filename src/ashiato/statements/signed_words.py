"""A signed word of a company as it lies in an asset: the word as it was signed, and beside it what was said of it since.

The word is a compact JWS, which names its own kind (`typ`) and its own speaker. What stands beside it changes no byte of it: the
time stamp over it (RFC 3161), signed statements of others about it, its signed withdrawal, and on the word of who offers it
whether it still holds.
"""

from enum import StrEnum
from hashlib import sha256
from typing import Literal

import msgspec
import rfc8785

from ashiato.facts.strict_json import MalformedJson, parse_strict

VERSION = 1
MOST_BYTES = 1_048_576
MOST_STATEMENTS_COUNT = 16


class WordStanding(StrEnum):
    """Whether a word still holds; the later of these is the graver."""

    HOLDS = ""
    RESTS_ON_STALE = "rests-on-stale"
    """Something that it was computed from does not hold any more."""
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"

    @property
    def gravity(self) -> int:
        """The higher, the graver."""
        return list(WordStanding).index(self)


class MalformedSignedWord(ValueError):
    """The partner's bytes are no signed word; `problem` says why."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class SignedWord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """`word`, `statements` and `withdrawal` are compact JWS; `time_stamp` is a TimeStampToken over `word` (DER, base64)."""

    version: int = VERSION
    type: Literal["SignedWord"] = "SignedWord"
    word: str
    time_stamp: str = ""
    statements: tuple[str, ...] = ()
    withdrawal: str = ""
    standing: WordStanding = WordStanding.HOLDS


def written(word: SignedWord) -> bytes:
    """The canonical JSON (RFC 8785) of the word with what stands beside it."""
    return rfc8785.dumps(msgspec.to_builtins(word))


def read(data: bytes) -> SignedWord:
    """The signed word in foreign bytes; raises `MalformedSignedWord`. Nothing is believed of it yet."""
    try:
        word = msgspec.convert(parse_strict(data, max_bytes=MOST_BYTES), SignedWord, strict=True)
    except (MalformedJson, msgspec.ValidationError) as error:
        raise MalformedSignedWord(f"it is no signed word: {error}") from None
    if word.version != VERSION:
        raise MalformedSignedWord(f"version {word.version} is not known")
    if len(word.statements) > MOST_STATEMENTS_COUNT:
        raise MalformedSignedWord(f"more than {MOST_STATEMENTS_COUNT} statements stand beside it")
    return word


def hash_of(body: bytes) -> str:
    """The hexadecimal SHA-256 of what was signed, by which others name the word."""
    return sha256(body).hexdigest()
