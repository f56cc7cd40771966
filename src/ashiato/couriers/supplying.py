"""Brings messages about requests for data to partners' inboxes, and fetches what their answers name."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import msgspec

from ashiato.connector import fetching
from ashiato.connector.negotiations import Partner
from ashiato.connector.node import Node, Tenant
from ashiato.connector.offers import note
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.problems import Problem
from ashiato.connector.transfers import PULL_FORMAT
from ashiato.couriers.calling import DataCaller
from ashiato.couriers.delivering import Outcome, Verdict
from ashiato.couriers.partners import Partners, PartnerUnavailable
from ashiato.couriers.waiting import Waiter
from ashiato.dsp.catalog import offers_of
from ashiato.outbox.deliveries import Delivery
from ashiato.supply import asking, lines, link_letters, notices, telling
from ashiato.supply.lines import LineState
from ashiato.supply.messages import (
    INBOX_ASSET_ID,
    MEDIA_TYPE,
    DataRequest,
    MalformedSupplyMessage,
    Receipt,
    Refusal,
    decode_reply,
    encode,
)
from ashiato.supply.request_ports import REQUESTS

PATIENCE_S = 10.0
MOST_REPLY_BYTES = 65_536
# These end by themselves; whatever else a partner's inbox refuses stays refused.
PASSING_REFUSALS = frozenset({"quota-exceeded"})

Outside = Callable[[], AbstractAsyncContextManager[None]]


class SupplyCourier:
    """The handlers of SUPPLY and SUPPLY_DATE deliveries. `outside` gives up a turn while a partner is waited for."""

    def __init__(
        self, node: Node, partners: Partners, waiter: Waiter, caller: DataCaller, outside: Outside
    ) -> None:
        self._node = node
        self._partners = partners
        self._waiter = waiter
        self._caller = caller
        self._outside = outside

    async def come_due(self, delivery: Delivery) -> Outcome:
        """The date of a request is over."""
        tenant = self._node.tenants.by_id(delivery.participant_id)
        if tenant is None:
            return Outcome(verdict=Verdict.AGAIN, why="the participant is not served by this node")
        moment, company, own_id = self._node.moment(), tenant.company, delivery.body.decode()
        return Outcome(
            verdict=Verdict.DONE, record=lambda uow: telling.come_due(uow, company, own_id, moment)
        )

    async def deliver(self, delivery: Delivery) -> Outcome:
        """One try of a message, or of the start of a fetch."""
        tenant = self._node.tenants.by_id(delivery.participant_id)
        if tenant is None:
            return Outcome(verdict=Verdict.AGAIN, why="the participant is not served by this node")
        try:
            if delivery.message_name == telling.FETCH:
                return await self._begin_fetch(tenant, delivery)
            return await self._bring(tenant, delivery)
        except Problem as problem:
            return await self._hindered(tenant, delivery, problem.sentence)

    async def _bring(self, tenant: Tenant, delivery: Delivery) -> Outcome:
        body, told = delivery.body, None
        if delivery.message_name == telling.STATUS:
            moment = self._node.moment()
            found = await self._node.store.read(
                tenant.participant_id,
                lambda uow: telling.progress(uow, delivery.body.decode(), moment.fresh_iri()),
            )
            if found is None:
                return Outcome(verdict=Verdict.DONE)
            told, body = found[0], encode(found[1])
        pid = await self._line(tenant, delivery)
        reply = await self._post(tenant, pid, body)
        moment, company = self._node.moment(), tenant.company
        own_id = delivery.process_id.partition(":")[2]
        if isinstance(reply, Refusal):
            if reply.code in PASSING_REFUSALS:
                return await self._hindered(tenant, delivery, reply.reason)
            return self._refused(tenant, delivery, f"{reply.code}: {reply.reason}")

        def record(uow: UnitOfWork) -> None:
            if told is not None:
                telling.progress_told(uow, told, moment)
            elif delivery.message_name == DataRequest.__name__:
                repeated = reply.outcome == "already-asked"
                asking.delivered(uow, company, own_id, already_asked=repeated, moment=moment)

        return Outcome(verdict=Verdict.DONE, record=record)

    async def _post(self, tenant: Tenant, transfer_pid: str, body: bytes) -> Receipt | Refusal:
        """What the inbox answered; raises `Problem` when it was not the inbox that spoke."""
        headers = {"Content-Type": MEDIA_TYPE}
        async with self._caller.call(tenant, transfer_pid, "POST", "", headers, body) as answer:
            content = bytearray()
            async for chunk in answer.chunks():
                content += chunk
                if len(content) > MOST_REPLY_BYTES:
                    raise PartnerUnavailable("The partner's inbox answered at too great length.")
        try:
            return decode_reply(bytes(content))
        except MalformedSupplyMessage:
            raise PartnerUnavailable(
                f"The partner's data plane answered {answer.status} in the place of its inbox."
            ) from None

    async def _line(self, tenant: Tenant, delivery: Delivery) -> str:
        """The transfer to post through, negotiated where need be; raises `Problem` when it is not there in time."""
        owner, peer_id = tenant.participant_id, delivery.audience
        now_ms = self._node.moment().now_ms
        pid = await self._node.store.read(owner, lambda uow: lines.ready(uow, peer_id, now_ms))
        if pid is not None:
            return pid
        partner = Partner(peer_id, delivery.address or await self._partners.locate(peer_id))
        ends_s = asyncio.get_running_loop().time() + PATIENCE_S
        listening: asyncio.Task[None] | None = None
        listened_pid = ""
        try:
            while True:
                line = await self._look(tenant, partner)
                if line.state is LineState.ABSENT:
                    line = await self._open(tenant, partner)
                if line.state is LineState.READY:
                    return line.pid
                if line.state is LineState.REFUSED:
                    raise PartnerUnavailable(f"The partner refuses its inbox: {line.reason}")
                rest_s = ends_s - asyncio.get_running_loop().time()
                if rest_s <= 0:
                    raise PartnerUnavailable("The partner has not agreed to open its inbox yet.")
                if listening is not None and listened_pid == line.pid and not listening.done():
                    async with self._outside():
                        await asyncio.wait({listening}, timeout=rest_s)
                    continue
                if listening is not None:
                    listening.cancel()
                # Who listens first and then looks again misses nothing that happens in between.
                listening = asyncio.create_task(self._waiter.wait(owner, line.pid, rest_s))
                listened_pid = line.pid
                await asyncio.sleep(0)
        finally:
            if listening is not None:
                listening.cancel()

    async def _look(self, tenant: Tenant, partner: Partner) -> lines.Line:
        moment = self._node.moment()
        return await self._node.store.run(
            tenant.participant_id, lambda uow: lines.find(uow, tenant.company, partner, moment)
        )

    async def _open(self, tenant: Tenant, partner: Partner) -> lines.Line:
        offer = await self._offer(tenant, partner, INBOX_ASSET_ID)
        if offer is None:
            raise PartnerUnavailable(
                "The partner opens its inbox only on terms that a person must agree to; negotiate them."
            )
        moment = self._node.moment()
        return await self._node.store.run(
            tenant.participant_id, lambda uow: lines.open_line(uow, tenant.company, partner, offer, moment)
        )

    async def _offer(self, tenant: Tenant, partner: Partner, asset_id: str) -> dict[str, object] | None:
        dataset = await self._partners.dataset(tenant, partner.participant_id, partner.address, asset_id)
        now_ms = self._node.moment().now_ms
        return await self._node.store.read(
            tenant.participant_id,
            lambda uow: lines.harmless_offer(uow, partner.participant_id, offers_of(dataset), now_ms),
        )

    async def _begin_fetch(self, tenant: Tenant, delivery: Delivery) -> Outcome:
        own_id, version = telling.read_fetch_order(delivery.body)
        owner, peer_id = tenant.participant_id, delivery.audience
        answer = await self._node.store.read(owner, lambda uow: asking.answer_to_fetch(uow, own_id, version))
        if answer is None:
            return Outcome(verdict=Verdict.DONE)
        moment = self._node.moment()
        partner = Partner(peer_id, delivery.address or await self._partners.locate(peer_id))
        agreement = await self._node.store.read(
            owner, lambda uow: fetching.usable_agreement(uow, peer_id, answer.asset_id, moment.now_ms)
        )
        offer = None if agreement is not None else await self._offer(tenant, partner, answer.asset_id)
        if agreement is None and offer is None:
            why = "The partner offers it only on terms that a person must agree to; fetch it yourself."
            return self._refused(tenant, delivery, why)

        def record(uow: UnitOfWork) -> None:
            if asking.answer_to_fetch(uow, own_id, version) is None:
                return
            fetch = fetching.begin(uow, tenant.company, partner, answer.asset_id, offer, PULL_FORMAT, moment)
            uow.room(REQUESTS).put_answer(msgspec.structs.replace(answer, fetch_id=fetch.fetch_id))

        return Outcome(verdict=Verdict.DONE, record=record)

    async def _hindered(self, tenant: Tenant, delivery: Delivery, why: str) -> Outcome:
        """It is tried again; people see why it waits, and after the last try that it failed."""
        refused = self._refused(tenant, delivery, why)
        own_id = _own_id(delivery)
        if delivery.attempts_count in (0, 1, 5):
            await self._node.store.run(tenant.participant_id, lambda uow: asking.hindered(uow, own_id, why))
        return msgspec.structs.replace(refused, verdict=Verdict.AGAIN)

    def _refused(self, tenant: Tenant, delivery: Delivery, why: str) -> Outcome:
        moment, company, own_id = self._node.moment(), tenant.company, _own_id(delivery)

        def record(uow: UnitOfWork) -> None:
            if delivery.message_name == telling.FETCH:
                asking.not_fetched(uow, company, delivery.body, why, moment)
            elif delivery.message_name == DataRequest.__name__:
                asking.undelivered(uow, company, own_id, why, moment)
            elif delivery.process_id.startswith(link_letters.PROCESS_PREFIX):
                details: dict[str, object] = {"message": delivery.message_name, "reason": why}
                note(uow, moment, "link.message-refused", own_id, details, delivery.audience)
            elif delivery.process_id.startswith(notices.PROCESS_PREFIX):
                notices.not_taken(uow, delivery, why, moment)
            else:
                asking.not_taken(uow, company, own_id, delivery.message_name, why, moment)

        return Outcome(verdict=Verdict.NEVER, why=why, record=record)


def _own_id(delivery: Delivery) -> str:
    if delivery.message_name == telling.FETCH:
        return telling.read_fetch_order(delivery.body)[0]
    return delivery.process_id.partition(":")[2]
