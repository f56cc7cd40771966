"""Answers about a company's own footprints, as the app computed them. Figures are decimal text in kgCO2e."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

import msgspec
from pydantic import Field

from ashiato.api.management.models.shared import InstantShown, Line, Model, PageQuery
from ashiato.api.management.models.supply import Query
from ashiato.apps.carbon.explaining import SHOWN_DECIMALS
from ashiato.apps.carbon.footprint_texts import say
from ashiato.apps.carbon.handover import Handover
from ashiato.apps.carbon.inversion import LEAST_ERROR
from ashiato.apps.carbon.looking import Footprint
from ashiato.apps.carbon.scopes import PlantYear
from ashiato.facts.footprints import ZERO
from ashiato.facts.quantities import fixed_text

Language = Annotated[Literal["en", "ja"], Field(description="The language of the sentences.")]


class FootprintsQuery(PageQuery):
    """Which page is wanted."""


class FootprintQuery(Query):
    """How it is told."""

    lang: Language = "en"


class ScopesQuery(Query):
    """Which plant and year; of all without them."""

    plant: Line = ""
    year: Annotated[int | None, Field(ge=1970, le=9998)] = None
    lang: Language = "en"


class _Read(Model):
    """What is made of a document of the app."""

    @classmethod
    def read(cls, record: msgspec.Struct, **more: object) -> Self:
        """The model of a document, members that it does not show left out."""
        members = {**{name: getattr(record, name) for name in record.__struct_fields__}, **more}
        shown = {name: _plain(value) for name, value in members.items() if name in cls.model_fields}
        return cls.model_validate(shown, strict=False)


class FootprintVersion(_Read):
    """A declaration by its id and hash."""

    id: str
    sha256: str


class FootprintChange(_Read):
    """An input that is another one than before, by hash."""

    input: str
    before: str
    after: str


class ExposedInput(Model):
    """An input whose quantity could be told from what was declared, with the median error that is left."""

    input: str
    error_percent: str


class OwnFootprint(Model):
    """A product with its declaration and how it stands; `standing` is empty where the app has not looked yet."""

    product: str
    standing: str
    declaration: FootprintVersion | None
    revision: FootprintVersion | None
    """A newer version, which waits for a person."""
    changed: list[FootprintChange]
    problem: str
    total_kg: str
    amount: str
    unit: str
    ruleset: str
    primary_data_share: str
    valid_from_ms: InstantShown | None
    valid_until_ms: InstantShown | None
    unproved: list[str]
    """What the figure rests on without that a text was read for it."""
    exposed: list[ExposedInput]
    warning: str
    """What to consider before it is offered."""

    @classmethod
    def of_footprint(cls, found: Footprint, language: str) -> "OwnFootprint":
        """The product, its warning in that language."""
        declared, standing = found.declaration, found.standing
        exposed = {} if standing is None else standing.exposed
        return cls(
            product=found.product,
            standing="" if standing is None else standing.standing.value,
            declaration=None
            if standing is None or standing.declaration is None
            else FootprintVersion.read(standing.declaration),
            revision=None
            if standing is None or standing.revision is None
            else FootprintVersion.read(standing.revision),
            changed=[] if standing is None else [FootprintChange.read(one) for one in standing.changed],
            problem="" if standing is None else standing.problem,
            total_kg="" if declared is None else declared.total_kg,
            amount="" if declared is None else declared.amount,
            unit="" if declared is None else declared.unit,
            ruleset="" if declared is None else declared.ruleset.id,
            primary_data_share="" if declared is None else declared.primary_data_share,
            valid_from_ms=None if declared is None else declared.valid_from_ms,
            valid_until_ms=None if declared is None else declared.valid_until_ms,
            unproved=found.unproved,
            exposed=[ExposedInput(input=key, error_percent=error) for key, error in exposed.items()],
            warning=say("exposed", language, inputs=", ".join(exposed), limit=f"{LEAST_ERROR * 100:g}")
            if exposed
            else "",
        )


class FootprintNode(_Read):
    """A node of the contribution tree."""

    key: str
    own: bool
    kg: str
    share: str
    standing: str
    children: list["FootprintNode"]


class HotSpot(_Read):
    """One of the largest contributions."""

    key: str
    kg: str
    share: str
    cumulated_share: str


class SankeyBand(_Read):
    """A band of a Sankey diagram."""

    source: str
    target: str
    kg: str


class FootprintGap(_Read):
    """A line that rests on secondary data."""

    key: str
    kg: str
    share: str


class FootprintEffect(_Read):
    """What one line adds to the difference from the version before; the three parts add up."""

    key: str
    amount_kg: str
    intensity_kg: str
    joint_kg: str
    total_kg: str


class FootprintExplanation(_Read):
    """Why a footprint is what it is."""

    product: str
    declaration_id: str
    declaration_sha256: str
    amount: str
    unit: str
    total_kg: str
    tree: FootprintNode
    hot_spots: list[HotSpot]
    sankey: list[SankeyBand]
    secondary_share: str
    gaps: list[FootprintGap]
    stale: list[str]
    negative: list[str]
    compared_with: str
    changes: list[FootprintEffect]


class HandoverFigure(_Read):
    """kgCO2e of an amount by stage."""

    amount: str
    unit: str
    stages: dict[str, str]
    total: str
    is_declared: bool


class HandoverPerEnergy(_Read):
    """kgCO2e per kilowatt-hour by stage."""

    measure: str
    stages: dict[str, str]
    total: str


class HandoverRule(Model):
    """What may or may not be done with the figures."""

    code: str
    about: list[str]
    text: str


class FootprintHandover(_Read):
    """A declared footprint for the assessment of what the product goes into."""

    declaration_id: str
    declaration_sha256: str
    issuer: str
    product: str
    ruleset: str
    gwp_set: str
    basis: str
    valid_from_ms: InstantShown
    valid_until_ms: InstantShown
    primary_data_share: str
    bound_kg: str
    figures: list[HandoverFigure]
    per_energy: list[HandoverPerEnergy]
    rules: list[HandoverRule]

    @classmethod
    def of_handover(cls, found: Handover, language: str) -> "FootprintHandover":
        """The handover, its rules in that language."""
        rules = [
            {"code": rule.code, "about": list(rule.about), "text": say(rule.code, language)}
            for rule in found.rules
        ]
        return cls.read(found, rules=rules)


class ScopeCategory(Model):
    """A category of Scope 3 by its number in the standard."""

    category: str
    name: str
    kg: str


class PlantScopes(Model):
    """A plant in a year. The two figures of Scope 2 are told beside each other and never added."""

    plant: str
    year: int
    gwp_sets: list[str]
    products: list[str]
    pro_rata: list[str]
    """Products whose period is not within the year; of these the share of the time counts."""
    scope1_kg: str
    scope2_by_location_kg: str
    scope2_by_market_kg: str
    scope3_kg: str
    scope3: list[ScopeCategory]
    biogenic_uptake_kg: str
    """Outside of the scopes."""

    @classmethod
    def of_year(cls, found: PlantYear, language: str) -> "PlantScopes":
        """The year, with the names of its categories in that language."""
        whole = sum(found.scope3_kg.values(), ZERO)
        return cls(
            plant=found.plant,
            year=found.year,
            gwp_sets=list(found.gwp_sets),
            products=list(found.products),
            pro_rata=list(found.pro_rata),
            scope1_kg=fixed_text(found.scope1_kg, SHOWN_DECIMALS),
            scope2_by_location_kg=fixed_text(found.scope2_by_location_kg, SHOWN_DECIMALS),
            scope2_by_market_kg=fixed_text(found.scope2_by_market_kg, SHOWN_DECIMALS),
            scope3_kg=fixed_text(whole, SHOWN_DECIMALS),
            scope3=[
                ScopeCategory(category=one, name=say(one, language), kg=fixed_text(kg, SHOWN_DECIMALS))
                for one, kg in sorted(found.scope3_kg.items(), key=lambda pair: pair[0].zfill(2))
            ],
            biogenic_uptake_kg=fixed_text(found.biogenic_uptake_kg, SHOWN_DECIMALS),
        )


class PlantScopesList(Model):
    """Plants and years, in order."""

    items: list[PlantScopes]


def _plain(value: object) -> object:
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    return value
