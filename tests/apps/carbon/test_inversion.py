"""How well quantities can be told from what was declared: held against sums by hand and against an attack that is carried out."""

from fractions import Fraction
from statistics import median

import numpy as np
import pytest

from ashiato.apps.carbon.inversion import (
    LEAST_ERROR,
    LOOK_BACK_MS,
    MEDIAN_OF_NORMAL,
    MOST_INPUTS_COUNT,
    REST,
    Disclosures,
    SeenFigure,
    SeenVersion,
    quantity_errors,
    read_disclosures,
    seen_version,
    told_too_well,
)
from ashiato.facts.instants import DAY_MS
from tests.footprints_kept import activity, calculated

EIGHT_HUNDRED = 800
UNKNOWN = MEDIAN_OF_NORMAL


def version(number: int, *figures: tuple[float, dict[str, float]]) -> SeenVersion:
    return SeenVersion(
        str(number), number * DAY_MS, tuple(SeenFigure("total", unit, parts) for unit, parts in figures)
    )


def seen(lines: list[tuple[str, str]]) -> SeenVersion:
    """What a declaration of a product with these lines (kilograms of CO2 equivalent for ten pieces) tells."""
    made = calculated("pack", [activity(key, "material", "1", "kg", kg) for key, kg in lines])
    return seen_version(made.result, made.own.rules, "1", 0)


def test_one_input_alone_is_told_to_the_rounding_of_the_total() -> None:
    # 12.3 kg rounded to 0.1: the spread of the rounding error is 0.1 / sqrt(12), of the quantity that over 12.3.
    errors = quantity_errors([version(0, (0.1, {"metal": 12.3}))])
    assert errors["metal"] == pytest.approx(MEDIAN_OF_NORMAL * 0.1 / 12**0.5 / 12.3, rel=1e-4)
    assert told_too_well(errors) == ("metal",)


def test_two_inputs_behind_one_figure_hide_each_other() -> None:
    # What is known is the sum; along the difference nothing is, so each keeps 1/sqrt(2) of what was unknown of it.
    errors = quantity_errors([version(0, (0.001, {"a": 10.0, "b": 10.0}))])
    assert list(errors.values()) == pytest.approx([UNKNOWN / 2**0.5] * 2, rel=1e-3)
    assert told_too_well(errors) == ()


def test_a_second_version_with_another_figure_of_one_input_gives_both_away() -> None:
    first, second = (version(number, (0.001, {"a": 10.0, "b": kg})) for number, kg in enumerate((10.0, 12.0)))
    assert told_too_well(quantity_errors([first])) == ()
    assert set(told_too_well(quantity_errors([first, second]))) == {"a", "b"}


def test_the_same_version_again_tells_nothing_new() -> None:
    first = version(0, (0.5, {"a": 10.0, "b": 3.0}))
    again = version(1, (0.5, {"a": 10.0, "b": 3.0}))
    assert quantity_errors([first, again]) == quantity_errors([first])


def test_a_product_of_three_lines_of_different_stages_must_warn_and_one_of_many_alike_must_not() -> None:
    few = calculated(
        "pack",
        [
            activity(stage, "material", "1", "kg", kg, stage=stage)
            for stage, kg in (("raw_materials", "120"), ("main_production", "40"), ("distribution", "3"))
        ],
    )
    errors = quantity_errors([seen_version(few.result, few.own.rules, "1", 0)])
    assert set(told_too_well(errors)) == {"raw_materials", "main_production", "distribution"}
    many = quantity_errors([seen([(f"line {index:02}", "10") for index in range(30)])])
    assert len(many) == 30
    assert told_too_well(many) == ()
    assert min(many.values()) > 5 * LEAST_ERROR


def test_small_inputs_beyond_the_bound_are_looked_at_as_one() -> None:
    errors = quantity_errors([seen([(f"{index:03}", str(EIGHT_HUNDRED - index)) for index in range(80)])])
    assert len(errors) == MOST_INPUTS_COUNT + 1
    assert REST in errors


def test_the_error_that_is_told_is_that_of_an_attack_that_is_carried_out() -> None:
    """Least squares over ten versions of five inputs, with rounded sums: its median error is the one that is told."""
    dice = np.random.default_rng(7)
    names, trials_count, unit = [f"{index}" for index in range(5)], 200, 0.5
    told, found = [], []
    for _ in range(trials_count):
        parts = dice.lognormal(1, 0.5, 5) * dice.lognormal(0, 0.05, (10, 5))
        versions = [
            version(number, (unit, dict(zip(names, row, strict=True)))) for number, row in enumerate(parts)
        ]
        told += list(quantity_errors(versions).values())
        # The attacker's guess is off by a spread of one; the sums are known up to half a unit.
        guess = 1 + dice.normal(0, 1, 5)
        rows = np.vstack([np.eye(5), parts / (unit / 12**0.5)])
        sums = np.round(parts.sum(axis=1) / unit) * unit / (unit / 12**0.5)
        quantities, *_ = np.linalg.lstsq(rows, np.concatenate([guess, sums]), rcond=None)
        found += list(np.abs(quantities - 1))
    assert median(told) == pytest.approx(median(found), rel=0.15)


def test_versions_older_than_three_years_are_forgotten_and_the_same_id_stands_once() -> None:
    kept = Disclosures(product="pack")
    for number in (0, 1, 1):
        kept = kept.with_version(version(number, (0.1, {"a": 1.0})))
    assert [one.id for one in kept.versions] == ["0", "1"]
    late = SeenVersion("late", LOOK_BACK_MS + DAY_MS, ())
    assert [one.id for one in kept.with_version(late).versions] == ["1", "late"]


@pytest.mark.parametrize("data", [b"{}", b"[]", b"\xff", b'{"product": "cell"}'])
def test_what_is_no_list_of_disclosures_is_begun_anew(data: bytes) -> None:
    assert read_disclosures(data, "pack") == Disclosures(product="pack")


def test_figures_are_those_of_one_piece_with_their_last_place() -> None:
    # 1 234 kg for ten pieces: 123.4 each, declared as 123 by three digits, so one in the last place is 1.
    found = seen([("metal", "1234")])
    total = next(figure for figure in found.figures if figure.name == "total")
    assert (total.unit, total.parts) == (1.0, {"metal": float(Fraction("123.4"))})
