"""Brings participants into service: from the settings, from the store, and through the management API."""

import asyncio
from collections.abc import Callable

import msgspec
import structlog

from ashiato.api.management.addresses import RESERVED_SLUGS
from ashiato.api.management.ports import KeyShown
from ashiato.connector import issuance
from ashiato.connector.node import Tenant
from ashiato.connector.offers import check_id
from ashiato.connector.ports import Moment
from ashiato.connector.problems import Invalid, NotFound, WrongState
from ashiato.connector.records import Event
from ashiato.couriers.streaming import END_OF_SERVICE
from ashiato.stores.did_log import DidChange
from ashiato.stores.engine import SqlStore
from ashiato.stores.keys import KeySafe
from ashiato.stores.participants import Participant, SealedKey
from ashiato.stores.unit_of_work import SqlUnitOfWork
from ashiato.trust.certificates import bound_chain
from ashiato.trust.key_life import CannotEndKey, NoSuchKey, retired, revoked, rotated, state_of
from ashiato.trust.keys import KeyKind, UnusableKey
from ashiato.wiring.grants import Grants
from ashiato.wiring.key_ring import KeyRing
from ashiato.wiring.settings import BadSettings, KeySettings, ParticipantSettings
from ashiato.wiring.tenancy import Identity, Tenancy, did_of

ADDED = "participant.added"
KEYS_CHANGED = "participant.keys"
DID_CHANGED = "did.changed"
API_KEY_SETTING = "api_key_sha256"

KeyChange = Callable[[Participant], tuple[tuple[SealedKey, ...], str]]

log = structlog.get_logger()


class Registry:
    """The port `TenantAdmin`. Names, keys and suspensions are in the store; secrets and folders only in the settings."""

    def __init__(
        self,
        store: SqlStore,
        safe: KeySafe,
        tenancy: Tenancy,
        public_url: str,
        moment: Callable[[], Moment],
        grants: Grants,
        on_key: Callable[[str, str], None],
        on_suspension: Callable[[str], None],
        key_settings: KeySettings,
    ) -> None:
        self._store = store
        self._safe = safe
        self._tenancy = tenancy
        self._public_url = public_url
        self._moment = moment
        self._grants = grants
        self._on_key = on_key
        self._on_suspension = on_suspension
        self._key_settings = key_settings
        self._refreshing: set[asyncio.Task[None]] = set()
        self._issuers: set[str] = set()

    async def load(self, configured: tuple[ParticipantSettings, ...]) -> None:
        """Serve everybody that the store knows and that the settings name; who is new gets its keys now."""
        known = {participant.slug: participant for participant in await self._store.participants()}
        for settings in configured:
            participant = known.get(settings.slug)
            if participant is None:
                participant = await self._create(settings.slug, settings.name, settings.did or None, ())
                known[settings.slug] = participant
            elif settings.did and settings.did != participant.participant_id:
                raise BadSettings(
                    f"The participant {settings.slug!r} is {participant.participant_id} in the store; its DID cannot change."
                )
            for key_sha256 in settings.api_key_sha256:
                self._on_key(settings.slug, key_sha256)
            self._grants.give(participant.participant_id, settings)
            if settings.issues_credentials:
                self._issuers.add(participant.participant_id)
                await self._store.run(participant.participant_id, issuance.begin)
        for participant in known.values():
            if not participant.is_suspended:
                self._serve(participant)
        await self.write_down_documents()

    async def add(self, slug: str, name: str, did: str | None, api_key_sha256: str) -> Tenant:
        """See `api.management.ports.TenantAdmin`."""
        tenant = self._serve(await self._create(slug, name, did, (api_key_sha256,)))
        await self.write_down_documents((tenant.participant_id,))
        await self._announce(tenant.participant_id, ADDED)
        return tenant

    async def suspend(self, slug: str) -> None:
        """See `api.management.ports.TenantAdmin`."""
        participant = await self._store.participant_by_slug(slug)
        if participant is None:
            raise NotFound(f"There is no participant {slug!r}.", slug=slug)
        # As it is then: a key that is revoked at the same moment stays revoked.
        await self._store.change_participant(
            participant.participant_id, lambda uow, found: msgspec.structs.replace(found, is_suspended=True)
        )
        self._tenancy.suspend(slug)
        self._on_suspension(slug)
        await self._announce(participant.participant_id, END_OF_SERVICE)
        log.info("participant suspended", participant=participant.participant_id)

    async def keys(self, participant_id: str) -> list[KeyShown]:
        """See `api.management.ports.KeyAdmin`."""
        participant = await self._store.participant(participant_id)
        return self._shown_keys(participant) if participant is not None else []

    async def rotate_key(
        self, participant_id: str, actor: str, kind: KeyKind, overlap_s: int | None, keep_s: int | None
    ) -> list[KeyShown]:
        """See `api.management.ports.KeyAdmin`."""
        now_ms = self._moment().now_ms
        overlap_ms = 1000 * (self._key_settings.overlap_s if overlap_s is None else overlap_s)
        keep_ms = 1000 * (self._key_settings.keep_s if keep_s is None else keep_s)

        def change(participant: Participant) -> tuple[tuple[SealedKey, ...], str]:
            new = self._new_key(participant, kind, now_ms, now_ms + overlap_ms)
            waiting = [
                key for key in participant.keys if key.signs_from_ms > now_ms and key.is_published(now_ms)
            ]
            if waiting:
                raise WrongState(f"{waiting[0].kid} is published already and will sign; wait, or retire it.")
            return rotated(participant.keys, new, keep_ms=keep_ms), f"published {new.kid}"

        return await self._change_keys(participant_id, actor, now_ms, change)

    async def retire_key(self, participant_id: str, actor: str, name: str) -> list[KeyShown]:
        """See `api.management.ports.KeyAdmin`."""
        now_ms = self._moment().now_ms
        kid = f"{participant_id}#{name}"
        return await self._change_keys(
            participant_id,
            actor,
            now_ms,
            lambda participant: (retired(participant.keys, kid, now_ms), f"retired {kid}"),
        )

    async def revoke_key(self, participant_id: str, actor: str, name: str) -> list[KeyShown]:
        """See `api.management.ports.KeyAdmin`."""
        now_ms = self._moment().now_ms
        kid = f"{participant_id}#{name}"

        def change(participant: Participant) -> tuple[tuple[SealedKey, ...], str]:
            new = self._new_key(participant, "P-256", now_ms, now_ms)
            return revoked(participant.keys, kid, new, now_ms), f"revoked {kid}"

        return await self._change_keys(participant_id, actor, now_ms, change)

    async def bind_certificates(
        self, participant_id: str, actor: str, name: str, pem: bytes
    ) -> list[KeyShown]:
        """See `api.management.ports.KeyAdmin`."""
        kid = f"{participant_id}#{name}"

        def change(participant: Participant) -> tuple[tuple[SealedKey, ...], str]:
            key = next((key for key in participant.keys if key.kid == kid), None)
            if key is None or key.revoked_ms is not None:
                raise NotFound(f"There is no key {kid}.", id=name)
            try:
                chain = bound_chain(pem, self._safe.open(key).verification_key()) if pem else ()
            except UnusableKey as error:
                raise Invalid(f"The certificates cannot be bound to {kid}: {error.problem}.") from None
            bound = msgspec.structs.replace(key, certificates=chain)
            keys = tuple(bound if other.kid == kid else other for other in participant.keys)
            return keys, f"certificates of {kid}"

        return await self._change_keys(participant_id, actor, self._moment().now_ms, change)

    async def did_changes(
        self, participant_id: str, after_sequence: int, limit_count: int
    ) -> list[DidChange]:
        """See `api.management.ports.KeyAdmin`."""
        return await self._store.did_changes(participant_id, after_sequence, limit_count)

    async def write_down_documents(self, participant_ids: tuple[str, ...] = ()) -> None:
        """Log each DID document that is another than was last logged: what time changed, or the settings."""
        for participant_id in participant_ids or tuple(self._tenancy.keys):
            now_ms = self._moment().now_ms
            latest = await self._store.last_did_change(participant_id)
            participant = await self._store.participant(participant_id)
            if participant is None:
                continue
            document = self._tenancy.describe(self._identity(participant), now_ms)
            if latest is None or latest.document.encode() != document:
                what = (
                    "first published" if latest is None else "a key came to its time, or the settings changed"
                )
                write = self._writer(now_ms, "connector", _unchanged(what))
                await self._store.change_participant(participant_id, write)

    async def _change_keys(
        self, participant_id: str, actor: str, now_ms: int, change: KeyChange
    ) -> list[KeyShown]:
        participant = await self._store.change_participant(
            participant_id, self._writer(now_ms, actor, change)
        )
        if self._tenancy.by_id(participant_id) is not None:
            self._serve(participant)
        await self._announce(participant_id, KEYS_CHANGED)
        log.info("keys changed", participant=participant_id, actor=actor)
        return self._shown_keys(participant)

    def _writer(
        self, now_ms: int, actor: str, change: KeyChange
    ) -> Callable[[SqlUnitOfWork, Participant], Participant]:
        """The change of the keys, of the log of the document and of the history, in one transaction."""

        def write(uow: SqlUnitOfWork, participant: Participant) -> Participant:
            try:
                keys, what = change(participant)
            except NoSuchKey as error:
                raise NotFound(f"{error}.") from None
            except CannotEndKey as error:
                raise WrongState(f"{error}.") from None
            changed = msgspec.structs.replace(participant, keys=keys)
            document = self._tenancy.describe(self._identity(changed), now_ms)
            logged = uow.did_log.add(now_ms, actor, what, document)
            if logged is not None:
                details: dict[str, object] = {
                    "what": what,
                    "actor": actor,
                    "before_sha256": logged.before_sha256,
                    "after_sha256": logged.after_sha256,
                }
                uow.records.add_history(now_ms, DID_CHANGED, uow.participant_id, "", details)
            return changed

        return write

    def _new_key(self, participant: Participant, kind: KeyKind, now_ms: int, signs_from_ms: int) -> SealedKey:
        kid = f"{participant.participant_id}#key-{len(participant.keys) + 1}"
        return msgspec.structs.replace(
            self._safe.new_key(kid, kind), created_ms=now_ms, signs_from_ms=signs_from_ms
        )

    def _shown_keys(self, participant: Participant) -> list[KeyShown]:
        now_ms = self._moment().now_ms
        return [
            KeyShown(
                name=key.kid.partition("#")[2],
                kid=key.kid,
                kind="Ed25519" if self._safe.open(key).algorithm == "Ed25519" else "P-256",
                state=state_of(participant.keys, key, now_ms),
                created_ms=key.created_ms or participant.created_ms,
                signs_from_ms=key.signs_from_ms,
                retire_ms=key.retire_ms,
                revoked_ms=key.revoked_ms,
                certificates_count=len(key.certificates),
            )
            for key in participant.keys
        ]

    def follow(self, event: Event) -> None:
        """For `Store.subscribe`: another process on the same database added, suspended or gave keys to a participant."""
        if event.name in (ADDED, END_OF_SERVICE, KEYS_CHANGED):
            refresh = asyncio.create_task(self._refresh(event.participant_id))
            self._refreshing.add(refresh)
            refresh.add_done_callback(self._refreshing.discard)

    async def _refresh(self, participant_id: str) -> None:
        participant = await self._store.participant(participant_id)
        if participant is None:
            return
        if participant.is_suspended:
            self._tenancy.suspend(participant.slug)
            self._on_suspension(participant.slug)
        else:
            self._serve(participant)

    async def catch_up(self) -> None:
        """Act on what another process changed and this one did not hear of: wake-ups between processes may be lost."""
        for participant in await self._store.participants():
            participant_id = participant.participant_id
            is_served = self._tenancy.by_id(participant_id) is not None
            if participant.is_suspended and is_served:
                await self._refresh(participant_id)
                await self._announce(participant_id, END_OF_SERVICE)
            elif not participant.is_suspended and self._tenancy.lives(participant_id) != participant.keys:
                await self._refresh(participant_id)

    async def _announce(self, participant_id: str, name: str) -> None:
        now_ms = self._moment().now_ms
        event = Event(name=name, participant_id=participant_id, process_id=participant_id, at_ms=now_ms)
        await self._store.run(participant_id, lambda uow: uow.tell(event))

    async def _create(self, slug: str, name: str, did: str | None, api_keys: tuple[str, ...]) -> Participant:
        check_id("participant", slug)
        if slug in RESERVED_SLUGS:
            raise Invalid(
                f"The slug {slug!r} is an address of the connector itself; choose another.", slug=slug
            )
        own_did = did or did_of(self._public_url, slug)
        if not own_did.startswith("did:web:"):
            raise Invalid(
                "The DID of a participant must be a did:web, whose document this connector serves.", did=did
            )
        participant = Participant(
            participant_id=own_did,
            slug=slug,
            name=name or slug,
            keys=(self._safe.new_key(f"{own_did}#key-1"),),
            settings={API_KEY_SETTING: list(api_keys)},
            created_ms=self._moment().now_ms,
        )
        if not await self._store.add_participant(participant):
            raise WrongState(
                f"A participant with the slug {slug!r} or the DID {own_did} exists already.", slug=slug
            )
        log.info("participant added", participant=own_did, slug=slug)
        return participant

    def _serve(self, participant: Participant) -> Tenant:
        stored = participant.settings.get(API_KEY_SETTING)
        for key_sha256 in stored if isinstance(stored, list) else []:
            self._on_key(participant.slug, str(key_sha256))
        return self._tenancy.serve(self._identity(participant))

    def _identity(self, participant: Participant) -> Identity:
        return Identity(
            participant.slug,
            participant.name,
            participant.participant_id,
            KeyRing(participant.keys, self._safe),
            is_issuer=participant.participant_id in self._issuers,
        )


def _unchanged(what: str) -> KeyChange:
    return lambda participant: (participant.keys, what)
