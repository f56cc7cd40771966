import pytest

from ashiato.connector.problems import Invalid, NotFound, WrongState
from ashiato.facts.identifiers import identifier
from ashiato.supply import as_built, items, naming, parts
from ashiato.supply.ports import FIRST_PLACE, UnitOfWork
from ashiato.supply.records import Batch, Holding, Item, PartType, Plant, Subject, SubjectKind
from tests.supply.conftest import Firm, at

ITEM, BATCH = SubjectKind.ITEM, SubjectKind.BATCH


def hold(holder: str, component: str, from_ms: int = 0, until_ms: int | None = None, **more: str) -> Holding:
    kinds = {"C": BATCH, "K": BATCH}
    return Holding(
        holder=Subject(kinds.get(holder[0], ITEM), holder),
        component=Subject(kinds.get(component[0], ITEM), component),
        from_ms=from_ms,
        until_ms=until_ms,
        **more,
    )


@pytest.fixture
async def plant(firm: Firm) -> Firm:
    """A firm with packs p1, p2, modules m1, m2 and the batches C1 of cells (pieces) and K1, K2 of cathode (kg)."""

    def work(uow: UnitOfWork) -> None:
        parts.put_plant(uow, Plant(plant_id="east"), at())
        for part_id, unit in (("pack", "piece"), ("module", "piece"), ("cell", "piece"), ("cathode", "kg")):
            parts.put_part(uow, PartType(part_id=part_id, unit=unit), at())
        for batch_id, part_id in (("C1", "cell"), ("K1", "cathode"), ("K2", "cathode")):
            items.put_batch(uow, Batch(batch_id=batch_id, part_id=part_id), at())
        for item_id, part_id in (("p1", "pack"), ("p2", "pack"), ("m1", "module"), ("m2", "module")):
            items.put_item(uow, Item(item_id=item_id, part_id=part_id, serial=item_id), at())

    await firm.do(work)
    return firm


async def put(firm: Firm, *many: Holding) -> None:
    for one in many:
        await firm.do(lambda uow, one=one: as_built.put_holding(uow, one, at()))  # type: ignore[misc]  # bound at once


async def refused(firm: Firm, one: Holding) -> dict[str, object]:
    with pytest.raises(Invalid) as refusal:
        await put(firm, one)
    return refusal.value.fields


async def test_a_module_that_was_replaced_is_in_the_pack_until_then(plant: Firm) -> None:
    await put(plant, hold("p1", "m1"))
    await put(plant, hold("p1", "m1", 0, 100), hold("p1", "m2", 100), hold("p2", "m1", 200))

    async def holds(instant_ms: int) -> list[str]:
        found = await plant.do(
            lambda uow: as_built.holds_of(uow, Subject(ITEM, "p1"), instant_ms, FIRST_PLACE, 10)
        )
        return [one.component.id for one in found]

    assert [await holds(instant_ms) for instant_ms in (99, 100)] == [["m1"], ["m2"]]
    was_in = await plant.do(lambda uow: as_built.held_in(uow, Subject(ITEM, "m1"), None, FIRST_PLACE, 10))
    assert [(one.holder.id, one.from_ms, one.until_ms) for one in was_in] == [
        ("p1", 0, 100),
        ("p2", 200, None),
    ]


async def test_a_serial_item_is_in_one_thing_at_a_time(plant: Firm) -> None:
    await put(plant, hold("p1", "m1", 0, 100))
    assert (await refused(plant, hold("p2", "m1", 99)))["id"] == "p1"
    await put(plant, hold("p2", "m1", 100))
    together = [hold("p1", "m2", 0, 50), hold("p2", "m2", 49)]
    outcome = await plant.do(lambda uow: as_built.store_holdings(uow, together))
    assert [fault.index for fault in outcome.faults] == [1]


async def test_a_batch_is_in_many_things_at_once(plant: Firm) -> None:
    await put(plant, hold("m1", "C1", quantity="12"), hold("m2", "C1", quantity="12"))
    found = await plant.do(lambda uow: as_built.held_in(uow, Subject(BATCH, "C1"), 0, FIRST_PLACE, 10))
    assert [one.holder.id for one in found] == ["m1", "m2"]


@pytest.mark.parametrize(
    ("bad", "path"),
    [
        (hold("p1", "nothing"), "component_id"),
        (hold("nothing", "m1"), "holder_id"),
        (hold("p1", "m1", quantity="2"), "quantity"),
        (hold("p1", "m1", unit="kg"), "quantity"),
        (hold("p1", "C1", quantity="0"), "quantity"),
        (hold("p1", "C1", quantity="NaN"), "quantity"),
        (hold("p1", "C1", quantity="3", unit="kg"), "unit"),
        (hold("C1", "K1", quantity="3", unit="l"), "unit"),
        (hold("p1", "m1", 5, 5), "until_ms"),
        (hold("p1", "m1", -1), "until_ms"),
        (hold("p1", "p1"), "component_id"),
    ],
)
async def test_an_impossible_relation_is_refused_with_its_member(
    plant: Firm, bad: Holding, path: str
) -> None:
    assert (await refused(plant, bad))["path"] == path


async def test_a_thing_inside_itself_is_refused_with_the_path(plant: Firm) -> None:
    await put(
        plant, hold("p1", "m1"), hold("m1", "C1", quantity="1"), hold("C1", "K1", quantity="9", unit="g")
    )
    fields = await refused(plant, hold("K1", "p1"))
    assert fields["cycle"] == ["batch:K1", "item:p1", "item:m1", "batch:C1", "batch:K1"]


async def test_a_circle_through_what_the_holder_held_before_is_found(plant: Firm) -> None:
    await put(plant, hold("p1", "m1"))
    both = [hold("p1", "m2"), hold("m1", "p1")]
    outcome = await plant.do(lambda uow: as_built.store_holdings(uow, both))
    assert [fault.fields["cycle"] for fault in outcome.faults] == [["item:p1", "item:m1", "item:p1"]]


async def test_what_was_written_down_by_mistake_is_taken_back(plant: Firm) -> None:
    await put(plant, hold("p1", "m1"))
    one, other = Subject(ITEM, "p1"), Subject(ITEM, "m1")
    with pytest.raises(NotFound):
        await plant.do(lambda uow: as_built.delete_holding(uow, one, other, 5, at()))
    await plant.do(lambda uow: as_built.delete_holding(uow, one, other, 0, at()))
    assert await plant.do(lambda uow: uow.supply.holdings_of([other])) == []


async def test_the_same_relation_again_changes_nothing(plant: Firm) -> None:
    many = [hold("p1", "m1"), hold("p1", "C1", quantity="4")]
    await plant.do(lambda uow: as_built.store_holdings(uow, many))
    outcome = await plant.do(lambda uow: as_built.store_holdings(uow, many))
    assert (outcome.new_count, outcome.changed_count, outcome.same_count) == (0, 0, 2)


async def test_a_serial_number_is_that_of_one_item_of_its_part(plant: Firm) -> None:
    taken = Item(item_id="p9", part_id="pack", serial="p1")
    with pytest.raises(Invalid) as refusal:
        await plant.do(lambda uow: items.put_item(uow, taken, at()))
    assert (refusal.value.fields["path"], refusal.value.fields["id"]) == ("serial", "p1")
    of_another_part = Item(item_id="p9", part_id="module", serial="p1")
    await plant.do(lambda uow: items.put_item(uow, of_another_part, at()))
    twice = [Item(item_id=one, part_id="pack", serial="s") for one in ("x", "y")]
    outcome = await plant.do(lambda uow: items.ITEMS.store(uow, twice, at()))
    assert [(fault.index, fault.path) for fault in outcome.faults] == [(1, "serial")]


async def test_items_exchange_their_serial_numbers_one_after_the_other(plant: Firm) -> None:
    crossed = [Item(item_id=one, part_id="pack", serial=other) for one, other in (("p1", "p2"), ("p2", "p1"))]
    outcome = await plant.do(lambda uow: items.ITEMS.store(uow, crossed, at()))
    assert [(fault.index, fault.path) for fault in outcome.faults] == [(0, "serial"), (1, "serial")]
    await plant.do(lambda uow: items.put_item(uow, Item(item_id="p1", part_id="pack", serial="free"), at()))
    await plant.do(lambda uow: items.put_item(uow, Item(item_id="p9", part_id="pack", serial="p1"), at()))
    found = await plant.do(lambda uow: uow.supply.items_by_serial("pack", ["p1", "free"]))
    assert found == {"p1": "p9", "free": "p1"}


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"part_id": "nothing"}, "part_id"),
        ({"plant_id": "west"}, "plant_id"),
        ({"batch_id": "B9"}, "batch_id"),
        ({"batch_id": "K1"}, "batch_id"),
        ({"serial": ""}, "serial"),
        ({"serial": "s" * 129}, "serial"),
        ({"item_id": "a/b"}, "id"),
    ],
)
async def test_a_bad_item_is_refused_with_its_member(plant: Firm, changes: dict[str, str], path: str) -> None:
    item = Item(**{"item_id": "x", "part_id": "cell", "serial": "s1", **changes})  # type: ignore[arg-type]  # texts
    with pytest.raises(Invalid) as refusal:
        await plant.do(lambda uow: items.put_item(uow, item, at()))
    assert refusal.value.fields["path"] == path


async def test_the_items_of_a_batch_are_listed(plant: Firm) -> None:
    cells = [
        Item(item_id=f"c{number}", part_id="cell", serial=str(number), batch_id="C1") for number in range(5)
    ]
    await plant.do(lambda uow: items.ITEMS.store(uow, cells, at()))
    found = await plant.do(lambda uow: as_built.items_of_batch(uow, "C1", "c2", 10))
    assert [one.item_id for one in found] == ["c3", "c4"]
    with pytest.raises(NotFound):
        await plant.do(lambda uow: as_built.items_of_batch(uow, "B9", "", 10))
    with pytest.raises(WrongState, match="'c0' is of this batch"):
        await plant.do(lambda uow: items.delete_batch(uow, "C1", at()))


async def test_what_was_built_is_not_deleted(plant: Firm) -> None:
    await put(plant, hold("p1", "m1"), hold("p1", "K1", quantity="1", unit="kg"))
    for thing in ("p1", "m1"):
        with pytest.raises(WrongState):
            await plant.do(lambda uow, thing=thing: items.delete_item(uow, thing, at()))  # type: ignore[misc]  # bound at once
    with pytest.raises(WrongState):
        await plant.do(lambda uow: items.delete_batch(uow, "K1", at()))
    await plant.do(lambda uow: items.delete_batch(uow, "K2", at()))
    await plant.do(lambda uow: items.delete_item(uow, "p2", at()))


async def test_the_part_of_a_used_batch_stays(plant: Firm) -> None:
    await put(plant, hold("m1", "K1", quantity="1", unit="kg"))
    changed = Batch(batch_id="K1", part_id="cell")
    with pytest.raises(Invalid, match="its part stays"):
        await plant.do(lambda uow: items.put_batch(uow, changed, at()))


async def test_a_plant_in_which_an_item_was_made_is_not_deleted(plant: Firm) -> None:
    made = Item(item_id="p1", part_id="pack", serial="p1", plant_id="east")
    await plant.do(lambda uow: items.put_item(uow, made, at()))
    with pytest.raises(WrongState):
        await plant.do(lambda uow: parts.delete_plant(uow, "east", at()))


async def test_an_item_is_found_by_its_code(plant: Firm) -> None:
    code = identifier("code24", "001PE0123456789AB0000001")
    named = Item(item_id="p1", part_id="pack", serial="p1", identifiers=(code,))
    await plant.do(lambda uow: items.put_item(uow, named, at()))
    assert await plant.do(lambda uow: naming.find(uow, code.text)) == Subject(ITEM, "p1")
