"""Which editions of trust lists were in force, on both engines, and for a program that starts again."""

from ashiato.stores.engine import SqlStore
from ashiato.wiring.verifying import StoredEditions
from tests.stores.conftest import OpenStore

HUB = "did:web:hub.example"


async def test_the_highest_edition_is_kept_for_each_signer_and_place(store: SqlStore) -> None:
    assert await store.newest_edition(HUB, "/list") == 0
    for number in (4, 7, 5):
        await store.keep_edition(HUB, "/list", number)
    await store.keep_edition(HUB, "/other", 1)
    await store.keep_edition("did:web:other.example", "/list", 2)
    assert await store.newest_edition(HUB, "/list") == 7
    assert await store.newest_edition(HUB, "/other") == 1
    assert await store.newest_edition("did:web:other.example", "/list") == 2


async def test_it_is_known_after_a_restart(store_url: str, opened: OpenStore) -> None:
    first = await opened(store_url, "node-1")
    await StoredEditions(first).keep(HUB, "/list", (1 << 53) - 1)
    await first.close()
    assert await StoredEditions(await opened(store_url, "node-1")).newest(HUB, "/list") == (1 << 53) - 1
