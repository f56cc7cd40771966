"""Tells a company's own systems what happened: one signed POST for each event, in order."""

from collections.abc import Callable

from ashiato.clients.egress import Egress, EgressRefused, Unreachable
from ashiato.connector.node import Node
from ashiato.couriers.delivering import Outcome, Verdict
from ashiato.outbox.deliveries import Delivery
from ashiato.trust.keys import SigningKey
from ashiato.trust.webhooks import sign_webhook

WEBHOOK_TIMEOUT_S = 10.0
GONE = 410


class WebhookCourier:
    """The handler of WEBHOOK deliveries. `key_of` gives a participant's present key."""

    def __init__(
        self, node: Node, egress_of: Callable[[str], Egress], key_of: Callable[[str], SigningKey]
    ) -> None:
        self._node = node
        self._egress_of = egress_of
        self._key_of = key_of

    async def deliver(self, delivery: Delivery) -> Outcome:
        """One try. A repeated try keeps the delivery's id, by which the receiver knows it, and is signed anew.

        Only 410 and an address that may not be called end it at once; everything else is tried again, so that a receiver that
        is down for a day misses nothing.
        """
        if self._node.tenants.by_id(delivery.participant_id) is None:
            return Outcome(verdict=Verdict.AGAIN, why="the participant is not served by this node")
        signed = sign_webhook(
            self._key_of(delivery.participant_id),
            delivery.body,
            self._node.moment().now_ms,
            delivery.delivery_id,
        )
        try:
            answer = await self._egress_of(delivery.participant_id).request(
                "POST",
                delivery.address,
                headers={**signed, "Content-Type": "application/json"},
                body=delivery.body,
                timeout_s=WEBHOOK_TIMEOUT_S,
                max_response_bytes=65_536,
            )
        except Unreachable as error:
            return Outcome(verdict=Verdict.AGAIN, why=str(error))
        except EgressRefused as error:
            return Outcome(verdict=Verdict.NEVER, why=str(error))
        if 200 <= answer.status < 300:
            return Outcome(verdict=Verdict.DONE)
        verdict = Verdict.NEVER if answer.status == GONE else Verdict.AGAIN
        return Outcome(verdict=verdict, why=f"the receiver answered {answer.status}")
