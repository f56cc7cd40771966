"""A registration number is T and thirteen digits; those of a corporation are its Corporate Number."""

from datetime import date

import msgspec
import pytest

from ashiato.hub.billing.parties import UnusableParty, check_party
from tests.hub.billing.street import CELL, PARTIES, SMALL

CELLS = PARTIES[CELL]


def test_the_number_of_the_tax_agency_itself_is_accepted() -> None:
    # 国税庁: 法人番号 7000012050002 (法人番号公表サイト).
    agency = msgspec.structs.replace(CELLS, registration="T7000012050002", corporate_number="7000012050002")
    check_party(agency)
    assert agency.registration_on(date(2023, 10, 1)) == "T7000012050002"


@pytest.mark.parametrize(
    "number", ["T7000012050003", "7000012050002", "T700001205000", "t7000012050002", "T70000120500021"]
)
def test_a_wrong_check_digit_and_another_form_are_refused(number: str) -> None:
    with pytest.raises(UnusableParty):
        check_party(msgspec.structs.replace(CELLS, registration=number))


def test_of_a_sole_trader_only_the_form_is_checked() -> None:
    trader = msgspec.structs.replace(CELLS, registration="T7000012050003", is_natural_person=True)
    check_party(trader)
    with pytest.raises(UnusableParty):
        check_party(msgspec.structs.replace(trader, registration="T700001205000"))


def test_a_registration_holds_between_its_days() -> None:
    party = msgspec.structs.replace(
        CELLS, registered_from=date(2026, 11, 1), registered_until=date(2026, 12, 1)
    )
    days = [date(2026, 10, 31), date(2026, 11, 1), date(2026, 11, 30), date(2026, 12, 1)]
    assert [bool(party.registration_on(day)) for day in days] == [False, True, True, False]


def test_a_registration_needs_its_first_day_and_billing_through_the_hub_a_registration() -> None:
    with pytest.raises(UnusableParty, match="registered_from"):
        check_party(msgspec.structs.replace(CELLS, registered_from=None))
    with pytest.raises(UnusableParty, match="registered itself"):
        check_party(msgspec.structs.replace(PARTIES[SMALL], bills_through_hub=True))


def test_a_name_with_a_line_break_cannot_stand_on_a_document() -> None:
    with pytest.raises(UnusableParty, match="name"):
        check_party(msgspec.structs.replace(CELLS, name="a\nb"))
