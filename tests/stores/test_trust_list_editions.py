"""Which editions of trust lists were in force, on both engines, and for a program that starts again."""

import asyncio

from ashiato.stores.engine import SqlStore
from ashiato.wiring.verifying import StoredEditions
from tests.stores.conftest import OpenStore

HUB = "did:web:hub.example"


A, B, C = (mark * 64 for mark in "abc")


async def test_the_highest_edition_is_kept_for_each_signer_and_place(store: SqlStore) -> None:
    assert await store.enter_edition(HUB, "/list", 4, A) == (4, A)
    assert await store.enter_edition(HUB, "/list", 7, B) == (7, B)
    assert await store.enter_edition(HUB, "/list", 5, A) == (7, B)
    assert await store.enter_edition(HUB, "/other", 1, C) == (1, C)
    assert await store.enter_edition("did:web:other.example", "/list", 2, C) == (2, C)
    assert await store.enter_edition(HUB, "/list", 7, B) == (7, B)


async def test_another_text_does_not_replace_the_one_of_its_number(store: SqlStore) -> None:
    assert await store.enter_edition(HUB, "/list", 7, A) == (7, A)
    assert await store.enter_edition(HUB, "/list", 7, B) == (7, A)
    assert await store.enter_edition(HUB, "/list", 8, B) == (8, B)


async def test_of_two_texts_that_come_at_once_one_counts(store_url: str, opened: OpenStore) -> None:
    first = await opened(store_url, "node-1")
    # One SQLite file serves one program only.
    second = first if store_url.startswith("sqlite") else await opened(store_url, "node-2")
    for number in range(1, 11):
        told = await asyncio.gather(
            *(
                StoredEditions(store).enter(HUB, "/list", number, sha256)
                for store, sha256 in ((first, A), (second, B))
            )
        )
        assert told[0] == told[1]
        assert told[0] in ((number, A), (number, B))


async def test_it_is_known_after_a_restart(store_url: str, opened: OpenStore) -> None:
    first = await opened(store_url, "node-1")
    await StoredEditions(first).enter(HUB, "/list", (1 << 53) - 1, A)
    await first.close()
    again = StoredEditions(await opened(store_url, "node-1"))
    assert await again.enter(HUB, "/list", 1, B) == ((1 << 53) - 1, A)
