"""Three companies hosted in one program: they trade with each other as with anybody, and none reaches what is another's."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest
from structlog.testing import capture_logs
from yarl import URL

from ashiato.connector import fetching, negotiations, transfers
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import NotFound
from ashiato.connector.records import Approval, FetchState, ReceivedData
from ashiato.connector.strategies import Act, Reaction
from ashiato.dsp.states import NegotiationState, TransferState
from ashiato.trust.standing import Standing
from ashiato.wiring.adapters import Prover
from ashiato.wiring.program import now
from tests.exchange import Member, running

Hosted = tuple[Member, Member, Member]


@pytest.fixture
async def hosted(tmp_path: Path, store_url: str) -> AsyncIterator[Hosted]:
    """A maker, a cell maker and a rival in one program on one store."""
    async with running(tmp_path, "maker", "cells", "rival", store_url=store_url) as (maker, cells, rival):
        yield maker, cells, rival


async def _told_of_others(member: Member) -> list[str]:
    """The events in its history beside the first publication of its own DID document."""
    return [
        entry.event
        for entry in await member.history()
        if (entry.event, entry.process_id) != ("did.changed", member.did)
    ]


async def test_companies_of_one_program_trade_with_each_other(hosted: Hosted) -> None:
    maker, cells, rival = hosted
    await maker.offer("nmc811")
    for wire_format in transfers.FORMATS:
        done = await cells.fetch(maker, "nmc811", wire_format)
        assert (wire_format, done.state, done.problem) == (wire_format, FetchState.DONE, None)
    assert await maker.outbox_is_empty()
    assert await _told_of_others(rival) == []


async def test_the_same_names_mean_different_things_to_each_company(hosted: Hosted) -> None:
    maker, cells, rival = hosted
    await maker.offer("nmc811", body=b'"of maker"')
    await rival.offer("nmc811", body=b'"of rival"')
    for provider in (maker, rival):
        fetch = await cells.fetch(provider, "nmc811")
        received = await cells.read(_looking(LOOKS["received data"], fetch.received_id or ""))
        assert isinstance(received, ReceivedData)
        assert (received.peer_id, received.size_bytes) == (provider.did, 10)
    await rival.run(lambda uow, moment: uow.assets.delete_asset("nmc811"))
    assert (await cells.fetch(maker, "nmc811")).state is FetchState.DONE


async def _a_held_request_and_a_transfer(maker: Member, cells: Member) -> dict[str, str]:
    """Ids of the maker and of the cell maker that nobody else may use."""
    await maker.offer("nmc811")
    await maker.offer("by-hand", offer_id="by-hand", approval=Approval.MANUAL)
    fetch = await cells.fetch(maker, "nmc811")
    opened = await cells.negotiate(maker, "by-hand")
    held = await maker.until(
        lambda uow: next(iter(uow.negotiations.page("", 1, state=NegotiationState.REQUESTED)), None)
    )
    transfer = await maker.only_transfer()
    await maker.transfer(transfer.own_pid, TransferState.COMPLETED)
    assert await maker.outbox_is_empty()
    assert fetch.agreement_id is not None
    assert fetch.received_id is not None
    return {
        "held": held.own_pid,
        "asked": opened.own_pid,
        "provided": transfer.own_pid,
        "consumed": fetch.transfer_pid or "",
        "agreement": fetch.agreement_id,
        "fetch": fetch.fetch_id,
        "received": fetch.received_id,
        "asset": "nmc811",
        "offer": "by-hand",
        "policy": "by-hand-rules",
    }


Probe = Callable[[UnitOfWork, Member, Moment, str], object]
PROBES: dict[str, Probe] = {
    "read a negotiation": lambda uow, me, moment, it: negotiations.own(uow, it),
    "act in a negotiation": lambda uow, me, moment, it: negotiations.do(
        uow, me.tenant.company, it, Reaction(act=Act.TERMINATE), moment
    ),
    "approve": lambda uow, me, moment, it: negotiations.do(
        uow, me.tenant.company, it, Reaction(act=Act.AGREE), moment
    ),
    "read a transfer": lambda uow, me, moment, it: transfers.own(uow, it),
    "end a transfer": lambda uow, me, moment, it: transfers.terminate(uow, me.tenant.company, it, "", moment),
    "start a transfer": lambda uow, me, moment, it: transfers.start(
        uow, me.tenant.company, it, Standing("did:web:cells.example"), moment
    ),
    "end an agreement": lambda uow, me, moment, it: transfers.end_agreement(
        uow, me.tenant.company, it, "", moment
    ),
    "use an agreement": lambda uow, me, moment, it: transfers.request(
        uow, me.tenant.company, it, transfers.PULL_FORMAT, me.address, moment
    ),
    "cancel an order": lambda uow, me, moment, it: fetching.cancel(uow, me.tenant.company, it, moment),
}
LOOKS: dict[str, Callable[[UnitOfWork, str], object]] = {
    "negotiation": lambda uow, it: uow.negotiations.get(it),
    "context of a negotiation": lambda uow, it: uow.negotiations.context(it) or None,
    "approval": lambda uow, it: uow.negotiations.approvable(it),
    "transfer": lambda uow, it: uow.transfers.get(it),
    "context of a transfer": lambda uow, it: uow.transfers.context(it) or None,
    "agreement": lambda uow, it: uow.contracts.agreement(it),
    "order": lambda uow, it: uow.transfers.fetch(it),
    "order of a process": lambda uow, it: uow.transfers.fetch_of_process(it),
    "received data": lambda uow, it: uow.transfers.received(it),
    "asset": lambda uow, it: uow.assets.asset(it),
    "record": lambda uow, it: uow.assets.record(it),
    "offer": lambda uow, it: uow.assets.offer(it),
    "policy": lambda uow, it: uow.assets.policy(it),
    "deliveries": lambda uow, it: uow.outbox.of_process(it) or None,
    "history": lambda uow, it: uow.records.list_history(0, 10, process_id=it) or None,
}


def _looking(look: Callable[[UnitOfWork, str], object], it: str) -> Callable[[UnitOfWork], object]:
    return lambda uow: look(uow, it)


def _probing(probe: Probe, member: Member, it: str) -> Callable[[UnitOfWork, Moment], object]:
    return lambda uow, moment: probe(uow, member, moment, it)


async def test_no_company_reaches_what_is_anothers_by_its_id(hosted: Hosted) -> None:
    maker, cells, rival = hosted
    ids = await _a_held_request_and_a_transfer(maker, cells)
    before = [await member.history() for member in (maker, cells)]
    for it in ids.values():
        for name, look in LOOKS.items():
            assert (name, it, await rival.read(_looking(look, it))) == (name, it, None)
        for name, probe in PROBES.items():
            sentences = set()
            for known in (it, "never-was"):
                with pytest.raises(NotFound) as refusal:
                    await rival.run(_probing(probe, rival, known))
                sentences.add(refusal.value.sentence.replace(known, ""))
            assert len(sentences) == 1, name
    # Each look finds something for somebody, so that it could have found it for the rival too.
    found = {
        name
        for name, look in LOOKS.items()
        for it in ids.values()
        for member in (maker, cells)
        if await member.read(_looking(look, it)) is not None
    }
    assert found == set(LOOKS) - {"deliveries"}
    assert [await member.history() for member in (maker, cells)] == before
    assert await _told_of_others(rival) == []


async def test_no_company_reaches_what_is_anothers_by_path_or_token(hosted: Hosted) -> None:
    maker, cells, rival = hosted
    await maker.offer("nmc811", finite=False)
    opened = await cells.negotiate(maker, "nmc811")
    final = await cells.negotiation(opened.own_pid, NegotiationState.FINALIZED)
    assert final.agreement is not None
    agreement_id = str(final.agreement["@id"])
    asked = await cells.run(
        lambda uow, moment: transfers.request(
            uow, cells.tenant.company, agreement_id, transfers.PULL_FORMAT, maker.address, moment
        )
    )
    started = await cells.transfer(asked.own_pid, TransferState.STARTED)
    assert started.data_address is not None
    endpoint = started.data_address.endpoint or ""
    access = started.data_address.properties["authorization"]
    prover = Prover(cells.program.tenancy)

    def opening(url: str, holder: Member) -> dict[str, str]:
        """The access token, with the proof that `holder` uses it for this address."""
        proof = prover.proof_for(holder.did, "GET", url, access, now())
        return {"Authorization": f"Bearer {access}", "DPoP": proof}

    async with aiohttp.ClientSession() as session:

        async def status(method: str, url: str, headers: dict[str, str]) -> int:
            async with session.request(method, URL(url, encoded=True), headers=headers) as answer:
                await answer.read()
                return answer.status

        assert await status("GET", endpoint, opening(endpoint, cells)) == 200
        assert await status("GET", endpoint, opening(endpoint, rival)) == 401
        # The token opens the maker's door and none beside it, under whatever name.
        for other in (cells, rival):
            elsewhere = endpoint.replace("/maker/", f"/{other.slug}/")
            assert await status("GET", elsewhere, opening(elsewhere, cells)) == 401
        # The rival proves who it is, and still does not see what is between the others.
        for slug, path in (
            ("maker", f"negotiations/{final.peer_pid}"),
            ("cells", f"negotiations/{final.own_pid}"),
            ("rival", f"negotiations/{final.own_pid}"),
            ("maker", f"transfers/{started.peer_pid}"),
            ("cells", f"transfers/{started.own_pid}"),
        ):
            listener = next(member for member in hosted if member.slug == slug)
            moment = now()
            token = await rival.program.node.identity.token_for(
                rival.did, listener.did, moment.now_ms, moment.fresh_id()
            )
            assert await status("GET", f"{listener.address}/{path}", {"Authorization": token}) == 404
            # Its token for one company is nothing to another.
            wrong = await rival.program.node.identity.token_for(
                rival.did, rival.did if listener is not rival else maker.did, moment.now_ms, moment.fresh_id()
            )
            assert await status("GET", f"{listener.address}/{path}", {"Authorization": wrong}) == 401
    assert await _told_of_others(rival) == []


async def test_every_line_of_the_log_names_its_participant(hosted: Hosted) -> None:
    maker, cells, rival = hosted
    await maker.offer("nmc811", access={"permission": [{"action": "use", "assignee": rival.did}]})
    with capture_logs() as lines:
        refused = await cells.run(
            lambda uow, moment: negotiations.request(
                uow,
                cells.tenant.company,
                maker.partner,
                {"@id": "offer:nmc811", "target": "nmc811", "permission": [{"action": "use"}]},
                moment,
            )
        )
        await cells.negotiation(refused.own_pid, NegotiationState.TERMINATED)
        assert await cells.outbox_is_empty()
    said = {(line["event"], line.get("participant")) for line in lines}
    assert ("message refused", maker.did) in said
    assert ("delivery not made", cells.did) in said
    assert {participant for _, participant in said} <= {maker.did, cells.did}


async def test_a_company_that_is_suspended_is_not_served_and_the_others_are(hosted: Hosted) -> None:
    maker, cells, rival = hosted
    await maker.offer("nmc811")
    address, did = rival.address, rival.did
    await maker.program.registry.suspend("rival")
    async with aiohttp.ClientSession() as session, session.get(f"{address}/negotiations/x") as answer:
        assert answer.status == 404
    assert maker.program.tenancy.by_id(did) is None
    assert (await cells.fetch(maker, "nmc811")).state is FetchState.DONE
