"""What was really built: which serial item or batch holds which, from when until when."""

from collections.abc import Mapping, Sequence

from ashiato.connector.offers import note
from ashiato.connector.ports import Moment
from ashiato.connector.problems import Invalid, NotFound
from ashiato.facts.quantities import Quantity
from ashiato.supply.amounts import amount_of, check_same_dimension, unit_of
from ashiato.supply.faults import Faults, refuse, repeated
from ashiato.supply.graphs import find_cycle, reachable
from ashiato.supply.items import check_there
from ashiato.supply.keeping import Outcome
from ashiato.supply.ports import Place, UnitOfWork
from ashiato.supply.records import Batch, Holding, Item, PartType, Subject, SubjectKind

BUILT = frozenset({SubjectKind.BATCH, SubjectKind.ITEM})

Things = Mapping[Subject, Item | Batch]


def holds_of(
    uow: UnitOfWork, holder: Subject, as_of_ms: int | None, after: Place, limit_count: int
) -> list[Holding]:
    """What it holds at an instant (None = ever), page by page. Raises `NotFound`."""
    check_there(uow, holder)
    return uow.supply.holds_of(holder, as_of_ms, after, limit_count)


def held_in(
    uow: UnitOfWork, component: Subject, as_of_ms: int | None, after: Place, limit_count: int
) -> list[Holding]:
    """What it is held in at an instant (None = ever), page by page. Raises `NotFound`."""
    check_there(uow, component)
    return uow.supply.held_in(component, as_of_ms, after, limit_count)


def items_of_batch(uow: UnitOfWork, batch_id: str, after_id: str, limit_count: int) -> list[Item]:
    """The serial items of a batch, page by page. Raises `NotFound`."""
    check_there(uow, Subject(SubjectKind.BATCH, batch_id))
    return uow.supply.items_of_batch(batch_id, after_id, limit_count)


def put_holding(uow: UnitOfWork, holding: Holding, moment: Moment) -> Holding:
    """Write down that something was built in, or correct it; the same again changes nothing.

    An end (`until_ms`) says that it was taken out or replaced. Raises `Invalid`.
    """
    outcome = store_holdings(uow, [holding])
    refuse(outcome.faults)
    if not outcome.same_count:
        details: dict[str, object] = {"component": holding.component.key, "from_ms": holding.from_ms}
        note(uow, moment, "holding.stored", holding.holder.key, details)
    return holding


def delete_holding(
    uow: UnitOfWork, holder: Subject, component: Subject, from_ms: int, moment: Moment
) -> None:
    """Take back what was written down by mistake. Raises `NotFound`."""
    if not uow.supply.delete_holding(holder, component, from_ms):
        raise NotFound(f"{holder.key} holds no {component.key} from then on.", id=holder.id)
    note(uow, moment, "holding.deleted", holder.key, {"component": component.key, "from_ms": from_ms})


def store_holdings(uow: UnitOfWork, holdings: Sequence[Holding], *, is_trial: bool = False) -> Outcome:
    """Store all of them, or none when one has a fault; `is_trial` only says what would come of it."""
    faults = Faults()
    if not is_trial:
        uow.supply.begin_change()
    repeated(
        map(_key, holdings),
        lambda index, _: faults.add(index, "component_id", "This relation stands twice in this."),
    )
    things = _things(uow, holdings)
    parts = uow.supply.parts.get_many([thing.part_id for thing in things.values()])
    known = _known(uow, holdings)
    for index, holding in enumerate(holdings):
        _check_one(index, holding, things, parts, faults)
    _check_places(holdings, known, faults)
    if not faults.found:
        _check_cycles(uow, holdings, faults)
    if faults.found:
        return Outcome(faults=tuple(faults.found))
    before = {_key(holding): holding for holding in known}
    changed = [holding for holding in holdings if holding != before.get(_key(holding))]
    if not is_trial:
        uow.supply.put_holdings(changed)
    new_count = sum(_key(holding) not in before for holding in changed)
    return Outcome(
        new_count=new_count,
        changed_count=len(changed) - new_count,
        same_count=len(holdings) - len(changed),
    )


def _key(holding: Holding) -> tuple[Subject, Subject, int]:
    return holding.holder, holding.component, holding.from_ms


def _known(uow: UnitOfWork, holdings: Sequence[Holding]) -> list[Holding]:
    """Where the items were, and what the holders took of batches: a batch itself may be in very many things."""
    items = [one.component for one in holdings if one.component.kind is SubjectKind.ITEM]
    holders = [one.holder for one in holdings if one.component.kind is SubjectKind.BATCH]
    return [*uow.supply.holdings_of(items), *uow.supply.batches_held(holders)]


def _things(uow: UnitOfWork, holdings: Sequence[Holding]) -> Things:
    wanted = {subject for holding in holdings for subject in (holding.holder, holding.component)}
    items = uow.supply.items.get_many([one.id for one in wanted if one.kind is SubjectKind.ITEM])
    batches = uow.supply.batches.get_many([one.id for one in wanted if one.kind is SubjectKind.BATCH])
    return {
        **{Subject(SubjectKind.ITEM, item_id): item for item_id, item in items.items()},
        **{Subject(SubjectKind.BATCH, batch_id): batch for batch_id, batch in batches.items()},
    }


def _check_one(
    index: int, holding: Holding, things: Things, parts: Mapping[str, PartType], faults: Faults
) -> None:
    for path, subject in (("holder_id", holding.holder), ("component_id", holding.component)):
        if subject.kind not in BUILT:
            faults.add(index, path, "Only items and batches are built of each other.")
        elif subject not in things:
            faults.add(
                index, path, f"There is no {subject.kind} {subject.id!r}; create it first.", id=subject.id
            )
    if holding.from_ms < 0 or (holding.until_ms is not None and holding.until_ms <= holding.from_ms):
        faults.add(index, "until_ms", "A thing is held from an instant until a later one.")
    component = things.get(holding.component)
    part = parts.get(component.part_id) if component is not None else None
    with faults.of(index, "quantity"):
        amount = amount_of(holding.quantity, holding.unit, "quantity", "unit")
        if holding.component.kind is SubjectKind.ITEM:
            _check_one_item(amount)
        elif part is not None:
            what = f"{holding.holder.key} > {holding.component.key}: the part {part.part_id!r}"
            check_same_dimension(amount.unit, unit_of(part.unit, "unit"), "unit", what)


def _check_one_item(amount: Quantity) -> None:
    if amount.unit.symbol != "piece" or amount.value != 1:
        raise Invalid("A serial item is held as 1 piece.", path="quantity")


def _check_places(holdings: Sequence[Holding], known: Sequence[Holding], faults: Faults) -> None:
    """A serial item is in one thing at a time."""
    given = {_key(holding) for holding in holdings}
    places: dict[Subject, list[Holding]] = {}
    for holding in known:
        if _key(holding) not in given:
            places.setdefault(holding.component, []).append(holding)
    for index, holding in enumerate(holdings):
        if holding.component.kind is not SubjectKind.ITEM:
            continue
        others = places.setdefault(holding.component, [])
        other = next((one for one in others if _overlap(one, holding)), None)
        if other is not None:
            faults.add(
                index,
                "component_id",
                f"The item {holding.component.id!r} is in {other.holder.key} at that time; say first when it left.",
                id=other.holder.id,
                from_ms=other.from_ms,
            )
        others.append(holding)


def _overlap(one: Holding, other: Holding) -> bool:
    ends_before = one.until_ms is not None and one.until_ms <= other.from_ms
    begins_after = other.until_ms is not None and other.until_ms <= one.from_ms
    return not (ends_before or begins_after)


def _check_cycles(uow: UnitOfWork, holdings: Sequence[Holding], faults: Faults) -> None:
    """Also through relations of different times: what once held a thing is never built into it."""
    added: dict[str, dict[str, None]] = {}
    for holding in holdings:
        added.setdefault(holding.holder.key, {})[holding.component.key] = None

    def components_of(keys: Sequence[str]) -> dict[str, Sequence[str]]:
        stored = uow.supply.components_held(keys)
        merged = {key: tuple(dict.fromkeys((*added.get(key, ()), *stored.get(key, ())))) for key in keys}
        return {key: many for key, many in merged.items() if many}

    # A circle comes back to a holder from below what was built into it: what else the holder holds need not be read.
    below = reachable((key for keys in added.values() for key in keys), components_of)
    edges = {key: tuple(keys) for key, keys in added.items()}
    cycle = find_cycle(added, {**edges, **below})
    if cycle:
        index = next(number for number, one in enumerate(holdings) if one.holder.key in cycle)
        path = " > ".join(cycle)
        faults.add(index, "component_id", f"A thing would be inside itself: {path}.", cycle=list(cycle))
