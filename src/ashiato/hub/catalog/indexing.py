"""The keys of a record and of a query, as numbers: one kind of key serves words, facets and callers, on every engine.

A number is 48 bits of a hash. Two keys may share one, so what an index finds is held against the record itself (`fits`).
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b

import msgspec

from ashiato.hub.catalog.records import CatalogRecord
from ashiato.hub.catalog.visibility import audiences_of
from ashiato.hub.catalog.wording import keys_of_term, keys_of_text, matches, terms_of
from ashiato.statements.publications import Publication

KEY_BYTES = 6


class Facet(StrEnum):
    """What a search may be narrowed by, exactly."""

    ROLE = "role"
    """A role of the owner, verified."""
    CERTIFICATION = "certification"
    """A certification of the owner, verified."""
    DATA_ITEM = "data_item"
    PART_GROUP = "part_group"
    PART = "part"
    REGION = "region"
    """A country (`JP`) finds its parts (`JP-23`) too."""
    LICENCE = "licence"
    STANDARD = "standard"
    """An IRI that the data conforms to, such as a semantic model with its version."""


# Of what is only listed nobody learns more by asking for one thing after the other.
OF_LISTINGS = frozenset({Facet.ROLE})


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What is searched for; all that is given must match. `modified_since_ms` is the earliest last change of the data."""

    text: str = ""
    facets: tuple[tuple[Facet, str], ...] = ()
    modified_since_ms: int | None = None

    @property
    def takes_listings(self) -> bool:
        """Whether a record of which only the existence may be told can be a hit."""
        asked = {facet for facet, _ in self.facets}
        return not terms_of(self.text) and self.modified_since_ms is None and asked <= OF_LISTINGS


def facets_of(record: CatalogRecord) -> dict[Facet, tuple[str, ...]]:
    """The values of a record by which it is found."""
    roles = {Facet.ROLE: record.owner_roles}
    if record.is_listing:
        return roles
    published = record.publication
    country = published.region.partition("-")[0]
    return roles | {
        Facet.CERTIFICATION: record.owner_certifications,
        Facet.DATA_ITEM: _given(published.data_item),
        Facet.PART_GROUP: _given(published.part_group),
        Facet.PART: published.parts,
        Facet.REGION: tuple(dict.fromkeys(_given(country) + _given(published.region))),
        Facet.LICENCE: _given(published.licence),
        Facet.STANDARD: published.conforms_to,
    }


def texts_of(publication: Publication) -> Iterator[str]:
    """What a search reads of an offered record."""
    yield from publication.title.values()
    yield from publication.description.values()
    yield from publication.keywords
    yield from publication.parts
    yield publication.data_item
    yield publication.part_group


def keys_of_record(record: CatalogRecord) -> tuple[int, ...]:
    """Every key of the record: words, facets, and those who may see it; sorted."""
    texts = () if record.is_listing else texts_of(record.publication)
    keys = {_word(word) for text in texts for word in keys_of_text(text)}
    keys.update(_facet(facet, value) for facet, values in facets_of(record).items() for value in values)
    keys.update(map(_audience, audiences_of(record)))
    return tuple(sorted(keys))


def keys_of_query(query: Query) -> tuple[int, ...]:
    """Keys that every hit has."""
    words = (_word(word) for term in terms_of(query.text) for word in keys_of_term(term))
    return tuple(dict.fromkeys((*words, *(_facet(facet, value) for facet, value in query.facets))))


def keys_of_audiences(audiences: Iterable[str]) -> tuple[int, ...]:
    """Keys of which every hit has one."""
    return tuple(map(_audience, audiences))


def fits(query: Query, record: CatalogRecord) -> bool:
    """Whether the record is what is searched for."""
    if record.is_listing and not query.takes_listings:
        return False
    published = record.publication
    if query.modified_since_ms is not None and published.modified_ms < query.modified_since_ms:
        return False
    facets = facets_of(record)
    if any(value not in facets.get(facet, ()) for facet, value in query.facets):
        return False
    terms = terms_of(query.text)
    return not terms or matches(terms, texts_of(published))


def _given(value: str) -> tuple[str, ...]:
    return (value,) if value else ()


def _word(word: str) -> int:
    return _number(f"w:{word}")


def _facet(facet: Facet, value: str) -> int:
    return _number(f"f:{facet.value}={value}")


def _audience(key: str) -> int:
    return _number(f"a:{key}")


@lru_cache(maxsize=65_536)
def _number(key: str) -> int:
    return int.from_bytes(blake2b(key.encode(), digest_size=KEY_BYTES).digest())
