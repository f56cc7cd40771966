import pytest

from ashiato.apps.carbon.databases.ports import BACKGROUNDS, KeptBackground
from ashiato.connector.ports import UnitOfWork
from ashiato.stores.carbon_backgrounds import PIECE_BYTES
from ashiato.stores.engine import SqlStore
from tests.stores.samples import MAKER, OTHER

# More than two pieces, none of them like another.
CONTENT = b"".join(number.to_bytes(4, "big") for number in range(PIECE_BYTES * 5 // 8))


def kept(background_id: str, title: str = "A database") -> KeptBackground:
    return KeptBackground(
        background_id=background_id,
        title=title,
        licence_id="db",
        format="ecoSpold2",
        source_sha256="ab" * 32,
        packed_sha256="cd" * 32,
        packed_bytes=len(CONTENT),
        products_count=3,
        flows_count=2,
        exchanges_count=9,
        uncertain_count=0,
        missing_count=0,
        allows_missing=False,
    )


async def put(store: SqlStore, one: KeptBackground, content: bytes = CONTENT) -> None:
    await store.run(MAKER, lambda uow: uow.room(BACKGROUNDS).put(one, content))


async def content(store: SqlStore, background_id: str, participant_id: str = MAKER) -> bytes:
    return await store.read(participant_id, lambda uow: uow.room(BACKGROUNDS).content(background_id))


async def test_content_comes_back_to_the_last_bit_and_only_to_its_owner(store: SqlStore) -> None:
    await put(store, kept("a"))
    assert await content(store, "a") == CONTENT
    assert await content(store, "a", OTHER) == b""
    assert await store.read(OTHER, lambda uow: uow.room(BACKGROUNDS).get("a")) is None
    assert not await store.run(OTHER, lambda uow: uow.room(BACKGROUNDS).delete("a"))
    assert await content(store, "a") == CONTENT


async def test_a_shorter_content_leaves_nothing_of_the_one_before(store: SqlStore) -> None:
    await put(store, kept("a"))
    await put(store, kept("a", "Another"), b"short")
    assert await content(store, "a") == b"short"
    found = await store.read(MAKER, lambda uow: uow.room(BACKGROUNDS).get("a"))
    assert found == kept("a", "Another")


async def test_databases_are_listed_page_by_page_and_deleted_with_their_content(store: SqlStore) -> None:
    for name in ("b", "a", "c"):
        await put(store, kept(name), name.encode())

    def page(uow: UnitOfWork) -> list[str]:
        return [one.background_id for one in uow.room(BACKGROUNDS).page("a", 1)]

    assert await store.read(MAKER, page) == ["b"]
    assert await store.run(MAKER, lambda uow: uow.room(BACKGROUNDS).delete("b"))
    assert not await store.run(MAKER, lambda uow: uow.room(BACKGROUNDS).delete("b"))
    assert await content(store, "b") == b""
    assert await store.read(MAKER, page) == ["c"]


async def test_a_failure_half_way_leaves_the_database_that_was_there(store: SqlStore) -> None:
    await put(store, kept("a"), b"before")

    def fail_at_the_end(uow: UnitOfWork) -> None:
        uow.room(BACKGROUNDS).put(kept("a", "After"), CONTENT)
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk is full"):
        await store.run(MAKER, fail_at_the_end)
    assert await content(store, "a") == b"before"
