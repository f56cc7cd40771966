"""The ledger of a running hub, as parties, strangers and witnesses reach it."""

import asyncio
import json
from hashlib import sha256

from ashiato.cli.proof_verifier import read_key, verify
from ashiato.log.checkpoints import parse_checkpoint, read_signed
from ashiato.log.merkle import inclusion_ranges, is_included, leaf_hash
from ashiato.log.notes import parse_key, parse_note
from ashiato.log.proofs import LogProof
from ashiato.log.tiles import TilePlace, inclusion_from_tiles, parse_bundle, tiles_needed
from ashiato.statements.commitments import commit
from ashiato.statements.ledger_entries import Batch, Entry, encode_batch, signing_input
from tests.dcp_parties import Holder
from tests.hubs import Answered, Hub

ENTRIES = "/v1/party/ledger/entries"
LOG = "/v1/open/ledger"
SALT = sha256(b"a salt").digest()


def statement(number: int) -> bytes:
    return f"statement {number}".encode()


async def log_of(hub: Hub) -> str:
    return str((await hub.anyone("GET", f"{LOG}/key")).document.decode()).partition("+")[0]


def batch(log: str, firm: Holder, numbers: range, other: Holder | None = None) -> Batch:
    entries: list[Entry] = []
    for number in numbers:
        commitment = commit(SALT, statement(number))
        message = signing_input(log, commitment)
        signature = firm.key.sign(message)
        if other is None:
            entries.append(Entry(commitment, signature))
        else:
            entries.append(Entry(commitment, signature, other.key.kid, other.key.sign(message)))
    return Batch(log, firm.key.kid, tuple(entries))


async def post(hub: Hub, firm: Holder, posted: Batch) -> Answered:
    for _ in range(300):
        answer = await hub.party(firm, "POST", ENTRIES, json.loads(encode_batch(posted)))
        # The ledger opens beside the listener, so that its first posts may come too early.
        if answer.status != 503:
            return answer
        await asyncio.sleep(0.1)
    return answer


async def tile(hub: Hub, place: TilePlace) -> Answered:
    return await hub.anyone("GET", f"{LOG}/{place.path()}")


async def test_what_a_party_posts_is_proved_by_tiles_and_by_the_verifier_of_one_file(
    hub: Hub, maker: Holder
) -> None:
    await hub.admitted(maker, 1)
    log = await log_of(hub)
    placed = await post(hub, maker, batch(log, maker, range(300)))
    assert placed.status == 200, placed
    assert (placed.document["first_index"], placed.document["entries_count"]) == (0, 300)
    again = await post(hub, maker, batch(log, maker, range(300)))
    assert again.document["first_index"] == 0, "the same batch is not entered twice"

    key_text = (await hub.anyone("GET", f"{LOG}/key")).document.decode()
    checkpoint = await hub.anyone("GET", f"{LOG}/checkpoint")
    assert checkpoint.headers["Content-Type"] == "text/plain; charset=utf-8"
    found = read_signed(checkpoint.document, parse_key(key_text.strip()))
    assert found is not None
    head, note = found
    assert head.size_count == 300
    tiles: dict[TilePlace, bytes] = {}
    for place in tiles_needed(inclusion_ranges(271, 300), 300):
        answer = await tile(hub, place)
        assert answer.status == 200
        assert "immutable" in answer.headers["Cache-Control"]
        tiles[place] = answer.document
    path = inclusion_from_tiles(271, 300, tiles.__getitem__)
    assert is_included(leaf_hash(commit(SALT, statement(271))), 271, 300, path, head.root)
    text = LogProof(271, path, note, SALT + statement(271)).encoded()
    shown = verify(text.encode(), [read_key(key_text)], [], 0)
    assert (shown.statement, shown.index, shown.log) == (b"statement 271", 271, log)
    bundle = (await tile(hub, TilePlace(None, 1, 44))).document
    assert parse_bundle(bundle)[15] == commit(SALT, statement(271))


async def test_the_leaf_holds_nothing_of_who_posted_it(hub: Hub, maker: Holder, other: Holder) -> None:
    for number, firm in enumerate((maker, other)):
        await hub.admitted(firm, number + 1)
    log = await log_of(hub)
    placed = await post(hub, maker, batch(log, maker, range(3), other))
    assert placed.status == 200, placed
    bundle = (await tile(hub, TilePlace(None, 0, 3))).document
    assert bundle == b"".join(b"\x00\x20" + commit(SALT, statement(number)) for number in range(3))


async def test_a_forged_signature_a_strangers_key_and_another_partys_key_enter_nothing(
    hub: Hub, maker: Holder, other: Holder
) -> None:
    await hub.admitted(maker, 1)
    log = await log_of(hub)
    good = batch(log, maker, range(3))
    forged = Batch(log, good.kid, (*good.entries[:2], Entry(bytes(32), good.entries[0].signature)))
    refused = await post(hub, maker, forged)
    assert (refused.status, refused.document["fields"]["index"]) == (422, 2)
    # The other firm is not admitted: its signature does not count.
    refused = await post(hub, maker, batch(log, maker, range(1), other))
    assert refused.status == 422
    assert "no member's key" in refused.document["detail"]
    refused = await post(hub, maker, batch(log, other, range(1)))
    assert refused.status == 422
    assert "not one of the party" in refused.document["detail"]
    assert (await post(hub, other, batch(log, other, range(1)))).status == 403
    assert (await hub.anyone("POST", ENTRIES, {})).status == 401
    refused = await post(hub, maker, Batch("elsewhere.example/log", good.kid, good.entries))
    assert refused.status == 422
    checkpoint = await hub.anyone("GET", f"{LOG}/checkpoint")
    assert parse_checkpoint(parse_note(checkpoint.document)).size_count == 0


async def test_what_is_no_tile_of_the_published_tree_is_not_found(hub: Hub, maker: Holder) -> None:
    await hub.admitted(maker, 1)
    await post(hub, maker, batch(await log_of(hub), maker, range(3)))
    for path in (
        "tile/0/000",
        "tile/0/000.p/4",
        "tile/0/000.p/03",
        "tile/0/001.p/1",
        "tile/9/000.p/1",
        "tile",
    ):
        assert (await hub.anyone("GET", f"{LOG}/{path}")).status == 404, path
    assert (await hub.anyone("GET", f"{LOG}/tile/0/000.p/2")).status == 200


async def test_the_page_that_verifies_a_proof_is_served_to_everybody(hub: Hub) -> None:
    page = await hub.anyone("GET", f"{LOG}/verify")
    assert page.headers["Content-Type"].startswith("text/html")
    assert b"default-src 'none'" in page.document


async def test_a_body_that_is_too_large_is_refused(hub: Hub, maker: Holder) -> None:
    await hub.admitted(maker, 1)
    answer = await hub.party(maker, "POST", ENTRIES, {"version": 1, "log": "x" * 600_000})
    assert answer.status == 413


async def test_many_posts_at_once_stand_one_behind_the_other(hub: Hub, maker: Holder) -> None:
    await hub.admitted(maker, 1)
    log = await log_of(hub)
    await post(hub, maker, batch(log, maker, range(1)))
    answers = await asyncio.gather(
        *(post(hub, maker, batch(log, maker, range(start, start + 7))) for start in range(1, 71, 7))
    )
    assert sorted(answer.document["first_index"] for answer in answers) == list(range(1, 71, 7))
