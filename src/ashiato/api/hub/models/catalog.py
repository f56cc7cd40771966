"""The catalog's documents. What is published and found is DCAT 3, which `statements.publications` reads and writes."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ashiato.api.management.models.shared import Instant, JsonObject, Model
from ashiato.hub.catalog.indexing import Facet, Query
from ashiato.hub.catalog.searching import MOST_ON_PAGE_COUNT, PAGE_SIZE_COUNT
from ashiato.statements.publications import HIGHEST_REVISION, LONGEST_NAME_CHARS

MOST_AT_ONCE_COUNT = 200

AssetId = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME_CHARS)]
Wanted = Annotated[str, StringConstraints(max_length=2048, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Withdrawal(Model):
    """An asset that is no longer published."""

    asset_id: AssetId
    revision: Annotated[int, Field(ge=1, le=HIGHEST_REVISION)]
    """Not below that of the publication; what is published again needs a higher one."""


class Publishing(Model):
    """Publications of the caller's own assets and withdrawals, each judged for itself."""

    publications: Annotated[list[JsonObject], Field(max_length=MOST_AT_ONCE_COUNT, default_factory=list)]
    """Each a `dcat:Dataset` in JSON-LD."""
    withdrawals: Annotated[list[Withdrawal], Field(max_length=MOST_AT_ONCE_COUNT, default_factory=list)]


class Judged(Model):
    """What became of one publication or withdrawal."""

    outcome: Literal[
        "entered", "changed", "unchanged", "withdrawn", "stale", "taken", "contradicted", "malformed"
    ]
    path: str = ""
    """Where a malformed publication must be mended."""
    problem: str = ""


class Published(Model):
    """The outcomes, in the order of what was sent."""

    publications: list[Judged]
    withdrawals: list[Judged]


class Presence(Model):
    """What a sign of life, or a publication, is good for."""

    offline_after_ms: int
    """After this time without another one the records are marked as those of a connector that is off line."""


class Search(BaseModel):
    """What is searched for; everything that is given must match."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: Annotated[
        Wanted,
        Field(
            description="Words in Japanese or another language: parts in scripts without spaces, else beginnings of words."
        ),
    ] = ""
    role: Annotated[Wanted, Field(description="A role of the owner that the hub verified.")] = ""
    certification: Annotated[
        Wanted, Field(description="A certification of the owner that the hub verified.")
    ] = ""
    data_item: Wanted = ""
    part_group: Wanted = ""
    part: Annotated[Wanted, Field(description="A part number or id that the owner published.")] = ""
    region: Annotated[Wanted, Field(description="ISO 3166: a country finds its parts too.")] = ""
    licence: Annotated[Wanted, Field(description="The IRI of the licence terms.")] = ""
    standard: Annotated[
        Wanted, Field(description="An IRI that the data conforms to, such as a semantic model.")
    ] = ""
    modified_since_ms: Annotated[
        Instant | None, Field(description="The earliest last change of the data.")
    ] = None
    limit: Annotated[int, Field(ge=1, le=MOST_ON_PAGE_COUNT)] = PAGE_SIZE_COUNT
    cursor: Annotated[str, StringConstraints(pattern=r"^[0-9]{0,18}$")] = ""

    def query(self) -> Query:
        """For the inner room."""
        given = ((facet, str(getattr(self, facet.value))) for facet in Facet)
        return Query(
            text=self.text,
            facets=tuple((facet, value) for facet, value in given if value),
            modified_since_ms=self.modified_since_ms,
        )


class Records(Model):
    """A page of the catalog as one JSON-LD document, the newest first."""

    catalog: dict[str, Any]
    """A `dcat:Catalog` that holds the datasets as the caller may see them."""
    next_cursor: str | None
    """Give it as `cursor` to go on; null at the end. A page may be short, or empty, and go on nevertheless."""
