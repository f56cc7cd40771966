import hashlib

import httpx2
import pytest

from ashiato.policy.builder import permit
from tests.api.management.offering import BODY, CELLS, MAKER, USE, assert_problem, offered, ok

ASSET = {"title": "Footprint", "source": {"kind": "record"}}


async def test_an_asset_is_stored_shown_replaced_and_withdrawn(maker: httpx2.AsyncClient) -> None:
    stored = await ok(maker.put("/v1/maker/assets/a", json={**ASSET, "properties": {"unit": "kg"}}))
    assert await ok(maker.get("/v1/maker/assets/a")) == stored
    assert (stored["asset_id"], stored["properties"], stored["methods"]) == ("a", {"unit": "kg"}, ["GET"])
    replaced = await ok(maker.put("/v1/maker/assets/a", json={**ASSET, "title": "New"}))
    assert (replaced["title"], replaced["created_ms"]) == ("New", stored["created_ms"])
    assert (await maker.delete("/v1/maker/assets/a")).status_code == 204
    await assert_problem(maker.get("/v1/maker/assets/a"), 404, "not-found")
    await assert_problem(maker.delete("/v1/maker/assets/a"), 404, "not-found")


async def test_a_source_of_each_kind_is_taken_and_keeps_only_names_of_secrets(
    maker: httpx2.AsyncClient,
) -> None:
    sources: list[dict[str, object]] = [
        {"kind": "file", "path": "cathode/footprint.json"},
        {
            "kind": "s3",
            "endpoint": "https://s3.example",
            "region": "eu-central-1",
            "bucket": "data",
            "key": "a/b.json",
            "access_key_id": "s3-id",
            "secret_access_key": "s3-secret",
        },
        {"kind": "sql", "query": "SELECT 1", "database_url": "warehouse"},
        {"kind": "http", "base_url": "https://erp.example/api", "secret_headers": {"X-Key": "erp-key"}},
    ]
    for source in sources:
        stored = await ok(maker.put("/v1/maker/assets/a", json={"title": "x", "source": source}))
        assert stored["source"] == source


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ({"kind": "file", "path": "../secret"}, "path"),
        ({"kind": "sql", "query": "DELETE FROM parts", "database_url": "x"}, "query"),
        ({"kind": "sql", "query": "SELECT 1"}, "database"),
        ({"kind": "http", "base_url": "https://user:pw@erp.example"}, "base_url"),
    ],
)
async def test_a_source_that_could_not_be_read_is_refused_and_named(
    maker: httpx2.AsyncClient, source: dict[str, object], path: str
) -> None:
    found = await assert_problem(
        maker.put("/v1/maker/assets/a", json={"title": "x", "source": source}), 422, "bad-source"
    )
    assert found["fields"]["path"] == path
    await assert_problem(maker.get("/v1/maker/assets/a"), 404, "not-found")


async def test_lists_come_in_pages_that_neither_repeat_nor_lose(maker: httpx2.AsyncClient) -> None:
    for number in range(7):
        await ok(maker.put(f"/v1/maker/assets/a{number}", json=ASSET))
    seen: list[str] = []
    cursor = ""
    while True:
        page = await ok(maker.get("/v1/maker/assets", params={"limit": 3, "cursor": cursor}))
        seen += [asset["asset_id"] for asset in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [f"a{number}" for number in range(7)]


async def test_a_full_last_page_names_no_next_one(maker: httpx2.AsyncClient) -> None:
    for number in range(3):
        await ok(maker.put(f"/v1/maker/assets/a{number}", json=ASSET))
    page = await ok(maker.get("/v1/maker/assets", params={"limit": 3}))
    assert (len(page["items"]), page["next_cursor"]) == (3, None)


async def test_a_record_is_kept_byte_by_byte(maker: httpx2.AsyncClient) -> None:
    body = b'{ "kg" : 1.50, "name":"\xe6\xad\xa3\xe6\xa5\xb5" }\n'
    await ok(maker.put("/v1/maker/assets/a", json=ASSET))
    await assert_problem(maker.get("/v1/maker/assets/a/record"), 404, "not-found")
    receipt = await ok(
        maker.put("/v1/maker/assets/a/record", content=body, headers={"Content-Type": "application/json"})
    )
    assert receipt == {"asset_id": "a", "size_bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    assert (await maker.get("/v1/maker/assets/a/record")).content == body


async def test_a_record_must_be_strict_json_and_belong_to_an_asset_with_that_source(
    maker: httpx2.AsyncClient,
) -> None:
    await assert_problem(maker.put("/v1/maker/assets/none/record", json={}), 404, "not-found")
    source = {"kind": "file", "path": "x.json"}
    await ok(maker.put("/v1/maker/assets/f", json={"title": "x", "source": source}))
    await assert_problem(maker.put("/v1/maker/assets/f/record", json={}), 422, "invalid")
    await assert_problem(maker.get("/v1/maker/assets/f/record"), 422, "invalid")
    await ok(maker.put("/v1/maker/assets/a", json=ASSET))
    headers = {"Content-Type": "application/json"}
    await assert_problem(
        maker.put("/v1/maker/assets/a/record", content=b'{"a": 1, "a": 2}', headers=headers), 400, "malformed"
    )
    await assert_problem(
        maker.put("/v1/maker/assets/a/record", content=b"x=1"), 415, "unsupported-media-type"
    )


async def test_a_policy_that_cannot_be_enforced_is_refused(maker: httpx2.AsyncClient) -> None:
    constraint = {"leftOperand": "moonPhase", "operator": "eq", "rightOperand": "full"}
    document = {"permission": [{"action": "use", "constraint": [constraint]}]}
    found = await assert_problem(
        maker.put("/v1/maker/policies/p", json={"document": document}), 422, "invalid"
    )
    assert found["fields"]["paths"] == ["permission[0].constraint[0]"]


async def test_a_malformed_policy_is_refused_with_the_place(maker: httpx2.AsyncClient) -> None:
    document = {"permission": [{"action": 5}]}
    found = await assert_problem(
        maker.put("/v1/maker/policies/p", json={"document": document}), 422, "invalid"
    )
    assert "permission[0]" in found["fields"]["path"]


async def test_a_policy_in_use_stays(maker: httpx2.AsyncClient) -> None:
    await offered(maker)
    found = await assert_problem(maker.delete("/v1/maker/policies/open-terms"), 422, "invalid")
    assert found["fields"]["offers"] == ["open"]
    assert (await maker.delete("/v1/maker/offers/open")).status_code == 204
    assert (await maker.delete("/v1/maker/policies/open-terms")).status_code == 204
    await assert_problem(maker.get("/v1/maker/policies/open-terms"), 404, "not-found")


async def test_an_offer_names_what_exists(maker: httpx2.AsyncClient) -> None:
    await ok(maker.put("/v1/maker/policies/p", json={"document": USE}))
    for body in (
        {"contract_policy_id": "none", "data_item": "cfp"},
        {"contract_policy_id": "p"},
        {"contract_policy_id": "p", "asset_ids": ["none"]},
        {"contract_policy_id": "p", "data_item": "cfp", "access_policy_id": "none"},
    ):
        await assert_problem(maker.put("/v1/maker/offers/o", json=body), 422, "invalid")
    await assert_problem(maker.get("/v1/maker/offers/o"), 404, "not-found")
    await assert_problem(maker.delete("/v1/maker/offers/o"), 404, "not-found")


async def test_an_offer_is_stored_listed_and_seen_by_partners(
    maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    offering_id = await offered(maker, approval="manual")
    page = await ok(maker.get("/v1/maker/offers"))
    assert [offer["approval"] for offer in page["items"]] == ["manual"]
    assert await ok(maker.get("/v1/maker/offers/open")) == page["items"][0]
    assert [policy["policy_id"] for policy in (await ok(maker.get("/v1/maker/policies")))["items"]] == [
        "open-terms"
    ]
    catalog = await ok(cells.post("/v1/cells/catalog/query", json={"partner": MAKER}))
    assert catalog["partner"] == MAKER
    (dataset,) = catalog["items"]
    assert (dataset["asset_id"], dataset["title"]) == ("cfp-1", "Footprint")
    assert [(offer["@id"], offer["permission"]) for offer in dataset["offers"]] == [
        (offering_id, USE["permission"])
    ]
    assert dataset["formats"] == ["HttpData-PULL", "HttpData-PUSH"]


async def test_a_partner_without_the_right_sees_nothing(
    maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await offered(maker)
    only = permit("use", participants=["did:web:other.example"])
    await ok(maker.put("/v1/maker/policies/only", json={"document": only}))
    offer = {"contract_policy_id": "open-terms", "access_policy_id": "only", "asset_ids": ["cfp-1"]}
    await ok(maker.put("/v1/maker/offers/open", json=offer))
    catalog = await ok(cells.post("/v1/cells/catalog/query", json={"partner": MAKER}))
    assert catalog["items"] == []


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"asset_id": "cfp-1"}, ["cfp-1"]),
        ({"data_item": "cfp"}, ["cfp-1", "cfp-2"]),
        ({"data_item": "cfp", "part_group": "nmc811"}, ["cfp-1", "cfp-2"]),
        ({"data_item": "soh"}, []),
        ({"filter": [{"operandLeft": "id", "operator": "=", "operandRight": "cfp-2"}]}, ["cfp-2"]),
    ],
)
async def test_a_catalog_is_filtered(
    maker: httpx2.AsyncClient, cells: httpx2.AsyncClient, wanted: dict[str, object], found: list[str]
) -> None:
    await offered(maker)
    await offered(maker, asset_id="cfp-2", offer_id="second")
    catalog = await ok(cells.post("/v1/cells/catalog/query", json={"partner": MAKER, **wanted}))
    assert [dataset["asset_id"] for dataset in catalog["items"]] == found


async def test_a_long_catalog_is_paged(maker: httpx2.AsyncClient, cells: httpx2.AsyncClient) -> None:
    await ok(maker.put("/v1/maker/policies/p", json={"document": USE}))
    for number in range(120):
        await ok(maker.put(f"/v1/maker/assets/a{number:03}", json={**ASSET, "data_item": "cfp"}))
    await ok(maker.put("/v1/maker/offers/o", json={"contract_policy_id": "p", "data_item": "cfp"}))
    first = await ok(cells.post("/v1/cells/catalog/query", json={"partner": MAKER}))
    second = await ok(
        cells.post("/v1/cells/catalog/query", json={"partner": MAKER, "cursor": first["next_cursor"]})
    )
    seen = [dataset["asset_id"] for dataset in first["items"] + second["items"]]
    assert seen == [f"a{number:03}" for number in range(120)]
    assert second["next_cursor"] is None


async def test_a_partner_that_cannot_be_found_is_a_problem_of_the_partner(maker: httpx2.AsyncClient) -> None:
    body = {"partner": "did:web:nobody.example"}
    found = await assert_problem(maker.post("/v1/maker/catalog/query", json=body), 502, "partner-unavailable")
    assert "did:web:nobody.example" in found["detail"]


async def test_an_address_that_this_node_does_not_call_is_refused(maker: httpx2.AsyncClient) -> None:
    body = {"partner": CELLS, "address": "https://169.254.169.254/latest"}
    found = await assert_problem(maker.post("/v1/maker/catalog/query", json=body), 422, "invalid")
    assert found["fields"]["path"] == "address"


async def test_the_record_reaches_nobody_through_the_catalog(
    maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await offered(maker)
    answer = await cells.post("/v1/cells/catalog/query", json={"partner": MAKER})
    assert BODY.decode() not in answer.text
    assert "source" not in answer.text
