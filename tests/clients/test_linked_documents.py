"""Status lists and schemas, and the query of a credential service, from a real server on loopback."""

import asyncio

import pytest
from structlog.testing import capture_logs

from ashiato.clients.credential_services import CredentialServices
from ashiato.clients.egress import Egress, EgressRules
from ashiato.clients.keeping import KeepingRules, Unavailable
from ashiato.clients.linked_documents import MOST_DOCUMENT_BYTES, LinkedDocuments
from tests.clients.loopback_server import Answer, Asked, loopback_server, respond

T0_MS = 1_764_000_000_000


async def test_a_list_is_fetched_once_while_fresh_and_its_age_is_told(egress: Egress) -> None:
    linked = LinkedDocuments(egress, KeepingRules(fresh_s=300))
    async with loopback_server(respond(b"list")) as server:
        for now_ms in (T0_MS, T0_MS + 299_999):
            kept = await linked.get(server.url("/status/1"), now_ms)
            assert (kept.value, kept.fetched_ms) == (b"list", T0_MS)
        assert [asked.target for asked in server.asked] == ["/status/1"]
        await linked.get(server.url("/status/1"), T0_MS + 300_000)
        assert len(server.asked) == 2


async def test_the_use_of_an_old_list_is_logged(egress: Egress) -> None:
    linked = LinkedDocuments(egress, KeepingRules(fresh_s=300, stale_s=600))
    answer: list[Answer] = [respond(b"list")]

    async def answering(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await answer[0](asked, writer)

    async with loopback_server(answering) as server:
        url = server.url("/status/1")
        await linked.get(url, T0_MS)
        answer[0] = respond(status="503 Busy")
        with capture_logs() as logs:
            await linked.get(url, T0_MS + 300_000)
    assert [(log["event"], log["url"], log["age_s"]) for log in logs] == [("linked_document_stale", url, 300)]


@pytest.mark.parametrize(
    ("status", "is_temporary"), [("404 Not Found", False), ("302 Found", False), ("500 Broken", True)]
)
async def test_only_an_answer_of_200_is_a_document(status: str, is_temporary: bool, egress: Egress) -> None:
    linked = LinkedDocuments(egress, KeepingRules())
    async with loopback_server(respond(status=status, headers={"Location": "/other"})) as server:
        with pytest.raises(Unavailable) as refusal:
            await linked.get(server.url(), T0_MS)
        assert refusal.value.is_temporary is is_temporary
        assert len(server.asked) == 1


async def test_an_endless_list_is_cut(egress: Egress) -> None:
    linked = LinkedDocuments(egress, KeepingRules())
    async with loopback_server(respond(b"0" * (MOST_DOCUMENT_BYTES + 1))) as server:
        with pytest.raises(Unavailable, match="larger"):
            await linked.get(server.url(), T0_MS)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/list", "https://169.254.169.254/list", "https://[::1]/list", "file:///etc/passwd"],
)
async def test_a_list_address_that_leads_inside_is_never_called(url: str) -> None:
    async with Egress(EgressRules()) as strict:
        with pytest.raises(Unavailable) as refusal:
            await LinkedDocuments(strict, KeepingRules()).get(url, T0_MS)
        assert not refusal.value.is_temporary


async def test_a_query_goes_to_the_resolution_address_with_our_token(egress: Egress) -> None:
    async with loopback_server(respond(b"{}")) as server:
        body = await CredentialServices(egress).query(server.url("/a/dcp/"), "Bearer x.y.z", b'{"scope":[]}')
    assert body == b"{}"
    asked = server.asked[0]
    assert (asked.method, asked.target, asked.body) == ("POST", "/a/dcp/presentations/query", b'{"scope":[]}')
    assert asked.headers["authorization"] == "Bearer x.y.z"


@pytest.mark.parametrize(("status", "is_temporary"), [("403 No", False), ("503 Busy", True)])
async def test_a_service_that_refuses_is_told_from_one_that_is_away(
    status: str, is_temporary: bool, egress: Egress
) -> None:
    async with loopback_server(respond(status=status)) as server:
        with pytest.raises(Unavailable) as refusal:
            await CredentialServices(egress).query(server.url("/dcp"), "Bearer x", b"{}")
    assert refusal.value.is_temporary is is_temporary
