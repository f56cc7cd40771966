"""Every cell of the transfer's table: state by message by sender, written by hand from DSP 2025-1, 9.1.3 and
9.2.
"""

import pytest

from ashiato.dsp import transfer as machine
from ashiato.dsp.errors import IllegalTransition
from ashiato.dsp.states import Role, TransferState
from ashiato.dsp.transfer import Deliver, Settle, Tell
from tests.dsp.conversation import TRANSFER_MESSAGES, transfer_in

# x: refused, =: a duplicate, else the new state. The letter after the state is the side that led there: C or P.
# The renewing start names another address than the one known.
COLUMNS = "request start renewing_start suspension completion termination".split()

RECEIVED_BY_PROVIDER = """
REQUESTED  C  =  x        x        x          x          TERMINATED
STARTED    C  =  =        =        SUSPENDED  COMPLETED  TERMINATED
STARTED    P  =  =        =        SUSPENDED  COMPLETED  TERMINATED
SUSPENDED  C  =  STARTED  STARTED  =          x          TERMINATED
SUSPENDED  P  =  STARTED  STARTED  =          x          TERMINATED
COMPLETED  C  =  x        x        x          =          x
COMPLETED  P  =  x        x        x          =          x
TERMINATED C  =  x        x        x          x          =
TERMINATED P  =  x        x        x          x          =
"""

RECEIVED_BY_CONSUMER = """
REQUESTED  C  x  STARTED  STARTED  x          x          TERMINATED
STARTED    C  x  =        STARTED  SUSPENDED  COMPLETED  TERMINATED
STARTED    P  x  =        x        SUSPENDED  COMPLETED  TERMINATED
SUSPENDED  C  x  STARTED  STARTED  =          x          TERMINATED
SUSPENDED  P  x  STARTED  STARTED  =          x          TERMINATED
COMPLETED  C  x  x        x        x          =          x
COMPLETED  P  x  x        x        x          =          x
TERMINATED C  x  x        x        x          x          =
TERMINATED P  x  x        x        x          x          =
"""

SENT_BY_CONSUMER = """
REQUESTED  C  x  x        x        x          x          TERMINATED
STARTED    C  x  x        x        SUSPENDED  COMPLETED  TERMINATED
STARTED    P  x  x        x        SUSPENDED  COMPLETED  TERMINATED
SUSPENDED  C  x  STARTED  STARTED  x          x          TERMINATED
SUSPENDED  P  x  STARTED  STARTED  x          x          TERMINATED
COMPLETED  C  x  x        x        x          x          x
COMPLETED  P  x  x        x        x          x          x
TERMINATED C  x  x        x        x          x          x
TERMINATED P  x  x        x        x          x          x
"""

SENT_BY_PROVIDER = """
REQUESTED  C  x  STARTED  STARTED  x          x          TERMINATED
STARTED    C  x  x        x        SUSPENDED  COMPLETED  TERMINATED
STARTED    P  x  x        x        SUSPENDED  COMPLETED  TERMINATED
SUSPENDED  C  x  STARTED  STARTED  x          x          TERMINATED
SUSPENDED  P  x  STARTED  STARTED  x          x          TERMINATED
COMPLETED  C  x  x        x        x          x          x
COMPLETED  P  x  x        x        x          x          x
TERMINATED C  x  x        x        x          x          x
TERMINATED P  x  x        x        x          x          x
"""

ROLES = {"C": Role.CONSUMER, "P": Role.PROVIDER}
POSSIBLE = {(TransferState.REQUESTED, Role.CONSUMER)} | {
    (state, role) for state in TransferState if state is not TransferState.REQUESTED for role in Role
}
Cell = tuple[Role, TransferState, Role, str, str]


def cells(table: str, role: Role) -> list[Cell]:
    rows = [line.split() for line in table.strip().splitlines()]
    assert {(TransferState(row[0]), ROLES[row[1]]) for row in rows} == POSSIBLE
    assert len(rows) == len(POSSIBLE)
    return [
        (role, TransferState(row[0]), ROLES[row[1]], column, outcome)
        for row in rows
        for column, outcome in zip(COLUMNS, row[2:], strict=True)
    ]


RECEIVED = cells(RECEIVED_BY_PROVIDER, Role.PROVIDER) + cells(RECEIVED_BY_CONSUMER, Role.CONSUMER)
SENT = cells(SENT_BY_PROVIDER, Role.PROVIDER) + cells(SENT_BY_CONSUMER, Role.CONSUMER)


@pytest.mark.parametrize(("role", "state", "moved_by", "column", "outcome"), RECEIVED)
def test_what_is_received_does_what_the_table_says(
    role: Role, state: TransferState, moved_by: Role, column: str, outcome: str
) -> None:
    before = transfer_in(state, role, moved_by)
    message = TRANSFER_MESSAGES[column]
    if outcome == "x":
        with pytest.raises(IllegalTransition):
            machine.receive(before, message, now_ms=2)
        return
    step = machine.receive(before, message, now_ms=2)
    if outcome == "=":
        assert step == machine.Step(transfer=before, duplicate=True)
        return
    assert step.transfer.state == outcome
    assert step.transfer.moved_by is role.other
    assert step.transfer.updated_ms == 2
    assert step.effects == (Settle(), Tell(f"transfer.{outcome.lower()}"))
    assert not step.duplicate


@pytest.mark.parametrize(("role", "state", "moved_by", "column", "outcome"), SENT)
def test_what_is_sent_does_what_the_table_says(
    role: Role, state: TransferState, moved_by: Role, column: str, outcome: str
) -> None:
    before = transfer_in(state, role, moved_by)
    message = TRANSFER_MESSAGES[column]
    if outcome == "x":
        with pytest.raises(IllegalTransition):
            machine.act(before, message, now_ms=2)
        return
    step = machine.act(before, message, now_ms=2)
    assert step.transfer.state == outcome
    assert step.transfer.moved_by is role
    assert step.transfer.updated_ms == 2
    assert step.effects == (Deliver(message), Tell(f"transfer.{outcome.lower()}"))
