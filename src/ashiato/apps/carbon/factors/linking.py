"""From datasets to the entries of two matrices: which product is whose, and what stays without a supplier."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from ashiato.apps.carbon.factors.datasets import Activity, Exchange, Reading, Uncertainty


class Entry(msgspec.Struct, frozen=True):
    """One entry: row and column are positions in `Matrices.products`/`elementary_flows` and `Matrices.activities`.

    `amount` is exact; entries of one place are meant to be added. `uncertainty` speaks of the exchange as it was declared: where
    `negated`, its values are those of −`amount`.
    """

    row: int
    column: int
    amount: Decimal
    uncertainty: Uncertainty | None = None
    negated: bool = False


class Unlinked(msgspec.Struct, frozen=True):
    """An input that no activity supplies, or that several could: `problem` says which, and the footprint lacks it."""

    activity_id: str
    flow_id: str
    problem: str


class Matrices(msgspec.Struct, frozen=True):
    """Technosphere (square: product i is the reference of activity i) and biosphere, as lists of entries.

    `activities` and `elementary_flows` name columns and rows; `left_out` are activities without exactly one product.
    """

    activities: tuple[str, ...]
    elementary_flows: tuple[str, ...]
    technosphere: tuple[Entry, ...]
    biosphere: tuple[Entry, ...]
    unlinked: tuple[Unlinked, ...]
    left_out: tuple[str, ...]


def link(readings: Iterable[Reading]) -> Matrices:
    """The matrices of everything in `readings` together; an activity that comes twice is taken from the first.

    An input goes to its `provider_id` if that activity makes the flow; else to the one activity that makes it at the location of
    the exchange; else to the only one that makes it at all. Nothing is guessed beyond that.
    """
    activities: dict[str, Activity] = {}
    left_out: list[str] = []
    for reading in readings:
        for activity in reading.activities:
            reference = activity.reference
            if reference is None or not reference.amount:
                left_out.append(activity.id)
            else:
                activities.setdefault(activity.id, activity)
    columns = {activity_id: column for column, activity_id in enumerate(activities)}
    makers = _makers(activities)
    elementary: dict[str, int] = {}
    technosphere: list[Entry] = []
    biosphere: list[Entry] = []
    unlinked: list[Unlinked] = []
    for column, activity in enumerate(activities.values()):
        for exchange in activity.exchanges:
            if not exchange.amount:
                continue
            if exchange.kind == "elementary":
                row = elementary.setdefault(exchange.flow_id, len(elementary))
                # What nature gives or takes is counted as it is declared; the flow's compartment says which of the two it is.
                biosphere.append(Entry(row, column, exchange.amount, exchange.uncertainty))
                continue
            found = _supplier(exchange, activity, activities, makers)
            if isinstance(found, str) and not _same_unit(exchange, activities[found]):
                found = Unlinked(
                    activity.id, exchange.flow_id, f"its supplier {found} counts in another unit"
                )
            if isinstance(found, Unlinked):
                unlinked.append(found)
            else:
                technosphere.append(
                    Entry(
                        columns[found],
                        column,
                        exchange.signed_amount,
                        exchange.uncertainty,
                        negated=exchange.direction == "input",
                    )
                )
    return Matrices(
        tuple(activities),
        tuple(elementary),
        tuple(technosphere),
        tuple(biosphere),
        tuple(unlinked),
        tuple(dict.fromkeys(left_out)),
    )


def _makers(activities: Mapping[str, Activity]) -> Mapping[str, list[Activity]]:
    """Who makes (or, for a waste, treats) each flow."""
    makers: defaultdict[str, list[Activity]] = defaultdict(list)
    for activity in activities.values():
        if activity.reference is not None:
            makers[activity.reference.flow_id].append(activity)
    return makers


def _same_unit(exchange: Exchange, supplier: Activity) -> bool:
    """Readers bring amounts to one unit of each flow; where they could not, adding the two would be wrong."""
    return supplier.reference is not None and exchange.unit == supplier.reference.unit


def _supplier(
    exchange: Exchange,
    activity: Activity,
    activities: Mapping[str, Activity],
    makers: Mapping[str, list[Activity]],
) -> str | Unlinked:
    if exchange.kind == "reference":
        return activity.id
    if exchange.kind == "coproduct":
        # Booked to its other makers it would count as a saving, which nobody declared.
        return Unlinked(activity.id, exchange.flow_id, "it is a co-product; allocate the activity first")
    named = activities.get(exchange.provider_id)
    if named is not None and named.reference is not None and named.reference.flow_id == exchange.flow_id:
        return named.id
    candidates = makers.get(exchange.flow_id, [])
    if exchange.provider_id:
        return Unlinked(activity.id, exchange.flow_id, f"its supplier {exchange.provider_id} is not there")
    if exchange.location:
        local = [maker for maker in candidates if maker.location == exchange.location]
        candidates = local or candidates
    if len(candidates) == 1:
        return candidates[0].id
    if not candidates:
        return Unlinked(activity.id, exchange.flow_id, "nobody supplies it")
    return Unlinked(activity.id, exchange.flow_id, f"{len(candidates)} activities could supply it")
