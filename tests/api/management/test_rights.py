"""The owner's settings: who may connect, groups, facts, what is owed, and what a policy answers now."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from tests.api.management.offering import CELLS, MAKER, USE, assert_problem, offered, ok, until
from tests.api.management.program import Program

PAID = {"permission": [{"action": "use", "duty": [{"action": "compensate"}]}]}
ORDER = {"partner": MAKER, "asset_id": "cfp-1"}


async def agreed(
    maker: httpx2.AsyncClient, cells: httpx2.AsyncClient, document: Mapping[str, object]
) -> tuple[str, dict[str, Any]]:
    """An agreement on these terms over `cfp-1`: its id and what the maker is shown of it."""
    offering_id = await offered(maker)
    await ok(maker.put("/v1/maker/policies/open-terms", json={"document": document}))
    body = {"role": "CONSUMER", "partner": MAKER, "asset_id": "cfp-1", "offer_id": offering_id}
    opened = await ok(cells.post("/v1/cells/negotiations", json=body), 201)
    await until(cells, f"/v1/cells/negotiations/{opened['negotiation_pid']}", "state", "FINALIZED")
    (agreement,) = (await ok(maker.get("/v1/maker/agreements")))["items"]
    await until(maker, f"/v1/maker/agreements/{agreement['agreement_id']}", "finalized", True)
    return agreement["agreement_id"], agreement


async def test_access_in_short_is_shown_with_the_policy_that_it_became(maker: httpx2.AsyncClient) -> None:
    await offered(maker)
    access = {"participants": [CELLS], "claims": {"role": ["recycler"]}, "security_profile": "trust"}
    offer = {"contract_policy_id": "open-terms", "asset_ids": ["cfp-1"], "access": access}
    stored = await ok(maker.put("/v1/maker/offers/open", json=offer))
    assert stored["access"] == [{**access, "groups": []}]
    asked = stored["access_policy"]["permission"][0]["constraint"]
    assert [constraint["leftOperand"] for constraint in asked] == [
        "ashiato:participant",
        "role",
        "security_profile",
    ]
    asset = {"title": "x", "source": {"kind": "record"}, "visibility": "listed", "access": [access]}
    shown = await ok(maker.put("/v1/maker/assets/cfp-1", json={**asset, "classification": "internal"}))
    assert (shown["visibility"], shown["classification"]) == ("listed", "internal")
    assert await ok(maker.get("/v1/maker/assets/cfp-1")) == shown
    bad = {**offer, "access": {"claims": {"shoe_size": ["42"]}}}
    await assert_problem(maker.put("/v1/maker/offers/open", json=bad), 422, "invalid")


async def test_terms_that_nobody_here_enforces_may_be_published_and_are_called_what_they_are(
    maker: httpx2.AsyncClient,
) -> None:
    document = {
        "permission": [
            {
                "action": "use",
                "constraint": [
                    {"leftOperand": "purpose", "operator": "eq", "rightOperand": "cx.circular.dpp:1"},
                    {"leftOperand": "count", "operator": "lteq", "rightOperand": "3"},
                ],
                "duty": [{"action": "attribute"}],
            }
        ]
    }
    stored = await ok(maker.put("/v1/maker/policies/terms", json={"document": document}))
    assert [(term["path"], term["term"], term["enforcement"]) for term in stored["terms"]] == [
        ("permission[0].constraint[0]", "purpose", "attested"),
        ("permission[0].constraint[1]", "count", "enforced"),
        ("permission[0].duty[0]", "attribute", "contractual"),
    ]
    assert stored["terms"][1]["checkpoints"] == ["transfer", "read", "running"]
    unknown = {"permission": [{"action": "use", "duty": [{"action": "sing"}]}]}
    await assert_problem(maker.put("/v1/maker/policies/terms", json={"document": unknown}), 422, "invalid")


async def test_a_group_is_stored_shown_replaced_and_forgotten(maker: httpx2.AsyncClient) -> None:
    stored = await ok(maker.put("/v1/maker/groups/friends", json={"title": "F", "members": [CELLS, CELLS]}))
    assert stored["members"] == [CELLS]
    assert await ok(maker.get("/v1/maker/groups/friends")) == stored
    await ok(maker.put("/v1/maker/groups/enemies", json={}))
    first = await ok(maker.get("/v1/maker/groups?limit=1"))
    second = await ok(maker.get(f"/v1/maker/groups?cursor={first['next_cursor']}"))
    assert [group["group_id"] for group in (*first["items"], *second["items"])] == ["enemies", "friends"]
    assert (await maker.delete("/v1/maker/groups/friends")).status_code == 204
    await assert_problem(maker.get("/v1/maker/groups/friends"), 404, "not-found")
    await assert_problem(maker.delete("/v1/maker/groups/friends"), 404, "not-found")


async def test_facts_are_declared_and_withdrawn(maker: httpx2.AsyncClient) -> None:
    await ok(maker.put("/v1/maker/facts/event", json={"values": ["recall"]}))
    (fact,) = (await ok(maker.get("/v1/maker/facts")))["items"]
    assert (fact["name"], fact["values"], fact["agreement_id"]) == ("event", ["recall"], "")
    await assert_problem(maker.put("/v1/maker/facts/weather", json={"values": ["rain"]}), 422, "invalid")
    of_none = {"values": ["9.50"], "agreement_id": "urn:uuid:none"}
    await assert_problem(maker.put("/v1/maker/facts/payAmount", json=of_none), 404, "not-found")
    assert (await maker.delete("/v1/maker/facts/event")).status_code == 204
    assert (await ok(maker.get("/v1/maker/facts")))["items"] == []
    await assert_problem(maker.delete("/v1/maker/facts/event"), 404, "not-found")


async def test_what_is_owed_is_shown_on_both_sides_and_settled_by_the_owner(
    program: Program, maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    agreement_id, agreement = await agreed(maker, cells, PAID)
    assert [(term["term"], term["enforcement"]) for term in agreement["terms"]] == [
        ("compensate", "enforced")
    ]
    (theirs,) = (await ok(cells.get("/v1/cells/obligations")))["items"]
    (debt,) = (await ok(maker.get(f"/v1/maker/obligations?agreement_id={agreement_id}&state=pending")))[
        "items"
    ]
    assert (theirs["is_own"], debt["is_own"], debt["partner"]) == (True, False, CELLS)
    path = f"/v1/maker/obligations/{quote(debt['obligation_id'], safe='')}"
    assert await ok(maker.get(path)) == debt

    decision = f"/v1/maker/agreements/{agreement_id}/decision"
    refused = await ok(maker.get(decision))
    assert (refused["permitted"], refused["reasons"][0]["code"]) == (False, "permission_duty")
    assert refused["reasons"][0]["sentence_ja"] != refused["reasons"][0]["sentence"]
    assert refused["terms"] == agreement["terms"]

    done = await ok(maker.post(f"{path}/fulfil", json={"reason": "invoice 7"}))
    assert (done["state"], done["reason"]) == ("fulfilled", "invoice 7")
    assert (await ok(maker.get(decision)))["permitted"] is True
    await assert_problem(maker.post(f"{path}/fulfil", json={}), 409, "wrong-state")
    assert (await ok(maker.post(f"{path}/reopen", json={})))["state"] == "pending"
    assert (await ok(maker.get(decision)))["permitted"] is False
    events = [entry["event"] for entry in (await ok(maker.get("/v1/maker/history?limit=500")))["items"]]
    assert [name for name in events if name.startswith("obligation.")] == [
        "obligation.begun",
        "obligation.fulfilled",
        "obligation.reopened",
    ]
    await assert_problem(maker.get("/v1/maker/obligations/none"), 404, "not-found")
    await assert_problem(cells.get(decision.replace("maker", "cells")), 404, "not-found")


@pytest.mark.parametrize("visibility", ["hidden", "listed", "offered"])
async def test_a_partner_sees_of_an_asset_what_its_owner_chose(
    program: Program, maker: httpx2.AsyncClient, cells: httpx2.AsyncClient, visibility: str
) -> None:
    await offered(maker)
    asset = {"title": "Footprint", "source": {"kind": "record"}, "data_item": "cfp", "visibility": visibility}
    await ok(maker.put("/v1/maker/assets/cfp-1", json=asset))
    found = await ok(cells.post("/v1/cells/catalog/query", json={"partner": MAKER}))
    if visibility == "hidden":
        assert found["items"] == []
        return
    (dataset,) = found["items"]
    shown = str(dataset)
    assert ("dataItem" in shown) is (visibility == "offered")
    assert ("'permission'" in shown) is (visibility == "offered")
    assert USE["permission"][0]["action"] in shown
