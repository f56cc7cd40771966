"""A background database as two sparse matrices, checked once when it is made."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from ashiato.apps.carbon.background.errors import BackgroundRefused

Floats = NDArray[np.float64]
Positions = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Exchanges:
    """Amounts at coordinates: `row` is the product or the flow, `column` the activity, `amount` what one run of the activity
    makes (positive) or takes (negative) of a product, or emits of a flow.

    Two exchanges at one coordinate add up."""

    row: Positions
    column: Positions
    amount: Floats

    @property
    def count(self) -> int:
        return self.amount.size


@dataclass(frozen=True, eq=False)
class Background:
    """A checked database. `technosphere` has a row for each product and a column for each activity, and the product of the row
    with the same number is what that activity is there for; `biosphere` has a row for each flow.

    Made by `background` only: its matrices are square and finite, no activity lacks its product."""

    products: tuple[str, ...]
    flows: tuple[str, ...]
    technosphere: sparse.csc_array
    biosphere: sparse.csc_array

    @property
    def products_count(self) -> int:
        return len(self.products)

    def product(self, name: str) -> int:
        """The row of a product; raises `BackgroundRefused` when the database has none of this name."""
        try:
            return self.products.index(name)
        except ValueError:
            raise BackgroundRefused("no product has this name", where=repr(name)) from None


def exchanges(row: ArrayLike, column: ArrayLike, amount: ArrayLike) -> Exchanges:
    """Coordinates as the importers have them. Raises `BackgroundRefused` when the three differ in length or are no numbers."""
    rows, columns, amounts = np.asarray(row), np.asarray(column), np.asarray(amount, dtype=np.float64)
    if rows.size == 0:
        rows, columns = rows.astype(np.int64), columns.astype(np.int64)
    for name, positions in (("row", rows), ("column", columns)):
        if positions.ndim != 1 or positions.dtype.kind not in "iu":
            raise BackgroundRefused("positions are whole numbers in one line", where=name)
    if not rows.size == columns.size == amounts.size or amounts.ndim != 1:
        raise BackgroundRefused(
            "rows, columns and amounts differ in number",
            where=f"{rows.size}, {columns.size}, {amounts.size}",
        )
    return Exchanges(rows.astype(np.int64), columns.astype(np.int64), amounts)


def background(
    products: Sequence[str], flows: Sequence[str], technosphere: Exchanges, biosphere: Exchanges
) -> Background:
    """The checked database. Raises `BackgroundRefused` for a name that stands twice, a position outside, an amount that is no
    finite number, an activity that makes nothing of its own product, and an empty database."""
    count = len(products)
    if count == 0:
        raise BackgroundRefused("there is no product", where="products")
    _check_names("product", products)
    _check_names("flow", flows)
    _check("technosphere", technosphere, count, count)
    _check("biosphere", biosphere, len(flows), count)
    made = _columns(technosphere, count, count)
    idle = np.flatnonzero(made.diagonal() == 0.0)
    if idle.size:
        raise BackgroundRefused("an activity makes nothing of its own product", where=products[int(idle[0])])
    emitted = _columns(biosphere, len(flows), count)
    for name, matrix in (("technosphere", made), ("biosphere", emitted)):
        if not np.isfinite(matrix.data).all():
            raise BackgroundRefused("amounts at one coordinate add up to no finite number", where=name)
    return Background(tuple(products), tuple(flows), made, emitted)


def _check_names(kind: str, names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise BackgroundRefused(f"a {kind} stands twice", where=name)
        seen.add(name)


def _check(matrix: str, given: Exchanges, rows_count: int, columns_count: int) -> None:
    """Refuses the first exchange that does not fit, by its number."""
    for name, positions, limit in (("row", given.row, rows_count), ("column", given.column, columns_count)):
        outside = np.flatnonzero((positions < 0) | (positions >= limit))
        if outside.size:
            at = int(outside[0])
            raise BackgroundRefused(
                f"{name} {positions[at]} is outside of 0 to {limit - 1}", where=f"{matrix} exchange {at}"
            )
    broken = np.flatnonzero(~np.isfinite(given.amount))
    if broken.size:
        at = int(broken[0])
        raise BackgroundRefused(
            f"the amount {given.amount[at]} is no finite number", where=f"{matrix} exchange {at}"
        )


def _columns(given: Exchanges, rows_count: int, columns_count: int) -> sparse.csc_array:
    matrix = sparse.csc_array(
        (given.amount, (given.row, given.column)), shape=(rows_count, columns_count), dtype=np.float64
    )
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return read_only(matrix)


def read_only(matrix: sparse.csc_array) -> sparse.csc_array:
    """The same matrix, which nobody can change any more."""
    for part in (matrix.data, matrix.indices, matrix.indptr):
        part.flags.writeable = False
    return matrix
