"""The template of activity data: what a plant used and gave off for a product, each row one line with its evidence."""

from collections.abc import Mapping
from fractions import Fraction

import msgspec

from ashiato.apps.carbon.factors.gwp import Gas, UnknownPotential
from ashiato.apps.carbon.factors.model import EmissionFactor, PotentialsDiffer
from ashiato.apps.carbon.factors.tables import Table
from ashiato.apps.carbon.gases import characterised, intensity_of
from ashiato.apps.carbon.inventory import ActivityLine, DirectLine, Evidence, Kind
from ashiato.apps.carbon.templates.columns import (
    CellFault,
    Column,
    Template,
    choice,
    day,
    identifier,
    not_negative,
    rating,
    sha256,
    text,
    unit,
)
from ashiato.apps.carbon.templates.reading import Found, Members, read_table
from ashiato.facts.footprints import WORST_SCORE, DataQuality, Origin, Stage
from ashiato.facts.quantities import KILOGRAM, Quantity, UnitMismatch

_STAGES = {
    "raw_materials": ("raw materials", "原材料調達"),
    "main_production": ("main production", "主要製造"),
    "distribution": ("distribution", "流通"),
    "end_of_life": ("end of life", "廃棄・リサイクル"),
}
_KINDS = {
    "material": ("material", "材料"),
    "fuel": ("fuel", "燃料"),
    "fuel_supply": ("fuel supply", "燃料供給"),
    "electricity": ("electricity", "電力"),
    "heat": ("heat", "熱"),
    "direct": ("direct emission", "直接排出"),
    "transport": ("transport", "輸送"),
    "waste": ("waste", "廃棄物"),
}
_ORIGINS = {
    "fossil": ("fossil", "化石由来"),
    "biogenic": ("biogenic", "生物由来"),
    "land_use": ("land use", "土地利用"),
    "aircraft": ("aircraft", "航空"),
    "uptake": ("uptake", "吸収"),
}

ACTIVITIES = Template(
    "activities",
    "Activity data",
    "活動量",
    (
        Column("line_id", "Line ID", "行ID", identifier, True),
        Column("plant_id", "Plant", "事業所", identifier, True),
        Column("product_id", "Product", "製品", identifier, True),
        Column("from", "From", "開始日", day, True),
        Column("until", "Until", "終了日", day, True),
        choice("kind", "Kind", "種類", _KINDS, required=True),
        choice("stage", "Stage", "段階", _STAGES, required=True),
        Column("amount", "Amount", "数量", not_negative, True),
        Column("unit", "Unit", "単位", unit, True),
        Column("factor_id", "Factor ID", "原単位ID", identifier),
        choice("gas", "Gas", "ガス", {gas.value: (gas.value, gas.value) for gas in Gas}),
        choice("origin", "Origin", "由来", _ORIGINS),
        choice("measured", "Measured", "実測", {"yes": ("yes", "はい"), "no": ("no", "いいえ")}),
        Column("technological", "Technological quality", "技術的品質", rating),
        Column("geographical", "Geographical quality", "地理的品質", rating),
        Column("temporal", "Temporal quality", "時間的品質", rating),
        Column("evidence", "Evidence (SHA-256)", "証憑 (SHA-256)", sha256),
        Column("evidence_kind", "Kind of evidence", "証憑の種類", identifier),
        Column("flow", "Flow", "フロー区分", identifier),
        Column("comment", "Comment", "備考", text),
    ),
    id_key="line_id",
)


class ActivityRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line for a product of a plant, from the first day (inclusive) until the last (exclusive), and its comment."""

    plant_id: str
    product_id: str
    from_ms: int
    until_ms: int
    line: ActivityLine | DirectLine
    comment: str = ""

    @property
    def id(self) -> str:
        return self.line.key


def read_activities(
    table: Table, factors: Mapping[str, EmissionFactor], gwp_set_id: str
) -> Found[ActivityRow]:
    """Every line of the table, computed by `gwp_set_id`. `factors` are those that the person may use: any other is unknown.

    Raises `UnreadableSource`.
    """
    return read_table(table, ACTIVITIES, lambda members: _row(members, factors, gwp_set_id))


def _row(members: Members, factors: Mapping[str, EmissionFactor], gwp_set_id: str) -> ActivityRow:
    from_ms, until_ms = members.whole("from") or 0, members.whole("until") or 0
    if until_ms <= from_ms:
        raise CellFault("period_backwards")
    return ActivityRow(
        plant_id=members.text("plant_id"),
        product_id=members.text("product_id"),
        from_ms=from_ms,
        until_ms=until_ms,
        line=_line(members, factors, gwp_set_id),
        comment=members.text("comment"),
    )


def _line(
    members: Members, factors: Mapping[str, EmissionFactor], gwp_set_id: str
) -> ActivityLine | DirectLine:
    kind, amount = Kind(members.text("kind")), members.quantity("amount", "unit")
    stage = Stage(members.text("stage"))
    measured = members.text("measured") == "yes"
    worst = Fraction(WORST_SCORE)
    quality = DataQuality(
        members.number("technological") or worst,
        members.number("geographical") or worst,
        members.number("temporal") or worst,
    )
    hashed = members.text("evidence")
    evidence = (Evidence(hashed, members.text("evidence_kind") or "document"),) if hashed else ()
    if kind is Kind.DIRECT:
        gas, origin, mass = _emission(members, amount, gwp_set_id)
        return DirectLine(
            key=members.text("line_id"),
            stage=stage,
            measured=measured,
            quality=quality,
            evidence=evidence,
            flow=members.text("flow"),
            gas=gas,
            origin=origin,
            mass=mass,
        )
    factor = factors.get(members.text("factor_id"))
    if not members.text("factor_id") or amount is None:
        raise CellFault("factor_missing")
    if factor is None:
        raise CellFault("factor_unknown", factor=members.text("factor_id"))
    try:
        intensity = intensity_of(factor, gwp_set_id)
        amount.value_in(factor.reference.unit)
    except PotentialsDiffer as differs:
        raise CellFault("factor_contradiction", problem=str(differs)) from None
    except UnitMismatch as mismatch:
        raise CellFault("unit_mismatch", problem=str(mismatch)) from None
    return ActivityLine(
        key=members.text("line_id"),
        stage=stage,
        measured=measured,
        quality=quality,
        evidence=evidence,
        flow=members.text("flow"),
        kind=kind,
        amount=amount,
        intensity=intensity,
    )


def _emission(members: Members, amount: Quantity | None, gwp_set_id: str) -> tuple[Gas, Origin, Quantity]:
    if amount is None or not members.text("gas") or not members.text("origin"):
        raise CellFault("gas_missing")
    gas, origin = Gas(members.text("gas")), Origin(members.text("origin"))
    try:
        amount.value_in(KILOGRAM)
        characterised(gwp_set_id, gas, origin, amount)
    except UnitMismatch:
        raise CellFault("gas_missing") from None
    except UnknownPotential as unknown:
        raise CellFault("factor_contradiction", problem=str(unknown)) from None
    return gas, origin, amount
