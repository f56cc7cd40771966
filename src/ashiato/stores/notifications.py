"""Wake-ups between processes on one PostgreSQL: events travel by NOTIFY behind the commit that caused them.

They are hints, never truth: what is lost (a process killed between commit and NOTIFY, a connection that broke) is found again
in the tables. They go behind the commit, because a transaction that notifies keeps a lock over the whole server until it is
on the disk, and only when another process is known to be there.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec
import psycopg
import structlog
from psycopg import sql

from ashiato.connector.records import Event
from ashiato.stores.errors import NodeIdTaken, StoreUnavailable
from ashiato.stores.pipeline import Pipeline
from ashiato.stores.statements import Row

CHANNEL = "ashiato"
LARGEST_PAYLOAD_BYTES = 7_900
LARGEST_EVENT_BYTES = 3_000
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 10.0
NODE_ID_TRIES_COUNT = 50
NODE_ID_PAUSE_S = 0.1
PRESENCE_LOCK = 0x61736869

_LISTEN = sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL))
_NOTIFY = "SELECT pg_notify(%s, %s)"
_TAKE_NODE_ID = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
# Every listening process holds this lock together with the others, so that they can be counted.
_BE_PRESENT = "SELECT pg_advisory_lock_shared(%s, 0)"
_COUNT_PRESENT = """
    SELECT count(*) FROM pg_locks
    WHERE locktype = 'advisory' AND classid = %s AND objsubid = 2
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

log = structlog.get_logger()


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What one process tells the others; without events it says that it is there."""

    node_id: str
    events: tuple[Event, ...] = ()


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Note).decode


class Company:
    """Whether other processes stand on the same database. Until a process listens it cannot know: then it tells them all."""

    def __init__(self, node_id: str) -> None:
        self.node_id = node_id
        self.is_there = True

    def tell(self, pipeline: Pipeline, events: Sequence[Event]) -> None:
        """Send events to the other processes; raises as the pipeline does."""
        if not self.is_there or not events:
            return
        for payload in payloads(self.node_id, events):
            pipeline.send("SELECT pg_notify($1, $2)", (CHANNEL, payload))
        pipeline.sync()


def payloads(node_id: str, events: Iterable[Event]) -> Iterator[str]:
    """Notes that fit into one NOTIFY each; an event that is too large goes with its ids alone."""
    batch: list[Event] = []
    room_bytes = most_bytes = LARGEST_PAYLOAD_BYTES - len(_encode(Note(node_id=node_id)))
    for event in map(_slim, events):
        size_bytes = len(_encode(event)) + 1
        if batch and size_bytes > room_bytes:
            yield _encode(Note(node_id=node_id, events=tuple(batch))).decode()
            batch, room_bytes = [], most_bytes
        batch.append(event)
        room_bytes -= size_bytes
    if batch:
        yield _encode(Note(node_id=node_id, events=tuple(batch))).decode()


def _slim(event: Event) -> Event:
    is_large = len(_encode(event)) > LARGEST_EVENT_BYTES
    return msgspec.structs.replace(event, details={}) if is_large else event


class Listener:
    """Hears the notes of other processes, on the event loop and without a thread; connects again when it must."""

    def __init__(
        self,
        connect: Callable[[], psycopg.Connection[Row]],
        company: Company,
        on_events: Callable[[Sequence[Event]], None],
    ) -> None:
        self._connect = connect
        self._company = company
        self._on_events = on_events
        self._loop = asyncio.get_running_loop()
        self._connection: psycopg.Connection[Row] | None = None
        self._socket = -1
        self._reconnecting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen from now on. Raises `StoreUnavailable`, and `NodeIdTaken` when a running process has the same node id."""
        self._watch(await asyncio.to_thread(self._open))

    async def close(self) -> None:
        """Listen no more."""
        if self._reconnecting is not None:
            self._reconnecting.cancel()
            await asyncio.wait({self._reconnecting})
        self._drop()

    def _open(self) -> psycopg.Connection[Row]:
        connection = self._connect()
        try:
            self._take_node_id(connection)
            connection.execute(_BE_PRESENT, (PRESENCE_LOCK,))
            connection.execute(_LISTEN)
            connection.execute(_NOTIFY, (CHANNEL, _encode(Note(node_id=self._company.node_id)).decode()))
            present = connection.execute(_COUNT_PRESENT, (PRESENCE_LOCK,)).fetchone()
            self._company.is_there = present is None or present[0] > 1
        except psycopg.Error as error:
            connection.close()
            raise StoreUnavailable(str(error)) from error
        except NodeIdTaken:
            connection.close()
            raise
        return connection

    def _take_node_id(self, connection: psycopg.Connection[Row]) -> None:
        # The server may need a moment to see that a process with this id was killed.
        for _ in range(NODE_ID_TRIES_COUNT):
            row = connection.execute(_TAKE_NODE_ID, (self._company.node_id,)).fetchone()
            if row is not None and row[0]:
                return
            time.sleep(NODE_ID_PAUSE_S)
        raise NodeIdTaken(self._company.node_id)

    def _watch(self, connection: psycopg.Connection[Row]) -> None:
        self._connection = connection
        self._socket = connection.fileno()
        self._loop.add_reader(self._socket, self._hear, connection)

    def _hear(self, connection: psycopg.Connection[Row]) -> None:
        try:
            connection.pgconn.consume_input()
        except psycopg.Error as error:
            log.warning("the connection that listens broke", why=str(error))
            self._drop()
            self._company.is_there = True
            self._reconnecting = self._loop.create_task(self._reconnect())
            return
        while (notify := connection.pgconn.notifies()) is not None:
            self._read(notify.extra)

    def _read(self, payload: bytes) -> None:
        try:
            note = _decode(payload)
        except msgspec.DecodeError:
            # Somebody else uses the channel, or a newer program says more than this one understands.
            log.warning("a note on the channel was not understood", channel=CHANNEL)
            return
        if note.node_id != self._company.node_id:
            self._company.is_there = True
            self._on_events(note.events)

    async def _reconnect(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            await asyncio.sleep(pause_s)
            opening = asyncio.create_task(asyncio.to_thread(self._open))
            try:
                connection = await asyncio.shield(opening)
            except asyncio.CancelledError:
                # The thread goes on whatever becomes of us: what it opens would keep the node id.
                await asyncio.wait({opening})
                if opening.exception() is None:
                    opening.result().close()
                raise
            except (StoreUnavailable, NodeIdTaken) as error:
                log.warning("cannot listen to other processes", why=str(error))
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            else:
                self._watch(connection)
                return

    def _drop(self) -> None:
        if self._connection is not None:
            self._loop.remove_reader(self._socket)
            self._connection.close()
            self._connection = None
