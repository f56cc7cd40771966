"""A background database in one run of bytes that reads back to the last bit.

A line that names the form, the length of a header, the header as JSON (names, units, what is missing, the arrays), then the
arrays one after the other in little-endian order. Parameters of distributions stand there for uncertain exchanges only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from ashiato.apps.carbon.background.distributions import Distributions, Kind, distributions
from ashiato.apps.carbon.background.matrices import Exchanges, exchanges
from ashiato.apps.carbon.background.simulation import UncertainBackground, uncertain_background
from ashiato.apps.carbon.databases.questions import Missing
from ashiato.apps.carbon.databases.spreads import spread_of
from ashiato.apps.carbon.factors.backgrounds import Incomplete
from ashiato.apps.carbon.factors.datasets import Flow, Reading
from ashiato.apps.carbon.factors.linking import Entry, Unlinked, link

_MARK = b"ASHIATO BACKGROUND 1\n"
_LENGTH_BYTES = 8
MOST_TOLD_COUNT = 1000


class Product(msgspec.Struct, frozen=True):
    """What one activity is there for; `id` is that of the activity, intensities are per one `unit`."""

    id: str
    name: str
    unit: str
    location: str = ""
    year: int | None = None


@dataclass(frozen=True, eq=False)
class Database:
    """A database that can be asked. `products` and `flows` are those of the matrices, in their order."""

    products: tuple[Product, ...]
    flows: tuple[Flow, ...]
    uncertain: UncertainBackground
    missing: Missing
    flat_count: int


class PackingBroken(ValueError):
    """The bytes are no packed database; the store was damaged, and the file must be imported again."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"the packed database is broken ({problem}); import its file again")


class _Header(msgspec.Struct, frozen=True):
    products: tuple[Product, ...]
    flows: tuple[Flow, ...]
    missing: Missing
    flat_count: int
    arrays: tuple[tuple[str, int], ...]


def database_of(reading: Reading, *, understating_what_is_missing: bool = False) -> Database:
    """The database that a file describes. Raises `Incomplete` unless the caller takes footprints that are too small, and
    `BackgroundRefused`."""
    matrices = link([reading])
    missing = missing_of(matrices.unlinked, matrices.left_out)
    if missing.count and not understating_what_is_missing:
        raise Incomplete(matrices.unlinked, matrices.left_out)
    made_spread, flat_made_count = spread_of(matrices.technosphere)
    emitted_spread, flat_emitted_count = spread_of(matrices.biosphere)
    uncertain = uncertain_background(
        matrices.activities,
        matrices.elementary_flows,
        (_exchanges(matrices.technosphere), made_spread),
        (_exchanges(matrices.biosphere), emitted_spread),
    )
    flows, names = reading.flows_by_id(), {activity.id: activity for activity in reading.activities}
    products = []
    for activity_id in matrices.activities:
        activity = names[activity_id]
        unit = activity.reference.unit if activity.reference is not None else ""
        year = activity.last_year or activity.first_year
        products.append(Product(activity_id, activity.name, unit, activity.location, year))
    return Database(
        tuple(products),
        tuple(flows[flow_id] for flow_id in matrices.elementary_flows),
        uncertain,
        missing,
        flat_made_count + flat_emitted_count,
    )


def packed(database: Database) -> bytes:
    """The bytes; the same database gives the same ones on every machine."""
    given = database.uncertain
    arrays = [
        *_arrays(given.technosphere, given.technosphere_spread),
        *_arrays(given.biosphere, given.biosphere_spread),
    ]
    header = msgspec.json.encode(
        _Header(
            database.products,
            database.flows,
            database.missing,
            database.flat_count,
            tuple((array.dtype.str, array.size) for array in arrays),
        )
    )
    return b"".join(
        (_MARK, len(header).to_bytes(_LENGTH_BYTES, "little"), header, *(array.tobytes() for array in arrays))
    )


def unpacked(data: bytes) -> Database:
    """The database in the bytes, checked anew. Raises `PackingBroken` and `BackgroundRefused`."""
    at = len(_MARK) + _LENGTH_BYTES
    if not data.startswith(_MARK):
        raise PackingBroken("it begins otherwise")
    end = at + int.from_bytes(data[len(_MARK) : at], "little")
    try:
        header = msgspec.json.decode(data[at:end], type=_Header)
    except msgspec.MsgspecError as error:
        raise PackingBroken(str(error)) from None
    arrays = []
    for kind, count in header.arrays:
        size_bytes = np.dtype(kind).itemsize * count
        if end + size_bytes > len(data):
            raise PackingBroken("it ends early")
        arrays.append(np.frombuffer(data, kind, count, end))
        end += size_bytes
    if len(arrays) != 2 * _ARRAYS_COUNT or end != len(data):
        raise PackingBroken("it has other arrays")
    uncertain = uncertain_background(
        [product.id for product in header.products],
        [flow.id for flow in header.flows],
        _exchanges_and_spread(arrays[:_ARRAYS_COUNT]),
        _exchanges_and_spread(arrays[_ARRAYS_COUNT:]),
    )
    return Database(header.products, header.flows, uncertain, header.missing, header.flat_count)


_ARRAYS_COUNT = 9


def _arrays(given: Exchanges, spread: Distributions) -> list[np.ndarray]:
    wide = spread.kind > Kind.CERTAIN
    return [
        given.row.astype("<i4"),
        given.column.astype("<i4"),
        given.amount.astype("<f8"),
        spread.kind.astype("u1"),
        *(
            values[wide].astype("<f8")
            for values in (spread.sign, spread.location, spread.scale, spread.low, spread.high)
        ),
    ]


def _exchanges_and_spread(arrays: list[np.ndarray]) -> tuple[Exchanges, Distributions]:
    row, column, amount, kind, *parameters = arrays
    wide = kind > Kind.CERTAIN
    if any(values.size != np.count_nonzero(wide) for values in parameters) or kind.size != amount.size:
        raise PackingBroken("its arrays do not fit together")
    # What `spreads` says of a certain amount.
    full = [np.ones(kind.size), amount.copy(), *(np.zeros(kind.size) for _ in range(3))]
    for whole, values in zip(full, parameters, strict=True):
        whole[wide] = values
    sign, location, scale, low, high = full
    return exchanges(row, column, amount), distributions(kind, sign, location, scale, low, high)


def _exchanges(entries: tuple[Entry, ...]) -> Exchanges:
    return exchanges(
        [entry.row for entry in entries],
        [entry.column for entry in entries],
        [float(entry.amount) for entry in entries],
    )


def missing_of(unlinked: Sequence[Unlinked], left_out: Sequence[str]) -> Missing:
    """What linking could not place, the first of it in sentences."""
    told = [
        *(f"{one.activity_id}, input {one.flow_id}: {one.problem}" for one in unlinked),
        *(f"{one}: it has not exactly one product" for one in left_out),
    ]
    return Missing(len(unlinked), len(left_out), tuple(told[:MOST_TOLD_COUNT]))
