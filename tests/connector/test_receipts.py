"""What a provider concludes from receipts and from their absence: overdue deletions, silence, the next question."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from ashiato.connector import receipts
from ashiato.connector.company import Company
from ashiato.connector.data_access import AccessOutcome
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.receipt_dates import GRACE_MS, NEXT_QUESTION_AFTER_MS, ask_at, process_of
from ashiato.connector.receipts import Standing, standing_of
from ashiato.connector.records import (
    AccessRecord,
    AgreementRecord,
    AgreementState,
    Asset,
    ObligationRecord,
    ObligationState,
)
from ashiato.connector.vault_records import ReceiptWatch
from ashiato.dsp.states import Role, TransferState
from ashiato.dsp.transfer import TransferProcess
from ashiato.statements.examination import MOST_FINDINGS_COUNT, Fault, Finding
from ashiato.statements.receipts import ReceiptKind
from ashiato.stores.engine import SqlStore, open_store
from ashiato.stores.transfers import SqlTransfers
from tests.connector.vaulting import company_of, use_with, when
from tests.statements.consuming import (
    AGREEMENT,
    CONSUMER,
    DATA,
    HOUR_MS,
    PROVIDER,
    START_MS,
    TRANSFER,
    Consumer,
)

DAY_MS = 24 * HOUR_MS
WEEK = {
    **use_with(),
    "obligation": [{"action": "delete", "constraint": [when("elapsedTime", "lteq", "P7D")]}],
}
DUE_MS = START_MS + 7 * DAY_MS


@dataclass
class Desk:
    """The provider's side of one agreement under which one dataset went out."""

    store: SqlStore
    now_ms: int = START_MS + HOUR_MS
    consumer: Consumer = field(default_factory=Consumer)
    company: Company = field(default_factory=lambda: company_of(PROVIDER))

    def moment(self) -> Moment:
        return Moment(self.now_ms, lambda: str(uuid.uuid4()))

    async def run(self, work: Any) -> Any:
        moment = self.moment()
        return await self.store.run(PROVIDER, lambda uow: work(uow, moment))

    async def open(self, rules: dict[str, object], *, finite: bool = True) -> "Desk":
        agreement = AgreementRecord(
            agreement_id=AGREEMENT,
            role=Role.PROVIDER,
            peer_id=CONSUMER,
            asset_id="cfp",
            negotiation_pid="urn:uuid:negotiation",
            document={"@type": "Agreement", "assignee": CONSUMER, "assigner": PROVIDER, **rules},
            policy_hash="",
            agreed_ms=START_MS,
            finalized=True,
        )
        transfer = TransferProcess(
            role=Role.PROVIDER,
            own_pid=TRANSFER,
            peer_id=CONSUMER,
            peer_pid="urn:uuid:peer",
            peer_address="https://cells.example/dsp",
            state=TransferState.COMPLETED,
            agreement_id=AGREEMENT,
            format="HttpData-PULL",
            moved_by=Role.CONSUMER,
            created_ms=START_MS,
            updated_ms=START_MS,
        )
        access = AccessRecord(
            access_id="access-1",
            role=Role.PROVIDER,
            peer_id=CONSUMER,
            asset_id="cfp",
            agreement_id=AGREEMENT,
            transfer_pid=TRANSFER,
            method="GET",
            range_start_bytes=0,
            sent_bytes=12,
            sha256=DATA,
            outcome=AccessOutcome.COMPLETE.value,
            started_ms=START_MS + 1000,
            ended_ms=START_MS + 2000,
        )

        def work(uow: UnitOfWork, moment: Moment) -> None:
            uow.assets.put_asset(Asset(asset_id="cfp", title="x", source={"kind": "record"}, finite=finite))
            uow.contracts.put_agreement(agreement)
            uow.transfers.insert(transfer)
            uow.transfers.put_access(access)

        await self.run(work)
        return self

    async def shown(self, *kinds: ReceiptKind) -> ReceiptWatch:
        """The consumer shows further receipts of these kinds, dated a minute before now, and its head."""
        drafts = [self.consumer.draft(kind, self.now_ms - 60_000) for kind in kinds]
        verified = [await self.consumer.verified(draft) for draft in drafts]
        head = await self.consumer.head(self.now_ms)
        watch: ReceiptWatch = await self.run(
            lambda uow, moment: receipts.take(uow, self.company, AGREEMENT, verified, [], head, moment)
        )
        return watch

    async def unanswered(self, *, is_offered: bool | None = None) -> ReceiptWatch:
        """The consumer's connector does not answer."""
        await self.run(
            lambda uow, moment: receipts.unanswered(
                uow, self.company, AGREEMENT, "nothing listens there", moment, is_offered=is_offered
            )
        )
        watch: ReceiptWatch = await self.run(lambda uow, moment: uow.vault.watch(AGREEMENT))
        return watch

    async def next_question_ms(self) -> int | None:
        """When the next question is due."""
        waiting = await self.run(lambda uow, moment: uow.outbox.of_process(process_of(AGREEMENT)))
        return waiting[0].due_ms if waiting else None


@pytest.fixture
async def desk(store_url: str) -> AsyncIterator[Desk]:
    """An empty store of a provider."""
    store = await open_store(store_url, "node-1")
    yield Desk(store)
    await store.close()


async def test_a_deletion_that_is_not_reported_in_time_is_overdue(desk: Desk) -> None:
    await desk.open(WEEK)
    assert (await desk.shown(ReceiptKind.RECEIVED)).findings == ()
    desk.now_ms = DUE_MS + GRACE_MS - 1
    assert (await desk.shown()).findings == ()
    desk.now_ms = DUE_MS + GRACE_MS
    watch = await desk.shown()
    assert [finding.fault for finding in watch.findings] == [Fault.OVERDUE]
    assert standing_of(watch) is Standing.FAULTY


async def faults_beyond(desk: Desk, kept_count: int) -> list[str]:
    """Five questions a day apart, the last unanswered, to a watch that keeps so many other findings: what the history tells."""
    others = [
        Finding(fault=Fault.WRONG_SIGNATURE, sequence=n + 1, detail="", at_ms=START_MS)
        for n in range(kept_count)
    ]

    def fill(uow: UnitOfWork, moment: Moment) -> None:
        watch = uow.vault.watch(AGREEMENT) or ReceiptWatch(
            agreement_id=AGREEMENT, peer_id=CONSUMER, asset_id="cfp"
        )
        uow.vault.put_watch(msgspec.structs.replace(watch, findings=tuple(others), findings_count=kept_count))

    await desk.run(fill)
    counts = []
    for _ in range(4):
        counts.append((await desk.shown()).findings_count)
        desk.now_ms += DAY_MS
    counts.append((await desk.unanswered()).findings_count)
    assert counts == [kept_count + 1] * 5
    history = await desk.run(lambda uow, moment: uow.records.list_history(0, 100))
    return [entry.details["fault"] for entry in history if entry.event == "receipts.fault"]


@pytest.mark.parametrize("kept_count", [0, MOST_FINDINGS_COUNT - 1, MOST_FINDINGS_COUNT])
async def test_what_is_overdue_is_told_and_counted_once_however_much_else_was_found(
    kept_count: int, desk: Desk
) -> None:
    await desk.open(WEEK)
    await desk.shown(ReceiptKind.RECEIVED)
    desk.now_ms = DUE_MS + GRACE_MS
    assert await faults_beyond(desk, kept_count) == ["overdue"]


@pytest.mark.parametrize("kept_count", [0, MOST_FINDINGS_COUNT])
async def test_data_that_is_never_reported_is_told_once_however_much_else_was_found(
    kept_count: int, desk: Desk
) -> None:
    await desk.open(use_with())
    desk.now_ms = START_MS + 2000 + GRACE_MS
    assert await faults_beyond(desk, kept_count) == ["missing"]


async def test_a_deletion_that_is_reported_is_not(desk: Desk) -> None:
    await desk.open(WEEK)
    await desk.shown(ReceiptKind.RECEIVED)
    desk.now_ms = DUE_MS + 60_000
    await desk.shown(ReceiptKind.DELETED)
    desk.now_ms = DUE_MS + 30 * DAY_MS
    watch = await desk.shown()
    assert (watch.findings, watch.chain.held) == ((), {})


async def test_the_deletion_of_what_was_never_handed_over_settles_no_duty(desk: Desk) -> None:
    await desk.open(WEEK)
    owed = ObligationRecord(
        obligation_id="urn:uuid:owed",
        agreement_id=AGREEMENT,
        peer_id=CONSUMER,
        asset_id="cfp",
        path="obligation[0]",
        action="delete",
        enforcement="attested",
        trigger="agreement",
        is_own=False,
        comes_first=False,
        created_ms=START_MS,
    )
    await desk.run(lambda uow, moment: uow.obligations.put(owed))
    invented = desk.consumer.draft(ReceiptKind.DELETED, desk.now_ms - 60_000, transfer="urn:uuid:none")
    shown = [await desk.consumer.verified(invented)]
    watch = await desk.run(
        lambda uow, moment: receipts.take(uow, desk.company, AGREEMENT, shown, [], None, moment)
    )
    assert [finding.fault for finding in watch.findings] == [Fault.INVENTED]

    async def state() -> ObligationState:
        found = await desk.run(lambda uow, moment: uow.obligations.get("urn:uuid:owed"))
        return ObligationState(found.state)

    assert await state() is ObligationState.PENDING
    await desk.shown(ReceiptKind.RECEIVED, ReceiptKind.DELETED)
    assert await state() is ObligationState.FULFILLED


async def test_who_is_silent_is_overdue_all_the_same(desk: Desk) -> None:
    await desk.open(WEEK)
    await desk.shown(ReceiptKind.RECEIVED)
    desk.now_ms = DUE_MS + GRACE_MS
    watch = await desk.unanswered()
    assert [finding.fault for finding in watch.findings] == [Fault.OVERDUE]


async def test_the_next_question_is_asked_when_the_data_must_be_gone(desk: Desk) -> None:
    await desk.open(WEEK)
    await desk.shown(ReceiptKind.RECEIVED)
    assert await desk.next_question_ms() == desk.now_ms + NEXT_QUESTION_AFTER_MS
    desk.now_ms = DUE_MS - HOUR_MS
    await desk.shown()
    assert await desk.next_question_ms() == DUE_MS + GRACE_MS


async def test_nothing_is_asked_any_more_when_nothing_can_happen(desk: Desk) -> None:
    await desk.open(use_with())
    await desk.shown(ReceiptKind.RECEIVED)

    def end(uow: UnitOfWork, moment: Moment) -> None:
        agreement = uow.contracts.agreement(AGREEMENT)
        assert agreement is not None
        ended = msgspec.structs.replace(agreement, state=AgreementState.TERMINATED, ended_ms=moment.now_ms)
        uow.contracts.put_agreement(ended)

    await desk.run(end)
    desk.now_ms += 2 * HOUR_MS
    await desk.shown()
    assert await desk.next_question_ms() is not None
    desk.now_ms += 61_000
    watch = await desk.shown(ReceiptKind.DELETED)
    assert (await desk.next_question_ms(), watch.due_ms) == (None, None)


async def test_a_use_after_the_end_of_the_agreement_is_not_permitted(desk: Desk) -> None:
    await test_nothing_is_asked_any_more_when_nothing_can_happen(desk)
    desk.now_ms += 2 * HOUR_MS
    watch = await desk.shown(ReceiptKind.USED)
    assert {finding.fault for finding in watch.findings} == {Fault.USED_AFTER_DELETION, Fault.NOT_PERMITTED}


async def test_data_that_is_not_reported_as_received_is_missing(desk: Desk) -> None:
    await desk.open(use_with())
    desk.now_ms = START_MS + 2000 + GRACE_MS - 1
    assert (await desk.shown()).findings == ()
    desk.now_ms += 1
    assert [finding.fault for finding in (await desk.shown()).findings] == [Fault.MISSING]


async def test_a_feed_that_is_read_and_not_kept_needs_no_receipt(desk: Desk) -> None:
    await desk.open(use_with(), finite=False)
    desk.now_ms = START_MS + DAY_MS
    assert (await desk.shown()).findings == ()


async def test_a_day_of_silence_is_a_finding_and_an_answer_ends_it(desk: Desk) -> None:
    await desk.open(use_with())
    watch = await desk.unanswered()
    assert (standing_of(watch), watch.findings) == (Standing.SILENT, ())
    desk.now_ms += NEXT_QUESTION_AFTER_MS
    watch = await desk.unanswered()
    assert [finding.fault for finding in watch.findings] == [Fault.SILENT]
    watch = await desk.shown(ReceiptKind.RECEIVED)
    assert watch.silent_since_ms is None


async def test_receipts_without_an_end_are_asked_for_hourly_and_hide_nothing_longer_than_a_day(
    desk: Desk,
) -> None:
    await desk.open(WEEK)
    await desk.shown(ReceiptKind.RECEIVED)
    desk.now_ms = DUE_MS + GRACE_MS

    async def put_off() -> ReceiptWatch:
        await desk.run(lambda uow, moment: receipts.put_off(uow, desk.company, AGREEMENT, moment))
        watch: ReceiptWatch = await desk.run(lambda uow, moment: uow.vault.watch(AGREEMENT))
        assert watch.due_ms == await desk.next_question_ms() == desk.now_ms + HOUR_MS
        return watch

    assert [finding.fault for finding in (await put_off()).findings] == [Fault.OVERDUE]
    desk.now_ms += DAY_MS - 1
    assert len((await put_off()).findings) == 1
    desk.now_ms += 1
    assert [finding.fault for finding in (await put_off()).findings] == [Fault.OVERDUE, Fault.SILENT]
    watch = await desk.shown(ReceiptKind.DELETED)
    assert watch.unfinished_since_ms is None


async def test_of_all_that_went_out_only_the_transfers_that_a_page_names_are_looked_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.open(use_with())
    looked_up: list[str] = []
    look_up = SqlTransfers.accesses_of_transfer

    def spy(transfers: SqlTransfers, transfer_pid: str, limit_count: int) -> list[AccessRecord]:
        looked_up.append(transfer_pid)
        return look_up(transfers, transfer_pid, limit_count)

    def scan(transfers: SqlTransfers, *args: object, **more: object) -> list[AccessRecord]:
        raise AssertionError("all accesses are read")

    monkeypatch.setattr(SqlTransfers, "accesses_of_transfer", spy)
    monkeypatch.setattr(SqlTransfers, "list_accesses", scan)

    def further(uow: UnitOfWork, moment: Moment) -> None:
        first = uow.transfers.get(TRANSFER)
        assert first is not None
        for number in range(300):
            name = f"urn:uuid:{number:03}"
            uow.transfers.insert(msgspec.structs.replace(first, own_pid=name, peer_pid=name))

    await desk.run(further)
    verified = await desk.consumer.verified(desk.consumer.draft(ReceiptKind.RECEIVED, desk.now_ms - 60_000))
    await desk.run(
        lambda uow, moment: receipts.take(uow, desk.company, AGREEMENT, [verified], [], None, moment)
    )
    assert looked_up == [TRANSFER]
    looked_up.clear()
    # With the end of the receipts, of what completed and is not reported: as much as there can be findings.
    await desk.shown()
    assert len(looked_up) == MOST_FINDINGS_COUNT
    assert TRANSFER not in looked_up


async def test_many_accesses_of_one_transfer_accuse_nobody(desk: Desk) -> None:
    await desk.open(use_with())

    def further(uow: UnitOfWork, moment: Moment) -> None:
        (first,) = uow.transfers.accesses_of_transfer(TRANSFER, 2)
        for number in range(receipts.MOST_ACCESSES_COUNT):
            uow.transfers.put_access(
                msgspec.structs.replace(first, access_id=f"more-{number}", sha256=f"{number:064}")
            )

    await desk.run(further)
    draft = desk.consumer.draft(ReceiptKind.RECEIVED, desk.now_ms - 60_000, data_sha256="cd" * 32)
    verified = [await desk.consumer.verified(draft)]
    head = await desk.consumer.head(desk.now_ms)
    watch = await desk.run(
        lambda uow, moment: receipts.take(uow, desk.company, AGREEMENT, verified, [], head, moment)
    )
    assert watch.findings == ()


async def test_a_connector_that_keeps_no_receipts_is_not_asked_again(desk: Desk) -> None:
    await desk.open(use_with())
    watch = await desk.unanswered(is_offered=False)
    assert (standing_of(watch), watch.findings, watch.due_ms) == (Standing.NOT_OFFERED, (), None)
    await desk.run(lambda uow, moment: receipts.given_up(uow, AGREEMENT, moment))
    assert await desk.next_question_ms() is None


async def test_what_the_outbox_gave_up_is_asked_again_tomorrow(desk: Desk) -> None:
    await desk.open(use_with())
    await desk.unanswered()
    await desk.run(lambda uow, moment: receipts.given_up(uow, AGREEMENT, moment))
    assert await desk.next_question_ms() == desk.now_ms + NEXT_QUESTION_AFTER_MS


async def test_of_two_dates_the_earlier_question_stays(desk: Desk) -> None:
    await desk.open(use_with())
    for due_ms in (desk.now_ms + 1000, desk.now_ms + 2000, desk.now_ms + 500):
        await desk.run(
            lambda uow, moment, due_ms=due_ms: ask_at(uow, AGREEMENT, CONSUMER, due_ms, moment.now_ms)
        )
    assert await desk.next_question_ms() == desk.now_ms + 500
