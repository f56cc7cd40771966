import json
from fractions import Fraction
from typing import Any

import pytest

from ashiato.apps.carbon.calculating import Received, calculate
from ashiato.apps.carbon.declarations import canonical
from ashiato.apps.carbon.inventory_documents import MalformedInventory, read_inventory
from ashiato.apps.carbon.rollup import MixedBases
from ashiato.facts.instants import DAY_MS
from tests.apps.carbon.suppliers import declaration

MAKER = "did:web:maker.example"
Json = dict[str, Any]


def factor(kg: str, gwp_set: str = "EF-3.1") -> Json:
    return {
        "per": {"value": "1", "unit": "kg"},
        "kgByOrigin": {"fossil": kg},
        "gwpSet": gwp_set,
        "source": "example",
        "year": 2026,
    }


def material(**others: Any) -> Json:
    return {
        "type": "material",
        "key": "aluminium",
        "stage": "raw_materials",
        "measured": True,
        "quality": ["1", "2", "3"],
        "amount": {"value": "10", "unit": "kg"},
        "virgin": factor("10"),
        "recycled": factor("1"),
        "kind": "metals",
        "r2": "0.9",
        **others,
    }


def document(line: Json, **others: Any) -> bytes:
    whole: Json = {
        "product": "housing",
        "plant": "plant 1",
        "geography": "JP",
        "ruleset": "CFB-EV-2023JRC",
        "referenceFromMs": 0,
        "referenceUntilMs": DAY_MS,
        "declared": {"value": "1", "unit": "piece"},
        "output": {"value": "1", "unit": "piece"},
        "issue": {"id": "urn:example:3", "validFromMs": 0, "validUntilMs": 365 * DAY_MS},
        "lines": [line],
        **others,
    }
    return json.dumps(whole).encode()


def stages(content: bytes, *received: Received) -> dict[str, str]:
    made = json.loads(calculate(content, received, MAKER, "program 1").declaration)
    return {stage: figures["fossil"] for stage, figures in made["emissionsKg"].items()}


def test_recycled_content_and_disposal_enter_the_formula() -> None:
    evidence = [{"sha256": "ab" * 32, "document": "recycler's certificate"}]
    line = material(r1="0.5", disposal=factor("0.5"), evidence=evidence)
    # A 0.2: 10 × (0.5 × 10 + 0.5 × (0.2 × 1 + 0.8 × 10)) = 91; 10 × (0.8 × 0.9 × (1 - 10) + 0.1 × 0.5) = -64.3.
    assert stages(document(line)) == {"raw_materials": "91", "end_of_life": "-64.3"}


def test_recycled_content_without_evidence_is_refused() -> None:
    with pytest.raises(MalformedInventory, match="evidence"):
        read_inventory(document(material(r1="0.5")))
    assert stages(document(material(r1="0")))["raw_materials"] == "100"


@pytest.mark.parametrize(
    "broken", [{"r1": "1.5"}, {"r2": "2"}, {"disposal": factor("1", "AR5")}, {"kind": "wood"}]
)
def test_impossible_parameters_of_recycling_are_refused(broken: Json) -> None:
    line = material(evidence=[{"sha256": "ab" * 32, "document": "certificate"}], **broken)
    with pytest.raises(MalformedInventory):
        read_inventory(document(line))


def test_a_part_on_cut_off_enters_the_formula_only_as_free_of_recycling() -> None:
    supplier = "did:web:supplier.example"
    cut_off = canonical(declaration(issuer=supplier, product="plate"))
    received = Received(supplier, 0, "ab" * 32, cut_off)
    part = {"key": "p", "product": "plate", "supplier": supplier, "quantity": {"value": "2", "unit": "kg"}}
    with pytest.raises(MixedBases):
        stages(document(material(), parts=[part]), received)
    alike = document(material(), parts=[{**part, "withoutRecycling": True}])
    # 100 of the housing's own aluminium and two kilograms at 6.5.
    assert stages(alike, received)["raw_materials"] == "113"
    assert Fraction(stages(alike, received)["end_of_life"]) == Fraction("-64.8")
