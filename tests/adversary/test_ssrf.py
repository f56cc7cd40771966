"""Counterparties that name addresses which are not theirs: wherever one can be named, nothing inside is called."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from ashiato.connector.data_address import read_address
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid
from ashiato.couriers.data_credentials import DataCredentials
from ashiato.dsp.messages import DataAddress
from ashiato.wiring.adapters import Prover
from tests.api.speaking import Heard, Pair, Voice, message, opening, transfer_request
from tests.clients.loopback_server import LoopbackServer, loopback_server, respond
from tests.exchange import Member, port_of, running
from tests.stores.samples import agreement

# What a reader of URLs, a resolver or the standard library may take for something else than an address inside.
INSIDE = {
    "plain http": "http://maker.example/dsp",
    "loopback": "https://127.0.0.1/dsp",
    "loopback with the port of a server": "https://127.0.0.1:{port}/dsp",
    "another address of loopback": "https://127.8.9.10/dsp",
    "loopback of IPv6": "https://[::1]:{port}/dsp",
    "IPv4 in IPv6": "https://[::ffff:127.0.0.1]/dsp",
    "IPv4-compatible IPv6": "https://[::127.0.0.1]/dsp",
    "NAT64 of loopback": "https://[64:ff9b::7f00:1]/dsp",
    "local NAT64": "https://[64:ff9b:1::7f00:1]/dsp",
    "6to4 of loopback": "https://[2002:7f00:1::]/dsp",
    "Teredo": "https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/dsp",
    "a zone of IPv6": "https://[fe80::1%25eth0]/dsp",
    "metadata of a cloud": "https://169.254.169.254/latest/meta-data",
    "metadata of a cloud over IPv6": "https://[fd00:ec2::254]/latest/meta-data",
    "private 10": "https://10.0.0.1/dsp",
    "private 172.16": "https://172.16.0.1/dsp",
    "private 192.168": "https://192.168.1.1/dsp",
    "shared 100.64": "https://100.64.0.1/dsp",
    "IETF 192.0.0.8": "https://192.0.0.8/dsp",
    "unspecified": "https://0.0.0.0/dsp",
    "multicast": "https://224.0.0.1/dsp",
    "multicast of IPv6": "https://[ff02::1]/dsp",
    "broadcast": "https://255.255.255.255/dsp",
    "a decimal number": "https://2130706433/dsp",
    "a hexadecimal number": "https://0x7f000001/dsp",
    "a hexadecimal part": "https://0x7f.1/dsp",
    "an octal number": "https://017700000001/dsp",
    "an octal part": "https://0177.0.0.1/dsp",
    "a short form": "https://127.1/dsp",
    "a trailing dot": "https://127.0.0.1./dsp",
    "digits of another script": "https://１２７.０.０.１/dsp",
    "dots of another script": "https://127。0。0。1/dsp",
    "circled digits": "https://①②⑦.⓪.⓪.①/dsp",
    "user information": "https://partner.example@127.0.0.1/dsp",
    "user information with a password": "https://a:b@partner.example/dsp",
    "a backslash": "https://partner.example\\@127.0.0.1/dsp",
    "a fragment": "https://partner.example/dsp#@127.0.0.1",
    "a line break": "https://partner.example/dsp\r\nHost: 127.0.0.1",
    "an encoded line break in the host": "https://partner.example%0d%0aHost:127.0.0.1/dsp",
    "an encoded dot in the host": "https://127%2e0%2e0%2e1/dsp",
    "a tabulator": "https://127.0.\t0.1/dsp",
    "a NUL": "https://partner.example\x00.127.0.0.1/dsp",
    "a space before": " https://127.0.0.1/dsp",
    "another scheme": "gopher://127.0.0.1/dsp",
    "a file": "file:///etc/passwd",
    "a unix socket": "http+unix://%2Frun%2Fsocket/dsp",
    "no scheme": "//127.0.0.1/dsp",
}


class Inside:
    """A program that may call nobody on this machine, with two companies, and a server on this machine."""

    def __init__(self, maker: Member, cells: Member, voice: Voice, server: LoopbackServer) -> None:
        self.maker = maker
        self.cells = cells
        self._voice = voice
        self.server = server

    def address(self, what: str) -> str:
        return INSIDE[what].format(port=self.server.port)

    async def post(self, path: str, body: object) -> Heard:
        return await self._voice.ask(
            "POST", path, body, below=f"http://127.0.0.1:{port_of(self.maker)}/maker/dsp/2025-1"
        )

    async def nothing_happened(self) -> bool:
        kept = await self.maker.read(lambda uow: (uow.negotiations.page("", 1), uow.transfers.page("", 1)))
        return kept == ([], []) and self.server.connections == 0


@pytest.fixture
async def inside(tmp_path: Path) -> AsyncIterator[Inside]:
    async with (
        running(
            tmp_path / "strict",
            "maker",
            "cells",
            public_url="https://maker.example",
            unsafe_allow_loopback=False,
        ) as (maker, cells),
        aiohttp.ClientSession() as session,
        loopback_server(respond()) as server,
    ):
        yield Inside(maker, cells, Voice(session, cells, maker), server)


def offer_message(callback: str) -> dict[str, object]:
    offer = {"@id": "o", "@type": "Offer", "target": "t", "permission": [{"action": "use"}]}
    return message("ContractOfferMessage", providerPid="p", offer=offer, callbackAddress=callback)


async def test_an_address_inside_is_refused_as_the_callback_of_a_negotiation(inside: Inside) -> None:
    await inside.maker.offer("nmc811")
    for what in INSIDE:
        for path, body in (
            ("negotiations/request", opening(inside.address(what))),
            ("negotiations/offers", offer_message(inside.address(what))),
        ):
            heard = await inside.post(path, body)
            assert (what, heard.status) == (what, 400)
            assert heard.said["code"] in ("invalid", "malformed-message")
    assert await inside.nothing_happened()


async def _agreed(inside: Inside) -> str:
    """The id of an agreement under which the cell maker may ask for data."""

    def put(uow: UnitOfWork, moment: Moment) -> None:
        rules = {"permission": [{"action": "use"}], "assignee": inside.cells.did}
        known = agreement("urn:agreement:1", peer_id=inside.cells.did, asset_id="nmc811")
        uow.contracts.insert_agreement(msgspec.structs.replace(known, document=rules, uses_count=0))

    await inside.maker.offer("nmc811")
    await inside.maker.run(put)
    return "urn:agreement:1"


async def test_an_address_inside_is_refused_as_the_callback_of_a_transfer(inside: Inside) -> None:
    agreement_id = await _agreed(inside)
    for what in INSIDE:
        heard = await inside.post("transfers/request", transfer_request(inside.address(what), agreement_id))
        assert (what, heard.status) == (what, 400)
        assert heard.said["code"] in ("invalid", "malformed-message")
    assert await inside.nothing_happened()
    outside = transfer_request("https://partner.example/dsp", agreement_id)
    assert (await inside.post("transfers/request", outside)).status == 201


async def test_an_address_inside_is_refused_as_the_sink_of_a_push(inside: Inside) -> None:
    agreement_id = await _agreed(inside)
    for what in INSIDE:
        sink = {
            "@type": "DataAddress",
            "endpointType": "https://w3id.org/idsa/v4.1/HTTP",
            "endpoint": inside.address(what),
        }
        body = transfer_request("https://partner.example/dsp", agreement_id)
        heard = await inside.post(
            "transfers/request", body | {"format": "HttpData-PUSH", "dataAddress": sink}
        )
        assert (what, heard.status) == (what, 400)
        assert heard.said["code"] in ("invalid", "malformed-message")
    assert await inside.nothing_happened()


async def test_an_address_inside_is_refused_as_the_place_of_a_webhook(inside: Inside) -> None:
    for what in INSIDE:
        with pytest.raises(Invalid):
            inside.maker.tenant.company.vet_own_address(inside.address(what))


@pytest.mark.parametrize("what", INSIDE)
async def test_an_address_inside_is_not_asked_for_a_token(inside: Inside, what: str) -> None:
    node = inside.cells.program.node
    properties = {"refreshEndpoint": inside.address(what), "authorization": "t", "authType": "bearer"}
    try:
        endpoint = read_address(
            DataAddress(endpoint_type="HTTP", endpoint="https://partner.example/d", properties=properties),
            node.moment().now_ms,
        )
    except Invalid:
        return
    egress = inside.cells.program._egress
    prover = Prover(inside.cells.program.tenancy)
    credentials = DataCredentials(node, egress, prover, inside.cells.did, inside.maker.did, endpoint)
    async with asyncio.timeout(5):
        assert not await credentials.renew()
    assert inside.server.connections == 0


async def test_a_callback_that_redirects_is_not_followed(pair: Pair) -> None:
    await pair.maker.offer("nmc811")
    async with loopback_server(respond()) as other:
        moved = respond(b"", status="307 Temporary Redirect", headers={"Location": other.url("/dsp")})
        async with loopback_server(moved) as callback:
            heard = await pair.as_cells.post("negotiations/request", opening(callback.url("/dsp")))
            assert heard.status == 201
            async with asyncio.timeout(10):
                while callback.connections == 0:
                    await asyncio.sleep(0.02)
            await asyncio.sleep(0.3)
        assert other.connections == 0


async def test_a_callback_to_our_own_management_port_is_refused(pair: Pair) -> None:
    await pair.maker.offer("nmc811")
    port = pair.maker.program.management_bound.getsockname()[1]
    for host in ("127.0.0.1", "localhost", "[::1]", "127.0.0.2"):
        callback = f"http://{host}:{port}/v1/maker/negotiations"
        heard = await pair.as_cells.post("negotiations/request", opening(callback))
        assert (host, heard.status, heard.said["code"]) == (host, 400, "invalid")
    assert await pair.maker.read(lambda uow: uow.negotiations.page("", 1)) == []


async def test_a_callback_of_another_participant_moves_nothing_there(pair: Pair) -> None:
    """The token of each message is for the partner that we deal with; whoever else gets it does not believe it."""
    await pair.maker.offer("nmc811")
    rival = pair.as_rival.speaker
    before = await rival.history()
    heard = await pair.as_cells.post("negotiations/request", opening(rival.address))
    assert heard.status == 201
    opened = await pair.maker.read(lambda uow: uow.negotiations.get(heard.said["providerPid"]))
    assert opened is not None
    await asyncio.sleep(0.8)
    assert await rival.read(lambda uow: uow.negotiations.page("", 1)) == []
    assert await rival.history() == before
    (known,) = await pair.maker.read(lambda uow: uow.contracts.list_agreements("", 10))
    assert not known.finalized
