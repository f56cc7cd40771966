import codecs
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ashiato.facts.identifiers import identifier
from ashiato.stores.engine import open_store
from ashiato.supply import csv_text, parts, rows
from ashiato.supply.importing import Report, import_table, read_table
from ashiato.supply.ports import FIRST_PLACE, UnitOfWork
from ashiato.supply.records import PartType, Sourcing, Subject, SubjectKind
from ashiato.supply.rows import BadTable
from tests.supply.conftest import NOW_MS, Firm, at

PARTS = """\
部品番号,部品名,区分,単位,識別子
pack,電池パック,自社,piece,gtin:6291041500213; local:P-1@erp
cell,セル①㈱,自社,,
cathode,正極材,購入,kg,
"""
BOM = """\
parent_id,component_id,quantity,unit,loss,version,valid_from
pack,cell,96,piece,,1,2026-04-01
cell,cathode,１２０.5,g,5%,1,2026/4/1
"""


async def bring_in(firm: Firm, text: str | bytes, *, is_trial: bool = False, now_ms: int = NOW_MS) -> Report:
    data = text if isinstance(text, bytes) else text.encode()
    table = read_table(csv_text.read(data))
    return await firm.do(lambda uow: import_table(uow, table, at(now_ms), is_trial=is_trial))


def faults(report: Report) -> list[tuple[int, str]]:
    return [(fault.row, fault.column) for fault in report.faults]


async def everything(firm: Firm) -> list[object]:
    def work(uow: UnitOfWork) -> list[object]:
        supply = uow.supply
        shelves = (supply.parts, supply.plants, supply.partners, supply.batches, supply.items)
        stored: list[object] = [record for shelf in shelves for record in shelf.page("", 1000)]
        return [*stored, *supply.page_bills(("", ""), 1000)]

    return await firm.do(work)


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode(),
        lambda text: codecs.BOM_UTF8 + text.encode(),
        lambda text: text.encode("cp932"),
        lambda text: text.replace("\n", "\r\n").encode("cp932"),
        lambda text: text.replace(",", "\t").encode(),
    ],
)
async def test_a_table_of_a_japanese_company_is_read(firm: Firm, encode: object) -> None:
    assert callable(encode)
    report = await bring_in(firm, encode(PARTS))
    assert (report.sheet, report.rows_count, report.new_count, report.faults) == ("parts", 3, 3, ())
    stored = await firm.do(lambda uow: uow.supply.parts.get_many(["pack", "cell", "cathode"]))
    assert [(stored[one].name, stored[one].sourcing, stored[one].unit) for one in ("cell", "cathode")] == [
        ("セル①㈱", Sourcing.OWN, "piece"),
        ("正極材", Sourcing.PURCHASED, "kg"),
    ]
    assert stored["pack"].identifiers == (
        identifier("gtin", "6291041500213"),
        identifier("local", "P-1", "erp"),
    )


async def test_a_bill_is_made_of_the_rows_of_its_parent(firm: Firm) -> None:
    await bring_in(firm, PARTS)
    report = await bring_in(firm, BOM)
    assert (report.sheet, report.new_count) == ("bom", 2)
    bill = await firm.do(lambda uow: uow.supply.bill("cell", "1"))
    assert bill is not None
    assert (bill.lines[0].quantity, bill.lines[0].unit, bill.lines[0].loss) == ("120.5", "g", "0.05")
    # 2026-04-01T00:00:00Z
    assert bill.valid_from_ms == 1_775_001_600_000


async def test_the_same_table_again_changes_nothing(firm: Firm) -> None:
    await bring_in(firm, PARTS)
    await bring_in(firm, BOM)
    before = await everything(firm)
    history = await firm.do(lambda uow: uow.records.last_sequence())
    for text in (PARTS, BOM):
        report = await bring_in(firm, text, now_ms=NOW_MS + 1)
        assert (report.new_count, report.changed_count) == (0, 0)
        assert report.same_count > 1
    assert await everything(firm) == before
    assert await firm.do(lambda uow: uow.records.last_sequence()) == history


async def test_a_dry_run_says_what_would_come_of_it_and_stores_nothing(firm: Firm) -> None:
    report = await bring_in(firm, PARTS, is_trial=True)
    assert (report.new_count, report.faults) == (3, ())
    assert await everything(firm) == []


async def test_one_bad_row_keeps_all_out_and_every_bad_cell_is_named(firm: Firm) -> None:
    text = (
        PARTS
        + "bolt,=1+1,自社,piece,\nnut,Nut,自製,bushel,\nscrew,Screw,自社,bushel,gtin:1\n\nwasher,W,自社,lot,\n"
    )
    report = await bring_in(firm, text)
    assert faults(report) == [(5, "部品名"), (6, "区分"), (7, "識別子"), (9, "単位")]
    assert await everything(firm) == []


async def test_faults_of_a_bill_are_named_by_their_row_and_column(firm: Firm) -> None:
    await bring_in(firm, PARTS)
    bad = """\
親部品番号,子部品番号,数量,単位,構成版,出来高
pack,cell,0,piece,1,1
pack,bolt,1,piece,1,1
cell,cathode,1,piece,1,2
pack,cathode,1,kg,1,2
"""
    report = await bring_in(firm, bad)
    assert faults(report) == [(2, "数量"), (3, "子部品番号"), (4, "単位"), (5, "出来高")]


async def test_rows_that_disagree_on_their_bill_keep_it_out(firm: Firm) -> None:
    await bring_in(firm, PARTS)
    before = await everything(firm)
    head = "parent_id,component_id,quantity,position,valid_from\n"
    report = await bring_in(firm, head + "pack,cell,1,left,2026-04-01\npack,cell,2,right,2026-05-01\n")
    assert faults(report) == [(3, "valid_from")]
    assert await everything(firm) == before


async def test_a_cycle_in_a_table_is_named_with_its_path(firm: Firm) -> None:
    await bring_in(firm, PARTS)
    turned = "parent_id,component_id,quantity\npack,cell,1\ncell,pack,1\n"
    report = await bring_in(firm, turned)
    assert [fault.problem for fault in report.faults] == [
        "A part would be inside itself: pack > cell > pack."
    ]


async def test_batches_items_and_what_was_built_come_in_as_tables(firm: Firm) -> None:
    await bring_in(firm, PARTS)
    await bring_in(firm, "plant_id,name,country\neast,東工場,JP\n")
    await bring_in(firm, "ロット番号,部品番号,数量,事業所,製造日\nB1,cell,5000,east,2026-05-01\n")
    await bring_in(firm, "item_id,part_id,serial,batch_id\np1,pack,P-1,\nc1,cell,C-1,B1\nc2,cell,C-2,B1\n")
    report = await bring_in(
        firm,
        "holder_id,component_kind,component_id,quantity,from,until\np1,item,c1,,2026-06-01,2027-01-01\np1,,c2,,,\n",
    )
    assert (report.sheet, report.new_count, report.faults) == ("as-built", 2, ())
    held = await firm.do(lambda uow: uow.supply.holds_of(Subject(SubjectKind.ITEM, "p1"), 0, FIRST_PLACE, 10))
    assert [one.component.id for one in held] == ["c2"]
    twice = "holder_id,component_id\nc1,c2\n"
    assert faults(await bring_in(firm, twice)) == [(2, "component_id")]


async def test_duplicate_serials_in_one_table_are_refused(firm: Firm) -> None:
    await bring_in(firm, PARTS)
    report = await bring_in(firm, "item_id,part_id,serial\na,cell,S\nb,cell,S\n")
    assert faults(report) == [(3, "serial")]


async def test_partners_come_in_as_a_table(firm: Firm) -> None:
    table = "取引先DID,取引先名,仕入先,納入先,識別子\ndid:web:cathode.example,正極㈱,○,,corporate_number:7000012050002\n"
    await bring_in(firm, table)
    partner = await firm.do(lambda uow: uow.supply.partners.get("did:web:cathode.example"))
    assert partner is not None
    assert (partner.is_supplier, partner.is_customer) == (True, False)


async def test_a_column_that_is_not_there_leaves_what_is_stored(firm: Firm) -> None:
    stored = PartType(part_id="cell", name="Cell", revision="C", properties={"erp": 1})
    await firm.do(lambda uow: parts.put_part(uow, stored, at()))
    await bring_in(firm, "part_id,name\ncell,Zelle\n")
    found = await firm.do(lambda uow: uow.supply.parts.get("cell"))
    assert found is not None
    assert (found.name, found.revision, found.properties) == ("Zelle", "C", {"erp": 1})
    await bring_in(firm, "part_id,revision\ncell,\n")
    emptied = await firm.do(lambda uow: uow.supply.parts.get("cell"))
    assert emptied is not None
    assert (emptied.name, emptied.revision) == ("Zelle", "")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"a,b\n1,2\n", "no header that is known"),
        (b"part_id,part_id\n1,2\n", "twice"),
        ("part_id,部品番号\n1,2\n".encode(), "twice"),
        (b"parent_id,component_id\n1,2\n", "lacks quantity"),
        (b'part_id,name\n1,"half', "unexpected end"),
        (b"part_id,name\r1,2\r", "no CSV"),
        (b"PK\x03\x04...", "no CSV"),
        (b"\xd0\xcf\x11\xe0...", "no CSV"),
        (b"\xff\xfep\x00", "no CSV"),
        (b"part_id\n\x80\x81\xff\n", "neither UTF-8 nor Shift_JIS"),
        (b"part_id\na\x00b\n", "neither UTF-8 nor Shift_JIS"),
    ],
)
async def test_what_is_no_table_is_refused(firm: Firm, data: bytes, why: str) -> None:
    with pytest.raises(BadTable, match=why):
        await bring_in(firm, data)


async def test_rows_of_another_length_than_the_header_are_named(firm: Firm) -> None:
    report = await bring_in(firm, "part_id,name,unit\na,A\nb,B,piece,more\nc,C,piece,,\n,D,piece\n")
    assert faults(report) == [(2, "unit"), (3, ""), (5, "part_id")]


async def test_only_so_many_faults_are_shown(firm: Firm) -> None:
    text = "part_id,unit\n" + "".join(f"p{number},bushel\n" for number in range(600))
    report = await bring_in(firm, text)
    assert (len(report.faults), report.further_count) == (500, 100)


@pytest.mark.parametrize("language", rows.LANGUAGES)
@pytest.mark.parametrize("name", sorted(rows.SHEETS))
def test_a_template_is_a_table_of_its_own_kind(name: str, language: str) -> None:
    header = rows.headers(rows.SHEETS[name], language)
    data = csv_text.write([header])
    assert data.startswith(codecs.BOM_UTF8)
    table = read_table(csv_text.read(data))
    assert (table.layout.sheet.name, table.rows_count) == (name, 0)
    assert list(table.layout.headers) == header


def test_a_cell_may_hold_what_only_looks_like_the_end_of_a_line() -> None:
    data = 'part_id,name\na,"x\ny"\nb,p\u2028q\n'.encode()
    assert list(csv_text.read(data)) == [(1, ["part_id", "name"]), (2, ["a", "x\ny"]), (3, ["b", "p\u2028q"])]


CELL = st.text("abc=,\"'１2.% \n", max_size=4)
TABLES = st.lists(
    st.tuples(
        st.sampled_from(["p1", "p2", "p3", "", "a b"]), CELL, st.sampled_from(["kg", "piece", "x", ""])
    ),
    max_size=6,
)


@settings(max_examples=25, deadline=None)
@given(TABLES)
async def test_any_table_comes_in_whole_or_not_at_all_and_again_without_a_change(
    tmp_path_factory: pytest.TempPathFactory, table: list[tuple[str, str, str]]
) -> None:
    folder: Path = tmp_path_factory.mktemp("store")
    store = await open_store(f"sqlite:///{folder}/connector.db", "node-1")
    firm = Firm(store)
    data = csv_text.write([["part_id", "name", "unit"], *table])
    try:
        report = await bring_in(firm, data)
        stored = await everything(firm)
        if report.faults:
            assert stored == []
        else:
            assert len(stored) == report.new_count == report.rows_count
        again = await bring_in(firm, data, now_ms=NOW_MS + 1)
        assert again.faults == report.faults
        assert (again.new_count, again.changed_count) == (0, 0)
        assert await everything(firm) == stored
    finally:
        await store.close()
