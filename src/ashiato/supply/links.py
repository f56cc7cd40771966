"""Trade links: "my purchased part is your part", proposed by one side and true only when the other has confirmed it.

How a proposal and its answer travel is not said here. Whoever receives one calls `take_in`, `confirm`, `refuse` or `withdraw`
with `by` = the verified partner; what the company itself does is `by` = its own id.
"""

from collections.abc import Mapping

import msgspec

from ashiato.connector.offers import note
from ashiato.connector.ports import Moment
from ashiato.connector.problems import Invalid, NotFound, QuotaExceeded, WrongState
from ashiato.supply.amounts import check_same_dimension, unit_of
from ashiato.supply.ports import UnitOfWork
from ashiato.supply.records import LinkStanding, LinkState, PartType, Side, Sourcing, TradeLink

LONGEST_TEXT_CHARS = 1000
MOST_WAITING_COUNT = 1000
"""Proposals of one partner that wait here at most: a partner's program cannot fill the store."""

OPEN = frozenset({LinkState.PROPOSED, LinkState.CONFIRMED})
_SOURCING_OF: Mapping[Side, Sourcing] = {Side.BUYER: Sourcing.PURCHASED, Side.SUPPLIER: Sourcing.OWN}


class PartnersPart(msgspec.Struct, frozen=True, kw_only=True):
    """What a partner says of its side of a link."""

    part_id: str = ""
    name: str = ""
    unit: str = ""


def propose(uow: UnitOfWork, link: TradeLink, moment: Moment) -> TradeLink:
    """Store our own proposal; the same again changes nothing. Raises `Invalid` and `WrongState`."""
    known = uow.supply.links.get(link.link_id)
    if known is not None:
        if _told(known) == _told(link) and known.is_ours:
            return known
        raise WrongState(f"There is another trade link {link.link_id!r}.", id=link.link_id)
    if uow.supply.partners.get(link.partner_id) is None:
        raise Invalid(
            f"{link.partner_id!r} is no trading partner of yours; create it first.", path="partner_id"
        )
    part = _own_part(uow, link.own_part_id, link.side)
    _check_partners_side(link, part)
    _check_single(uow, link)
    return _store(
        uow, msgspec.structs.replace(link, is_ours=True, state=LinkState.PROPOSED), moment, "proposed"
    )


def take_in(uow: UnitOfWork, link: TradeLink, moment: Moment) -> TradeLink:
    """Store a partner's proposal, `side` being our own; the same again changes nothing.

    Raises `Invalid`, `QuotaExceeded` and `WrongState`.
    """
    known = uow.supply.links.get(link.link_id)
    if known is not None:
        if known.partner_id == link.partner_id and not known.is_ours:
            return known
        raise WrongState(f"There is another trade link {link.link_id!r}.", id=link.link_id)
    _check_partners_side(link, None)
    if not link.partner_part_id:
        raise Invalid("A proposal names the part of its sender.", path="partner_part_id")
    waiting_count = uow.supply.count_links(link.partner_id, LinkStanding.WAITING, MOST_WAITING_COUNT)
    if waiting_count == MOST_WAITING_COUNT:
        raise QuotaExceeded(
            f"{waiting_count} of your proposals wait here; let some be answered first, or withdraw them."
        )
    taken = msgspec.structs.replace(link, is_ours=False, own_part_id="", state=LinkState.PROPOSED)
    return _store(uow, taken, moment, "received")


def confirm(
    uow: UnitOfWork,
    link_id: str,
    by: str,
    moment: Moment,
    *,
    own_part_id: str = "",
    partners_part: PartnersPart | None = None,
) -> TradeLink:
    """The other side says yes: we, naming our part, or the partner, naming its own.

    Raises `Invalid`, `NotFound` and `WrongState`.
    """
    link = of_party(uow, link_id, by)
    if link.state is LinkState.CONFIRMED:
        return link
    check_may_answer(link, by, "confirmed")
    told = partners_part or PartnersPart()
    confirmed = msgspec.structs.replace(
        link,
        state=LinkState.CONFIRMED,
        own_part_id=link.own_part_id or own_part_id,
        partner_part_id=link.partner_part_id or told.part_id,
        partner_part_name=link.partner_part_name or told.name,
        partner_unit=link.partner_unit or told.unit,
    )
    if link.partner_part_id and told.part_id and link.partner_part_id != told.part_id:
        raise Invalid(
            f"The proposal was about the partner's part {link.partner_part_id!r}, not {told.part_id!r}.",
            path="partner_part_id",
        )
    if not confirmed.partner_part_id:
        raise Invalid("Whoever confirms names its own part.", path="partner_part_id")
    _check_partners_side(confirmed, _own_part(uow, confirmed.own_part_id, confirmed.side))
    _check_single(uow, confirmed)
    return _store(uow, confirmed, moment, "confirmed")


def refuse(uow: UnitOfWork, link_id: str, by: str, reason: str, moment: Moment) -> TradeLink:
    """The other side says no, and why. Raises `NotFound` and `WrongState`."""
    link = of_party(uow, link_id, by)
    if link.state is LinkState.REFUSED:
        return link
    check_may_answer(link, by, "refused")
    refused = msgspec.structs.replace(link, state=LinkState.REFUSED, reason=_text(reason, "reason"))
    return _store(uow, refused, moment, "refused")


def withdraw(uow: UnitOfWork, link_id: str, by: str, reason: str, moment: Moment) -> TradeLink:
    """The proposer takes its proposal back, or either side ends a confirmed link. Raises `NotFound` and `WrongState`."""
    link = of_party(uow, link_id, by)
    if link.state is LinkState.WITHDRAWN:
        return link
    check_may_withdraw(link, by)
    withdrawn = msgspec.structs.replace(link, state=LinkState.WITHDRAWN, reason=_text(reason, "reason"))
    return _store(uow, withdrawn, moment, "withdrawn")


def check_may_answer(link: TradeLink, by: str, what: str) -> None:
    """Only the side that did not propose answers, and only once. Raises `WrongState`."""
    if link.state is not LinkState.PROPOSED:
        raise WrongState(f"The trade link is {link.state}; it cannot be {what} any more.", state=link.state)
    if (by == link.partner_id) != link.is_ours:
        raise WrongState(f"A proposal is {what} by the other side.", state=link.state)


def check_may_withdraw(link: TradeLink, by: str) -> None:
    """The proposer before the answer, either side after a yes. Raises `WrongState`."""
    if link.state not in OPEN:
        raise WrongState(f"The trade link is {link.state} already.", state=link.state)
    if link.state is LinkState.PROPOSED and (by == link.partner_id) == link.is_ours:
        raise WrongState("A proposal is withdrawn by its proposer; refuse it instead.", state=link.state)


def link_of(uow: UnitOfWork, link_id: str) -> TradeLink:
    """The trade link; raises `NotFound`."""
    found = uow.supply.links.get(link_id)
    if found is None:
        raise NotFound(f"There is no trade link {link_id!r}.", id=link_id)
    return found


def of_party(uow: UnitOfWork, link_id: str, by: str) -> TradeLink:
    """The trade link, if `by` is this company or the partner of the link: nobody else learns that there is one."""
    link = link_of(uow, link_id)
    if by not in (uow.participant_id, link.partner_id):
        raise NotFound(f"There is no trade link {link_id!r}.", id=link_id)
    return link


def _own_part(uow: UnitOfWork, part_id: str, side: Side) -> PartType:
    part = uow.supply.parts.get(part_id)
    if part is None:
        raise Invalid(f"There is no part {part_id!r}; create it first.", path="own_part_id", id=part_id)
    if part.sourcing is not _SOURCING_OF[side]:
        raise Invalid(
            f"The {side} of a trade link names a part that is {_SOURCING_OF[side]}; {part_id!r} is {part.sourcing}.",
            path="own_part_id",
            id=part_id,
        )
    return part


def _check_partners_side(link: TradeLink, part: PartType | None) -> None:
    for path in ("partner_part_id", "partner_part_name", "message"):
        _text(getattr(link, path), path)
    if not link.link_id or len(link.link_id) > 256 or not link.link_id.isprintable():
        raise Invalid("A trade link has an id of 1 to 256 printable characters.", path="link_id")
    if link.partner_unit:
        unit = unit_of(link.partner_unit, "partner_unit")
        if part is not None:
            what = f"your part {part.part_id!r}"
            check_same_dimension(unit, unit_of(part.unit, "partner_unit"), "partner_unit", what)


def _check_single(uow: UnitOfWork, link: TradeLink) -> None:
    """The same pair of parts is not linked twice at once."""
    for other in uow.supply.links_of([link.own_part_id]).get(link.own_part_id, ()):
        is_same = (
            other.link_id != link.link_id
            and other.state in OPEN
            and other.partner_id == link.partner_id
            and other.partner_part_id == link.partner_part_id
        )
        if is_same:
            raise WrongState(
                f"The trade link {other.link_id!r} is about the same parts and {other.state}.",
                id=other.link_id,
            )


def _told(link: TradeLink) -> tuple[str, ...]:
    return (link.side, link.partner_id, link.own_part_id, link.message)


def _text(text: str, path: str) -> str:
    if len(text) > LONGEST_TEXT_CHARS or any(not sign.isprintable() and sign != "\n" for sign in text):
        raise Invalid(f"The {path} has at most {LONGEST_TEXT_CHARS} printable characters.", path=path)
    return text


def _store(uow: UnitOfWork, link: TradeLink, moment: Moment, event: str) -> TradeLink:
    created_ms = link.created_ms or moment.now_ms
    link = msgspec.structs.replace(link, created_ms=created_ms, updated_ms=moment.now_ms)
    uow.supply.links.put(link)
    details: dict[str, object] = {"state": link.state, "side": link.side, "part_id": link.own_part_id}
    note(uow, moment, f"link.{event}", link.link_id, details, link.partner_id)
    return link
