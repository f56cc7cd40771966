from fractions import Fraction

import msgspec
import pytest

from ashiato.apps.carbon.explain import (
    MOST_LEVELS_COUNT,
    Flow,
    compare,
    contribution_tree,
    gap_report,
    hot_spots,
    node_document,
    sankey,
)
from ashiato.apps.carbon.rollup import Contribution, InputStanding, Product, RollUp, roll_up, roll_up_all
from ashiato.apps.carbon.rulesets import Ruleset, ruleset
from ashiato.facts.footprints import Origin, Stage, StageVector, Uncertainty
from ashiato.facts.quantities import parse_quantity
from tests.apps.carbon.chains import assessed
from tests.apps.carbon.suppliers import PLAIN, fossil, line


@pytest.fixture(scope="module")
def rules() -> Ruleset:
    return ruleset("PACT-3")


def result_of(rules: Ruleset, **amounts: tuple[str, str]) -> RollUp:
    """A roll-up with one line for each name: its amount in kg and the kgCO2e of a kilogram."""
    lines = [
        msgspec.structs.replace(line(fossil(kg), amount), key=name) for name, (amount, kg) in amounts.items()
    ]
    return roll_up(assessed(PLAIN, rules), lines)


def test_hot_spots_come_largest_first_with_their_shares(rules: Ruleset) -> None:
    found = hot_spots(result_of(rules, cathode=("2", "3"), steel=("1", "3.5")), 2)
    # 6 and 3.5 of 10.
    assert [(one.key, one.share, one.cumulated_share) for one in found] == [
        ("cathode", Fraction(3, 5), Fraction(3, 5)),
        ("steel", Fraction(7, 20), Fraction(19, 20)),
    ]


def test_the_tree_opens_own_products_to_the_bottom(rules: Ruleset) -> None:
    own = assessed(PLAIN, rules)
    products = {
        "pack": Product(own=own, parts=(("cell", parse_quantity("2", "kg"), Fraction(0)),)),
        "cell": Product(own=own, bought=(msgspec.structs.replace(line(fossil("3"), "1"), key="cathode"),)),
    }
    tree = contribution_tree("pack", roll_up_all(products))
    # The pack: 0.5 of its own and two cells at 3.5, each 0.5 of its own and 3 of cathode.
    assert tree.total_kg == Fraction("7.5")
    cell = tree.children[0]
    assert (cell.key, cell.total_kg) == ("cell", Fraction(7))
    assert [(one.key, one.total_kg) for one in cell.children] == [
        ("cathode", Fraction(6)),
        ("activity 0", Fraction(1)),
    ]
    assert cell.children[0].share == Fraction(4, 5)
    document = node_document(tree)
    assert (document["key"], document["totalKg"]) == ("pack", "7.5")


def test_what_is_small_or_deep_stays_closed(rules: Ruleset) -> None:
    own = assessed(PLAIN, rules)
    deep = {
        str(level): Product(
            own=own, parts=((str(level - 1), parse_quantity("1", "kg"), Fraction(0)),) if level else ()
        )
        for level in range(1200)
    }
    node, levels_count = contribution_tree("1199", roll_up_all(deep)), 0
    while node.children:
        node, levels_count = node.children[0], levels_count + 1
    assert levels_count == MOST_LEVELS_COUNT
    shut = contribution_tree("2", roll_up_all({key: deep[key] for key in "012"}), Fraction(9, 10))
    assert [child.children for child in shut.children] == [(), ()]


def test_the_flows_of_the_diagram_balance_at_every_stage(rules: Ruleset) -> None:
    credit = Contribution(
        key="recycling",
        own=True,
        factor=Fraction(1),
        emissions=StageVector.of({(Stage.END_OF_LIFE, Origin.FOSSIL): -2}),
        weights=result_of(rules).weights,
        uncertainty=Uncertainty(),
    )
    before = result_of(rules, cathode=("2", "3"))
    result = msgspec.structs.replace(
        before,
        emissions=before.emissions + credit.emissions,
        contributions=(*before.contributions, credit),
    )
    flows = sankey("pack", result)
    assert Flow("cathode", "raw_materials", Fraction(6)) in flows
    assert Flow("end_of_life", "recycling", Fraction(2)) in flows
    assert Flow("pack", "end_of_life", Fraction(2)) in flows
    for stage in Stage:
        into = sum(flow.kg for flow in flows if flow.target == stage.value)
        assert into == sum(flow.kg for flow in flows if flow.source == stage.value)
    reached = sum(flow.kg for flow in flows if flow.target == "pack")
    assert reached - sum(flow.kg for flow in flows if flow.source == "pack") == Fraction("4.5")


def test_a_change_is_split_into_amount_and_intensity_and_adds_up(rules: Ruleset) -> None:
    before = result_of(rules, cathode=("2", "3"), gone=("1", "1"))
    after = result_of(rules, cathode=("3", "2.5"), new=("2", "2"))
    changes = {one.key: one for one in compare(before, after)}
    cathode = changes["cathode"]
    # (3 - 2) × 3, 2 × (2.5 - 3), (3 - 2) × (2.5 - 3).
    assert [cathode.amount_kg, cathode.intensity_kg, cathode.joint_kg] == [3, -1, Fraction(-1, 2)]
    assert [changes["gone"].amount_kg, changes["new"].amount_kg] == [-1, 4]
    difference = after.emissions.excluding_uptake_kg - before.emissions.excluding_uptake_kg
    assert sum(one.total_kg for one in changes.values()) == difference
    assert "activity 0" not in changes


def test_the_gap_report_says_which_share_is_secondary_and_what_is_stale(rules: Ruleset) -> None:
    half = msgspec.structs.replace(
        line(fossil("3", primary_data_share=Fraction(1, 2)), "1"), key="half", standing=InputStanding.EXPIRED
    )
    none = msgspec.structs.replace(line(fossil("6.5"), "1"), key="none")
    report = gap_report(roll_up(assessed(PLAIN, rules), [half, none]))
    # Of 10 kg, half of 3 and all of 6.5 are secondary; the own process is measured.
    assert report.secondary_share == Fraction(4, 5)
    assert [(gap.key, gap.share) for gap in report.gaps] == [
        ("none", Fraction(13, 20)),
        ("half", Fraction(3, 20)),
    ]
    assert report.stale == ("half",)
