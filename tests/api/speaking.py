"""Two running connector programs, and a voice that speaks the protocol's bytes to one of them in the name of the other."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from ashiato.connector import transfers
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.records import Approval
from ashiato.dsp.v2025_1 import CONTEXT_URL
from ashiato.wiring.program import now
from tests.clients.loopback_server import Asked, LoopbackServer, loopback_server
from tests.exchange import Member, running

JSON = "application/json"
USE = [{"action": "use"}]
PULL = "HttpData-PULL"


@dataclass(frozen=True)
class Heard:
    """An answer as it stood on the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def said(self) -> dict[str, Any]:
        """The JSON object in the body."""
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found


class Voice:
    """Sends requests to `listener` that prove to come from `speaker`, each with a fresh token."""

    def __init__(self, session: aiohttp.ClientSession, speaker: Member, listener: Member) -> None:
        self._session = session
        self.speaker = speaker
        self.listener = listener

    async def token(self) -> str:
        moment = now()
        return await self.speaker.program.node.identity.token_for(
            self.speaker.did, self.listener.did, moment.now_ms, moment.fresh_id()
        )

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        is_signed: bool = True,
        below: str | None = None,
    ) -> Heard:
        """The answer; `path` is relative to the base of the protocol, or to `below`."""
        sent = {"Accept-Encoding": "identity"} | ({"Authorization": await self.token()} if is_signed else {})
        if body is not None:
            sent["Content-Type"] = JSON
        sent |= headers or {}
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        url = path if "://" in path else f"{below or self.listener.address}/{path}"
        async with self._session.request(
            method, url, data=data, headers=sent, allow_redirects=False
        ) as answer:
            return Heard(answer.status, answer.headers, await answer.read())

    async def post(self, path: str, body: object) -> Heard:
        return await self.ask("POST", path, body)

    async def get(self, path: str) -> Heard:
        return await self.ask("GET", path)


@dataclass
class Ear:
    """A callback address of our own: what arrived there. A first message gets the acknowledgement that names `pid`."""

    server: LoopbackServer = field(default_factory=LoopbackServer)
    pid: str = "urn:uuid:of-the-ear"

    @property
    def address(self) -> str:
        return self.server.url("/own/callback")

    @property
    def messages(self) -> list[tuple[str, dict[str, Any]]]:
        """Path and message of all that arrived."""
        return [(asked.target, json.loads(asked.body)) for asked in self.server.asked if asked.body]

    async def answer(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        body = b""
        if asked.target.endswith("/request"):
            kind = "ContractNegotiation" if "negotiations" in asked.target else "TransferProcess"
            pids = {"providerPid": self.pid, "consumerPid": json.loads(asked.body)["consumerPid"]}
            body = json.dumps(message(kind, **pids, state="REQUESTED")).encode()
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)


@dataclass
class Pair:
    """A maker and a cell maker in two programs with their own stores, voices of each and of a rival, and an ear."""

    maker: Member
    cells: Member
    as_cells: Voice
    as_maker: Voice
    as_rival: Voice
    ear: Ear
    manual: Approval = Approval.MANUAL

    async def consume(self, agreement_id: str) -> str:
        """The pid of a transfer that the cell maker asks of its ear, which never answers as a provider would."""

        def work(uow: UnitOfWork, moment: Moment) -> str:
            company = self.cells.tenant.company
            return transfers.request(uow, company, agreement_id, PULL, self.ear.address, moment).own_pid

        return await self.cells.run(work)


@asynccontextmanager
async def running_pair(folder: Path) -> AsyncIterator[Pair]:
    """Both programs, until the block ends."""
    async with (
        running(folder / "maker", "maker") as (maker,),
        running(folder / "cells", "cells", "rival") as (cells, rival),
        aiohttp.ClientSession(auto_decompress=False) as session,
    ):
        ear = Ear()
        async with loopback_server(ear.answer) as server:
            ear.server = server
            as_cells, as_maker = Voice(session, cells, maker), Voice(session, maker, cells)
            yield Pair(maker, cells, as_cells, as_maker, Voice(session, rival, maker), ear)


def message(kind: str, **members: object) -> dict[str, object]:
    """A message of that type."""
    return {"@context": [CONTEXT_URL], "@type": kind, **members}


def opening(callback: str, asset_id: str = "nmc811", **members: object) -> dict[str, object]:
    """A ContractRequestMessage that opens a negotiation about what `Member.offer` offers."""
    offer = {"@id": f"offer:{asset_id}", "@type": "Offer", "target": asset_id, "permission": USE}
    return (
        message(
            "ContractRequestMessage",
            consumerPid=f"urn:uuid:{uuid.uuid4()}",
            offer=offer,
            callbackAddress=callback,
        )
        | members
    )


def transfer_request(callback: str, agreement_id: str, **members: object) -> dict[str, object]:
    """A TransferRequestMessage for a pull."""
    return (
        message(
            "TransferRequestMessage",
            consumerPid=f"urn:uuid:{uuid.uuid4()}",
            agreementId=agreement_id,
            format=PULL,
            callbackAddress=callback,
        )
        | members
    )
