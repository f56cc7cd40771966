import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ashiato.facts.identifiers import (
    Identifier,
    IdentifierKind,
    MalformedIdentifier,
    corporate_check_digit,
    gs1_check_digit,
    identifier,
    parse_identifier,
)

UUID = "d9a38406-cae2-4679-b052-15a75f5531c5"


@pytest.mark.parametrize(
    ("kind", "value", "canonical"),
    [
        ("trace_id", UUID.upper(), UUID),
        ("catena_x_id", f"urn:uuid:{UUID}", UUID),
        # The example of GS1's check digit calculator.
        ("gtin", "6291041500213", "06291041500213"),
        ("gtin", "96385074", "00000096385074"),
        ("gtin", "036000291452", "00036000291452"),
        ("gtin_serial", "(01)09506000134352(21)ABC-1/2", "(01)09506000134352(21)ABC-1/2"),
        ("gtin_batch", "(01)09506000134352(10)L%7", "(01)09506000134352(10)L%7"),
        ("gln", "9506000117843", "9506000117843"),
        ("bpnl", "BPNL00000003CRHK", "BPNL00000003CRHK"),
        ("bpns", "BPNS00000008BDFH", "BPNS00000008BDFH"),
        ("bpna", "BPNA000000000001", "BPNA000000000001"),
        ("bpn_part", "BPNL00000003CRHK/NMC811 05", "BPNL00000003CRHK/NMC811 05"),
        # 国税庁 itself, the example of the agency's own page on the check digit.
        ("corporate_number", "7000012050002", "7000012050002"),
        ("plant_number", "7000012050002000123", "7000012050002000123"),
        # The operators of the Ouranos tutorials, whose numbers are no Corporate Numbers.
        ("open_operator_id", "1234567890123", "1234567890123"),
        ("open_plant_id", "1234567890123012345", "1234567890123012345"),
        # The example of the Global LEI Foundation.
        ("lei", "506700GE1G29325QX363", "506700GE1G29325QX363"),
        ("code24", "001PE0123456789AB0000001", "001PE0123456789AB0000001"),
        ("uri", "https://id.example/01/09506000134352", "https://id.example/01/09506000134352"),
    ],
)
def test_a_well_formed_identifier_comes_in_its_one_form(kind: str, value: str, canonical: str) -> None:
    made = identifier(kind, value)
    assert (made.kind, made.value, made.scope) == (kind, canonical, "")
    assert parse_identifier(made.text) == made


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("trace_id", "d9a38406"),
        ("trace_id", UUID + "0"),
        ("gtin", "6291041500214"),
        ("gtin", "629104150021"),
        ("gtin", "６２９１０４１５００２１３"),
        ("gtin_serial", "(01)09506000134353(21)A"),
        ("gtin_serial", "(01)09506000134352(10)A"),
        ("gtin_serial", "(01)09506000134352(21)" + "A" * 21),
        ("gtin_serial", "(01)09506000134352(21)"),
        ("gtin_batch", "(01)09506000134352(10)a b"),
        ("gln", "9506000117844"),
        ("bpnl", "BPNS00000003CRHK"),
        ("bpnl", "BPNL00000003CRH"),
        ("bpnl", "bpnl00000003crhk"),
        ("corporate_number", "1234567890123"),
        ("corporate_number", "700001205000"),
        ("plant_number", "7000012050002"),
        ("plant_number", "1234567890123000001"),
        ("open_operator_id", "a" * 21),
        ("open_plant_id", "12345"),
        ("open_plant_id", "abcdefg"),
        ("lei", "506700GE1G29325QX364"),
        ("code24", "001PE0123456789AB000001"),
        ("code24", "001pe0123456789AB0000001"),
        ("uri", "no address"),
        ("local", ""),
        ("local", " a"),
        ("gtin", "96385074\n"),
        ("made_up", "1"),
    ],
)
def test_what_is_no_such_identifier_is_refused(kind: str, value: str) -> None:
    with pytest.raises(MalformedIdentifier):
        identifier(kind, value)


def test_a_number_of_a_partner_carries_the_partner() -> None:
    made = parse_identifier("partner_number:AB@12@did:web:oem.example:parts")
    assert made == Identifier(IdentifierKind.PARTNER_NUMBER, "AB@12", "did:web:oem.example:parts")
    assert made.text == "partner_number:AB@12@did:web:oem.example:parts"


@pytest.mark.parametrize(
    "text",
    [
        "partner_number:AB",
        "partner_number:AB@oem",
        "partner_number:@did:web:oem.example",
        "local:AB",
        "local:AB@a register",
        "gtin",
        "",
    ],
)
def test_a_scope_that_is_missing_or_none_is_refused(text: str) -> None:
    with pytest.raises(MalformedIdentifier):
        parse_identifier(text)


def test_a_scope_where_there_is_none_is_refused() -> None:
    with pytest.raises(MalformedIdentifier, match="no scope"):
        identifier("gtin", "96385074", "did:web:a.example")


@settings(max_examples=100)
@given(st.text("0123456789", min_size=12, max_size=12), st.integers(0, 11), st.integers(1, 9))
def test_a_wrong_digit_of_a_corporate_number_is_noticed(twelve: str, place: int, step: int) -> None:
    """But 0 for 9 and, at the places of weight 2, no other: the remainder by 9 does not tell those two apart."""
    wrong = twelve[:place] + str((int(twelve[place]) + step) % 10) + twelve[place + 1 :]
    same = {twelve[place], wrong[place]} == {"0", "9"}
    assert (corporate_check_digit(twelve) == corporate_check_digit(wrong)) is same


@settings(max_examples=100)
@given(st.text("0123456789", min_size=13, max_size=13), st.integers(0, 12), st.integers(1, 9))
def test_a_wrong_digit_of_a_gs1_number_is_noticed(digits: str, place: int, step: int) -> None:
    wrong = digits[:place] + str((int(digits[place]) + step) % 10) + digits[place + 1 :]
    assert gs1_check_digit(digits) != gs1_check_digit(wrong)


def test_a_sum_that_nine_divides_gives_nine_and_not_nothing() -> None:
    # By the formula of the ordinance: 9 - (0 mod 9) = 9, and 1 * 1 + 2 * 4 = 9 for the last two digits 41.
    assert [corporate_check_digit(digits) for digits in ("0" * 12, "0" * 10 + "41")] == [9, 9]
