"""What is owed under an agreement, on both sides: begun, done, late, let go, and what it does to the right to read."""

from collections.abc import Mapping

import msgspec
import pytest

from ashiato.connector import obligations, transfers
from ashiato.connector.agreements import decide_served
from ashiato.connector.obligations import OWN_GRACE_MS, PARTNER_GRACE_MS
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import NotPermitted, WrongState
from ashiato.connector.records import AgreementRecord, AgreementState, ObligationRecord, ObligationState
from ashiato.dsp.messages import TransferRequestMessage
from ashiato.facts.instants import Duration, add, format_datetime, parse_datetime
from ashiato.policy.builder import compare
from ashiato.policy.vocabulary import Checkpoint
from tests.connector.firms import Firm, Street

DAY_MS = 86_400_000


def permission(*duties: Mapping[str, object]) -> dict[str, object]:
    return {"permission": [{"action": "use", "duty": list(duties)}]}


async def agreed(street: Street, maker: Firm, cells: Firm, rules: dict[str, object]) -> AgreementRecord:
    await maker.publish("nmc811", rules=rules)
    return await cells.agree(maker, "nmc811")


async def owed(firm: Firm) -> list[ObligationRecord]:
    return await firm.read(lambda uow: uow.obligations.page("", 100))


async def use(firm: Firm, agreement: AgreementRecord, subject_id: str) -> None:
    def work(uow: UnitOfWork, moment: Moment) -> None:
        known = uow.contracts.agreement(agreement.agreement_id)
        assert known is not None
        obligations.used(uow, known, subject_id, moment)

    await firm.run(work)


async def ask(maker: Firm, cells: Firm, agreement: AgreementRecord, number: int) -> None:
    message = TransferRequestMessage(
        consumer_pid=f"urn:uuid:0000000{number}-0000-4000-8000-000000000000",
        agreement_id=agreement.agreement_id,
        format="HttpData-PULL",
        callback_address=cells.company.callback_address,
    )
    await maker.run(
        lambda uow, moment: transfers.requested(uow, maker.company, cells.standing, message, moment)
    )


async def test_nothing_is_handed_out_before_it_is_paid_nor_after_the_payment_is_taken_back(
    street: Street, maker: Firm, cells: Firm
) -> None:
    agreement = await agreed(street, maker, cells, permission({"action": "compensate"}))
    theirs, ours = await owed(maker), await owed(cells)
    assert [(debt.action, debt.state, debt.is_own, debt.comes_first) for debt in theirs] == [
        ("compensate", "pending", False, True)
    ]
    assert [debt.is_own for debt in ours] == [True]
    with pytest.raises(NotPermitted, match="compensate"):
        await ask(maker, cells, agreement, 1)

    async def settle(state: ObligationState) -> None:
        await maker.run(
            lambda uow, moment: obligations.settle(uow, theirs[0].obligation_id, state, "invoice 7", moment)
        )

    await settle(ObligationState.FULFILLED)
    await ask(maker, cells, agreement, 2)
    with pytest.raises(WrongState):
        await settle(ObligationState.FULFILLED)
    await settle(ObligationState.PENDING)
    with pytest.raises(NotPermitted, match="compensate"):
        await ask(maker, cells, agreement, 3)
    events = await maker.events()
    assert [name for name in events if name.startswith("obligation.")] == [
        "obligation.begun",
        "obligation.fulfilled",
        "obligation.reopened",
    ]


async def test_what_the_partner_did_not_do_in_time_is_overdue_once_and_stands_in_the_way(
    street: Street, maker: Firm, cells: Firm
) -> None:
    deletes = {"action": "delete", "constraint": [compare("elapsedTime", "lteq", "P30D")]}
    agreement = await agreed(street, maker, cells, permission(deletes))
    # A duty of each use begins with a use; the provider admits one here as its data plane does.
    await use(maker, agreement, "use:1")
    (debt,) = await owed(maker)
    of_maker = await maker.read(lambda uow: uow.contracts.agreement(agreement.agreement_id))
    assert of_maker is not None
    assert debt.due_ms == of_maker.agreed_ms + 30 * DAY_MS
    await street.deliver()
    await street.pass_time(debt.due_ms + PARTNER_GRACE_MS - 1)
    assert [late.state for late in await owed(maker)] == ["pending"]
    # Nothing was handed over, so nothing can be left to delete.
    await street.pass_time(debt.due_ms + PARTNER_GRACE_MS)
    assert [(late.state, late.reason) for late in await owed(maker)] == [
        ("void", "Nothing was handed over under the agreement.")
    ]


async def test_an_overdue_duty_is_told_begins_its_consequence_and_stops_the_reads(
    street: Street, maker: Firm, cells: Firm
) -> None:
    reviews = {
        "action": "reviewPolicy",
        "constraint": [compare("delayPeriod", "eq", "P1D")],
        "consequence": [{"action": "compensate"}],
    }
    agreement = await agreed(street, maker, cells, permission(reviews))
    await use(maker, agreement, "use:1")
    await street.deliver()
    (debt,) = await owed(maker)
    assert debt.due_ms is not None
    assert debt.due_ms - debt.created_ms == DAY_MS
    await street.pass_time(debt.due_ms + PARTNER_GRACE_MS)
    found = {late.action: late for late in await owed(maker)}
    assert (found["reviewPolicy"].state, found["compensate"].state) == ("overdue", "pending")
    assert found["compensate"].trigger == "breach"
    assert "obligation.overdue" in await maker.events()
    with pytest.raises(NotPermitted, match="reviewPolicy"):
        await ask(maker, cells, agreement, 2)
    await maker.run(
        lambda uow, moment: obligations.settle(
            uow, debt.obligation_id, ObligationState.VOID, "it was our fault", moment
        )
    )
    await ask(maker, cells, agreement, 3)


async def test_the_consumer_logs_each_use_and_sends_the_notice_that_a_duty_names(
    street: Street, maker: Firm, cells: Firm
) -> None:
    informs = {"action": "inform", "informedParty": "https://watch.example/notices"}
    agreement = await agreed(street, maker, cells, permission({"action": "log"}, informs))
    for number in (1, 2):
        await use(cells, agreement, f"use:{number}")
    events = await cells.events()
    assert events.count("duty.logged") == 2
    assert events.count("duty.informed") == 2
    notices = [delivery for delivery in await street.due(10) if delivery.kind == "notice"]
    assert [delivery.address for delivery in notices] == ["https://watch.example/notices"]
    assert {(debt.action, debt.state) for debt in await owed(cells)} == {
        ("log", "fulfilled"),
        ("inform", "fulfilled"),
    }


async def test_our_own_duty_to_delete_is_done_when_nothing_is_held(
    street: Street, maker: Firm, cells: Firm
) -> None:
    rules: dict[str, object] = {
        "permission": [{"action": "use"}],
        "obligation": [{"action": "delete", "constraint": [compare("delayPeriod", "eq", "P1D")]}],
    }
    await agreed(street, maker, cells, rules)
    (debt,) = await owed(cells)
    assert (debt.is_own, debt.state) == (True, "pending")
    assert debt.due_ms is not None
    await street.pass_time(debt.due_ms + OWN_GRACE_MS)
    assert [(late.state, late.reason) for late in await owed(cells)] == [
        ("fulfilled", "Nothing is held under the agreement.")
    ]


def monthly(action: str, *more: dict[str, object], **duty: object) -> dict[str, object]:
    return {"action": action, "constraint": [compare("timeInterval", "eq", "P1M"), *more], **duty}


async def settled(firm: Firm, number: int, state: ObligationState = ObligationState.FULFILLED) -> None:
    """The owner's word about the occurrence of that number of the only series."""
    (found,) = [debt for debt in await owed(firm) if debt.occurrence == number]
    await firm.run(lambda uow, moment: obligations.settle(uow, found.obligation_id, state, "paid", moment))
    await firm.street.deliver()


async def may_read(maker: Firm, cells: Firm, agreement: AgreementRecord) -> bool:
    """What the provider answers to a read now."""

    def look(uow: UnitOfWork) -> bool:
        known = uow.contracts.agreement(agreement.agreement_id)
        assert known is not None
        asset, now_ms = uow.assets.asset(known.asset_id), maker.street.clock.now_ms
        served = decide_served(uow, known, asset, cells.standing, Checkpoint.READ, "read", now_ms)
        return served.decision.permitted

    return await maker.read(look)


async def series(firm: Firm) -> list[tuple[int, str]]:
    """The occurrences with their states, the first first."""
    return sorted((debt.occurrence, debt.state.value) for debt in await owed(firm))


async def test_a_monthly_payment_stands_in_the_way_again_from_the_beginning_of_each_month(
    street: Street, maker: Firm, cells: Firm
) -> None:
    street.clock.now_ms = parse_datetime("2027-01-31T12:00:00Z")
    agreement = await agreed(street, maker, cells, permission(monthly("compensate")))
    (first,) = await owed(maker)
    begun = format_datetime(first.created_ms)
    assert (first.recurs, first.occurrence, begun[:13]) == (True, 1, "2027-01-31T12")
    assert not await may_read(maker, cells, agreement)
    await settled(maker, 1)
    assert await may_read(maker, cells, agreement)
    # A month later by the calendar: the last day of February, and then the last of March again.
    for number, until in ((2, "2027-02-28"), (3, "2027-03-31")):
        start_ms = parse_datetime(until + begun[10:])
        await street.pass_time(start_ms - 1)
        assert (await series(maker))[-1] == (number - 1, "fulfilled")
        await street.pass_time(start_ms)
        assert (await series(maker))[-1] == (number, "pending")
        assert not await may_read(maker, cells, agreement)
        await settled(maker, number)
        assert await may_read(maker, cells, agreement)
    events = await maker.events()
    assert [name for name in events if name.startswith("obligation.")] == [
        "obligation.begun", "obligation.fulfilled",
        "obligation.recurred", "obligation.fulfilled",
        "obligation.recurred", "obligation.fulfilled",
    ]  # fmt: skip


async def test_the_owner_who_takes_back_an_earlier_payment_stops_the_reads_and_begins_no_second_series(
    street: Street, maker: Firm, cells: Firm
) -> None:
    agreement = await agreed(street, maker, cells, permission(monthly("compensate")))
    await settled(maker, 1)
    (first,) = await owed(maker)
    await street.pass_time(first.created_ms + 31 * DAY_MS)
    await settled(maker, 2)
    await settled(maker, 1, ObligationState.PENDING)
    assert not await may_read(maker, cells, agreement)
    await settled(maker, 1)
    assert await may_read(maker, cells, agreement)
    assert await series(maker) == [(1, "fulfilled"), (2, "fulfilled")]


async def test_what_is_not_done_within_its_interval_is_overdue_and_the_next_one_begins(
    street: Street, maker: Firm, cells: Firm
) -> None:
    rules: dict[str, object] = {"permission": [{"action": "use"}], "obligation": [monthly("reviewPolicy")]}
    await agreed(street, maker, cells, rules)
    await street.deliver()
    (debt,) = await owed(maker)
    assert debt.due_ms == add(debt.created_ms, Duration(months=1))
    await street.pass_time(debt.due_ms + PARTNER_GRACE_MS)
    await street.deliver()
    assert await series(maker) == [(1, "overdue"), (2, "pending")]
    (second,) = [found for found in await owed(maker) if found.occurrence == 2]
    # The second interval counts from the beginning of the series, not from when somebody looked.
    assert second.due_ms == add(debt.created_ms, Duration(months=2))
    # Doing the first one late does not begin it twice.
    await settled(maker, 1)
    await street.pass_time(debt.due_ms + PARTNER_GRACE_MS + 1)
    assert await series(maker) == [(1, "fulfilled"), (2, "pending")]


async def test_a_program_that_was_away_makes_up_for_the_intervals_one_after_the_other(
    street: Street, maker: Firm, cells: Firm
) -> None:
    informs = monthly("inform", informedParty="https://watch.example/notices")
    rules: dict[str, object] = {"permission": [{"action": "use"}], "obligation": [informs]}
    await agreed(street, maker, cells, rules)
    assert await series(cells) == [(1, "fulfilled")]
    await street.deliver()
    await street.pass_time(add((await owed(cells))[0].created_ms, Duration(months=3)))
    await street.deliver()
    assert await series(cells) == [(number, "fulfilled") for number in (1, 2, 3, 4)]
    assert (await cells.events()).count("duty.informed") == 4
    # The provider has no date for what the consumer's connector does by itself.
    assert await series(maker) == [(1, "pending")]


@pytest.mark.parametrize("how", ["agreement", "deadline", "let go", "bound"])
async def test_a_series_ends(
    street: Street, maker: Firm, cells: Firm, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = [compare("elapsedTime", "lteq", "P20D")] if how == "deadline" else []
    if how == "bound":
        monkeypatch.setattr("ashiato.connector.obligations.MOST_OCCURRENCES_COUNT", 1)
    agreement = await agreed(street, maker, cells, permission(monthly("compensate", *limits)))
    await settled(maker, 1)
    (first,) = await owed(maker)
    if how == "agreement":
        known = await maker.read(lambda uow: uow.contracts.agreement(agreement.agreement_id))
        assert known is not None
        ended = msgspec.structs.replace(known, state=AgreementState.TERMINATED)
        await maker.run(lambda uow, moment: uow.contracts.put_agreement(ended))
    if how == "let go":
        await settled(maker, 1, ObligationState.VOID)
    await street.pass_time(first.created_ms + 400 * DAY_MS)
    await street.deliver()
    assert [number for number, _ in await series(maker)] == [1]


async def test_a_series_within_a_permission_is_one_and_not_one_for_each_use(
    street: Street, maker: Firm, cells: Firm
) -> None:
    agreement = await agreed(street, maker, cells, permission(monthly("reviewPolicy")))
    for number in (1, 2, 3):
        await use(maker, agreement, f"use:{number}")
    assert await series(maker) == [(1, "pending")]


async def test_an_interval_of_a_second_takes_a_minute(street: Street, maker: Firm, cells: Firm) -> None:
    logs = {"action": "log", "constraint": [compare("timeInterval", "eq", "PT1S")]}
    rules: dict[str, object] = {"permission": [{"action": "use"}], "obligation": [logs]}
    await agreed(street, maker, cells, rules)
    await street.deliver()
    begun_ms = (await owed(cells))[0].created_ms
    await street.pass_time(begun_ms + 59_999)
    assert len(await series(cells)) == 1
    await street.pass_time(begun_ms + 60_000)
    assert len(await series(cells)) == 2


@pytest.mark.parametrize("interval", ["PT1S", "PT0.5S", "PT60S"])
async def test_no_occurrence_of_a_short_interval_is_due_before_its_minute_is_over(
    street: Street, maker: Firm, cells: Firm, interval: str
) -> None:
    reviews = {"action": "reviewPolicy", "constraint": [compare("timeInterval", "eq", interval)]}
    rules: dict[str, object] = {"permission": [{"action": "use"}], "obligation": [reviews]}
    await agreed(street, maker, cells, rules)
    await street.deliver()
    (first,) = await owed(maker)
    for number in (1, 2, 3):
        await street.pass_time(first.created_ms + 60_000 * (number - 1))
        (found,) = [debt for debt in await owed(maker) if debt.occurrence == number]
        assert found.due_ms == first.created_ms + 60_000 * number
        await settled(maker, number)
