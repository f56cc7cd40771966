"""Rounds of a ledger: what is posted meanwhile shares one, and nobody is told of what is not published."""

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256

import pytest

from ashiato.couriers.ledger import Sequencer, Standing
from ashiato.hub.ledger import LedgerBusy
from ashiato.stores.engine import SqlStore
from tests.hub.ledgers import KeyInHand, Watchers, ledger, member_key, opened, verified


@pytest.fixture
async def store(tmp_path: object) -> AsyncIterator[SqlStore]:
    opened_store = await opened(f"sqlite:///{tmp_path}/hub.db")
    yield opened_store
    await opened_store.close()


def commitments(number: int, count: int = 2) -> list[bytes]:
    return [sha256(bytes([number, entry])).digest() for entry in range(count)]


async def running(sequencer: Sequencer) -> None:
    async with asyncio.timeout(60):
        while sequencer.standing is Standing.OPENING:
            await asyncio.sleep(0.01)


async def test_posts_that_wait_share_a_checkpoint(store: SqlStore) -> None:
    signer = KeyInHand()
    sequencer = Sequencer(ledger(store, signer, Watchers(signer.key)), lambda: 1)
    sequencer.start()
    await running(sequencer)
    member = member_key()
    placed = await asyncio.gather(*(sequencer.submit(verified(commitments(n), member)) for n in range(20)))
    await sequencer.close()
    assert [one.first_index for one in placed] == list(range(0, 40, 2))
    assert len({one.checkpoint for one in placed}) == 1


async def test_a_post_that_no_witness_has_seen_is_not_acknowledged_and_is_found_when_it_is_posted_again(
    store: SqlStore,
) -> None:
    signer = KeyInHand()
    watchers = Watchers(signer.key)
    sequencer = Sequencer(ledger(store, signer, watchers), lambda: 1)
    sequencer.start()
    await running(sequencer)
    batch = verified(commitments(1), member_key())
    watchers.silent.add("cell.example")
    with pytest.raises(LedgerBusy, match="0 of the 1 witnesses"):
        await sequencer.submit(batch)
    watchers.silent.clear()
    placed = await sequencer.submit(batch)
    await sequencer.close()
    assert placed.first_index == 0
    assert "\n2\n" in placed.checkpoint


async def test_a_ledger_that_must_not_sign_says_why_to_whoever_posts(store: SqlStore) -> None:
    signer = KeyInHand()
    first = ledger(store, signer, Watchers(signer.key))
    await first.open()
    other = KeyInHand()
    sequencer = Sequencer(ledger(store, other, Watchers(other.key)), lambda: 1)
    sequencer.start()
    await running(sequencer)
    assert sequencer.standing is Standing.STOPPED
    with pytest.raises(LedgerBusy, match="configure the key"):
        await sequencer.submit(verified(commitments(1), member_key()))
    await sequencer.close()
    assert other.signed == []


async def test_a_ledger_opens_as_soon_as_its_witnesses_answer(store: SqlStore) -> None:
    signer = KeyInHand()
    watchers = Watchers(signer.key)
    watchers.silent.add("cell.example")
    sequencer = Sequencer(ledger(store, signer, watchers), lambda: 1)
    sequencer.start()
    async with asyncio.timeout(60):
        while "do not answer" not in sequencer.why:
            await asyncio.sleep(0.01)
    with pytest.raises(LedgerBusy, match="do not answer"):
        await sequencer.submit(verified(commitments(1), member_key()))
    watchers.silent.clear()
    await running(sequencer)
    placed = await sequencer.submit(verified(commitments(1), member_key()))
    await sequencer.close()
    assert placed.first_index == 0
