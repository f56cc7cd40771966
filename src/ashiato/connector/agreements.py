"""The agreement that a contract negotiation makes: drawn up, remembered, made final, or undone.

Every function runs inside the unit of work of the step that leads to it, so that no agreement is lost or doubled.
"""

from collections.abc import Mapping

import msgspec

from ashiato.connector import agreement_ends, frameworks
from ashiato.connector.catalog import LISTING, compiled, passes, rules_of
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid
from ashiato.connector.records import AccessForm, AgreementRecord, AgreementState, Asset, FrameworkState
from ashiato.connector.rights import informed, lets_in, under_agreement
from ashiato.dsp.negotiation import ContractNegotiation
from ashiato.facts.decisions import Decision, Reason
from ashiato.facts.instants import format_datetime
from ashiato.policy.evaluation import Checkpoint, decide
from ashiato.policy.identity import policy_hash
from ashiato.policy.index import next_change_ms
from ashiato.policy.transformations import Transformation, announced, to_apply
from ashiato.trust.standing import Standing

LONGEST_ID_BYTES = 1000
RENEWS_MEMBER = "ashiato:renews"
LET_IN_MEMBER = "let_in_by"


class _LetIn(msgspec.Struct, frozen=True):
    """An access policy and forms of access, by which somebody was let in."""

    access_policy: dict[str, object] | None = None
    access: tuple[AccessForm, ...] = ()


def draw_up(uow: UnitOfWork, negotiation: ContractNegotiation, moment: Moment) -> dict[str, object]:
    """The Agreement over the offer that stands, as the provider sends it; it names the framework that covers it."""
    # Only what both sides compared: whatever else the counterparty wrote beside the rules, nobody here has read.
    terms = rules_of(negotiation.offer)
    if frameworks.CLASS_MEMBER in negotiation.offer:
        terms[frameworks.CLASS_MEMBER] = negotiation.offer[frameworks.CLASS_MEMBER]
    agreement: dict[str, object] = {
        "@id": moment.fresh_iri(),
        "@type": "Agreement",
        "target": negotiation.dataset_id,
        "assigner": negotiation.provider_id,
        "assignee": negotiation.consumer_id,
        "timestamp": format_datetime(moment.now_ms),
    }
    agreement.update(terms)
    predecessor_id = predecessor(uow, negotiation, negotiation.offer)
    if predecessor_id is not None:
        agreement[RENEWS_MEMBER] = predecessor_id
    framework = frameworks.covering(uow, negotiation, moment.now_ms)
    if framework is not None:
        agreement[frameworks.NAMED_MEMBER] = framework.framework_id
    return agreement


def predecessor(
    uow: UnitOfWork, negotiation: ContractNegotiation, document: Mapping[str, object]
) -> str | None:
    """The agreement that an offer or agreement says to renew, when it is one of the same parties over the same dataset."""
    named = document.get(RENEWS_MEMBER)
    known = uow.contracts.agreement(named) if isinstance(named, str) else None
    if known is None or not known.finalized:
        return None
    same = (known.role, known.peer_id, known.asset_id) == (
        negotiation.role,
        negotiation.peer_id,
        negotiation.dataset_id,
    )
    return known.agreement_id if same else None


def remember(uow: UnitOfWork, negotiation: ContractNegotiation, moment: Moment) -> None:
    """Keep the agreement that was sent or received; it gives no right before it is final."""
    document = negotiation.agreement or {}
    let_in = _let_in_by(uow, negotiation)
    agreement_id = str(document["@id"])
    if not 0 < len(agreement_id.encode()) <= LONGEST_ID_BYTES or not agreement_id.isprintable():
        raise Invalid("The id of the agreement must be short and printable.", path="agreement.@id")
    if uow.contracts.agreement(agreement_id) is not None:
        raise Invalid("An agreement with this id exists already.", path="agreement.@id")
    uow.contracts.insert_agreement(
        AgreementRecord(
            agreement_id=agreement_id,
            role=negotiation.role,
            peer_id=negotiation.peer_id,
            asset_id=negotiation.dataset_id,
            negotiation_pid=negotiation.own_pid,
            document=document,
            policy_hash=policy_hash(document),
            agreed_ms=moment.now_ms,
            framework_id=frameworks.named_in(uow, document, negotiation.peer_id),
            predecessor_id=predecessor(uow, negotiation, document),
            access_policy=let_in.access_policy,
            access=let_in.access,
        )
    )


def let_in_by(uow: UnitOfWork, offer_id: str) -> dict[str, object]:
    """What an offer of ours asks of those who may see it, to be kept with a negotiation on it; empty where there is none."""
    terms = _asked_by(uow, offer_id)
    return {} if terms is None else {LET_IN_MEMBER: msgspec.to_builtins(terms)}


def _let_in_by(uow: UnitOfWork, negotiation: ContractNegotiation) -> _LetIn:
    """What the offer that led here asks now; of one that was withdrawn meanwhile, what it asked when the negotiation began."""
    context = uow.negotiations.context(negotiation.own_pid)
    now = _asked_by(uow, str(context.get("offer_id", "")))
    return msgspec.convert(context.get(LET_IN_MEMBER, {}), _LetIn) if now is None else now


def _asked_by(uow: UnitOfWork, offer_id: str) -> _LetIn | None:
    offer = uow.assets.offer(offer_id) if offer_id not in ("", LISTING) else None
    if offer is None:
        return None
    definition = None if offer.access_policy_id is None else uow.assets.policy(offer.access_policy_id)
    return _LetIn(access_policy=None if definition is None else definition.document, access=offer.access)


class Served(msgspec.Struct, frozen=True):
    """What an agreement gives now: the decision, the instant at which time may end it, and how the data must be altered."""

    decision: Decision
    cut_at_ms: int | None = None
    changes: tuple[Transformation, ...] = ()


def decide_served(
    uow: UnitOfWork,
    agreement: AgreementRecord,
    asset: Asset | None,
    consumer: Standing,
    checkpoint: Checkpoint,
    action: str,
    now_ms: int,
) -> Served:
    """As the provider: whether `consumer` has what was agreed now.

    The consumer must have what this node asks of everybody, and the agreement's policy must permit it. Besides, whoever was
    let in must still be one whom the owner lets in: those forms of access and that access policy which stood when it was
    agreed, asked as then but of what is verified now, and the forms that the asset has now.
    """
    if consumer.lacks:
        missing = Reason("credentials_missing", satisfied=False, fields=(("types", consumer.lacks),))
        return Served(Decision(permitted=False, reasons=(missing,)))
    classification = "" if asset is None else asset.classification
    agreed_ms = agreement.agreed_ms
    for access in (agreement.access, () if asset is None else asset.access):
        let_in = lets_in(uow, access, consumer, agreed_ms, classification)
        if not let_in.permitted:
            return Served(let_in)
    if agreement.access_policy is not None:
        let_in = passes(uow, agreement.access_policy, consumer, agreed_ms, classification)
        if not let_in.permitted:
            return Served(let_in)
    policy = compiled(rules_of(agreement.document))
    asked = under_agreement(agreement, consumer, checkpoint, action, now_ms)
    request = informed(uow, policy, asked, classification=classification, agreement=agreement)
    # The data plane makes every change that the policy demands, or hands out nothing.
    changes = announced(policy)
    if changes:
        request = msgspec.structs.replace(request, duties={**request.duties, **changes})
    decision = decide(policy, request)
    if not decision.permitted:
        return Served(decision)
    return Served(decision, next_change_ms(policy, request), to_apply(policy, decision))


def finalize(uow: UnitOfWork, negotiation: ContractNegotiation, moment: Moment) -> None:
    """From now on the agreement gives its right; that of a framework contract puts the framework in force."""
    document = negotiation.agreement or {}
    agreement = uow.contracts.agreement(str(document["@id"]))
    if agreement is None:
        raise Invalid("The negotiation has no agreement.", pid=negotiation.own_pid)
    final = msgspec.structs.replace(agreement, finalized=True)
    uow.contracts.put_agreement(final)
    agreement_ends.schedule(uow, final, moment)
    if frameworks.is_framework_target(negotiation.dataset_id):
        frameworks.activate(uow, negotiation.dataset_id, rules_of(document), moment)


def undo(uow: UnitOfWork, negotiation: ContractNegotiation, moment: Moment) -> None:
    """The negotiation was terminated: what it had agreed gives no right, and what it had proposed is closed."""
    if negotiation.agreement is not None:
        agreement = uow.contracts.agreement(str(negotiation.agreement["@id"]))
        if agreement is not None and agreement.state is AgreementState.ACTIVE:
            ended = msgspec.structs.replace(
                agreement,
                state=AgreementState.TERMINATED,
                ended_ms=moment.now_ms,
                end_reason="The negotiation was terminated before the agreement was final.",
            )
            uow.contracts.put_agreement(ended)
    if frameworks.is_framework_target(negotiation.dataset_id):
        framework = uow.contracts.framework(negotiation.dataset_id)
        if framework is not None and framework.state is not FrameworkState.ENDED:
            frameworks.end(uow, framework.framework_id, "The proposal was not agreed.", moment)
