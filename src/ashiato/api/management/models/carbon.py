"""Bodies and answers about the tables of the carbon footprint."""

from typing import Annotated, Literal

from pydantic import Field

from ashiato.api.management.models.shared import Model, OwnId, PageQuery
from ashiato.api.management.models.supply import Query
from ashiato.apps.carbon.factors.licences import ENGLISH
from ashiato.apps.carbon.factors.plausibility import Warned
from ashiato.apps.carbon.factors.showing import FactorView
from ashiato.apps.carbon.templates.importing import Report
from ashiato.apps.carbon.templates.inventories import InventoryMade

TemplateName = Literal["licences", "factors", "activities", "answers"]


class CarbonTemplateQuery(Query):
    """Which empty table is wanted."""

    template: TemplateName
    lang: Literal["en", "ja"] = "en"
    form: Literal["csv", "xlsx"] = "csv"
    encoding: Annotated[
        Literal["utf-8", "shift_jis"], Field(description="Of a CSV file; UTF-8 begins with a mark.")
    ] = "utf-8"


class CarbonImportQuery(Query):
    """How a table is read."""

    template: TemplateName
    lang: Annotated[Literal["en", "ja"], Field(description="The language of the errors.")] = "en"
    gwp_set: Annotated[str, Field(description="By which potentials activities are tried.", max_length=40)] = (
        "AR6"
    )
    dry_run: Annotated[bool, Field(description="Only say what would come of it.")] = False


class FactorsQuery(PageQuery):
    """Which page is wanted."""


class CarbonRowFault(Model):
    """What is wrong in one cell."""

    row: int
    """Counted from 1, as spreadsheets do."""
    column: str
    """By its heading in the file; empty where the whole row is meant."""
    code: str
    problem: str


class CarbonWarning(Model):
    """Why a factor should be looked at. It keeps nothing out, and names the band, not the figure."""

    factor_id: str
    code: str
    sentence: str

    @classmethod
    def of_warned(cls, warned: Warned, language: Literal["en", "ja"]) -> "CarbonWarning":
        """The warning, with its sentence in that language."""
        return cls(factor_id=warned.factor_id, code=warned.code, sentence=warned.text(language))


class InventoryQuery(Query):
    """How an inventory is made."""

    lang: Annotated[Literal["en", "ja"], Field(description="The language of the warnings.")] = "en"
    dry_run: Annotated[bool, Field(description="Only say what would come of it.")] = False


class CarbonInventoryMade(Model):
    """The inventory that is kept now as the record of an asset; the app computes from it."""

    asset_id: str
    outcome: Literal["new", "changed", "same"]
    is_dry_run: bool
    sha256: str
    rows: int
    """How many of its lines were filled-in rows."""
    lines: int
    warnings: list[CarbonWarning]

    @classmethod
    def of_made(cls, made: InventoryMade, wanted: InventoryQuery) -> "CarbonInventoryMade":
        """With its warnings as sentences."""
        return cls(
            asset_id=made.asset_id,
            outcome=made.outcome,
            is_dry_run=wanted.dry_run,
            sha256=made.sha256,
            rows=made.rows_count,
            lines=made.lines_count,
            warnings=[CarbonWarning.of_warned(one, wanted.lang) for one in made.warnings],
        )


class CarbonAnswersBody(Model):
    """Which filled-in answers are given, and under which policy their declarations are offered."""

    policy_id: OwnId
    request_ids: list[OwnId] = Field(default=[], max_length=1000)
    """Left empty: every answer that was filled in."""
    dry_run: bool = False


class CarbonAnswerGiven(Model):
    """What became of one of them."""

    request_id: str
    part_id: str
    outcome: Literal["answered", "rejected", "same"]
    asset_id: str


class CarbonAnswersGiven(Model):
    """All of them were given, or none."""

    is_dry_run: bool
    items: list[CarbonAnswerGiven]


class CarbonImportReport(Model):
    """What an import came to."""

    template: TemplateName
    is_dry_run: bool
    is_good: bool
    """False: nothing was stored (or would be)."""
    rows: int
    new: int
    changed: int
    same: int
    errors: list[CarbonRowFault]
    further_errors: int
    warnings: list[CarbonWarning]

    @classmethod
    def of_report(cls, report: Report, language: Literal["en", "ja"]) -> "CarbonImportReport":
        """The report, with its sentences in that language."""
        return cls.model_validate(
            {
                "template": report.template,
                "is_dry_run": report.is_trial,
                "is_good": not report.faults,
                "rows": report.rows_count,
                "new": report.new_count,
                "changed": report.changed_count,
                "same": report.same_count,
                "errors": [
                    {"row": one.row, "column": one.column, "code": one.code, "problem": one.text(language)}
                    for one in report.faults
                ],
                "further_errors": report.further_count,
                "warnings": [CarbonWarning.of_warned(one, language) for one in report.warnings],
            }
        )


class Factor(Model):
    """An emission factor as the caller may see it; without the right there are no figures, and `withheld` says why."""

    factor_id: str
    name: str
    reference: str
    region: str
    reference_year: int | None
    source: str
    source_version: str
    licence: str
    attribution: str
    gwp_set: str
    is_usable: bool
    kgco2e: str | None
    withheld: list[str]

    @classmethod
    def of_view(cls, view: FactorView) -> "Factor":
        """What may be seen."""
        return cls(
            factor_id=view.id,
            name=view.name,
            reference=view.reference,
            region=view.region,
            reference_year=view.reference_year,
            source=view.source_title,
            source_version=view.source_version,
            licence=view.licence_id,
            attribution=view.attribution,
            gwp_set=view.gwp_set_id,
            is_usable=view.usable,
            kgco2e=view.kgco2e,
            withheld=[reason.text_in(ENGLISH) for reason in view.withheld],
        )
