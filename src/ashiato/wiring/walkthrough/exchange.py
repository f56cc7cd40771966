"""The exchange, step by step: from two companies that know nothing of each other to data under a contract, and its end."""

import asyncio
import functools
import hashlib
import json
import uuid
from collections.abc import Mapping

from ashiato.facts.instants import format_datetime
from ashiato.policy.builder import permit
from ashiato.wiring.walkthrough.companies import Company, Json, StepFailed, eventually, expect, within
from ashiato.wiring.walkthrough.feed import CREDENTIAL_HEADER
from ashiato.wiring.walkthrough.record import (
    BadRecord,
    FootprintRecord,
    lot_record,
    published_record,
    read_record,
)
from ashiato.wiring.walkthrough.scene import PLANT_SECRET, Scene, Step, now_ms

RECORD_ASSET = "nmc811-footprint"
ON_REQUEST_ASSET = "nmc811-footprint-on-request"
FEED_ASSET = "kiln-log"
FOOTPRINT_ITEM = "carbon-footprint"
LOT_GROUP = "nmc811-lots"
LOTS_COUNT = 20
MOST_USES_COUNT = 2
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
ANSWER_WAIT_S = 10
LONGEST_FETCH_S = 60.0
SOURCE_GONE_S = 10.0
FETCH_ENDS = ("done", "failed", "cancelled")
# Data stops within a second of the moment at which this node knows that the right has ended.
STOPPED_WITHIN_MS = 1_000


async def start(scene: Scene) -> Json:
    """Start the association, then the three companies that trust its word, and the maker's plant system."""
    await scene.feed.start()
    await scene.association.start()
    scene.trust_list.write_text(_trust_list(scene.association.participant_id), encoding="utf-8")
    # Each start is waited for, also when another one fails: none may go on while the scene is being cleared.
    started = await asyncio.gather(*(company.start() for company in scene.companies), return_exceptions=True)
    for failure in started:
        if failure is not None:
            raise failure
    shown = [
        {
            "company": company.name,
            "participant_id": company.participant_id,
            "protocol": company.public_url,
            "management": company.management_url,
            "pid": company.pid,
        }
        for company in scene.everybody
    ]
    return {"companies": shown}


def _trust_list(issuer: str) -> str:
    """The companies' own list, unsigned because it is a file of their own: the association's word counts for two types."""
    began_ms = now_ms()
    document = {
        "publisher": issuer,
        "number": 1,
        "issued": format_datetime(began_ms - HOUR_MS),
        "expires": format_datetime(began_ms + 30 * DAY_MS),
        "issuers": [{"issuer": issuer, "types": ["MembershipCredential", "RoleCredential"]}],
        "recognized": [],
    }
    return json.dumps(document)


async def publish(scene: Scene) -> Json:
    """The maker stores the record and offers it: to one company, for a time, for a number of uses."""
    content = published_record()
    record = _checked(content)
    await scene.maker.put(
        f"/assets/{RECORD_ASSET}", record_asset(record.product.name, part_group="nmc811-powder")
    )
    receipt = await scene.maker.put(f"/assets/{RECORD_ASSET}/record", content)
    sha256 = hashlib.sha256(content).hexdigest()
    expect(receipt["sha256"] == sha256, f"The maker stored other bytes than were given: {receipt['sha256']}.")
    until_ms = now_ms() + 30 * DAY_MS
    terms = permit(
        participants=[scene.cells.participant_id],
        not_before_ms=now_ms() - HOUR_MS,
        until_ms=until_ms,
        max_uses=MOST_USES_COUNT,
    )
    # No access policy: everybody may read of the offer, only the cell maker may have it.
    await _offer(scene.maker, RECORD_ASSET, terms)
    figure = record.declared
    source = record.source_of(figure)
    return {
        "asset_id": RECORD_ASSET,
        "product": record.product.name,
        "subject": figure.subject,
        "value": figure.value,
        "unit": figure.unit,
        "boundary": record.system_boundary.reading,
        "author": source.author,
        "published_in": source.published_in,
        "year": source.year,
        "url": source.url,
        "sha256": sha256,
        "size_bytes": len(content),
        "consumer": scene.cells.name,
        "until_ms": until_ms,
        "until_day": format_datetime(until_ms).partition("T")[0],
        "most_uses_count": MOST_USES_COUNT,
    }


async def discover(scene: Scene) -> Json:
    """The cell maker finds the record in the maker's catalog."""
    page = await scene.cells.post(
        "/catalog/query", {"partner": scene.maker.participant_id, "data_item": FOOTPRINT_ITEM}
    )
    expect(len(page["items"]) == 1, f"The catalog should show one dataset, but shows {page['items']}.")
    [dataset] = page["items"]
    expect(dataset["asset_id"] == RECORD_ASSET, f"The catalog shows another dataset: {dataset['asset_id']}.")
    return {
        "asset_id": dataset["asset_id"],
        "title": dataset["title"],
        "offers_count": len(dataset["offers"]),
        "formats": dataset["formats"],
    }


async def fetch(scene: Scene) -> Json:
    """One order: the cell maker negotiates, gets a contract, and fetches."""
    began_ms = now_ms()
    done = await _fetched(scene, RECORD_ASSET)
    expect(done["state"] == "done", f"The fetch ended as {done['state']}: {done['problem']}")
    agreement_id = done["agreement_id"]
    scene.remembered |= {"agreement_id": agreement_id, "received_id": done["received_id"]}
    ours, theirs = await asyncio.gather(
        scene.cells.get(f"/agreements/{agreement_id}"), scene.maker.get(f"/agreements/{agreement_id}")
    )
    expect(
        ours["document"] == theirs["document"],
        "The two companies hold different texts of the same agreement.",
    )
    return {
        "agreement_id": agreement_id,
        "policy_hash": ours["policy_hash"],
        "received_bytes": done["received_bytes"],
        "took_ms": now_ms() - began_ms,
        "events": await _events(scene, began_ms),
    }


async def verify(scene: Scene) -> Json:
    """The cell maker checks what came against both sides' records of the access, and reads the record."""
    received = await scene.cells.get(f"/received/{scene.remembered['received_id']}")
    content = await scene.cells.content(f"/received/{scene.remembered['received_id']}/content")
    sha256 = hashlib.sha256(content).hexdigest()
    sent, taken = await _accesses(scene, scene.remembered["agreement_id"])
    hashes = {"stored": received["sha256"], "sent": sent["sha256"], "received": taken["sha256"]}
    wrong = [side for side, other in hashes.items() if other != sha256]
    expect(not wrong, f"The hash of the data is {sha256}, but {wrong} says {hashes}.")
    sizes = {len(content), received["size_bytes"], sent["sent_bytes"], taken["sent_bytes"]}
    expect(len(sizes) == 1, f"The two sides count different bytes: {sizes}.")
    expect(content == published_record(), "What came is not what the maker published.")
    record = _checked(content)
    return {
        "sha256": sha256,
        "size_bytes": len(content),
        "product": record.product.name,
        "value": record.declared.value,
        "unit": record.declared.unit,
        "place": record.declared.place,
        "sources_count": len(record.sources),
        "received_ms": received["received_ms"],
    }


async def refuse(scene: Scene) -> Json:
    """A third company sees the offer, asks for the contract, and is refused with the reason."""
    page = await scene.trader.post(
        "/catalog/query", {"partner": scene.maker.participant_id, "asset_id": RECORD_ASSET}
    )
    expect(bool(page["items"]), "The trader should see the offer, so that it learns why it may not have it.")
    asked_ms = now_ms()
    opened = await scene.trader.post(
        "/negotiations",
        {"role": "CONSUMER", "partner": scene.maker.participant_id, "asset_id": RECORD_ASSET},
    )
    path = f"/negotiations/{opened['negotiation_pid']}"
    ended = await eventually(
        "the maker answers the trader",
        lambda: scene.trader.get(path),
        lambda seen: seen["state"] in ("TERMINATED", "FINALIZED"),
    )
    took_ms = now_ms() - asked_ms
    expect(ended["state"] == "TERMINATED", "The trader got a contract that the policy does not give it.")
    reason = _reason(ended)
    expect(
        scene.cells.participant_id in reason, f"The refusal does not say whom the offer is for: {reason!r}"
    )
    theirs = await scene.maker.items("/agreements", partner=scene.trader.participant_id)
    ours = await scene.trader.items("/agreements")
    received = await scene.trader.items("/received")
    expect(not (theirs or ours or received), "The trader was refused and yet holds an agreement or data.")
    return {"company": scene.trader.name, "reason": reason, "took_ms": took_ms}


async def framework(scene: Scene) -> Json:
    """One framework contract, approved once by a person; the lots of its class are then agreed by themselves."""
    record = _checked(published_record())
    step_began_ms = now_ms()
    lots = [lot_name(number) for number in range(1, LOTS_COUNT + 1)]
    await asyncio.gather(*(_put_lot(scene.maker, lot, lot_record(record, lot)) for lot in lots))
    framework_id = await _agreed_framework(scene)
    began_ms = now_ms()
    done = await asyncio.gather(*(_fetched(scene, lot) for lot in lots))
    took_ms = now_ms() - began_ms
    scene.remembered["last_lot_id"] = done[-1]["received_id"] or ""
    failed = [one["problem"] for one in done if one["state"] != "done"]
    expect(not failed, f"{len(failed)} of {LOTS_COUNT} lots were not fetched: {failed[:1]}")
    ours = await scene.cells.items("/agreements", framework_id=framework_id)
    theirs = await scene.maker.items("/agreements", framework_id=framework_id)
    ids = {agreement["agreement_id"] for agreement in ours}
    expect(len(ids) == LOTS_COUNT, f"{len(ids)} agreements stand under the framework, not {LOTS_COUNT}.")
    expect(
        ids == {agreement["agreement_id"] for agreement in theirs},
        "The two companies count different agreements under the framework.",
    )
    asked = [
        entry
        for entry in await scene.maker.items("/history")
        if entry["event"] == "approval.needed" and entry["at_ms"] >= step_began_ms
    ]
    expect(len(asked) == 1, f"A person of the maker was asked {len(asked)} times, not once.")
    return {
        "framework_id": framework_id,
        "approvals_count": len(asked),
        "agreements_count": len(ids),
        "took_ms": took_ms,
        "each_ms": round(took_ms / LOTS_COUNT, 1),
    }


async def end_agreement(scene: Scene) -> Json:
    """The maker ends the agreement; the cell maker learns it, and a second fetch under it is stopped."""
    agreement_id = scene.remembered["agreement_id"]
    before = await scene.maker.items("/accesses", agreement_id=agreement_id)
    ended = await scene.maker.post(
        f"/agreements/{agreement_id}/terminate", {"reason": "The product is no longer sold."}
    )
    expect(ended["state"] == "terminated", f"The agreement is {ended['state']}.")
    learned = await eventually(
        "the cell maker learns of the end",
        lambda: scene.cells.get(f"/agreements/{agreement_id}"),
        lambda seen: seen["state"] == "terminated",
    )
    problem = await scene.cells.refusal("/transfers", {"agreement_id": agreement_id})
    after = await scene.maker.items("/accesses", agreement_id=agreement_id)
    served_bytes = sum(access["sent_bytes"] for access in after[len(before) :])
    expect(len(after) == len(before), f"{served_bytes} bytes were served after the agreement had ended.")
    return {
        "agreement_id": agreement_id,
        "learned_after_ms": learned["ended_ms"] - ended["ended_ms"],
        "problem": problem,
        "served_bytes": served_bytes,
    }


async def cut_stream(scene: Scene) -> Json:
    """A long answer runs under another agreement; the maker ends that agreement, and the bytes stop."""
    source = {
        "kind": "http",
        "base_url": scene.feed.url,
        "secret_headers": {CREDENTIAL_HEADER: PLANT_SECRET},
    }
    body = {"title": "Kiln log", "source": source, "media_type": "text/plain", "data_item": "process-log"}
    await scene.maker.put(f"/assets/{FEED_ASSET}", body)
    await _offer(scene.maker, FEED_ASSET, permit(participants=[scene.cells.participant_id]))
    order = {"partner": scene.maker.participant_id, "asset_id": FEED_ASSET}
    begun = await scene.cells.post("/fetches", order)
    path = f"/fetches/{begun['fetch_id']}"
    running = await eventually(
        "bytes of the kiln log arrive",
        lambda: scene.cells.get(path),
        lambda seen: seen["state"] in FETCH_ENDS or bool(seen["received_bytes"]),
    )
    expect(running["state"] == "transferring", f"The stream did not run: {running['problem']}")
    agreement_id = running["agreement_id"]
    ended = await scene.maker.post(
        f"/agreements/{agreement_id}/terminate", {"reason": "The kiln is being rebuilt."}
    )
    gone_ms = await within(SOURCE_GONE_S, "the plant system is let go", scene.feed.reader_gone_ms)
    failed = await eventually(
        "the cell maker learns of the end",
        lambda: scene.cells.get(path),
        lambda seen: seen["state"] == "failed",
    )
    kept = [received["asset_id"] for received in await scene.cells.items("/received")]
    expect(FEED_ASSET not in kept, "The cell maker keeps a part as if it were the whole.")
    [access] = await scene.maker.items("/accesses", agreement_id=agreement_id)
    expect(access["outcome"] == "cut", f"The maker's record of the access says {access['outcome']}, not cut.")
    stopped_ms = access["ended_ms"] - ended["ended_ms"]
    source_gone_ms = gone_ms - ended["ended_ms"]
    slowest_ms = max(stopped_ms, source_gone_ms)
    expect(
        slowest_ms < STOPPED_WITHIN_MS,
        f"The stream ran on for {slowest_ms} ms after the agreement had ended.",
    )
    return {
        "agreement_id": agreement_id,
        "stopped_after_ms": stopped_ms,
        "source_closed_after_ms": source_gone_ms,
        "sent_bytes": access["sent_bytes"],
        "sha256": access["sha256"],
        "problem": failed["problem"],
    }


async def survive_crash(scene: Scene) -> Json:
    """The cell maker's process is killed in the middle of a negotiation; after its restart both sides agree."""
    record = _checked(published_record())
    await scene.maker.put(f"/assets/{ON_REQUEST_ASSET}", record_asset(record.product.name, "nmc811-request"))
    await scene.maker.put(f"/assets/{ON_REQUEST_ASSET}/record", published_record())
    await _offer(
        scene.maker, ON_REQUEST_ASSET, permit(participants=[scene.cells.participant_id]), approval="manual"
    )
    own_pid = str(uuid.uuid4())
    await scene.cells.post(
        "/negotiations",
        {
            "role": "CONSUMER",
            "id": own_pid,
            "partner": scene.maker.participant_id,
            "asset_id": ON_REQUEST_ASSET,
        },
    )
    approval = await _waiting_approval(scene.maker, ON_REQUEST_ASSET)
    killed_pid = scene.cells.pid
    scene.cells.kill()
    killed_ms = now_ms()
    await scene.maker.post(f"/approvals/{approval}/approve")
    standing = await scene.maker.get(f"/negotiations/{approval}")
    expect(
        standing["state"] == "AGREED", f"The maker's side stands at {standing['state']}: no middle was hit."
    )
    await scene.cells.start()
    restarted_ms = now_ms()
    expect(scene.cells.pid != killed_pid, "The cell maker was not restarted.")
    ours = await _finalized(scene.cells, f"urn:uuid:{own_pid}")
    theirs = await _finalized(scene.maker, approval)
    expect(
        ours["agreement_id"] is not None and ours["agreement_id"] == theirs["agreement_id"],
        f"The sides hold different agreements: {ours['agreement_id']} and {theirs['agreement_id']}.",
    )
    for company in (scene.cells, scene.maker):
        agreements = await company.items("/agreements")
        count = sum(agreement["asset_id"] == ON_REQUEST_ASSET for agreement in agreements)
        expect(count == 1, f"{company.name} holds {count} agreements about it, not one.")
    kept = await scene.cells.content(f"/received/{scene.remembered['last_lot_id']}/content")
    expect(
        kept == lot_record(record, lot_name(LOTS_COUNT)),
        "What the cell maker had received did not outlive the crash.",
    )
    return {
        "killed_pid": killed_pid,
        "pid": scene.cells.pid,
        "state": ours["state"],
        "agreement_id": ours["agreement_id"],
        "down_ms": restarted_ms - killed_ms,
        "converged_after_ms": now_ms() - restarted_ms,
    }


def _checked(content: bytes) -> FootprintRecord:
    try:
        return read_record(content)
    except BadRecord as error:
        raise StepFailed(str(error)) from error


def lot_name(number: int) -> str:
    """The asset of the lot with that number, counted from 1."""
    return f"nmc811-lot-{number:02d}"


def record_asset(title: str, part_group: str) -> Json:
    """An asset whose source is a record."""
    return {
        "title": title,
        "source": {"kind": "record"},
        "data_item": FOOTPRINT_ITEM,
        "part_group": part_group,
    }


async def _put_lot(maker: Company, lot: str, content: bytes) -> None:
    await maker.put(f"/assets/{lot}", record_asset(lot, LOT_GROUP))
    await maker.put(f"/assets/{lot}/record", content)


async def _offer(
    maker: Company, asset_id: str, terms: Mapping[str, object], approval: str = "automatic"
) -> None:
    await maker.put(f"/policies/{asset_id}", {"document": terms})
    body = {"contract_policy_id": asset_id, "asset_ids": [asset_id], "approval": approval}
    await maker.put(f"/offers/{asset_id}", body)


async def _fetched(scene: Scene, asset_id: str) -> Json:
    """The cell maker's order for that dataset, once it has ended."""
    order = {"partner": scene.maker.participant_id, "asset_id": asset_id}
    begun = await scene.cells.post("/fetches", order)
    return await eventually(
        f"the order of {asset_id} ends",
        lambda: scene.cells.get(f"/fetches/{begun['fetch_id']}", wait_s=ANSWER_WAIT_S),
        lambda seen: seen["state"] in FETCH_ENDS,
        LONGEST_FETCH_S,
    )


async def _accesses(scene: Scene, agreement_id: str) -> tuple[Json, Json]:
    """The one access under the agreement, as the provider and as the consumer wrote it down."""
    found = await asyncio.gather(
        scene.maker.items("/accesses", agreement_id=agreement_id),
        scene.cells.items("/accesses", agreement_id=agreement_id),
    )
    counts = [len(accesses) for accesses in found]
    expect(counts == [1, 1], f"Each side should know one access under the agreement, but they know {counts}.")
    return found[0][0], found[1][0]


async def _events(scene: Scene, began_ms: int) -> list[Json]:
    """What both companies wrote into their histories since then, in the order of time."""
    told: list[Json] = []
    for company in (scene.cells, scene.maker):
        told += [
            {"after_ms": entry["at_ms"] - began_ms, "company": company.name, "event": entry["event"]}
            for entry in await company.items("/history")
            if entry["at_ms"] >= began_ms
        ]
    return sorted(told, key=lambda event: event["after_ms"])


async def _agreed_framework(scene: Scene) -> str:
    """The cell maker proposes, a person of the maker approves; the id of the framework contract that stands then."""
    proposal = {
        "role": "CONSUMER",
        "partner": scene.maker.participant_id,
        "title": "Carbon footprints of all NMC811 lots",
        "policy": permit(participants=[scene.cells.participant_id]),
        "from_ms": now_ms() - HOUR_MS,
        "until_ms": now_ms() + 365 * DAY_MS,
        "data_item": FOOTPRINT_ITEM,
        "part_group": LOT_GROUP,
        "purpose": "Carbon footprint of the cells",
    }
    proposed = await scene.cells.post("/frameworks", proposal)
    framework_id: str = proposed["framework"]["framework_id"]
    approval = await _waiting_approval(scene.maker, framework_id)
    await scene.maker.post(f"/approvals/{approval}/approve")
    for company in (scene.maker, scene.cells):
        await eventually(
            f"the framework contract stands at {company.name}",
            functools.partial(company.get, f"/frameworks/{framework_id}"),
            lambda seen: seen["state"] == "active",
        )
    return framework_id


async def _waiting_approval(company: Company, asset_id: str) -> str:
    """The negotiation over that dataset which waits for a person of the company."""
    waiting = await eventually(
        f"{company.name} is asked to approve {asset_id}",
        lambda: company.items("/approvals"),
        lambda seen: any(approval["asset_id"] == asset_id for approval in seen),
    )
    found: str = next(entry["negotiation_pid"] for entry in waiting if entry["asset_id"] == asset_id)
    return found


async def _finalized(company: Company, negotiation_pid: str) -> Json:
    return await eventually(
        f"the negotiation is final at {company.name}",
        lambda: company.get(f"/negotiations/{negotiation_pid}"),
        lambda seen: seen["state"] == "FINALIZED",
    )


def _reason(negotiation: Json) -> str:
    told = (negotiation["reason"] or {}).get("reason", [])
    return "; ".join(str(text) for text in told)


STEPS = (
    Step("publish", publish),
    Step("discover", discover),
    Step("fetch", fetch),
    Step("verify", verify),
    Step("refuse", refuse),
    Step("framework", framework),
    Step("end_agreement", end_agreement),
    Step("cut_stream", cut_stream),
    Step("survive_crash", survive_crash),
)
