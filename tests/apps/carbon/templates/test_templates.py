from fractions import Fraction

import pytest

from ashiato.apps.carbon.factors.datasets import UnreadableSource
from ashiato.apps.carbon.factors.gwp import AR6
from ashiato.apps.carbon.factors.licences import Licence
from ashiato.apps.carbon.factors.model import EmissionFactor
from ashiato.apps.carbon.factors.tables import Cell, Table, csv_table
from ashiato.apps.carbon.inventory import ActivityLine, DirectLine
from ashiato.apps.carbon.templates import texts
from ashiato.apps.carbon.templates.activity_rows import ACTIVITIES, read_activities
from ashiato.apps.carbon.templates.answer_rows import ANSWERS, read_answers
from ashiato.apps.carbon.templates.columns import LANGUAGES, Language, Template, plain
from ashiato.apps.carbon.templates.csv_files import NotInEncoding, csv_file
from ashiato.apps.carbon.templates.factor_rows import FACTORS, read_factors
from ashiato.apps.carbon.templates.licence_rows import LICENCES, read_licences
from ashiato.apps.carbon.templates.ports import KeptRow
from ashiato.facts.footprints import Stage
from tests.apps.carbon.templates.filled import ANSWER, KNOWN_LICENCES, NICKEL, POWER, table

TEMPLATES = (LICENCES, FACTORS, ACTIVITIES, ANSWERS)


def factors() -> dict[str, EmissionFactor]:
    found = read_factors(table(FACTORS, NICKEL), KNOWN_LICENCES)
    return {row.value.id: row.value for row in found.rows}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_factor_is_read_under_headings_of_either_language(language: Language) -> None:
    found = read_factors(table(FACTORS, NICKEL, language=language), KNOWN_LICENCES)
    assert found.faults == ()
    (row,) = found.rows
    assert row.number == 2
    assert row.value.kgco2e(AR6) == Fraction("3.498")


@pytest.mark.parametrize("template", TEMPLATES)
def test_headings_are_told_apart_in_both_languages_and_name_a_unit_of_their_sheet(template: Template) -> None:
    names = [plain(name).lower() for column in template.columns for name in {column.english, column.japanese}]
    assert len(set(names)) == len(names)
    assert template.id_key in {column.key for column in template.columns if column.required}
    assert len(template.title("ja")) <= 31
    assert len(template.title("en")) <= 31


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_an_empty_template_reads_as_an_empty_table(template: Template, language: Language) -> None:
    for encoding in ("utf-8-sig", "cp932"):
        data = csv_file(template, language, encoding)
        head = csv_table(data)
        rows_counts = {
            "licences": lambda table: read_licences(table).rows_count,
            "factors": lambda table: read_factors(table, {}).rows_count,
            "activities": lambda table: read_activities(table, {}, "AR6").rows_count,
            "answers": lambda table: read_answers(table).rows_count,
        }
        assert rows_counts[template.key](head) == 0


def test_what_shift_jis_cannot_hold_is_refused_and_not_replaced() -> None:
    row = KeptRow("factors", "x", (("factor_id", "x"), ("name", "Größe 🔋")))
    with pytest.raises(NotInEncoding, match="choose UTF-8"):
        csv_file(FACTORS, "ja", "cp932", [row])


def test_full_width_digits_signs_and_units_of_japanese_keyboards_are_read() -> None:
    typed = {
        **NICKEL,
        "co2_fossil_kg": "３．２",
        "unit": "㎏",
        "ownership": "自社",
        "reference_year": "２０２４年",
    }
    (row,) = read_factors(table(FACTORS, typed, language="ja"), KNOWN_LICENCES).rows
    assert row.value.kgco2e(AR6) == Fraction("3.498")
    assert row.value.reference_year == 2024


def test_an_activity_becomes_a_line_of_the_inventory_with_its_factor_by_the_wanted_set() -> None:
    (row,) = read_activities(table(ACTIVITIES, POWER), factors(), "AR5").rows
    line = row.value.line
    assert isinstance(line, ActivityLine)
    vector = line.intensity.of(line.amount, line.stage)
    # 1200.5 kg × (3.2 + 0.01 × 30)
    assert vector.stage_kg(Stage.RAW_MATERIALS) == Fraction("4201.75")


def test_a_direct_emission_needs_no_factor_but_gas_origin_and_mass() -> None:
    direct = {**POWER, "kind": "直接排出", "factor_id": "", "gas": "CO2", "origin": "化石由来", "unit": "t"}
    (row,) = read_activities(table(ACTIVITIES, direct), {}, "AR6").rows
    assert isinstance(row.value.line, DirectLine)
    for missing in ("gas", "origin"):
        found = read_activities(table(ACTIVITIES, {**direct, missing: ""}), {}, "AR6")
        assert [fault.code for fault in found.faults] == ["gas_missing"]
    found = read_activities(table(ACTIVITIES, {**direct, "unit": "kWh"}), {}, "AR6")
    assert [fault.code for fault in found.faults] == ["gas_missing"]


def test_an_answer_has_four_stages_and_a_rejection_its_reason() -> None:
    rejected = {"request_id": "r-2", "part_id": "x", "decision": "辞退", "reason": "not our part"}
    found = read_answers(table(ANSWERS, ANSWER, rejected))
    assert found.faults == ()
    answer, rejection = (row.value for row in found.rows)
    assert answer.figures is not None
    assert answer.figures.emissions.excluding_uptake_kg == Fraction("12.35")
    assert (rejection.figures, rejection.reason) == (None, "not our part")


@pytest.mark.parametrize(
    ("template", "changed", "column", "code"),
    [
        ("factors", {"factor_id": ""}, "Factor ID", "required"),
        ("factors", {"co2_fossil_kg": "NaN"}, "CO2 fossil (kg)", "number_unreadable"),
        ("factors", {"co2_fossil_kg": "1e30"}, "CO2 fossil (kg)", "number_unreadable"),
        ("factors", {"co2_fossil_kg": "-1"}, "CO2 fossil (kg)", "number_negative"),
        ("factors", {"co2_fossil_kg": "1,5"}, "CO2 fossil (kg)", "number_unreadable"),
        ("factors", {"reference_amount": "0"}, "Reference amount", "number_not_positive"),
        ("factors", {"unit": "bushel"}, "Unit", "unit_unknown"),
        ("factors", {"gwp_set": "AR7"}, "GWP set", "choice_unknown"),
        ("factors", {"licence": "someone's"}, "", "licence_unknown"),
        ("factors", {"total_kgco2e": "1"}, "", "factor_contradiction"),
        ("factors", {"co2_fossil_kg": "", "ch4_fossil_kg": ""}, "", "figures_missing"),
        ("factors", {"name": "=HYPERLINK(1)"}, "Name", "text_formula"),
        ("factors", {"name": "x" * 2001}, "Name", "text_long"),
        ("factors", {"factor_id": "a\nb"}, "Factor ID", "text_unprintable"),
        ("factors", {"reference_year": "24"}, "Reference year", "year_unreadable"),
        ("factors", {"temporal": "6"}, "Temporal quality", "rating_range"),
        ("activities", {"amount": "-0.1"}, "Amount", "number_negative"),
        ("activities", {"amount": "1E+30"}, "Amount", "number_unreadable"),
        ("activities", {"unit": "kWh"}, "", "unit_mismatch"),
        ("activities", {"factor_id": "ni-2"}, "", "factor_unknown"),
        ("activities", {"factor_id": ""}, "", "factor_missing"),
        ("activities", {"until": "2025-04-01"}, "", "period_backwards"),
        ("activities", {"from": "2025-02-30"}, "From", "day_unreadable"),
        ("activities", {"evidence": "abc"}, "Evidence (SHA-256)", "hash_unreadable"),
        ("activities", {"stage": "use"}, "Stage", "choice_unknown"),
        ("answers", {"end_of_life": ""}, "", "stages_missing"),
        ("answers", {"mass_kg": "-5"}, "Mass (kg)", "number_not_positive"),
        ("answers", {"primary_data_share": "35"}, "Primary data share", "share_range"),
        ("answers", {"decision": "reject"}, "", "reason_missing"),
    ],
)
def test_each_fault_of_a_cell_is_told_with_its_row_and_heading(
    template: str, changed: dict[str, str], column: str, code: str
) -> None:
    if template == "factors":
        found = read_factors(
            table(FACTORS, NICKEL, {**NICKEL, "factor_id": "ni-2", **changed}), KNOWN_LICENCES
        ).faults
    elif template == "activities":
        found = read_activities(
            table(ACTIVITIES, POWER, {**POWER, "line_id": "l-2", **changed}), factors(), "AR6"
        ).faults
    else:
        found = read_answers(table(ANSWERS, ANSWER, {**ANSWER, "request_id": "r-2", **changed})).faults
    assert [(fault.row, fault.column, fault.code) for fault in found] == [(3, column, code)]
    for language in LANGUAGES:
        assert "{" not in found[0].text(language)


@pytest.mark.parametrize("kind", ["formula", "error"])
def test_a_formula_and_an_error_of_a_spreadsheet_are_never_taken_as_their_value(kind: str) -> None:
    cell = Cell("3.2", kind)  # type: ignore[arg-type]  # the two words above
    found = read_factors(table(FACTORS, {**NICKEL, "co2_fossil_kg": cell}), KNOWN_LICENCES)
    assert [(fault.column, fault.code) for fault in found.faults] == [("CO2 fossil (kg)", kind)]


def test_a_date_or_a_boolean_is_no_number() -> None:
    cell = Cell("2025-01-02", "date")
    (fault,) = read_factors(table(FACTORS, {**NICKEL, "co2_fossil_kg": cell}), KNOWN_LICENCES).faults
    assert fault.text("en") == "A number is expected, not a date."


def test_all_faults_of_all_rows_are_told_at_once() -> None:
    found = read_factors(
        table(FACTORS, {**NICKEL, "unit": "x", "gwp_set": "y"}, NICKEL, {**NICKEL, "name": ""}),
        KNOWN_LICENCES,
    )
    assert [(fault.row, fault.column) for fault in found.faults] == [
        (2, "Unit"),
        (2, "GWP set"),
        (3, "Factor ID"),
        (4, "Name"),
        (4, "Factor ID"),
    ]
    assert found.faults[2].text("en") == "Row 2 has the same Factor ID."


def test_more_faults_than_a_person_can_read_are_counted() -> None:
    rows = [{**NICKEL, "factor_id": f"f{number}", "unit": "x"} for number in range(1200)]
    found = read_factors(table(FACTORS, *rows), KNOWN_LICENCES)
    assert (len(found.faults), found.further_count) == (1000, 200)


def test_empty_rows_are_skipped_and_rows_keep_the_numbers_of_the_sheet() -> None:
    found = read_factors(table(FACTORS, {}, NICKEL, {}, {**NICKEL, "factor_id": "b"}), KNOWN_LICENCES)
    assert [row.number for row in found.rows] == [3, 5]
    assert found.rows_count == 2


@pytest.mark.parametrize(
    ("heading", "code"),
    [
        (("Factor ID", "Colour"), "heading_unknown"),
        (("Factor ID", "Name"), "heading_missing"),
        ((), "table_empty"),
    ],
)
def test_a_table_of_another_kind_is_refused(heading: tuple[str, ...], code: str) -> None:
    rows = (tuple(Cell(name, "text") for name in heading),) if heading else ()
    with pytest.raises(UnreadableSource) as refused:
        read_factors(Table("x", rows), KNOWN_LICENCES)
    assert refused.value.code == code


def test_a_column_in_both_languages_stands_twice() -> None:
    head = [*(column.english for column in FACTORS.columns), "原単位ID"]
    with pytest.raises(UnreadableSource, match="twice"):
        read_factors(Table("x", (tuple(Cell(name, "text") for name in head),)), KNOWN_LICENCES)


def test_a_cell_beyond_the_last_heading_is_a_fault() -> None:
    rows = table(FACTORS, NICKEL).rows
    found = read_factors(Table("x", (rows[0], (*rows[1], Cell("?", "text")))), KNOWN_LICENCES)
    assert [fault.code for fault in found.faults] == ["row_long"]


def test_both_languages_have_every_sentence_with_the_same_fields() -> None:
    assert texts.ENGLISH.keys() == texts.JAPANESE.keys()
    for code, english in texts.ENGLISH.items():
        fields = {part.split("}")[0] for part in english.split("{")[1:]}
        assert fields == {part.split("}")[0] for part in texts.JAPANESE[code].split("{")[1:]}


def test_a_licence_allows_only_what_is_said() -> None:
    (row,) = read_licences(
        table(LICENCES, {"licence_id": "db", "holders": "did:web:a.example; did:web:b.example"})
    ).rows
    assert row.value == Licence("db", holders=("did:web:a.example", "did:web:b.example"))
    full = {"licence_id": "p", "open": "はい", "export": "yes", "seats": "mori；sato", "expires": "2027/1/1"}
    (row,) = read_licences(table(LICENCES, full)).rows
    assert row.value == Licence(
        "p", open_to_all=True, may_export=True, seats=("mori", "sato"), expires_ms=1_798_761_600_000
    )
