"""Bills of material as planned: what goes into a part, by version and date."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

import msgspec

from ashiato.connector.offers import note
from ashiato.connector.ports import Moment
from ashiato.connector.problems import NotFound
from ashiato.facts.quantities import Quantity, parse_decimal, parse_quantity
from ashiato.supply.amounts import amount_of, check_same_dimension, loss_of, unit_of
from ashiato.supply.faults import Faults, refuse, repeated
from ashiato.supply.graphs import find_cycle, reachable
from ashiato.supply.keeping import Outcome, check_name, check_own_id
from ashiato.supply.ports import UnitOfWork
from ashiato.supply.records import Bill, BillLine, PartType, Sourcing

MOST_LINES_COUNT = 10_000


def needed(line: BillLine) -> Quantity:
    """What goes in for the component of a stored line: its quantity and what is lost on the way, quantity / (1 - loss)."""
    quantity = parse_quantity(line.quantity, line.unit)
    return Quantity(quantity.value / (1 - parse_decimal(line.loss)), quantity.unit)


def needed_for_one(bill: Bill, line: BillLine) -> Fraction:
    """The same for one unit of the parent: a number of `line.unit`."""
    return needed(line).value / parse_decimal(bill.output)


def valid_at(bills: Iterable[Bill], instant_ms: int) -> Bill | None:
    """Of the versions of one part the one that counts at an instant: the last that began, if its end has not come."""
    begun = [bill for bill in bills if bill.valid_from_ms <= instant_ms]
    latest = max(begun, key=lambda bill: bill.valid_from_ms, default=None)
    if latest is None or (latest.valid_until_ms is not None and instant_ms >= latest.valid_until_ms):
        return None
    return latest


def bill_at(uow: UnitOfWork, part_id: str, instant_ms: int) -> Bill:
    """The bill of a part that counts at an instant; raises `NotFound`."""
    found = valid_at(uow.supply.bills_of([part_id]).get(part_id, ()), instant_ms)
    if found is None:
        raise NotFound(f"The part {part_id!r} has no bill of material then.", id=part_id)
    return found


def bill_of(uow: UnitOfWork, part_id: str, version: str) -> Bill:
    """One version; raises `NotFound`."""
    found = uow.supply.bill(part_id, version)
    if found is None:
        raise NotFound(
            f"The part {part_id!r} has no bill of material {version!r}.", id=part_id, version=version
        )
    return found


def put_bill(uow: UnitOfWork, bill: Bill, moment: Moment) -> Bill:
    """Create or replace one version; the same again changes nothing. Raises `Invalid`, for a cycle with its path."""
    outcome = store_bills(uow, [bill], moment)
    refuse(outcome.faults)
    if not outcome.same_count:
        details: dict[str, object] = {"version": bill.version, "lines": len(bill.lines)}
        note(uow, moment, "bill.stored", bill.part_id, details)
    return bill_of(uow, bill.part_id, bill.version)


def delete_bill(uow: UnitOfWork, part_id: str, version: str, moment: Moment) -> None:
    """Forget one version. Raises `NotFound`."""
    if not uow.supply.delete_bill(part_id, version):
        raise NotFound(
            f"The part {part_id!r} has no bill of material {version!r}.", id=part_id, version=version
        )
    note(uow, moment, "bill.deleted", part_id, {"version": version})


def store_bills(uow: UnitOfWork, bills: Sequence[Bill], moment: Moment, *, is_trial: bool = False) -> Outcome:
    """Store all of them, or none when one has a fault; `is_trial` only says what would come of it."""
    faults = Faults()
    if not is_trial:
        uow.supply.begin_change()
    repeated(
        ((bill.part_id, bill.version) for bill in bills),
        lambda index, _: faults.add(index, "version", "This version of the bill stands twice in this."),
    )
    known = uow.supply.bills_of([bill.part_id for bill in bills])
    parts = uow.supply.parts.get_many(
        [
            *(bill.part_id for bill in bills),
            *(line.component_id for bill in bills for line in bill.lines),
        ]
    )
    for index, bill in enumerate(bills):
        _check_bill(index, bill, parts, faults)
        _check_lines(index, bill, parts, faults)
    _check_beginnings(bills, known, faults)
    if not faults.found:
        _check_cycles(uow, bills, known, faults)
    if faults.found:
        return Outcome(faults=tuple(faults.found))
    before = {(bill.part_id, bill.version): bill for many in known.values() for bill in many}
    stamped = [_stamped(bill, before.get((bill.part_id, bill.version)), moment) for bill in bills]
    changed = [bill for bill in stamped if bill != before.get((bill.part_id, bill.version))]
    if not is_trial:
        uow.supply.put_bills(changed)
    new_count = sum((bill.part_id, bill.version) not in before for bill in changed)
    return Outcome(
        new_count=new_count,
        changed_count=len(changed) - new_count,
        same_count=len(bills) - len(changed),
    )


def _check_bill(index: int, bill: Bill, parts: Mapping[str, PartType], faults: Faults) -> None:
    check_own_id(index, bill.version, "version", faults, "version")
    parent = parts.get(bill.part_id)
    if parent is None:
        faults.add(index, "part_id", f"There is no part {bill.part_id!r}; create it first.", id=bill.part_id)
    elif parent.sourcing is Sourcing.PURCHASED:
        faults.add(
            index, "part_id", f"{bill.part_id!r} is a purchased part: what is in it, its supplier says."
        )
    else:
        with faults.of(index, "output"):
            amount_of(bill.output, parent.unit, "output", "output")
    if bill.valid_from_ms < 0 or (
        bill.valid_until_ms is not None and bill.valid_until_ms <= bill.valid_from_ms
    ):
        faults.add(index, "valid_until_ms", "A bill is valid from an instant until a later one.")


def _check_lines(index: int, bill: Bill, parts: Mapping[str, PartType], faults: Faults) -> None:
    if not 0 < len(bill.lines) <= MOST_LINES_COUNT:
        faults.add(index, "lines", f"A bill has 1 to {MOST_LINES_COUNT} lines.")
    places: set[tuple[str, str]] = set()
    for place, line in enumerate(bill.lines):
        path = f"lines[{place}]"
        check_name(index, line.position, f"{path}.position", faults)
        if (line.component_id, line.position) in places:
            faults.add(
                index,
                f"{path}.component_id",
                f"{line.component_id!r} stands twice; add the quantities, or tell the lines apart by a position.",
            )
        places.add((line.component_id, line.position))
        with faults.of(index, f"{path}.quantity"):
            amount_of(line.quantity, line.unit, f"{path}.quantity", f"{path}.unit")
        with faults.of(index, f"{path}.loss"):
            loss_of(line.loss, f"{path}.loss")
        component = parts.get(line.component_id)
        if component is None:
            faults.add(
                index,
                f"{path}.component_id",
                f"There is no part {line.component_id!r}; create it first.",
                id=line.component_id,
            )
        else:
            with faults.of(index, f"{path}.unit"):
                given = unit_of(line.unit, f"{path}.unit")
                what = f"{bill.part_id} > {line.component_id}: the component"
                check_same_dimension(given, unit_of(component.unit, f"{path}.unit"), f"{path}.unit", what)


def _check_beginnings(bills: Sequence[Bill], known: Mapping[str, Sequence[Bill]], faults: Faults) -> None:
    """Two versions that begin at one instant would leave open which of them counts."""
    given = {(bill.part_id, bill.version) for bill in bills}
    begins = {
        (bill.part_id, bill.valid_from_ms): bill.version
        for many in known.values()
        for bill in many
        if (bill.part_id, bill.version) not in given
    }
    for index, bill in enumerate(bills):
        other = begins.setdefault((bill.part_id, bill.valid_from_ms), bill.version)
        if other != bill.version:
            faults.add(
                index,
                "valid_from_ms",
                f"The version {other!r} begins at the same instant; let one of the two begin later.",
                version=other,
            )


def _check_cycles(
    uow: UnitOfWork, bills: Sequence[Bill], known: Mapping[str, Sequence[Bill]], faults: Faults
) -> None:
    """Also through versions of different times: a part that was ever inside itself is a mistake in the ids."""
    given = {(bill.part_id, bill.version) for bill in bills}
    stay = [bill for many in known.values() for bill in many if (bill.part_id, bill.version) not in given]
    changed: dict[str, dict[str, None]] = {}
    for bill in (*bills, *stay):
        changed.setdefault(bill.part_id, {}).update(dict.fromkeys(line.component_id for line in bill.lines))

    def components_of(ids: Sequence[str]) -> dict[str, Sequence[str]]:
        stored = uow.supply.components_of([one for one in ids if one not in changed])
        return {**stored, **{one: tuple(changed[one]) for one in ids if one in changed}}

    cycle = find_cycle(changed, reachable(changed, components_of))
    if cycle:
        index = next(number for number, bill in enumerate(bills) if bill.part_id in cycle)
        path = " > ".join(cycle)
        faults.add(index, "lines", f"A part would be inside itself: {path}.", cycle=list(cycle))


def _stamped(bill: Bill, before: Bill | None, moment: Moment) -> Bill:
    if before is not None:
        as_before = msgspec.structs.replace(bill, created_ms=before.created_ms, updated_ms=before.updated_ms)
        if as_before == before:
            return before
    created_ms = moment.now_ms if before is None else before.created_ms
    return msgspec.structs.replace(bill, created_ms=created_ms, updated_ms=moment.now_ms)
