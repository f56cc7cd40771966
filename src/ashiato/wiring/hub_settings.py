"""The settings of a hub: one TOML file, and environment variables as with the connector."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from ashiato.wiring.settings import (
    BadSettings,
    DidSettings,
    KeySettings,
    ListenerSettings,
    ProtocolSettings,
    StoreSettings,
    read_settings,
)


class HubStoreSettings(StoreSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As with the connector; the key file of the hub lies in `directory` too."""

    url: str = "sqlite:///ashiato-hub/hub.db"
    directory: str = "ashiato-hub"


class OperatorSettings(ListenerSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The operator's listener; keys are given as hexadecimal SHA-256 hashes. A metrics key opens the figures and nothing else."""

    operator_key_sha256: tuple[str, ...] = ()
    metrics_key_sha256: tuple[str, ...] = ()


class WitnessSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One witness of the ledger: its key for cosignatures as text, and the prefix of its addresses."""

    key: str
    url: str


class LedgerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ledger. `origin` is its name for ever (default: the address without scheme under which it is served).

    With witnesses, `quorum_count` of them cosign each checkpoint before anybody sees it.
    """

    origin: str = ""
    quorum_count: int = 1
    period_ms: int = 100
    witnesses: tuple[WitnessSettings, ...] = ()


class HubSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of `ashiato hub run`.

    `public` is the listener for parties and everybody, `slug` the path segment of the hub's own DID below its `public_url`.
    `unsafe_allow_loopback` is for demo and tests on one machine, as with the connector.
    """

    store: HubStoreSettings = msgspec.field(default_factory=HubStoreSettings)
    public: ProtocolSettings = msgspec.field(default_factory=ProtocolSettings)
    operator: OperatorSettings = msgspec.field(default_factory=OperatorSettings)
    did: DidSettings = msgspec.field(default_factory=DidSettings)
    keys: KeySettings = msgspec.field(default_factory=KeySettings)
    ledger: LedgerSettings = msgspec.field(default_factory=LedgerSettings)
    slug: str = "hub"
    name: str = "Hub"
    connections_count: int = 4_000
    unsafe_allow_loopback: bool = False
    node_id: str = ""


LEDGER_KEY_FILE = "ledger-key.pem"
"""The key of the hub's log, in the folder of the store."""


def key_file_of(settings: HubSettings) -> Path:
    """Where the key file lies."""
    named = settings.store.key_file
    return Path(named) if named else Path(settings.store.directory) / "keys.json"


def load_hub_settings(path: Path, environment: Mapping[str, str] | None = None) -> HubSettings:
    """The settings in `path` under those of the environment; raises `BadSettings`."""
    return check_hub_settings(read_settings(path, HubSettings, "ashiato hub init", environment))


def check_hub_settings(settings: HubSettings) -> HubSettings:
    """The settings, when they hold together; raises `BadSettings`."""
    url = settings.public.public_url
    if not url and not settings.unsafe_allow_loopback:
        raise BadSettings("Set public.public_url to the address at which parties reach this hub.")
    if url.startswith("http://") and not settings.unsafe_allow_loopback:
        raise BadSettings(
            "public.public_url must be https; plain http needs unsafe_allow_loopback and is for tests."
        )
    if url and not url.startswith(("https://", "http://")):
        raise BadSettings("public.public_url must begin with https://.")
    if settings.slug == "v1" or not settings.slug.replace("-", "").isalnum():
        raise BadSettings("slug: write letters, digits and hyphens, and not v1.")
    if not settings.operator.operator_key_sha256:
        raise BadSettings("operator.operator_key_sha256 is empty: without a key nobody can run this hub.")
    return settings
