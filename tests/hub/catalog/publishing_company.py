"""Publications as companies of the tests make them."""

from collections.abc import Mapping, Sequence

from ashiato.hub.catalog.indexing import Facet, Query, fits, keys_of_record
from ashiato.hub.catalog.publishing import prepare
from ashiato.hub.catalog.records import CatalogRecord, Found
from ashiato.statements.publications import Publication, PublishedOffer, Shown, record_iri

MAKER, BUYER, OTHER = "did:web:maker.example", "did:web:buyer.example", "did:web:other.example"
NOW_MS = 1_800_000_000_000
CELL_MAKERS: dict[str, object] = {
    "permission": [
        {
            "action": "access",
            "constraint": [{"leftOperand": "role", "operator": "isAnyOf", "rightOperand": ["cell_maker"]}],
        }
    ]
}
ANYBODY: dict[str, object] = {"permission": [{"action": "use"}]}


def offer(offer_id: str = "o1", *access: dict[str, object]) -> PublishedOffer:
    """An offer that these policies show."""
    return PublishedOffer(offer_id=offer_id, rules=ANYBODY, access=access)


def publication(asset_id: str = "cells", **members: object) -> Publication:
    """A publication of MAKER, offered to everybody, with these members in the place of its own."""
    given: dict[str, object] = {
        "asset_id": asset_id,
        "publisher": MAKER,
        "revision": 1,
        "title": {"en": "Footprint of the cell LFP-50", "ja": "リチウムイオン電池のCO2排出量"},
        "address": "https://maker.example/maker",
        "modified_ms": NOW_MS,
        "offers": (offer(),),
        **members,
    }
    given["shown"] = Shown(str(given.get("shown", "offered")))
    return Publication(**given)  # type: ignore[arg-type]  # the members are named by each test


def record(one: Publication, claims: Mapping[str, frozenset[str]] | None = None) -> CatalogRecord:
    """The record of a publication whose owner has these claims."""
    return prepare(one, claims or {}, NOW_MS).record


def query(text: str = "", **facets: str) -> Query:
    """A query by text and facets."""
    return Query(text=text, facets=tuple((Facet(name), value) for name, value in facets.items()))


class Rows:
    """The port `CatalogRows` without any index: everything is looked at, and so nothing is missed."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._records: dict[str, CatalogRecord] = {}
        self._withdrawn: dict[tuple[str, str], int] = {}
        self._seen: dict[str, int] = {}
        self._last = 0
        self.writes_count = 0

    def known(self, publisher: str, iri: str) -> tuple[CatalogRecord | None, int]:
        return self._records.get(iri), self._withdrawn.get((publisher, iri), 0)

    def put(self, record: CatalogRecord, keys: Sequence[int]) -> None:
        iri = record_iri(record.publication.publisher, record.publication.asset_id)
        if iri not in self._numbers:
            self._last += 1
            self._numbers[iri] = self._last
        self._records[iri] = record
        self.writes_count += 1

    def withdraw(self, publisher: str, iri: str, revision: int) -> None:
        self._records.pop(iri, None)
        self._numbers.pop(iri, None)
        self._withdrawn[publisher, iri] = revision
        self.writes_count += 1

    def heard_of(self, publisher: str, now_ms: int) -> None:
        self._seen[publisher] = now_ms

    def find(
        self,
        every: Sequence[int],
        one_of: Sequence[int],
        *,
        modified_since_ms: int | None,
        below: int,
        limit_count: int,
    ) -> list[Found]:
        hits = []
        for iri in sorted(self._records, key=lambda iri: -self._numbers[iri]):
            keys = set(keys_of_record(self._records[iri]))
            is_new = fits(Query(modified_since_ms=modified_since_ms), self._records[iri])
            if self._numbers[iri] < below and keys.issuperset(every) and keys & set(one_of) and is_new:
                hits.append(self._found(iri))
        return hits[:limit_count]

    def by_iri(self, iri: str) -> Found | None:
        return self._found(iri) if iri in self._records else None

    def _found(self, iri: str) -> Found:
        held = self._records[iri]
        seen_ms = self._seen.get(held.publication.publisher, 0)
        return Found(number=self._numbers[iri], record=held, seen_ms=seen_ms)
