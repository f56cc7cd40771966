"""From a filled-in table to an inventory that is computed, and to a request that is answered."""

import json
from typing import Any

import httpx2
import pytest

from ashiato.apps.carbon.calculating import calculate
from ashiato.apps.carbon.declarations import read_declaration
from ashiato.supply.messages import Part
from ashiato.supply.request_ports import REQUESTS
from ashiato.supply.requests import RequestState, Side, SupplyRequest
from tests.api.management.offering import MAKER, USE, assert_problem, ok
from tests.api.management.program import Program, did_of
from tests.api.management.test_carbon import ROOT, bring_in
from tests.api.management.test_chain import WORKBOOK, filled_workbook

# 2025-04-01 to 2026-04-01, and a validity of a year.
FROM_MS, UNTIL_MS, VALID_UNTIL_MS = 1_743_465_600_000, 1_775_001_600_000, 1_806_537_600_000
LICENCE = f"licence_id,holders,everybody\ndb,{did_of('cells')},yes\n"
FACTORS = (
    "factor_id,name,material,unit,co2_fossil_kg,gwp_set,ownership,source,source_year,region,licence\n"
    "gr,Graphite,graphite,kg,47.6,AR6,bought,A database,2026,CN,db\n"
    "power,Grid,electricity,kWh,0.5,AR6,bought,A database,2026,CN,db\n"
)
ACTIVITY_HEAD = "line_id,plant_id,product_id,from,until,kind,stage,amount,unit,factor_id,gas,origin"
ACTIVITIES = [
    "l1,east,anode,2025-04-01,2026-04-01,material,raw materials,2,kg,gr,,",
    "l2,east,anode,2025-04-01,2026-04-01,electricity,main production,10,kWh,power,,",
    "l3,east,anode,2025-04-01,2025-07-01,direct,main production,3,kg,,CO2,fossil",
    "l4,west,anode,2025-04-01,2026-04-01,material,raw materials,900,kg,gr,,",
    "l5,east,anode,2024-04-01,2025-04-01,material,raw materials,900,kg,gr,,",
]
HEAD: dict[str, Any] = {
    "type": "CarbonInventory",
    "product": "anode",
    "plant": "east",
    "geography": "CN",
    "ruleset": "PACT-3",
    "referenceFromMs": FROM_MS,
    "referenceUntilMs": UNTIL_MS,
    "declared": {"value": "1", "unit": "kg"},
    "output": {"value": "4", "unit": "kg"},
    "issue": {"id": "anode-2025", "validFromMs": UNTIL_MS, "validUntilMs": VALID_UNTIL_MS},
}
ANSWER_HEAD = (
    "request_id,part_id,decision,reason,unit,raw_materials,main_production,distribution,end_of_life,gwp_set,ruleset,"
    "from,until,valid_until"
)
ANSWERED = "r1,cell-1,answer,,kg,10.5,2,0,0,AR6,PACT-3,2025-04-01,2026-04-01,2090-01-01"
REJECTED = "r2,cell-2,reject,We make it no more,,,,,,,,,,"


async def filled(client: httpx2.AsyncClient, *activities: str) -> None:
    await bring_in(client, "licences", LICENCE)
    await bring_in(client, "factors", FACTORS)
    await bring_in(client, "activities", "\n".join((ACTIVITY_HEAD, *(activities or ACTIVITIES))) + "\n")


async def make(client: httpx2.AsyncClient, head: dict[str, Any] = HEAD, **params: str) -> httpx2.Response:
    return await client.post(f"{ROOT}/carbon/inventories", json=head, params=params)


async def test_an_excel_of_activities_becomes_an_inventory_that_the_app_computes(
    cells: httpx2.AsyncClient,
) -> None:
    await bring_in(cells, "licences", LICENCE)
    await bring_in(cells, "factors", FACTORS)
    workbook = filled_workbook([ACTIVITY_HEAD.split(","), *(line.split(",") for line in ACTIVITIES)])
    params = {"template": "activities"}
    report = await ok(cells.post(f"{ROOT}/carbon/import", params=params, content=workbook, headers=WORKBOOK))
    assert [one["code"] for one in report["warnings"]] == ["above_band"]
    assert (await ok(make(cells, dry_run="true", lang="ja")))["warnings"][0]["sentence"].startswith(
        "gr は graphite"
    )
    await assert_problem(cells.get(f"{ROOT}/assets/carbon-inventory-anode"), 404, "not-found")
    made = await ok(make(cells))
    assert (made["asset_id"], made["outcome"], made["rows"]) == ("carbon-inventory-anode", "new", 3)
    assert (await ok(make(cells)))["outcome"] == "same"
    content = (await cells.get(f"{ROOT}/assets/carbon-inventory-anode/record")).content
    calculated = calculate(content, [], did_of("cells"), "carbon 1 sha256:00")
    declaration, _ = read_declaration(calculated.declaration)
    # A quarter of 2 kg × 47.6, 10 kWh × 0.5 and 3 kg of carbon dioxide.
    assert declaration.total_kg == "25.8"
    assert declaration.emissions_kg == {
        "raw_materials": {"fossil": "23.8"},
        "main_production": {"fossil": "2"},
    }


async def test_what_cannot_be_an_inventory_changes_nothing(cells: httpx2.AsyncClient) -> None:
    await assert_problem(make(cells), 422, "invalid")
    await filled(cells)
    for head in (
        {**HEAD, "referenceUntilMs": UNTIL_MS - 1},
        {**HEAD, "referenceFromMs": "2025"},
        {**HEAD, "ruleset": "PACT-9"},
        {**HEAD, "plant": "north"},
        {**HEAD, "output": {"value": "0", "unit": "kg"}},
        {**HEAD, "colour": "red"},
        {**HEAD, "lines": [{"type": "activity"}]},
    ):
        await assert_problem(make(cells, head), 422, "invalid")
    problem = await assert_problem(make(cells, {**HEAD, "referenceFromMs": FROM_MS + 1}), 422, "invalid")
    assert "only partly in the period" in problem["detail"]
    await assert_problem(cells.get(f"{ROOT}/assets/carbon-inventory-anode"), 404, "not-found")


async def test_figures_that_not_everybody_may_see_go_into_no_inventory(cells: httpx2.AsyncClient) -> None:
    await filled(cells)
    await bring_in(cells, "licences", LICENCE.replace(",yes", ",no"))
    problem = await assert_problem(make(cells), 403, "not-permitted")
    assert "47.6" not in json.dumps(problem)
    await assert_problem(cells.get(f"{ROOT}/assets/carbon-inventory-anode"), 404, "not-found")


async def asked(
    program: Program, own_id: str, part_id: str, state: RequestState = RequestState.RECEIVED
) -> None:
    request = SupplyRequest(
        own_id=own_id,
        side=Side.RECEIVED,
        peer_id=MAKER,
        request_id=own_id,
        tree_id="tree",
        data_item="carbon-footprint",
        part=Part(part_id=part_id),
        due_ms=4_000_000_000_000,
        hops=1,
        text="",
        created_ms=1,
        updated_ms=1,
        state=state,
    )
    await program.store.run(did_of("cells"), lambda uow: uow.room(REQUESTS).put(request))


async def give(client: httpx2.AsyncClient, **body: object) -> httpx2.Response:
    return await client.post(f"{ROOT}/carbon/answers", json={"policy_id": "use", **body})


async def test_a_table_of_answers_is_given_to_the_requests(
    program: Program, cells: httpx2.AsyncClient
) -> None:
    await asked(program, "r1", "cell-1")
    await asked(program, "r2", "cell-2")
    await ok(cells.put(f"{ROOT}/policies/use", json={"document": USE}))
    await bring_in(cells, "answers", f"{ANSWER_HEAD}\n{ANSWERED}\n{REJECTED}\n")
    tried = await ok(give(cells, dry_run=True))
    assert [one["outcome"] for one in tried["items"]] == ["answered", "rejected"]
    assert (await ok(cells.get(f"{ROOT}/requests/r1")))["state"] == "received"
    given = await ok(give(cells))
    assert [(one["request_id"], one["outcome"]) for one in given["items"]] == [
        ("r1", "answered"),
        ("r2", "rejected"),
    ]
    answered = await ok(cells.get(f"{ROOT}/requests/r1"))
    assert (answered["state"], answered["answers"][0]["asset_id"]) == ("answered", "carbon-footprint-cell-1")
    assert (await ok(cells.get(f"{ROOT}/requests/r2")))["state"] == "rejected"
    record = (await cells.get(f"{ROOT}/assets/carbon-footprint-cell-1/record")).content
    first, declared = read_declaration(record)
    assert (first.issuer, first.product, first.total_kg) == (did_of("cells"), "cell-1", "12.5")
    assert declared.footprint.declared.value == 1
    assert (await ok(cells.get(f"{ROOT}/offers/carbon-footprint-cell-1")))["contract_policy_id"] == "use"
    assert {one["outcome"] for one in (await ok(give(cells)))["items"]} == {"same"}
    await bring_in(cells, "answers", f"{ANSWER_HEAD}\n{ANSWERED.replace('10.5', '11')}\n")
    corrected = await ok(give(cells, request_ids=["r1"]))
    assert corrected["items"][0]["outcome"] == "answered"
    record = (await cells.get(f"{ROOT}/assets/carbon-footprint-cell-1/record")).content
    second, _ = read_declaration(record)
    assert (second.total_kg, second.supersedes) == ("13", first.id)
    assert (await ok(cells.get(f"{ROOT}/requests/r1")))["version"] == 2


@pytest.mark.parametrize(
    "line",
    [
        ANSWERED.replace("PACT-3", "PACT-9"),
        ANSWERED.replace("AR6", "AR5"),
        ANSWERED.replace("2090-01-01", "2026-04-02"),
        ANSWERED.replace("2025-04-01", ""),
        ANSWERED.replace("cell-1", "cell 1"),
        REJECTED.replace("r2", "r9"),
        REJECTED.replace("r2", "r3"),
    ],
)
async def test_one_answer_that_cannot_be_given_keeps_all_of_them_back(
    program: Program, cells: httpx2.AsyncClient, line: str
) -> None:
    await asked(program, "r0", "cell-0")
    await asked(program, "r1", "cell-1")
    await asked(program, "r3", "cell-3", RequestState.CANCELLED)
    await ok(cells.put(f"{ROOT}/policies/use", json={"document": USE}))
    good = ANSWERED.replace("r1", "r0").replace("cell-1", "cell-0")
    await bring_in(cells, "answers", f"{ANSWER_HEAD}\n{good}\n{line}\n")
    for is_trial in (True, False):
        refused = await give(cells, dry_run=is_trial)
        assert refused.status_code in (404, 409, 422), refused.text
    assert (await ok(cells.get(f"{ROOT}/requests/r0")))["state"] == "received"
    await assert_problem(cells.get(f"{ROOT}/assets/carbon-footprint-cell-0"), 404, "not-found")


async def test_a_form_does_not_write_over_what_the_app_declared(
    program: Program, cells: httpx2.AsyncClient
) -> None:
    await asked(program, "r1", "cell-1")
    await bring_in(cells, "answers", f"{ANSWER_HEAD}\n{ANSWERED}\n")
    await assert_problem(give(cells), 422, "invalid")
    await ok(cells.put(f"{ROOT}/policies/use", json={"document": USE}))
    shown = {"title": "t", "source": {"kind": "record"}}
    await ok(cells.put(f"{ROOT}/assets/carbon-footprint-cell-1", json=shown))
    await ok(cells.put(f"{ROOT}/assets/carbon-footprint-cell-1/record", json={"made": "elsewhere"}))
    await assert_problem(give(cells), 422, "invalid")
    await assert_problem(give(cells, request_ids=["never"]), 422, "invalid")
    record = await ok(cells.get(f"{ROOT}/assets/carbon-footprint-cell-1/record"))
    assert record == {"made": "elsewhere"}
