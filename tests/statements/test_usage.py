"""What the two sides say of one delivery meets; what they say of a use is known to the provider from the receipt only."""

import msgspec
import pytest

from ashiato.statements.receipts import Receipt, ReceiptKind
from ashiato.statements.usage import (
    Side,
    UsageKind,
    statement_of_handover,
    statement_of_receipt,
)

RECEIVED = Receipt(
    kind=ReceiptKind.RECEIVED,
    agreement="urn:uuid:agreement",
    provider="did:web:cell.example",
    consumer="did:web:car.example",
    sequence=1,
    previous="",
    at_ms=1_790_000_000_000,
    asset="urn:uuid:asset",
    transfer="urn:uuid:transfer",
    data_sha256="a" * 64,
    size_bytes=4711,
)


def test_the_statements_of_both_sides_about_one_delivery_find_each_other() -> None:
    said = statement_of_receipt(RECEIVED, Side.CONSUMER, "D-01")
    handed = statement_of_handover(
        agreement=RECEIVED.agreement,
        provider=RECEIVED.provider,
        consumer=RECEIVED.consumer,
        transfer=RECEIVED.transfer,
        item="D-01",
        ended_ms=RECEIVED.at_ms - 20,
        sent_bytes=4711,
        data_sha256="a" * 64,
    )
    assert said is not None
    assert said.usage_id == handed.usage_id
    assert (said.quantity, said.data_sha256, said.item) == (handed.quantity, handed.data_sha256, handed.item)


def test_two_files_of_one_transfer_are_two_deliveries() -> None:
    one = statement_of_receipt(RECEIVED, Side.CONSUMER, "D-01")
    other = statement_of_receipt(
        msgspec.structs.replace(RECEIVED, data_sha256="b" * 64), Side.CONSUMER, "D-01"
    )
    assert one is not None
    assert other is not None
    assert one.usage_id != other.usage_id


@pytest.mark.parametrize("side", Side)
def test_a_use_counts_once_and_is_found_by_its_number(side: Side) -> None:
    said = statement_of_receipt(msgspec.structs.replace(RECEIVED, kind=ReceiptKind.USED, use=3), side, "D-01")
    assert said is not None
    assert (said.kind, said.reference, said.quantity, said.side) == (UsageKind.USED, "3", 1, side)


def test_nobody_pays_for_a_deletion() -> None:
    deleted = msgspec.structs.replace(RECEIVED, kind=ReceiptKind.DELETED)
    assert statement_of_receipt(deleted, Side.CONSUMER, "D-01") is None
