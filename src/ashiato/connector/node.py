"""One running connector program: its store, its identity, its participants, its clock."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from ashiato.connector.company import Company
from ashiato.connector.ports import Identity, Moment, Store
from ashiato.identity.own_credentials import OwnCredentials
from ashiato.identity.signed_tokens import Documents


class Tenant(msgspec.Struct, frozen=True):
    """One participant of this program: the path segment under which it is reached, and what it says of itself."""

    slug: str
    name: str
    company: Company
    root_url: str
    did_document: bytes
    is_issuer: bool = False
    location: str = ""
    """Where data is used at this participant's, as its operator says: a country of ISO 3166-1, or nothing."""

    @property
    def participant_id(self) -> str:
        """The DID of the participant."""
        return self.company.participant_id


class Tenants(Protocol):
    """Port: the participants of this program."""

    def by_slug(self, slug: str) -> Tenant | None: ...
    def by_id(self, participant_id: str) -> Tenant | None: ...
    def all(self) -> list[Tenant]: ...


class Node(msgspec.Struct, frozen=True):
    """What every face and courier needs; `moment` reads the clock and the dice once per event.

    Without `documents` no signature of a partner can be checked, and a message that carries one ends its negotiation. Without
    `own_credentials` (`[trust] mode = "tokens"`) no credential is judged here, and nothing is shown as proved by one.
    """

    store: Store
    identity: Identity
    tenants: Tenants
    moment: Callable[[], Moment]
    documents: Documents | None = None
    own_credentials: OwnCredentials | None = None
