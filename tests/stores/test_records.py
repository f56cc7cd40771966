import asyncio

import pytest

from ashiato.connector.ports import UnitOfWork
from ashiato.stores.engine import PURGED_AT_ONCE_COUNT, SqlStore
from tests.stores.samples import DOCUMENT, MAKER, OTHER, TAKER, webhook


def _happen(uow: UnitOfWork, *names: str) -> None:
    for name in names:
        uow.records.add_history(7, name, f"process of {name}", TAKER, DOCUMENT)


def _names(uow: UnitOfWork, after_sequence: int = 0, limit_count: int = 100) -> list[tuple[int, str]]:
    return [(entry.sequence, entry.event) for entry in uow.records.list_history(after_sequence, limit_count)]


async def test_history_is_numbered_in_the_order_of_the_commits(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: _happen(uow, "a", "b"))
    await store.run(MAKER, lambda uow: _happen(uow, "c"))
    assert await store.read(MAKER, _names) == [(1, "a"), (2, "b"), (3, "c")]
    assert await store.read(MAKER, lambda uow: _names(uow, 1, 1)) == [(2, "b")]
    entry = (await store.read(MAKER, lambda uow: uow.records.list_history(2, 9)))[0]
    assert (entry.at_ms, entry.process_id, entry.peer_id, entry.details) == (
        7,
        "process of c",
        TAKER,
        DOCUMENT,
    )


async def test_history_is_listed_by_process(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: _happen(uow, "a", "b", "a"))
    found = await store.read(MAKER, lambda uow: uow.records.list_history(0, 9, process_id="process of a"))
    assert [entry.sequence for entry in found] == [1, 3]


async def test_work_sees_the_history_that_it_wrote(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: _happen(uow, "a"))

    def write_and_read(uow: UnitOfWork) -> tuple[int, list[tuple[int, str]], int]:
        _happen(uow, "b")
        before = uow.records.last_sequence()
        names = _names(uow)
        _happen(uow, "c")
        return before, names, uow.records.last_sequence()

    assert await store.run(MAKER, write_and_read) == (2, [(1, "a"), (2, "b")], 3)
    assert await store.read(MAKER, _names) == [(1, "a"), (2, "b"), (3, "c")]


async def test_each_participant_has_its_own_numbers(store: SqlStore) -> None:
    assert await store.read(MAKER, lambda uow: uow.records.last_sequence()) == 0
    await store.run(MAKER, lambda uow: _happen(uow, "a", "b"))
    await store.run(OTHER, lambda uow: _happen(uow, "c"))
    assert await store.read(OTHER, _names) == [(1, "c")]
    assert await store.read(MAKER, lambda uow: uow.records.last_sequence()) == 2


async def test_a_token_id_is_new_once_for_each_issuer(store: SqlStore) -> None:
    assert await store.run(MAKER, lambda uow: uow.records.remember_token(TAKER, "t", 1_000)) is True
    assert await store.run(MAKER, lambda uow: uow.records.remember_token(TAKER, "t", 9_000)) is False
    assert await store.run(MAKER, lambda uow: uow.records.remember_token(OTHER, "t", 1_000)) is True
    assert await store.run(MAKER, lambda uow: uow.records.remember_token(TAKER, "u", 1_000)) is True


async def test_a_token_that_is_shown_again_is_known_before_anything_else_is_answered(store: SqlStore) -> None:
    def work(uow: UnitOfWork) -> str:
        if not uow.records.remember_token(TAKER, "t", 1_000):
            return "replayed"
        if uow.assets.asset("missing") is None:
            raise LookupError("an answer that a replay must not get")
        return "done"

    # What is refused is not remembered: the same token may be shown with a better request.
    for _ in range(2):
        with pytest.raises(LookupError):
            await store.run(MAKER, work)
    await store.run(MAKER, lambda uow: uow.records.remember_token(TAKER, "t", 1_000))
    assert await store.run(MAKER, work) == "replayed"


async def test_a_token_is_new_once_in_one_unit_of_work_too(store: SqlStore) -> None:
    def twice(uow: UnitOfWork) -> list[bool]:
        return [uow.records.remember_token(TAKER, "t", 1_000) for _ in range(2)]

    assert await store.run(MAKER, twice) == [True, False]
    assert await store.run(MAKER, twice) == [False, False]


async def test_of_many_who_show_one_token_at_once_one_is_first(store: SqlStore) -> None:
    results = await asyncio.gather(
        *(store.run(MAKER, lambda uow: uow.records.remember_token(TAKER, "t", 1_000)) for _ in range(20))
    )
    assert sorted(results) == [False] * 19 + [True]


async def test_expired_tokens_are_forgotten_and_the_others_are_not(store: SqlStore) -> None:
    count = PURGED_AT_ONCE_COUNT + 5

    def remember(uow: UnitOfWork) -> None:
        for number in range(count):
            uow.records.remember_token(TAKER, f"{number}", 1_000)
        uow.records.remember_token(TAKER, "later", 1_001)

    await store.run(MAKER, remember)
    assert await store.purge_expired(999) == 0
    assert await store.purge_expired(1_000) == count
    assert await store.run(MAKER, lambda uow: uow.records.remember_token(TAKER, "0", 2_000)) is True
    assert await store.run(MAKER, lambda uow: uow.records.remember_token(TAKER, "later", 2_000)) is False


async def test_webhooks_are_replaced_listed_and_deleted_once(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: uow.records.put_webhook(webhook("2")))
    await store.run(MAKER, lambda uow: uow.records.put_webhook(webhook("1")))
    await store.run(MAKER, lambda uow: uow.records.put_webhook(webhook("2", mark="again")))
    found = await store.read(MAKER, lambda uow: uow.records.list_webhooks())
    assert found == [webhook("1"), webhook("2", mark="again")]
    assert await store.run(MAKER, lambda uow: uow.records.delete_webhook("1")) is True
    assert await store.run(MAKER, lambda uow: uow.records.delete_webhook("1")) is False
