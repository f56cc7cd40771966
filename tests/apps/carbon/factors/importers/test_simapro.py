from decimal import Decimal

import pytest

from ashiato.apps.carbon.factors.datasets import Reading, UnreadableSource
from ashiato.apps.carbon.factors.importers.simapro import read_simapro
from ashiato.apps.carbon.factors.linking import link

# Made by hand after the description of the format; the names and figures are invented.
HEADER = """{SimaPro 9.5}
{processes}
{Project: Synthetic}
{CSV Format version: 9.0.0}
{CSV separator: Semicolon}
{Decimal separator: ,}
{Date separator: /}
{Short date format: dd/MM/yyyy}

"""
FOIL = """Process

Category type
material

Process identifier
SYN0001

Process name
Foil rolling

Geography
Japan

Products
Aluminium foil;kg;1;100;not defined;Metals;

Avoided products
Scrap;g;50;Undefined;0;0;0;

Materials/fuels
Aluminium ingot;kg;1,02;Lognormal;1;0;0;rolling loss

Electricity/heat
Power, JP;kWh;0,75;Normal;0,2;0;0;

Resources
Water, river, JP;in water;l;3;Undefined;0;0;0;

Emissions to air
Carbon dioxide, fossil;low. pop.;g;12,5;Undefined;0;0;0;
Methane, fossil;;kg;0,0001;Triangle;0;0,00005;0,0002;

Waste to treatment
Rolling oil;kg;0,01;Undefined;0;0;0;

End

"""
POWER = """Process

Category type
energy

Process identifier
SYN0002

Products
Power, JP;kWh;10;60;not defined;Energy;
Steam;kg;2;40;not defined;Energy;

Emissions to air
Carbon dioxide, fossil;;kg;4;Normal;0,2;0;0;

End

"""
TREATMENT = """Process

Category type
waste treatment

Process identifier
SYN0003

Waste treatment
Rolling oil;kg;1;All waste types;Wastes;

End

"""
UNITS = """Units
kg;Mass;1;kg
g;Mass;0,001;kg
kWh;Energy;3,6;MJ
l;Volume;0,001;m3

End

"""
WHOLE = HEADER + FOIL + POWER + TREATMENT + UNITS


def read(text: str) -> Reading:
    return read_simapro(text.replace("\n", "\r\n").encode("cp1252"))


def lines(reading: Reading, place: int) -> list[tuple[str, str, str, Decimal, str]]:
    return [(e.flow_id, e.kind, e.direction, e.amount, e.unit) for e in reading.activities[place].exchanges]


def test_a_process_is_read_with_decimal_commas_in_reference_units() -> None:
    reading = read(WHOLE)
    assert reading.faults == ()
    assert (reading.activities[0].name, reading.activities[0].location) == ("Foil rolling", "Japan")
    assert lines(reading, 0) == [
        ("Aluminium foil", "reference", "output", Decimal(1), "kg"),
        ("Scrap", "avoided", "output", Decimal("0.05"), "kg"),
        ("Aluminium ingot", "product", "input", Decimal("1.02"), "kg"),
        ("Power, JP", "product", "input", Decimal("2.7"), "MJ"),
        ("Rolling oil", "waste", "output", Decimal("0.01"), "kg"),
        ("natural resource|in water|Water, river, JP", "elementary", "input", Decimal("0.003"), "m3"),
        ("air|low. pop.|Carbon dioxide, fossil", "elementary", "output", Decimal("0.0125"), "kg"),
        ("air||Methane, fossil", "elementary", "output", Decimal("0.0001"), "kg"),
    ]


def test_two_products_share_the_burden_by_their_percentages_exactly() -> None:
    reading = read(WHOLE)
    assert [activity.id for activity in reading.activities[1:3]] == ["SYN0002|Power, JP", "SYN0002|Steam"]
    assert lines(reading, 1)[1][3] == Decimal("2.4")
    assert lines(reading, 2)[1][3] == Decimal("1.6")
    spread = reading.activities[1].exchanges[1].uncertainty
    assert spread is not None
    # Twice the deviation is stated: 0.2 → 0.1, and 60 % of it.
    assert spread.spread == Decimal("0.06")


def test_uncertainties_are_read_and_a_deviation_of_one_means_none() -> None:
    foil = read(WHOLE).activities[0].exchanges
    assert foil[2].uncertainty is None
    triangle = foil[7].uncertainty
    assert triangle is not None
    assert (triangle.minimum, triangle.maximum) == (Decimal("0.00005"), Decimal("0.0002"))


def test_names_link_and_treated_waste_is_taken_in() -> None:
    matrices = link([read(WHOLE)])
    assert {left.flow_id for left in matrices.unlinked} == {"Aluminium ingot", "Scrap"}
    entries = {(e.row, e.column): e.amount for e in matrices.technosphere}
    assert entries[3, 3] == -1
    assert entries[3, 0] == Decimal("0.01")


def test_points_tabs_and_utf_8_are_read_when_the_header_says_so() -> None:
    text = WHOLE.replace("Semicolon", "Tab").replace("{Decimal separator: ,}", "{Decimal separator: .}")
    text = text.replace(",", ".").replace(";", "\t").replace("Foil rolling", "箔の圧延")
    reading = read_simapro(text.encode())
    assert reading.activities[0].name == "箔の圧延"
    assert lines(reading, 0)[2][3] == Decimal("1.02")


def test_shift_jis_is_read_when_the_caller_says_so() -> None:
    reading = read_simapro(WHOLE.replace("Foil rolling", "箔の圧延").encode("cp932"), other="cp932")
    assert reading.activities[0].name == "箔の圧延"


@pytest.mark.parametrize(
    ("found", "wrong", "code"),
    [
        ("kg;1,02;", "kg;2*loss;", "number_unreadable"),
        ("kg;1,02;", "kg;;", "number_unreadable"),
        ("kg;1,02;", "kg;1.000,02;", "number_signs"),
        ("0,0001;Triangle;0;0,00005", "0,0001;Triangle;0;NaN", "number_unreadable"),
        ("Waste to treatment\n", "Waste scenario\n", "dataset_kind"),
        ("Products\nAluminium foil;kg;1;100;not defined;Metals;\n", "", "dataset_incomplete"),
        ("foil;kg;1;100", "foil;kg;1;90", "allocation_sum"),
    ],
)
def test_a_process_with_a_fault_is_not_taken_and_the_others_are(found: str, wrong: str, code: str) -> None:
    assert found in WHOLE
    reading = read(WHOLE.replace(found, wrong))
    assert [fault.code for fault in reading.faults] == [code]
    assert "Foil rolling" not in [activity.name for activity in reading.activities]
    assert len(reading.activities) == 3


def test_the_fault_of_a_number_tells_the_line() -> None:
    (fault,) = read(WHOLE.replace("kg;1,02;", "kg;x;")).faults
    assert fault.problem == "line 31: 'x' is not a number"
    assert WHOLE.splitlines()[30].startswith("Aluminium ingot")


def test_a_file_cut_short_is_refused_as_a_whole() -> None:
    with pytest.raises(UnreadableSource, match="cut short"):
        read(WHOLE[: WHOLE.index("Waste to treatment")])


@pytest.mark.parametrize("text", ["", "a;b;c\n", "{processes}\n", HEADER.replace("Semicolon", "|")])
def test_a_file_of_something_else_is_refused(text: str) -> None:
    with pytest.raises(UnreadableSource):
        read(text)
