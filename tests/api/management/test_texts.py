"""Contract templates through the API: filled, offered under, read by a partner and agreed to, printed on both sides."""

import re
from typing import Any

import httpx2
import pytest

from tests.api.management.offering import MAKER, assert_problem, fetched, offered, ok
from tests.api.management.program import Program

VALUES = {
    "provider_name": "Sakura Materials",
    "consumer_name": "Hokuto <Cells>",
    "data": "footprint of NMC811",
    "purposes": "legal_reporting",
    "until": "2099-12-31",
}
LIABILITY = {"en": "Nobody is liable.", "ja": "責任を負わない。"}


async def filled(maker: httpx2.AsyncClient, **more: Any) -> dict[str, Any]:
    body = {"template": "data-exchange-1", "values": VALUES, **more}
    return await ok(maker.post("/v1/maker/contract-texts", json=body), 201)


async def offered_under(maker: httpx2.AsyncClient, text: dict[str, Any]) -> None:
    """The asset of `offered`, offered under the policy `text-terms` alone."""
    await offered(maker)
    offer = {"contract_policy_id": "text-terms", "asset_ids": ["cfp-1"], "approval": "automatic"}
    await ok(maker.put("/v1/maker/offers/open", json=offer))
    assert text["rules"]["permission"][0]["action"] == "use"


async def test_templates_are_listed_and_shown_in_both_languages(maker: httpx2.AsyncClient) -> None:
    listed = await ok(maker.get("/v1/maker/contract-templates"))
    assert {item["kind"] for item in listed["items"]} == {"usage", "framework", "exchange"}
    shown = await ok(maker.get("/v1/maker/contract-templates/data-exchange-1"))
    assert len(shown["clauses"]) == 22
    assert shown["title"] == {"en": "Data exchange contract", "ja": "データ交換契約書"}
    await assert_problem(maker.get("/v1/maker/contract-templates/no-such-1"), 404, "not-found")


async def test_a_text_is_offered_fetched_compared_agreed_and_printed_on_both_sides(
    program: Program, maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    text = await filled(maker, policy_id="text-terms", changes={"liability": LIABILITY})
    await offered_under(maker, text)
    catalog = await ok(cells.post("/v1/cells/catalog/query", json={"partner": MAKER}))
    (found,) = re.findall(r"urn:sha256:([0-9a-f]{64})", str(catalog))
    assert found == text["text_sha256"]

    read = await ok(cells.post(f"/v1/cells/partners/{MAKER}/contract-texts/{found}"))
    assert (read["partner"], read["clauses"], read["rules"]) == (MAKER, text["clauses"], text["rules"])
    assert [(one["key"], one["kind"]) for one in read["differences"]] == [("liability", "changed")]
    again = await ok(cells.post(f"/v1/cells/partners/{MAKER}/contract-texts/{found}"))
    assert again == read

    done = await fetched(program, cells)
    pages = []
    for slug, client in (("maker", maker), ("cells", cells)):
        for language, said in (("ja", "責任を負わない。"), ("en", "Nobody is liable.")):
            response = await client.get(
                f"/v1/{slug}/contract-texts/{found}/page",
                params={"agreement_id": done["agreement_id"], "language": language},
            )
            assert response.status_code == 200
            assert response.headers["content-type"].startswith("text/html")
            assert "default-src 'none'" in response.headers["content-security-policy"]
            assert said in response.text
            assert "Hokuto &lt;Cells&gt;" in response.text
            assert found in response.text
        pages.append(response.text)
    assert "The rules of the agreement are not those of this text." not in pages[0] + pages[1]


async def test_an_agreement_on_other_rules_than_its_text_says_so(
    program: Program, maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    text = await filled(maker, policy_id="text-terms")
    less = {**text["rules"], "prohibition": []}
    await offered_under(maker, text)
    await ok(maker.put("/v1/maker/policies/text-terms", json={"document": less}))
    done = await fetched(program, cells)
    path = f"/v1/maker/contract-texts/{text['text_sha256']}/page"
    shown = await maker.get(path, params={"agreement_id": done["agreement_id"], "language": "en"})
    assert "The rules of the agreement are not those of this text." in shown.text


async def test_the_same_filling_is_one_text(maker: httpx2.AsyncClient) -> None:
    first, second = await filled(maker), await filled(maker)
    assert first == second
    listed = await ok(maker.get("/v1/maker/contract-texts"))
    assert [item["text_sha256"] for item in listed["items"]] == [first["text_sha256"]]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"values": {**VALUES, "until": "2099-02-30"}}, "until"),
        ({"values": {}}, "provider_name"),
        ({"changes": {"nothing": None}}, "nothing"),
        ({"changes": {"tooling": {**LIABILITY, "odrl": '{"permission": [{"action": "dance"}]}'}}}, "dance"),
        ({"changes": {"tooling": {**LIABILITY, "odrl": "{"}}}, "tooling"),
        ({"changes": {"tooling": {**LIABILITY, "odrl": '{"permission": NaN}'}}}, "tooling"),
    ],
)
async def test_a_filling_that_cannot_be_is_refused_and_keeps_nothing(
    maker: httpx2.AsyncClient, change: dict[str, Any], word: str
) -> None:
    body = {"template": "data-exchange-1", "values": VALUES, "policy_id": "text-terms", **change}
    response = await maker.post("/v1/maker/contract-texts", json=body)
    assert response.status_code == 422, response.text
    assert word in response.text
    assert (await ok(maker.get("/v1/maker/contract-texts")))["items"] == []
    await assert_problem(maker.get("/v1/maker/policies/text-terms"), 404, "not-found")


async def test_a_partner_gets_what_it_knows_the_hash_of_and_not_what_others_sent(
    maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    text = await filled(maker)
    unknown = f"/v1/cells/partners/{MAKER}/contract-texts/{'0' * 64}"
    await assert_problem(cells.post(unknown), 404, "not-found")
    await ok(cells.post(f"/v1/cells/partners/{MAKER}/contract-texts/{text['text_sha256']}"))
    page = f"/v1/cells/contract-texts/{text['text_sha256']}/page"
    await assert_problem(cells.get(page, params={"agreement_id": "urn:none"}), 404, "not-found")


async def test_words_that_a_partner_sent_first_are_our_own_once_we_fill_them_too(
    maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    text = await filled(maker)
    path = f"contract-texts/{text['text_sha256']}"
    assert (await ok(cells.post(f"/v1/cells/partners/{MAKER}/{path}")))["partner"] == MAKER
    body = {"template": "data-exchange-1", "values": VALUES}
    own = await ok(cells.post("/v1/cells/contract-texts", json=body), 201)
    assert (own["text_sha256"], own["partner"]) == (text["text_sha256"], "")
    # What came again changes nothing about whose it is.
    assert (await ok(cells.post(f"/v1/cells/partners/{MAKER}/{path}")))["partner"] == ""
