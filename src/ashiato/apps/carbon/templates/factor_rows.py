"""The template of emission factors: own, bought and public ones, each row a factor."""

from collections.abc import Mapping
from fractions import Fraction

from ashiato.apps.carbon.factors.gwp import GWP_SETS, Gas, Origin
from ashiato.apps.carbon.factors.licences import Licence
from ashiato.apps.carbon.factors.model import (
    ContradictoryFactor,
    DataQuality,
    EmissionFactor,
    FactorSource,
    Ownership,
    check_factor,
    gases_from,
    with_total,
)
from ashiato.apps.carbon.factors.tables import Table
from ashiato.apps.carbon.templates.columns import (
    CellFault,
    Column,
    Template,
    choice,
    day,
    identifier,
    not_negative,
    number,
    positive,
    rating,
    text,
    unit,
    year,
)
from ashiato.apps.carbon.templates.reading import Found, Members, read_table

_GASES: Mapping[str, tuple[Gas, Origin, str, str]] = {
    "co2_fossil_kg": (Gas.CO2, Origin.FOSSIL, "CO2 fossil (kg)", "CO2 化石由来 (kg)"),
    "co2_biogenic_kg": (Gas.CO2, Origin.BIOGENIC, "CO2 biogenic (kg)", "CO2 生物由来 (kg)"),
    "co2_uptake_kg": (Gas.CO2, Origin.BIOGENIC_UPTAKE, "CO2 uptake (kg)", "CO2 吸収 (kg)"),
    "co2_luc_kg": (Gas.CO2, Origin.LAND_USE_CHANGE, "CO2 land use change (kg)", "CO2 土地利用変化 (kg)"),
    "ch4_fossil_kg": (Gas.CH4, Origin.FOSSIL, "CH4 fossil (kg)", "CH4 化石由来 (kg)"),
    "ch4_biogenic_kg": (Gas.CH4, Origin.BIOGENIC, "CH4 biogenic (kg)", "CH4 生物由来 (kg)"),
    "n2o_kg": (Gas.N2O, Origin.FOSSIL, "N2O (kg)", "N2O (kg)"),
    "sf6_kg": (Gas.SF6, Origin.FOSSIL, "SF6 (kg)", "SF6 (kg)"),
    "nf3_kg": (Gas.NF3, Origin.FOSSIL, "NF3 (kg)", "NF3 (kg)"),
    "cf4_kg": (Gas.CF4, Origin.FOSSIL, "CF4 (kg)", "CF4 (kg)"),
    "c2f6_kg": (Gas.C2F6, Origin.FOSSIL, "C2F6 (kg)", "C2F6 (kg)"),
    "hfc134a_kg": (Gas.HFC_134A, Origin.FOSSIL, "HFC-134a (kg)", "HFC-134a (kg)"),
}
GAS_COLUMNS: Mapping[str, tuple[Gas, Origin]] = {key: found[:2] for key, found in _GASES.items()}

FACTORS = Template(
    "factors",
    "Emission factors",
    "原単位",
    (
        Column("factor_id", "Factor ID", "原単位ID", identifier, True),
        Column("name", "Name", "名称", text, True),
        Column("material", "Material", "材料区分", identifier),
        Column("reference_amount", "Reference amount", "基準量", positive),
        Column("unit", "Unit", "単位", unit, True),
        Column("total_kgco2e", "Total (kgCO2e)", "合計 (kgCO2e)", number),
        *(Column(key, gas[2], gas[3], not_negative) for key, gas in _GASES.items()),
        choice("gwp_set", "GWP set", "GWPの版", {name: (name, name) for name in GWP_SETS}, required=True),
        choice(
            "ownership",
            "Ownership",
            "区分",
            {"own": ("own", "自社"), "bought": ("bought", "購入"), "public": ("public", "公開")},
            required=True,
        ),
        Column("source", "Source", "出典", text, True),
        Column("source_version", "Source version", "出典の版", text),
        Column("source_year", "Source year", "出典の年", year),
        Column("dataset_id", "Dataset ID", "データセットID", identifier),
        Column("licence", "Licence", "ライセンス", identifier, True),
        Column("region", "Region", "地域", identifier),
        Column("reference_year", "Reference year", "対象年", year),
        Column("technological", "Technological quality", "技術的品質", rating),
        Column("geographical", "Geographical quality", "地理的品質", rating),
        Column("temporal", "Temporal quality", "時間的品質", rating),
        Column("valid_until", "Valid until", "有効期限", day),
        Column("comment", "Comment", "備考", text),
    ),
    id_key="factor_id",
)


def read_factors(table: Table, licences: Mapping[str, Licence]) -> Found[EmissionFactor]:
    """Every factor of the table; a row under a licence that is not in `licences` is a fault. Raises `UnreadableSource`."""
    return read_table(table, FACTORS, lambda members: _factor(members, licences))


def _factor(members: Members, licences: Mapping[str, Licence]) -> EmissionFactor:
    licence = licences.get(members.text("licence"))
    if licence is None:
        raise CellFault("licence_unknown", licence=members.text("licence"))
    gases = {
        (gas, origin): amount
        for key, (gas, origin, *_) in _GASES.items()
        if (amount := members.number(key)) is not None
    }
    total = members.number("total_kgco2e")
    reference = members.quantity("reference_amount", "unit", Fraction(1))
    if reference is None or (total is None and not gases):
        raise CellFault("figures_missing")
    factor = EmissionFactor(
        id=members.text("factor_id"),
        name=members.text("name"),
        reference=reference,
        ownership=Ownership(members.text("ownership")),
        source=FactorSource(
            members.text("source"),
            members.text("source_version"),
            members.whole("source_year"),
            members.text("dataset_id"),
        ),
        licence=licence,
        gwp_set_id=members.text("gwp_set"),
        gases=gases_from(gases),
        region=members.text("region"),
        reference_year=members.whole("reference_year"),
        material=members.text("material"),
        quality=DataQuality(
            members.number("technological"), members.number("geographical"), members.number("temporal")
        ),
        valid_until_ms=members.whole("valid_until"),
        comment=members.text("comment"),
    )
    try:
        return check_factor(factor if total is None else with_total(factor, total))
    except ContradictoryFactor as contradiction:
        raise CellFault("factor_contradiction", problem=contradiction.problem) from None
