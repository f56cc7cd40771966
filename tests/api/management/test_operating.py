import httpx2
import pytest

from tests.api.management.offering import assert_problem, ok
from tests.api.management.program import Program, did_of


async def test_a_new_participant_is_reached_with_the_key_that_is_shown_once(
    program: Program, operator: httpx2.AsyncClient
) -> None:
    answer = await operator.post("/v1/participants", json={"slug": "recycler", "name": "Recycler K.K."})
    created = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, "/v1/participants/recycler")
    assert created["participant"]["participant_id"] == did_of("recycler")
    async with program.client(created["api_key"]) as client:
        assert await ok(client.get("/v1/recycler")) == created["participant"]
        await assert_problem(client.get("/v1/maker"), 404, "not-found")
    shown = await operator.get("/v1/participants/recycler")
    assert created["api_key"] not in shown.text
    assert shown.json() == created["participant"]


async def test_participants_are_listed_in_pages(operator: httpx2.AsyncClient) -> None:
    first = await ok(operator.get("/v1/participants", params={"limit": 1}))
    second = await ok(operator.get("/v1/participants", params={"limit": 1, "cursor": first["next_cursor"]}))
    slugs = [participant["slug"] for participant in first["items"] + second["items"]]
    assert (slugs, second["next_cursor"]) == (["cells", "maker"], None)


async def test_a_suspended_participant_is_not_served_and_its_key_opens_nothing(
    maker: httpx2.AsyncClient, operator: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    assert (await operator.delete("/v1/participants/maker")).status_code == 204
    await assert_problem(maker.get("/v1/maker/assets"), 401, "not-authenticated")
    await assert_problem(operator.get("/v1/participants/maker"), 404, "not-found")
    await assert_problem(operator.delete("/v1/participants/maker"), 404, "not-found")
    assert (await cells.get("/v1/cells/assets")).status_code == 200


@pytest.mark.parametrize("slug", ["maker", "participants", "health"])
async def test_a_slug_is_given_once(operator: httpx2.AsyncClient, slug: str) -> None:
    await assert_problem(
        operator.post("/v1/participants", json={"slug": slug, "name": "x"}), 409, "wrong-state"
    )


async def test_a_did_is_given_once(operator: httpx2.AsyncClient) -> None:
    body = {"slug": "other", "name": "x", "did": did_of("maker")}
    await assert_problem(operator.post("/v1/participants", json=body), 409, "wrong-state")


@pytest.mark.parametrize("slug", ["", "UPPER", "a b", "a/b", "-a", "a-", "..", "é", "a" * 64, "openapi.json"])
async def test_a_slug_is_a_plain_path_segment(operator: httpx2.AsyncClient, slug: str) -> None:
    await assert_problem(operator.post("/v1/participants", json={"slug": slug, "name": "x"}), 422, "invalid")


@pytest.mark.parametrize(
    "did", ["did:key:z6Mk", "did:web:", "did:web:%zz", "did:web:a..b", "did:web:x:%2e%2e", "web"]
)
async def test_a_did_is_one_whose_document_can_be_served(operator: httpx2.AsyncClient, did: str) -> None:
    await assert_problem(
        operator.post("/v1/participants", json={"slug": "new", "name": "x", "did": did}), 422, "invalid"
    )
    await assert_problem(operator.get("/v1/participants/new"), 404, "not-found")


async def test_the_operator_reads_no_participants_business(operator: httpx2.AsyncClient) -> None:
    for path in ("/v1/maker", "/v1/maker/assets", "/v1/maker/history"):
        await assert_problem(operator.get(path), 404, "not-found")


async def test_an_unsupported_method_names_those_that_are(
    operator: httpx2.AsyncClient, maker: httpx2.AsyncClient
) -> None:
    answer = await operator.put("/v1/participants/maker", json={})
    assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, GET")
    answer = await maker.post("/v1/maker/assets/a", json={})
    assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, GET, PUT")
    await assert_problem(maker.patch("/v1/maker/assets/a", json={}), 405, "method-not-allowed")
