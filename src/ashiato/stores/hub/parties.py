"""The register of companies in SQL."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Table, bindparam, delete, func, select

from ashiato.hub.parties import PartyRecord, Step
from ashiato.stores.hub.schema import HUB_METADATA, key, number_key, text
from ashiato.stores.sessions import Session, to_json
from ashiato.stores.statements import Statement, insert, upsert

PARTY = Table("party", HUB_METADATA, key("party_id"), text("state"), text("body"))
PARTY_NUMBER = Table("party_number", HUB_METADATA, key("number"), text("party_id"))
PARTY_STEP = Table("party_step", HUB_METADATA, key("party_id"), number_key("sequence"), text("body"))

_party = msgspec.json.Decoder(PartyRecord).decode
_step = msgspec.json.Decoder(Step).decode

_P, _N, _S = PARTY.c, PARTY_NUMBER.c, PARTY_STEP.c
_PUT = upsert(PARTY)
_GET = Statement(select(_P.body).where(_P.party_id == bindparam("party_id")), locks=True)
_PAGE = Statement(
    select(_P.body)
    .where(_P.party_id > bindparam("after_id"))
    .order_by(_P.party_id)
    .limit(bindparam("limit_count"))
)
_PAGE_OF_STATE = Statement(
    select(_P.body)
    .where(_P.state == bindparam("state"), _P.party_id > bindparam("after_id"))
    .order_by(_P.party_id)
    .limit(bindparam("limit_count"))
)
_COUNTS = Statement(select(_P.state, func.count()).group_by(_P.state))
_HOLDER = Statement(select(_N.party_id).where(_N.number == bindparam("number")))
_NUMBERS = Statement(select(_N.number).where(_N.party_id == bindparam("party_id")))
_HOLD = insert(PARTY_NUMBER)
_RELEASE = Statement(
    delete(PARTY_NUMBER).where(_N.number == bindparam("number"), _N.party_id == bindparam("party_id"))
)
_ADD_STEP = insert(PARTY_STEP)
_STEPS = Statement(select(_S.body).where(_S.party_id == bindparam("party_id")).order_by(_S.sequence))


class SqlParties:
    """The port `Parties`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, party_id: str) -> PartyRecord | None:
        row = self._session.one(_GET, {"party_id": party_id})
        return None if row is None else _party(row[0])

    def put(self, party: PartyRecord) -> None:
        self._session.write(
            _PUT, {"party_id": party.party_id, "state": party.state.value, "body": to_json(party)}
        )

    def page(self, after_id: str, limit_count: int, *, state: str | None = None) -> list[PartyRecord]:
        values = {"after_id": after_id, "limit_count": limit_count, "state": state}
        rows = self._session.all(_PAGE if state is None else _PAGE_OF_STATE, values)
        return [_party(body) for (body,) in rows]

    def counts(self) -> dict[str, int]:
        return {str(state): int(count) for state, count in self._session.all(_COUNTS, {})}

    def holders_of(self, identifiers: Sequence[str]) -> dict[str, str]:
        found = {}
        for number in dict.fromkeys(identifiers):
            row = self._session.one(_HOLDER, {"number": number})
            if row is not None:
                found[number] = str(row[0])
        return found

    def hold(self, party_id: str, identifiers: Sequence[str]) -> None:
        held = {str(number) for (number,) in self._session.all(_NUMBERS, {"party_id": party_id})}
        wanted = dict.fromkeys(identifiers)
        for number in sorted(held - wanted.keys()):
            self._session.write(_RELEASE, {"number": number, "party_id": party_id})
        # Sorted, so that two who want the same numbers take them in the same order and none waits for the other's.
        for number in sorted(wanted.keys() - held):
            self._session.write(_HOLD, {"number": number, "party_id": party_id})

    def add_step(self, party_id: str, step: Step) -> None:
        self._session.write(
            _ADD_STEP, {"party_id": party_id, "sequence": step.sequence, "body": to_json(step)}
        )

    def steps(self, party_id: str) -> list[Step]:
        return [_step(body) for (body,) in self._session.all(_STEPS, {"party_id": party_id})]
