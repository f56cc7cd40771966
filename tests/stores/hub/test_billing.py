"""The rows of billing on both engines, and a month from statements to documents."""

import asyncio
from collections.abc import Iterable
from datetime import date
from functools import partial

import msgspec
import pytest

from ashiato.facts.instants import parse_datetime
from ashiato.facts.problems import Invalid, NotFound, NotPermitted, Problem, WrongState
from ashiato.facts.transactions import Conflict
from ashiato.hub.billing import keeping, metering, month_end
from ashiato.hub.billing.closing import Charge, NobodyPays, Rules, UsageTotal
from ashiato.hub.billing.documents import DocumentKind, NoParty, Payment
from ashiato.hub.billing.money import Rounding
from ashiato.hub.billing.months import Month, number_of
from ashiato.hub.billing.ports import BILLING, Billing, Counted
from ashiato.hub.billing.schemes import members_and_users, users_only
from ashiato.hub.billing.tariffs import Fee, Form, Measure
from ashiato.hub.billing.usage import Usage, UsageState, Verdict
from ashiato.hub.ports import UnitOfWork
from ashiato.statements.usage import LARGEST_QUANTITY, Side, UsageKind, UsageStatement
from ashiato.stores.engine import SqlStore
from tests.hub.billing.street import CAR, CELL, MINE, NOVEMBER, OPERATOR, PARTIES, tariff

NOW_MS = parse_datetime("2026-12-24T00:00:00Z")
OCTOBER = Month(2026, 10)
DATA = tariff("data", Fee.DATA, Measure.DELIVERIES, Form.PER_UNIT, "100")


def said(side: Side, number: int, at: str = "2026-11-10T00:00:00Z", **members: object) -> UsageStatement:
    """What one side says of the delivery with that number from cell to car maker."""
    statement = UsageStatement(
        side=side,
        kind=UsageKind.RECEIVED,
        agreement="urn:uuid:agreement",
        provider=CELL,
        consumer=CAR,
        reference=f"urn:uuid:{number}",
        item="D-01",
        at_ms=parse_datetime(at),
        quantity=10,
        data_sha256=f"{number:064x}",
    )
    return msgspec.structs.replace(statement, **members)


async def say(store: SqlStore, caller: str, statements: Iterable[UsageStatement]) -> list[Verdict]:
    told = list(statements)
    answers = await store.run(caller, lambda uow: metering.submit(uow, caller, told, NOW_MS))
    return [verdict for _, verdict in answers]


async def both_say(
    store: SqlStore, *numbers: int, at: str = "2026-11-10T00:00:00Z", **members: object
) -> None:
    await say(store, CELL, [said(Side.PROVIDER, number, at, **members) for number in numbers])
    verdicts = await say(store, CAR, [said(Side.CONSUMER, number, at, **members) for number in numbers])
    assert set(verdicts) == {Verdict.CONFIRMED}


async def prepared(store: SqlStore) -> None:
    def enter(uow: UnitOfWork) -> None:
        for party in PARTIES.values():
            keeping.keep_party(uow, party)
        keeping.keep_tariff(uow, DATA)

    await store.run(OPERATOR, enter)


def rules_of(billing: Billing) -> Rules:
    return month_end.rules_now(billing, OPERATOR, Rounding.DOWN, Rounding.DOWN)


async def closed(store: SqlStore, month: Month) -> Counted:
    return await month_end.close_month(store, month, rules_of, NOW_MS)


async def totals(store: SqlStore, month: Month) -> list[UsageTotal]:
    days = number_of(month.first), number_of(month.last)
    return await store.read(OPERATOR, lambda uow: uow.room(BILLING).totals(*days, month, month))


def disputes(party: str, uow: UnitOfWork) -> list[Usage]:
    return uow.room(BILLING).usages("", 9, state="disputed", party_id=party)


def take_back(caller: str, usage_id: str, uow: UnitOfWork) -> Usage:
    return metering.take_back(uow, caller, usage_id)


async def test_what_both_sides_say_is_counted_once_however_often_they_say_it(hub_store: SqlStore) -> None:
    await both_say(hub_store, 1, 2)
    assert await say(hub_store, CELL, [said(Side.PROVIDER, 1)] * 2) == [Verdict.REPEATED] * 2
    (found,) = await totals(hub_store, NOVEMBER)
    assert (found.provider, found.consumer, found.item, found.events_count, found.quantity) == (
        CELL,
        CAR,
        "D-01",
        2,
        20,
    )


async def test_one_side_alone_and_a_dispute_are_counted_nowhere_and_listed_for_both(
    hub_store: SqlStore,
) -> None:
    await say(hub_store, CELL, [said(Side.PROVIDER, 1), said(Side.PROVIDER, 2, quantity=11)])
    await say(hub_store, CAR, [said(Side.CONSUMER, 2)])
    assert await totals(hub_store, NOVEMBER) == []
    for party in (CELL, CAR):
        (dispute,) = await hub_store.read(party, partial(disputes, party))
        assert dispute.provider_said is not None
        assert dispute.consumer_said is not None
        assert (dispute.provider_said.quantity, dispute.consumer_said.quantity) == (11, 10)
    assert (
        await hub_store.read(
            MINE, lambda uow: uow.room(BILLING).usages("", 9, state="disputed", party_id=MINE)
        )
        == []
    )


async def test_nobody_speaks_for_another_and_a_bad_statement_takes_none_of_its_batch(
    hub_store: SqlStore,
) -> None:
    with pytest.raises(NotPermitted):
        await say(hub_store, CELL, [said(Side.PROVIDER, 1), said(Side.CONSUMER, 1)])
    with pytest.raises(Invalid):
        await say(hub_store, CELL, [said(Side.PROVIDER, 1), said(Side.PROVIDER, 2, item="")])
    assert await hub_store.read(CELL, lambda uow: uow.room(BILLING).usages("", 9, state="awaited")) == []


async def test_quantities_that_no_machine_word_holds_are_added_up(hub_store: SqlStore) -> None:
    numbers = range(1, 401)
    await both_say(hub_store, *numbers, quantity=LARGEST_QUANTITY)
    (found,) = await totals(hub_store, NOVEMBER)
    assert found.quantity == 400 * LARGEST_QUANTITY


async def test_a_month_is_closed_and_closed_again_to_the_same(hub_store: SqlStore) -> None:
    await prepared(hub_store)
    await both_say(hub_store, 1, 2, 3)
    first = await closed(hub_store, NOVEMBER)
    assert await closed(hub_store, NOVEMBER) == first
    assert (first.lines_count, first.documents_count) == (1, 2)
    documents = await hub_store.read(CAR, lambda uow: uow.room(BILLING).documents("", 9, party_id=CAR))
    assert [(each.number, each.draft.gross_yen) for each in documents] == [("INV-000001", 330)]
    closing = await hub_store.read(OPERATOR, lambda uow: uow.room(BILLING).closing(NOVEMBER))
    assert closing is not None
    assert closing.digest == first.digest


async def test_a_month_that_names_a_party_without_an_entry_is_not_cut_and_closes_once_it_is_entered(
    hub_store: SqlStore,
) -> None:
    await prepared(hub_store)
    stranger = "did:web:stranger.example"
    told = {"consumer": stranger}
    await say(hub_store, CELL, [said(Side.PROVIDER, 1, **told)])
    await say(hub_store, stranger, [said(Side.CONSUMER, 1, **told)])
    with pytest.raises(NoParty, match="stranger"):
        await closed(hub_store, NOVEMBER)
    assert await hub_store.read(OPERATOR, lambda uow: uow.room(BILLING).cut(NOVEMBER)) is None
    entered = msgspec.structs.replace(PARTIES[CAR], party_id=stranger)
    await hub_store.run(OPERATOR, lambda uow: keeping.keep_party(uow, entered))
    assert (await closed(hub_store, NOVEMBER)).lines_count == 1


async def test_a_month_whose_budget_nobody_carries_is_not_cut_and_closes_by_another_scheme(
    hub_store: SqlStore,
) -> None:
    scheme = members_and_users("halves", NOVEMBER.first, 1_000)
    await hub_store.run(OPERATOR, lambda uow: keeping.keep_scheme(uow, scheme))
    with pytest.raises(NobodyPays, match="member_fee"):
        await closed(hub_store, NOVEMBER)
    other = users_only("halves", NOVEMBER.first)
    await hub_store.run(OPERATOR, lambda uow: keeping.keep_scheme(uow, other))
    assert (await closed(hub_store, NOVEMBER)).lines_count == 0


async def test_what_was_changed_behind_the_program_is_found_when_the_closing_is_run_again(
    hub_store: SqlStore,
) -> None:
    await prepared(hub_store)
    await both_say(hub_store, 1, 2)
    await closed(hub_store, NOVEMBER)
    (usage, *_) = await hub_store.read(
        OPERATOR, lambda uow: uow.room(BILLING).usages("", 9, state="confirmed")
    )
    assert usage.consumer_said is not None
    tampered = msgspec.structs.replace(usage, billed_in=Month(2027, 1))
    await hub_store.run(OPERATOR, lambda uow: uow.room(BILLING).put_usage(tampered))
    with pytest.raises(month_end.DifferentResult):
        await closed(hub_store, NOVEMBER)


async def test_what_comes_late_is_billed_in_the_next_month_as_a_correction(hub_store: SqlStore) -> None:
    await prepared(hub_store)
    await both_say(hub_store, 1, at="2026-10-31T14:59:59Z")
    await closed(hub_store, OCTOBER)
    await both_say(hub_store, 2, 3, at="2026-10-31T14:59:59Z")
    await both_say(hub_store, 4, at="2026-10-31T15:00:00Z")
    await closed(hub_store, NOVEMBER)
    closing = await hub_store.read(OPERATOR, lambda uow: uow.room(BILLING).closing(NOVEMBER))
    assert closing is not None
    assert sorted((line.corrects, line.amount_yen) for line in closing.lines) == [("", 100), ("2026-10", 200)]


async def test_what_both_take_back_is_credited_once_and_before_the_closing_not_billed(
    hub_store: SqlStore,
) -> None:
    await prepared(hub_store)
    await both_say(hub_store, 1, 2, at="2026-10-05T00:00:00Z")
    await closed(hub_store, OCTOBER)
    await both_say(hub_store, 3, 4)
    for number, at in ((1, "2026-10-05T00:00:00Z"), (3, "2026-11-10T00:00:00Z")):
        usage_id = said(Side.CONSUMER, number, at).usage_id
        for caller in (CELL, CELL, CAR, CAR):
            usage = await hub_store.run(caller, partial(take_back, caller, usage_id))
        assert usage.state is UsageState.WITHDRAWN
    await closed(hub_store, NOVEMBER)
    documents = await hub_store.read(
        CAR, lambda uow: uow.room(BILLING).documents("", 9, party_id=CAR, month="2026-11")
    )
    assert sorted((each.draft.kind, each.draft.gross_yen) for each in documents) == [
        (DocumentKind.INVOICE, 110),
        (DocumentKind.RETURN, 110),
    ]


async def test_only_the_two_sides_take_back_and_only_what_is_confirmed(hub_store: SqlStore) -> None:
    await say(hub_store, CELL, [said(Side.PROVIDER, 1)])
    usage_id = said(Side.CONSUMER, 1).usage_id
    with pytest.raises(NotFound):
        await hub_store.run(MINE, lambda uow: metering.take_back(uow, MINE, usage_id))
    with pytest.raises(WrongState):
        await hub_store.run(CELL, lambda uow: metering.take_back(uow, CELL, usage_id))


async def test_months_are_closed_in_their_order_and_not_before_their_end(hub_store: SqlStore) -> None:
    await prepared(hub_store)
    await both_say(hub_store, 1, at="2026-10-05T00:00:00Z")
    for month in (NOVEMBER, Month(2026, 12)):
        with pytest.raises(WrongState):
            await closed(hub_store, month)
    await closed(hub_store, OCTOBER)
    with pytest.raises(WrongState):
        await closed(hub_store, Month(2026, 9))
    await closed(hub_store, NOVEMBER)


async def test_numbers_of_documents_have_no_gap_over_months(hub_store: SqlStore) -> None:
    await prepared(hub_store)
    await both_say(hub_store, 1, at="2026-10-05T00:00:00Z")
    await closed(hub_store, OCTOBER)
    await both_say(hub_store, 2)
    await closed(hub_store, NOVEMBER)
    documents = await hub_store.read(OPERATOR, lambda uow: uow.room(BILLING).documents("", 99))
    numbers = sorted(each.number for each in documents)
    assert numbers == ["INV-000001", "INV-000002", "SET-000001", "SET-000002"]
    with pytest.raises(Conflict):
        await hub_store.run(OPERATOR, lambda uow: uow.room(BILLING).put_documents(documents[:1]))


async def test_two_who_close_at_once_issue_each_document_once(hub_store: SqlStore) -> None:
    await prepared(hub_store)
    await both_say(hub_store, 1)
    one, other = await asyncio.gather(closed(hub_store, NOVEMBER), closed(hub_store, NOVEMBER))
    assert one == other
    assert len(await hub_store.read(OPERATOR, lambda uow: uow.room(BILLING).documents("", 99))) == 2


async def test_a_closed_month_keeps_its_tariffs_schemes_and_charges(hub_store: SqlStore) -> None:
    await prepared(hub_store)
    await both_say(hub_store, 1)
    await closed(hub_store, NOVEMBER)
    december = date(2026, 12, 1)
    ended = msgspec.structs.replace(DATA, until_day=december)
    charge = Charge(
        charge_id="c",
        seller=OPERATOR,
        buyer=CAR,
        title="x",
        title_ja="x",
        day=date(2026, 11, 30),
        amount_yen=1,
    )

    async def refused(work: object) -> Problem:
        with pytest.raises(WrongState) as found:
            await hub_store.run(OPERATOR, work)  # type: ignore[arg-type]  # a function of the unit of work
        return found.value

    await refused(lambda uow: keeping.keep_tariff(uow, msgspec.structs.replace(DATA, price_yen="1")))
    await refused(
        lambda uow: keeping.keep_tariff(uow, msgspec.structs.replace(DATA, until_day=date(2026, 11, 1)))
    )
    await refused(lambda uow: keeping.keep_scheme(uow, users_only("ii", date(2026, 11, 1))))
    await refused(lambda uow: keeping.keep_charge(uow, charge))
    await hub_store.run(OPERATOR, lambda uow: keeping.keep_tariff(uow, ended))
    dearer = msgspec.structs.replace(DATA, tariff_id="dearer", price_yen="200", from_day=december)
    await hub_store.run(OPERATOR, lambda uow: keeping.keep_tariff(uow, dearer))
    await hub_store.run(OPERATOR, lambda uow: keeping.keep_scheme(uow, users_only("ii", december)))
    assert await closed(hub_store, NOVEMBER) is not None


async def test_what_is_no_tariff_party_scheme_or_charge_is_refused(hub_store: SqlStore) -> None:
    bad = msgspec.structs.replace
    for work in (
        lambda uow: keeping.keep_tariff(uow, bad(DATA, per=0)),
        lambda uow: keeping.keep_party(uow, bad(PARTIES[CAR], name="")),
        lambda uow: keeping.keep_scheme(uow, bad(users_only("ii", date(2026, 1, 1)), members="1")),
        lambda uow: keeping.keep_charge(
            uow,
            Charge(
                charge_id="c",
                seller=CAR,
                buyer=CAR,
                title="x",
                title_ja="x",
                day=date(2026, 1, 1),
                amount_yen=1,
            ),
        ),
    ):
        with pytest.raises(Invalid):
            await hub_store.run(OPERATOR, work)


async def test_a_payment_is_kept_once(hub_store: SqlStore) -> None:
    payment = Payment(
        payment_id="p1", issuer=OPERATOR, number="INV-000001", on=date(2026, 12, 9), amount_yen=330
    )
    await hub_store.run(OPERATOR, lambda uow: uow.room(BILLING).put_payment("d" * 64, payment))
    with pytest.raises(Conflict):
        await hub_store.run(OPERATOR, lambda uow: uow.room(BILLING).put_payment("d" * 64, payment))
    assert await hub_store.read(OPERATOR, lambda uow: uow.room(BILLING).payments("d" * 64)) == [payment]
