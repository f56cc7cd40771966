"""What a policy is asked at each checkpoint: who asks with what verified of it, under which agreement, when.

What only the owner says (its groups of partners, declared facts) is looked up here, and only for policies that ask for it.
"""

from collections.abc import Mapping

import msgspec

from ashiato.connector.access import Access, as_policy
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.records import AgreementRecord, ObligationState
from ashiato.dsp.states import Role
from ashiato.facts.decisions import Decision
from ashiato.policy.evaluation import decide
from ashiato.policy.odrl import Constraint, Logical, Node, Policy
from ashiato.policy.request import DutyState, Request
from ashiato.policy.terms import Kind
from ashiato.policy.vocabulary import Checkpoint
from ashiato.trust.standing import Standing

GROUP = "group"
_GROUP_NAMES = frozenset((GROUP, "BusinessPartnerGroup"))
_DECLARED = frozenset((Kind.FACT, Kind.QUANTITY))
_CLASSIFICATION = "classification"


def before_agreement(peer: Standing, checkpoint: Checkpoint, action: str, now_ms: int) -> Request:
    """The question whether `peer` may see an offer, or make a contract on it."""
    return Request(
        checkpoint=checkpoint,
        action=action,
        participant_id=peer.participant_id,
        now_ms=now_ms,
        claims=peer.claims,
    )


def under_agreement(
    agreement: AgreementRecord, peer: Standing, checkpoint: Checkpoint, action: str, now_ms: int
) -> Request:
    """The question whether the consumer of `agreement` may still have what was agreed."""
    consumer_id = agreement.peer_id if agreement.role is Role.PROVIDER else agreement.document.get("assignee")
    return Request(
        checkpoint=checkpoint,
        action=action,
        participant_id=str(consumer_id),
        now_ms=now_ms,
        agreed_at_ms=agreement.agreed_ms,
        uses_count=agreement.uses_count,
        claims=peer.claims,
    )


def judge(
    uow: UnitOfWork,
    policy: Policy,
    request: Request,
    *,
    classification: str = "",
    agreement: AgreementRecord | None = None,
) -> Decision:
    """The decision with everything that the owner knows beside what was verified."""
    return decide(policy, informed(uow, policy, request, classification=classification, agreement=agreement))


def informed(
    uow: UnitOfWork,
    policy: Policy,
    request: Request,
    *,
    classification: str = "",
    agreement: AgreementRecord | None = None,
) -> Request:
    """The request together with what the owner says of its partner, of now and of the agreement."""
    names = _declared_names(policy)
    claims, facts = dict(request.claims), dict(request.facts)
    if not names.isdisjoint(_GROUP_NAMES):
        claims[GROUP] = uow.declarations.groups_of(request.participant_id)
        claims.pop("BusinessPartnerGroup", None)
    if _CLASSIFICATION in names:
        facts[_CLASSIFICATION] = frozenset((classification,)) if classification else frozenset()
    facts |= _facts(uow, names - _GROUP_NAMES - {_CLASSIFICATION}, agreement)
    duties = _duties(uow, policy, agreement)
    if not names and not duties:
        return request
    return msgspec.structs.replace(request, claims=claims, facts=facts, duties=duties)


def lets_in(
    uow: UnitOfWork, access: Access, peer: Standing, now_ms: int, classification: str = ""
) -> Decision:
    """Whether one of the forms of access lets the peer in; no form lets in everybody."""
    if not access:
        return Decision(permitted=True, reasons=())
    request = before_agreement(peer, Checkpoint.CATALOG, "use", now_ms)
    return judge(uow, as_policy(access), request, classification=classification)


def refused_for_certain(policy: Policy, request: Request) -> Decision | None:
    """The denial that stands whatever else could be verified of the one who asks; None where somebody else can know more.

    The consumer asks this of its own agreement: which of its credentials hold is for the provider to verify.
    """
    decision = decide(policy, msgspec.structs.replace(request, is_open_world=True))
    if decision.permitted or any(reason.satisfied is None for reason in decision.reasons):
        return None
    return decision


def _facts(
    uow: UnitOfWork, names: frozenset[str], agreement: AgreementRecord | None
) -> Mapping[str, frozenset[str]]:
    agreement_id = "" if agreement is None else agreement.agreement_id
    found: dict[str, frozenset[str]] = {}
    for name in names:
        values = uow.declarations.fact(name, agreement_id)
        # An event that nobody declared does not go on; an amount that nobody declared is not known.
        if values is not None or name == "event":
            found[name] = values or frozenset()
    return found


def _duties(uow: UnitOfWork, policy: Policy, agreement: AgreementRecord | None) -> Mapping[str, DutyState]:
    """How the duties stand, by their paths; one that is owed several times is violated when one of them is overdue.

    It is fulfilled when none of them waits.
    """
    if agreement is None or not (policy.obligations or any(rule.duties for rule in policy.permissions)):
        return {}
    states: dict[str, DutyState] = {}
    found = uow.obligations.of_agreement(agreement.agreement_id)
    waiting = {owed.path for owed in found if owed.state is ObligationState.PENDING}
    for owed in found:
        if owed.state is ObligationState.OVERDUE:
            states[owed.path] = DutyState.VIOLATED
        elif owed.comes_first and owed.state is ObligationState.FULFILLED and owed.path not in waiting:
            states.setdefault(owed.path, DutyState.FULFILLED)
    return states


def _declared_names(policy: Policy) -> frozenset[str]:
    """The claims and facts in the policy that its owner declares."""
    names: set[str] = set()
    pending: list[Node] = []
    for rule in (*policy.permissions, *policy.prohibitions, *policy.obligations):
        pending += [part.constraint for part in (rule, *rule.duties) if part.constraint is not None]
    while pending:
        node = pending.pop()
        if isinstance(node, Logical):
            pending += node.operands
        elif isinstance(node, Constraint):
            names.update(_GROUP_NAMES.intersection(node.claims))
            if node.kind in _DECLARED:
                names.add(node.fact)
    return frozenset(names)
