"""How far a thing reaches: down to its materials, up to where it went, one tier per company and across as many as answer.

Each company looks at its own as-built relations only and asks its neighbours on the other side of confirmed trade links. What
comes back of a tier are counts, and names only of the neighbour's own things where its owner lets it name them; names go no
further than to the neighbour, so that whatever lies behind is counted and stays masked.

A thing is spoken of with the partner that it came from or went to: the one whose DID stands at a `partner_number` of the thing
or of its batch, or the only one that trades in the part. Where that is not known, nobody is asked and nobody is told.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

import msgspec

from ashiato.connector.company import Company
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import NotFound
from ashiato.facts.identifiers import Identifier, IdentifierKind, MalformedIdentifier, identifier
from ashiato.supply import asking
from ashiato.supply.messages import (
    MOST_NAMED_COUNT,
    MOST_TIERS_COUNT,
    MOST_TRADES_COUNT,
    Part,
    TracedThing,
    TraceReach,
    TraceResult,
    TraceTier,
)
from ashiato.supply.ports import FIRST_PLACE, SUPPLY, Place, Supply
from ashiato.supply.records import Batch, Item, LinkState, Side, Sourcing, Subject, SubjectKind, TradeLink
from ashiato.supply.request_ports import REQUESTS
from ashiato.supply.requests import SupplyRequest, Wanted
from ashiato.supply.tracing import (
    MOST_BRANCHES_COUNT,
    MOST_NAMES_BYTES,
    MOST_WALKED_COUNT,
    PAGE_COUNT,
    ask_on,
    chunks,
    give,
    keep_own,
    own_part_id,
    told_by,
)

MATERIALS_ITEM = "trace:materials"
WENT_ITEM = "trace:went"
MOST_UNANSWERED_COUNT = 1_000_000

Record = Item | Batch


class _Question(msgspec.Struct, frozen=True):
    """What one partner is asked: things of one part, by serial number or by lot."""

    link: TradeLink
    serials: tuple[str, ...]
    lots: tuple[str, ...]

    def things(self) -> Iterator[tuple[str, SubjectKind, str]]:
        """Each thing by our part, its kind and the name under which the partner knows it."""
        yield from ((self.link.own_part_id, SubjectKind.ITEM, serial) for serial in self.serials)
        yield from ((self.link.own_part_id, SubjectKind.BATCH, lot) for lot in self.lots)


class _Spread(msgspec.Struct):
    """What was come to in our own company; `onward` are those from which a relation leads on."""

    records: dict[Subject, Record]
    onward: set[Subject]
    is_whole: bool = True


class _Look(msgspec.Struct, frozen=True, kw_only=True):
    known: tuple[str, ...]
    known_lots: tuple[str, ...]
    reached: tuple[Record, ...]
    ends_count: int
    questions: tuple[_Question, ...]
    untold_count: int


def ask_own(
    uow: UnitOfWork,
    company: Company,
    start: Subject,
    terms: asking.Terms,
    moment: Moment,
) -> SupplyRequest:
    """Follow a batch or an item of ours to its materials, or to where it went, as `terms.data_item` says.

    It is kept like a request that came in, and answered when every branch is known or the date is over. Raises `Invalid` and
    `NotFound`.
    """
    chain = uow.room(SUPPLY)
    if start.kind is SubjectKind.ITEM:
        item = chain.items.get(start.id)
        wanted = (
            None
            if item is None
            else Wanted(partner="", part=Part(part_id=item.part_id), among=(item.serial,))
        )
    else:
        batch = chain.batches.get(start.id)
        wanted = (
            None if batch is None else Wanted(partner="", part=Part(part_id=batch.part_id), lots=(start.id,))
        )
    if wanted is None:
        raise NotFound(f"There is no {start.kind} {start.id!r}.", id=start.id)
    request = keep_own(uow, company, wanted, terms, moment)
    # Our own people may read the names of our own things.
    request = msgspec.structs.replace(request, names=True)
    uow.room(REQUESTS).put(request)
    begin(uow, company, request, moment)
    return uow.room(REQUESTS).get(request.own_id) or request


def begin(uow: UnitOfWork, company: Company, request: SupplyRequest, moment: Moment) -> None:
    """Answer from what we know, or ask the partners on the other side of what we know."""
    wanted = [
        Wanted(
            partner=one.link.partner_id,
            part=Part(link=one.link.link_id),
            among=one.serials,
            lots=one.lots,
        )
        for one in _look(uow, request).questions
    ]
    if not ask_on(uow, company, request, wanted, moment):
        finish(uow, company, request, moment)


def finish(uow: UnitOfWork, company: Company, request: SupplyRequest, moment: Moment) -> None:
    """Answer with what is known now; what comes later is a new version."""
    room = uow.room(REQUESTS)
    look = _look(uow, request)
    answers: dict[tuple[str, tuple[str, ...], tuple[str, ...]], TraceReach] = {}
    for child in room.below(request.own_id, "", MOST_BRANCHES_COUNT):
        trace = told_by(uow, child)
        if trace is not None and trace.reach is not None:
            answers[child.part.link, child.among, child.lots] = trace.reach
    asked: set[tuple[str, SubjectKind, str]] = set()
    known: set[tuple[str, SubjectKind, str]] = set()
    silent_count = 0
    below: list[TraceReach] = []
    for question in look.questions:
        asked.update(question.things())
        reach = answers.get((question.link.link_id, question.serials, question.lots))
        if reach is None:
            silent_count += 1
            continue
        below.append(reach)
        # A partner can know only what it was asked about.
        known.update(
            thing
            for thing in question.things()
            if thing[2] in (reach.known if thing[1] is SubjectKind.ITEM else reach.known_lots)
        )
    own = TraceTier(
        things=len(look.reached),
        ends=look.ends_count,
        unanswered=len(asked - known) + look.untold_count,
        branches=len(look.questions),
        silent=silent_count,
    )
    tiers = (own, *_tiers_below(below))[:MOST_TIERS_COUNT]
    reach = TraceReach(
        known=look.known,
        known_lots=look.known_lots,
        tiers=tiers,
        named=_named(look.reached) if request.names else (),
    )
    unanswered_count = min(sum(tier.unanswered for tier in tiers), MOST_UNANSWERED_COUNT)
    give(uow, company, request, TraceResult(unanswered=unanswered_count, reach=reach), moment)


def _tiers_below(below: Iterable[TraceReach]) -> Iterator[TraceTier]:
    """The sums of what the partners told, tier by tier; enormous ones must not make our own message malformed."""
    for tiers in zip_longest(*(reach.tiers for reach in below), fillvalue=TraceTier()):
        yield TraceTier(
            things=min(sum(tier.things for tier in tiers), MOST_TRADES_COUNT),
            ends=min(sum(tier.ends for tier in tiers), MOST_TRADES_COUNT),
            unanswered=min(sum(tier.unanswered for tier in tiers), MOST_TRADES_COUNT),
            branches=min(sum(tier.branches for tier in tiers), MOST_TRADES_COUNT),
            silent=min(sum(tier.silent for tier in tiers), MOST_TRADES_COUNT),
        )


def _named(records: Iterable[Record]) -> tuple[TracedThing, ...]:
    """As many names as an answer can carry; the others are counted."""
    named: list[TracedThing] = []
    size_bytes = 0
    for record in records:
        if isinstance(record, Item):
            thing = TracedThing(kind="item", part=record.part_id, name=record.serial)
        else:
            thing = TracedThing(kind="batch", part=record.part_id, name=record.batch_id)
        size_bytes += len(msgspec.json.encode(thing)) + 1
        if len(named) == MOST_NAMED_COUNT or size_bytes > MOST_NAMES_BYTES:
            break
        named.append(thing)
    return tuple(named)


def _look(uow: UnitOfWork, request: SupplyRequest) -> _Look:
    """What we have of what is asked, how far it reaches here, and whom to ask about what lies beyond."""
    chain, down = uow.room(SUPPLY), request.data_item == MATERIALS_ITEM
    part_id = own_part_id(uow, request)
    is_own = request.peer_id == uow.participant_id
    serials = chain.items_by_serial(part_id, request.among)
    starts = {Subject(SubjectKind.ITEM, item_id): serial for serial, item_id in serials.items()}
    starts |= {
        Subject(SubjectKind.BATCH, batch_id): lot
        for lot, batch_id in _lots(chain, part_id, request.lots, request.peer_id)
    }
    if not is_own:
        # Who asks for what somebody else delivered or got is answered as if it were not there.
        side = Side.SUPPLIER if down else Side.BUYER
        placed = _placed(chain, _records(chain, starts), side)
        starts = {
            thing: name
            for thing, name in starts.items()
            if any(link.partner_id == request.peer_id for link in placed.get(thing, ((), False))[0])
        }
    spread = _spread(chain, list(starts), down=down)
    borders, ends_count = _borders(chain, spread, down=down)
    placed = _placed(chain, borders, Side.BUYER if down else Side.SUPPLIER)
    by_link: dict[str, tuple[TradeLink, list[str], list[str]]] = {}
    untold_count = int(not spread.is_whole)
    for thing, record in borders.items():
        links, is_traded = placed[thing]
        if not links and (is_traded or down):
            untold_count += 1
        elif not links:
            # Nobody in the data space buys it: the trail ends with us, unless something of ours holds it.
            ends_count += int(thing not in spread.onward)
        for link in links:
            _, items, lots = by_link.setdefault(link.link_id, (link, [], []))
            if isinstance(record, Item):
                items.append(record.serial)
            else:
                lots.append(_lot_at(record, link.partner_id) if down else record.batch_id)
    questions = [
        _Question(link, piece, ()) for link, items, _ in by_link.values() for piece in chunks(sorted(items))
    ]
    questions += [
        _Question(link, (), piece)
        for link, _, lots in by_link.values()
        for piece in chunks(sorted(set(lots)))
    ]
    return _Look(
        known=tuple(sorted(name for thing, name in starts.items() if thing.kind is SubjectKind.ITEM)),
        known_lots=tuple(sorted(name for thing, name in starts.items() if thing.kind is SubjectKind.BATCH)),
        reached=tuple(spread.records[thing] for thing in sorted(spread.records) if thing not in starts),
        ends_count=ends_count,
        questions=tuple(questions),
        untold_count=untold_count,
    )


def _lots(chain: Supply, part_id: str, lots: Sequence[str], partner_id: str) -> Iterator[tuple[str, str]]:
    """Our batches of the part that a partner means, by the lot as it wrote it: our own id, or its number of the batch."""
    texts = {lot: _number_text(lot, partner_id) for lot in lots}
    named = chain.named([text for text in texts.values() if text])
    batches = chain.batches.get_many(
        [*lots, *(one.id for one in named.values() if one.kind is SubjectKind.BATCH)]
    )
    for lot, text in texts.items():
        of_partner = named.get(text)
        numbered = batches.get(of_partner.id) if of_partner and of_partner.kind is SubjectKind.BATCH else None
        batch = numbered or batches.get(lot)
        if batch is not None and batch.part_id == part_id:
            yield lot, batch.batch_id


def _number_text(lot: str, partner_id: str) -> str:
    """How the partner's number stands among identifiers; "" where it could not."""
    try:
        return identifier(IdentifierKind.PARTNER_NUMBER, lot, partner_id).text
    except MalformedIdentifier:
        return ""


def _lot_at(batch: Batch, partner_id: str) -> str:
    """What the partner calls the batch, where that is known; else our own id of it."""
    numbers = (one.value for one in batch.identifiers if _is_of(one, partner_id))
    return next(numbers, batch.batch_id)


def _is_of(known: Identifier, partner_id: str) -> bool:
    return known.kind is IdentifierKind.PARTNER_NUMBER and known.scope == partner_id


def _records(chain: Supply, things: Iterable[Subject]) -> dict[Subject, Record]:
    wanted = list(things)
    items = chain.items.get_many([one.id for one in wanted if one.kind is SubjectKind.ITEM])
    batches = chain.batches.get_many([one.id for one in wanted if one.kind is SubjectKind.BATCH])
    return {
        **{Subject(SubjectKind.ITEM, item_id): item for item_id, item in items.items()},
        **{Subject(SubjectKind.BATCH, batch_id): batch for batch_id, batch in batches.items()},
    }


def _placed(
    chain: Supply, records: dict[Subject, Record], side: Side
) -> dict[Subject, tuple[tuple[TradeLink, ...], bool]]:
    """The confirmed links with the one partner from which each thing came or to which it went, and whether its part is traded
    with anybody. No links where the partner is not known, or is linked no more.
    """
    links = chain.links_of(list({record.part_id for record in records.values()}))
    batches = chain.batches.get_many(
        [one.batch_id for one in records.values() if isinstance(one, Item) and one.batch_id]
    )
    placed: dict[Subject, tuple[tuple[TradeLink, ...], bool]] = {}
    for thing, record in records.items():
        # A link that ended still says whose the thing may be.
        traded = [
            link
            for link in links.get(record.part_id, ())
            if link.side is side and link.state in (LinkState.CONFIRMED, LinkState.WITHDRAWN)
        ]
        batch = batches.get(record.batch_id) if isinstance(record, Item) else None
        known = (*record.identifiers, *(batch.identifiers if batch is not None else ()))
        partners = {link.partner_id for link in traded}
        said = {partner for partner in partners if any(_is_of(one, partner) for one in known)}
        candidates = said or partners
        sole = next(iter(candidates)) if len(candidates) == 1 else ""
        confirmed = tuple(
            link for link in traded if link.partner_id == sole and link.state is LinkState.CONFIRMED
        )
        placed[thing] = (confirmed, bool(traded))
    return placed


def _spread(chain: Supply, starts: Sequence[Subject], *, down: bool) -> _Spread:
    """Everything that the things hold (down) or are held in (up), ever, through as many tiers as this company built."""
    spread = _Spread(_records(chain, starts), set())
    tier = list(spread.records)
    while tier:
        leads = _components(chain, tier, spread.records) if down else _holders(chain, tier)
        found = dict.fromkeys(other for others in leads.values() for other in others)
        spread.onward.update(thing for thing, others in leads.items() if others)
        tier = [thing for thing in found if thing not in spread.records]
        if len(spread.records) + len(tier) > MOST_WALKED_COUNT:
            tier = tier[: MOST_WALKED_COUNT - len(spread.records)]
            spread.is_whole = False
        spread.records.update(_records(chain, tier))
    return spread


def _components(
    chain: Supply, tier: Sequence[Subject], records: dict[Subject, Record]
) -> dict[Subject, list[Subject]]:
    """What each holds itself, or what its batch holds; of a batch also what its items hold."""
    keys: dict[Subject, list[str]] = {}
    for thing in tier:
        record = records[thing]
        keys[thing] = [thing.key]
        if isinstance(record, Batch):
            keys[thing] += (
                Subject(SubjectKind.ITEM, item.item_id).key for item in _items_of(chain, thing.id)
            )
        elif record.batch_id:
            keys[thing].append(Subject(SubjectKind.BATCH, record.batch_id).key)
    held = chain.components_held([key for some in keys.values() for key in some])
    return {
        thing: [Subject.of_key(component) for key in some for component in held.get(key, ())]
        for thing, some in keys.items()
    }


def _holders(chain: Supply, tier: Sequence[Subject]) -> dict[Subject, list[Subject]]:
    """What each is held in; the items of a batch are affected with it."""
    leads: dict[Subject, list[Subject]] = {thing: [] for thing in tier}
    for holding in chain.holdings_of([one for one in tier if one.kind is SubjectKind.ITEM]):
        leads[holding.component].append(holding.holder)
    for batch in (one for one in tier if one.kind is SubjectKind.BATCH):
        leads[batch] += (Subject(SubjectKind.ITEM, item.item_id) for item in _items_of(chain, batch.id))
        after: Place = FIRST_PLACE
        while len(leads[batch]) <= MOST_WALKED_COUNT:
            page = chain.held_in(batch, None, after, PAGE_COUNT)
            leads[batch] += (holding.holder for holding in page)
            if len(page) < PAGE_COUNT:
                break
            after = (page[-1].holder.key, page[-1].from_ms)
    return leads


def _items_of(chain: Supply, batch_id: str) -> list[Item]:
    found: list[Item] = []
    while len(found) <= MOST_WALKED_COUNT:
        page = chain.items_of_batch(batch_id, found[-1].item_id if found else "", PAGE_COUNT)
        found += page
        if len(page) < PAGE_COUNT:
            break
    return found


def _borders(chain: Supply, spread: _Spread, *, down: bool) -> tuple[dict[Subject, Record], int]:
    """Things beyond which another company knows more, and how many others there are at which the trail ends.

    Down these are the bought ones. Up these are own ones that are in nothing of ours now.
    """
    records = spread.records
    parts = chain.parts.get_many(list({record.part_id for record in records.values()}))
    borders: dict[Subject, Record] = {}
    ends_count = 0
    away = set() if down else _gone_on(chain, records)
    for thing, record in records.items():
        part = parts.get(record.part_id)
        is_bought = part is not None and part.sourcing is Sourcing.PURCHASED
        if is_bought if down else not is_bought and thing not in away:
            borders[thing] = record
        elif thing not in spread.onward:
            ends_count += 1
    return borders, ends_count


def _gone_on(chain: Supply, records: dict[Subject, Record]) -> set[Subject]:
    """The items that are in something now, and the batches that went out as their items. Of a batch without items some may
    always have gone out as it was.
    """
    items = {thing: record for thing, record in records.items() if isinstance(record, Item)}
    held = {holding.component for holding in chain.holdings_of(list(items)) if holding.until_ms is None}
    return held | {Subject(SubjectKind.BATCH, item.batch_id) for item in items.values()}
