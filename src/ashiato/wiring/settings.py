"""The settings of a connector: one TOML file, and environment variables for what differs from machine to machine.

A variable `ASHIATO__STORE__URL` replaces `url` in `[store]`; its value is read as TOML if it can be, else as text.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import TypeVar

import msgspec

from ashiato.identity.wallet import is_scope

ENVIRONMENT_PREFIX = "ASHIATO__"
TOKENS, DCP = "tokens", "dcp"
_LOCATION = re.compile(r"[A-Z]{2}")

S = TypeVar("S", bound=msgspec.Struct)


class BadSettings(Exception):
    """The operator must mend the settings; the sentence says where and how."""


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where state is kept: `sqlite:///path` or `postgresql://…`. `directory` holds received files and the key file.

    `key_passphrase` names a secret (`env:NAME`, `file:PATH`) from which the key of the key file is derived.
    """

    url: str = "sqlite:///ashiato-data/connector.db"
    directory: str = "ashiato-data"
    key_file: str = ""
    key_passphrase: str = ""


class ListenerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One listener. Port 0 takes a free one. TLS is used when both files are given."""

    host: str = "127.0.0.1"
    port: int = 0
    certificate_file: str = ""
    private_key_file: str = ""


class ProtocolSettings(ListenerSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The listener for other companies; `public_url` is how they reach it, without a trailing slash."""

    public_url: str = ""


class OidcSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bearer tokens of an OpenID provider for the management API; `own_networks` are those in which it may lie."""

    issuer: str
    audience: str
    own_networks: tuple[str, ...] = ()
    participants_claim: str = "ashiato_participants"
    operator_scope: str = "ashiato:operator"


class ManagementSettings(ListenerSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The listener for the company's own people and programs; `operator_key_sha256` are hexadecimal hashes of keys."""

    operator_key_sha256: tuple[str, ...] = ()
    oidc: OidcSettings | None = None


class ParticipantSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A company that this connector serves, below the path segment `slug`.

    `apps_directory` holds programs that the company may have started as apps, as the user of this program.
    `location` is the country (ISO 3166-1, "JP") in which data received is used: policies may ask for it.
    `own_networks` ("10.0.0.0/8") are networks of the company's own, in which its sources and webhooks may lie; what a
    counterparty names is never called there. `issues_credentials` gives the company an issuer service.
    """

    slug: str
    name: str = ""
    did: str = ""
    api_key_sha256: tuple[str, ...] = ()
    files_directory: str = ""
    apps_directory: str = ""
    location: str = ""
    own_networks: tuple[str, ...] = ()
    secrets: dict[str, str] = {}
    issues_credentials: bool = False


class LimitSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds against a counterparty that asks for too much."""

    open_negotiations_per_partner_count: int = 20_000
    open_transfers_per_partner_count: int = 5_000
    pushed_data_bytes: int = 16 * 1024**3
    connections_count: int = 4_000


class DidSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long DID documents of others are believed: fresh, and at most while their host cannot be reached."""

    fresh_s: int = 300
    stale_s: int = 86_400


class TrustListSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A trust list, in a file or behind an address, believed when `signer` signed it.

    Without a signer it is a file of the operator's own. It counts for the participants with these slugs only; for all of them
    when none is named. A foreign list counts as far as one of the others recognises its publisher.
    """

    signer: str = ""
    file: str = ""
    url: str = ""
    foreign: bool = False
    participants: tuple[str, ...] = ()


class TrustSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked of other companies beside their identity, and how long the answer is believed.

    `tokens` asks for nothing; `dcp` asks for credentials by the Decentralized Claims Protocol. Who lacks one of
    `required_credentials` is refused everything; without any, it only lacks the claims.
    """

    mode: str = TOKENS
    scopes: tuple[str, ...] = tuple(
        f"org.eclipse.dspace.dcp.vc.type:{name}:read"
        for name in (
            "MembershipCredential",
            "RoleCredential",
            "SecurityProfileCredential",
            "CompanyCertificationCredential",
            "AppCertificationCredential",
            "FrameworkAgreementCredential",
        )
    )
    shown_scopes: tuple[str, ...] = scopes
    required_credentials: tuple[str, ...] = ()
    presentation_fresh_s: int = 300
    presentation_stale_s: int = 86_400
    status_fresh_s: int = 300
    status_stale_s: int = 86_400
    list_fresh_s: int = 300
    unsafe_loose_vc11: bool = False
    lists: tuple[TrustListSettings, ...] = ()


class KeySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rotation of signing keys: a new key is published for `overlap_s` before it signs, and the one before it is
    accepted for `keep_s` after that.

    `require_signatures` ends negotiations whose counterparty does not sign the agreement.
    """

    overlap_s: int = 300
    keep_s: int = 86_400
    require_signatures: bool = False


class TimeStampSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The authority (RFC 3161) that stamps our signatures on agreements, and the PEM file of the certificates by which it
    is believed; both empty: none. `own_networks` are those of the company's own in which it may lie.
    """

    url: str = ""
    anchors_file: str = ""
    own_networks: tuple[str, ...] = ()


class WitnessingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The logs that the participants witness, by their keys as text; empty: none, and no address answers for it."""

    logs: tuple[str, ...] = ()


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of `ashiato connector serve`.

    `unsafe_allow_loopback` allows plain http and loopback addresses, for demo and tests on one machine: on a server it
    would let a counterparty reach what listens on this machine. `unsafe_bearer_tokens` serves data to whoever brings an
    access token, without the proof that it is the consumer (RFC 9449): connectors of other makes may need it.
    """

    store: StoreSettings = msgspec.field(default_factory=StoreSettings)
    protocol: ProtocolSettings = msgspec.field(default_factory=ProtocolSettings)
    management: ManagementSettings = msgspec.field(default_factory=ManagementSettings)
    participants: tuple[ParticipantSettings, ...] = ()
    limits: LimitSettings = msgspec.field(default_factory=LimitSettings)
    did: DidSettings = msgspec.field(default_factory=DidSettings)
    trust: TrustSettings = msgspec.field(default_factory=TrustSettings)
    keys: KeySettings = msgspec.field(default_factory=KeySettings)
    time_stamps: TimeStampSettings = msgspec.field(default_factory=TimeStampSettings)
    witness: WitnessingSettings = msgspec.field(default_factory=WitnessingSettings)
    unsafe_allow_loopback: bool = False
    unsafe_bearer_tokens: bool = False
    node_id: str = ""


def load_settings(path: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings in `path` under those of the environment; raises `BadSettings`."""
    return check_settings(read_settings(path, Settings, "ashiato connector init", environment))


def read_settings(
    path: Path, kind: type[S], written_by: str, environment: Mapping[str, str] | None = None
) -> S:
    """What stands in `path`, a file that the command `written_by` writes, under the environment; raises `BadSettings`."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadSettings(f"{path} cannot be read: {error.strerror}. `{written_by}` writes one.") from None
    except ValueError as error:
        raise BadSettings(f"{path} is not TOML: {error}") from None
    _overlay(document, os.environ if environment is None else environment)
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise BadSettings(f"{path}: {error}") from None


def check_settings(settings: Settings) -> Settings:
    """The settings, when they hold together; raises `BadSettings`."""
    slugs = [participant.slug for participant in settings.participants]
    doubled = next((slug for slug in slugs if slugs.count(slug) > 1), None)
    if doubled is not None:
        raise BadSettings(f"Two participants have the slug {doubled!r}; each needs its own.")
    for participant in settings.participants:
        if participant.location and not _LOCATION.fullmatch(participant.location):
            raise BadSettings(
                f"location of {participant.slug!r}: {participant.location!r} is no country of ISO 3166-1; write it like JP."
            )
    stray = next((scope for scope in settings.trust.shown_scopes if not is_scope(scope)), None)
    if stray is not None:
        raise BadSettings(f"trust.shown_scopes: {stray!r} is no scope of DCP 1.0, 5.4.1.2.")
    url = settings.protocol.public_url
    if url.startswith("http://") and not settings.unsafe_allow_loopback:
        raise BadSettings(
            "protocol.public_url must be https; plain http needs unsafe_allow_loopback and is for tests."
        )
    if url and not url.startswith(("https://", "http://")):
        raise BadSettings("protocol.public_url must begin with https://.")
    if not url and not settings.unsafe_allow_loopback:
        raise BadSettings(
            "Set protocol.public_url to the address at which other companies reach this connector."
        )
    _check_trust(settings.trust, frozenset(slugs))
    if bool(settings.time_stamps.url) != bool(settings.time_stamps.anchors_file):
        raise BadSettings("time_stamps: give url and anchors_file, or neither of them.")
    oidc = settings.management.oidc
    for networks in (
        settings.time_stamps.own_networks,
        oidc.own_networks if oidc else (),
        *(known.own_networks for known in settings.participants),
    ):
        _check_networks(networks)
    _check_folders(settings)
    return settings


def _check_folders(settings: Settings) -> None:
    """A participant names the files that it offers: below its folder must lie nothing that is not its own."""
    folders = {
        participant.slug: Path(participant.files_directory).resolve()
        for participant in settings.participants
        if participant.files_directory
    }
    store = Path(settings.store.directory).resolve()
    kept = {"the store's directory": store, **_kept_files(settings)}
    for slug, folder in folders.items():
        others = {f"that of {other!r}": known for other, known in folders.items() if other != slug}
        for name, path in {**kept, **others}.items():
            if path.is_relative_to(folder):
                raise BadSettings(
                    f"files_directory of {slug!r} ({folder}) is or contains {name} ({path}); give it one of its own."
                )
        if folder.is_relative_to(store):
            raise BadSettings(
                f"files_directory of {slug!r} ({folder}) lies in the store's directory ({store}); move it out of there."
            )


def _kept_files(settings: Settings) -> dict[str, Path]:
    """The files of this program that nobody may offer, by what they are."""
    secrets = [(settings.store.key_passphrase, "the secret store.key_passphrase")]
    for participant in settings.participants:
        secrets += [
            (reference, f"the secret {name!r} of {participant.slug!r}")
            for name, reference in participant.secrets.items()
        ]
    named = {what: reference.removeprefix("file:") for reference, what in secrets if reference[:5] == "file:"}
    named["the key file"] = settings.store.key_file
    named["the database"] = (
        settings.store.url.removeprefix("sqlite:///") if "sqlite:" in settings.store.url else ""
    )
    named["the private key of the protocol's listener"] = settings.protocol.private_key_file
    named["the private key of the management's listener"] = settings.management.private_key_file
    return {what: Path(path).resolve() for what, path in named.items() if path}


def _check_trust(trust: TrustSettings, slugs: frozenset[str]) -> None:
    if trust.mode not in (TOKENS, DCP):
        raise BadSettings(f'trust.mode must be "{TOKENS}" or "{DCP}".')
    if trust.mode == DCP and not trust.scopes:
        raise BadSettings('trust.scopes is empty: with trust.mode = "dcp" something must be asked for.')
    for known in trust.lists:
        if bool(known.file) == bool(known.url):
            raise BadSettings("trust.lists: give each list either a file or a url.")
        if known.signer and not known.signer.startswith("did:web:"):
            raise BadSettings(f"trust.lists: {known.signer!r} is no did:web; name who signs the list.")
        if not known.signer and (known.url or known.foreign):
            raise BadSettings("trust.lists: a list that lies elsewhere or is foreign needs a signer.")
        unknown = sorted(set(known.participants) - slugs)
        if unknown:
            raise BadSettings(f"trust.lists: there is no participant {unknown[0]!r}.")


def _check_networks(networks: tuple[str, ...]) -> None:
    for network in networks:
        try:
            ip_network(network)
        except ValueError:
            raise BadSettings(f"own_networks: {network!r} is no network; write it like 10.0.0.0/8.") from None


def resolve_secret(reference: str, environment: Mapping[str, str] | None = None) -> str:
    """The secret behind `env:NAME` or `file:PATH`; raises `BadSettings`. Secrets themselves never stand in the file."""
    kind, _, rest = reference.partition(":")
    if kind == "env":
        value = (os.environ if environment is None else environment).get(rest)
        if value is None:
            raise BadSettings(f"The environment variable {rest} is not set.")
        return value
    if kind == "file":
        try:
            return Path(rest).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise BadSettings(f"The secret file {rest} cannot be read: {error.strerror}") from None
    raise BadSettings("A secret is given as env:NAME or file:PATH.")


def _overlay(document: dict[str, object], environment: Mapping[str, str]) -> None:
    for name, text in sorted(environment.items()):
        if not name.startswith(ENVIRONMENT_PREFIX):
            continue
        path = name[len(ENVIRONMENT_PREFIX) :].lower().split("__")
        section = document
        for part in path[:-1]:
            inner = section.setdefault(part, {})
            if not isinstance(inner, dict):
                raise BadSettings(f"{name} points into {part!r}, which is not a section.")
            section = inner
        section[path[-1]] = _value(text)


def _value(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except ValueError:
        return text
