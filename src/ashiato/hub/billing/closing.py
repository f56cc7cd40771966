"""The closing of a month: from what was confirmed, the tariffs and the cost scheme to lines in whole yen.

A pure function of its arguments, so that a closing can be run again to the same yen. Each line is rounded once; what is split
is split by the largest remainder. Usage of an earlier month that was confirmed or withdrawn after that month was closed is
priced together with what was billed of it before, and the difference is a line of this month that says which month it corrects.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from fractions import Fraction
from hashlib import sha256

import msgspec

from ashiato.facts.quantities import exact_text, parse_decimal
from ashiato.hub.billing.money import Rounding, rounded, split
from ashiato.hub.billing.months import Month
from ashiato.hub.billing.parties import Party
from ashiato.hub.billing.schemes import CostScheme, UserPart, holding_scheme, parts_of
from ashiato.hub.billing.tariffs import (
    Fee,
    Measure,
    Payer,
    RevenueModel,
    Tariff,
    applying,
    by_quantity,
    counts,
    holding,
    price,
)
from ashiato.law.consumption_tax import TaxCategory, TaxRate, changes_within, tax_rate
from ashiato.statements.usage import UsageKind

MEMBER_FEE = "member_fee"
USER_PART = "user_part"
SUBSIDY = "subsidy"
REGISTRANTS = "registrants_share"
LARGEST_CHARGE_YEN = 10**12


class UsageTotal(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one kind was confirmed between two parties for one data item, in one stretch of days.

    `quantity` adds up what `Usage.counted` says; both are below 0 where more was withdrawn than confirmed.
    """

    provider: str
    consumer: str
    item: str
    kind: UsageKind
    events_count: int
    quantity: int


class Stretch(msgspec.Struct, frozen=True, order=True):
    """Days of one month, both included, on which nothing about prices and taxes changes."""

    first: date
    last: date


class Metered(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be priced of one stretch: what is counted of it so far, and what closings before this one counted.

    The stretches of the month itself were never counted before.
    """

    stretch: Stretch
    totals: tuple[UsageTotal, ...]
    before: tuple[UsageTotal, ...] = ()


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator enters by hand: one-off services, agreed reductions (below 0), and fees of other models."""

    charge_id: str
    seller: str
    buyer: str
    title: str
    title_ja: str
    day: date
    amount_yen: int
    fee: Fee = Fee.PLATFORM
    tax: TaxCategory = TaxCategory.STANDARD
    revenue_model: RevenueModel = RevenueModel.KNOW_HOW


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """All that a closing follows besides usage. `operator` is the party that runs the hub."""

    operator: str
    parties: Mapping[str, Party]
    tariffs: tuple[Tariff, ...]
    schemes: tuple[CostScheme, ...]
    charges: tuple[Charge, ...] = ()
    line_rounding: Rounding = Rounding.DOWN
    tax_rounding: Rounding = Rounding.DOWN


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the bill: whole yen without tax, below 0 where it takes back. `corrects` names the closed month it belongs to.

    `cause` is the id of the tariff, charge or scheme behind it. `first` and `last` are the days of supply.
    """

    seller: str
    buyer: str
    fee: Fee
    cause: str
    title: str
    title_ja: str
    first: date
    last: date
    quantity: int
    measure: Measure
    amount_yen: int
    tax: TaxCategory
    percent: str
    revenue_model: RevenueModel
    corrects: str = ""


class Closing(msgspec.Struct, frozen=True, kw_only=True):
    """The lines of a month in their order, and the hash that two runs have in common when they agree to the yen."""

    month: Month
    lines: tuple[Line, ...]
    digest: str


class NobodyPays(LookupError):
    """A part of the cost scheme has nobody to carry it; the operator must enter members, or another scheme, before it closes."""

    def __init__(self, month: Month, cause: str) -> None:
        super().__init__(
            f"nobody is there in {month} to carry the {cause} of the cost scheme; enter members or another scheme"
        )
        self.cause = cause


def stretches(month: Month, rates: Sequence[TaxRate] | None = None) -> tuple[Stretch, ...]:
    """The month cut where a tax rate changes; tariffs change between months only."""
    begins = [month.first, *changes_within(month.first, month.last, rates)]
    ends = [day - timedelta(days=1) for day in begins[1:]] + [month.last]
    return tuple(Stretch(first, last) for first, last in zip(begins, ends, strict=True))


def close(
    month: Month, metered: Iterable[Metered], rules: Rules, rates: Sequence[TaxRate] | None = None
) -> Closing:
    """The closing of the month; raises `NobodyPays`."""
    lines: list[Line] = []
    uses: dict[str, dict[str, int]] = {"provider": defaultdict(int), "consumer": defaultdict(int)}
    for part in metered:
        lines += _metered_lines(month, part, rules, rates)
        for total, sign in (
            (each, sign) for sign, totals in ((1, part.totals), (-1, part.before)) for each in totals
        ):
            if total.kind is not UsageKind.GAIN:
                uses["provider"][total.provider] += sign * total.events_count
                uses["consumer"][total.consumer] += sign * total.events_count
    for stretch in stretches(month, rates):
        lines += _fixed_lines(stretch, month, rules, rates)
    lines += _charge_lines(month, rules, rates)
    scheme = holding_scheme(rules.schemes, month.first)
    if scheme is not None:
        lines += _scheme_lines(month, scheme, uses["consumer"], rules, rates)
        lines += _registrant_lines(month, scheme, lines, uses["provider"], rules, rates)
    ordered = tuple(sorted((line for line in lines if line.amount_yen or line.quantity), key=_order))
    return Closing(month=month, lines=ordered, digest=digest_of(month, ordered))


def digest_of(month: Month, lines: Sequence[Line]) -> str:
    """The hexadecimal SHA-256 of the month and its lines."""
    return sha256(msgspec.json.encode((month, lines), order="sorted")).hexdigest()


def _metered_lines(month: Month, part: Metered, rules: Rules, rates: Sequence[TaxRate] | None) -> list[Line]:
    held = holding(rules.tariffs, part.stretch.first)
    scheme = holding_scheme(rules.schemes, part.stretch.first)
    by_budget = scheme is not None and scheme.user_part is UserPart.BY_BUDGET
    now = _counted(part.totals, held, rules.operator, by_budget)
    before = _counted(part.before, held, rules.operator, by_budget)
    share = _share_of_month(part.stretch)
    is_past = part.stretch.last < month.first
    lines = []
    for key in now.keys() | before.keys():
        tariff, seller, buyer = key
        owed = rounded(price(tariff, now[key], share), rules.line_rounding) if key in now else 0
        billed = rounded(price(tariff, before[key], share), rules.line_rounding) if key in before else 0
        lines.append(
            _line(
                rates, part.stretch, seller=seller, buyer=buyer, fee=tariff.fee, cause=tariff.tariff_id, title=tariff.title,
                title_ja=tariff.title_ja, quantity=now.get(key, 0) - before.get(key, 0), measure=tariff.measure,
                amount_yen=owed - billed, tax=tariff.tax, revenue_model=tariff.revenue_model,
                corrects=str(Month(part.stretch.first.year, part.stretch.first.month)) if is_past else "",
            )
        )  # fmt: skip
    return lines


def _counted(
    totals: Sequence[UsageTotal], held: Sequence[Tariff], operator: str, by_budget: bool
) -> dict[tuple[Tariff, str, str], int]:
    """What falls under each tariff between each seller and buyer; not the fees that are owed without any use."""
    counted: dict[tuple[Tariff, str, str], int] = {}
    known: dict[tuple[str, str, str], tuple[Tariff, ...]] = {}
    for total in totals:
        if not total.events_count:
            # All of it was taken back.
            continue
        names = (total.provider, total.consumer, total.item)
        tariffs = known.get(names)
        if tariffs is None:
            tariffs = known[names] = applying(held, *names)
        for tariff in tariffs:
            if tariff.measure is Measure.MONTH:
                amount = 0
                if _is_standing(tariff):
                    continue
            elif counts(tariff.measure, total.kind):
                amount = total.quantity if by_quantity(tariff.measure) else total.events_count
            else:
                continue
            if by_budget and tariff.fee is Fee.PLATFORM and tariff.payer is Payer.CONSUMER:
                continue
            seller = operator if tariff.fee is Fee.PLATFORM else total.provider
            buyer = total.provider if tariff.payer is Payer.PROVIDER else total.consumer
            if seller != buyer:
                key = (tariff, seller, buyer)
                counted[key] = counted.get(key, 0) + amount
    return counted


def _is_standing(tariff: Tariff) -> bool:
    """Whether a monthly fee is owed used or not: it names all who owe it."""
    return tariff.payer is Payer.MEMBER or bool(
        (tariff.consumer if tariff.payer is Payer.CONSUMER else tariff.provider)
        and (tariff.fee is Fee.PLATFORM or tariff.provider)
    )


def _fixed_lines(stretch: Stretch, month: Month, rules: Rules, rates: Sequence[TaxRate] | None) -> list[Line]:
    held = [
        each
        for each in holding(rules.tariffs, month.first)
        if each.measure is Measure.MONTH and _is_standing(each)
    ]
    lines, taken = [], set()
    for tariff in held:
        if tariff.payer is Payer.MEMBER:
            members = _members(month, rules)
            buyers = [tariff.consumer] if tariff.consumer in members else [] if tariff.consumer else members
        else:
            buyers = [tariff.consumer if tariff.payer is Payer.CONSUMER else tariff.provider]
        seller = rules.operator if tariff.fee is Fee.PLATFORM else tariff.provider
        for buyer in buyers:
            # The more specific come first: a member with a fee of its own does not owe the general one.
            claim = (tariff.fee, tariff.payer, seller, buyer, tariff.item)
            if claim in taken or buyer == seller:
                continue
            taken.add(claim)
            amount = rounded(price(tariff, 0, _share_of_month(stretch)), rules.line_rounding)
            lines.append(
                _line(
                    rates, stretch, seller=seller, buyer=buyer, fee=tariff.fee, cause=tariff.tariff_id, title=tariff.title,
                    title_ja=tariff.title_ja, quantity=1, measure=Measure.MONTH, amount_yen=amount, tax=tariff.tax,
                    revenue_model=tariff.revenue_model,
                )
            )  # fmt: skip
    return lines


def _charge_lines(month: Month, rules: Rules, rates: Sequence[TaxRate] | None) -> list[Line]:
    return [
        _line(
            rates, Stretch(charge.day, charge.day), seller=charge.seller, buyer=charge.buyer, fee=charge.fee,
            cause=charge.charge_id, title=charge.title, title_ja=charge.title_ja, quantity=1, measure=Measure.MONTH,
            amount_yen=charge.amount_yen, tax=charge.tax, revenue_model=charge.revenue_model,
        )
        for charge in rules.charges
        if month.first <= charge.day <= month.last
    ]  # fmt: skip


def _scheme_lines(
    month: Month, scheme: CostScheme, uses: Mapping[str, int], rules: Rules, rates: Sequence[TaxRate] | None
) -> list[Line]:
    users = {party: count for party, count in sorted(uses.items()) if count > 0 and party != rules.operator}
    parts = parts_of(scheme, has_users=bool(users))
    whole = Stretch(month.last, month.last)
    lines = []
    for cause, total_yen, weights, title, title_ja, tax in (
        (MEMBER_FEE, parts.members_yen, dict.fromkeys(_members(month, rules), 1), "Member fee", "会費", TaxCategory.STANDARD),
        (USER_PART, parts.users_yen, users, "Users' part of the platform's cost", "利用者負担金", TaxCategory.STANDARD),
        (SUBSIDY, parts.subsidy_yen, {scheme.subsidy_payer: 1}, "Subsidy", "補助金", TaxCategory.OUTSIDE),
    ):  # fmt: skip
        if not total_yen:
            continue
        if not weights:
            raise NobodyPays(month, cause)
        for buyer, amount in zip(weights, split(total_yen, list(weights.values())), strict=True):
            lines.append(
                _line(
                    rates, whole, seller=rules.operator, buyer=buyer, fee=Fee.PLATFORM, cause=cause, title=title,
                    title_ja=title_ja, quantity=weights[buyer],
                    measure=Measure.DELIVERIES if cause == USER_PART else Measure.MONTH, amount_yen=amount, tax=tax,
                    revenue_model=RevenueModel.LEVY if cause == MEMBER_FEE else RevenueModel.SERVICE_AND_DATA,
                )
            )  # fmt: skip
    return lines


def _registrant_lines(
    month: Month,
    scheme: CostScheme,
    lines: Sequence[Line],
    uses: Mapping[str, int],
    rules: Rules,
    rates: Sequence[TaxRate] | None,
) -> list[Line]:
    """What the operator owes those whose data was used: it buys, they sell."""
    paid = sum(
        line.amount_yen
        for line in lines
        if line.seller == rules.operator and line.fee is Fee.PLATFORM and line.cause not in (MEMBER_FEE, SUBSIDY)
        and line.revenue_model is not RevenueModel.LEVY
    )  # fmt: skip
    total_yen = rounded(max(paid, 0) * parse_decimal(scheme.registrants_share), Rounding.DOWN)
    weights = {party: count for party, count in sorted(uses.items()) if count > 0 and party != rules.operator}
    if not total_yen or not weights:
        return []
    return [
        _line(
            rates, Stretch(month.last, month.last), seller=seller, buyer=rules.operator, fee=Fee.PLATFORM, cause=REGISTRANTS,
            title="Share for registered data", title_ja="データ登録者還元金", quantity=weights[seller],
            measure=Measure.DELIVERIES, amount_yen=amount, tax=TaxCategory.STANDARD, revenue_model=RevenueModel.NONE,
        )
        for seller, amount in zip(weights, split(total_yen, list(weights.values())), strict=True)
    ]  # fmt: skip


def _members(month: Month, rules: Rules) -> list[str]:
    return sorted(
        party.party_id
        for party in rules.parties.values()
        if party.party_id != rules.operator and party.is_member_on(month.first)
    )


def _share_of_month(stretch: Stretch) -> Fraction:
    month = Month(stretch.first.year, stretch.first.month)
    return Fraction((stretch.last - stretch.first).days + 1, month.last.day)


def _line(
    rates: Sequence[TaxRate] | None,
    stretch: Stretch,
    *,
    seller: str,
    buyer: str,
    fee: Fee,
    cause: str,
    title: str,
    title_ja: str,
    quantity: int,
    measure: Measure,
    amount_yen: int,
    tax: TaxCategory,
    revenue_model: RevenueModel,
    corrects: str = "",
) -> Line:
    """The line with the tax rate of the days of its supply."""
    return Line(
        seller=seller,
        buyer=buyer,
        fee=fee,
        cause=cause,
        title=title,
        title_ja=title_ja,
        first=stretch.first,
        last=stretch.last,
        quantity=quantity,
        measure=measure,
        amount_yen=amount_yen,
        tax=tax,
        percent=exact_text(tax_rate(tax, stretch.first, rates).percent),
        revenue_model=revenue_model,
        corrects=corrects,
    )


def _order(line: Line) -> tuple[object, ...]:
    return (line.buyer, line.seller, line.fee, line.cause, line.first, line.corrects, line.amount_yen)
