"""The names, addresses, certificates and errors beneath the egress."""

import asyncio
import inspect
import socket
import ssl
import time
from collections.abc import Sequence

import aiohttp
import pytest
from aiohttp import http_exceptions

from ashiato.clients.egress import Egress, EgressRefused, EgressRules, Unreachable
from ashiato.clients.http_session import WIRE_ERRORS, AddressRefused, own_error
from tests.clients.loopback_server import loopback_server, respond
from tests.clients.name_server import Names

SAFE = EgressRules()
LOOPBACK = EgressRules(unsafe_allow_loopback=True, connect_timeout_s=2, total_timeout_s=2)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "fd00::1",
        "0.0.0.0",
    ],
)
async def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    names = Names([address])
    async with Egress(SAFE, resolve=names) as way_out:
        for url in ("https://a.example/", "https://a.example:8443/x"):
            with pytest.raises(EgressRefused, match=r"a\.example leads where no request may go"):
                await way_out.vet(url)
            with pytest.raises(EgressRefused, match=r"a\.example leads where no request may go"):
                await way_out.request("GET", url)


async def test_a_name_with_one_public_and_one_private_address_is_refused() -> None:
    for answer in (["8.8.8.8", "10.0.0.1"], ["10.0.0.1", "8.8.8.8"], ["2606:4700::1", "::1"]):
        async with Egress(SAFE, resolve=Names(answer)) as way_out:
            with pytest.raises(EgressRefused, match="leads where no request may go"):
                await way_out.vet("https://a.example/")


async def test_a_name_with_public_addresses_is_vetted_without_connecting() -> None:
    names = Names(["8.8.8.8", "2606:4700:4700::1111"])
    async with Egress(SAFE, resolve=names) as way_out:
        await way_out.vet("https://a.example./x")
    assert names.asked == ["a.example"]


async def test_the_checked_address_is_the_one_that_is_connected_to() -> None:
    names = Names(["127.0.0.2"])
    async with (
        Egress(LOOPBACK, resolve=names) as way_out,
        loopback_server(respond(), host="127.0.0.2") as server,
    ):
        answer = await way_out.request("GET", server.url(host="connector.example"))
    assert answer.body == b"ok"
    assert names.asked == ["connector.example"]
    assert server.asked[0].headers["host"] == f"connector.example:{server.port}"


async def test_a_name_that_turns_to_a_private_address_after_its_check_is_refused() -> None:
    """DNS rebinding: allowed when vetted, inside when connected to."""
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    async with Egress(LOOPBACK, resolve=names) as way_out, loopback_server(respond()) as server:
        url = server.url(host="rebind.example")
        await way_out.vet(url)
        with pytest.raises(EgressRefused, match=r"10\.0\.0\.1"):
            await way_out.request("GET", url)
    assert server.connections == 0
    assert len(names.asked) == 2


async def test_a_name_is_resolved_once_for_a_connection_so_that_no_second_answer_counts() -> None:
    names = Names(["127.0.0.1"], ["169.254.169.254"])
    async with Egress(LOOPBACK, resolve=names) as way_out, loopback_server(respond()) as server:
        url = server.url(host="rebind.example")
        assert (await way_out.request("GET", url)).status == 200
        assert len(names.asked) == 1
        assert (await way_out.request("GET", url)).status == 200
    assert len(server.asked) == 2


async def test_a_kept_name_is_asked_again_and_checked_again() -> None:
    names = Names(["127.0.0.1"], ["169.254.169.254"])
    rules = EgressRules(unsafe_allow_loopback=True, dns_cache_s=0, keep_alive_s=0.01)
    async with Egress(rules, resolve=names) as way_out, loopback_server(respond()) as server:
        url = server.url(host="rebind.example")
        assert (await way_out.request("GET", url)).status == 200
        await asyncio.sleep(0.1)
        with pytest.raises(EgressRefused, match="leads where no request may go"):
            await way_out.request("GET", url)
    assert len(server.asked) == 1


async def test_an_address_that_slipped_past_the_resolver_is_refused_at_the_socket(
    egress: Egress, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unchecked(host: str, port: int, *, family: int) -> list[dict[str, object]]:
        return [
            {
                "hostname": "a",
                "host": "10.0.0.1",
                "port": 80,
                "family": socket.AF_INET,
                "proto": 0,
                "flags": 0,
            }
        ]

    _, resolver = egress._open()
    monkeypatch.setattr(resolver, "resolve", unchecked)
    with pytest.raises(EgressRefused, match=r"10\.0\.0\.1"):
        await egress.request("GET", "http://a.example/")


async def test_a_name_that_does_not_exist_is_tried_again_later() -> None:
    async with Egress(SAFE, resolve=Names([])) as way_out:
        with pytest.raises(Unreachable, match="cannot be resolved"):
            await way_out.vet("https://a.example/")
        with pytest.raises(Unreachable, match="cannot be resolved"):
            await way_out.request("GET", "https://a.example/")


async def test_a_name_server_that_stalls_is_given_up() -> None:
    async def stall(host: str) -> Sequence[str]:
        await asyncio.sleep(30)
        return ["8.8.8.8"]

    rules = EgressRules(connect_timeout_s=0.1, total_timeout_s=0.2)
    async with Egress(rules, resolve=stall) as way_out:
        started_s = time.monotonic()
        with pytest.raises(Unreachable):
            await way_out.vet("https://a.example/")
        with pytest.raises(Unreachable):
            await way_out.request("GET", "https://a.example/")
        assert time.monotonic() - started_s < 2


async def test_the_systems_own_names_work(egress: Egress) -> None:
    async with loopback_server(respond()) as server:
        assert (await egress.request("GET", server.url(host="localhost"))).body == b"ok"
        await egress.vet(server.url(host="localhost"))


async def test_a_trusted_certificate_is_accepted_under_its_name(
    tls_pair: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server_tls, client_tls = tls_pair
    names = Names(["127.0.0.1"])
    async with (
        loopback_server(respond(), tls=server_tls) as server,
        Egress(LOOPBACK, resolve=names, tls=client_tls) as way_out,
    ):
        answer = await way_out.request("GET", server.url(host="connector.example", scheme="https"))
        assert answer.body == b"ok"


async def test_a_certificate_for_another_name_is_refused(
    tls_pair: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server_tls, client_tls = tls_pair
    names = Names(["127.0.0.1"])
    async with (
        loopback_server(respond(), tls=server_tls) as server,
        Egress(LOOPBACK, resolve=names, tls=client_tls) as way_out,
    ):
        with pytest.raises(Unreachable, match="TLS"):
            await way_out.request("GET", server.url(host="other.example", scheme="https"))
    assert server.asked == []


async def test_a_certificate_of_an_unknown_authority_is_refused(
    tls_pair: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    async with (
        loopback_server(respond(), tls=tls_pair[0]) as server,
        Egress(LOOPBACK, resolve=Names(["127.0.0.1"])) as way_out,
    ):
        with pytest.raises(Unreachable, match="TLS"):
            await way_out.request("GET", server.url(host="connector.example", scheme="https"))
    assert server.asked == []


async def test_a_server_that_speaks_no_tls_is_not_spoken_to_without_it(egress: Egress) -> None:
    async with loopback_server(respond()) as server:
        with pytest.raises(Unreachable):
            await egress.request("GET", server.url(scheme="https"))
    assert server.asked == []


REFUSED_FOR_GOOD = {
    "InvalidURL",
    "InvalidUrlClientError",
    "InvalidUrlRedirectClientError",
    "NonHttpUrlClientError",
    "NonHttpUrlRedirectClientError",
    "RedirectClientError",
    "TooManyRedirects",
}
TRIED_AGAIN = {
    "ClientConnectionError",
    "ClientConnectionResetError",
    "ClientConnectorCertificateError",
    "ClientConnectorDNSError",
    "ClientConnectorError",
    "ClientConnectorSSLError",
    "ClientError",
    "ClientHttpProxyError",
    "ClientOSError",
    "ClientPayloadError",
    "ClientProxyConnectionError",
    "ClientResponseError",
    "ClientSSLError",
    "ConnectionTimeoutError",
    "ContentTypeError",
    "ServerConnectionError",
    "ServerDisconnectedError",
    "ServerFingerprintMismatch",
    "ServerTimeoutError",
    "SocketTimeoutError",
    "UnixClientConnectorError",
    "UploadAbortedError",
    "WSServerHandshakeError",
    "BadHttpMessage",
    "BadHttpMethod",
    "BadStatusLine",
    "ContentEncodingError",
    "ContentLengthError",
    "DecompressSizeError",
    "HttpBadRequest",
    "HttpProcessingError",
    "InvalidHeader",
    "InvalidURLError",
    "LineTooLong",
    "PayloadEncodingError",
    "TransferEncodingError",
}
NEVER_RAISED_BY_A_REQUEST = {
    "BadContentDispositionHeader": "a warning of its multipart reader, which is not used",
    "BadContentDispositionParam": "a warning of its multipart reader, which is not used",
    "EofStream": "a signal of the stream reader, which `readany` turns into an empty chunk",
    "WSMessageTypeError": "web sockets are not used",
    "WebSocketError": "web sockets are not used",
}


def _library_errors() -> dict[str, type[Exception]]:
    modules = (aiohttp, aiohttp.client_exceptions, http_exceptions)
    found = (value for module in modules for value in vars(module).values() if inspect.isclass(value))
    return {
        kind.__name__: kind for kind in found if issubclass(kind, Exception) and "aiohttp" in kind.__module__
    }


def test_no_error_of_the_http_library_is_unmapped() -> None:
    errors = _library_errors()
    assert set(errors) == REFUSED_FOR_GOOD | TRIED_AGAIN | set(NEVER_RAISED_BY_A_REQUEST)
    for name in REFUSED_FOR_GOOD | TRIED_AGAIN:
        kind = errors[name]
        assert issubclass(kind, WIRE_ERRORS), name
        mapped = own_error("https://a.example/", kind.__new__(kind))
        assert type(mapped) is (EgressRefused if name in REFUSED_FOR_GOOD else Unreachable), name
        assert mapped.why


def test_no_error_of_the_system_is_unmapped() -> None:
    for error in (
        OSError(),
        ConnectionResetError(),
        BrokenPipeError(),
        TimeoutError(),
        socket.gaierror(),
        ssl.SSLError(),
    ):
        assert isinstance(error, WIRE_ERRORS)
        assert type(own_error("https://a.example/", error)) is Unreachable
    assert isinstance(AddressRefused("x"), WIRE_ERRORS)
    assert type(own_error("https://a.example/", AddressRefused("x"))) is EgressRefused
