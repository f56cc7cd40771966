"""The company's own signed words and the notices of partners, on both engines."""

import msgspec
import pytest

from ashiato.connector.ports import Conflict, UnitOfWork
from ashiato.connector.words import WORDS, Basis, KeptNotice, OwnWord
from ashiato.dsp.states import Role
from ashiato.statements.signed_words import WordStanding
from ashiato.stores.engine import SqlStore
from tests.stores.samples import MAKER, OTHER, TAKER, agreement

BASIS = Basis(TAKER, "ba" * 32)


def word(sha256: str = "aa", **changes: object) -> OwnWord:
    plain = OwnWord(
        sha256=sha256,
        kind="carbon-footprint",
        subject_id=f"id of {sha256}",
        compact="a.b.c",
        signed_ms=1_000,
        asset_id="carbon-footprint-cell",
        app_id="carbon",
        app_digest="dd" * 32,
        digest="enforced",
        time_stamp="AAAA",
        statements=("d.e.f",),
        rests_on=(BASIS, Basis(TAKER, "bb" * 32)),
    )
    return msgspec.structs.replace(plain, **changes)


def notice(peer_id: str = TAKER, sha256: str = "ba" * 32, standing: str = "superseded") -> KeptNotice:
    return KeptNotice(
        peer_id=peer_id, sha256=sha256, asset_id="a", standing=WordStanding(standing), at_ms=1_000
    )


def _put(uow: UnitOfWork, *words: OwnWord) -> None:
    for one in words:
        uow.room(WORDS).put(one)


async def test_a_word_comes_back_whole_by_its_hash_and_by_its_own_id_and_only_to_its_owner(
    store: SqlStore,
) -> None:
    await store.run(MAKER, lambda uow: _put(uow, word("bb"), word("aa"), word("cc")))
    assert await store.read(MAKER, lambda uow: uow.room(WORDS).get("aa")) == word("aa")
    assert (
        await store.read(MAKER, lambda uow: uow.room(WORDS).of_subject("carbon-footprint", "id of bb"))
    ) == word("bb")
    assert await store.read(MAKER, lambda uow: uow.room(WORDS).of_subject("other", "id of bb")) is None
    assert await store.read(MAKER, lambda uow: uow.room(WORDS).page("aa", 1)) == [word("bb")]
    assert await store.read(OTHER, lambda uow: uow.room(WORDS).get("aa")) is None
    assert await store.read(OTHER, lambda uow: uow.room(WORDS).page("", 9)) == []


async def test_two_words_never_have_the_same_id_of_their_own(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: _put(uow, word("aa")))
    with pytest.raises(Conflict):
        await store.run(MAKER, lambda uow: _put(uow, word("bb", subject_id="id of aa")))
    await store.run(MAKER, lambda uow: _put(uow, word("bb", kind="other", subject_id="id of aa")))


async def test_what_rests_on_a_word_of_a_partner_is_found_and_what_no_longer_does_is_not(
    store: SqlStore,
) -> None:
    await store.run(MAKER, lambda uow: _put(uow, word("bb"), word("aa"), word("cc", rests_on=())))
    await store.run(OTHER, lambda uow: _put(uow, word("dd")))

    async def resting(basis: Basis) -> list[str]:
        found = await store.read(MAKER, lambda uow: uow.room(WORDS).resting_on(basis))
        return [one.sha256 for one in found]

    assert await resting(BASIS) == ["aa", "bb"]
    assert await resting(Basis(OTHER, BASIS.sha256)) == []
    await store.run(MAKER, lambda uow: _put(uow, word("aa", rests_on=())))
    assert await resting(BASIS) == ["bb"]


async def test_the_last_notice_about_a_word_is_kept_and_pages_are_in_order(store: SqlStore) -> None:
    def put(uow: UnitOfWork) -> None:
        for one in (
            notice(TAKER, "b"),
            notice(OTHER, "c"),
            notice(TAKER, "a"),
            notice(TAKER, "b", "withdrawn"),
        ):
            uow.room(WORDS).put_notice(one)

    await store.run(MAKER, put)
    found = await store.read(MAKER, lambda uow: uow.room(WORDS).notice(TAKER, "b"))
    assert found == notice(TAKER, "b", "withdrawn")
    assert await store.read(MAKER, lambda uow: uow.room(WORDS).notice(TAKER, "c")) is None
    first = await store.read(MAKER, lambda uow: uow.room(WORDS).notices(("", ""), 2))
    rest = await store.read(
        MAKER, lambda uow: uow.room(WORDS).notices((first[-1].peer_id, first[-1].sha256), 2)
    )
    assert [(one.peer_id, one.sha256) for one in (*first, *rest)] == [
        (OTHER, "c"),
        (TAKER, "a"),
        (TAKER, "b"),
    ]
    assert await store.read(OTHER, lambda uow: uow.room(WORDS).notices(("", ""), 9)) == []


async def test_everybody_who_has_or_had_an_agreement_over_an_asset_is_named_once(store: SqlStore) -> None:
    def put(uow: UnitOfWork) -> None:
        for agreement_id, peer_id, role in (
            ("1", TAKER, Role.PROVIDER),
            ("2", TAKER, Role.PROVIDER),
            ("3", OTHER, Role.PROVIDER),
            ("4", "did:web:x", Role.CONSUMER),
        ):
            made = msgspec.structs.replace(
                agreement(agreement_id), peer_id=peer_id, role=role, asset_id="cfp"
            )
            uow.contracts.put_agreement(made)

    await store.run(MAKER, put)

    async def partners(role: Role, asset_id: str) -> list[str]:
        return await store.read(MAKER, lambda uow: uow.contracts.partners_of_asset(role, asset_id))

    assert await partners(Role.PROVIDER, "cfp") == [OTHER, TAKER]
    assert await partners(Role.CONSUMER, "cfp") == ["did:web:x"]
    assert await partners(Role.PROVIDER, "other") == []
