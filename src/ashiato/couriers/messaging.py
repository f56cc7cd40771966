"""Delivers protocol messages and brings both sides to the same state after a doubt (DSP 2025-1, 8.3 and 10.3)."""

from collections.abc import Callable

import msgspec

from ashiato.clients.egress import (
    Egress,
    EgressError,
    EgressRefused,
    EgressResponse,
    RedirectRefused,
    ResponseTooLarge,
    Unreachable,
)
from ashiato.connector import negotiations, transfers
from ashiato.connector.node import Node, Tenant
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.problems import NotFound
from ashiato.couriers.delivering import Outcome, Verdict
from ashiato.couriers.patience import asked_patience_ms
from ashiato.dsp import v2025_1 as wire
from ashiato.dsp.effects import Ending
from ashiato.dsp.errors import MalformedMessage
from ashiato.dsp.messages import (
    ContractNegotiationAck,
    ContractNegotiationError,
    ContractOfferMessage,
    TransferError,
    TransferProcessAck,
)
from ashiato.dsp.negotiation import ContractNegotiation
from ashiato.dsp.pids import is_usable_pid
from ashiato.dsp.states import Doubt, NegotiationState, Role, TransferState
from ashiato.dsp.transfer import TransferProcess
from ashiato.outbox.deliveries import Delivery

MESSAGE_TIMEOUT_S = 15.0
LONGEST_REASON_LENGTH_COUNT = 500
# 401 is here because our token may have been refused for a clock or a key that is being rotated; a later try brings a
# fresh one. 404 because a counterparty may open its endpoint a moment after it spoke.
TRY_AGAIN = frozenset({401, 404, 408, 409, 425, 429})
MOVED_FOR_GOOD = frozenset({301, 308})

Process = ContractNegotiation | TransferProcess
Ack = ContractNegotiationAck | TransferProcessAck


class Messenger:
    """The handler of MESSAGE deliveries. A token is minted at each try, because each may be used once."""

    def __init__(self, node: Node, egress: Egress) -> None:
        self._node = node
        self._egress = egress

    async def deliver(self, delivery: Delivery) -> Outcome:
        """One try: post, and when in doubt first ask the counterparty how it sees the process."""
        tenant = self._node.tenants.by_id(delivery.participant_id)
        if tenant is None:
            return Outcome(verdict=Verdict.AGAIN, why="the participant is not served by this node")
        if delivery.attempts_count > 0:
            settled = await self._reconcile(tenant, delivery, Doubt.SILENCE)
            if settled is not None:
                return settled
        try:
            response = await self._post(delivery)
        except (Unreachable, ResponseTooLarge) as error:
            return self._again(tenant, delivery, error.why)
        except RedirectRefused as error:
            if error.status not in MOVED_FOR_GOOD:
                return self._again(tenant, delivery, error.why)
            return self._never(tenant, delivery, error.why)
        except EgressRefused as error:
            return self._never(tenant, delivery, error.why)
        if 200 <= response.status < 300:
            return self._done(tenant, delivery, response)
        if response.status in TRY_AGAIN or response.status >= 500:
            again = self._again(tenant, delivery, f"it answered {response.status}")
            patience_ms = asked_patience_ms(response, self._node.moment().now_ms)
            return msgspec.structs.replace(again, patience_ms=patience_ms)
        # The refusal may be of a message that it took before, so its own view of the state decides.
        settled = await self._reconcile(tenant, delivery, Doubt.REFUSAL)
        if settled is not None:
            return settled
        return self._never(tenant, delivery, f"{response.status} {_reason(delivery, response.body)}")

    async def _post(self, delivery: Delivery) -> EgressResponse:
        moment = self._node.moment()
        token = await self._node.identity.token_for(
            delivery.participant_id, delivery.audience, moment.now_ms, moment.fresh_id()
        )
        return await self._egress.request(
            "POST",
            delivery.address,
            headers={"Authorization": token, "Content-Type": wire.MEDIA_TYPE},
            body=delivery.body,
            timeout_s=MESSAGE_TIMEOUT_S,
        )

    def _done(self, tenant: Tenant, delivery: Delivery, response: EgressResponse) -> Outcome:
        if not _opens(delivery):
            return Outcome(verdict=Verdict.DONE)
        is_provider = delivery.message_name == ContractOfferMessage.__name__
        ack = _ack(delivery.process_id, is_provider, _is_transfer(delivery), response.body)
        if ack is None:
            return self._again(tenant, delivery, "its answer does not name the process")
        moment = self._node.moment()

        def record(uow: UnitOfWork) -> None:
            if isinstance(ack, TransferProcessAck):
                transfers.acknowledged(uow, tenant.company, delivery.process_id, ack, moment)
            else:
                negotiations.acknowledged(uow, tenant.company, delivery.process_id, ack, moment)

        return Outcome(verdict=Verdict.DONE, record=record)

    def _again(self, tenant: Tenant, delivery: Delivery, why: str) -> Outcome:
        reason = f"The counterparty did not take our {delivery.message_name} in all that time: {why}"
        return Outcome(verdict=Verdict.AGAIN, why=why, record=self._ending(tenant, delivery, reason))

    def _never(self, tenant: Tenant, delivery: Delivery, why: str) -> Outcome:
        reason = f"The counterparty refused our {delivery.message_name}: {why}"
        return Outcome(verdict=Verdict.NEVER, why=why, record=self._ending(tenant, delivery, reason))

    def _ending(self, tenant: Tenant, delivery: Delivery, reason: str) -> Callable[[UnitOfWork], None]:
        moment = self._node.moment()
        end = transfers.undeliverable if _is_transfer(delivery) else negotiations.undeliverable
        return lambda uow: end(uow, tenant.company, delivery.process_id, reason, moment)

    async def _reconcile(self, tenant: Tenant, delivery: Delivery, doubt: Doubt) -> Outcome | None:
        """Done or refused when the counterparty's state says so; None when the message must be sent (again)."""
        process = await self._node.store.read(delivery.participant_id, _reader(delivery))
        if process is None:
            return Outcome(verdict=Verdict.DONE, why="the process is gone")
        if process.peer_pid is None:
            return None
        try:
            peer_state = await self._peer_state(delivery, process)
        except _Unknown:
            return None
        moment = self._node.moment()
        company = tenant.company

        def work(uow: UnitOfWork) -> bool:
            if isinstance(process, TransferProcess):
                state = None if peer_state is None else TransferState(peer_state)
                return transfers.reconciled(uow, company, process, state, moment, doubt)
            # What it refused and is still without is ended by `_never`, with its own reason.
            return negotiations.reconciled(
                uow, company, process, None if peer_state is None else NegotiationState(peer_state), moment
            )

        settled = await self._node.store.run(delivery.participant_id, work)
        return Outcome(verdict=Verdict.DONE) if settled else None

    async def _peer_state(self, delivery: Delivery, process: Process) -> str | None:
        """The counterparty's state, None when it does not know the process; raises `_Unknown` when it cannot be told."""
        is_transfer = isinstance(process, TransferProcess)
        path = (wire.transfer_path if is_transfer else wire.negotiation_path)(process.peer_pid or "")
        moment = self._node.moment()
        token = await self._node.identity.token_for(
            delivery.participant_id, delivery.audience, moment.now_ms, moment.fresh_id()
        )
        try:
            response = await self._egress.request(
                "GET",
                f"{process.peer_address}/{path}",
                headers={"Authorization": token},
                timeout_s=MESSAGE_TIMEOUT_S,
            )
        except EgressError as error:
            raise _Unknown from error
        if response.status == 404:
            return None
        ack = _read_ack(is_transfer, response.body) if response.status == 200 else None
        if ack is None:
            raise _Unknown
        ours, theirs = _pids(ack, is_provider=process.role is Role.PROVIDER)
        # It may not have heard of our pid yet, but it knows its own.
        if theirs != process.peer_pid or ours not in ("", process.own_pid):
            raise _Unknown
        return ack.state.value


class _Unknown(Exception):
    """The counterparty's state cannot be told now."""


def _reader(delivery: Delivery) -> Callable[[UnitOfWork], Process | None]:
    def read(uow: UnitOfWork) -> Process | None:
        try:
            if _is_transfer(delivery):
                return transfers.own(uow, delivery.process_id)
            return negotiations.own(uow, delivery.process_id)
        except NotFound:
            return None

    return read


def _is_transfer(delivery: Delivery) -> bool:
    return delivery.message_name.startswith("Transfer")


def _opens(delivery: Delivery) -> bool:
    paths = (wire.NEGOTIATION_REQUEST, wire.NEGOTIATION_OFFERS, wire.TRANSFER_REQUEST)
    return delivery.address.endswith(paths)


def _ack(process_id: str, is_provider: bool, is_transfer: bool, body: bytes) -> Ack | None:
    """The counterparty's answer to the message that opened this process of ours, when it names both pids."""
    ack = _read_ack(is_transfer, body)
    if ack is None:
        return None
    ours, theirs = _pids(ack, is_provider=is_provider)
    # An id that cannot stand in a path is none under which the counterparty could be answered.
    return ack if ours == process_id and is_usable_pid(theirs) else None


def _read_ack(is_transfer: bool, body: bytes) -> Ack | None:
    try:
        return (
            wire.decode(TransferProcessAck, body)
            if is_transfer
            else wire.decode(ContractNegotiationAck, body)
        )
    except MalformedMessage:
        return None


def _pids(ack: Ack, *, is_provider: bool) -> tuple[str, str]:
    """Our and the counterparty's process id."""
    pids = (ack.provider_pid, ack.consumer_pid)
    return pids if is_provider else (pids[1], pids[0])


def _reason(delivery: Delivery, body: bytes) -> str:
    """What the counterparty says is wrong, in its words; of an answer that is no error of the protocol, its beginning."""
    error: TransferError | ContractNegotiationError
    try:
        error = (
            wire.decode(TransferError, body)
            if _is_transfer(delivery)
            else wire.decode(ContractNegotiationError, body)
        )
    except MalformedMessage:
        return body[:LONGEST_REASON_LENGTH_COUNT].decode("utf-8", "replace")
    return negotiations.in_words(Ending(code=error.code, reason=error.reason))[:LONGEST_REASON_LENGTH_COUNT]
