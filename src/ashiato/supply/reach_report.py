"""What is known of how far a thing reaches, and how complete it is, for the people of the company that asked or was asked.

Partners stand here by name, because the company chose them; whoever stands behind them is a number in a tier.
"""

import msgspec

from ashiato.connector.ports import UnitOfWork
from ashiato.connector.problems import NotFound
from ashiato.supply.messages import TracedThing, TraceReach, TraceTier
from ashiato.supply.reach import MATERIALS_ITEM, WENT_ITEM
from ashiato.supply.request_ports import REQUESTS
from ashiato.supply.requests import RequestState, Side, SupplyRequest
from ashiato.supply.telling import known
from ashiato.supply.tracing import MOST_BRANCHES_COUNT, told_by


class Branch(msgspec.Struct, frozen=True, kw_only=True):
    """A question to one partner; `reach` is what it said, None as long as it said nothing that counts."""

    request: SupplyRequest
    reach: TraceReach | None

    @property
    def asked_count(self) -> int:
        """Things that it was asked about."""
        return len(self.request.among) + len(self.request.lots)

    @property
    def known_count(self) -> int:
        """Those of them that it had."""
        if self.reach is None:
            return 0
        serials = set(self.reach.known) & set(self.request.among)
        return len(serials) + len(set(self.reach.known_lots) & set(self.request.lots))

    @property
    def masked_count(self) -> int:
        """Things of its own tier that it counted and did not name."""
        if self.reach is None or not self.reach.tiers:
            return 0
        return max(0, self.reach.tiers[0].things - len(self.reach.named))


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """How far a thing reaches. `tiers` begin with this company; each is told with how many of its things stay masked."""

    request: SupplyRequest
    unanswered: int
    tiers: tuple[tuple[TraceTier, int], ...]
    named: tuple[TracedThing, ...]
    branches: tuple[Branch, ...]

    @property
    def is_down(self) -> bool:
        """Whether it is followed to its materials."""
        return self.request.data_item == MATERIALS_ITEM

    @property
    def is_complete(self) -> bool:
        """Whether every branch has answered and every thing is accounted for."""
        is_silent = any(tier.silent for tier, _ in self.tiers)
        return self.request.state is RequestState.ANSWERED and not self.unanswered and not is_silent


def report(uow: UnitOfWork, own_id: str) -> Report:
    """What is known now. Raises `NotFound`."""
    request = known(uow, own_id, Side.RECEIVED)
    if request.data_item not in (MATERIALS_ITEM, WENT_ITEM):
        raise NotFound(f"The request {own_id!r} does not ask how far a thing reaches.", id=own_id)
    below = uow.room(REQUESTS).below(own_id, "", MOST_BRANCHES_COUNT)
    branches = tuple(Branch(request=child, reach=_reach(uow, child)) for child in below)
    told = told_by(uow, request)
    tiers = () if told is None or told.reach is None else told.reach.tiers
    masked_at_partners_count = sum(branch.masked_count for branch in branches)
    return Report(
        request=request,
        unanswered=0 if told is None else told.unanswered,
        tiers=tuple(
            (tier, (0, min(tier.things, masked_at_partners_count), tier.things)[min(number, 2)])
            for number, tier in enumerate(tiers)
        ),
        named=() if told is None or told.reach is None else told.reach.named,
        branches=branches,
    )


def _reach(uow: UnitOfWork, child: SupplyRequest) -> TraceReach | None:
    told = told_by(uow, child)
    return None if told is None else told.reach
