"""What follows from the counterparty's stated state, for every pair of states, written by hand."""

import msgspec
import pytest

from ashiato.dsp import negotiation, transfer
from ashiato.dsp.effects import Effect
from ashiato.dsp.messages import ContractNegotiationTerminationMessage, TransferTerminationMessage
from ashiato.dsp.negotiation import ContractNegotiation, Redeliver, Settle, Tell
from ashiato.dsp.states import Doubt, NegotiationState, Role, TransferState
from tests.dsp.conversation import CONSUMER_PID, PROVIDER_PID, negotiation_in, transfer_in

# r: redeliver, s: settle, T: terminate, A: terminate and tell the counterparty, !: stay and tell that it contradicts itself.
# The columns are what the counterparty states; "again" is a request or offer that did not open the negotiation, "C" or
# "P" after AGREED the side whose offer was agreed to.
CONSUMER_IN_DOUBT = """
                 unknown REQUESTED OFFERED ACCEPTED AGREED VERIFIED FINALIZED TERMINATED
REQUESTED first        r         s       s        A      s        A         A          T
REQUESTED again        r         s       r        A      s        A         A          T
OFFERED   again        r         A       s        A      A        A         A          T
ACCEPTED  again        r         A       r        s      s        A         A          T
AGREED    C            r         A       A        A      s        A         A          T
VERIFIED  C            r         A       A        A      r        s         s          T
FINALIZED C            r         !       !        !      !        !         s          !
TERMINATED first       r         r       r        r      r        r         s          s
"""
PROVIDER_IN_DOUBT = """
                 unknown REQUESTED OFFERED ACCEPTED AGREED VERIFIED FINALIZED TERMINATED
REQUESTED first        r         s       A        A      A        A         A          T
OFFERED   first        r         s       s        s      A        A         A          T
OFFERED   again        r         r       s        s      A        A         A          T
ACCEPTED  again        r         A       A        s      A        A         A          T
AGREED    C            r         r       A        A      s        s         A          T
AGREED    P            r         A       A        r      s        s         A          T
VERIFIED  C            r         A       A        A      A        s         A          T
FINALIZED C            r         A       A        A      A        r         s          T
TERMINATED first       r         r       r        r      r        r         s          s
"""
# With nothing in the outbox a counterparty that is behind has acknowledged what it now does not know: it stands apart.
CONSUMER_ACKNOWLEDGED = """
                 unknown REQUESTED OFFERED ACCEPTED AGREED VERIFIED FINALIZED TERMINATED
REQUESTED again        r         s       s        A      s        A         A          T
ACCEPTED  again        r         A       A        s      s        A         A          T
VERIFIED  C            r         A       A        A      A        s         s          T
"""
PROVIDER_ACKNOWLEDGED = """
                 unknown REQUESTED OFFERED ACCEPTED AGREED VERIFIED FINALIZED TERMINATED
OFFERED   again        r         s       s        s      A        A         A          T
AGREED    C            r         A       A        A      s        s         A          T
FINALIZED C            r         !       !        !      !        !         s          !
"""

# A counterparty that is behind and refused our message will not take it the next time either.
CONSUMER_REFUSED = """
                 unknown REQUESTED OFFERED ACCEPTED AGREED VERIFIED FINALIZED TERMINATED
REQUESTED first        r         s       s        A      s        A         A          T
REQUESTED again        r         s       A        A      s        A         A          T
ACCEPTED  again        r         A       A        s      s        A         A          T
VERIFIED  C            r         A       A        A      A        s         s          T
"""
PROVIDER_REFUSED = """
                 unknown REQUESTED OFFERED ACCEPTED AGREED VERIFIED FINALIZED TERMINATED
OFFERED   first        r         s       s        s      A        A         A          T
OFFERED   again        r         A       s        s      A        A         A          T
AGREED    C            r         A       A        A      s        s         A          T
AGREED    P            r         A       A        A      s        s         A          T
FINALIZED C            r         A       A        A      A        A         s          T
"""

Case = tuple[Role, Doubt, str, str, str, str]


def cases(table: str, role: Role, doubt: Doubt) -> list[Case]:
    header, *rows = [line.split() for line in table.strip().splitlines()]
    return [
        (role, doubt, row[0], row[1], stated, outcome)
        for row in rows
        for stated, outcome in zip(header, row[2:], strict=True)
    ]


NEGOTIATIONS = [
    *cases(CONSUMER_IN_DOUBT, Role.CONSUMER, Doubt.SILENCE),
    *cases(PROVIDER_IN_DOUBT, Role.PROVIDER, Doubt.SILENCE),
    *cases(CONSUMER_ACKNOWLEDGED, Role.CONSUMER, Doubt.NONE),
    *cases(PROVIDER_ACKNOWLEDGED, Role.PROVIDER, Doubt.NONE),
    *cases(CONSUMER_REFUSED, Role.CONSUMER, Doubt.REFUSAL),
    *cases(PROVIDER_REFUSED, Role.PROVIDER, Doubt.REFUSAL),
]


def negotiation_of(state: str, detail: str, role: Role) -> ContractNegotiation:
    process = negotiation_in(NegotiationState(state), role, rounds=3 if detail == "again" else 1)
    if detail == "P":
        return msgspec.structs.replace(process, offer_by=Role.PROVIDER)
    return process


@pytest.mark.parametrize(("role", "doubt", "state", "detail", "stated", "outcome"), NEGOTIATIONS)
def test_a_negotiation_follows_from_the_two_states(
    role: Role, doubt: Doubt, state: str, detail: str, stated: str, outcome: str
) -> None:
    before = negotiation_of(state, detail, role)
    peer_state = None if stated == "unknown" else NegotiationState(stated)
    step = negotiation.reconcile(before, peer_state, 2, doubt=doubt)
    if outcome in ("r", "s", "!"):
        effects: dict[str, tuple[Effect, ...]] = {
            "r": (Redeliver(),),
            "s": (Settle(),),
            "!": (Settle(), Tell("negotiation.contradicted")),
        }
        assert step == negotiation.Step(negotiation=before, effects=effects[outcome])
        return
    assert step.negotiation.state is NegotiationState.TERMINATED
    assert step.negotiation.updated_ms == 2
    assert step.negotiation.reason is not None
    told = [effect for effect in step.effects if not isinstance(effect, negotiation.Deliver)]
    assert told == [Settle(), Tell("negotiation.terminated")]
    delivered = [effect.message for effect in step.effects if isinstance(effect, negotiation.Deliver)]
    termination = ContractNegotiationTerminationMessage(
        provider_pid=PROVIDER_PID, consumer_pid=CONSUMER_PID, reason=step.negotiation.reason.reason
    )
    assert delivered == ([termination] if outcome == "A" else [])


def test_a_negotiation_apart_from_a_peer_that_never_named_its_process_ends_silently() -> None:
    nameless = msgspec.structs.replace(negotiation_of("REQUESTED", "first", Role.CONSUMER), peer_pid=None)
    step = negotiation.reconcile(nameless, NegotiationState.VERIFIED, 2)
    assert step.negotiation.state is NegotiationState.TERMINATED
    assert step.effects == (Settle(), Tell("negotiation.terminated"))


# r: redeliver, s: settle, A: terminate and tell the counterparty, !: stay and tell that it contradicts itself, else the
# state that is taken over.
# C or P after the state is the side that led there.
CONSUMER_TRANSFER = """
             unknown REQUESTED STARTED SUSPENDED COMPLETED TERMINATED
REQUESTED  C       r         s       s         s         s TERMINATED
STARTED    C       r         r       s         r COMPLETED TERMINATED
STARTED    P       r         s       s SUSPENDED COMPLETED TERMINATED
SUSPENDED  C       r         r       r         s COMPLETED TERMINATED
SUSPENDED  P       r         s STARTED         s COMPLETED TERMINATED
COMPLETED  C       r         r       r         r         s TERMINATED
COMPLETED  P       r         s       s         s         s          !
TERMINATED C       r         r       r         r         s          s
TERMINATED P       r         r       r         r         s          s
"""
PROVIDER_TRANSFER = """
             unknown REQUESTED STARTED SUSPENDED COMPLETED TERMINATED
REQUESTED  C       r         s       s         s         s TERMINATED
STARTED    P       r         r       s         r COMPLETED TERMINATED
STARTED    C       r         s       s         s COMPLETED TERMINATED
SUSPENDED  P       r         r       r         s COMPLETED TERMINATED
SUSPENDED  C       r         s       s         s COMPLETED TERMINATED
COMPLETED  P       r         r       r         r         s TERMINATED
COMPLETED  C       r         s       s         s         s          !
TERMINATED C       r         r       r         r         s          s
TERMINATED P       r         r       r         r         s          s
"""
CONSUMER_TRANSFER_ACKNOWLEDGED = """
             unknown REQUESTED STARTED SUSPENDED COMPLETED TERMINATED
STARTED    C       r         s       s SUSPENDED COMPLETED TERMINATED
SUSPENDED  C       r         s STARTED         s COMPLETED TERMINATED
COMPLETED  C       r         s       s         s         s          !
"""
PROVIDER_TRANSFER_ACKNOWLEDGED = """
             unknown REQUESTED STARTED SUSPENDED COMPLETED TERMINATED
STARTED    P       r         s       s         s COMPLETED TERMINATED
SUSPENDED  P       r         s       s         s COMPLETED TERMINATED
COMPLETED  P       r         s       s         s         s          !
"""
CONSUMER_TRANSFER_REFUSED = """
             unknown REQUESTED STARTED SUSPENDED COMPLETED TERMINATED
STARTED    C       r         A       s SUSPENDED COMPLETED TERMINATED
SUSPENDED  C       r         A STARTED         s COMPLETED TERMINATED
COMPLETED  C       r         r       r         r         s TERMINATED
TERMINATED C       r         r       r         r         s          s
"""
PROVIDER_TRANSFER_REFUSED = """
             unknown REQUESTED STARTED SUSPENDED COMPLETED TERMINATED
STARTED    P       r         A       s         s COMPLETED TERMINATED
SUSPENDED  P       r         A       s         s COMPLETED TERMINATED
COMPLETED  P       r         r       r         r         s TERMINATED
TERMINATED P       r         r       r         r         s          s
"""
TRANSFERS = [
    *cases(CONSUMER_TRANSFER, Role.CONSUMER, Doubt.SILENCE),
    *cases(PROVIDER_TRANSFER, Role.PROVIDER, Doubt.SILENCE),
    *cases(CONSUMER_TRANSFER_ACKNOWLEDGED, Role.CONSUMER, Doubt.NONE),
    *cases(PROVIDER_TRANSFER_ACKNOWLEDGED, Role.PROVIDER, Doubt.NONE),
    *cases(CONSUMER_TRANSFER_REFUSED, Role.CONSUMER, Doubt.REFUSAL),
    *cases(PROVIDER_TRANSFER_REFUSED, Role.PROVIDER, Doubt.REFUSAL),
]


@pytest.mark.parametrize(("role", "doubt", "state", "mover", "stated", "outcome"), TRANSFERS)
def test_a_transfer_follows_from_the_two_states(
    role: Role, doubt: Doubt, state: str, mover: str, stated: str, outcome: str
) -> None:
    moved_by = Role.CONSUMER if mover == "C" else Role.PROVIDER
    before = transfer_in(TransferState(state), role, moved_by)
    peer_state = None if stated == "unknown" else TransferState(stated)
    step = transfer.reconcile(before, peer_state, 2, doubt=doubt)
    if outcome in ("r", "s", "!"):
        effects: dict[str, tuple[Effect, ...]] = {
            "r": (Redeliver(),),
            "s": (Settle(),),
            "!": (Settle(), Tell("transfer.contradicted")),
        }
        assert step == transfer.Step(transfer=before, effects=effects[outcome])
        return
    if outcome == "A":
        assert step.transfer.state is TransferState.TERMINATED
        assert step.transfer.reason is not None
        message = TransferTerminationMessage(
            provider_pid=PROVIDER_PID, consumer_pid=CONSUMER_PID, reason=step.transfer.reason.reason
        )
        assert step.effects == (Settle(), transfer.Deliver(message), Tell("transfer.terminated"))
        return
    assert step.transfer.state == outcome
    assert step.transfer.moved_by is role.other
    assert step.transfer.updated_ms == 2
    assert step.effects == (Settle(), Tell(f"transfer.{outcome.lower()}"))
