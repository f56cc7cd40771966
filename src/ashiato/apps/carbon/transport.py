"""Transport in tonne-kilometres: measured, or by the ruleset's default distances where nothing was measured."""

from collections.abc import Sequence
from enum import StrEnum
from fractions import Fraction

import msgspec

from ashiato.apps.carbon.rulesets import Assumption, NotInRuleset, Ruleset
from ashiato.facts.quantities import TONNE, TONNE_KILOMETRE, Quantity


class Mode(StrEnum):
    """By what goods move; an aircraft's gases are an origin of their own."""

    TRUCK = "truck"
    TRAIN = "train"
    BARGE = "barge"
    SHIP = "ship"
    AIRCRAFT = "aircraft"


class Leg(msgspec.Struct, frozen=True):
    """One part of a way."""

    mode: Mode
    work: Quantity


class Carriage(msgspec.Struct, frozen=True):
    """The legs of a transport and what they rest on."""

    legs: tuple[Leg, ...]
    assumptions: tuple[Assumption, ...] = ()


def carried(mass: Quantity, ways_km: Sequence[tuple[Mode, Fraction]]) -> Carriage:
    """The transport work of known distances: mass × kilometres; raises `UnitMismatch` and ValueError for what is negative."""
    mass_t = mass.value_in(TONNE)
    if mass_t < 0 or any(km < 0 for _, km in ways_km):
        raise ValueError("masses and distances of a transport are not negative; mend the inventory")
    return Carriage(tuple(Leg(mode, Quantity(mass_t * km, TONNE_KILOMETRE)) for mode, km in ways_km))


def default_carriage(mass: Quantity, route: str, rules: Ruleset) -> Carriage:
    """The transport by the default distances of a route (`supplier_overseas_ship`, `client_local`, ...).

    The notes hold the distances and the utilisation of the trucks, which the intensity of the truck must fit. Raises
    `NotInRuleset`.
    """
    modes = [Mode(key) for key in rules.keys(f"transport.{route}")]
    if not modes:
        raise NotInRuleset(rules.id, f"transport.{route}")
    ways = [(mode, *rules.number(f"transport.{route}.{mode.value}")) for mode in modes]
    notes = [note for _, _, note in ways]
    if Mode.TRUCK in modes:
        notes.append(rules.number("transport.utilisation")[1])
    legs = carried(mass, [(mode, km) for mode, km, _ in ways]).legs
    return Carriage(legs, tuple(notes))
