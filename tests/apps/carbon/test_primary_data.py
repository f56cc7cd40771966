"""The primary data share, by hand from its definition.

PACT Data Exchange Protocol 3.0.3, `primaryDataShare`: the share of primary data in the figure without biogenic uptake, in which
outbound logistics do not count. Primary is what has a measured amount and a primary intensity: a company's own, or a supplier's.
"""

from fractions import Fraction

from ashiato.apps.carbon.allocation import Output
from ashiato.apps.carbon.electricity import ElectricityUse, Instrument, MarketBasis
from ashiato.apps.carbon.factors.gwp import Gas
from ashiato.apps.carbon.inventory import ActivityLine, DirectLine, ElectricityLine, Inventory, Kind, assess
from ashiato.apps.carbon.rollup import Purchased, roll_up
from ashiato.apps.carbon.rulesets import Ruleset, ruleset
from ashiato.facts.footprints import (
    DataQuality,
    DeclaredFootprint,
    EndOfLifeBasis,
    Intensity,
    Origin,
    PerDeclaredUnit,
    Stage,
    StageVector,
)
from ashiato.facts.quantities import KILOGRAM, PIECE, Quantity, parse_quantity

PACT, CFB_2024 = ruleset("PACT-3"), ruleset("CFB-EV-2024draft")
QUALITY = DataQuality(Fraction(2), Fraction(2), Fraction(2))
ONE_PIECE, ONE_KG = Quantity(Fraction(1), PIECE), Quantity(Fraction(1), KILOGRAM)


def intensity(kg: str, unit: str, *, primary: bool = False, gwp_set: str = "AR6") -> Intensity:
    return Intensity(
        per=parse_quantity("1", unit),
        kg_by_origin=((Origin.FOSSIL, Fraction(kg)),),
        gwp_set=gwp_set,
        source="example",
        year=2026,
        primary=primary,
    )


def activity(
    key: str, amount: str, unit: str, one: Intensity, stage: Stage = Stage.MAIN_PRODUCTION
) -> ActivityLine:
    return ActivityLine(
        key=key,
        kind=Kind.MATERIAL,
        stage=stage,
        measured=True,
        quality=QUALITY,
        amount=parse_quantity(amount, unit),
        intensity=one,
    )


def power(*instruments: Instrument, gwp_set: str = "AR6") -> ElectricityLine:
    return ElectricityLine(
        key="power",
        stage=Stage.MAIN_PRODUCTION,
        measured=True,
        quality=QUALITY,
        use=ElectricityUse(
            energy=parse_quantity("1000", "kWh"),
            region="JP",
            from_ms=0,
            until_ms=10,
            grid=intensity("0.5", "kWh", gwp_set=gwp_set),
            residual=intensity("0.6", "kWh", gwp_set=gwp_set),
            instruments=instruments,
        ),
    )


def contract(kwh: str = "400", gwp_set: str = "AR6") -> Instrument:
    return Instrument(
        certificate="c1",
        basis=MarketBasis.SUPPLIER_SPECIFIC,
        energy=parse_quantity(kwh, "kWh"),
        intensity=intensity("0.02", "kWh", gwp_set=gwp_set),
        region="JP",
        from_ms=0,
        until_ms=10,
        evidence_sha256="ab" * 32,
    )


def inventory(*lines: ActivityLine | DirectLine | ElectricityLine) -> Inventory:
    return Inventory(
        plant="plant",
        product="cell",
        from_ms=0,
        until_ms=10,
        output=ONE_PIECE,
        products=(Output("cell", parse_quantity("20", "kg")),),
        lines=lines,
    )


def test_the_share_of_a_worked_example() -> None:
    lines = (
        # 1000 × 0.06 = 60 kg with the supplier's own intensity: all primary.
        activity("gas", "1000", "MJ", intensity("0.06", "MJ", primary=True)),
        # 25 × 4 = 100 kg: the amount is measured, the intensity is of a database: nothing primary.
        activity("solvent", "25", "kg", intensity("4", "kg")),
        # 1 kg × 29.8 = 29.8 kg that left the process itself: all primary.
        DirectLine(
            key="leak",
            stage=Stage.MAIN_PRODUCTION,
            measured=True,
            quality=QUALITY,
            gas=Gas.CH4,
            origin=Origin.FOSSIL,
            mass=ONE_KG,
        ),
        # 400 × 0.02 = 8 kg under a contract and 600 × 0.6 = 360 kg of the residual mix: 8 of 368 primary.
        power(contract()),
        # 50 kg on the way to the customer: not in the figure.
        activity("lorry", "50", "kg", intensity("1", "kg", primary=True), Stage.DISTRIBUTION),
    )
    # 2 × (30 + 10) = 80 kg of a supplier that declares a quarter; its way of 5 kg is not in the figure either.
    cathode = DeclaredFootprint(
        footprint=PerDeclaredUnit(
            StageVector.of(
                {
                    (Stage.RAW_MATERIALS, Origin.FOSSIL): 30,
                    (Stage.MAIN_PRODUCTION, Origin.FOSSIL): 10,
                    (Stage.DISTRIBUTION, Origin.FOSSIL): 5,
                }
            ),
            ONE_KG,
        ),
        gwp_set="AR6",
        basis=EndOfLifeBasis.CUT_OFF,
        primary_data_share=Fraction(1, 4),
    )
    bought = Purchased(key="cathode", quantity=parse_quantity("2", "kg"), declared=cathode)
    result = roll_up(assess(inventory(*lines), ONE_PIECE, PACT), [bought])
    figure_kg = 60 + 100 + Fraction("29.8") + 368 + 80
    assert result.emissions.counted_kg(PACT.stages) == figure_kg
    assert result.weights.primary_data_share == (60 + Fraction("29.8") + 8 + 20) / figure_kg


def share_of(line: ElectricityLine, rules: Ruleset) -> Fraction | None:
    return assess(inventory(line), ONE_PIECE, rules).lines[0].weights.primary_data_share


def test_electricity_wholly_under_contract_is_primary() -> None:
    assert share_of(power(contract("1000")), PACT) == 1


def test_a_contract_that_the_ruleset_refuses_makes_nothing_primary() -> None:
    # The draft of 2024 counts the national mix instead.
    assert share_of(power(contract("1000", "EF-3.1"), gwp_set="EF-3.1"), CFB_2024) == 0


def test_electricity_by_location_is_counted_with_a_mix_and_never_primary() -> None:
    assert share_of(power(contract("1000")), ruleset("METI-CFP-1")) == 0
