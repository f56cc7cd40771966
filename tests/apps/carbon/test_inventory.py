from fractions import Fraction

import msgspec
import pytest

from ashiato.apps.carbon.allocation import Output
from ashiato.apps.carbon.circular import CircularEmissions, CircularParameters
from ashiato.apps.carbon.electricity import ElectricityUse
from ashiato.apps.carbon.factors.gwp import Gas
from ashiato.apps.carbon.gases import GwpConversion, MixedGwpSets
from ashiato.apps.carbon.inventory import (
    ActivityLine,
    Assessment,
    DirectLine,
    ElectricityLine,
    Evidence,
    FaultyLine,
    Inventory,
    Kind,
    Line,
    MaterialLine,
    assess,
    scopes,
)
from ashiato.apps.carbon.rulesets import Ruleset, ruleset
from ashiato.facts.footprints import DataQuality, EndOfLifeBasis, Intensity, MalformedFootprint, Origin, Stage
from ashiato.facts.quantities import PIECE, Quantity, UnitMismatch, parse_quantity

CFB, PACT = ruleset("CFB-EV-2023JRC"), ruleset("PACT-3")
GOOD = DataQuality(Fraction(1), Fraction(2), Fraction(3))
ONE_PIECE = Quantity(Fraction(1), PIECE)


def intensity(kg: str, unit: str, gwp_set: str = "EF-3.1", *, primary: bool = False) -> Intensity:
    return Intensity(
        per=parse_quantity("1", unit),
        kg_by_origin=((Origin.FOSSIL, Fraction(kg)),),
        gwp_set=gwp_set,
        source=f"{kg} per {unit}",
        year=2026,
        primary=primary,
        deviation_share=Fraction(1, 10),
    )


def gas_burnt(kg: str = "0.06", gwp_set: str = "EF-3.1", **others: object) -> ActivityLine:
    one = ActivityLine(
        key="gas",
        kind=Kind.FUEL,
        stage=Stage.MAIN_PRODUCTION,
        amount=parse_quantity("1000", "MJ"),
        intensity=intensity(kg, "MJ", gwp_set, primary=True),
        measured=True,
        quality=GOOD,
        evidence=(Evidence("ab" * 32, "gas_bill"),),
    )
    return msgspec.structs.replace(one, **others)


POWER = ElectricityLine(
    key="power",
    stage=Stage.MAIN_PRODUCTION,
    measured=True,
    quality=GOOD,
    use=ElectricityUse(
        energy=parse_quantity("200", "kWh"),
        region="JP",
        from_ms=0,
        until_ms=10,
        grid=intensity("0.5", "kWh"),
        residual=intensity("0.6", "kWh"),
    ),
)
LEAK = DirectLine(
    key="leak",
    stage=Stage.MAIN_PRODUCTION,
    measured=True,
    quality=GOOD,
    gas=Gas.CH4,
    origin=Origin.FOSSIL,
    mass=parse_quantity("100", "g"),
)
ALUMINIUM = MaterialLine(
    key="aluminium",
    stage=Stage.RAW_MATERIALS,
    measured=True,
    quality=GOOD,
    amount=parse_quantity("10", "kg"),
    emissions=CircularEmissions(
        virgin=((Origin.FOSSIL, Fraction(100)),),
        recycling=((Origin.FOSSIL, Fraction(10)),),
        substituted=((Origin.FOSSIL, Fraction(100)),),
        disposal=((Origin.FOSSIL, Fraction(5)),),
    ),
    parameters=CircularParameters(a=Fraction(1, 5), r2=Fraction(9, 10)),
    gwp_set="EF-3.1",
)


def inventory(*lines: Line, **others: object) -> Inventory:
    """Ten pieces of 20 kg each, without co-products."""
    one = Inventory(
        plant="plant",
        product="cell",
        from_ms=0,
        until_ms=10,
        output=Quantity(Fraction(10), PIECE),
        products=(Output("cell", parse_quantity("200", "kg")),),
        lines=lines,
    )
    return msgspec.structs.replace(one, **others)


def by_key(found: Assessment) -> dict[str, Fraction]:
    return {line.key: line.emissions.excluding_uptake_kg for line in found.lines}


def test_every_kind_of_line_is_counted_for_one_piece() -> None:
    found = assess(inventory(gas_burnt(), POWER, LEAK), ONE_PIECE, CFB)
    # 1000 × 0.06, 200 × 0.6 by the residual mix, 0.1 × 29.8, each over ten pieces.
    assert by_key(found) == {"gas": 6, "power": 12, "leak": Fraction("0.298")}
    assert found.by_location.excluding_uptake_kg == Fraction("16.298")
    assert found.by_market.excluding_uptake_kg == Fraction("18.298")
    assert found.lines[0].evidence == (Evidence("ab" * 32, "gas_bill"),)


def test_scopes_follow_from_the_kind() -> None:
    waste = gas_burnt(key="sludge", kind=Kind.WASTE)
    found = scopes(assess(inventory(gas_burnt(), POWER, LEAK, waste), ONE_PIECE, CFB))
    assert found == {1: Fraction("6.298"), 2: 12, 3: 6}


def test_cut_off_and_formula_come_from_one_inventory() -> None:
    on_formula = assess(inventory(ALUMINIUM), ONE_PIECE, CFB)
    cut = assess(inventory(ALUMINIUM), ONE_PIECE, CFB, basis=EndOfLifeBasis.CUT_OFF)
    assert on_formula.basis is EndOfLifeBasis.CIRCULAR_FOOTPRINT_FORMULA
    # 0.8 × 0.9 × (10 - 100) + 0.1 × 5 = -64.3, over ten pieces.
    assert on_formula.emissions.stage_kg(Stage.END_OF_LIFE) == Fraction("-6.43")
    assert cut.emissions.stage_kg(Stage.END_OF_LIFE) == Fraction("0.05")
    assert on_formula.emissions.stage_kg(Stage.RAW_MATERIALS) == 10
    assert cut.emissions.stage_kg(Stage.RAW_MATERIALS) == 10


def test_co_products_bear_their_share() -> None:
    products = (
        Output("cell", parse_quantity("150", "kg"), Fraction(2)),
        Output("slag", parse_quantity("50", "kg"), Fraction(1)),
    )
    found = assess(inventory(gas_burnt(), products=products), ONE_PIECE, CFB)
    assert by_key(found) == {"gas": Fraction("4.5")}


def test_excluded_flows_are_left_out_and_named() -> None:
    machine = gas_burnt(key="machine", flow="capital_goods")
    found = assess(inventory(gas_burnt(), machine), ONE_PIECE, CFB)
    assert (list(by_key(found)), found.excluded) == (["gas"], ("machine",))


def test_primary_are_only_measured_amounts_of_the_suppliers_own_intensity() -> None:
    guessed = gas_burnt(key="guessed", measured=False)
    bought = gas_burnt(key="bought", intensity=intensity("0.06", "MJ"))
    found = assess(inventory(gas_burnt(), guessed, bought, LEAK), ONE_PIECE, CFB)
    shares = {line.key: line.weights.primary_data_share for line in found.lines}
    assert shares == {"gas": 1, "guessed": 0, "bought": 0, "leak": 1}


def test_a_factor_that_two_lines_share_is_one_cause_of_uncertainty() -> None:
    found = assess(inventory(gas_burnt(), gas_burnt(key="more")), ONE_PIECE, CFB)
    assert [line.uncertainty.causes for line in found.lines] == [(("0.06 per MJ", Fraction("0.6")),)] * 2


def test_the_result_names_every_value_that_it_rests_on() -> None:
    keys = {note.key for note in assess(inventory(POWER, LEAK), ONE_PIECE, CFB).assumptions}
    assert {"basis", "gwp_set", "stages", "rounding.kind", "electricity.bases", "gwp.CH4.fossil"} <= keys


def test_factors_of_another_set_are_refused_or_converted_and_told() -> None:
    old = inventory(gas_burnt(gwp_set="AR5"))
    with pytest.raises(MixedGwpSets, match="gas is on AR5"):
        assess(old, ONE_PIECE, CFB)
    conversion = GwpConversion(
        found="AR5",
        wanted="EF-3.1",
        factors=((Origin.FOSSIL, Fraction(2)),),
        source="own estimate",
        year=2026,
    )
    found = assess(old, ONE_PIECE, CFB, conversions=[conversion])
    assert by_key(found) == {"gas": 12}
    assert conversion.note in found.assumptions
    grid = msgspec.structs.replace(POWER.use, grid=intensity("0.5", "kWh", "AR5"))
    with pytest.raises(MixedGwpSets):
        assess(inventory(msgspec.structs.replace(POWER, use=grid)), ONE_PIECE, CFB)


@pytest.mark.parametrize(
    ("rules", "lines", "others"),
    [
        (CFB, (gas_burnt(), gas_burnt()), {}),
        (CFB, (gas_burnt(amount=parse_quantity("-1", "MJ")),), {}),
        (CFB, (msgspec.structs.replace(LEAK, mass=parse_quantity("-1", "kg")),), {}),
        (CFB, (gas_burnt(evidence=(Evidence("abc", "bill"),)),), {}),
        (CFB, (), {"output": Quantity(Fraction(0), PIECE)}),
        (CFB, (), {"until_ms": 0}),
    ],
)
def test_impossible_inventories_are_refused(
    rules: Ruleset, lines: tuple[Line, ...], others: dict[str, object]
) -> None:
    with pytest.raises(FaultyLine):
        assess(inventory(*lines, **others), ONE_PIECE, rules)


def test_emissions_below_nothing_are_refused() -> None:
    with pytest.raises(MalformedFootprint):
        intensity("-1", "MJ")
    virgin = msgspec.structs.replace(ALUMINIUM.emissions, virgin=((Origin.FOSSIL, Fraction(-1)),))
    with pytest.raises(FaultyLine, match="aluminium"):
        assess(inventory(msgspec.structs.replace(ALUMINIUM, emissions=virgin)), ONE_PIECE, CFB)


def test_an_amount_in_the_wrong_unit_is_refused() -> None:
    with pytest.raises(UnitMismatch):
        assess(inventory(gas_burnt(amount=parse_quantity("1", "kg"))), ONE_PIECE, CFB)
    with pytest.raises(UnitMismatch):
        assess(inventory(gas_burnt()), parse_quantity("1", "kg"), CFB)
