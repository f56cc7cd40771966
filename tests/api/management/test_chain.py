"""The chain of a company over its management API."""

import io
from typing import Any

import httpx2
import pytest
import xlsxwriter  # type: ignore[import-untyped]  # the package ships no types

from ashiato.clients.workbooks.reading import WorkbookProcess
from tests.api.management.offering import MAKER, assert_problem, ok

ROOT = "/v1/cells"
CSV = {"Content-Type": "text/csv"}
WORKBOOK = {"Content-Type": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}


@pytest.fixture
async def chain(cells: httpx2.AsyncClient) -> httpx2.AsyncClient:
    """`cells` makes a pack of cells and a purchased cathode."""
    for part_id, body in (
        ("pack", {"name": "Pack", "identifiers": ["gtin:6291041500213"]}),
        ("cell", {}),
        ("cathode", {"unit": "kg", "sourcing": "purchased"}),
    ):
        await ok(cells.put(f"{ROOT}/parts/{part_id}", json=body))
    return cells


def line(component_id: str, quantity: str = "1", unit: str = "piece") -> dict[str, str]:
    return {"component_id": component_id, "quantity": quantity, "unit": unit}


async def bill(client: httpx2.AsyncClient, part_id: str, *lines: dict[str, str], version: str = "1") -> Any:
    return await ok(client.put(f"{ROOT}/parts/{part_id}/bills/{version}", json={"lines": list(lines)}))


async def test_a_part_is_stored_once_shown_listed_and_found_by_its_name(chain: httpx2.AsyncClient) -> None:
    shown = await ok(chain.get(f"{ROOT}/parts/pack"))
    assert shown["identifiers"] == ["gtin:06291041500213"]
    again = await ok(
        chain.put(f"{ROOT}/parts/pack", json={"name": "Pack", "identifiers": ["gtin:06291041500213"]})
    )
    assert again == shown
    first = await ok(chain.get(f"{ROOT}/parts", params={"limit": 2}))
    assert [part["part_id"] for part in first["items"]] == ["cathode", "cell"]
    rest = await ok(chain.get(f"{ROOT}/parts", params={"limit": 2, "cursor": first["next_cursor"]}))
    assert ([part["part_id"] for part in rest["items"]], rest["next_cursor"]) == (["pack"], None)
    found = await ok(chain.get(f"{ROOT}/identified", params={"identifier": "gtin:6291041500213"}))
    assert (found["kind"], found["id"]) == ("part", "pack")
    await assert_problem(
        chain.get(f"{ROOT}/identified", params={"identifier": "gtin:96385074"}), 404, "not-found"
    )


async def test_plants_partners_and_their_parts(chain: httpx2.AsyncClient) -> None:
    plant = {"name": "東工場", "country": "JP", "identifiers": ["plant_number:7000012050002000001"]}
    await ok(chain.put(f"{ROOT}/plants/east", json=plant))
    await ok(chain.put(f"{ROOT}/parts/cell", json={"plant_id": "east"}))
    there = await ok(chain.get(f"{ROOT}/parts", params={"plant_id": "east"}))
    assert [part["part_id"] for part in there["items"]] == ["cell"]
    await assert_problem(chain.delete(f"{ROOT}/plants/east"), 409, "wrong-state")
    partner = {"name": "Maker", "is_supplier": True, "identifiers": ["bpnl:BPNL00000003CRHK"]}
    stored = await ok(chain.put(f"{ROOT}/trading-partners/{MAKER}", json=partner))
    assert (stored["partner"], stored["address"]) == (MAKER, None)
    assert (await ok(chain.get(f"{ROOT}/trading-partners")))["items"] == [stored]
    inner = {**partner, "address": "ftp://maker.example/"}
    await assert_problem(chain.put(f"{ROOT}/trading-partners/{MAKER}", json=inner), 422, "invalid")


async def test_a_bill_counts_by_version_and_instant_and_a_cycle_is_told(chain: httpx2.AsyncClient) -> None:
    await bill(chain, "pack", line("cell", "96"))
    later = {"lines": [line("cell", "100")], "valid_from_ms": 100}
    await ok(chain.put(f"{ROOT}/parts/pack/bills/2", json=later))
    for at_ms, quantity in ((99, "96"), (100, "100")):
        valid = await ok(chain.get(f"{ROOT}/parts/pack/bill", params={"at_ms": at_ms}))
        assert valid["lines"][0]["quantity"] == quantity
    users = await ok(chain.get(f"{ROOT}/parts/cell/users"))
    assert users["items"] == [{"part_id": "pack"}]
    page = await ok(chain.get(f"{ROOT}/bills", params={"limit": 1}))
    rest = await ok(chain.get(f"{ROOT}/bills", params={"limit": 1, "cursor": page["next_cursor"]}))
    assert [one["version"] for one in (*page["items"], *rest["items"])] == ["1", "2"]
    of_part = await ok(chain.get(f"{ROOT}/bills", params={"part_id": "pack", "cursor": "pack/1"}))
    assert [one["version"] for one in of_part["items"]] == ["2"]
    assert (await ok(chain.get(f"{ROOT}/bills", params={"part_id": "cell"})))["items"] == []
    problem = await assert_problem(
        chain.put(f"{ROOT}/parts/cell/bills/1", json={"lines": [line("pack")]}), 422, "invalid"
    )
    assert problem["fields"]["cycle"] == ["cell", "pack", "cell"]
    await assert_problem(chain.get(f"{ROOT}/bills", params={"cursor": "x"}), 422, "invalid")


@pytest.mark.parametrize(
    "bad",
    [
        line("cell", "0"),
        line("cell", "-1"),
        line("cell", "NaN"),
        line("cell", "1e30"),
        line("cell", "1", "kg"),
    ],
)
async def test_an_impossible_line_is_refused(chain: httpx2.AsyncClient, bad: dict[str, str]) -> None:
    await assert_problem(chain.put(f"{ROOT}/parts/pack/bills/1", json={"lines": [bad]}), 422, "invalid")
    assert (await ok(chain.get(f"{ROOT}/bills")))["items"] == []


async def test_what_was_built_is_read_both_ways_page_by_page(chain: httpx2.AsyncClient) -> None:
    await ok(chain.put(f"{ROOT}/batches/B1", json={"part_id": "cell", "quantity": "3"}))
    await ok(chain.put(f"{ROOT}/items/p1", json={"part_id": "pack", "serial": "P1"}))
    for number in range(3):
        item = {"part_id": "cell", "serial": str(number), "batch_id": "B1"}
        await ok(chain.put(f"{ROOT}/items/c{number}", json=item))
        held = await ok(chain.put(f"{ROOT}/built/item/p1/holds/item/c{number}", json={}))
        assert (held["holder_id"], held["component_id"], held["until_ms"]) == ("p1", f"c{number}", None)
    first = await ok(chain.get(f"{ROOT}/built/item/p1/holds", params={"limit": 2}))
    more = {"limit": 2, "cursor": first["next_cursor"]}
    rest = await ok(chain.get(f"{ROOT}/built/item/p1/holds", params=more))
    assert [one["component_id"] for one in (*first["items"], *rest["items"])] == ["c0", "c1", "c2"]
    assert rest["next_cursor"] is None
    await ok(chain.put(f"{ROOT}/built/item/p1/holds/item/c1", json={"until_ms": 50}))
    for as_of_ms, count in ((49, 1), (50, 0)):
        found = await ok(chain.get(f"{ROOT}/built/item/c1/held-in", params={"as_of_ms": as_of_ms}))
        assert len(found["items"]) == count
    of_batch = await ok(chain.get(f"{ROOT}/batches/B1/items"))
    assert [one["item_id"] for one in of_batch["items"]] == ["c0", "c1", "c2"]
    assert (await chain.delete(f"{ROOT}/built/item/p1/holds/item/c2")).status_code == 204
    await assert_problem(
        chain.delete(f"{ROOT}/built/item/p1/holds/item/c2", params={"from_ms": 0}), 404, "not-found"
    )
    await assert_problem(chain.get(f"{ROOT}/built/part/p1/holds"), 422, "invalid")
    await assert_problem(chain.get(f"{ROOT}/built/item/p1/holds", params={"cursor": "x"}), 422, "invalid")
    await assert_problem(chain.get(f"{ROOT}/built/item/no/holds"), 404, "not-found")


async def test_a_link_is_proposed_and_withdrawn(chain: httpx2.AsyncClient) -> None:
    await ok(chain.put(f"{ROOT}/trading-partners/{MAKER}", json={"is_supplier": True}))
    body = {"side": "buyer", "partner": MAKER, "own_part_id": "cathode", "message": "is this yours?"}
    link = await ok(chain.put(f"{ROOT}/trade-links/l1", json=body))
    assert (link["state"], link["is_ours"]) == ("proposed", True)
    await assert_problem(chain.post(f"{ROOT}/trade-links/l1/confirm", json={}), 409, "wrong-state")
    ended = await ok(chain.post(f"{ROOT}/trade-links/l1/withdraw", json={"reason": "typo"}))
    assert (ended["state"], ended["reason"]) == ("withdrawn", "typo")
    assert (await ok(chain.get(f"{ROOT}/trade-links", params={"partner": MAKER})))["items"] == [ended]


async def test_a_table_comes_in_whole_or_not_at_all(cells: httpx2.AsyncClient) -> None:
    good = "部品番号,部品名\npack,電池パック\n".encode("cp932")
    tried = await ok(
        cells.post(f"{ROOT}/supply/import", params={"dry_run": "true"}, content=good, headers=CSV)
    )
    assert (tried["sheet"], tried["new"], tried["is_dry_run"], tried["is_good"]) == ("parts", 1, True, True)
    assert (await ok(cells.get(f"{ROOT}/parts")))["items"] == []
    bad = good + b"cell,=1\n"
    tried = await ok(
        cells.post(f"{ROOT}/supply/import", params={"dry_run": "true"}, content=bad, headers=CSV)
    )
    assert (tried["is_good"], [(one["row"], one["column"]) for one in tried["errors"]]) == (
        False,
        [(3, "部品名")],
    )
    problem = await assert_problem(
        cells.post(f"{ROOT}/supply/import", content=bad, headers=CSV), 422, "invalid"
    )
    assert problem["fields"]["errors"][0]["row"] == 3
    assert (await ok(cells.get(f"{ROOT}/parts")))["items"] == []
    stored = await ok(cells.post(f"{ROOT}/supply/import", content=good, headers=CSV))
    again = await ok(cells.post(f"{ROOT}/supply/import", content=good, headers=CSV))
    assert ((stored["new"], stored["same"]), (again["new"], again["same"])) == ((1, 0), (0, 1))
    assert (await ok(cells.get(f"{ROOT}/parts/pack")))["name"] == "電池パック"


async def test_what_is_no_table_is_told(cells: httpx2.AsyncClient) -> None:
    url = f"{ROOT}/supply/import"
    await assert_problem(cells.post(url, content=b"PK\x03\x04", headers=CSV), 422, "invalid")
    await assert_problem(
        cells.post(url, content=b"x", headers={"Content-Type": "text/plain"}), 415, "unsupported-media-type"
    )
    await assert_problem(cells.post(url, content=b"x" * (32 * 1_048_576 + 1), headers=CSV), 413, "too-large")


async def test_a_template_comes_back_in_the_language_that_was_asked_for(cells: httpx2.AsyncClient) -> None:
    answer = await cells.get(f"{ROOT}/supply/template", params={"sheet": "bom", "lang": "ja"})
    assert answer.content.decode("utf-8-sig").startswith("親部品番号,子部品番号,数量,単位,ロス率")
    plain = await cells.get(f"{ROOT}/supply/template", params={"sheet": "bom"})
    assert plain.content.decode("utf-8-sig").startswith("parent_id,component_id,quantity")


async def test_a_template_in_excel_is_filled_in_and_brought_in(cells: httpx2.AsyncClient) -> None:
    wanted = {"sheet": "parts", "lang": "ja", "form": "xlsx"}
    template = await cells.get(f"{ROOT}/supply/template", params=wanted)
    assert template.headers["content-type"] == WORKBOOK["Content-Type"]
    (sheet,) = await WorkbookProcess().read(template.content)
    head = [cell.text for cell in sheet.rows[0]]
    assert (sheet.name, head[:2]) == ("部品マスタ", ["部品番号", "部品名"])
    filled = filled_workbook([head, ["pack", "電池パック"]])
    stored = await ok(cells.post(f"{ROOT}/supply/import", content=filled, headers=WORKBOOK))
    again = await ok(cells.post(f"{ROOT}/supply/import", content=filled, headers=WORKBOOK))
    assert (stored["new"], again["same"]) == (1, 1)
    assert (await ok(cells.get(f"{ROOT}/parts/pack")))["name"] == "電池パック"


async def test_a_workbook_with_a_formula_or_cut_short_stores_nothing(cells: httpx2.AsyncClient) -> None:
    url = f"{ROOT}/supply/import"
    formula = filled_workbook([["part_id", "name"], ["pack", "=1+1"]])
    problem = await assert_problem(cells.post(url, content=formula, headers=WORKBOOK), 422, "invalid")
    assert "row 2, column 2 holds a formula" in problem["detail"]
    whole = filled_workbook([["part_id"], ["pack"]])
    await assert_problem(cells.post(url, content=whole[:-40], headers=WORKBOOK), 422, "invalid")
    assert (await ok(cells.get(f"{ROOT}/parts")))["items"] == []


def filled_workbook(rows: list[list[str]]) -> bytes:
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file, {"in_memory": True})
    page = book.add_worksheet()
    for number, row in enumerate(rows):
        page.write_row(number, 0, row)
    book.close()
    return file.getvalue()
