"""A recall across four companies: which vehicles hold cells of a batch that only the cell maker knows."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ashiato.connector.problems import Invalid, NotFound
from ashiato.stores.engine import open_store
from ashiato.supply import tracing
from ashiato.supply.asking import Terms
from ashiato.supply.messages import Answer, TraceResult
from ashiato.supply.ports import UnitOfWork
from ashiato.supply.request_ports import REQUESTS
from ashiato.supply.requests import RequestState, SupplyRequest
from tests.supply.built_street import chain, item
from tests.supply.street import DAY_MS, Firm, Street


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    store = await open_store(f"sqlite:///{tmp_path}/connector.db", "node-1")
    yield Street(store)
    await store.close()


async def asked(street: Street, *serials: str, hops: int = 8, days: int = 7) -> SupplyRequest:
    car = street.firm("car")
    moment = street.clock.moment()
    due_ms = moment.now_ms + days * DAY_MS
    terms = Terms(data_item=tracing.TRACE_ITEM, due_ms=due_ms, hops=hops, about="B7", fetches=False)
    request = await car.run(lambda uow: tracing.ask_own(uow, car.company, "vehicle", serials, terms, moment))
    await street.carry()
    return request


async def results(firm: Firm, own_id: str) -> list[TraceResult | None]:
    return [kept.trace for kept in await firm.answers(own_id)]


async def test_the_vehicles_of_a_batch_are_found_through_four_companies(street: Street) -> None:
    await chain(street)
    request = await asked(street, "v1", "v2", "v3")
    assert await results(street.firm("car"), request.own_id) == [TraceResult(found=("v1", "v3"))]
    shown = await street.firm("car").shown(request.own_id)
    assert (shown.state, shown.counts.trades, shown.counts.completed) == (RequestState.ANSWERED, 3, 3)


async def test_what_lies_between_stays_masked(street: Street) -> None:
    await chain(street)
    await asked(street, "v1", "v2", "v3")
    to_car = [body for _, receiver, body in street.posted if receiver == street.firm("car").did]
    assert any(json.loads(body)["type"] == "Answer" for body in to_car)
    for secret in ("moduler", "celler", '"m1"', '"c1"', "module", "cell"):
        assert all(secret.encode() not in body for body in to_car), secret
    to_celler = [body for _, receiver, body in street.posted if receiver == street.firm("celler").did]
    for secret in ("car", "packer", '"v1"', '"p1"', "vehicle", "pack"):
        assert all(secret.encode() not in body for body in to_celler), secret


async def test_a_silent_branch_is_counted_at_the_date_and_corrects_the_result_when_it_speaks(
    street: Street,
) -> None:
    await chain(street)
    celler = street.firm("celler")
    await celler.run(lambda uow: uow.room(REQUESTS).delete_rule("trace"))
    request = await asked(street, "v1", "v2")
    assert await results(street.firm("car"), request.own_id) == []
    for _ in range(8):
        await street.wait_ms(DAY_MS)
    assert await results(street.firm("car"), request.own_id) == [TraceResult(unanswered=1)]
    (at_celler,) = await celler.received()
    message = Answer(
        message_id="late",
        request_id=at_celler.request_id,
        version=1,
        part=at_celler.part,
        trace=TraceResult(found=("c1",)),
    )
    await celler.post(street.firm("moduler"), message)
    await street.carry()
    last = (await results(street.firm("car"), request.own_id))[-1]
    assert last == TraceResult(found=("v1",))


async def test_without_a_right_to_trace_a_person_decides(street: Street) -> None:
    await chain(street)
    packer = street.firm("packer")
    await packer.run(lambda uow: uow.room(REQUESTS).delete_rule("trace"))
    request = await asked(street, "v1")
    (waiting,) = await packer.received()
    assert waiting.state is RequestState.RECEIVED
    assert len(await packer.history("request.needs-a-person")) == 1
    await packer.reject(waiting.own_id)
    await street.carry()
    assert await results(street.firm("car"), request.own_id) == [TraceResult(unanswered=1)]


async def test_the_hop_limit_leaves_branches_unanswered(street: Street) -> None:
    await chain(street)
    request = await asked(street, "v1", "v2", hops=0)
    (result,) = await results(street.firm("car"), request.own_id)
    assert result is not None
    assert (result.found, result.unanswered >= 1) == ((), True)


async def test_a_supplier_says_yes_only_about_what_it_was_asked_about(street: Street) -> None:
    await chain(street)
    street.away.add(street.firm("packer").did)
    request = await asked(street, "v1")
    (below,) = await street.firm("car").run(lambda uow: uow.room(REQUESTS).below(request.own_id, "", 10))
    lie = Answer(
        message_id="1",
        request_id=below.request_id,
        version=1,
        part=below.part,
        trace=TraceResult(found=("p3", "p999")),
    )
    await street.firm("packer").post(street.firm("car"), lie)
    await street.carry()
    assert await results(street.firm("car"), request.own_id) == [TraceResult()]


async def test_a_walk_goes_down_to_what_others_made_and_up_to_the_end(street: Street) -> None:
    await chain(street)
    moduler = street.firm("moduler")

    def down(uow: UnitOfWork) -> tracing.Walk:
        return tracing.walk(uow, item("module", "m1"), down=True, as_of_ms=None)

    found = await street.store.read(moduler.did, down)
    assert {step.holding.component for step in found.steps} == {item("cell", "c1"), item("cell", "c2")}
    assert set(found.borders) == {item("cell", "c1"), item("cell", "c2")}
    up = await street.store.read(
        moduler.did, lambda uow: tracing.walk(uow, item("cell", "c1"), down=False, as_of_ms=None)
    )
    assert [(step.depth, step.holding.holder) for step in up.steps] == [(1, item("module", "m1"))]
    assert (up.borders, up.is_whole) == ((item("module", "m1"),), True)
    with pytest.raises(NotFound):
        await street.store.read(
            moduler.did, lambda uow: tracing.walk(uow, item("cell", "none"), down=False, as_of_ms=None)
        )


async def test_a_question_about_serials_that_are_not_there_is_refused(street: Street) -> None:
    await chain(street)
    with pytest.raises(Invalid):
        await asked(street, "v1", "v9")
    assert await street.firm("car").received() == []
