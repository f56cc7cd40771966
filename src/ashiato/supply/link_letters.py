"""Trade links between two companies: what one side does with a link is written into the other's inbox.

`supply.links` says what a link is and who may do what with it; here its acts get a messenger.
"""

from ashiato.connector.ports import Moment
from ashiato.connector.problems import Invalid
from ashiato.outbox.deliveries import Delivery, DeliveryKind
from ashiato.supply import links
from ashiato.supply.links import PartnersPart
from ashiato.supply.messages import (
    LinkConfirmation,
    LinkProposal,
    LinkRefusal,
    LinkWithdrawal,
    Message,
    encode,
)
from ashiato.supply.ports import UnitOfWork
from ashiato.supply.records import LinkState, Side, TradeLink

PROCESS_PREFIX = "link:"

LinkMessage = LinkProposal | LinkConfirmation | LinkRefusal | LinkWithdrawal

_OTHER_SIDE = {Side.BUYER: Side.SUPPLIER, Side.SUPPLIER: Side.BUYER}


def propose(uow: UnitOfWork, link: TradeLink, moment: Moment) -> TradeLink:
    """Store our proposal and let the partner know of it."""
    stored = links.propose(uow, link, moment)
    part = _told_part(uow, stored)
    message = LinkProposal(
        message_id=moment.fresh_iri(),
        link_id=stored.link_id,
        side="buyer" if stored.side is Side.BUYER else "supplier",
        part_id=part.part_id,
        part_name=part.name,
        unit=part.unit,
        partner_part_id=stored.partner_part_id,
        text=stored.message,
    )
    _send(uow, stored, message, moment)
    return stored


def confirm(uow: UnitOfWork, link_id: str, own_part_id: str, moment: Moment) -> TradeLink:
    """Say yes to a proposal of the partner, with the part of ours that it is."""
    confirmed = links.confirm(uow, link_id, uow.participant_id, moment, own_part_id=own_part_id)
    part = _told_part(uow, confirmed)
    message = LinkConfirmation(
        message_id=moment.fresh_iri(),
        link_id=link_id,
        part_id=part.part_id,
        part_name=part.name,
        unit=part.unit,
    )
    _send(uow, confirmed, message, moment)
    return confirmed


def refuse(uow: UnitOfWork, link_id: str, reason: str, moment: Moment) -> TradeLink:
    """Say no to a proposal of the partner."""
    refused = links.refuse(uow, link_id, uow.participant_id, reason, moment)
    message = LinkRefusal(message_id=moment.fresh_iri(), link_id=link_id, reason=reason)
    _send(uow, refused, message, moment)
    return refused


def withdraw(uow: UnitOfWork, link_id: str, reason: str, moment: Moment) -> TradeLink:
    """Take our proposal back, or end a link."""
    withdrawn = links.withdraw(uow, link_id, uow.participant_id, reason, moment)
    message = LinkWithdrawal(message_id=moment.fresh_iri(), link_id=link_id, reason=reason)
    _send(uow, withdrawn, message, moment)
    return withdrawn


def take(uow: UnitOfWork, sender_id: str, message: LinkMessage, moment: Moment) -> None:
    """What a partner's message does to a link; raises a `Problem` where it may not, and nothing was changed."""
    match message:
        case LinkProposal():
            link = TradeLink(
                link_id=message.link_id,
                side=_OTHER_SIDE[Side(message.side)],
                partner_id=sender_id,
                is_ours=False,
                partner_part_id=message.part_id,
                partner_part_name=message.part_name,
                partner_unit=message.unit,
                message=message.text,
            )
            links.take_in(uow, link, moment)
        case LinkConfirmation():
            told = PartnersPart(part_id=message.part_id, name=message.part_name, unit=message.unit)
            links.confirm(uow, message.link_id, sender_id, moment, partners_part=told)
        case LinkRefusal():
            links.refuse(uow, message.link_id, sender_id, message.reason, moment)
        case LinkWithdrawal():
            links.withdraw(uow, message.link_id, sender_id, message.reason, moment)


def confirmed_link(uow: UnitOfWork, link_id: str, partner_id: str, side: Side) -> TradeLink:
    """The confirmed link with that partner on which we stand on that side; raises `Invalid`."""
    link = uow.supply.links.get(link_id)
    if link is None or (link.partner_id, link.side, link.state) != (partner_id, side, LinkState.CONFIRMED):
        raise Invalid(f"There is no confirmed trade link {link_id!r} between us for this.", path="part.link")
    return link


def _told_part(uow: UnitOfWork, link: TradeLink) -> PartnersPart:
    part = uow.supply.parts.get(link.own_part_id)
    if part is None:
        return PartnersPart(part_id=link.own_part_id)
    return PartnersPart(part_id=part.part_id, name=part.name, unit=part.unit)


def _send(uow: UnitOfWork, link: TradeLink, message: Message, moment: Moment) -> None:
    uow.outbox.add(
        Delivery(
            delivery_id=moment.fresh_id(),
            participant_id=uow.participant_id,
            kind=DeliveryKind.SUPPLY,
            process_id=f"{PROCESS_PREFIX}{link.link_id}",
            sequence=0,
            message_name=type(message).__name__,
            address="",
            audience=link.partner_id,
            body=encode(message),
            created_ms=moment.now_ms,
            due_ms=moment.now_ms,
        )
    )
