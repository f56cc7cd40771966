"""A verifier put together from its real parts over a real store, with the test's clock and trust lists."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from ashiato.clients.credential_services import CredentialServices
from ashiato.clients.did_web import DidCacheRules, DidResolver
from ashiato.clients.egress import Egress, EgressRules
from ashiato.clients.flights import SingleFlights
from ashiato.clients.keeping import KeepingRules
from ashiato.clients.linked_documents import LinkedDocuments
from ashiato.connector.node import Tenant
from ashiato.connector.ports import Moment
from ashiato.identity.judging import CredentialJudge, JudgingRules
from ashiato.identity.presented import PresentedCredentials
from ashiato.identity.querying import PresentationQuery
from ashiato.identity.signed_tokens import SignedTokens
from ashiato.identity.standings import KnownPeers, StandingRules
from ashiato.stores.engine import SqlStore
from ashiato.trust.did import parse_did_document
from ashiato.trust.standing import Standing
from ashiato.trust.trust_list import TrustBook, parse_trust_list, verify_trust_list
from ashiato.wiring.adapters import Documents
from ashiato.wiring.evidence import FetchedEvidence, SchemaCheck, StoredPresentations
from ashiato.wiring.verifying import Changes
from tests.dcp_parties import Holder, Issuer, Party, World

SCOPES = ("org.eclipse.dspace.dcp.vc.type:MembershipCredential:read",)


@dataclass
class Lists:
    """The trust lists in force."""

    in_force: tuple[TrustBook, ...] = ()

    def of(self, participant_id: str) -> tuple[TrustBook, ...]:
        return self.in_force


class Nobody:
    """The port `Tenants` where no participant is served."""

    def by_slug(self, slug: str) -> Tenant | None:
        return None

    def by_id(self, participant_id: str) -> Tenant | None:
        return None

    def all(self) -> list[Tenant]:
        return []


@dataclass
class Verifier:
    """One company that asks its callers for credentials."""

    world: World
    party: Party
    identity: PresentedCredentials
    lists: Lists
    changes: list[str] = field(default_factory=list)
    needs: list[tuple[str, int]] = field(default_factory=list)

    @property
    def did(self) -> str:
        return self.party.did

    def trust(self, hub: Issuer, text: str) -> None:
        """Put one list in force, beside those that are."""
        document = parse_did_document(hub.document(), hub.did)
        known = verify_trust_list(parse_trust_list(text), document, now_ms=self.world.now_ms)
        self.lists.in_force = (*self.lists.in_force, TrustBook(known))

    async def call(self, holder: Holder, access_token: str | None = "let me see") -> Standing:
        """What is verified of a holder that calls."""
        header = holder.token(self.did, access_token)
        return (await self.identity.authenticate(self.did, header, self.world.now_ms)).standing

    async def stored(self, holder: Holder) -> Standing:
        """What is known of a holder that does not call."""
        return await self.identity.standing(self.did, holder.did, self.world.now_ms)

    async def why(self, holder: Holder) -> str:
        """Why its credentials do not count."""
        known = await self.identity.peers.of_peer(self.did, holder.did, self.world.now_ms)
        return "" if known is None else known.reasons()


@asynccontextmanager
async def verifier(
    world: World,
    store: SqlStore,
    *,
    name: str = "verifier",
    required: tuple[str, ...] = (),
    rules: StandingRules | None = None,
    keeping: KeepingRules | None = None,
    egress_rules: EgressRules | None = None,
) -> AsyncIterator[Verifier]:
    """A verifier whose memory is empty and whose store is as it is."""
    party = world.parties.get(name) or world.issuer(name)
    ids = itertools.count()
    async with Egress(egress_rules or EgressRules(unsafe_allow_loopback=True, connect_timeout_s=2)) as egress:
        documents = Documents(DidResolver(egress, rules=DidCacheRules(timeout_s=2)))
        linked = LinkedDocuments(egress, keeping or KeepingRules())
        evidence = FetchedEvidence(documents, linked, CredentialServices(egress))
        tokens = SignedTokens(documents, {party.did: party.key})
        lists = Lists()
        made: list[Verifier] = []

        changes = Changes(store, Nobody(), lambda: Moment(world.now_ms, lambda: f"{name}-{next(ids)}"))

        async def changed(participant_id: str, peer_id: str, now_ms: int) -> None:
            made[0].changes.append(peer_id)
            await changes.of_peer(participant_id, peer_id, now_ms)

        peers = KnownPeers(
            PresentationQuery(evidence, tokens, SCOPES, lambda: f"{name}-{next(ids)}-{id(tokens)}"),
            StoredPresentations(store),
            SingleFlights(),
            CredentialJudge(evidence, lists, SchemaCheck(), JudgingRules()),
            rules or StandingRules(),
            changed,
            lambda participant_id, peer_id, age_s, why: made[0].needs.append((why, age_s)),
        )
        changes.follow(peers)
        made.append(Verifier(world, party, PresentedCredentials(tokens, peers, required), lists))
        yield made[0]
