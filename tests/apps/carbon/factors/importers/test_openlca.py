import io
import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import olca_schema  # type: ignore[import-untyped]  # the package ships no types
import pytest
from olca_schema import zipio

from ashiato.apps.carbon.factors.datasets import Exchange, Reading, UnreadableSource
from ashiato.apps.carbon.factors.importers.openlca import read_openlca
from ashiato.apps.carbon.factors.linking import link
from tests.apps.carbon.factors.importers.archive_files import zipped

MASS = {
    "@id": "g-mass",
    "name": "Units of mass",
    "units": [
        {"@id": "u-kg", "name": "kg", "conversionFactor": 1.0, "isRefUnit": True},
        {"@id": "u-g", "name": "g", "conversionFactor": 0.001},
    ],
}
PROPERTY = {"@id": "p-mass", "name": "Mass", "unitGroup": {"@id": "g-mass"}}


def flow(flow_id: str, form: str, category: str = "") -> dict[str, object]:
    return {
        "@id": flow_id,
        "name": f"the {flow_id}",
        "flowType": form,
        "category": category,
        "flowProperties": [
            {"isRefFlowProperty": True, "conversionFactor": 1.0, "flowProperty": {"@id": "p-mass"}}
        ],
    }


def exchange(flow_id: str, amount: str, unit: str = "kg", **more: object) -> dict[str, object]:
    return {
        "flow": {"@id": flow_id},
        "amount": Decimal(amount),
        "unit": {"@id": f"u-{unit}", "name": unit},
        "flowProperty": {"@id": "p-mass"},
        **more,
    }


PROCESS: dict[str, object] = {
    "@id": "cathode",
    "name": "cathode making",
    "version": "01.00.000",
    "location": {"@id": "l-jp", "name": "Japan"},
    "processDocumentation": {
        "validFrom": "2022-01-01",
        "validUntil": "2024-12-31",
        "isCopyrightProtected": True,
    },
    "exchanges": [
        exchange("cathode-foil", "1", isQuantitativeReference=True),
        exchange("powder", "950.5", "g", isInput=True, defaultProvider={"@id": "powder-making"}),
        exchange("dust", "0.02"),
        exchange("heat", "3", isAvoidedProduct=True, isInput=True),
        exchange(
            "co2", "0.125", "g", uncertainty={"distributionType": "LOG_NORMAL_DISTRIBUTION", "geomSd": 1.0}
        ),
    ],
}
POWDER: dict[str, object] = {
    "@id": "powder-making",
    "name": "powder making",
    "exchanges": [exchange("powder", "1", isQuantitativeReference=True)],
}


def package(*processes: Mapping[str, object], **more: str) -> io.BytesIO:
    flows = [
        flow("cathode-foil", "PRODUCT_FLOW"),
        flow("powder", "PRODUCT_FLOW"),
        flow("heat", "PRODUCT_FLOW"),
        flow("dust", "WASTE_FLOW"),
        flow("co2", "ELEMENTARY_FLOW", "Elementary flows/Emission to air/unspecified"),
    ]
    members = {
        "olca-schema.json": '{"version": 2}',
        "unit_groups/g.json": json.dumps(MASS),
        "flow_properties/p.json": json.dumps(PROPERTY),
        "locations/l.json": json.dumps({"@id": "l-jp", "name": "Japan", "code": "JP"}),
        **{f"flows/{found['@id']}.json": json.dumps(found) for found in flows},
        **{f"processes/{number}.json": _exact_json(found) for number, found in enumerate(processes)},
        **more,
    }
    return zipped(members)


def _exact_json(value: object) -> str:
    """JSON in which a Decimal keeps its digits."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{_exact_json(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_exact_json, value)) + "]"
    return json.dumps(value)


def lines(reading: Reading, process_id: str) -> list[tuple[str, str, str, Decimal, str]]:
    activity = next(found for found in reading.activities if found.id == process_id)
    return [_line(found) for found in activity.exchanges]


def _line(found: Exchange) -> tuple[str, str, str, Decimal, str]:
    return found.flow_id, found.kind, found.direction, found.amount, found.unit


def test_a_process_is_read_in_the_reference_units_of_its_flows() -> None:
    reading = read_openlca(package(PROCESS, POWDER))
    assert reading.faults == ()
    assert lines(reading, "cathode") == [
        ("cathode-foil", "reference", "output", Decimal(1), "kg"),
        ("powder", "product", "input", Decimal("0.9505"), "kg"),
        ("dust", "waste", "output", Decimal("0.02"), "kg"),
        ("heat", "avoided", "output", Decimal(3), "kg"),
        ("co2", "elementary", "output", Decimal("0.000125"), "kg"),
    ]


def test_place_years_version_and_rights_are_kept() -> None:
    cathode = read_openlca(package(PROCESS, POWDER)).activities[0]
    assert (cathode.location, cathode.first_year, cathode.last_year) == ("JP", 2022, 2024)
    assert (cathode.version, cathode.copyright) == ("01.00.000", "protected")


def test_the_default_provider_links_and_what_has_none_is_told() -> None:
    matrices = link([read_openlca(package(PROCESS, POWDER))])
    assert (1, 0, Decimal("-0.9505")) in [(e.row, e.column, e.amount) for e in matrices.technosphere]
    assert {left.flow_id for left in matrices.unlinked} == {"dust", "heat"}


def test_digits_that_a_float_cannot_hold_are_kept() -> None:
    exact = {
        **POWDER,
        "exchanges": [exchange("powder", "1.00000000000000000001", isQuantitativeReference=True)],
    }
    assert lines(read_openlca(package(exact)), "powder-making")[0][3] == Decimal("1.00000000000000000001")


def test_the_first_version_of_the_schema_is_read_by_its_own_names() -> None:
    old = {
        "@id": "old",
        "name": "old",
        "exchanges": [
            {
                "flow": {"@id": "powder"},
                "amount": 2,
                "unit": {"@id": "u-kg", "name": "kg"},
                "flowProperty": {"@id": "p-mass"},
                "quantitativeReference": True,
                "input": False,
            },
            {"flow": {"@id": "co2"}, "amount": 3, "unit": {"@id": "u-g", "name": "g"}, "input": True},
        ],
    }
    assert lines(read_openlca(package(old)), "old") == [
        ("powder", "reference", "output", Decimal(2), "kg"),
        ("co2", "elementary", "input", Decimal("0.003"), "kg"),
    ]


def test_a_second_product_is_a_coproduct_that_must_be_allocated() -> None:
    two = {
        **POWDER,
        "exchanges": [*POWDER["exchanges"], exchange("heat", "1")],  # type: ignore[misc]  # a list, as written above
        "allocationFactors": [{"value": 0.5}],
    }
    reading = read_openlca(package(two))
    assert lines(reading, "powder-making")[1][:3] == ("heat", "coproduct", "output")
    assert any("allocation factors" in loss.what for loss in reading.losses)
    assert [left.flow_id for left in link([reading]).unlinked] == ["heat"]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"@id": ""}, "dataset_incomplete"),
        ({"exchanges": [{"flow": {"@id": "powder"}}]}, "exchange_amount"),
        ({"exchanges": [{"flow": {"@id": "nowhere"}, "amount": 1}]}, "flow_unknown"),
        ({"exchanges": [{"flow": {"@id": "powder"}, "amount": Decimal("1e30")}]}, "number_magnitude"),
        ({"exchanges": [{"amount": 1}]}, "dataset_incomplete"),
    ],
)
def test_each_fault_of_a_process_is_named_and_the_others_are_taken(
    changed: dict[str, object], code: str
) -> None:
    reading = read_openlca(package({**PROCESS, **changed}, {**POWDER, "@id": "powder-making"}))
    assert [activity.id for activity in reading.activities] == ["powder-making"]
    assert [fault.code for fault in reading.faults] == [code]


def test_json_that_two_readers_would_read_differently_is_a_fault() -> None:
    doubled = '{"@id": "a", "@id": "b"}'
    more = {"processes/x.json": doubled, "processes/y.json": '{"@id": NaN}', "processes/z.json": "[]"}
    assert [fault.code for fault in read_openlca(package(POWDER, **more)).faults] == ["json_broken"] * 3


def test_kinds_of_files_that_are_not_read_are_counted_as_losses() -> None:
    more = {"lcia_methods/m.json": "{}", "sources/s.json": "{}", "sources/t.json": "{}"}
    losses = {loss.where: loss.what for loss in read_openlca(package(POWDER, **more)).losses}
    assert losses["sources"].startswith("2 files")
    assert losses["lcia_methods"].startswith("1 files")


def test_an_archive_of_something_else_is_refused() -> None:
    with pytest.raises(UnreadableSource, match="no processes"):
        read_openlca(zipped({"a.txt": "x"}))


def test_what_the_schemas_own_library_writes_is_read(tmp_path: Path) -> None:
    units = olca_schema.new_unit_group("Units of mass", "kg")
    gram = olca_schema.Unit(id="gram", name="g", conversion_factor=0.001)
    assert units.units is not None
    units.units.append(gram)
    mass = olca_schema.new_flow_property("Mass", units)
    steel = olca_schema.new_product("steel", mass)
    carbon = olca_schema.new_elementary_flow("Carbon dioxide, fossil", mass)
    process = olca_schema.new_process("steel making")
    olca_schema.new_output(process, steel, 1.0).is_quantitative_reference = True
    olca_schema.new_output(process, carbon, 1900.0, gram)
    path = tmp_path / "steel.zip"
    with zipio.ZipWriter(path) as writer:
        for entity in (units, mass, steel, carbon, process):
            writer.write(entity)
    with path.open("rb") as file:
        reading = read_openlca(file)
    assert reading.faults == ()
    assert lines(reading, str(process.id)) == [
        (steel.id, "reference", "output", Decimal(1), "kg"),
        (carbon.id, "elementary", "output", Decimal(1900) / 1000, "kg"),
    ]
