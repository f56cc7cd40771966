from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ashiato.connector.problems import Invalid, NotFound
from ashiato.stores.engine import open_store
from ashiato.supply import bills, parts
from ashiato.supply.ports import UnitOfWork
from ashiato.supply.records import Bill, BillLine, PartType, Sourcing
from tests.supply.conftest import Firm, at


def line(component_id: str, quantity: str = "1", unit: str = "piece", **more: str) -> BillLine:
    return BillLine(component_id=component_id, quantity=quantity, unit=unit, **more)


def bill(part_id: str, *lines: BillLine, version: str = "1", **more: object) -> Bill:
    return Bill(part_id=part_id, version=version, lines=lines, **more)  # type: ignore[arg-type]  # members by name


@pytest.fixture
async def chain(firm: Firm) -> Firm:
    """A firm with a few parts."""

    def work(uow: UnitOfWork) -> None:
        for part_id, unit in (("pack", "piece"), ("module", "piece"), ("cell", "piece"), ("cathode", "kg")):
            parts.put_part(uow, PartType(part_id=part_id, unit=unit), at())
        bought = PartType(part_id="bms", sourcing=Sourcing.PURCHASED)
        parts.put_part(uow, bought, at())

    await firm.do(work)
    return firm


async def put(firm: Firm, given_bill: Bill) -> Bill:
    return await firm.do(lambda uow: bills.put_bill(uow, given_bill, at()))


async def test_a_bill_comes_back_as_it_was_stored(chain: Firm) -> None:
    stored = await put(chain, bill("pack", line("module", "12"), line("bms", loss="0.01")))
    assert [one.component_id for one in stored.lines] == ["module", "bms"]
    assert await chain.do(lambda uow: uow.supply.users_of("bms", "", 10)) == ["pack"]


@pytest.mark.parametrize(
    ("bad", "path"),
    [
        (line("module", "0"), "lines[0].quantity"),
        (line("module", "-1"), "lines[0].quantity"),
        (line("module", "NaN"), "lines[0].quantity"),
        (line("module", "Infinity"), "lines[0].quantity"),
        (line("module", "1e30"), "lines[0].quantity"),
        (line("module", "1" + "0" * 13), "lines[0].quantity"),
        (line("module", "1,5"), "lines[0].quantity"),
        (line("module", "1", "kg"), "lines[0].unit"),
        (line("module", "1", "bushel"), "lines[0].unit"),
        (line("module", loss="1"), "lines[0].loss"),
        (line("module", loss="-0.1"), "lines[0].loss"),
        (line("module", loss="5 %"), "lines[0].loss"),
        (line("nothing"), "lines[0].component_id"),
    ],
)
async def test_an_impossible_line_is_refused_with_its_member(chain: Firm, bad: BillLine, path: str) -> None:
    with pytest.raises(Invalid) as refused:
        await put(chain, bill("pack", bad))
    assert refused.value.fields["path"] == path
    assert await chain.do(lambda uow: uow.supply.page_bills(("", ""), 10)) == []


@pytest.mark.parametrize(
    ("bad", "path"),
    [
        (bill("nothing", line("cell")), "part_id"),
        (bill("bms", line("cell")), "part_id"),
        (bill("pack"), "lines"),
        (bill("pack", line("cell"), version="a/b"), "version"),
        (bill("pack", line("cell"), output="0"), "output"),
        (bill("pack", line("cell"), valid_from_ms=5, valid_until_ms=5), "valid_until_ms"),
        (bill("pack", line("cell"), line("cell", "2")), "lines[1].component_id"),
    ],
)
async def test_an_impossible_bill_is_refused_with_its_member(chain: Firm, bad: Bill, path: str) -> None:
    with pytest.raises(Invalid) as refused:
        await put(chain, bad)
    assert refused.value.fields["path"] == path


async def test_another_unit_of_the_dimension_is_taken(chain: Firm) -> None:
    stored = await put(chain, bill("cell", line("cathode", "250", "g")))
    assert bills.needed(stored.lines[0]).in_base == Fraction(1, 4)


async def test_one_component_at_two_positions_is_two_lines(chain: Firm) -> None:
    stored = await put(chain, bill("pack", line("cell", position="left"), line("cell", position="right")))
    assert len(stored.lines) == 2


def test_what_is_lost_on_the_way_is_needed_too() -> None:
    # 0.95 kg in the product with 5 % lost takes exactly 1 kg; of an output of 4 that is 250 g each.
    one = line("cathode", "0.95", "kg", loss="0.05")
    assert bills.needed(one).value == 1
    assert bills.needed_for_one(bill("cell", one, output="4"), one) == Fraction(1, 4)


async def test_a_cycle_is_refused_with_its_path(chain: Firm) -> None:
    await put(chain, bill("pack", line("module")))
    await put(chain, bill("module", line("cell")))
    with pytest.raises(Invalid, match="inside itself: cell > pack > module > cell") as refused:
        await put(chain, bill("cell", line("pack")))
    assert refused.value.fields["cycle"] == ["cell", "pack", "module", "cell"]
    with pytest.raises(Invalid, match="pack > pack"):
        await put(chain, bill("pack", line("pack"), version="2", valid_from_ms=1))


async def test_a_cycle_through_an_older_version_is_one_too(chain: Firm) -> None:
    await put(chain, bill("pack", line("module")))
    await put(chain, bill("pack", line("cell"), version="2", valid_from_ms=10))
    with pytest.raises(Invalid, match="inside itself"):
        await put(chain, bill("module", line("pack")))


async def test_a_cycle_through_a_version_that_stays_is_found_among_many(chain: Firm) -> None:
    await put(chain, bill("pack", line("module")))
    many = [bill("pack", line("cell"), version="2", valid_from_ms=10), bill("module", line("pack"))]
    outcome = await chain.do(lambda uow: bills.store_bills(uow, many, at()))
    assert [fault.fields["cycle"] for fault in outcome.faults] == [["pack", "module", "pack"]]


async def test_bills_that_turn_an_edge_round_together_are_no_cycle(chain: Firm) -> None:
    await put(chain, bill("pack", line("module")))
    turned = [bill("pack", line("cell")), bill("module", line("pack"))]
    outcome = await chain.do(lambda uow: bills.store_bills(uow, turned, at()))
    assert (outcome.faults, outcome.new_count, outcome.changed_count) == ((), 1, 1)


async def test_of_the_versions_the_last_that_began_counts(chain: Firm) -> None:
    await put(chain, bill("pack", line("cell", "1")))
    await put(chain, bill("pack", line("cell", "2"), version="2", valid_from_ms=100, valid_until_ms=200))

    async def counts_at(instant_ms: int) -> str:
        return (await chain.do(lambda uow: bills.bill_at(uow, "pack", instant_ms))).version

    assert [await counts_at(instant_ms) for instant_ms in (0, 99, 100, 199)] == ["1", "1", "2", "2"]
    with pytest.raises(NotFound):
        await counts_at(200)
    with pytest.raises(Invalid) as refused:
        await put(chain, bill("pack", line("cell"), version="3", valid_from_ms=100))
    assert refused.value.fields["version"] == "2"


async def test_one_bad_bill_keeps_all_of_them_out(chain: Firm) -> None:
    many = [bill("pack", line("module")), bill("module", line("cell", "0"))]
    outcome = await chain.do(lambda uow: bills.store_bills(uow, many, at()))
    assert [(fault.index, fault.path) for fault in outcome.faults] == [(1, "lines[0].quantity")]
    assert await chain.do(lambda uow: uow.supply.page_bills(("", ""), 10)) == []


NODES = [f"n{number}" for number in range(6)]
STEPS = st.lists(
    st.tuples(st.sampled_from(NODES), st.lists(st.sampled_from(NODES), min_size=1, max_size=3, unique=True)),
    max_size=8,
)


@settings(max_examples=25, deadline=None)
@given(STEPS)
async def test_a_bill_is_taken_if_and_only_if_no_part_comes_to_lie_below_itself(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, list[str]]]
) -> None:
    store = await open_store(f"sqlite:///{_fresh(tmp_path_factory)}/connector.db", "node-1")
    firm = Firm(store)
    stored: dict[str, list[str]] = {}
    try:
        await firm.do(
            lambda uow: [parts.put_part(uow, PartType(part_id=node), at()) for node in NODES] and None
        )
        for part_id, components in steps:
            wanted = {**stored, part_id: components}
            has_cycle = any(_below(node, wanted) >= {node} for node in NODES)
            try:
                await put(firm, bill(part_id, *map(line, components)))
            except Invalid as refusal:
                assert has_cycle
                way = refusal.fields["cycle"]
                assert isinstance(way, list)
                assert all(other in wanted[one] for one, other in pairwise(way))
            else:
                assert not has_cycle
                stored = wanted
    finally:
        await store.close()


def _fresh(factory: pytest.TempPathFactory) -> Path:
    return factory.mktemp("store")


def _below(start: str, edges: dict[str, list[str]]) -> set[str]:
    found: set[str] = set()
    for _ in NODES:
        found |= {other for one in {start, *found} for other in edges.get(one, ())}
    return found
