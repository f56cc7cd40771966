"""Identities of things in SQL."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Table, bindparam, select

from ashiato.hub.identities import IdentityRecord
from ashiato.stores.hub.schema import HUB_METADATA, key, text
from ashiato.stores.sessions import Session, to_json
from ashiato.stores.statements import Statement, insert

IDENTITY = Table("thing_identity", HUB_METADATA, key("identity_id"), text("owner_id"), text("body"))
IDENTITY_NAME = Table("thing_identity_name", HUB_METADATA, key("digest"), text("identity_id"))

_identity = msgspec.json.Decoder(IdentityRecord).decode

_I, _N = IDENTITY.c, IDENTITY_NAME.c
_IDS_AT_ONCE_COUNT = 20
_GET = Statement(select(_I.body).where(_I.identity_id == bindparam("identity_id")), locks=True)
_PUT = insert(IDENTITY)
_PAGE = Statement(
    select(_I.body)
    .where(_I.owner_id == bindparam("owner_id"), _I.identity_id > bindparam("after_id"))
    .order_by(_I.identity_id)
    .limit(bindparam("limit_count"))
)
_KNOWN = Statement(
    select(_N.digest, _N.identity_id).where(
        _N.digest.in_([bindparam(f"digest_{number}") for number in range(_IDS_AT_ONCE_COUNT)])
    )
)
_NAME = insert(IDENTITY_NAME)


class SqlIdentities:
    """The port `Identities`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, identity_id: str) -> IdentityRecord | None:
        row = self._session.one(_GET, {"identity_id": identity_id})
        return None if row is None else _identity(row[0])

    def put(self, record: IdentityRecord) -> None:
        self._session.write(
            _PUT,
            {"identity_id": record.identity_id, "owner_id": record.owner_id, "body": to_json(record)},
        )

    def page(self, owner_id: str, after_id: str, limit_count: int) -> list[IdentityRecord]:
        values = {"owner_id": owner_id, "after_id": after_id, "limit_count": limit_count}
        return [_identity(body) for (body,) in self._session.all(_PAGE, values)]

    def known(self, digests: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for start in range(0, len(digests), _IDS_AT_ONCE_COUNT):
            some = digests[start : start + _IDS_AT_ONCE_COUNT]
            padded = [*some, *[some[0]] * (_IDS_AT_ONCE_COUNT - len(some))]
            values = {f"digest_{number}": digest for number, digest in enumerate(padded)}
            found |= {
                str(digest): str(identity_id) for digest, identity_id in self._session.all(_KNOWN, values)
            }
        return found

    def name(self, identity_id: str, digests: Sequence[str]) -> None:
        # Sorted, so that two who name the same take them in the same order.
        for digest in sorted(digests):
            self._session.write(_NAME, {"digest": digest, "identity_id": identity_id})
