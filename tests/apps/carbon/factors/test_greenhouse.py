from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest

from ashiato.apps.carbon.factors.datasets import Activity, Exchange, Flow, Loss
from ashiato.apps.carbon.factors.greenhouse import (
    Greenhouse,
    NoReference,
    NotAggregated,
    factor_of,
    greenhouse_gas,
    indicator,
)
from ashiato.apps.carbon.factors.gwp import EF_3_1, Gas, Origin
from ashiato.apps.carbon.factors.licences import Licence
from ashiato.apps.carbon.factors.model import EmissionFactor, FactorSource, Ownership


def flow(name: str, unit: str = "kg", place: tuple[str, ...] = ("air", "unspecified"), cas: str = "") -> Flow:
    return Flow(name, name, unit, True, place, cas)


@pytest.mark.parametrize(
    ("found", "gas", "origin", "kg"),
    [
        (flow("Carbon dioxide, fossil"), Gas.CO2, Origin.FOSSIL, "1"),
        (
            flow("carbon dioxide (fossil)", place=("Emissions", "Emissions to air")),
            Gas.CO2,
            Origin.FOSSIL,
            "1",
        ),
        (flow("Methane, non-fossil", "kilogram"), Gas.CH4, Origin.BIOGENIC, "1"),
        (flow("methane (land use change)"), Gas.CH4, Origin.LAND_USE_CHANGE, "1"),
        (flow("Dinitrogen monoxide", "g"), Gas.N2O, Origin.FOSSIL, "0.001"),
        (flow("Ethane, 1,1,1,2-tetrafluoro-, HFC-134a"), Gas.HFC_134A, Origin.FOSSIL, "1"),
        (flow("some trade name", cas="002551-62-4"), Gas.SF6, Origin.FOSSIL, "1"),
        (
            flow("Carbon dioxide, in air", place=("natural resource", "in air")),
            Gas.CO2,
            Origin.BIOGENIC_UPTAKE,
            "1",
        ),
        (
            flow("Carbon dioxide, to soil or biomass stock", place=("soil",)),
            Gas.CO2,
            Origin.LAND_USE_CHANGE,
            "-1",
        ),
    ],
)
def test_gases_are_known_by_the_names_of_the_databases(
    found: Flow, gas: Gas, origin: Origin, kg: str
) -> None:
    assert greenhouse_gas(found) == Greenhouse(gas, origin, Fraction(kg))


@pytest.mark.parametrize(
    "found",
    [
        flow("Sulfur dioxide"),
        flow("Methane, fossil", place=("water", "ground-")),
        flow("Gas, natural/m3", place=("natural resource", "in ground")),
        msgspec.structs.replace(flow("Carbon dioxide, fossil"), elementary=False),
    ],
)
def test_what_does_not_warm_is_no_greenhouse_gas(found: Flow) -> None:
    assert greenhouse_gas(found) is None


@pytest.mark.parametrize(
    "found",
    [
        flow("Methane, trifluoro-, HFC-23"),
        flow("Methane, bromotrifluoro-, Halon 1301"),
        flow("Carbon dioxide, peat oxidation"),
        flow("Carbon dioxide, fossil", "m3"),
    ],
)
def test_a_gas_that_is_not_known_is_told_and_not_counted_as_nothing(found: Flow) -> None:
    assert isinstance(greenhouse_gas(found), Loss)


def test_the_indicator_of_a_database_has_a_weight_for_each_flow_that_warms() -> None:
    flows = [flow("Methane, fossil"), flow("Sulfur dioxide"), flow("Methane, trifluoro-, HFC-23")]
    weights, losses = indicator(flows, EF_3_1)
    assert weights == {"Methane, fossil": Fraction("29.8")}
    assert [loss.where for loss in losses] == ["flow Methane, trifluoro-, HFC-23"]


STEEL = Activity(
    "steel",
    "steel, system process",
    "JP",
    2019,
    2023,
    exchanges=(
        Exchange("steel", "reference", "output", Decimal(2), "kilogram"),
        Exchange("CO2", "elementary", "output", Decimal(4), "kg"),
        Exchange("CH4", "elementary", "output", Decimal("0.01"), "kg"),
        Exchange("SO2", "elementary", "output", Decimal(1), "kg"),
    ),
)
FLOWS = {
    "CO2": flow("Carbon dioxide, fossil"),
    "CH4": flow("Methane, fossil"),
    "SO2": flow("Sulfur dioxide"),
}


def made(activity: Activity) -> tuple[EmissionFactor, tuple[Loss, ...]]:
    return factor_of(
        activity,
        FLOWS,
        source=FactorSource("A database", "1.0"),
        ownership=Ownership.BOUGHT,
        licence=Licence("db"),
        gwp_set_id="EF-3.1",
    )


def test_a_system_process_becomes_a_factor_gas_by_gas() -> None:
    factor, losses = made(STEEL)
    # (4 + 0.01 × 29.8) kg for 2 kg of steel
    assert factor.kgco2e(EF_3_1) == Fraction("4.298")
    assert str(factor.reference) == "2 kg"
    assert (factor.region, factor.reference_year, factor.source.dataset_id, losses) == (
        "JP",
        2023,
        "steel",
        (),
    )


def test_a_unit_process_is_not_taken_for_a_factor() -> None:
    coal = Exchange("coal", "product", "input", Decimal(1), "kg")
    with pytest.raises(NotAggregated, match="takes 1 products"):
        made(msgspec.structs.replace(STEEL, exchanges=(*STEEL.exchanges, coal)))


@pytest.mark.parametrize("unit", ["bushel", ""])
def test_a_product_in_an_unknown_unit_is_refused(unit: str) -> None:
    product = Exchange("steel", "reference", "output", Decimal(1), unit)
    with pytest.raises(NoReference):
        made(msgspec.structs.replace(STEEL, exchanges=(product, *STEEL.exchanges[1:])))
