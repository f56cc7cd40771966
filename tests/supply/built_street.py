"""Companies of a street that built things of each other's: a recall's way, by hand."""

from collections.abc import Mapping

from ashiato.supply import tracing
from ashiato.supply.ports import UnitOfWork
from ashiato.supply.records import (
    Batch,
    Holding,
    Item,
    LinkState,
    PartType,
    Side,
    Sourcing,
    Subject,
    SubjectKind,
    TradeLink,
)
from ashiato.supply.request_ports import REQUESTS
from ashiato.supply.requests import AnswerRule
from tests.supply.street import Street

PART = {"car": "vehicle", "packer": "pack", "moduler": "module", "celler": "cell"}


def item(part: str, serial: str) -> Subject:
    return Subject(SubjectKind.ITEM, f"{part}-{serial}")


def put_item(uow: UnitOfWork, part: str, serial: str, batch_id: str = "") -> None:
    uow.supply.items.put(Item(item_id=f"{part}-{serial}", part_id=part, serial=serial, batch_id=batch_id))


async def tier(
    street: Street,
    maker: str,
    supplier: str | None,
    built: Mapping[str, tuple[str, ...]],
    customer: str | None,
) -> None:
    """A company that built the items of its part from bought ones, with confirmed links to both neighbours."""
    own, bought = PART[maker], PART[supplier] if supplier else ""
    firm = street.firm(maker)

    def work(uow: UnitOfWork) -> None:
        uow.supply.parts.put(PartType(part_id=own))
        for serial, components in built.items():
            put_item(uow, own, serial)
            for component in components:
                put_item(uow, bought, component)
                uow.supply.put_holdings(
                    [Holding(holder=item(own, serial), component=item(bought, component))]
                )
        if supplier:
            uow.supply.parts.put(PartType(part_id=bought, sourcing=Sourcing.PURCHASED))
            uow.supply.links.put(link(maker, supplier, Side.BUYER, bought, bought, street))
        if customer:
            uow.supply.links.put(link(customer, maker, Side.SUPPLIER, own, own, street))

    await street.store.run(firm.did, work)
    rule = AnswerRule(rule_id="trace", data_item=tracing.TRACE_ITEM, asset_id="")
    if customer:
        await firm.run(lambda uow: uow.room(REQUESTS).put_rule(rule))


def link(buyer: str, supplier: str, side: Side, own_part: str, other_part: str, street: Street) -> TradeLink:
    partner = supplier if side is Side.BUYER else buyer
    return TradeLink(
        link_id=f"{buyer}-{supplier}",
        side=side,
        partner_id=street.firm(partner).did,
        is_ours=True,
        own_part_id=own_part,
        partner_part_id=other_part,
        state=LinkState.CONFIRMED,
    )


async def chain(street: Street) -> None:
    """Vehicles v1..v3 hold packs p1..p3, each two modules, each module two cells; cells c1 and c9 are of batch B7.

    By hand: c1 is in m1 in p1 in v1; c9 is in m5 in p3 in v3. So B7 is in v1 and v3.
    """
    await tier(street, "car", "packer", {"v1": ("p1",), "v2": ("p2",), "v3": ("p3",)}, None)
    packs = {"p1": ("m1", "m2"), "p2": ("m3", "m4"), "p3": ("m5", "m6")}
    await tier(street, "packer", "moduler", packs, "car")
    modules = {f"m{number}": (f"c{2 * number - 1}", f"c{2 * number}") for number in range(1, 7)}
    await tier(street, "moduler", "celler", modules, "packer")
    await tier(street, "celler", None, {}, "moduler")

    def cells(uow: UnitOfWork) -> None:
        uow.supply.batches.put(Batch(batch_id="B7", part_id="cell"))
        for number in range(1, 13):
            put_item(uow, "cell", f"c{number}", "B7" if number in (1, 9) else "")

    await street.store.run(street.firm("celler").did, cells)
