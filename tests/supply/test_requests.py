"""Requests between companies of one street: what the two sides hold after whatever happens on the way."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from ashiato.connector.ports import UnitOfWork
from ashiato.connector.problems import Invalid, NotFound, WrongState
from ashiato.connector.records import Asset
from ashiato.stores.engine import open_store
from ashiato.supply import rules
from ashiato.supply.messages import (
    Answer,
    Cancellation,
    Counts,
    DataRequest,
    Part,
    Receipt,
    Refusal,
    Rejection,
    Status,
    Withdrawal,
)
from ashiato.supply.requests import AnswerRule, RequestState, SupplyRequest, Wanted
from tests.supply.street import DAY_MS, ITEM, Firm, Street

S = RequestState


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    store = await open_store(f"sqlite:///{tmp_path}/connector.db", "node-1")
    yield Street(store)
    await store.close()


async def one_request(street: Street, asker: str = "buyer", supplier: str = "maker") -> tuple[str, str]:
    """(the asker's, the supplier's) own id of a request that has arrived."""
    (asked,) = await street.firm(asker).ask((street.firm(supplier), "cell-1"))
    await street.carry()
    (received,) = await street.firm(supplier).received()
    return asked.own_id, received.own_id


def answer_to(asked: SupplyRequest, version: int = 1, **more: object) -> Answer:
    made = Answer(
        message_id=f"m-{version}-{len(more)}",
        request_id=asked.request_id,
        version=version,
        part=asked.part,
        asset_id="cfp",
    )
    return msgspec.structs.replace(made, **more)


async def test_an_answer_reaches_the_asker(street: Street) -> None:
    buyer, maker = street.firm("buyer"), street.firm("maker")
    own_id, theirs = await one_request(street)
    assert (await buyer.shown(own_id)).state is S.RECEIVED
    await maker.answer(theirs, text="As of May.")
    await street.carry()
    assert (await buyer.shown(own_id)).state is S.ANSWERED
    (kept,) = await buyer.answers(own_id)
    assert (kept.asset_id, kept.version, kept.text, kept.is_late) == ("cfp", 1, "As of May.", False)


async def test_a_correction_is_a_new_version_and_a_withdrawal_ends_both(street: Street) -> None:
    buyer, maker = street.firm("buyer"), street.firm("maker")
    own_id, theirs = await one_request(street)
    await maker.answer(theirs)
    await maker.answer(theirs, "cfp-2")
    await street.carry()
    assert (await buyer.shown(own_id)).version == 2
    assert [one.asset_id for one in await buyer.answers(own_id)] == ["cfp", "cfp-2"]
    await maker.withdraw(theirs)
    await street.carry()
    assert (await buyer.shown(own_id)).state is S.WITHDRAWN
    assert all(one.withdrawn_ms for one in await buyer.answers(own_id))
    assert await buyer.tree((await buyer.shown(own_id)).tree_id) == Counts(trades=1, closed=1)
    await maker.answer(theirs, "cfp-3")
    await street.carry()
    assert ((await buyer.shown(own_id)).state, (await buyer.shown(own_id)).version) == (S.ANSWERED, 3)


async def test_a_rejection_says_why(street: Street) -> None:
    buyer, maker = street.firm("buyer"), street.firm("maker")
    own_id, theirs = await one_request(street)
    with pytest.raises(Invalid):
        await maker.reject(theirs, "  ")
    await maker.reject(theirs, "Never made.")
    await street.carry()
    shown = await buyer.shown(own_id)
    assert (shown.state, shown.reason) == (S.REJECTED, "Never made.")
    with pytest.raises(WrongState):
        await buyer.remind(own_id)
    with pytest.raises(WrongState):
        await maker.answer(theirs)


async def test_a_late_answer_is_kept_and_does_nothing(street: Street) -> None:
    buyer, maker = street.firm("buyer"), street.firm("maker")
    own_id, theirs = await one_request(street)
    street.away.add(maker.did)
    await buyer.cancel(own_id)
    await street.carry()
    await maker.answer(theirs)
    await street.carry()
    assert (await buyer.shown(own_id)).state is S.CANCELLED
    (kept,) = await buyer.answers(own_id)
    assert kept.is_late
    assert len(await buyer.history("request.answered-late")) == 1
    street.away.clear()
    await street.wait_ms(120_000)
    # The supplier had answered before it heard of the cancellation: its answer stays as it is.
    assert (await maker.shown(theirs)).state is S.ANSWERED


async def test_a_cancelled_request_cancels_what_was_asked_for_it_alone(street: Street) -> None:
    buyer, maker, refiner, rival = (street.firm(name) for name in ("buyer", "maker", "refiner", "rival"))
    own_id, theirs = await one_request(street)
    (other,) = await rival.ask((maker, "cell-1"))
    await street.carry()
    others = next(one.own_id for one in await maker.received() if one.peer_id == rival.did)
    (alone,) = await maker.ask((refiner, "ni"), above=theirs)
    (too,) = await maker.ask((refiner, "co"), above=others)
    await street.carry()
    await buyer.cancel(own_id)
    await street.carry()
    assert (await maker.shown(theirs)).state is S.CANCELLED
    assert (await maker.shown(alone.own_id)).state is S.CANCELLED
    assert (await maker.shown(too.own_id)).state is S.RECEIVED
    assert [one.state for one in await refiner.received()] == [S.CANCELLED, S.RECEIVED]
    assert other.own_id != own_id


async def test_counts_rise_through_three_tiers(street: Street) -> None:
    """By hand: buyer -> maker -> two refiners, one of them -> mine: 1 + 2 + 1 requests."""
    buyer, maker, nickel, cobalt, mine = (
        street.firm(name) for name in ("buyer", "maker", "nickel", "cobalt", "mine")
    )
    own_id, theirs = await one_request(street)
    tree_id = (await buyer.shown(own_id)).tree_id
    await maker.ask((nickel, "ni"), (cobalt, "co"), above=theirs)
    await street.carry()
    assert await buyer.tree(tree_id) == Counts(trades=3)
    assert (await buyer.shown(own_id)).state is S.ASKED_ON
    (at_nickel,) = await nickel.received()
    await nickel.ask((mine, "ore"), above=at_nickel.own_id)
    await street.carry()
    assert await buyer.tree(tree_id) == Counts(trades=4)
    (at_mine,), (at_cobalt,) = await mine.received(), await cobalt.received()
    await mine.answer(at_mine.own_id)
    await cobalt.reject(at_cobalt.own_id)
    await street.carry()
    assert await buyer.tree(tree_id) == Counts(trades=4, completed=1, closed=1)
    await nickel.answer(at_nickel.own_id)
    await street.carry()
    await maker.answer(theirs)
    await street.carry()
    assert await buyer.tree(tree_id) == Counts(trades=4, completed=3, closed=1)
    await mine.withdraw(at_mine.own_id)
    await street.carry()
    assert await buyer.tree(tree_id) == Counts(trades=4, completed=2, closed=2)


async def test_a_circle_of_companies_ends(street: Street) -> None:
    """a -> b -> c -> a, as with recycled material: a is asked by what it asked itself."""
    a, b, c = (street.firm(name) for name in "abc")
    (asked,) = await a.ask((b, "b-1"))
    await street.carry()
    (at_b,) = await b.received()
    await b.ask((c, "c-1"), above=at_b.own_id)
    await street.carry()
    (at_c,) = await c.received()
    (to_a,) = await c.ask((a, "a-1"), above=at_c.own_id)
    await street.carry()
    assert (await c.shown(to_a.own_id)).state is S.ALREADY_ASKED
    assert await a.received() == []
    assert len(await a.history("request.already-asked")) == 1
    assert await a.tree(asked.tree_id) == Counts(trades=3, closed=1)
    await c.answer(at_c.own_id)
    await street.carry()
    await b.answer(at_b.own_id)
    await street.carry()
    assert (await a.shown(asked.own_id)).state is S.ANSWERED
    assert await a.tree(asked.tree_id) == Counts(trades=3, completed=2, closed=1)


async def test_a_company_in_two_branches_answers_both(street: Street) -> None:
    a, b, d, c = (street.firm(name) for name in "abdc")
    (to_b, to_d) = await a.ask((b, "b-1"), (d, "d-1"))
    await street.carry()
    assert to_b.tree_id == to_d.tree_id
    for middle in (b, d):
        (at_middle,) = await middle.received()
        await middle.ask((c, "c-1"), above=at_middle.own_id)
    await street.carry()
    first, second = await c.received()
    assert first.tree_id != second.tree_id
    assert {first.peer_id, second.peer_id} == {b.did, d.did}
    for request in (first, second):
        await c.answer(request.own_id)
    await street.carry()
    assert await a.tree(to_b.tree_id) == Counts(trades=4, completed=2)


async def test_one_supplier_is_asked_once_in_a_tree_and_its_answer_counts_for_all(street: Street) -> None:
    a, b, c = (street.firm(name) for name in "abc")
    await a.ask((b, "b-1"), (b, "b-2"))
    await street.carry()
    first, second = await b.received()
    (one,) = await b.ask((c, "c-1"), above=first.own_id)
    (same,) = await b.ask((c, "c-1"), above=second.own_id)
    assert one.own_id == same.own_id
    await street.carry()
    (at_c,) = await c.received()
    await c.answer(at_c.own_id)
    await street.carry()
    for request in (first, second):
        assert (await b.shown(request.own_id)).counts == Counts(trades=1, completed=1)


async def test_the_same_again_in_one_tree_is_already_asked(street: Street) -> None:
    buyer, maker = street.firm("buyer"), street.firm("maker")
    first = DataRequest(
        message_id="m-1",
        request_id="r-1",
        tree_id="t",
        data_item=ITEM,
        part=Part(part_id="x"),
        due_ms=street.clock.now_ms + DAY_MS,
        hops=1,
    )
    taken = await buyer.post(maker, first)
    again = await buyer.post(maker, msgspec.structs.replace(first, message_id="m-2", request_id="r-2"))
    assert isinstance(taken, Receipt)
    assert isinstance(again, Receipt)
    assert (taken.outcome, again.outcome) == ("taken", "already-asked")
    other = msgspec.structs.replace(first, message_id="m-3", request_id="r-3", part=Part(part_id="y"))
    different = await buyer.post(maker, other)
    assert isinstance(different, Receipt)
    assert different.outcome == "taken"
    assert len(await maker.received()) == 2


async def test_the_hop_limit_ends_the_way_down(street: Street) -> None:
    a, b, c, d = (street.firm(name) for name in "abcd")
    await a.ask((b, "b-1"), hops=1)
    await street.carry()
    (at_b,) = await b.received()
    await b.ask((c, "c-1"), above=at_b.own_id)
    await street.carry()
    (at_c,) = await c.received()
    assert at_c.hops == 0
    with pytest.raises(WrongState, match="hop limit"):
        await c.ask((d, "d-1"), above=at_c.own_id)
    await c.answer(at_c.own_id)


async def test_nobody_else_can_speak_about_a_request(street: Street) -> None:
    buyer, maker, rival = street.firm("buyer"), street.firm("maker"), street.firm("rival")
    own_id, theirs = await one_request(street)
    asked = await buyer.shown(own_id)
    attempts: list[Refusal | Receipt] = [
        await rival.post(buyer, answer_to(asked)),
        await rival.post(buyer, Rejection(message_id="1", request_id=own_id, reason="no")),
        await rival.post(buyer, Status(message_id="2", request_id=own_id, state="asked-on")),
        await rival.post(buyer, Withdrawal(message_id="3", request_id=own_id, version=1, reason="no")),
        await rival.post(maker, Cancellation(message_id="4", request_id=own_id)),
        # The supplier itself cannot cancel what it was asked, nor answer under its own id of the request.
        await maker.post(buyer, Cancellation(message_id="5", request_id=own_id)),
        await maker.post(buyer, answer_to(asked, request_id=theirs)),
    ]
    assert [reply.code for reply in attempts if isinstance(reply, Refusal)] == ["not-found"] * 7
    assert (await buyer.shown(own_id)) == asked
    assert (await maker.shown(theirs)).state is S.RECEIVED


async def test_an_answer_about_another_part_is_refused(street: Street) -> None:
    buyer, maker = street.firm("buyer"), street.firm("maker")
    own_id, _ = await one_request(street)
    asked = await buyer.shown(own_id)
    reply = await maker.post(buyer, answer_to(asked, part=Part(part_id="another")))
    assert isinstance(reply, Refusal)
    assert (reply.code, "another part" in reply.reason) == ("invalid", True)
    assert await buyer.answers(own_id) == []
    assert await buyer.shown(own_id) == asked


async def test_what_comes_twice_or_out_of_order_changes_nothing(street: Street) -> None:
    buyer, maker = street.firm("buyer"), street.firm("maker")
    own_id, _ = await one_request(street)
    asked = await buyer.shown(own_id)
    second = answer_to(asked, 2)
    assert isinstance(await maker.post(buyer, second), Receipt)
    after = await buyer.shown(own_id)
    assert await maker.post(buyer, second) == Receipt(message_id=second.message_id, outcome="taken")
    assert await buyer.shown(own_id) == after
    late = await maker.post(buyer, answer_to(asked, 1))
    same_id = await maker.post(buyer, answer_to(asked, 3, message_id=second.message_id))
    twice = await maker.post(buyer, answer_to(asked, 2, message_id="other"))
    too_late = await maker.post(buyer, Rejection(message_id="6", request_id=own_id, reason="no"))
    wrong = await maker.post(buyer, Withdrawal(message_id="7", request_id=own_id, version=1, reason="no"))
    refused = [late, same_id, twice, too_late, wrong]
    assert [reply.code for reply in refused if isinstance(reply, Refusal)] == ["wrong-state"] * 5
    assert await buyer.shown(own_id) == after
    status = Status(message_id="8", request_id=own_id, state="in-progress", counts=Counts(trades=1))
    assert isinstance(await maker.post(buyer, status), Receipt)
    assert (await buyer.shown(own_id)).state is S.ANSWERED


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"schema": "urn:ashiato:supply:2", "type": "Reminder", "message_id": "1", "request_id": "r"}',
        b'{"schema": "urn:ashiato:supply:1", "type": "Order", "message_id": "1"}',
        b'{"schema": "urn:ashiato:supply:1", "type": "Reminder", "message_id": "1", "request_id": "r", "x": 1}',
        b'{"schema": "urn:ashiato:supply:1", "type": "Reminder", "message_id": "1", "message_id": "2", "request_id": "r"}',
        b'{"schema": "urn:ashiato:supply:1", "type": "Reminder", "message_id": "1", "request_id": "r", "text": "\\u0000"}',
        b'{"schema": "urn:ashiato:supply:1", "type": "Status", "message_id": "1", "request_id": "r", "state": "received", '
        b'"counts": {"trades": 1, "completed": 2, "closed": 0}}',
        b'{"schema": "urn:ashiato:supply:1", "type": "Status", "message_id": "1", "request_id": "r", "state": "received", '
        b'"counts": {"trades": 1e30, "completed": 2, "closed": 0}}',
        b'{"schema": "urn:ashiato:supply:1", "type": "Answer", "message_id": "1", "request_id": "r", "version": 1, "part": {}}',
        b'{"schema": "urn:ashiato:supply:1", "type": "Reminder", "message_id": "1", "request_id": "r", "text": "'
        + b"x" * 2001
        + b'"}',
        b" " * 140_000,
    ],
)
async def test_bad_messages_are_refused(street: Street, body: bytes) -> None:
    reply = await street.firm("rival").post(street.firm("maker"), body)
    assert isinstance(reply, Refusal)
    assert reply.code == "malformed"


async def test_a_supplier_that_is_away_gets_the_request_later(street: Street) -> None:
    buyer, maker = street.firm("buyer"), street.firm("maker")
    street.away.add(maker.did)
    (asked,) = await buyer.ask((maker, "cell-1"))
    await street.carry()
    shown = await buyer.shown(asked.own_id)
    assert (shown.state, shown.reason) == (S.ASKED, "It is away.")
    street.away.clear()
    await street.wait_ms(60_000)
    shown = await buyer.shown(asked.own_id)
    assert (shown.state, shown.reason) == (S.RECEIVED, "")


async def test_a_supplier_that_stays_away_is_given_up_after_three_days(street: Street) -> None:
    buyer, maker = street.firm("buyer"), street.firm("maker")
    street.away.add(maker.did)
    (asked,) = await buyer.ask((maker, "cell-1"))
    await street.carry()
    await street.wait_ms(3 * DAY_MS)
    shown = await buyer.shown(asked.own_id)
    assert (shown.state, shown.reason) == (S.UNDELIVERED, "It is away.")
    assert await buyer.tree(asked.tree_id) == Counts(trades=1, closed=1)


async def test_what_is_not_answered_in_time_is_overdue_on_both_sides_and_stays_open(street: Street) -> None:
    buyer, maker = street.firm("buyer"), street.firm("maker")
    own_id, theirs = await one_request(street)
    await street.wait_ms(7 * DAY_MS)
    for firm, known in ((buyer, own_id), (maker, theirs)):
        shown = await firm.shown(known)
        assert (shown.is_overdue, shown.is_open) == (True, True)
        assert len(await firm.history("request.overdue")) == 1
    await maker.answer(theirs)
    await street.carry()
    assert (await buyer.shown(own_id)).state is S.ANSWERED


async def test_an_answer_in_time_leaves_nothing_overdue(street: Street) -> None:
    buyer, maker = street.firm("buyer"), street.firm("maker")
    own_id, theirs = await one_request(street)
    await maker.answer(theirs)
    await street.carry()
    await street.wait_ms(8 * DAY_MS)
    assert not (await buyer.shown(own_id)).is_overdue
    assert not (await maker.shown(theirs)).is_overdue


async def put_rule(street: Street, firm: Firm, rule: AnswerRule) -> None:
    """A rule of that company, with the asset that it answers with."""
    moment = street.clock.moment()

    def work(uow: UnitOfWork) -> None:
        uow.assets.put_asset(Asset(asset_id=rule.asset_id, title="t", source={"kind": "record"}))
        rules.put_rule(uow, rule, moment)

    await firm.run(work)


async def test_a_chain_of_rules_answers_from_the_bottom_up(street: Street) -> None:
    names = ["vehicle", "pack", "cell", "cathode", "nickel"]
    vehicle, *rest = (street.firm(name) for name in names)
    for at, firm in enumerate(rest):
        below = rest[at + 1 : at + 2]
        ask_on = tuple(Wanted(partner=one.did, part=Part(part_id="p")) for one in below)
        rule = AnswerRule(rule_id="r", data_item=ITEM, part_id="p", asset_id="cfp", ask_on=ask_on)
        await put_rule(street, firm, rule)
    (asked,) = await vehicle.ask((rest[0], "p"))
    await street.carry()
    assert (await vehicle.shown(asked.own_id)).state is S.ANSWERED
    assert await vehicle.tree(asked.tree_id) == Counts(trades=4, completed=4)


async def test_a_rule_leaves_to_a_person_what_its_suppliers_do_not_answer(street: Street) -> None:
    buyer, maker, refiner = street.firm("buyer"), street.firm("maker"), street.firm("refiner")
    ask_on = (Wanted(partner=refiner.did, part=Part(part_id="ni")),)
    await put_rule(street, maker, AnswerRule(rule_id="r", data_item=ITEM, asset_id="cfp", ask_on=ask_on))
    own_id, theirs = await one_request(street)
    (at_refiner,) = await refiner.received()
    await refiner.reject(at_refiner.own_id)
    await street.carry()
    assert (await maker.shown(theirs)).state is S.ASKED_ON
    await maker.answer(theirs)
    await street.carry()
    assert (await buyer.shown(own_id)).state is S.ANSWERED


async def test_nothing_that_the_bottom_hears_names_the_top_and_nothing_at_the_top_the_bottom(
    street: Street,
) -> None:
    a, b, c = street.firm("apex"), street.firm("bridge"), street.firm("cellar")
    sister = street.firm("sister")
    (to_b, _) = await a.ask((b, "b-secret-1"), (sister, "s-1"), text="a-secret-text")
    await street.carry()
    (at_b,) = await b.received()
    await b.ask((c, "c-secret-1"), above=at_b.own_id, text="b-text")
    await street.carry()
    (at_c,) = await c.received()
    await c.answer(at_c.own_id, "c-secret-asset")
    await street.carry()
    await b.answer(at_b.own_id, "b-asset")
    await street.carry()
    down = b"".join(body for _, receiver, body in street.posted if receiver == c.did)
    up = b"".join(body for _, receiver, body in street.posted if receiver == a.did)
    assert down
    assert up
    for secret in ("apex", "sister", "b-secret-1", "s-1", "a-secret-text", to_b.tree_id, to_b.own_id):
        assert secret.encode() not in down, secret
    for secret in ("cellar", "c-secret-1", "c-secret-asset", "b-text", at_c.tree_id, at_c.request_id):
        assert secret.encode() not in up, secret


async def test_a_thousand_suppliers_of_which_some_are_silent_and_some_away_end_with_the_right_counts(
    street: Street,
) -> None:
    """10 % are silent and 5 % away: 850 answer, 100 stay open, 50 are given up after three days."""
    buyer = street.firm("buyer")
    suppliers = [street.firm(f"s{number:04d}") for number in range(1000)]
    silent = {firm.did for firm in suppliers[::10]}
    street.away |= {firm.did for firm in suppliers[1::20]}
    rule = AnswerRule(rule_id="r", data_item=ITEM, asset_id="cfp")
    willing = [firm for firm in suppliers if firm.did not in silent | street.away]
    await asyncio.gather(*(put_rule(street, firm, rule) for firm in willing))
    asked = await buyer.ask(*((firm, "part") for firm in suppliers))
    await street.carry()
    tree_id = asked[0].tree_id
    assert await buyer.tree(tree_id) == Counts(trades=1000, completed=850)
    await street.wait_ms(3 * DAY_MS)
    assert await buyer.tree(tree_id) == Counts(trades=1000, completed=850, closed=50)


async def test_what_cannot_be_asked_is_said_before_anybody_is_asked(street: Street) -> None:
    buyer, maker = street.firm("buyer"), street.firm("maker")
    with pytest.raises(Invalid):
        await buyer.ask((maker, "x"), (buyer, "y"))
    with pytest.raises(Invalid):
        await buyer.ask((maker, "x"), due_ms=1)
    with pytest.raises(Invalid):
        await buyer.ask((maker, "x"), hops=33)
    with pytest.raises(NotFound):
        await buyer.ask((maker, "x"), above="urn:uuid:none")
    await street.carry()
    assert await maker.received() == []
