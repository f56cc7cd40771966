from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings

from ashiato.apps.carbon.declarations import Issue, canonical, declare, read_declaration
from ashiato.apps.carbon.gases import SAME_FACTORS, GwpConversion, MixedGwpSets
from ashiato.apps.carbon.rollup import (
    CyclicProduct,
    InputStanding,
    MixedBases,
    Product,
    Purchased,
    RollUp,
    UnusableInput,
    collapsed,
    declared_as,
    downstream_of,
    roll_up,
    roll_up_all,
)
from ashiato.apps.carbon.rulesets import EXACT, Rounding, Ruleset, ruleset
from ashiato.facts.footprints import (
    DeclaredFootprint,
    EndOfLifeBasis,
    Origin,
    PerDeclaredUnit,
    Stage,
    StageVector,
    Uncertainty,
    VerificationShares,
)
from ashiato.facts.instants import DAY_MS
from ashiato.facts.quantities import KILOGRAM, KILOWATT_HOUR, PIECE, Quantity, parse_quantity
from tests.apps.carbon.chains import Handing, Part, assessed, chains, flat, paths_to, tier_by_tier
from tests.apps.carbon.suppliers import ONE_KG, PLAIN, fossil, line

# Counts all stages of the drawn chains, on cut-off.
ALL_STAGES = frozenset({"raw_materials", "main_production", "distribution", "end_of_life"})


@pytest.fixture(scope="module")
def rules() -> Ruleset:
    pact = ruleset("PACT-3")
    stages = msgspec.structs.replace(pact.book.provisions["stages"], words=tuple(sorted(ALL_STAGES)))
    book = msgspec.structs.replace(pact.book, provisions={**pact.book.provisions, "stages": stages})
    return Ruleset(book)


def by_document(rules: Ruleset, rounding: Rounding) -> Handing:
    """Hands on what a receiver reads from the bytes of the declaration, and nothing else."""

    def hand_on(result: RollUp, place: int) -> DeclaredFootprint:
        issue = Issue(
            id=f"urn:example:{place}",
            issuer=f"did:web:tier{place}.example",
            product=f"part {place}",
            reference_from_ms=0,
            reference_until_ms=1,
            valid_from_ms=0,
            valid_until_ms=365 * DAY_MS,
        )
        return read_declaration(canonical(declare(result, rules, issue, rounding=rounding)))[1]

    return hand_on


@settings(max_examples=60, deadline=None)
@given(parts=chains())
def test_tier_by_tier_equals_one_flat_computation_exactly(rules: Ruleset, parts: list[Part]) -> None:
    result = tier_by_tier(parts, rules, by_document(rules, EXACT))
    cells, primary, ratings = flat(parts)
    assert result.emissions == StageVector.of(cells)
    assert result.weights.primary_data_share == primary
    quality = result.weights.quality
    assert list(quality.scores if quality else ()) == ratings
    assert result.rounding_bound_kg == 0


@pytest.mark.parametrize(
    "rounding", [Rounding("significant", 3), Rounding("decimals", 2), Rounding("decimals", 0)]
)
@settings(max_examples=25, deadline=None)
@given(parts=chains())
def test_rounding_in_every_tier_stays_within_the_declared_bound(
    rules: Ruleset, rounding: Rounding, parts: list[Part]
) -> None:
    figures: dict[int, DeclaredFootprint] = {}
    hand_on = by_document(rules, rounding)

    def kept(result: RollUp, place: int) -> DeclaredFootprint:
        figures[place] = hand_on(result, place)
        return figures[place]

    tier_by_tier(parts, rules, kept)
    last = len(parts) - 1
    cells, _, _ = flat(parts)
    declared = figures[last]
    exact = StageVector.of(cells)
    moved_kg = abs(declared.footprint.emissions.excluding_uptake_kg - exact.excluding_uptake_kg)
    assert moved_kg <= declared.rounding_bound_kg
    # Σ |path quantity| × rounding unit over all figures that were rounded on the way.
    propagated_kg = sum(
        amount * sum((rounding.unit_of(kg) for kg in _unrounded(rules, parts, place, figures)), Fraction(0))
        for place, amount in paths_to(parts, last).items()
    )
    assert moved_kg <= propagated_kg


def _unrounded(
    rules: Ruleset, parts: list[Part], place: int, figures: dict[int, DeclaredFootprint]
) -> tuple[Fraction, ...]:
    """The exact cells of a part before its own rounding, computed from what its suppliers declared."""
    bought = [
        Purchased(key=str(lower), quantity=Quantity(kg, KILOGRAM), loss_share=loss, declared=figures[lower])
        for lower, kg, loss in parts[place].inputs
    ]
    return roll_up(assessed(parts[place], rules), bought).emissions.cells_kg


@settings(max_examples=30, deadline=None)
@given(parts=chains())
def test_one_suppliers_change_moves_the_result_by_quantity_times_change(
    rules: Ruleset, parts: list[Part]
) -> None:
    hand_on = by_document(rules, EXACT)
    known: dict[int, DeclaredFootprint] = {}

    def kept(result: RollUp, place: int) -> DeclaredFootprint:
        known[place] = hand_on(result, place)
        return known[place]

    before = tier_by_tier(parts, rules, kept)
    change = StageVector.of({(Stage.RAW_MATERIALS, Origin.FOSSIL): Fraction(7, 3)})
    changed = msgspec.structs.replace(
        known[0],
        footprint=PerDeclaredUnit(known[0].footprint.emissions + change, known[0].footprint.declared),
    )
    after = tier_by_tier(parts, rules, hand_on, given={0: changed})
    behind_kg = paths_to(parts, len(parts) - 1).get(0, Fraction(0))
    assert after.emissions - before.emissions == change.scaled(behind_kg)


# --- single lines ------------------------------------------------------------------------------------------------------


def test_the_quantity_is_multiplied_and_the_loss_is_taken_in_too(rules: Ruleset) -> None:
    # Own 1 × 50 / 100 = 0.5; bought 2 kg net with 20 % loss = 2.5 kg at 3 kg = 7.5.
    result = roll_up(assessed(PLAIN, rules), [line(fossil("3"), loss_share=Fraction(1, 5))])
    assert result.emissions.excluding_uptake_kg == 8
    assert [one.total_kg for one in result.contributions] == [Fraction(1, 2), Fraction(15, 2)]


def test_units_are_converted_and_kilograms_are_never_taken_for_pieces(rules: Ruleset) -> None:
    assert roll_up(
        assessed(PLAIN, rules), [line(fossil("3"), "2000", "g")]
    ).emissions.excluding_uptake_kg == Fraction(13, 2)
    with pytest.raises(UnusableInput, match="line: kg and piece"):
        roll_up(assessed(PLAIN, rules), [line(fossil("3"), "2", "piece")])


def test_mass_is_converted_by_the_declared_product_mass_only_when_the_line_says_so(rules: Ruleset) -> None:
    per_piece = DeclaredFootprint(
        footprint=PerDeclaredUnit(
            StageVector.of({(Stage.RAW_MATERIALS, Origin.FOSSIL): 3}), Quantity(Fraction(1), PIECE)
        ),
        gwp_set="AR6",
        product_mass=parse_quantity("500", "g"),
    )
    with pytest.raises(UnusableInput):
        roll_up(assessed(PLAIN, rules), [line(per_piece)])
    # 2 kg are four pieces of 500 g.
    result = roll_up(assessed(PLAIN, rules), [line(per_piece, by_mass=True)])
    assert result.contributions[1].total_kg == 12
    without = msgspec.structs.replace(per_piece, product_mass=None)
    with pytest.raises(UnusableInput, match="no mass"):
        roll_up(assessed(PLAIN, rules), [line(without, by_mass=True)])


@pytest.mark.parametrize(
    "broken",
    [
        {"amount": "-1"},
        {"loss_share": Fraction(1)},
        {"loss_share": Fraction(-1, 10)},
        {"stage": Stage.END_OF_LIFE},
    ],
)
def test_impossible_lines_are_refused_by_name(rules: Ruleset, broken: dict[str, Any]) -> None:
    given_line = line(fossil("3"), **broken)
    with pytest.raises(UnusableInput) as refused:
        roll_up(assessed(PLAIN, rules), [given_line])
    assert refused.value.key == "line"


def test_two_rules_of_recycling_are_never_added(rules: Ruleset) -> None:
    declared = fossil("3", basis=EndOfLifeBasis.CIRCULAR_FOOTPRINT_FORMULA)
    with pytest.raises(MixedBases):
        roll_up(assessed(PLAIN, rules), [line(declared)])


def test_an_input_without_recycling_counts_alike_on_both_bases_and_that_is_told() -> None:
    cfb = ruleset("CFB-EV-2023JRC")
    plain = fossil("3", gwp_set="EF-3.1")
    result = roll_up(assessed(PLAIN, cfb), [line(plain, without_recycling=True)])
    assert result.contributions[1].total_kg == 6
    assert "basis.inputs" in {note.key for note in result.assumptions}
    credited = msgspec.structs.replace(
        plain,
        footprint=PerDeclaredUnit(
            plain.footprint.emissions + StageVector.of({(Stage.END_OF_LIFE, Origin.FOSSIL): -1}), ONE_KG
        ),
    )
    with pytest.raises(MixedBases):
        roll_up(assessed(PLAIN, cfb), [line(credited, without_recycling=True)])


def test_verified_parts_are_weighted_by_emissions(rules: Ruleset) -> None:
    verified = fossil("3", verification=VerificationShares(third_party=Fraction(1), program=Fraction(1, 2)))
    # 6 of 6.5 kg are verified, and half of these certified by program.
    shares = roll_up(assessed(PLAIN, rules), [line(verified)]).weights.verification
    assert (shares.third_party, shares.program) == (Fraction(12, 13), Fraction(6, 13))


def test_factors_of_two_sets_are_refused_or_converted_and_told(rules: Ruleset) -> None:
    with pytest.raises(MixedGwpSets, match="is on AR5 and the result on AR6"):
        roll_up(assessed(PLAIN, rules), [line(fossil("3", gwp_set="AR5"))])
    conversion = GwpConversion(
        found="AR5",
        wanted="AR6",
        factors=((Origin.FOSSIL, Fraction("1.02")),),
        source="own estimate",
        year=2026,
    )
    result = roll_up(assessed(PLAIN, rules), [line(fossil("3", gwp_set="AR5"))], conversions=[conversion])
    assert result.contributions[1].total_kg == Fraction("6.12")
    assert conversion.note in result.assumptions
    same = roll_up(assessed(PLAIN, rules), [line(fossil("3", gwp_set="EF-3.1"))], conversions=SAME_FACTORS)
    assert same.contributions[1].total_kg == 6


def test_a_line_may_put_its_suppliers_stages_into_one(rules: Ruleset) -> None:
    declared = msgspec.structs.replace(
        fossil("3"),
        footprint=PerDeclaredUnit(
            StageVector.of(
                {
                    (Stage.MAIN_PRODUCTION, Origin.FOSSIL): 2,
                    (Stage.DISTRIBUTION, Origin.AIRCRAFT): 1,
                    (Stage.END_OF_LIFE, Origin.FOSSIL): 4,
                }
            ),
            ONE_KG,
        ),
    )
    added = roll_up(assessed(PLAIN, rules), [line(declared, "1", stage=Stage.RAW_MATERIALS)]).contributions[1]
    assert added.emissions == StageVector.of(
        {
            (Stage.RAW_MATERIALS, Origin.FOSSIL): 2,
            (Stage.RAW_MATERIALS, Origin.AIRCRAFT): 1,
            (Stage.END_OF_LIFE, Origin.FOSSIL): 4,
        }
    )


def test_what_a_supplier_does_not_tell_counts_as_the_worst(rules: Ruleset) -> None:
    result = roll_up(assessed(PLAIN, rules), [line(fossil("3"))])
    # Own 0.5 kg primary at (1, 2, 3), bought 6 kg at (5, 5, 5).
    assert result.weights.primary_data_share == Fraction(1, 13)
    quality = result.weights.quality
    assert quality is not None
    assert quality.scores == (Fraction(61, 13), Fraction(62, 13), Fraction(63, 13))


def test_a_stale_input_is_marked_and_everything_downstream_knows(rules: Ruleset) -> None:
    stale = roll_up(assessed(PLAIN, rules), [line(fossil("3"), standing=InputStanding.WITHDRAWN)])
    assert [one.standing for one in stale.stale] == [InputStanding.WITHDRAWN]
    handed = by_document(rules, rules.rounding)(stale, 1)
    assert handed.rests_on_stale
    above = roll_up(assessed(PLAIN, rules), [line(handed)])
    assert [one.standing for one in above.stale] == [InputStanding.RESTS_ON_STALE]
    assert not roll_up(assessed(PLAIN, rules), [line(fossil("3"))]).stale


def test_what_rests_on_a_change_is_found_over_any_number_of_steps() -> None:
    inputs = {
        "cell": ["cathode", "anode"],
        "pack": ["cell", "housing"],
        "vehicle": ["pack"],
        "spare": ["housing"],
    }
    assert downstream_of(["cathode"], inputs) == {"cell", "pack", "vehicle"}
    assert downstream_of(["vehicle"], inputs) == frozenset()


def test_own_products_are_rolled_up_without_rounding_between_them(rules: Ruleset) -> None:
    third = Fraction(1, 3)
    products = {
        "pack": Product(
            own=assessed(PLAIN, rules), parts=(("cell", Quantity(third, KILOGRAM), Fraction(0)),)
        ),
        "cell": Product(own=assessed(PLAIN, rules), bought=(line(fossil("3")),)),
    }
    results = roll_up_all(products)
    assert results["cell"].emissions.excluding_uptake_kg == Fraction(13, 2)
    assert results["pack"].emissions.excluding_uptake_kg == Fraction(1, 2) + Fraction(13, 6)


def test_a_product_that_contains_itself_is_refused_with_the_path(rules: Ruleset) -> None:
    own = assessed(PLAIN, rules)
    products = {
        "a": Product(own=own, parts=(("b", ONE_KG, Fraction(0)),)),
        "b": Product(own=own, parts=(("c", ONE_KG, Fraction(0)),)),
        "c": Product(own=own, parts=(("b", ONE_KG, Fraction(0)),)),
    }
    with pytest.raises(CyclicProduct) as refused:
        roll_up_all(products)
    assert refused.value.path == ("b", "c", "b")


def test_a_very_deep_product_is_computed(rules: Ruleset) -> None:
    own = assessed(PLAIN, rules)
    products = {
        str(level): Product(own=own, parts=((str(level - 1), ONE_KG, Fraction(0)),) if level else ())
        for level in range(1500)
    }
    assert roll_up_all(products)["1499"].emissions.excluding_uptake_kg == 750


def test_a_cause_that_comes_by_two_ways_adds_before_it_is_squared(rules: Ruleset) -> None:
    shared = fossil("3", uncertainty=Uncertainty((("grid", Fraction(1)),)))
    other = fossil("3", uncertainty=Uncertainty((("ore", Fraction(2)),)))
    lines = [
        msgspec.structs.replace(line(one, "1"), key=str(place))
        for place, one in enumerate((shared, shared, other))
    ]
    # (1 + 1)² + 2² = 8, not 1 + 1 + 4.
    assert roll_up(assessed(PLAIN, rules), lines).uncertainty.variance_kg2 == 8


def test_collapsed_causes_are_one_number_rounded_up() -> None:
    both = Uncertainty((("a", Fraction(1)), ("b", Fraction(1))))
    assert collapsed(both, "own").causes == (("own", Fraction("1.42")),)
    assert collapsed(Uncertainty((("a", Fraction(30)), ("b", Fraction(40)))), "own").causes == (
        ("own", Fraction(50)),
    )
    assert collapsed(Uncertainty(), "own") == Uncertainty()


def test_a_figure_is_rounded_from_the_exact_value_and_the_bound_says_by_how_much(rules: Ruleset) -> None:
    result = roll_up(assessed(PLAIN, rules), [line(fossil("1.23456"), "1")])
    declared = declared_as(result, Rounding("significant", 3))
    assert declared.footprint.emissions.excluding_uptake_kg == Fraction("1.73")
    assert declared.rounding_bound_kg == Fraction("0.005")
    assert result.emissions.excluding_uptake_kg == Fraction("1.73456")


def test_energy_is_bought_by_the_kilowatt_hour(rules: Ruleset) -> None:
    power = DeclaredFootprint(
        footprint=PerDeclaredUnit(
            StageVector.of({(Stage.MAIN_PRODUCTION, Origin.FOSSIL): Fraction("0.45")}),
            Quantity(Fraction(1), KILOWATT_HOUR),
        ),
        gwp_set="AR6",
    )
    result = roll_up(assessed(PLAIN, rules), [line(power, "36", "MJ")])
    assert result.contributions[1].total_kg == Fraction("4.5")
