"""The standing line to a partner's inbox: one agreement and one transfer without an end, made when they are first needed.

Nothing goes beside them. A line is negotiated without a person only where that binds the company to nothing: the offer is one
under a framework contract with the partner, or it asks for no duty; otherwise a person negotiates, and the line goes on from
the agreement.
"""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from ashiato.connector import fetching, frameworks, negotiations, transfers
from ashiato.connector.catalog import rules_of
from ashiato.connector.company import Company
from ashiato.connector.negotiations import Partner
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import NotPermitted
from ashiato.connector.records import AgreementState
from ashiato.dsp.states import NegotiationState, TransferState
from ashiato.dsp.transfer import TransferProcess
from ashiato.policy.evaluation import Checkpoint
from ashiato.policy.identity import same_rules
from ashiato.policy.odrl import MalformedPolicy, parse_policy
from ashiato.supply.messages import INBOX_ASSET_ID
from ashiato.supply.request_ports import REQUESTS, KeptLine

ASK_AGAIN_AFTER_MS = 600_000


class LineState(StrEnum):
    """How far a line is."""

    READY = "ready"
    WAITING = "waiting"
    """Negotiation or transfer is under way; `pid` names it."""
    REFUSED = "refused"
    """The partner ended the negotiation a moment ago; `reason` says why."""
    ABSENT = "absent"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What is there of a line, and the process to post through or to wait for."""

    state: LineState
    pid: str = ""
    reason: str = ""


def ready(uow: UnitOfWork, peer_id: str, now_ms: int) -> str | None:
    """The started transfer through which messages are posted, if there is one; it changes nothing."""
    kept = uow.room(REQUESTS).line(peer_id)
    transfer = uow.transfers.get(kept.transfer_pid) if kept is not None and kept.transfer_pid else None
    if transfer is None or transfer.state is not TransferState.STARTED or not _holds(uow, transfer, now_ms):
        return None
    return transfer.own_pid


def find(uow: UnitOfWork, company: Company, partner: Partner, moment: Moment) -> Line:
    """The line as it stands; where an agreement is there without a transfer, the transfer is asked for."""
    room, peer_id = uow.room(REQUESTS), partner.participant_id
    kept = room.line(peer_id) or KeptLine(peer_id=peer_id)
    transfer = uow.transfers.get(kept.transfer_pid) if kept.transfer_pid else None
    if transfer is not None and _holds(uow, transfer, moment.now_ms):
        if transfer.state is TransferState.STARTED:
            return Line(state=LineState.READY, pid=transfer.own_pid)
        if not transfer.state.is_terminal:
            return Line(state=LineState.WAITING, pid=transfer.own_pid)
    agreement = fetching.usable_agreement(uow, peer_id, INBOX_ASSET_ID, moment.now_ms)
    if agreement is not None:
        asked = transfers.request(
            uow, company, agreement.agreement_id, transfers.PULL_FORMAT, partner.address, moment
        )
        room.put_line(msgspec.structs.replace(kept, transfer_pid=asked.own_pid))
        return Line(state=LineState.WAITING, pid=asked.own_pid)
    negotiation = uow.negotiations.get(kept.negotiation_pid) if kept.negotiation_pid else None
    if negotiation is None or negotiation.state is NegotiationState.FINALIZED:
        return Line(state=LineState.ABSENT)
    if negotiation.state is NegotiationState.TERMINATED:
        if moment.now_ms - negotiation.updated_ms >= ASK_AGAIN_AFTER_MS:
            return Line(state=LineState.ABSENT)
        ending = negotiation.reason
        reason = "" if ending is None else negotiations.in_words(ending)
        return Line(state=LineState.REFUSED, reason=reason or "The partner gave no reason.")
    return Line(state=LineState.WAITING, pid=negotiation.own_pid)


def open_line(
    uow: UnitOfWork, company: Company, partner: Partner, offer: dict[str, object], moment: Moment
) -> Line:
    """Negotiate the partner's inbox on `offer`, unless somebody did meanwhile."""
    line = find(uow, company, partner, moment)
    if line.state is not LineState.ABSENT:
        return line
    negotiation = negotiations.request(uow, company, partner, {**offer, "target": INBOX_ASSET_ID}, moment)
    room = uow.room(REQUESTS)
    room.put_line(KeptLine(peer_id=partner.participant_id, negotiation_pid=negotiation.own_pid))
    return Line(state=LineState.WAITING, pid=negotiation.own_pid)


def harmless_offer(
    uow: UnitOfWork, peer_id: str, offers: Sequence[dict[str, object]], now_ms: int
) -> dict[str, object] | None:
    """The offer that may be agreed to without a person; None when a person must choose."""
    standing = frameworks.standing_terms(uow, peer_id, now_ms)
    for offer in offers:
        if any(same_rules(offer, terms) for terms in standing):
            return offer
    if not offers or not all(same_rules(offer, offers[0]) for offer in offers):
        return None
    try:
        policy = parse_policy({"@type": "Offer", **rules_of(offers[0])})
    except MalformedPolicy:
        return None
    asks_duties = policy.obligations or any(rule.duties for rule in policy.permissions)
    return None if asks_duties else offers[0]


def _holds(uow: UnitOfWork, transfer: TransferProcess, now_ms: int) -> bool:
    agreement = uow.contracts.agreement(transfer.agreement_id)
    if agreement is None or agreement.state is not AgreementState.ACTIVE:
        return False
    try:
        transfers.check_usable(agreement, Checkpoint.TRANSFER, now_ms)
    except NotPermitted:
        return False
    return True
