"""Ids are chosen by whoever makes the thing: a hostile counterparty chooses those of something else."""

import pytest

from ashiato.connector import negotiations, transfers
from ashiato.connector.problems import Invalid
from ashiato.dsp.messages import ContractAgreementMessage, ContractOfferMessage, TransferProcessAck
from ashiato.dsp.states import NegotiationState, TransferState
from ashiato.trust.standing import Standing
from tests.connector.firms import ANY, Firm, Street

PULL = "HttpData-PULL"


async def test_a_provider_that_answers_two_requests_with_one_pid_loses_the_second_negotiation(
    street: Street, maker: Firm, cells: Firm
) -> None:
    """Not to be tried for ever: no later try could store the answer either."""
    await maker.publish("a", "b")
    pids = [await cells.request(maker, await cells.catalog_offer(maker, name)) for name in ("a", "b")]
    street.channel.pid_of_the_other = "same"
    for delivery in await street.due(2):
        await street.try_delivery(delivery)
    first, second = [await cells.negotiation(pid) for pid in pids]
    assert (first.state, first.peer_pid) == (NegotiationState.REQUESTED, "same")
    assert second.state is NegotiationState.TERMINATED
    assert second.reason is not None
    assert "another negotiation" in negotiations.in_words(second.reason)
    assert {delivery.process_id for delivery in await street.due(10)}.isdisjoint(pids)


async def test_a_message_that_names_the_pid_of_another_negotiation_is_refused(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("a", "b")
    pids = [await cells.request(maker, await cells.catalog_offer(maker, name)) for name in ("a", "b")]
    for pid, is_first in zip(pids, (True, False), strict=True):
        offer = {"@id": "o", "@type": "Offer", "target": "a" if is_first else "b", **ANY}
        message = ContractOfferMessage(provider_pid="same", consumer_pid=pid, offer=offer)

        async def receive(pid: str = pid, message: ContractOfferMessage = message) -> None:
            await cells.run(
                lambda uow, moment: negotiations.received(
                    uow, cells.company, Standing(maker.did), pid, message, moment
                )
            )

        if is_first:
            await receive()
        else:
            with pytest.raises(Invalid, match="another negotiation"):
                await receive()
    assert (await cells.negotiation(pids[1])).state is NegotiationState.REQUESTED


async def test_a_provider_that_answers_two_transfer_requests_with_one_pid_loses_the_second(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("a")
    agreement = await cells.agree(maker, "a")

    async def ask() -> str:
        return (
            await cells.run(
                lambda uow, moment: transfers.request(
                    uow, cells.company, agreement.agreement_id, PULL, maker.partner.address, moment
                )
            )
        ).own_pid

    pids = [await ask(), await ask()]
    for pid in pids:
        ack = TransferProcessAck(provider_pid="same", consumer_pid=pid, state=TransferState.REQUESTED)

        def acknowledge(uow: object, moment: object, pid: str = pid, ack: TransferProcessAck = ack) -> None:
            transfers.acknowledged(uow, cells.company, pid, ack, moment)  # type: ignore[arg-type]  # as `Firm.run` gives them

        await cells.run(acknowledge)
    states = {transfer.own_pid: transfer.state for transfer in await cells.transfers()}
    assert states == {pids[0]: TransferState.REQUESTED, pids[1]: TransferState.TERMINATED}


async def test_an_agreement_with_the_id_of_an_agreement_that_we_gave_is_refused(
    street: Street, maker: Firm, cells: Firm, rival: Firm
) -> None:
    """The rival sells something to the maker, under the id of the agreement that the maker has with the cell maker."""
    await maker.publish("a")
    given = await cells.agree(maker, "a")
    await rival.publish("b")
    pid = await maker.request(rival, await maker.catalog_offer(rival, "b"))
    message = ContractAgreementMessage(
        provider_pid="r-1",
        consumer_pid=pid,
        agreement={
            "@id": given.agreement_id,
            "@type": "Agreement",
            "target": "b",
            "assigner": rival.did,
            "assignee": maker.did,
            **ANY,
        },
    )
    with pytest.raises(Invalid, match="exists already"):
        await maker.run(
            lambda uow, moment: negotiations.received(
                uow, maker.company, Standing(rival.did), pid, message, moment
            )
        )
    kept = await maker.read(lambda uow: uow.contracts.agreement(given.agreement_id))
    assert kept is not None
    assert (kept.peer_id, kept.asset_id, kept.finalized) == (cells.did, "a", True)
