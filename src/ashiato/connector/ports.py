"""The ports of a connector: what the use cases need from stores, identity and clock.

A `UnitOfWork` is opened for one participant and sees no other: no method takes a participant id, so none can be forgotten.
Its methods are synchronous and run inside one transaction; nothing awaits in there.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from ashiato.connector.records import (
    AccessRecord,
    AgreementRecord,
    Approvable,
    Asset,
    CatalogEntry,
    DeclaredFact,
    Event,
    Fetch,
    FrameworkContract,
    HistoryEntry,
    KeptText,
    ObligationRecord,
    ObligationState,
    OfferDefinition,
    PaperContract,
    PartnerGroup,
    PolicyDefinition,
    ReceivedData,
    Webhook,
)
from ashiato.connector.vault_records import (
    App,
    AppToken,
    KeptReceipt,
    ReceiptWatch,
    UsageTotal,
    VaultAccount,
    VaultItem,
    VaultUse,
)
from ashiato.dsp.negotiation import ContractNegotiation
from ashiato.dsp.states import Role
from ashiato.dsp.transfer import TransferProcess
from ashiato.facts.moments import Moment as Moment
from ashiato.facts.moments import iri_of as iri_of
from ashiato.facts.transactions import Conflict as Conflict
from ashiato.facts.transactions import Room as Room
from ashiato.identity.presentations import StoredPresentation
from ashiato.identity.shelves import Wallet
from ashiato.outbox.deliveries import Delivery
from ashiato.trust.standing import Standing

T = TypeVar("T")
R = TypeVar("R")


class Assets(Protocol):
    """Assets, policies and offers of the participant, and the index that the catalog reads."""

    def put_asset(self, asset: Asset) -> None:
        """Insert or replace."""

    def asset(self, asset_id: str) -> Asset | None: ...
    def assets_by_id(self, asset_ids: Sequence[str]) -> dict[str, Asset]: ...
    def list_assets(self, after_id: str, limit_count: int) -> list[Asset]:
        """In the order of asset_id, starting after `after_id` ("" = from the start)."""

    def assets_in_class(
        self,
        data_item: str | None,
        part_group: str | None,
        after_id: str = "",
        limit_count: int | None = None,
    ) -> list[str]:
        """Ids of the assets of that data item and part group (None = any), in their order, after `after_id`."""

    def delete_asset(self, asset_id: str) -> bool: ...
    def put_record(self, asset_id: str, body: bytes) -> None:
        """The JSON record of an asset whose source is the connector's own store."""

    def record(self, asset_id: str) -> bytes | None: ...
    def put_policy(self, policy: PolicyDefinition) -> None: ...
    def policy(self, policy_id: str) -> PolicyDefinition | None: ...
    def list_policies(self, after_id: str, limit_count: int) -> list[PolicyDefinition]: ...
    def delete_policy(self, policy_id: str) -> bool: ...
    def put_offer(self, offer: OfferDefinition) -> None: ...
    def offer(self, offer_id: str) -> OfferDefinition | None: ...
    def list_offers(self, after_id: str, limit_count: int) -> list[OfferDefinition]: ...
    def delete_offer(self, offer_id: str) -> bool:
        """Also removes its catalog entries."""

    def offers_for_class(self, data_item: str, part_group: str) -> list[OfferDefinition]:
        """Offers that select by class and match this data item and part group."""

    def put_entries(self, entries: Sequence[CatalogEntry]) -> None:
        """Insert or replace by (asset_id, offer_id)."""

    def delete_entries(self, *, asset_id: str | None = None, offer_id: str | None = None) -> None: ...
    def visible_entries(
        self,
        audiences: Sequence[str],
        now_ms: int,
        after_asset_id: str,
        limit_count: int,
        asset_class: tuple[str, str],
        *,
        backwards: bool = False,
    ) -> list[CatalogEntry]:
        """Entries with any of `audiences` and an open window, ordered by (asset_id, offer_id), after `after_asset_id`.

        At most `limit_count` assets; all matching entries of the last asset are included. `asset_class` is
        (data_item, part_group), "" = any. `backwards` reads in the opposite order, from before `after_asset_id`. Must read
        an index, never the whole catalog.
        """

    def entries_of(self, asset_id: str) -> list[CatalogEntry]: ...
    def entry(self, offering_id: str) -> CatalogEntry | None: ...


class Negotiations(Protocol):
    """Contract negotiations, by our own pid."""

    def get(self, own_pid: str) -> ContractNegotiation | None:
        """Locked for update where the store has concurrent writers."""

    def find_by_peer(self, role: Role, peer_id: str, peer_pid: str) -> ContractNegotiation | None: ...
    def insert(self, negotiation: ContractNegotiation) -> None:
        """Raises `Conflict` when (role, peer_id, peer_pid) or the own pid is taken."""

    def update(self, negotiation: ContractNegotiation) -> None: ...
    def page(
        self, after_id: str, limit_count: int, *, state: str | None = None, peer_id: str | None = None
    ) -> list[ContractNegotiation]: ...
    def count_open(self, peer_id: str) -> int:
        """Negotiations with that peer that are not in a terminal state: the quota of one peer."""

    def put_context(self, own_pid: str, context: dict[str, object]) -> None:
        """What our side remembers beside the protocol (offer id, offered alternatives, framework, strategy)."""

    def context(self, own_pid: str) -> dict[str, object]: ...
    def put_approvable(self, approvable: Approvable) -> None: ...
    def approvable(self, own_pid: str) -> Approvable | None: ...
    def list_approvables(self, after_id: str, limit_count: int) -> list[Approvable]:
        """In the order of the own pid. Never all at once: strangers decide how many there are, and how large."""

    def delete_approvable(self, own_pid: str) -> None: ...


class Contracts(Protocol):
    """The contract master: agreements, framework contracts, paper contracts with their scans."""

    def insert_agreement(self, agreement: AgreementRecord) -> None:
        """Raises `Conflict` when its id is taken: a counterparty chooses it, so the first writing must not replace another."""

    def put_agreement(self, agreement: AgreementRecord) -> None:
        """Insert or replace."""

    def agreement(self, agreement_id: str) -> AgreementRecord | None:
        """Locked for update where the store has concurrent writers."""

    def list_agreements(
        self, after_id: str, limit_count: int, *, peer_id: str | None = None, framework_id: str | None = None
    ) -> list[AgreementRecord]: ...
    def partners_of_asset(self, role: Role, asset_id: str) -> list[str]:
        """Everybody with whom there is or was an agreement over that asset in which we are `role`, in their order."""

    def find_usable(self, role: Role, peer_id: str, asset_id: str) -> list[AgreementRecord]:
        """Finalized active agreements over that asset with that peer, newest first."""

    def insert_framework(self, framework: FrameworkContract) -> None:
        """Raises `Conflict` when its id is taken."""

    def put_framework(self, framework: FrameworkContract) -> None:
        """Insert or replace."""

    def framework(self, framework_id: str) -> FrameworkContract | None: ...
    def list_frameworks(self, peer_id: str | None) -> list[FrameworkContract]: ...
    def put_paper(self, paper: PaperContract, scan: bytes) -> None: ...
    def paper(self, paper_id: str) -> PaperContract | None: ...
    def paper_scan(self, paper_id: str) -> bytes | None: ...
    def list_papers(self, peer_id: str | None) -> list[PaperContract]: ...
    def put_text(self, text: KeptText) -> None: ...
    def text(self, text_sha256: str) -> KeptText | None: ...
    def list_texts(self, after_sha256: str, limit_count: int) -> list[KeptText]: ...


class Transfers(Protocol):
    """Transfer processes by our own pid, the accesses made under them and the data received."""

    def get(self, own_pid: str) -> TransferProcess | None:
        """Locked for update where the store has concurrent writers."""

    def find_by_peer(self, role: Role, peer_id: str, peer_pid: str) -> TransferProcess | None: ...
    def insert(self, transfer: TransferProcess) -> None:
        """Raises `Conflict` when (role, peer_id, peer_pid) or the own pid is taken."""

    def update(self, transfer: TransferProcess) -> None: ...
    def page(
        self, after_id: str, limit_count: int, *, state: str | None = None, agreement_id: str | None = None
    ) -> list[TransferProcess]: ...
    def count_open(self, peer_id: str, most_count: int) -> int:
        """Transfers that the peer asked for and that have not ended, counted up to `most_count`: the quota of one peer."""

    def put_context(self, own_pid: str, context: dict[str, object]) -> None: ...
    def context(self, own_pid: str) -> dict[str, object]: ...
    def put_access(self, access: AccessRecord) -> None: ...
    def list_accesses(
        self, after_id: str, limit_count: int, *, agreement_id: str | None = None
    ) -> list[AccessRecord]:
        """In the order of their start."""

    def accesses_of_transfer(self, transfer_pid: str, limit_count: int) -> list[AccessRecord]:
        """The first of one transfer, in the order of their start."""

    def put_received(self, received: ReceivedData) -> None: ...
    def received(self, received_id: str) -> ReceivedData | None: ...
    def list_received(self, after_id: str, limit_count: int) -> list[ReceivedData]: ...
    def put_fetch(self, fetch: Fetch) -> None: ...
    def fetch(self, fetch_id: str) -> Fetch | None: ...
    def fetch_of_process(self, own_pid: str) -> Fetch | None:
        """The fetch whose negotiation or transfer is `own_pid`."""

    def list_fetches(self, after_id: str, limit_count: int) -> list[Fetch]: ...


class Outbox(Protocol):
    """Deliveries of this participant, written with the state that causes them."""

    def add(self, delivery: Delivery) -> None:
        """The sequence within the process is assigned by the store; the row is leased to this node until due + lease.

        After the commit a delivery that is the first of its process goes to `Store.on_delivery`; a later one waits until
        the one before it is removed.
        """

    def get(self, delivery_id: str) -> Delivery | None: ...
    def remove(self, delivery_id: str) -> Delivery | None:
        """Forget a delivery that was made; returns the next of its process, leased to this node, if there is one."""

    def reschedule(self, delivery_id: str, attempts_count: int, due_ms: int) -> None:
        """Give the lease back until the next try is due."""

    def renew_lease(self, delivery_id: str, until_ms: int) -> None:
        """Keep what is leased to this node until then; what another node holds, or nobody, stays as it is.

        When it was due is not forgotten: the next start of this node takes the delivery at once.
        """

    def of_process(self, process_id: str) -> list[Delivery]: ...
    def remove_of_process(self, process_id: str) -> None: ...


class Records(Protocol):
    """History, replay memory and webhooks."""

    def add_history(
        self, at_ms: int, event: str, process_id: str, peer_id: str, details: dict[str, object]
    ) -> None: ...
    def list_history(
        self, after_sequence: int, limit_count: int, *, process_id: str | None = None
    ) -> list[HistoryEntry]: ...
    def last_sequence(self) -> int:
        """The sequence of the newest history entry, 0 when there is none."""

    def remember_token(self, issuer: str, token_id: str, expires_ms: int) -> bool:
        """False when that issuer's token id was seen before (and has not expired)."""

    def put_webhook(self, webhook: Webhook) -> None: ...
    def list_webhooks(self) -> list[Webhook]: ...
    def delete_webhook(self, webhook_id: str) -> bool: ...


class Vault(Protocol):
    """Data received and what was done with it, the chains of our own receipts, and what consumers showed of theirs."""

    def put_item(self, item: VaultItem) -> None: ...
    def item(self, received_id: str) -> VaultItem | None:
        """Locked for update where the store has concurrent writers."""

    def list_items(
        self, after_id: str, limit_count: int, *, agreement_id: str | None = None
    ) -> list[VaultItem]: ...
    def add_use(self, use: VaultUse) -> None: ...
    def last_uses(self, agreement_id: str, limit_count: int) -> list[VaultUse]:
        """The newest first."""

    def usage(self, agreement_id: str | None = None) -> list[UsageTotal]:
        """In the order of agreement, app and purpose."""

    def put_account(self, account: VaultAccount) -> None: ...
    def account(self, agreement_id: str) -> VaultAccount | None:
        """Locked for update where the store has concurrent writers: the chain of receipts has one end."""

    def put_receipt(self, receipt: KeptReceipt) -> None:
        """Insert or replace by (agreement_id, sequence)."""

    def list_receipts(self, agreement_id: str, after_sequence: int, limit_count: int) -> list[KeptReceipt]:
        """In the order of their sequence."""

    def put_watch(self, watch: ReceiptWatch) -> None: ...
    def watch(self, agreement_id: str) -> ReceiptWatch | None:
        """Locked for update where the store has concurrent writers."""

    def list_watches(self, after_id: str, limit_count: int) -> list[ReceiptWatch]: ...


class Apps(Protocol):
    """Apps that the company registered, and the hashes of their tokens."""

    def put_app(self, app: App) -> None: ...
    def app(self, app_id: str) -> App | None:
        """Locked for update where the store has concurrent writers."""

    def list_apps(self, after_id: str, limit_count: int) -> list[App]: ...
    def put_token(self, token: AppToken) -> None: ...
    def token(self, token_sha256: str) -> AppToken | None: ...
    def delete_token(self, token_sha256: str) -> None: ...
    def delete_tokens(self, app_id: str) -> None: ...


class Standings(Protocol):
    """What counterparties presented to the participant, by their DIDs."""

    def put(self, presentation: StoredPresentation) -> None:
        """Insert or replace."""

    def get(self, peer_id: str) -> StoredPresentation | None: ...
    def page(self, after_peer_id: str, limit_count: int) -> list[StoredPresentation]:
        """In the order of the peer's DID."""

    def delete(self, peer_id: str) -> bool: ...


class Declarations(Protocol):
    """What the owner says: groups of partners, and facts that policies ask for."""

    def put_group(self, group: PartnerGroup) -> None:
        """Insert or replace, with its members."""

    def group(self, group_id: str) -> PartnerGroup | None: ...
    def list_groups(self) -> list[PartnerGroup]: ...
    def delete_group(self, group_id: str) -> bool: ...
    def groups_of(self, member_id: str) -> frozenset[str]:
        """The ids of the groups that name this partner."""

    def put_fact(self, fact: DeclaredFact) -> None:
        """Insert or replace by (agreement_id, name)."""

    def fact(self, name: str, agreement_id: str) -> frozenset[str] | None:
        """The values declared for the agreement and for all of them; None when nothing was declared."""

    def list_facts(self, agreement_id: str | None) -> list[DeclaredFact]:
        """Of one agreement ("" = of none), or all."""

    def delete_fact(self, name: str, agreement_id: str) -> bool: ...


class Obligations(Protocol):
    """What is owed under agreements."""

    def put(self, obligation: ObligationRecord) -> None:
        """Insert or replace."""

    def get(self, obligation_id: str) -> ObligationRecord | None:
        """Locked for update where the store has concurrent writers."""

    def page(
        self,
        after_id: str,
        limit_count: int,
        *,
        agreement_id: str | None = None,
        state: ObligationState | None = None,
    ) -> list[ObligationRecord]:
        """In the order of the id."""

    def of_agreement(self, agreement_id: str) -> list[ObligationRecord]:
        """Those that stand in the way or may come to: pending, overdue, and fulfilled ones that come first."""


class UnitOfWork(Protocol):
    """One transaction of one participant over all rooms."""

    @property
    def participant_id(self) -> str: ...
    @property
    def assets(self) -> Assets: ...
    @property
    def negotiations(self) -> Negotiations: ...
    @property
    def contracts(self) -> Contracts: ...
    @property
    def transfers(self) -> Transfers: ...
    @property
    def outbox(self) -> Outbox: ...
    @property
    def records(self) -> Records: ...
    @property
    def vault(self) -> Vault: ...
    @property
    def apps(self) -> Apps: ...
    @property
    def standings(self) -> Standings: ...
    @property
    def declarations(self) -> Declarations: ...
    @property
    def obligations(self) -> Obligations: ...
    @property
    def wallet(self) -> Wallet: ...
    def room(self, room: Room[R]) -> R:
        """A room of a storey above, in the same transaction."""

    def tell(self, event: Event) -> None:
        """Publish after the commit; lost with a rollback."""


class Store(Protocol):
    """Runs units of work. `run` commits what `work` did, or nothing when it raises; `work` may be run again on a conflict."""

    async def run(self, participant_id: str, work: Callable[[UnitOfWork], T]) -> T: ...
    async def read(self, participant_id: str, work: Callable[[UnitOfWork], T]) -> T:
        """`work` only reads; it runs beside the writer."""

    def subscribe(self, listener: Callable[[Event], None]) -> None:
        """`listener` is called on the event loop after each commit, also of other processes on the same database."""

    def on_delivery(self, courier: Callable[[Delivery], None]) -> None:
        """`courier` is called on the event loop after a commit with each delivery of this process that can be made now."""

    async def claim_due(self, now_ms: int, lease_until_ms: int, limit_count: int) -> list[Delivery]:
        """Due deliveries of any participant that are the first of their process and not leased to another node."""

    async def next_due_ms(self) -> int | None:
        """The earliest instant at which `claim_due` may have something."""

    async def close(self) -> None: ...


class Caller(Protocol):
    """A counterparty whose identity was verified."""

    @property
    def participant_id(self) -> str: ...
    @property
    def token_id(self) -> str: ...
    @property
    def expires_ms(self) -> int: ...
    @property
    def standing(self) -> Standing: ...


class Identity(Protocol):
    """Who is calling, what is verified of them, and who we are."""

    def authenticate(self, participant_id: str, authorization: str | None, now_ms: int) -> Awaitable[Caller]:
        """The verified caller of a request to `participant_id`; raises `identity.signed_tokens.NotAuthenticated`."""

    def standing(self, participant_id: str, peer_id: str, now_ms: int) -> Awaitable[Standing]:
        """What `participant_id` knows of `peer_id` now, from what the peer presented before; no claims when that is nothing."""

    def token_for(self, participant_id: str, audience: str, now_ms: int, token_id: str) -> Awaitable[str]:
        """The value of the Authorization header that proves `participant_id` to `audience`."""
