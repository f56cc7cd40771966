"""A company's own systems use a partner's query and inbox through both connectors, each a real process."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.companies import Company, ManagementError, running


class Upstream:
    """The maker's own system behind its connector: a query and an inbox that demand the maker's secret."""

    def __init__(self) -> None:
        self.inbox: list[bytes] = []
        self.seen_headers: list[dict[str, str]] = []
        self.url = ""

    async def start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    async def _answer(self, request: web.Request) -> web.Response:
        self.seen_headers.append(dict(request.headers))
        if request.headers.get("X-Secret") != "the-makers-own":
            return web.Response(status=401)
        body = await request.read()
        if request.method in ("POST", "PUT"):
            self.inbox.append(body)
            return web.json_response({"taken": len(body)}, status=201)
        return web.json_response({"path": request.path, "query": dict(request.query)})


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    served = Upstream()
    runner = await served.start()
    yield served
    await runner.cleanup()


async def _open_transfer(maker: Company, buyer: Company, upstream: Upstream) -> str:
    source = {
        "kind": "http",
        "base_url": f"{upstream.url}/api",
        "secret_headers": {"X-Secret": "upstream"},
        "forward_path": True,
        "forward_query": True,
    }
    asset = {"title": "Inbox", "source": source, "finite": False, "methods": ["GET", "POST", "PUT"]}
    await maker.call("PUT", "/assets/inbox", asset)
    policy = {"@type": "Offer", "permission": [{"action": "use"}]}
    await maker.call("PUT", "/policies/all", {"document": policy})
    await maker.call("PUT", "/offers/all", {"contract_policy_id": "all", "asset_ids": ["inbox"]})
    order = {"role": "CONSUMER", "partner": maker.did, "address": maker.address, "asset_id": "inbox"}
    negotiation = await buyer.call("POST", "/negotiations", order)
    agreement_id = (await _until(buyer, f"/negotiations/{negotiation['negotiation_pid']}", "FINALIZED"))[
        "agreement_id"
    ]
    transfer = await buyer.call("POST", "/transfers", {"agreement_id": agreement_id})
    await _until(buyer, f"/transfers/{transfer['transfer_pid']}", "STARTED")
    return str(transfer["transfer_pid"])


async def _until(company: Company, path: str, state: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(600):
        found = await company.call("GET", path)
        if found["state"] == state:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"{path} did not become {state}: {found}\n{company.log_tail()}")


async def test_an_inbox_and_a_query_are_used_through_both_connectors(
    tmp_path: Path, upstream: Upstream
) -> None:
    maker = Company(
        tmp_path / "maker",
        ["maker"],
        secrets={"upstream": "env:UPSTREAM"},
        environment={"UPSTREAM": "the-makers-own"},
    )
    buyer = Company(tmp_path / "buyer", ["buyer"])
    async with running(maker, buyer):
        pid = await _open_transfer(maker, buyer, upstream)

        answer = json.loads(await buyer.call_bytes("GET", f"/transfers/{pid}/data/lots/7?unit=kg"))
        assert answer == {"path": "/api/lots/7", "query": {"unit": "kg"}}

        sent = b'{"question": "the footprint of lot 7"}'
        assert json.loads(await buyer.call_bytes("POST", f"/transfers/{pid}/data", sent)) == {
            "taken": len(sent)
        }
        assert upstream.inbox == [sent]
        assert all(
            "Authorization" not in headers and "Dpop" not in headers for headers in upstream.seen_headers
        )

        bought = (await buyer.call("GET", "/accesses"))["items"]
        sold = (await maker.call("GET", "/accesses"))["items"]
        assert [access["method"] for access in bought] == ["GET", "POST"]
        assert [access["method"] for access in sold] == ["GET", "POST"]
        assert bought[0]["sha256"] == sold[0]["sha256"]
        taken = json.dumps({"taken": len(sent)}).encode()
        assert bought[1]["sha256"] == hashlib.sha256(taken).hexdigest()

        agreement_id = bought[0]["agreement_id"]
        await maker.call("POST", f"/agreements/{agreement_id}/terminate", {"reason": "over"})
        served_count = len(upstream.seen_headers)
        # Refused by the maker, by the buyer's own connector that has heard of it, or cut in between.
        with pytest.raises((ManagementError, aiohttp.ClientError)):
            await buyer.call_bytes("GET", f"/transfers/{pid}/data/lots/7")
        assert len(upstream.seen_headers) == served_count


async def test_path_tricks_do_not_leave_the_buyers_connector(tmp_path: Path, upstream: Upstream) -> None:
    maker = Company(
        tmp_path / "maker",
        ["maker"],
        secrets={"upstream": "env:UPSTREAM"},
        environment={"UPSTREAM": "the-makers-own"},
    )
    buyer = Company(tmp_path / "buyer", ["buyer"])
    async with running(maker, buyer):
        pid = await _open_transfer(maker, buyer, upstream)
        for path in ("/../secret", "/a%2f..%2fb", "/%2e%2e/x", "/a;b", "//x", "/a%00b"):
            with pytest.raises(ManagementError) as refused:
                await buyer.call_bytes("GET", f"/transfers/{pid}/data{path}")
            assert refused.value.status in (400, 404, 422), path
        assert upstream.seen_headers == []
