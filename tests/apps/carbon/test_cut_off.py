from fractions import Fraction

import pytest

from ashiato.apps.carbon.cut_off import CutOffExceeded, MassInput, cut_off_inputs
from ashiato.apps.carbon.rulesets import ruleset
from ashiato.facts.footprints import Intensity, Origin
from ashiato.facts.quantities import parse_quantity

RULES = ruleset("CFB-EV-2023JRC")


def intensity(kg: str) -> Intensity:
    return Intensity(
        per=parse_quantity("1", "kg"),
        kg_by_origin=((Origin.FOSSIL, Fraction(kg)),),
        gwp_set="EF-3.1",
        source="example",
        year=2026,
    )


def given(key: str, kg: str, factor: str | None, estimate: str | None = None) -> MassInput:
    return MassInput(
        key,
        parse_quantity(kg, "kg"),
        None if factor is None else intensity(factor),
        None if estimate is None else intensity(estimate),
    )


def test_the_missing_mass_goes_to_the_input_of_the_highest_intensity() -> None:
    found = cut_off_inputs(
        [given("steel", "60", "2"), given("cathode", "39.5", "20"), given("glue", "0.5", None)], RULES
    )
    assert [(key, str(mass)) for key, mass, _ in found.inputs] == [("steel", "60 kg"), ("cathode", "40 kg")]
    assert found.left_out == ("glue",)
    # At the highest intensity: 0.5 × 20 = 10 of 120 + 790 + 10.
    assert found.exempted_share == Fraction(10, 920)
    assert {note.key for note in found.assumptions} == {
        "cut_off.mass",
        "cut_off.emissions",
        "cut_off.balance",
    }


def test_one_percent_of_the_mass_is_too_much_to_leave_out() -> None:
    with pytest.raises(CutOffExceeded) as refused:
        cut_off_inputs([given("steel", "99", "2"), given("glue", "1", None)], RULES)
    assert refused.value.inputs == ("glue",)


def test_small_inputs_may_not_be_many_emissions_together() -> None:
    left_out = [given(f"trace {n}", "0.5", None, "5") for n in range(3)]
    with pytest.raises(CutOffExceeded, match="of the emissions"):
        cut_off_inputs([given("steel", "98.5", "2"), *left_out], RULES)
    # 1.5 × 2 = 3 of 200 are below three percent.
    assert cut_off_inputs(
        [given("steel", "98.5", "2"), *(given(f"trace {n}", "0.5", None, "2") for n in range(3))], RULES
    ).exempted_share == Fraction(3, 200)


def test_with_nothing_left_out_nothing_changes() -> None:
    found = cut_off_inputs([given("steel", "1", "2")], RULES)
    assert not found.left_out
    assert not found.assumptions
    assert found.exempted_share == 0


@pytest.mark.parametrize(
    "inputs", [[given("a", "-1", "2")], [given("a", "0", None)], [given("a", "1", None)]]
)
def test_impossible_inputs_are_refused(inputs: list[MassInput]) -> None:
    with pytest.raises(CutOffExceeded):
        cut_off_inputs(inputs, RULES)
