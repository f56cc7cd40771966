from decimal import Decimal

from ashiato.apps.carbon.factors.datasets import Activity, Direction, Exchange, ExchangeKind, Flow, Reading
from ashiato.apps.carbon.factors.linking import link


def exchange(
    flow_id: str,
    kind: ExchangeKind,
    direction: Direction,
    amount: str,
    provider_id: str = "",
    location: str = "",
) -> Exchange:
    return Exchange(flow_id, kind, direction, Decimal(amount), "kg", provider_id, location)


def maker(activity_id: str, flow_id: str, *more: Exchange, location: str = "") -> Activity:
    return Activity(
        activity_id,
        activity_id,
        location,
        exchanges=(exchange(flow_id, "reference", "output", "1"), *more),
    )


def reading(*activities: Activity) -> Reading:
    return Reading("test", (Flow("f", "f", "kg"),), activities)


def entries(found: Reading) -> dict[tuple[int, int], Decimal]:
    return {(entry.row, entry.column): entry.amount for entry in link([found]).technosphere}


def test_outputs_count_plus_inputs_minus_and_emissions_as_declared() -> None:
    steel = maker("steel", "steel", exchange("CO2", "elementary", "output", "1.9"))
    case = maker("case", "case", exchange("steel", "product", "input", "0.25"))
    matrices = link([reading(steel, case)])
    assert matrices.activities == ("steel", "case")
    assert entries(reading(steel, case)) == {(0, 0): Decimal(1), (1, 1): Decimal(1), (0, 1): Decimal("-0.25")}
    assert [(entry.row, entry.column, entry.amount) for entry in matrices.biosphere] == [
        (0, 0, Decimal("1.9"))
    ]
    assert matrices.elementary_flows == ("CO2",)


def test_a_treated_waste_and_its_producer_balance() -> None:
    # Treatment takes 1 kg of waste in; the producer gives 0.5 kg out: half a run of the treatment closes the row.
    treatment = Activity("treat", "treat", exchanges=(exchange("waste", "reference", "input", "1"),))
    producer = maker("make", "part", exchange("waste", "waste", "output", "0.5"))
    matrix = entries(reading(treatment, producer))
    assert matrix[0, 0] * Decimal("0.5") + matrix[0, 1] == 0


def test_an_avoided_product_saves_its_making() -> None:
    heat = maker("heat", "heat")
    plant = maker("plant", "part", exchange("heat", "avoided", "output", "2"))
    assert entries(reading(heat, plant))[0, 1] == 2


def test_a_named_supplier_wins_then_the_place_then_the_only_one() -> None:
    here, there = maker("here", "power", location="JP"), maker("there", "power", location="KR")
    named = maker("a", "a", exchange("power", "product", "input", "1", provider_id="there", location="JP"))
    placed = maker("b", "b", exchange("power", "product", "input", "1", location="JP"))
    only = maker("c", "c", exchange("a", "product", "input", "1"))
    matrix = entries(reading(here, there, named, placed, only))
    assert (1, 2) in matrix
    assert (0, 3) in matrix
    assert (2, 4) in matrix


def test_what_nobody_or_several_supply_stays_unlinked_with_the_reason() -> None:
    two = maker("x", "power"), maker("y", "power")
    user = maker(
        "user",
        "part",
        exchange("power", "product", "input", "1"),
        exchange("gold", "product", "input", "1"),
        exchange("power", "product", "input", "1", provider_id="gone"),
    )
    problems = [(left.flow_id, left.problem) for left in link([reading(*two, user)]).unlinked]
    assert problems == [
        ("power", "2 activities could supply it"),
        ("gold", "nobody supplies it"),
        ("power", "its supplier gone is not there"),
    ]


def test_an_activity_with_two_products_or_none_is_left_out_by_name() -> None:
    two = maker("two", "a", exchange("b", "reference", "output", "1"))
    none = Activity("none", "none")
    matrices = link([reading(two, none)])
    assert matrices.activities == ()
    assert matrices.left_out == ("two", "none")


def test_a_supplier_that_counts_in_another_unit_is_not_linked() -> None:
    powder = maker("powder", "powder")
    user = maker("user", "part", Exchange("powder", "product", "input", Decimal(5), "g"))
    assert [left.problem for left in link([reading(powder, user)]).unlinked] == [
        "its supplier powder counts in another unit"
    ]


def test_a_coproduct_is_never_booked_as_a_saving() -> None:
    heat = maker("heat", "heat")
    plant = maker("plant", "part", exchange("heat", "coproduct", "output", "2"))
    assert [left.problem for left in link([reading(heat, plant)]).unlinked] == [
        "it is a co-product; allocate the activity first"
    ]
