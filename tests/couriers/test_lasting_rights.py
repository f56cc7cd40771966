"""A running answer whose consumer loses its standing: cut at once, its transfer suspended, and resumed when it is mended."""

import json
import time

import pytest

from ashiato.connector import transfers
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.problems import NotPermitted
from ashiato.connector.records import Asset, Event
from ashiato.dsp.states import TransferState
from ashiato.dsp.transfer import TransferProcess
from ashiato.policy.builder import compare
from ashiato.trust.standing import Standing
from tests.data_clients import SlowReader, ask
from tests.data_plane import CONSUMER, Deal, Side, make_deal, token_of

HUGE = Asset(asset_id="huge", title="huge", source={"kind": "file", "path": "huge.bin"})
HUGE_BYTES = 200_000_000
MEMBERS: dict[str, object] = {
    "permission": [{"action": "use", "constraint": [compare("membership", "eq", "active")]}]
}
MEMBER = Standing(CONSUMER, {"membership": frozenset({"active"})})


@pytest.fixture
async def deal(provider: Side) -> Deal:
    """Large data for members only."""
    with (provider.folder / "huge.bin").open("wb") as file:
        file.truncate(HUGE_BYTES)
    return await make_deal(provider, None, HUGE, rules=MEMBERS)


async def transfer_of(provider: Side, deal: Deal) -> TransferProcess:
    found = await provider.store.read(
        provider.participant_id, lambda uow: uow.transfers.get(deal.provider_pid)
    )
    assert found is not None
    return found


async def lose_membership(provider: Side) -> None:
    """As identity tells it once a list that it refreshed says so."""
    provider.knows(Standing(CONSUMER))
    change = Event(
        name="standing.changed",
        participant_id=provider.participant_id,
        process_id=CONSUMER,
        peer_id=CONSUMER,
    )
    await provider.run(lambda uow: uow.tell(change))


async def test_a_running_pull_is_cut_and_suspended_when_the_membership_is_lost(
    provider: Side, deal: Deal
) -> None:
    provider.knows(MEMBER)
    reader = await SlowReader.begin(provider, deal)
    await reader.read(1_000_000)
    began_s = time.monotonic()
    await lose_membership(provider)
    await reader.read_to_the_end()
    (access,) = await provider.finished_accesses(1)
    assert time.monotonic() - began_s < 1
    assert access.outcome == "cut"
    assert len(reader.received) < HUGE_BYTES
    transfer = await transfer_of(provider, deal)
    assert transfer.state is TransferState.SUSPENDED
    assert transfer.reason is not None
    assert "membership" in str(transfer.reason.reason)


async def test_every_read_is_refused_until_the_membership_is_mended(provider: Side, deal: Deal) -> None:
    url, token = provider.data_url(deal.provider_pid), token_of(provider, deal)
    for method in ("GET", "HEAD"):
        assert (await ask(url, token, method)).status == 403
    part = await ask(url, token, Range="bytes=0-9")
    assert (part.status, json.loads(part.body)["code"]) == (403, "policy-denied")
    assert "membership" in json.loads(part.body)["detail"]
    provider.knows(MEMBER)
    assert (await ask(url, token, Range="bytes=0-9")).status == 206


async def test_a_suspended_transfer_is_resumed_only_by_who_has_its_standing_again(
    provider: Side, deal: Deal
) -> None:
    provider.knows(MEMBER)
    reader = await SlowReader.begin(provider, deal)
    await lose_membership(provider)
    await reader.read_to_the_end()
    await provider.finished_accesses(1)
    tenant = provider.node.tenants.by_id(provider.participant_id)
    assert tenant is not None

    async def resume(peer: Standing) -> None:
        moment = provider.clock.moment()

        def work(uow: UnitOfWork) -> None:
            transfers.start(uow, tenant.company, deal.provider_pid, peer, moment)

        await provider.run(work)

    with pytest.raises(NotPermitted, match="membership"):
        await resume(Standing(CONSUMER))
    await resume(MEMBER)
    provider.knows(MEMBER)
    part = await ask(provider.data_url(deal.provider_pid), token_of(provider, deal), Range="bytes=0-9")
    assert part.status == 206


async def test_what_is_asked_of_everybody_is_asked_at_every_read_whatever_the_agreement_says(
    provider: Side,
) -> None:
    record = Asset(asset_id="open", title="open", source={"kind": "record"})
    deal = await make_deal(provider, None, record, body=b"open to all partners")
    url, token = provider.data_url(deal.provider_pid), token_of(provider, deal)
    assert (await ask(url, token)).status == 200
    provider.knows(Standing(CONSUMER, lacks=("MembershipCredential",)))
    for answer in (await ask(url, token), await ask(url, token, Range="bytes=0-3")):
        assert (answer.status, json.loads(answer.body)["code"]) == (403, "policy-denied")
        assert "MembershipCredential" in json.loads(answer.body)["detail"]
    assert (await ask(url, token, "HEAD")).status == 403
