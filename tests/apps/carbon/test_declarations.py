import json
from fractions import Fraction

import msgspec
import pytest

from ashiato.apps.carbon.declarations import (
    LEAST_VALIDITY_MS,
    Issue,
    MalformedDeclaration,
    UndeclarableResult,
    calculation_record,
    canonical,
    declare,
    read_declaration,
    standing_of,
)
from ashiato.apps.carbon.rollup import InputStanding, RollUp, roll_up
from ashiato.apps.carbon.rulesets import Rounding, Ruleset, ruleset
from ashiato.facts.footprints import (
    DataQuality,
    EndOfLifeBasis,
    Origin,
    PerDeclaredUnit,
    Stage,
    StageVector,
    Uncertainty,
)
from ashiato.facts.quantities import Quantity, parse_quantity
from tests.apps.carbon.chains import assessed
from tests.apps.carbon.suppliers import ISSUE, PLAIN, declaration, fossil, line


@pytest.fixture(scope="module")
def rules() -> Ruleset:
    return ruleset("PACT-3")


@pytest.fixture(scope="module")
def result(rules: Ruleset) -> RollUp:
    """0.5 kg of its own process and 1.23456 kg bought, wholly secondary."""
    return roll_up(assessed(PLAIN, rules), [line(fossil("1.23456"), "1")])


def test_figures_are_rounded_once_from_the_exact_value(rules: Ruleset, result: RollUp) -> None:
    document = declare(result, rules, ISSUE)
    assert document.emissions_kg == {Stage.RAW_MATERIALS: {Origin.FOSSIL: "1.73"}}
    assert (document.total_kg, document.rounding.bound_kg) == ("1.73", "0.005")
    assert document.primary_data_share == "0.28826"  # 0.5 / 1.73456 = 0.288257...
    assert (document.ruleset.id, document.ruleset.edition) == ("PACT-3", "3.0 (2025-04-30)")


def test_ratings_are_emission_weighted_means_with_five_decimals(rules: Ruleset) -> None:
    rated = fossil("1", quality=DataQuality(Fraction(2), Fraction(2), Fraction(4)))
    document = declare(roll_up(assessed(PLAIN, rules), [line(rated, "1")]), rules, ISSUE)
    # Own 0.5 kg at (1, 2, 3) and 1 kg at (2, 2, 4): (0.5 × 1 + 1 × 2) / 1.5 = 1.66667.
    assert document.quality is not None
    assert (document.quality.technological, document.quality.geographical) == ("1.66667", "2")
    assert document.quality.temporal == "3.66667"


def test_a_total_is_not_the_sum_of_rounded_figures(rules: Ruleset) -> None:
    cells = {
        (Stage.RAW_MATERIALS, Origin.FOSSIL): Fraction("1.4"),
        (Stage.MAIN_PRODUCTION, Origin.FOSSIL): Fraction("1.4"),
    }
    supplier = msgspec.structs.replace(
        fossil("0"), footprint=PerDeclaredUnit(StageVector.of(cells), parse_quantity("1", "kg"))
    )
    # Own 0.5 and 1.4 make 1.9 → 2, beside 1.4 → 1; the total is 3.3 → 3.
    whole = roll_up(assessed(PLAIN, rules), [line(supplier, "1")])
    document = declare(whole, rules, ISSUE, rounding=Rounding("decimals", 0))
    assert document.emissions_kg == {
        Stage.RAW_MATERIALS: {Origin.FOSSIL: "2"},
        Stage.MAIN_PRODUCTION: {Origin.FOSSIL: "1"},
    }
    assert (document.total_kg, document.rounding.bound_kg) == ("3", "1")


def test_the_bound_is_rounded_up(rules: Ruleset, result: RollUp) -> None:
    # 1 / 3 came in and 0.005 is added here: 0.338333...
    moved = msgspec.structs.replace(result, rounding_bound_kg=Fraction(1, 3))
    assert declare(moved, rules, ISSUE).rounding.bound_kg == "0.339"


def test_stages_that_the_ruleset_does_not_count_are_left_out(rules: Ruleset) -> None:
    cells = {(Stage.DISTRIBUTION, Origin.FOSSIL): 9}
    supplier = msgspec.structs.replace(
        fossil("0"), footprint=PerDeclaredUnit(StageVector.of(cells), parse_quantity("1", "kg"))
    )
    document = declare(roll_up(assessed(PLAIN, rules), [line(supplier, "1")]), rules, ISSUE)
    assert (list(document.emissions_kg), document.total_kg) == ([Stage.RAW_MATERIALS], "0.5")


def test_what_is_read_is_what_was_declared(rules: Ruleset, result: RollUp) -> None:
    issue = msgspec.structs.replace(ISSUE, product_mass=parse_quantity("1000", "g"))
    document, footprint = read_declaration(canonical(declare(result, rules, issue)))
    assert canonical(document) == canonical(declare(result, rules, issue))
    assert footprint.footprint.declared == parse_quantity("1", "kg")
    assert footprint.product_mass == parse_quantity("1", "kg")
    assert footprint.primary_data_share == Fraction("0.28826")
    assert footprint.rounding_bound_kg == Fraction("0.005")


def test_no_causes_of_uncertainty_leave_the_company(rules: Ruleset) -> None:
    uncertain = fossil("3", uncertainty=Uncertainty((("secret ore of a supplier", Fraction("0.1")),)))
    document = declare(roll_up(assessed(PLAIN, rules), [line(uncertain, "1")]), rules, ISSUE)
    assert document.uncertainty_kg == {ISSUE.id: "0.1"}
    assert b"secret" not in canonical(document)


def test_a_declaration_names_no_line_of_the_inventory_and_no_supplier(rules: Ruleset, result: RollUp) -> None:
    text = canonical(declare(result, rules, ISSUE)).decode()
    assert [key for key in (one.key for one in result.contributions) if f'"{key}"' in text] == []


@pytest.mark.parametrize(
    "change",
    [
        {"valid_until_ms": ISSUE.valid_from_ms + LEAST_VALIDITY_MS - 1},
        {"reference_until_ms": ISSUE.reference_from_ms},
        {"supersedes": ISSUE.id},
        {"product_mass": Quantity(Fraction(1, 3), parse_quantity("1", "kg").unit)},
    ],
)
def test_what_cannot_be_declared_is_refused(
    rules: Ruleset, result: RollUp, change: dict[str, object]
) -> None:
    with pytest.raises(UndeclarableResult):
        declare(result, rules, msgspec.structs.replace(ISSUE, **change))


def test_a_result_is_declared_under_its_own_rules_only(rules: Ruleset, result: RollUp) -> None:
    on_formula = msgspec.structs.replace(result, basis=EndOfLifeBasis.CIRCULAR_FOOTPRINT_FORMULA)
    with pytest.raises(UndeclarableResult, match="basis"):
        declare(on_formula, rules, ISSUE)
    with pytest.raises(UndeclarableResult, match="gwp_set"):
        declare(msgspec.structs.replace(result, gwp_set="AR5"), rules, ISSUE)


NOTE = {"key": "k", "value": "1", "unit": "", "source": "s", "year": 2024, "standing": "stated"}


def broken(path: list[str], value: object) -> bytes:
    document = json.loads(canonical(declaration()))
    inner = document
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[1]",
        b'{"a":1,"a":2}',
        broken(["version"], 2),
        broken(["amount"], "0"),
        broken(["amount"], "-1"),
        broken(["amount"], 1),
        broken(["unit"], "stone"),
        broken(["emissionsKg", "raw_materials", "fossil"], "NaN"),
        broken(["emissionsKg", "raw_materials", "fossil"], "1" + "0" * 30),
        broken(["emissionsKg", "raw_materials", "fossil"], "1/3"),
        broken(["emissionsKg", "use"], {"fossil": "1"}),
        broken(["emissionsKg", "raw_materials", "fossil"], "-1"),
        broken(["uncertaintyKg"], {str(cause): "1" for cause in range(65)}),
        broken(["primaryDataShare"], "1.2"),
        broken(["quality"], {"technological": "0", "geographical": "1", "temporal": "1"}),
        broken(["rounding", "boundKg"], "-1"),
        broken(["validUntilMs"], 0),
        broken(["referenceUntilMs"], -1),
        broken(["recipe"], "nickel"),
        broken(["validUntilMs"], 1 << 60),
        broken(["assumptions"], [{**NOTE, "source": "x" * 3000}]),
        broken(["assumptions"], [{**NOTE, "key": "a\u0007b"}]),
        broken(["assumptions"], [NOTE] * 201),
        broken(["uncertaintyKg"], {"a\nb": "1"}),
        broken(["product"], "a\u0000b"),
        broken(["product"], "x" * 3000),
        b" " * 300_000,
    ],
)
def test_foreign_bytes_that_are_no_sound_declaration_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedDeclaration):
        read_declaration(data)


def test_whether_a_declaration_holds_is_told_with_the_gravest_reason() -> None:
    one = declaration()
    inside = one.valid_from_ms
    assert standing_of(one, inside) is InputStanding.CURRENT
    assert standing_of(one, one.valid_until_ms) is InputStanding.EXPIRED
    assert standing_of(one, inside - 1) is InputStanding.EXPIRED
    assert standing_of(one, inside, superseded=[one.id]) is InputStanding.SUPERSEDED
    assert standing_of(one, inside, [one.id], [one.id]) is InputStanding.WITHDRAWN
    stale = msgspec.structs.replace(one, stale_inputs=1)
    assert standing_of(stale, inside) is InputStanding.RESTS_ON_STALE


def test_a_calculation_is_recorded_exactly_and_alike_each_time(rules: Ruleset, result: RollUp) -> None:
    record = calculation_record(result, rules, "program 1", {"bill": "ab" * 32})
    assert record == calculation_record(result, rules, "program 1", {"bill": "ab" * 32})
    assert json.loads(record)["emissionsKg"][0] == "1.73456"


def test_the_issue_is_the_issuers(rules: Ruleset, result: RollUp) -> None:
    issue = Issue(
        id="urn:example:2",
        issuer="did:web:maker.example",
        product="cell",
        plant="plant 7",
        supersedes="urn:example:1",
        geography="JP",
        exempted_share=Fraction(1, 300),
        reference_from_ms=0,
        reference_until_ms=1,
        valid_from_ms=0,
        valid_until_ms=LEAST_VALIDITY_MS,
    )
    document = declare(result, rules, issue)
    assert (document.supersedes, document.plant, document.geography) == ("urn:example:1", "plant 7", "JP")
    assert document.exempted_share == "0.00333"
