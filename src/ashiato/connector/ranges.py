"""Parts of a representation by byte: the one form of `Range` that a data plane needs (RFC 9110, section 14)."""

import re

import msgspec

LONGEST_HEADER_LENGTH_COUNT = 128

_SINGLE = re.compile(r"bytes=(?:([0-9]{1,19})-([0-9]{0,19})|-([0-9]{1,19}))", re.IGNORECASE)
_CONTENT = re.compile(r"bytes (?:([0-9]{1,19})-([0-9]{1,19})|\*)/([0-9]{1,19}|\*)", re.IGNORECASE)


class ByteRange(msgspec.Struct, frozen=True):
    """The bytes from `start_bytes` up to, not including, `end_bytes`."""

    start_bytes: int
    end_bytes: int

    @property
    def size_bytes(self) -> int:
        return self.end_bytes - self.start_bytes


class Unsatisfiable(msgspec.Struct, frozen=True):
    """The range lies behind the end: 416."""


def requested_range(header: str | None, size_bytes: int) -> ByteRange | Unsatisfiable | None:
    """The part that a `Range` header asks for, None for the whole.

    A header of several ranges, of another unit or of no known form is ignored, as RFC 9110 (14.2) lets a server do: merging
    ranges costs the server more than asking for them costs the client.
    """
    if header is None or len(header) > LONGEST_HEADER_LENGTH_COUNT:
        return None
    match = _SINGLE.fullmatch(header.replace(" ", ""))
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        length_bytes = min(int(suffix), size_bytes)
        return ByteRange(size_bytes - length_bytes, size_bytes) if length_bytes else Unsatisfiable()
    start_bytes = int(first)
    end_bytes = min(int(last) + 1, size_bytes) if last else size_bytes
    if last and int(last) < start_bytes:
        return None
    return ByteRange(start_bytes, end_bytes) if start_bytes < size_bytes else Unsatisfiable()


def range_holds(if_range: str | None, etag: str | None) -> bool:
    """Whether `Range` may be honoured: only for the same representation, compared strongly (RFC 9110, 13.1.5).

    We give no Last-Modified, so a date never holds.
    """
    if if_range is None:
        return True
    return etag is not None and if_range.strip() == etag and not etag.startswith("W/")


class ContentRange(msgspec.Struct, frozen=True):
    """A `Content-Range`: `part` is None for the unsatisfied form, `size_bytes` is None where the sender does not know it."""

    part: ByteRange | None
    size_bytes: int | None


def content_range(header: str) -> ContentRange | None:
    """What a `Content-Range` says (RFC 9110, 14.4); None when it is malformed or contradicts itself."""
    match = _CONTENT.fullmatch(header) if len(header) <= LONGEST_HEADER_LENGTH_COUNT else None
    if match is None:
        return None
    first, last, whole = match.groups()
    size_bytes = None if whole == "*" else int(whole)
    if first is None:
        return None if size_bytes is None else ContentRange(None, size_bytes)
    part = ByteRange(int(first), int(last) + 1)
    if part.size_bytes < 1 or (size_bytes is not None and part.end_bytes > size_bytes):
        return None
    return ContentRange(part, size_bytes)
