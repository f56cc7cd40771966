"""Puts the assets of a large class into the catalog, a slice in each unit of work."""

from ashiato.connector import offers
from ashiato.connector.node import Node
from ashiato.couriers.delivering import Outcome, Verdict
from ashiato.outbox.deliveries import Delivery


class Indexer:
    """The handler of INDEX deliveries: each does one slice and leaves the next to the one behind it."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def deliver(self, delivery: Delivery) -> Outcome:
        """The slice is done in the transaction that forgets the delivery, so that none is left out."""
        offer_id, after_id = offers.read_slice_order(delivery.body)
        moment = self._node.moment()
        return Outcome(
            verdict=Verdict.DONE, record=lambda uow: offers.index_slice(uow, offer_id, after_id, moment)
        )
