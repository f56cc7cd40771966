"""Same thing, one identity; different things, never one: on both engines, also when many register at the same moment."""

import asyncio
import itertools
from collections.abc import Sequence

import pytest

from ashiato.facts.moments import Moment
from ashiato.facts.problems import Invalid, NotFound
from ashiato.facts.transactions import Conflict
from ashiato.hub import identities
from ashiato.hub.identities import IDENTITIES, IdentityRecord, Thing, ThingKind
from ashiato.hub.ports import PARTIES
from ashiato.hub.registry import Taken
from ashiato.stores.engine import SqlStore
from tests.stores.hub.test_parties import MAKER, OTHER

SERIAL = "gtin_serial:(01)04006381333931(21)SN-1"
CODE = "code24:ABCDEFGHJKLMNPQRSTUVWX12"
TRACE = "trace_id:11111111-1111-4111-8111-111111111111"
TWIN = "catena_x_id:11111111-1111-4111-8111-111111111111"

_numbers = itertools.count(1)


def moment() -> Moment:
    number = next(_numbers)
    return Moment(number, lambda: f"00000000-0000-4000-8000-{number:012d}")


def item(*identifiers: str, kind: ThingKind = ThingKind.ITEM) -> Thing:
    return Thing(kind=kind, identifiers=identifiers)


async def register(store: SqlStore, party_id: str, *things: Thing) -> list[IdentityRecord]:
    now = moment()
    return await store.run(party_id, lambda uow: identities.register(uow, party_id, things, now))


async def one(store: SqlStore, party_id: str, *identifiers: str) -> str:
    (found,) = await register(store, party_id, item(*identifiers))
    return found.identity_id


async def test_the_same_thing_has_one_identity_whoever_brings_which_of_its_identifiers(
    hub_store: SqlStore,
) -> None:
    first = await one(hub_store, MAKER, SERIAL, CODE)
    assert first.startswith("urn:uuid:")
    assert await one(hub_store, MAKER, CODE) == first
    assert await one(hub_store, OTHER, SERIAL) == first
    found = await hub_store.read(OTHER, lambda uow: identities.find(uow, CODE))
    assert (found.identity_id, found.owner_id) == (first, MAKER)


async def test_two_spellings_of_one_identifier_are_one(hub_store: SqlStore) -> None:
    first = await one(hub_store, MAKER, TWIN)
    assert await one(hub_store, MAKER, "catena_x_id:urn:uuid:11111111-1111-4111-8111-111111111111") == first


async def test_the_same_digits_in_two_schemes_are_two_things(hub_store: SqlStore) -> None:
    assert await one(hub_store, MAKER, TWIN) != await one(hub_store, MAKER, TRACE)


async def test_the_owner_adds_an_identifier_and_another_party_does_not(hub_store: SqlStore) -> None:
    first = await one(hub_store, MAKER, SERIAL)
    with pytest.raises(Taken) as refused:
        await one(hub_store, OTHER, SERIAL, CODE)
    assert MAKER not in f"{refused.value.sentence} {refused.value.fields}"
    with pytest.raises(NotFound):
        await hub_store.read(OTHER, lambda uow: identities.find(uow, CODE))
    assert await one(hub_store, MAKER, SERIAL, CODE) == first


async def test_different_things_never_become_one(hub_store: SqlStore) -> None:
    first, second = await one(hub_store, MAKER, SERIAL), await one(hub_store, MAKER, CODE)
    assert first != second
    with pytest.raises(Taken, match="never become one"):
        await one(hub_store, MAKER, SERIAL, CODE)
    assert (await one(hub_store, MAKER, SERIAL), await one(hub_store, MAKER, CODE)) == (first, second)


async def test_an_identifier_does_not_change_its_kind_of_thing(hub_store: SqlStore) -> None:
    await one(hub_store, MAKER, TRACE)
    with pytest.raises(Taken, match="another kind"):
        await register(hub_store, MAKER, item(TRACE, kind=ThingKind.BATCH))


async def test_of_many_things_all_get_their_identity_or_none(hub_store: SqlStore) -> None:
    await one(hub_store, OTHER, SERIAL)
    with pytest.raises(Taken) as refused:
        await register(hub_store, MAKER, item(CODE), item(SERIAL, TRACE))
    assert refused.value.fields["path"] == "things.1"
    with pytest.raises(NotFound):
        await hub_store.read(MAKER, lambda uow: identities.find(uow, CODE))


@pytest.mark.parametrize(
    "things",
    [
        [],
        [item()],
        [item("gtin_serial:(01)04006381333932(21)SN-1")],
        [item("gtin:4006381333931")],
        [item("partner_number:A-1@did:web:maker.example")],
        [item("local:A-1@erp")],
        [item("bpn_part:BPNL000000000001/A-1", kind=ThingKind.PART)],
    ],
)
async def test_what_does_not_name_one_thing_in_the_world_is_refused(
    hub_store: SqlStore, things: Sequence[Thing]
) -> None:
    with pytest.raises(Invalid):
        await register(hub_store, MAKER, *things)


async def test_a_part_number_in_a_name_space_is_given_by_its_holder(hub_store: SqlStore) -> None:
    part = item("bpn_part:BPNL000000000001/A-1", kind=ThingKind.PART)
    await hub_store.run(MAKER, lambda uow: uow.room(PARTIES).hold(MAKER, ["bpnl:BPNL000000000001"]))
    with pytest.raises(Invalid):
        await register(hub_store, OTHER, part)
    assert await register(hub_store, MAKER, part) == await register(hub_store, OTHER, part)


async def test_of_many_who_register_the_same_at_the_same_moment_all_get_one_identity(
    hub_store: SqlStore,
) -> None:
    parties = [f"did:web:{number}.example" for number in range(10)]
    found = await asyncio.gather(
        *(one(hub_store, party, SERIAL) for party in parties), return_exceptions=True
    )
    # Whoever lost too often is told to repeat, and nothing else.
    assert {type(result) for result in found} <= {str, Conflict}
    assert len({result for result in found if isinstance(result, str)}) == 1


async def test_a_party_lists_its_own_only(hub_store: SqlStore) -> None:
    own = [await one(hub_store, MAKER, identifier) for identifier in (SERIAL, CODE, TRACE)]
    await one(hub_store, OTHER, TWIN)

    async def page(after_id: str) -> list[str]:
        found = await hub_store.read(MAKER, lambda uow: uow.room(IDENTITIES).page(MAKER, after_id, 2))
        return [record.identity_id for record in found]

    assert await page("") == sorted(own)[:2]
    assert await page(sorted(own)[1]) == sorted(own)[2:]
