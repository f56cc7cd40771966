from collections.abc import Sequence

import pytest

from ashiato.connector.ports import UnitOfWork
from ashiato.connector.records import Asset, CatalogEntry, OfferDefinition
from ashiato.stores.engine import SqlStore
from tests.stores.samples import MAKER, asset, entry, offer, policy


async def test_an_asset_comes_back_as_it_was_stored(store: SqlStore) -> None:
    stored = asset(mark="first", data_item="carbon_footprint", part_group="cathode")
    await store.run(MAKER, lambda uow: uow.assets.put_asset(stored))
    assert await store.read(MAKER, lambda uow: uow.assets.asset("asset-1")) == stored


async def test_an_asset_that_is_stored_again_replaces_the_first(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: uow.assets.put_asset(asset(mark="first")))
    await store.run(MAKER, lambda uow: uow.assets.put_asset(asset(mark="second")))
    assert await store.read(MAKER, lambda uow: uow.assets.list_assets("", 10)) == [asset(mark="second")]


async def test_what_is_not_there_is_none(store: SqlStore) -> None:
    found = await store.read(
        MAKER,
        lambda uow: (
            uow.assets.asset("no"),
            uow.assets.record("no"),
            uow.assets.policy("no"),
            uow.assets.offer("no"),
            uow.assets.entry("no"),
            uow.assets.entries_of("no"),
            uow.assets.assets_by_id([]),
            uow.assets.assets_by_id(["no"]),
        ),
    )
    assert found == (None, None, None, None, None, [], {}, {})


@pytest.mark.parametrize("asset_id", ["\x00", "a\x00b", "\ud800"])
async def test_an_id_that_no_row_can_hold_is_not_found(store: SqlStore, asset_id: str) -> None:
    assert await store.read(MAKER, lambda uow: uow.assets.asset(asset_id)) is None


async def test_more_assets_than_fit_into_one_statement_are_found_by_id(store: SqlStore) -> None:
    ids = [f"asset-{number:03}" for number in range(250)]
    await _put_assets(store, [asset(asset_id) for asset_id in ids])
    found = await store.read(MAKER, lambda uow: uow.assets.assets_by_id([*ids[:249], "no"]))
    assert sorted(found) == ids[:249]
    assert found["asset-007"] == asset("asset-007")


async def test_lists_go_page_by_page_in_the_order_of_code_points(store: SqlStore) -> None:
    # A locale would put "a" before "B", and "Z" behind "é".
    names = ["B", "Z", "a", "é", "電"]

    def put(uow: UnitOfWork) -> None:
        for name in reversed(names):
            uow.assets.put_asset(asset(name))
            uow.assets.put_policy(policy(name))
            uow.assets.put_offer(offer(name))

    def page(uow: UnitOfWork, after_id: str, limit_count: int) -> list[list[str]]:
        return [
            [found.asset_id for found in uow.assets.list_assets(after_id, limit_count)],
            [found.policy_id for found in uow.assets.list_policies(after_id, limit_count)],
            [found.offer_id for found in uow.assets.list_offers(after_id, limit_count)],
        ]

    await store.run(MAKER, put)
    assert await store.read(MAKER, lambda uow: page(uow, "", 2)) == [["B", "Z"]] * 3
    assert await store.read(MAKER, lambda uow: page(uow, "Z", 10)) == [["a", "é", "電"]] * 3


async def test_assets_are_found_by_their_class(store: SqlStore) -> None:
    await _put_assets(
        store,
        [
            asset("1", data_item="footprint", part_group="cathode"),
            asset("2", data_item="footprint", part_group="anode"),
            asset("3", data_item="diligence", part_group="cathode"),
            asset("4"),
        ],
    )
    found = await store.read(
        MAKER,
        lambda uow: (
            uow.assets.assets_in_class("footprint", "cathode"),
            uow.assets.assets_in_class("footprint", None),
            uow.assets.assets_in_class(None, "cathode"),
            uow.assets.assets_in_class(None, None),
        ),
    )
    assert found == (["1"], ["1", "2"], ["1", "3"], ["1", "2", "3", "4"])


async def test_an_asset_is_deleted_once_and_its_record_with_it(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: uow.assets.put_asset(asset()))
    await store.run(MAKER, lambda uow: uow.assets.put_record("asset-1", b"\x00\xff{}"))
    assert await store.read(MAKER, lambda uow: uow.assets.record("asset-1")) == b"\x00\xff{}"
    assert await store.run(MAKER, lambda uow: uow.assets.delete_asset("asset-1")) is True
    assert await store.run(MAKER, lambda uow: uow.assets.delete_asset("asset-1")) is False
    assert await store.read(MAKER, lambda uow: uow.assets.record("asset-1")) is None


async def test_a_policy_and_an_offer_come_back_and_are_deleted_once(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: uow.assets.put_policy(policy()))
    await store.run(MAKER, lambda uow: uow.assets.put_offer(offer(asset_ids=("a", "b"))))
    assert await store.read(MAKER, lambda uow: uow.assets.policy("policy-1")) == policy()
    assert await store.read(MAKER, lambda uow: uow.assets.offer("offer-1")) == offer(asset_ids=("a", "b"))
    assert await store.run(MAKER, lambda uow: uow.assets.delete_policy("policy-1")) is True
    assert await store.run(MAKER, lambda uow: uow.assets.delete_policy("policy-1")) is False
    assert await store.run(MAKER, lambda uow: uow.assets.delete_offer("offer-1")) is True
    assert await store.run(MAKER, lambda uow: uow.assets.delete_offer("offer-1")) is False
    assert await store.read(MAKER, lambda uow: uow.assets.offer("offer-1")) is None


async def test_offers_by_class_match_what_they_leave_open(store: SqlStore) -> None:
    await _put_offers(
        store,
        [
            offer("both", data_item="footprint", part_group="cathode"),
            offer("item", data_item="footprint"),
            offer("group", part_group="cathode"),
            offer("ids", asset_ids=("asset-1",)),
            offer("else", data_item="diligence"),
        ],
    )

    async def names(data_item: str, part_group: str) -> list[str]:
        found = await store.read(MAKER, lambda uow: uow.assets.offers_for_class(data_item, part_group))
        return [match.offer_id for match in found]

    assert await names("footprint", "cathode") == ["both", "group", "item"]
    assert await names("footprint", "anode") == ["item"]
    assert await names("diligence", "") == ["else"]
    assert await names("", "") == []


async def test_entries_are_replaced_and_found_by_asset_and_offering(store: SqlStore) -> None:
    await store.run(
        MAKER, lambda uow: uow.assets.put_entries([entry("a", "o1"), entry("a", "o2"), entry("b", "o1")])
    )
    narrowed = entry("a", "o1", audiences=("participant:x",))
    await store.run(MAKER, lambda uow: uow.assets.put_entries([narrowed]))
    found = await store.read(MAKER, lambda uow: (uow.assets.entries_of("a"), uow.assets.entry("o1:a")))
    assert found == ([narrowed, entry("a", "o2")], narrowed)
    assert await _visible(store, "any") == [("a", "o2"), ("b", "o1")]
    assert await _visible(store, "participant:x") == [("a", "o1")]


async def test_entries_are_deleted_by_asset_by_offer_or_by_both(store: SqlStore) -> None:
    every = [entry(a, o) for a in ("a", "b") for o in ("o1", "o2")]
    await store.run(MAKER, lambda uow: uow.assets.put_entries(every))
    await store.run(MAKER, lambda uow: uow.assets.delete_entries(asset_id="a", offer_id="o1"))
    assert await _visible(store, "any") == [("a", "o2"), ("b", "o1"), ("b", "o2")]
    await store.run(MAKER, lambda uow: uow.assets.delete_entries(offer_id="o2"))
    assert await _visible(store, "any") == [("b", "o1")]
    assert await store.read(MAKER, lambda uow: uow.assets.entries_of("a")) == []
    await store.run(MAKER, lambda uow: uow.assets.delete_entries(asset_id="b"))
    assert await _visible(store, "any") == []


async def test_an_offer_that_is_deleted_takes_its_entries_along(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: uow.assets.put_offer(offer("o1")))
    await store.run(MAKER, lambda uow: uow.assets.put_entries([entry("a", "o1"), entry("a", "o2")]))
    assert await store.run(MAKER, lambda uow: uow.assets.delete_offer("o1"))
    assert await _visible(store, "any") == [("a", "o2")]
    assert await store.read(MAKER, lambda uow: uow.assets.entry("o1:a")) is None


async def test_only_entries_for_the_audience_in_an_open_window_are_visible(store: SqlStore) -> None:
    await store.run(
        MAKER,
        lambda uow: uow.assets.put_entries(
            [
                entry("1", audiences=("any", "participant:x")),
                entry("2", audiences=("participant:x",)),
                entry("3", audiences=("participant:y",)),
                entry("4", from_ms=1_000),
                entry("5", from_ms=1_001),
                entry("6", until_ms=1_001),
                entry("7", until_ms=1_000),
            ]
        ),
    )
    keys = await _visible(store, "any", "participant:x", now_ms=1_000)
    assert [asset_id for asset_id, _ in keys] == ["1", "2", "4", "6"]


async def test_a_page_ends_with_all_entries_of_its_last_asset(store: SqlStore) -> None:
    # Two audiences, and one asset with more offers than one statement brings.
    many = [entry("b", f"o{number:03}") for number in range(300)]
    others = [entry("a"), entry("c", audiences=("participant:x",)), entry("d"), entry("e")]
    await store.run(MAKER, lambda uow: uow.assets.put_entries([*many, *others]))
    two = await _visible(store, "any", "participant:x", limit_count=2)
    assert two == [("a", "offer-1"), *(("b", f"o{number:03}") for number in range(300))]
    rest = await _visible(store, "any", "participant:x", after="b", limit_count=2)
    assert rest == [("c", "offer-1"), ("d", "offer-1")]
    assert await _visible(store, "any", "participant:x", after="d", limit_count=2) == [("e", "offer-1")]
    assert await _visible(store, "any", "participant:x", after="e") == []


async def test_a_page_can_be_read_backwards(store: SqlStore) -> None:
    await store.run(
        MAKER, lambda uow: uow.assets.put_entries([entry(a, o) for a in "abcde" for o in ("o1", "o2")])
    )
    found = await store.read(
        MAKER, lambda uow: uow.assets.visible_entries(["any"], 1, "d", 2, ("", ""), backwards=True)
    )
    assert [(one.asset_id, one.offer_id) for one in found] == [
        ("c", "o2"),
        ("c", "o1"),
        ("b", "o2"),
        ("b", "o1"),
    ]


async def test_pages_together_hold_every_entry_once(store: SqlStore) -> None:
    every = [
        entry(f"{number:04}", audiences=("any",) if number % 3 else ("participant:x", "participant:z"))
        for number in range(500)
    ]
    await store.run(MAKER, lambda uow: uow.assets.put_entries(every))
    found: list[tuple[str, str]] = []
    while page := await _visible(
        store, "any", "participant:x", "participant:z", after=found[-1][0] if found else "", limit_count=7
    ):
        assert len(page) <= 7
        found += page
    assert found == [(f"{number:04}", "offer-1") for number in range(500)]


async def test_pages_read_backwards_hold_every_entry_once_in_the_opposite_order(store: SqlStore) -> None:
    audiences = ("any", "participant:x")
    every = [entry(f"{number:03}", audiences=(audiences[number % 2],)) for number in range(100)]
    crowded = [entry("050", f"o{number:03}", audiences=audiences) for number in range(300)]
    await store.run(MAKER, lambda uow: uow.assets.put_entries([*every, *crowded]))
    forwards = await _visible(store, *audiences, limit_count=200)
    assert len(forwards) == 400
    found: list[tuple[str, str]] = []
    while page := await _visible(
        store, *audiences, after=found[-1][0] if found else "~", limit_count=7, backwards=True
    ):
        assert len({asset_id for asset_id, _ in page}) <= 7
        found += page
    assert found == forwards[::-1]


async def test_the_class_of_an_entry_follows_its_asset(store: SqlStore) -> None:
    await store.run(
        MAKER, lambda uow: uow.assets.put_asset(asset("a", data_item="footprint", part_group="cathode"))
    )
    await store.run(
        MAKER, lambda uow: uow.assets.put_asset(asset("b", data_item="footprint", part_group="anode"))
    )
    await store.run(
        MAKER, lambda uow: uow.assets.put_entries([entry("a"), entry("b"), entry("without-asset")])
    )
    assert await _visible(store, "any", item="footprint") == [("a", "offer-1"), ("b", "offer-1")]
    assert await _visible(store, "any", group="anode") == [("b", "offer-1")]
    assert await _visible(store, "any", item="footprint", group="cathode") == [("a", "offer-1")]
    await store.run(
        MAKER, lambda uow: uow.assets.put_asset(asset("a", data_item="diligence", part_group="cathode"))
    )
    assert await _visible(store, "any", item="footprint") == [("b", "offer-1")]
    assert await _visible(store, "any", item="diligence") == [("a", "offer-1")]
    assert len(await _visible(store, "any")) == 3


async def _put_assets(store: SqlStore, assets: Sequence[Asset]) -> None:
    def put(uow: UnitOfWork) -> None:
        for stored in assets:
            uow.assets.put_asset(stored)

    await store.run(MAKER, put)


async def _put_offers(store: SqlStore, offers: Sequence[OfferDefinition]) -> None:
    def put(uow: UnitOfWork) -> None:
        for stored in offers:
            uow.assets.put_offer(stored)

    await store.run(MAKER, put)


async def _visible(
    store: SqlStore,
    *audiences: str,
    now_ms: int = 1,
    after: str = "",
    limit_count: int = 100,
    item: str = "",
    group: str = "",
    backwards: bool = False,
) -> list[tuple[str, str]]:
    def keys(entries: list[CatalogEntry]) -> list[tuple[str, str]]:
        return [(found.asset_id, found.offer_id) for found in entries]

    return await store.read(
        MAKER,
        lambda uow: keys(
            uow.assets.visible_entries(
                audiences, now_ms, after, limit_count, (item, group), backwards=backwards
            )
        ),
    )
