"""The ports of the supply room: one company's chain in a store, in the same transaction as everything else."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from ashiato.connector import ports
from ashiato.supply.records import (
    Batch,
    Bill,
    Holding,
    Item,
    LinkStanding,
    PartType,
    Plant,
    Subject,
    TradeLink,
    TradingPartner,
)

R = TypeVar("R")
T = TypeVar("T")

Place = tuple[str, int]
"""Where a page of relations begins: behind the key of the other thing and the instant at which the relation began."""
FIRST_PLACE: Place = ("", -1)


class Shelf(Protocol[R]):
    """Records of one kind, by the company's own id."""

    def put(self, record: R) -> None:
        """Insert or replace."""

    def put_many(self, records: Sequence[R]) -> None:
        """Insert or replace each."""

    def get(self, record_id: str) -> R | None:
        """Locked for update where the store has concurrent writers."""

    def get_many(self, record_ids: Sequence[str]) -> dict[str, R]:
        """Those of them that there are, by their ids."""

    def page(self, after_id: str, limit_count: int, *, of: str | None = None) -> list[R]:
        """In the order of the id; `of` = only those of this plant (parts), this part (batches, items) or this partner
        (links)."""

    def delete(self, record_id: str) -> bool: ...


class Supply(Protocol):
    """What one company knows of its chain."""

    @property
    def partners(self) -> Shelf[TradingPartner]: ...
    @property
    def plants(self) -> Shelf[Plant]: ...
    @property
    def parts(self) -> Shelf[PartType]: ...
    @property
    def batches(self) -> Shelf[Batch]: ...
    @property
    def items(self) -> Shelf[Item]: ...
    @property
    def links(self) -> Shelf[TradeLink]: ...

    def begin_change(self) -> None:
        """From here to the commit no other process changes this company's chain: what is looked at now still holds then."""

    def named(self, identifiers: Sequence[str]) -> dict[str, Subject]:
        """What the identifiers stand for, by their canonical text; those that stand for nothing are left out."""

    def put_identifiers(self, identifiers: Mapping[Subject, Sequence[str]]) -> None:
        """From now on these are all the identifiers of each subject. Raises `Conflict` for one that is another subject's."""

    def items_by_serial(self, part_id: str, serials: Sequence[str]) -> dict[str, str]:
        """The ids of the part's items with these serial numbers, by the number."""

    def items_of_batch(self, batch_id: str, after_id: str, limit_count: int) -> list[Item]:
        """In the order of the item id."""

    def links_of(self, part_ids: Sequence[str]) -> dict[str, list[TradeLink]]:
        """Every trade link of the company's own part ids, in the order of the link id; parts without one are left out."""

    def count_links(self, partner_id: str, standing: LinkStanding, most_count: int) -> int:
        """Trade links with that partner which stand so, counted up to `most_count`."""

    def is_made_at(self, plant_id: str) -> bool:
        """Whether a batch or an item names the plant."""

    def put_bills(self, bills: Sequence[Bill]) -> None:
        """Insert or replace by part and version."""

    def bill(self, part_id: str, version: str) -> Bill | None: ...
    def bills_of(self, part_ids: Sequence[str]) -> dict[str, list[Bill]]:
        """Every version of each, in the order of the version's text; parts without a bill are left out."""

    def page_bills(self, after: tuple[str, str], limit_count: int) -> list[Bill]:
        """In the order of part and version, behind that part and version."""

    def delete_bill(self, part_id: str, version: str) -> bool: ...
    def components_of(self, part_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """The parts in any version of each one's bill; parts without one are left out."""

    def users_of(self, component_id: str, after_id: str, limit_count: int) -> list[str]:
        """The parts with a bill that names the component, in the order of their ids."""

    def put_holdings(self, holdings: Sequence[Holding]) -> None:
        """Insert or replace by holder, component and beginning."""

    def delete_holding(self, holder: Subject, component: Subject, from_ms: int) -> bool: ...
    def holds_of(
        self, holder: Subject, as_of_ms: int | None, after: Place, limit_count: int
    ) -> list[Holding]:
        """What it holds at an instant (None = ever), in the order of component and beginning. Must read an index."""

    def held_in(
        self, component: Subject, as_of_ms: int | None, after: Place, limit_count: int
    ) -> list[Holding]:
        """What it is held in at an instant (None = ever), in the order of holder and beginning. Must read an index."""

    def holdings_of(self, components: Sequence[Subject]) -> list[Holding]:
        """Every holding of these components, whenever it was."""

    def batches_held(self, holders: Sequence[Subject]) -> list[Holding]:
        """Every holding of a batch in one of these holders, whenever it was."""

    def components_held(self, holders: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """The keys of what each holder, by its key, ever held; those that held nothing are left out."""


SUPPLY: ports.Room[Supply] = ports.Room("supply")
"""For who is given the unit of work of the storey below: a reactor."""


class UnitOfWork(ports.UnitOfWork, Protocol):
    """One transaction of one participant, with its chain among the rooms."""

    @property
    def supply(self) -> Supply: ...


class SupplyStore(Protocol):
    """Runs units of work that see the chain; commits and repeats as `connector.ports.Store` does."""

    async def run(self, participant_id: str, work: Callable[[UnitOfWork], T]) -> T: ...
    async def read(self, participant_id: str, work: Callable[[UnitOfWork], T]) -> T:
        """`work` only reads; it runs beside the writer."""
