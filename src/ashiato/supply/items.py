"""Batches (lots) and serial items of the company's parts, its own and those it bought."""

from collections.abc import Iterable, Mapping, Sequence

from ashiato.connector.ports import Moment
from ashiato.connector.problems import NotFound, WrongState
from ashiato.supply.amounts import amount_of
from ashiato.supply.faults import Faults
from ashiato.supply.keeping import Keeping, check_name, check_own_id
from ashiato.supply.ports import FIRST_PLACE, UnitOfWork
from ashiato.supply.records import Batch, Item, PartType, Plant, Subject, SubjectKind

LONGEST_SERIAL_CHARS = 128


def put_batch(uow: UnitOfWork, batch: Batch, moment: Moment) -> Batch:
    """Create or replace a batch. Raises `Invalid`."""
    return BATCHES.put(uow, batch, moment)


def delete_batch(uow: UnitOfWork, batch_id: str, moment: Moment) -> None:
    """Forget a batch that nothing names. Raises `NotFound` and `WrongState`."""
    for item in uow.supply.items_of_batch(batch_id, "", 1):
        raise WrongState(f"The item {item.item_id!r} is of this batch.", id=item.item_id)
    _check_unbuilt(uow, Subject(SubjectKind.BATCH, batch_id))
    BATCHES.forget(uow, batch_id, moment)


def put_item(uow: UnitOfWork, item: Item, moment: Moment) -> Item:
    """Create or replace a serial item. Raises `Invalid`."""
    return ITEMS.put(uow, item, moment)


def delete_item(uow: UnitOfWork, item_id: str, moment: Moment) -> None:
    """Forget an item that was never built into anything, nor anything into it. Raises `NotFound` and `WrongState`."""
    _check_unbuilt(uow, Subject(SubjectKind.ITEM, item_id))
    ITEMS.forget(uow, item_id, moment)


def check_there(uow: UnitOfWork, subject: Subject) -> None:
    """Refuse to look at a batch or an item that there is not. Raises `NotFound`."""
    shelf = uow.supply.batches if subject.kind is SubjectKind.BATCH else uow.supply.items
    if shelf.get(subject.id) is None:
        raise NotFound(f"There is no {subject.kind} {subject.id!r}.", id=subject.id)


def _check_unbuilt(uow: UnitOfWork, subject: Subject) -> None:
    held = uow.supply.held_in(subject, None, FIRST_PLACE, 1)
    holds = uow.supply.holds_of(subject, None, FIRST_PLACE, 1)
    for holding in (*held, *holds):
        raise WrongState(
            f"{holding.holder.key} holds {holding.component.key}; what was built is kept.", id=subject.id
        )


def _check_common(
    index: int,
    record: Batch | Item,
    parts: Mapping[str, PartType],
    plants: Mapping[str, Plant],
    faults: Faults,
) -> None:
    if record.part_id not in parts:
        faults.add(
            index, "part_id", f"There is no part {record.part_id!r}; create it first.", id=record.part_id
        )
    if record.plant_id and record.plant_id not in plants:
        faults.add(index, "plant_id", f"There is no plant {record.plant_id!r}; create it first.")


def _check_batches(
    uow: UnitOfWork, batches: Sequence[Batch], known: dict[str, Batch], faults: Faults
) -> None:
    parts, plants = _around(uow, batches)
    for index, batch in enumerate(batches):
        check_own_id(index, batch.batch_id, "batch", faults)
        _check_common(index, batch, parts, plants, faults)
        part = parts.get(batch.part_id)
        if part is not None and batch.quantity is not None:
            with faults.of(index, "quantity"):
                amount_of(batch.quantity, part.unit, "quantity", "part_id")
        before = known.get(batch.batch_id)
        if before is not None and before.part_id != batch.part_id and _is_used(uow, before):
            faults.add(index, "part_id", f"The batch is used as one of {before.part_id!r}; its part stays.")


def _is_used(uow: UnitOfWork, batch: Batch) -> bool:
    subject = Subject(SubjectKind.BATCH, batch.batch_id)
    return bool(
        uow.supply.items_of_batch(batch.batch_id, "", 1) or uow.supply.held_in(subject, None, FIRST_PLACE, 1)
    )


def _check_items(uow: UnitOfWork, items: Sequence[Item], _: dict[str, Item], faults: Faults) -> None:
    parts, plants = _around(uow, items)
    batches = uow.supply.batches.get_many([item.batch_id for item in items if item.batch_id])
    owners = _owners_of_serials(uow, items)
    for index, item in enumerate(items):
        check_own_id(index, item.item_id, "item", faults)
        _check_common(index, item, parts, plants, faults)
        if not 0 < len(item.serial) <= LONGEST_SERIAL_CHARS or not item.serial.isprintable():
            faults.add(
                index, "serial", f"A serial number has 1 to {LONGEST_SERIAL_CHARS} printable characters."
            )
            continue
        check_name(index, item.serial, "serial", faults)
        owner = owners.setdefault((item.part_id, item.serial), item.item_id)
        if owner != item.item_id:
            faults.add(
                index,
                "serial",
                f"The serial number {item.serial!r} of the part {item.part_id!r} is that of the item {owner!r}.",
                id=owner,
            )
        batch = batches.get(item.batch_id)
        if item.batch_id and batch is None:
            faults.add(index, "batch_id", f"There is no batch {item.batch_id!r}; create it first.")
        elif batch is not None and batch.part_id != item.part_id:
            faults.add(
                index, "batch_id", f"The batch {item.batch_id!r} is one of the part {batch.part_id!r}."
            )


def _owners_of_serials(uow: UnitOfWork, items: Sequence[Item]) -> dict[tuple[str, str], str]:
    """The stored item of each (part, serial), also of one that gets another serial here: which of the two is written first
    is not said, and the store takes no serial twice in between.
    """
    by_part: dict[str, list[str]] = {}
    for item in items:
        by_part.setdefault(item.part_id, []).append(item.serial)
    return {
        (part_id, serial): item_id
        for part_id, serials in by_part.items()
        for serial, item_id in uow.supply.items_by_serial(part_id, serials).items()
    }


def _around(uow: UnitOfWork, records: Iterable[Batch | Item]) -> tuple[dict[str, PartType], dict[str, Plant]]:
    known = list(records)
    parts = uow.supply.parts.get_many([record.part_id for record in known])
    plants = uow.supply.plants.get_many([record.plant_id for record in known if record.plant_id])
    return parts, plants


BATCHES = Keeping(SubjectKind.BATCH, lambda uow: uow.supply.batches, lambda one: one.batch_id, _check_batches)
ITEMS = Keeping(SubjectKind.ITEM, lambda uow: uow.supply.items, lambda one: one.item_id, _check_items)
