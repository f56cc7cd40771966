"""The life of a certification case as a pure state machine (as in ISO/IEC 17065): from application to surveillance and appeal."""

from collections.abc import Mapping
from enum import StrEnum

from ashiato.facts.problems import Invalid, NotPermitted, WrongState


class CaseState(StrEnum):
    """How a case stands."""

    APPLIED = "applied"
    IN_ASSESSMENT = "in_assessment"
    CORRECTING = "correcting"
    """A finding waits for the applicant's corrective action."""
    CERTIFIED = "certified"
    RECERTIFYING = "recertifying"
    """Assessed anew; the certificate stands meanwhile, to its own end."""
    SUSPENDED = "suspended"
    REFUSED = "refused"
    REVOKED = "revoked"
    WITHDRAWN = "withdrawn"
    APPEALED = "appealed"


class CaseAct(StrEnum):
    """What moves a case."""

    ACCEPT = "accept"
    EVIDENCE = "evidence"
    FIND = "find"
    CORRECT = "correct"
    GRANT = "grant"
    REFUSE = "refuse"
    SURVEIL = "surveil"
    RECERTIFY = "recertify"
    SUSPEND = "suspend"
    RESUME = "resume"
    REVOKE = "revoke"
    WITHDRAW = "withdraw"
    APPEAL = "appeal"
    UPHOLD = "uphold"
    OVERTURN = "overturn"


class Side(StrEnum):
    """Who acts in a case."""

    APPLICANT = "applicant"
    BODY = "body"
    OPERATOR = "operator"


_S, _A = CaseState, CaseAct
# Appeals are decided by the operator, so that no body judges its own decision.
SIDE_OF: Mapping[CaseAct, Side] = {
    _A.EVIDENCE: Side.APPLICANT,
    _A.CORRECT: Side.APPLICANT,
    _A.RECERTIFY: Side.APPLICANT,
    _A.WITHDRAW: Side.APPLICANT,
    _A.APPEAL: Side.APPLICANT,
    _A.UPHOLD: Side.OPERATOR,
    _A.OVERTURN: Side.OPERATOR,
    **dict.fromkeys(
        (_A.ACCEPT, _A.FIND, _A.GRANT, _A.REFUSE, _A.SURVEIL, _A.SUSPEND, _A.RESUME, _A.REVOKE), Side.BODY
    ),
}
TRANSITIONS: Mapping[tuple[CaseState, CaseAct], CaseState] = {
    (_S.APPLIED, _A.ACCEPT): _S.IN_ASSESSMENT,
    (_S.APPLIED, _A.EVIDENCE): _S.APPLIED,
    (_S.APPLIED, _A.REFUSE): _S.REFUSED,
    (_S.APPLIED, _A.WITHDRAW): _S.WITHDRAWN,
    (_S.IN_ASSESSMENT, _A.EVIDENCE): _S.IN_ASSESSMENT,
    (_S.IN_ASSESSMENT, _A.FIND): _S.CORRECTING,
    (_S.IN_ASSESSMENT, _A.GRANT): _S.CERTIFIED,
    (_S.IN_ASSESSMENT, _A.REFUSE): _S.REFUSED,
    (_S.IN_ASSESSMENT, _A.WITHDRAW): _S.WITHDRAWN,
    (_S.CORRECTING, _A.EVIDENCE): _S.CORRECTING,
    (_S.CORRECTING, _A.CORRECT): _S.IN_ASSESSMENT,
    (_S.CORRECTING, _A.REFUSE): _S.REFUSED,
    (_S.CORRECTING, _A.WITHDRAW): _S.WITHDRAWN,
    (_S.CERTIFIED, _A.SURVEIL): _S.CERTIFIED,
    (_S.CERTIFIED, _A.RECERTIFY): _S.RECERTIFYING,
    (_S.CERTIFIED, _A.SUSPEND): _S.SUSPENDED,
    (_S.CERTIFIED, _A.REVOKE): _S.REVOKED,
    (_S.RECERTIFYING, _A.EVIDENCE): _S.RECERTIFYING,
    (_S.RECERTIFYING, _A.GRANT): _S.CERTIFIED,
    (_S.RECERTIFYING, _A.REVOKE): _S.REVOKED,
    (_S.SUSPENDED, _A.EVIDENCE): _S.SUSPENDED,
    (_S.SUSPENDED, _A.RESUME): _S.CERTIFIED,
    (_S.SUSPENDED, _A.REVOKE): _S.REVOKED,
    (_S.SUSPENDED, _A.APPEAL): _S.APPEALED,
    (_S.REFUSED, _A.APPEAL): _S.APPEALED,
    (_S.REVOKED, _A.APPEAL): _S.APPEALED,
}
# Where a body cannot act any more, what it certified must not stand unguarded.
OPERATOR_TOO = frozenset({_A.SUSPEND, _A.REVOKE})
# An upheld decision stands as before. One that is overturned is taken back; what was revoked is revoked for good, and so is
# assessed anew for another certificate.
AFTER_OVERTURN: Mapping[CaseState, CaseState] = {
    _S.SUSPENDED: _S.CERTIFIED,
    _S.REFUSED: _S.IN_ASSESSMENT,
    _S.REVOKED: _S.IN_ASSESSMENT,
}
NEEDS_REASON = frozenset(
    {_A.FIND, _A.CORRECT, _A.REFUSE, _A.SUSPEND, _A.RESUME, _A.REVOKE, _A.APPEAL, _A.UPHOLD, _A.OVERTURN}
)


def advanced(
    state: CaseState, act: CaseAct, side: Side, reason: str, *, appealed_from: CaseState | None = None
) -> CaseState:
    """The state after `act` by `side`; `appealed_from` is the state in which the appeal was made.

    Raises `NotPermitted` for another side's act, `WrongState` for a step that is not in the table, `Invalid` without a reason.
    """
    if SIDE_OF[act] is not side and not (side is Side.OPERATOR and act in OPERATOR_TOO):
        raise NotPermitted(f"{act.value} is a step of the {SIDE_OF[act].value}, not of the {side.value}.")
    if state is _S.APPEALED and appealed_from is not None and act in (_A.UPHOLD, _A.OVERTURN):
        after = appealed_from if act is _A.UPHOLD else AFTER_OVERTURN[appealed_from]
    else:
        found = TRANSITIONS.get((state, act))
        if found is None:
            raise WrongState(f"A case that is {state.value} is not moved by {act.value}.", state=state.value)
        after = found
    if act in NEEDS_REASON and not reason.strip():
        raise Invalid(f"Say why: the step {act.value} is read by the other side.", path="reason")
    return after
