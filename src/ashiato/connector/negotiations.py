"""Contract negotiation in both roles (DSP 2025-1, contract negotiation protocol).

Every function runs inside one unit of work: state, outbox, contract master and history commit together, or not at all.
"""

from collections.abc import Mapping

import msgspec

from ashiato.connector import agreements, frameworks, offers, signing
from ashiato.connector.catalog import LISTING, compiled, rules_of, sees_entry
from ashiato.connector.company import Company, send, tell, vet_callback
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound, NotPermitted, QuotaExceeded, WrongState
from ashiato.connector.records import FrameworkContract
from ashiato.connector.signing import NO_EVIDENCE, Evidence
from ashiato.connector.strategies import Act, Reaction, approvable, permitted
from ashiato.dsp.effects import Deliver, Ending, Redeliver, Settle, Tell
from ashiato.dsp.errors import IllegalTransition
from ashiato.dsp.messages import (
    ContractAgreementMessage,
    ContractAgreementVerificationMessage,
    ContractNegotiationAck,
    ContractNegotiationEventMessage,
    ContractNegotiationTerminationMessage,
    ContractOfferMessage,
    ContractRequestMessage,
    NegotiationEventType,
    NegotiationMessage,
)
from ashiato.dsp.negotiation import (
    ContractNegotiation,
    Step,
    abandon,
    acknowledge,
    act,
    opened_by_peer,
    opened_by_us,
    receive,
    reconcile,
)
from ashiato.dsp.states import NegotiationState, Role
from ashiato.policy.identity import policy_hash
from ashiato.policy.odrl import MalformedPolicy
from ashiato.trust.standing import Standing

LONGEST_TARGET_BYTES = 1024


class Partner(msgspec.Struct, frozen=True):
    """A counterparty and the address at which it speaks the protocol."""

    participant_id: str
    address: str


def in_words(ending: Ending) -> str:
    """Why a process ended, as one sentence for people; what the counterparty wrote is kept as it is."""
    texts = [text if isinstance(text, str) else str(text) for text in ending.reason]
    return "; ".join(([ending.code] if ending.code else []) + texts)


# What the counterparty does.


def requested(
    uow: UnitOfWork, company: Company, caller: Standing, message: ContractRequestMessage, moment: Moment
) -> ContractNegotiation:
    """A consumer asks for a contract; the same consumer pid again gives the same negotiation (DSP 2025-1, 8.2.1)."""
    known = uow.negotiations.find_by_peer(Role.PROVIDER, caller.participant_id, message.consumer_pid)
    if known is not None:
        return receive(known, message, moment.now_ms).negotiation
    vet_callback(company, message.callback_address)
    _vet_policy(message.offer)
    step = opened_by_peer(
        message,
        own_pid=moment.fresh_iri(),
        own_id=company.participant_id,
        peer_id=caller.participant_id,
        dataset_id=_target(uow, message.offer),
        now_ms=moment.now_ms,
    )
    _check_quota(uow, company, caller.participant_id)
    negotiation = step.negotiation
    context: dict[str, object] = {}
    if frameworks.is_framework_target(negotiation.dataset_id):
        frameworks.proposed_by_peer(uow, negotiation, moment, rules_of(message.offer))
    else:
        offer_id = _visible_offer(uow, negotiation, caller, moment.now_ms)
        context = {"offer_id": offer_id, **agreements.let_in_by(uow, offer_id)}
    return _opened(uow, company, step, context, caller, moment)


def offered(
    uow: UnitOfWork, company: Company, caller: Standing, message: ContractOfferMessage, moment: Moment
) -> ContractNegotiation:
    """A provider makes an offer of its own accord; the same provider pid again gives the same negotiation."""
    known = uow.negotiations.find_by_peer(Role.CONSUMER, caller.participant_id, message.provider_pid)
    if known is not None:
        return receive(known, message, moment.now_ms).negotiation
    vet_callback(company, message.callback_address)
    _vet_policy(message.offer)
    step = opened_by_peer(
        message,
        own_pid=moment.fresh_iri(),
        own_id=company.participant_id,
        peer_id=caller.participant_id,
        now_ms=moment.now_ms,
    )
    _check_quota(uow, company, caller.participant_id)
    if frameworks.is_framework_target(step.negotiation.dataset_id):
        frameworks.proposed_by_peer(uow, step.negotiation, moment, rules_of(message.offer))
    return _opened(uow, company, step, {}, caller, moment)


def received(
    uow: UnitOfWork,
    company: Company,
    caller: Standing,
    own_pid: str,
    message: NegotiationMessage,
    moment: Moment,
    evidence: Evidence = NO_EVIDENCE,
) -> ContractNegotiation:
    """A later message of the counterparty; a repeated one changes nothing. Someone else's pid looks like none.

    `evidence` is the signature that it carries for the agreement; one that is wrong, or missing where it is required, ends the
    negotiation.
    """
    negotiation = of_peer(uow, caller.participant_id, own_pid)
    step = receive(negotiation, message, moment.now_ms)
    if step.duplicate:
        return negotiation
    if negotiation.peer_pid is None and _is_of_another(uow, step.negotiation):
        raise Invalid("Your process id is that of another negotiation with us.", id=step.negotiation.peer_pid)
    if isinstance(message, ContractRequestMessage | ContractOfferMessage):
        _vet_policy(message.offer)
        frameworks.check_terms(negotiation, message.offer)
    if isinstance(message, ContractAgreementMessage):
        _vet_policy(message.agreement)
        frameworks.check_terms(negotiation, message.agreement)
    _apply(uow, company, step, moment)
    refusal = signing.take(uow, company, step.negotiation, message, evidence, moment)
    if refusal is not None:
        reaction = Reaction(act=Act.TERMINATE, reason=refusal)
        return do(uow, company, step.negotiation.own_pid, reaction, moment)
    return _react(uow, company, step.negotiation, caller, moment)


def of_peer(uow: UnitOfWork, caller_id: str, own_pid: str) -> ContractNegotiation:
    """The negotiation, when the caller is its counterparty; raises `NotFound` in every other case."""
    negotiation = uow.negotiations.get(own_pid)
    if negotiation is None or negotiation.peer_id != caller_id:
        raise NotFound(f"There is no negotiation {own_pid!r}.", id=own_pid)
    return negotiation


# What we do.


def request(
    uow: UnitOfWork,
    company: Company,
    partner: Partner,
    offer: Mapping[str, object],
    moment: Moment,
    acceptable: tuple[dict[str, object], ...] = (),
) -> ContractNegotiation:
    """Ask a provider for a contract on `offer` (with `@id` and `target`); `acceptable` are further terms that we would sign."""
    document = {"@type": "Offer", **offer}
    _vet_policy(document)
    message = ContractRequestMessage(
        consumer_pid=moment.fresh_iri(), offer=document, callback_address=company.callback_address
    )
    context: dict[str, object] = {
        "acceptable": [rules_of(document), *acceptable],
        "proposed": [policy_hash(document)],
    }
    return _open(uow, company, partner, message, context, moment)


def offer(
    uow: UnitOfWork,
    company: Company,
    partner: Partner,
    document: Mapping[str, object],
    offer_id: str,
    moment: Moment,
) -> ContractNegotiation:
    """Make an offer to a consumer of our own accord, on terms that we can enforce; one under a framework contract names it."""
    wire_offer = {"@type": "Offer", **document}
    if frameworks.is_framework_target(offer_id) and not frameworks.is_framework_target(
        str(document.get("target"))
    ):
        wire_offer[frameworks.NAMED_MEMBER] = offer_id
    offers.checked_policy(wire_offer)
    message = ContractOfferMessage(
        provider_pid=moment.fresh_iri(), offer=wire_offer, callback_address=company.callback_address
    )
    context: dict[str, object] = {"offer_id": offer_id, "proposed": [policy_hash(wire_offer)]}
    context |= agreements.let_in_by(uow, offer_id)
    return _open(uow, company, partner, message, context, moment)


def propose_framework(
    uow: UnitOfWork, company: Company, partner_address: str, framework: FrameworkContract, moment: Moment
) -> ContractNegotiation:
    """Propose a framework contract to a partner, in either role; it is a negotiation like any other."""
    framework = frameworks.propose(uow, framework, moment)
    document: dict[str, object] = {
        "@id": f"{framework.framework_id}:offer",
        "target": framework.framework_id,
        **rules_of(framework.policy),
        frameworks.CLASS_MEMBER: frameworks.describe(framework),
    }
    partner = Partner(framework.peer_id, partner_address)
    if framework.role is Role.CONSUMER:
        return request(uow, company, partner, document, moment)
    return offer(uow, company, partner, document, framework.framework_id, moment)


def do(
    uow: UnitOfWork, company: Company, own_pid: str, reaction: Reaction, moment: Moment
) -> ContractNegotiation:
    """An act of ours in a running negotiation: a person's from the inbox, or the strategy's."""
    negotiation = own(uow, own_pid)
    if reaction.act is Act.HOLD:
        return negotiation
    if reaction.act is Act.TERMINATE and negotiation.peer_pid is None and not negotiation.state.is_terminal:
        return _withdraw(uow, company, negotiation, reaction.reason, moment)
    message = _message(uow, company, negotiation, reaction, moment)
    try:
        act(negotiation, message, moment.now_ms)
        # Signed only what is possible in this state; the signature changes the message and not the step.
        message, signature = signing.signed_message(company, negotiation, message, moment)
        step = act(negotiation, message, moment.now_ms)
    except IllegalTransition as error:
        raise WrongState(
            f"The negotiation is {negotiation.state}: {reaction.act} is not possible now.",
            state=negotiation.state,
        ) from error
    _apply(uow, company, step, moment)
    if signature is not None:
        signing.add(uow, step.negotiation, signature)
    return step.negotiation


def check_agreeable(uow: UnitOfWork, own_pid: str, peer: Standing, now_ms: int) -> None:
    """A person says yes as provider, perhaps long after the request: the terms must permit the contract with `peer` as it stands
    now. Raises `NotPermitted`. A framework contract hands out nothing itself; what stands under it is asked then.
    """
    negotiation = own(uow, own_pid)
    if negotiation.role is not Role.PROVIDER or frameworks.is_framework_target(negotiation.dataset_id):
        return
    if peer.lacks:
        raise NotPermitted(
            f"The partner does not have what this node asks of everybody: {', '.join(peer.lacks)}."
        )
    decision = permitted(uow, negotiation, rules_of(negotiation.offer), peer, now_ms)
    if not decision.permitted:
        raise NotPermitted(decision.summary())


def own(uow: UnitOfWork, own_pid: str) -> ContractNegotiation:
    """The negotiation, for its own company."""
    negotiation = uow.negotiations.get(own_pid)
    if negotiation is None:
        raise NotFound(f"There is no negotiation {own_pid!r}.", id=own_pid)
    return negotiation


# What the courier reports.


def acknowledged(
    uow: UnitOfWork, company: Company, own_pid: str, ack: ContractNegotiationAck, moment: Moment
) -> None:
    """The counterparty took our first message; its answer names its own pid."""
    negotiation = own(uow, own_pid)
    known = acknowledge(negotiation, ack, moment.now_ms).negotiation
    if known == negotiation:
        return
    if _is_of_another(uow, known):
        reason = "The counterparty answered with the process id of another negotiation."
        _abandon(uow, company, negotiation, reason, moment)
        return
    uow.negotiations.update(known)
    withdrawn = uow.negotiations.context(own_pid).get("withdrawn")
    if withdrawn is not None:
        send(uow, company, moment, _termination(known, str(withdrawn)), known, known.role.other)


def reconciled(
    uow: UnitOfWork,
    company: Company,
    asked: ContractNegotiation,
    peer_state: NegotiationState | None,
    moment: Moment,
) -> bool:
    """After a doubt we asked for the counterparty's state: the step that brings both sides together is applied.

    True when the message in doubt needs not be sent any more. What changed since `asked` was read makes the answer void.
    """
    if uow.negotiations.get(asked.own_pid) != asked:
        return False
    step = reconcile(asked, peer_state, moment.now_ms)
    _apply(uow, company, step, moment)
    return not any(isinstance(effect, Redeliver) for effect in step.effects)


def undeliverable(uow: UnitOfWork, company: Company, own_pid: str, reason: str, moment: Moment) -> None:
    """A message of ours will never be taken: the negotiation ends, on both sides if the counterparty can be told."""
    negotiation = own(uow, own_pid)
    if negotiation.state is NegotiationState.TERMINATED:
        return
    ended = _abandon(uow, company, negotiation, reason, moment)
    if negotiation.peer_pid is not None:
        send(uow, company, moment, _termination(ended, reason), ended, ended.role.other)


# Steps.


def _open(
    uow: UnitOfWork,
    company: Company,
    partner: Partner,
    message: ContractRequestMessage | ContractOfferMessage,
    context: dict[str, object],
    moment: Moment,
) -> ContractNegotiation:
    target = message.offer.get("target")
    if not isinstance(target, str) or not target:
        raise Invalid("The offer names no target.", path="target")
    step = opened_by_us(
        message,
        own_id=company.participant_id,
        peer_id=partner.participant_id,
        peer_address=partner.address,
        now_ms=moment.now_ms,
    )
    uow.negotiations.insert(step.negotiation)
    uow.negotiations.put_context(step.negotiation.own_pid, context)
    _effects(uow, company, step, moment)
    return step.negotiation


def _opened(
    uow: UnitOfWork,
    company: Company,
    step: Step,
    context: dict[str, object],
    caller: Standing,
    moment: Moment,
) -> ContractNegotiation:
    uow.negotiations.insert(step.negotiation)
    uow.negotiations.put_context(step.negotiation.own_pid, context)
    _effects(uow, company, step, moment)
    return _react(uow, company, step.negotiation, caller, moment)


def _react(
    uow: UnitOfWork, company: Company, negotiation: ContractNegotiation, peer: Standing, moment: Moment
) -> ContractNegotiation:
    context = uow.negotiations.context(negotiation.own_pid)
    reaction = company.strategy.negotiate(uow, negotiation, context, peer, moment.now_ms)
    if reaction.act is not Act.HOLD:
        return do(uow, company, negotiation.own_pid, reaction, moment)
    if reaction.question:
        uow.negotiations.put_approvable(approvable(negotiation, reaction, moment.now_ms))
        tell(
            uow,
            company,
            moment,
            "approval.needed",
            negotiation.own_pid,
            negotiation.peer_id,
            question=reaction.question,
        )
    return negotiation


def _apply(uow: UnitOfWork, company: Company, step: Step, moment: Moment) -> None:
    uow.negotiations.update(step.negotiation)
    _effects(uow, company, step, moment)


def _effects(uow: UnitOfWork, company: Company, step: Step, moment: Moment) -> None:
    negotiation = step.negotiation
    for effect in step.effects:
        match effect:
            case Settle():
                uow.outbox.remove_of_process(negotiation.own_pid)
            case Deliver(message):
                send(uow, company, moment, message, negotiation, negotiation.role.other)
            case Tell(event):
                uow.negotiations.delete_approvable(negotiation.own_pid)
                _follow(uow, negotiation, moment)
                _told(uow, company, moment, negotiation, event)
            case Redeliver():
                pass


def _follow(uow: UnitOfWork, negotiation: ContractNegotiation, moment: Moment) -> None:
    match negotiation.state:
        case NegotiationState.AGREED:
            agreements.remember(uow, negotiation, moment)
        case NegotiationState.FINALIZED:
            agreements.finalize(uow, negotiation, moment)
        case NegotiationState.TERMINATED:
            agreements.undo(uow, negotiation, moment)
        case _:
            pass


def _told(
    uow: UnitOfWork, company: Company, moment: Moment, negotiation: ContractNegotiation, event: str
) -> None:
    details: dict[str, object] = {"role": negotiation.role, "asset_id": negotiation.dataset_id}
    if negotiation.agreement is not None:
        details["agreement_id"] = negotiation.agreement.get("@id")
    if negotiation.reason is not None:
        details["reason"] = in_words(negotiation.reason)
    tell(uow, company, moment, event, negotiation.own_pid, negotiation.peer_id, **details)


def _message(
    uow: UnitOfWork, company: Company, negotiation: ContractNegotiation, reaction: Reaction, moment: Moment
) -> NegotiationMessage:
    provider_pid, consumer_pid = _pids(negotiation)
    match reaction.act:
        case Act.OFFER | Act.COUNTER:
            document = _next_offer(uow, negotiation, reaction, moment)
            if reaction.act is Act.OFFER:
                return ContractOfferMessage(
                    provider_pid=provider_pid, consumer_pid=consumer_pid, offer=document
                )
            return ContractRequestMessage(
                provider_pid=provider_pid, consumer_pid=consumer_pid, offer=document
            )
        case Act.AGREE:
            agreement = agreements.draw_up(uow, negotiation, moment)
            return ContractAgreementMessage(
                provider_pid=provider_pid, consumer_pid=consumer_pid, agreement=agreement
            )
        case Act.VERIFY:
            return ContractAgreementVerificationMessage(provider_pid=provider_pid, consumer_pid=consumer_pid)
        case Act.ACCEPT | Act.FINALIZE:
            accepted = reaction.act is Act.ACCEPT
            event = NegotiationEventType.ACCEPTED if accepted else NegotiationEventType.FINALIZED
            return ContractNegotiationEventMessage(
                provider_pid=provider_pid, consumer_pid=consumer_pid, event_type=event
            )
        case _:
            return _termination(negotiation, reaction.reason)


def _next_offer(
    uow: UnitOfWork, negotiation: ContractNegotiation, reaction: Reaction, moment: Moment
) -> dict[str, object]:
    if not reaction.rules:
        raise Invalid("An offer needs rules: give at least one permission or prohibition.", path="rules")
    document: dict[str, object] = {
        "@id": moment.fresh_iri(),
        "@type": "Offer",
        "target": negotiation.dataset_id,
        **rules_of(reaction.rules),
    }
    kept = (frameworks.CLASS_MEMBER, agreements.RENEWS_MEMBER)
    document |= {member: negotiation.offer[member] for member in kept if member in negotiation.offer}
    if negotiation.role is Role.PROVIDER:
        offers.checked_policy(document)
    context = uow.negotiations.context(negotiation.own_pid)
    proposed = context.get("proposed")
    hashes = [*proposed] if isinstance(proposed, list) else []
    uow.negotiations.put_context(
        negotiation.own_pid, {**context, "proposed": [*hashes, policy_hash(document)]}
    )
    return document


def _withdraw(
    uow: UnitOfWork, company: Company, negotiation: ContractNegotiation, reason: str, moment: Moment
) -> ContractNegotiation:
    """End a negotiation whose first message may have arrived or not.

    The termination cannot be sent before the counterparty's pid is known. So the first message stays in the outbox until it
    is answered; the answer tells the pid, and then the termination follows.
    """
    context = uow.negotiations.context(negotiation.own_pid)
    uow.negotiations.put_context(negotiation.own_pid, {**context, "withdrawn": reason})
    step = abandon(negotiation, _ending(reason), moment.now_ms)
    unsettled = tuple(effect for effect in step.effects if not isinstance(effect, Settle))
    _apply(uow, company, msgspec.structs.replace(step, effects=unsettled), moment)
    return step.negotiation


def _ending(reason: str) -> Ending:
    return Ending(reason=(reason,) if reason else ())


def _abandon(
    uow: UnitOfWork, company: Company, negotiation: ContractNegotiation, reason: str, moment: Moment
) -> ContractNegotiation:
    step = abandon(negotiation, _ending(reason), moment.now_ms)
    _apply(uow, company, step, moment)
    return step.negotiation


def _termination(negotiation: ContractNegotiation, reason: str) -> ContractNegotiationTerminationMessage:
    provider_pid, consumer_pid = _pids(negotiation)
    return ContractNegotiationTerminationMessage(
        provider_pid=provider_pid, consumer_pid=consumer_pid, reason=_ending(reason).reason
    )


def _pids(negotiation: ContractNegotiation) -> tuple[str, str]:
    peer_pid = negotiation.peer_pid or ""
    if negotiation.role is Role.PROVIDER:
        return negotiation.own_pid, peer_pid
    return peer_pid, negotiation.own_pid


def _is_of_another(uow: UnitOfWork, negotiation: ContractNegotiation) -> bool:
    """Whether the counterparty names a process id by which we know another negotiation with it already."""
    pid = negotiation.peer_pid or ""
    return uow.negotiations.find_by_peer(negotiation.role, negotiation.peer_id, pid) is not None


def _check_quota(uow: UnitOfWork, company: Company, caller_id: str) -> None:
    if uow.negotiations.count_open(caller_id) >= company.most_open_processes_count:
        raise QuotaExceeded(
            f"You have {company.most_open_processes_count} open negotiations with us; end some of them first."
        )


def _target(uow: UnitOfWork, document: Mapping[str, object]) -> str | None:
    if isinstance(document.get("target"), str):
        return None
    entry = uow.assets.entry(str(document.get("@id", "")))
    if entry is None:
        raise _no_such_offer()
    return entry.asset_id


def _visible_offer(uow: UnitOfWork, negotiation: ContractNegotiation, caller: Standing, now_ms: int) -> str:
    entry = uow.assets.entry(str(negotiation.offer.get("@id", "")))
    if entry is None or entry.asset_id != negotiation.dataset_id:
        raise _no_such_offer()
    offer = None if entry.offer_id == LISTING else uow.assets.offer(entry.offer_id)
    if not sees_entry(uow, entry, offer, caller, now_ms):
        raise _no_such_offer()
    return entry.offer_id


def _no_such_offer() -> Invalid:
    # One answer for what does not exist and for what the caller may not see.
    return Invalid(
        "There is no such offer for this dataset; read the catalog for the offers that you may ask for.",
        path="offer.@id",
    )


def _vet_policy(document: Mapping[str, object]) -> None:
    """Refuse terms that could not be kept, or not be read later, when the data is asked for."""
    target = document.get("target")
    if isinstance(target, str) and (len(target.encode()) > LONGEST_TARGET_BYTES or not target.isprintable()):
        raise Invalid(
            f"The id of the dataset must be printable and have at most {LONGEST_TARGET_BYTES} bytes.",
            path="target",
        )
    rules = rules_of(document)
    try:
        compiled(rules)
        is_plain = policy_hash(document) == policy_hash(rules)
    except MalformedPolicy as error:
        raise Invalid(f"The policy is malformed at {error.path}: {error.problem}", path=error.path) from None
    if not is_plain:
        # `odrl:prohibition` is compared with what was offered, but nobody would look for it when the data is read.
        raise Invalid(
            "The rules must be spelled as the protocol does: permission, prohibition, obligation, profile, conflict.",
            path="permission",
        )
