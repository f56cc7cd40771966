"""Global warming potentials over 100 years as dated data: per gas and origin, with their source.

The carbon in methane has an origin, and the factor depends on it: a table with one figure for CH4 is a trap.
"""

from collections.abc import Mapping
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType

import msgspec


class Gas(StrEnum):
    """The gases that inventories of products name apart."""

    CO2 = "CO2"
    CH4 = "CH4"
    N2O = "N2O"
    SF6 = "SF6"
    NF3 = "NF3"
    CF4 = "CF4"
    C2F6 = "C2F6"
    HFC_32 = "HFC-32"
    HFC_125 = "HFC-125"
    HFC_134A = "HFC-134a"
    HFC_143A = "HFC-143a"


class Origin(StrEnum):
    """Where the carbon comes from; gases without carbon of another origin are `FOSSIL`.

    `BIOGENIC_UPTAKE` is CO2 taken out of the air by plants: an amount of it is positive and its potential is 0 or −1.
    """

    FOSSIL = "fossil"
    BIOGENIC = "biogenic"
    LAND_USE_CHANGE = "land_use_change"
    BIOGENIC_UPTAKE = "biogenic_uptake"


class UnknownPotential(LookupError):
    """The set has no figure for this gas of this origin; the caller must choose another set or leave the gas as a total."""

    def __init__(self, set_id: str, gas: Gas, origin: Origin) -> None:
        super().__init__(f"{set_id} has no potential for {gas} of origin {origin}")
        self.set_id = set_id
        self.gas = gas
        self.origin = origin


class GwpSet(msgspec.Struct, frozen=True):
    """One table of potentials in kg CO2e per kg. `published` is the year of `source`."""

    id: str
    report: str
    source: str
    published: int
    potentials: Mapping[tuple[Gas, Origin], Fraction]
    horizon_years: int = 100

    def potential(self, gas: Gas, origin: Origin) -> Fraction:
        """kg CO2e per kg of `gas`; raises `UnknownPotential`."""
        found = self.potentials.get((gas, origin))
        if found is None:
            raise UnknownPotential(self.id, gas, origin)
        return found


_SYNTHETIC_AR6 = {
    Gas.SF6: "25200",
    Gas.NF3: "17400",
    Gas.CF4: "7380",
    Gas.C2F6: "12400",
    Gas.HFC_32: "771",
    Gas.HFC_125: "3740",
    Gas.HFC_134A: "1530",
    Gas.HFC_143A: "5810",
}
_SYNTHETIC_AR5 = {
    Gas.SF6: "23500",
    Gas.NF3: "16100",
    Gas.CF4: "6630",
    Gas.C2F6: "11100",
    Gas.HFC_32: "677",
    Gas.HFC_125: "3170",
    Gas.HFC_134A: "1300",
    Gas.HFC_143A: "4800",
}
_SYNTHETIC_AR4 = {
    Gas.SF6: "22800",
    Gas.NF3: "17200",
    Gas.CF4: "7390",
    Gas.C2F6: "12200",
    Gas.HFC_32: "675",
    Gas.HFC_125: "3500",
    Gas.HFC_134A: "1430",
    Gas.HFC_143A: "4470",
}


def _table(
    methane: Mapping[Origin, str], nitrous_oxide: str, synthetic: Mapping[Gas, str]
) -> Mapping[tuple[Gas, Origin], Fraction]:
    """The figures of carbon dioxide are the same in every report.

    Biogenic CO2 counts 0 in and out, as in the tables of EF and IPCC; a rule that takes it as −1 and +1 says so itself. Methane
    of land use change counts as fossil, because its carbon was stored before.
    """
    return MappingProxyType(
        {
            (Gas.CO2, Origin.FOSSIL): Fraction(1),
            (Gas.CO2, Origin.LAND_USE_CHANGE): Fraction(1),
            (Gas.CO2, Origin.BIOGENIC): Fraction(0),
            (Gas.CO2, Origin.BIOGENIC_UPTAKE): Fraction(0),
            (Gas.N2O, Origin.FOSSIL): Fraction(nitrous_oxide),
            **{(Gas.CH4, origin): Fraction(value) for origin, value in methane.items()},
            **{(gas, Origin.FOSSIL): Fraction(value) for gas, value in synthetic.items()},
        }
    )


EF_3_1 = GwpSet(
    id="EF-3.1",
    report="AR6",
    source="European Commission, Environmental Footprint 3.1, climate change, as in bw2io 0.9.17 (lcia_39_ecoinvent)",
    published=2022,
    potentials=_table(
        {Origin.FOSSIL: "29.8", Origin.BIOGENIC: "27", Origin.LAND_USE_CHANGE: "29.8"}, "273", _SYNTHETIC_AR6
    ),
)
AR6 = GwpSet(
    id="AR6",
    report="AR6",
    source="IPCC AR6 WGI, table 7.15 and supplementary table 7.SM.7",
    published=2021,
    potentials=_table(
        {Origin.FOSSIL: "29.8", Origin.BIOGENIC: "27", Origin.LAND_USE_CHANGE: "29.8"},
        "273",
        _SYNTHETIC_AR6,
    ),
)
AR5 = GwpSet(
    id="AR5",
    report="AR5",
    source="IPCC AR5 WGI, table 8.A.1, without climate-carbon feedbacks",
    published=2013,
    potentials=_table(
        {Origin.FOSSIL: "30", Origin.BIOGENIC: "28", Origin.LAND_USE_CHANGE: "30"}, "265", _SYNTHETIC_AR5
    ),
)
AR4 = GwpSet(
    id="AR4",
    report="AR4",
    source="IPCC AR4 WGI, table 2.14: one figure for methane of every origin",
    published=2007,
    potentials=_table(
        {Origin.FOSSIL: "25", Origin.BIOGENIC: "25", Origin.LAND_USE_CHANGE: "25"}, "298", _SYNTHETIC_AR4
    ),
)

GWP_SETS: Mapping[str, GwpSet] = MappingProxyType({found.id: found for found in (EF_3_1, AR6, AR5, AR4)})


class UnknownGwpSet(ValueError):
    """No set of that id is known; the author must name one of `GWP_SETS`."""

    def __init__(self, set_id: str) -> None:
        super().__init__(
            f"{set_id[:60]!r} is no set of potentials known here; write one of {', '.join(GWP_SETS)}"
        )
        self.set_id = set_id


def find_gwp_set(set_id: str) -> GwpSet:
    """The set of that id; raises `UnknownGwpSet`."""
    found = GWP_SETS.get(set_id)
    if found is None:
        raise UnknownGwpSet(set_id)
    return found
