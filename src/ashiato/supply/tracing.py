"""Tracing: what a thing holds and where it is held, in this company; and which of our items hold a batch that others made.

Every company looks at its own as-built relations only. A question goes from buyer to supplier, one tier per company, and names
the asker's own serial numbers; the answer says which of *these* hold what was asked about. So nothing that lies between
comes back: it stays masked, and only the number of branches that gave no answer says how complete the result is.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from ashiato.connector.company import Company
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound, Problem
from ashiato.supply import answering, asking
from ashiato.supply.answering import GivenAnswer
from ashiato.supply.messages import MOST_SERIALS_COUNT, Part, TraceResult, onward_tree_id
from ashiato.supply.ports import FIRST_PLACE, SUPPLY, Place, Supply
from ashiato.supply.records import Holding, LinkState, Side, Sourcing, Subject, SubjectKind, TradeLink
from ashiato.supply.request_ports import REQUESTS
from ashiato.supply.requests import RequestState, SupplyRequest, Wanted
from ashiato.supply.requests import Side as RequestSide
from ashiato.supply.telling import note, put, schedule

TRACE_ITEM = "trace:holds"
MOST_WALKED_COUNT = 20_000
MOST_BRANCHES_COUNT = 1000
# A question and an answer each carry this much of names at most: below MOST_MESSAGE_BYTES with everything around.
MOST_NAMES_BYTES = 49_152
PAGE_COUNT = 500


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One relation that was walked; `depth` 1 is next to where the walk began."""

    depth: int
    holding: Holding


class Walk(msgspec.Struct, frozen=True, kw_only=True):
    """Where a walk came to. `borders` are things that others made (down) or that nothing of ours holds (up).

    `is_whole` is false when there was more than a walk may take.
    """

    steps: tuple[Step, ...]
    borders: tuple[Subject, ...]
    is_whole: bool


class _Branch(msgspec.Struct, frozen=True):
    link: TradeLink
    serials: tuple[str, ...]


class _Look(msgspec.Struct, frozen=True, kw_only=True):
    found: frozenset[str]
    branches: tuple[_Branch, ...]
    unknown_count: int


def walk(uow: UnitOfWork, start: Subject, *, down: bool, as_of_ms: int | None) -> Walk:
    """What a batch or item holds (down) or is held in (up) in this company, tier by tier. Raises `NotFound`."""
    chain = uow.room(SUPPLY)
    if _part_of(chain, start) is None:
        raise NotFound(f"There is no {start.kind} {start.id!r}.", id=start.id)
    steps: list[Step] = []
    borders: list[Subject] = []
    seen, tier, depth = {start}, [start], 0
    while tier:
        depth += 1
        following: list[Subject] = []
        for subject in tier:
            relations = list(_relations(chain, subject, down=down, as_of_ms=as_of_ms))
            if (_is_bought(chain, subject) and not relations) if down else not relations:
                borders.append(subject)
            for holding in relations:
                if len(steps) == MOST_WALKED_COUNT:
                    return Walk(steps=tuple(steps), borders=tuple(borders), is_whole=False)
                steps.append(Step(depth=depth, holding=holding))
                other = holding.component if down else holding.holder
                if other not in seen:
                    seen.add(other)
                    following.append(other)
        tier = following
    return Walk(steps=tuple(steps), borders=tuple(borders), is_whole=True)


def ask_own(
    uow: UnitOfWork,
    company: Company,
    part_id: str,
    among: tuple[str, ...],
    terms: asking.Terms,
    moment: Moment,
) -> SupplyRequest:
    """Which of our items of a part (by serial number) hold a batch or an item of whomever: asked of ourselves first.

    It is kept like a request that came in, and answered when every branch is known or the date is over.

    Raises `Invalid` and `NotFound`.
    """
    if not terms.about or not 1 <= len(among) <= MOST_SERIALS_COUNT:
        raise Invalid(
            f"Say what it is about, and among which 1 to {MOST_SERIALS_COUNT} serials.", path="among"
        )
    if uow.room(SUPPLY).parts.get(part_id) is None:
        raise NotFound(f"There is no part {part_id!r}.", id=part_id)
    missing = set(among) - set(uow.room(SUPPLY).items_by_serial(part_id, among))
    if missing:
        raise Invalid(f"The part {part_id!r} has no item with the serial {min(missing)!r}.", path="among")
    request = keep_own(
        uow, company, Wanted(partner="", part=Part(part_id=part_id), among=among), terms, moment
    )
    begin(uow, company, request, moment)
    return uow.room(REQUESTS).get(request.own_id) or request


def keep_own(
    uow: UnitOfWork, company: Company, wanted: Wanted, terms: asking.Terms, moment: Moment
) -> SupplyRequest:
    """A question of our own people, kept like a request that came in. Raises `Invalid`."""
    if terms.due_ms <= moment.now_ms:
        raise Invalid("The date is over already.", path="due_ms")
    own_id = moment.fresh_iri()
    request = SupplyRequest(
        own_id=own_id,
        side=RequestSide.RECEIVED,
        peer_id=company.participant_id,
        request_id=own_id,
        tree_id=onward_tree_id(moment.fresh_id(), moment.fresh_id()),
        data_item=terms.data_item,
        part=wanted.part,
        due_ms=terms.due_ms,
        hops=terms.hops + 1,
        text=terms.text,
        about=terms.about,
        among=wanted.among,
        lots=wanted.lots,
        created_ms=moment.now_ms,
        updated_ms=moment.now_ms,
    )
    request = put(uow, request, moment)
    schedule(uow, request, moment)
    note(uow, company, request, "received", moment, due_ms=request.due_ms)
    return request


def begin(uow: UnitOfWork, company: Company, request: SupplyRequest, moment: Moment) -> None:
    """Answer a question that may be answered, or ask those who made what we only bought."""
    wanted = [
        Wanted(partner=one.link.partner_id, part=Part(link=one.link.link_id), among=one.serials)
        for one in _look(uow, request, frozenset()).branches
    ]
    if not ask_on(uow, company, request, wanted, moment):
        finish(uow, company, request, moment)


def ask_on(
    uow: UnitOfWork, company: Company, request: SupplyRequest, wanted: Sequence[Wanted], moment: Moment
) -> bool:
    """Ask these partners for a question of tracing; False when there is nobody from whom an answer may still come."""
    if not wanted or request.hops == 0:
        return False
    # What comes from below must be here before our own date.
    due_ms = moment.now_ms + max(1, (request.due_ms - moment.now_ms) * 4 // 5)
    terms = asking.Terms(
        data_item=request.data_item,
        due_ms=due_ms,
        # What a partner wrote to us goes no further.
        text=request.text if request.peer_id == company.participant_id else "",
        hops=request.hops - 1,
        fetches=False,
        about=request.about,
    )
    try:
        asked = asking.ask(uow, company, wanted[:MOST_BRANCHES_COUNT], terms, moment, above_id=request.own_id)
    except Problem as problem:
        note(uow, company, request, "needs-a-person", moment, reason=problem.sentence)
        return True
    return any(one.is_open for one in asked)


def finish(uow: UnitOfWork, company: Company, request: SupplyRequest, moment: Moment) -> None:
    """Answer with what is known now; what comes later is a new version."""
    room, chain = uow.room(REQUESTS), uow.room(SUPPLY)
    told: set[Subject] = set()
    unanswered_count = 0
    answered: set[tuple[str, tuple[str, ...]]] = set()
    for child in room.below(request.own_id, "", MOST_BRANCHES_COUNT):
        trace = told_by(uow, child)
        if trace is None:
            continue
        answered.add((child.part.link, child.among))
        unanswered_count += trace.unanswered
        link = chain.links.get(child.part.link)
        # A supplier can say yes only about what it was asked about.
        serials = [serial for serial in trace.found if serial in child.among]
        if link is not None:
            items = chain.items_by_serial(link.own_part_id, serials)
            told |= {Subject(SubjectKind.ITEM, item_id) for item_id in items.values()}
    look = _look(uow, request, frozenset(told))
    open_branches = [one for one in look.branches if (one.link.link_id, one.serials) not in answered]
    unanswered_count += len(open_branches) + look.unknown_count
    result = TraceResult(found=tuple(sorted(look.found)), unanswered=min(unanswered_count, 1_000_000))
    give(uow, company, request, result, moment)


def give(
    uow: UnitOfWork, company: Company, request: SupplyRequest, result: TraceResult, moment: Moment
) -> None:
    """Answer with a result: what comes after the date corrects the answer, and what changes nothing gives no new version."""
    kept = uow.room(REQUESTS).answers(request.own_id)
    before = [one.trace for one in kept if one.version == request.version]
    if request.state is not RequestState.ANSWERED or before != [result]:
        answering.answer(uow, company, request.own_id, GivenAnswer(trace=result), moment)


def told_by(uow: UnitOfWork, child: SupplyRequest) -> TraceResult | None:
    """What the answer that counts says; None where there is none."""
    if child.state is not RequestState.ANSWERED:
        return None
    kept = uow.room(REQUESTS).answers(child.own_id)
    return next((one.trace for one in kept if one.version == child.version and not one.is_late), None)


def chunks(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The names in as many pieces as messages can carry."""
    piece: list[str] = []
    size_bytes = 0
    for name in names:
        name_bytes = len(msgspec.json.encode(name)) + 1
        if piece and (len(piece) == MOST_SERIALS_COUNT or size_bytes + name_bytes > MOST_NAMES_BYTES):
            yield tuple(piece)
            piece, size_bytes = [], 0
        piece.append(name)
        size_bytes += name_bytes
    if piece:
        yield tuple(piece)


def _look(uow: UnitOfWork, request: SupplyRequest, told: frozenset[Subject]) -> _Look:
    """Which of the serials asked about hold the target as far as we see, and whom to ask about what others made.

    The branches do not depend on `told`, which are items of suppliers that hold the target by their word.
    """
    chain = uow.room(SUPPLY)
    targets = _targets(chain, request.about)
    items = chain.items_by_serial(own_part_id(uow, request), request.among)
    found: set[str] = set()
    border_items: set[Subject] = set()
    unknown_count = len(request.among) - len(items)
    for serial, item_id in items.items():
        start = Subject(SubjectKind.ITEM, item_id)
        reached = walk(uow, start, down=True, as_of_ms=None)
        things = {start, *(step.holding.component for step in reached.steps)}
        if any(_is_target(chain, thing, targets) for thing in things):
            found.add(serial)
            continue
        unknown_count += int(not reached.is_whole)
        border_items.update(reached.borders)
        if things & told:
            found.add(serial)
    branches, unlinked_count = _branches(chain, border_items)
    return _Look(found=frozenset(found), branches=branches, unknown_count=unknown_count + unlinked_count)


def _branches(chain: Supply, borders: Iterable[Subject]) -> tuple[tuple[_Branch, ...], int]:
    """What others made, by the confirmed link with its supplier; and how many things have no supplier to be asked."""
    by_part: dict[str, list[str]] = {}
    unlinked_count = 0
    for subject in sorted(borders):
        item = chain.items.get(subject.id) if subject.kind is SubjectKind.ITEM else None
        if item is None:
            # A batch has no serial number by which its supplier could be asked about it.
            unlinked_count += 1
        else:
            by_part.setdefault(item.part_id, []).append(item.serial)
    branches: list[_Branch] = []
    links = chain.links_of(list(by_part))
    for part_id, serials in sorted(by_part.items()):
        confirmed = [
            link
            for link in links.get(part_id, [])
            if link.side is Side.BUYER and link.state is LinkState.CONFIRMED
        ]
        if not confirmed:
            unlinked_count += len(serials)
        branches += [_Branch(link, chunk) for link in confirmed for chunk in chunks(serials)]
    return tuple(branches), unlinked_count


def _targets(chain: Supply, about: str) -> frozenset[Subject]:
    named = chain.named([about]).get(about)
    found = {named} if named is not None else set()
    if chain.batches.get(about) is not None:
        found.add(Subject(SubjectKind.BATCH, about))
    if chain.items.get(about) is not None:
        found.add(Subject(SubjectKind.ITEM, about))
    return frozenset(found)


def _is_target(chain: Supply, thing: Subject, targets: frozenset[Subject]) -> bool:
    if not targets or thing in targets:
        return bool(targets)
    item = chain.items.get(thing.id) if thing.kind is SubjectKind.ITEM else None
    return item is not None and Subject(SubjectKind.BATCH, item.batch_id) in targets


def own_part_id(uow: UnitOfWork, request: SupplyRequest) -> str:
    """Our part that a request is about; "" where its link is not here."""
    if not request.part.link:
        return request.part.part_id
    link = uow.room(SUPPLY).links.get(request.part.link)
    return "" if link is None else link.own_part_id


def _part_of(chain: Supply, thing: Subject) -> str | None:
    made = chain.batches.get(thing.id) if thing.kind is SubjectKind.BATCH else chain.items.get(thing.id)
    return None if made is None else made.part_id


def _is_bought(chain: Supply, thing: Subject) -> bool:
    part_id = _part_of(chain, thing)
    part = None if part_id is None else chain.parts.get(part_id)
    return part is not None and part.sourcing is Sourcing.PURCHASED


def _relations(chain: Supply, thing: Subject, *, down: bool, as_of_ms: int | None) -> Iterable[Holding]:
    after: Place = FIRST_PLACE
    while True:
        read = chain.holds_of if down else chain.held_in
        page = read(thing, as_of_ms, after, PAGE_COUNT)
        yield from page
        if len(page) < PAGE_COUNT:
            return
        last = page[-1]
        after = ((last.component if down else last.holder).key, last.from_ms)
