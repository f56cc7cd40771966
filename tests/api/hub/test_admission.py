"""Who passes: every route of both listeners, tried with every credential that is not good enough."""

import re
import time
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ashiato.wiring.hub_rooms import HubParts, HubRoom
from tests.dcp_parties import Holder, World
from tests.hubs import OPERATOR_KEY, Hub, company, running_hub

EXAMPLES = {"party": "did%3Aweb%3Aother.example"}
APPLICATION = "/v1/onboarding/application"


async def routes(hub: Hub, listener: str) -> list[tuple[str, str]]:
    """Method and an example address of each route, described or raw."""
    asked = hub.anyone if listener == "public" else hub.operator
    document: dict[str, Any] = (await asked("GET", "/v1/openapi.json")).document
    rooms = hub.program._rooms
    raw = [
        route for room in rooms for route in (room.routes if listener == "public" else room.operator_routes)
    ]
    return [
        *((method, _example(route.path)) for route in raw for method in sorted(route.methods or {"GET"})),
        *_described(document),
    ]


def _described(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (method.upper(), _example(path)) for path, methods in document["paths"].items() for method in methods
    ]


def _example(path: str) -> str:
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: EXAMPLES.get(found[1], "1"), path)


def of_parties(found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    chosen = [(method, path) for method, path in found if path.startswith("/v1/party/")]
    assert chosen
    return chosen


async def bring_to(hub: Hub, firm: Holder, state: str) -> None:
    if state == "unknown":
        return
    await hub.party(firm, "PUT", APPLICATION, company(1))
    acts = {
        "applied": [],
        "under_review": ["review"],
        "refused": ["refuse"],
        "suspended": ["review", "admit", "suspend"],
        "expelled": ["review", "admit", "expel"],
    }
    for act in acts[state]:
        assert (await hub.decide(firm, act)).status == 200


@pytest.mark.parametrize("state", ["unknown", "applied", "under_review", "refused", "suspended", "expelled"])
async def test_a_party_that_is_not_admitted_can_do_nothing_on_any_route(
    hub: Hub, maker: Holder, state: str
) -> None:
    await bring_to(hub, maker, state)
    for method, path in of_parties(await routes(hub, "public")):
        answer = await hub.party(maker, method, path, {} if method != "GET" else None)
        assert (answer.status, answer.document["type"]) == (403, "urn:ashiato:problem:not-permitted"), path
        assert answer.document["fields"] == {"state": state}


async def test_nothing_but_what_is_open_answers_a_stranger(hub: Hub) -> None:
    for method, path in await routes(hub, "public"):
        answer = await hub.anyone(method, path, {} if method != "GET" else None)
        if not path.startswith("/v1/open/"):
            assert answer.status == 401, path
    for method, path in await routes(hub, "operator"):
        answer = await hub.ask(hub.program.operator_url, method, path, {} if method != "GET" else None)
        assert answer.status == 401, path


async def test_a_party_cannot_use_the_operators_routes_on_either_listener(hub: Hub, maker: Holder) -> None:
    await hub.admitted(maker, 1)
    for method, path in await routes(hub, "operator"):
        body: dict[str, object] | None = {} if method != "GET" else None
        assert (await hub.party(maker, method, path, body)).status == 404, path
        maker.world.now_ms = time.time_ns() // 1_000_000
        token = {"Authorization": maker.token(hub.program.hub_id, None)}
        assert (await hub.ask(hub.program.operator_url, method, path, body, token)).status == 401, path


async def test_the_operators_key_is_no_party(hub: Hub) -> None:
    for method, path in await routes(hub, "public"):
        if path.startswith("/v1/open/"):
            continue
        body: dict[str, object] | None = {} if method != "GET" else None
        key = {"Authorization": f"Bearer {OPERATOR_KEY}"}
        assert (await hub.ask(hub.program.public_url, method, path, body, key)).status == 401, path


async def test_an_admitted_party_passes(hub: Hub, maker: Holder) -> None:
    await hub.admitted(maker, 1)
    assert (await hub.party(maker, "GET", "/v1/party/self")).status == 200


async def test_a_party_that_is_suspended_is_stopped_at_its_next_request(hub: Hub, maker: Holder) -> None:
    await hub.admitted(maker, 1)
    await hub.decide(maker, "suspend")
    assert (await hub.party(maker, "GET", "/v1/party/self")).status == 403
    await hub.decide(maker, "reinstate")
    assert (await hub.party(maker, "GET", "/v1/party/self")).status == 200


async def test_a_token_counts_once(hub: Hub, maker: Holder) -> None:
    await hub.admitted(maker, 1)
    maker.world.now_ms = time.time_ns() // 1_000_000
    token = {"Authorization": maker.token(hub.program.hub_id, None)}
    answers = [await hub.ask(hub.program.public_url, "GET", "/v1/party/self", None, token) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 401]


async def test_a_token_for_another_audience_proves_nothing(hub: Hub, maker: Holder) -> None:
    await hub.admitted(maker, 1)
    maker.world.now_ms = time.time_ns() // 1_000_000
    token = {"Authorization": maker.token("did:web:another-hub.example", None)}
    assert (await hub.ask(hub.program.public_url, "GET", "/v1/party/self", None, token)).status == 401


async def test_a_token_that_another_key_signed_proves_nothing(hub: Hub, maker: Holder, other: Holder) -> None:
    await hub.admitted(maker, 1)
    other.world.now_ms = time.time_ns() // 1_000_000
    forged = other.token(hub.program.hub_id, None, iss=maker.did, sub=maker.did)
    answer = await hub.ask(hub.program.public_url, "GET", "/v1/party/self", None, {"Authorization": forged})
    assert answer.status == 401


async def test_whose_did_document_cannot_be_fetched_is_told_to_try_again(hub: Hub, maker: Holder) -> None:
    maker.world.answers["/maker/did.json"] = lambda asked, writer: _close(writer)
    answer = await hub.party(maker, "GET", "/v1/party/self")
    assert (answer.status, answer.headers.get("Retry-After")) == (502, "5")


async def test_a_raw_route_of_a_room_stands_behind_the_same_door(tmp_path: Path, world: World) -> None:
    seen: list[str] = []

    async def answer(request: Request) -> Response:
        seen.append(request.state.party.party_id)
        return Response(b"raw")

    async def opener(parts: HubParts) -> HubRoom:
        return HubRoom(routes=[Route("/v1/party/raw/{thing}", answer, methods=["POST"])])

    maker, other = world.holder("maker"), world.holder("other")
    async with running_hub(tmp_path, rooms=(opener,)) as hub:
        await hub.admitted(maker, 1)
        await bring_to(hub, other, "unknown")
        assert ("POST", "/v1/party/raw/1") in await routes(hub, "public")
        assert (await hub.anyone("POST", "/v1/party/raw/1")).status == 401
        assert (await hub.party(other, "POST", "/v1/party/raw/1")).status == 403
        assert (await hub.party(maker, "POST", "/v1/party/raw/1")).document == b"raw"
    assert seen == [maker.did]


async def _close(writer: Any) -> None:
    writer.close()
