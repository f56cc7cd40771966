"""Fetches time stamps for signatures on agreements; nothing else waits for them."""

from ashiato.clients.time_stamps import NoTimeStamp, TimeStampAuthority
from ashiato.connector import time_stamps
from ashiato.connector.node import Node
from ashiato.couriers.delivering import Outcome, Verdict
from ashiato.outbox.deliveries import Delivery


class TimeStampCourier:
    """The handler of TIME_STAMP deliveries."""

    def __init__(self, node: Node, authority: TimeStampAuthority) -> None:
        self._node = node
        self._authority = authority

    async def deliver(self, delivery: Delivery) -> Outcome:
        """One try, with a nonce of its own. Whatever is wrong with the answer, another try may bring a better one."""
        agreement_id, moment = delivery.body.decode(), self._node.moment()
        signature = await self._node.store.read(
            delivery.participant_id, lambda uow: time_stamps.unstamped(uow, agreement_id)
        )
        if signature is None:
            return Outcome(verdict=Verdict.DONE)
        text = time_stamps.stamped_text(signature.jws)
        try:
            stamp = await self._authority.stamp(text, time_stamps.nonce_of(moment.fresh_id()))
        except NoTimeStamp as error:
            why = error.why
            return Outcome(
                verdict=Verdict.AGAIN,
                why=why,
                record=lambda uow: time_stamps.given_up(uow, agreement_id, why, moment),
            )
        return Outcome(
            verdict=Verdict.DONE,
            record=lambda uow: time_stamps.stamped(uow, agreement_id, signature, stamp, moment),
        )
