import msgspec

from ashiato.stores.engine import SqlStore
from ashiato.stores.participants import Participant, SealedKey
from tests.stores.samples import DOCUMENT, MAKER, OTHER


def _participant(participant_id: str = MAKER, slug: str = "maker") -> Participant:
    return Participant(
        participant_id=participant_id,
        slug=slug,
        name="正極材メーカー",
        keys=(SealedKey(kid=f"{participant_id}#1", sealed_pem=b"\x00\xff"),),
        settings=DOCUMENT,
        created_ms=7,
    )


async def test_a_participant_is_found_by_id_by_slug_and_in_the_list(store: SqlStore) -> None:
    assert await store.add_participant(_participant())
    assert await store.add_participant(_participant(OTHER, "a-first"))
    assert await store.participant(MAKER) == _participant()
    assert await store.participant_by_slug("maker") == _participant()
    assert await store.participant_by_slug("nobody") is None
    assert await store.participant("did:web:nobody") is None
    assert [found.slug for found in await store.participants()] == ["a-first", "maker"]


async def test_an_id_or_a_slug_that_is_taken_is_refused(store: SqlStore) -> None:
    assert await store.add_participant(_participant())
    assert not await store.add_participant(_participant(OTHER, "maker"))
    assert not await store.add_participant(_participant(MAKER, "second"))
    assert await store.participants() == [_participant()]


async def test_keys_settings_and_suspension_are_replaced(store: SqlStore) -> None:
    await store.add_participant(_participant())
    changed = msgspec.structs.replace(
        _participant(slug="renamed"), keys=(SealedKey(kid="k", sealed_pem=b"2"),), is_suspended=True
    )
    assert await store.replace_participant(changed)
    assert await store.participant_by_slug("renamed") == changed
    assert await store.participant_by_slug("maker") is None
    assert not await store.replace_participant(_participant(OTHER, "other"))
