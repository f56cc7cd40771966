"""The three cost schemes of the battery data scheme (BASC report 2022, 7.1 Q3) add up to the budget."""

from datetime import date

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ashiato.hub.billing.schemes import (
    Parts,
    UnusableScheme,
    check_scheme,
    holding_scheme,
    members_and_users,
    parts_of,
    subsidy_and_members,
    users_only,
)
from tests.hub.billing.street import MINISTRY

START = date(2026, 4, 1)


def test_half_and_half_leaves_the_odd_yen_with_the_members() -> None:
    assert parts_of(members_and_users("i", START, 1_000_001), has_users=True) == Parts(500_001, 500_000, 0)


def test_users_only_have_no_budget_to_split() -> None:
    assert parts_of(users_only("ii", START), has_users=True) == Parts(0, 0, 0)


def test_subsidy_and_members_share_half_and_half() -> None:
    assert parts_of(subsidy_and_members("iii", START, 900, MINISTRY), has_users=True) == Parts(450, 0, 450)


def test_in_a_month_without_use_the_members_carry_the_users_part() -> None:
    assert parts_of(members_and_users("i", START, 1000), has_users=False) == Parts(1000, 0, 0)


@given(st.integers(0, 10**12), st.booleans())
def test_the_parts_are_the_budget(budget: int, has_users: bool) -> None:
    for scheme in (
        members_and_users("i", START, budget),
        subsidy_and_members("iii", START, budget, MINISTRY),
    ):
        check_scheme(scheme)
        parts = parts_of(scheme, has_users=has_users)
        assert parts.members_yen + parts.users_yen + parts.subsidy_yen == budget


def test_the_scheme_that_began_last_holds() -> None:
    first, second = users_only("ii", START), members_and_users("i", date(2026, 11, 1), 5)
    assert holding_scheme([first, second], date(2026, 10, 31)) == first
    assert holding_scheme([first, second], date(2026, 11, 1)) == second
    assert holding_scheme([first], date(2026, 3, 31)) is None


@pytest.mark.parametrize(
    "members",
    [
        {"members": "0.6"},
        {"members": "-0.5", "users": "1.5"},
        {"members": "half"},
        {"registrants_share": "1.1"},
        {"subsidy_payer": MINISTRY},
        {"users": "0", "subsidy": "0.5"},
        {"from_day": date(2026, 4, 2)},
        {"budget_yen": -1},
    ],
)
def test_shares_that_do_not_make_a_whole_are_refused(members: dict[str, object]) -> None:
    with pytest.raises(UnusableScheme):
        check_scheme(msgspec.structs.replace(members_and_users("i", START, 1000), **members))
