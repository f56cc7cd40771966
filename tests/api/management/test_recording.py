import asyncio
import json

import httpx2
import pytest

from tests.api.management.offering import MAKER, assert_problem, fetched, offered, ok
from tests.api.management.program import Program, key_of, served_program

HOOK = {"url": "https://erp.example/events", "events": ["transfer.", "approval.needed"]}


async def test_the_history_tells_in_order_what_happened_and_never_a_payload(
    program: Program, maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await offered(maker)
    done = await fetched(program, cells)
    answer = await cells.get("/v1/cells/history")
    entries = answer.json()["items"]
    assert [entry["sequence"] for entry in entries] == list(range(1, len(entries) + 1))
    of_negotiation = await ok(cells.get("/v1/cells/history", params={"process_id": done["negotiation_pid"]}))
    assert [entry["event"] for entry in of_negotiation["items"]] == [
        "negotiation.requested",
        "negotiation.agreed",
        "negotiation.verified",
        "negotiation.finalized",
    ]
    assert {entry["partner"] for entry in of_negotiation["items"]} == {MAKER}
    assert "12.5" not in answer.text


async def test_the_history_comes_in_pages(maker: httpx2.AsyncClient) -> None:
    await offered(maker)
    whole = (await ok(maker.get("/v1/maker/history")))["items"]
    paged: list[object] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await ok(maker.get("/v1/maker/history", params={"limit": 2, "cursor": cursor}))
        paged += page["items"]
        cursor = page["next_cursor"]
    assert paged == whole
    assert len(whole) > 2


@pytest.mark.parametrize("cursor", ["x", "-1", "1.0", "9" * 19])
async def test_a_cursor_of_the_history_is_a_number(maker: httpx2.AsyncClient, cursor: str) -> None:
    await assert_problem(maker.get("/v1/maker/history", params={"cursor": cursor}), 422, "invalid")


async def test_a_webhook_is_stored_listed_and_forgotten(maker: httpx2.AsyncClient) -> None:
    stored = await ok(maker.put("/v1/maker/webhooks/erp", json=HOOK))
    assert (stored["webhook_id"], stored["url"], stored["events"]) == ("erp", HOOK["url"], HOOK["events"])
    assert await ok(maker.get("/v1/maker/webhooks/erp")) == stored
    assert (await ok(maker.get("/v1/maker/webhooks")))["items"] == [stored]
    assert (await maker.delete("/v1/maker/webhooks/erp")).status_code == 204
    await assert_problem(maker.delete("/v1/maker/webhooks/erp"), 404, "not-found")
    await assert_problem(maker.get("/v1/maker/webhooks/erp"), 404, "not-found")


@pytest.mark.parametrize(
    "changes",
    [
        {"events": []},
        {"events": ["Transfer started"]},
        {"url": "ftp://erp.example/"},
        {"url": "https://169.254.169.254/"},
    ],
)
async def test_a_webhook_that_could_not_be_told_is_refused(
    maker: httpx2.AsyncClient, changes: dict[str, object]
) -> None:
    await assert_problem(maker.put("/v1/maker/webhooks/erp", json={**HOOK, **changes}), 422, "invalid")
    assert (await ok(maker.get("/v1/maker/webhooks")))["items"] == []


async def events_of(lines: "asyncio.Queue[str]", count: int) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    event: dict[str, str] = {}
    while len(found) < count:
        line = await asyncio.wait_for(lines.get(), 10)
        if line:
            name, _, value = line.partition(": ")
            event[name] = value
        elif event:
            found.append(event)
            event = {}
    return found


async def follow(url: str, path: str, headers: dict[str, str], lines: "asyncio.Queue[str]") -> None:
    async with (
        httpx2.AsyncClient(base_url=url, headers={"X-Api-Key": key_of("maker"), **headers}) as client,
        client.stream("GET", path, timeout=30) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        await lines.put("connected: yes")
        await lines.put("")
        async for line in answer.aiter_lines():
            await lines.put(line)


async def test_events_are_followed_live_and_from_where_one_stood(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with served_program(tmp_path_factory.mktemp("events")) as (url, _):
        async with httpx2.AsyncClient(base_url=url, headers={"X-Api-Key": key_of("maker")}) as client:
            lines: asyncio.Queue[str] = asyncio.Queue()
            following = asyncio.create_task(follow(url, "/v1/maker/events?after=0", {}, lines))
            await events_of(lines, 1)
            await ok(client.put("/v1/maker/webhooks/erp", json=HOOK))
            (live,) = await events_of(lines, 1)
            assert (live["id"], live["event"]) == ("1", "webhook.stored")
            assert json.loads(live["data"])["process_id"] == "erp"
            following.cancel()

            await ok(client.put("/v1/maker/webhooks/erp", json=HOOK))
            later: asyncio.Queue[str] = asyncio.Queue()
            resumed = asyncio.create_task(follow(url, "/v1/maker/events", {"Last-Event-ID": "1"}, later))
            (_, second) = await events_of(later, 2)
            assert (second["id"], second["event"]) == ("2", "webhook.stored")
            resumed.cancel()
            await asyncio.gather(following, resumed, return_exceptions=True)
