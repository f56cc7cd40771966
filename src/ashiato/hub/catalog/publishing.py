"""Entering and withdrawing records: by their owner alone, and as often as it likes with the same result."""

from collections.abc import Mapping
from enum import StrEnum
from hashlib import sha256

import msgspec

from ashiato.hub.catalog.indexing import keys_of_record
from ashiato.hub.catalog.ports import CatalogRows
from ashiato.hub.catalog.records import CatalogRecord
from ashiato.hub.catalog.visibility import check_rules
from ashiato.statements.publications import Publication, content, record_iri

ROLE_CLAIM, CERTIFICATION_CLAIM = "role", "certification"


class Outcome(StrEnum):
    """What became of one publication or withdrawal."""

    ENTERED = "entered"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    """The same as before: nothing was written."""
    WITHDRAWN = "withdrawn"
    STALE = "stale"
    """A later revision is known: it came late, and nothing was written."""
    TAKEN = "taken"
    """Somebody else publishes under this name; the publisher must name its asset otherwise."""
    CONTRADICTED = "contradicted"
    """The same revision says something else; the publisher must raise the revision with each change."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A publication made ready outside the transaction."""

    record: CatalogRecord
    keys: tuple[int, ...]


def prepare(
    publication: Publication, claims: Mapping[str, frozenset[str]], now_ms: int, crawled_from: str = ""
) -> Entry:
    """The record of a publication whose owner has these verified claims, with its keys; raises `MalformedPublication`."""
    check_rules(publication)
    record = CatalogRecord(
        publication=publication,
        digest=sha256(content(publication)).hexdigest(),
        owner_roles=tuple(sorted(claims.get(ROLE_CLAIM, ()))),
        owner_certifications=tuple(sorted(claims.get(CERTIFICATION_CLAIM, ()))),
        crawled_from=crawled_from,
        received_ms=now_ms,
    )
    return Entry(record=record, keys=keys_of_record(record))


def enter(rows: CatalogRows, entry: Entry) -> Outcome:
    """Enter the record; of two revisions of one asset the higher one counts, in whatever order they come."""
    record = entry.record
    publication = record.publication
    iri = record_iri(publication.publisher, publication.asset_id)
    known, withdrawn = rows.known(publication.publisher, iri)
    if known is not None and known.publication.publisher != publication.publisher:
        return Outcome.TAKEN
    if publication.revision <= withdrawn:
        return Outcome.STALE
    if known is not None:
        revision = known.publication.revision
        if publication.revision < revision:
            return Outcome.STALE
        if record.digest != known.digest and publication.revision == revision:
            return Outcome.CONTRADICTED
        if record.digest == known.digest and _verified(record) == _verified(known):
            return Outcome.UNCHANGED
    rows.put(record, entry.keys)
    return Outcome.ENTERED if known is None else Outcome.CHANGED


def withdraw(rows: CatalogRows, publisher: str, asset_id: str, revision: int) -> Outcome:
    """Take the record out, and keep every publication up to that revision out."""
    iri = record_iri(publisher, asset_id)
    known, withdrawn = rows.known(publisher, iri)
    if known is not None and known.publication.publisher != publisher:
        return Outcome.TAKEN
    if revision < max(withdrawn, known.publication.revision if known is not None else 0):
        return Outcome.STALE
    if known is None and revision == withdrawn:
        return Outcome.UNCHANGED
    rows.withdraw(publisher, iri, revision)
    return Outcome.WITHDRAWN


def _verified(record: CatalogRecord) -> tuple[object, ...]:
    return record.owner_roles, record.owner_certifications, record.crawled_from
