import asyncio
import threading

import msgspec
import psycopg
from hypothesis import given
from hypothesis import strategies as st

from ashiato.connector.records import Event
from ashiato.stores.notifications import LARGEST_PAYLOAD_BYTES, Company, Listener, Note, payloads
from ashiato.stores.postgresql import connect, conninfo
from ashiato.stores.statements import Row
from tests.postgresql_server import cut_connections

NOTIFY_LIMIT_BYTES = 8_000


@given(
    st.text(max_size=40),
    st.lists(
        st.builds(
            Event,
            name=st.text(max_size=20),
            participant_id=st.text(max_size=300),
            process_id=st.text(max_size=300),
            details=st.dictionaries(st.text(max_size=9), st.text(max_size=9_000), max_size=2),
        ),
        max_size=40,
    ),
)
def test_every_note_fits_and_together_they_name_every_event_in_order(
    node_id: str, events: list[Event]
) -> None:
    notes = list(payloads(node_id, events))
    assert all(len(note.encode()) < NOTIFY_LIMIT_BYTES for note in notes)
    assert LARGEST_PAYLOAD_BYTES < NOTIFY_LIMIT_BYTES
    told = [event for note in notes for event in msgspec.json.decode(note, type=Note).events]
    ids = [(event.name, event.participant_id, event.process_id) for event in events]
    assert [(event.name, event.participant_id, event.process_id) for event in told] == ids
    assert all(event.details in ({}, original.details) for event, original in zip(told, events, strict=True))


def test_small_events_travel_together_with_their_details() -> None:
    events = [Event(name="n", participant_id="p", process_id=f"{n}", details={"n": n}) for n in range(20)]
    (note,) = payloads("node-1", events)
    assert msgspec.json.decode(note, type=Note) == Note(node_id="node-1", events=tuple(events))


async def test_who_closes_while_it_connects_again_leaves_no_connection(
    postgresql_url: str, postgresql_database: str
) -> None:
    opened: list[psycopg.Connection[Row]] = []
    asked, go_on = threading.Event(), threading.Event()

    def open_slowly() -> psycopg.Connection[Row]:
        if opened:
            asked.set()
            assert go_on.wait(30)
        opened.append(connect(conninfo(postgresql_database)))
        return opened[-1]

    listener = Listener(open_slowly, Company("node-1"), lambda events: None)
    await listener.start()
    assert cut_connections(postgresql_url, postgresql_database) >= 1
    assert await asyncio.to_thread(asked.wait, 30)
    closing = asyncio.create_task(listener.close())
    await asyncio.sleep(0)
    go_on.set()
    await closing
    assert [connection.closed for connection in opened] == [True, True]
