"""How far things reach across companies: down to the materials and up to where they went, with what stays masked on the way.

The chain is that of the recall: cells c1 and c9 of the batch B7 are in the modules m1 and m5, these in the packs p1 and p3, and
these in the vehicles v1 and v3. Each module has two cells, each pack two modules, each vehicle one pack.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ashiato.connector.problems import Invalid, NotFound, WrongState
from ashiato.facts.identifiers import parse_identifier
from ashiato.stores.engine import open_store
from ashiato.supply import reach, reach_report, trace_rights
from ashiato.supply.asking import Terms
from ashiato.supply.messages import (
    Answer,
    DataRequest,
    Part,
    Receipt,
    Refusal,
    TracedThing,
    TraceReach,
    TraceResult,
    TraceTier,
    decode,
)
from ashiato.supply.ports import UnitOfWork
from ashiato.supply.reach import MATERIALS_ITEM, WENT_ITEM
from ashiato.supply.reach_report import Report
from ashiato.supply.records import (
    Batch,
    Holding,
    LinkState,
    PartType,
    Side,
    Sourcing,
    Subject,
    SubjectKind,
)
from ashiato.supply.request_ports import REQUESTS
from ashiato.supply.requests import AnswerRule, RequestState, SupplyRequest
from tests.supply.built_street import chain, item, link, put_item
from tests.supply.street import DAY_MS, Firm, Street

B7 = Subject(SubjectKind.BATCH, "B7")


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    store = await open_store(f"sqlite:///{tmp_path}/connector.db", "node-1")
    made = Street(store)
    await chain(made)
    yield made
    await store.close()


async def let(street: Street, data_item: str, *names: str, **more: Any) -> None:
    """Rules of these companies that let everything be followed."""
    for name in names:
        rule = AnswerRule(rule_id=data_item, data_item=data_item, asset_id="", **more)
        await street.firm(name).run(lambda uow, rule=rule: uow.room(REQUESTS).put_rule(rule))  # type: ignore[misc]  # mypy infers no type for a lambda with a default


async def let_all(street: Street) -> None:
    await let(street, WENT_ITEM, "moduler", "packer", "car")
    await let(street, MATERIALS_ITEM, "packer", "moduler", "celler")


async def follow(street: Street, name: str, start: Subject, data_item: str, hops: int = 8) -> SupplyRequest:
    firm, moment = street.firm(name), street.clock.moment()
    terms = Terms(data_item=data_item, due_ms=moment.now_ms + 7 * DAY_MS, hops=hops, fetches=False)
    request = await firm.run(lambda uow: reach.ask_own(uow, firm.company, start, terms, moment))
    await street.carry()
    return request


async def seen(firm: Firm, own_id: str) -> Report:
    return await firm.run(lambda uow: reach_report.report(uow, own_id))


def numbers(found: Report) -> list[tuple[int, ...]]:
    """Of each tier: things, ends, unanswered, branches, silent, masked."""
    return [
        (one.things, one.ends, one.unanswered, one.branches, one.silent, masked)
        for one, masked in found.tiers
    ]


async def test_a_batch_is_followed_up_to_the_vehicles_by_counts_alone(street: Street) -> None:
    await let_all(street)
    asked = await follow(street, "celler", B7, WENT_ITEM)
    found = await seen(street.firm("celler"), asked.own_id)
    assert numbers(found) == [
        (2, 0, 0, 1, 0, 0),
        (2, 0, 0, 1, 0, 2),
        (2, 0, 0, 1, 0, 2),
        (2, 2, 0, 0, 0, 2),
    ]
    assert (found.is_complete, found.unanswered) == (True, 0)
    assert [one.name for one in found.named] == ["c1", "c9"]
    assert [(one.asked_count, one.known_count, one.masked_count) for one in found.branches] == [(2, 2, 2)]


async def test_an_item_is_followed_down_to_its_materials(street: Street) -> None:
    await let_all(street)
    asked = await follow(street, "car", item("vehicle", "v1"), MATERIALS_ITEM)
    found = await seen(street.firm("car"), asked.own_id)
    assert numbers(found) == [
        (1, 0, 0, 1, 0, 0),
        (2, 0, 0, 1, 0, 2),
        (4, 0, 0, 1, 0, 4),
        (0, 4, 0, 0, 0, 0),
    ]
    assert found.is_complete


async def test_names_go_to_the_neighbour_and_no_further(street: Street) -> None:
    await let_all(street)
    await let(street, WENT_ITEM, "moduler", "packer", "car", names=True)
    asked = await follow(street, "celler", B7, WENT_ITEM)
    found = await seen(street.firm("celler"), asked.own_id)
    assert [one.named for one in (branch.reach for branch in found.branches) if one] == [
        (
            TracedThing(kind="item", part="module", name="m1"),
            TracedThing(kind="item", part="module", name="m5"),
        )
    ]
    assert [masked for _, masked in found.tiers] == [0, 0, 2, 2]
    to_celler = b"".join(body for _, receiver, body in street.posted if receiver == street.firm("celler").did)
    assert b'"m1"' in to_celler
    for secret in ("packer", '"p1"', "pack", '"v1"', "vehicle", "car"):
        assert secret.encode() not in to_celler, secret
    to_car = b"".join(body for _, receiver, body in street.posted if receiver == street.firm("car").did)
    for secret in ("celler", "moduler", '"c1"', '"m1"', "B7", "module", "cell"):
        assert secret.encode() not in to_car, secret


async def test_without_a_rule_nothing_leaves_and_a_person_may_let_it(street: Street) -> None:
    await let_all(street)
    moduler = street.firm("moduler")
    await moduler.run(lambda uow: uow.room(REQUESTS).delete_rule(WENT_ITEM))
    asked = await follow(street, "celler", B7, WENT_ITEM)
    before = await seen(street.firm("celler"), asked.own_id)
    assert (before.tiers, before.is_complete, before.branches[0].reach) == ((), False, None)
    assert await street.firm("packer").received() == []
    (waiting,) = await moduler.received()
    assert len(await moduler.history("request.needs-a-person")) == 1
    moment = street.clock.moment()
    await moduler.run(lambda uow: trace_rights.let(uow, moduler.company, waiting.own_id, True, moment))
    await street.carry()
    after = await seen(street.firm("celler"), asked.own_id)
    assert [tier.things for tier, _ in after.tiers] == [2, 2, 2, 2]
    assert after.branches[0].masked_count == 0
    with pytest.raises(WrongState):
        await moduler.run(lambda uow: trace_rights.let(uow, moduler.company, waiting.own_id, True, moment))


async def test_a_question_under_a_link_that_ended_is_not_let_by_anybody(street: Street) -> None:
    await let_all(street)
    moduler = street.firm("moduler")
    await moduler.run(lambda uow: uow.room(REQUESTS).delete_rule(WENT_ITEM))
    asked = await follow(street, "celler", B7, WENT_ITEM)
    (waiting,) = await moduler.received()

    def end(uow: UnitOfWork) -> None:
        known = uow.supply.links.get(waiting.part.link)
        assert known is not None
        uow.supply.links.put(msgspec.structs.replace(known, state=LinkState.WITHDRAWN))

    await street.store.run(moduler.did, end)
    moment = street.clock.moment()
    with pytest.raises(WrongState, match="link has ended"):
        await moduler.run(lambda uow: trace_rights.let(uow, moduler.company, waiting.own_id, True, moment))
    await street.carry()
    assert (await seen(street.firm("celler"), asked.own_id)).branches[0].reach is None


async def test_a_rule_for_named_partners_answers_nobody_else(street: Street) -> None:
    await let_all(street)
    await let(street, WENT_ITEM, "moduler", partners=("did:web:other.example",))
    asked = await follow(street, "celler", B7, WENT_ITEM)
    assert (await seen(street.firm("celler"), asked.own_id)).branches[0].reach is None
    await let(street, WENT_ITEM, "moduler", partners=(street.firm("celler").did,))
    again = await follow(street, "celler", B7, WENT_ITEM)
    assert (await seen(street.firm("celler"), again.own_id)).is_complete


async def test_who_refuses_is_known_by_name_next_to_the_asker_and_as_a_number_behind(street: Street) -> None:
    await let_all(street)
    packer = street.firm("packer")
    await packer.run(lambda uow: uow.room(REQUESTS).delete_rule(WENT_ITEM))
    asked = await follow(street, "celler", B7, WENT_ITEM)
    (waiting,) = await packer.received()
    await packer.reject(waiting.own_id, "Our customers do not want it.")
    await street.carry()
    found = await seen(street.firm("celler"), asked.own_id)
    assert numbers(found) == [(2, 0, 0, 1, 0, 0), (2, 0, 2, 1, 1, 2)]
    assert (found.is_complete, found.unanswered) == (False, 2)
    at_moduler = next(one for one in await street.firm("moduler").received() if one.data_item == WENT_ITEM)
    (branch,) = (await seen(street.firm("moduler"), at_moduler.own_id)).branches
    assert (branch.request.peer_id, branch.request.state) == (packer.did, RequestState.REJECTED)
    assert branch.request.reason == "Our customers do not want it."


async def test_who_is_off_line_is_missing_at_the_date_and_completes_the_result_later(street: Street) -> None:
    await let_all(street)
    street.away.add(street.firm("car").did)
    asked = await follow(street, "celler", B7, WENT_ITEM)
    assert (await seen(street.firm("celler"), asked.own_id)).tiers == ()
    for _ in range(2):
        await street.wait_ms(DAY_MS)
    street.away.clear()
    for _ in range(6):
        await street.wait_ms(DAY_MS)
    found = await seen(street.firm("celler"), asked.own_id)
    assert (found.is_complete, found.request.state) == (True, RequestState.ANSWERED)
    assert [tier.things for tier, _ in found.tiers] == [2, 2, 2, 2]


async def test_who_stays_off_line_leaves_its_things_unanswered(street: Street) -> None:
    await let_all(street)
    street.away.add(street.firm("car").did)
    asked = await follow(street, "celler", B7, WENT_ITEM)
    for _ in range(8):
        await street.wait_ms(DAY_MS)
    found = await seen(street.firm("celler"), asked.own_id)
    assert numbers(found) == [(2, 0, 0, 1, 0, 0), (2, 0, 0, 1, 0, 2), (2, 0, 2, 1, 1, 2)]
    assert not found.is_complete


async def test_the_hop_limit_leaves_what_lies_behind_it_unanswered(street: Street) -> None:
    await let_all(street)
    asked = await follow(street, "celler", B7, WENT_ITEM, hops=1)
    found = await seen(street.firm("celler"), asked.own_id)
    # The cell maker asks the module maker (1 tier below may be asked), it asks the pack maker, and that asks nobody.
    assert numbers(found) == [(2, 0, 0, 1, 0, 0), (2, 0, 0, 1, 0, 2), (2, 0, 2, 1, 1, 2)]


async def test_a_loop_of_recycling_ends(street: Street) -> None:
    """The car maker sells v1 back to the cell maker, which is its buyer of old vehicles."""
    await let_all(street)
    await let(street, WENT_ITEM, "celler")

    def sells(uow: UnitOfWork) -> None:
        uow.supply.links.put(link("celler", "car", Side.SUPPLIER, "vehicle", "old-vehicle", street))

    def buys(uow: UnitOfWork) -> None:
        uow.supply.parts.put(PartType(part_id="old-vehicle", sourcing=Sourcing.PURCHASED))
        uow.supply.links.put(link("celler", "car", Side.BUYER, "old-vehicle", "vehicle", street))
        put_item(uow, "old-vehicle", "v1")
        uow.supply.batches.put(Batch(batch_id="B7-again", part_id="cell"))
        again = Subject(SubjectKind.BATCH, "B7-again")
        uow.supply.put_holdings([Holding(holder=again, component=item("old-vehicle", "v1"))])

    await street.store.run(street.firm("car").did, sells)
    await street.store.run(street.firm("celler").did, buys)
    asked = await follow(street, "celler", B7, WENT_ITEM)
    found = await seen(street.firm("celler"), asked.own_id)
    # The question comes home and is answered "already asked": v1 and v3 went to a company that did not say what became of them.
    assert numbers(found)[3] == (2, 0, 2, 1, 1, 2)
    assert found.request.state is RequestState.ANSWERED


async def second_customer(street: Street) -> None:
    """The module maker sells to a second pack maker, too."""

    def work(uow: UnitOfWork) -> None:
        uow.supply.links.put(link("rival", "moduler", Side.SUPPLIER, "module", "module", street))

    def bought(uow: UnitOfWork) -> None:
        uow.supply.parts.put(PartType(part_id="module", sourcing=Sourcing.PURCHASED))
        uow.supply.links.put(link("rival", "moduler", Side.BUYER, "module", "module", street))

    await street.store.run(street.firm("moduler").did, work)
    await street.store.run(street.firm("rival").did, bought)


async def went_to(street: Street, serial: str, customer: str) -> None:
    did = street.firm(customer).did

    def work(uow: UnitOfWork) -> None:
        known = uow.supply.items.get(f"module-{serial}")
        assert known is not None
        names = (parse_identifier(f"partner_number:{serial}@{did}"),)
        uow.supply.items.put(msgspec.structs.replace(known, identifiers=names))

    await street.store.run(street.firm("moduler").did, work)


async def test_of_two_customers_only_the_one_that_got_it_is_told(street: Street) -> None:
    await let_all(street)
    await second_customer(street)
    untold = await follow(street, "celler", B7, WENT_ITEM)
    found = await seen(street.firm("celler"), untold.own_id)
    # Who got m1 and m5 stands nowhere: neither customer hears of them.
    assert numbers(found) == [(2, 0, 0, 1, 0, 0), (2, 0, 2, 0, 0, 2)]
    assert await street.firm("rival").received() == []
    await went_to(street, "m1", "packer")
    await went_to(street, "m5", "packer")
    told = await follow(street, "celler", B7, WENT_ITEM)
    assert (await seen(street.firm("celler"), told.own_id)).is_complete
    assert await street.firm("rival").received() == []


async def asks(street: Street, asker: str, of: str, message: DataRequest) -> Receipt | Refusal:
    reply = await street.firm(asker).post(street.firm(of), message)
    await street.carry()
    return reply


def question(link_id: str, data_item: str, *serials: str, number: str = "1", **more: Any) -> DataRequest:
    return DataRequest(
        message_id=f"m-{number}", request_id=f"r-{number}", tree_id=f"t-{number}", data_item=data_item,
        part=Part(link=link_id), due_ms=4_000_000_000_000, hops=4, among=serials, **more,
    )  # fmt: skip


def answers_to(street: Street, name: str) -> list[Answer]:
    return [one for one in street.firm(name).letters() if isinstance(one, Answer)]


async def test_somebody_elses_serial_looks_as_if_it_were_not_there(street: Street) -> None:
    """The rival buys modules too; m1 went to the pack maker, and the rival asks what is in it."""
    await let_all(street)
    await second_customer(street)
    await went_to(street, "m1", "packer")
    await went_to(street, "m2", "rival")
    asked = question("rival-moduler", MATERIALS_ITEM, "m1", "m2", "m999")
    assert isinstance(await asks(street, "rival", "moduler", asked), Receipt)
    (answer,) = answers_to(street, "rival")
    assert answer.trace is not None
    assert answer.trace.reach is not None
    assert answer.trace.reach.known == ("m2",)
    # The cells c3 and c4 of m2, and nothing of m1.
    assert answer.trace.reach.tiers[0].things == 2


async def test_a_supplier_hears_nothing_of_what_another_supplier_delivered(street: Street) -> None:
    """A second cell maker is linked for the same bought part and asks where c1, the first one's, went."""
    await let_all(street)

    def also_buys(uow: UnitOfWork) -> None:
        uow.supply.links.put(link("moduler", "cheaper", Side.BUYER, "cell", "cell", street))
        known = uow.supply.items.get("cell-c2")
        assert known is not None
        whose = (parse_identifier(f"partner_number:c2@{street.firm('cheaper').did}"),)
        uow.supply.items.put(msgspec.structs.replace(known, identifiers=whose))

    await street.store.run(street.firm("moduler").did, also_buys)
    asked = question("moduler-cheaper", WENT_ITEM, "c1", "c2")
    assert isinstance(await asks(street, "cheaper", "moduler", asked), Receipt)
    (answer,) = answers_to(street, "cheaper")
    assert answer.trace is not None
    assert answer.trace.reach is not None
    assert (answer.trace.reach.known, answer.trace.reach.tiers[0].things) == (("c2",), 1)


@pytest.mark.parametrize(
    ("asker", "link_id", "data_item"),
    [
        ("car", "moduler-celler", WENT_ITEM),
        ("celler", "packer-moduler", WENT_ITEM),
        ("celler", "moduler-celler", MATERIALS_ITEM),
        ("packer", "packer-moduler", WENT_ITEM),
        ("moduler", "nothing", WENT_ITEM),
    ],
)
async def test_a_question_from_the_wrong_side_of_a_link_is_refused(
    street: Street, asker: str, link_id: str, data_item: str
) -> None:
    """Neither a stranger, nor a supplier that asks for materials, nor a customer that asks where it went."""
    await let_all(street)
    await let(street, MATERIALS_ITEM, "moduler")
    reply = await asks(street, asker, "moduler", question(link_id, data_item, "m1", "c1"))
    assert isinstance(reply, Refusal)
    assert await street.firm("moduler").received() == []


async def test_a_part_that_is_named_without_a_link_is_left_to_a_person(street: Street) -> None:
    await let_all(street)
    asked = msgspec.structs.replace(question("", WENT_ITEM, "c1"), part=Part(part_id="cell"))
    assert isinstance(await asks(street, "celler", "moduler", asked), Receipt)
    assert answers_to(street, "celler") == []
    (waiting,) = await street.firm("moduler").received()
    assert not trace_rights.can_be_let(waiting)


async def below(street: Street, name: str, own_id: str) -> SupplyRequest:
    (found,) = await street.firm(name).run(lambda uow: uow.room(REQUESTS).below(own_id, "", 10))
    return found


async def lies(street: Street, child: SupplyRequest, told: TraceReach, version: int = 1) -> Receipt | Refusal:
    answer = Answer(
        message_id=f"lie-{version}",
        request_id=child.request_id,
        version=version,
        part=child.part,
        trace=TraceResult(reach=told),
    )
    reply = await street.firm("moduler").post(street.firm("celler"), answer)
    await street.carry()
    return reply


async def test_a_partner_answers_only_about_what_it_was_asked(street: Street) -> None:
    street.away.add(street.firm("moduler").did)
    asked = await follow(street, "celler", B7, WENT_ITEM)
    child = await below(street, "celler", asked.own_id)
    told = TraceReach(known=("c1", "c3", "c999"), known_lots=("B7",), tiers=(TraceTier(things=1),))
    await lies(street, child, told)
    found = await seen(street.firm("celler"), asked.own_id)
    assert (found.branches[0].known_count, found.unanswered, found.is_complete) == (1, 1, False)


async def test_an_answer_for_another_part_changes_nothing(street: Street) -> None:
    street.away.add(street.firm("moduler").did)
    asked = await follow(street, "celler", B7, WENT_ITEM)
    child = await below(street, "celler", asked.own_id)
    wrong = msgspec.structs.replace(child, part=Part(link="packer-moduler"))
    assert isinstance(await lies(street, wrong, TraceReach(known=("c1", "c9"))), Refusal)
    assert (await seen(street.firm("celler"), asked.own_id)).branches[0].reach is None


async def test_enormous_numbers_of_a_partner_do_not_break_the_answer(street: Street) -> None:
    street.away.add(street.firm("moduler").did)
    asked = await follow(street, "celler", B7, WENT_ITEM)
    child = await below(street, "celler", asked.own_id)
    huge = TraceTier(things=10**9, ends=10**9, unanswered=10**9, branches=10**9, silent=10**9)
    await lies(street, child, TraceReach(known=("c1", "c9"), tiers=(huge,) * 34))
    found = await seen(street.firm("celler"), asked.own_id)
    assert (found.request.state, found.unanswered, len(found.tiers)) == (RequestState.ANSWERED, 1_000_000, 34)


async def test_an_answer_after_the_trace_was_cancelled_does_nothing(street: Street) -> None:
    await let_all(street)
    car = street.firm("car")
    await car.run(lambda uow: uow.room(REQUESTS).delete_rule(WENT_ITEM))
    asked = await follow(street, "celler", B7, WENT_ITEM)
    celler, moment = street.firm("celler"), street.clock.moment()
    await celler.run(lambda uow: trace_rights.stop_own(uow, celler.company, asked.own_id, "Found.", moment))
    await street.carry()
    states = {
        name: [one.state for one in await street.firm(name).received()]
        for name in ("moduler", "packer", "car")
    }
    assert states == {name: [RequestState.CANCELLED] for name in states}
    child = await below(street, "celler", asked.own_id)
    reply = await lies(street, child, TraceReach(known=("c1", "c9")))
    assert isinstance(reply, Receipt)
    assert reply.outcome == "kept-without-effect"
    found = await seen(celler, asked.own_id)
    assert (found.request.state, found.tiers) == (RequestState.CANCELLED, ())


async def test_a_link_that_ended_meanwhile_ends_the_right(street: Street) -> None:
    await let_all(street)
    street.away.add(street.firm("packer").did)
    asked = await follow(street, "celler", B7, WENT_ITEM)

    def ends(uow: UnitOfWork) -> None:
        known = uow.supply.links.get("moduler-celler")
        assert known is not None
        uow.supply.links.put(msgspec.structs.replace(known, state=LinkState.WITHDRAWN))

    await street.store.run(street.firm("moduler").did, ends)
    for _ in range(8):
        await street.wait_ms(DAY_MS)
    assert answers_to(street, "celler") == []
    assert (await seen(street.firm("celler"), asked.own_id)).branches[0].reach is None
    waits = await street.firm("moduler").history("request.needs-a-person")
    assert {entry.details["reason"] for entry in waits} == {"The trade link has ended meanwhile."}


async def test_a_lot_is_known_by_the_number_that_its_supplier_gave_it(street: Street) -> None:
    """The cell maker buys cathode of the lot L1, which it calls K-9, and cathode of a lot that nobody sold it."""
    await let(street, WENT_ITEM, "celler", "moduler", "packer", "car")
    await let(street, MATERIALS_ITEM, "cathode")

    def buys(uow: UnitOfWork) -> None:
        uow.supply.parts.put(PartType(part_id="powder", sourcing=Sourcing.PURCHASED, unit="kg"))
        uow.supply.links.put(link("celler", "cathode", Side.BUYER, "powder", "nmc", street))
        number = parse_identifier(f"partner_number:L1@{street.firm('cathode').did}")
        uow.supply.batches.put(Batch(batch_id="K-9", part_id="powder", identifiers=(number,)))
        k9 = Subject(SubjectKind.BATCH, "K-9")
        uow.supply.put_identifiers({k9: (number.text,)})
        uow.supply.put_holdings([Holding(holder=B7, component=k9, quantity="5", unit="kg")])

    def sells(uow: UnitOfWork) -> None:
        uow.supply.parts.put(PartType(part_id="nmc", unit="kg"))
        uow.supply.batches.put(Batch(batch_id="L1", part_id="nmc"))
        uow.supply.links.put(link("celler", "cathode", Side.SUPPLIER, "nmc", "powder", street))

    await street.store.run(street.firm("celler").did, buys)
    await street.store.run(street.firm("cathode").did, sells)
    up = await follow(street, "cathode", Subject(SubjectKind.BATCH, "L1"), WENT_ITEM)
    found = await seen(street.firm("cathode"), up.own_id)
    # At the cell maker: the batch B7 and its cells c1 and c9; then two modules, two packs, two vehicles.
    assert [tier.things for tier, _ in found.tiers] == [0, 3, 2, 2, 2]
    assert found.is_complete
    down = await follow(street, "celler", item("cell", "c1"), MATERIALS_ITEM)
    found = await seen(street.firm("celler"), down.own_id)
    assert numbers(found) == [(1, 0, 0, 1, 0, 0), (0, 1, 0, 0, 0, 0)]
    assert found.is_complete


async def test_a_bought_thing_without_a_supplier_is_counted_as_unanswered(street: Street) -> None:
    def unlinked(uow: UnitOfWork) -> None:
        known = uow.supply.links.get("car-packer")
        assert known is not None
        uow.supply.links.put(msgspec.structs.replace(known, state=LinkState.REFUSED))

    await street.store.run(street.firm("car").did, unlinked)
    asked = await follow(street, "car", item("vehicle", "v1"), MATERIALS_ITEM)
    found = await seen(street.firm("car"), asked.own_id)
    assert numbers(found) == [(1, 0, 1, 0, 0, 0)]
    assert not found.is_complete


async def test_what_is_not_there_or_over_already_is_refused(street: Street) -> None:
    with pytest.raises(NotFound):
        await follow(street, "celler", Subject(SubjectKind.BATCH, "B8"), WENT_ITEM)
    with pytest.raises(NotFound):
        await follow(street, "celler", item("cell", "c99"), MATERIALS_ITEM)
    firm, moment = street.firm("celler"), street.clock.moment()
    late = Terms(data_item=WENT_ITEM, due_ms=moment.now_ms, fetches=False)
    with pytest.raises(Invalid):
        await firm.run(lambda uow: reach.ask_own(uow, firm.company, B7, late, moment))


async def test_many_serials_travel_in_messages_that_an_inbox_takes(street: Street) -> None:
    """1 100 cells whose serial numbers are as long as they may be: no question is above what an inbox takes."""
    await let(street, WENT_ITEM, "moduler")
    long = "電" * 120

    def made(uow: UnitOfWork) -> None:
        uow.supply.batches.put(Batch(batch_id="B8", part_id="cell"))
        for number in range(1100):
            put_item(uow, "cell", f"{long}{number:04}", "B8")

    await street.store.run(street.firm("celler").did, made)
    asked = await follow(street, "celler", Subject(SubjectKind.BATCH, "B8"), WENT_ITEM)
    found = await seen(street.firm("celler"), asked.own_id)
    assert all(branch.request.state is RequestState.ANSWERED for branch in found.branches)
    assert (found.tiers[0][0].things, found.unanswered) == (1100, 1100)
    bodies = [body for _, receiver, body in street.posted if receiver == street.firm("moduler").did]
    assert sum(len(json.loads(body)["among"]) for body in bodies) == 1100
    assert all(decode(body) for body in bodies)
