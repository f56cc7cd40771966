import pytest

from ashiato.apps.carbon.factors.tables import Cell, csv_table
from ashiato.apps.carbon.templates.csv_files import csv_file
from ashiato.apps.carbon.templates.factor_rows import FACTORS, read_factors
from ashiato.apps.carbon.templates.importing import Report, import_rows, table_of
from ashiato.apps.carbon.templates.ports import CARBON_ROWS, KeptRow
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.stores.engine import SqlStore
from tests.apps.carbon.templates.filled import KNOWN_LICENCES, NICKEL, table
from tests.stores.samples import MAKER, OTHER

MOMENT = Moment(1_795_000_000_000, lambda: "fresh")
COBALT = {**NICKEL, "factor_id": "co-1", "name": "Cobalt sulfate", "valid_until": "2027/4/1"}


async def bring_in(store: SqlStore, *rows: dict[str, str], is_trial: bool = False) -> Report:
    found = read_factors(table(FACTORS, *rows), KNOWN_LICENCES)
    return await store.run(MAKER, lambda uow: import_rows(uow, FACTORS, found, MOMENT, is_trial=is_trial))


async def kept(store: SqlStore, participant_id: str = MAKER) -> list[KeptRow]:
    return await store.read(participant_id, lambda uow: uow.room(CARBON_ROWS).page("factors", "", 100))


def counts(report: Report) -> tuple[int, int, int]:
    return report.new_count, report.changed_count, report.same_count


async def test_rows_come_back_in_order_page_by_page_and_only_to_their_owner(store: SqlStore) -> None:
    rows = [KeptRow("factors", row_id, (("factor_id", row_id),)) for row_id in ("b", "a", "c")]

    def put(uow: UnitOfWork) -> None:
        for row in [*rows, KeptRow("answers", "z", ())]:
            uow.room(CARBON_ROWS).put(row)

    await store.run(MAKER, put)
    assert [row.row_id for row in await kept(store)] == ["a", "b", "c"]
    assert await store.read(MAKER, lambda uow: uow.room(CARBON_ROWS).page("factors", "a", 1)) == [rows[0]]
    assert await kept(store, OTHER) == []
    assert await store.run(OTHER, lambda uow: uow.room(CARBON_ROWS).get("factors", "a")) is None
    await store.run(OTHER, lambda uow: uow.room(CARBON_ROWS).delete("factors", "a"))
    await store.run(MAKER, lambda uow: uow.room(CARBON_ROWS).delete("factors", "b"))
    assert [row.row_id for row in await kept(store)] == ["a", "c"]


async def test_the_same_table_again_changes_nothing_and_tells_nobody(store: SqlStore) -> None:
    assert counts(await bring_in(store, NICKEL, COBALT)) == (2, 0, 0)
    before = await kept(store)
    written = {**NICKEL, "co2_fossil_kg": "3.20", "ownership": "自社"}
    assert counts(await bring_in(store, written, COBALT)) == (0, 0, 2)
    assert await kept(store) == before
    events = await store.read(MAKER, lambda uow: uow.records.list_history(0, 100))
    assert [(entry.event, entry.details) for entry in events] == [
        ("carbon.imported", {"new": 2, "changed": 0})
    ]


async def test_a_trial_says_what_would_come_and_stores_nothing(store: SqlStore) -> None:
    await bring_in(store, NICKEL)
    report = await bring_in(store, {**NICKEL, "co2_fossil_kg": "4"}, COBALT, is_trial=True)
    assert counts(report) == (1, 1, 0)
    assert report.is_trial
    assert [dict(row.texts)["co2_fossil_kg"] for row in await kept(store)] == ["3.2"]


async def test_one_fault_in_one_row_keeps_every_row_out(store: SqlStore) -> None:
    await bring_in(store, NICKEL)
    report = await bring_in(store, {**NICKEL, "co2_fossil_kg": "4"}, {**COBALT, "co2_fossil_kg": "-1"})
    assert counts(report) == (0, 0, 0)
    assert [(fault.row, fault.code) for fault in report.faults] == [(3, "number_negative")]
    assert [dict(row.texts)["co2_fossil_kg"] for row in await kept(store)] == ["3.2"]


async def test_a_failure_half_way_leaves_nothing_behind(store: SqlStore) -> None:
    found = read_factors(table(FACTORS, NICKEL, COBALT), KNOWN_LICENCES)

    def fail_at_the_end(uow: UnitOfWork) -> None:
        import_rows(uow, FACTORS, found, MOMENT)
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk is full"):
        await store.run(MAKER, fail_at_the_end)
    assert await kept(store) == []


async def test_what_is_kept_reads_as_the_same_factors_directly_and_through_a_file(store: SqlStore) -> None:
    found = read_factors(table(FACTORS, NICKEL, COBALT), KNOWN_LICENCES)
    await store.run(MAKER, lambda uow: import_rows(uow, FACTORS, found, MOMENT))
    rows = await kept(store)
    expected = sorted((row.value for row in found.rows), key=lambda factor: factor.id)
    assert [row.value for row in read_factors(table_of(FACTORS, rows), KNOWN_LICENCES).rows] == expected
    data = csv_file(FACTORS, "ja", "cp932", rows)
    assert [row.value for row in read_factors(csv_table(data), KNOWN_LICENCES).rows] == expected
    assert Cell("ni-1", "text") in csv_table(data).rows[2]
