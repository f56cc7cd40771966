"""What the catalog asks of a store: records by name, and those that have all of some keys and one of others."""

from collections.abc import Sequence
from typing import Protocol

from ashiato.facts.transactions import Room
from ashiato.hub.catalog.records import CatalogRecord, Found


class CatalogRows(Protocol):
    """The records of the catalog in one transaction, each under its IRI (`publications.record_iri`).

    A change of a record keeps its number; what is new gets the highest. `keys` are those of `indexing`.
    """

    def known(self, publisher: str, iri: str) -> tuple[CatalogRecord | None, int]:
        """The record of that name, whoever publishes it, and the revision at which this publisher withdrew it last (0: never)."""

    def put(self, record: CatalogRecord, keys: Sequence[int]) -> None:
        """Enter or replace a record under these keys."""

    def withdraw(self, publisher: str, iri: str, revision: int) -> None:
        """Remove the record of that name, and remember the revision for this publisher."""

    def heard_of(self, publisher: str, now_ms: int) -> None:
        """The publisher's connector gave a sign of life."""

    def find(
        self,
        every: Sequence[int],
        one_of: Sequence[int],
        *,
        modified_since_ms: int | None,
        below: int,
        limit_count: int,
    ) -> list[Found]:
        """Records with a lower number than `below` that have all keys of `every` and one of `one_of`, the highest number first.

        The earliest change of the data may be given as well. At most `limit_count`; fewer only where there are no more.
        """

    def by_iri(self, iri: str) -> Found | None:
        """The record of that name."""


CATALOG: Room[CatalogRows] = Room("catalog")
