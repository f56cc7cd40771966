"""Transfer processes in both roles (DSP 2025-1, transfer process protocol), and what ends an agreement.

Every function runs inside one unit of work. A pull is carried out by the consumer's courier, a push by the provider's; both
are deliveries in the outbox like any message, so a crash between start and data loses neither.
"""

import msgspec

from ashiato.connector import agreement_ends
from ashiato.connector.agreements import decide_served
from ashiato.connector.catalog import compiled, rules_of
from ashiato.connector.company import Company, send, tell, vet_callback
from ashiato.connector.negotiations import in_words
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound, NotPermitted, QuotaExceeded, WrongState
from ashiato.connector.records import AgreementRecord, AgreementState, Asset
from ashiato.connector.rights import refused_for_certain, under_agreement
from ashiato.dsp.effects import Deliver, Ending, Redeliver, Settle, Tell
from ashiato.dsp.errors import IllegalTransition
from ashiato.dsp.messages import (
    DataAddress,
    TransferCompletionMessage,
    TransferMessage,
    TransferProcessAck,
    TransferRequestMessage,
    TransferStartMessage,
    TransferSuspensionMessage,
    TransferTerminationMessage,
)
from ashiato.dsp.states import Doubt, Role, TransferState
from ashiato.dsp.transfer import (
    Step,
    TransferProcess,
    abandon,
    acknowledge,
    act,
    opened_by_peer,
    opened_by_us,
    receive,
    reconcile,
)
from ashiato.outbox.deliveries import Delivery, DeliveryKind
from ashiato.policy.evaluation import Checkpoint
from ashiato.trust.standing import Standing

PULL_FORMAT = "HttpData-PULL"
PUSH_FORMAT = "HttpData-PUSH"
FORMATS = (PULL_FORMAT, PUSH_FORMAT)
FINITE_PROPERTY = "finite"


# What the counterparty does.


def requested(
    uow: UnitOfWork, company: Company, caller: Standing, message: TransferRequestMessage, moment: Moment
) -> TransferProcess:
    """A consumer asks for data under an agreement; the same consumer pid again gives the same transfer (DSP 2025-1, 9.2.1)."""
    known = uow.transfers.find_by_peer(Role.PROVIDER, caller.participant_id, message.consumer_pid)
    if known is not None:
        again = receive(known, message, moment.now_ms).transfer
        _tell_start_again(uow, company, again, caller, moment)
        return again
    agreement = uow.contracts.agreement(message.agreement_id)
    if agreement is None or agreement.peer_id != caller.participant_id or agreement.role is not Role.PROVIDER:
        raise Invalid("There is no such agreement between us.", path="agreementId")
    if (
        uow.transfers.count_open(caller.participant_id, company.most_open_transfers_count)
        >= company.most_open_transfers_count
    ):
        raise QuotaExceeded(
            f"You have {company.most_open_transfers_count} open transfers with us; complete or terminate some of them first."
        )
    # A new transfer brings a new use: it is refused here already when none is left.
    check_served(uow, agreement, caller, Checkpoint.READ, moment.now_ms)
    _check_request(message, uow.assets.asset(agreement.asset_id))
    vet_callback(company, message.callback_address)
    if message.data_address is not None and message.data_address.endpoint:
        company.vet_address(message.data_address.endpoint)
    step = opened_by_peer(
        message, own_pid=moment.fresh_iri(), peer_id=caller.participant_id, now_ms=moment.now_ms
    )
    transfer = step.transfer
    uow.transfers.insert(transfer)
    uow.transfers.put_context(transfer.own_pid, {"asset_id": agreement.asset_id})
    _effects(uow, company, step, moment)
    if company.strategy.hand_over(uow, transfer, moment.now_ms):
        return start(uow, company, transfer.own_pid, caller, moment)
    return transfer


def received(
    uow: UnitOfWork,
    company: Company,
    caller: Standing,
    own_pid: str,
    message: TransferMessage,
    moment: Moment,
) -> TransferProcess:
    """A later message of the counterparty; a repeated one changes nothing. Someone else's pid looks like none."""
    transfer = of_peer(uow, caller.participant_id, own_pid)
    step = receive(transfer, message, moment.now_ms)
    if step.duplicate:
        return transfer
    if transfer.peer_pid is None and _is_of_another(uow, step.transfer):
        raise Invalid("Your process id is that of another transfer with us.", id=step.transfer.peer_pid)
    address = step.transfer.data_address
    if isinstance(message, TransferStartMessage) and address is not None and address.endpoint:
        company.vet_address(address.endpoint)
    if isinstance(message, TransferStartMessage):
        if address is None and transfer.role is Role.CONSUMER:
            raise Invalid("A pull starts with the dataAddress from which it is pulled.", path="dataAddress")
        _check_agreement_of(uow, transfer, caller, moment.now_ms)
    _apply(uow, company, step, moment)
    return step.transfer


def of_peer(uow: UnitOfWork, caller_id: str, own_pid: str) -> TransferProcess:
    """The transfer, when the caller is its counterparty; raises `NotFound` in every other case."""
    transfer = uow.transfers.get(own_pid)
    if transfer is None or transfer.peer_id != caller_id:
        raise NotFound(f"There is no transfer {own_pid!r}.", id=own_pid)
    return transfer


# What we do.


def request(
    uow: UnitOfWork, company: Company, agreement_id: str, wire_format: str, peer_address: str, moment: Moment
) -> TransferProcess:
    """Ask the provider for the data of an agreement of ours."""
    agreement = uow.contracts.agreement(agreement_id)
    if agreement is None or agreement.role is not Role.CONSUMER:
        raise NotFound(
            f"There is no agreement {agreement_id!r} in which you are the consumer.", id=agreement_id
        )
    check_usable(agreement, Checkpoint.TRANSFER, moment.now_ms)
    check_format(wire_format)
    consumer_pid = moment.fresh_iri()
    address = None
    if wire_format == PUSH_FORMAT:
        address = company.data_door.push_address(
            consumer_pid, agreement.peer_id, agreement_id, agreement.asset_id, moment
        )
    message = TransferRequestMessage(
        consumer_pid=consumer_pid,
        agreement_id=agreement_id,
        format=wire_format,
        callback_address=company.callback_address,
        data_address=address,
    )
    step = opened_by_us(message, peer_id=agreement.peer_id, peer_address=peer_address, now_ms=moment.now_ms)
    uow.transfers.insert(step.transfer)
    uow.transfers.put_context(consumer_pid, {"asset_id": agreement.asset_id})
    _effects(uow, company, step, moment)
    return step.transfer


def start(uow: UnitOfWork, company: Company, own_pid: str, peer: Standing, moment: Moment) -> TransferProcess:
    """Start a requested transfer (provider), or resume a suspended one (either side); `peer` as it stands now."""
    transfer = own(uow, own_pid)
    return _act(uow, company, transfer, _start_message(uow, company, transfer, peer, moment), moment)


def _start_message(
    uow: UnitOfWork, company: Company, transfer: TransferProcess, peer: Standing, moment: Moment
) -> TransferStartMessage:
    """The start as the agreement permits it now; only for a pull its provider says where the data is (9.2.2)."""
    agreement = _check_agreement_of(uow, transfer, peer, moment.now_ms)
    address = None
    if transfer.role is Role.PROVIDER and transfer.format == PULL_FORMAT:
        address = company.data_door.pull_address(transfer, agreement.asset_id, moment)
        asset = uow.assets.asset(agreement.asset_id)
        if asset is not None and not asset.finite:
            properties = {**address.properties, FINITE_PROPERTY: "false"}
            address = msgspec.structs.replace(address, properties=properties)
    provider_pid, consumer_pid = _pids(transfer)
    return TransferStartMessage(provider_pid=provider_pid, consumer_pid=consumer_pid, data_address=address)


def _tell_start_again(
    uow: UnitOfWork, company: Company, transfer: TransferProcess, peer: Standing, moment: Moment
) -> None:
    """A consumer that asks again for a started transfer may have lost the start; one that waits to be sent is enough."""
    if transfer.state is not TransferState.STARTED or uow.outbox.of_process(transfer.own_pid):
        return
    try:
        message = _start_message(uow, company, transfer, peer, moment)
    except NotPermitted:
        return
    send(uow, company, moment, message, transfer, transfer.role.other)


def suspend(uow: UnitOfWork, company: Company, own_pid: str, reason: str, moment: Moment) -> TransferProcess:
    """Pause a transfer; the data stops at once."""
    transfer = own(uow, own_pid)
    provider_pid, consumer_pid = _pids(transfer)
    message = TransferSuspensionMessage(
        provider_pid=provider_pid, consumer_pid=consumer_pid, reason=_ending(reason).reason
    )
    return _act(uow, company, transfer, message, moment)


def complete(uow: UnitOfWork, company: Company, own_pid: str, moment: Moment) -> TransferProcess:
    """Declare a transfer complete."""
    transfer = own(uow, own_pid)
    provider_pid, consumer_pid = _pids(transfer)
    message = TransferCompletionMessage(provider_pid=provider_pid, consumer_pid=consumer_pid)
    return _act(uow, company, transfer, message, moment)


def terminate(
    uow: UnitOfWork, company: Company, own_pid: str, reason: str, moment: Moment
) -> TransferProcess:
    """End a transfer; the data stops at once."""
    transfer = own(uow, own_pid)
    if transfer.peer_pid is None and not transfer.state.is_terminal:
        return _withdraw(uow, company, transfer, reason, moment)
    return _act(uow, company, transfer, _termination(transfer, reason), moment)


def end_agreement(
    uow: UnitOfWork, company: Company, agreement_id: str, reason: str, moment: Moment
) -> AgreementRecord:
    """End an agreement: nothing is served or fetched under it from the commit on, its transfers end, the partner is told.

    Of one that the partner ended already it makes a mutual end.
    """
    agreement = uow.contracts.agreement(agreement_id)
    if agreement is None:
        raise NotFound(f"There is no agreement {agreement_id!r}.", id=agreement_id)
    if agreement.ended_by == agreement.peer_id:
        agreement_ends.notify(uow, company, agreement, moment)
        return agreement_ends.both_ended(uow, company, agreement, moment)
    if agreement.state is not AgreementState.ACTIVE:
        raise WrongState("This agreement has ended already.", id=agreement_id)
    ended = _end(uow, company, agreement, AgreementState.TERMINATED, company.participant_id, reason, moment)
    agreement_ends.notify(uow, company, ended, moment)
    return ended


def agreement_ended_by_peer(
    uow: UnitOfWork, company: Company, agreement_id: str, reason: str, moment: Moment
) -> None:
    """The partner told us that it ended an agreement; a repeated notice changes nothing.

    One whose own time is over has expired, whoever says it first: our own clock may reach it a moment after the partner's word.
    """
    expire_agreement(uow, company, agreement_id, moment)
    agreement = uow.contracts.agreement(agreement_id)
    if agreement is None:
        return
    if agreement.ended_by == company.participant_id:
        agreement_ends.both_ended(uow, company, agreement, moment)
    elif agreement.state is AgreementState.ACTIVE:
        _end(uow, company, agreement, AgreementState.TERMINATED, agreement.peer_id, reason, moment)


def expire_agreement(uow: UnitOfWork, company: Company, agreement_id: str, moment: Moment) -> None:
    """The time in the agreement's own policy is over; nothing happens before it is, or when it ended otherwise."""
    agreement = uow.contracts.agreement(agreement_id)
    if agreement is None or agreement.state is not AgreementState.ACTIVE:
        return
    due_ms = agreement_ends.expires_ms(agreement)
    if due_ms is not None and due_ms <= moment.now_ms:
        _end(uow, company, agreement, AgreementState.EXPIRED, "", "Its own time is over.", moment)


def _end(
    uow: UnitOfWork,
    company: Company,
    agreement: AgreementRecord,
    state: AgreementState,
    ended_by: str,
    reason: str,
    moment: Moment,
) -> AgreementRecord:
    ended = agreement_ends.ended(agreement, state, ended_by, reason, moment.now_ms)
    uow.contracts.put_agreement(ended)
    tell(
        uow, company, moment, "agreement.terminated", agreement.agreement_id, agreement.peer_id,
        reason=reason, asset_id=agreement.asset_id, state=state, ended_by=ended_by,
    )  # fmt: skip
    after_id = ""
    while running := uow.transfers.page(after_id, 1000, agreement_id=agreement.agreement_id):
        after_id = running[-1].own_pid
        for transfer in running:
            if not transfer.state.is_terminal:
                terminate(uow, company, transfer.own_pid, f"The agreement ended: {reason}", moment)
    return ended


def retire_agreement(uow: UnitOfWork, company: Company, agreement_id: str, moment: Moment) -> AgreementRecord:
    """Take an ended agreement out of the lists; it stays as evidence. Raises `WrongState` for one that is in force."""
    agreement = uow.contracts.agreement(agreement_id)
    if agreement is None:
        raise NotFound(f"There is no agreement {agreement_id!r}.", id=agreement_id)
    if agreement.state is AgreementState.ACTIVE:
        raise WrongState("This agreement is in force; end it first.", id=agreement_id)
    if agreement.is_retired:
        return agreement
    retired = msgspec.structs.replace(agreement, is_retired=True)
    uow.contracts.put_agreement(retired)
    tell(
        uow, company, moment, "agreement.retired", agreement_id, agreement.peer_id,
        asset_id=agreement.asset_id,
    )  # fmt: skip
    return retired


def own(uow: UnitOfWork, own_pid: str) -> TransferProcess:
    """The transfer, for its own company."""
    transfer = uow.transfers.get(own_pid)
    if transfer is None:
        raise NotFound(f"There is no transfer {own_pid!r}.", id=own_pid)
    return transfer


def check_served(
    uow: UnitOfWork, agreement: AgreementRecord, consumer: Standing, checkpoint: Checkpoint, now_ms: int
) -> None:
    """As the provider: what is verified of the consumer gives it the right now; raises `NotPermitted` with the reason."""
    _check_active(agreement)
    asset = uow.assets.asset(agreement.asset_id)
    decision = decide_served(uow, agreement, asset, consumer, checkpoint, "read", now_ms).decision
    if not decision.permitted:
        raise NotPermitted(decision.summary(), agreement_id=agreement.agreement_id)


def check_usable(agreement: AgreementRecord, checkpoint: Checkpoint, now_ms: int) -> None:
    """As the consumer: nothing that we know ourselves stands against the use; raises `NotPermitted` with the reason.

    What only the provider verifies, such as our own credentials, is left to it.
    """
    _check_active(agreement)
    policy = compiled(rules_of(agreement.document))
    nothing_verified = Standing(str(agreement.document.get("assignee")))
    request = under_agreement(agreement, nothing_verified, checkpoint, "read", now_ms)
    refused = refused_for_certain(policy, request)
    if refused is not None:
        raise NotPermitted(refused.summary(), agreement_id=agreement.agreement_id)


def _check_active(agreement: AgreementRecord) -> None:
    if not agreement.finalized or agreement.state is not AgreementState.ACTIVE:
        state = agreement.state if agreement.finalized else "not final"
        raise NotPermitted(f"The agreement is {state}.", agreement_id=agreement.agreement_id)


# What the courier reports.


def acknowledged(
    uow: UnitOfWork, company: Company, own_pid: str, ack: TransferProcessAck, moment: Moment
) -> None:
    """The counterparty took our request; its answer names its own pid."""
    transfer = own(uow, own_pid)
    known = acknowledge(transfer, ack, moment.now_ms).transfer
    if known == transfer:
        return
    if _is_of_another(uow, known):
        reason = "The counterparty answered with the process id of another transfer."
        _abandon(uow, company, transfer, reason, moment)
        return
    uow.transfers.update(known)
    withdrawn = uow.transfers.context(own_pid).get("withdrawn")
    if withdrawn is not None:
        send(uow, company, moment, _termination(known, str(withdrawn)), known, known.role.other)


def reconciled(
    uow: UnitOfWork,
    company: Company,
    asked: TransferProcess,
    peer_state: TransferState | None,
    moment: Moment,
    doubt: Doubt = Doubt.SILENCE,
) -> bool:
    """After a doubt we asked for the counterparty's state: the step that brings both sides together is applied.

    True when the message in doubt needs not be sent any more. What changed since `asked` was read makes the answer void.
    """
    if uow.transfers.get(asked.own_pid) != asked:
        return False
    step = reconcile(asked, peer_state, moment.now_ms, doubt=doubt)
    _apply(uow, company, step, moment)
    return not any(isinstance(effect, Redeliver) for effect in step.effects)


def undeliverable(uow: UnitOfWork, company: Company, own_pid: str, reason: str, moment: Moment) -> None:
    """A message of ours will never be taken: the transfer ends, on both sides if the counterparty can be told."""
    transfer = own(uow, own_pid)
    if transfer.state is TransferState.TERMINATED:
        return
    ended = _abandon(uow, company, transfer, reason, moment)
    if transfer.peer_pid is not None:
        send(uow, company, moment, _termination(ended, reason), ended, ended.role.other)


# Steps.


def _act(
    uow: UnitOfWork, company: Company, transfer: TransferProcess, message: TransferMessage, moment: Moment
) -> TransferProcess:
    try:
        step = act(transfer, message, moment.now_ms)
    except IllegalTransition as error:
        raise WrongState(
            f"The transfer is {transfer.state}: {type(message).__name__} is not possible now.",
            state=transfer.state,
        ) from error
    _apply(uow, company, step, moment)
    return step.transfer


def _apply(uow: UnitOfWork, company: Company, step: Step, moment: Moment) -> None:
    uow.transfers.update(step.transfer)
    _effects(uow, company, step, moment)


def _effects(uow: UnitOfWork, company: Company, step: Step, moment: Moment) -> None:
    transfer = step.transfer
    for effect in step.effects:
        match effect:
            case Settle():
                uow.outbox.remove_of_process(transfer.own_pid)
            case Deliver(message):
                send(uow, company, moment, message, transfer, transfer.role.other)
            case Tell(event):
                if transfer.state is TransferState.STARTED:
                    _hand_over(uow, company, transfer, moment)
                else:
                    uow.outbox.remove_of_process(data_process(transfer.own_pid))
                _told(uow, company, moment, transfer, event)
            case Redeliver():
                pass


def _hand_over(uow: UnitOfWork, company: Company, transfer: TransferProcess, moment: Moment) -> None:
    pushes = transfer.format == PUSH_FORMAT and transfer.role is Role.PROVIDER
    pulls = (
        transfer.format == PULL_FORMAT and transfer.role is Role.CONSUMER and _ends_by_itself(uow, transfer)
    )
    if not (pushes or pulls) or transfer.data_address is None:
        return
    uow.outbox.add(
        Delivery(
            delivery_id=moment.fresh_id(),
            participant_id=company.participant_id,
            kind=DeliveryKind.PUSH if pushes else DeliveryKind.PULL,
            process_id=data_process(transfer.own_pid),
            sequence=0,
            message_name="data",
            address=transfer.data_address.endpoint or "",
            audience=transfer.peer_id,
            body=transfer.own_pid.encode(),
            created_ms=moment.now_ms,
            due_ms=moment.now_ms,
        )
    )


def _ends_by_itself(uow: UnitOfWork, transfer: TransferProcess) -> bool:
    """Whether the data is fetched once and the transfer then completed.

    Data without an end (a query, an inbox, a feed) is read by the company's own systems until somebody ends the transfer;
    only an order to fetch it takes what there is now.
    """
    address = transfer.data_address
    is_finite = address is None or address.properties.get(FINITE_PROPERTY) != "false"
    return is_finite or uow.transfers.fetch_of_process(transfer.own_pid) is not None


def data_process(own_pid: str) -> str:
    """The outbox process of a transfer's data: apart from its messages, so that a long pull never delays a termination."""
    return f"data:{own_pid}"


def _told(uow: UnitOfWork, company: Company, moment: Moment, transfer: TransferProcess, event: str) -> None:
    details: dict[str, object] = {"role": transfer.role, "agreement_id": transfer.agreement_id}
    if transfer.reason is not None:
        details["reason"] = in_words(transfer.reason)
    tell(uow, company, moment, event, transfer.own_pid, transfer.peer_id, **details)


def formats_of(asset: Asset) -> tuple[str, ...]:
    """The formats in which the asset can be had. What has no end is not pushed: no push of it could ever be complete."""
    return FORMATS if asset.finite else (PULL_FORMAT,)


def check_format(wire_format: str) -> None:
    """Refuse a transfer format that this connector does not speak."""
    if wire_format not in FORMATS:
        raise Invalid(f"The format must be one of {', '.join(FORMATS)}.", path="format")


def _check_request(message: TransferRequestMessage, asset: Asset | None) -> None:
    check_format(message.format)
    if asset is not None and message.format not in formats_of(asset):
        raise Invalid(f"This dataset has no distribution {message.format!r}.", path="format")
    if message.format == PUSH_FORMAT and (message.data_address is None or not message.data_address.endpoint):
        raise Invalid("A push needs a dataAddress with an endpoint.", path="dataAddress")
    if message.format == PULL_FORMAT and message.data_address is not None:
        raise Invalid("A pull names no dataAddress: the provider does.", path="dataAddress")


def _check_agreement_of(
    uow: UnitOfWork, transfer: TransferProcess, peer: Standing, now_ms: int
) -> AgreementRecord:
    agreement = uow.contracts.agreement(transfer.agreement_id)
    if agreement is None:
        raise NotFound(f"There is no agreement {transfer.agreement_id!r}.", id=transfer.agreement_id)
    if agreement.role is Role.PROVIDER:
        check_served(uow, agreement, peer, Checkpoint.TRANSFER, now_ms)
    else:
        check_usable(agreement, Checkpoint.TRANSFER, now_ms)
    return agreement


def _withdraw(
    uow: UnitOfWork, company: Company, transfer: TransferProcess, reason: str, moment: Moment
) -> TransferProcess:
    """As for a negotiation: the request stays in the outbox until it is answered, and then the termination follows."""
    context = uow.transfers.context(transfer.own_pid)
    uow.transfers.put_context(transfer.own_pid, {**context, "withdrawn": reason})
    step = abandon(transfer, _ending(reason), moment.now_ms)
    unsettled = tuple(effect for effect in step.effects if not isinstance(effect, Settle))
    _apply(uow, company, msgspec.structs.replace(step, effects=unsettled), moment)
    return step.transfer


def _ending(reason: str) -> Ending:
    return Ending(reason=(reason,) if reason else ())


def _abandon(
    uow: UnitOfWork, company: Company, transfer: TransferProcess, reason: str, moment: Moment
) -> TransferProcess:
    step = abandon(transfer, _ending(reason), moment.now_ms)
    _apply(uow, company, step, moment)
    return step.transfer


def _termination(transfer: TransferProcess, reason: str) -> TransferTerminationMessage:
    provider_pid, consumer_pid = _pids(transfer)
    return TransferTerminationMessage(
        provider_pid=provider_pid, consumer_pid=consumer_pid, reason=_ending(reason).reason
    )


def _is_of_another(uow: UnitOfWork, transfer: TransferProcess) -> bool:
    """Whether the counterparty names a process id by which we know another transfer with it already."""
    return uow.transfers.find_by_peer(transfer.role, transfer.peer_id, transfer.peer_pid or "") is not None


def _pids(transfer: TransferProcess) -> tuple[str, str]:
    peer_pid = transfer.peer_pid or ""
    return (transfer.own_pid, peer_pid) if transfer.role is Role.PROVIDER else (peer_pid, transfer.own_pid)


def data_address_of(uow: UnitOfWork, own_pid: str) -> DataAddress | None:
    """Where the data of a started transfer can be had: for apps that read by themselves."""
    transfer = own(uow, own_pid)
    return transfer.data_address if transfer.state is TransferState.STARTED else None
