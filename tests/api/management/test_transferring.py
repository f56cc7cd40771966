import hashlib
import uuid
from functools import partial

import httpx2
import msgspec
import pytest

from ashiato.connector.ports import UnitOfWork
from ashiato.connector.records import AccessRecord
from ashiato.dsp.states import Role
from tests.api.management.offering import BODY, CELLS, assert_problem, fetched, offered, ok, until
from tests.api.management.program import Program


@pytest.fixture
async def agreement_id(program: Program, maker: httpx2.AsyncClient, cells: httpx2.AsyncClient) -> str:
    """A finalized agreement between `maker` and `cells`."""
    await offered(maker)
    return str((await fetched(program, cells))["agreement_id"])


async def test_a_pull_runs_to_its_end_and_shows_how_far_it_is(
    program: Program, agreement_id: str, cells: httpx2.AsyncClient, maker: httpx2.AsyncClient
) -> None:
    answer = await cells.post("/v1/cells/transfers", json={"agreement_id": agreement_id})
    assert (answer.status_code, answer.json()["state"]) == (201, "REQUESTED")
    path = answer.headers["location"]
    assert path == f"/v1/cells/transfers/{answer.json()['transfer_pid']}"
    done = await until(cells, path, "state", "COMPLETED")
    assert done["asset_id"] == "cfp-1"
    assert done["progress"]["bytes_count"] == len(BODY)
    received = await ok(cells.get(f"/v1/cells/received/{done['progress']['received_id']}"))
    assert received["transfer_pid"] == done["transfer_pid"]
    completed = {"agreement_id": agreement_id, "state": "COMPLETED"}
    assert len((await ok(cells.get("/v1/cells/transfers", params=completed)))["items"]) == 2
    assert (await ok(cells.get("/v1/cells/transfers", params={"agreement_id": "other"})))["items"] == []


async def test_the_same_id_starts_one_transfer(agreement_id: str, cells: httpx2.AsyncClient) -> None:
    body = {"agreement_id": agreement_id, "id": str(uuid.UUID(int=3))}
    first = await ok(cells.post("/v1/cells/transfers", json=body), 201)
    assert first["transfer_pid"] == f"urn:uuid:{body['id']}"
    again = await ok(cells.post("/v1/cells/transfers", json=body), 200)
    assert again["transfer_pid"] == first["transfer_pid"]
    other = {**body, "format": "HttpData-PUSH"}
    await assert_problem(cells.post("/v1/cells/transfers", json=other), 409, "wrong-state")


async def test_a_partners_data_is_reached_only_under_a_started_transfer_of_ones_own(
    agreement_id: str, cells: httpx2.AsyncClient, maker: httpx2.AsyncClient
) -> None:
    (done,) = (await ok(cells.get("/v1/cells/transfers")))["items"]
    await assert_problem(cells.get(f"/v1/cells/transfers/{done['transfer_pid']}/data"), 409, "wrong-state")
    await assert_problem(maker.get(f"/v1/maker/transfers/{done['transfer_pid']}/data"), 404, "not-found")


async def test_only_the_consumer_of_an_agreement_asks_for_its_data(
    agreement_id: str, cells: httpx2.AsyncClient, maker: httpx2.AsyncClient
) -> None:
    await assert_problem(
        maker.post("/v1/maker/transfers", json={"agreement_id": agreement_id}), 404, "not-found"
    )
    await assert_problem(cells.post("/v1/cells/transfers", json={"agreement_id": "none"}), 404, "not-found")
    body = {"agreement_id": agreement_id, "format": "Kafka"}
    await assert_problem(cells.post("/v1/cells/transfers", json=body), 422, "invalid")


async def test_a_transfer_is_suspended_resumed_and_terminated(
    program: Program, agreement_id: str, cells: httpx2.AsyncClient, maker: httpx2.AsyncClient
) -> None:
    # A push stands open until the provider has sent: nobody sends in this program.
    body = {"agreement_id": agreement_id, "format": "HttpData-PUSH"}
    transfer = await ok(cells.post("/v1/cells/transfers", json=body), 201)
    path = f"/v1/cells/transfers/{transfer['transfer_pid']}"
    await until(cells, path, "state", "STARTED")
    suspended = await ok(cells.post(f"{path}/suspend", json={"reason": "night"}))
    assert suspended["state"] == "SUSPENDED"
    await until(maker, f"/v1/maker/transfers/{suspended['partner_pid']}", "state", "SUSPENDED")
    theirs = await ok(maker.get(f"/v1/maker/transfers/{suspended['partner_pid']}"))
    assert "night" in str(theirs["reason"])
    listed = (await ok(maker.get("/v1/maker/transfers", params={"state": "SUSPENDED"})))["items"]
    assert [entry["transfer_pid"] for entry in listed] == [theirs["transfer_pid"]]
    assert (await ok(cells.post(f"{path}/resume", json={})))["state"] == "STARTED"
    await until(maker, f"/v1/maker/transfers/{theirs['transfer_pid']}", "state", "STARTED")
    assert (await ok(cells.post(f"{path}/terminate", json={"reason": "enough"})))["state"] == "TERMINATED"
    await until(maker, f"/v1/maker/transfers/{theirs['transfer_pid']}", "state", "TERMINATED")
    for act in ("start", "suspend", "complete", "terminate"):
        await assert_problem(cells.post(f"{path}/{act}", json={}), 409, "wrong-state")


async def test_a_consumer_declares_a_transfer_complete(agreement_id: str, cells: httpx2.AsyncClient) -> None:
    body = {"agreement_id": agreement_id, "format": "HttpData-PUSH"}
    transfer = await ok(cells.post("/v1/cells/transfers", json=body), 201)
    path = f"/v1/cells/transfers/{transfer['transfer_pid']}"
    await until(cells, path, "state", "STARTED")
    assert (await ok(cells.post(f"{path}/complete", json={})))["state"] == "COMPLETED"


@pytest.mark.parametrize(
    ("header", "status_code", "content", "content_range"),
    [
        (None, 200, BODY, None),
        ("bytes=0-", 206, BODY, f"bytes 0-{len(BODY) - 1}/{len(BODY)}"),
        ("bytes=2-5", 206, BODY[2:6], f"bytes 2-5/{len(BODY)}"),
        ("bytes=-3", 206, BODY[-3:], f"bytes {len(BODY) - 3}-{len(BODY) - 1}/{len(BODY)}"),
        ("bytes=5-2", 200, BODY, None),
        ("bytes=0-1,4-5", 200, BODY, None),
        ("lines=1-2", 200, BODY, None),
    ],
)
async def test_a_part_of_the_data_is_given(
    program: Program,
    maker: httpx2.AsyncClient,
    cells: httpx2.AsyncClient,
    header: str | None,
    status_code: int,
    content: bytes,
    content_range: str | None,
) -> None:
    await offered(maker)
    path = f"/v1/cells/received/{(await fetched(program, cells))['received_id']}/content"
    answer = await cells.get(path, headers={} if header is None else {"Range": header})
    assert (answer.status_code, answer.content) == (status_code, content)
    assert answer.headers.get("content-range") == content_range
    assert answer.headers["content-length"] == str(len(content))
    assert answer.headers["content-disposition"] == "attachment"


async def test_a_part_of_other_data_is_not_given(
    program: Program, maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await offered(maker)
    path = f"/v1/cells/received/{(await fetched(program, cells))['received_id']}/content"
    etag = (await cells.get(path)).headers["etag"]
    same = await cells.get(path, headers={"Range": "bytes=1-2", "If-Range": etag})
    assert (same.status_code, same.content) == (206, BODY[1:3])
    other = await cells.get(path, headers={"Range": "bytes=1-2", "If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, BODY)


async def test_a_part_behind_the_end_is_not_satisfiable(
    program: Program, maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await offered(maker)
    path = f"/v1/cells/received/{(await fetched(program, cells))['received_id']}/content"
    answer = await cells.get(path, headers={"Range": "bytes=1000-"})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(BODY)}")
    await assert_problem(cells.get(path, headers={"Range": "bytes=1000-"}), 416, "range-not-satisfiable")


async def test_data_that_is_gone_from_the_disk_is_a_problem_and_no_empty_answer(
    program: Program, maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await offered(maker)
    done = await fetched(program, cells)
    received = await program.store.read(CELLS, lambda uow: uow.transfers.received(done["received_id"]))
    assert received is not None
    program.files.remove(CELLS, received.file_name)
    await assert_problem(cells.get(f"/v1/cells/received/{done['received_id']}/content"), 404, "not-found")


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        ("text/csv; charset=utf-8", "text/csv; charset=utf-8"),
        ("text/html\r\nSet-Cookie: a=b", "application/octet-stream"),
        ("", "application/octet-stream"),
        ("日本/語", "application/octet-stream"),
    ],
)
async def test_a_media_type_from_the_partner_cannot_break_the_answer(
    program: Program, maker: httpx2.AsyncClient, cells: httpx2.AsyncClient, stored: str, sent: str
) -> None:
    await offered(maker)
    done = await fetched(program, cells)
    received = await program.store.read(CELLS, lambda uow: uow.transfers.received(done["received_id"]))
    assert received is not None
    changed = msgspec.structs.replace(received, media_type=stored)
    await program.store.run(CELLS, lambda uow: uow.transfers.put_received(changed))
    answer = await cells.get(f"/v1/cells/received/{done['received_id']}/content")
    assert answer.headers["content-type"] == sent
    assert "set-cookie" not in answer.headers


async def test_every_access_is_listed_with_bytes_and_hash(
    program: Program, agreement_id: str, cells: httpx2.AsyncClient
) -> None:
    await fetched(program, cells)
    whole = (await ok(cells.get("/v1/cells/accesses")))["items"]
    assert [(access["sent_bytes"], access["outcome"]) for access in whole] == [(len(BODY), "complete")] * 2
    assert {access["sha256"] for access in whole} == {hashlib.sha256(BODY).hexdigest()}
    first = await ok(cells.get("/v1/cells/accesses", params={"limit": 1, "agreement_id": agreement_id}))
    second = await ok(
        cells.get("/v1/cells/accesses", params={"cursor": first["next_cursor"], "agreement_id": agreement_id})
    )
    assert first["items"] + second["items"] == whole
    assert (await ok(cells.get("/v1/cells/accesses", params={"agreement_id": "none"})))["items"] == []


def put_access(access: AccessRecord, uow: UnitOfWork) -> None:
    uow.transfers.put_access(access)


async def test_the_progress_of_a_transfer_without_a_fetch_is_what_its_accesses_reached(
    program: Program, agreement_id: str, cells: httpx2.AsyncClient
) -> None:
    body = {"agreement_id": agreement_id, "format": "HttpData-PUSH"}
    transfer = await ok(cells.post("/v1/cells/transfers", json=body), 201)
    for number, (start_bytes, sent_bytes) in enumerate(((0, 400), (400, 250))):
        access = AccessRecord(
            access_id=f"access-{number}",
            role=Role.CONSUMER,
            peer_id="p",
            asset_id="cfp-1",
            agreement_id=agreement_id,
            transfer_pid=transfer["transfer_pid"],
            method="POST",
            range_start_bytes=start_bytes,
            sent_bytes=sent_bytes,
            sha256="",
            outcome="aborted",
            started_ms=number,
            ended_ms=number,
        )
        await program.store.run(CELLS, partial(put_access, access))
    seen = await ok(cells.get(f"/v1/cells/transfers/{transfer['transfer_pid']}"))
    assert seen["progress"] == {"bytes_count": 650, "received_id": None}


async def test_received_data_is_listed_in_pages(
    program: Program, maker: httpx2.AsyncClient, cells: httpx2.AsyncClient
) -> None:
    await offered(maker)
    for _ in range(3):
        await fetched(program, cells)
    first = await ok(cells.get("/v1/cells/received", params={"limit": 2}))
    second = await ok(cells.get("/v1/cells/received", params={"limit": 2, "cursor": first["next_cursor"]}))
    ids = {received["received_id"] for received in first["items"] + second["items"]}
    assert (len(ids), second["next_cursor"]) == (3, None)
