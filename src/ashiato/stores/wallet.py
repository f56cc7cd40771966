"""Credentials in SQL, those held and those issued: one table for each kind of record, all alike."""

from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec
from sqlalchemy import Table, bindparam, delete, func, literal_column, select

from ashiato.identity.issuing import (
    CredentialGrant,
    CredentialType,
    IssuanceRequest,
    IssuedCredential,
    StatusListRecord,
)
from ashiato.identity.wallet import CredentialOffer, CredentialRequest, HeldCredential
from ashiato.stores.schema import (
    CREDENTIAL_GRANT,
    CREDENTIAL_OFFER,
    CREDENTIAL_REQUEST,
    CREDENTIAL_TYPE,
    HELD_CREDENTIAL,
    ISSUANCE_REQUEST,
    ISSUED_CREDENTIAL,
    OF_PARTICIPANT,
    STATUS_BITS,
    STATUS_LIST,
)
from ashiato.stores.sessions import Session, to_json
from ashiato.stores.statements import Statement, Values, upsert

R = TypeVar("R", bound=msgspec.Struct)


class _Kind(Generic[R]):
    """The statements of one table and the record in its rows."""

    def __init__(
        self,
        table: Table,
        record: type[R],
        id_of: Callable[[R], str],
        peer_of: Callable[[R], str],
        further_of: Callable[[R], Values] = lambda record: {},
    ) -> None:
        column = table.c
        own = column.participant_id == OF_PARTICIPANT
        this = column.record_id == bindparam("record_id")
        page = (
            select(column.body)
            .where(own, column.record_id > bindparam("after_id"))
            .order_by(column.record_id)
            .limit(bindparam("limit_count"))
        )
        self.id_of = id_of
        self.peer_of = peer_of
        self.further_of = further_of
        self.decode = msgspec.json.Decoder(record).decode
        self.put = upsert(table)
        self.get = Statement(select(column.body).where(own, this), locks=True)
        self.delete = Statement(delete(table).where(own, this).returning(column.record_id))
        self.page = Statement(page)
        self.page_of_peer = Statement(page.where(column.peer_id == bindparam("peer_id")))


_HELD = _Kind(HELD_CREDENTIAL, HeldCredential, lambda one: one.held_id, lambda one: one.issuer)
_ASKED = _Kind(CREDENTIAL_REQUEST, CredentialRequest, lambda one: one.request_id, lambda one: one.issuer)
_OFFERS = _Kind(CREDENTIAL_OFFER, CredentialOffer, lambda one: one.offer_id, lambda one: one.issuer)
_TYPES = _Kind(CREDENTIAL_TYPE, CredentialType, lambda one: one.type_id, lambda one: "")
_GRANTS = _Kind(CREDENTIAL_GRANT, CredentialGrant, lambda one: one.grant_id, lambda one: one.holder_id)
_REQUESTS = _Kind(
    ISSUANCE_REQUEST,
    IssuanceRequest,
    lambda one: one.request_id,
    lambda one: one.holder_id,
    lambda one: {"is_open": int(one.is_open)},
)
_ISSUED = _Kind(ISSUED_CREDENTIAL, IssuedCredential, lambda one: one.credential_id, lambda one: one.holder_id)
_LISTS = _Kind(STATUS_LIST, StatusListRecord, lambda one: one.list_id, lambda one: "")

_B = STATUS_BITS.c
_PUT_BITS = upsert(STATUS_BITS)
_GET_BITS = Statement(
    select(_B.bits).where(_B.participant_id == OF_PARTICIPANT, _B.record_id == bindparam("record_id"))
)

_I = ISSUANCE_REQUEST.c
_OPEN = (
    select(_I.record_id)
    .where(_I.participant_id == OF_PARTICIPANT, _I.is_open == literal_column("1"))
    .limit(bindparam("most_count"))
)
_COUNT_OPEN = Statement(select(func.count()).select_from(_OPEN.subquery()))
_COUNT_OPEN_OF_PEER = Statement(
    select(func.count()).select_from(_OPEN.where(_I.peer_id == bindparam("peer_id")).subquery())
)


class SqlShelf(Generic[R]):
    """The port `Shelf` over one table of one participant."""

    __slots__ = ("_kind", "_participant_id", "_session")

    def __init__(self, session: Session, participant_id: str, kind: _Kind[R]) -> None:
        self._session = session
        self._participant_id = participant_id
        self._kind = kind

    def put(self, record: R) -> None:
        kind = self._kind
        self._session.write(
            kind.put,
            {
                "participant_id": self._participant_id,
                "record_id": kind.id_of(record),
                "peer_id": kind.peer_of(record),
                "body": to_json(record),
                **kind.further_of(record),
            },
        )

    def get(self, record_id: str) -> R | None:
        values = {"participant_id": self._participant_id, "record_id": record_id}
        row = self._session.one(self._kind.get, values)
        return None if row is None else self._kind.decode(row[0])

    def page(self, after_id: str, limit_count: int, *, peer_id: str | None = None) -> list[R]:
        statement = self._kind.page if peer_id is None else self._kind.page_of_peer
        values = {
            "participant_id": self._participant_id,
            "after_id": after_id,
            "limit_count": limit_count,
            "peer_id": peer_id,
        }
        return [self._kind.decode(body) for (body,) in self._session.all(statement, values)]

    def delete(self, record_id: str) -> bool:
        values = {"participant_id": self._participant_id, "record_id": record_id}
        return self._session.one(self._kind.delete, values) is not None


class SqlWallet:
    """The port `Wallet` of one participant."""

    __slots__ = (
        "_participant_id",
        "_session",
        "asked",
        "grants",
        "held",
        "issued",
        "offers",
        "requests",
        "status_lists",
        "types",
    )

    def __init__(self, session: Session, participant_id: str) -> None:
        self._session = session
        self._participant_id = participant_id
        self.held = SqlShelf(session, participant_id, _HELD)
        self.asked = SqlShelf(session, participant_id, _ASKED)
        self.offers = SqlShelf(session, participant_id, _OFFERS)
        self.types = SqlShelf(session, participant_id, _TYPES)
        self.grants = SqlShelf(session, participant_id, _GRANTS)
        self.requests = SqlShelf(session, participant_id, _REQUESTS)
        self.issued = SqlShelf(session, participant_id, _ISSUED)
        self.status_lists = SqlShelf(session, participant_id, _LISTS)

    def count_open_requests(self, most_count: int, *, peer_id: str | None = None) -> int:
        statement = _COUNT_OPEN if peer_id is None else _COUNT_OPEN_OF_PEER
        values = {"participant_id": self._participant_id, "most_count": most_count, "peer_id": peer_id}
        return int(self._session.all(statement, values)[0][0])

    def put_bits(self, list_id: str, bits: bytes) -> None:
        values = {"participant_id": self._participant_id, "record_id": list_id, "bits": bits}
        self._session.write(_PUT_BITS, values)

    def bits(self, list_id: str) -> bytes | None:
        row = self._session.one(_GET_BITS, {"participant_id": self._participant_id, "record_id": list_id})
        return None if row is None else bytes(row[0])
