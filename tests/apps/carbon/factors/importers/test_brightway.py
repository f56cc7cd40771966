from decimal import Decimal

import pytest

from ashiato.apps.carbon.factors.datasets import Reading, UnreadableSource
from ashiato.apps.carbon.factors.importers.brightway import read_brightway
from ashiato.apps.carbon.factors.linking import link
from ashiato.apps.carbon.factors.tables import csv_table

# The layout of the exporters of bw2io; the names and figures are invented.
SHEET = """Database,anode db
format,synthetic

Activity,graphite coating
code,c1
location,JP
unit,kilogram
reference product,coated graphite

Exchanges
name,amount,database,location,unit,categories,type,uncertainty type,scale,minimum,maximum
graphite coating,1,anode db,JP,kilogram,,production,,,,
graphite making,1.05,anode db,CN,kilogram,,technosphere,2,0.05,,
"power, grid",2.5,background,JP,kilowatt hour,,technosphere,,,,
pitch,0.02,anode db,JP,kilogram,,substitution,,,,
"Carbon dioxide, fossil",0.3,biosphere3,,kilogram,air::urban air,biosphere,5,,0.2,0.4
"Water, river",4,biosphere3,,cubic meter,natural resource::in water,biosphere,4,,3,5

Activity,graphite making
code,c2
location,CN
unit,kilogram
Exchanges
name,amount,database,location,unit,categories,type
"Carbon dioxide, fossil",5,biosphere3,,kilogram,air::urban air,biosphere
"""


def read(text: str) -> Reading:
    return read_brightway([csv_table(text.encode())])


def test_activities_are_read_one_after_another() -> None:
    reading = read(SHEET)
    assert reading.faults == ()
    assert [(activity.id, activity.name, activity.location) for activity in reading.activities] == [
        ("anode db|c1", "graphite coating", "JP"),
        ("anode db|c2", "graphite making", "CN"),
    ]
    assert [(e.kind, e.direction, e.amount, e.unit) for e in reading.activities[0].exchanges] == [
        ("reference", "output", Decimal(1), "kilogram"),
        ("product", "input", Decimal("1.05"), "kilogram"),
        ("product", "input", Decimal("2.5"), "kilowatt hour"),
        ("avoided", "output", Decimal("0.02"), "kilogram"),
        ("elementary", "output", Decimal("0.3"), "kilogram"),
        ("elementary", "input", Decimal(4), "cubic meter"),
    ]


def test_an_activity_without_a_production_line_makes_one_unit() -> None:
    reference = read(SHEET).activities[1].reference
    assert reference is not None
    assert (reference.amount, reference.unit) == (Decimal(1), "kilogram")


def test_uncertainties_are_read_by_their_numbers() -> None:
    exchanges = read(SHEET).activities[0].exchanges
    spreads = [exchange.uncertainty for exchange in exchanges if exchange.uncertainty]
    assert [spread.distribution for spread in spreads] == ["lognormal", "triangular", "uniform"]
    assert spreads[0].spread == Decimal("0.05")
    assert (spreads[1].minimum, spreads[1].centre, spreads[2].centre) == (
        Decimal("0.2"),
        Decimal("0.3"),
        None,
    )


def test_name_place_and_unit_link_and_another_database_stays_unlinked() -> None:
    matrices = link([read(SHEET)])
    assert (1, 0, Decimal("-1.05")) in [(e.row, e.column, e.amount) for e in matrices.technosphere]
    assert [left.flow_id for left in matrices.unlinked] == [
        "background|power, grid|JP|kilowatt hour",
        "anode db|pitch|JP|kilogram",
    ]
    # Both emit the same flow: one row.
    assert [(e.row, e.column) for e in matrices.biosphere] == [(0, 0), (1, 0), (0, 1)]


def test_activities_of_one_name_are_told_apart_by_their_product_only() -> None:
    first = SHEET.replace("code,c2", "code,c2\nreference product,graphite")
    twin = first + "\nActivity,graphite making\ncode,c3\nlocation,CN\nunit,kilogram\nreference product,dust\n"
    unlinked = link([read(twin)]).unlinked
    assert "anode db|graphite making|CN|kilogram|" in {left.flow_id for left in unlinked}


@pytest.mark.parametrize(
    ("found", "wrong", "code"),
    [
        ("1.05", "", "number_unreadable"),
        ("1.05", "1e30", "number_magnitude"),
        ("CN,kilogram,,technosphere", "CN,kilogram,,magic", "exchange_kind"),
        ("Activity,graphite coating", "Activity,", "dataset_incomplete"),
    ],
)
def test_an_activity_with_a_fault_is_not_taken(found: str, wrong: str, code: str) -> None:
    assert found in SHEET
    reading = read(SHEET.replace(found, wrong))
    assert [activity.id for activity in reading.activities] == ["anode db|c2"]
    assert [(fault.where, fault.code) for fault in reading.faults] == [("sheet CSV, row 4", code)]


def test_formulas_and_other_sheets_are_losses() -> None:
    with_formula = SHEET.replace(",uncertainty type", ",formula").replace(
        "technosphere,2,", "technosphere,a*b,"
    )
    reading = read_brightway([csv_table(b"notes,x\n"), csv_table(with_formula.encode())])
    assert [loss.what for loss in reading.losses] == [
        "it does not begin with a database",
        "formulas; the amounts beside them are kept",
    ]


def test_a_file_of_something_else_is_refused() -> None:
    with pytest.raises(UnreadableSource, match="'Database'"):
        read("a,b\n")
