import uuid
from typing import Any

import httpx2
import pytest

from ashiato.identity.signed_tokens import SignedTokens
from ashiato.trust.standing import Standing
from tests.api.management.offering import (
    CELLS,
    MAKER,
    ONCE,
    USE,
    assert_problem,
    first_approval,
    offered,
    ok,
    until,
)
from tests.api.management.program import Program


def request_of(offer_id: str | None = None, **more: object) -> dict[str, object]:
    body: dict[str, object] = {"role": "CONSUMER", "partner": MAKER, "asset_id": "cfp-1", **more}
    return body if offer_id is None else {**body, "offer_id": offer_id}


async def started(cells: httpx2.AsyncClient, body: dict[str, object]) -> str:
    negotiation = await ok(cells.post("/v1/cells/negotiations", json=body), 201)
    return str(negotiation["negotiation_pid"])


async def test_a_request_that_meets_the_offer_is_agreed_to_the_end(
    maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await offered(maker)
    answer = await cells.post("/v1/cells/negotiations", json=request_of())
    negotiation = answer.json()
    assert answer.headers["location"] == f"/v1/cells/negotiations/{negotiation['negotiation_pid']}"
    assert (negotiation["role"], negotiation["state"], negotiation["offer_by"]) == (
        "CONSUMER",
        "REQUESTED",
        "CONSUMER",
    )
    final = await until(cells, answer.headers["location"], "state", "FINALIZED")
    agreement = await ok(cells.get(f"/v1/cells/agreements/{final['agreement_id']}"))
    assert (agreement["finalized"], agreement["role"], agreement["partner"]) == (True, "CONSUMER", MAKER)
    assert agreement["document"]["assignee"] == CELLS
    theirs = await ok(maker.get("/v1/maker/negotiations", params={"partner": CELLS, "state": "FINALIZED"}))
    assert [entry["role"] for entry in theirs["items"]] == ["PROVIDER"]
    assert (await ok(maker.get("/v1/maker/negotiations", params={"state": "REQUESTED"})))["items"] == []


async def test_a_person_approves_a_request(maker: httpx2.AsyncClient, cells: httpx2.AsyncClient) -> None:
    await offered(maker, approval="manual")
    pid = await started(cells, request_of())
    waiting = await first_approval(maker)
    assert (waiting["role"], waiting["partner"], waiting["asset_id"]) == ("PROVIDER", CELLS, "cfp-1")
    assert "agree" in waiting["choices"]
    path = f"/v1/maker/approvals/{waiting['negotiation_pid']}"
    assert await ok(maker.get(path)) == waiting
    seen = await ok(maker.get(f"/v1/maker/negotiations/{waiting['negotiation_pid']}"))
    assert seen["needs_approval"] is True
    assert (await ok(maker.post(f"{path}/approve")))["needs_approval"] is False
    await until(cells, f"/v1/cells/negotiations/{pid}", "state", "FINALIZED")
    await assert_problem(maker.post(f"{path}/approve"), 404, "not-found")


async def test_a_yes_counts_only_for_a_partner_that_may_still_have_the_contract(
    maker: httpx2.AsyncClient, cells: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await offered(maker, approval="manual")
    await started(cells, request_of())
    pid = (await first_approval(maker))["negotiation_pid"]

    async def lapsed(tokens: SignedTokens, participant_id: str, peer_id: str, now_ms: int) -> Standing:
        return Standing(peer_id, lacks=("MembershipCredential",))

    with monkeypatch.context() as patch:
        patch.setattr(SignedTokens, "standing", lapsed)
        for path in (f"approvals/{pid}/approve", f"negotiations/{pid}/agree"):
            problem = await assert_problem(maker.post(f"/v1/maker/{path}", json={}), 403, "not-permitted")
            assert "MembershipCredential" in problem["detail"]
        # To say no, or to propose something else, nobody needs a membership.
        assert (await first_approval(maker))["negotiation_pid"] == pid
    await ok(maker.post(f"/v1/maker/approvals/{pid}/approve"))


async def test_a_person_rejects_a_request_and_the_partner_reads_why(
    maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await offered(maker, approval="manual")
    pid = await started(cells, request_of())
    waiting = await first_approval(maker)
    reason = {"reason": "Ask again next year."}
    await ok(maker.post(f"/v1/maker/approvals/{waiting['negotiation_pid']}/reject", json=reason))
    ended = await until(cells, f"/v1/cells/negotiations/{pid}", "state", "TERMINATED")
    assert "Ask again next year." in str(ended["reason"])


async def test_terms_go_back_and_forth_until_both_sides_like_them(
    maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await offered(maker, approval="manual")
    pid = await started(cells, request_of())
    waiting = await first_approval(maker)
    await ok(maker.post(f"/v1/maker/approvals/{waiting['negotiation_pid']}/counter", json={"policy": ONCE}))
    mine = await first_approval(cells, "cells")
    assert (mine["negotiation_pid"], mine["role"]) == (pid, "CONSUMER")
    assert mine["offer"]["permission"] == ONCE["permission"]
    await ok(cells.post(f"/v1/cells/approvals/{pid}/approve"))
    final = await until(cells, f"/v1/cells/negotiations/{pid}", "state", "FINALIZED")
    agreement = await ok(cells.get(f"/v1/cells/agreements/{final['agreement_id']}"))
    assert agreement["document"]["permission"] == ONCE["permission"]
    assert final["rounds"] == 2


async def test_what_a_person_would_also_sign_is_accepted_at_once(
    maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await offered(maker, approval="manual")
    pid = await started(cells, request_of(acceptable=[ONCE]))
    waiting = await first_approval(maker)
    await ok(maker.post(f"/v1/maker/approvals/{waiting['negotiation_pid']}/counter", json={"policy": ONCE}))
    await until(cells, f"/v1/cells/negotiations/{pid}", "state", "FINALIZED")
    assert (await ok(cells.get("/v1/cells/approvals")))["items"] == []


@pytest.mark.parametrize("policy", [{}, {"permission": []}, {"permission": [{"action": 5}]}, {"note": "x"}])
async def test_a_counter_without_terms_changes_nothing(
    maker: httpx2.AsyncClient, cells: httpx2.AsyncClient, policy: dict[str, object]
) -> None:
    await offered(maker, approval="manual")
    await started(cells, request_of())
    waiting = await first_approval(maker)
    path = f"/v1/maker/approvals/{waiting['negotiation_pid']}"
    await assert_problem(maker.post(f"{path}/counter", json={"policy": policy}), 422, "invalid")
    assert await ok(maker.get(path)) == waiting


async def test_a_provider_offers_of_its_own_accord(
    maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    offering_id = await offered(maker)
    body = {"role": "PROVIDER", "partner": CELLS, "asset_id": "cfp-1", "offer_id": "open"}
    negotiation = await ok(maker.post("/v1/maker/negotiations", json=body), 201)
    assert (negotiation["state"], negotiation["offer"]["@id"]) == ("OFFERED", offering_id)
    waiting = await first_approval(cells, "cells")
    await ok(cells.post(f"/v1/cells/approvals/{waiting['negotiation_pid']}/approve"))
    await until(maker, f"/v1/maker/negotiations/{negotiation['negotiation_pid']}", "state", "FINALIZED")


async def test_a_provider_offers_only_what_it_has_under_an_offer_that_covers_it(
    maker: httpx2.AsyncClient,
) -> None:
    await offered(maker)
    await offered(maker, asset_id="cfp-2", offer_id="second")
    body = {"role": "PROVIDER", "partner": CELLS, "asset_id": "cfp-1", "offer_id": "open"}
    post = "/v1/maker/negotiations"
    await assert_problem(maker.post(post, json={**body, "asset_id": "none"}), 404, "not-found")
    await assert_problem(maker.post(post, json={**body, "offer_id": "none"}), 404, "not-found")
    await assert_problem(maker.post(post, json={**body, "offer_id": "second"}), 422, "invalid")
    assert (await ok(maker.get(post)))["items"] == []


async def test_the_same_id_starts_one_negotiation(
    maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await offered(maker)
    own_id = str(uuid.UUID(int=7))
    body = request_of(id=own_id)
    first = await ok(cells.post("/v1/cells/negotiations", json=body), 201)
    assert first["negotiation_pid"] == f"urn:uuid:{own_id}"
    again = await ok(cells.post("/v1/cells/negotiations", json=body), 200)
    assert again["negotiation_pid"] == first["negotiation_pid"]
    assert len((await ok(cells.get("/v1/cells/negotiations")))["items"]) == 1
    other = {**body, "asset_id": "another"}
    await assert_problem(cells.post("/v1/cells/negotiations", json=other), 409, "wrong-state")


async def test_an_offer_in_own_words_must_belong_to_the_asset(
    cells: httpx2.AsyncClient, maker: httpx2.AsyncClient
) -> None:
    offering_id = await offered(maker, approval="manual")
    for offer in (
        {**USE},
        {"@id": "", **USE},
        {"@id": offering_id, "target": "another", **USE},
        {"@id": offering_id, "@type": "Agreement", **USE},
        {"@id": offering_id},
        {"@id": offering_id, "permission": [{"action": 1}]},
    ):
        await assert_problem(
            cells.post("/v1/cells/negotiations", json=request_of(offer=offer)), 422, "invalid"
        )
    pid = await started(cells, request_of(offer={"@id": offering_id, **ONCE}))
    assert pid
    waiting = await first_approval(maker)
    assert waiting["offer"]["permission"] == ONCE["permission"]


async def test_offers_on_different_terms_need_a_choice(
    cells: httpx2.AsyncClient, maker: httpx2.AsyncClient
) -> None:
    first = await offered(maker)
    second = await offered(maker, offer_id="second")
    await ok(maker.put("/v1/maker/policies/second-terms", json={"document": ONCE}))
    found = await assert_problem(cells.post("/v1/cells/negotiations", json=request_of()), 422, "invalid")
    assert sorted(found["fields"]["offer_ids"]) == sorted([first, second])
    await assert_problem(cells.post("/v1/cells/negotiations", json=request_of("none")), 404, "not-found")
    pid = await started(cells, request_of(second))
    assert (await ok(cells.get(f"/v1/cells/negotiations/{pid}")))["offer"]["@id"] == second


async def test_offers_on_the_same_terms_need_none(
    cells: httpx2.AsyncClient, maker: httpx2.AsyncClient
) -> None:
    first = await offered(maker)
    second = await offered(maker, offer_id="second")
    pid = await started(cells, request_of())
    assert (await ok(cells.get(f"/v1/cells/negotiations/{pid}")))["offer"]["@id"] in (first, second)


async def test_an_act_out_of_turn_is_refused_and_the_state_stays(
    maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await offered(maker, approval="manual")
    pid = await started(cells, request_of())
    await first_approval(maker)
    before = await until(cells, f"/v1/cells/negotiations/{pid}", "state", "REQUESTED")
    for act in ("verify", "finalize", "agree", "accept"):
        await assert_problem(cells.post(f"/v1/cells/negotiations/{pid}/{act}", json={}), 409, "wrong-state")
    assert (await ok(cells.get(f"/v1/cells/negotiations/{pid}")))["state"] == before["state"]


async def test_each_act_is_open_to_the_side_whose_turn_it_is(
    maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await offered(maker, approval="manual")
    pid = await started(cells, request_of())
    theirs = (await first_approval(maker))["negotiation_pid"]
    policy = {"policy": ONCE}
    await ok(maker.post(f"/v1/maker/negotiations/{theirs}/offer", json=policy))
    await until(cells, f"/v1/cells/negotiations/{pid}", "state", "OFFERED")
    await ok(cells.post(f"/v1/cells/negotiations/{pid}/counter", json={"policy": USE}))
    await until(maker, f"/v1/maker/negotiations/{theirs}", "state", "REQUESTED")
    await ok(maker.post(f"/v1/maker/negotiations/{theirs}/agree", json={}))
    final = await until(cells, f"/v1/cells/negotiations/{pid}", "state", "FINALIZED")
    # The request, the offer, the counter-offer.
    assert (final["rounds"], final["offer_by"]) == (3, "CONSUMER")


async def test_a_negotiation_is_terminated_before_the_partner_ever_answered(
    program: Program, cells: httpx2.AsyncClient, maker: httpx2.AsyncClient
) -> None:
    offering_id = await offered(maker)
    program.network.is_down = True
    address = "https://connector.test/maker/dsp/2025-1"
    body = request_of(offer={"@id": offering_id, **USE}, address=address)
    pid = await started(cells, body)
    ended = await ok(cells.post(f"/v1/cells/negotiations/{pid}/terminate", json={"reason": "too late"}))
    assert ended["state"] == "TERMINATED"


async def test_an_unknown_act_is_no_address(cells: httpx2.AsyncClient) -> None:
    await assert_problem(cells.post("/v1/cells/negotiations/x/dance", json={}), 422, "invalid")
    await assert_problem(cells.post("/v1/cells/negotiations/x/agree", json={}), 404, "not-found")
    await assert_problem(cells.get("/v1/cells/negotiations/x"), 404, "not-found")


async def test_approvals_come_in_pages(maker: httpx2.AsyncClient, cells: httpx2.AsyncClient) -> None:
    await offered(maker, approval="manual")
    for _ in range(3):
        await started(cells, request_of())
    all_items: list[Any] = []
    for _ in range(1500):
        all_items = (await ok(maker.get("/v1/maker/approvals")))["items"]
        if len(all_items) == 3:
            break
    first = await ok(maker.get("/v1/maker/approvals", params={"limit": 2}))
    second = await ok(maker.get("/v1/maker/approvals", params={"limit": 2, "cursor": first["next_cursor"]}))
    assert first["items"] + second["items"] == all_items
    assert second["next_cursor"] is None
