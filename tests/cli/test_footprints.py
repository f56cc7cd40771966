"""The commands about a company's own footprints."""

from pathlib import Path

import pytest

from tests.cli.running import Node
from tests.footprints_kept import activity, calculated, records

GAS = activity("gas", "fuel", "100", "m3", "2")
METAL = activity("metal", "material", "100", "kg", "10", stage="raw_materials")


@pytest.fixture
def kept(node: Node, tmp_path: Path) -> Node:
    """The app has computed a pack, whose one figure gives its metal away."""
    for asset_id, content in records(calculated("pack", [METAL, GAS]), exposed={"metal": "1.00"}).items():
        record = tmp_path / "record.json"
        record.write_bytes(content)
        node.ok("cells", "asset", "put", asset_id, "--title", asset_id, "--record", str(record))
    return node


def test_a_footprint_is_listed_and_shown_with_its_warning_in_the_readers_language(kept: Node) -> None:
    (found,) = kept.ok("cells", "footprint", "list")["items"]
    assert (found["product"], found["standing"], float(found["total_kg"])) == ("pack", "current", 120.0)
    shown = kept.ok("cells", "footprint", "show", "pack", "--lang", "ja")
    assert "metal の数量" in shown["warning"]
    told = kept.run("cells", "footprint", "show", "pack")
    assert "could tell the quantities of metal" in told.out


def test_an_explanation_is_shown_whole_or_one_part_of_it(kept: Node) -> None:
    whole = kept.ok("cells", "footprint", "explain", "pack")
    assert whole["tree"] == kept.ok("cells", "footprint", "explain", "pack", "--look", "tree")
    for look, member in (
        ("hot-spots", "hot_spots"),
        ("sankey", "sankey"),
        ("gaps", "gaps"),
        ("changes", "changes"),
    ):
        assert kept.ok("cells", "footprint", "explain", "pack", "--look", look)["items"] == whole[member]
    assert [spot["key"] for spot in whole["hot_spots"]] == ["metal", "gas"]


def test_a_declared_footprint_is_handed_over_and_a_plant_told_by_scope(kept: Node) -> None:
    handed = kept.ok("cells", "footprint", "handover", "pack")
    assert handed["figures"][0]["total"] == "120"
    (year,) = kept.ok("cells", "footprint", "scopes", "--plant", "plant-1", "--year", "2025")["items"]
    assert (float(year["scope1_kg"]), float(year["scope3_kg"])) == (200.0, 1000.0)
    assert kept.ok("cells", "footprint", "scopes", "--year", "2024")["items"] == []
