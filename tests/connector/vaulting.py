"""A consumer with data in its vault: real use cases on a real store, the test's own clock and dice."""

import hashlib
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar, cast

import msgspec

from ashiato.connector import vault
from ashiato.connector.company import Company
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.records import AgreementRecord, ReceivedData
from ashiato.connector.vault import Reader
from ashiato.connector.vault_records import VaultItem
from ashiato.dsp.states import Role, TransferState
from ashiato.dsp.transfer import TransferProcess
from ashiato.outbox.deliveries import Delivery
from ashiato.statements.receipts import Receipt
from ashiato.stores.engine import SqlStore

T = TypeVar("T")
PROVIDER = "did:web:maker.example"
CONSUMER = "did:web:cells.example"
AGREED_MS = 1_800_000_000_000
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
BODY = b'{"kg_co2e_per_kg": "16.1"}'
SHA256 = hashlib.sha256(BODY).hexdigest()
PERSON = Reader(subject="key:1")


def company_of(participant_id: str) -> Company:
    """As much of a company as its vault needs."""

    class _Company:
        reactors = (vault.follow,)

        def __init__(self) -> None:
            self.participant_id = participant_id

    return cast(Company, _Company())


@dataclass
class Warehouse:
    """The consumer's side of one agreement, with one piece of data in it."""

    store: SqlStore
    rules: Mapping[str, object]
    now_ms: int = AGREED_MS + HOUR_MS
    agreement_id: str = "urn:uuid:agreement"
    company: Company = field(default_factory=lambda: company_of(CONSUMER))
    ids_count: int = 0

    def moment(self) -> Moment:
        return Moment(self.now_ms, self._fresh_id)

    def _fresh_id(self) -> str:
        self.ids_count += 1
        return str(uuid.UUID(int=self.ids_count, version=4))

    async def run(self, work: Callable[[UnitOfWork, Moment], T]) -> T:
        moment = self.moment()
        return await self.store.run(CONSUMER, lambda uow: work(uow, moment))

    async def open(self) -> "Warehouse":
        """Put the agreement, the transfer and one piece of data in."""
        agreement = AgreementRecord(
            agreement_id=self.agreement_id,
            role=Role.CONSUMER,
            peer_id=PROVIDER,
            asset_id="cfp",
            negotiation_pid="urn:uuid:negotiation",
            document={"@type": "Agreement", "assignee": CONSUMER, "assigner": PROVIDER, **self.rules},
            policy_hash="",
            agreed_ms=AGREED_MS,
            finalized=True,
        )
        await self.run(lambda uow, moment: uow.contracts.put_agreement(agreement))
        await self.receive("received-1")
        return self

    async def receive(self, received_id: str, body: bytes = BODY) -> VaultItem:
        transfer = TransferProcess(
            role=Role.CONSUMER,
            own_pid=f"urn:uuid:own-{received_id}",
            peer_id=PROVIDER,
            peer_pid=f"urn:uuid:peer-{received_id}",
            peer_address="https://maker.example/dsp",
            state=TransferState.STARTED,
            agreement_id=self.agreement_id,
            format="HttpData-PULL",
            moved_by=Role.PROVIDER,
            created_ms=self.now_ms,
            updated_ms=self.now_ms,
        )
        received = ReceivedData(
            received_id=received_id,
            peer_id=PROVIDER,
            asset_id="cfp",
            agreement_id=self.agreement_id,
            transfer_pid=transfer.own_pid,
            media_type="application/json",
            size_bytes=len(body),
            sha256=hashlib.sha256(body).hexdigest(),
            file_name=received_id,
            received_ms=self.now_ms,
        )

        def work(uow: UnitOfWork, moment: Moment) -> VaultItem:
            uow.transfers.insert(transfer)
            uow.transfers.put_received(received)
            return vault.keep(uow, self.company, received, transfer, moment)

        return await self.run(work)

    async def read(
        self, reader: Reader = PERSON, purpose: str = "", received_id: str = "received-1"
    ) -> VaultItem:
        """One admitted read of the whole, which then ends."""

        def work(uow: UnitOfWork, moment: Moment) -> VaultItem:
            return vault.admit(uow, self.company, received_id, reader, purpose, None, moment)

        return await self.run(work)

    async def read_out(self, reader: Reader = PERSON, purpose: str = "") -> None:
        """A read from the first byte to the last."""
        item = await self.read(reader, purpose)
        assert item.use is not None
        number = item.use.number
        await self.run(
            lambda uow, moment: vault.finish(
                uow, self.company, "received-1", number, is_whole=True, moment=moment
            )
        )

    async def item(self, received_id: str = "received-1") -> VaultItem:
        return await self.run(lambda uow, moment: vault.item_of(uow, received_id))

    async def deletions(self, received_id: str = "received-1") -> list[Delivery]:
        """The deliveries that will remove the file."""
        return await self.run(lambda uow, moment: uow.outbox.of_process(f"vault:{received_id}"))

    async def erase(self, received_id: str = "received-1") -> None:
        """What the courier does when the time has come; the file itself is none of this test's business."""
        begun = await self.run(lambda uow, moment: vault.begin_deletion(uow, received_id, moment.now_ms))
        assert begun is not None
        await self.run(lambda uow, moment: vault.deleted(uow, self.company, received_id, moment))

    async def receipts(self) -> list[Receipt]:
        kept = await self.run(lambda uow, moment: uow.vault.list_receipts(self.agreement_id, 0, 1000))
        return [msgspec.convert(json.loads(receipt.payload), Receipt) for receipt in kept]


def when(left: str, operator: str, right: str) -> dict[str, object]:
    """One constraint."""
    return {"leftOperand": left, "operator": operator, "rightOperand": right}


def use_with(*constraints: dict[str, object], duty: dict[str, object] | None = None) -> dict[str, object]:
    """A permission to use with these conditions and this duty."""
    rule: dict[str, object] = {"action": "use"}
    if constraints:
        rule["constraint"] = list(constraints)
    if duty is not None:
        rule["duty"] = [duty]
    return {"permission": [rule]}
