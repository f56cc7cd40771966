"""A time stamp authority over HTTP, honest and otherwise."""

from datetime import UTC, datetime

import pytest

from ashiato.clients.egress import Egress, EgressRules
from ashiato.clients.time_stamps import NoTimeStamp, TimeStampAuthority
from ashiato.trust.timestamps import MAX_RESPONSE_BYTES
from tests.clients.loopback_server import loopback_server, send
from tests.stamping import START, Answer, StampAuthority, serving

TEXT = b"eyJ..c2ln"
AUTHORITY = StampAuthority()
LOOPBACK = EgressRules(unsafe_allow_loopback=True)


async def stamp(url: str, rules: EgressRules = LOOPBACK) -> datetime:
    async with Egress(rules) as egress:
        found = await TimeStampAuthority(egress, url, AUTHORITY.anchors).stamp(TEXT, 7)
    return datetime.fromtimestamp(found.at_ms / 1000, UTC)


async def test_a_query_is_posted_with_its_type_and_its_answer_checked() -> None:
    async with serving(AUTHORITY.answer) as server:
        assert await stamp(server.url("/tsr")) == START
    (asked,) = server.asked
    assert (asked.method, asked.target) == ("POST", "/tsr")
    assert asked.headers["content-type"] == "application/timestamp-query"


@pytest.mark.parametrize(
    ("status", "kind", "why"),
    [
        ("503 Busy", "application/timestamp-reply", "503"),
        ("200 OK", "text/html", "text/html"),
        ("302 Found", "application/timestamp-reply", "redirect"),
    ],
)
async def test_what_is_no_answer_of_an_authority_is_none(status: str, kind: str, why: str) -> None:
    async with serving(AUTHORITY.answer, status=status, kind=kind) as server:
        with pytest.raises(NoTimeStamp, match=why):
            await stamp(server.url())


async def test_a_lie_is_told_by_its_name() -> None:
    async with serving(lambda query: AUTHORITY.answer(query, Answer(nonce=8))) as server:
        with pytest.raises(NoTimeStamp, match="wrong_nonce"):
            await stamp(server.url())


async def test_an_answer_without_end_is_cut_off() -> None:
    async with serving(lambda query: bytes(MAX_RESPONSE_BYTES + 1)) as server:
        with pytest.raises(NoTimeStamp, match=f"{MAX_RESPONSE_BYTES}"):
            await stamp(server.url())


async def test_an_authority_that_hangs_up_gives_none() -> None:
    async with loopback_server(send(b"")) as server:
        with pytest.raises(NoTimeStamp):
            await stamp(server.url())


async def test_without_leave_no_inner_address_is_asked() -> None:
    async with serving(AUTHORITY.answer) as server:
        with pytest.raises(NoTimeStamp, match="https"):
            await stamp(server.url(), EgressRules())
    assert server.asked == []
