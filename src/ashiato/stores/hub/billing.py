"""Billing in SQL.

What is counted stands apart from what was said about it: `billing_count` has one narrow row for each confirmed usage, and its
index holds all that a closing reads, so that ten million of them are added up without touching the statements.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import BigInteger, Table, bindparam, cast, delete, func, literal_column, or_, select

from ashiato.hub.billing.closing import Charge, Closing, UsageTotal
from ashiato.hub.billing.documents import Document, DocumentKind, Payment
from ashiato.hub.billing.months import Month, number_of
from ashiato.hub.billing.parties import Party
from ashiato.hub.billing.ports import Counted, Cut
from ashiato.hub.billing.schemes import CostScheme
from ashiato.hub.billing.tariffs import Tariff
from ashiato.hub.billing.usage import Usage, day_billed
from ashiato.statements.usage import UsageKind
from ashiato.stores.hub.schema import HUB_METADATA, blob_key, count, instant, key, number_key, text
from ashiato.stores.sessions import Session, to_json
from ashiato.stores.statements import Statement, insert, insert_unless_known, upsert

USAGE = Table(
    "billing_usage",
    HUB_METADATA,
    key("usage_id"),
    text("provider"),
    text("consumer"),
    text("state"),
    text("body"),
)
TRADE = Table(
    "billing_trade",
    HUB_METADATA,
    number_key("trade_id"),
    text("provider"),
    text("consumer"),
    text("item"),
    text("kind"),
)
COUNT = Table(
    "billing_count",
    HUB_METADATA,
    blob_key("usage_id"),
    instant("trade_id"),
    count("billed_in"),
    count("day"),
    count("events"),
    instant("quantity"),
)
CLOCK = Table("billing_clock", HUB_METADATA, key("clock"), count("open_month"))
CUT = Table("billing_cut", HUB_METADATA, number_key("month"), text("body"))
CLOSING = Table("billing_closing", HUB_METADATA, number_key("month"), text("counted"), text("body"))
RULE = Table("billing_rule", HUB_METADATA, key("kind"), key("rule_id"), text("body"))
DOCUMENT = Table(
    "billing_document",
    HUB_METADATA,
    key("digest"),
    text("issuer"),
    text("kind"),
    instant("sequence"),
    text("recipient"),
    text("month"),
    text("body"),
)
PAYMENT = Table("billing_payment", HUB_METADATA, key("digest"), key("payment_id"), text("body"))

_usage = msgspec.json.Decoder(Usage).decode
_cut = msgspec.json.Decoder(Cut).decode
_counted = msgspec.json.Decoder(Counted).decode
_closing = msgspec.json.Decoder(Closing).decode
_party = msgspec.json.Decoder(Party).decode
_tariff = msgspec.json.Decoder(Tariff).decode
_scheme = msgspec.json.Decoder(CostScheme).decode
_charge = msgspec.json.Decoder(Charge).decode
_document = msgspec.json.Decoder(Document).decode
_payment = msgspec.json.Decoder(Payment).decode

_CLOCK_ID = "clock"
# A quantity may be so large that a month of them does not fit into 64 bits: the two parts of each are added up apart.
_PART = 1_000_000_000
_U, _T, _C, _D, _P = USAGE.c, TRADE.c, COUNT.c, DOCUMENT.c, PAYMENT.c

_PUT_USAGE = upsert(USAGE)
_USAGE = Statement(select(_U.body).where(_U.usage_id == bindparam("usage_id")), locks=True)
_USAGES = Statement(
    select(_U.body)
    .where(_U.state == bindparam("state"), _U.usage_id > bindparam("after_id"))
    .order_by(_U.usage_id)
    .limit(bindparam("limit_count"))
)
_USAGES_OF = Statement(
    select(_U.body)
    .where(
        _U.state == bindparam("state"),
        _U.usage_id > bindparam("after_id"),
        or_(_U.provider == bindparam("party_id"), _U.consumer == bindparam("as_consumer")),
    )
    .order_by(_U.usage_id)
    .limit(bindparam("limit_count"))
)
_TRADE = Statement(
    select(_T.trade_id).where(
        _T.provider == bindparam("provider"),
        _T.consumer == bindparam("consumer"),
        _T.item == bindparam("item"),
        _T.kind == bindparam("kind"),
    )
)
_LAST_TRADE = Statement(select(func.max(_T.trade_id)))
_PUT_TRADE = insert(TRADE)
_PUT_COUNT = upsert(COUNT)
_ADD_COUNT = insert(COUNT)
_FORGET_COUNT = Statement(delete(COUNT).where(_C.usage_id == bindparam("usage_id")))


def _totals(*, of_one_month: bool) -> Statement:
    billed = (
        [_C.billed_in == bindparam("last_billed")]
        if of_one_month
        else [_C.billed_in >= bindparam("first_billed"), _C.billed_in <= bindparam("last_billed")]
    )
    added = (
        select(
            _C.trade_id,
            cast(func.sum(_C.events), BigInteger).label("events"),
            cast(func.sum(literal_column(f"quantity / {_PART}")), BigInteger).label("whole_parts"),
            cast(func.sum(literal_column(f"quantity % {_PART}")), BigInteger).label("rest"),
        )
        .where(*billed, _C.day >= bindparam("first_day"), _C.day <= bindparam("last_day"))
        .group_by(_C.trade_id)
        .subquery()
    )
    return Statement(
        select(
            _T.provider, _T.consumer, _T.item, _T.kind, added.c.events, added.c.whole_parts, added.c.rest
        ).join_from(added, TRADE, added.c.trade_id == _T.trade_id)
    )


_TOTALS_OF_MONTH = _totals(of_one_month=True)
_TOTALS_OF_MONTHS = _totals(of_one_month=False)
_LATE_DAYS = Statement(
    select(_C.day)
    .where(_C.billed_in == bindparam("month"), _C.day < bindparam("first_day"))
    .distinct()
    .order_by(_C.day)
)
_FIRST_BILLED = Statement(select(func.min(_C.billed_in)))
_OPEN_MONTH = Statement(select(CLOCK.c.open_month).where(CLOCK.c.clock == bindparam("clock")), locks=True)
_START_CLOCK = insert_unless_known(CLOCK, "clock")
_SET_CLOCK = upsert(CLOCK)
_PUT_CUT = insert(CUT)
_CUT = Statement(select(CUT.c.body).where(CUT.c.month == bindparam("month")))
_PUT_CLOSING = insert(CLOSING)
_CLOSING = Statement(select(CLOSING.c.body).where(CLOSING.c.month == bindparam("month")))
_COUNTED = Statement(select(CLOSING.c.counted).where(CLOSING.c.month == bindparam("month")))
_PUT_RULE = upsert(RULE)
_RULE = Statement(
    select(RULE.c.body).where(RULE.c.kind == bindparam("kind"), RULE.c.rule_id == bindparam("rule_id"))
)
_RULES = Statement(select(RULE.c.body).where(RULE.c.kind == bindparam("kind")).order_by(RULE.c.rule_id))
_PUT_DOCUMENT = insert(DOCUMENT)
_DOCUMENT = Statement(select(_D.body).where(_D.digest == bindparam("digest")))
_LAST_SEQUENCE = Statement(
    select(_D.sequence)
    .where(_D.issuer == bindparam("issuer"), _D.kind == bindparam("kind"))
    .order_by(_D.sequence.desc())
    .limit(1),
    locks=True,
)
_PUT_PAYMENT = insert(PAYMENT)
_PAYMENTS = Statement(select(_P.body).where(_P.digest == bindparam("digest")).order_by(_P.payment_id))


def _documents(*, of_party: bool, of_month: bool) -> Statement:
    wanted = [_D.digest > bindparam("after_digest")]
    if of_party:
        wanted.append(or_(_D.issuer == bindparam("party_id"), _D.recipient == bindparam("as_recipient")))
    if of_month:
        wanted.append(_D.month == bindparam("month"))
    return Statement(select(_D.body).where(*wanted).order_by(_D.digest).limit(bindparam("limit_count")))


_DOCUMENTS = {
    (of_party, of_month): _documents(of_party=of_party, of_month=of_month)
    for of_party in (False, True)
    for of_month in (False, True)
}


def number_of_month(month: Month) -> int:
    """The months since the year 0, by which they are in order."""
    return month.year * 12 + month.month - 1


def _month(number: int) -> Month:
    return Month(number // 12, number % 12 + 1)


class SqlBilling:
    """The port `Billing`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def open_month(self) -> Month | None:
        row = self._session.one(_OPEN_MONTH, {"clock": _CLOCK_ID})
        if row is None:
            # There must be a row to lock before the first month is cut.
            self._session.write(_START_CLOCK, {"clock": _CLOCK_ID, "open_month": 0})
            row = self._session.one(_OPEN_MONTH, {"clock": _CLOCK_ID})
        return None if row is None or not row[0] else _month(int(row[0]))

    def put_cut(self, cut: Cut) -> None:
        self._session.write(_PUT_CUT, {"month": number_of_month(cut.month), "body": to_json(cut)})
        self._session.write(
            _SET_CLOCK, {"clock": _CLOCK_ID, "open_month": number_of_month(cut.month.following)}
        )

    def cut(self, month: Month) -> Cut | None:
        row = self._session.one(_CUT, {"month": number_of_month(month)})
        return None if row is None else _cut(row[0])

    def first_month_with_usage(self) -> Month | None:
        row = self._session.one(_FIRST_BILLED, {})
        return None if row is None or row[0] is None else _month(int(row[0]))

    def usage(self, usage_id: str) -> Usage | None:
        row = self._session.one(_USAGE, {"usage_id": usage_id})
        return None if row is None else _usage(row[0])

    def put_usage(self, usage: Usage) -> None:
        self._session.write(
            _PUT_USAGE,
            {
                "usage_id": usage.usage_id,
                "provider": usage.provider,
                "consumer": usage.consumer,
                "state": usage.state.value,
                "body": to_json(usage),
            },
        )
        if usage.billed_in is not None:
            self._session.write(_PUT_COUNT, self._count_of(usage, usage.billed_in, 1))
        elif usage.withdrawn_by:
            self._session.write(_FORGET_COUNT, {"usage_id": bytes.fromhex(usage.usage_id)})

    def take_back(self, usage: Usage, billed_in: Month) -> None:
        values = self._count_of(usage, billed_in, -1)
        self._session.write(_ADD_COUNT, {**values, "usage_id": bytes.fromhex(usage.usage_id) + b"-"})

    def _count_of(self, usage: Usage, billed_in: Month, sign: int) -> dict[str, object]:
        counted = usage.counted
        return {
            "usage_id": bytes.fromhex(usage.usage_id),
            "trade_id": self._trade(usage, counted.item),
            "billed_in": number_of_month(billed_in),
            "day": day_billed(usage),
            "events": sign,
            "quantity": sign * counted.quantity,
        }

    def _trade(self, usage: Usage, item: str) -> int:
        """The number of what is traded: a narrow name for the four words that a closing groups by."""
        named = {
            "provider": usage.provider,
            "consumer": usage.consumer,
            "item": item,
            "kind": usage.kind.value,
        }
        row = self._session.one(_TRADE, named)
        if row is not None:
            return int(row[0])
        last = self._session.one(_LAST_TRADE, {})
        trade_id = 1 if last is None or last[0] is None else int(last[0]) + 1
        self._session.write(_PUT_TRADE, {**named, "trade_id": trade_id})
        return trade_id

    def usages(self, after_id: str, limit_count: int, *, state: str, party_id: str = "") -> list[Usage]:
        values = {"after_id": after_id, "limit_count": limit_count, "state": state}
        if party_id:
            values |= {"party_id": party_id, "as_consumer": party_id}
        rows = self._session.all(_USAGES_OF if party_id else _USAGES, values)
        return [_usage(body) for (body,) in rows]

    def totals(
        self, first_day: int, last_day: int, first_billed: Month | None, last_billed: Month
    ) -> list[UsageTotal]:
        values = {
            "first_day": first_day,
            "last_day": last_day,
            "first_billed": 0 if first_billed is None else number_of_month(first_billed),
            "last_billed": number_of_month(last_billed),
        }
        rows = self._session.all(
            _TOTALS_OF_MONTH if first_billed == last_billed else _TOTALS_OF_MONTHS, values
        )
        return [
            UsageTotal(
                provider=provider,
                consumer=consumer,
                item=item,
                kind=UsageKind(kind),
                events_count=int(events),
                quantity=int(whole_parts) * _PART + int(rest),
            )
            for provider, consumer, item, kind, events, whole_parts, rest in rows
        ]

    def days_billed_late(self, month: Month) -> list[int]:
        values = {"month": number_of_month(month), "first_day": number_of(month.first)}
        return [int(day) for (day,) in self._session.all(_LATE_DAYS, values)]

    def put_party(self, party: Party) -> None:
        self._put_rule("party", party.party_id, party)

    def party(self, party_id: str) -> Party | None:
        row = self._session.one(_RULE, {"kind": "party", "rule_id": party_id})
        return None if row is None else _party(row[0])

    def parties(self) -> list[Party]:
        return [_party(body) for body in self._rules("party")]

    def put_tariff(self, tariff: Tariff) -> None:
        self._put_rule("tariff", tariff.tariff_id, tariff)

    def tariffs(self) -> list[Tariff]:
        return [_tariff(body) for body in self._rules("tariff")]

    def put_scheme(self, scheme: CostScheme) -> None:
        self._put_rule("scheme", scheme.scheme_id, scheme)

    def schemes(self) -> list[CostScheme]:
        return [_scheme(body) for body in self._rules("scheme")]

    def put_charge(self, charge: Charge) -> None:
        self._put_rule("charge", charge.charge_id, charge)

    def charges(self) -> list[Charge]:
        return [_charge(body) for body in self._rules("charge")]

    def _put_rule(self, kind: str, rule_id: str, record: object) -> None:
        self._session.write(_PUT_RULE, {"kind": kind, "rule_id": rule_id, "body": to_json(record)})

    def _rules(self, kind: str) -> list[str]:
        return [body for (body,) in self._session.all(_RULES, {"kind": kind})]

    def put_closing(self, closing: Closing, counted: Counted) -> None:
        values = {
            "month": number_of_month(closing.month),
            "counted": to_json(counted),
            "body": to_json(closing),
        }
        self._session.write(_PUT_CLOSING, values)

    def closing(self, month: Month) -> Closing | None:
        row = self._session.one(_CLOSING, {"month": number_of_month(month)})
        return None if row is None else _closing(row[0])

    def counted(self, month: Month) -> Counted | None:
        row = self._session.one(_COUNTED, {"month": number_of_month(month)})
        return None if row is None else _counted(row[0])

    def last_sequence(self, issuer: str, kind: DocumentKind) -> int:
        row = self._session.one(_LAST_SEQUENCE, {"issuer": issuer, "kind": kind.value})
        return 0 if row is None else int(row[0])

    def put_documents(self, documents: Sequence[Document]) -> None:
        self._session.write_many(
            _PUT_DOCUMENT,
            [
                {
                    "digest": each.digest,
                    "issuer": each.draft.issuer.party_id,
                    "kind": each.draft.kind.value,
                    "sequence": each.sequence,
                    "recipient": each.recipient_id,
                    "month": each.draft.month,
                    "body": to_json(each),
                }
                for each in documents
            ],
        )

    def document(self, digest: str) -> Document | None:
        row = self._session.one(_DOCUMENT, {"digest": digest})
        return None if row is None else _document(row[0])

    def documents(
        self, after_digest: str, limit_count: int, *, party_id: str = "", month: str = ""
    ) -> list[Document]:
        values: dict[str, object] = {"after_digest": after_digest, "limit_count": limit_count}
        if party_id:
            values |= {"party_id": party_id, "as_recipient": party_id}
        if month:
            values["month"] = month
        rows = self._session.all(_DOCUMENTS[bool(party_id), bool(month)], values)
        return [_document(body) for (body,) in rows]

    def put_payment(self, digest: str, payment: Payment) -> None:
        self._session.write(
            _PUT_PAYMENT, {"digest": digest, "payment_id": payment.payment_id, "body": to_json(payment)}
        )

    def payments(self, digest: str) -> list[Payment]:
        return [_payment(body) for (body,) in self._session.all(_PAYMENTS, {"digest": digest})]
