"""Transfer processes between companies, from the request to the end, on each kind of store."""

from functools import partial
from typing import Any

import msgspec
import pytest

from ashiato.connector import negotiations, transfers
from ashiato.connector.data_address import TokenDoor
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound, NotPermitted, QuotaExceeded, WrongState
from ashiato.connector.records import AgreementRecord, AgreementState
from ashiato.connector.strategies import Automatic
from ashiato.dsp.errors import MismatchedMessage
from ashiato.dsp.messages import DataAddress, TransferRequestMessage, TransferTerminationMessage
from ashiato.dsp.states import Role
from ashiato.dsp.states import TransferState as State
from ashiato.dsp.transfer import TransferProcess
from ashiato.outbox.deliveries import Delivery, DeliveryKind
from ashiato.policy.builder import permit
from ashiato.trust.standing import Standing
from tests.connector.firms import START_MS, Fate, Firm, Street

PULL, PUSH = transfers.PULL_FORMAT, transfers.PUSH_FORMAT
DAY_MS = 86_400_000


class ByHand(Automatic):
    """Leaves it to a person to start a transfer."""

    def hand_over(self, uow: UnitOfWork, transfer: TransferProcess, now_ms: int) -> bool:
        return False


async def request(
    consumer: Firm, provider: Firm, agreement: AgreementRecord, wire_format: str = PULL
) -> TransferProcess:
    return await consumer.run(
        lambda uow, moment: transfers.request(
            uow,
            consumer.company,
            agreement.agreement_id,
            wire_format,
            provider.company.callback_address,
            moment,
        )
    )


async def requested(provider: Firm, caller: Firm, **members: Any) -> TransferProcess:
    message = TransferRequestMessage(
        **{
            "consumer_pid": "c-1",
            "format": PULL,
            "callback_address": "https://cells.example/cells/dsp/2025-1",
            **members,
        }
    )
    return await provider.run(
        lambda uow, moment: transfers.requested(uow, provider.company, Standing(caller.did), message, moment)
    )


async def act(firm: Firm, what: str, pid: str, reason: str = "") -> TransferProcess:
    def work(uow: UnitOfWork, moment: Moment) -> TransferProcess:
        match what:
            case "start":
                return transfers.start(
                    uow, firm.company, pid, Standing(transfers.own(uow, pid).peer_id), moment
                )
            case "suspend":
                return transfers.suspend(uow, firm.company, pid, reason, moment)
            case "complete":
                return transfers.complete(uow, firm.company, pid, moment)
            case _:
                return transfers.terminate(uow, firm.company, pid, reason, moment)

    return await firm.run(work)


async def states(*firms: Firm) -> list[State]:
    return [transfer.state for firm in firms for transfer in await firm.transfers()]


async def data_orders(firm: Firm, pid: str) -> list[Delivery]:
    return await firm.read(lambda uow: uow.outbox.of_process(transfers.data_process(pid)))


async def talk(street: Street) -> None:
    """Deliver the messages and leave the orders to move data where they are."""
    for _ in range(100):
        due = await street.due(100)
        messages = [delivery for delivery in due if delivery.kind is DeliveryKind.MESSAGE]
        if not messages:
            return
        await street.courier.make(messages[0])
    raise AssertionError("the companies do not come to an end")


async def running(
    street: Street, maker: Firm, cells: Firm, **offered: Any
) -> tuple[TransferProcess, TransferProcess]:
    """A started pull, as the consumer and as the provider see it."""
    await maker.publish("nmc811", **offered)
    await request(cells, maker, await cells.agree(maker, "nmc811"))
    await talk(street)
    (ours,), (theirs,) = await cells.transfers(), await maker.transfers()
    assert (ours.state, theirs.state) == (State.STARTED, State.STARTED)
    return ours, theirs


async def test_a_pull_starts_with_the_address_of_the_provider(
    street: Street, maker: Firm, cells: Firm
) -> None:
    ours, theirs = await running(street, maker, cells)
    assert ours.peer_pid == theirs.own_pid
    assert ours.data_address == theirs.data_address
    assert ours.data_address is not None
    assert ours.data_address.endpoint == f"https://maker.example/maker/data/{theirs.own_pid}"
    assert ours.data_address.properties["authorization"].count(".") == 2
    (order,) = await data_orders(cells, ours.own_pid)
    assert (order.kind, order.body) == (DeliveryKind.PULL, ours.own_pid.encode())
    assert await data_orders(maker, theirs.own_pid) == []
    assert await cells.read(lambda uow: transfers.data_address_of(uow, ours.own_pid)) == ours.data_address


async def test_a_push_starts_towards_the_address_of_the_consumer(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811")
    asked = await request(cells, maker, await cells.agree(maker, "nmc811"), PUSH)
    await talk(street)
    (theirs,) = await maker.transfers()
    assert theirs.state is State.STARTED
    assert theirs.data_address is not None
    assert theirs.data_address.endpoint == f"https://cells.example/cells/inbox/{asked.own_pid}"
    (order,) = await data_orders(maker, theirs.own_pid)
    assert (order.kind, order.body) == (DeliveryKind.PUSH, theirs.own_pid.encode())
    assert await data_orders(cells, asked.own_pid) == []


async def test_data_without_an_end_is_left_to_the_consumers_own_systems(
    street: Street, maker: Firm, cells: Firm
) -> None:
    ours, _ = await running(street, maker, cells, finite=False)
    assert await data_orders(cells, ours.own_pid) == []
    address = await cells.read(lambda uow: transfers.data_address_of(uow, ours.own_pid))
    assert address is not None
    assert address.properties[transfers.FINITE_PROPERTY] == "false"
    await act(cells, "complete", ours.own_pid)
    await talk(street)
    assert await states(cells, maker) == [State.COMPLETED, State.COMPLETED]
    assert await cells.read(lambda uow: transfers.data_address_of(uow, ours.own_pid)) is None


@pytest.mark.parametrize("suspends", ["cells", "maker"])
@pytest.mark.parametrize("resumes", ["cells", "maker"])
async def test_either_side_suspends_and_either_side_resumes(
    street: Street, maker: Firm, cells: Firm, suspends: str, resumes: str
) -> None:
    ours, theirs = await running(street, maker, cells)
    pids = {"cells": ours.own_pid, "maker": theirs.own_pid}
    await act(street.firms[suspends], "suspend", pids[suspends], "maintenance")
    if suspends == "cells":
        assert await data_orders(cells, ours.own_pid) == []
    await talk(street)
    assert await states(cells, maker) == [State.SUSPENDED, State.SUSPENDED]
    (suspended,) = await street.firms["cells"].transfers()
    assert suspended.reason is not None
    assert negotiations.in_words(suspended.reason) == "maintenance"
    assert suspended.suspended_by is (Role.CONSUMER if suspends == "cells" else Role.PROVIDER)
    assert await data_orders(cells, ours.own_pid) == []
    await act(street.firms[resumes], "start", pids[resumes])
    await talk(street)
    assert await states(cells, maker) == [State.STARTED, State.STARTED]
    assert len(await data_orders(cells, ours.own_pid)) == 1


@pytest.mark.parametrize("ends", ["cells", "maker"])
@pytest.mark.parametrize("what", ["complete", "terminate"])
async def test_either_side_ends_a_running_transfer(
    street: Street, maker: Firm, cells: Firm, ends: str, what: str
) -> None:
    ours, theirs = await running(street, maker, cells)
    pids = {"cells": ours.own_pid, "maker": theirs.own_pid}
    await act(street.firms[ends], what, pids[ends], "enough")
    assert await data_orders(street.firms[ends], pids[ends]) == []
    await talk(street)
    end = State.COMPLETED if what == "complete" else State.TERMINATED
    assert await states(cells, maker) == [end, end]
    assert await data_orders(cells, ours.own_pid) == []
    for firm, pid in ((cells, ours.own_pid), (maker, theirs.own_pid)):
        for again in ("start", "suspend", "complete", "terminate"):
            with pytest.raises(WrongState):
                await act(firm, again, pid)


async def test_a_person_starts_a_transfer_where_the_company_wants_it(street: Street) -> None:
    maker, cells = street.firm("maker", strategy=ByHand()), street.firm("cells")
    await maker.publish("nmc811")
    await request(cells, maker, await cells.agree(maker, "nmc811"))
    await talk(street)
    assert await states(cells, maker) == [State.REQUESTED, State.REQUESTED]
    (waiting,) = await maker.transfers()
    await act(maker, "start", waiting.own_pid)
    await talk(street)
    assert await states(cells, maker) == [State.STARTED, State.STARTED]


@pytest.mark.parametrize("fate", [Fate.LOST, Fate.ANSWER_LOST, Fate.LATE, Fate.FAILS, Fate.GARBAGE])
async def test_a_transfer_that_is_ended_before_the_first_answer_ends_on_both_sides(
    street: Street, fate: Fate
) -> None:
    maker, cells = street.firm("maker", strategy=ByHand()), street.firm("cells")
    await maker.publish("nmc811")
    agreement = await cells.agree(maker, "nmc811")
    street.channel.fate = lambda method, path: fate
    asked = await request(cells, maker, agreement)
    await street.deliver_one()
    await act(cells, "terminate", asked.own_pid, "ordered by mistake")
    street.channel.fate = lambda method, path: Fate.ARRIVES
    for arrive in street.channel.late:
        await arrive()
    await talk(street)
    assert await states(cells, maker) == [State.TERMINATED, State.TERMINATED]
    (theirs,) = await maker.transfers()
    assert theirs.reason is not None
    assert negotiations.in_words(theirs.reason) == "ordered by mistake"


@pytest.mark.parametrize("fate", [Fate.ANSWER_LOST, Fate.LATE, Fate.GARBAGE])
async def test_a_transfer_that_was_started_while_it_was_withdrawn_ends_on_both_sides(
    street: Street, maker: Firm, cells: Firm, fate: Fate
) -> None:
    await maker.publish("nmc811")
    agreement = await cells.agree(maker, "nmc811")
    street.channel.fate = lambda method, path: fate
    asked = await request(cells, maker, agreement)
    await street.deliver_one()
    await act(cells, "terminate", asked.own_pid, "ordered by mistake")
    street.channel.fate = lambda method, path: Fate.ARRIVES
    for arrive in street.channel.late:
        await arrive()
    assert await states(maker) == [State.STARTED]
    await talk(street)
    assert await states(cells, maker) == [State.TERMINATED, State.TERMINATED]
    # The consumer's state is believed, though it has not heard of the provider's pid.
    (theirs,) = await maker.transfers()
    assert theirs.reason is not None
    assert "states that it is TERMINATED" in negotiations.in_words(theirs.reason)
    assert await data_orders(cells, asked.own_pid) == []


@pytest.mark.parametrize("ends", ["cells", "maker"])
async def test_when_an_agreement_ends_its_transfers_end_on_both_sides(
    street: Street, maker: Firm, cells: Firm, ends: str
) -> None:
    ours, _ = await running(street, maker, cells)
    agreement_id = ours.agreement_id
    agreement = (await cells.agreements())[0]
    await request(cells, maker, agreement, PUSH)
    await talk(street)
    ender = street.firms[ends]

    def end(uow: UnitOfWork, moment: Moment) -> AgreementRecord:
        return transfers.end_agreement(uow, ender.company, agreement_id, "The powder was recalled.", moment)

    await ender.run(end)
    await talk(street)
    assert await states(cells, maker) == [State.TERMINATED] * 4
    for transfer in await cells.transfers() + await maker.transfers():
        assert transfer.reason is not None
        assert "The powder was recalled." in negotiations.in_words(transfer.reason)
    (ended,) = await ender.agreements()
    assert (ended.state, ended.end_reason) == (AgreementState.TERMINATED, "The powder was recalled.")
    assert "agreement.terminated" in await ender.events()
    with pytest.raises(WrongState):
        await ender.run(end)
    # Nothing is handed over under it any more, whoever ended it.
    if ends == "cells":
        with pytest.raises(NotPermitted, match="terminated"):
            await request(cells, maker, agreement)
    else:
        await request(cells, maker, agreement)
        await talk(street)
        last = (await cells.transfers())[-1]
        refused = [found for found in await cells.transfers() if found.peer_pid is None]
        assert [found.state for found in refused] == [State.TERMINATED]
        assert last.state is State.TERMINATED
        assert refused[0].reason is not None
        assert "The agreement is terminated." in negotiations.in_words(refused[0].reason)


# What the policy says when a transfer is asked for.


@pytest.mark.parametrize(
    ("rules", "allowed_ms", "refused_ms", "word"),
    [
        (permit("use", until_ms=START_MS + DAY_MS), DAY_MS - 1000, DAY_MS + 1000, "2027-01-16T08:00:00"),
        (permit("use", elapsed="P7D"), 7 * DAY_MS - 1000, 7 * DAY_MS + 1000, "P7D"),
    ],
)
async def test_time_ends_the_right_to_a_transfer_and_to_its_resumption(
    street: Street,
    maker: Firm,
    cells: Firm,
    rules: dict[str, object],
    allowed_ms: int,
    refused_ms: int,
    word: str,
) -> None:
    await maker.publish("nmc811", rules=rules)
    agreement = await cells.agree(maker, "nmc811")
    street.clock.now_ms = START_MS + allowed_ms
    await request(cells, maker, agreement)
    await talk(street)
    (ours,) = await cells.transfers()
    assert ours.state is State.STARTED
    await act(cells, "suspend", ours.own_pid)
    await talk(street)
    street.clock.now_ms = START_MS + refused_ms
    with pytest.raises(NotPermitted, match=word):
        await request(cells, maker, agreement)
    with pytest.raises(NotPermitted, match=word):
        await act(cells, "start", ours.own_pid)
    with pytest.raises(NotPermitted, match=word):
        await requested(maker, cells, agreement_id=agreement.agreement_id)
    assert await states(cells, maker) == [State.SUSPENDED, State.SUSPENDED]


async def test_the_number_of_uses_ends_the_right_to_a_new_transfer_but_not_a_running_one(
    street: Street, maker: Firm, cells: Firm
) -> None:
    ours, _ = await running(street, maker, cells, rules=permit("use", max_uses=1))

    def use_up(uow: UnitOfWork, moment: Moment) -> None:
        agreement = uow.contracts.agreement(ours.agreement_id)
        assert agreement is not None
        uow.contracts.put_agreement(msgspec.structs.replace(agreement, uses_count=1))

    await maker.run(use_up)
    await act(cells, "suspend", ours.own_pid)
    await talk(street)
    await act(cells, "start", ours.own_pid)
    await talk(street)
    assert await states(cells, maker) == [State.STARTED, State.STARTED]
    with pytest.raises(NotPermitted, match="count"):
        await requested(maker, cells, agreement_id=ours.agreement_id)


# What may be asked for.


async def test_a_transfer_is_refused_without_a_final_agreement_with_the_one_who_asks(
    street: Street, maker: Firm, cells: Firm, rival: Firm
) -> None:
    await maker.publish("nmc811")
    agreement = await cells.agree(maker, "nmc811")
    sentences = set()
    for caller, agreement_id in ((rival, agreement.agreement_id), (cells, "never-was")):
        with pytest.raises(Invalid) as refusal:
            await requested(maker, caller, agreement_id=agreement_id)
        sentences.add(refusal.value.sentence)
    assert len(sentences) == 1
    # The consumer's own copy of an agreement gives it no right to be asked as provider, nor to ask as one.
    with pytest.raises(Invalid):
        await requested(cells, maker, agreement_id=agreement.agreement_id)
    with pytest.raises(NotFound):
        await request(maker, cells, agreement)
    assert await states(maker, cells) == []


async def test_no_transfer_before_the_agreement_is_final(street: Street, maker: Firm, cells: Firm) -> None:
    await maker.publish("nmc811")
    await cells.request(maker, await cells.catalog_offer(maker, "nmc811"))
    while not await cells.agreements():
        assert await street.deliver_one()
    (agreement,) = await cells.agreements()
    with pytest.raises(NotPermitted, match="not final"):
        await request(cells, maker, agreement)
    with pytest.raises(NotPermitted, match="not final"):
        await requested(maker, cells, agreement_id=agreement.agreement_id)


@pytest.mark.parametrize(
    "members",
    [
        {"format": "HttpData-POKE"},
        {"format": PUSH},
        {"format": PUSH, "data_address": DataAddress(endpoint_type="x")},
        {"format": PULL, "data_address": DataAddress(endpoint_type="x", endpoint="https://cells.example/in")},
        {"callback_address": "https://forbidden.example"},
        {
            "format": PUSH,
            "data_address": DataAddress(endpoint_type="x", endpoint="https://forbidden.example"),
        },
    ],
)
async def test_a_request_that_could_not_be_carried_out_is_refused(
    street: Street, maker: Firm, cells: Firm, members: dict[str, object]
) -> None:
    await maker.publish("nmc811")
    agreement = await cells.agree(maker, "nmc811")
    with pytest.raises(Invalid):
        await requested(maker, cells, agreement_id=agreement.agreement_id, **members)
    assert await maker.transfers() == []


async def test_an_address_that_may_not_be_called_does_not_start_a_pull(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811")
    door = TokenDoor(data_url="https://forbidden.example/data", inbox_url="", key=street.firms["maker"].key)
    hostile = msgspec.structs.replace(maker.company, data_door=door)
    maker.tenant = msgspec.structs.replace(maker.tenant, company=hostile)
    agreement = await cells.agree(maker, "nmc811")
    await request(cells, maker, agreement)
    await talk(street)
    assert await states(cells, maker) == [State.TERMINATED, State.TERMINATED]
    (ours,) = await cells.transfers()
    assert await data_orders(cells, ours.own_pid) == []


async def test_a_request_again_gives_the_same_transfer_and_another_under_its_pid_is_refused(
    street: Street, maker: Firm, cells: Firm, rival: Firm
) -> None:
    await maker.publish("nmc811")
    agreement, other = await cells.agree(maker, "nmc811"), await rival.agree(maker, "nmc811")
    first = await requested(maker, cells, agreement_id=agreement.agreement_id)
    again = await requested(maker, cells, agreement_id=agreement.agreement_id)
    assert again == first
    with pytest.raises(MismatchedMessage):
        await requested(maker, cells, agreement_id="another")
    theirs = await requested(maker, rival, agreement_id=other.agreement_id)
    assert theirs.own_pid != first.own_pid


async def test_another_ones_transfer_looks_as_if_there_were_none(
    street: Street, maker: Firm, cells: Firm, rival: Firm
) -> None:
    ours, theirs = await running(street, maker, cells)
    ending = TransferTerminationMessage(provider_pid=theirs.own_pid, consumer_pid=ours.own_pid)
    sentences = set()
    for pid in (theirs.own_pid, "never-was"):
        with pytest.raises(NotFound) as refusal:
            await maker.read(partial(transfers.of_peer, caller_id=rival.did, own_pid=pid))
        sentences.add(refusal.value.sentence.replace(pid, ""))
    assert len(sentences) == 1
    with pytest.raises(NotFound):
        await maker.run(
            lambda uow, moment: transfers.received(
                uow, maker.company, Standing(rival.did), theirs.own_pid, ending, moment
            )
        )
    assert await states(maker) == [State.STARTED]


async def test_what_is_not_there_cannot_be_acted_on(street: Street, maker: Firm) -> None:
    for what in ("start", "suspend", "complete", "terminate"):
        with pytest.raises(NotFound):
            await act(maker, what, "never-was")
    with pytest.raises(NotFound):
        await maker.run(lambda uow, moment: transfers.end_agreement(uow, maker.company, "none", "", moment))


async def test_a_partner_has_a_quota_of_open_transfers(street: Street) -> None:
    maker = street.firm("maker", strategy=ByHand(), most_open_transfers_count=2)
    cells, rival = street.firm("cells"), street.firm("rival")
    await maker.publish("nmc811")
    agreement, of_rival = await cells.agree(maker, "nmc811"), await rival.agree(maker, "nmc811")
    first = await requested(maker, cells, agreement_id=agreement.agreement_id)
    second = await requested(maker, cells, agreement_id=agreement.agreement_id, consumer_pid="c-2")
    with pytest.raises(QuotaExceeded):
        await requested(maker, cells, agreement_id=agreement.agreement_id, consumer_pid="c-3")
    # Another partner has its own; a repeated request is none more; one that ended gives room.
    await requested(maker, rival, agreement_id=of_rival.agreement_id)
    again = await requested(maker, cells, agreement_id=agreement.agreement_id, consumer_pid="c-2")
    assert again.own_pid == second.own_pid
    await act(maker, "terminate", first.own_pid)
    await requested(maker, cells, agreement_id=agreement.agreement_id, consumer_pid="c-3")
    assert len(await maker.transfers()) == 4


async def test_what_we_ask_of_a_partner_takes_nothing_of_its_quota(street: Street) -> None:
    maker = street.firm("maker", strategy=ByHand(), most_open_transfers_count=1)
    cells = street.firm("cells", strategy=ByHand())
    await maker.publish("nmc811")
    await cells.publish("spent-cells")
    agreement, ours = await cells.agree(maker, "nmc811"), await maker.agree(cells, "spent-cells")
    await request(maker, cells, ours)
    await requested(maker, cells, agreement_id=agreement.agreement_id)
    assert len(await maker.transfers()) == 2
