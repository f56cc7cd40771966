import asyncio

from starlette.types import Receive, Scope, Send

from ashiato.api import turns
from ashiato.api.turns import Turns, participant_of_management, participant_of_protocol


class SlowApp:
    """Counts who is inside; each request stays until it is let go."""

    def __init__(self) -> None:
        self.inside: list[str] = []
        self.go = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.inside.append(scope["path"])
        await self.go.wait()
        self.inside.remove(scope["path"])


async def _nothing() -> dict[str, object]:
    return {}


def _ask(app: Turns, path: str, query: bytes = b"") -> "asyncio.Task[list[int]]":
    async def ask() -> list[int]:
        statuses: list[int] = []

        async def send(message: dict[str, object]) -> None:
            if message["type"] == "http.response.start":
                statuses.append(int(str(message["status"])))

        await app({"type": "http", "path": path, "query_string": query}, _nothing, send)  # type: ignore[arg-type]  # a bare message
        return statuses

    return asyncio.create_task(ask())


async def test_a_flood_of_one_participant_stays_outside_while_another_walks_in() -> None:
    slow = SlowApp()
    app = Turns(slow, participant_of_protocol, 2)
    flood = [_ask(app, "/noisy/dsp/x") for _ in range(50)]
    await asyncio.sleep(0)
    quiet = _ask(app, "/quiet/dsp/x")
    await asyncio.sleep(0)
    assert slow.inside == ["/noisy/dsp/x", "/noisy/dsp/x", "/quiet/dsp/x"]
    slow.go.set()
    await asyncio.gather(*flood, quiet)
    assert slow.inside == []


async def test_a_turn_given_to_somebody_who_left_goes_to_the_next() -> None:
    slow = SlowApp()
    app = Turns(slow, participant_of_protocol, 1)
    first, second, third = (_ask(app, f"/a/dsp/{number}") for number in range(3))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.sleep(0)
    slow.go.set()
    await asyncio.wait_for(asyncio.gather(first, third), 1)
    assert second.cancelled()


async def test_all_turns_come_back() -> None:
    slow = SlowApp()
    slow.go.set()
    app = Turns(slow, participant_of_protocol, 1)
    for _ in range(3):
        await asyncio.gather(*(_ask(app, "/a/dsp/x") for _ in range(10)))
    slow.go.clear()
    last = _ask(app, "/a/dsp/last")
    await asyncio.sleep(0)
    assert slow.inside == ["/a/dsp/last"]
    slow.go.set()
    await last


async def test_a_queue_that_is_full_says_so() -> None:
    slow = SlowApp()
    app = Turns(slow, participant_of_protocol, 1)
    asked = [_ask(app, "/a/dsp/x") for _ in range(turns.MOST_WAITING_COUNT + 2)]
    await asyncio.sleep(0)
    assert await asked[-1] == [503]
    slow.go.set()
    await asyncio.gather(*asked)


def test_streams_and_long_waits_take_no_turn() -> None:
    assert participant_of_protocol({"path": "/a/data/t"}) is None
    assert participant_of_protocol({"path": "/a/dsp/2025-1/catalog/request"}) == "a"
    assert participant_of_management({"path": "/v1/a/fetches/f", "query_string": b"wait_s=3"}) is None
    assert participant_of_management({"path": "/v1/a/assets", "query_string": b""}) == "a"
