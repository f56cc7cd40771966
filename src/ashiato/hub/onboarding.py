"""The life of a party at the hub as a pure state machine: who may come in, who is held back, who must go."""

from collections.abc import Mapping
from enum import StrEnum

from ashiato.facts.problems import Invalid, WrongState


class PartyState(StrEnum):
    """How a party stands."""

    APPLIED = "applied"
    UNDER_REVIEW = "under_review"
    ADMITTED = "admitted"
    REFUSED = "refused"
    """The application was turned down; its numbers are free again, and the company may apply anew."""
    SUSPENDED = "suspended"
    EXPELLED = "expelled"
    """Out for good: its numbers stay taken, so that it does not come back under another DID."""


class Act(StrEnum):
    """What moves a party."""

    APPLY = "apply"
    AMEND = "amend"
    REVIEW = "review"
    ADMIT = "admit"
    REFUSE = "refuse"
    SUSPEND = "suspend"
    REINSTATE = "reinstate"
    EXPEL = "expel"


# From no state at all stands as None.
TRANSITIONS: Mapping[tuple[PartyState | None, Act], PartyState] = {
    (None, Act.APPLY): PartyState.APPLIED,
    (PartyState.REFUSED, Act.APPLY): PartyState.APPLIED,
    (PartyState.APPLIED, Act.AMEND): PartyState.APPLIED,
    (PartyState.UNDER_REVIEW, Act.AMEND): PartyState.APPLIED,
    (PartyState.APPLIED, Act.REVIEW): PartyState.UNDER_REVIEW,
    (PartyState.APPLIED, Act.REFUSE): PartyState.REFUSED,
    (PartyState.UNDER_REVIEW, Act.ADMIT): PartyState.ADMITTED,
    (PartyState.UNDER_REVIEW, Act.REFUSE): PartyState.REFUSED,
    (PartyState.ADMITTED, Act.SUSPEND): PartyState.SUSPENDED,
    (PartyState.ADMITTED, Act.EXPEL): PartyState.EXPELLED,
    (PartyState.SUSPENDED, Act.REINSTATE): PartyState.ADMITTED,
    (PartyState.SUSPENDED, Act.EXPEL): PartyState.EXPELLED,
}
OF_THE_COMPANY = frozenset({Act.APPLY, Act.AMEND})
NEEDS_REASON = frozenset({Act.REFUSE, Act.SUSPEND, Act.REINSTATE, Act.EXPEL})


def advanced(state: PartyState | None, act: Act, reason: str) -> PartyState:
    """The state after `act`; raises `WrongState` for a step that is not in the table, `Invalid` where a reason is missing."""
    after = TRANSITIONS.get((state, act))
    if after is None:
        known = state.value if state is not None else "unknown"
        possible = sorted(act.value for (from_state, act) in TRANSITIONS if from_state is state)
        raise WrongState(
            f"A party that is {known} cannot be moved by {act.value}; possible: {', '.join(possible) or 'nothing'}.",
            state=known,
            possible=possible,
        )
    if act in NEEDS_REASON and not reason.strip():
        raise Invalid(
            f"Say why: the step {act.value} is read by the company and by the auditor.", path="reason"
        )
    return after
