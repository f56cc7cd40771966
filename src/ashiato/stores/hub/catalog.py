"""The catalog in SQL. A record is in one table; its keys are in the index of the engine, under the record's number.

SQLite searches with FTS5, whose lists are in the order of the numbers, so that it stops when a page is full. PostgreSQL has an
array of numbers under a GIN index, which knows no order: a page of a search with many hits is filled from the newest records
without the index, and what is left has so few hits that sorting them costs nothing. Neither needs an extension.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any, Protocol

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Select,
    Table,
    bindparam,
    cast,
    column,
    delete,
    func,
    literal,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql.dml import insert as _insert

from ashiato.hub.catalog.records import CatalogRecord, Found
from ashiato.statements.publications import record_iri
from ashiato.stores.hub.schema import HUB_METADATA, instant, key, number_key, text
from ashiato.stores.sessions import Session, to_json
from ashiato.stores.statements import Row, Statement, upsert, upsert_higher

WINDOW_COUNT = 4_000

RECORD = Table(
    "hub_catalog_record",
    HUB_METADATA,
    Column("record_no", BigInteger, primary_key=True),
    text("iri"),
    text("publisher"),
    instant("modified_ms"),
    text("body"),
)
WITHDRAWAL = Table("hub_catalog_withdrawal", HUB_METADATA, key("iri"), key("publisher"), instant("revision"))
PUBLISHER = Table("hub_catalog_publisher", HUB_METADATA, key("publisher"), instant("seen_ms"))
# An array of numbers in PostgreSQL, the text of one in SQLite.
KEYS = Table("hub_catalog_keys", HUB_METADATA, number_key("record_no"), instant("modified_ms"), text("keys"))
WORDS = table("hub_catalog_words", column("rowid"), column("hub_catalog_words"))

_record = msgspec.json.Decoder(CatalogRecord).decode

_R, _W, _P, _K = RECORD.c, WITHDRAWAL.c, PUBLISHER.c, KEYS.c
_T = WORDS.c

_GET = Statement(select(_R.body).where(_R.iri == bindparam("iri")), locks=True)
_WITHDRAWN = Statement(
    select(_W.revision).where(_W.iri == bindparam("iri"), _W.publisher == bindparam("publisher"))
)
_WITHDRAW = upsert_higher(WITHDRAWAL, "revision")
_HEARD = upsert_higher(PUBLISHER, "seen_ms")
_DELETE = Statement(
    delete(RECORD)
    .where(_R.iri == bindparam("iri"), _R.publisher == bindparam("of_publisher"))
    .returning(_R.record_no)
)
_REMOVE_KEYS = Statement(delete(KEYS).where(_K.record_no == bindparam("record_no")))
_SEEN = func.coalesce(_P.seen_ms, 0)


def _put() -> Any:
    statement = _insert(RECORD).values(
        {name: bindparam(name, type_=_R[name].type) for name in ("iri", "publisher", "modified_ms", "body")}
    )
    changes = {name: statement.excluded[name] for name in ("modified_ms", "body")}
    return statement.on_conflict_do_update(index_elements=["iri"], set_=changes).returning(_R.record_no)


def _found(hits: Any) -> Select[Any]:
    """The records of these numbers with what was last heard of their publishers, the highest number first."""
    return (
        select(_R.record_no, _R.body, _SEEN)
        .select_from(RECORD)
        .join(hits, hits.c.record_no == _R.record_no)
        .join(PUBLISHER, _P.publisher == _R.publisher, isouter=True)
        .order_by(_R.record_no.desc())
    )


_BY_IRI = Statement(
    select(_R.record_no, _R.body, _SEEN)
    .select_from(RECORD)
    .join(PUBLISHER, _P.publisher == _R.publisher, isouter=True)
    .where(_R.iri == bindparam("iri"))
)


class KeyIndex(Protocol):
    """The port of the search: the keys of records by number, in whatever form the engine searches fast."""

    def put(self, session: Session, row: dict[str, object], keys: Sequence[int]) -> None:
        """Write the record of that row, and its keys."""

    def find(
        self,
        session: Session,
        every: Sequence[int],
        one_of: Sequence[int],
        modified_since_ms: int | None,
        below: int,
        limit_count: int,
    ) -> list[Row]:
        """Rows of number, body and when its publisher was heard of."""


class _FullText:
    """FTS5 over the texts of the arrays, whose words are the keys, without positions and ranks; triggers keep it."""

    _PUT = Statement(_put())
    _PUT_KEYS = upsert(KEYS)

    def __init__(self) -> None:
        self._find = {is_dated: Statement(self._search(is_dated)) for is_dated in (False, True)}

    def put(self, session: Session, row: dict[str, object], keys: Sequence[int]) -> None:
        found = session.one(self._PUT, row)
        if found is None:
            raise LookupError(row["iri"])
        session.write(self._PUT_KEYS, row | {"record_no": found[0], "keys": _array(keys)})

    def find(
        self,
        session: Session,
        every: Sequence[int],
        one_of: Sequence[int],
        modified_since_ms: int | None,
        below: int,
        limit_count: int,
    ) -> list[Row]:
        wanted = f"({' OR '.join(map(_word, one_of))})"
        values = {
            "wanted": " AND ".join((*map(_word, every), wanted)),
            "below": below,
            "since_ms": modified_since_ms,
            "limit_count": limit_count,
        }
        return session.all(self._find[modified_since_ms is not None], values)

    def _search(self, is_dated: bool) -> Select[Any]:
        statement = (
            select(_R.record_no, _R.body, _SEEN)
            .select_from(WORDS)
            .join(RECORD, _R.record_no == _T.rowid)
            .join(PUBLISHER, _P.publisher == _R.publisher, isouter=True)
            .where(_T.hub_catalog_words.op("MATCH")(bindparam("wanted")), _T.rowid < bindparam("below"))
            .order_by(_T.rowid.desc())
            .limit(bindparam("limit_count"))
        )
        return statement.where(_R.modified_ms >= bindparam("since_ms")) if is_dated else statement


def _word(number: int) -> str:
    return f'"{number}"'


def _numbers(name: str) -> ColumnElement[Any]:
    return cast(bindparam(name), ARRAY(BigInteger))


class _Arrays:
    """A GIN index over arrays of keys, and the newest records without it."""

    def __init__(self) -> None:
        self._put = Statement(self._entering())
        kinds = list(product((False, True), repeat=2))
        self._newest = {kind: Statement(self._among_newest(*kind)) for kind in kinds}
        self._all = {kind: Statement(self._by_index(*kind)) for kind in kinds}

    def put(self, session: Session, row: dict[str, object], keys: Sequence[int]) -> None:
        session.write(self._put, row | {"keys": _array(keys)})

    def find(
        self,
        session: Session,
        every: Sequence[int],
        one_of: Sequence[int],
        modified_since_ms: int | None,
        below: int,
        limit_count: int,
    ) -> list[Row]:
        kind = (bool(every), modified_since_ms is not None)
        values = {
            "every": _array(every),
            "one_of": _array(one_of),
            "since_ms": modified_since_ms,
            "below": below,
            "window_count": WINDOW_COUNT,
            "limit_count": limit_count,
        }
        rows = session.all(self._newest[kind], values)
        return rows if len(rows) == limit_count else session.all(self._all[kind], values)

    def _entering(self) -> Any:
        entered = _put().cte("entered")
        statement = _insert(KEYS).from_select(
            ["record_no", "modified_ms", "keys"],
            select(entered.c.record_no, bindparam("modified_ms", type_=BigInteger()), _numbers("keys")),
        )
        changes = {name: statement.excluded[name] for name in ("modified_ms", "keys")}
        return statement.on_conflict_do_update(index_elements=["record_no"], set_=changes)

    def _among_newest(self, has_every: bool, is_dated: bool) -> Select[Any]:
        window = (
            select(_K.record_no, _K.modified_ms, _K["keys"])
            .where(_K.record_no < bindparam("below"))
            .order_by(_K.record_no.desc())
            .limit(bindparam("window_count", type_=BigInteger()))
            .subquery("newest")
        )
        return _found(self._narrowed(window, has_every, is_dated).subquery("hits"))

    def _by_index(self, has_every: bool, is_dated: bool) -> Select[Any]:
        # The sum keeps the planner from walking along the numbers instead of using the keys.
        narrowed = self._narrowed(KEYS, has_every, is_dated).where(
            _K.record_no + literal(0, BigInteger()) < bindparam("below")
        )
        return _found(narrowed.subquery("hits"))

    def _narrowed(self, rows: Any, has_every: bool, is_dated: bool) -> Select[Any]:
        statement = select(rows.c.record_no).where(rows.c["keys"].op("&&")(_numbers("one_of")))
        if has_every:
            statement = statement.where(rows.c["keys"].op("@>")(_numbers("every")))
        if is_dated:
            statement = statement.where(rows.c.modified_ms >= bindparam("since_ms", type_=BigInteger()))
        return statement.order_by(rows.c.record_no.desc()).limit(bindparam("limit_count", type_=BigInteger()))


def _array(numbers: Sequence[int]) -> str:
    return f"{{{','.join(map(str, numbers))}}}"


_INDEXES: dict[str, KeyIndex] = {"sqlite": _FullText(), "postgresql": _Arrays()}


class SqlCatalog:
    """The port `CatalogRows`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._index = _INDEXES[session.engine]

    def known(self, publisher: str, iri: str) -> tuple[CatalogRecord | None, int]:
        found, withdrawn = self._session.pair(_GET, _WITHDRAWN, {"iri": iri, "publisher": publisher})
        return (None if found is None else _record(found[0])), (0 if withdrawn is None else withdrawn[0])

    def put(self, record: CatalogRecord, keys: Sequence[int]) -> None:
        publication = record.publication
        row: dict[str, object] = {
            "iri": record_iri(publication.publisher, publication.asset_id),
            "publisher": publication.publisher,
            "modified_ms": publication.modified_ms,
            "body": to_json(record),
        }
        self._index.put(self._session, row, keys)

    def withdraw(self, publisher: str, iri: str, revision: int) -> None:
        removed = self._session.one(_DELETE, {"iri": iri, "of_publisher": publisher})
        if removed is not None:
            self._session.write(_REMOVE_KEYS, {"record_no": removed[0]})
        self._session.write(_WITHDRAW, {"iri": iri, "publisher": publisher, "revision": revision})

    def heard_of(self, publisher: str, now_ms: int) -> None:
        self._session.write(_HEARD, {"publisher": publisher, "seen_ms": now_ms})

    def find(
        self,
        every: Sequence[int],
        one_of: Sequence[int],
        *,
        modified_since_ms: int | None,
        below: int,
        limit_count: int,
    ) -> list[Found]:
        rows = self._index.find(self._session, every, one_of, modified_since_ms, below, limit_count)
        return [_as_found(row) for row in rows]

    def by_iri(self, iri: str) -> Found | None:
        row = self._session.one(_BY_IRI, {"iri": iri})
        return None if row is None else _as_found(row)


def _as_found(row: Row) -> Found:
    number, body, seen_ms = row
    return Found(number=number, record=_record(body), seen_ms=seen_ms)
