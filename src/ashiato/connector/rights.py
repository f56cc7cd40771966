"""What a policy is asked at each checkpoint: who asks with what verified of it, under which agreement, when."""

from ashiato.connector.records import AgreementRecord
from ashiato.dsp.states import Role
from ashiato.facts.decisions import Decision, Reason
from ashiato.policy.evaluation import Checkpoint, Request, decide
from ashiato.policy.odrl import Policy
from ashiato.trust.standing import Standing


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


def refused_for_certain(policy: Policy, request: Request) -> Decision | None:
    """The denial that stands whatever else could be verified of the one who asks; None where somebody else can know more.

    The consumer asks this of its own agreement: which of its credentials hold is for the provider to verify.
    """
    decision = decide(policy, request)
    if decision.permitted or any(_is_open(reason) for reason in decision.reasons):
        return None
    return decision


def _is_open(reason: Reason) -> bool:
    return reason.satisfied is None
