"""The vault: data of other companies, kept apart under the agreement it came in by (他社データ閲覧DB).

**Every read** is asked of the policy of its agreement, is counted in the transaction that admits it, and leaves a receipt in
the same transaction. What a use is follows `data_access`: a `Range` for the rest of a broken read by the same reader for the
same purpose continues its use, until twice the size and 16 MiB were asked for.

**Every deletion** is two transactions around the removal of the file: from the first on nothing is read any more, the second
says that the file is gone. Between them stands a delivery in the outbox, so a crash at any point ends in the same place, and a
timer, no loop, brings what is due. A receipt never says that something is deleted whose file is still there.

Duties to delete that the policy does not express come in through `order_deletion`.
"""

from collections.abc import Mapping

import msgspec

from ashiato.connector.catalog import compiled, rules_of
from ashiato.connector.company import Company, tell
from ashiato.connector.data_access import LEAST_CHARGE_BYTES, RESUME_SLACK_BYTES
from ashiato.connector.deletion import DeletionTerms, deletion_terms
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import NotFound, NotPermitted
from ashiato.connector.ranges import ByteRange
from ashiato.connector.receipt_dates import SCHEDULED
from ashiato.connector.records import AgreementRecord, AgreementState, Event, ReceivedData
from ashiato.connector.rights import refused_for_certain, under_agreement
from ashiato.connector.vault_records import (
    KeptReceipt,
    OpenUse,
    VaultAccount,
    VaultItem,
    VaultState,
    VaultUse,
)
from ashiato.dsp.states import Role
from ashiato.dsp.transfer import TransferProcess
from ashiato.facts.decisions import Decision
from ashiato.outbox.deliveries import Delivery, DeliveryKind
from ashiato.policy.evaluation import Checkpoint, Side
from ashiato.statements.receipts import DigestStanding, Receipt, ReceiptKind, canonical, hash_of
from ashiato.trust.standing import Standing

# A use that broke off may be gone on with for so long before a duty to delete after use takes effect.
USE_LASTS_MS = 600_000
# Beside its id, a policy names an app by the digest of its program, or by what it is certified as.
BY_DIGEST, BY_CERTIFICATION = NAMES_GIVEN_BY_OTHERS = ("sha256:", "certified:")

Facts = Mapping[str, frozenset[str]]

_NOTHING_KNOWN: Facts = dict.fromkeys(("location", "state", "artifact_state", "resolution"), frozenset())


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """Who reads: a person or program of the company by its key, or an app with the digest of its program."""

    subject: str
    app: str = ""
    app_digest: str = ""
    digest: DigestStanding | None = None
    certified_as: str = ""
    """The name by which the app is certified, where the certification counts at this moment."""
    facts: Facts = {}
    """What else is known of this use, by the names of `policy.request.Request.facts`."""

    @property
    def names(self) -> tuple[str, ...]:
        """What a policy may call the app; one empty name where no app reads."""
        if not self.app:
            return ("",)
        names = (self.app, BY_DIGEST + self.app_digest)
        return (*names, BY_CERTIFICATION + self.certified_as) if self.certified_as else names


# What comes in.


def keep(
    uow: UnitOfWork, company: Company, received: ReceivedData, transfer: TransferProcess, moment: Moment
) -> VaultItem:
    """Put data that came in into the vault, with its receipt and the date by which it must be gone."""
    item = VaultItem(received=received, provider_pid=transfer.peer_pid or "")
    agreement = uow.contracts.agreement(received.agreement_id)
    if agreement is not None:
        _add_receipt(uow, company, ReceiptKind.RECEIVED, item, moment)
        item = _with_due(uow, item, _terms(agreement), agreement, moment)
    uow.vault.put_item(item)
    return item


def item_of(uow: UnitOfWork, received_id: str) -> VaultItem:
    """The item; raises `NotFound`. Data that an older program received is in the vault too."""
    item = uow.vault.item(received_id)
    if item is not None:
        return item
    received = uow.transfers.received(received_id)
    if received is None:
        raise NotFound(f"There is no received data {received_id!r}.", id=received_id)
    transfer = uow.transfers.get(received.transfer_pid)
    return VaultItem(received=received, provider_pid=(transfer.peer_pid if transfer else None) or "")


def check_held(uow: UnitOfWork, received_id: str) -> VaultItem:
    """The item, whose data is here; raises `NotFound`, also where it was deleted."""
    item = item_of(uow, received_id)
    if item.state is not VaultState.HELD:
        raise NotFound(f"The data {received_id!r} was deleted ({item.delete_why}).", id=received_id)
    return item


# What is read.


def admit(
    uow: UnitOfWork,
    company: Company,
    received_id: str,
    reader: Reader,
    purpose: str,
    part: ByteRange | None,
    moment: Moment,
) -> VaultItem:
    """Admit one read, with its use counted and its receipt written, or raise and change nothing.

    Raises `NotFound` when the data is not here or not any more, and `NotPermitted` with the reasons of the policy.
    """
    item = check_held(uow, received_id)
    agreement = _usable_agreement(uow, item)
    account = uow.vault.account(item.agreement_id) or VaultAccount(agreement_id=item.agreement_id)
    charge_bytes = max(part.size_bytes if part else item.received.size_bytes, LEAST_CHARGE_BYTES)
    use = item.use
    goes_on = (
        use is not None and part is not None and _goes_on(use, item, reader, purpose, charge_bytes, moment)
    )
    checkpoint = Checkpoint.RUNNING if goes_on else Checkpoint.READ
    _check_policy(agreement, account.uses_count, checkpoint, reader, purpose, moment.now_ms)
    if use is not None and goes_on:
        use = msgspec.structs.replace(use, charged_bytes=use.charged_bytes + charge_bytes)
        item = msgspec.structs.replace(item, use=use)
    else:
        item = _count_use(uow, company, item, account, reader, purpose, charge_bytes, moment)
        item = _with_due(uow, item, _terms(agreement), agreement, moment)
    uow.vault.put_item(item)
    return item


def recheck(uow: UnitOfWork, received_id: str, reader: Reader, purpose: str, moment: Moment) -> None:
    """Whether a read that was admitted may go on; raises as `admit` does."""
    item = check_held(uow, received_id)
    account = uow.vault.account(item.agreement_id) or VaultAccount(agreement_id=item.agreement_id)
    agreement = _usable_agreement(uow, item)
    _check_policy(agreement, account.uses_count, Checkpoint.RUNNING, reader, purpose, moment.now_ms)


def check_live(uow: UnitOfWork, transfer_pid: str, reader: Reader, purpose: str, moment: Moment) -> None:
    """Whether the company's own systems may use what they read directly at the partner's, where nothing is kept.

    The partner counts these uses and writes them down; purpose and application are ours to see to. Raises `NotPermitted`.
    """
    transfer = uow.transfers.get(transfer_pid)
    agreement = None if transfer is None else uow.contracts.agreement(transfer.agreement_id)
    if agreement is not None and agreement.role is Role.CONSUMER:
        _check_policy(agreement, 0, Checkpoint.RUNNING, reader, purpose, moment.now_ms)


def finish(
    uow: UnitOfWork, company: Company, received_id: str, use_number: int, *, is_whole: bool, moment: Moment
) -> None:
    """A read ended. When all was read, the use is over, and a duty to delete after use is due now."""
    item = uow.vault.item(received_id)
    if item is None or item.use is None or item.use.number != use_number or not is_whole:
        return
    if item.state is not VaultState.HELD:
        return
    item = msgspec.structs.replace(item, use=None)
    agreement = uow.contracts.agreement(item.agreement_id)
    if agreement is not None:
        item = _with_due(uow, item, _terms(agreement), agreement, moment)
    uow.vault.put_item(item)


def refusal(
    agreement: AgreementRecord,
    uses_count: int,
    checkpoint: Checkpoint,
    reader: Reader,
    purpose: str,
    now_ms: int,
) -> Decision | None:
    """Why the agreement does not permit a use by its consumer; None when it does.

    What the consumer's connector does not know of a use does not hold: it is the one who has to see to it. What only the
    provider verifies, such as credentials, was for the provider to ask when it handed the data over. An app is known by its id,
    by its digest, or by what it is certified as; a policy names any of them.
    """
    policy = compiled(rules_of(agreement.document))
    nothing_verified = Standing(str(agreement.document.get("assignee")))
    refused: Decision | None = None
    for application in reader.names:
        request = msgspec.structs.replace(
            under_agreement(agreement, nothing_verified, checkpoint, "read", now_ms),
            uses_count=uses_count,
            facts={
                **_NOTHING_KNOWN,
                **reader.facts,
                "purpose": frozenset((purpose,) if purpose else ()),
                "application": frozenset((application,) if application else ()),
            },
            side=Side.CONSUMER,
            is_open_world=True,
        )
        refused = refused_for_certain(policy, request)
        if refused is None:
            return None
    return refused


def _usable_agreement(uow: UnitOfWork, item: VaultItem) -> AgreementRecord:
    agreement = uow.contracts.agreement(item.agreement_id)
    if agreement is None or agreement.role is not Role.CONSUMER:
        raise NotPermitted("There is no agreement under which this data may be read.", id=item.received_id)
    if agreement.state is not AgreementState.ACTIVE:
        raise NotPermitted(f"The agreement is {agreement.state}.", agreement_id=agreement.agreement_id)
    return agreement


def _check_policy(
    agreement: AgreementRecord,
    uses_count: int,
    checkpoint: Checkpoint,
    reader: Reader,
    purpose: str,
    now_ms: int,
) -> None:
    refused = refusal(agreement, uses_count, checkpoint, reader, purpose, now_ms)
    if refused is not None:
        raise NotPermitted(refused.summary(), agreement_id=agreement.agreement_id)


def _goes_on(
    use: OpenUse, item: VaultItem, reader: Reader, purpose: str, charge_bytes: int, moment: Moment
) -> bool:
    same = (use.subject, use.purpose) == (reader.subject, purpose)
    is_fresh = item.last_used_ms is not None and moment.now_ms < item.last_used_ms + USE_LASTS_MS
    allowed_bytes = 2 * item.received.size_bytes + RESUME_SLACK_BYTES
    return same and is_fresh and use.charged_bytes + charge_bytes <= allowed_bytes


def _count_use(
    uow: UnitOfWork,
    company: Company,
    item: VaultItem,
    account: VaultAccount,
    reader: Reader,
    purpose: str,
    charge_bytes: int,
    moment: Moment,
) -> VaultItem:
    number = account.uses_count + 1
    uow.vault.put_account(msgspec.structs.replace(account, uses_count=number))
    uow.vault.add_use(
        VaultUse(
            use_id=moment.fresh_id(),
            received_id=item.received_id,
            agreement_id=item.agreement_id,
            asset_id=item.received.asset_id,
            number=number,
            subject=reader.subject,
            app=reader.app,
            app_digest=reader.app_digest,
            digest=reader.digest or "",
            purpose=purpose,
            at_ms=moment.now_ms,
        )
    )
    item = msgspec.structs.replace(
        item,
        uses_count=item.uses_count + 1,
        last_used_ms=moment.now_ms,
        use=OpenUse(number=number, subject=reader.subject, purpose=purpose, charged_bytes=charge_bytes),
    )
    _add_receipt(uow, company, ReceiptKind.USED, item, moment, use=number, reader=reader, purpose=purpose)
    tell(
        uow, company, moment, "vault.used", item.received.transfer_pid, item.received.peer_id,
        received_id=item.received_id, agreement_id=item.agreement_id, asset_id=item.received.asset_id,
        use=number, app=reader.app, purpose=purpose,
    )  # fmt: skip
    return item


# What is deleted.


def order_deletion(
    uow: UnitOfWork, company: Company, received_id: str, due_ms: int, why: str, moment: Moment
) -> VaultItem:
    """The data must be gone at `due_ms` at the latest; an earlier date stays. Raises `NotFound`.

    This is the door for duties that something else than the policy's own words imposes: a person's order, an obligation.
    """
    item = item_of(uow, received_id)
    if item.state is not VaultState.HELD:
        return item
    if item.delete_due_ms is None or due_ms < item.delete_due_ms:
        item = _scheduled(uow, item, due_ms, why, moment)
    uow.vault.put_item(item)
    return item


def order_deletion_of_agreement(
    uow: UnitOfWork, company: Company, agreement_id: str, due_ms: int, why: str, moment: Moment
) -> None:
    """The same for everything that came in under an agreement."""
    after_id = ""
    while page := uow.vault.list_items(after_id, 500, agreement_id=agreement_id):
        after_id = page[-1].received_id
        for item in page:
            order_deletion(uow, company, item.received_id, due_ms, why, moment)


def begin_deletion(uow: UnitOfWork, received_id: str, now_ms: int) -> VaultItem | None:
    """The item, read by nobody from this commit on; None when it is not due or gone already."""
    item = uow.vault.item(received_id)
    if item is None or item.state is VaultState.DELETED:
        return None
    if item.delete_due_ms is None or item.delete_due_ms > now_ms:
        return None
    item = msgspec.structs.replace(item, state=VaultState.DELETING, use=None)
    uow.vault.put_item(item)
    return item


def deleted(uow: UnitOfWork, company: Company, received_id: str, moment: Moment) -> None:
    """The file is gone: write it down, with a receipt."""
    item = uow.vault.item(received_id)
    if item is None or item.state is not VaultState.DELETING:
        return
    item = msgspec.structs.replace(item, state=VaultState.DELETED, deleted_ms=moment.now_ms)
    _add_receipt(uow, company, ReceiptKind.DELETED, item, moment)
    uow.vault.put_item(item)
    tell(
        uow, company, moment, "vault.deleted", item.received.transfer_pid, item.received.peer_id,
        received_id=item.received_id, agreement_id=item.agreement_id, asset_id=item.received.asset_id,
        sha256=item.received.sha256, why=item.delete_why,
    )  # fmt: skip


def follow(uow: UnitOfWork, company: Company, event: Event, moment: Moment) -> None:
    """Reactor: when an agreement ends, what came in under it is deleted where the agreement says so."""
    if event.name != "agreement.terminated":
        return
    agreement = uow.contracts.agreement(event.process_id)
    if agreement is None or agreement.role is not Role.CONSUMER or not _terms(agreement).at_end:
        return
    order_deletion_of_agreement(
        uow, company, agreement.agreement_id, moment.now_ms, "agreement-ended", moment
    )


def _terms(agreement: AgreementRecord) -> DeletionTerms:
    return deletion_terms(compiled(rules_of(agreement.document)), agreement.agreed_ms)


def _with_due(
    uow: UnitOfWork, item: VaultItem, terms: DeletionTerms, agreement: AgreementRecord, moment: Moment
) -> VaultItem:
    used_ms = item.last_used_ms
    if used_ms is not None and item.use is not None:
        used_ms += USE_LASTS_MS
    due = terms.due(item.received.received_ms, used_ms, agreement.ended_ms)
    if due is None:
        return item
    due_ms, why = due
    # An order from elsewhere may be earlier; a use that goes on puts off only what follows from the use.
    is_own = item.delete_due_ms is None or item.delete_why == "after-use"
    if due_ms == item.delete_due_ms or (not is_own and due_ms > (item.delete_due_ms or 0)):
        return item
    return _scheduled(uow, item, due_ms, why, moment)


def _scheduled(uow: UnitOfWork, item: VaultItem, due_ms: int, why: str, moment: Moment) -> VaultItem:
    process_id = f"vault:{item.received_id}"
    uow.outbox.remove_of_process(process_id)
    is_later = due_ms > moment.now_ms
    uow.outbox.add(
        Delivery(
            delivery_id=moment.fresh_id(),
            participant_id=uow.participant_id,
            kind=DeliveryKind.ERASE,
            process_id=process_id,
            sequence=0,
            message_name="erase",
            address=process_id,
            audience="",
            body=item.received_id.encode(),
            # Its patience begins when it is due.
            created_ms=due_ms - 1 if is_later else moment.now_ms,
            due_ms=due_ms if is_later else moment.now_ms,
        )
    )
    if is_later:
        uow.tell(
            Event(
                name=SCHEDULED,
                participant_id=uow.participant_id,
                process_id=process_id,
                at_ms=moment.now_ms,
            )
        )
    return msgspec.structs.replace(item, delete_due_ms=due_ms, delete_why=why)


# Receipts.


def _add_receipt(
    uow: UnitOfWork,
    company: Company,
    kind: ReceiptKind,
    item: VaultItem,
    moment: Moment,
    *,
    use: int = 0,
    reader: Reader | None = None,
    purpose: str = "",
) -> None:
    """The next receipt of the agreement's chain; it is signed after the commit, when it is shown."""
    account = uow.vault.account(item.agreement_id) or VaultAccount(agreement_id=item.agreement_id)
    received = item.received
    at_ms = max(moment.now_ms, account.last_at_ms)
    receipt = Receipt(
        kind=kind,
        agreement=item.agreement_id,
        provider=received.peer_id,
        consumer=company.participant_id,
        sequence=account.last_sequence + 1,
        previous=account.last_sha256,
        at_ms=at_ms,
        asset=received.asset_id,
        transfer=item.provider_pid,
        data_sha256=received.sha256,
        size_bytes=received.size_bytes,
        use=use,
        purpose=purpose,
        app=reader.app if reader else "",
        app_digest=reader.app_digest if reader else "",
        digest=(reader.digest or "") if reader else "",
        certified_as=reader.certified_as if reader else "",
        reason=item.delete_why if kind is ReceiptKind.DELETED else "",
    )
    sha256 = hash_of(receipt)
    uow.vault.put_receipt(
        KeptReceipt(
            agreement_id=item.agreement_id,
            sequence=receipt.sequence,
            payload=canonical(receipt).decode(),
            sha256=sha256,
        )
    )
    uow.vault.put_account(
        msgspec.structs.replace(account, last_sequence=receipt.sequence, last_sha256=sha256, last_at_ms=at_ms)
    )
