"""Storing records of one kind: checked together, stored together or not at all, the same again changing nothing."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import msgspec

from ashiato.connector.offers import LONGEST_ID_LENGTH_COUNT, note
from ashiato.connector.ports import Moment
from ashiato.connector.problems import NotFound
from ashiato.facts.identifiers import Identifier
from ashiato.supply.faults import Fault, Faults, refuse, repeated
from ashiato.supply.naming import check_identifiers
from ashiato.supply.ports import Shelf, UnitOfWork
from ashiato.supply.records import (
    Batch,
    Item,
    PartType,
    Plant,
    Subject,
    SubjectKind,
    TradingPartner,
)

K = TypeVar("K", TradingPartner, Plant, PartType, Batch, Item)

LONGEST_NAME_CHARS = 256


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What storing came to; with faults nothing was stored."""

    faults: tuple[Fault, ...] = ()
    new_count: int = 0
    changed_count: int = 0
    same_count: int = 0


class Keeping(Generic[K]):
    """How one kind of record is stored: `check` adds the faults that only this kind can have."""

    def __init__(
        self,
        kind: SubjectKind,
        shelf_of: Callable[[UnitOfWork], Shelf[K]],
        id_of: Callable[[K], str],
        check: Callable[[UnitOfWork, Sequence[K], dict[str, K], Faults], None],
    ) -> None:
        self.kind = kind
        self._shelf_of: Callable[[UnitOfWork], Shelf[K]] = shelf_of
        self._id_of: Callable[[K], str] = id_of
        self._check: Callable[[UnitOfWork, Sequence[K], dict[str, K], Faults], None] = check

    def store(
        self, uow: UnitOfWork, records: Sequence[K], moment: Moment, *, is_trial: bool = False
    ) -> Outcome:
        """Store all of them, or none when one has a fault; `is_trial` only says what would come of it."""
        shelf = self._shelf_of(uow)
        faults = Faults()
        if not is_trial:
            uow.supply.begin_change()
        known = shelf.get_many([self._id_of(record) for record in records])
        repeated(
            map(self._id_of, records),
            lambda index, key: faults.add(index, "id", f"The {self.kind} {key!r} stands twice in this."),
        )
        claims = [(Subject(self.kind, self._id_of(record)), _names(record)) for record in records]
        check_identifiers(uow, claims, faults)
        self._check(uow, records, known, faults)
        if faults.found:
            return Outcome(faults=tuple(faults.found))
        stamped = [self._stamped(record, known.get(self._id_of(record)), moment) for record in records]
        changed = [record for record in stamped if record != known.get(self._id_of(record))]
        if not is_trial:
            shelf.put_many(changed)
            uow.supply.put_identifiers(
                {
                    Subject(self.kind, self._id_of(record)): [one.text for one in _names(record)]
                    for record in changed
                }
            )
        new_count = sum(self._id_of(record) not in known for record in changed)
        return Outcome(
            new_count=new_count,
            changed_count=len(changed) - new_count,
            same_count=len(records) - len(changed),
        )

    def put(self, uow: UnitOfWork, record: K, moment: Moment) -> K:
        """Create or replace one; the same again changes nothing. Raises `Invalid`."""
        outcome = self.store(uow, [record], moment)
        refuse(outcome.faults)
        if not outcome.same_count:
            note(uow, moment, f"{self.kind}.stored", self._id_of(record), {})
        return self.get(uow, self._id_of(record))

    def get(self, uow: UnitOfWork, record_id: str) -> K:
        """The record; raises `NotFound`."""
        found = self._shelf_of(uow).get(record_id)
        if found is None:
            raise NotFound(f"There is no {self.kind} {record_id!r}.", id=record_id)
        return found

    def forget(self, uow: UnitOfWork, record_id: str, moment: Moment) -> None:
        """Delete it with its identifiers; raises `NotFound`. Whether something still names it was asked before."""
        if not self._shelf_of(uow).delete(record_id):
            raise NotFound(f"There is no {self.kind} {record_id!r}.", id=record_id)
        uow.supply.put_identifiers({Subject(self.kind, record_id): ()})
        note(uow, moment, f"{self.kind}.deleted", record_id, {})

    def _stamped(self, record: K, before: K | None, moment: Moment) -> K:
        """The record with its instants; what is as it was before keeps those too."""
        if before is not None:
            as_before = msgspec.structs.replace(
                record, created_ms=before.created_ms, updated_ms=before.updated_ms
            )
            if as_before == before:
                return before
        created_ms = moment.now_ms if before is None else before.created_ms
        return msgspec.structs.replace(record, created_ms=created_ms, updated_ms=moment.now_ms)


def check_own_id(index: int, value: str, what: str, faults: Faults, path: str = "id") -> None:
    """Add a fault where an id could not stand in a path or a log line."""
    is_good = (
        0 < len(value) <= LONGEST_ID_LENGTH_COUNT
        and value.isprintable()
        and not any(character in value for character in " /\\?#%")
        and value not in (".", "..")
    )
    if not is_good:
        faults.add(
            index,
            path,
            f"The {what} id must have 1 to {LONGEST_ID_LENGTH_COUNT} characters, without spaces, slashes, '?', '#' and '%'.",
            id=value[:80],
        )


def check_name(index: int, value: str, path: str, faults: Faults) -> None:
    """Add a fault where a name is too long for a table or holds what does not print."""
    if len(value) > LONGEST_NAME_CHARS or not (value.isprintable() or not value):
        faults.add(index, path, f"The {path} has at most {LONGEST_NAME_CHARS} printable characters.")


def _names(record: K) -> tuple[Identifier, ...]:
    return record.identifiers
