"""A street of companies for the bill: an operator, three who sell and buy data, of whom one is not registered, and a ministry."""

from datetime import date

from ashiato.facts.identifiers import corporate_check_digit
from ashiato.hub.billing.closing import Metered, Rules, Stretch, UsageTotal
from ashiato.hub.billing.months import Month
from ashiato.hub.billing.parties import Party
from ashiato.hub.billing.schemes import CostScheme
from ashiato.hub.billing.tariffs import Fee, Form, Measure, Tariff
from ashiato.statements.usage import UsageKind

OPERATOR = "did:web:hub.example"
MINE = "did:web:mine.example"
CELL = "did:web:cell.example"
CAR = "did:web:car.example"
SMALL = "did:web:small.example"
MINISTRY = "did:web:ministry.example"
NOVEMBER = Month(2026, 11)


def corporate_number(twelve: str) -> str:
    """The Corporate Number with these last twelve digits."""
    return f"{corporate_check_digit(twelve)}{twelve}"


def party(party_id: str, name: str, twelve: str = "", **members: object) -> Party:
    """A party that is registered since the system began, where it has a number."""
    number = corporate_number(twelve) if twelve else ""
    return Party(
        party_id=party_id,
        name=name,
        address="東京都千代田区霞が関一丁目1番1号",
        registration=f"T{number}" if number else "",
        registered_from=date(2023, 10, 1) if number else None,
        **{"corporate_number": number, **members},  # type: ignore[arg-type]  # each test names members of Party
    )


PARTIES = {
    each.party_id: each
    for each in (
        party(OPERATOR, "一般社団法人電池データ基盤", "012345678901", is_member=False),
        party(MINE, "鉱山素材株式会社", "112345678902", bills_through_hub=True),
        party(CELL, "髙島セル製造株式会社", "212345678903", bills_through_hub=True),
        party(CAR, "東西自動車株式会社", "312345678904"),
        party(SMALL, "小川解体（個人）"),
        party(MINISTRY, "経済産業省", is_member=False, corporate_number="4000012090001"),
    )
}


def tariff(
    tariff_id: str, fee: Fee, measure: Measure, form: Form, price_yen: str = "0", **members: object
) -> Tariff:
    """A tariff from the year 2020 on."""
    return Tariff(
        tariff_id=tariff_id,
        title=f"Fee {tariff_id}",
        title_ja=f"料金 {tariff_id}",
        fee=fee,
        measure=measure,
        form=form,
        price_yen=price_yen,
        **{"from_day": date(2020, 1, 1), **members},  # type: ignore[arg-type]  # each test names members of Tariff
    )


def total(
    provider: str,
    consumer: str,
    events_count: int,
    quantity: int = 0,
    item: str = "D-01",
    kind: UsageKind = UsageKind.RECEIVED,
) -> UsageTotal:
    """What was confirmed between two companies."""
    return UsageTotal(
        provider=provider,
        consumer=consumer,
        item=item,
        kind=kind,
        events_count=events_count,
        quantity=quantity,
    )


def rules(*tariffs: Tariff, schemes: tuple[CostScheme, ...] = (), **members: object) -> Rules:
    """The rules with these tariffs."""
    return Rules(
        **{"operator": OPERATOR, "parties": PARTIES, "tariffs": tariffs, "schemes": schemes, **members},  # type: ignore[arg-type]  # each test names members of Rules
    )


def metered(*totals: UsageTotal, month: Month = NOVEMBER, before: tuple[UsageTotal, ...] = ()) -> Metered:
    """The totals of one whole month."""
    return Metered(stretch=Stretch(month.first, month.last), totals=totals, before=before)
