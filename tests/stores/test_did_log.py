"""The log of hosted DID documents and the change of a participant, on each engine."""

import asyncio
import hashlib

import msgspec
import pytest

from ashiato.connector.problems import NotFound
from ashiato.stores.engine import SqlStore
from ashiato.stores.participants import Participant, SealedKey
from ashiato.stores.unit_of_work import SqlUnitOfWork
from tests.stores.samples import MAKER, OTHER


def participant(participant_id: str, slug: str) -> Participant:
    return Participant(participant_id=participant_id, slug=slug, name=slug, keys=())


async def write(store: SqlStore, participant_id: str, document: bytes) -> None:
    def change(uow: SqlUnitOfWork, found: Participant) -> Participant:
        uow.did_log.add(7, "Aiko", "test", document)
        return found

    await store.change_participant(participant_id, change)


async def test_each_document_is_logged_once_with_the_hash_before_it_and_none_of_another_participant(
    store: SqlStore,
) -> None:
    await store.add_participant(participant(MAKER, "maker"))
    await store.add_participant(participant(OTHER, "other"))
    for document in (b"{}", b"{}", b'{"id":"a"}'):
        await write(store, MAKER, document)
    first, second = await store.did_changes(MAKER, 0, 10)
    assert (first.sequence, first.before_sha256) == (1, "")
    assert first.after_sha256 == hashlib.sha256(b"{}").hexdigest()
    assert (second.sequence, second.before_sha256) == (2, first.after_sha256)
    assert (second.document, second.actor, second.at_ms) == ('{"id":"a"}', "Aiko", 7)
    assert await store.did_changes(MAKER, 1, 10) == [second]
    assert await store.last_did_change(MAKER) == second
    assert await store.did_changes(OTHER, 0, 10) == []


async def test_changes_of_one_participant_at_once_build_on_each_other(store: SqlStore) -> None:
    await store.add_participant(participant(MAKER, "maker"))

    def add(uow: SqlUnitOfWork, found: Participant) -> Participant:
        key = SealedKey(kid=f"{MAKER}#key-{len(found.keys) + 1}", sealed_pem=b"sealed")
        return msgspec.structs.replace(found, keys=(*found.keys, key))

    await asyncio.gather(*(store.change_participant(MAKER, add) for _ in range(8)))
    found = await store.participant(MAKER)
    assert found is not None
    assert [key.kid for key in found.keys] == [f"{MAKER}#key-{number}" for number in range(1, 9)]


async def test_a_change_that_fails_leaves_neither_a_key_nor_a_line_in_the_log(store: SqlStore) -> None:
    await store.add_participant(participant(MAKER, "maker"))

    def fail(uow: SqlUnitOfWork, found: Participant) -> Participant:
        uow.did_log.add(7, "Aiko", "test", b"{}")
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        await store.change_participant(MAKER, fail)
    assert await store.did_changes(MAKER, 0, 10) == []
    with pytest.raises(NotFound):
        await store.change_participant(OTHER, fail)
