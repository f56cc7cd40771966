"""Bodies and answers about background databases."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ashiato.api.management.models.carbon import CarbonWarning
from ashiato.api.management.models.shared import InstantShown, Line, Model, OwnId, PageQuery
from ashiato.api.management.models.supply import Query
from ashiato.apps.carbon.databases.keeping import SourceReport, reasons_in_words
from ashiato.apps.carbon.databases.ports import KeptBackground
from ashiato.apps.carbon.databases.questions import (
    DEFAULT_GWP_SET,
    MOST_CHANGES_COUNT,
    MOST_DRAWS_COUNT,
    Change,
    Mix,
    Swap,
    Year,
)
from ashiato.apps.carbon.databases.source_orders import SourceOrder, SourceOutcome
from ashiato.apps.carbon.factors.datasets import Fault
from ashiato.apps.carbon.factors.model import Ownership
from ashiato.facts.decisions import Decision

MOST_SHOWN_COUNT = 100
ActivityId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=1024, pattern=r"^[^\x00-\x1f\x7f]+$"),
    Field(description="The id of an activity, as `activities` lists it."),
]
GwpSetName = Annotated[str, Field(description="The set of potentials.", max_length=40)]
Ratio = Annotated[float, Field(allow_inf_nan=False)]


class BackgroundQuery(Query):
    """How a file is read and what is kept of it."""

    licence: Annotated[
        OwnId, Field(description="A licence that was brought in: who may use and see what the file says.")
    ]
    title: Annotated[Line, Field(description="What the source is called, beside every figure.", min_length=1)]
    version: Line = ""
    year: Annotated[int | None, Field(ge=1900, le=2200, description="The year of the source.")] = None
    format: Literal["auto", "ecospold2", "openlca", "ilcd", "simapro", "brightway"] = "auto"
    use: Annotated[
        Literal["background", "factors", "both"],
        Field(
            description="Keep the whole as a database, its system processes as factors `{background_id}:{dataset}`, or both."
        ),
    ] = "background"
    ownership: Literal["own", "bought", "public"] = "bought"
    gwp_set: GwpSetName = DEFAULT_GWP_SET
    allow_missing: Annotated[
        bool,
        Field(
            description="Take a file with faulty datasets or inputs that nobody supplies: its footprints are then too small, "
            "and every answer says so."
        ),
    ] = False
    lang: Literal["en", "ja"] = "en"
    dry_run: Annotated[bool, Field(description="Only say what would come of it.")] = False

    def order(self, background_id: str) -> SourceOrder:
        """The same for the reader."""
        return SourceOrder(
            format=self.format,
            use=self.use,
            prefix=background_id,
            title=self.title,
            version=self.version,
            year=self.year,
            ownership=Ownership(self.ownership),
            licence_id=self.licence,
            gwp_set_id=self.gwp_set,
            allows_missing=self.allow_missing,
        )


class SourceFault(Model):
    """Something in the file that was not taken, or that has no place here."""

    where: str
    """The dataset or line; empty where the whole file is meant."""
    code: str
    problem: str


class BackgroundImport(Model):
    """What an import came to. Unless `is_good` nothing was stored (or would be)."""

    background_id: str
    is_dry_run: bool
    is_good: bool
    background: Literal["new", "changed", "same", "none"]
    sha256: str
    """Of the file."""
    format: str
    activities: int
    flows: int
    exchanges: int
    uncertain_exchanges: int
    missing: int
    """Inputs and activities that could not be placed, and faulty datasets."""
    factors_new: int
    factors_changed: int
    factors_same: int
    unit_processes: int
    """Activities of which no factor can be made without the database, where factors were wanted."""
    errors: list[SourceFault]
    further_errors: int
    losses: list[SourceFault]
    """What the file says and nothing here holds; the rest was taken."""
    further_losses: int
    warnings: list[CarbonWarning]

    @classmethod
    def of_report(
        cls,
        background_id: str,
        sha256: str,
        report: SourceReport,
        outcome: SourceOutcome,
        wanted: BackgroundQuery,
    ) -> "BackgroundImport":
        """Report and outcome together."""
        rows = report.factors
        told_losses = outcome.losses[:MOST_SHOWN_COUNT]
        return cls(
            background_id=background_id,
            is_dry_run=wanted.dry_run,
            is_good=report.is_good,
            background=report.background,
            sha256=sha256,
            format=outcome.format,
            activities=outcome.activities_count,
            flows=outcome.flows_count,
            exchanges=outcome.exchanges_count,
            uncertain_exchanges=outcome.uncertain_count,
            missing=outcome.missing.count + outcome.faults_count,
            factors_new=0 if rows is None else rows.new_count,
            factors_changed=0 if rows is None else rows.changed_count,
            factors_same=0 if rows is None else rows.same_count,
            unit_processes=outcome.unit_processes_count,
            errors=[_fault(one) for one in report.faults[:MOST_SHOWN_COUNT]],
            further_errors=max(0, len(report.faults) - MOST_SHOWN_COUNT),
            losses=[SourceFault(where=one.where, code="loss", problem=one.what) for one in told_losses],
            further_losses=outcome.losses_count - len(told_losses),
            warnings=[CarbonWarning.of_warned(one, wanted.lang) for one in report.warnings],
        )

    @classmethod
    def of_same(cls, kept: KeptBackground, wanted: BackgroundQuery) -> "BackgroundImport":
        """The file was here before, so it was not read again."""
        return cls(
            background_id=kept.background_id,
            is_dry_run=wanted.dry_run,
            is_good=True,
            background="same",
            sha256=kept.source_sha256,
            format=kept.format,
            activities=kept.products_count,
            flows=kept.flows_count,
            exchanges=kept.exchanges_count,
            uncertain_exchanges=kept.uncertain_count,
            missing=kept.missing_count,
            factors_new=0,
            factors_changed=0,
            factors_same=0,
            unit_processes=0,
            errors=[],
            further_errors=0,
            losses=[],
            further_losses=0,
            warnings=[],
        )


class Background(Model):
    """A database that is kept. Its figures are seen by who may, its content by nobody."""

    background_id: str
    title: str
    version: str
    year: int | None
    licence: str
    format: str
    sha256: str
    """Of the file."""
    packed_sha256: str
    """Of what is kept of it: the same file gives the same."""
    packed_bytes: int
    activities: int
    flows: int
    exchanges: int
    uncertain_exchanges: int
    missing: int
    """More than 0: its footprints are too small."""
    imported_ms: InstantShown
    is_shown: bool
    """Whether the caller may see figures; otherwise `withheld` says why not."""
    withheld: list[str]

    @classmethod
    def of_kept(cls, kept: KeptBackground, seen: Decision) -> "Background":
        """What may be known of it."""
        return cls(
            background_id=kept.background_id,
            title=kept.title,
            version=kept.version,
            year=kept.year,
            licence=kept.licence_id,
            format=kept.format,
            sha256=kept.source_sha256,
            packed_sha256=kept.packed_sha256,
            packed_bytes=kept.packed_bytes,
            activities=kept.products_count,
            flows=kept.flows_count,
            exchanges=kept.exchanges_count,
            uncertain_exchanges=kept.uncertain_count,
            missing=kept.missing_count,
            imported_ms=kept.imported_ms,
            is_shown=seen.permitted,
            withheld=[] if seen.permitted else reasons_in_words(seen),
        )


class BackgroundsQuery(PageQuery):
    """Which page is wanted."""


class ActivitiesQuery(Query):
    """Which activities are wanted."""

    words: Annotated[str, Field(description="All of them stand in id, name or location.", max_length=200)] = (
        ""
    )
    limit: Annotated[int, Field(ge=1, le=500)] = 50


class Subject(Model):
    """An activity. Figures are per one `unit`, for a waste treatment per unit that it treats."""

    activity: str
    name: str
    unit: str
    location: str
    year: int | None
    is_treatment: bool


class ActivitiesFound(Model):
    """Activities in the order of their ids."""

    activities: list[Subject]
    further_count: int


class Figure(Model):
    """A binary figure and the most by which it can be wrong: proved, or else an estimate."""

    value: float
    error_bound: float
    is_proved: bool


class IntensityBody(Model):
    """Whose intensity is wanted."""

    activity: ActivityId
    gwp_set: GwpSetName = DEFAULT_GWP_SET
    most_inputs_count: Annotated[int, Field(ge=0, le=1000)] = 20


class Input(Model):
    """What one input adds."""

    activity: str
    name: str
    unit: str
    location: str
    amount: float
    kgco2e: Figure


class Intensity(Model):
    """kg CO2e per unit = `own` + all `inputs` + `further_inputs`."""

    subject: Subject
    gwp_set: str
    kgco2e: Figure
    own: Figure
    inputs: list[Input]
    further_inputs: Figure
    further_inputs_count: int
    method: str
    agreement: float
    """The relative difference to the same figure computed from the other side."""
    missing_count: int
    unweighted: list[str]
    """Flows that may warm and have no potential."""


class SwapBody(Model):
    """`activity` takes this share of what came from `supplier` from `instead`."""

    type: Literal["swap"]
    activity: ActivityId
    supplier: ActivityId
    instead: ActivityId
    share: Annotated[Ratio, Field(ge=0, le=1)] = 1.0
    ratio: Ratio = 1.0
    """Units of `instead` for each unit of `supplier`."""


class MixBody(Model):
    """`activity` is a market in which these suppliers have these shares."""

    type: Literal["mix"]
    activity: ActivityId
    shares: Annotated[dict[ActivityId, Annotated[Ratio, Field(ge=0)]], Field(min_length=1, max_length=1000)]


class YearBody(Model):
    """`activity` works as that of the same id in another database does."""

    type: Literal["year"]
    activity: ActivityId
    background_id: OwnId


ChangeBody = Annotated[SwapBody | MixBody | YearBody, Field(discriminator="type")]


class WhatIfBody(Model):
    """Whose intensity is wanted, as it is and with the changes, made one after the other."""

    activity: ActivityId
    changes: Annotated[list[ChangeBody], Field(min_length=1, max_length=MOST_CHANGES_COUNT)]
    gwp_set: GwpSetName = DEFAULT_GWP_SET

    def records(self) -> tuple[Change, ...]:
        """The changes for who computes."""
        return tuple(_change(one) for one in self.changes)


class WhatIf(Model):
    """Before, after, and the difference, in kg CO2e per unit."""

    subject: Subject
    gwp_set: str
    before: Figure
    after: Figure
    difference: Figure
    missing_count: int
    unweighted: list[str]


class SimulationBody(Model):
    """Whose intensity is wanted in how many draws. Draw number i is the same in every run of one seed."""

    activity: ActivityId
    gwp_set: GwpSetName = DEFAULT_GWP_SET
    draws_count: Annotated[int, Field(ge=2, le=MOST_DRAWS_COUNT)] = 1000
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    first_draw: Annotated[int, Field(ge=0, lt=2**31)] = 0


class Quantile(Model):
    """`share` of all draws lie below."""

    share: float
    kgco2e: float


class Simulation(Model):
    """What the draws came to, in kg CO2e per unit; `kgco2e` is without drawing."""

    subject: Subject
    gwp_set: str
    kgco2e: Figure
    mean: float
    standard_deviation: float
    quantiles: list[Quantile]
    error_bound: float
    """The largest of a single draw."""
    is_proved: bool
    draws_count: int
    unsolved_count: int
    next_draw: int
    seed: int
    uncertain_exchanges_count: int
    missing_count: int
    unweighted: list[str]


class LinkBody(Model):
    """Which activity becomes a factor, and under which id."""

    activity: ActivityId
    factor_id: OwnId
    material: Line = ""
    ownership: Literal["own", "bought", "public"] = "bought"
    gwp_set: GwpSetName = DEFAULT_GWP_SET
    lang: Literal["en", "ja"] = "en"


class LinkedFactor(Model):
    """The factor that is kept now; its figures are shown by `factors` to who may see them."""

    factor_id: str
    outcome: Literal["new", "changed", "same"]
    warnings: list[CarbonWarning]


def _fault(found: Fault) -> SourceFault:
    return SourceFault(where=found.where, code=found.code, problem=found.problem)


def _change(body: SwapBody | MixBody | YearBody) -> Change:
    match body:
        case SwapBody():
            return Swap(body.activity, body.supplier, body.instead, body.share, body.ratio)
        case MixBody():
            return Mix(body.activity, body.shares)
        case YearBody():
            return Year(body.activity, body.background_id)
