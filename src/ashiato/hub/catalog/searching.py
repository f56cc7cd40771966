"""Searching the catalog as one caller may see it."""

from collections.abc import Callable
from functools import lru_cache

import msgspec

from ashiato.hub.catalog.indexing import Query, fits, keys_of_audiences, keys_of_query
from ashiato.hub.catalog.ports import CatalogRows
from ashiato.hub.catalog.records import Found
from ashiato.hub.catalog.visibility import Judge, Sight, keys_of_caller
from ashiato.trust.standing import Standing

PAGE_SIZE_COUNT = 20
MOST_ON_PAGE_COUNT = 100
MOST_SCANNED_COUNT, MOST_IN_ROUND_COUNT = 2_000, 320
BEHIND_THE_LAST = 2**62


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A record and what the caller may be told of it."""

    found: Found
    sight: Sight


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Hits, the newest first. `next_below` continues, None at the end; a page may be short and go on nevertheless."""

    hits: tuple[Hit, ...]
    next_below: int | None


def search(
    rows: CatalogRows,
    caller: Standing,
    now_ms: int,
    query: Query,
    below: int = BEHIND_THE_LAST,
    size_count: int = PAGE_SIZE_COUNT,
    stands: Callable[[str], bool] = bool,
) -> Page:
    """One page of what the caller may see and the query asks for, of publishers of which `stands` says that they may act."""
    stands = lru_cache(maxsize=None)(stands)
    every, one_of = keys_of_query(query), keys_of_audiences(keys_of_caller(caller))
    judge = Judge(caller, now_ms)
    hits: list[Hit] = []
    scanned_count, asked_count = 0, size_count
    while scanned_count < MOST_SCANNED_COUNT:
        found = rows.find(
            every,
            one_of,
            modified_since_ms=query.modified_since_ms,
            below=below,
            limit_count=asked_count,
        )
        scanned_count += asked_count
        for one in found:
            below = one.number
            sight = judge.sight(one.record)
            if sight.is_seen and fits(query, one.record) and stands(one.record.publication.publisher):
                hits.append(Hit(found=one, sight=sight))
            if len(hits) == size_count:
                return Page(hits=tuple(hits), next_below=below)
        if len(found) < asked_count:
            return Page(hits=tuple(hits), next_below=None)
        # Where many keys meet by chance, more are looked at in each round.
        asked_count = min(2 * asked_count, MOST_IN_ROUND_COUNT)
    return Page(hits=tuple(hits), next_below=below)


def one(
    rows: CatalogRows, caller: Standing, now_ms: int, iri: str, stands: Callable[[str], bool] = bool
) -> Hit | None:
    """The record of that name, None where there is none or the caller may not know of it."""
    found = rows.by_iri(iri)
    if found is None or not stands(found.record.publication.publisher):
        return None
    sight = Judge(caller, now_ms).sight(found.record)
    # Who knows the name of a listed asset learns no more of it than from the list, where its name does not stand.
    is_own = found.record.publication.publisher == caller.participant_id
    if not sight.is_seen or (found.record.is_listing and not is_own):
        return None
    return Hit(found=found, sight=sight)
