import json
from collections.abc import Callable
from typing import Any

import pytest

from ashiato.wiring.walkthrough.record import BadRecord, lot_record, published_record, read_record

Document = dict[str, Any]


def published() -> Document:
    document: Document = json.loads(published_record())
    return document


def test_the_published_record_declares_the_figure_that_its_source_prints() -> None:
    record = read_record(published_record())
    assert (record.declared.value, record.declared.unit) == ("25.9", "kg CO2e per kg")
    assert record.declared.as_printed == "25.9kg∙CO2"
    source = record.source_of(record.declared)
    assert source.year == "2022"
    assert source.url.startswith("https://newsroom.posco.com/kr/")


def test_every_figure_stands_in_its_source_as_a_text_with_the_same_digits() -> None:
    record = read_record(published_record())
    assert [figure.value for figure in record.figures] == ["25.9", "22.0", "17.33", "16.85", "16.47"]
    assert [figure for figure in record.figures if not figure.as_printed.startswith(figure.value)] == []


def test_a_figure_about_something_else_says_so() -> None:
    record = read_record(published_record())
    about_the_product = [figure.id for figure in record.figures if figure.same_product]
    assert about_the_product == [record.declared_figure]


def as_number(document: Document) -> None:
    document["figures"][0]["value"] = 25.9


def with_exponent(document: Document) -> None:
    document["figures"][0]["value"] = "2.59e1"


def without_source(document: Document) -> None:
    document["figures"][0]["source"] = "hearsay"


def of_another_product(document: Document) -> None:
    document["declared_figure"] = "nmc811-battery-cn-2025"


def of_nothing(document: Document) -> None:
    document["declared_figure"] = "pn9-2030"


def twice_the_same_id(document: Document) -> None:
    document["figures"].append(document["figures"][0])


def with_a_stranger(document: Document) -> None:
    document["discount"] = "10 %"


def without_a_boundary(document: Document) -> None:
    del document["system_boundary"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (as_number, "figures[0].value"),
        (with_exponent, "figures[0].value"),
        (without_source, "'pn8-2022'"),
        (of_another_product, "declared figure"),
        (of_nothing, "declared figure"),
        (twice_the_same_id, "same id"),
        (with_a_stranger, "discount"),
        (without_a_boundary, "system_boundary"),
    ],
)
def test_a_record_that_cannot_be_judged_is_refused(change: Callable[[Document], None], named: str) -> None:
    document = published()
    change(document)
    with pytest.raises(BadRecord) as refusal:
        read_record(json.dumps(document).encode())
    assert named in str(refusal.value)


def test_a_record_that_says_a_thing_twice_is_refused() -> None:
    doubled = published_record().replace(b'"value": "25.9"', b'"value": "25.9", "value": "2.59"')
    with pytest.raises(BadRecord):
        read_record(doubled)


def test_a_lot_repeats_the_declared_figure_and_its_source() -> None:
    record = read_record(published_record())
    lot = json.loads(lot_record(record, "nmc811-lot-07"))
    assert lot["lot"] == "nmc811-lot-07"
    assert (lot["value"], lot["unit"]) == ("25.9", "kg CO2e per kg")
    assert lot["source"] == record.source_of(record.declared).url
