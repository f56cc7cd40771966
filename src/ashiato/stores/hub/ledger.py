"""A log of commitments: its head, its tiles and bundles, and where each posted batch stands.

Tiles are rows and not files, so that entries, tiles and size are durable together, on both engines and in every backup.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import BigInteger, Table, Text, bindparam, select

from ashiato.hub.ledger_ports import LedgerHead, PlacedBatch
from ashiato.log.tiles import TilePlace
from ashiato.stores.hub.schema import HUB_METADATA, blob, count, instant, key, number_key, text
from ashiato.stores.sessions import Session
from ashiato.stores.statements import Statement, insert, upsert

_HEAD = Table(
    "ledger_head",
    HUB_METADATA,
    key("log"),
    instant("size_count"),
    instant("signed_count"),
    text("signed_note"),
    instant("published_count"),
    text("published_note"),
)
_TILE = Table(
    "ledger_tile", HUB_METADATA, key("log"), number_key("level"), number_key("number"), blob("body")
)
_BATCH = Table(
    "ledger_batch",
    HUB_METADATA,
    key("log"),
    key("member"),
    key("sha256"),
    instant("first_index"),
    count("entries_count"),
    instant("at_ms"),
)
# The level of a bundle of entries, which has none.
_BUNDLES = -1

_OF_LOG = bindparam("log", type_=Text())
_GET_HEAD = Statement(
    select(
        _HEAD.c.size_count,
        _HEAD.c.signed_count,
        _HEAD.c.signed_note,
        _HEAD.c.published_count,
        _HEAD.c.published_note,
    ).where(_HEAD.c.log == _OF_LOG),
    locks=True,
)
_PUT_HEAD = upsert(_HEAD)
_GET_TILE = Statement(
    select(_TILE.c.body).where(
        _TILE.c.log == _OF_LOG,
        _TILE.c.level == bindparam("level", type_=BigInteger()),
        _TILE.c.number == bindparam("number", type_=BigInteger()),
    )
)
_PUT_TILE = upsert(_TILE)
_GET_BATCH = Statement(
    select(_BATCH.c.first_index, _BATCH.c.entries_count).where(
        _BATCH.c.log == _OF_LOG,
        _BATCH.c.member == bindparam("member", type_=Text()),
        _BATCH.c.sha256 == bindparam("sha256", type_=Text()),
    )
)
_ADD_BATCH = insert(_BATCH)


class SqlLedger:
    """The port `LedgerRows`, of one of the logs of the hub."""

    def __init__(self, session: Session, log: str = "ledger") -> None:
        self._session = session
        self._log = log

    def head(self) -> LedgerHead:
        row = self._session.one(_GET_HEAD, {"log": self._log})
        return LedgerHead() if row is None else LedgerHead(*row)

    def grow(self, size_count: int) -> None:
        self._put(msgspec.structs.replace(self.head(), size_count=size_count))

    def keep_tiles(self, tiles: Sequence[tuple[TilePlace, bytes]]) -> None:
        rows = [{**self._place(place), "body": body} for place, body in tiles]
        if rows:
            self._session.write_many(_PUT_TILE, rows)

    def tile(self, place: TilePlace) -> bytes | None:
        row = self._session.one(_GET_TILE, self._place(place))
        return None if row is None else bytes(row[0])

    def batch(self, member: str, sha256: bytes) -> PlacedBatch | None:
        row = self._session.one(_GET_BATCH, {"log": self._log, "member": member, "sha256": sha256.hex()})
        return None if row is None else PlacedBatch(*row)

    def add_batch(self, member: str, sha256: bytes, placed: PlacedBatch, at_ms: int) -> None:
        self._session.write(
            _ADD_BATCH,
            {
                "log": self._log,
                "member": member,
                "sha256": sha256.hex(),
                "first_index": placed.first_index,
                "entries_count": placed.entries_count,
                "at_ms": at_ms,
            },
        )

    def swap_signed(self, from_count: int, to_count: int, note: str) -> bool:
        head = self.head()
        if head.signed_count != from_count or to_count > head.size_count:
            return False
        self._put(msgspec.structs.replace(head, signed_count=to_count, signed_note=note))
        return True

    def publish(self, count: int, note: str) -> None:
        head = self.head()
        if count >= head.published_count:
            self._put(msgspec.structs.replace(head, published_count=count, published_note=note))

    def _put(self, head: LedgerHead) -> None:
        self._session.write(_PUT_HEAD, {"log": self._log, **msgspec.structs.asdict(head)})

    def _place(self, place: TilePlace) -> dict[str, object]:
        level = _BUNDLES if place.level is None else place.level
        return {"log": self._log, "level": level, "number": place.number}
