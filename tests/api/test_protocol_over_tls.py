"""The protocol over TLS: callbacks to https addresses, and a listener with a certificate (DSP 2025-1, 8.2.2 and 10.2.2)."""

import asyncio
import ssl
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import pytest
from starlette.applications import Starlette

from ashiato.api.protocol import ProtocolApi
from ashiato.connector.ports import UnitOfWork
from ashiato.wiring.listening import Listener, bind
from ashiato.wiring.settings import ListenerSettings
from tests.api.speaking import Pair, opening
from tests.clients.loopback_server import loopback_server

HOST = "connector.example"
Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


async def loopback(host: str) -> Sequence[str]:
    assert host == HOST
    return ["127.0.0.1"]


async def test_messages_go_to_an_https_callback_whose_certificate_is_trusted(
    pair: Pair, tls_pair: Contexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    server_tls, client_tls = tls_pair
    way_out = pair.maker.program._egress
    monkeypatch.setattr(way_out, "_tls", client_tls)
    monkeypatch.setattr(way_out, "_resolve", loopback)
    await way_out.close()
    await pair.maker.offer("nmc811")
    async with loopback_server(pair.ear.answer, tls=server_tls) as server:
        pair.ear.server = server
        callback = server.url("/own/callback", host=HOST, scheme="https")
        assert (await pair.as_cells.post("negotiations/request", opening(callback))).status == 201
        path, said = await pair.maker.until(lambda _: next(iter(pair.ear.messages), None))
    assert (path.startswith("/own/callback/negotiations/"), said["@type"]) == (
        True,
        "ContractAgreementMessage",
    )


async def test_nothing_is_said_to_a_callback_whose_certificate_is_not_trusted(
    pair: Pair, tls_pair: Contexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair.maker.program._egress, "_resolve", loopback)
    await pair.maker.program._egress.close()
    await pair.maker.offer("nmc811")
    async with loopback_server(pair.ear.answer, tls=tls_pair[0]) as server:
        callback = server.url("/own/callback", host=HOST, scheme="https")
        opened = await pair.as_cells.post("negotiations/request", opening(callback))
        own_pid = opened.said["providerPid"]

        def tried(uow: UnitOfWork) -> bool | None:
            waiting = uow.outbox.of_process(own_pid)
            return bool(waiting and waiting[0].attempts_count) or None

        assert await pair.maker.until(tried)
        assert server.asked == []


async def test_a_listener_with_a_certificate_speaks_tls_only(
    pair: Pair, tls_files: tuple[Path, Path], tls_pair: Contexts
) -> None:
    certificate_file, key_file = map(str, tls_files)
    settings = ListenerSettings(certificate_file=certificate_file, private_key_file=key_file)
    bound = bind(settings)
    app = Starlette(routes=ProtocolApi(pair.maker.program.node).routes())
    listener = Listener(bound, settings, app, 16)
    serving = asyncio.create_task(listener.serve())
    url = f"https://{HOST}:{bound.getsockname()[1]}/maker/.well-known/dspace-version"
    resolver = _Loopback()
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=resolver, ssl=tls_pair[1])
    ) as session:
        async with session.get(url) as answer:
            assert (answer.status, (await answer.json())["protocolVersions"][0]["version"]) == (200, "2025-1")
        with pytest.raises(aiohttp.ClientError):
            await session.get(url.replace("https", "http", 1))
    listener.stop()
    await serving


class _Loopback(aiohttp.abc.AbstractResolver):
    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[aiohttp.abc.ResolveResult]:
        return [
            aiohttp.abc.ResolveResult(hostname=host, host="127.0.0.1", port=port, family=2, proto=0, flags=0)
        ]

    async def close(self) -> None:
        """Nothing is held."""
