"""Closing a month with ten million receipts that both sides confirmed, on SQLite: a thousand companies, a hundred thousand pairs.

Keys: close_s of all three steps (cut the month, add up and price, write the numbered documents), same_result of running all of it
again; seed_s of filling the table. The rows are those that confirmed usage leaves for the closing; the statements behind them are
not written, because a closing does not read them. matched_per_s is what taking such statements in batches of 500 costs, apart.
"""

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from functools import partial
from pathlib import Path

import msgspec
import psutil

from ashiato.facts.identifiers import corporate_check_digit
from ashiato.hub.billing import keeping, metering, month_end
from ashiato.hub.billing.closing import Rules
from ashiato.hub.billing.money import Rounding
from ashiato.hub.billing.months import Month, number_of, start_of_ms
from ashiato.hub.billing.parties import Party
from ashiato.hub.billing.ports import BILLING, Billing
from ashiato.hub.billing.schemes import users_only
from ashiato.hub.billing.tariffs import Fee, Form, Measure, Payer, Tariff, Tier
from ashiato.hub.ports import UnitOfWork
from ashiato.statements.usage import Side, UsageKind, UsageStatement
from ashiato.stores.engine import SqlStore, open_store
from ashiato.stores.hub.billing import number_of_month
from ashiato.stores.hub.rooms import hub_furnishing

RECEIPTS_COUNT = 10_000_000
COMPANIES_COUNT = 1000
TRADES_COUNT = 100_000
MATCHED_COUNT = 10_000
BATCH_COUNT = 500
MONTH = Month(2026, 10)
NOW_MS = start_of_ms(date(2026, 11, 2))
HUB = "did:web:hub.example"
FIRST_DAY = date(2026, 1, 1)

_FILL = """
WITH RECURSIVE numbers (number) AS (SELECT 0 UNION ALL SELECT number + 1 FROM numbers WHERE number < :last)
INSERT INTO billing_count (usage_id, trade_id, billed_in, day, events, quantity)
SELECT CAST(printf('%032d', number) AS BLOB), 1 + number * 7919 % :trades, :month, :first_day + number % 31, 1,
    1 + number * 104729 % 50000000 FROM numbers
"""
_INDEX = "CREATE INDEX billing_count_by_month ON billing_count (billed_in, trade_id, day, events, quantity)"


async def run(receipts_count: int = RECEIPTS_COUNT, trades_count: int = TRADES_COUNT) -> dict[str, float]:
    """All figures."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "hub.db"
        store = await open_store(f"sqlite:///{file}", "bench", hub_furnishing(HUB))
        try:
            await store.run(HUB, _enter)
            matched_per_s = await _matching(store)
        finally:
            await store.close()
        seed_s = await asyncio.to_thread(_fill, file, receipts_count, trades_count)
        store = await open_store(f"sqlite:///{file}", "bench", hub_furnishing(HUB))
        try:
            began_s = time.perf_counter()
            first = await month_end.close_month(store, MONTH, _rules, NOW_MS)
            close_s = time.perf_counter() - began_s
            documents = await store.read(HUB, lambda uow: uow.room(BILLING).documents("", 10**6))
            again = await month_end.close_month(store, MONTH, _rules, NOW_MS + 1)
            same = first == again and documents == await store.read(
                HUB, lambda uow: uow.room(BILLING).documents("", 10**6)
            )
        finally:
            await store.close()
    return {
        "receipts": receipts_count,
        "close_s": round(close_s, 1),
        "same_result": same,
        "lines": first.lines_count,
        "documents": first.documents_count,
        "yen": sum(document.draft.gross_yen for document in documents),
        "seed_s": round(seed_s, 1),
        "matched_per_s": round(matched_per_s),
        "rss_mb": round(psutil.Process().memory_info().rss / 1e6),
    }


def _submit(caller: str, batch: Sequence[UsageStatement], uow: UnitOfWork) -> None:
    metering.submit(uow, caller, batch, NOW_MS)


def company(number: int) -> str:
    """The DID of the company with that number."""
    return f"did:web:company-{number:04d}.example"


def _enter(uow: UnitOfWork) -> None:
    for number in range(-1, COMPANIES_COUNT):
        digits = f"{number + 1:012d}"
        corporate = f"{corporate_check_digit(digits)}{digits}"
        party = Party(
            party_id=HUB if number < 0 else company(number),
            name=f"第{number}電池株式会社",
            address="東京都千代田区霞が関一丁目1番1号",
            registration=f"T{corporate}",
            registered_from=date(2023, 10, 1),
            corporate_number=corporate,
            is_member=number >= 0,
            # Every tenth bills for itself, so that all kinds of documents are made.
            bills_through_hub=number % 10 != 0,
        )
        keeping.keep_party(uow, party)
    tiers = (
        Tier(up_to=50, price_yen="12.5"),
        Tier(up_to=1000, price_yen="9.75"),
        Tier(up_to=None, price_yen="4"),
    )
    for tariff_id, fee, measure, form, more in (
        ("deliveries", Fee.DATA, Measure.DELIVERIES, Form.GRADUATED, {"tiers": tiers}),
        ("megabytes", Fee.DATA, Measure.BYTES, Form.PER_UNIT, {"price_yen": "0.0351", "per": 1_000_000}),
        ("metered", Fee.PLATFORM, Measure.DELIVERIES, Form.PER_UNIT, {"price_yen": "0.25"}),
        ("members", Fee.PLATFORM, Measure.MONTH, Form.FIXED, {"price_yen": "30000", "payer": Payer.MEMBER}),
    ):
        keeping.keep_tariff(
            uow,
            Tariff(
                tariff_id=tariff_id, title=tariff_id, title_ja="データ利用料", fee=fee, measure=measure, form=form,
                from_day=FIRST_DAY, **more,
            ),
        )  # fmt: skip
    keeping.keep_scheme(uow, msgspec.structs.replace(users_only("ii", FIRST_DAY), registrants_share="0.1"))


def _rules(billing: Billing) -> Rules:
    return month_end.rules_now(billing, HUB, Rounding.DOWN, Rounding.DOWN)


async def _matching(store: SqlStore) -> float:
    """Statements of both sides taken in a second, each through its own unit of work of 500. They are of the month after."""
    provider, consumer = company(1), company(2)
    at_ms = start_of_ms(date(2026, 11, 1))
    began_s = time.perf_counter()
    for start in range(0, MATCHED_COUNT, BATCH_COUNT):
        for side, caller in ((Side.PROVIDER, provider), (Side.CONSUMER, consumer)):
            batch = [
                UsageStatement(
                    side=side, kind=UsageKind.RECEIVED, agreement="urn:uuid:a", provider=provider, consumer=consumer,
                    reference=f"{number}", item="D-01", at_ms=at_ms, quantity=1000, data_sha256=f"{number:064x}",
                )
                for number in range(start, start + BATCH_COUNT)
            ]  # fmt: skip
            await store.run(caller, partial(_submit, caller, batch))
    return 2 * MATCHED_COUNT / (time.perf_counter() - began_s)


def _fill(file: Path, receipts_count: int, trades_count: int) -> float:
    """Seconds that it took to write what so many confirmed receipts leave behind; the same rows each time."""
    began_s = time.perf_counter()
    connection = sqlite3.connect(file)
    try:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -400000")
        connection.execute("DROP INDEX billing_count_by_month")
        connection.execute("DELETE FROM billing_trade")
        connection.execute("DELETE FROM billing_count")
        connection.executemany(
            "INSERT INTO billing_trade (trade_id, provider, consumer, item, kind) VALUES (?, ?, ?, ?, 'received')",
            [(1 + number, *_pair(number), f"D-{number % 38 + 1:02d}") for number in range(trades_count)],
        )
        connection.execute(
            _FILL,
            {
                "last": receipts_count - 1,
                "trades": trades_count,
                "month": number_of_month(MONTH),
                "first_day": number_of(MONTH.first),
            },
        )
        connection.execute(_INDEX)
        connection.commit()
    finally:
        connection.close()
    return time.perf_counter() - began_s


def _pair(number: int) -> tuple[str, str]:
    """Provider and consumer of that trade: no pair comes twice among the first hundred thousand."""
    provider, turn = number % COMPANIES_COUNT, number // COMPANIES_COUNT
    return company(provider), company((provider + 1 + turn) % COMPANIES_COUNT)
