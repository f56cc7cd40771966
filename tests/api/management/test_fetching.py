import asyncio
import time
import uuid
from pathlib import Path

import httpx2
import pytest

from tests.api.management.offering import (
    BODY,
    MAKER,
    USE,
    assert_problem,
    fetched,
    first_approval,
    offered,
    ok,
    until,
)
from tests.api.management.program import Program, key_of, served_program

ORDER = {"partner": MAKER, "asset_id": "cfp-1"}


async def test_one_call_brings_the_data(
    program: Program, maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await offered(maker)
    program.contents["cfp-1"] = BODY
    answer = await cells.post("/v1/cells/fetches", json=ORDER)
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/cells/fetches/{answer.json()['fetch_id']}"
    done = await until(cells, answer.headers["location"], "state", "done")
    received = await ok(cells.get(f"/v1/cells/received/{done['received_id']}"))
    assert (received["size_bytes"], received["asset_id"], received["partner"]) == (len(BODY), "cfp-1", MAKER)
    assert (await cells.get(f"/v1/cells/received/{done['received_id']}/content")).content == BODY


async def test_an_agreement_at_hand_is_used_again_without_asking_the_catalog(
    program: Program, maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await offered(maker)
    first = await fetched(program, cells)
    await ok(
        maker.put("/v1/maker/offers/open", json={"contract_policy_id": "open-terms", "data_item": "other"})
    )
    second = await fetched(program, cells)
    assert second["agreement_id"] == first["agreement_id"]
    assert second["fetch_id"] != first["fetch_id"]
    assert second["negotiation_pid"] is None


async def test_a_named_offer_makes_a_new_agreement(
    program: Program, maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    offering_id = await offered(maker)
    first = await fetched(program, cells)
    again = await ok(cells.post("/v1/cells/fetches", json={**ORDER, "offer_id": offering_id}), 202)
    second = await until(cells, f"/v1/cells/fetches/{again['fetch_id']}", "state", "done")
    assert second["agreement_id"] != first["agreement_id"]


async def test_a_dataset_that_the_partner_does_not_show_is_not_found(cells: httpx2.AsyncClient) -> None:
    await assert_problem(cells.post("/v1/cells/fetches", json=ORDER), 404, "not-found")
    assert (await ok(cells.get("/v1/cells/fetches")))["items"] == []


async def test_the_same_id_starts_one_fetch(
    program: Program, maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await offered(maker)
    program.contents["cfp-1"] = BODY
    body = {**ORDER, "id": str(uuid.UUID(int=9))}
    first = await ok(cells.post("/v1/cells/fetches", json=body), 202)
    assert first["fetch_id"] == body["id"]
    # The partner need not even be reachable for a repeated request.
    program.network.is_down = True
    again = await ok(cells.post("/v1/cells/fetches", json=body), 200)
    assert again["fetch_id"] == body["id"]
    await assert_problem(cells.post("/v1/cells/fetches", json={**body, "asset_id": "x"}), 409, "wrong-state")
    assert len((await ok(cells.get("/v1/cells/fetches")))["items"]) == 1


async def test_a_waiting_answer_comes_with_the_news_and_not_by_the_clock(
    program: Program, maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await offered(maker, approval="manual")
    program.contents["cfp-1"] = BODY
    fetch = await ok(cells.post("/v1/cells/fetches", json=ORDER), 202)
    path = f"/v1/cells/fetches/{fetch['fetch_id']}"
    waiting = await first_approval(maker)
    listening = asyncio.create_task(ok(cells.get(path, params={"wait_s": 30})))
    await asyncio.sleep(0.1)
    assert not listening.done()
    approved_s = time.monotonic()
    await ok(maker.post(f"/v1/maker/approvals/{waiting['negotiation_pid']}/approve"))
    news = await asyncio.wait_for(listening, 10)
    assert news["state"] in ("transferring", "done")
    assert time.monotonic() - approved_s < 5
    await until(cells, path, "state", "done")


async def test_a_waiting_answer_comes_without_news_after_the_time_asked_for(
    maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await offered(maker, approval="manual")
    fetch = await ok(cells.post("/v1/cells/fetches", json=ORDER), 202)
    await first_approval(maker)
    begun_s = time.monotonic()
    seen = await ok(cells.get(f"/v1/cells/fetches/{fetch['fetch_id']}", params={"wait_s": 1}))
    assert seen["state"] == "negotiating"
    assert 0.9 < time.monotonic() - begun_s < 5


def test_a_client_that_leaves_keeps_nothing_waiting(tmp_path: Path) -> None:
    with served_program(tmp_path) as (url, _):
        with httpx2.Client(base_url=url, headers={"X-Api-Key": key_of("maker")}) as maker:
            maker.put("/v1/maker/policies/p", json={"document": USE})
            maker.put("/v1/maker/assets/cfp-1", json={"title": "x", "source": {"kind": "record"}})
            offer = {"contract_policy_id": "p", "asset_ids": ["cfp-1"], "approval": "manual"}
            maker.put("/v1/maker/offers/o", json=offer)
        with httpx2.Client(base_url=url, headers={"X-Api-Key": key_of("cells")}) as cells:
            fetch_id = cells.post("/v1/cells/fetches", json=ORDER).json()["fetch_id"]
            with pytest.raises(httpx2.ReadTimeout):
                cells.get(f"/v1/cells/fetches/{fetch_id}?wait_s=60", timeout=0.5)
        left_s = time.monotonic()
    # The server stops when its last answer has been given.
    assert time.monotonic() - left_s < 10


async def test_a_fetch_that_has_ended_is_answered_at_once(
    program: Program, maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await offered(maker)
    done = await fetched(program, cells)
    begun_s = time.monotonic()
    assert await ok(cells.get(f"/v1/cells/fetches/{done['fetch_id']}", params={"wait_s": 60})) == done
    assert time.monotonic() - begun_s < 5


async def test_nobody_waits_longer_than_a_minute(cells: httpx2.AsyncClient) -> None:
    for wait_s in ("61", "-1", "x"):
        await assert_problem(cells.get(f"/v1/cells/fetches/x?wait_s={wait_s}"), 422, "invalid")


async def test_a_cancelled_fetch_ends_its_negotiation_on_both_sides(
    maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await offered(maker, approval="manual")
    fetch = await ok(cells.post("/v1/cells/fetches", json=ORDER), 202)
    waiting = await first_approval(maker)
    path = f"/v1/cells/fetches/{fetch['fetch_id']}"
    assert (await ok(cells.post(f"{path}/cancel")))["state"] == "cancelled"
    await until(maker, f"/v1/maker/negotiations/{waiting['negotiation_pid']}", "state", "TERMINATED")
    await assert_problem(cells.post(f"{path}/cancel"), 409, "wrong-state")
    await assert_problem(cells.post("/v1/cells/fetches/none/cancel"), 404, "not-found")


async def test_a_refused_fetch_says_why(maker: httpx2.AsyncClient, cells: httpx2.AsyncClient) -> None:
    await offered(maker, approval="manual")
    fetch = await ok(cells.post("/v1/cells/fetches", json=ORDER), 202)
    waiting = await first_approval(maker)
    no = {"reason": "You are not a customer."}
    await ok(maker.post(f"/v1/maker/approvals/{waiting['negotiation_pid']}/reject", json=no))
    failed = await until(cells, f"/v1/cells/fetches/{fetch['fetch_id']}", "state", "failed")
    assert "You are not a customer." in failed["problem"]


async def test_a_partner_that_is_down_is_a_problem_of_the_partner(
    program: Program, cells: httpx2.AsyncClient
) -> None:
    program.network.is_down = True
    await assert_problem(cells.post("/v1/cells/fetches", json=ORDER), 502, "partner-unavailable")
