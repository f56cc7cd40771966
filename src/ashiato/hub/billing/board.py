"""The contribution board: who shared how much, of those who consented to be shown (BASC report, 2022, 7.1 Q4)."""

from collections.abc import Iterable, Mapping

import msgspec

from ashiato.hub.billing.closing import UsageTotal
from ashiato.hub.billing.parties import Party
from ashiato.statements.usage import UsageKind


class Contribution(msgspec.Struct, frozen=True, kw_only=True):
    """What one party's data came to in a month, at how many others, and for how many data items."""

    party_id: str
    name: str
    deliveries_count: int
    uses_count: int
    consumers_count: int
    items_count: int


def contributions(totals: Iterable[UsageTotal], parties: Mapping[str, Party]) -> tuple[Contribution, ...]:
    """Those who consented, the one with the most deliveries first."""
    of_party: dict[str, list[UsageTotal]] = {}
    for total in totals:
        party = parties.get(total.provider)
        if party is not None and party.shows_contribution and total.events_count > 0:
            of_party.setdefault(total.provider, []).append(total)
    made = [
        Contribution(
            party_id=party_id,
            name=parties[party_id].name,
            deliveries_count=_events(found, UsageKind.RECEIVED),
            uses_count=_events(found, UsageKind.USED),
            consumers_count=len({each.consumer for each in found}),
            items_count=len({each.item for each in found}),
        )
        for party_id, found in of_party.items()
    ]
    return tuple(sorted(made, key=lambda each: (-each.deliveries_count, -each.uses_count, each.party_id)))


def _events(totals: Iterable[UsageTotal], kind: UsageKind) -> int:
    return sum(total.events_count for total in totals if total.kind is kind)
