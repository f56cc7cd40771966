"""Brings participants into service: from the settings, from the store, and through the management API."""

import asyncio
from collections.abc import Callable

import msgspec
import structlog

from ashiato.api.management.admission import RESERVED_SLUGS
from ashiato.connector import issuance
from ashiato.connector.node import Tenant
from ashiato.connector.offers import check_id
from ashiato.connector.ports import Moment
from ashiato.connector.problems import Invalid, NotFound, WrongState
from ashiato.connector.records import Event
from ashiato.couriers.streaming import END_OF_SERVICE
from ashiato.stores.engine import SqlStore
from ashiato.stores.keys import KeySafe
from ashiato.stores.participants import Participant
from ashiato.wiring.grants import Grants
from ashiato.wiring.settings import BadSettings, ParticipantSettings
from ashiato.wiring.tenancy import Identity, Tenancy, did_of

ADDED = "participant.added"
API_KEY_SETTING = "api_key_sha256"

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
    ) -> None:
        self._store = store
        self._safe = safe
        self._tenancy = tenancy
        self._public_url = public_url
        self._moment = moment
        self._grants = grants
        self._on_key = on_key
        self._on_suspension = on_suspension
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

    async def add(self, slug: str, name: str, did: str | None, api_key_sha256: str) -> Tenant:
        """See `api.management.ports.TenantAdmin`."""
        tenant = self._serve(await self._create(slug, name, did, (api_key_sha256,)))
        await self._announce(tenant.participant_id, ADDED)
        return tenant

    async def suspend(self, slug: str) -> None:
        """See `api.management.ports.TenantAdmin`."""
        participant = await self._store.participant_by_slug(slug)
        if participant is None:
            raise NotFound(f"There is no participant {slug!r}.", slug=slug)
        await self._store.replace_participant(msgspec.structs.replace(participant, is_suspended=True))
        self._tenancy.suspend(slug)
        self._on_suspension(slug)
        await self._announce(participant.participant_id, END_OF_SERVICE)
        log.info("participant suspended", participant=participant.participant_id)

    def follow(self, event: Event) -> None:
        """For `Store.subscribe`: another process on the same database added or suspended a participant."""
        if event.name in (ADDED, END_OF_SERVICE):
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
        elif self._tenancy.by_id(participant_id) is None:
            self._serve(participant)

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
        key = self._safe.open(participant.keys[-1])
        return self._tenancy.serve(
            Identity(
                participant.slug,
                participant.name,
                participant.participant_id,
                key,
                is_issuer=participant.participant_id in self._issuers,
            )
        )
