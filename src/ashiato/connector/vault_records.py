"""What a connector remembers of the data of others, of its receipts, and of the apps that use it."""

from enum import StrEnum

import msgspec

from ashiato.connector.records import ReceivedData
from ashiato.statements.examination import Chain, Finding


class VaultState(StrEnum):
    """What can be done with data received."""

    HELD = "held"
    DELETING = "deleting"
    """It is read no more; its file is being removed."""
    DELETED = "deleted"


class OpenUse(msgspec.Struct, frozen=True, kw_only=True):
    """The latest use of an item: whoever began it may go on with it where it broke off."""

    number: int
    subject: str
    purpose: str
    charged_bytes: int


class VaultItem(msgspec.Struct, frozen=True, kw_only=True):
    """Data received, kept apart under its agreement. `provider_pid` is the provider's name of the transfer.

    `delete_due_ms` is when it must be gone (None: nothing says so), `delete_why` says by what.
    """

    received: ReceivedData
    provider_pid: str
    state: VaultState = VaultState.HELD
    uses_count: int = 0
    last_used_ms: int | None = None
    use: OpenUse | None = None
    delete_due_ms: int | None = None
    delete_why: str = ""
    deleted_ms: int | None = None

    @property
    def received_id(self) -> str:
        return self.received.received_id

    @property
    def agreement_id(self) -> str:
        return self.received.agreement_id


class VaultUse(msgspec.Struct, frozen=True, kw_only=True):
    """One use of data received. `number` counts the uses under the agreement; `subject` is the key or the app that read."""

    use_id: str
    received_id: str
    agreement_id: str
    asset_id: str
    number: int
    subject: str
    app: str
    app_digest: str
    digest: str
    purpose: str
    at_ms: int


class UsageTotal(msgspec.Struct, frozen=True, kw_only=True):
    """The uses under one agreement by one app for one purpose."""

    agreement_id: str
    app: str
    purpose: str
    uses_count: int
    first_ms: int
    last_ms: int


class VaultAccount(msgspec.Struct, frozen=True, kw_only=True):
    """How many uses there were under an agreement, and where the chain of its receipts stands."""

    agreement_id: str
    uses_count: int = 0
    last_sequence: int = 0
    last_sha256: str = ""
    last_at_ms: int = 0


class KeptReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """A receipt of ours, or one that a consumer showed to us. `compact` is "" until it is signed."""

    agreement_id: str
    sequence: int
    payload: str
    sha256: str
    compact: str = ""


class ReceiptWatch(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider knows of the other side of one agreement.

    `silent_since_ms` is the first question in a row without an answer, `unfinished_since_ms` the first in a row that did not
    reach the end of the receipts; `is_offered` is False where the partner's connector keeps no receipts. `findings_count` also
    counts findings that are not kept any more. `told` names those of them that each question would find again.
    """

    agreement_id: str
    peer_id: str
    asset_id: str
    chain: Chain = msgspec.field(default_factory=Chain)
    findings: tuple[Finding, ...] = ()
    findings_count: int = 0
    told: tuple[str, ...] = ()
    is_offered: bool | None = None
    asked_ms: int | None = None
    answered_ms: int | None = None
    silent_since_ms: int | None = None
    unfinished_since_ms: int | None = None
    due_ms: int | None = None


class AppState(StrEnum):
    """Whether an app may do anything."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REVOKED = "revoked"


class AppItems(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Data that an app reads: `asset_id` is an id, or the beginning of one with `*` behind it; `partner` "" means any.

    `own` says that the company's own assets are meant, else data received.
    """

    asset_id: str
    partner: str = ""
    own: bool = False

    def covers(self, asset_id: str, partner: str, *, own: bool) -> bool:
        """Whether the data belongs to these."""
        if own is not self.own or (self.partner and partner != self.partner):
            return False
        if self.asset_id.endswith("*"):
            return asset_id.startswith(self.asset_id[:-1])
        return asset_id == self.asset_id


class AppManifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an app says of itself. `digest` is the hexadecimal SHA-256 of its program; `writes` are beginnings of asset ids.

    `signs` are the kinds of words that it may have signed in the name of the company.
    `command` is a file in the folder that the operator opened for apps, "" where the connector never starts it.
    `certification` is the app's AppCertificationCredential as it was issued, or "".
    """

    name: str
    version: str
    digest: str
    purposes: tuple[str, ...] = ()
    reads: tuple[AppItems, ...] = ()
    writes: tuple[str, ...] = ()
    signs: tuple[str, ...] = ()
    command: str = ""
    certification: str = ""


class App(msgspec.Struct, frozen=True, kw_only=True):
    """An app that the company registered."""

    app_id: str
    manifest: AppManifest
    state: AppState = AppState.PROPOSED
    created_ms: int = 0
    approved_ms: int | None = None


class AppToken(msgspec.Struct, frozen=True, kw_only=True):
    """What opens the app interface, by its hash. `is_started` says that the connector started the app itself with it."""

    token_sha256: str
    app_id: str
    is_started: bool = False
    expires_ms: int | None = None
