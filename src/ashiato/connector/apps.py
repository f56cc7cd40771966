"""Apps: clients with a manifest and a token of their own, which read what they may and write results.

An app sees only the items of its manifest, uses them only for its purposes, and can do nothing else: its token opens the app
interface and no other address. A changed manifest has to be approved anew, and its old tokens open nothing any more.
"""

import re

import msgspec

from ashiato.connector import offers
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound, NotPermitted, WrongState
from ashiato.connector.records import Asset, HistoryEntry, PolicyDefinition, Visibility
from ashiato.connector.vault import NAMES_GIVEN_BY_OTHERS, Reader
from ashiato.connector.vault_records import (
    App,
    AppManifest,
    AppState,
    AppToken,
    VaultItem,
    VaultState,
    VaultUse,
)
from ashiato.statements.receipts import DigestStanding

RECEIVED_EVENT, RECORD_EVENT, NOTICE_EVENT = "transfer.received", "record.stored", "word.notice"
ANSWER_EVENTS = frozenset(
    f"request.{what}" for what in ("answered", "corrected", "withdrawn", "data-received")
)
"""What a supplier's word about a request does to data that an app may read."""
MOST_NAMES_COUNT = 100
LONGEST_TEXT_CHARS = 500
LONGEST_CERTIFICATION_CHARS = 65_536

_DIGEST = re.compile(r"[0-9a-f]{64}")
_COMMAND = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_WORD = re.compile(r"[!-~]{1,256}")


class AppGrant(msgspec.Struct, frozen=True):
    """What a token opens: an approved app, and whether this connector started it with that token."""

    app: App
    is_started: bool
    certified_as: str = ""
    """The name that a certification which counts gives it (`certification.certification_of`)."""

    @property
    def reader(self) -> Reader:
        """The app as the vault knows it."""
        return Reader(
            subject=f"app:{self.app.app_id}",
            app=self.app.app_id,
            app_digest=self.app.manifest.digest,
            digest=DigestStanding.ENFORCED if self.is_started else DigestStanding.ATTESTED,
            certified_as=self.certified_as,
        )


# What the company decides.


def register(uow: UnitOfWork, app_id: str, manifest: AppManifest, moment: Moment) -> App:
    """Create an app or replace its manifest; the same manifest again changes nothing. Raises `Invalid`."""
    offers.check_id("app", app_id)
    if app_id.startswith(NAMES_GIVEN_BY_OTHERS):
        raise Invalid(f"The app id must not begin with {' or '.join(NAMES_GIVEN_BY_OTHERS)}.", id=app_id)
    _check(manifest)
    known = uow.apps.app(app_id)
    if known is not None and known.manifest == manifest:
        return known
    app = App(app_id=app_id, manifest=manifest, created_ms=known.created_ms if known else moment.now_ms)
    uow.apps.delete_tokens(app_id)
    uow.apps.put_app(app)
    offers.note(uow, moment, "app.registered", app_id, {"digest": manifest.digest})
    return app


def approve(uow: UnitOfWork, app_id: str, token_sha256: str, moment: Moment) -> App:
    """From now on the token with this hash opens the app interface; tokens from before open nothing any more."""
    app = own(uow, app_id)
    app = msgspec.structs.replace(app, state=AppState.APPROVED, approved_ms=moment.now_ms)
    uow.apps.put_app(app)
    uow.apps.delete_tokens(app_id)
    uow.apps.put_token(AppToken(token_sha256=token_sha256, app_id=app_id))
    offers.note(uow, moment, "app.approved", app_id, {"digest": app.manifest.digest})
    return app


def revoke(uow: UnitOfWork, app_id: str, moment: Moment) -> App:
    """From now on the app can do nothing; its results stay."""
    app = msgspec.structs.replace(own(uow, app_id), state=AppState.REVOKED)
    uow.apps.put_app(app)
    uow.apps.delete_tokens(app_id)
    offers.note(uow, moment, "app.revoked", app_id, {})
    return app


def own(uow: UnitOfWork, app_id: str) -> App:
    """The app; raises `NotFound`."""
    app = uow.apps.app(app_id)
    if app is None:
        raise NotFound(f"There is no app {app_id!r}.", id=app_id)
    return app


def begin_run(uow: UnitOfWork, app_id: str, token_sha256: str, until_ms: int, moment: Moment) -> App:
    """A run that the connector starts itself: its token lives as long as the run. Raises `WrongState`."""
    app = own(uow, app_id)
    if app.state is not AppState.APPROVED:
        raise WrongState(f"The app is {app.state}; approve it first.", state=app.state)
    if not app.manifest.command:
        raise WrongState("The manifest names no command that this connector could start.", id=app_id)
    uow.apps.put_token(
        AppToken(token_sha256=token_sha256, app_id=app_id, is_started=True, expires_ms=until_ms)
    )
    offers.note(uow, moment, "app.started", app_id, {"digest": app.manifest.digest})
    return app


def end_run(
    uow: UnitOfWork, app_id: str, token_sha256: str, details: dict[str, object], moment: Moment
) -> None:
    """The run is over: its token opens nothing any more, and the history says how it ended."""
    uow.apps.delete_token(token_sha256)
    offers.note(uow, moment, "app.ended", app_id, details)


# What an app does.


def opened_by(uow: UnitOfWork, token_sha256: str, now_ms: int) -> AppGrant | None:
    """What the token with this hash opens now."""
    token = uow.apps.token(token_sha256)
    if token is None or (token.expires_ms is not None and now_ms >= token.expires_ms):
        return None
    app = uow.apps.app(token.app_id)
    if app is None or app.state is not AppState.APPROVED:
        return None
    return AppGrant(app, token.is_started)


def received_items(uow: UnitOfWork, app: App, after_id: str, limit_count: int) -> list[VaultItem]:
    """What the app may read of the vault, in the order of the received id."""
    found: list[VaultItem] = []
    while len(found) < limit_count and (page := uow.vault.list_items(after_id, 500)):
        after_id = page[-1].received_id
        found += [item for item in page if item.state is VaultState.HELD and _may_read_item(app, item)]
    return found[:limit_count]


def own_assets(uow: UnitOfWork, app: App, after_id: str, limit_count: int) -> list[Asset]:
    """What the app may read of the company's own data, in the order of the asset id."""
    found: list[Asset] = []
    while len(found) < limit_count and (page := uow.assets.list_assets(after_id, 500)):
        after_id = page[-1].asset_id
        found += [asset for asset in page if _may_read(app, asset.asset_id, "", own=True)]
    return found[:limit_count]


def purpose_of(app: App, wanted: str) -> str:
    """The purpose of a use: the one that is named, which the manifest must hold, or the only one of the manifest."""
    purposes = app.manifest.purposes
    if wanted:
        if wanted not in purposes:
            raise NotPermitted(
                f"The manifest of the app does not hold the purpose {wanted!r}.", purpose=wanted
            )
        return wanted
    return purposes[0] if len(purposes) == 1 else ""


def readable_item(uow: UnitOfWork, app: App, received_id: str) -> VaultItem:
    """The item, when it is one of the app's; what is not looks as if it were not there."""
    item = uow.vault.item(received_id)
    if item is None or not _may_read_item(app, item):
        raise NotFound(f"There is no received data {received_id!r} for this app.", id=received_id)
    return item


def use_own(uow: UnitOfWork, grant: AppGrant, asset_id: str, purpose: str, moment: Moment) -> Asset:
    """The company's own asset, when it is one of the app's; the use is counted as any other."""
    app = grant.app
    asset = uow.assets.asset(asset_id)
    if asset is None or not _may_read(app, asset_id, "", own=True):
        raise NotFound(f"There is no asset {asset_id!r} for this app.", id=asset_id)
    reader = grant.reader
    uow.vault.add_use(
        VaultUse(
            use_id=moment.fresh_id(),
            received_id="",
            agreement_id="",
            asset_id=asset_id,
            number=0,
            subject=reader.subject,
            app=app.app_id,
            app_digest=reader.app_digest,
            digest=reader.digest or "",
            purpose=purpose,
            at_ms=moment.now_ms,
        )
    )
    return asset


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What an app writes: a record that becomes an asset of the company, and the terms that it proposes for it."""

    title: str
    body: bytes
    data_item: str = ""
    part_group: str = ""
    policy: dict[str, object] | None = None


def write_result(uow: UnitOfWork, app: App, asset_id: str, result: Result, moment: Moment) -> Asset:
    """Store a result. A new one is hidden until somebody of the company offers it; the proposed terms become a policy that no
    offer uses yet. What the company has offered since, the app leaves as it is: neither the terms nor the class of an asset
    that is shown change by its word. Raises `NotPermitted` and `WrongState`.
    """
    offers.check_id("asset", asset_id)
    if not any(asset_id.startswith(beginning) for beginning in app.manifest.writes):
        raise NotPermitted(f"The manifest of the app does not let it write {asset_id!r}.", id=asset_id)
    known = uow.assets.asset(asset_id)
    if known is not None and known.source != offers.RECORD_SOURCE:
        raise WrongState(f"The asset {asset_id!r} is no record; choose another id.", id=asset_id)
    is_shown = known is not None and known.visibility is not Visibility.HIDDEN
    if is_shown and known and (known.data_item, known.part_group) != (result.data_item, result.part_group):
        raise WrongState("The asset is shown to partners: only the company changes its class.", id=asset_id)
    asset = msgspec.structs.replace(
        known
        or Asset(asset_id=asset_id, title="", source=offers.RECORD_SOURCE, visibility=Visibility.HIDDEN),
        title=result.title,
        data_item=result.data_item,
        part_group=result.part_group,
    )
    asset = offers.put_asset(uow, asset, moment)
    uow.assets.put_record(asset_id, result.body)
    if result.policy is not None:
        _propose(uow, PolicyDefinition(policy_id=f"proposed-by-{app.app_id}", document=result.policy), moment)
    offers.note(uow, moment, "app.result", asset_id, {"app": app.app_id, "size_bytes": len(result.body)})
    return asset


def _propose(uow: UnitOfWork, proposed: PolicyDefinition, moment: Moment) -> None:
    known = uow.assets.policy(proposed.policy_id)
    if known is not None and known.document == proposed.document:
        return
    users = offers.offers_with_policy(uow, proposed.policy_id)
    if users:
        raise WrongState(
            f"The offer {users[0].offer_id!r} uses the terms that were proposed before; only the company changes them.",
            policy_id=proposed.policy_id,
        )
    offers.put_policy(uow, proposed, moment)


def news(uow: UnitOfWork, app: App, after_sequence: int, limit_count: int) -> tuple[list[HistoryEntry], int]:
    """What came in for the app behind a sequence number of the history, and up to where the history was looked through.

    That is data that it may read, what suppliers said to requests where it may read what they send, and records of the
    company's own that it may read and that somebody of the company changed.
    """
    found: list[HistoryEntry] = []
    while len(found) < limit_count and (page := uow.records.list_history(after_sequence, 500)):
        for entry in page:
            after_sequence = entry.sequence
            if _concerns(app, entry):
                found.append(entry)
            if len(found) == limit_count:
                break
    return found, after_sequence


def _concerns(app: App, entry: HistoryEntry) -> bool:
    if entry.event in (RECEIVED_EVENT, NOTICE_EVENT):
        return _may_read(app, str(entry.details.get("asset_id", "")), entry.peer_id, own=False)
    if entry.event == RECORD_EVENT:
        return _may_read(app, entry.process_id, "", own=True)
    return entry.event in ANSWER_EVENTS and any(
        not items.own and items.partner in ("", entry.peer_id) for items in app.manifest.reads
    )


def may_read_of(app: App, asset_id: str, partner: str) -> bool:
    """Whether the app reads such data of that partner."""
    return _may_read(app, asset_id, partner, own=False)


def may_read_own(app: App, asset_id: str) -> bool:
    """Whether the app reads that of its own company."""
    return _may_read(app, asset_id, "", own=True)


def _may_read(app: App, asset_id: str, partner: str, *, own: bool) -> bool:
    return any(items.covers(asset_id, partner, own=own) for items in app.manifest.reads)


def _may_read_item(app: App, item: VaultItem) -> bool:
    return _may_read(app, item.received.asset_id, item.received.peer_id, own=False)


def _check(manifest: AppManifest) -> None:
    for name, value in (("name", manifest.name), ("version", manifest.version)):
        if not 0 < len(value) <= LONGEST_TEXT_CHARS or not value.isprintable():
            raise Invalid(f"The {name} of an app must be short and printable.", path=name)
    if not _DIGEST.fullmatch(manifest.digest):
        raise Invalid("The digest is the SHA-256 of the program in 64 hexadecimal digits.", path="digest")
    if manifest.command and not _COMMAND.fullmatch(manifest.command):
        raise Invalid("The command is the name of a file in the folder of apps.", path="command")
    if len(manifest.certification) > LONGEST_CERTIFICATION_CHARS:
        raise Invalid("The certification is too long.", path="certification")
    for name, values in (
        ("purposes", manifest.purposes),
        ("writes", manifest.writes),
        ("signs", manifest.signs),
    ):
        if len(values) > MOST_NAMES_COUNT or not all(_WORD.fullmatch(value) for value in values):
            raise Invalid(
                f"The {name} are at most {MOST_NAMES_COUNT} words of visible characters.", path=name
            )
    if len(manifest.reads) > MOST_NAMES_COUNT or not all(items.asset_id for items in manifest.reads):
        raise Invalid("Each of the reads names an asset, or the beginning of one with '*'.", path="reads")
