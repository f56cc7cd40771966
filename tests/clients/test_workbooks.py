import io
import zipfile
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
import xlsxwriter  # type: ignore[import-untyped]  # the package ships no types

from ashiato.apps.carbon.factors.datasets import UnreadableSource
from ashiato.apps.carbon.factors.gwp import AR6
from ashiato.apps.carbon.factors.importers.brightway import read_brightway
from ashiato.apps.carbon.factors.licences import Licence
from ashiato.apps.carbon.factors.tables import Cell, text_rows
from ashiato.apps.carbon.templates.factor_rows import FACTORS, read_factors
from ashiato.apps.carbon.templates.ports import KeptRow
from ashiato.clients.workbooks.reading import WorkbookProcess
from ashiato.clients.workbooks.writing import Sheet, workbook
from ashiato.supply.importing import read_table
from ashiato.supply.rows import SHEETS, headers


def written(fill: Callable[[xlsxwriter.Workbook], object]) -> bytes:
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file, {"in_memory": True})
    fill(book)
    book.close()
    return file.getvalue()


def changed(data: bytes, change: Callable[[str, bytes], bytes], **more: bytes) -> bytes:
    """The workbook with each member put through `change`, and with more members."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
        for name, content in more.items():
            new.writestr(name, content)
    return file.getvalue()


async def refusal(data: bytes) -> str:
    with pytest.raises(UnreadableSource) as refused:
        await WorkbookProcess().read(data)
    return refused.value.code


PLAIN = written(lambda book: book.add_worksheet("材料").write_row(0, 0, ["品名", 0.1, 3]))


async def test_each_kind_of_cell_is_told_and_a_double_is_the_decimal_that_was_typed() -> None:
    def fill(book: xlsxwriter.Workbook) -> None:
        page = book.add_worksheet("データ")
        page.write_row(0, 0, ["電力", 0.1, 1234.5, 3, 1e-7])
        page.write_datetime(1, 0, date(2026, 4, 1), book.add_format({"num_format": "yyyy-mm-dd"}))
        page.write_boolean(1, 1, True)
        page.write_string(1, 2, "0.10")
        page.write_string(3, 1, "=1+1")

    (table,) = await WorkbookProcess().read(written(fill))
    assert table.name == "データ"
    assert table.rows[0] == (
        Cell("電力", "text"),
        Cell("0.1", "number"),
        Cell("1234.5", "number"),
        Cell("3", "number"),
        Cell("1e-07", "number"),
    )
    assert table.rows[1][:3] == (Cell("2026-04-01", "date"), Cell("TRUE", "boolean"), Cell("0.10", "text"))
    assert not any(cell.text for cell in table.rows[2])
    assert table.rows[3][1] == Cell("=1+1", "text")


async def test_a_formula_is_told_and_not_taken_for_its_last_value() -> None:
    def fill(book: xlsxwriter.Workbook) -> None:
        page = book.add_worksheet()
        page.write_formula(0, 0, "=1+1", None, 2)
        page.write_array_formula(1, 0, 2, 1, "{=A1:B2}", None, 7)
        page.write_number(3, 0, 5)

    (table,) = await WorkbookProcess().read(written(fill))
    assert [row[0].kind for row in table.rows] == ["formula", "formula", "formula", "number"]
    assert table.rows[2][1].kind == "formula"


async def test_a_workbook_with_macros_is_refused() -> None:
    assert (
        await refusal(changed(PLAIN, lambda _, data: data, **{"xl/vbaProject.bin": b"x"}))
        == "workbook_macros"
    )


async def test_a_bomb_is_refused_by_what_it_claims_and_by_what_it_holds() -> None:
    def blow(name: str, data: bytes) -> bytes:
        return data.replace(b"<sheetData>", b"<sheetData>" + b" " * 100_000_000) if "sheet1" in name else data

    assert await refusal(changed(PLAIN, blow)) == "archive_bomb"


async def test_one_cell_in_the_far_corner_does_not_make_a_sheet_of_billions() -> None:
    far = written(lambda book: book.add_worksheet().write(1_048_575, 16_383, "x"))
    assert await refusal(far) == "workbook_too_large"


async def test_entities_in_a_sheet_are_refused() -> None:
    def declare(name: str, data: bytes) -> bytes:
        if "sheet1" not in name:
            return data
        return data.replace(b"?>", b'?><!DOCTYPE x [<!ENTITY a "ha">]>', 1)

    assert await refusal(changed(PLAIN, declare)) == "xml_doctype"


@pytest.mark.parametrize("kept_bytes", [0, 10, 300, len(PLAIN) - 30])
async def test_a_half_written_workbook_is_refused(kept_bytes: int) -> None:
    assert await refusal(PLAIN[:kept_bytes]) == "archive_broken"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "workbook_old"),
        (b"a,b,c\n1,2,3\n", "archive_broken"),
        (changed(PLAIN, lambda name, data: b"<x" if "sheet1" in name else data), "workbook_broken"),
        (changed(PLAIN, lambda name, data: b"<x" if name == "xl/workbook.xml" else data), "xml_broken"),
    ],
)
async def test_what_is_no_plain_workbook_is_refused(data: bytes, code: str) -> None:
    assert await refusal(data) == code


async def test_an_archive_of_something_else_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "x")
    assert await refusal(file.getvalue()) == "workbook_unknown"


async def test_a_reader_that_takes_too_long_is_killed() -> None:
    with pytest.raises(UnreadableSource) as refused:
        await WorkbookProcess(timeout_s=0.001).read(PLAIN)
    assert refused.value.code == "workbook_slow"


async def test_the_process_sees_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    # A module of that name in the environment's path would be imported in place of the standard one.
    monkeypatch.setenv("PYTHONPATH", "/nonexistent")
    monkeypatch.setenv("PYTHONSTARTUP", "/nonexistent/x.py")
    (table,) = await WorkbookProcess().read(PLAIN)
    assert table.rows[0][0] == Cell("品名", "text")


async def test_a_template_is_written_with_headings_choices_and_texts_only() -> None:
    texts = ("=1+1", "@SUM(A1)", "+1", "http://example.com", "0.10", "'x", "材料")
    rows = tuple(KeptRow("factors", word, (("comment", word), ("factor_id", word))) for word in texts)
    data = workbook([Sheet(FACTORS, "ja", rows), Sheet(FACTORS, "en")])
    japanese, english = await WorkbookProcess().read(data)
    assert (japanese.name, english.name) == ("原単位", "Emission factors")
    assert [cell.text for cell in japanese.rows[0][:2]] == ["原単位ID*", "名称*"]
    assert [row[0] for row in japanese.rows[1:]] == [Cell(word, "text") for word in texts]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml")
    assert b"<f>" not in sheet
    assert b"hyperlink" not in sheet
    assert "自社,購入,公開".encode() in sheet


def filled(rows: Sequence[Sequence[object]]) -> bytes:
    def fill(book: xlsxwriter.Workbook) -> None:
        page = book.add_worksheet("parts")
        for number, row in enumerate(rows):
            page.write_row(number, 0, row)

    return written(fill)


async def test_a_parts_master_in_excel_is_the_same_table_as_in_csv() -> None:
    head = headers(SHEETS["parts"], "ja")
    data = filled(
        [head, ["p-1", "正極箔", "自社", "kg", 2, "", ""], [], ["p-2", "電解液", "購入", "l", "A", "", ""]]
    )
    (table,) = await WorkbookProcess().read(data)
    read = read_table(text_rows(table))
    assert read.faults == ()
    assert [(number, members["part_id"], members["revision"]) for number, members in read.rows] == [
        (2, "p-1", "2"),
        (4, "p-2", "A"),
    ]


async def test_a_formula_in_a_parts_master_is_refused_with_its_place() -> None:
    def fill(book: xlsxwriter.Workbook) -> None:
        page = book.add_worksheet()
        page.write_row(0, 0, headers(SHEETS["parts"], "en"))
        page.write_formula(1, 0, "=A1", None, "p-1")

    (table,) = await WorkbookProcess().read(written(fill))
    with pytest.raises(UnreadableSource, match="row 2, column 1"):
        list(text_rows(table))


async def test_an_inventory_that_brightway_exported_to_excel_is_read() -> None:
    data = filled(
        [
            ["Database", "db"],
            [],
            ["Activity", "steel making"],
            ["code", "c1"],
            ["unit", "kilogram"],
            ["Exchanges"],
            ["name", "amount", "unit", "categories", "type"],
            ["steel making", 1, "kilogram", "", "production"],
            ["Carbon dioxide, fossil", 1.9, "kilogram", "air", "biosphere"],
        ]
    )
    reading = read_brightway(await WorkbookProcess().read(data))
    assert [(e.kind, e.amount) for e in reading.activities[0].exchanges] == [
        ("reference", Decimal(1)),
        ("elementary", Decimal("1.9")),
    ]


async def test_a_template_filled_in_with_excel_is_read_with_its_faults() -> None:
    head = [column.japanese for column in FACTORS.columns]
    row = {"factor_id": "ni", "name": "硫酸ニッケル", "unit": "kg", "co2_fossil_kg": 3.2, "gwp_set": "AR6"}
    row |= {"ownership": "自社", "source": "自社測定", "licence": "own", "reference_year": 2024}

    def fill(book: xlsxwriter.Workbook) -> None:
        page = book.add_worksheet("原単位")
        page.write_row(0, 0, head)
        page.write_row(1, 0, [row.get(column.key, "") for column in FACTORS.columns])
        page.write_row(2, 0, [{**row, "factor_id": "co"}.get(column.key, "") for column in FACTORS.columns])
        page.write_formula(2, head.index("CO2 化石由来 (kg)"), "=1/0", None, "#DIV/0!")

    (table,) = await WorkbookProcess().read(written(fill))
    found = read_factors(table, {"own": Licence("own")})
    assert [factor.value.kgco2e(AR6) for factor in found.rows] == [Fraction("3.2")]
    assert [(fault.row, fault.column, fault.text("ja")) for fault in found.faults] == [
        (3, "CO2 化石由来 (kg)", "数式です。値を貼り付けてください。")
    ]
