"""The catalog over HTTP: companies publish by their own tokens, and each finds what its verified claims allow."""

import json
from urllib.parse import quote

import msgspec
import pytest

from ashiato.statements.publications import Publication, as_dcat, record_iri
from tests.dcp_parties import Holder, World
from tests.hub.catalog.publishing_company import offer, publication
from tests.hubs import Hub

PUBLICATIONS, RECORDS = "/v1/party/catalog/publications", "/v1/party/catalog/records"
CELL_MAKERS: dict[str, object] = {
    "permission": [
        {
            "action": "access",
            "constraint": [{"leftOperand": "role", "operator": "isAnyOf", "rightOperand": ["cell-maker"]}],
        }
    ]
}


def of(firm: Holder, asset_id: str = "cells", **members: object) -> Publication:
    """A publication of that firm."""
    return publication(asset_id, publisher=firm.did, **members)


async def publish(hub: Hub, firm: Holder, *published: Publication, withdrawn: object = ()) -> list[str]:
    """The outcomes of the publications, then those of the withdrawals."""
    body = {"publications": [as_dcat(one) for one in published], "withdrawals": withdrawn or []}
    answered = await hub.party(firm, "POST", PUBLICATIONS, body)
    assert answered.status == 200, answered
    judged = [*answered.document["publications"], *answered.document["withdrawals"]]
    return [str(one["outcome"]) for one in judged]


async def found(hub: Hub, firm: Holder, query: str = "") -> list[str]:
    """The asset ids, or what stands for one that is only listed."""
    answered = await hub.party(firm, "GET", f"{RECORDS}?{query}")
    assert answered.status == 200, answered
    datasets = answered.document["catalog"]["dcat:dataset"]
    return [one.get("dct:identifier", one["ashiato:visibility"]) for one in datasets]


@pytest.fixture
async def firms(hub: Hub, maker: Holder, other: Holder, world: World) -> tuple[Holder, Holder, Holder]:
    """A material maker, a cell maker and a recycler, all admitted."""
    recycler = world.holder("recycler")
    await hub.admitted(maker, 1, ["material-maker"])
    await hub.admitted(other, 2, ["cell-maker"])
    await hub.admitted(recycler, 3, ["recycler"])
    return maker, other, recycler


async def test_two_companies_search_for_the_same_and_each_finds_what_the_owner_shows_it(
    hub: Hub, firms: tuple[Holder, Holder, Holder]
) -> None:
    maker, cell_maker, recycler = firms
    outcomes = await publish(
        hub,
        maker,
        of(maker, "open"),
        of(maker, "for-cell-makers", offers=(offer("c", CELL_MAKERS),)),
        of(maker, "only-listed", shown="listed"),
    )
    assert outcomes == ["entered", "entered", "entered"]
    wanted = f"text={quote('リチウム 電池')}"
    assert await found(hub, cell_maker, wanted) == ["for-cell-makers", "open"]
    assert await found(hub, recycler, wanted) == ["open"]
    assert await found(hub, recycler) == ["listed", "open"]
    assert await found(hub, recycler, "role=material-maker") == ["listed", "open"]
    name = quote(record_iri(maker.did, "for-cell-makers"))
    assert (await hub.party(cell_maker, "GET", f"/v1/party/catalog/record?iri={name}")).status == 200
    assert (await hub.party(recycler, "GET", f"/v1/party/catalog/record?iri={name}")).status == 404


async def test_the_owner_withdraws_and_nobody_finds_it_any_more(
    hub: Hub, firms: tuple[Holder, Holder, Holder]
) -> None:
    maker, cell_maker, _ = firms
    await publish(hub, maker, of(maker))
    gone = [{"asset_id": "cells", "revision": 2}]
    assert await publish(hub, maker, withdrawn=gone) == ["withdrawn"]
    assert await found(hub, cell_maker) == []
    assert await publish(hub, maker, of(maker), withdrawn=gone) == ["stale", "unchanged"]


async def test_nobody_publishes_or_withdraws_for_another(
    hub: Hub, firms: tuple[Holder, Holder, Holder]
) -> None:
    maker, cell_maker, recycler = firms
    mine = of(maker, "urn:x:1")
    await publish(hub, maker, mine)
    theirs = of(cell_maker, "urn:x:1", revision=9)
    assert await publish(hub, cell_maker, mine, theirs) == ["malformed", "taken"]
    below = of(cell_maker, f"{maker.did}:cells")
    assert await publish(hub, cell_maker, below) == ["malformed"]
    assert await publish(hub, cell_maker, withdrawn=[{"asset_id": "urn:x:1", "revision": 9}]) == ["taken"]
    assert await found(hub, recycler) == ["urn:x:1"]


async def test_one_bad_publication_says_where_and_the_others_are_entered(
    hub: Hub, firms: tuple[Holder, Holder, Holder]
) -> None:
    maker = firms[0]
    bad = as_dcat(of(maker, "bad")) | {"dct:title": []}
    answered = await hub.party(maker, "POST", PUBLICATIONS, {"publications": [bad, as_dcat(of(maker))]})
    assert [one["outcome"] for one in answered.document["publications"]] == ["malformed", "entered"]
    assert answered.document["publications"][0]["path"] == "dct:title"


async def test_a_company_that_is_not_admitted_neither_publishes_nor_searches(
    hub: Hub, maker: Holder, firms: tuple[Holder, Holder, Holder]
) -> None:
    stranger = maker.world.holder("stranger")
    assert (await hub.party(stranger, "GET", RECORDS)).status == 403
    body = {"publications": [as_dcat(of(stranger))]}
    assert (await hub.party(stranger, "POST", PUBLICATIONS, body)).status == 403
    assert (await hub.anyone("GET", RECORDS)).status == 401


async def test_what_a_suspended_company_published_is_shown_again_when_it_is_reinstated(
    hub: Hub, firms: tuple[Holder, Holder, Holder]
) -> None:
    maker, cell_maker, _ = firms
    await publish(hub, maker, of(maker))
    name = quote(record_iri(maker.did, "cells"))
    await hub.decide(maker, "suspend")
    assert await found(hub, cell_maker) == []
    assert (await hub.party(cell_maker, "GET", f"/v1/party/catalog/record?iri={name}")).status == 404
    await hub.decide(maker, "reinstate")
    assert await found(hub, cell_maker) == ["cells"]


async def test_a_search_goes_on_with_its_cursor(hub: Hub, firms: tuple[Holder, Holder, Holder]) -> None:
    maker, cell_maker, _ = firms
    await publish(hub, maker, *(of(maker, f"a{number}") for number in range(5)))
    seen: list[str] = []
    cursor = ""
    while True:
        answered = await hub.party(cell_maker, "GET", f"{RECORDS}?limit=2&cursor={cursor}")
        datasets = answered.document["catalog"]["dcat:dataset"]
        seen += [one["dct:identifier"] for one in datasets]
        cursor = answered.document["next_cursor"]
        if cursor is None:
            break
    assert seen == ["a4", "a3", "a2", "a1", "a0"]


async def test_a_sign_of_life_marks_the_owner_as_there(
    hub: Hub, firms: tuple[Holder, Holder, Holder]
) -> None:
    maker, cell_maker, _ = firms
    await publish(hub, maker, of(maker))
    told = await hub.party(maker, "POST", "/v1/party/catalog/presence")
    assert told.document == {"offline_after_ms": 900_000}
    answered = await hub.party(cell_maker, "GET", RECORDS)
    assert answered.document["catalog"]["dcat:dataset"][0]["ashiato:online"] is True


async def test_what_is_found_reads_as_what_was_published(
    hub: Hub, firms: tuple[Holder, Holder, Holder]
) -> None:
    maker, cell_maker, _ = firms
    sent = of(
        maker,
        description={"en": "per plant"},
        keywords=("CFP",),
        data_item="D-01",
        parts=("LFP-50",),
        region="JP-23",
        licence="https://maker.example/terms",
    )
    await publish(hub, maker, sent)
    answered = await hub.party(cell_maker, "GET", RECORDS)
    (dataset,) = answered.document["catalog"]["dcat:dataset"]
    expected = json.loads(msgspec.json.encode(as_dcat(sent)))
    for member in ("@context", "ashiato:revision"):
        del expected[member]
    assert dataset == expected | {"ashiato:ownerRole": ["material-maker"], "ashiato:online": True}
