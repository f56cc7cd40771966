"""Statements about usage: what a provider handed over and what a consumer received, told to whoever bills.

Both sides of one event make statements that find each other by `usage_id`. A consumer's comes from its receipt, a provider's
from its access records or from the receipt that it took into its chain. Neither says what the data was.
"""

from enum import StrEnum
from hashlib import sha256

import msgspec

from ashiato.statements.receipts import Receipt, ReceiptKind, hash_of

LONGEST_TEXT_CHARS = 512
LARGEST_QUANTITY = 10**15
MOST_AHEAD_MS = 300_000


class UsageKind(StrEnum):
    """What is counted."""

    RECEIVED = "received"
    """Data came in whole; the quantity is its bytes, the reference the provider's pid of the transfer with the data's hash."""
    USED = "used"
    """Data that came in was used; the quantity is the uses (1), the reference the number of the use under the agreement."""
    GAIN = "gain"
    """Both agree on what the data saved or earned (成果報酬); the quantity is yen, the reference their own number of it."""


class Side(StrEnum):
    """Who says it."""

    PROVIDER = "provider"
    CONSUMER = "consumer"

    @property
    def other(self) -> "Side":
        """The other side."""
        return Side.CONSUMER if self is Side.PROVIDER else Side.PROVIDER


class UnusableStatement(ValueError):
    """The statement cannot be taken; the side that made it must mend it. `problem` says why."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class UsageStatement(msgspec.Struct, frozen=True, kw_only=True):
    """What one side says of one event. `item` is the data item under which it is priced.

    `data_sha256` is the hash of the data received ("" where there is none), `evidence_sha256` the hash of the side's own
    signed record, by which a dispute finds it. `replaces` says that it takes the place of what this side said before.
    """

    side: Side
    kind: UsageKind
    agreement: str
    provider: str
    consumer: str
    reference: str
    item: str
    at_ms: int
    quantity: int
    data_sha256: str = ""
    evidence_sha256: str = ""
    replaces: bool = False

    @property
    def usage_id(self) -> str:
        """The hexadecimal hash by which the two sides' statements find each other."""
        named = (self.agreement, self.kind.value, self.provider, self.consumer, self.reference)
        return sha256(msgspec.json.encode(named)).hexdigest()


def check(statement: UsageStatement, now_ms: int) -> None:
    """Raise `UnusableStatement` where the statement names nothing, too much, or what has not happened yet."""
    texts = {"agreement": statement.agreement, "reference": statement.reference, "item": statement.item}
    texts |= {"provider": statement.provider, "consumer": statement.consumer}
    for name, text in texts.items():
        if not text or len(text) > LONGEST_TEXT_CHARS or not text.isprintable():
            raise UnusableStatement(f"{name} must be 1 to {LONGEST_TEXT_CHARS} printable characters")
    for name, text in {
        "data_sha256": statement.data_sha256,
        "evidence_sha256": statement.evidence_sha256,
    }.items():
        if text and (len(text) != 64 or text.strip("0123456789abcdef")):
            raise UnusableStatement(f"{name} must be 64 hexadecimal digits in small letters, or empty")
    if statement.provider == statement.consumer:
        raise UnusableStatement("provider and consumer are the same; who uses its own data owes nothing")
    if not 0 <= statement.at_ms <= now_ms + MOST_AHEAD_MS:
        raise UnusableStatement("at_ms lies in the future, or before 1970")
    if not 0 <= statement.quantity <= LARGEST_QUANTITY:
        raise UnusableStatement(f"quantity must be between 0 and {LARGEST_QUANTITY}")
    if statement.kind is UsageKind.USED and statement.quantity != 1:
        raise UnusableStatement("a use counts once: its quantity is 1")
    if statement.kind is UsageKind.RECEIVED and not statement.data_sha256:
        raise UnusableStatement("say the hash of what was received in data_sha256")


def statement_of_receipt(receipt: Receipt, side: Side, item: str) -> UsageStatement | None:
    """What a receipt says about usage; None for a deletion, which nobody pays for.

    The consumer says it of a receipt that it signed; a provider may say it of one that it took into its chain, which is all
    that it can know of a use.
    """
    if receipt.kind is ReceiptKind.DELETED:
        return None
    is_use = receipt.kind is ReceiptKind.USED
    return UsageStatement(
        side=side,
        kind=UsageKind.USED if is_use else UsageKind.RECEIVED,
        agreement=receipt.agreement,
        provider=receipt.provider,
        consumer=receipt.consumer,
        reference=str(receipt.use) if is_use else _delivery(receipt.transfer, receipt.data_sha256),
        item=item,
        at_ms=receipt.at_ms,
        quantity=1 if is_use else receipt.size_bytes,
        data_sha256="" if is_use else receipt.data_sha256,
        evidence_sha256=hash_of(receipt),
    )


def statement_of_handover(
    *,
    agreement: str,
    provider: str,
    consumer: str,
    transfer: str,
    item: str,
    ended_ms: int,
    sent_bytes: int,
    data_sha256: str,
    evidence_sha256: str = "",
) -> UsageStatement:
    """What a provider says of data that left whole in a transfer: its own pid, bytes and hash of the whole, the last instant."""
    return UsageStatement(
        side=Side.PROVIDER,
        kind=UsageKind.RECEIVED,
        agreement=agreement,
        provider=provider,
        consumer=consumer,
        reference=_delivery(transfer, data_sha256),
        item=item,
        at_ms=ended_ms,
        quantity=sent_bytes,
        data_sha256=data_sha256,
        evidence_sha256=evidence_sha256,
    )


def _delivery(transfer: str, data_sha256: str) -> str:
    return f"{transfer} {data_sha256}"
