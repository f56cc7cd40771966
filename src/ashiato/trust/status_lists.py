"""Status lists: one bit per credential (Bitstring Status List 1.0; StatusList2021, which VC 1.1 uses)."""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import InitVar, dataclass, field
from typing import Literal

from ashiato.trust import base64url, jws
from ashiato.trust.credentials import (
    MAX_STATUS_INDEX,
    MAX_STATUS_LIST_CHARS,
    VC11,
    VC20,
    CredentialDraft,
    Profile,
    StatusEntry,
    StatusKind,
    UnverifiedCredential,
    VerifiedCredential,
    parse_credential,
)
from ashiato.trust.jws import MalformedToken, MisdirectedToken, OutOfTime

MAX_LIST_BYTES = (MAX_STATUS_INDEX + 1) // 8
# Herd privacy: in a shorter list the index alone would tell whose status is asked (5.1 of both standards).
MIN_LIST_BITS = 131_072

Purpose = Literal["revocation", "suspension"]
# Of the purposes of the standard these two say that a credential must not be relied on.
BARRING: frozenset[str] = frozenset({"revocation", "suspension"})

_GZIP = 31
_CREDENTIAL_TYPE: Mapping[StatusKind, str] = {
    "BitstringStatusListEntry": "BitstringStatusListCredential",
    "StatusList2021Entry": "StatusList2021Credential",
}
_LIST_TYPE: Mapping[StatusKind, str] = {
    "BitstringStatusListEntry": "BitstringStatusList",
    "StatusList2021Entry": "StatusList2021",
}
_PROFILE_OF: Mapping[StatusKind, Profile] = {"BitstringStatusListEntry": VC20, "StatusList2021Entry": VC11}
_CONTEXTS: Mapping[StatusKind, tuple[str, ...]] = {
    "BitstringStatusListEntry": (),
    "StatusList2021Entry": ("https://w3id.org/vc/status-list/2021/v1",),
}
_DOOR = object()


@dataclass(frozen=True, slots=True)
class StatusList:
    """The bits that `issuer` published under `list_url`. Only `status_list_from` makes one."""

    kind: StatusKind
    list_url: str
    issuer: str
    purposes: frozenset[str]
    bits: bytes = field(repr=False)
    valid_from_ms: int
    valid_until_ms: int | None
    door: InitVar[object]

    def __post_init__(self, door: object) -> None:
        if door is not _DOOR:
            raise TypeError("a StatusList comes from status_list_from only")

    @property
    def size_bits(self) -> int:
        return len(self.bits) * 8

    def is_set(self, index: int) -> bool:
        """The bit at `index`, counted from the left (3.2, "Validate Algorithm"); raises `MalformedToken`."""
        if not 0 <= index < self.size_bits:
            raise MalformedToken(
                "index_out_of_range", f"the status list has {self.size_bits} bits; there is no bit {index}"
            )
        return bool(self.bits[index >> 3] & (0x80 >> (index & 7)))


def parse_status_list(compact: str, *, loose_vc11: bool = False) -> UnverifiedCredential:
    """The credential that carries a list, with room for a large one; then `verify_credential` as any other."""
    return parse_credential(compact, max_chars=MAX_STATUS_LIST_CHARS, loose_vc11=loose_vc11)


def status_list_from(
    credential: VerifiedCredential, *, fetched_from: str | None = None, min_bits: int = MIN_LIST_BITS
) -> StatusList:
    """The list that a verified credential carries; raises `MalformedToken`.

    Where the credential's id is a URL, it is the list's address and no other list can stand in for it. Some
    issuers write no id, or no URL: then the address that it was `fetched_from` counts.
    `min_bits` below the standard's is for issuers known to publish short lists. `ttl` is ignored, the
    credential's `validUntil` counts (DCP 1.0, "Profiles").
    """
    kind = next((kind for kind, type_ in _CREDENTIAL_TYPE.items() if type_ in credential.types), None)
    if kind is None or credential.claims.get("type") != _LIST_TYPE[kind]:
        raise MalformedToken("wrong_status_list", "the credential carries no status list")
    size = credential.claims.get("statusSize", 1)
    if type(size) is not int or size != 1:
        raise MalformedToken("wrong_status_list", "the list has more than one bit per credential")
    bits = decode_bits(jws.text_claim(credential.claims, "encodedList", max_chars=MAX_STATUS_LIST_CHARS))
    if len(bits) * 8 < min_bits:
        raise MalformedToken(
            "wrong_status_list", f"the list has {len(bits) * 8} bits; at least {min_bits} are needed"
        )
    return StatusList(
        kind=kind,
        list_url=credential.credential_id
        if fetched_from is None or credential.credential_id.startswith(("https://", "http://"))
        else fetched_from,
        issuer=credential.issuer,
        purposes=_purposes(credential.claims, kind),
        bits=bits,
        valid_from_ms=credential.valid_from_ms,
        valid_until_ms=credential.valid_until_ms,
        door=_DOOR,
    )


def _purposes(claims: Mapping[str, object], kind: StatusKind) -> frozenset[str]:
    """One purpose, or several in a Bitstring Status List (2.2)."""
    value = claims.get("statusPurpose")
    names = value if isinstance(value, list) and kind == "BitstringStatusListEntry" else [value]
    if not names or not all(isinstance(name, str) and name for name in names):
        raise MalformedToken("wrong_status_list", "'statusPurpose' names no purpose")
    return frozenset(names)


def is_barred(
    entry: StatusEntry,
    credential: VerifiedCredential,
    status_list: StatusList,
    *,
    now_ms: int,
    leeway_s: int = 0,
    delegates: frozenset[str] = frozenset(),
) -> bool:
    """Whether the bit of `entry` is set, after the "Validate Algorithm" (Bitstring Status List 1.0, 3.2).

    The list must be the one that the entry names, for its purpose, valid now, and signed by the issuer of
    `credential` or one of `delegates` (whom the trust list admits for it). Raises `TokenRefused` where it is
    not: the status is then unknown, and the credential must not be relied on.
    """
    if entry not in credential.statuses:
        raise MisdirectedToken("wrong_status_entry", "the status entry is not one of this credential")
    if status_list.list_url != entry.list_url or status_list.kind != entry.kind:
        raise MisdirectedToken("wrong_status_list", "the list is another than the credential names")
    if status_list.issuer != credential.issuer and status_list.issuer not in delegates:
        raise MisdirectedToken(
            "wrong_issuer", "the status list is signed by another than the credential's issuer"
        )
    if entry.purpose not in status_list.purposes:
        raise MisdirectedToken("wrong_status_list", "the list serves another purpose than the entry")
    leeway_ms = leeway_s * 1000
    if now_ms + leeway_ms < status_list.valid_from_ms:
        raise OutOfTime("not_yet_valid", "the status list is not valid yet")
    if status_list.valid_until_ms is not None and now_ms - leeway_ms >= status_list.valid_until_ms:
        raise OutOfTime("expired", "the status list is expired; fetch it again")
    return status_list.is_set(entry.index)


def decode_bits(encoded: str) -> bytes:
    """The bytes of `encodedList`: gzip in base64url, after the multibase sign `u`; raises `MalformedToken`.

    StatusList2021 writes no multibase sign (its text starts with the `H` of the gzip header), and some of
    its issuers write base64url with padding; both are read.
    """
    text = encoded.removeprefix("u")
    if text == encoded:
        text = encoded.rstrip("=")
    try:
        return _inflate(base64url.decode(text))
    except ValueError as error:
        raise MalformedToken(
            "wrong_status_list", f"the list is not encoded as the standard says: {error}"
        ) from None


def _inflate(data: bytes) -> bytes:
    """One whole gzip member of at most `MAX_LIST_BYTES`; raises `ValueError`."""
    engine = zlib.decompressobj(_GZIP)
    try:
        bits = engine.decompress(data, MAX_LIST_BYTES + 1)
    except zlib.error:
        raise ValueError("it is not gzip") from None
    if len(bits) > MAX_LIST_BYTES:
        raise ValueError(f"it inflates to more than {MAX_LIST_BYTES} bytes")
    if not engine.eof or engine.unused_data:
        raise ValueError("it is not one whole gzip member")
    return bits


def encode_bits(bits: bytes, kind: StatusKind = "BitstringStatusListEntry") -> str:
    """The `encodedList` of `bits`; the same bits, the same text."""
    engine = zlib.compressobj(9, zlib.DEFLATED, _GZIP)
    text = base64url.encode(engine.compress(bits) + engine.flush())
    return f"u{text}" if kind == "BitstringStatusListEntry" else text


def new_bits(size_bits: int = MIN_LIST_BITS) -> bytes:
    """A list on which no bit is set; raises `ValueError` for a size that no verifier would accept."""
    if size_bits % 8 or not MIN_LIST_BITS <= size_bits <= MAX_LIST_BYTES * 8:
        raise ValueError(f"a list has a multiple of 8 bits, from {MIN_LIST_BITS} to {MAX_LIST_BYTES * 8}")
    return bytes(size_bits // 8)


def with_bits(bits: bytes, *, on: Iterable[int] = (), off: Iterable[int] = ()) -> bytes:
    """`bits` with some set and some cleared; raises `IndexError` for an index outside."""
    changed = bytearray(bits)
    for indexes, is_on in ((on, True), (off, False)):
        for index in indexes:
            if not 0 <= index < len(bits) * 8:
                raise IndexError(f"the list has {len(bits) * 8} bits; there is no bit {index}")
            mask = 0x80 >> (index & 7)
            changed[index >> 3] = changed[index >> 3] | mask if is_on else changed[index >> 3] & ~mask
    return bytes(changed)


def status_list_draft(
    *,
    list_url: str,
    purpose: Purpose,
    bits: bytes,
    issued_ms: int,
    valid_until_ms: int,
    kind: StatusKind = "BitstringStatusListEntry",
) -> CredentialDraft:
    """The credential that publishes `bits` under `list_url`, for `issue_credential` (2.2)."""
    return CredentialDraft(
        credential_id=list_url,
        subject=f"{list_url}#list",
        types=(_CREDENTIAL_TYPE[kind],),
        claims={
            "type": _LIST_TYPE[kind],
            "statusPurpose": purpose,
            "encodedList": encode_bits(bits, kind),
        },
        issued_ms=issued_ms,
        valid_from_ms=issued_ms,
        valid_until_ms=valid_until_ms,
        contexts=_CONTEXTS[kind],
        profile=_PROFILE_OF[kind],
    )
