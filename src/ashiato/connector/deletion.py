"""When data received has to be gone: the duties to delete of its agreement, as dates.

What a duty says is read by `policy.obligations`. Here it meets what happened: a duty that begins with a use counts from the
last one, a duty that begins with the agreement from the arrival of the data, and one without any limit of its own from the end
of the agreement. Conditions beside the limits are not waited for: deleting earlier is no breach. Of several dates the earliest
counts.
"""

import msgspec

from ashiato.facts.instants import add
from ashiato.policy.obligations import Obligation, Trigger, obligations_of
from ashiato.policy.odrl import Policy

DELETE = "delete"


class DeletionTerms(msgspec.Struct, frozen=True, kw_only=True):
    """The duties to delete under one agreement; none when it says nothing."""

    agreed_ms: int
    duties: tuple[Obligation, ...] = ()

    @property
    def at_end(self) -> bool:
        """Whether the end of the agreement is what some duty waits for."""
        return any(_waits_for_end(duty) for duty in self.duties)

    def due(self, received_ms: int, used_ms: int | None, ended_ms: int | None) -> tuple[int, str] | None:
        """The instant from which the data must be gone, and why; None when nothing says so yet."""
        dates = [
            date
            for duty in self.duties
            for date in (_limit(duty, self.agreed_ms), _delayed(duty, received_ms, used_ms, ended_ms))
            if date is not None
        ]
        return min(dates, default=None)


def deletion_terms(policy: Policy, agreed_ms: int) -> DeletionTerms:
    """The terms in the duties of a policy; what only a breach brings about is left to whoever finds the breach."""
    duties = tuple(
        duty
        for duty in obligations_of(policy)
        if duty.action == DELETE and duty.trigger is not Trigger.BREACH
    )
    return DeletionTerms(agreed_ms=agreed_ms, duties=duties)


def _waits_for_end(duty: Obligation) -> bool:
    if duty.trigger is Trigger.AGREEMENT_END:
        return True
    return duty.trigger is Trigger.AGREEMENT and duty.delay is None and not _has_limit(duty)


def _has_limit(duty: Obligation) -> bool:
    return duty.deadline_ms is not None or duty.deadline_after_agreement is not None


def _limit(duty: Obligation, agreed_ms: int) -> tuple[int, str] | None:
    """The date that stands by itself, whatever happens to the data."""
    if not _has_limit(duty):
        return None
    due_ms = msgspec.structs.replace(duty, delay=None).due_ms(agreed_ms, agreed_ms)
    return None if due_ms is None else (due_ms, "deadline")


def _delayed(
    duty: Obligation, received_ms: int, used_ms: int | None, ended_ms: int | None
) -> tuple[int, str] | None:
    """The date that counts from what happened, at once where the duty says nothing else."""
    if _waits_for_end(duty):
        begun_ms, why = ended_ms, "agreement-ended"
    elif duty.trigger is Trigger.USE:
        begun_ms, why = used_ms, "after-use"
    else:
        begun_ms, why = received_ms, "delay"
    if begun_ms is None or (duty.delay is None and _has_limit(duty)):
        return None
    return (begun_ms if duty.delay is None else add(begun_ms, duty.delay)), why
