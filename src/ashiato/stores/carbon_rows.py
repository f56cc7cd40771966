"""Rows of filled-in tables in SQL."""

import msgspec
from sqlalchemy import bindparam, delete, select

from ashiato.apps.carbon.templates.ports import KeptRow
from ashiato.stores.schema import CARBON_ROW, OF_PARTICIPANT
from ashiato.stores.sessions import Session, to_json
from ashiato.stores.statements import Statement, upsert

_row = msgspec.json.Decoder(KeptRow).decode

_C = CARBON_ROW.c
_ONE = (
    _C.participant_id == OF_PARTICIPANT,
    _C.template == bindparam("template"),
    _C.row_id == bindparam("row_id"),
)
_PUT = upsert(CARBON_ROW)
_GET = Statement(select(_C.body).where(*_ONE), locks=True)
_DELETE = Statement(delete(CARBON_ROW).where(*_ONE))
_PAGE = Statement(
    select(_C.body)
    .where(
        _C.participant_id == OF_PARTICIPANT,
        _C.template == bindparam("template"),
        _C.row_id > bindparam("after_id"),
    )
    .order_by(_C.row_id)
    .limit(bindparam("limit_count"))
)


class SqlCarbonRows:
    """The port `CarbonRows` of one participant."""

    __slots__ = ("_participant_id", "_session")

    def __init__(self, session: Session, participant_id: str) -> None:
        self._session = session
        self._participant_id = participant_id

    def put(self, row: KeptRow) -> None:
        self._session.write(_PUT, {**self._one(row.template, row.row_id), "body": to_json(row)})

    def get(self, template: str, row_id: str) -> KeptRow | None:
        found = self._session.one(_GET, self._one(template, row_id))
        return None if found is None else _row(found[0])

    def page(self, template: str, after_id: str, limit_count: int) -> list[KeptRow]:
        found = self._session.all(
            _PAGE,
            {
                "participant_id": self._participant_id,
                "template": template,
                "after_id": after_id,
                "limit_count": limit_count,
            },
        )
        return [_row(row[0]) for row in found]

    def delete(self, template: str, row_id: str) -> None:
        self._session.write(_DELETE, self._one(template, row_id))

    def _one(self, template: str, row_id: str) -> dict[str, object]:
        return {"participant_id": self._participant_id, "template": template, "row_id": row_id}
