"""Ends agreements at their time, and tells partners of ends that we decided."""

from ashiato.clients.egress import Egress, EgressRefused, Unreachable
from ashiato.connector import transfers
from ashiato.connector.node import Node
from ashiato.connector.ports import UnitOfWork
from ashiato.couriers.delivering import Outcome, Verdict
from ashiato.dsp import v2025_1 as wire
from ashiato.outbox.deliveries import Delivery

NOTICE_TIMEOUT_S = 15.0
# 401 for a clock or a key that is being rotated; the others pass.
TRY_AGAIN = frozenset({401, 408, 425, 429})


class Ender:
    """The handlers of EXPIRY and ENDING deliveries."""

    def __init__(self, node: Node, egress: Egress) -> None:
        self._node = node
        self._egress = egress

    async def expire(self, delivery: Delivery) -> Outcome:
        """The time of an agreement is over: its record says so from now on. A repeated one changes nothing."""
        tenant = self._node.tenants.by_id(delivery.participant_id)
        if tenant is None:
            return Outcome(verdict=Verdict.AGAIN, why="the participant is not served by this node")
        company, moment = tenant.company, self._node.moment()

        def record(uow: UnitOfWork) -> None:
            transfers.expire_agreement(uow, company, delivery.body.decode(), moment)

        return Outcome(verdict=Verdict.DONE, record=record)

    async def notify(self, delivery: Delivery) -> Outcome:
        """One try. A partner that refuses the notice does not know of such notices, and asks us when it wants data."""
        if self._node.tenants.by_id(delivery.participant_id) is None:
            return Outcome(verdict=Verdict.AGAIN, why="the participant is not served by this node")
        moment = self._node.moment()
        token = await self._node.identity.token_for(
            delivery.participant_id, delivery.audience, moment.now_ms, moment.fresh_id()
        )
        try:
            response = await self._egress.request(
                "POST",
                delivery.address,
                headers={"Authorization": token, "Content-Type": wire.MEDIA_TYPE},
                body=delivery.body,
                timeout_s=NOTICE_TIMEOUT_S,
            )
        except Unreachable as error:
            return Outcome(verdict=Verdict.AGAIN, why=error.why)
        except EgressRefused as error:
            return Outcome(verdict=Verdict.DONE, why=error.why)
        if response.status in TRY_AGAIN or response.status >= 500:
            return Outcome(verdict=Verdict.AGAIN, why=f"it answered {response.status}")
        return Outcome(verdict=Verdict.DONE)
