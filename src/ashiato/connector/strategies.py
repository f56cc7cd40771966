"""Who answers the counterparty: a strategy looks at a process after each step and says what we do next, or to wait."""

from enum import StrEnum
from typing import Protocol

import msgspec

from ashiato.connector import frameworks
from ashiato.connector.catalog import LISTING, compiled, rules_of
from ashiato.connector.offers import is_automatic
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.records import Approvable, OfferDefinition
from ashiato.connector.rights import before_agreement, judge
from ashiato.dsp.negotiation import ContractNegotiation, NegotiationState, Role
from ashiato.dsp.transfer import TransferProcess
from ashiato.facts.decisions import Decision
from ashiato.policy.evaluation import Checkpoint
from ashiato.policy.identity import policy_hash, same_rules
from ashiato.trust.standing import Standing


class Act(StrEnum):
    """What a party can do next in a negotiation."""

    HOLD = "hold"
    OFFER = "offer"
    AGREE = "agree"
    ACCEPT = "accept"
    COUNTER = "counter"
    VERIFY = "verify"
    FINALIZE = "finalize"
    TERMINATE = "terminate"


class Reaction(msgspec.Struct, frozen=True, kw_only=True):
    """One act. `rules` are the terms of an offer or counter-offer; `question` puts a held negotiation into the inbox."""

    act: Act
    rules: dict[str, object] | None = None
    reason: str = ""
    question: str = ""
    choices: tuple[str, ...] = ()


HOLD = Reaction(act=Act.HOLD)


class Strategy(Protocol):
    """Port: decides for this company. The official conformance kit and later issues bring others."""

    def negotiate(
        self,
        uow: UnitOfWork,
        negotiation: ContractNegotiation,
        context: dict[str, object],
        peer: Standing,
        now_ms: int,
    ) -> Reaction:
        """What to do after `negotiation` reached its state, with what is verified of the peer whose message led there.

        It may be asked again and then answers alike.
        """

    def hand_over(self, uow: UnitOfWork, transfer: TransferProcess, now_ms: int) -> bool:
        """Whether a requested transfer starts at once; False leaves it to a person."""


class Automatic:
    """Agrees to what was offered, verifies, finalizes; whatever differs goes down the owner's list or to a person."""

    def negotiate(
        self,
        uow: UnitOfWork,
        negotiation: ContractNegotiation,
        context: dict[str, object],
        peer: Standing,
        now_ms: int,
    ) -> Reaction:
        """See `Strategy`."""
        if not negotiation.state.is_terminal and frameworks.is_closed(uow, negotiation):
            return Reaction(
                act=Act.TERMINATE, reason="The framework contract was ended before it was agreed."
            )
        if negotiation.role is Role.PROVIDER:
            return self._as_provider(uow, negotiation, context, peer, now_ms)
        return self._as_consumer(uow, negotiation, context, now_ms)

    def hand_over(self, uow: UnitOfWork, transfer: TransferProcess, now_ms: int) -> bool:
        """See `Strategy`: the agreement is the permission, so a transfer starts at once."""
        return True

    def _as_provider(
        self,
        uow: UnitOfWork,
        negotiation: ContractNegotiation,
        context: dict[str, object],
        peer: Standing,
        now_ms: int,
    ) -> Reaction:
        match negotiation.state:
            case NegotiationState.REQUESTED:
                return self._answer_request(uow, negotiation, context, peer, now_ms)
            case NegotiationState.ACCEPTED:
                return self._answer_acceptance(uow, negotiation, context, peer, now_ms)
            case NegotiationState.VERIFIED:
                return Reaction(act=Act.FINALIZE)
            case _:
                return HOLD

    def _answer_request(
        self,
        uow: UnitOfWork,
        negotiation: ContractNegotiation,
        context: dict[str, object],
        peer: Standing,
        now_ms: int,
    ) -> Reaction:
        if frameworks.is_framework_target(negotiation.dataset_id):
            return _ask("This company asks for a framework contract.", "agree", "terminate")
        if context.get("offer_id") == LISTING:
            return _ask("This company asks for access to what you only list.", "offer", "terminate")
        offer = uow.assets.offer(str(context.get("offer_id", "")))
        if offer is None:
            return Reaction(act=Act.TERMINATE, reason="The offer was withdrawn.")
        acceptable = acceptable_terms(uow, offer)
        matching = next((terms for terms in acceptable if same_rules(negotiation.offer, terms)), None)
        if matching is not None:
            decision = permitted(uow, negotiation, matching, peer, now_ms)
            if not decision.permitted:
                return Reaction(act=Act.TERMINATE, reason=decision.summary())
            if is_automatic(offer) or frameworks.covering(uow, negotiation, now_ms) is not None:
                return Reaction(act=Act.AGREE)
            return _ask("This company asks for what you offered.", "agree", "offer", "terminate")
        if not is_automatic(offer):
            return _ask("This company asks for other terms than you offered.", "agree", "offer", "terminate")
        proposed = _hashes(context.get("proposed"))
        for terms in acceptable:
            if policy_hash(terms) not in proposed:
                return Reaction(act=Act.OFFER, rules=rules_of(terms))
        return Reaction(
            act=Act.TERMINATE, reason="These terms are not offered, and no other terms are left to propose."
        )

    def _answer_acceptance(
        self,
        uow: UnitOfWork,
        negotiation: ContractNegotiation,
        context: dict[str, object],
        peer: Standing,
        now_ms: int,
    ) -> Reaction:
        offer = uow.assets.offer(str(context.get("offer_id", "")))
        terms = acceptable_terms(uow, offer) if offer is not None else []
        matching = next((known for known in terms if same_rules(negotiation.offer, known)), negotiation.offer)
        decision = permitted(uow, negotiation, matching, peer, now_ms)
        if decision.permitted:
            return Reaction(act=Act.AGREE)
        return Reaction(act=Act.TERMINATE, reason=decision.summary())

    def _as_consumer(
        self, uow: UnitOfWork, negotiation: ContractNegotiation, context: dict[str, object], now_ms: int
    ) -> Reaction:
        match negotiation.state:
            case NegotiationState.OFFERED:
                return self._answer_offer(uow, negotiation, context, now_ms)
            case NegotiationState.AGREED:
                if frameworks.keeps_framework(uow, negotiation, now_ms):
                    return Reaction(act=Act.VERIFY)
                reason = (
                    "The agreement does not name the framework contract under which the offer was accepted."
                )
                return Reaction(act=Act.TERMINATE, reason=reason)
            case _:
                return HOLD

    def _answer_offer(
        self, uow: UnitOfWork, negotiation: ContractNegotiation, context: dict[str, object], now_ms: int
    ) -> Reaction:
        acceptable = context.get("acceptable")
        for terms in acceptable if isinstance(acceptable, list) else []:
            if same_rules(negotiation.offer, terms):
                return Reaction(act=Act.ACCEPT)
        if frameworks.covers_offer(uow, negotiation, now_ms):
            return Reaction(act=Act.ACCEPT)
        proposed = _hashes(context.get("proposed"))
        for terms in acceptable if isinstance(acceptable, list) else []:
            if policy_hash(terms) not in proposed:
                return Reaction(act=Act.COUNTER, rules=rules_of(terms))
        return _ask("This company offers you these terms.", "accept", "counter", "terminate")


def acceptable_terms(uow: UnitOfWork, offer: OfferDefinition) -> list[dict[str, object]]:
    """The terms under which the owner would sign, the offered ones first."""
    wanted = (offer.contract_policy_id, *offer.alternative_policy_ids)
    found = (uow.assets.policy(policy_id) for policy_id in wanted)
    return [definition.document for definition in found if definition is not None]


def permitted(
    uow: UnitOfWork,
    negotiation: ContractNegotiation,
    terms: dict[str, object],
    peer: Standing,
    now_ms: int,
) -> Decision:
    """Whether the terms themselves let this peer make a contract now; an assignee of the whole policy counts too."""
    asset = uow.assets.asset(negotiation.dataset_id)
    request = before_agreement(peer, Checkpoint.NEGOTIATION, "read", now_ms)
    classification = "" if asset is None else asset.classification
    return judge(uow, compiled(terms), request, classification=classification)


def approvable(negotiation: ContractNegotiation, reaction: Reaction, now_ms: int) -> Approvable:
    """The inbox entry for a held negotiation."""
    return Approvable(
        negotiation_pid=negotiation.own_pid,
        role=negotiation.role,
        peer_id=negotiation.peer_id,
        asset_id=negotiation.dataset_id,
        question=reaction.question,
        choices=reaction.choices,
        offer=negotiation.offer,
        since_ms=now_ms,
    )


def _ask(question: str, *choices: str) -> Reaction:
    return Reaction(act=Act.HOLD, question=question, choices=choices)


def _hashes(value: object) -> frozenset[str]:
    return frozenset(str(item) for item in value) if isinstance(value, list) else frozenset()
