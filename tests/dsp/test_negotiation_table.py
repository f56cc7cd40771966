"""Every cell of the negotiation's table: state by message by sender, written by hand from DSP 2025-1, 7.1.2
and 7.2.
"""

import pytest

from ashiato.dsp import negotiation as machine
from ashiato.dsp.errors import IllegalTransition, MismatchedMessage
from ashiato.dsp.messages import NegotiationMessage
from ashiato.dsp.negotiation import Deliver, Settle, Tell
from ashiato.dsp.states import NegotiationState, Role
from tests.dsp.conversation import NEGOTIATION_MESSAGES, negotiation_in

# x: refused as an illegal transition, m: refused because the process ids do not match, =: a duplicate, else the new state.
# request and offer name both process ids; the opening ones name only the sender's.
COLUMNS = "request offer accepted agreement verification finalized termination opening_request opening_offer".split()

RECEIVED_BY_PROVIDER = """
REQUESTED  x          x  x         x  x         x  TERMINATED  =  m
OFFERED    REQUESTED  x  ACCEPTED  x  x         x  TERMINATED  =  m
ACCEPTED   x          x  =         x  x         x  TERMINATED  =  m
AGREED     x          x  x         x  VERIFIED  x  TERMINATED  =  m
VERIFIED   x          x  x         x  =         x  TERMINATED  =  m
FINALIZED  x          x  x         x  x         x  x           =  m
TERMINATED x          x  x         x  x         x  =           =  m
"""

RECEIVED_BY_CONSUMER = """
REQUESTED  x  OFFERED  x  AGREED  x  x          TERMINATED  m  x
OFFERED    x  x        x  x       x  x          TERMINATED  m  x
ACCEPTED   x  x        x  AGREED  x  x          TERMINATED  m  x
AGREED     x  x        x  =       x  x          TERMINATED  m  x
VERIFIED   x  x        x  x       x  FINALIZED  TERMINATED  m  x
FINALIZED  x  x        x  x       x  =          x           m  x
TERMINATED x  x        x  x       x  x          =           m  x
"""

SENT_BY_CONSUMER = """
REQUESTED  x          x  x         x  x         x  TERMINATED  m  m
OFFERED    REQUESTED  x  ACCEPTED  x  x         x  TERMINATED  m  m
ACCEPTED   x          x  x         x  x         x  TERMINATED  m  m
AGREED     x          x  x         x  VERIFIED  x  TERMINATED  m  m
VERIFIED   x          x  x         x  x         x  x           m  m
FINALIZED  x          x  x         x  x         x  x           m  m
TERMINATED x          x  x         x  x         x  x           m  m
"""

SENT_BY_PROVIDER = """
REQUESTED  x  OFFERED  x  AGREED  x  x          TERMINATED  m  m
OFFERED    x  x        x  x       x  x          TERMINATED  m  m
ACCEPTED   x  x        x  AGREED  x  x          TERMINATED  m  m
AGREED     x  x        x  x       x  x          TERMINATED  m  m
VERIFIED   x  x        x  x       x  FINALIZED  TERMINATED  m  m
FINALIZED  x  x        x  x       x  x          x           m  m
TERMINATED x  x        x  x       x  x          x           m  m
"""


def cells(table: str, role: Role) -> list[tuple[Role, NegotiationState, str, str]]:
    rows = [line.split() for line in table.strip().splitlines()]
    assert [row[0] for row in rows] == [state.value for state in NegotiationState]
    assert all(len(row) == 1 + len(COLUMNS) for row in rows)
    return [
        (role, NegotiationState(row[0]), column, outcome)
        for row in rows
        for column, outcome in zip(COLUMNS, row[1:], strict=True)
    ]


RECEIVED = cells(RECEIVED_BY_PROVIDER, Role.PROVIDER) + cells(RECEIVED_BY_CONSUMER, Role.CONSUMER)
SENT = cells(SENT_BY_PROVIDER, Role.PROVIDER) + cells(SENT_BY_CONSUMER, Role.CONSUMER)
REFUSALS = {"x": IllegalTransition, "m": MismatchedMessage}


def message_of(column: str) -> NegotiationMessage:
    return NEGOTIATION_MESSAGES[column]


@pytest.mark.parametrize(("role", "state", "column", "outcome"), RECEIVED)
def test_what_is_received_does_what_the_table_says(
    role: Role, state: NegotiationState, column: str, outcome: str
) -> None:
    before = negotiation_in(state, role)
    if outcome in REFUSALS:
        with pytest.raises(REFUSALS[outcome]):
            machine.receive(before, message_of(column), now_ms=2)
        return
    step = machine.receive(before, message_of(column), now_ms=2)
    if outcome == "=":
        assert step == machine.Step(negotiation=before, duplicate=True)
        return
    assert step.negotiation.state == outcome
    assert step.negotiation.updated_ms == 2
    assert step.effects == (Settle(), Tell(f"negotiation.{outcome.lower()}"))
    assert not step.duplicate


@pytest.mark.parametrize(("role", "state", "column", "outcome"), SENT)
def test_what_is_sent_does_what_the_table_says(
    role: Role, state: NegotiationState, column: str, outcome: str
) -> None:
    before = negotiation_in(state, role)
    if outcome in REFUSALS:
        with pytest.raises(REFUSALS[outcome]):
            machine.act(before, message_of(column), now_ms=2)
        return
    step = machine.act(before, message_of(column), now_ms=2)
    assert step.negotiation.state == outcome
    assert step.negotiation.updated_ms == 2
    assert step.effects == (Deliver(message_of(column)), Tell(f"negotiation.{outcome.lower()}"))
    assert not step.duplicate
