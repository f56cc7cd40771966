"""Random supply chains as plain numbers, their footprint by a walk over all paths, and the same chain tier by tier.

The walk knows nothing of the engine: it multiplies along each path and adds up.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from hypothesis import strategies as st

from ashiato.apps.carbon.allocation import Output
from ashiato.apps.carbon.inventory import ActivityLine, Assessment, Inventory, Kind, assess
from ashiato.apps.carbon.rollup import Purchased, RollUp, roll_up
from ashiato.apps.carbon.rulesets import Ruleset
from ashiato.facts.footprints import DataQuality, DeclaredFootprint, Intensity, Origin, Stage
from ashiato.facts.quantities import KILOGRAM, Quantity

CELLS = [(stage, origin) for stage in Stage if stage is not Stage.END_OF_LIFE for origin in Origin][:8]
MOST_TIERS_COUNT = 8


@dataclass(frozen=True)
class Part:
    """One product: the process as it runs, and how much of which part one kilogram of the product takes in net of loss."""

    output_kg: Fraction
    by_product_kg: Fraction
    prices: tuple[Fraction, Fraction]
    activities: tuple[tuple[int, Fraction, Fraction, bool, tuple[int, int, int]], ...]
    inputs: tuple[tuple[int, Fraction, Fraction], ...]


@st.composite
def chains(draw: st.DrawFn) -> list[Part]:
    """Parts in order, each from lower ones only, so that suppliers are shared; the last is the product; depth at most 8."""
    amounts = st.integers(1, 400).map(lambda n: Fraction(n, 100))
    parts: list[Part] = []
    for place in range(draw(st.integers(2, MOST_TIERS_COUNT))):
        below = draw(
            st.lists(st.integers(0, place - 1), unique=True, min_size=1, max_size=3) if place else st.just([])
        )
        parts.append(
            Part(
                output_kg=draw(amounts) * 100,
                by_product_kg=draw(
                    st.sampled_from([Fraction(0), Fraction(1, 10), Fraction(30), Fraction(77)])
                ),
                prices=(draw(amounts), draw(amounts)),
                activities=tuple(
                    draw(
                        st.lists(
                            st.tuples(
                                st.integers(0, len(CELLS) - 1),
                                amounts,
                                amounts,
                                st.booleans(),
                                st.tuples(*[st.integers(1, 5)] * 3),
                            ),
                            min_size=1,
                            max_size=3,
                        )
                    )
                ),
                inputs=tuple(
                    (
                        lower,
                        draw(amounts),
                        draw(st.sampled_from([Fraction(0), Fraction(3, 100), Fraction(1, 7)])),
                    )
                    for lower in below
                ),
            )
        )
    return parts


def main_share(part: Part) -> Fraction:
    """What the main product bears, by the rule in words: price ratio above 4 by value, else by mass; 3 % do not count."""
    whole_kg = part.output_kg + part.by_product_kg
    main, other = part.prices
    counts = part.by_product_kg > whole_kg * Fraction(3, 100)
    if counts and max(main, other) > 4 * min(main, other):
        return part.output_kg * main / (part.output_kg * main + part.by_product_kg * other)
    return part.output_kg / whole_kg


def paths_to(parts: list[Part], place: int) -> dict[int, Fraction]:
    """How many kilograms of each part stand behind one kilogram of the product, allocation applied, over all paths."""
    amounts = {place: Fraction(1)}
    for lower, quantity, loss in parts[place].inputs:
        factor = main_share(parts[place]) * quantity / (1 - loss)
        for reached, amount in paths_to(parts, lower).items():
            amounts[reached] = amounts.get(reached, Fraction(0)) + factor * amount
    return amounts


def flat(parts: list[Part]) -> tuple[dict[tuple[Stage, Origin], Fraction], Fraction | None, list[Fraction]]:
    """Emissions by cell, primary data share and the three ratings of one kilogram of the last part."""
    cells: dict[tuple[Stage, Origin], Fraction] = {}
    total = primary = Fraction(0)
    ratings = [Fraction(0)] * 3
    for place, amount in paths_to(parts, len(parts) - 1).items():
        part = parts[place]
        for number, used, intensity, measured, scores in part.activities:
            cell = CELLS[number]
            sign = -1 if cell[1] is Origin.UPTAKE else 1
            kg = amount * main_share(part) * used * intensity * sign / part.output_kg
            cells[cell] = cells.get(cell, Fraction(0)) + kg
            if sign > 0:
                total += kg
                primary += kg * measured
                ratings = [rating + kg * score for rating, score in zip(ratings, scores, strict=True)]
    return cells, primary / total if total else None, [rating / total for rating in ratings if total]


def assessed(part: Part, rules: Ruleset) -> Assessment:
    """The own share by the engine, for one kilogram."""
    products = [Output("main", Quantity(part.output_kg, KILOGRAM), part.prices[0])]
    if part.by_product_kg:
        products.append(Output("other", Quantity(part.by_product_kg, KILOGRAM), part.prices[1]))
    lines = tuple(
        ActivityLine(
            key=f"activity {place}",
            kind=Kind.FUEL,
            stage=CELLS[number][0],
            amount=Quantity(used, KILOGRAM),
            intensity=Intensity(
                per=Quantity(Fraction(1), KILOGRAM),
                kg_by_origin=((CELLS[number][1], -kg if CELLS[number][1] is Origin.UPTAKE else kg),),
                gwp_set=rules.gwp_set,
                source="drawn",
                year=2026,
                primary=True,
            ),
            measured=measured,
            quality=DataQuality(*(Fraction(score) for score in scores)),
        )
        for place, (number, used, kg, measured, scores) in enumerate(part.activities)
    )
    inventory = Inventory(
        plant="plant",
        product="main",
        from_ms=0,
        until_ms=1,
        output=Quantity(part.output_kg, KILOGRAM),
        products=tuple(products),
        lines=lines,
    )
    return assess(inventory, Quantity(Fraction(1), KILOGRAM), rules)


Handing = Callable[[RollUp, int], DeclaredFootprint]


def tier_by_tier(
    parts: list[Part], rules: Ruleset, hand_on: Handing, given: Mapping[int, DeclaredFootprint] | None = None
) -> RollUp:
    """The last part's roll-up, each lower one known only by what `hand_on` makes of its result, or by what is given."""
    declared = dict(given or {})
    result = None
    for place, part in enumerate(parts):
        if place in declared:
            continue
        bought = [
            Purchased(
                key=str(lower),
                quantity=Quantity(quantity, KILOGRAM),
                loss_share=loss,
                declared=declared[lower],
            )
            for lower, quantity, loss in part.inputs
        ]
        result = roll_up(assessed(part, rules), bought)
        declared[place] = hand_on(result, place)
    assert result is not None
    return result
