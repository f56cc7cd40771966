import hashlib

import httpx2
import pytest

from ashiato.connector.records import AgreementRecord
from ashiato.dsp.states import Role
from tests.api.management.offering import (
    CELLS,
    FRAMEWORK,
    MAKER,
    ONCE,
    PDF,
    SCAN,
    USE,
    assert_problem,
    fetched,
    first_approval,
    offered,
    ok,
    proposal,
    until,
)
from tests.api.management.program import Program


async def approved_framework(maker: httpx2.AsyncClient, cells: httpx2.AsyncClient) -> None:
    await ok(cells.post("/v1/cells/frameworks", json=proposal()), 201)
    waiting = await first_approval(maker)
    await ok(maker.post(f"/v1/maker/approvals/{waiting['negotiation_pid']}/approve"))
    await until(cells, f"/v1/cells/frameworks/{FRAMEWORK}", "state", "active")


async def test_a_framework_contract_is_approved_once_and_covers_its_class(
    program: Program, maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    proposed = await ok(cells.post("/v1/cells/frameworks", json=proposal()), 201)
    assert proposed["framework"]["state"] == "proposed"
    waiting = await first_approval(maker)
    assert (waiting["partner"], waiting["asset_id"]) == (CELLS, FRAMEWORK)
    assert waiting["offer"]["ashiato:frameworkClass"]["dataItem"] == "cfp"
    await ok(maker.post(f"/v1/maker/approvals/{waiting['negotiation_pid']}/approve"))
    await until(cells, f"/v1/cells/frameworks/{FRAMEWORK}", "state", "active")
    await until(maker, f"/v1/maker/frameworks/{FRAMEWORK}", "state", "active")
    assert (await ok(maker.get("/v1/maker/approvals")))["items"] == []

    asset = {"title": "Footprint", "source": {"kind": "record"}, "data_item": "cfp"}
    await ok(maker.put("/v1/maker/assets/cfp-9", json=asset))
    done = await fetched(program, cells, "cfp-9")
    agreement = await ok(cells.get(f"/v1/cells/agreements/{done['agreement_id']}"))
    assert agreement["framework_id"] == FRAMEWORK
    under = await ok(cells.get("/v1/cells/agreements", params={"framework_id": FRAMEWORK}))
    assert [entry["agreement_id"] for entry in under["items"]] == [done["agreement_id"]]


async def test_among_several_offers_the_one_on_the_terms_of_the_framework_contract_is_taken(
    program: Program, maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await approved_framework(maker, cells)
    await offered(maker)
    await ok(maker.put("/v1/maker/policies/open-terms", json={"document": ONCE}))
    done = await fetched(program, cells)
    agreement = await ok(cells.get(f"/v1/cells/agreements/{done['agreement_id']}"))
    assert (agreement["framework_id"], agreement["document"]["permission"]) == (FRAMEWORK, USE["permission"])


async def test_a_rejected_framework_contract_ends_on_both_sides(
    maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await ok(cells.post("/v1/cells/frameworks", json=proposal()), 201)
    waiting = await first_approval(maker)
    path = f"/v1/maker/approvals/{waiting['negotiation_pid']}/reject"
    await ok(maker.post(path, json={"reason": "Not this year."}))
    ended = await until(cells, f"/v1/cells/frameworks/{FRAMEWORK}", "state", "ended")
    assert ended["end_reason"] == "The proposal was not agreed."
    await until(maker, f"/v1/maker/frameworks/{FRAMEWORK}", "state", "ended")


async def test_a_repeated_proposal_starts_nothing_new_and_another_one_needs_another_id(
    cells: httpx2.AsyncClient,
) -> None:
    first = await cells.post("/v1/cells/frameworks", json=proposal())
    assert first.headers["location"] == f"/v1/cells/frameworks/{FRAMEWORK}"
    again = await ok(cells.post("/v1/cells/frameworks", json=proposal()), 200)
    assert again == {"framework": first.json()["framework"], "negotiation_pid": None}
    assert len((await ok(cells.get("/v1/cells/negotiations")))["items"]) == 1
    other = proposal(title="Something else")
    await assert_problem(cells.post("/v1/cells/frameworks", json=other), 409, "wrong-state")


async def test_a_framework_contract_without_id_gets_one(cells: httpx2.AsyncClient) -> None:
    body = proposal()
    del body["framework_id"]
    proposed = await ok(cells.post("/v1/cells/frameworks", json=body), 201)
    framework_id = proposed["framework"]["framework_id"]
    assert framework_id.startswith("urn:ashiato:framework:")
    assert await ok(cells.get(f"/v1/cells/frameworks/{framework_id}")) == proposed["framework"]


@pytest.mark.parametrize(
    "changes",
    [
        {"data_item": ""},
        {"until_ms": 0},
        {"framework_id": "mine"},
        {"policy": {"permission": [{"action": 5}]}},
        {"policy": {}},
        {"from_ms": -1},
        {"until_ms": 253_402_300_800_000},
    ],
)
async def test_a_framework_contract_that_covers_nothing_or_everything_is_refused(
    cells: httpx2.AsyncClient, changes: dict[str, object]
) -> None:
    await assert_problem(cells.post("/v1/cells/frameworks", json=proposal(**changes)), 422, "invalid")
    assert (await ok(cells.get("/v1/cells/frameworks")))["items"] == []


async def test_an_ended_framework_contract_covers_nothing_any_more(
    program: Program, maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await approved_framework(maker, cells)
    asset = {"title": "Footprint", "source": {"kind": "record"}, "data_item": "cfp"}
    await ok(maker.put("/v1/maker/assets/cfp-9", json=asset))
    path = f"/v1/maker/frameworks/{FRAMEWORK}/end"
    assert (await ok(maker.post(path, json={"reason": "over"})))["state"] == "ended"
    await assert_problem(maker.post(path, json={}), 409, "wrong-state")
    await assert_problem(
        cells.post("/v1/cells/fetches", json={"partner": MAKER, "asset_id": "cfp-9"}), 404, "not-found"
    )


async def test_a_contract_on_paper_is_kept_with_the_hash_of_its_scan(cells: httpx2.AsyncClient) -> None:
    told = {"partner": MAKER, "title": "Master agreement", "signed_on": "2026-04-01", "note": "binder 7"}
    stored = await ok(cells.put("/v1/cells/papers/m-7", params=told, content=SCAN, headers=PDF))
    assert stored["scan_sha256"] == hashlib.sha256(SCAN).hexdigest()
    assert (stored["size_bytes"], stored["media_type"]) == (len(SCAN), "application/pdf")
    assert await ok(cells.get("/v1/cells/papers/m-7")) == stored
    scan = await cells.get("/v1/cells/papers/m-7/scan")
    assert (scan.content, scan.headers["content-type"]) == (SCAN, "application/pdf")
    assert scan.headers["content-disposition"] == "attachment"


async def test_a_stored_scan_is_never_replaced(cells: httpx2.AsyncClient) -> None:
    told = {"partner": MAKER, "title": "Master agreement", "signed_on": "2026-04-01"}
    stored = await ok(cells.put("/v1/cells/papers/m-7", params=told, content=SCAN, headers=PDF))
    assert await ok(cells.put("/v1/cells/papers/m-7", params=told, content=SCAN, headers=PDF)) == stored
    other = cells.put("/v1/cells/papers/m-7", params=told, content=b"%PDF forged", headers=PDF)
    await assert_problem(other, 409, "wrong-state")
    assert (await cells.get("/v1/cells/papers/m-7/scan")).content == SCAN


@pytest.mark.parametrize(
    ("changes", "content", "headers", "status_code", "code"),
    [
        ({}, b"", PDF, 422, "invalid"),
        ({}, SCAN, {"Content-Type": "text/html"}, 415, "unsupported-media-type"),
        ({}, SCAN, {}, 415, "unsupported-media-type"),
        ({"signed_on": "yesterday"}, SCAN, PDF, 422, "invalid"),
        ({"signed_on": "2026-13-01"}, SCAN, PDF, 422, "invalid"),
        ({"title": ""}, SCAN, PDF, 422, "invalid"),
        ({"extra": "x"}, SCAN, PDF, 422, "invalid"),
        ({}, b"x" * (20 * 1_048_576 + 1), PDF, 413, "too-large"),
    ],
)
async def test_a_paper_that_cannot_be_kept_is_refused(
    cells: httpx2.AsyncClient,
    changes: dict[str, str],
    content: bytes,
    headers: dict[str, str],
    status_code: int,
    code: str,
) -> None:
    told = {"partner": MAKER, "title": "t", "signed_on": "2026-04-01", **changes}
    await assert_problem(
        cells.put("/v1/cells/papers/p", params=told, content=content, headers=headers), status_code, code
    )
    await assert_problem(cells.get("/v1/cells/papers/p"), 404, "not-found")
    await assert_problem(cells.get("/v1/cells/papers/p/scan"), 404, "not-found")


async def test_the_contract_master_lists_every_kind_of_contract_per_partner(
    program: Program, maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await offered(maker)
    await approved_framework(maker, cells)
    for number, partner in enumerate((MAKER, "did:web:other.example")):
        told = {"partner": partner, "title": f"Paper {number}", "signed_on": "2026-04-01"}
        await ok(cells.put(f"/v1/cells/papers/m-{number}", params=told, content=SCAN, headers=PDF))
    await fetched(program, cells)
    whole = await ok(cells.get("/v1/cells/contracts"))
    kinds = [contract["kind"] for contract in whole["items"]]
    # The framework contract, two papers, the agreement of the framework contract, and the one over the data.
    assert kinds == ["framework", "paper", "paper", "agreement", "agreement"]
    assert all(contract[contract["kind"]] is not None for contract in whole["items"])
    of_maker = await ok(cells.get("/v1/cells/contracts", params={"partner": MAKER}))
    assert [contract["kind"] for contract in of_maker["items"]] == [
        "framework",
        "paper",
        "agreement",
        "agreement",
    ]
    papers = await ok(cells.get("/v1/cells/contracts", params={"kind": "paper"}))
    assert [contract["paper"]["paper_id"] for contract in papers["items"]] == ["m-0", "m-1"]

    paged: list[object] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await ok(cells.get("/v1/cells/contracts", params={"limit": 2, "cursor": cursor}))
        paged += page["items"]
        cursor = page["next_cursor"]
    assert paged == whole["items"]


async def test_a_terminated_agreement_stops_what_comes_after(
    program: Program, maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await offered(maker)
    done = await fetched(program, cells)
    path = f"/v1/cells/agreements/{done['agreement_id']}"
    ended = await ok(cells.post(f"{path}/terminate", json={"reason": "no longer needed"}))
    assert (ended["state"], ended["end_reason"]) == ("terminated", "no longer needed")
    await assert_problem(cells.post(f"{path}/terminate", json={}), 409, "wrong-state")
    transfer = cells.post("/v1/cells/transfers", json={"agreement_id": done["agreement_id"]})
    await assert_problem(transfer, 403, "not-permitted")


async def test_an_agreement_whose_id_has_slashes_is_found(
    program: Program, cells: httpx2.AsyncClient
) -> None:
    agreement_id = "https://maker.example/agreements/7?x=1#y"
    record = AgreementRecord(
        agreement_id=agreement_id,
        role=Role.CONSUMER,
        peer_id=MAKER,
        asset_id="a",
        negotiation_pid="n",
        document={"@id": agreement_id},
        policy_hash="0",
        agreed_ms=1,
        finalized=True,
    )
    await program.store.run(CELLS, lambda uow: uow.contracts.put_agreement(record))
    quoted = "https:%2F%2Fmaker.example%2Fagreements%2F7%3Fx=1%23y"
    found = await ok(cells.get(f"/v1/cells/agreements/{quoted}"))
    assert found["agreement_id"] == agreement_id
    ended = await ok(cells.post(f"/v1/cells/agreements/{quoted}/terminate", json={}))
    assert ended["state"] == "terminated"
