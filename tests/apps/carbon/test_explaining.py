"""The explanation as a document: what it is compared with, and that a second writing keeps it."""

from fractions import Fraction

import msgspec

from ashiato.apps.carbon.explaining import Explanation, explanation_of, read_explanation
from tests.footprints_kept import activity, calculated


def explained(metal_kg: str, factor: str, version: str, earlier: bytes | None) -> bytes:
    lines = [
        activity("metal", "material", metal_kg, "kg", factor),
        activity("heat", "heat", "50", "kWh", "1"),
    ]
    issue = {"id": version, "validFromMs": 1_790_000_000_000, "validUntilMs": 1_830_000_000_000}
    made = calculated("pack", lines, issue=issue)
    return msgspec.json.encode(explanation_of(made, version, earlier))


def read(data: bytes) -> Explanation:
    found = read_explanation(data)
    assert found is not None
    return found


def test_two_versions_are_compared_line_by_line_and_the_parts_add_up() -> None:
    # For one of ten pieces: 10 kg x 10 = 100 kg before, 12 kg x 9 = 108 kg after.
    first = explained("100", "10", "v1", None)
    second = read(explained("120", "9", "v2", first))
    assert (read(first).compared_with, read(first).changes) == ("", ())
    assert second.compared_with == "v1"
    (change,) = second.changes
    # What an own process uses per piece and what that gives off is one figure, so the whole change is one of intensity.
    assert [float(part) for part in (change.amount_kg, change.intensity_kg, change.joint_kg)] == [0, 8, 0]
    assert Fraction(change.total_kg) == 8


def test_writing_the_same_version_again_keeps_its_comparison() -> None:
    second = explained("120", "9", "v2", explained("100", "10", "v1", None))
    assert read(explained("120", "9", "v2", second)) == read(second)


def test_hot_spots_flows_and_gaps_are_told_of_what_was_computed() -> None:
    found = read(explained("100", "10", "v1", None))
    assert [(spot.key, float(spot.kg)) for spot in found.hot_spots] == [("metal", 100.0), ("heat", 5.0)]
    assert Fraction(found.total_kg) == 105
    into = [band for band in found.sankey if band.target == "pack"]
    assert [(band.source, float(band.kg)) for band in into] == [("main_production", 105.0)]
    assert Fraction(found.secondary_share) == 1
    assert [node.key for node in found.tree.children] == ["metal", "heat"]
