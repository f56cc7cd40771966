import msgspec
import pytest

from ashiato.connector.ports import Conflict, UnitOfWork
from ashiato.stores.engine import SqlStore
from ashiato.supply.messages import Counts, Declaration, Part
from ashiato.supply.request_ports import REQUESTS, KeptLine, TakenMessage
from ashiato.supply.requests import AnswerRule, KeptAnswer, RequestState, Side, SupplyRequest, Wanted
from tests.stores.samples import MAKER, TAKER


def request(own_id: str = "r-1", **more: object) -> SupplyRequest:
    first = SupplyRequest(
        own_id=own_id,
        side=Side.ASKED,
        peer_id=TAKER,
        request_id=own_id,
        tree_id="tree-1",
        data_item="footprint",
        part=Part(part_id="cell-1"),
        due_ms=1 << 40,
        hops=3,
        marks=("a", "b"),
        state=RequestState.ASKED,
        told=("received", Counts(trades=2, completed=1)),
        created_ms=1,
        updated_ms=2,
    )
    return msgspec.structs.replace(first, **more)


async def test_a_request_comes_back_as_it_was_kept_and_as_it_was_changed(store: SqlStore) -> None:
    changed = request(state=RequestState.ANSWERED, version=3, counts=Counts(trades=1 << 30))
    await store.run(MAKER, lambda uow: uow.room(REQUESTS).put(request()))
    assert await store.read(MAKER, lambda uow: uow.room(REQUESTS).get("r-1")) == request()
    await store.run(MAKER, lambda uow: uow.room(REQUESTS).put(changed))
    assert await store.run(MAKER, lambda uow: uow.room(REQUESTS).get("r-1")) == changed
    assert await store.read(TAKER, lambda uow: uow.room(REQUESTS).get("r-1")) is None


async def test_a_request_is_found_by_side_peer_and_the_askers_id(store: SqlStore) -> None:
    def put(uow: UnitOfWork) -> None:
        uow.room(REQUESTS).put(request("r-1", request_id="x"))
        uow.room(REQUESTS).put(request("r-2", request_id="x", side=Side.RECEIVED))
        uow.room(REQUESTS).put(request("r-3", request_id="x", peer_id="did:web:other.example"))

    await store.run(MAKER, put)

    def found(uow: UnitOfWork, side: Side, peer_id: str) -> str | None:
        kept = uow.room(REQUESTS).find(side, peer_id, "x")
        return None if kept is None else kept.own_id

    assert await store.read(MAKER, lambda uow: found(uow, Side.ASKED, TAKER)) == "r-1"
    assert await store.read(MAKER, lambda uow: found(uow, Side.RECEIVED, TAKER)) == "r-2"
    assert await store.read(MAKER, lambda uow: found(uow, Side.ASKED, "did:web:other.example")) == "r-3"
    assert await store.read(MAKER, lambda uow: found(uow, Side.RECEIVED, "did:web:other.example")) is None


async def test_pages_are_filtered_by_side_state_and_tree(store: SqlStore) -> None:
    def put(uow: UnitOfWork) -> None:
        room = uow.room(REQUESTS)
        room.put(request("r-1"))
        room.put(request("r-2", side=Side.RECEIVED, state=RequestState.RECEIVED))
        room.put(request("r-3", tree_id="tree-2", state=RequestState.ANSWERED))

    await store.run(MAKER, put)

    def page(uow: UnitOfWork, after_id: str = "", limit_count: int = 9, **wanted: str) -> list[str]:
        side = Side(wanted.pop("side")) if "side" in wanted else None
        found = uow.room(REQUESTS).page(
            after_id, limit_count, side=side, state=wanted.get("state"), tree_id=wanted.get("tree_id")
        )
        return [one.own_id for one in found]

    assert await store.read(MAKER, page) == ["r-1", "r-2", "r-3"]
    assert await store.read(MAKER, lambda uow: page(uow, "r-1", 1)) == ["r-2"]
    assert await store.read(MAKER, lambda uow: page(uow, side="asked")) == ["r-1", "r-3"]
    assert await store.read(MAKER, lambda uow: page(uow, side="asked", state="answered")) == ["r-3"]
    assert await store.read(MAKER, lambda uow: page(uow, tree_id="tree-1")) == ["r-1", "r-2"]
    assert await store.read(MAKER, lambda uow: page(uow, state="asked", tree_id="tree-2")) == []


async def test_trees_marks_and_open_requests_are_known(store: SqlStore) -> None:
    def put(uow: UnitOfWork) -> None:
        room = uow.room(REQUESTS)
        room.put(request("r-1", mark="m-1", above_tree_id="above"))
        room.put(request("r-2", state=RequestState.REJECTED))
        room.put(request("r-3", peer_id=MAKER))

    await store.run(MAKER, put)

    def same(uow: UnitOfWork) -> list[str]:
        return [one.own_id for one in uow.room(REQUESTS).same_in_tree(Side.ASKED, "tree-1", TAKER)]

    assert await store.read(MAKER, same) == ["r-1", "r-2"]
    assert await store.read(MAKER, lambda uow: uow.room(REQUESTS).tree_below("above")) == "tree-1"
    assert await store.read(MAKER, lambda uow: uow.room(REQUESTS).tree_below("")) is None
    assert await store.read(MAKER, lambda uow: uow.room(REQUESTS).knows_mark(("x", "m-1")))
    assert not await store.read(MAKER, lambda uow: uow.room(REQUESTS).knows_mark(("x", "")))
    assert await store.read(MAKER, lambda uow: uow.room(REQUESTS).count_open(Side.ASKED, TAKER, 9)) == 1
    assert await store.read(MAKER, lambda uow: uow.room(REQUESTS).count_open(Side.RECEIVED, TAKER, 9)) == 0


async def test_counts_are_summed_below_a_request_and_over_a_tree(store: SqlStore) -> None:
    """By hand: r-1 answered with 3 below, of which 2 are completed; r-2 rejected; r-3 open with 1 open below."""

    def put(uow: UnitOfWork) -> None:
        room = uow.room(REQUESTS)
        room.put(request("r-1", state=RequestState.ANSWERED, counts=Counts(trades=3, completed=2)))
        room.put(request("r-2", state=RequestState.REJECTED))
        room.put(request("r-3", state=RequestState.ASKED_ON, counts=Counts(trades=1)))
        for below_id in ("r-1", "r-2", "r-2"):
            room.link("top", below_id)
        room.link("other", "r-1")

    await store.run(MAKER, put)
    below = await store.read(MAKER, lambda uow: uow.room(REQUESTS).counts_below("top"))
    assert below == Counts(trades=5, completed=3, closed=1)
    tree = await store.read(MAKER, lambda uow: uow.room(REQUESTS).counts_of_tree("tree-1"))
    assert tree == Counts(trades=7, completed=3, closed=1)
    assert await store.read(MAKER, lambda uow: uow.room(REQUESTS).counts_below("none")) == Counts()
    assert await store.read(MAKER, lambda uow: uow.room(REQUESTS).above("r-1")) == ["other", "top"]

    def listed(uow: UnitOfWork, after_id: str) -> list[str]:
        return [one.own_id for one in uow.room(REQUESTS).below("top", after_id, 1)]

    assert await store.read(MAKER, lambda uow: listed(uow, "")) == ["r-1"]
    assert await store.read(MAKER, lambda uow: listed(uow, "r-1")) == ["r-2"]


async def test_answers_are_kept_by_version_and_a_late_one_beside_them(store: SqlStore) -> None:
    first = KeptAnswer(own_id="r-1", version=1, asset_id="a", at_ms=5, fetch_id="fetch-1")
    late = KeptAnswer(own_id="r-1", version=1, text="late", is_late=True, at_ms=6)
    second = KeptAnswer(
        own_id="r-1", version=2, declaration=Declaration(declaration_id="d", sha256="ab" * 32), at_ms=7
    )

    def put(uow: UnitOfWork) -> None:
        for answer in (second, first, late):
            uow.room(REQUESTS).put_answer(answer)

    await store.run(MAKER, put)
    assert await store.read(MAKER, lambda uow: uow.room(REQUESTS).answers("r-1")) == [first, late, second]
    assert await store.read(MAKER, lambda uow: uow.room(REQUESTS).answer_of_fetch("fetch-1")) == first
    assert await store.read(MAKER, lambda uow: uow.room(REQUESTS).answer_of_fetch("")) is None
    assert await store.read(TAKER, lambda uow: uow.room(REQUESTS).answers("r-1")) == []


async def test_rules_are_found_by_part_and_forgotten(store: SqlStore) -> None:
    wanted = Wanted(partner=TAKER, part=Part(part_id="y"))
    of_part = AnswerRule(
        rule_id="1", data_item="footprint", part_id="x", asset_id="a", ask_on=(wanted,), created_ms=1
    )
    of_all = AnswerRule(rule_id="2", data_item="footprint", asset_id="b")

    def put(uow: UnitOfWork) -> None:
        uow.room(REQUESTS).put_rule(of_all)
        uow.room(REQUESTS).put_rule(of_part)

    await store.run(MAKER, put)

    def rule_for(uow: UnitOfWork, data_item: str, part_id: str) -> AnswerRule | None:
        return uow.room(REQUESTS).rule_for_exactly(data_item, part_id)

    assert await store.read(MAKER, lambda uow: rule_for(uow, "footprint", "x")) == of_part
    assert await store.read(MAKER, lambda uow: rule_for(uow, "footprint", "")) == of_all
    assert await store.read(MAKER, lambda uow: rule_for(uow, "other", "")) is None
    assert await store.read(MAKER, lambda uow: uow.room(REQUESTS).list_rules("1", 9)) == [of_all]
    assert await store.run(MAKER, lambda uow: uow.room(REQUESTS).delete_rule("1"))
    assert not await store.run(MAKER, lambda uow: uow.room(REQUESTS).delete_rule("1"))
    assert await store.read(MAKER, lambda uow: uow.room(REQUESTS).rule("1")) is None


async def test_messages_and_lines_are_kept_by_the_peer(store: SqlStore) -> None:
    message = TakenMessage(peer_id=TAKER, message_id="m", sha256="ab" * 32, reply="{}", at_ms=1)
    line = KeptLine(peer_id=TAKER, negotiation_pid="n")
    later = KeptLine(peer_id=TAKER, negotiation_pid="n", transfer_pid="t")

    def put(uow: UnitOfWork) -> None:
        uow.room(REQUESTS).put_message(message)
        uow.room(REQUESTS).put_line(line)
        uow.room(REQUESTS).put_line(later)

    await store.run(MAKER, put)
    assert await store.read(MAKER, lambda uow: uow.room(REQUESTS).message(TAKER, "m")) == message
    assert await store.read(MAKER, lambda uow: uow.room(REQUESTS).message(MAKER, "m")) is None
    assert await store.read(MAKER, lambda uow: uow.room(REQUESTS).line(TAKER)) == later
    assert await store.read(TAKER, lambda uow: uow.room(REQUESTS).line(TAKER)) is None


async def test_the_same_message_is_not_written_twice(store: SqlStore) -> None:
    message = TakenMessage(peer_id=TAKER, message_id="m", sha256="ab" * 32, reply="{}", at_ms=1)
    await store.run(MAKER, lambda uow: uow.room(REQUESTS).put_message(message))
    with pytest.raises(Conflict):
        await store.run(MAKER, lambda uow: uow.room(REQUESTS).put_message(message))
