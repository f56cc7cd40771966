"""The app interface between running connectors: what an app sees, what is refused, and a foreign app that does its work."""

import asyncio
import hashlib
import json
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from ashiato.connector import apps, offers, receipts
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid, WrongState
from ashiato.connector.records import Asset, HistoryEntry, OfferDefinition, PolicyDefinition, Visibility
from ashiato.connector.vault_records import AppItems, AppManifest, AppState, ReceiptWatch
from ashiato.couriers.running_apps import AppRunner
from ashiato.policy.builder import permit
from tests.exchange import Member, running

SAMPLE = Path(__file__).resolve().parents[1] / "sample_app" / "sum_footprints.py"
PROGRAM = f"#!{sys.executable}\n".encode() + SAMPLE.read_bytes()
DIGEST = hashlib.sha256(PROGRAM).hexdigest()
TOKEN = "ashiato_app_" + "t" * 43
MANIFEST = AppManifest(
    name="Sum",
    version="1",
    digest=DIGEST,
    purposes=("footprint", "quality"),
    reads=(AppItems(asset_id="cfp-*"), AppItems(asset_id="own-1", own=True)),
    writes=("sum-",),
)


@dataclass
class Place:
    """A provider, a consumer, and the consumer's app."""

    maker: Member
    cells: Member
    client: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"{self.cells.program.management_url}/app/v1/cells"

    async def ask(
        self,
        path: str,
        *,
        token: str | None = TOKEN,
        body: object = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        """Status and document of one request of the app; content that is no JSON comes as bytes."""
        sent = {**({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {})}
        method = "GET" if body is None else "PUT"
        async with self.client.request(
            method, self.url + path, params=query, headers=sent, json=body
        ) as answer:
            data = await answer.read()
            is_json = "json" in answer.headers.get("Content-Type", "")
            return answer.status, json.loads(data) if is_json else data

    async def refused(self, path: str, **more: Any) -> tuple[int, str]:
        status, document = await self.ask(path, **more)
        return status, document["code"]

    async def register(self, manifest: AppManifest = MANIFEST, token: str = TOKEN) -> None:
        """Register and approve the app of the token."""
        sha256 = hashlib.sha256(token.encode()).hexdigest()

        def work(uow: UnitOfWork, moment: Moment) -> None:
            apps.register(uow, "sum", manifest, moment)
            apps.approve(uow, "sum", sha256, moment)

        await self.cells.run(work)

    async def get(self, asset_id: str, body: bytes = b'{"declared": "16.1"}', **offer: Any) -> str:
        """The consumer gets a dataset; returns the received id."""
        await self.maker.offer(asset_id, offer_id=f"offer-{asset_id}", body=body, **offer)
        fetch = await self.cells.fetch(self.maker, asset_id)
        assert fetch.received_id is not None
        return fetch.received_id


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """Two companies, each with a program of its own, and a client without a token."""
    async with (
        running(tmp_path / "maker", "maker") as (maker,),
        running(tmp_path / "cells", "cells") as (cells,),
        aiohttp.ClientSession() as client,
    ):
        yield Place(maker, cells, client)


async def test_an_app_sees_its_items_and_nothing_else(place: Place) -> None:
    received_id, other_id = await place.get("cfp-1"), await place.get("price-1")
    await place.register()
    status, listed = await place.ask("/received")
    assert (status, [item["received_id"] for item in listed["items"]]) == (200, [received_id])
    status, who = await place.ask("")
    assert (who["app_id"], who["digest"], who["manifest"]["digest"]) == ("sum", "attested", DIGEST)
    assert await place.refused(f"/received/{other_id}/content?purpose=footprint") == (404, "not-found")
    assert await place.refused("/received/none/content?purpose=footprint") == (404, "not-found")


async def test_an_app_reads_for_the_purposes_of_its_manifest_and_is_told_of_in_the_receipt(
    place: Place,
) -> None:
    received_id = await place.get("cfp-1")
    await place.register()
    path = f"/received/{received_id}/content"
    assert await place.refused(f"{path}?purpose=advertising") == (403, "not-permitted")
    status, body = await place.ask(path, query={"purpose": "footprint"})
    assert (status, body) == (200, b'{"declared": "16.1"}')
    usage = await place.cells.read(lambda uow: uow.vault.usage())
    assert [(total.app, total.purpose, total.uses_count) for total in usage] == [("sum", "footprint", 1)]
    item = await place.cells.read(lambda uow: uow.vault.item(received_id))
    assert item is not None
    kept = await place.cells.read(lambda uow: uow.vault.list_receipts(item.agreement_id, 1, 9))
    (used,) = [json.loads(receipt.payload) for receipt in kept]
    assert (used["app"], used["app_digest"], used["digest"]) == ("sum", DIGEST, "attested")


async def test_the_rest_of_a_broken_read_is_the_same_use(place: Place) -> None:
    received_id = await place.get("cfp-1", rules=permit("use", max_uses=1))
    await place.register()
    path = f"/received/{received_id}/content"
    sha256 = hashlib.sha256(b'{"declared": "16.1"}').hexdigest()
    etag = f'"{sha256}"'
    wanted = {"purpose": "footprint"}
    status, start = await place.ask(path, query=wanted, headers={"Range": "bytes=0-4"})
    assert status == 206
    status, rest = await place.ask(path, query=wanted, headers={"Range": "bytes=5-", "If-Range": etag})
    assert (status, start + rest) == (206, b'{"declared": "16.1"}')
    assert await place.refused(f"{path}?purpose=footprint") == (403, "not-permitted")


async def test_the_app_of_the_agreement_reads_and_no_other(place: Place) -> None:
    rule = {"leftOperand": "application", "operator": "eq", "rightOperand": f"sha256:{DIGEST}"}
    received_id = await place.get("cfp-1", rules={"permission": [{"action": "use", "constraint": [rule]}]})
    await place.register(msgspec.structs.replace(MANIFEST, digest="00" * 32))
    path = f"/received/{received_id}/content?purpose=footprint"
    assert await place.refused(path) == (403, "not-permitted")
    await place.register()
    assert (await place.ask(path))[0] == 200


@pytest.mark.parametrize("token", [None, "", "no", "ashiato_app_" + "x" * 43])
async def test_without_a_good_token_nothing_opens(place: Place, token: str | None) -> None:
    await place.register()
    for path in ("", "/received", "/own", "/events", "/received/none/content"):
        assert await place.refused(path, token=token) == (401, "not-authenticated")


async def test_a_token_opens_no_other_company_and_no_management(place: Place) -> None:
    await place.register()
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    management = place.cells.program.management_url
    async with place.client.get(f"{management}/v1/cells/received", headers=bearer) as answer:
        assert answer.status == 401
    async with place.client.get(f"{management}/app/v1/maker/received", headers=bearer) as answer:
        assert answer.status == 401
    operator = {"Authorization": "Bearer operator"}
    async with place.client.get(f"{management}/v1/participants", headers=operator) as answer:
        assert answer.status == 200
    async with place.client.get(f"{place.url}/received", headers=operator) as answer:
        assert answer.status == 401


async def test_a_changed_manifest_must_be_approved_anew(place: Place) -> None:
    await place.register()
    wider = msgspec.structs.replace(MANIFEST, reads=(AppItems(asset_id="*"),))
    app = await place.cells.run(lambda uow, moment: apps.register(uow, "sum", wider, moment))
    assert app.state is AppState.PROPOSED
    assert await place.refused("/received") == (401, "not-authenticated")
    await place.register(wider)
    assert (await place.ask("/received"))[0] == 200
    await place.cells.run(lambda uow, moment: apps.revoke(uow, "sum", moment))
    assert await place.refused("/received") == (401, "not-authenticated")


async def test_an_app_reads_the_own_data_that_it_may(place: Place) -> None:
    await place.cells.offer("own-1", "own-2", body=b'{"kwh": 75}')
    await place.register()
    _, listed = await place.ask("/own")
    assert [asset["asset_id"] for asset in listed["items"]] == ["own-1"]
    assert await place.ask("/own/own-1/content", query={"purpose": "quality"}) == (200, b'{"kwh": 75}')
    assert await place.refused("/own/own-2/content?purpose=quality") == (404, "not-found")
    assert await place.refused("/own/own-1/content?purpose=else") == (403, "not-permitted")
    usage = await place.cells.read(lambda uow: uow.vault.usage(""))
    assert [(total.app, total.purpose, total.uses_count) for total in usage] == [("sum", "quality", 1)]


async def test_a_result_is_a_hidden_asset_with_terms_that_nobody_offers_yet(place: Place) -> None:
    await place.register()
    result = {"title": "Sum", "record": {"sum": "3.5"}, "data_item": "cfp", "policy": permit("use")}
    status, written = await place.ask("/results/sum-1", body=result)
    assert (status, written["asset_id"], written["size_bytes"]) == (200, "sum-1", 13)

    def stored(uow: UnitOfWork) -> tuple[Asset | None, bytes | None, bool, int]:
        policy = uow.assets.policy("proposed-by-sum")
        return (
            uow.assets.asset("sum-1"),
            uow.assets.record("sum-1"),
            policy is not None,
            len(uow.assets.list_offers("", 9)),
        )

    asset, record, has_policy, offers_count = await place.cells.read(stored)
    assert asset is not None
    assert (asset.visibility, asset.title, record) == (Visibility.HIDDEN, "Sum", b'{"sum":"3.5"}')
    assert (has_policy, offers_count) == (True, 0)


async def test_an_app_writes_only_what_its_manifest_lets_it(place: Place) -> None:
    await place.register()
    good = {"title": "Sum", "record": {}}
    assert await place.refused("/results/price-1", body=good) == (403, "not-permitted")
    for bad in (
        {"title": "Sum"},
        {**good, "more": 1},
        {**good, "title": ""},
        {**good, "policy": {"permission": 1}},
    ):
        assert await place.refused("/results/sum-1", body=bad) == (422, "invalid")
    file = Asset(asset_id="sum-file", title="x", source={"kind": "file", "path": "x"})
    await place.cells.run(lambda uow, moment: uow.assets.put_asset(file))
    assert await place.refused("/results/sum-file", body=good) == (409, "wrong-state")


async def test_an_app_changes_neither_the_terms_nor_the_class_of_what_the_company_offers(
    place: Place,
) -> None:
    await place.register()
    for_one = permit(participants=["did:web:one.example"])
    result = {"title": "Sum", "record": {"sum": "3.5"}, "data_item": "inner", "policy": for_one}
    assert (await place.ask("/results/sum-1", body=result))[0] == 200

    def offer(uow: UnitOfWork, moment: Moment) -> None:
        written = uow.assets.asset("sum-1")
        assert written is not None
        offers.put_asset(uow, msgspec.structs.replace(written, visibility=Visibility.OFFERED), moment)
        for offer_id, policy_id, data_item in (
            ("narrow", "proposed-by-sum", "inner"),
            ("wide", "all", "open"),
        ):
            if policy_id == "all":
                offers.put_policy(uow, PolicyDefinition(policy_id="all", document=permit("use")), moment)
            terms = OfferDefinition(offer_id=offer_id, contract_policy_id=policy_id, data_item=data_item)
            offers.put_offer(uow, terms, moment)

    await place.cells.run(offer)
    for widened in ({**result, "policy": permit("use")}, {**result, "data_item": "open"}):
        assert await place.refused("/results/sum-1", body=widened) == (409, "wrong-state")
    assert (await place.ask("/results/sum-1", body={**result, "record": {"sum": "4"}}))[0] == 200
    policy, entries = await place.cells.read(
        lambda uow: (uow.assets.policy("proposed-by-sum"), uow.assets.entries_of("sum-1"))
    )
    assert policy is not None
    assert policy.document == for_one
    assert [entry.offer_id for entry in entries] == ["narrow"]


async def test_an_app_hears_of_data_that_comes_in_for_it(place: Place) -> None:
    await place.register()
    waiting = asyncio.create_task(place.ask("/events", query={"wait_s": "20"}))
    await asyncio.sleep(0.05)
    await place.get("price-1")
    assert not waiting.done()
    received_id = await place.get("cfp-1")
    _, news = await asyncio.wait_for(waiting, 15)
    assert [event["received_id"] for event in news["events"]] == [received_id]
    _, later = await place.ask("/events", query={"after": str(news["last"])})
    assert later["events"] == []


async def test_an_app_that_is_revoked_hears_nothing_more_also_where_it_waits_already(place: Place) -> None:
    await place.register()
    waiting = asyncio.create_task(place.ask("/events", query={"wait_s": "20"}))
    await asyncio.sleep(0.05)
    await place.cells.run(lambda uow, moment: apps.revoke(uow, "sum", moment))
    await place.get("cfp-1")
    status, problem = await asyncio.wait_for(waiting, 15)
    assert (status, problem["code"]) == (401, "not-authenticated")


async def test_a_long_read_of_an_app_breaks_off_when_the_app_is_revoked(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ashiato.api.vault_reading.RECHECK_EVERY_MS", 0)
    monkeypatch.setattr("ashiato.api.vault_reading.CHUNK_BYTES", 65_536)
    await place.register()
    received_id = await place.get("cfp-1", b"[" + b"1," * 16_000_000 + b"1]")
    headers = {"Authorization": f"Bearer {TOKEN}"}
    url = f"{place.url}/received/{received_id}/content?purpose=quality"
    async with place.client.get(url, headers=headers) as answer:
        await answer.content.readexactly(65_536)
        await place.cells.run(lambda uow, moment: apps.revoke(uow, "sum", moment))
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()


@pytest.mark.parametrize("query", ["wait_s=61", "after=-1", "after=x", "wait_s=1&wait_s=2"])
async def test_a_question_that_makes_no_sense_is_refused(place: Place, query: str) -> None:
    await place.register()
    assert await place.refused(f"/events?{query}") == (422, "invalid")


async def test_a_foreign_app_adds_up_what_came_in_and_writes_the_sum(place: Place, tmp_path: Path) -> None:
    await place.get("cfp-1", b'{"declared": "16.1"}')
    await place.get("cfp-2", b'{"declared": "0.25"}')
    await place.register()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        str(SAMPLE),
        env={"ASHIATO_APP_URL": place.url, "ASHIATO_APP_TOKEN": TOKEN},
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, out) == (0, b"sum-of-footprints: 16.35\n")
    record = await place.cells.read(lambda uow: uow.assets.record("sum-of-footprints"))
    assert json.loads(record or b"") == {"sum": "16.35", "of": ["cfp-1", "cfp-2"]}


async def test_an_app_that_the_connector_started_itself_is_enforced_and_its_provider_sees_it(
    place: Place, tmp_path: Path
) -> None:
    await place.get("cfp-1")
    folder = _folder(tmp_path, PROGRAM)
    await place.register(msgspec.structs.replace(MANIFEST, command="sum"))
    runner = AppRunner(
        place.cells.program.node, {place.cells.did: folder}, place.cells.program.management_url
    )
    await runner.start(place.cells.tenant, "sum")
    ended = await _ended(place.cells)
    assert (ended.details["exit_code"], ended.details["output"]) == (0, "sum-of-footprints: 16.1\n")
    (item,) = await place.cells.read(lambda uow: uow.vault.list_items("", 9))

    def asked(uow: UnitOfWork, moment: Moment) -> None:
        receipts.ask_now(uow, item.agreement_id, moment.now_ms)

    await place.maker.run(asked)

    def answered(uow: UnitOfWork) -> ReceiptWatch | None:
        watch = uow.vault.watch(item.agreement_id)
        return watch if watch is not None and watch.answered_ms else None

    assert (await place.maker.until(answered)).findings == ()
    kept = await place.cells.read(lambda uow: uow.vault.list_receipts(item.agreement_id, 1, 9))
    (used,) = [json.loads(receipt.payload) for receipt in kept]
    assert (used["app"], used["digest"]) == ("sum", "enforced")
    await runner.close()


async def test_another_program_than_the_approved_one_is_not_started(place: Place, tmp_path: Path) -> None:
    folder = _folder(tmp_path, PROGRAM + b"# changed\n")
    runner = AppRunner(place.cells.program.node, {place.cells.did: folder}, place.url)
    await place.register(msgspec.structs.replace(MANIFEST, command="sum"))
    with pytest.raises(Invalid, match="not the one that was approved"):
        await runner.start(place.cells.tenant, "sum")
    (folder / "sum").unlink()
    (folder / "sum").symlink_to(SAMPLE)
    with pytest.raises(Invalid, match="cannot be opened"):
        await runner.start(place.cells.tenant, "sum")
    nothing_opened = AppRunner(place.cells.program.node, {}, place.url)
    with pytest.raises(WrongState):
        await nothing_opened.start(place.cells.tenant, "sum")


async def test_a_started_app_has_no_secrets_around_it_and_does_not_run_for_ever(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_PROGRAM", "x")
    program = f"#!{sys.executable}\nimport os, time\nprint(sorted(os.environ), flush=True)\ntime.sleep(60)\n".encode()
    folder = _folder(tmp_path, program)
    manifest = msgspec.structs.replace(MANIFEST, command="sum", digest=hashlib.sha256(program).hexdigest())
    await place.register(manifest)
    runner = AppRunner(place.cells.program.node, {place.cells.did: folder}, place.url, longest_s=2.0)
    await runner.start(place.cells.tenant, "sum")
    ended = await _ended(place.cells)
    assert ended.details["exit_code"] is None
    output = str(ended.details["output"])
    assert "ASHIATO_APP_TOKEN" in output
    assert "SECRET_OF_THE_PROGRAM" not in output


def _folder(tmp_path: Path, program: bytes) -> Path:
    folder = tmp_path / "apps"
    folder.mkdir()
    (folder / "sum").write_bytes(program)
    return folder


async def _ended(cells: Member) -> HistoryEntry:
    def look(uow: UnitOfWork) -> HistoryEntry | None:
        found = [entry for entry in uow.records.list_history(0, 1000) if entry.event == "app.ended"]
        return found[0] if found else None

    return await cells.until(look, patience_s=40)
