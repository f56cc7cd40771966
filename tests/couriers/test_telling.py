"""Webhooks are fed from the history: in order, none left out, none twice, also after a crash."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator

import msgspec
import pytest

from ashiato.connector import webhooks
from ashiato.connector.node import Node
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound
from ashiato.connector.records import Event, HistoryEntry, Webhook
from ashiato.couriers.telling import Teller
from ashiato.outbox.deliveries import Delivery, DeliveryKind
from tests.connector.firms import Firm, PlainWord, Street, open_street


def moment() -> Moment:
    return Moment(time.time_ns() // 1_000_000, lambda: str(uuid.uuid4()))


@pytest.fixture
async def street(store_url: str) -> AsyncIterator[Street]:
    async with open_street(store_url) as opened:
        yield opened


@pytest.fixture
def maker(street: Street) -> Firm:
    return street.firm("maker")


@pytest.fixture
async def teller(street: Street) -> AsyncIterator[Teller]:
    telling = Teller(Node(street.store, PlainWord(), street, moment))
    yield telling
    await telling.close()


async def hook(firm: Firm, *events: str, webhook_id: str = "h") -> Webhook:
    wanted = Webhook(webhook_id=webhook_id, url="https://erp.maker.example/hook", events=events)
    return await firm.run(lambda uow, at: webhooks.put_webhook(uow, wanted, at))


async def happen(firm: Firm, *names: str) -> None:
    def work(uow: UnitOfWork, at: Moment) -> None:
        for name in names:
            uow.records.add_history(at.now_ms, name, "p", "did:web:cells.example", {"n": name})
            uow.tell(Event(name=name, participant_id=firm.did, process_id="p"))

    await firm.run(work)


async def told(firm: Firm, count: int, webhook_id: str = "h") -> list[str]:
    """The events in the outbox for the webhook, once there are so many."""
    deadline_s = time.monotonic() + 5
    while True:
        found: list[Delivery] = await firm.read(lambda uow: uow.outbox.of_process(f"webhook:{webhook_id}"))
        if len(found) >= count:
            return [entry.message_name for entry in found]
        assert time.monotonic() < deadline_s, found
        await asyncio.sleep(0.005)


async def test_a_webhook_is_told_what_it_wants_in_order(maker: Firm, teller: Teller) -> None:
    teller.start()
    await hook(maker, "negotiation.", "transfer.received")
    await happen(
        maker, "negotiation.requested", "transfer.started", "negotiation.agreed", "transfer.received"
    )
    assert await told(maker, 3) == ["negotiation.requested", "negotiation.agreed", "transfer.received"]
    (first, *_) = await maker.read(lambda uow: uow.outbox.of_process("webhook:h"))
    assert (first.kind, first.address) == (DeliveryKind.WEBHOOK, "https://erp.maker.example/hook")
    entry = msgspec.json.decode(first.body, type=HistoryEntry)
    assert (entry.event, entry.process_id, entry.details) == (
        "negotiation.requested",
        "p",
        {"n": "negotiation.requested"},
    )


async def test_a_webhook_is_told_what_happens_from_now_on(maker: Firm, teller: Teller) -> None:
    teller.start()
    await happen(maker, "negotiation.before")
    await hook(maker, "negotiation.")
    await happen(maker, "negotiation.after")
    assert await told(maker, 1) == ["negotiation.after"]


async def test_what_happened_while_nobody_told_is_told_by_the_next_run(
    street: Street, maker: Firm, teller: Teller
) -> None:
    await hook(maker, "negotiation.")
    await happen(maker, *(f"negotiation.{number}" for number in range(450)))
    teller.start()
    assert await told(maker, 450) == [f"negotiation.{number}" for number in range(450)]
    await teller.close()
    again = Teller(Node(street.store, PlainWord(), street, moment))
    again.start()
    await happen(maker, "negotiation.last")
    assert (await told(maker, 451))[-1] == "negotiation.last"
    await again.close()


async def test_a_webhook_that_is_replaced_goes_on_where_it_stood(maker: Firm, teller: Teller) -> None:
    first = await hook(maker, "negotiation.")
    await happen(maker, "negotiation.a", "transfer.a")
    second = await hook(maker, "negotiation.", "transfer.")
    assert (second.created_ms, second.told_sequence) == (first.created_ms, first.told_sequence)
    teller.start()
    assert await told(maker, 2) == ["negotiation.a", "transfer.a"]


async def test_each_webhook_is_told_its_own_and_a_withdrawn_one_nothing(maker: Firm, teller: Teller) -> None:
    teller.start()
    await hook(maker, "negotiation.", webhook_id="one")
    await hook(maker, "transfer.", webhook_id="two")
    await happen(maker, "negotiation.a", "transfer.a")
    assert await told(maker, 1, "one") == ["negotiation.a"]
    assert await told(maker, 1, "two") == ["transfer.a"]
    await maker.run(lambda uow, at: webhooks.delete_webhook(uow, "one", at))
    await happen(maker, "negotiation.b", "transfer.b")
    assert await told(maker, 2, "two") == ["transfer.a", "transfer.b"]
    assert await told(maker, 0, "one") == []
    with pytest.raises(NotFound):
        await maker.run(lambda uow, at: webhooks.delete_webhook(uow, "one", at))


async def test_a_company_that_stores_its_first_webhook_later_is_told_from_then_on(
    street: Street, maker: Firm, teller: Teller
) -> None:
    cells = street.firm("cells")
    teller.start()
    await happen(maker, "negotiation.a")
    await asyncio.sleep(0.05)
    await hook(maker, "negotiation.")
    for number in range(3):
        await happen(maker, f"negotiation.{number}")
        assert (await told(maker, number + 1))[-1] == f"negotiation.{number}"
    assert await told(cells, 0) == []


async def test_what_the_owner_does_is_told_too(maker: Firm, teller: Teller) -> None:
    teller.start()
    await hook(maker, "asset.", "offer.published")
    await maker.publish("nmc811")
    assert await told(maker, 2) == ["asset.stored", "offer.published"]


@pytest.mark.parametrize(("webhook_id", "events"), [("h", ()), ("", ("a",)), ("a/b", ("a",))])
async def test_a_webhook_that_wants_nothing_or_cannot_be_named_is_refused(
    maker: Firm, webhook_id: str, events: tuple[str, ...]
) -> None:
    with pytest.raises(Invalid):
        await hook(maker, *events, webhook_id=webhook_id)
    assert await maker.read(lambda uow: uow.records.list_webhooks()) == []
