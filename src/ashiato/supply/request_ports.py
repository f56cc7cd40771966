"""The room of requests in a unit of work."""

from typing import Protocol

import msgspec

from ashiato.connector.ports import Room
from ashiato.supply.messages import Counts
from ashiato.supply.requests import AnswerRule, KeptAnswer, Side, SupplyRequest


class TakenMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message that came in, by its sender's id of it; `reply` is what it was answered with."""

    peer_id: str
    message_id: str
    sha256: str
    reply: str
    at_ms: int


class KeptLine(msgspec.Struct, frozen=True, kw_only=True):
    """The processes of the line to a partner's inbox, "" where there is none yet."""

    peer_id: str
    negotiation_pid: str = ""
    transfer_pid: str = ""


class Requests(Protocol):
    """Requests on both sides, their answers, the rules that answer, the messages that came, and the lines to inboxes."""

    def put(self, request: SupplyRequest) -> None:
        """Insert or replace by its own id. Raises `Conflict` when (side, peer_id, request_id) belongs to another."""

    def get(self, own_id: str) -> SupplyRequest | None:
        """Locked for update where the store has concurrent writers."""

    def find(self, side: Side, peer_id: str, request_id: str) -> SupplyRequest | None:
        """The request that a message of that peer is about; locked like `get`."""

    def page(
        self,
        after_id: str,
        limit_count: int,
        *,
        side: Side | None = None,
        state: str | None = None,
        tree_id: str | None = None,
    ) -> list[SupplyRequest]:
        """In the order of the own id."""

    def same_in_tree(self, side: Side, tree_id: str, peer_id: str) -> list[SupplyRequest]:
        """Requests of one tree with one peer."""

    def tree_below(self, above_tree_id: str) -> str | None:
        """The id under which we asked on for a tree that somebody asked us in; None before we did."""

    def knows_mark(self, marks: tuple[str, ...]) -> bool:
        """Whether one of these is a mark of ours."""

    def count_open(self, side: Side, peer_id: str, most_count: int) -> int:
        """Open requests with that peer, counted up to `most_count`."""

    def link(self, above_id: str, below_id: str) -> None:
        """Remember that the request `below_id` was made for `above_id`; a known link stays."""

    def below(self, above_id: str, after_id: str, limit_count: int) -> list[SupplyRequest]:
        """The requests that were made for this one, in the order of the own id."""

    def above(self, below_id: str) -> list[str]:
        """Own ids of the requests for which this one was made."""

    def counts_below(self, above_id: str) -> Counts:
        """The sum over the requests that were made for this one and all below them."""

    def counts_of_tree(self, tree_id: str) -> Counts:
        """The sum over the requests that we made in a tree and all below them."""

    def put_answer(self, answer: KeptAnswer) -> None:
        """Insert or replace by (own_id, version, is_late)."""

    def answers(self, own_id: str) -> list[KeptAnswer]:
        """In the order of their version."""

    def answer_of_fetch(self, fetch_id: str) -> KeptAnswer | None: ...
    def put_rule(self, rule: AnswerRule) -> None: ...
    def rule(self, rule_id: str) -> AnswerRule | None: ...
    def list_rules(self, after_id: str, limit_count: int) -> list[AnswerRule]: ...
    def rule_for_exactly(self, data_item: str, part_id: str) -> AnswerRule | None:
        """The rule for that part, or with "" the one for every part of that data item."""

    def delete_rule(self, rule_id: str) -> bool: ...
    def put_message(self, message: TakenMessage) -> None:
        """Raises `Conflict` when (peer_id, message_id) is known."""

    def message(self, peer_id: str, message_id: str) -> TakenMessage | None: ...
    def put_line(self, line: KeptLine) -> None:
        """Insert or replace by the peer."""

    def line(self, peer_id: str) -> KeptLine | None:
        """Locked for update where the store has concurrent writers."""


REQUESTS: Room[Requests] = Room("requests")
