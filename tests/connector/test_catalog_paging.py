"""A catalog is read in both directions, and as the connectors of the field ask for it, on each kind of store."""

import pytest

from ashiato.connector import catalog
from ashiato.connector.catalog import CatalogPage, Query
from ashiato.connector.problems import Invalid
from ashiato.policy.builder import permit
from ashiato.trust.standing import Standing
from tests.connector.firms import START_MS, Firm, Street

NAMES = [f"a-{number:02}" for number in range(25)]
EVERYTHING = Query()
EDC = "https://w3id.org/edc/v0.0.1/ns/"
NONE = {"@type": "QuerySpec", "offset": 0, "limit": 50, "sortOrder": "ASC", "filterExpression": []}


async def page(
    provider: Firm,
    caller: Firm,
    query: Query = EVERYTHING,
    *,
    after: str = "",
    before: str | None = None,
    size_count: int = 10,
) -> CatalogPage:
    return await provider.read(
        lambda uow: catalog.page(
            uow, Standing(caller.did), START_MS, query, after, size_count, before_asset_id=before
        )
    )


def ids(found: CatalogPage) -> list[str]:
    return [dataset.asset.asset_id for dataset in found.datasets]


async def test_every_page_leads_back_to_the_page_before_it(street: Street, maker: Firm, cells: Firm) -> None:
    await maker.publish(*NAMES)
    first = await page(maker, cells)
    second = await page(maker, cells, after=first.next_after or "")
    third = await page(maker, cells, after=second.next_after or "")
    assert (first.previous_before, third.next_after) == (None, None)
    back_to_second = await page(maker, cells, before=third.previous_before)
    assert ids(back_to_second) == ids(second) == NAMES[10:20]
    back_to_first = await page(maker, cells, before=back_to_second.previous_before)
    assert ids(back_to_first) == ids(first) == NAMES[:10]
    assert ids(await page(maker, cells, after=back_to_first.next_after or "")) == NAMES[10:20]
    begun = await page(maker, cells, before=back_to_first.previous_before)
    assert (begun.datasets, begun.previous_before, begun.next_after) == ((), None, "")


async def test_a_page_read_backwards_shows_each_dataset_as_it_is_shown_forwards(
    street: Street, maker: Firm, cells: Firm, rival: Firm
) -> None:
    await maker.publish(*NAMES[:9], offer_id="all")
    await maker.publish(*NAMES[:9:2], offer_id="cells", access=permit("use", participants=[cells.did]))
    await maker.publish(*NAMES[10:20], offer_id="rival", access=permit("use", participants=[rival.did]))
    forwards = await page(maker, cells)
    backwards = await page(maker, cells, before="b")
    assert backwards.datasets == forwards.datasets
    assert [len(dataset.offers) for dataset in backwards.datasets] == [2, 1, 2, 1, 2, 1, 2, 1, 2]


async def test_an_empty_page_behind_the_end_leads_back_to_the_last_datasets(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish(*NAMES[:10])
    full = await page(maker, cells)
    empty = await page(maker, cells, after=full.next_after or "")
    assert (empty.datasets, empty.next_after) == ((), None)
    assert ids(await page(maker, cells, before=empty.previous_before)) == NAMES[:10]


@pytest.mark.parametrize(
    ("item", "query"),
    [
        (NONE, Query(most_count=50)),
        ({**NONE, "limit": 2_147_483_647}, Query()),
        ({f"{EDC}offset": 0, f"{EDC}limit": 3, f"{EDC}filterExpression": []}, Query(most_count=3)),
        ({"edc:offset": 20, "edc:limit": 100, "edc:sortOrder": "ASC"}, Query(skipped_count=20)),
        ({**NONE, "offset": 7, "limit": 1}, Query(skipped_count=7, most_count=1)),
        (
            {
                **NONE,
                "filterExpression": [
                    {"@type": "Criterion", "operandLeft": "dataItem", "operator": "=", "operandRight": "x"},
                    {
                        "@type": "Criterion",
                        f"{EDC}operandLeft": f"{EDC}partGroup",
                        f"{EDC}operator": "=",
                        f"{EDC}operandRight": "y",
                    },
                ],
            },
            Query(data_item="x", part_group="y", most_count=50),
        ),
        (
            {"filterExpression": {"operandLeft": f"{EDC}id", "operator": "=", "operandRight": "a"}},
            Query(asset_id="a"),
        ),
    ],
)
def test_the_query_that_every_edc_sends_is_read(item: dict[str, object], query: Query) -> None:
    assert catalog.parse_filter([item]) == query


@pytest.mark.parametrize(
    "item",
    [
        {**NONE, "offset": -1},
        {**NONE, "offset": 10_000},
        {**NONE, "offset": "0"},
        {**NONE, "limit": 0},
        {**NONE, "limit": True},
        {**NONE, "sortField": "title"},
        {**NONE, "id": "a"},
        {**NONE, "filterExpression": ["id = a"]},
        {**NONE, "filterExpression": [{"operandLeft": "id", "operator": "in", "operandRight": ["a"]}]},
        {
            "filterExpression": [
                {"operandLeft": "id", "operator": "=", "operandRight": "a"},
                {"operandLeft": "id", "operator": "=", "operandRight": "b"},
            ]
        },
    ],
)
def test_a_query_that_would_be_answered_wrongly_is_refused(item: dict[str, object]) -> None:
    with pytest.raises(Invalid, match=r"filter\[0\]"):
        catalog.parse_filter([item])


async def test_a_crawler_that_counts_reads_the_whole_catalog(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish(*NAMES)
    seen: list[str] = []
    for skipped_count in range(0, 40, 10):
        found = await page(maker, cells, Query(skipped_count=skipped_count, most_count=10))
        seen += ids(found)
    assert seen == NAMES


async def test_a_link_out_of_a_counted_page_goes_on_behind_it(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish(*NAMES)
    query = Query(skipped_count=5, most_count=5)
    first = await page(maker, cells, query)
    assert ids(first) == NAMES[5:10]
    assert ids(await page(maker, cells, query, after=first.next_after or "")) == NAMES[10:15]
    assert ids(await page(maker, cells, query, before=first.previous_before)) == NAMES[:5]


async def test_an_id_that_is_skipped_is_not_shown(street: Street, maker: Firm, cells: Firm) -> None:
    await maker.publish("a")
    assert ids(await page(maker, cells, Query(asset_id="a"))) == ["a"]
    assert ids(await page(maker, cells, Query(asset_id="a", skipped_count=1))) == []
