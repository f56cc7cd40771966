"""The decision of the data plane: who is served, what counts as a use, what is written down. On both stores."""

import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial

import msgspec
import pytest

from ashiato.connector import data_access
from ashiato.connector.data_access import (
    LEAST_CHARGE_BYTES,
    RESUME_SLACK_BYTES,
    AccessOutcome,
    Admission,
    Found,
    Refusal,
    Sent,
    Taken,
    Wanted,
)
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.ranges import ByteRange
from ashiato.connector.records import AgreementRecord, AgreementState, Asset, HistoryEntry
from ashiato.couriers.pushing import PushGrant
from ashiato.dsp.states import Role, TransferState
from ashiato.dsp.transfer import TransferProcess
from ashiato.policy.builder import permit
from ashiato.stores.engine import SqlStore, open_store
from ashiato.trust.standing import Standing
from tests.data_plane import CONSUMER, PROVIDER, STRANGER, Clock, deal_records

NOW_MS = 1_764_000_000_000
MIB = 1024 * 1024
ASSET = Asset(asset_id="powder", title="NMC811", source={"kind": "record"})


@dataclass
class Desk:
    """A store with one deal, and the questions that the data plane asks of it."""

    store: SqlStore
    grant: PushGrant
    transfer: TransferProcess
    agreement: AgreementRecord

    async def admit(self, wanted: Wanted | None = None, *, at_ms: int = NOW_MS) -> Admission | Refusal:
        moment = Moment(at_ms, Clock().moment().fresh_id)
        asked = wanted or Wanted(method="GET")
        return await self.store.run(
            PROVIDER, lambda uow: data_access.admit(uow, self.grant, Standing(CONSUMER), asked, moment)
        )

    async def admitted(self, wanted: Wanted | None = None, *, at_ms: int = NOW_MS) -> Admission:
        answer = await self.admit(wanted, at_ms=at_ms)
        assert isinstance(answer, Admission), answer
        return answer

    async def finish(
        self, admission: Admission, sent_bytes: int, outcome: AccessOutcome = AccessOutcome.COMPLETE
    ) -> None:
        sent = Sent(sent_bytes=sent_bytes, sha256=hashlib.sha256(b"?").hexdigest(), outcome=outcome)
        await self.store.run(PROVIDER, lambda uow: data_access.finish(uow, admission, sent, NOW_MS + 5))

    async def uses_count(self) -> int:
        found = await self.store.read(PROVIDER, lambda uow: uow.contracts.agreement(self.grant.agreement_id))
        assert found is not None
        return found.uses_count

    async def change(self, work: Callable[[UnitOfWork], object]) -> None:
        await self.store.run(PROVIDER, work)

    async def history(self) -> list[HistoryEntry]:
        return await self.store.read(PROVIDER, lambda uow: uow.records.list_history(0, 100))


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[SqlStore]:
    """An empty store."""
    opened = await open_store(store_url, "node-1")
    yield opened
    await opened.close()


async def desk_with(store: SqlStore, rules: dict[str, object] | None = None, asset: Asset = ASSET) -> Desk:
    deal, agreement, transfer = deal_records(asset, now_ms=NOW_MS, rules=rules)

    def work(uow: UnitOfWork) -> None:
        uow.assets.put_asset(asset)
        uow.contracts.put_agreement(agreement)
        uow.transfers.insert(transfer)

    await store.run(PROVIDER, work)
    grant = PushGrant(CONSUMER, deal.agreement_id, deal.provider_pid, asset.asset_id)
    return Desk(store, grant, transfer, agreement)


def part(start_bytes: int, size_bytes: int, etag: str = '"a"', end_bytes: int | None = None) -> Wanted:
    return Wanted(
        method="GET",
        part=ByteRange(start_bytes, size_bytes if end_bytes is None else end_bytes),
        size_bytes=size_bytes,
        etag=etag,
    )


def whole(size_bytes: int, etag: str = '"a"') -> Wanted:
    return Wanted(method="GET", size_bytes=size_bytes, etag=etag)


async def test_a_read_is_admitted_and_its_record_is_there_before_the_first_byte(store: SqlStore) -> None:
    desk = await desk_with(store)
    admission = await desk.admitted()
    (record,) = await store.read(PROVIDER, lambda uow: uow.transfers.list_accesses("", 10))
    assert (record.access_id, record.outcome, record.sent_bytes) == (admission.access_id, "open", 0)
    assert record.sha256 == hashlib.sha256(b"").hexdigest()
    assert (record.role, record.peer_id, record.asset_id) == (Role.PROVIDER, CONSUMER, "powder")
    assert (record.agreement_id, record.transfer_pid) == (desk.grant.agreement_id, desk.grant.transfer_pid)


async def test_the_end_of_a_read_stands_in_the_record_and_in_the_history(store: SqlStore) -> None:
    desk = await desk_with(store)
    admission = await desk.admitted()
    sent = Sent(sent_bytes=42, sha256="ab" * 32, outcome=AccessOutcome.ABORTED)
    taken = Taken(taken_bytes=7, sha256="cd" * 32)
    await desk.change(lambda uow: data_access.finish(uow, admission, sent, NOW_MS + 9, taken))
    (record,) = await store.read(PROVIDER, lambda uow: uow.transfers.list_accesses("", 10))
    assert (record.outcome, record.sent_bytes, record.sha256) == ("aborted", 42, "ab" * 32)
    assert (record.started_ms, record.ended_ms) == (NOW_MS, NOW_MS + 9)
    (entry,) = await desk.history()
    assert (entry.event, entry.process_id, entry.peer_id) == ("data.sent", desk.grant.transfer_pid, CONSUMER)
    assert entry.details["sent_bytes"] == 42
    assert (entry.details["taken_bytes"], entry.details["taken_sha256"]) == (7, "cd" * 32)


@pytest.mark.parametrize(
    ("state", "status_code", "code"),
    [
        (TransferState.REQUESTED, 409, "transfer-not-started"),
        (TransferState.SUSPENDED, 403, "transfer-suspended"),
        (TransferState.COMPLETED, 403, "transfer-ended"),
        (TransferState.TERMINATED, 403, "transfer-ended"),
    ],
)
async def test_only_a_started_transfer_is_served(
    store: SqlStore, state: TransferState, status_code: int, code: str
) -> None:
    desk = await desk_with(store)
    await desk.change(lambda uow: uow.transfers.update(msgspec.structs.replace(desk.transfer, state=state)))
    answer = await desk.admit()
    assert isinstance(answer, Refusal)
    assert (answer.status_code, answer.code) == (status_code, code)
    assert await desk.uses_count() == 0
    assert await store.read(PROVIDER, lambda uow: uow.transfers.list_accesses("", 10)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"consumer": STRANGER},
        {"agreement_id": "urn:uuid:other"},
        {"transfer_pid": "urn:uuid:other"},
        {"asset_id": "other"},
    ],
)
async def test_a_grant_that_does_not_fit_finds_nothing(store: SqlStore, change: dict[str, str]) -> None:
    desk = await desk_with(store)
    desk.grant = msgspec.structs.replace(desk.grant, **change)
    answer = await desk.admit()
    assert isinstance(answer, Refusal)
    assert (answer.status_code, answer.code) == (404, "not-found")


async def test_a_transfer_in_which_we_are_the_consumer_serves_nothing(store: SqlStore) -> None:
    desk = await desk_with(store)
    await desk.change(
        lambda uow: uow.transfers.update(msgspec.structs.replace(desk.transfer, role=Role.CONSUMER))
    )
    answer = await desk.admit()
    assert isinstance(answer, Refusal)
    assert answer.status_code == 404


async def test_an_agreement_that_is_not_final_or_has_ended_gives_no_right(store: SqlStore) -> None:
    desk = await desk_with(store)
    for change, code in (
        ({"finalized": False}, "agreement-not-finalized"),
        ({"state": AgreementState.TERMINATED}, "agreement-ended"),
    ):
        changed = msgspec.structs.replace(desk.agreement, **change)
        await desk.change(partial(_put_agreement, changed))
        answer = await desk.admit()
        assert isinstance(answer, Refusal)
        assert (answer.status_code, answer.code) == (403, code)


def _put_agreement(agreement: AgreementRecord, uow: UnitOfWork) -> None:
    uow.contracts.put_agreement(agreement)


async def test_a_withdrawn_asset_is_not_served(store: SqlStore) -> None:
    desk = await desk_with(store)
    await desk.change(lambda uow: uow.assets.delete_asset("powder"))
    answer = await desk.admit()
    assert isinstance(answer, Refusal)
    assert (answer.status_code, answer.code) == (404, "asset-withdrawn")


async def test_only_the_owner_s_methods_are_allowed(store: SqlStore) -> None:
    desk = await desk_with(store)
    answer = await desk.admit(Wanted(method="POST"))
    assert isinstance(answer, Refusal)
    assert (answer.status_code, answer.allowed_methods) == (405, ("GET", "HEAD"))
    inbox = await desk_with(
        store, asset=Asset(asset_id="box", title="box", source={"kind": "record"}, methods=("POST",))
    )
    await inbox.admitted(Wanted(method="POST"))
    refused = await inbox.admit(Wanted(method="GET"))
    assert isinstance(refused, Refusal)
    assert refused.allowed_methods == ("POST",)


async def test_the_policy_is_asked_at_each_read(store: SqlStore) -> None:
    desk = await desk_with(store, permit(until_ms=NOW_MS + 1000))
    admission = await desk.admitted(at_ms=NOW_MS)
    assert admission.cut_at_ms is not None
    assert NOW_MS + 1000 < admission.cut_at_ms <= NOW_MS + 1001
    answer = await desk.admit(at_ms=NOW_MS + 1001)
    assert isinstance(answer, Refusal)
    assert (answer.status_code, answer.code) == (403, "policy-denied")
    assert "dateTime" in answer.reason


async def test_a_policy_that_names_another_participant_denies(store: SqlStore) -> None:
    desk = await desk_with(store, permit(participants=[STRANGER]))
    answer = await desk.admit()
    assert isinstance(answer, Refusal)
    assert answer.code == "policy-denied"


async def test_an_empty_policy_permits_nothing(store: SqlStore) -> None:
    desk = await desk_with(store, {"permission": []})
    answer = await desk.admit()
    assert isinstance(answer, Refusal)
    assert answer.code == "policy-denied"


async def test_uses_are_counted_and_limited(store: SqlStore) -> None:
    desk = await desk_with(store, permit(max_uses=2))
    for count in (1, 2):
        await desk.finish(await desk.admitted(), 10)
        assert await desk.uses_count() == count
    answer = await desk.admit()
    assert isinstance(answer, Refusal)
    assert answer.code == "policy-denied"
    assert await desk.uses_count() == 2


async def test_a_broken_download_that_is_resumed_is_one_use(store: SqlStore) -> None:
    desk = await desk_with(store, permit(max_uses=1))
    await desk.finish(await desk.admitted(whole(10 * MIB)), 4 * MIB, AccessOutcome.ABORTED)
    await desk.finish(await desk.admitted(part(3 * MIB, 10 * MIB)), 5 * MIB, AccessOutcome.ABORTED)
    await desk.finish(await desk.admitted(part(8 * MIB, 10 * MIB)), 2 * MIB)
    assert await desk.uses_count() == 1
    answer = await desk.admit(whole(10 * MIB))
    assert isinstance(answer, Refusal)
    assert answer.code == "policy-denied"


async def test_a_consumer_that_lost_everything_resumes_from_the_first_byte(store: SqlStore) -> None:
    desk = await desk_with(store, permit(max_uses=1))
    await desk.finish(await desk.admitted(whole(MIB)), MIB)
    await desk.finish(await desk.admitted(part(0, MIB)), MIB)
    assert await desk.uses_count() == 1


async def test_another_representation_is_another_use(store: SqlStore) -> None:
    desk = await desk_with(store, permit(max_uses=1))
    await desk.finish(await desk.admitted(whole(MIB, '"a"')), 1000, AccessOutcome.ABORTED)
    for other in (part(1000, MIB, '"b"'), part(1000, 2 * MIB, '"a"')):
        answer = await desk.admit(other)
        assert isinstance(answer, Refusal)
        assert answer.code == "policy-denied"


async def test_what_cannot_be_resumed_is_a_use_each_time(store: SqlStore) -> None:
    desk = await desk_with(store, permit(max_uses=2))
    for _ in range(2):
        await desk.finish(await desk.admitted(Wanted(method="GET")), 10, AccessOutcome.ABORTED)
    assert isinstance(await desk.admit(Wanted(method="GET")), Refusal)


async def test_nobody_reads_for_ever_by_ranges(store: SqlStore) -> None:
    size_bytes = 20 * MIB
    desk = await desk_with(store, permit(max_uses=1))
    sent_bytes = 0
    while isinstance(admission := await desk.admit(part(1, size_bytes)), Admission):
        await desk.finish(admission, size_bytes - 1)
        sent_bytes += size_bytes - 1
        assert sent_bytes <= 2 * size_bytes + RESUME_SLACK_BYTES
    assert admission.code == "policy-denied"
    assert sent_bytes >= 2 * (size_bytes - 1)


async def test_many_small_ranges_are_charged_too(store: SqlStore) -> None:
    desk = await desk_with(store, permit(max_uses=1))
    admissions_count = 0
    while isinstance(admission := await desk.admit(part(0, 1000, end_bytes=1)), Admission):
        await desk.finish(admission, 1)
        admissions_count += 1
    assert admissions_count == (2 * 1000 + RESUME_SLACK_BYTES) // LEAST_CHARGE_BYTES


async def test_parallel_ranges_are_charged_before_they_are_sent(store: SqlStore) -> None:
    size_bytes = 100 * MIB
    desk = await desk_with(store, permit(max_uses=1))
    running = [await desk.admit(part(0, size_bytes)) for _ in range(4)]
    assert [isinstance(answer, Admission) for answer in running] == [True, True, False, False]


async def test_beyond_its_allowance_a_resumed_read_is_a_new_use_where_the_policy_permits_one(
    store: SqlStore,
) -> None:
    size_bytes = 100 * MIB
    desk = await desk_with(store, permit(max_uses=3))
    for _ in range(6):
        await desk.admitted(part(0, size_bytes))
    assert await desk.uses_count() == 3


async def test_a_running_read_is_asked_again(store: SqlStore) -> None:
    desk = await desk_with(store, permit(max_uses=1, until_ms=NOW_MS + 60_000))
    admission = await desk.admitted()
    fine = await store.read(
        PROVIDER, lambda uow: data_access.recheck(uow, admission, Standing(CONSUMER), NOW_MS + 10)
    )
    assert fine == admission.cut_at_ms
    late = await store.read(
        PROVIDER, lambda uow: data_access.recheck(uow, admission, Standing(CONSUMER), NOW_MS + 60_001)
    )
    assert isinstance(late, Refusal)
    await desk.change(
        lambda uow: uow.transfers.update(
            msgspec.structs.replace(desk.transfer, state=TransferState.SUSPENDED)
        )
    )
    stopped = await store.read(
        PROVIDER, lambda uow: data_access.recheck(uow, admission, Standing(CONSUMER), NOW_MS + 10)
    )
    assert isinstance(stopped, Refusal)
    assert stopped.code == "transfer-suspended"


async def test_a_look_counts_nothing_and_is_still_free_after_the_last_use(store: SqlStore) -> None:
    desk = await desk_with(store, permit(max_uses=1))

    async def look() -> Found | Refusal:
        return await store.read(
            PROVIDER, lambda uow: data_access.look_up(uow, desk.grant, Standing(CONSUMER), "HEAD", NOW_MS)
        )

    assert await look() == Found(ASSET)
    assert await desk.uses_count() == 0
    await desk.finish(await desk.admitted(), 10)
    assert await look() == Found(ASSET)


async def test_a_proof_counts_once(store: SqlStore) -> None:
    @dataclass(frozen=True)
    class Proof:
        participant_id: str = CONSUMER
        token_id: str = "jti-1"
        expires_ms: int = NOW_MS + 60_000

    desk = await desk_with(store)
    moment = Moment(NOW_MS, Clock().moment().fresh_id)

    def ask(uow: UnitOfWork) -> Admission | Refusal:
        return data_access.admit(uow, desk.grant, Standing(CONSUMER), Wanted(method="GET"), moment, Proof())

    assert isinstance(await store.run(PROVIDER, ask), Admission)
    again = await store.run(PROVIDER, ask)
    assert isinstance(again, Refusal)
    assert (again.status_code, again.code) == (401, "proof-replayed")
    assert await desk.uses_count() == 1


async def test_a_token_is_renewed_for_the_consumer_of_a_started_transfer_only(store: SqlStore) -> None:
    desk = await desk_with(store)
    pid = desk.grant.transfer_pid

    async def renew(caller_id: str) -> object:
        return await store.read(PROVIDER, lambda uow: data_access.renewable(uow, caller_id, pid))

    assert await renew(CONSUMER) == (desk.transfer, "powder")
    assert await renew(STRANGER) == data_access.NOT_FOUND
    await desk.change(
        lambda uow: uow.transfers.update(
            msgspec.structs.replace(desk.transfer, state=TransferState.TERMINATED)
        )
    )
    answer = await renew(CONSUMER)
    assert isinstance(answer, Refusal)
    assert answer.code == "transfer-ended"
