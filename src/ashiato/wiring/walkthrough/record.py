"""The carbon-footprint record that the demonstration hands over: its shape, its checks, the file in the package."""

from importlib import resources
from typing import Annotated, Literal

import msgspec

from ashiato.facts.strict_json import MalformedJson, parse_strict

MOST_RECORD_BYTES = 64 * 1024
RECORD_FILE = "nmc811_cathode_footprint.json"

ExactDecimal = Annotated[str, msgspec.Meta(pattern=r"^(0|[1-9][0-9]*)(\.[0-9]+)?$")]
"""A number as text, so that no digit is lost or added on the way."""
Text = Annotated[str, msgspec.Meta(min_length=1)]
Day = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Country = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{2}$")]
Link = Annotated[str, msgspec.Meta(pattern=r"^https://[!-~]+$")]


class BadRecord(Exception):
    """The provider must mend the record; the sentence names what is wrong with it."""


class Product(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the record is about."""

    name: Text
    chemistry_class: Text
    description: Text


class DeclaredUnit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The amount to which the declared figure belongs."""

    amount: ExactDecimal
    unit: Literal["kilogram"]


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One published number, where it stands, and whether it is about the product of the record."""

    id: Text
    subject: Text
    value: ExactDecimal
    unit: Text
    as_printed: Text
    region: Country
    same_product: bool
    source: Text
    place: Text


class SystemBoundary(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of the life cycle the declared figure covers, and how the source says so."""

    reading: Literal["cradle-to-gate", "cradle-to-grave"]
    as_published: Text


class Stage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The share of one life-cycle stage, in the unit of the declared figure."""

    name: Text
    value: ExactDecimal


class Period(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When the figure was certified and published."""

    awarded_on: Day
    published_on: Day
    note: Text


class Verification(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who stands behind the declared figure."""

    programme: Text
    authority: Text


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A publication."""

    id: Text
    kind: Text
    author: Text
    title: Text
    published_in: Text
    year: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}$")]
    url: Link


class FootprintRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A carbon footprint with everything that is needed to judge it. Numbers are exact decimals as text."""

    record_type: Literal["carbon-footprint"]
    record_version: Literal["1"]
    status: Text
    product: Product
    declared_unit: DeclaredUnit
    declared_figure: Text
    figures: Annotated[tuple[Figure, ...], msgspec.Meta(min_length=1)]
    system_boundary: SystemBoundary
    stages: tuple[Stage, ...]
    stages_note: Text
    geography: Text
    period: Period
    verification: Verification
    data_quality_note: Text
    sources: Annotated[tuple[Source, ...], msgspec.Meta(min_length=1)]

    @property
    def declared(self) -> Figure:
        """The figure that `declared_figure` names."""
        return next(figure for figure in self.figures if figure.id == self.declared_figure)

    def source_of(self, figure: Figure) -> Source:
        """The publication in which a figure stands."""
        return next(source for source in self.sources if source.id == figure.source)


def read_record(content: bytes) -> FootprintRecord:
    """The record in `content`; raises `BadRecord` when it has another shape or points to what is not in it."""
    try:
        document = parse_strict(content, max_bytes=MOST_RECORD_BYTES)
        record = msgspec.convert(document, FootprintRecord)
    except (MalformedJson, msgspec.ValidationError) as error:
        raise BadRecord(f"The record does not have the shape of a carbon-footprint record: {error}") from None
    figures = {figure.id: figure for figure in record.figures}
    known_sources = {source.id for source in record.sources}
    if len(figures) != len(record.figures) or len(known_sources) != len(record.sources):
        raise BadRecord("Two figures or two sources of the record have the same id.")
    declared = figures.get(record.declared_figure)
    if declared is None or not declared.same_product:
        raise BadRecord("The declared figure must be one of the figures about the product of the record.")
    nowhere = [figure.id for figure in record.figures if figure.source not in known_sources]
    if nowhere:
        raise BadRecord(f"The figure {nowhere[0]!r} names a source that the record does not list.")
    return record


def published_record() -> bytes:
    """The record in the package, as it is stored, offered and handed over."""
    return (resources.files("ashiato.wiring") / "demo_data" / RECORD_FILE).read_bytes()


def lot_record(record: FootprintRecord, lot_name: str) -> bytes:
    """The short record of one lot of the product: it repeats the declared figure and says where it comes from."""
    figure = record.declared
    document = {
        "record_type": "lot-carbon-footprint",
        "record_version": record.record_version,
        "lot": lot_name,
        "product": record.product.name,
        "value": figure.value,
        "unit": figure.unit,
        "source": record.source_of(figure).url,
    }
    return msgspec.json.encode(document)
