from collections.abc import Callable
from typing import Any

import pytest

from ashiato.connector.problems import Invalid, NotFound, QuotaExceeded, WrongState
from ashiato.supply import links, parts
from ashiato.supply.links import PartnersPart
from ashiato.supply.ports import UnitOfWork
from ashiato.supply.records import LinkState, PartType, Side, Sourcing, TradeLink, TradingPartner
from tests.supply.conftest import Firm, at

BUYER, SUPPLIER = "did:web:cells.example", "did:web:cathode.example"
OUR_PART = PartnersPart(part_id="nmc811", name="NMC811", unit="kg")


def proposal(link_id: str = "l1", **more: Any) -> TradeLink:
    members = {"side": Side.BUYER, "partner_id": SUPPLIER, "is_ours": True, "own_part_id": "cathode"}
    return TradeLink(link_id=link_id, **{**members, **more})


def seen_by_supplier(link_id: str = "l1", **more: Any) -> TradeLink:
    members = {
        "side": Side.SUPPLIER,
        "partner_id": BUYER,
        "is_ours": False,
        "partner_part_id": "cathode",
        "partner_unit": "g",
    }
    return TradeLink(link_id=link_id, **{**members, **more})


@pytest.fixture
async def buyer(firm: Firm) -> Firm:
    """Buys a cathode material by the kilogram."""

    def work(uow: UnitOfWork) -> None:
        parts.put_partner(uow, TradingPartner(partner_id=SUPPLIER, is_supplier=True), at())
        bought = PartType(part_id="cathode", unit="kg", sourcing=Sourcing.PURCHASED)
        parts.put_part(uow, bought, at())
        parts.put_part(uow, PartType(part_id="cell"), at())

    await firm.do(work)
    return firm


@pytest.fixture
async def supplier(firm: Firm) -> Firm:
    """Makes it."""
    made = Firm(firm.store, SUPPLIER)
    await made.do(lambda uow: parts.put_part(uow, PartType(part_id="nmc811", unit="kg"), at()))
    return made


async def test_a_link_is_true_when_the_other_side_has_confirmed_it(buyer: Firm, supplier: Firm) -> None:
    proposed = await buyer.do(lambda uow: links.propose(uow, proposal(), at()))
    received = await supplier.do(lambda uow: links.take_in(uow, seen_by_supplier(), at()))
    assert (proposed.state, received.state) == (LinkState.PROPOSED, LinkState.PROPOSED)
    theirs = await supplier.do(lambda uow: links.confirm(uow, "l1", SUPPLIER, at(), own_part_id="nmc811"))
    ours = await buyer.do(lambda uow: links.confirm(uow, "l1", SUPPLIER, at(), partners_part=OUR_PART))
    assert (theirs.state, theirs.own_part_id, theirs.partner_part_id) == ("confirmed", "nmc811", "cathode")
    assert (ours.state, ours.own_part_id, ours.partner_part_id) == ("confirmed", "cathode", "nmc811")
    assert await buyer.do(lambda uow: uow.supply.links_of(["cathode"])) == {"cathode": [ours]}
    assert await supplier.do(lambda uow: uow.supply.links_of(["nmc811"])) == {"nmc811": [theirs]}


async def test_what_is_repeated_changes_nothing(buyer: Firm) -> None:
    await buyer.do(lambda uow: links.propose(uow, proposal(), at()))
    first = await buyer.do(lambda uow: links.confirm(uow, "l1", SUPPLIER, at(), partners_part=OUR_PART))
    again = await buyer.do(lambda uow: links.confirm(uow, "l1", SUPPLIER, at(5), partners_part=OUR_PART))
    proposed = await buyer.do(lambda uow: links.propose(uow, proposal(), at(5)))
    assert first == again == proposed


State = Callable[[UnitOfWork], object]


@pytest.mark.parametrize("by", [BUYER, SUPPLIER])
@pytest.mark.parametrize("act", ["confirm", "refuse", "withdraw"])
@pytest.mark.parametrize("state", ["proposed", "confirmed", "refused", "withdrawn"])
async def test_each_act_is_open_to_one_side_in_one_state(buyer: Firm, by: str, act: str, state: str) -> None:
    """The buyer, whose store this is, proposed."""

    def prepare(uow: UnitOfWork) -> None:
        links.propose(uow, proposal(), at())
        if state == "confirmed":
            links.confirm(uow, "l1", SUPPLIER, at(), partners_part=OUR_PART)
        elif state == "refused":
            links.refuse(uow, "l1", SUPPLIER, "no", at())
        elif state == "withdrawn":
            links.withdraw(uow, "l1", BUYER, "no", at())

    def do(uow: UnitOfWork) -> TradeLink:
        if act == "confirm":
            return links.confirm(uow, "l1", by, at(), partners_part=OUR_PART)
        return getattr(links, act)(uow, "l1", by, "why", at())  # type: ignore[no-any-return]  # chosen by name

    after = {"confirm": "confirmed", "refuse": "refused", "withdraw": "withdrawn"}[act]
    is_open = {
        ("proposed", "confirm", SUPPLIER),
        ("proposed", "refuse", SUPPLIER),
        ("proposed", "withdraw", BUYER),
        ("confirmed", "withdraw", BUYER),
        ("confirmed", "withdraw", SUPPLIER),
    }
    await buyer.do(prepare)
    if (state, act, by) in is_open or state == after:
        assert (await buyer.do(do)).state == after
    else:
        with pytest.raises(WrongState):
            await buyer.do(do)
        assert (await buyer.do(lambda uow: links.link_of(uow, "l1"))).state == state


async def test_a_stranger_learns_of_no_link(buyer: Firm) -> None:
    await buyer.do(lambda uow: links.propose(uow, proposal(), at()))
    with pytest.raises(NotFound):
        await buyer.do(lambda uow: links.refuse(uow, "l1", "did:web:stranger.example", "x", at()))
    with pytest.raises(NotFound):
        await buyer.do(lambda uow: links.refuse(uow, "l2", SUPPLIER, "x", at()))


async def test_the_id_of_another_partners_link_is_taken(buyer: Firm) -> None:
    await buyer.do(lambda uow: links.propose(uow, proposal(), at()))
    foreign = seen_by_supplier(partner_id="did:web:stranger.example")
    with pytest.raises(WrongState):
        await buyer.do(lambda uow: links.take_in(uow, foreign, at()))


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"own_part_id": "nothing"}, "own_part_id"),
        ({"own_part_id": "cell"}, "own_part_id"),
        ({"side": Side.SUPPLIER}, "own_part_id"),
        ({"partner_id": "did:web:unknown.example"}, "partner_id"),
        ({"message": "m" * 1001}, "message"),
        ({"partner_unit": "piece"}, "partner_unit"),
        ({"partner_unit": "bushel"}, "partner_unit"),
    ],
)
async def test_an_impossible_proposal_is_refused(buyer: Firm, changes: dict[str, Any], path: str) -> None:
    with pytest.raises(Invalid) as refused:
        await buyer.do(lambda uow: links.propose(uow, proposal(**changes), at()))
    assert refused.value.fields["path"] == path


async def test_parts_counted_in_units_of_two_dimensions_are_not_linked(buyer: Firm) -> None:
    await buyer.do(lambda uow: links.propose(uow, proposal(), at()))
    in_pieces = PartnersPart(part_id="nmc811", unit="piece")
    with pytest.raises(Invalid) as refused:
        await buyer.do(lambda uow: links.confirm(uow, "l1", SUPPLIER, at(), partners_part=in_pieces))
    assert refused.value.fields["path"] == "partner_unit"


async def test_a_supplier_confirms_with_a_part_that_it_makes(supplier: Firm) -> None:
    await supplier.do(lambda uow: links.take_in(uow, seen_by_supplier(), at()))
    bought = PartType(part_id="bought", unit="kg", sourcing=Sourcing.PURCHASED)
    await supplier.do(lambda uow: parts.put_part(uow, bought, at()))
    for own_part_id in ("", "bought"):
        with pytest.raises(Invalid):
            await supplier.do(
                lambda uow, one=own_part_id: links.confirm(uow, "l1", SUPPLIER, at(), own_part_id=one)  # type: ignore[misc]  # bound at once
            )


async def test_one_cannot_confirm_for_another_part_than_was_proposed(buyer: Firm) -> None:
    await buyer.do(lambda uow: links.propose(uow, proposal(partner_part_id="nmc622"), at()))
    with pytest.raises(Invalid) as refused:
        await buyer.do(lambda uow: links.confirm(uow, "l1", SUPPLIER, at(), partners_part=OUR_PART))
    assert refused.value.fields["path"] == "partner_part_id"


async def test_the_same_parts_are_linked_once(buyer: Firm) -> None:
    await buyer.do(lambda uow: links.propose(uow, proposal(), at()))
    with pytest.raises(WrongState, match="'l1' is about the same parts"):
        await buyer.do(lambda uow: links.propose(uow, proposal("l2"), at()))
    await buyer.do(lambda uow: links.withdraw(uow, "l1", BUYER, "", at()))
    await buyer.do(lambda uow: links.propose(uow, proposal("l2"), at()))
    with pytest.raises(WrongState, match="A trade link stands"):
        await buyer.do(lambda uow: parts.delete_partner(uow, SUPPLIER, at()))
    with pytest.raises(WrongState):
        await buyer.do(lambda uow: parts.delete_part(uow, "cathode", at()))


async def test_a_partner_with_too_many_proposals_waits(
    supplier: Firm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "MOST_WAITING_COUNT", 2)
    for link_id in ("a", "b"):
        await supplier.do(lambda uow, one=link_id: links.take_in(uow, seen_by_supplier(one), at()))  # type: ignore[misc]  # bound at once
    with pytest.raises(QuotaExceeded):
        await supplier.do(lambda uow: links.take_in(uow, seen_by_supplier("c"), at()))
    await supplier.do(lambda uow: links.refuse(uow, "a", SUPPLIER, "", at()))
    taken = await supplier.do(lambda uow: links.take_in(uow, seen_by_supplier("c"), at()))
    assert taken.state is LinkState.PROPOSED
