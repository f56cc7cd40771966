"""What the management API needs from the program around it; wiring and the couriers bring it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

import msgspec

from ashiato.clients.trust_lists import LoadedTrustList
from ashiato.connector.node import Tenant
from ashiato.connector.ports import Moment
from ashiato.connector.sources import ReceivedReader
from ashiato.dsp.catalog import Catalog, Dataset
from ashiato.identity.standings import Known
from ashiato.identity.wallet import OfferedCredential
from ashiato.statements.self_descriptions import VerifiedDescription
from ashiato.trust.keys import KeyKind


class TenantAdmin(Protocol):
    """Port: makes participants and takes them out of service."""

    async def add(self, slug: str, name: str, did: str | None, api_key_sha256: str) -> Tenant:
        """A new participant with its keys, reachable at once; `did` None means a did:web under this node's own address.

        `api_key_sha256` (hexadecimal) is all that is kept of its first API key. Raises `WrongState` when the slug or the DID is
        taken and `Invalid` when the DID cannot be served here.
        """

    async def suspend(self, slug: str) -> None:
        """From now on the participant is not served and its keys open nothing; its data stays."""


class KeyShown(msgspec.Struct, frozen=True, kw_only=True):
    """A signing key as its owner sees it; `name` is the fragment of `kid`."""

    name: str
    kid: str
    kind: str
    state: str
    created_ms: int
    signs_from_ms: int
    retire_ms: int | None
    revoked_ms: int | None
    certificates_count: int


class DidChange(Protocol):
    """One change of a hosted DID document."""

    @property
    def sequence(self) -> int: ...
    @property
    def at_ms(self) -> int: ...
    @property
    def actor(self) -> str: ...
    @property
    def what(self) -> str: ...
    @property
    def before_sha256(self) -> str: ...
    @property
    def after_sha256(self) -> str: ...
    @property
    def document(self) -> str: ...


class KeyAdmin(Protocol):
    """Port: the signing keys of a participant and its DID document. Each change names its `actor`, and is logged.

    Each raises `WrongState` where a rule of `trust.key_life` forbids it, and returns all keys afterwards.
    """

    async def keys(self, participant_id: str) -> list[KeyShown]: ...
    async def rotate_key(
        self, participant_id: str, actor: str, kind: KeyKind, overlap_s: int | None, keep_s: int | None
    ) -> list[KeyShown]:
        """Publish a new key now, which signs after the overlap; None means as the settings say."""

    async def retire_key(self, participant_id: str, actor: str, name: str) -> list[KeyShown]:
        """Take a key that does not sign out of the document before its time."""

    async def revoke_key(self, participant_id: str, actor: str, name: str) -> list[KeyShown]:
        """Take a key out at once; if it signed, another does so from now on."""

    async def bind_certificates(
        self, participant_id: str, actor: str, name: str, pem: bytes
    ) -> list[KeyShown]:
        """Bind the certificate chain in PEM to a key; empty takes it away. Raises `Invalid`."""

    async def did_changes(
        self, participant_id: str, after_sequence: int, limit_count: int
    ) -> Sequence[DidChange]:
        """The changes of the document, in order, behind a sequence number."""


class PartnerPage(Protocol):
    """One page of a partner's catalog; `cursor` asks for the next, None at the end."""

    @property
    def catalog(self) -> Catalog: ...
    @property
    def cursor(self) -> str | None: ...


class PartnerClient(Protocol):
    """Port: asks another company's connector. Each raises a `Problem` when the partner cannot be asked or says no."""

    async def locate(self, partner_id: str) -> str:
        """The base address at which that participant speaks the protocol."""

    async def catalog(
        self,
        tenant: Tenant,
        partner_id: str,
        address: str | None,
        filter_items: list[object],
        cursor: str | None,
    ) -> PartnerPage:
        """One page of what the partner offers to `tenant`; `address` None means that it is looked up."""

    async def issues(self, issuer_id: str) -> tuple[OfferedCredential, ...]:
        """What that issuer issues, by its metadata."""

    async def dataset(self, tenant: Tenant, partner_id: str, address: str | None, asset_id: str) -> Dataset:
        """One dataset with the offers made to `tenant`; raises `NotFound` when the partner shows none."""

    async def describe(
        self, tenant: Tenant, partner_id: str, asset_id: str | None
    ) -> Sequence[VerifiedDescription]:
        """What the partner says of itself, or of one of its assets; raises `NotFound` when it shows `tenant` no such asset."""

    async def contract_text(self, tenant: Tenant, partner_id: str, text_sha256: str) -> bytes:
        """The contract text of that hash as the partner sent it; raises `NotFound` when it has none."""


class Waiter(Protocol):
    """Port: wakes calls that wait for something to happen."""

    async def wait(self, participant_id: str, process_id: str | None, timeout_s: float) -> None:
        """Returns after the next event of that process (None: of any process of the participant), or after `timeout_s`.

        Must listen from its first step on, before it first gives up control: who starts it and then reads misses nothing.
        """


class ReceivedFiles(Protocol):
    """Port: where received data lies."""

    def open(self, participant_id: str, file_name: str) -> ReceivedReader:
        """The file of a `ReceivedData`; raises `FileNotFoundError`."""


class AppRunner(Protocol):
    """Port: makes tokens of apps and starts apps on this machine."""

    def fresh_token(self) -> str: ...
    def token_sha256(self, token: str) -> str:
        """The hash under which a token is known."""

    async def start(self, tenant: Tenant, app_id: str) -> None:
        """Start an approved app; how it ends stands in the history. Raises a `Problem` and starts nothing."""


class TrustDesk(Protocol):
    """Port: what is asked of others beside their identity, and what is known of them."""

    @property
    def mode(self) -> Literal["tokens", "dcp"]: ...
    @property
    def scopes(self) -> Sequence[str]: ...
    @property
    def required(self) -> Sequence[str]: ...
    def lists(self, tenant: Tenant) -> list[LoadedTrustList]:
        """The trust lists that the settings name for that participant."""

    async def partner(self, tenant: Tenant, partner_id: str, now_ms: int) -> Known | None:
        """What the partner presented and which of it counts; None when nothing is known."""

    async def self_description(self, tenant: Tenant, moment: Moment) -> Sequence[str]:
        """What the participant says of itself to everybody, each signed; raises `SignerUnavailable`."""

    async def forget(self, tenant: Tenant, partner_id: str, now_ms: int) -> None:
        """Know nothing of the partner until it calls again, in every process."""


class DataAnswer(Protocol):
    """What a partner's data endpoint answers, its body still to come."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    def chunks(self) -> AsyncIterator[bytes]: ...


class DataCaller(Protocol):
    """Port: reaches a partner's data endpoint with the token and the proof that only the connector holds."""

    def call(
        self,
        tenant: Tenant,
        transfer_pid: str,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> AbstractAsyncContextManager[DataAnswer]:
        """One request under a started transfer; `target` is the raw path behind its address and the query.

        Raises `NotFound`, `WrongState`, `NotPermitted` or a `Problem` that names the partner.
        """
