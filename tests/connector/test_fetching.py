"""The order "get this dataset from that company", through negotiation and transfer to its end."""

import msgspec
import pytest

from ashiato.connector import data_receipt, fetching, transfers
from ashiato.connector.data_access import AccessOutcome
from ashiato.connector.data_receipt import Attempt, Landed
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound, WrongState
from ashiato.connector.records import AgreementState, Approval, Fetch, FetchState, ReceivedData
from ashiato.connector.strategies import Act
from ashiato.dsp.states import NegotiationState, TransferState
from ashiato.outbox.deliveries import DeliveryKind
from ashiato.policy.builder import permit
from tests.connector.firms import START_MS, Firm, Street

PULL = transfers.PULL_FORMAT


async def order(
    consumer: Firm, provider: Firm, asset_id: str, offer: dict[str, object] | None, wire_format: str = PULL
) -> Fetch:
    return await consumer.run(
        lambda uow, moment: fetching.begin(
            uow, consumer.company, provider.partner, asset_id, offer, wire_format, moment
        )
    )


async def seen(firm: Firm, fetch_id: str) -> Fetch:
    found = await firm.read(lambda uow: uow.transfers.fetch(fetch_id))
    assert found is not None
    return found


async def talk(street: Street) -> None:
    """Deliver the messages and leave the orders to move data where they are."""
    for _ in range(100):
        messages = [found for found in await street.due(100) if found.kind is DeliveryKind.MESSAGE]
        if not messages:
            return
        await street.courier.make(messages[0])
    raise AssertionError("the companies do not come to an end")


async def land(firm: Firm, transfer_pid: str) -> ReceivedData | None:
    """The data came in, whole and verified."""
    attempt = Attempt(
        access_id="access",
        method="GET",
        range_start_bytes=0,
        received_bytes=3,
        sha256="00",
        outcome=AccessOutcome.COMPLETE,
        started_ms=START_MS,
    )
    landed = Landed(file_name="f", media_type="application/json", size_bytes=3, sha256="00")
    return await firm.run(
        lambda uow, moment: data_receipt.take(uow, firm.company, transfer_pid, landed, attempt, moment)
    )


async def test_an_order_goes_through_negotiation_and_transfer_to_the_received_data(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811")
    begun = await order(cells, maker, "nmc811", await cells.catalog_offer(maker, "nmc811"))
    assert (begun.state, begun.agreement_id) == (FetchState.NEGOTIATING, None)
    await talk(street)
    going = await seen(cells, begun.fetch_id)
    assert going.state is FetchState.TRANSFERRING
    assert going.transfer_pid is not None
    (agreement,) = await cells.agreements()
    assert going.agreement_id == agreement.agreement_id
    received = await land(cells, going.transfer_pid)
    assert received is not None
    done = await seen(cells, begun.fetch_id)
    assert (done.state, done.received_id, done.problem) == (FetchState.DONE, received.received_id, None)
    await talk(street)
    assert [found.state for found in await maker.transfers()] == [TransferState.COMPLETED]
    assert "fetch.done" in await cells.events()
    with pytest.raises(WrongState):
        await cells.run(lambda uow, moment: fetching.cancel(uow, cells.company, begun.fetch_id, moment))


async def test_an_order_without_an_offer_goes_on_under_an_agreement_that_is_at_hand(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811")
    agreement = await cells.agree(maker, "nmc811")
    begun = await order(cells, maker, "nmc811", None)
    assert (begun.state, begun.agreement_id) == (FetchState.TRANSFERRING, agreement.agreement_id)
    # With an offer named, a new agreement is wanted.
    another = await order(cells, maker, "nmc811", await cells.catalog_offer(maker, "nmc811"))
    assert another.state is FetchState.NEGOTIATING
    await talk(street)
    assert len(await cells.usable_agreements()) == 2


async def test_an_agreement_that_ended_or_expired_is_not_at_hand(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811", rules=permit("use", until_ms=START_MS + 10_000))
    agreement = await cells.agree(maker, "nmc811")

    async def at_hand() -> str | None:
        now_ms = street.clock.now_ms
        found = await cells.read(lambda uow: fetching.usable_agreement(uow, maker.did, "nmc811", now_ms))
        return None if found is None else found.agreement_id

    assert await at_hand() == agreement.agreement_id
    street.clock.now_ms = START_MS + 20_000
    assert await at_hand() is None
    street.clock.now_ms = START_MS + 5000
    ended = msgspec.structs.replace(agreement, state=AgreementState.TERMINATED)
    await cells.run(lambda uow, moment: uow.contracts.put_agreement(ended))
    assert await at_hand() is None
    with pytest.raises(NotFound):
        await order(cells, maker, "nmc811", None)


async def test_data_without_an_end_is_fetched_as_it_is_now(street: Street, maker: Firm, cells: Firm) -> None:
    await maker.publish("nmc811", finite=False)
    begun = await order(cells, maker, "nmc811", await cells.catalog_offer(maker, "nmc811"))
    await talk(street)
    going = await seen(cells, begun.fetch_id)
    assert going.transfer_pid is not None
    pid = going.transfer_pid
    orders = await cells.read(lambda uow: uow.outbox.of_process(transfers.data_process(pid)))
    assert [found.kind for found in orders] == [DeliveryKind.PULL]


async def test_an_order_that_is_refused_fails_with_the_reason(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811", rules=permit("use", until_ms=START_MS - 1))
    begun = await order(cells, maker, "nmc811", await cells.catalog_offer(maker, "nmc811"))
    await talk(street)
    failed = await seen(cells, begun.fetch_id)
    assert failed.state is FetchState.FAILED
    assert failed.problem is not None
    assert "2027-01-15T07:59:59.999" in failed.problem
    assert "fetch.failed" in await cells.events()


async def test_an_order_whose_agreement_gives_no_right_yet_fails_with_the_reason(
    street: Street, maker: Firm, cells: Firm
) -> None:
    # Agreed at once, but the data may be had only later: nothing can be transferred now.
    await maker.publish("nmc811", rules=permit("use", max_uses=0))
    begun = await order(cells, maker, "nmc811", await cells.catalog_offer(maker, "nmc811"))
    await talk(street)
    failed = await seen(cells, begun.fetch_id)
    assert failed.state is FetchState.FAILED
    assert failed.problem is not None
    assert "count" in failed.problem
    (negotiation,) = await cells.negotiations()
    assert negotiation.state is NegotiationState.FINALIZED


@pytest.mark.parametrize("what", ["terminate", "complete"])
async def test_an_order_fails_when_the_provider_ends_its_transfer_before_the_data_is_here(
    street: Street, maker: Firm, cells: Firm, what: str
) -> None:
    await maker.publish("nmc811")
    begun = await order(cells, maker, "nmc811", await cells.catalog_offer(maker, "nmc811"))
    await talk(street)
    (theirs,) = await maker.transfers()

    def end(uow: UnitOfWork, moment: Moment) -> object:
        if what == "complete":
            return transfers.complete(uow, maker.company, theirs.own_pid, moment)
        return transfers.terminate(uow, maker.company, theirs.own_pid, "recalled", moment)

    await maker.run(end)
    await talk(street)
    failed = await seen(cells, begun.fetch_id)
    assert failed.state is FetchState.FAILED
    assert failed.problem is not None
    assert ("recalled" if what == "terminate" else "before the data was here") in failed.problem
    going = failed.transfer_pid
    assert going is not None
    assert await land(cells, going) is None


async def test_an_order_is_cancelled_in_each_of_its_steps(street: Street, maker: Firm, cells: Firm) -> None:
    await maker.publish("nmc811", approval=Approval.MANUAL)
    offer = await cells.catalog_offer(maker, "nmc811")

    async def cancel(fetch: Fetch) -> FetchState:
        await cells.run(lambda uow, moment: fetching.cancel(uow, cells.company, fetch.fetch_id, moment))
        await talk(street)
        return (await seen(cells, fetch.fetch_id)).state

    at_once = await order(cells, maker, "nmc811", offer)
    assert await cancel(at_once) is FetchState.CANCELLED
    negotiating = await order(cells, maker, "nmc811", offer)
    await talk(street)
    assert await cancel(negotiating) is FetchState.CANCELLED
    assert {found.state for found in await maker.negotiations()} == {NegotiationState.TERMINATED}
    agreed = await order(cells, maker, "nmc811", offer)
    await talk(street)
    (waiting,) = await maker.inbox()
    await maker.do(waiting.negotiation_pid, Act.AGREE)
    while (await cells.negotiation(agreed.negotiation_pid or "")).state is not NegotiationState.VERIFIED:
        assert await street.deliver_one()
    # Too late to end the negotiation: it is made final, and nothing is fetched under it.
    assert await cancel(agreed) is FetchState.CANCELLED
    assert await cells.transfers() == []
    transferring = await order(cells, maker, "nmc811", None)
    await talk(street)
    assert await cancel(transferring) is FetchState.CANCELLED
    assert [found.state for found in await maker.transfers()] == [TransferState.TERMINATED]
    with pytest.raises(NotFound):
        await cells.run(lambda uow, moment: fetching.cancel(uow, cells.company, "never-was", moment))


async def test_a_format_that_nobody_speaks_is_refused_before_anything_is_negotiated(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811")
    with pytest.raises(Invalid, match="format"):
        await order(cells, maker, "nmc811", await cells.catalog_offer(maker, "nmc811"), "Carrier-Pigeon")
    assert await cells.negotiations() == []
