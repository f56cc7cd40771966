"""Receipts: what a consumer signs about data that it received under an agreement.

A receipt says that data came in, was used or was deleted. The receipts of one agreement form a chain: each has the next
sequence number and the hash of the one before, taken over its canonical JSON (RFC 8785) without the signature. So the chain
is settled in the transaction that makes a receipt, whoever signs it and however slowly. On the wire a receipt is a compact
JWS over exactly these canonical bytes.
"""

from collections.abc import Mapping
from dataclasses import InitVar, dataclass
from enum import StrEnum
from hashlib import sha256
from typing import TypeVar

import msgspec
import rfc8785

from ashiato.trust import jws
from ashiato.trust.did import DidDocument
from ashiato.trust.jws import TokenRefused
from ashiato.trust.signing import Signer

RECEIPT_TYP = "ashiato-receipt+jwt"
HEAD_TYP = "ashiato-receipt-head+jwt"
VERSION = 1
LONGEST_TEXT_CHARS = 2048

_DOOR = object()


class ReceiptKind(StrEnum):
    """What happened to the data at the consumer's."""

    RECEIVED = "received"
    USED = "used"
    DELETED = "deleted"


class DigestStanding(StrEnum):
    """How far the digest of an app is known: the connector started these very bytes, or the app only says so."""

    ENFORCED = "enforced"
    ATTESTED = "attested"


class MalformedReceipt(ValueError):
    """The consumer's bytes are no receipt; `problem` says why."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class Receipt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One receipt before it is signed.

    `sequence` counts from 1 under the agreement, `previous` is the hexadecimal hash of the receipt before ("" for the first).
    `transfer` is the provider's pid of the transfer that brought the data, `data_sha256` the hash of the whole. For USED,
    `use` counts the uses under the agreement from 1, and `app` with its digest and `purpose` say who used it for what ("": a
    person, or no purpose was named). `reason` says why it was DELETED.
    """

    version: int = VERSION
    kind: ReceiptKind
    agreement: str
    provider: str
    consumer: str
    sequence: int
    previous: str
    at_ms: int
    asset: str
    transfer: str
    data_sha256: str
    size_bytes: int
    use: int = 0
    purpose: str = ""
    app: str = ""
    app_digest: str = ""
    digest: str = ""
    certified_as: str = ""
    reason: str = ""


class Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a consumer signs each time it is asked: so many receipts there are now, and the last has this hash.

    Without it a consumer could later say that it had never been asked, or that its answer was cut short on the way.
    """

    version: int = VERSION
    agreement: str
    provider: str
    consumer: str
    sequence: int
    last: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class VerifiedReceipt:
    """A receipt that the consumer it names has signed. Only `verify_receipt` makes one."""

    receipt: Receipt
    sha256: str
    compact: str
    door: InitVar[object]

    def __post_init__(self, door: object) -> None:
        if door is not _DOOR:
            raise TypeError("a VerifiedReceipt comes from verify_receipt only")


@dataclass(frozen=True, slots=True)
class VerifiedHead:
    """A head that the consumer it names has signed. Only `verify_head` makes one."""

    head: Head
    compact: str
    door: InitVar[object]

    def __post_init__(self, door: object) -> None:
        if door is not _DOOR:
            raise TypeError("a VerifiedHead comes from verify_head only")


S = TypeVar("S", Receipt, Head)


def canonical(statement: Receipt | Head) -> bytes:
    """The canonical JSON (RFC 8785) of a receipt or head: what is hashed and what is signed."""
    return rfc8785.dumps(msgspec.to_builtins(statement))


def hash_of(receipt: Receipt) -> str:
    """The hexadecimal SHA-256 by which the next receipt names this one."""
    return sha256(canonical(receipt)).hexdigest()


async def sign(signer: Signer, typ: str, payload: bytes) -> str:
    """The compact JWS of canonical bytes under the signer's key; raises `trust.signing.SigningFailed`."""
    data = jws.signing_input(signer, typ, payload)
    return jws.assemble(data, await signer.sign(data))


def is_signed_by(compact: str, kid: str) -> bool:
    """Whether a receipt of our own names that key as the one that signed it."""
    return bool(compact) and jws.parse_compact(compact, typs=frozenset({RECEIPT_TYP})).kid == kid


def verify_receipt(compact: str, document: DidDocument) -> VerifiedReceipt:
    """The receipt in `compact`, signed by a key that stands in `assertionMethod` of the consumer's DID document.

    Raises `MalformedReceipt` for bytes that are no receipt and `TokenRefused` where another key signed. Whether it belongs to
    the agreement, and where in the chain, is for `examination`.
    """
    signed = jws.parse_compact(compact, typs=frozenset({RECEIPT_TYP}))
    receipt = _read(signed.payload, Receipt)
    _check_signer(signed, receipt.consumer, document)
    return VerifiedReceipt(receipt, sha256(signed.payload).hexdigest(), compact, _DOOR)


def verify_head(compact: str, document: DidDocument) -> VerifiedHead:
    """The head in `compact`; raises as `verify_receipt` does."""
    signed = jws.parse_compact(compact, typs=frozenset({HEAD_TYP}))
    head = _read(signed.payload, Head)
    _check_signer(signed, head.consumer, document)
    return VerifiedHead(head, compact, _DOOR)


def _check_signer(signed: jws.CompactJws, consumer: str, document: DidDocument) -> None:
    if document.did != consumer:
        raise jws.MisdirectedToken("wrong_document", f"the DID document is not that of {consumer}")
    jws.check_signature(signed, jws.choose_key(signed, document, "assertionMethod"))


def _read(payload: bytes, kind: type[S]) -> S:
    try:
        members = jws.parse_members(payload, "payload")
    except TokenRefused as error:
        raise MalformedReceipt(error.sentence) from None
    try:
        statement = msgspec.convert(dict(members), kind, strict=True)
    except msgspec.ValidationError as error:
        raise MalformedReceipt(f"it is no {kind.__name__}: {error}") from None
    if statement.version != VERSION:
        raise MalformedReceipt(f"version {statement.version} is not known here")
    _check_members(members)
    # Two readers must never hash two documents: what was signed is the canonical form itself.
    if canonical(statement) != payload:
        raise MalformedReceipt("its bytes are not the canonical JSON of what they say")
    return statement


def _check_members(members: Mapping[str, object]) -> None:
    for name, value in members.items():
        if isinstance(value, str) and (len(value) > LONGEST_TEXT_CHARS or not value.isprintable()):
            raise MalformedReceipt(f"{name} is too long or does not print")
        if isinstance(value, int) and not 0 <= value < 1 << 53:
            raise MalformedReceipt(f"{name} is out of range")
