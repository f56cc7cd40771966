"""Who carries the cost of the platform: the three cost schemes of the battery data scheme, and others made of the same parts.

BASC report (2022), 7.1 Q3: member fees and data users half and half; data users only, fixed fee and metered; public subsidy
and member fees half and half. Q4: a part of what users pay returns to those who registered the data.
"""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from fractions import Fraction

import msgspec

from ashiato.facts.quantities import MalformedNumber, parse_decimal
from ashiato.hub.billing.money import split


class UserPart(StrEnum):
    """How data users carry their part."""

    BY_TARIFF = "by_tariff"
    """They pay what the platform's tariffs say, whatever the budget is."""
    BY_BUDGET = "by_budget"
    """They pay their part of the budget, each by its confirmed deliveries and uses; platform tariffs for users rest."""


class CostScheme(msgspec.Struct, frozen=True, kw_only=True):
    """One way of sharing the cost of a month, `budget_yen` without tax, from the first of a month on.

    Shares are decimal text and make 1 together. `subsidy_payer` is the party that pays the subsidy. `registrants_share` of
    the users' platform fees returns to those whose data was used.
    """

    scheme_id: str
    from_day: date
    budget_yen: int
    members: str
    users: str
    subsidy: str
    user_part: UserPart
    subsidy_payer: str = ""
    registrants_share: str = "0"


class UnusableScheme(ValueError):
    """A cost scheme does not add up; whoever wrote it must mend it."""

    def __init__(self, scheme_id: str, problem: str) -> None:
        super().__init__(f"cost scheme {scheme_id!r}: {problem}")
        self.scheme_id = scheme_id
        self.problem = problem


def members_and_users(scheme_id: str, from_day: date, budget_yen: int) -> CostScheme:
    """Scheme i: member fees and data users, half and half."""
    return CostScheme(
        scheme_id=scheme_id, from_day=from_day, budget_yen=budget_yen, members="0.5", users="0.5", subsidy="0",
        user_part=UserPart.BY_BUDGET,
    )  # fmt: skip


def users_only(scheme_id: str, from_day: date) -> CostScheme:
    """Scheme ii: data users only, by a fixed fee and a metered one; both are tariffs."""
    return CostScheme(
        scheme_id=scheme_id, from_day=from_day, budget_yen=0, members="0", users="1", subsidy="0",
        user_part=UserPart.BY_TARIFF,
    )  # fmt: skip


def subsidy_and_members(scheme_id: str, from_day: date, budget_yen: int, subsidy_payer: str) -> CostScheme:
    """Scheme iii: public subsidy and member fees, half and half."""
    return CostScheme(
        scheme_id=scheme_id, from_day=from_day, budget_yen=budget_yen, members="0.5", users="0", subsidy="0.5",
        user_part=UserPart.BY_BUDGET, subsidy_payer=subsidy_payer,
    )  # fmt: skip


def check_scheme(scheme: CostScheme) -> None:
    """Raise `UnusableScheme` where shares do not make a whole, or nobody is named for one."""
    try:
        shares = _shares(scheme)
        returned = parse_decimal(scheme.registrants_share)
    except MalformedNumber as error:
        raise UnusableScheme(scheme.scheme_id, str(error)) from None
    if any(share < 0 for share in shares) or sum(shares) != 1:
        raise UnusableScheme(
            scheme.scheme_id, "the shares of members, users and subsidy must make 1 together"
        )
    if not 0 <= returned <= 1:
        raise UnusableScheme(scheme.scheme_id, "registrants_share lies between 0 and 1")
    if bool(shares[2]) is not bool(scheme.subsidy_payer):
        raise UnusableScheme(scheme.scheme_id, "name the payer of the subsidy, and only where there is one")
    if scheme.from_day.day != 1 or scheme.budget_yen < 0:
        raise UnusableScheme(scheme.scheme_id, "it begins with a month, and its budget is not below 0")
    if scheme.user_part is UserPart.BY_TARIFF and shares[1] != 1 and shares[1] != 0:
        raise UnusableScheme(scheme.scheme_id, "users who pay by tariff carry all or nothing of a budget")


def holding_scheme(schemes: Sequence[CostScheme], day: date) -> CostScheme | None:
    """The scheme that holds on that day: the one that began last; None before the first."""
    begun = [scheme for scheme in schemes if scheme.from_day <= day]
    return max(begun, key=lambda scheme: (scheme.from_day, scheme.scheme_id), default=None)


class Parts(msgspec.Struct, frozen=True):
    """Whole yen that each group carries; together they are the budget."""

    members_yen: int
    users_yen: int
    subsidy_yen: int


def parts_of(scheme: CostScheme, *, has_users: bool) -> Parts:
    """What members, users and subsidy carry of the budget. In a month without any use the users' part falls to the members."""
    if scheme.user_part is UserPart.BY_TARIFF and parse_decimal(scheme.users) == 1:
        return Parts(0, 0, 0)
    members, users, subsidy = split(scheme.budget_yen, _shares(scheme))
    return Parts(members, users, subsidy) if has_users else Parts(members + users, 0, subsidy)


def _shares(scheme: CostScheme) -> tuple[Fraction, Fraction, Fraction]:
    return parse_decimal(scheme.members), parse_decimal(scheme.users), parse_decimal(scheme.subsidy)
