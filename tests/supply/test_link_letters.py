"""Trade links between two companies by what each writes into the other's inbox."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ashiato.connector.problems import Invalid
from ashiato.stores.engine import open_store
from ashiato.supply import link_letters, parts
from ashiato.supply.messages import DataRequest, LinkConfirmation, LinkProposal, Part, Receipt, Refusal
from ashiato.supply.ports import UnitOfWork
from ashiato.supply.records import LinkState, PartType, Side, Sourcing, TradeLink, TradingPartner
from ashiato.supply.requests import AnswerRule, RequestState
from tests.supply.street import ITEM, Firm, Street
from tests.supply.test_requests import put_rule


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    store = await open_store(f"sqlite:///{tmp_path}/connector.db", "node-1")
    yield Street(store)
    await store.close()


async def with_part(
    street: Street, firm: Firm, part_id: str, sourcing: Sourcing, unit: str = "piece"
) -> None:
    """A part of the company's, and everybody as its partner."""

    def work(uow: UnitOfWork) -> None:
        for other in street.firms.values():
            uow.supply.partners.put(TradingPartner(partner_id=other.did))
        parts.put_part(
            uow,
            PartType(part_id=part_id, name=f"Part {part_id}", sourcing=sourcing, unit=unit),
            street.clock.moment(),
        )

    await street.store.run(firm.did, work)


async def link_at(street: Street, firm: Firm) -> TradeLink | None:
    return await street.store.run(firm.did, lambda uow: uow.supply.links.get("link-1"))


async def proposed(street: Street) -> tuple[Firm, Firm]:
    """The buyer proposed that its part `b-7` is a part of the maker's."""
    buyer, maker = street.firm("buyer"), street.firm("maker")
    await with_part(street, buyer, "b-7", Sourcing.PURCHASED)
    await with_part(street, maker, "m-1", Sourcing.OWN)
    link = TradeLink(link_id="link-1", side=Side.BUYER, partner_id=maker.did, is_ours=True, own_part_id="b-7")
    moment = street.clock.moment()
    await street.store.run(buyer.did, lambda uow: link_letters.propose(uow, link, moment))
    await street.carry()
    return buyer, maker


async def confirm(street: Street, maker: Firm) -> None:
    moment = street.clock.moment()
    await street.store.run(maker.did, lambda uow: link_letters.confirm(uow, "link-1", "m-1", moment))
    await street.carry()


async def test_a_link_is_true_when_the_other_side_has_confirmed_it(street: Street) -> None:
    buyer, maker = await proposed(street)
    theirs = await link_at(street, maker)
    assert theirs is not None
    told = (theirs.side, theirs.partner_id, theirs.partner_part_id, theirs.partner_part_name, theirs.state)
    assert told == (Side.SUPPLIER, buyer.did, "b-7", "Part b-7", LinkState.PROPOSED)
    await confirm(street, maker)
    ours = await link_at(street, buyer)
    assert ours is not None
    assert (ours.state, ours.partner_part_id, ours.partner_part_name) == (
        LinkState.CONFIRMED,
        "m-1",
        "Part m-1",
    )


async def test_a_refusal_and_a_withdrawal_reach_the_other_side(street: Street) -> None:
    buyer, maker = await proposed(street)
    moment = street.clock.moment()
    await street.store.run(maker.did, lambda uow: link_letters.refuse(uow, "link-1", "Not ours.", moment))
    await street.carry()
    ours = await link_at(street, buyer)
    assert ours is not None
    assert (ours.state, ours.reason) == (LinkState.REFUSED, "Not ours.")


async def test_a_confirmed_link_is_ended_by_either_side(street: Street) -> None:
    buyer, maker = await proposed(street)
    await confirm(street, maker)
    moment = street.clock.moment()
    await street.store.run(buyer.did, lambda uow: link_letters.withdraw(uow, "link-1", "Over.", moment))
    await street.carry()
    theirs = await link_at(street, maker)
    assert theirs is not None
    assert (theirs.state, theirs.reason) == (LinkState.WITHDRAWN, "Over.")


async def test_nobody_confirms_a_link_of_others_or_its_own(street: Street) -> None:
    buyer, maker = await proposed(street)
    rival = street.firm("rival")
    message = LinkConfirmation(message_id="1", link_id="link-1", part_id="x")
    own = LinkConfirmation(message_id="2", link_id="link-1", part_id="b-7")
    replies = [
        await rival.post(buyer, message),
        await rival.post(maker, message),
        await buyer.post(maker, own),
    ]
    assert [reply.code for reply in replies if isinstance(reply, Refusal)] == [
        "not-found",
        "not-found",
        "wrong-state",
    ]
    stolen = LinkProposal(message_id="3", link_id="link-1", side="buyer", part_id="x")
    assert isinstance(await rival.post(maker, stolen), Refusal)
    theirs = await link_at(street, maker)
    assert theirs is not None
    assert (theirs.state, theirs.partner_id) == (LinkState.PROPOSED, buyer.did)


async def test_a_request_by_a_link_needs_that_it_was_confirmed_and_finds_the_rule_of_the_part(
    street: Street,
) -> None:
    buyer, maker = await proposed(street)
    await put_rule(street, maker, AnswerRule(rule_id="r", data_item=ITEM, part_id="m-1", asset_id="cfp"))
    request = DataRequest(
        message_id="1",
        request_id="r-1",
        tree_id="t",
        data_item=ITEM,
        part=Part(link="link-1"),
        due_ms=street.clock.now_ms + 1000,
        hops=0,
    )
    too_early = await buyer.post(maker, request)
    assert isinstance(too_early, Refusal)
    assert too_early.code == "invalid"
    await confirm(street, maker)
    by_stranger = await street.firm("rival").post(maker, request)
    assert isinstance(by_stranger, Refusal)
    assert isinstance(await buyer.post(maker, request), Receipt)
    (received,) = await maker.received()
    assert received.state is RequestState.ANSWERED

    def look(uow: UnitOfWork, partner_id: str, side: Side) -> TradeLink:
        return link_letters.confirmed_link(uow, "link-1", partner_id, side)

    await street.store.read(buyer.did, lambda uow: look(uow, maker.did, Side.BUYER))
    with pytest.raises(Invalid):
        await street.store.read(buyer.did, lambda uow: look(uow, maker.did, Side.SUPPLIER))
    with pytest.raises(Invalid):
        await street.store.read(buyer.did, lambda uow: look(uow, street.firm("rival").did, Side.BUYER))
