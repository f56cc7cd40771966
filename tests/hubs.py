"""A hub in this process, and the firms that speak to it over loopback HTTP."""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from ashiato.facts.identifiers import corporate_check_digit
from ashiato.wiring.hub_program import HubProgram
from ashiato.wiring.hub_rooms import ROOMS, RoomOpener
from ashiato.wiring.hub_settings import HubSettings, HubStoreSettings, OperatorSettings
from tests.dcp_parties import Holder

OPERATOR_KEY = "test-key-of-the-operator-of-the-hub-----"
JSON = "application/json"


@dataclass(frozen=True)
class Answered:
    """What the hub answered."""

    status: int
    document: Any
    headers: Mapping[str, str]


class Hub:
    """A running hub as its parties and its operator reach it."""

    def __init__(self, program: HubProgram, session: aiohttp.ClientSession) -> None:
        self.program = program
        self.session = session

    async def ask(
        self, url: str, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Answered:
        """One request; a path may hold quoted characters."""
        sent = {"Content-Type": JSON, **(headers or {})}
        data = None if body is None else json.dumps(body).encode()
        target = URL(f"{url}{path}", encoded=True)
        async with self.session.request(method, target, data=data, headers=sent) as answer:
            text = await answer.read()
            is_json = "json" in answer.headers.get("Content-Type", "")
            return Answered(answer.status, json.loads(text) if is_json and text else text, answer.headers)

    async def anyone(self, method: str, path: str, body: object = None, **headers: str) -> Answered:
        """A request without a credential to the listener for parties."""
        return await self.ask(self.program.public_url, method, path, body, headers)

    async def party(self, firm: Holder, method: str, path: str, body: object = None) -> Answered:
        """A request with a fresh token of that firm."""
        firm.world.now_ms = time.time_ns() // 1_000_000
        token = firm.token(self.program.hub_id, None)
        return await self.ask(self.program.public_url, method, path, body, {"Authorization": token})

    async def operator(self, method: str, path: str, body: object = None) -> Answered:
        """A request of the operator."""
        return await self.ask(self.program.operator_url, method, path, body, {"X-Api-Key": OPERATOR_KEY})

    async def decide(self, firm: Holder, act: str, reason: str = "as agreed", **more: object) -> Answered:
        """A step of the operator."""
        body = {"act": act, "reason": reason, **more}
        return await self.operator("POST", f"/v1/operator/parties/{quoted(firm.did)}/steps", body)

    async def admitted(self, firm: Holder, number: int, roles: Sequence[str] = ("cell-maker",)) -> None:
        """The firm applied and was admitted."""
        applied = await self.party(
            firm, "PUT", "/v1/onboarding/application", company(number, roles=list(roles))
        )
        assert applied.status == 200, applied
        for act in ("review", "admit"):
            stepped = await self.decide(firm, act)
            assert stepped.status == 200, stepped


def quoted(did: str) -> str:
    """A DID as one segment of a path."""
    return did.replace("%", "%25").replace(":", "%3A")


def corporate_number(number: int) -> str:
    """A Corporate Number that checks."""
    digits = f"{number:012d}"
    return f"{corporate_check_digit(digits)}{digits}"


def company(number: int, **more: object) -> dict[str, object]:
    """What a company tells of itself; companies with different numbers have nothing in common."""
    return {
        "name": f"Company {number}",
        "country": "JP",
        "identifiers": [f"corporate_number:{corporate_number(number)}"],
        **more,
    }


def hub_settings(folder: Path, store_url: str | None = None) -> HubSettings:
    """Settings for a hub on loopback."""
    return HubSettings(
        store=HubStoreSettings(url=store_url or f"sqlite:///{folder}/hub.db", directory=str(folder)),
        operator=OperatorSettings(operator_key_sha256=(hashlib.sha256(OPERATOR_KEY.encode()).hexdigest(),)),
        unsafe_allow_loopback=True,
    )


@asynccontextmanager
async def running_hub(
    folder: Path, store_url: str | None = None, *, rooms: Sequence[RoomOpener] = ROOMS
) -> AsyncIterator[Hub]:
    """A hub that is served as long as the block."""
    program = HubProgram(hub_settings(folder, store_url), rooms)
    serving: asyncio.Task[None] | None = None
    try:
        await program.open()
        program.start()
        serving = asyncio.create_task(program.serve())
        async with aiohttp.ClientSession() as session:
            yield Hub(program, session)
    finally:
        program.stop()
        if serving is not None:
            await serving
        await program.close()
