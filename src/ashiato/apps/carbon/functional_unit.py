"""From the footprint of a battery to its two figures per kWh, which differ by the energy delivered over the service life.

The functional unit of CFB-EV is 1 kWh of the total energy over the service life: usable energy at the beginning of life ×
full equivalent cycles a year × years of the commercial warranty. The years dominate the result, so where they come from is
part of it.
"""

from fractions import Fraction

import msgspec

from ashiato.apps.carbon.rulesets import Assumption, Ruleset
from ashiato.facts.footprints import PerDeclaredUnit, PerKwhCapacity, PerKwhDelivered
from ashiato.facts.quantities import KILOWATT_HOUR, PIECE, Quantity

_HEAVY = frozenset({"M2", "M3", "N2", "N3"})


class UnfitBattery(ValueError):
    """The battery's data give no functional unit; whoever keeps them must mend `field`."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class Warranty(msgspec.Struct, frozen=True, kw_only=True):
    """A commercial warranty: years, kilometres or both, and the remaining capacity that it promises, from 0 to 1."""

    years: Fraction | None = None
    distance_km: Fraction | None = None
    capacity_share: Fraction


class ServiceLife(msgspec.Struct, frozen=True, kw_only=True):
    """The energy that a battery delivers in its life, and what that rests on."""

    usable_energy: Quantity
    equivalent_cycles_per_year: Fraction
    duration_years: Fraction
    assumptions: tuple[Assumption, ...] = ()

    def __post_init__(self) -> None:
        if self.usable_energy.value_in(KILOWATT_HOUR) <= 0:
            raise UnfitBattery("usable_energy", "it must be positive")
        if self.equivalent_cycles_per_year <= 0 or self.duration_years <= 0:
            raise UnfitBattery("service_life", "cycles and years must be positive")

    @property
    def delivered(self) -> Quantity:
        """The total energy over the service life."""
        return self.usable_energy.to(KILOWATT_HOUR) * (self.equivalent_cycles_per_year * self.duration_years)


def service_life(
    rules: Ruleset,
    vehicle_category: str,
    usable_energy: Quantity,
    warranty: Warranty | None,
    *,
    justified_cycles_per_year: Fraction | None = None,
) -> ServiceLife:
    """The service life under the ruleset; raises `NotInRuleset` for a category without cycles unless these are justified.

    Kilometres count as years at the yearly distance of the category, and the shorter of the two counts. A warranty that promises
    too little capacity, or none at all, leaves the ruleset's default.
    """
    if justified_cycles_per_year is None:
        cycles, note = rules.number(f"equivalent_cycles.{vehicle_category}")
        notes = [note]
    else:
        cycles, notes = justified_cycles_per_year, []
    least_share, least_note = rules.number("service_life.least_capacity")
    notes.append(least_note)
    spans: list[Fraction] = []
    if warranty is not None and warranty.capacity_share >= least_share:
        if warranty.years is not None:
            spans.append(warranty.years)
        if warranty.distance_km is not None:
            km_per_year, note = rules.number(f"service_life.distance.{_distance_class(vehicle_category)}")
            spans.append(warranty.distance_km / km_per_year)
            notes.append(note)
    if not spans:
        default, note = rules.number("service_life.default")
        spans.append(default)
        notes.append(note)
    return ServiceLife(
        usable_energy=usable_energy,
        equivalent_cycles_per_year=cycles,
        duration_years=min(spans),
        assumptions=tuple(notes),
    )


def per_kwh_delivered(battery: PerDeclaredUnit, life: ServiceLife) -> PerKwhDelivered:
    """The figure of the functional unit for one battery."""
    delivered_kwh = life.delivered.value_in(KILOWATT_HOUR)
    return PerKwhDelivered(battery.emissions.scaled(1 / (_one(battery) * delivered_kwh)))


def per_kwh_capacity(battery: PerDeclaredUnit, energy: Quantity, *, usable: bool) -> PerKwhCapacity:
    """The figure per kWh of the rated or the usable energy of one battery."""
    energy_kwh = energy.value_in(KILOWATT_HOUR)
    if energy_kwh <= 0:
        raise UnfitBattery("energy", "it must be positive")
    return PerKwhCapacity(battery.emissions.scaled(1 / (_one(battery) * energy_kwh)), usable)


def _one(battery: PerDeclaredUnit) -> Fraction:
    """How many batteries the footprint is of."""
    if battery.declared.dimension is not PIECE.dimension:
        raise UnfitBattery(
            "declared", f"the footprint must be of pieces, not of {battery.declared.unit.symbol}"
        )
    return battery.declared.value_in(PIECE)


def _distance_class(vehicle_category: str) -> str:
    if vehicle_category in _HEAVY:
        return "heavy"
    return "L" if vehicle_category.startswith("L") else "light"
