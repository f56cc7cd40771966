"""What ten thousand counterparties cost in memory: DID documents with keys, what was verified of them, and by what."""

import gc
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

import msgspec
import psutil
from cryptography.hazmat.primitives.asymmetric import ec

from ashiato.clients.keeping import Keeper, KeepingRules
from ashiato.identity.judging import MOST_VERIFIED_COUNT, JudgedCredential, Judgement
from ashiato.identity.presentations import StoredPresentation
from ashiato.identity.querying import PresentationQuery
from ashiato.identity.standings import KnownPeers, StandingRules
from ashiato.trust.claims import claims_of
from ashiato.trust.credentials import (
    CredentialDraft,
    VerifiedCredential,
    issue_credential,
    parse_credential,
    verify_credential,
)
from ashiato.trust.did import DidDocument, Service, did_document, parse_did_document
from ashiato.trust.keys import SigningKey

T = TypeVar("T")

IDENTITIES_COUNT = 10_000
NOW_MS = 1_800_000_000_000
_SUBJECTS: dict[str, dict[str, object]] = {
    "MembershipCredential": {"location": "JP", "memberOf": "Battery space"},
    "RoleCredential": {"role": ["cell maker", "pack maker"]},
    "SecurityProfileCredential": {"profile": "trust"},
    "CompanyCertificationCredential": {"scheme": "ISO 27001", "level": "3"},
    "AppCertificationCredential": {"app": "passport", "version": "1.4"},
    "FrameworkAgreementCredential": {"agreement": "DataExchangeGovernance:1.0"},
}


class _Query(PresentationQuery):
    """A partner's credential service that answers at once."""

    def __init__(self) -> None:
        """Asks nobody, and so needs none of what the real one does."""

    async def credentials(
        self, participant_id: str, peer_id: str, token: str, now_ms: int
    ) -> tuple[str, ...]:
        return ("credential of " + peer_id,)


class _Store:
    """What was presented stays in the database; here it is forgotten."""

    async def get(self, participant_id: str, peer_id: str) -> StoredPresentation | None:
        return None

    async def put(self, participant_id: str, presentation: StoredPresentation) -> None:
        """Nothing is kept: the memory of the process is measured."""

    async def delete(self, participant_id: str, peer_id: str) -> None:
        """Nothing was kept."""


class _Flights:
    """One waiter at a time."""

    async def once(self, key: tuple[str, ...], work: Callable[[], Awaitable[T]]) -> T:
        return await work()


class _Credential(msgspec.Struct, frozen=True):
    """As much of a verified credential as its claims are taken from."""

    types: tuple[str, ...]
    claims: dict[str, object]


class _Judge:
    """Six credentials that count, with texts of their own as they come out of JSON."""

    def generation(self, participant_id: str) -> object:
        return self

    async def judge(
        self,
        participant_id: str,
        holder: str,
        credentials: tuple[str, ...],
        now_ms: int,
        key_thumbprint: str = "",
    ) -> Judgement:
        subjects = {type_: {**members, "holderIdentifier": holder} for type_, members in _SUBJECTS.items()}
        told = msgspec.json.decode(msgspec.json.encode(subjects), type=dict[str, dict[str, object]])
        found = [_Credential((type_,), members) for type_, members in told.items()]
        judged = tuple(JudgedCredential(one.types, "did:web:issuer.example") for one in found)
        # Only what really was verified makes a VerifiedCredential; its claims are taken in the same way.
        claims = claims_of(cast(list[VerifiedCredential], found))
        return Judgement(credentials=judged, claims=claims, until_ms=now_ms + 300_000)


async def cache_mb() -> float:
    """How much the process grows, in MB, when it gets to know `IDENTITIES_COUNT` counterparties."""

    async def download(did: str) -> DidDocument:
        key = SigningKey(f"{did}#key-1", ec.generate_private_key(ec.SECP256R1())).verification_key()
        services = [
            Service(f"{did}#{name}", name, f"https://{did[8:]}/{name}")
            for name in ("DataService", "CredentialService")
        ]
        return parse_did_document(did_document(did, [key], services), did)

    keeper = Keeper(download, KeepingRules(), on_stale=_ignore_stale)
    peers = KnownPeers(
        _Query(), _Store(), _Flights(), _Judge(), StandingRules(), _ignore_change, _ignore_need
    )
    await _meet(keeper, peers, "did:web:warm.example")
    issuer = SigningKey("did:web:issuer.example#key-1", ec.generate_private_key(ec.SECP256R1()))
    _verified(issuer, MOST_VERIFIED_COUNT)
    gc.collect()
    before_bytes = psutil.Process().memory_info().rss
    for number in range(IDENTITIES_COUNT):
        await _meet(keeper, peers, f"did:web:partner-{number}.example")
    # The memory of signatures that were verified already is full, as after an hour of many callers.
    verified = [_verified(issuer, number) for number in range(MOST_VERIFIED_COUNT)]
    gc.collect()
    grown_bytes = psutil.Process().memory_info().rss - before_bytes
    if len(verified) != MOST_VERIFIED_COUNT:
        raise SystemExit("every credential must be in memory while it is measured")
    return round(grown_bytes / 1_000_000, 1)


def _verified(issuer: SigningKey, number: int) -> VerifiedCredential:
    draft = CredentialDraft(
        credential_id=f"urn:uuid:{number:032x}",
        subject=f"did:web:partner-{number}.example",
        types=("MembershipCredential",),
        claims={"holderIdentifier": f"BPNL{number:012d}", **_SUBJECTS["MembershipCredential"]},
        issued_ms=NOW_MS - 1000,
        valid_from_ms=NOW_MS - 1000,
    )
    document = parse_did_document(did_document(issuer.did, [issuer.verification_key()], []), issuer.did)
    return verify_credential(parse_credential(issue_credential(issuer, draft)), document, now_ms=NOW_MS)


async def _meet(keeper: Keeper[DidDocument], peers: KnownPeers, did: str) -> None:
    document = await keeper.get(did, NOW_MS)
    (key,) = document.value.methods.values()
    known = await peers.of_caller("maker", did, "token", NOW_MS, key)
    if not known.judgement.claims:
        raise SystemExit("the measured counterparty must be known")


def _ignore_stale(key: str, age_s: int, why: str) -> None:
    """No document gets old here."""


async def _ignore_change(participant_id: str, peer_id: str, now_ms: int) -> None:
    """Nobody's standing changes here."""


def _ignore_need(participant_id: str, peer_id: str, age_s: int, why: str) -> None:
    """Every credential service answers here."""
