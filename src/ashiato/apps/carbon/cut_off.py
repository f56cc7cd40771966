"""Inputs left out: small ones by the cut-off rule with the mass balance kept, and flows that a ruleset does not count at all."""

from collections.abc import Sequence
from fractions import Fraction

import msgspec

from ashiato.apps.carbon.rulesets import Assumption, Ruleset
from ashiato.facts.footprints import ZERO, Intensity
from ashiato.facts.quantities import KILOGRAM, Quantity


class CutOffExceeded(ValueError):
    """More was left out than the ruleset permits; data for `inputs` must be found."""

    def __init__(self, inputs: tuple[str, ...], problem: str) -> None:
        super().__init__(f"{', '.join(inputs)}: {problem}")
        self.inputs = inputs
        self.problem = problem


class MassInput(msgspec.Struct, frozen=True):
    """A material that goes into a component. Without an intensity it is left out, and `estimate` is a guess of it."""

    key: str
    mass: Quantity
    intensity: Intensity | None
    estimate: Intensity | None = None


class CutOff(msgspec.Struct, frozen=True):
    """The inputs to compute with, the keys left out, and which part of the emissions they are estimated to be."""

    inputs: tuple[tuple[str, Quantity, Intensity], ...]
    left_out: tuple[str, ...]
    exempted_share: Fraction
    assumptions: tuple[Assumption, ...]


def cut_off_inputs(inputs: Sequence[MassInput], rules: Ruleset) -> CutOff:
    """The inputs with what is left out made up for: its mass is added to the input with the highest intensity.

    Each input left out stays below the ruleset's share of the mass where it sets one; all together stay below its share of the
    emissions, the whole counted before the balance. Raises `CutOffExceeded`, and for a mass that is not positive too.
    """
    for one in inputs:
        if one.mass.value_in(KILOGRAM) <= 0:
            raise CutOffExceeded((one.key,), "its mass must be positive")
    kept = [(one.key, one.mass, one.intensity) for one in inputs if one.intensity is not None]
    omitted = [one for one in inputs if one.intensity is None]
    if not omitted:
        return CutOff(tuple(kept), (), ZERO, ())
    keys = tuple(one.key for one in omitted)
    if not kept:
        raise CutOffExceeded(keys, "nothing is left to compute with")
    notes = _check_masses(inputs, omitted, rules)
    exempted_share = _exempted_share(kept, omitted)
    limit_share, note = rules.number("cut_off.emissions")
    if exempted_share > limit_share:
        raise CutOffExceeded(
            keys,
            f"they are estimated to be {float(exempted_share):.3g} of the emissions, beyond {float(limit_share):.3g}",
        )
    notes.append(note)
    missing_kg = sum((one.mass.value_in(KILOGRAM) for one in omitted), ZERO)
    highest = max(range(len(kept)), key=lambda place: _kg_per_kg(kept[place][2]))
    key, mass, intensity = kept[highest]
    kept[highest] = (key, Quantity(mass.value_in(KILOGRAM) + missing_kg, KILOGRAM), intensity)
    if rules.has("cut_off.balance"):
        notes.append(rules.words("cut_off.balance")[1])
    return CutOff(tuple(kept), keys, exempted_share, tuple(notes))


def _check_masses(
    inputs: Sequence[MassInput], omitted: Sequence[MassInput], rules: Ruleset
) -> list[Assumption]:
    if not rules.has("cut_off.mass"):
        return []
    limit_share, note = rules.number("cut_off.mass")
    whole_kg = sum((one.mass.value_in(KILOGRAM) for one in inputs), ZERO)
    heavy = tuple(one.key for one in omitted if one.mass.value_in(KILOGRAM) >= limit_share * whole_kg)
    if heavy:
        raise CutOffExceeded(
            heavy, f"an input of {float(limit_share):.3g} of the mass or more is not left out"
        )
    return [note]


def _exempted_share(
    kept: Sequence[tuple[str, Quantity, Intensity]], omitted: Sequence[MassInput]
) -> Fraction:
    """By each one's estimate, and without one at the highest intensity of those kept: that errs on the safe side."""
    highest = max(_kg_per_kg(intensity) for _, _, intensity in kept)
    kept_kg = sum((mass.value_in(KILOGRAM) * _kg_per_kg(one) for _, mass, one in kept), ZERO)
    omitted_kg = sum(
        (
            one.mass.value_in(KILOGRAM) * (_kg_per_kg(one.estimate) if one.estimate else highest)
            for one in omitted
        ),
        ZERO,
    )
    whole_kg = kept_kg + omitted_kg
    return omitted_kg / whole_kg if whole_kg else ZERO


def _kg_per_kg(intensity: Intensity) -> Fraction:
    return intensity.kg / intensity.per.value_in(KILOGRAM)
