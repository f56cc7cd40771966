"""Records to store. `mark` is part of every content and of no key, so that two with the same keys can be told apart."""

import msgspec

from ashiato.connector.records import (
    AccessRecord,
    AgreementRecord,
    AgreementState,
    Approvable,
    Asset,
    CatalogEntry,
    DeclaredFact,
    Event,
    Fetch,
    FetchState,
    FrameworkContract,
    KeptText,
    ObligationRecord,
    OfferDefinition,
    PaperContract,
    PartnerGroup,
    PolicyDefinition,
    ReceivedData,
    Webhook,
)
from ashiato.connector.vault_records import (
    App,
    AppItems,
    AppManifest,
    AppToken,
    KeptReceipt,
    ReceiptWatch,
    VaultAccount,
    VaultItem,
    VaultUse,
)
from ashiato.dsp.effects import Ending
from ashiato.dsp.messages import DataAddress
from ashiato.dsp.negotiation import ContractNegotiation
from ashiato.dsp.states import NegotiationState, Role, TransferState
from ashiato.dsp.transfer import TransferProcess
from ashiato.identity.presentations import StoredPresentation
from ashiato.outbox.deliveries import Delivery, DeliveryKind

MAKER = "did:web:maker.example"
TAKER = "did:web:taker.example"
OTHER = "did:web:other.example"

# What a document may hold that a careless store would change: order, number forms, nesting, any script.
DOCUMENT: dict[str, object] = {
    "z": 1,
    "a": [1.0, 0.1, -0.0, 12345678901234567890123, True, None],
    "電池": {"ключ": "\u0000\u001f🔋"},
    "": "",
}


def asset(asset_id: str = "asset-1", mark: str = "", data_item: str = "", part_group: str = "") -> Asset:
    """An asset with every field set."""
    return Asset(
        asset_id=asset_id,
        title=f"Carbon footprint {mark}",
        source={"kind": "record", **DOCUMENT},
        media_type="application/json",
        data_item=data_item,
        part_group=part_group,
        properties=DOCUMENT,
        methods=("GET", "POST"),
        finite=False,
        created_ms=1_700_000_000_000,
        updated_ms=1_700_000_000_001,
    )


def policy(policy_id: str = "policy-1", mark: str = "") -> PolicyDefinition:
    """A policy definition."""
    return PolicyDefinition(policy_id=policy_id, document={**DOCUMENT, "mark": mark}, created_ms=5)


def offer(
    offer_id: str = "offer-1",
    mark: str = "",
    data_item: str | None = None,
    part_group: str | None = None,
    asset_ids: tuple[str, ...] = (),
) -> OfferDefinition:
    """An offer by class or by asset ids."""
    return OfferDefinition(
        offer_id=offer_id,
        contract_policy_id=f"policy {mark}",
        access_policy_id="policy-2",
        asset_ids=asset_ids,
        data_item=data_item,
        part_group=part_group,
        alternative_policy_ids=("policy-3", "policy-4"),
        created_ms=6,
    )


def entry(
    asset_id: str = "asset-1",
    offer_id: str = "offer-1",
    audiences: tuple[str, ...] = ("any",),
    from_ms: int | None = None,
    until_ms: int | None = None,
    mark: str = "",
) -> CatalogEntry:
    """A catalog entry; the mark widens its audiences."""
    return CatalogEntry(
        asset_id=asset_id,
        offer_id=offer_id,
        offering_id=f"{offer_id}:{asset_id}",
        audiences=(*audiences, mark) if mark else audiences,
        from_ms=from_ms,
        until_ms=until_ms,
    )


def negotiation(
    own_pid: str = "own-1",
    mark: str = "",
    peer_pid: str | None = "peer-1",
    peer_id: str = TAKER,
    state: NegotiationState = NegotiationState.REQUESTED,
    role: Role = Role.PROVIDER,
) -> ContractNegotiation:
    """A negotiation with every field set."""
    return ContractNegotiation(
        role=role,
        own_id=MAKER,
        own_pid=own_pid,
        peer_id=peer_id,
        peer_pid=peer_pid,
        peer_address="https://taker.example/dsp",
        state=state,
        dataset_id=f"asset {mark}",
        opened_by=Role.CONSUMER,
        offer={"@id": "offer:1", **DOCUMENT},
        offer_by=Role.CONSUMER,
        agreement={"@id": "agreement:1", **DOCUMENT},
        reason=Ending(code="c", reason=("why", {"@value": "なぜ"})),
        rounds=2,
        applied=("id:1", "id:2"),
        created_ms=1,
        updated_ms=2,
    )


def approvable(negotiation_pid: str = "own-1", mark: str = "", since_ms: int = 1) -> Approvable:
    """What waits for a person."""
    return Approvable(
        negotiation_pid=negotiation_pid,
        role=Role.PROVIDER,
        peer_id=TAKER,
        asset_id="asset-1",
        question=f"Agree? {mark}",
        choices=("agree", "terminate"),
        offer=DOCUMENT,
        since_ms=since_ms,
    )


def agreement(
    agreement_id: str = "agreement-1",
    mark: str = "",
    *,
    peer_id: str = TAKER,
    framework_id: str | None = None,
    finalized: bool = True,
    state: AgreementState = AgreementState.ACTIVE,
    agreed_ms: int = 1,
    role: Role = Role.PROVIDER,
    asset_id: str = "asset-1",
) -> AgreementRecord:
    """An agreement."""
    return AgreementRecord(
        agreement_id=agreement_id,
        role=role,
        peer_id=peer_id,
        asset_id=asset_id,
        negotiation_pid="own-1",
        document={**DOCUMENT, "mark": mark},
        policy_hash="sha256:1",
        agreed_ms=agreed_ms,
        finalized=finalized,
        state=state,
        framework_id=framework_id,
        uses_count=3,
        ended_ms=None,
        end_reason="none",
    )


def framework(framework_id: str = "framework-1", mark: str = "", peer_id: str = TAKER) -> FrameworkContract:
    """A framework contract."""
    return FrameworkContract(
        framework_id=framework_id,
        role=Role.PROVIDER,
        peer_id=peer_id,
        title=f"Footprints {mark}",
        policy=DOCUMENT,
        from_ms=1,
        until_ms=2,
        data_item="carbon_footprint",
        part_group="cathode",
        purpose="legal",
        paper_sha256="00",
    )


def paper(paper_id: str = "paper-1", mark: str = "", peer_id: str = TAKER) -> PaperContract:
    """A contract on paper."""
    return PaperContract(
        paper_id=paper_id,
        peer_id=peer_id,
        title=f"基本契約 {mark}",
        signed_on="2026-04-01",
        media_type="application/pdf",
        scan_sha256="00",
        size_bytes=4,
        note="in the safe",
    )


def contract_text(text_sha256: str = "ab", mark: str = "", peer_id: str = "") -> KeptText:
    """A contract text."""
    return KeptText(text_sha256=text_sha256, canonical=f'{{"mark":"{mark}"}}', peer_id=peer_id, created_ms=3)


def transfer(
    own_pid: str = "transfer-1",
    mark: str = "",
    peer_pid: str | None = "peer-1",
    peer_id: str = TAKER,
    state: TransferState = TransferState.STARTED,
    agreement_id: str = "agreement-1",
    role: Role = Role.PROVIDER,
) -> TransferProcess:
    """A transfer process with every field set."""
    return TransferProcess(
        role=role,
        own_pid=own_pid,
        peer_id=peer_id,
        peer_pid=peer_pid,
        peer_address=f"https://taker.example/{mark}",
        state=state,
        agreement_id=agreement_id,
        format="HttpData-PULL",
        data_address=DataAddress(
            endpoint_type="HTTP", endpoint="https://maker.example/data", properties={"authorization": "x"}
        ),
        is_push=True,
        moved_by=Role.CONSUMER,
        suspended_by=Role.PROVIDER,
        reason=Ending(code="c", reason=("why",)),
        applied=("id:1",),
        created_ms=1,
        updated_ms=2,
    )


def access(
    access_id: str = "access-1",
    mark: str = "",
    started_ms: int = 1,
    agreement_id: str = "agreement-1",
    transfer_pid: str = "transfer-1",
) -> AccessRecord:
    """One access to data."""
    return AccessRecord(
        access_id=access_id,
        role=Role.PROVIDER,
        peer_id=TAKER,
        asset_id="asset-1",
        agreement_id=agreement_id,
        transfer_pid=transfer_pid,
        method="GET",
        range_start_bytes=0,
        sent_bytes=1 << 40,
        sha256="00",
        outcome=f"complete {mark}",
        started_ms=started_ms,
        ended_ms=started_ms + 1,
    )


def received(received_id: str = "received-1", mark: str = "") -> ReceivedData:
    """Data that came in."""
    return ReceivedData(
        received_id=received_id,
        peer_id=TAKER,
        asset_id="asset-1",
        agreement_id="agreement-1",
        transfer_pid="transfer-1",
        media_type="application/json",
        size_bytes=1,
        sha256="00",
        file_name=f"file {mark}",
        received_ms=9,
    )


def fetch(
    fetch_id: str = "fetch-1",
    mark: str = "",
    negotiation_pid: str | None = None,
    transfer_pid: str | None = None,
) -> Fetch:
    """An order to get a dataset."""
    return Fetch(
        fetch_id=fetch_id,
        peer_id=TAKER,
        peer_address=f"https://taker.example/{mark}",
        asset_id="asset-1",
        format="HttpData-PULL",
        state=FetchState.NEGOTIATING,
        negotiation_pid=negotiation_pid,
        transfer_pid=transfer_pid,
    )


def partner_group(
    group_id: str = "group-1", mark: str = "", members: tuple[str, ...] = (TAKER,)
) -> PartnerGroup:
    """Partners under one name."""
    return PartnerGroup(group_id=group_id, title=mark, members=members)


def fact(name: str = "event", mark: str = "", agreement_id: str = "") -> DeclaredFact:
    """What the owner says to be so."""
    return DeclaredFact(name=name, values=(mark,), agreement_id=agreement_id)


def obligation(obligation_id: str = "obligation-1", mark: str = "", **more: object) -> ObligationRecord:
    """Something owed."""
    owed = ObligationRecord(
        obligation_id=obligation_id,
        agreement_id="agreement-1",
        peer_id=TAKER,
        asset_id="asset-1",
        path="permission[0].duty[0]",
        action="delete",
        enforcement="attested",
        trigger="use",
        is_own=False,
        reason=mark,
    )
    return msgspec.structs.replace(owed, **more)


def webhook(webhook_id: str = "webhook-1", mark: str = "") -> Webhook:
    """An address that is told of events."""
    return Webhook(webhook_id=webhook_id, url=f"https://maker.example/{mark}", events=("negotiation.",))


def delivery(
    delivery_id: str = "delivery-1",
    process_id: str = "own-1",
    mark: str = "",
    *,
    participant_id: str = MAKER,
    created_ms: int = 1_000,
    due_ms: int | None = None,
) -> Delivery:
    """A message for the counterparty; its body is not UTF-8 on purpose."""
    return Delivery(
        delivery_id=delivery_id,
        participant_id=participant_id,
        kind=DeliveryKind.MESSAGE,
        process_id=process_id,
        sequence=0,
        message_name="ContractAgreementMessage",
        address="https://taker.example/dsp/negotiations/1/agreement",
        audience=TAKER,
        body=b"\x00\xff" + mark.encode(),
        created_ms=created_ms,
        due_ms=created_ms if due_ms is None else due_ms,
    )


def event(name: str = "negotiation.agreed", process_id: str = "own-1", **details: object) -> Event:
    """Something that is told after the commit."""
    return Event(name=name, participant_id=MAKER, process_id=process_id, details=details)


def vault_item(
    received_id: str = "received-1", mark: str = "", agreement_id: str = "agreement-1"
) -> VaultItem:
    """Data received, in the vault."""
    data = msgspec.structs.replace(received(received_id, mark), agreement_id=agreement_id)
    return VaultItem(
        received=data, provider_pid="peer-1", uses_count=2, last_used_ms=4, delete_due_ms=9, delete_why="x"
    )


def vault_use(
    use_id: str = "use-1",
    mark: str = "",
    *,
    at_ms: int = 5,
    app: str = "sum",
    purpose: str = "legal",
    agreement_id: str = "agreement-1",
) -> VaultUse:
    """One use."""
    return VaultUse(
        use_id=use_id,
        received_id="received-1",
        agreement_id=agreement_id,
        asset_id="asset-1",
        number=1,
        subject=f"app:{mark}",
        app=app,
        app_digest="00",
        digest="attested",
        purpose=purpose,
        at_ms=at_ms,
    )


def account(agreement_id: str = "agreement-1", mark: str = "") -> VaultAccount:
    """Where a chain stands."""
    return VaultAccount(
        agreement_id=agreement_id, uses_count=3, last_sequence=4, last_sha256=mark, last_at_ms=5
    )


def kept_receipt(sequence: int = 1, mark: str = "", agreement_id: str = "agreement-1") -> KeptReceipt:
    """A receipt as it is kept."""
    return KeptReceipt(agreement_id=agreement_id, sequence=sequence, payload="{}", sha256="00", compact=mark)


def watch(agreement_id: str = "agreement-1", mark: str = "") -> ReceiptWatch:
    """What is known of the other side."""
    return ReceiptWatch(agreement_id=agreement_id, peer_id=TAKER, asset_id=f"asset {mark}", findings_count=2)


def app(app_id: str = "app-1", mark: str = "") -> App:
    """An app."""
    manifest = AppManifest(
        name=f"Sum {mark}", version="1", digest="00", purposes=("legal",), reads=(AppItems(asset_id="cfp-*"),)
    )
    return App(app_id=app_id, manifest=manifest, created_ms=1)


def app_token(token_sha256: str = "00", app_id: str = "app-1", expires_ms: int | None = None) -> AppToken:
    """The hash of a token."""
    return AppToken(token_sha256=token_sha256, app_id=app_id, expires_ms=expires_ms)


def presentation(peer_id: str = TAKER, fetched_ms: int = 1_000, mark: str = "") -> StoredPresentation:
    """What a counterparty presented."""
    return StoredPresentation(peer_id=peer_id, credentials=(f"a.b.{mark}",), fetched_ms=fetched_ms)
