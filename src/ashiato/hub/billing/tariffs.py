"""Tariffs: what is owed for what, to whom, from which month on.

A tariff counts everything that falls under it between one seller and one buyer in one month. A platform fee is sold by the
operator, a data fee by the provider. For each fee and measure the most specific tariff holds, and only that one; so a fixed
and a metered fee add up, and two prices for one thing do not.
"""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from fractions import Fraction

import msgspec

from ashiato.facts.quantities import MalformedNumber, parse_decimal
from ashiato.law.consumption_tax import TaxCategory
from ashiato.statements.usage import UsageKind

LARGEST_YEN = 10**12


class Fee(StrEnum):
    """What a fee is for, and so who sells."""

    PLATFORM = "platform"
    DATA = "data"


class Measure(StrEnum):
    """What a fee counts."""

    MONTH = "month"
    """Nothing: it is owed for the month."""
    DELIVERIES = "deliveries"
    BYTES = "bytes"
    USES = "uses"
    GAIN_YEN = "gain_yen"


class Form(StrEnum):
    """How the price follows from what is counted."""

    FREE = "free"
    FIXED = "fixed"
    PER_UNIT = "per_unit"
    GRADUATED = "graduated"
    """Each tier has its own price for what lies in it."""
    VOLUME = "volume"
    """The tier that the whole lies in prices the whole."""


class Payer(StrEnum):
    """Who owes a platform fee; a data fee is always owed by the consumer."""

    CONSUMER = "consumer"
    PROVIDER = "provider"
    MEMBER = "member"
    """Every member, used or not; only for fixed fees of the platform."""


class RevenueModel(StrEnum):
    """The scheme's models of earning (BASC report, 2022, 6.1), which may be combined; a label on each tariff and line."""

    NONE = ""
    LEVY = "A"
    """賦課金: owed by everybody, used or not."""
    SHARE_OF_GAIN = "B"
    """コスト削減・収益増分還元."""
    SERVICE_AND_DATA = "C"
    """サービス・データ提供PF."""
    DATA_TO_OTHER_AREAS = "D"
    """他エリアPFへの情報提供."""
    KNOW_HOW = "X"
    """横展開・運営ノウハウ."""


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """One tier: `up_to` units (None: no end) at `price_yen` for each `per` units, and `flat_yen` once it is entered."""

    up_to: int | None
    price_yen: str
    flat_yen: str = "0"


class Tariff(msgspec.Struct, frozen=True, kw_only=True):
    """One price. Empty `provider`, `consumer` and `item` mean each.

    Prices are decimal text in yen without tax for `per` units. It holds from the first of a month on, and until before
    `until_day`, another first of a month. `minimum_yen` and `maximum_yen` bound what a month costs one buyer under it.
    """

    tariff_id: str
    title: str
    title_ja: str
    fee: Fee
    measure: Measure
    form: Form
    from_day: date
    until_day: date | None = None
    price_yen: str = "0"
    per: int = 1
    tiers: tuple[Tier, ...] = ()
    minimum_yen: int | None = None
    maximum_yen: int | None = None
    provider: str = ""
    consumer: str = ""
    item: str = ""
    payer: Payer = Payer.CONSUMER
    tax: TaxCategory = TaxCategory.STANDARD
    revenue_model: RevenueModel = RevenueModel.NONE


class UnusableTariff(ValueError):
    """A tariff contradicts itself or another; whoever wrote it must mend it. `problem` says what."""

    def __init__(self, tariff_id: str, problem: str) -> None:
        super().__init__(f"tariff {tariff_id!r}: {problem}")
        self.tariff_id = tariff_id
        self.problem = problem


def check_tariff(tariff: Tariff, others: Sequence[Tariff]) -> None:
    """Raise `UnusableTariff` where the tariff cannot be applied, or where another one with equal claim holds at the same time."""
    problem = _fault_of_dates(tariff) or _fault_of_prices(tariff) or _fault_of_parties(tariff)
    if problem:
        raise UnusableTariff(tariff.tariff_id, problem)
    for other in others:
        if other.tariff_id != tariff.tariff_id and _claim(other) == _claim(tariff) and _meet(other, tariff):
            raise UnusableTariff(
                tariff.tariff_id, f"{other.tariff_id!r} prices the same at the same time; end one of them"
            )


def holding(tariffs: Sequence[Tariff], day: date) -> tuple[Tariff, ...]:
    """The tariffs that hold on that day, the more specific first."""
    found = [
        each for each in tariffs if each.from_day <= day and (each.until_day is None or day < each.until_day)
    ]
    return tuple(sorted(found, key=lambda each: (tuple(-rank for rank in _rank(each)), each.tariff_id)))


def applying(held: Sequence[Tariff], provider: str, consumer: str, item: str) -> tuple[Tariff, ...]:
    """The tariffs that price this use of data, out of those that hold: one for each fee, payer and measure."""
    found: dict[tuple[Fee, Payer, Measure], Tariff] = {}
    for tariff in held:
        if (
            tariff.payer is not Payer.MEMBER
            and tariff.provider in ("", provider)
            and tariff.consumer in ("", consumer)
            and tariff.item in ("", item)
        ):
            found.setdefault((tariff.fee, tariff.payer, tariff.measure), tariff)
    return tuple(found.values())


def price(tariff: Tariff, quantity: int, part_of_month: Fraction = Fraction(1)) -> Fraction:
    """What `quantity` costs under the tariff: exact yen without tax, not rounded.

    `part_of_month` is what of the month is priced; fixed amounts and bounds are owed in proportion.
    """
    match tariff.form:
        case Form.FREE:
            return Fraction(0)
        case Form.FIXED:
            amount = parse_decimal(tariff.price_yen) * part_of_month
        case Form.PER_UNIT:
            amount = parse_decimal(tariff.price_yen) * Fraction(quantity, tariff.per)
        case Form.GRADUATED:
            amount = _graduated(tariff, quantity)
        case Form.VOLUME:
            amount = _by_volume(tariff, quantity)
    if tariff.minimum_yen is not None:
        amount = max(amount, tariff.minimum_yen * part_of_month)
    if tariff.maximum_yen is not None:
        amount = min(amount, tariff.maximum_yen * part_of_month)
    return amount


def counts(measure: Measure, kind: UsageKind) -> bool:
    """Whether usage of that kind is what the measure counts."""
    return _COUNTED.get(measure) is kind


def by_quantity(measure: Measure) -> bool:
    """Whether the measure adds up quantities, and not events."""
    return measure in (Measure.BYTES, Measure.GAIN_YEN)


_COUNTED = {
    Measure.DELIVERIES: UsageKind.RECEIVED,
    Measure.BYTES: UsageKind.RECEIVED,
    Measure.USES: UsageKind.USED,
    Measure.GAIN_YEN: UsageKind.GAIN,
}


def _graduated(tariff: Tariff, quantity: int) -> Fraction:
    amount, floor = Fraction(0), 0
    for tier in tariff.tiers:
        inside = (quantity if tier.up_to is None else min(quantity, tier.up_to)) - floor
        if inside <= 0:
            break
        amount += parse_decimal(tier.flat_yen) + parse_decimal(tier.price_yen) * Fraction(inside, tariff.per)
        floor = quantity if tier.up_to is None else tier.up_to
    return amount


def _by_volume(tariff: Tariff, quantity: int) -> Fraction:
    if quantity <= 0:
        return Fraction(0)
    tier = next(tier for tier in tariff.tiers if tier.up_to is None or quantity <= tier.up_to)
    return parse_decimal(tier.flat_yen) + parse_decimal(tier.price_yen) * Fraction(quantity, tariff.per)


def _rank(tariff: Tariff) -> tuple[int, int, int, int]:
    consumer, provider, item = bool(tariff.consumer), bool(tariff.provider), bool(tariff.item)
    return consumer + provider + item, consumer, provider, item


def _claim(tariff: Tariff) -> tuple[str, ...]:
    return tariff.fee, tariff.payer, tariff.measure, tariff.provider, tariff.consumer, tariff.item


def _meet(one: Tariff, other: Tariff) -> bool:
    return (one.until_day is None or other.from_day < one.until_day) and (
        other.until_day is None or one.from_day < other.until_day
    )


def _fault_of_dates(tariff: Tariff) -> str:
    for day in (tariff.from_day, tariff.until_day):
        if day is not None and day.day != 1:
            return "it begins and ends with a month: write the first day of one"
    if tariff.until_day is not None and tariff.until_day <= tariff.from_day:
        return "it ends before it begins"
    return ""


def _fault_of_prices(tariff: Tariff) -> str:
    try:
        prices = [parse_decimal(tariff.price_yen)]
        prices += [parse_decimal(text) for tier in tariff.tiers for text in (tier.price_yen, tier.flat_yen)]
    except MalformedNumber as error:
        return str(error)
    bounds = [Fraction(bound) for bound in (tariff.minimum_yen, tariff.maximum_yen) if bound is not None]
    # A price below zero is a discount or a reward, and lawful; its amount then goes out as a return document.
    if any(abs(each) > LARGEST_YEN for each in (*prices, *bounds)):
        return f"a price is above {LARGEST_YEN} yen"
    if len(bounds) == 2 and bounds[0] > bounds[1]:
        return "its minimum is above its maximum"
    if tariff.per < 1:
        return "per must be at least 1"
    if (tariff.form in (Form.GRADUATED, Form.VOLUME)) is not bool(tariff.tiers):
        return "tiers belong to the forms graduated and volume, and to no other"
    if tariff.tiers:
        ends = [tier.up_to for tier in tariff.tiers if tier.up_to is not None]
        if tariff.tiers[-1].up_to is not None or len(ends) != len(tariff.tiers) - 1:
            return "the last tier has no end, and the others have one"
        if ends != sorted(set(ends)) or any(end < 1 for end in ends):
            return "tiers go up, from an end of 1 or above"
    return ""


def _fault_of_parties(tariff: Tariff) -> str:
    if not tariff.tariff_id or not tariff.title or not tariff.title_ja:
        return "it needs an id and a title in both languages"
    # A free tariff may stand for any measure, so that it can displace a price that is less specific.
    if tariff.form is not Form.FREE and (tariff.measure is Measure.MONTH) is not (tariff.form is Form.FIXED):
        return "a fixed fee has the measure month, and no other form has"
    if tariff.fee is Fee.DATA and tariff.payer is not Payer.CONSUMER:
        return "a data fee is owed by the consumer"
    if tariff.payer is Payer.MEMBER and (
        tariff.measure is not Measure.MONTH or tariff.provider or tariff.item
    ):
        return "a fee of every member is fixed and names neither provider nor item"
    return ""
