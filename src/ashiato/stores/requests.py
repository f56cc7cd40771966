"""Requests for data in SQL."""

from typing import Any

import msgspec
from sqlalchemy import BigInteger, ColumnElement, bindparam, cast, delete, func, literal_column, select

from ashiato.stores.schema import (
    ANSWER_RULE,
    OF_PARTICIPANT,
    SUPPLY_ANSWER,
    SUPPLY_LINE,
    SUPPLY_MESSAGE,
    SUPPLY_REQUEST,
    SUPPLY_REQUEST_LINK,
)
from ashiato.stores.sessions import Session, to_json
from ashiato.stores.statements import Row, Statement, Values, insert, insert_unless_known, upsert
from ashiato.supply.messages import Counts
from ashiato.supply.request_ports import KeptLine, TakenMessage
from ashiato.supply.requests import AnswerRule, KeptAnswer, Side, SupplyRequest, total

_request = msgspec.json.Decoder(SupplyRequest).decode
_answer = msgspec.json.Decoder(KeptAnswer).decode
_rule = msgspec.json.Decoder(AnswerRule).decode
_line = msgspec.json.Decoder(KeptLine).decode
_message = msgspec.json.Decoder(TakenMessage).decode

_P = OF_PARTICIPANT
_R = SUPPLY_REQUEST.c
_L = SUPPLY_REQUEST_LINK.c
_A = SUPPLY_ANSWER.c
_U = ANSWER_RULE.c
_M = SUPPLY_MESSAGE.c
_N = SUPPLY_LINE.c

_PUT = upsert(SUPPLY_REQUEST)
_GET = Statement(select(_R.body).where(_R.participant_id == _P, _R.own_id == bindparam("own_id")), locks=True)
_FIND = Statement(
    select(_R.body).where(
        _R.participant_id == _P,
        _R.peer_id == bindparam("peer_id"),
        _R.request_id == bindparam("request_id"),
        _R.side == bindparam("side"),
    ),
    locks=True,
)
_PAGE = (
    select(_R.body)
    .where(_R.participant_id == _P, _R.own_id > bindparam("after_id"))
    .order_by(_R.own_id)
    .limit(bindparam("limit_count"))
)
_FILTERS = {
    "side": _R.side == bindparam("side"),
    "state": _R.state == bindparam("state"),
    "tree_id": _R.tree_id == bindparam("tree_id"),
}
_PAGES: dict[tuple[str, ...], Statement] = {
    names: Statement(_PAGE.where(*(_FILTERS[name] for name in names)))
    for names in (
        (),
        ("side",),
        ("state",),
        ("tree_id",),
        ("side", "state"),
        ("side", "tree_id"),
        ("state", "tree_id"),
        ("side", "state", "tree_id"),
    )
}
_IN_TREE = Statement(
    select(_R.body)
    .where(
        _R.participant_id == _P,
        _R.tree_id == bindparam("tree_id"),
        _R.side == bindparam("side"),
        _R.peer_id == bindparam("peer_id"),
    )
    .order_by(_R.own_id)
)
_TREE_BELOW = Statement(
    select(_R.tree_id)
    .where(_R.participant_id == _P, _R.above_tree_id == bindparam("above_tree_id"), _R.above_tree_id != "")
    .limit(1)
)
_MARK = Statement(
    select(_R.own_id).where(_R.participant_id == _P, _R.mark == bindparam("mark"), _R.mark != "").limit(1)
)
_OPEN = Statement(
    select(func.count()).select_from(
        select(_R.own_id)
        .where(
            _R.participant_id == _P,
            _R.peer_id == bindparam("peer_id"),
            _R.side == bindparam("side"),
            # A constant of the text and no parameter, so that the partial index serves.
            _R.is_open == literal_column("1"),
        )
        .limit(bindparam("most_count"))
        .subquery()
    )
)
_LINK = insert_unless_known(SUPPLY_REQUEST_LINK, "below_id")
_BELOW = Statement(
    select(_R.body)
    .join(SUPPLY_REQUEST_LINK, (_L.participant_id == _R.participant_id) & (_L.below_id == _R.own_id))
    .where(_L.participant_id == _P, _L.above_id == bindparam("above_id"), _L.below_id > bindparam("after_id"))
    .order_by(_L.below_id)
    .limit(bindparam("limit_count"))
)
_ABOVE = Statement(
    select(_L.above_id)
    .where(_L.participant_id == _P, _L.below_id == bindparam("below_id"))
    .order_by(_L.above_id)
)
# PostgreSQL makes a NUMERIC of the sum of whole numbers, which no reader of ours takes.
_SUMS: list[ColumnElement[Any]] = [
    cast(func.sum(_R.trades), BigInteger),
    cast(func.sum(_R.completed), BigInteger),
    cast(func.sum(_R.closed), BigInteger),
]
_COUNTS_BELOW = Statement(
    select(*_SUMS)
    .join(SUPPLY_REQUEST_LINK, (_L.participant_id == _R.participant_id) & (_L.below_id == _R.own_id))
    .where(_L.participant_id == _P, _L.above_id == bindparam("above_id"))
)
_COUNTS_OF_TREE = Statement(
    select(*_SUMS).where(
        _R.participant_id == _P, _R.tree_id == bindparam("tree_id"), _R.side == bindparam("side")
    )
)
_PUT_ANSWER = upsert(SUPPLY_ANSWER)
_ANSWERS = Statement(
    select(_A.body)
    .where(_A.participant_id == _P, _A.own_id == bindparam("own_id"))
    .order_by(_A.version, _A.is_late)
)
_OF_FETCH = Statement(
    select(_A.body).where(_A.participant_id == _P, _A.fetch_id == bindparam("fetch_id"), _A.fetch_id != "")
)
_PUT_RULE = upsert(ANSWER_RULE)
_RULE = Statement(select(_U.body).where(_U.participant_id == _P, _U.rule_id == bindparam("rule_id")))
_RULES = Statement(
    select(_U.body)
    .where(_U.participant_id == _P, _U.rule_id > bindparam("after_id"))
    .order_by(_U.rule_id)
    .limit(bindparam("limit_count"))
)
_RULE_FOR = Statement(
    select(_U.body)
    .where(
        _U.participant_id == _P,
        _U.data_item == bindparam("data_item"),
        _U.part_id == bindparam("part_id"),
    )
    .order_by(_U.rule_id)
    .limit(1)
)
_DELETE_RULE = Statement(
    delete(ANSWER_RULE)
    .where(_U.participant_id == _P, _U.rule_id == bindparam("rule_id"))
    .returning(_U.rule_id)
)
_PUT_MESSAGE = insert(SUPPLY_MESSAGE)
_MESSAGE = Statement(
    select(_M.body).where(
        _M.participant_id == _P,
        _M.peer_id == bindparam("peer_id"),
        _M.message_id == bindparam("message_id"),
    )
)
_PUT_LINE = upsert(SUPPLY_LINE)
_LINE = Statement(
    select(_N.body).where(_N.participant_id == _P, _N.peer_id == bindparam("peer_id")), locks=True
)


class SqlRequests:
    """The port `Requests` of one participant."""

    __slots__ = ("_participant_id", "_session")

    def __init__(self, session: Session, participant_id: str) -> None:
        self._session = session
        self._participant_id = participant_id

    def put(self, request: SupplyRequest) -> None:
        counts = total(request)
        values = {
            "own_id": request.own_id,
            "side": request.side.value,
            "peer_id": request.peer_id,
            "request_id": request.request_id,
            "tree_id": request.tree_id,
            "above_tree_id": request.above_tree_id,
            "mark": request.mark,
            "state": request.state.value,
            "is_open": int(request.is_open),
            "trades": counts.trades,
            "completed": counts.completed,
            "closed": counts.closed,
            "body": to_json(request),
        }
        self._session.write(_PUT, {"participant_id": self._participant_id, **values})

    def get(self, own_id: str) -> SupplyRequest | None:
        row = self._one(_GET, {"own_id": own_id})
        return None if row is None else _request(row[0])

    def find(self, side: Side, peer_id: str, request_id: str) -> SupplyRequest | None:
        row = self._one(_FIND, {"side": side.value, "peer_id": peer_id, "request_id": request_id})
        return None if row is None else _request(row[0])

    def page(
        self,
        after_id: str,
        limit_count: int,
        *,
        side: Side | None = None,
        state: str | None = None,
        tree_id: str | None = None,
    ) -> list[SupplyRequest]:
        wanted = {"side": None if side is None else side.value, "state": state, "tree_id": tree_id}
        statement = _PAGES[tuple(name for name, value in wanted.items() if value is not None)]
        return self._requests(statement, {"after_id": after_id, "limit_count": limit_count, **wanted})

    def same_in_tree(self, side: Side, tree_id: str, peer_id: str) -> list[SupplyRequest]:
        return self._requests(_IN_TREE, {"side": side.value, "tree_id": tree_id, "peer_id": peer_id})

    def tree_below(self, above_tree_id: str) -> str | None:
        row = self._one(_TREE_BELOW, {"above_tree_id": above_tree_id})
        return None if row is None else str(row[0])

    def knows_mark(self, marks: tuple[str, ...]) -> bool:
        return any(self._one(_MARK, {"mark": mark}) is not None for mark in marks)

    def count_open(self, side: Side, peer_id: str, most_count: int) -> int:
        row = self._one(_OPEN, {"side": side.value, "peer_id": peer_id, "most_count": most_count})
        return 0 if row is None else int(row[0])

    def link(self, above_id: str, below_id: str) -> None:
        values = {"participant_id": self._participant_id, "above_id": above_id, "below_id": below_id}
        self._session.one(_LINK, values)

    def below(self, above_id: str, after_id: str, limit_count: int) -> list[SupplyRequest]:
        return self._requests(
            _BELOW, {"above_id": above_id, "after_id": after_id, "limit_count": limit_count}
        )

    def above(self, below_id: str) -> list[str]:
        return [str(row[0]) for row in self._all(_ABOVE, {"below_id": below_id})]

    def counts_below(self, above_id: str) -> Counts:
        return _counts(self._one(_COUNTS_BELOW, {"above_id": above_id}))

    def counts_of_tree(self, tree_id: str) -> Counts:
        return _counts(self._one(_COUNTS_OF_TREE, {"tree_id": tree_id, "side": Side.ASKED.value}))

    def put_answer(self, answer: KeptAnswer) -> None:
        values = {
            "participant_id": self._participant_id,
            "own_id": answer.own_id,
            "version": answer.version,
            "is_late": int(answer.is_late),
            "fetch_id": answer.fetch_id,
            "body": to_json(answer),
        }
        self._session.write(_PUT_ANSWER, values)

    def answers(self, own_id: str) -> list[KeptAnswer]:
        return [_answer(row[0]) for row in self._all(_ANSWERS, {"own_id": own_id})]

    def answer_of_fetch(self, fetch_id: str) -> KeptAnswer | None:
        row = self._one(_OF_FETCH, {"fetch_id": fetch_id})
        return None if row is None else _answer(row[0])

    def put_rule(self, rule: AnswerRule) -> None:
        values = {
            "participant_id": self._participant_id,
            "rule_id": rule.rule_id,
            "data_item": rule.data_item,
            "part_id": rule.part_id,
            "body": to_json(rule),
        }
        self._session.write(_PUT_RULE, values)

    def rule(self, rule_id: str) -> AnswerRule | None:
        row = self._one(_RULE, {"rule_id": rule_id})
        return None if row is None else _rule(row[0])

    def list_rules(self, after_id: str, limit_count: int) -> list[AnswerRule]:
        rows = self._all(_RULES, {"after_id": after_id, "limit_count": limit_count})
        return [_rule(row[0]) for row in rows]

    def rule_for_exactly(self, data_item: str, part_id: str) -> AnswerRule | None:
        row = self._one(_RULE_FOR, {"data_item": data_item, "part_id": part_id})
        return None if row is None else _rule(row[0])

    def delete_rule(self, rule_id: str) -> bool:
        return self._one(_DELETE_RULE, {"rule_id": rule_id}) is not None

    def put_message(self, message: TakenMessage) -> None:
        values = {
            "participant_id": self._participant_id,
            "peer_id": message.peer_id,
            "message_id": message.message_id,
            "body": to_json(message),
        }
        self._session.write(_PUT_MESSAGE, values)

    def message(self, peer_id: str, message_id: str) -> TakenMessage | None:
        row = self._one(_MESSAGE, {"peer_id": peer_id, "message_id": message_id})
        return None if row is None else _message(row[0])

    def put_line(self, line: KeptLine) -> None:
        values = {"participant_id": self._participant_id, "peer_id": line.peer_id, "body": to_json(line)}
        self._session.write(_PUT_LINE, values)

    def line(self, peer_id: str) -> KeptLine | None:
        row = self._one(_LINE, {"peer_id": peer_id})
        return None if row is None else _line(row[0])

    def _one(self, statement: Statement, values: Values) -> Row | None:
        return self._session.one(statement, {"participant_id": self._participant_id, **values})

    def _all(self, statement: Statement, values: Values) -> list[Row]:
        return self._session.all(statement, {"participant_id": self._participant_id, **values})

    def _requests(self, statement: Statement, values: Values) -> list[SupplyRequest]:
        return [_request(row[0]) for row in self._all(statement, values)]


def _counts(row: Row | None) -> Counts:
    trades, completed, closed = (0, 0, 0) if row is None else (int(value or 0) for value in row)
    return Counts(trades=trades, completed=completed, closed=closed)
