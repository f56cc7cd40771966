import itertools

import pytest

from ashiato.facts.problems import Invalid, NotPermitted, WrongState
from ashiato.hub.certifying import CaseAct, CaseState, Side, advanced

BODY = ("accept", "find", "grant", "refuse", "surveil", "suspend", "resume", "revoke")
APPLICANT = ("evidence", "correct", "recertify", "withdraw", "appeal")
# As the table in docs/hub.md.
LEGAL = {
    "applied": {
        "accept": "in_assessment",
        "evidence": "applied",
        "refuse": "refused",
        "withdraw": "withdrawn",
    },
    "in_assessment": {
        "evidence": "in_assessment",
        "find": "correcting",
        "grant": "certified",
        "refuse": "refused",
        "withdraw": "withdrawn",
    },
    "correcting": {
        "evidence": "correcting",
        "correct": "in_assessment",
        "refuse": "refused",
        "withdraw": "withdrawn",
    },
    "certified": {
        "surveil": "certified",
        "recertify": "recertifying",
        "suspend": "suspended",
        "revoke": "revoked",
    },
    "recertifying": {"evidence": "recertifying", "grant": "certified", "revoke": "revoked"},
    "suspended": {
        "evidence": "suspended",
        "resume": "certified",
        "revoke": "revoked",
        "appeal": "appealed",
    },
    "refused": {"appeal": "appealed"},
    "revoked": {"appeal": "appealed"},
    "withdrawn": {},
    "appealed": {},
}


def side_of(act: CaseAct) -> Side:
    if act.value in BODY:
        return Side.BODY
    return Side.APPLICANT if act.value in APPLICANT else Side.OPERATOR


@pytest.mark.parametrize(("state", "act"), list(itertools.product(CaseState, CaseAct)))
def test_every_pair_of_state_and_step_goes_where_the_table_of_the_documents_says(
    state: CaseState, act: CaseAct
) -> None:
    wanted = LEGAL[state.value].get(act.value)
    if wanted is None:
        with pytest.raises(WrongState):
            advanced(state, act, side_of(act), "because")
    else:
        assert advanced(state, act, side_of(act), "because") == wanted


@pytest.mark.parametrize("act", list(CaseAct))
def test_no_side_takes_the_step_of_another_but_for_the_operator_in_a_bodys_place(act: CaseAct) -> None:
    for side in Side:
        allowed = side is side_of(act) or (side is Side.OPERATOR and act.value in ("suspend", "revoke"))
        if not allowed:
            with pytest.raises(NotPermitted):
                advanced(CaseState.CERTIFIED, act, side, "because")


@pytest.mark.parametrize(
    ("before", "overturned"),
    [("suspended", "certified"), ("refused", "in_assessment"), ("revoked", "in_assessment")],
)
def test_an_appeal_is_decided_by_the_operator(before: str, overturned: str) -> None:
    appealed_from = CaseState(before)

    def decided(act: CaseAct, side: Side = Side.OPERATOR) -> CaseState:
        return advanced(CaseState.APPEALED, act, side, "because", appealed_from=appealed_from)

    assert decided(CaseAct.UPHOLD) == before
    assert decided(CaseAct.OVERTURN) == overturned
    with pytest.raises(NotPermitted):
        decided(CaseAct.OVERTURN, Side.BODY)


@pytest.mark.parametrize("act", ["refuse", "find"])
def test_a_decision_against_somebody_needs_a_reason(act: str) -> None:
    with pytest.raises(Invalid):
        advanced(CaseState.IN_ASSESSMENT, CaseAct(act), Side.BODY, " ")
