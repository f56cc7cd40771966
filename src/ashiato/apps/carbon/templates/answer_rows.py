"""The template of answers: what a supplier says to the requests for footprints that it got, each row one request."""

from fractions import Fraction

import msgspec

from ashiato.apps.carbon.factors.gwp import GWP_SETS
from ashiato.apps.carbon.factors.tables import Table
from ashiato.apps.carbon.templates.columns import (
    CellFault,
    Column,
    Template,
    choice,
    day,
    identifier,
    number,
    positive,
    rating,
    share,
    text,
    unit,
)
from ashiato.apps.carbon.templates.reading import Found, Members, read_table
from ashiato.facts.footprints import STAGES, Origin, Stage, StageVector
from ashiato.facts.quantities import Quantity

_STAGE_COLUMNS = {
    Stage.RAW_MATERIALS: ("Raw materials (kgCO2e)", "原材料調達 (kgCO2e)"),
    Stage.MAIN_PRODUCTION: ("Main production (kgCO2e)", "主要製造 (kgCO2e)"),
    Stage.DISTRIBUTION: ("Distribution (kgCO2e)", "流通 (kgCO2e)"),
    Stage.END_OF_LIFE: ("End of life (kgCO2e)", "廃棄・リサイクル (kgCO2e)"),
}

ANSWERS = Template(
    "answers",
    "Answers",
    "回答",
    (
        Column("request_id", "Request ID", "依頼ID", identifier, True),
        Column("part_id", "Part", "部品番号", identifier, True),
        choice(
            "decision",
            "Decision",
            "回答区分",
            {"answer": ("answer", "回答"), "reject": ("reject", "辞退")},
            required=True,
        ),
        Column("reason", "Reason", "理由", text),
        Column("declared_amount", "Declared amount", "宣言量", positive),
        Column("unit", "Unit", "単位", unit),
        Column("mass_kg", "Mass (kg)", "質量 (kg)", positive),
        *(Column(stage.value, names[0], names[1], number) for stage, names in _STAGE_COLUMNS.items()),
        choice("gwp_set", "GWP set", "GWPの版", {name: (name, name) for name in GWP_SETS}),
        Column("ruleset", "Ruleset", "算定規則", identifier),
        Column("primary_data_share", "Primary data share", "一次データ比率", share),
        Column("technological", "Technological quality", "技術的品質", rating),
        Column("geographical", "Geographical quality", "地理的品質", rating),
        Column("temporal", "Temporal quality", "時間的品質", rating),
        Column("from", "Reference period from", "対象期間開始", day),
        Column("until", "Reference period until", "対象期間終了", day),
        Column("valid_until", "Valid until", "有効期限", day),
        Column("comment", "Comment", "備考", text),
    ),
    id_key="request_id",
)


class AnswerFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The footprint of `declared` of the part, all of it counted as fossil: a form of four figures tells no gases apart."""

    declared: Quantity
    mass_kg: Fraction | None
    emissions: StageVector
    gwp_set_id: str
    ruleset: str
    primary_data_share: Fraction | None
    ratings: tuple[Fraction | None, Fraction | None, Fraction | None]
    from_ms: int | None
    until_ms: int | None
    valid_until_ms: int | None


class AnswerRow(msgspec.Struct, frozen=True, kw_only=True):
    """What is said to one request: figures, or a rejection with its reason (`figures` is None)."""

    request_id: str
    part_id: str
    figures: AnswerFigures | None = None
    reason: str = ""
    comment: str = ""

    @property
    def id(self) -> str:
        return self.request_id


def read_answers(table: Table) -> Found[AnswerRow]:
    """Every answer of the table. Raises `UnreadableSource`."""
    return read_table(table, ANSWERS, _answer)


def _answer(members: Members) -> AnswerRow:
    if members.text("decision") == "reject":
        if not members.text("reason"):
            raise CellFault("reason_missing")
        return AnswerRow(
            request_id=members.text("request_id"),
            part_id=members.text("part_id"),
            reason=members.text("reason"),
            comment=members.text("comment"),
        )
    return AnswerRow(
        request_id=members.text("request_id"),
        part_id=members.text("part_id"),
        figures=_figures(members),
        comment=members.text("comment"),
    )


def _figures(members: Members) -> AnswerFigures:
    declared = members.quantity("declared_amount", "unit", Fraction(1))
    stages = {stage: members.number(stage.value) for stage in STAGES}
    if declared is None or not members.text("gwp_set") or None in stages.values():
        raise CellFault("stages_missing")
    from_ms, until_ms = members.whole("from"), members.whole("until")
    if from_ms is not None and until_ms is not None and until_ms <= from_ms:
        raise CellFault("period_backwards")
    return AnswerFigures(
        declared=declared,
        mass_kg=members.number("mass_kg"),
        emissions=StageVector.of({(stage, Origin.FOSSIL): kg or Fraction(0) for stage, kg in stages.items()}),
        gwp_set_id=members.text("gwp_set"),
        ruleset=members.text("ruleset"),
        primary_data_share=members.number("primary_data_share"),
        ratings=(members.number("technological"), members.number("geographical"), members.number("temporal")),
        from_ms=from_ms,
        until_ms=until_ms,
        valid_until_ms=members.whole("valid_until"),
    )
