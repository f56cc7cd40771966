"""The visit of an independent verifier between running companies: lines are asked for, opened, checked, and stated upon."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ashiato.apps.carbon.accepting import accept
from ashiato.wiring.walkthrough.battery_chain import battery_chain
from ashiato.wiring.walkthrough.inventories import inventory
from tests.companies import ManagementError
from tests.wiring.carbon_chain import VALID_FROM_MS, Chain, running_chain, until

PRODUCT, DECLARER = "nickel-sulphate", "nickel"
DUE_MS = 4_000_000_000_000
FOUND = {
    "standard": "ISO 14067:2018",
    "level": "limited",
    "scope": "Two sampled lines of the refinery.",
    "finding": "conforms",
}
ENDS = ("done", "failed")


@pytest.fixture
async def chain(tmp_path: Path) -> AsyncIterator[Chain]:
    """The nickel refiner has declared, and the company of the cathode maker comes as its verifier."""
    async with running_chain(tmp_path) as made:
        yield made


async def declared(chain: Chain) -> tuple[dict[str, Any], dict[str, Any]]:
    """The declaration as its issuer lists it, and the signed word as the verifier received it."""
    parts = battery_chain()
    content = inventory(parts, parts.product(PRODUCT), chain.dids(), VALID_FROM_MS, 1, {}, "5e" * 32)
    await chain.keep(PRODUCT, content)
    assert (await chain.run(DECLARER))["exit_code"] == 0
    received_id = await chain.sell(PRODUCT)
    listed = await chain.refiners.call("GET", "/declarations", slug=DECLARER)
    signed = json.loads(await chain.cathode.call_bytes("GET", f"/received/{received_id}/content"))
    return listed["items"][0], signed


async def ask(chain: Chain, sha256: str, *lines: int) -> tuple[str, str]:
    """(the verifier's, the declarer's) own id of a question that has arrived."""
    asked = await chain.cathode.call(
        "POST",
        "/line-requests",
        {
            "partner": chain.dids()[DECLARER],
            "product": PRODUCT,
            "declaration_sha256": sha256,
            "lines": list(lines),
            "due_ms": DUE_MS,
        },
    )

    async def arrived() -> list[dict[str, Any]]:
        page = await chain.refiners.call("GET", "/requests?side=received", slug=DECLARER)
        return [one for one in page["items"] if one["state"] == "received"]

    (request,) = await until(arrived, lambda seen: len(seen) == 1)
    return asked["own_id"], request["own_id"]


async def open_lines(chain: Chain, own_id: str) -> dict[str, Any]:
    opened: dict[str, Any] = await chain.refiners.call(
        "POST", f"/line-requests/{own_id}/open", {}, slug=DECLARER
    )
    return opened


async def lines_of(chain: Chain, own_id: str) -> dict[str, Any]:
    """What the verifier received in answer to its question."""
    answered = await until(
        lambda: chain.cathode.call("GET", f"/requests/{own_id}"),
        lambda seen: any(one["received_id"] or one["problem"] for one in seen["answers"]),
    )
    (answer,) = answered["answers"]
    content = await chain.cathode.call_bytes("GET", f"/received/{answer['received_id']}/content")
    found: dict[str, Any] = json.loads(content)
    return found


async def refused(call: Any) -> int:
    with pytest.raises(ManagementError) as told:
        await call
    return told.value.status


async def fetched(chain: Chain, partner: str, asset_id: str) -> dict[str, Any]:
    """The declarer gets a document of the verifier."""
    order = {"partner": partner, "asset_id": asset_id}
    begun = await chain.refiners.call("POST", "/fetches", order, slug=DECLARER)
    done = await until(
        lambda: chain.refiners.call("GET", f"/fetches/{begun['fetch_id']}", slug=DECLARER),
        lambda seen: seen["state"] in ENDS,
    )
    assert done["state"] == "done", done["problem"]
    content = await chain.refiners.call_bytes(
        "GET", f"/received/{done['received_id']}/content", slug=DECLARER
    )
    document: dict[str, Any] = json.loads(content)
    return document


async def test_a_verifier_sees_the_lines_that_it_asked_for_and_its_statement_counts_for_who_believes_it(
    chain: Chain,
) -> None:
    word, signed = await declared(chain)
    verifier = chain.dids()["cathode"]
    await chain.refiners.call("PUT", "/request-inbox", {}, slug=DECLARER)
    asked_id, received_id = await ask(chain, word["sha256"], 1, 0)
    # Nothing leaves without the word of a person.
    assert (await chain.cathode.call("GET", f"/requests/{asked_id}"))["answers"] == []
    await open_lines(chain, received_id)
    opened = await lines_of(chain, asked_id)
    checked = await chain.cathode.call("POST", "/opened-lines", {"declaration": signed, "opened": opened})
    assert [one["index"] for one in checked["lines"]] == [0, 1]
    assert (checked["declaration_sha256"], checked["issuer"]) == (word["sha256"], chain.dids()[DECLARER])

    # Its third line, and the secret of the salts, did not go with them; what went is on record.
    kept = json.loads(await chain.record(DECLARER, f"carbon-lines-{word['sha256']}"))
    told = json.dumps(opened)
    assert kept["secret"] not in told
    assert len(kept["lines"]) > 2
    assert [one["line"] for one in opened["openings"]] == kept["lines"][:2]
    history = await chain.refiners.call("GET", f"/history?process_id={word['sha256']}", slug=DECLARER)
    (entry,) = [one for one in history["items"] if one["event"] == "declaration.lines-opened"]
    assert (entry["partner"], entry["details"]["lines"]) == (verifier, [0, 1])
    assert await refused(open_lines(chain, received_id)) == 409

    # Nobody else sees the opened lines: the other company on the same node is offered nothing of them.
    query = {"partner": chain.dids()[DECLARER], "asset_id": entry["details"]["asset_id"]}
    page = await chain.refiners.call("POST", "/catalog/query", query, slug="lithium")
    assert page["items"] == []

    made = await chain.cathode.call("POST", "/statements", {**FOUND, "declaration": signed, "opened": opened})
    statement = await fetched(chain, verifier, made["asset_id"])
    path = f"/declarations/{word['sha256']}/statements"
    for _ in range(2):
        attached = await chain.refiners.call("POST", path, statement, slug=DECLARER)
        assert attached["statements"] == 1

    # The next buyer reads it by the code that is there: who believes the verifier counts it, who does not passes it over.
    envelope = await chain.record(DECLARER, f"carbon-footprint-{PRODUCT}")
    documents = {did: await chain.did_document(did) for did in chain.dids().values()}
    issuer = chain.dids()[DECLARER]
    believed = accept(issuer, 1, envelope, documents.get, (verifier,))
    assert [one.verifier for one in believed.received.attested] == [verifier]
    assert believed.passed_over == ()
    unknown = accept(issuer, 1, envelope, documents.get, (chain.dids()["lithium"],))
    assert unknown.received.attested == ()
    assert "is no verifier whom this company believes" in unknown.passed_over[0]


async def test_what_was_not_committed_to_is_neither_opened_nor_believed(chain: Chain) -> None:
    word, signed = await declared(chain)
    await chain.refiners.call("PUT", "/request-inbox", {}, slug=DECLARER)
    kept = json.loads(await chain.record(DECLARER, f"carbon-lines-{word['sha256']}"))

    # A line that is not there, and a declaration of somebody else: the declarer opens nothing and says no.
    for sha256, line, status in ((word["sha256"], len(kept["lines"]), 422), ("ab" * 32, 0, 404)):
        _, received_id = await ask(chain, sha256, line)
        assert await refused(open_lines(chain, received_id)) == status
        await chain.refiners.call(
            "POST", f"/requests/{received_id}/reject", {"text": "There is none."}, slug=DECLARER
        )
    history = await chain.refiners.call("GET", "/history?limit=500", slug=DECLARER)
    assert [one for one in history["items"] if one["event"] == "declaration.lines-opened"] == []

    asked_id, received_id = await ask(chain, word["sha256"], 0)
    await open_lines(chain, received_id)
    opened = await lines_of(chain, asked_id)
    (first,) = opened["openings"]
    for lie in (
        {**opened, "declarationSha256": "ab" * 32},
        {**opened, "openings": [{**first, "line": kept["lines"][1]}]},
        {**opened, "openings": [{**first, "index": 1}]},
        {**opened, "openings": [{**first, "linesCount": first["linesCount"] + 1}]},
        {**opened, "openings": [first, first]},
        {**opened, "openings": []},
    ):
        body = {"declaration": signed, "opened": lie}
        assert await refused(chain.cathode.call("POST", "/opened-lines", body)) == 422
        assert await refused(chain.cathode.call("POST", "/statements", {**FOUND, **body})) == 422
    # Nobody verifies its own, and a word that was changed is nobody's.
    own = chain.refiners.call("POST", "/statements", {**FOUND, "declaration": signed}, slug=DECLARER)
    assert await refused(own) == 422
    head, _, rest = signed["word"].partition(".")
    changed = {**signed, "word": f"{head}.{'A' * 4}{rest[4:]}"}
    assert await refused(chain.cathode.call("POST", "/opened-lines", {"declaration": changed})) == 422


async def test_a_statement_about_another_word_is_not_taken_and_a_withdrawal_tells_those_who_have_it(
    chain: Chain,
) -> None:
    word, signed = await declared(chain)
    await chain.keep("cobalt-sulphate")
    assert (await chain.run(DECLARER))["exit_code"] == 0
    listed = (await chain.refiners.call("GET", "/declarations", slug=DECLARER))["items"]
    (other,) = [one["sha256"] for one in listed if one["sha256"] != word["sha256"]]
    made = await chain.cathode.call("POST", "/statements", {**FOUND, "declaration": signed})
    body = {"type": "SignedStatement", "statement": made["statement"]}
    wrong = chain.refiners.call("POST", f"/declarations/{other}/statements", body, slug=DECLARER)
    assert await refused(wrong) == 422
    head, payload, _ = made["statement"].split(".")
    forged = {"type": "SignedStatement", "statement": f"{head}.{payload}.{'A' * 86}"}
    path = f"/declarations/{word['sha256']}"
    assert await refused(chain.refiners.call("POST", f"{path}/statements", forged, slug=DECLARER)) == 422
    # Of somebody else's declaration nothing can be changed.
    assert await refused(chain.cathode.call("POST", f"{path}/withdraw", {"reason": "x"})) == 404
    assert await refused(chain.cathode.call("POST", f"{path}/statements", body)) == 404

    await chain.cathode.call("PUT", "/request-inbox", {})
    taken = {"reason": "A meter was read wrongly."}
    assert (
        await refused(chain.refiners.call("POST", f"{path}/withdraw", {"reason": " "}, slug=DECLARER)) == 422
    )
    gone = await chain.refiners.call("POST", f"{path}/withdraw", taken, slug=DECLARER)
    assert gone["standing"] == "withdrawn"
    assert await refused(chain.refiners.call("POST", f"{path}/withdraw", taken, slug=DECLARER)) == 409

    async def notices() -> list[dict[str, Any]]:
        page = await chain.cathode.call("GET", f"/history?process_id={word['sha256']}")
        return [one for one in page["items"] if one["event"] == "word.notice"]

    (notice,) = await until(notices, lambda seen: len(seen) == 1)
    assert notice["details"]["standing"] == "withdrawn"
    assert "meter" not in json.dumps(notice)
    envelope = await chain.record(DECLARER, f"carbon-footprint-{PRODUCT}")
    documents = {did: await chain.did_document(did) for did in chain.dids().values()}
    accepted = accept(chain.dids()[DECLARER], 1, envelope, documents.get)
    assert accepted.received.standing == "withdrawn"
