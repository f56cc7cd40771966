"""The port of the wallet: what a unit of work keeps of credentials, those held and those issued."""

from typing import Protocol, TypeVar

from ashiato.identity.issuing import (
    CredentialGrant,
    CredentialType,
    IssuanceRequest,
    IssuedCredential,
    StatusListRecord,
)
from ashiato.identity.wallet import CredentialOffer, CredentialRequest, HeldCredential

R = TypeVar("R")


class Shelf(Protocol[R]):
    """Records of one kind, by their id; `peer_id` is the other party of a record, "" where there is none."""

    def put(self, record: R) -> None:
        """Insert or replace."""

    def get(self, record_id: str) -> R | None:
        """Locked for update where the store has concurrent writers."""

    def page(self, after_id: str, limit_count: int, *, peer_id: str | None = None) -> list[R]:
        """In the order of their ids."""

    def delete(self, record_id: str) -> bool: ...


class Wallet(Protocol):
    """Everything about credentials of one participant."""

    @property
    def held(self) -> Shelf[HeldCredential]: ...
    @property
    def asked(self) -> Shelf[CredentialRequest]: ...
    @property
    def offers(self) -> Shelf[CredentialOffer]: ...
    @property
    def types(self) -> Shelf[CredentialType]: ...
    @property
    def grants(self) -> Shelf[CredentialGrant]: ...
    @property
    def requests(self) -> Shelf[IssuanceRequest]: ...
    @property
    def issued(self) -> Shelf[IssuedCredential]: ...
    @property
    def status_lists(self) -> Shelf[StatusListRecord]: ...
    def count_open_requests(self, most_count: int, *, peer_id: str | None = None) -> int:
        """How many of `requests` wait for an answer, of one holder or of all; counted up to `most_count`."""

    def put_bits(self, list_id: str, bits: bytes) -> None:
        """The bits of a status list."""

    def bits(self, list_id: str) -> bytes | None: ...
