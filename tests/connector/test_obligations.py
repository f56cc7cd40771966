"""What is owed under an agreement, on both sides: begun, done, late, let go, and what it does to the right to read."""

from collections.abc import Mapping

import pytest

from ashiato.connector import obligations, transfers
from ashiato.connector.obligations import OWN_GRACE_MS, PARTNER_GRACE_MS
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import NotPermitted, WrongState
from ashiato.connector.records import AgreementRecord, ObligationRecord, ObligationState
from ashiato.dsp.messages import TransferRequestMessage
from ashiato.policy.builder import compare
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
