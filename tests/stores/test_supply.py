import asyncio
import threading
import time

import pytest

from ashiato.connector.ports import Conflict, Moment
from ashiato.connector.problems import Invalid
from ashiato.facts.identifiers import identifier
from ashiato.stores.engine import SqlStore
from ashiato.supply.bills import put_bill
from ashiato.supply.ports import FIRST_PLACE, Supply, UnitOfWork
from ashiato.supply.records import (
    Batch,
    Bill,
    BillLine,
    Holding,
    Item,
    LinkStanding,
    PartType,
    Plant,
    Side,
    Subject,
    SubjectKind,
    TradeLink,
    TradingPartner,
)
from tests.stores.conftest import OpenStore
from tests.stores.samples import MAKER, OTHER, TAKER

GTIN = identifier("gtin", "6291041500213")
AT = Moment(1_800_000_000_000, lambda: "id")


def part(part_id: str = "part-1", *, mark: str = "") -> PartType:
    return PartType(part_id=part_id, name=mark, plant_id="plant-1", identifiers=(GTIN,))


def bill(part_id: str = "part-1", *components: str, version: str = "1", mark: str = "") -> Bill:
    lines = tuple(
        BillLine(component_id=one, quantity="1.50", unit="kg", position=mark) for one in components or ("c",)
    )
    return Bill(part_id=part_id, version=version, lines=lines)


def item(
    item_id: str = "item-1", *, mark: str = "", serial: str | None = None, batch_id: str = "batch-1"
) -> Item:
    return Item(
        item_id=item_id,
        part_id="part-1",
        serial=item_id if serial is None else serial,
        batch_id=batch_id,
        plant_id="plant-1",
        properties={"mark": mark},
    )


def link(*, mark: str = "", link_id: str = "link-1") -> TradeLink:
    return TradeLink(
        link_id=link_id,
        side=Side.BUYER,
        partner_id=TAKER,
        is_ours=True,
        own_part_id="part-1",
        message=mark,
    )


def thing(thing_id: str, kind: SubjectKind = SubjectKind.ITEM) -> Subject:
    return Subject(kind, thing_id)


def holding(
    holder: str, component: str, from_ms: int = 0, until_ms: int | None = None, *, quantity: str = "1"
) -> Holding:
    return Holding(
        holder=thing(holder),
        component=thing(component),
        quantity=quantity,
        from_ms=from_ms,
        until_ms=until_ms,
    )


def fill(uow: UnitOfWork, mark: str) -> None:
    """Write with every method; the keys are the same for every mark."""
    supply = uow.supply
    supply.begin_change()
    supply.partners.put(TradingPartner(partner_id=TAKER, name=mark))
    supply.plants.put(Plant(plant_id="plant-1", name=mark))
    supply.parts.put_many([part(mark=mark)])
    supply.batches.put(Batch(batch_id="batch-1", part_id="part-1", properties={"mark": mark}))
    supply.items.put(item(mark=mark))
    supply.links.put(link(mark=mark))
    supply.put_identifiers({Subject(SubjectKind.PART, f"part of {mark}"): [GTIN.text]})
    supply.put_bills([bill("part-1", f"c of {mark}", mark=mark)])
    supply.put_holdings(
        [Holding(holder=thing("item-1"), component=thing("b", SubjectKind.BATCH), quantity=mark)]
    )
    supply.put_holdings([holding("item-1", "item-2", quantity=mark), holding("item-1", f"of {mark}")])


def look(uow: UnitOfWork) -> dict[str, object]:
    """The answer of every method that reads."""
    supply = uow.supply
    one = thing("item-1")
    return {
        "partner": supply.partners.get(TAKER),
        "partners": supply.partners.page("", 10),
        "plant": supply.plants.get("plant-1"),
        "plants": supply.plants.page("", 10),
        "part": supply.parts.get("part-1"),
        "parts": supply.parts.get_many(["part-1"]),
        "parts of plant": supply.parts.page("", 10, of="plant-1"),
        "batch": supply.batches.get("batch-1"),
        "batches": supply.batches.page("", 10, of="part-1"),
        "item": supply.items.get("item-1"),
        "items": supply.items.page("", 10, of="part-1"),
        "items of batch": supply.items_of_batch("batch-1", "", 10),
        "link": supply.links.get("link-1"),
        "links": supply.links.page("", 10, of=TAKER),
        "links of part": supply.links_of(["part-1"]),
        "named": supply.named([GTIN.text]),
        "bill": supply.bill("part-1", "1"),
        "bills": supply.bills_of(["part-1"]),
        "page of bills": supply.page_bills(("", ""), 10),
        "components": supply.components_of(["part-1"]),
        "holds": supply.holds_of(one, None, FIRST_PLACE, 10),
        "held": supply.held_in(thing("item-2"), 0, FIRST_PLACE, 10),
        "holdings": supply.holdings_of([thing("item-2")]),
        "batches held": supply.batches_held([one]),
        "components held": supply.components_held([one.key]),
    }


# What says only whether or by which id: the same for two companies that have the same, and nothing for a third.
def look_briefly(uow: UnitOfWork) -> dict[str, object]:
    return {
        "serial": uow.supply.items_by_serial("part-1", ["item-1"]),
        "made": uow.supply.is_made_at("plant-1"),
        "standing links": uow.supply.count_links(TAKER, LinkStanding.STANDING, 5),
        "users": uow.supply.users_of(f"c of {MAKER}", "", 10),
    }


def wipe(uow: UnitOfWork) -> None:
    """Change or delete with every method that can."""
    supply = uow.supply
    for shelf, record_id in (
        (supply.partners, TAKER),
        (supply.plants, "plant-1"),
        (supply.parts, "part-1"),
        (supply.batches, "batch-1"),
        (supply.items, "item-1"),
        (supply.links, "link-1"),
    ):
        assert shelf.delete(record_id)
    assert supply.delete_bill("part-1", "1")
    assert supply.delete_holding(thing("item-1"), thing("item-2"), 0)
    supply.put_identifiers({Subject(SubjectKind.PART, f"part of {OTHER}"): []})


async def test_two_companies_with_the_same_ids_see_only_their_own(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: fill(uow, MAKER))
    assert not any((await store.read(OTHER, look)).values())
    assert not any((await store.read(OTHER, look_briefly)).values())
    mine = await store.read(MAKER, look)
    await store.run(OTHER, lambda uow: fill(uow, OTHER))
    theirs = await store.read(OTHER, look)
    assert await store.read(MAKER, look) == mine
    assert [name for name in mine if mine[name] == theirs[name]] == []
    await store.run(OTHER, wipe)
    assert await store.read(MAKER, look) == mine
    assert all((await store.read(MAKER, look_briefly)).values())


async def test_everything_comes_back_as_it_was_stored(store: SqlStore) -> None:
    one = item(mark="電池")
    two = holding("item-1", "item-2", 5, 9, quantity="0.10")
    made = bill("part-1", "b", "a")

    def work(uow: UnitOfWork) -> None:
        uow.supply.items.put(one)
        uow.supply.put_bills([made])
        uow.supply.put_holdings([two])

    await store.run(MAKER, work)
    assert await store.read(MAKER, lambda uow: uow.supply.items.get("item-1")) == one
    assert await store.read(MAKER, lambda uow: uow.supply.bill("part-1", "1")) == made
    assert await store.read(MAKER, lambda uow: uow.supply.holdings_of([thing("item-2")])) == [two]


async def test_a_replaced_bill_leaves_no_line_of_the_old_one(store: SqlStore) -> None:
    await store.run(
        MAKER, lambda uow: uow.supply.put_bills([bill("p", "a", "b"), bill("p", "c", version="2")])
    )
    await store.run(MAKER, lambda uow: uow.supply.put_bills([bill("p", "b")]))

    def look_at(supply: Supply) -> tuple[object, ...]:
        return (
            supply.components_of(["p"]),
            supply.users_of("a", "", 10),
            supply.users_of("b", "", 10),
            supply.users_of("c", "p", 10),
        )

    found = await store.read(MAKER, lambda uow: look_at(uow.supply))
    assert found == ({"p": ("b", "c")}, [], ["p"], [])


async def test_a_component_of_two_versions_has_its_user_once(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: uow.supply.put_bills([bill("p", "a"), bill("p", "a", version="2")]))
    assert await store.read(MAKER, lambda uow: uow.supply.users_of("a", "", 10)) == ["p"]


async def test_bills_go_page_by_page_through_parts_and_versions(store: SqlStore) -> None:
    many = [bill(part_id, "c", version=version) for part_id in ("a", "b") for version in ("1", "2")]
    await store.run(MAKER, lambda uow: uow.supply.put_bills(many))
    assert await store.read(MAKER, lambda uow: uow.supply.page_bills(("", ""), 3)) == many[:3]
    assert await store.read(MAKER, lambda uow: uow.supply.page_bills(("b", "1"), 3)) == many[3:]


async def test_relations_are_found_both_ways_at_an_instant(store: SqlStore) -> None:
    many = [
        holding("pack", "cell-1"),
        holding("pack", "cell-2", 0, 10),
        holding("pack", "cell-3", 10),
        holding("other", "cell-2", 10),
    ]
    await store.run(MAKER, lambda uow: uow.supply.put_holdings(many))

    async def holds(as_of_ms: int | None) -> list[Holding]:
        return await store.read(
            MAKER, lambda uow: uow.supply.holds_of(thing("pack"), as_of_ms, FIRST_PLACE, 10)
        )

    async def held(as_of_ms: int | None) -> list[Holding]:
        return await store.read(
            MAKER, lambda uow: uow.supply.held_in(thing("cell-2"), as_of_ms, FIRST_PLACE, 10)
        )

    assert await holds(9) == [many[0], many[1]]
    assert await holds(10) == [many[0], many[2]]
    assert await holds(None) == many[:3]
    assert await held(9) == [many[1]]
    assert await held(10) == [many[3]]
    assert await held(None) == [many[3], many[1]]


async def test_relations_go_page_by_page_and_end(store: SqlStore) -> None:
    many = [holding("pack", f"cell-{number}", number % 3) for number in range(7)]
    many.append(holding("pack", "cell-6", 5))
    await store.run(MAKER, lambda uow: uow.supply.put_holdings(many))
    found: list[Holding] = []
    after = FIRST_PLACE
    while page := await store.read(
        MAKER,
        lambda uow, after=after: uow.supply.holds_of(thing("pack"), None, after, 3),  # type: ignore[misc]  # bound at once
    ):
        found += page
        after = (page[-1].component.key, page[-1].from_ms)
    assert found == many


async def test_more_than_fit_into_one_statement_are_found(store: SqlStore) -> None:
    ids = [f"item-{number:03}" for number in range(250)]
    await store.run(MAKER, lambda uow: uow.supply.items.put_many([item(one) for one in ids]))
    found = await store.read(MAKER, lambda uow: uow.supply.items.get_many([*ids, "no"]))
    assert sorted(found) == ids
    serials = await store.read(MAKER, lambda uow: uow.supply.items_by_serial("part-1", [*ids, "no"]))
    assert serials == {one: one for one in ids}
    of_batch = await store.read(MAKER, lambda uow: uow.supply.items_of_batch("batch-1", "item-247", 9))
    assert [one.item_id for one in of_batch] == ids[248:]


async def test_names_of_a_subject_are_replaced_together(store: SqlStore) -> None:
    subject = Subject(SubjectKind.PART, "p")
    await store.run(MAKER, lambda uow: uow.supply.put_identifiers({subject: ["a:1", "b:2"]}))
    await store.run(MAKER, lambda uow: uow.supply.put_identifiers({subject: ["b:2", "c:3"]}))
    found = await store.read(MAKER, lambda uow: uow.supply.named(["a:1", "b:2", "c:3"]))
    assert found == {"b:2": subject, "c:3": subject}


async def test_a_name_that_another_subject_has_is_a_conflict(store: SqlStore) -> None:
    one, other = Subject(SubjectKind.PART, "p"), Subject(SubjectKind.PART, "q")
    await store.run(MAKER, lambda uow: uow.supply.put_identifiers({one: ["a:1"]}))
    with pytest.raises(Conflict):
        await store.run(MAKER, lambda uow: uow.supply.put_identifiers({other: ["a:1"]}))
    await store.run(MAKER, lambda uow: uow.supply.put_identifiers({one: [], other: ["a:1"]}))
    assert await store.read(MAKER, lambda uow: uow.supply.named(["a:1"])) == {"a:1": other}


async def test_batches_are_told_from_items_among_what_is_held(store: SqlStore) -> None:
    pack = thing("pack")
    kinds = (SubjectKind.BATCH, SubjectKind.ITEM)
    many = [Holding(holder=pack, component=thing(one, kind)) for kind in kinds for one in ("a", "~")]
    await store.run(MAKER, lambda uow: uow.supply.put_holdings(many))
    assert await store.read(MAKER, lambda uow: uow.supply.batches_held([pack])) == many[:2]


async def test_two_processes_do_not_make_a_circle_between_them(
    postgresql_database: str, opened: OpenStore
) -> None:
    first, second = await opened(postgresql_database, "one"), await opened(postgresql_database, "two")
    has_written = threading.Event()

    def parts_of_both(uow: UnitOfWork) -> None:
        uow.supply.parts.put_many([PartType(part_id="a", unit="kg"), PartType(part_id="b", unit="kg")])

    def slowly(uow: UnitOfWork) -> None:
        put_bill(uow, bill("a", "b"), AT)
        has_written.set()
        time.sleep(0.3)

    await first.run(MAKER, parts_of_both)
    writing = asyncio.create_task(first.run(MAKER, slowly))
    await asyncio.to_thread(has_written.wait, 10)
    with pytest.raises(Invalid, match="b > a > b"):
        await second.run(MAKER, lambda uow: put_bill(uow, bill("b", "a"), AT))
    await writing
