"""Data received as the company's own people and programs read it."""

import asyncio
import hashlib
import json

import httpx2

from ashiato.api.management.gate import key_sha256
from tests.api.management.offering import BODY, CELLS, ONCE, assert_problem, fetched, offered, ok
from tests.api.management.program import Program, key_of


async def _received(program: Program, cells: httpx2.AsyncClient) -> str:
    return str((await fetched(program, cells))["received_id"])


async def test_the_bytes_of_received_data_are_not_on_the_disk_in_plain(
    program: Program, maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await offered(maker)
    received_id = await _received(program, cells)
    received = await program.store.read(CELLS, lambda uow: uow.transfers.received(received_id))
    assert received is not None
    on_disk = program.files.path(CELLS, received.file_name).read_bytes()
    assert len(on_disk) > len(BODY)
    assert BODY not in on_disk
    content = await cells.get(f"/v1/cells/received/{received_id}/content")
    assert content.content == BODY


async def test_a_download_is_a_use_with_its_purpose_and_who_made_it(
    program: Program, maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await offered(maker)
    received_id = await _received(program, cells)
    answer = await cells.get(f"/v1/cells/received/{received_id}/content", params={"purpose": "legal"})
    assert answer.content == BODY
    received = await program.store.read(CELLS, lambda uow: uow.transfers.received(received_id))
    assert received is not None
    (use,) = await program.store.read(CELLS, lambda uow: uow.vault.last_uses(received.agreement_id, 9))
    assert (use.purpose, use.subject) == ("legal", f"key:{key_sha256(key_of('cells'))[:8]}")


async def test_data_is_downloaded_as_often_as_the_agreement_permits(
    program: Program, maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await offered(maker)
    await ok(maker.put("/v1/maker/policies/open-terms", json={"document": ONCE}))
    await ok(
        maker.put("/v1/maker/offers/open", json={"contract_policy_id": "open-terms", "asset_ids": ["cfp-1"]})
    )
    path = f"/v1/cells/received/{await _received(program, cells)}/content"
    first = await cells.get(path, headers={"Range": "bytes=0-9"})
    assert (first.status_code, first.content) == (206, BODY[:10])
    etag = f'"{hashlib.sha256(BODY).hexdigest()}"'
    rest = await cells.get(path, headers={"Range": "bytes=10-", "If-Range": etag})
    assert first.content + rest.content == BODY
    problem = await assert_problem(cells.get(path), 403, "not-permitted")
    assert "count" in problem["detail"]


async def test_a_use_is_not_counted_for_bytes_that_are_not_there(
    program: Program, maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await offered(maker)
    received_id = await _received(program, cells)
    received = await program.store.read(CELLS, lambda uow: uow.transfers.received(received_id))
    assert received is not None
    program.files.remove(CELLS, received.file_name)
    await assert_problem(cells.get(f"/v1/cells/received/{received_id}/content"), 404, "not-found")
    assert await program.store.read(CELLS, lambda uow: uow.vault.last_uses(received.agreement_id, 9)) == []


async def test_the_vault_lists_what_came_in_and_how_it_was_used(
    program: Program, maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await offered(maker)
    received_id = await _received(program, cells)
    await cells.get(f"/v1/cells/received/{received_id}/content", params={"purpose": "legal"})
    (entry,) = (await ok(cells.get("/v1/cells/vault")))["items"]
    assert entry["received"]["received_id"] == received_id
    assert (entry["state"], entry["uses_count"], entry["delete_due_ms"]) == ("held", 1, None)
    (total,) = (await ok(cells.get("/v1/cells/vault/usage")))["items"]
    assert (total["app"], total["purpose"], total["uses_count"]) == ("", "legal", 1)
    other = {"agreement_id": "urn:uuid:other"}
    assert (await ok(cells.get("/v1/cells/vault", params=other)))["items"] == []
    assert (await ok(maker.get("/v1/maker/vault")))["items"] == []


async def test_data_is_deleted_by_order_and_a_receipt_says_so(
    program: Program, maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await offered(maker)
    received_id = await _received(program, cells)
    received = await program.store.read(CELLS, lambda uow: uow.transfers.received(received_id))
    assert received is not None
    path = program.files.path(CELLS, received.file_name)
    assert path.exists()
    await ok(cells.delete(f"/v1/cells/received/{received_id}"), 202)
    for _ in range(1500):
        (entry,) = (await ok(cells.get("/v1/cells/vault")))["items"]
        if entry["state"] == "deleted":
            break
        await asyncio.sleep(0.02)
    assert (entry["state"], entry["delete_why"]) == ("deleted", "ordered")
    assert not path.exists()
    problem = await assert_problem(cells.get(f"/v1/cells/received/{received_id}/content"), 404, "not-found")
    assert "was deleted" in problem["detail"]
    wanted = {"agreement_id": received.agreement_id}
    receipts = (await ok(cells.get("/v1/cells/receipts/signed", params=wanted)))["items"]
    kinds = [json.loads(receipt["payload"])["kind"] for receipt in receipts]
    assert kinds == ["received", "deleted"]


async def test_only_the_provider_sees_the_other_side(
    program: Program, maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await offered(maker)
    agreement_id = str((await fetched(program, cells))["agreement_id"])
    shown = await ok(maker.get(f"/v1/maker/receipts/{agreement_id}"))
    assert (shown["standing"], shown["findings"]) == ("not_asked", [])
    asked = await ok(maker.post("/v1/maker/receipts", json={"agreement_id": agreement_id}), 202)
    assert asked["next_ms"] is not None
    (listed,) = (await ok(maker.get("/v1/maker/receipts")))["items"]
    assert listed["agreement_id"] == agreement_id
    await assert_problem(cells.get(f"/v1/cells/receipts/{agreement_id}"), 404, "not-found")
    await assert_problem(
        cells.post("/v1/cells/receipts", json={"agreement_id": agreement_id}), 404, "not-found"
    )
