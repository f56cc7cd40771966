"""The wallet: what a participant holds, what it asked for, what it was offered; and which of it a scope opens."""

import hashlib
from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from ashiato.trust.enveloping import Profile
from ashiato.trust.held_credentials import OwnCredential

TYPE_ALIAS = "org.eclipse.dspace.dcp.vc.type:"
ID_ALIAS = "org.eclipse.dspace.dcp.vc.id:"
READ = ":read"
MOST_HELD_COUNT = 1000
MOST_TAKEN_COUNT = 100
# A presentation stays well below what verifiers read as one token.
MOST_PRESENTATION_CHARS = 10_000


class UnknownScope(ValueError):
    """The asker must name a scope of DCP 1.0, 5.4.1.2: a credential type or a credential id."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"the scope {scope[:200]!r} is neither {TYPE_ALIAS}TYPE nor {ID_ALIAS}ID")


class HeldCredential(msgspec.Struct, frozen=True, kw_only=True):
    """A credential of ours, as its issuer sent it."""

    held_id: str
    credential_id: str
    profile: Profile
    types: tuple[str, ...]
    issuer: str
    valid_from_ms: int | None
    valid_until_ms: int | None
    envelope: str
    request_id: str
    received_ms: int

    def holds_at(self, now_ms: int) -> bool:
        """Whether its dates hold."""
        begun = self.valid_from_ms is None or self.valid_from_ms <= now_ms
        return begun and (self.valid_until_ms is None or now_ms < self.valid_until_ms)


class RequestState(StrEnum):
    """How far a request for credentials is, on either side (DCP 1.0, 6.8)."""

    REQUESTED = "REQUESTED"
    """Asked for; the issuer has not answered yet."""
    RECEIVED = "RECEIVED"
    """With the issuer, who has not decided yet."""
    ISSUED = "ISSUED"
    REJECTED = "REJECTED"
    FAILED = "FAILED"
    """The issuer could not be asked, or refused the request itself."""


class CredentialRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request of ours to an issuer; `request_id` is the holderPid."""

    request_id: str
    issuer: str
    credential_ids: tuple[str, ...]
    state: RequestState
    created_ms: int
    updated_ms: int
    issuer_pid: str = ""
    reason: str = ""
    code: str = ""
    """The pre-authorized code, as long as the issuer has not seen it."""
    taken_sha256: tuple[str, ...] = ()
    """The envelopes that came for it, the last ones: one that was removed since is not brought back by a repetition."""


class OfferedCredential(msgspec.Struct, frozen=True):
    """One credential that an issuer offers."""

    id: str
    credential_type: str = ""
    profile: str = ""


class CredentialOffer(msgspec.Struct, frozen=True, kw_only=True):
    """What an issuer offered of its own accord."""

    offer_id: str
    issuer: str
    credentials: tuple[OfferedCredential, ...]
    received_ms: int


def held(own: OwnCredential, envelope: str, request_id: str, now_ms: int) -> HeldCredential:
    """The record of a credential; one that its issuer issues again under the same id takes the place of the former."""
    digest = hashlib.sha256(f"{own.issuer}\n{own.credential_id}".encode()).hexdigest()
    return HeldCredential(
        held_id=digest[:32],
        credential_id=own.credential_id,
        profile=own.profile,
        types=own.types,
        issuer=own.issuer,
        valid_from_ms=own.valid_from_ms,
        valid_until_ms=own.valid_until_ms,
        envelope=envelope,
        request_id=request_id,
        received_ms=now_ms,
    )


def is_scope(scope: str) -> bool:
    """Whether the scope is one of the two kinds, with something behind its alias."""
    return any(
        scope.startswith(alias) and len(scope.removesuffix(READ)) > len(alias)
        for alias in (TYPE_ALIAS, ID_ALIAS)
    )


def beyond(asked: Iterable[str], granted: Iterable[str]) -> str | None:
    """The first of the scopes that are asked for which no granted one covers; None when all are. Raises `UnknownScope`."""
    opened = {scope.removesuffix(READ) for scope in granted}
    for scope in asked:
        if not is_scope(scope):
            raise UnknownScope(scope)
        if scope.removesuffix(READ) not in opened:
            return scope
    return None


def opened_by(
    scopes: Iterable[str], credentials: Sequence[HeldCredential], now_ms: int
) -> list[HeldCredential]:
    """The credentials that any of the scopes names and whose dates hold, each once, the newest first."""
    names = [scope.removesuffix(READ) for scope in scopes]
    types = {name.removeprefix(TYPE_ALIAS) for name in names if name.startswith(TYPE_ALIAS)}
    ids = {name.removeprefix(ID_ALIAS) for name in names if name.startswith(ID_ALIAS)}
    found = [
        one
        for one in credentials
        if one.holds_at(now_ms) and (one.credential_id in ids or not types.isdisjoint(one.types))
    ]
    return sorted(found, key=lambda one: (-one.received_ms, one.held_id))


def bundles(credentials: Iterable[HeldCredential]) -> list[tuple[Profile, tuple[str, ...]]]:
    """The credentials in presentations of one profile each (DCP 1.0, profiles), none of them too long to be read."""
    bundled: list[tuple[Profile, list[str]]] = []
    open_of: dict[Profile, list[str]] = {}
    for one in credentials:
        current = open_of.get(one.profile)
        if current is None or sum(map(len, current)) + len(one.envelope) > MOST_PRESENTATION_CHARS:
            current = open_of[one.profile] = []
            bundled.append((one.profile, current))
        current.append(one.envelope)
    return [(profile, tuple(texts)) for profile, texts in bundled]
