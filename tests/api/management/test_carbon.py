"""The tables of the carbon footprint over the management API."""

from typing import Any

import httpx2

from ashiato.clients.workbooks.reading import WorkbookProcess
from tests.api.management.offering import assert_problem, ok
from tests.api.management.program import did_of
from tests.api.management.test_chain import CSV, WORKBOOK, filled_workbook

ROOT = "/v1/cells"
CANARY = "7.731984"
FACTORS_HEAD = "factor_id,name,unit,co2_fossil_kg,gwp_set,ownership,source,licence\n"
BOUGHT = FACTORS_HEAD + f"gr-1,Graphite,kg,{CANARY},EF-3.1,bought,A database,db\n"


async def bring_in(
    client: httpx2.AsyncClient, template: str, text: str, encoding: str = "utf-8", **params: str
) -> Any:
    return await ok(
        client.post(
            f"{ROOT}/carbon/import",
            params={"template": template, **params},
            content=text.encode(encoding),
            headers=CSV,
        )
    )


async def licensed(client: httpx2.AsyncClient, *, may_see: bool) -> None:
    seen = "はい" if may_see else "いいえ"
    table = f"ライセンスID,保有者（;区切り）,保有者の全員が閲覧可\ndb,{did_of('cells')},{seen}\n"
    await bring_in(client, "licences", table, "cp932")
    await bring_in(client, "factors", BOUGHT)


async def test_a_licensed_factor_is_shown_to_who_may_see_it(cells: httpx2.AsyncClient) -> None:
    await licensed(cells, may_see=True)
    (factor,) = (await ok(cells.get(f"{ROOT}/carbon/factors")))["items"]
    assert (factor["factor_id"], factor["kgco2e"], factor["withheld"]) == ("gr-1", CANARY, [])


async def test_a_licensed_factor_is_used_and_never_shown_to_who_may_not_see_it(
    cells: httpx2.AsyncClient,
) -> None:
    await licensed(cells, may_see=False)
    answer = await cells.get(f"{ROOT}/carbon/factors")
    (factor,) = answer.json()["items"]
    assert (factor["is_usable"], factor["kgco2e"]) == (True, None)
    assert "has no seat of the licence db" in factor["withheld"][0]
    activities = (
        "line_id,plant_id,product_id,from,until,kind,stage,amount,unit,factor_id\n"
        "l1,p1,cell,2025-04-01,2026-04-01,material,raw materials,2,kg,gr-1\n"
    )
    stored = await cells.post(
        f"{ROOT}/carbon/import",
        params={"template": "activities", "gwp_set": "AR5"},
        content=activities.encode(),
        headers=CSV,
    )
    wrong_unit = await cells.post(
        f"{ROOT}/carbon/import",
        params={"template": "activities"},
        content=activities.replace(",kg,", ",kWh,").encode(),
        headers=CSV,
    )
    history = await cells.get(f"{ROOT}/history")
    assert (stored.status_code, wrong_unit.status_code) == (200, 422)
    for said in (answer, stored, wrong_unit, history):
        assert CANARY not in said.text


async def test_a_factor_needs_a_licence_that_was_brought_in(cells: httpx2.AsyncClient) -> None:
    tried = await bring_in(cells, "factors", BOUGHT, dry_run="true", lang="ja")
    assert tried["is_good"] is False
    assert tried["errors"][0]["problem"].startswith("ライセンス db は登録されていません")
    problem = await assert_problem(
        cells.post(
            f"{ROOT}/carbon/import", params={"template": "factors"}, content=BOUGHT.encode(), headers=CSV
        ),
        422,
        "invalid",
    )
    assert problem["fields"]["errors"][0]["code"] == "licence_unknown"
    assert (await ok(cells.get(f"{ROOT}/carbon/factors")))["items"] == []


async def test_a_template_in_excel_is_filled_in_and_brought_in_again_without_a_change(
    cells: httpx2.AsyncClient,
) -> None:
    wanted = {"template": "licences", "lang": "ja", "form": "xlsx"}
    template = await cells.get(f"{ROOT}/carbon/template", params=wanted)
    (sheet,) = await WorkbookProcess().read(template.content)
    head = [cell.text for cell in sheet.rows[0]]
    assert head[0] == "ライセンスID*"
    filled = filled_workbook([head, ["own", "自社測定"]])
    url, params = f"{ROOT}/carbon/import", {"template": "licences"}
    first = await ok(cells.post(url, params=params, content=filled, headers=WORKBOOK))
    again = await ok(cells.post(url, params=params, content=filled, headers=WORKBOOK))
    assert ((first["new"], first["same"]), (again["new"], again["same"])) == ((1, 0), (0, 1))
    plain = await cells.get(f"{ROOT}/carbon/template", params={"template": "factors"})
    assert plain.content.decode("utf-8-sig").startswith("Factor ID*,Name*,Material")


async def test_what_is_no_table_of_that_kind_is_refused(cells: httpx2.AsyncClient) -> None:
    url = f"{ROOT}/carbon/import"
    for params, content in (
        ({"template": "factors"}, b"colour\nred\n"),
        ({"template": "factors"}, b""),
        ({"template": "factors"}, b"\xff\xff\xff"),
        ({"template": "activities", "gwp_set": "AR7"}, b"line_id\n"),
    ):
        await assert_problem(cells.post(url, params=params, content=content, headers=CSV), 422, "invalid")
