import io
from decimal import Decimal

import pytest

from ashiato.apps.carbon.factors.datasets import Uncertainty, UnreadableSource
from ashiato.apps.carbon.factors.importers.ecospold2 import read_ecospold2
from ashiato.apps.carbon.factors.linking import link
from tests.apps.carbon.factors.importers.archive_files import zipped
from tests.apps.carbon.factors.importers.spold_files import GRAPHITE, POWER


def file(text: str) -> io.BytesIO:
    return io.BytesIO(text.encode())


def test_a_unit_process_is_read_with_its_place_years_version_and_restriction() -> None:
    reading = read_ecospold2(file(GRAPHITE))
    (activity,) = reading.activities
    assert (activity.id, activity.name, activity.location) == (
        "a-graphite_f-graphite",
        "graphite making",
        "CN",
    )
    assert (activity.first_year, activity.last_year, activity.version) == (2019, 2023, "3.12")
    assert (activity.copyright, activity.restriction) == ("protected", "licensees")
    assert reading.faults == ()


def test_amounts_keep_every_digit_and_a_sibling_product_of_nothing_is_no_product() -> None:
    (activity,) = read_ecospold2(file(GRAPHITE)).activities
    assert [
        (exchange.flow_id, exchange.kind, exchange.direction, str(exchange.amount))
        for exchange in activity.exchanges
    ] == [
        ("f-graphite", "reference", "output", "1"),
        ("f-power", "product", "input", "4.125000000000000001"),
        ("e-co2", "elementary", "output", "2.5E-7"),
    ]


def test_the_spread_is_the_root_of_the_variance_with_pedigree() -> None:
    power = read_ecospold2(file(GRAPHITE)).activities[0].exchanges[1]
    assert power.uncertainty == Uncertainty(
        "lognormal", centre=Decimal("4.125000000000000001"), spread=Decimal("0.05")
    )


def test_flows_have_their_compartment_and_what_has_no_place_is_told_as_a_loss() -> None:
    reading = read_ecospold2(file(GRAPHITE))
    carbon = reading.flows_by_id()["e-co2"]
    assert (carbon.name, carbon.elementary, carbon.compartment) == (
        "Carbon dioxide, fossil",
        True,
        ("air", "unspecified"),
    )
    assert {loss.what for loss in reading.losses} == {
        "properties of exchanges (price, dry mass, carbon content)",
        "formulas behind amounts; the amounts that they gave are kept",
    }


def test_an_archive_links_by_the_activity_that_is_named() -> None:
    reading = read_ecospold2(zipped({"datasets/a.spold": GRAPHITE, "datasets/b.spold": POWER, "x.txt": "no"}))
    matrices = link([reading])
    assert matrices.activities == ("a-graphite_f-graphite", "a-power_f-power")
    assert [(e.row, e.column, e.amount) for e in matrices.technosphere if e.row != e.column] == [
        (1, 0, Decimal("-4.125000000000000001"))
    ]
    assert matrices.unlinked == ()
    assert reading.activities[1].results[0].amount == Decimal("0.6")


def test_a_dataset_with_one_unreadable_amount_is_not_taken_at_all() -> None:
    broken = GRAPHITE.replace("2.5E-7", "NaN")
    reading = read_ecospold2(zipped({"a.spold": broken, "b.spold": POWER}))
    assert [activity.id for activity in reading.activities] == ["a-power_f-power"]
    assert [(fault.where, fault.code) for fault in reading.faults] == [("a.spold", "number_unreadable")]
    assert "f-graphite" not in reading.flows_by_id()


@pytest.mark.parametrize(
    ("found", "wrong", "code"),
    [
        ("2.5E-7", "1e300", "number_magnitude"),
        ('id="a-graphite"', 'id=""', "dataset_incomplete"),
        ("<inputGroup>5</inputGroup>", "", "exchange_group"),
        (
            'varianceWithPedigreeUncertainty="0.0025"',
            'varianceWithPedigreeUncertainty="-1"',
            "number_negative",
        ),
        ('elementaryExchangeId="e-co2"', "", "dataset_incomplete"),
        ("</ecoSpold>", "", "xml_broken"),
    ],
)
def test_each_fault_of_a_dataset_is_named(found: str, wrong: str, code: str) -> None:
    assert found in GRAPHITE
    reading = read_ecospold2(zipped({"a.spold": GRAPHITE.replace(found, wrong)}))
    assert reading.activities == ()
    assert [fault.code for fault in reading.faults] == [code]


def test_the_same_dataset_twice_is_taken_once() -> None:
    reading = read_ecospold2(zipped({"a.spold": POWER, "b.spold": POWER}))
    assert len(reading.activities) == 1
    assert [(fault.where, fault.code) for fault in reading.faults] == [("b.spold", "dataset_twice")]


@pytest.mark.parametrize("content", ["", "<html/>", "not xml", "<ecoSpold><x/></ecoSpold>"])
def test_a_file_that_is_something_else_is_refused_as_a_whole(content: str) -> None:
    with pytest.raises(UnreadableSource):
        read_ecospold2(file(content))
    with pytest.raises(UnreadableSource, match=r"no \.spold"):
        read_ecospold2(zipped({"readme.txt": content}))
