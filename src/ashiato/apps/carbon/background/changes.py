"""What-if questions as new recipes of single activities: another supplier, another mix, another year."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ashiato.apps.carbon.background.errors import BackgroundRefused
from ashiato.apps.carbon.background.matrices import Background, read_only


@dataclass(frozen=True)
class Recipe:
    """One activity: what one run makes (positive) and takes (negative) of products, and emits of flows, by number."""

    activity: int
    products: Mapping[int, float]
    flows: Mapping[int, float]


def recipe(database: Background, activity: int) -> Recipe:
    """The recipe that the database has. Raises `BackgroundRefused` when there is no such activity."""
    if not 0 <= activity < database.products_count:
        raise BackgroundRefused("no activity has this number", where=str(activity))
    return Recipe(activity, _column(database.technosphere, activity), _column(database.biosphere, activity))


def swapped(old: Recipe, supplier: int, instead: int, share: float = 1.0, ratio: float = 1.0) -> Recipe:
    """The recipe with this share (0 to 1) of what came from `supplier` bought from `instead`, `ratio` units for each unit.

    Raises `BackgroundRefused` when the activity does not buy there, or would replace its own product."""
    if supplier == old.activity or instead == old.activity:
        raise BackgroundRefused("an activity cannot be its own supplier", where=str(old.activity))
    if supplier not in old.products:
        raise BackgroundRefused("the activity takes nothing of this product", where=str(supplier))
    if not 0.0 <= share <= 1.0 or not np.isfinite(ratio):
        raise BackgroundRefused("a share is between 0 and 1 and a ratio finite", where=f"{share}, {ratio}")
    moved = old.products[supplier] * share
    products = dict(old.products)
    products[supplier] -= moved
    products[instead] = products.get(instead, 0.0) + moved * ratio
    return Recipe(old.activity, products, old.flows)


def mixed(old: Recipe, shares: Mapping[int, float]) -> Recipe:
    """The recipe of a market in which these suppliers have these shares, which are scaled to what they had together before (so
    losses stay). Raises `BackgroundRefused` for shares that are negative or nothing together."""
    before = sum(old.products.get(supplier, 0.0) for supplier in shares)
    together = sum(shares.values())
    if before == 0.0 or not together > 0.0 or min(shares.values()) < 0.0 or old.activity in shares:
        raise BackgroundRefused(
            "shares of suppliers that the market has add up to more than 0", where=str(shares)
        )
    products = dict(old.products)
    for supplier, share in shares.items():
        products[supplier] = before * share / together
    return Recipe(old.activity, products, old.flows)


def of_another_year(later: Background, activity: int, database: Background) -> Recipe:
    """The recipe that another database has for the product of the same name, with its products and flows by their names here.

    Raises `BackgroundRefused` when it names something that is not here."""
    name = database.products[activity]
    there = recipe(later, later.product(name))
    return Recipe(
        activity,
        {database.product(later.products[at]): amount for at, amount in there.products.items()},
        {_flow(database, later.flows[at]): amount for at, amount in there.flows.items()},
    )


def changed(database: Background, recipes: Sequence[Recipe]) -> Background:
    """The database with these recipes instead of its own. Raises `BackgroundRefused` like `background`, and when an activity has
    two new recipes."""
    count, flows_count = database.products_count, len(database.flows)
    activities = [new.activity for new in recipes]
    if len(set(activities)) < len(activities):
        raise BackgroundRefused("an activity has two new recipes", where=str(activities))
    for new in recipes:
        if not 0 <= new.activity < count:
            raise BackgroundRefused("no activity has this number", where=str(new.activity))
        _check(new.products, count, f"products of the new recipe of {database.products[new.activity]}")
        _check(new.flows, flows_count, f"flows of the new recipe of {database.products[new.activity]}")
        if not new.products.get(new.activity):
            raise BackgroundRefused(
                "an activity makes nothing of its own product", where=database.products[new.activity]
            )
    ordered = sorted(recipes, key=lambda new: new.activity)
    return Background(
        database.products,
        database.flows,
        _spliced(database.technosphere, [(new.activity, new.products) for new in ordered]),
        _spliced(database.biosphere, [(new.activity, new.flows) for new in ordered]),
    )


def _check(amounts: Mapping[int, float], limit: int, where: str) -> None:
    for at, amount in amounts.items():
        if not 0 <= at < limit:
            raise BackgroundRefused(f"position {at} is outside of 0 to {limit - 1}", where=where)
        if not np.isfinite(amount):
            raise BackgroundRefused(f"the amount {amount} is no finite number", where=where)


def _spliced(
    matrix: sparse.csc_array, columns: Sequence[tuple[int, Mapping[int, float]]]
) -> sparse.csc_array:
    """The matrix with some columns replaced; the columns come in order."""
    starts = matrix.indptr
    sizes = np.diff(starts)
    rows: list[np.ndarray] = []
    amounts: list[np.ndarray] = []
    done = 0
    for at, column in columns:
        entries = sorted((row, amount) for row, amount in column.items() if amount != 0.0)
        rows += [
            matrix.indices[done : starts[at]],
            np.array([row for row, _ in entries], dtype=matrix.indices.dtype),
        ]
        amounts += [matrix.data[done : starts[at]], np.array([amount for _, amount in entries])]
        done = int(starts[at + 1])
        sizes[at] = len(entries)
    rows.append(matrix.indices[done:])
    amounts.append(matrix.data[done:])
    new_starts = np.zeros_like(starts)
    np.cumsum(sizes, out=new_starts[1:])
    return read_only(
        sparse.csc_array((np.concatenate(amounts), np.concatenate(rows), new_starts), shape=matrix.shape)
    )


def _column(matrix: sparse.csc_array, activity: int) -> dict[int, float]:
    part = slice(matrix.indptr[activity], matrix.indptr[activity + 1])
    return dict(zip(matrix.indices[part].tolist(), matrix.data[part].tolist(), strict=True))


def _flow(database: Background, name: str) -> int:
    if name not in database.flows:
        raise BackgroundRefused("no flow has this name", where=repr(name))
    return database.flows.index(name)
