"""Openings of negotiations between two firms, for the tests of their steps and of their ends."""

from collections.abc import Mapping

from ashiato.connector import negotiations
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.strategies import HOLD, Reaction
from ashiato.dsp.messages import ContractRequestMessage, NegotiationMessage
from ashiato.dsp.negotiation import ContractNegotiation
from ashiato.policy.builder import permit
from ashiato.trust.standing import Standing
from tests.connector.firms import Firm

FOR_A_MONTH = permit("use", elapsed="P30D")
FOR_A_WEEK = permit("use", elapsed="P7D")
THREE_TIMES = permit("use", max_uses=3)


class Silent:
    """A company in which nobody and nothing answers."""

    def negotiate(
        self,
        uow: UnitOfWork,
        negotiation: ContractNegotiation,
        context: dict[str, object],
        peer: Standing,
        now_ms: int,
    ) -> Reaction:
        return HOLD

    def hand_over(self, uow: UnitOfWork, transfer: object, now_ms: int) -> bool:
        return False


def opening(
    offer: Mapping[str, object], pid: str = "c-1", callback: str = "https://cells.example/dsp"
) -> ContractRequestMessage:
    return ContractRequestMessage(
        consumer_pid=pid, offer={"@type": "Offer", **offer}, callback_address=callback
    )


async def ask(provider: Firm, caller: Firm, message: ContractRequestMessage) -> ContractNegotiation:
    return await provider.run(
        lambda uow, moment: negotiations.requested(
            uow, provider.company, Standing(caller.did), message, moment
        )
    )


async def receive(receiver: Firm, caller: Firm, pid: str, message: NegotiationMessage) -> ContractNegotiation:
    return await receiver.run(
        lambda uow, moment: negotiations.received(
            uow, receiver.company, Standing(caller.did), pid, message, moment
        )
    )


async def both(pid: str, ours: Firm, theirs: Firm) -> tuple[ContractNegotiation, ContractNegotiation]:
    own = await ours.negotiation(pid)
    assert own.peer_pid is not None
    return own, await theirs.negotiation(own.peer_pid)
