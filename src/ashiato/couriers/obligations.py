"""What obligations leave to the courier: to look after their date, and to carry a notice to the party that it names."""

from collections.abc import Callable

from ashiato.clients.egress import Egress
from ashiato.connector import obligations
from ashiato.connector.node import Node
from ashiato.couriers.delivering import Outcome, Verdict
from ashiato.couriers.webhooks import WebhookCourier
from ashiato.outbox.deliveries import Delivery
from ashiato.trust.keys import SigningKey


class ObligationCourier:
    """The handler of OBLIGATION deliveries: the date of an obligation is over, or the next of a series begins."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def deliver(self, delivery: Delivery) -> Outcome:
        """Nothing leaves the program; what follows is written in the transaction that forgets the delivery."""
        moment, obligation_id = self._node.moment(), delivery.body.decode()
        follow = obligations.recur if delivery.message_name == obligations.NEXT else obligations.come_due
        return Outcome(verdict=Verdict.DONE, record=lambda uow: follow(uow, obligation_id, moment))


def notice_courier(node: Node, egress: Egress, key_of: Callable[[str], SigningKey]) -> WebhookCourier:
    """The handler of NOTICE deliveries: signed like a webhook, but to an address that a policy names, so only to public ones."""
    return WebhookCourier(node, lambda _: egress, key_of)
