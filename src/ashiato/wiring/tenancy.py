"""The participants of one program: who they are, their keys, and the companies that act for them."""

from collections.abc import Callable, Iterable
from urllib.parse import quote, urlsplit

import msgspec

from ashiato.api.contract_texts import PATH as CONTRACT_TEXTS_PATH
from ashiato.api.dcp import credential_service, issuer_service
from ashiato.api.self_descriptions import PATH as SELF_DESCRIPTION_PATH
from ashiato.clients.egress import Egress, EgressRefused
from ashiato.clients.ways_out import WaysOut
from ashiato.connector.company import Company, Reactor
from ashiato.connector.data_address import TokenDoor
from ashiato.connector.node import Tenant
from ashiato.connector.problems import Invalid
from ashiato.connector.strategies import Strategy
from ashiato.couriers.asking_receipts import RECEIPT_SERVICE
from ashiato.dsp import v2025_1 as wire
from ashiato.identity import dcp_v1_0 as dcp
from ashiato.statements.contract_texts import CONTRACT_TEXT_SERVICE
from ashiato.statements.self_descriptions import SELF_DESCRIPTION_SERVICE
from ashiato.stores.participants import SealedKey
from ashiato.trust import agreements
from ashiato.trust.did import DidDocument, Service, did_document, parse_did_document
from ashiato.trust.keys import SigningKey
from ashiato.trust.signing import LocalSigner, Signer
from ashiato.wiring.key_ring import KeyRing, PresentKeys
from ashiato.wiring.settings import LimitSettings

SERVICE_IDS = {wire.DATA_SERVICE: "connector", wire.CATALOG_SERVICE: "catalog"}


class Identity(msgspec.Struct, frozen=True):
    """A participant with its keys, as it comes out of the store."""

    slug: str
    name: str
    did: str
    ring: KeyRing
    is_issuer: bool = False


class AgreementSeal:
    """The port `AgreementSigner` over a participant's present signer."""

    def __init__(self, signer: Callable[[], Signer], public_jwk: Callable[[str], dict[str, str]]) -> None:
        self._signer = signer
        self._public_jwk = public_jwk

    def sign_now(self, text: bytes) -> str | None:
        """See `connector.company.AgreementSigner`."""
        return agreements.sign_now(self._signer(), text)

    async def sign(self, text: bytes) -> str:
        """See `connector.company.AgreementSigner`."""
        return await agreements.sign(self._signer(), text)

    def public_jwk(self, kid: str) -> dict[str, str]:
        """See `connector.company.AgreementSigner`."""
        return self._public_jwk(kid)


class Tenancy:
    """The port `Tenants`, and the keys behind identity and data tokens."""

    def __init__(
        self,
        public_url: str,
        protocol_base: str,
        ways_out: WaysOut,
        strategy: Strategy,
        reactors: tuple[Reactor, ...],
        limits: LimitSettings,
        now_ms: Callable[[], int],
        requires_signatures: bool = False,
    ) -> None:
        self.public_url = public_url
        self._protocol_base = protocol_base
        self._ways_out = ways_out
        self._strategy = strategy
        self._reactors = reactors
        self._limits = limits
        self.locations: dict[str, str] = {}
        self._by_slug: dict[str, Tenant] = {}
        self._by_id: dict[str, Tenant] = {}
        self._documents: dict[str, DidDocument] = {}
        self._now_ms = now_ms
        self._requires_signatures = requires_signatures
        self._identities: dict[str, Identity] = {}
        self._changes_ms: dict[str, int] = {}
        self._rings: dict[str, KeyRing] = {}
        self.keys = PresentKeys(self._rings, now_ms)

    def serve(self, identity: Identity) -> Tenant:
        """From now on the participant is served, with these keys."""
        now_ms = self._now_ms()
        root_url = f"{self.public_url}/{identity.slug}"
        document = self.describe(identity, now_ms)
        self._identities[identity.did] = identity
        self._rings[identity.did] = identity.ring
        change_ms = identity.ring.next_change_ms(now_ms)
        if change_ms is None:
            self._changes_ms.pop(identity.did, None)
        else:
            self._changes_ms[identity.did] = change_ms
        self._documents[identity.did] = parse_did_document(document, identity.did)
        tenant = Tenant(
            slug=identity.slug,
            name=identity.name,
            company=self._company(identity.did, root_url),
            root_url=root_url,
            did_document=document,
            is_issuer=identity.is_issuer,
            location=self.locations.get(identity.did, ""),
        )
        self._by_slug[identity.slug] = tenant
        self._by_id[identity.did] = tenant
        return tenant

    def describe(self, identity: Identity, now_ms: int) -> bytes:
        """The DID document of a participant as it is published at an instant."""
        root_url = f"{self.public_url}/{identity.slug}"
        return did_document(
            identity.did,
            identity.ring.published(now_ms),
            [
                Service(f"{identity.did}#{SERVICE_IDS[kind]}", kind, endpoint, wire.SERVICE_CONTEXT)
                for kind, endpoint in wire.service_endpoints(root_url, f"/{self._protocol_base}").items()
            ]
            + [
                Service(f"{identity.did}#receipts", RECEIPT_SERVICE, f"{root_url}/receipts"),
                Service(
                    f"{identity.did}#self-description",
                    SELF_DESCRIPTION_SERVICE,
                    f"{root_url}/{SELF_DESCRIPTION_PATH}",
                ),
                Service(
                    f"{identity.did}#contract-texts",
                    CONTRACT_TEXT_SERVICE,
                    f"{root_url}/{CONTRACT_TEXTS_PATH}",
                ),
            ]
            + _dcp_services(identity, root_url),
            identity.ring.certificates(),
        )

    def suspend(self, slug: str) -> None:
        """From now on the participant is not served; what is under way for it stops at its next step."""
        tenant = self._by_slug.pop(slug, None)
        if tenant is not None:
            del self._by_id[tenant.participant_id]
            self._rings.pop(tenant.participant_id, None)
            self._identities.pop(tenant.participant_id, None)
            self._changes_ms.pop(tenant.participant_id, None)
            self._documents.pop(tenant.participant_id, None)

    def by_slug(self, slug: str) -> Tenant | None:
        """The participant below that path segment."""
        tenant = self._by_slug.get(slug)
        if tenant is not None and self._is_overdue(tenant.participant_id):
            return self.serve(self._identities[tenant.participant_id])
        return tenant

    def by_id(self, participant_id: str) -> Tenant | None:
        """The participant with that DID."""
        return self._by_id.get(participant_id)

    def all(self) -> list[Tenant]:
        """All participants that are served."""
        return list(self._by_slug.values())

    def document(self, did: str) -> DidDocument | None:
        """The DID document of a participant of this program, without asking the network."""
        if self._is_overdue(did):
            self.serve(self._identities[did])
        return self._documents.get(did)

    def own_document(self, participant_id: str) -> DidDocument:
        """The document by whose keys a participant's own tokens are read."""
        document = self.document(participant_id)
        if document is None:
            raise KeyError(participant_id)
        return document

    def _is_overdue(self, did: str) -> bool:
        """Whether a key of that participant came to its time since its document was made."""
        change_ms = self._changes_ms.get(did)
        return change_ms is not None and self._now_ms() >= change_ms

    def lives(self, participant_id: str) -> tuple[SealedKey, ...]:
        """The keys with which the participant is served; none when it is not."""
        ring = self._rings.get(participant_id)
        return () if ring is None else ring.lives

    def key_of(self, participant_id: str) -> Callable[[], SigningKey]:
        """A reader of the present key, so that a rotated one needs no restart."""
        return lambda: self.keys[participant_id]

    def signer_of(self, participant_id: str) -> Callable[[], Signer]:
        """A reader of what signs for the participant now."""
        return lambda: LocalSigner(self.keys[participant_id])

    def _company(self, did: str, root_url: str) -> Company:
        return Company(
            participant_id=did,
            callback_address=f"{root_url}/{self._protocol_base}",
            wire=wire,
            strategy=self._strategy,
            data_door=TokenDoor(
                data_url=f"{root_url}/data", inbox_url=f"{root_url}/inbox", key=self.key_of(did)
            ),
            vet_address=lambda address: _vet(self._ways_out.public, address),
            vet_own_address=lambda address: _vet(self._ways_out.of(did), address),
            reactors=self._reactors,
            most_open_processes_count=self._limits.open_negotiations_per_partner_count,
            most_open_transfers_count=self._limits.open_transfers_per_partner_count,
            requires_signatures=self._requires_signatures,
            signer=AgreementSeal(self.signer_of(did), lambda kid: self.own_document(did).methods[kid].jwk()),
        )


def _dcp_services(identity: Identity, root_url: str) -> list[Service]:
    """Where a participant is asked for its credentials and, when it issues, for new ones (DCP 1.0, 5.2 and 6.2)."""
    services = [
        Service(
            f"{identity.did}#credentials",
            dcp.CREDENTIAL_SERVICE,
            f"{root_url}/{credential_service.BASE}",
            (dcp.CONTEXT,),
        )
    ]
    if identity.is_issuer:
        endpoint = f"{root_url}/{issuer_service.BASE}"
        services.append(Service(f"{identity.did}#issuer", dcp.ISSUER_SERVICE, endpoint, (dcp.CONTEXT,)))
    return services


def _vet(egress: Egress, address: str) -> None:
    try:
        egress.check_url(address)
    except EgressRefused as error:
        raise Invalid(
            f"This connector does not call {address!r}: {error.why}", path="callbackAddress"
        ) from None


def did_of(public_url: str, slug: str) -> str:
    """The did:web under which a participant's document is served at `<public_url>/<slug>/did.json`."""
    parts = urlsplit(public_url)
    segments: Iterable[str] = [segment for segment in parts.path.split("/") if segment]
    return ":".join(["did:web", quote(parts.netloc, safe="."), *segments, slug])
