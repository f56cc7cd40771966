"""Background databases over the management API. The figures are those worked out by hand in tests/apps/carbon/factors."""

import asyncio
import json
from typing import Any

import httpx2
import pytest

from tests.api.management.offering import assert_problem, ok
from tests.api.management.program import did_of
from tests.api.management.test_carbon import ROOT, bring_in
from tests.apps.carbon.factors.importers.spold_files import POWER
from tests.apps.carbon.factors.test_backgrounds import FILE

SOURCE = {"Content-Type": "application/octet-stream"}
LINES = {"Accept": "application/x-ndjson"}
DATABASE = f"{ROOT}/carbon/backgrounds/two"
WANTED = {"licence": "db", "title": "Two processes", "version": "1", "year": "2024"}
# By hand, with 29.8 kg CO2e for a kilogram of fossil methane (IPCC AR6): e = 0.5 + 0.1 s, s = 1.298 + 2 e.
POWER_KGCO2E, STEEL_KGCO2E = 0.78725, 2.8725


async def licensed(client: httpx2.AsyncClient, *, may_see: bool = True) -> None:
    seen = "yes" if may_see else "no"
    table = f"licence_id,holders,everybody\ndb,{did_of('cells')},{seen}\n"
    await bring_in(client, "licences", table)


async def put(client: httpx2.AsyncClient, content: str = FILE, **more: str) -> httpx2.Response:
    return await client.put(DATABASE, params={**WANTED, **more}, content=content.encode(), headers=SOURCE)


async def imported(client: httpx2.AsyncClient, content: str = FILE, **more: str) -> Any:
    return await ok(put(client, content, **more))


async def ask(client: httpx2.AsyncClient, question: str, **body: object) -> Any:
    return await ok(client.post(f"{DATABASE}/{question}", json=body))


async def test_an_imported_database_is_asked_for_intensities(cells: httpx2.AsyncClient) -> None:
    await licensed(cells)
    report = await imported(cells)
    assert (report["background"], report["activities"], report["exchanges"], report["errors"]) == (
        "new",
        2,
        8,
        [],
    )
    found = await ask(cells, "intensity", activity="POWER")
    assert found["kgco2e"]["value"] == pytest.approx(POWER_KGCO2E, rel=1e-12)
    assert 0 < found["kgco2e"]["error_bound"] < 1e-12
    assert found["kgco2e"]["is_proved"]
    assert found["agreement"] < 1e-12
    (steel,) = found["inputs"]
    assert (steel["activity"], steel["amount"]) == ("STEEL", 0.1)
    assert steel["kgco2e"]["value"] == pytest.approx(0.1 * STEEL_KGCO2E, rel=1e-12)
    assert found["own"]["value"] == pytest.approx(0.5, rel=1e-12)
    few = await ask(cells, "intensity", activity="POWER", most_inputs_count=0)
    assert (few["inputs"], few["further_inputs_count"]) == ([], 1)
    assert few["further_inputs"]["value"] == pytest.approx(0.1 * STEEL_KGCO2E, rel=1e-12)
    listed = await ok(cells.get(f"{DATABASE}/activities", params={"words": "ste", "limit": "1"}))
    assert ([one["activity"] for one in listed["activities"]], listed["further_count"]) == (["STEEL"], 0)


async def test_the_same_file_again_changes_nothing_and_a_dry_run_stores_nothing(
    cells: httpx2.AsyncClient,
) -> None:
    await licensed(cells)
    assert (await imported(cells, dry_run="true"))["background"] == "new"
    assert (await ok(cells.get(f"{ROOT}/carbon/backgrounds")))["items"] == []
    await imported(cells)
    (first,) = (await ok(cells.get(f"{ROOT}/carbon/backgrounds")))["items"]
    assert (await imported(cells))["background"] == "same"
    assert (await ok(cells.get(f"{ROOT}/carbon/backgrounds")))["items"] == [first]
    again = await imported(cells, FILE + "\n", version="2")
    shown = await ok(cells.get(DATABASE))
    assert (again["background"], shown["version"]) == ("changed", "2")
    # Another file of the same content is kept as the same bytes.
    assert shown["packed_sha256"] == first["packed_sha256"]
    assert shown["sha256"] != first["sha256"]
    events = [one["event"] for one in (await ok(cells.get(f"{ROOT}/history")))["items"]]
    assert events.count("carbon.background_imported") == 2
    assert (await cells.delete(DATABASE)).status_code == 204
    await assert_problem(cells.get(DATABASE), 404, "not-found")
    await assert_problem(cells.delete(DATABASE), 404, "not-found")


async def test_a_licensed_database_shows_no_figure_to_who_may_not_see_it(cells: httpx2.AsyncClient) -> None:
    await licensed(cells, may_see=False)
    await imported(cells)
    (shown,) = (await ok(cells.get(f"{ROOT}/carbon/backgrounds")))["items"]
    assert (shown["is_shown"], "no seat" in shown["withheld"][0]) == (False, True)
    bodies: dict[str, dict[str, object]] = {
        "intensity": {},
        "simulation": {"draws_count": 2},
        "what-if": {"changes": [{"type": "mix", "activity": "POWER", "shares": {"STEEL": 1}}]},
    }
    for question, body in bodies.items():
        await assert_problem(
            cells.post(f"{DATABASE}/{question}", json={"activity": "POWER", **body}), 403, "not-permitted"
        )
    linked = await ask(cells, "factors", activity="POWER", factor_id="power", material="electricity")
    (factor,) = (await ok(cells.get(f"{ROOT}/carbon/factors")))["items"]
    assert (linked["outcome"], factor["is_usable"], factor["kgco2e"]) == ("new", True, None)
    # Taken away, the licence allows nothing any more, not even computing.
    await bring_in(cells, "licences", "licence_id,holders\ndb,did:web:other.example\n")
    await assert_problem(
        cells.post(f"{DATABASE}/factors", json={"activity": "POWER", "factor_id": "p2"}), 403, "not-permitted"
    )


async def test_an_activity_becomes_a_factor_with_its_gases_and_an_inventory_line_uses_it(
    cells: httpx2.AsyncClient,
) -> None:
    await licensed(cells)
    await imported(cells)
    body = {"activity": "POWER", "factor_id": "power", "material": "electricity", "lang": "ja"}
    assert (await ask(cells, "factors", **body))["warnings"] == []
    assert (await ask(cells, "factors", **body))["outcome"] == "same"
    (factor,) = (await ok(cells.get(f"{ROOT}/carbon/factors")))["items"]
    assert float(factor["kgco2e"]) == pytest.approx(POWER_KGCO2E, rel=1e-11)
    assert (factor["reference"], factor["source"], factor["licence"]) == ("1 kWh", "Two processes", "db")
    odd = await ask(cells, "factors", activity="STEEL", factor_id="al", material="aluminium", lang="ja")
    (warning,) = odd["warnings"]
    assert (warning["code"], "公表値の範囲を下回って" in warning["sentence"]) == ("below_band", True)
    activities = (
        "line_id,plant_id,product_id,from,until,kind,stage,amount,unit,factor_id\n"
        "l1,p1,cell,2025-04-01,2026-04-01,electricity,main production,2,kWh,power\n"
    )
    assert (await bring_in(cells, "activities", activities))["new"] == 1


async def test_what_if_another_supplier_or_mix_or_year(cells: httpx2.AsyncClient) -> None:
    await licensed(cells)
    await imported(cells)
    await ok(
        cells.put(
            f"{ROOT}/carbon/backgrounds/later",
            params=WANTED,
            content=FILE.replace("Carbon dioxide, fossil;;g;500", "Carbon dioxide, fossil;;g;300").encode(),
            headers=SOURCE,
        )
    )
    swap = {"type": "swap", "activity": "POWER", "supplier": "STEEL", "instead": "STEEL", "ratio": 0.5}
    found = await ask(cells, "what-if", activity="POWER", changes=[swap])
    # Half of the steel: e = 0.5 + 0.05 s and s = 1.298 + 2 e, hence e = 0.5649 / 0.9.
    assert found["after"]["value"] == pytest.approx(0.5649 / 0.9, rel=1e-12)
    assert found["before"]["value"] == pytest.approx(POWER_KGCO2E, rel=1e-12)
    assert found["difference"]["value"] == pytest.approx(0.5649 / 0.9 - POWER_KGCO2E, rel=1e-9)
    # 0.3 kg instead of 0.5: e = 0.3 + 0.1298 + 0.2 e.
    year = {"type": "year", "activity": "POWER", "background_id": "later"}
    found = await ask(cells, "what-if", activity="POWER", changes=[year])
    assert found["after"]["value"] == pytest.approx(0.4298 / 0.8, rel=1e-12)
    for change, status, code in (
        ({**year, "background_id": "never"}, 404, "not-found"),
        ({**swap, "supplier": "NEVER"}, 422, "invalid"),
        ({**swap, "share": 2}, 422, "invalid"),
        ({"type": "mix", "activity": "POWER", "shares": {"STEEL": 0}}, 422, "invalid"),
        ({"type": "theft"}, 422, "invalid"),
    ):
        await assert_problem(
            cells.post(f"{DATABASE}/what-if", json={"activity": "POWER", "changes": [change]}), status, code
        )


async def test_draws_scatter_as_declared_and_are_the_same_in_every_run(cells: httpx2.AsyncClient) -> None:
    await licensed(cells)
    # The direct emission of power between 400 and 600 g: e lies between (0.4 + 0.1298) / 0.8 and (0.6 + 0.1298) / 0.8.
    spread = FILE.replace("fossil;;g;500;Undefined;0;0;0;", "fossil;;g;500;Uniform;0;400;600;")
    assert spread != FILE
    assert (await imported(cells, spread))["uncertain_exchanges"] == 1
    asked = {"activity": "POWER", "draws_count": 200, "seed": 7}
    found = await ask(cells, "simulation", **asked)
    assert await ask(cells, "simulation", **asked) == found
    low, high = 0.5298 / 0.8, 0.7298 / 0.8
    assert all(low <= one["kgco2e"] <= high for one in found["quantiles"])
    # A uniform distribution has a standard deviation of its width over the root of 12; 200 draws know it to a tenth.
    assert found["standard_deviation"] == pytest.approx((high - low) / 12**0.5, rel=0.15)
    assert (found["draws_count"], found["unsolved_count"], found["next_draw"]) == (200, 0, 200)
    assert found["kgco2e"]["value"] == pytest.approx(POWER_KGCO2E, rel=1e-12)


async def test_system_processes_become_factors_and_unit_processes_do_not(cells: httpx2.AsyncClient) -> None:
    await licensed(cells)
    system = POWER.replace(
        "<impactIndicator",
        """<elementaryExchange amount="0.25" elementaryExchangeId="e-co2"><name xml:lang="en">Carbon dioxide, fossil</name>
        <unitName xml:lang="en">kg</unitName><compartment><compartment xml:lang="en">air</compartment>
        <subcompartment xml:lang="en">unspecified</subcompartment></compartment><outputGroup>4</outputGroup>
        </elementaryExchange><impactIndicator""",
    )
    report = await imported(cells, system, use="factors")
    assert (report["background"], report["factors_new"], report["format"]) == ("none", 1, "ecoSpold2")
    assert (await imported(cells, system, use="factors"))["factors_same"] == 1
    (factor,) = (await ok(cells.get(f"{ROOT}/carbon/factors")))["items"]
    assert (factor["factor_id"], factor["kgco2e"]) == ("two:a-power_f-power", "0.25")
    problem = await assert_problem(put(cells, FILE, use="factors"), 422, "invalid")
    assert problem["fields"]["errors"][0]["code"] == "no_factor"


async def test_a_file_with_a_gap_is_taken_only_by_who_says_so(cells: httpx2.AsyncClient) -> None:
    await licensed(cells)
    gap = FILE.replace("\nSteel;kg;0.1", "\nGold;kg;0.1")
    problem = await assert_problem(put(cells, gap), 422, "invalid")
    assert "POWER, input" in problem["fields"]["errors"][0]["problem"]
    tried = await imported(cells, gap, dry_run="true")
    assert (tried["is_good"], tried["errors"][0]["code"]) == (False, "missing")
    await assert_problem(cells.get(DATABASE), 404, "not-found")
    assert (await imported(cells, gap, allow_missing="true"))["missing"] == 1
    assert (await ask(cells, "intensity", activity="POWER"))["missing_count"] == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b"colour;red\n",
        b"PK\x03\x04 no archive",
        b"{SimaPro 9.5}\n{CSV separator: Semicolon}\n\nProcess\n\nProducts\nPower;kWh;NaN;100\n\nEnd\n",
        b'<?xml version="1.0"?><!DOCTYPE ecoSpold [<!ENTITY a "aaaaaaaa">]><ecoSpold>&a;</ecoSpold>',
    ],
)
async def test_what_is_no_database_is_refused(cells: httpx2.AsyncClient, content: bytes) -> None:
    await licensed(cells)
    await assert_problem(cells.put(DATABASE, params=WANTED, content=content, headers=SOURCE), 422, "invalid")
    assert (await ok(cells.get(f"{ROOT}/carbon/backgrounds")))["items"] == []


async def test_a_database_without_a_licence_or_of_unknown_terms_is_refused(cells: httpx2.AsyncClient) -> None:
    await assert_problem(put(cells), 422, "invalid")
    await licensed(cells)
    await assert_problem(put(cells, gwp_set="AR7"), 422, "invalid")
    await assert_problem(put(cells, format="excel"), 422, "invalid")
    await imported(cells)
    for body in ({"activity": "GOLD"}, {"activity": "POWER", "gwp_set": "AR7"}, {"activity": ""}):
        await assert_problem(cells.post(f"{DATABASE}/intensity", json=body), 422, "invalid")
    await assert_problem(
        cells.post(f"{DATABASE}/factors", json={"activity": "POWER", "factor_id": "=1+1"}), 422, "invalid"
    )


async def test_progress_comes_line_by_line_and_the_last_line_is_the_result_or_the_problem(
    cells: httpx2.AsyncClient,
) -> None:
    await licensed(cells)
    answer = await cells.put(DATABASE, params=WANTED, content=FILE.encode(), headers={**SOURCE, **LINES})
    *stages, last = [json.loads(line) for line in answer.text.splitlines()]
    assert (answer.status_code, last["result"]["background"]) == (200, "new")
    assert all(set(one) == {"stage", "done_ratio"} for one in stages)
    refused = await cells.post(f"{DATABASE}/intensity", json={"activity": "GOLD"}, headers=LINES)
    problem = json.loads(refused.text.splitlines()[-1])["problem"]
    assert (problem["status"], problem["type"]) == (422, "urn:ashiato:problem:invalid")


async def test_others_are_answered_while_a_long_simulation_runs_and_who_hangs_up_ends_it(
    cells: httpx2.AsyncClient,
) -> None:
    await licensed(cells)
    await imported(cells)
    long = asyncio.create_task(
        cells.post(f"{DATABASE}/simulation", json={"activity": "POWER", "draws_count": 100_000})
    )
    assert (await ok(cells.get(DATABASE)))["background_id"] == "two"
    assert not long.done()
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    # Nothing of it is left: the next question gets its turn.
    assert (await ask(cells, "intensity", activity="STEEL"))["kgco2e"]["value"] == pytest.approx(STEEL_KGCO2E)
