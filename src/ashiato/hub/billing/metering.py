"""Taking statements of the two sides, and taking usage back."""

from collections.abc import Sequence

import msgspec

from ashiato.facts.problems import Invalid, NotFound, NotPermitted, WrongState
from ashiato.hub.billing.months import Month
from ashiato.hub.billing.ports import BILLING
from ashiato.hub.billing.usage import Usage, UsageState, Verdict, take, withdraw
from ashiato.hub.ports import UnitOfWork
from ashiato.statements.usage import Side, UnusableStatement, UsageStatement, check

MOST_STATEMENTS_COUNT = 500
_BEFORE_ALL = Month(1970, 1)


def submit(
    uow: UnitOfWork, caller_id: str, statements: Sequence[UsageStatement], now_ms: int
) -> list[tuple[str, Verdict]]:
    """What became of each statement, by the id of its usage. All are taken or, where one is no statement of the caller, none.

    Raises `Invalid` and `NotPermitted` with the place of the statement that is wrong.
    """
    if len(statements) > MOST_STATEMENTS_COUNT:
        raise Invalid(f"Send at most {MOST_STATEMENTS_COUNT} statements at once.", count=len(statements))
    for place, statement in enumerate(statements):
        own = statement.provider if statement.side is Side.PROVIDER else statement.consumer
        if own != caller_id:
            raise NotPermitted(
                f"Statement {place} speaks for {own}; each side tells of itself only.", place=place, party=own
            )
        try:
            check(statement, now_ms)
        except UnusableStatement as error:
            raise Invalid(f"Statement {place} cannot be taken: {error.problem}.", place=place) from None
    billing = uow.room(BILLING)
    open_month = billing.open_month() or _BEFORE_ALL
    answers = []
    for statement in statements:
        known = billing.usage(statement.usage_id)
        usage, verdict = take(known, statement, open_month)
        if usage != known:
            billing.put_usage(usage)
        answers.append((usage.usage_id, verdict))
    return answers


def take_back(uow: UnitOfWork, caller_id: str, usage_id: str) -> Usage:
    """Say that a usage did not happen; when both sides say so it counts no more, and what was billed of it is credited.

    Raises `NotFound` for a usage of others, and `WrongState` for one that is not confirmed: what only one side says is billed
    nowhere, and what is disputed is put right by a statement that replaces.
    """
    billing = uow.room(BILLING)
    open_month = billing.open_month() or _BEFORE_ALL
    usage = billing.usage(usage_id)
    if usage is None or caller_id not in (usage.provider, usage.consumer):
        raise NotFound(f"There is no usage {usage_id!r} of yours.", id=usage_id)
    if usage.state is UsageState.WITHDRAWN:
        return usage
    if usage.state is not UsageState.CONFIRMED or usage.billed_in is None:
        raise WrongState("Only what both sides confirmed is taken back.", state=usage.state.value)
    after = withdraw(usage, Side.PROVIDER if caller_id == usage.provider else Side.CONSUMER)
    if after.state is UsageState.WITHDRAWN:
        if usage.billed_in < open_month:
            billing.take_back(after, open_month)
        else:
            after = msgspec.structs.replace(after, billed_in=None)
    billing.put_usage(after)
    return after
