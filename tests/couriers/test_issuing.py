"""The courier of issuance: what a holder's service answers, and an issuer that is killed while it brings a credential."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ashiato.clients.egress import Egress, EgressRules
from tests.clients.loopback_server import Answer, Asked, LoopbackServer, loopback_server, respond
from tests.connector.firms import Firm, Street, open_street
from tests.couriers.issuing_program import bring, courier_of, issue

ROOT = Path(__file__).parents[2]


class Service:
    """A holder's credential service that answers in turn what the test says, and 200 behind that."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.server: LoopbackServer

    async def answer(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        await (self.answers.pop(0) if self.answers else respond(b""))(asked, writer)

    def brought(self) -> list[list[str]]:
        """The envelopes of each message that came."""
        messages = [json.loads(asked.body) for asked in self.server.asked]
        return [[one["payload"] for one in message["credentials"]] for message in messages]


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    made = Service()
    async with loopback_server(made.answer) as server:
        made.server = server
        yield made


async def delivered_ms(issuer: Firm, request_id: str) -> int | None:
    found = await issuer.read(lambda uow: uow.wallet.requests.get(request_id))
    assert found is not None
    return found.delivered_ms


async def waiting(street: Street) -> int:
    return len(await street.due(9))


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable", "401 Unauthorized"])
async def test_a_holder_that_asks_for_patience_is_asked_again_with_the_same_credential(
    tmp_path: Path, service: Service, status: str
) -> None:
    service.answers = [respond(b"later", status=status, headers={"Retry-After": "1"}) for _ in range(2)]
    url = f"sqlite:///{tmp_path}/issuer.db"
    async with open_street(url) as street, Egress(EgressRules(unsafe_allow_loopback=True)) as egress:
        issuer = street.firm("maker")
        courier = courier_of(street, issuer, egress, service.server.url("/cells"))
        request = await issue(issuer)
        for _ in range(2):
            await bring(street, courier)
            assert await delivered_ms(issuer, request.request_id) is None
            assert await waiting(street) == 1
        await bring(street, courier)
        assert await delivered_ms(issuer, request.request_id) is not None
        assert await waiting(street) == 0
        events = await issuer.events()
    assert [asked.target for asked in service.server.asked] == ["/cells/credentials"] * 3
    # Signed once; each try proves anew who sends it.
    (first, second, third) = service.brought()
    assert first == second == third
    assert len({asked.headers["authorization"] for asked in service.server.asked}) == 3
    assert events.count("issuance.delivered") == 1
    assert "issuance.undeliverable" not in events


async def test_a_holder_that_refuses_is_not_asked_again_and_the_owner_reads_why(
    tmp_path: Path, service: Service
) -> None:
    service.answers = [respond(b"we did not ask", status="400 Bad Request")]
    url = f"sqlite:///{tmp_path}/issuer.db"
    async with open_street(url) as street, Egress(EgressRules(unsafe_allow_loopback=True)) as egress:
        issuer = street.firm("maker")
        request = await issue(issuer)
        await bring(street, courier_of(street, issuer, egress, service.server.url("/cells")))
        assert await waiting(street) == 0
        assert await delivered_ms(issuer, request.request_id) is None
        history = await issuer.read(lambda uow: uow.records.list_history(0, 100))
    (told,) = [entry for entry in history if entry.event == "issuance.undeliverable"]
    assert told.details["why"] == "it answered 400 we did not ask"


@pytest.mark.parametrize("answers_first", [False, True])
async def test_an_issuer_that_is_killed_while_it_brings_a_credential_brings_the_same_one_again(
    tmp_path: Path, service: Service, answers_first: bool
) -> None:
    url = f"sqlite:///{tmp_path}/issuer.db"
    running: list[asyncio.subprocess.Process] = []

    async def kill(asked: Asked, writer: asyncio.StreamWriter) -> None:
        # It is signed and kept, and the holder has it; that it was taken is not known to the issuer yet, or just told.
        if answers_first:
            await respond(b"")(asked, writer)
            await writer.drain()
        running[0].kill()
        await running[0].wait()

    service.answers = [kill]

    async def run(what: str) -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.couriers.issuing_program", url, service.server.url("/cells"), what,
            cwd=ROOT,
        )  # fmt: skip
        running[:] = [process]
        async with asyncio.timeout(60):
            return await process.wait()

    assert await run("issue") in ((-9, 0) if answers_first else (-9,))
    assert await run("go-on") == 0
    brought = service.brought()
    # Each process has a key of its own: one that had signed again would have brought other bytes.
    assert len(brought) in ((1, 2) if answers_first else (2,))
    assert all(one == brought[0] for one in brought)
    async with open_street(url) as street:
        issuer = street.firm("maker")
        (request,) = await issuer.read(lambda uow: uow.wallet.requests.page("", 9))
        assert request.delivered_ms is not None
        assert await waiting(street) == 0
        assert (await issuer.events()).count("issuance.delivered") == 1
