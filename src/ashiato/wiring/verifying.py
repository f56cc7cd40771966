"""Puts the verifier of credentials together, for `[trust] mode = "dcp"`."""

from collections.abc import Callable, Sequence
from typing import Literal

import structlog

from ashiato.api.self_descriptions import Describer
from ashiato.clients.credential_services import CredentialServices
from ashiato.clients.egress import Egress
from ashiato.clients.flights import SingleFlights
from ashiato.clients.keeping import KeepingRules
from ashiato.clients.linked_documents import LinkedDocuments
from ashiato.clients.trust_lists import (
    EditionsUnavailable,
    LoadedTrustList,
    SignerUnknown,
    TrustListBook,
    TrustListSource,
)
from ashiato.connector.node import Tenant, Tenants
from ashiato.connector.ports import Moment, Store
from ashiato.connector.records import Event
from ashiato.identity.judging import CredentialJudge, JudgingRules
from ashiato.identity.presented import PresentedCredentials
from ashiato.identity.querying import PresentationQuery
from ashiato.identity.signed_tokens import CannotResolve, Documents, SignedTokens
from ashiato.identity.standings import Known, KnownPeers, StandingRules
from ashiato.stores.engine import SqlStore
from ashiato.stores.errors import StoreUnavailable
from ashiato.trust.did import DidDocument
from ashiato.trust.trust_list import TrustBook
from ashiato.wiring.evidence import FetchedEvidence, SchemaCheck, StoredPresentations
from ashiato.wiring.settings import TrustSettings
from ashiato.wiring.tenancy import Tenancy

# Running streams ask again whether their right stands (`couriers.streaming`).
CHANGE_OF_STANDING = "standing.changed"

log = structlog.get_logger()


class Signers:
    """The port `clients.trust_lists.Signers`."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def document(self, did: str, now_ms: int, *, needs_kid: str | None) -> DidDocument:
        """See the port."""
        try:
            return await self._documents.resolve(did, now_ms, needs_kid=needs_kid)
        except CannotResolve as error:
            raise SignerUnknown(error.why) from error


class StoredEditions:
    """The port `clients.trust_lists.Editions`, on the store of this program."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store

    async def enter(self, signer: str, place: str, number: int, sha256: str) -> tuple[int, str]:
        """See the port."""
        try:
            return await self._store.enter_edition(signer, place, number, sha256)
        except StoreUnavailable as error:
            raise EditionsUnavailable(f"the store does not answer: {error}") from error


class ListsByParticipant:
    """The port `identity.judging.TrustLists`: lists are configured by slug and asked for by DID."""

    def __init__(self, book: TrustListBook, tenancy: Tenancy) -> None:
        self._book = book
        self._tenancy = tenancy

    def of(self, participant_id: str) -> tuple[TrustBook, ...]:
        """See the port."""
        tenant = self._tenancy.by_id(participant_id)
        return () if tenant is None else self._book.of(tenant.slug)


class Changes:
    """Tells who is concerned that something else is verified than before."""

    def __init__(self, store: Store, tenants: Tenants, moment: Callable[[], Moment]) -> None:
        self._store = store
        self._tenants = tenants
        self._moment = moment

    async def of_peer(self, participant_id: str, peer_id: str, now_ms: int) -> None:
        """What is verified of one peer changed."""
        event = Event(
            name=CHANGE_OF_STANDING,
            participant_id=participant_id,
            process_id=peer_id,
            peer_id=peer_id,
            at_ms=now_ms,
        )
        await self._store.run(participant_id, lambda uow: uow.tell(event))

    def follow(self, peers: KnownPeers) -> None:
        """From now on `peers` hears what this process and every other on the same database learn or forget of a peer."""

        def hear(event: Event) -> None:
            if event.name == CHANGE_OF_STANDING and event.peer_id:
                peers.hear(event.participant_id, event.peer_id)

        self._store.subscribe(hear)

    async def of_lists(self) -> None:
        """Other trust lists are in force: everything may be otherwise for everybody."""
        for tenant in self._tenants.all():
            await self.of_peer(tenant.participant_id, "", self._moment().now_ms)


class TrustDesk:
    """The port `api.management.ports.TrustDesk`."""

    def __init__(
        self, settings: TrustSettings, book: TrustListBook, peers: KnownPeers | None, describer: Describer
    ) -> None:
        self._book = book
        self._describer = describer
        self._peers = peers
        self.mode: Literal["tokens", "dcp"] = "tokens" if peers is None else "dcp"
        self.scopes: Sequence[str] = settings.scopes
        self.required: Sequence[str] = settings.required_credentials

    def lists(self, tenant: Tenant) -> list[LoadedTrustList]:
        """See the port."""
        return self._book.shown(tenant.slug)

    async def partner(self, tenant: Tenant, partner_id: str, now_ms: int) -> Known | None:
        """See the port."""
        if self._peers is None:
            return None
        return await self._peers.of_peer(tenant.participant_id, partner_id, now_ms)

    async def self_description(self, tenant: Tenant, moment: Moment) -> Sequence[str]:
        """See the port."""
        return await self._describer.of_participant(tenant, moment)

    async def forget(self, tenant: Tenant, partner_id: str, now_ms: int) -> None:
        """See the port."""
        if self._peers is not None:
            await self._peers.forget(tenant.participant_id, partner_id, now_ms)


def trust_list_book(
    settings: TrustSettings,
    egress: Egress,
    documents: Documents,
    store: SqlStore,
    changes: Changes,
    moment: Callable[[], Moment],
) -> TrustListBook:
    """The trust lists that the settings name; not read yet."""
    return TrustListBook(
        [
            TrustListSource(known.signer, known.file, known.url, known.participants, is_foreign=known.foreign)
            for known in settings.lists
        ],
        egress,
        Signers(documents),
        StoredEditions(store),
        clock_ms=lambda: moment().now_ms,
        fresh_s=settings.list_fresh_s,
        on_change=changes.of_lists,
    )


def presented_credentials(
    settings: TrustSettings,
    tokens: SignedTokens,
    book: TrustListBook,
    *,
    store: Store,
    egress: Egress,
    documents: Documents,
    tenancy: Tenancy,
    changes: Changes,
    moment: Callable[[], Moment],
) -> PresentedCredentials:
    """The identity port that asks every caller for its credentials."""
    linked = LinkedDocuments(
        egress, KeepingRules(fresh_s=settings.status_fresh_s, stale_s=settings.status_stale_s)
    )
    evidence = FetchedEvidence(documents, linked, CredentialServices(egress))
    judge = CredentialJudge(
        evidence,
        ListsByParticipant(book, tenancy),
        SchemaCheck(),
        JudgingRules(status_fresh_s=settings.status_fresh_s, loose_vc11=settings.unsafe_loose_vc11),
    )
    peers = KnownPeers(
        PresentationQuery(
            evidence,
            tokens,
            settings.scopes,
            lambda: moment().fresh_id(),
            loose_vc11=settings.unsafe_loose_vc11,
        ),
        StoredPresentations(store),
        SingleFlights(),
        judge,
        StandingRules(
            presentation_fresh_s=settings.presentation_fresh_s,
            presentation_stale_s=settings.presentation_stale_s,
        ),
        changes.of_peer,
        _tell_need,
    )
    # Before the streams listen: they ask what is known when they hear of a change.
    changes.follow(peers)
    return PresentedCredentials(tokens, peers, settings.required_credentials)


def _tell_need(participant_id: str, peer_id: str, age_s: int, why: str) -> None:
    log.warning(
        "a presentation is used without asking again",
        participant=participant_id,
        peer=peer_id,
        age_s=age_s,
        why=why,
    )
