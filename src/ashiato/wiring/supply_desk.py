"""Hands messages for an inbox to the use cases of the company whose inbox it is."""

from ashiato.connector.node import Node
from ashiato.connector.problems import Problem
from ashiato.connector.sources import SourceUnavailable
from ashiato.supply import inbox
from ashiato.supply.messages import MalformedSupplyMessage, Receipt, Refusal
from ashiato.supply.ports import SupplyStore


class SupplyDesk:
    """The port `SupplyDesk`: one unit of work for each message."""

    def __init__(self, node: Node, chain: SupplyStore) -> None:
        self._node = node
        self._chain = chain

    async def take(self, participant_id: str, caller: str, body: bytes) -> Receipt | Refusal:
        """See `clients.sources.supply_inbox.SupplyDesk`."""
        tenant = self._node.tenants.by_id(participant_id)
        if tenant is None:
            raise SourceUnavailable("the participant is not served by this node")
        moment, company = self._node.moment(), tenant.company
        try:
            return await self._chain.run(
                participant_id, lambda uow: inbox.take(uow, company, caller, body, moment)
            )
        except MalformedSupplyMessage as error:
            return Refusal(code="malformed", reason=error.problem)
        except Problem as problem:
            return Refusal(code=problem.code, reason=problem.sentence)
