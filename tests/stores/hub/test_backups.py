"""A backup of either engine is taken beside a running store and restored on either; what is not whole or not ours is refused."""

import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ashiato.facts.transactions import Conflict
from ashiato.hub.ports import PARTIES, UnitOfWork
from ashiato.outbox.deliveries import Delivery, DeliveryKind
from ashiato.stores.engine import SqlStore, open_store
from ashiato.stores.hub import backups, upgrades
from ashiato.stores.hub.backups import BackupRefused, Manifest
from ashiato.stores.hub.migrations import HUB_CHAIN
from ashiato.stores.hub.rooms import HUB_CHAINS, hub_furnishing
from ashiato.stores.hub.upgrades import UpgradeFailed
from ashiato.stores.unit_of_work import SqlUnitOfWork
from tests.postgresql_server import fresh_database
from tests.stores.hub.conftest import HUB
from tests.stores.hub.test_parties import MAKER, NUMBER, OTHER, record

TAKEN_MS = 1_764_000_000_000
BITS = bytes(range(256))


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    file = tmp_path / "keys.json"
    file.write_bytes(b'{"a key": "file"}')
    return file


@pytest.fixture(params=["sqlite", "postgresql"])
def target_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where the backup is restored."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            yield f"sqlite:///{tmp_path}/restored/hub.db"
        else:
            yield stack.enter_context(fresh_database(request.getfixturevalue("postgresql_url")))


def fill(uow: SqlUnitOfWork) -> None:
    parties = uow.room(PARTIES)
    parties.put(record(MAKER))
    parties.hold(MAKER, [NUMBER])
    uow.wallet.put_bits("list", BITS)
    uow.outbox.add(
        Delivery(
            delivery_id="d-1", participant_id=HUB, kind=DeliveryKind.ISSUANCE, process_id="p", sequence=0,
            message_name="CredentialOfferMessage", address="", audience=MAKER, body="名刺".encode(), created_ms=1, due_ms=1,
        )
    )  # fmt: skip


def write(file: Path, content: bytes) -> None:
    file.write_bytes(content)


def key_files(keys: Path) -> dict[str, Path]:
    """The keys of a hub and that of its log, which lies beside them."""
    return {"keys.json": keys, "ledger-key.pem": keys.with_name("ledger-key.pem")}


async def back_up(store: SqlStore, url: str, keys: Path, folder: Path) -> Manifest:
    await store.run(MAKER, fill)
    return backups.back_up(url, key_files(keys), folder, HUB, TAKEN_MS, HUB_CHAINS)


async def test_what_was_there_at_the_backup_is_there_after_the_restore_and_nothing_later(
    hub_store: SqlStore, store_url: str, target_url: str, keys: Path, tmp_path: Path
) -> None:
    keys.with_name("ledger-key.pem").write_bytes(b"the key of the log")
    manifest = await back_up(hub_store, store_url, keys, tmp_path / "backup")
    await hub_store.run(OTHER, lambda uow: uow.room(PARTIES).put(record(OTHER)))
    assert (manifest.rows["party"], manifest.rows["party_number"], manifest.rows["outbox"]) == (1, 1, 1)
    new_keys = tmp_path / "restored" / "keys.json"
    assert backups.restore(tmp_path / "backup", target_url, key_files(new_keys), HUB, HUB_CHAINS) == manifest
    assert new_keys.read_bytes() == keys.read_bytes()
    log_key = new_keys.with_name("ledger-key.pem")
    assert log_key.read_bytes() == b"the key of the log"
    assert [stat.S_IMODE(file.stat().st_mode) for file in (new_keys, log_key)] == [0o600, 0o600]
    restored = await open_store(target_url, "node-1", hub_furnishing(HUB))
    try:

        def look(uow: SqlUnitOfWork) -> tuple[object, ...]:
            return uow.room(PARTIES).get(MAKER), uow.room(PARTIES).get(OTHER), uow.wallet.bits("list")

        assert await restored.read(HUB, look) == (record(MAKER), None, BITS)
        (delivery,) = await restored.claim_due(TAKEN_MS, TAKEN_MS + 1, 9)
        assert (delivery.delivery_id, delivery.body.decode()) == ("d-1", "名刺")
        with pytest.raises(Conflict):
            await restored.run(OTHER, lambda uow: uow.room(PARTIES).hold(OTHER, [NUMBER]))
    finally:
        await restored.close()


async def test_a_backup_that_is_not_as_it_was_taken_is_refused(
    hub_store: SqlStore, store_url: str, keys: Path, tmp_path: Path
) -> None:
    await back_up(hub_store, store_url, keys, tmp_path / "backup")
    target = tmp_path / "restored" / "hub.db"

    def restore(hub_id: str = HUB) -> None:
        backups.restore(
            tmp_path / "backup",
            f"sqlite:///{target}",
            key_files(target.with_name("keys.json")),
            hub_id,
            HUB_CHAINS,
        )

    def spoilt(name: str, change: Callable[[bytes], bytes]) -> Callable[[], None]:
        file = tmp_path / "backup" / name
        before = file.read_bytes()
        file.write_bytes(change(before))
        return lambda: write(file, before)

    for name in ("hub.db", "keys.json"):
        mend = spoilt(name, lambda data: data[:-1] + bytes([data[-1] ^ 1]))
        with pytest.raises(BackupRefused, match=name):
            restore()
        mend()
    mend = spoilt("manifest.json", lambda data: data[:20])
    with pytest.raises(BackupRefused, match="no whole backup"):
        restore()
    mend()
    with pytest.raises(BackupRefused, match=r"hub\.example:hub"):
        restore("did:web:another.example")
    assert not target.exists()
    restore()
    assert target.exists()


async def test_nothing_is_replaced_by_a_restore_or_a_backup(
    hub_store: SqlStore, store_url: str, keys: Path, tmp_path: Path
) -> None:
    await back_up(hub_store, store_url, keys, tmp_path / "backup")
    with pytest.raises(BackupRefused, match="exists already"):
        backups.back_up(store_url, key_files(keys), tmp_path / "backup", HUB, TAKEN_MS, HUB_CHAINS)
    with pytest.raises(BackupRefused, match=r"there already|holds tables"):
        backups.restore(tmp_path / "backup", store_url, key_files(keys), HUB, HUB_CHAINS)
    other_keys = tmp_path / "other" / "keys.json"
    other_keys.parent.mkdir()
    other_keys.write_bytes(b"another")
    with pytest.raises(BackupRefused, match="another store"):
        backups.restore(
            tmp_path / "backup", f"sqlite:///{tmp_path}/other/hub.db", key_files(other_keys), HUB, HUB_CHAINS
        )


LATER = HUB_CHAIN._replace(
    versions=(
        *HUB_CHAIN.versions,
        ("ALTER TABLE party ADD COLUMN colour {TEXT}", "CREATE TABLE later (id {TEXT})"),
    )
)
BROKEN = HUB_CHAIN._replace(
    versions=(
        *HUB_CHAIN.versions,
        ("CREATE TABLE later (id {TEXT})", "ALTER TABLE nowhere ADD COLUMN x {TEXT}"),
    )
)


async def test_a_newer_schema_is_tried_first_and_a_broken_one_leaves_the_store_as_it_was(
    hub_store: SqlStore, store_url: str, tmp_path: Path
) -> None:
    await hub_store.run(MAKER, fill)
    await hub_store.close()
    assert upgrades.rehearse(store_url, HUB_CHAINS) is False
    assert upgrades.rehearse(store_url, (HUB_CHAINS[0], LATER)) is True
    with pytest.raises(UpgradeFailed, match="as it was"):
        upgrades.rehearse(store_url, (HUB_CHAINS[0], BROKEN))
    assert [path.name for path in tmp_path.iterdir() if "upgrade" in path.name] == []
    # The program of before still opens it and finds everything.
    again = await open_store(store_url, "node-1", hub_furnishing(HUB))

    def look(uow: UnitOfWork) -> object:
        return uow.room(PARTIES).get(MAKER)

    assert await again.read(HUB, look) == record(MAKER)
    await again.close()


def test_an_empty_store_needs_no_rehearsal(store_url: str) -> None:
    assert upgrades.rehearse(store_url, HUB_CHAINS) is False
