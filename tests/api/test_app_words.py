"""Words that a connector signs for an app: what it may ask for, what is refused, and what it is shown to verify others' by."""

import base64
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from ashiato.apps.carbon.accepting import accept
from ashiato.apps.carbon.attestations import verify_declaration
from ashiato.apps.carbon.declarations import hash_of
from ashiato.connector import declarations
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.records import PartnerGroup, Visibility
from ashiato.connector.vault_records import AppItems, AppManifest
from ashiato.connector.words import WORDS, KeptNotice
from ashiato.statements.signed_words import WordStanding, read
from ashiato.supply.ports import SUPPLY
from ashiato.supply.records import LinkState, Side, TradeLink
from ashiato.trust.did import parse_did_document
from ashiato.trust.timestamps import verify_token
from ashiato.wiring.settings import TimeStampSettings
from tests.api.test_apps import DIGEST, Place
from tests.apps.carbon.suppliers import declaration
from tests.exchange import running
from tests.stamping import Answer, StampAuthority, serving

MANIFEST = AppManifest(
    name="Carbon",
    version="1",
    digest=DIGEST,
    reads=(
        AppItems(asset_id="carbon-footprint-*"),
        AppItems(asset_id="urn:ashiato:supply:trade-links", own=True),
    ),
    writes=("carbon-footprint-",),
    signs=("carbon-footprint",),
)
ASSET = "carbon-footprint-cell"
PATH = f"/declarations/{ASSET}"


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with (
        running(tmp_path / "maker", "maker") as (maker,),
        running(tmp_path / "cells", "cells") as (cells,),
        aiohttp.ClientSession() as client,
    ):
        yield Place(maker, cells, client)


def asked(place: Place, **changes: Any) -> dict[str, Any]:
    document = msgspec.to_builtins(declaration(issuer=place.cells.did, **changes))
    return {"kind": "carbon-footprint", "title": "The cell", "document": document}


async def test_a_declaration_is_signed_by_the_companys_key_and_kept_with_the_app_and_its_digest(
    place: Place,
) -> None:
    await place.register(MANIFEST)
    body = {**asked(place), "rests_on": [{"partner": place.maker.did, "sha256": "ab" * 32}]}
    status, told = await place.ask(PATH, body=body)
    assert (status, told["is_time_stamped"], told["standing"]) == (200, False, "")
    envelope = await place.cells.read(lambda uow: uow.assets.record(ASSET))
    assert envelope is not None
    verified = verify_declaration(
        read(envelope).word, place.cells.program.tenancy.own_document(place.cells.did)
    )
    assert verified.declaration == declaration(issuer=place.cells.did)
    assert told["sha256"] == verified.sha256 == hash_of(declaration(issuer=place.cells.did))
    kept = await place.cells.read(lambda uow: uow.room(WORDS).get(told["sha256"]))
    assert kept is not None
    assert (kept.app_id, kept.app_digest, kept.digest) == ("sum", DIGEST, "attested")
    assert [(one.partner, one.sha256) for one in kept.rests_on] == [(place.maker.did, "ab" * 32)]
    asset = await place.cells.read(lambda uow: uow.assets.asset(ASSET))
    assert asset is not None
    assert asset.visibility is Visibility.HIDDEN
    (entry,) = [one for one in await place.cells.history() if one.event == "word.signed"]
    assert (entry.process_id, entry.details["app"], entry.details["app_digest"]) == (
        told["sha256"],
        "sum",
        DIGEST,
    )

    # The same again is the same word, to the last byte.
    assert (await place.ask(PATH, body=body))[0] == 200
    assert await place.cells.read(lambda uow: uow.assets.record(ASSET)) == envelope


async def test_an_app_gets_no_signature_over_anything_else(place: Place) -> None:
    await place.register(MANIFEST)
    good = asked(place)
    token = {"iss": place.cells.did, "sub": place.cells.did, "aud": place.maker.did, "exp": 1_900_000_000}
    others = msgspec.to_builtins(declaration(issuer=place.maker.did))
    for body in (
        {**good, "document": token},
        {**good, "document": others},
        {**good, "document": {**good["document"], "iss": "x"}},
        {**good, "kind": "access-token"},
        {**good, "document": "text"},
        {**good, "typ": "JWT"},
        {**good, "rests_on": [{"partner": "x"}]},
    ):
        assert await place.refused(PATH, body=body) == (422, "invalid")
    assert await place.refused("/declarations/price-1", body=good) == (403, "not-permitted")
    assert await place.cells.read(lambda uow: uow.room(WORDS).page("", 9)) == []
    assert await place.cells.read(lambda uow: uow.assets.record(ASSET)) is None
    assert await place.refused(PATH, body=good, token="x") == (401, "not-authenticated")
    await place.register(msgspec.structs.replace(MANIFEST, signs=()))
    assert await place.refused(PATH, body=good) == (403, "not-permitted")


async def test_an_id_names_one_content_and_a_new_version_supersedes(place: Place) -> None:
    await place.register(MANIFEST)
    _, first = await place.ask(PATH, body=asked(place))
    assert await place.refused(PATH, body=asked(place, plant="another")) == (409, "wrong-state")
    status, second = await place.ask(PATH, body=asked(place, id="urn:example:2", supersedes="urn:example:1"))
    assert status == 200
    before = await place.cells.read(lambda uow: uow.room(WORDS).get(first["sha256"]))
    assert before is not None
    assert before.standing is WordStanding.SUPERSEDED
    envelope = await place.cells.read(lambda uow: uow.assets.record(ASSET))
    assert envelope is not None
    assert read(envelope).standing is WordStanding.HOLDS
    # Who has the app compute the old one again is told that it is superseded, and so is who reads the asset.
    _, again = await place.ask(PATH, body=asked(place))
    assert (again["sha256"], again["standing"]) == (first["sha256"], "superseded")
    envelope = await place.cells.read(lambda uow: uow.assets.record(ASSET))
    assert envelope is not None
    assert read(envelope).standing is WordStanding.SUPERSEDED
    assert second["sha256"] != first["sha256"]


async def test_an_app_supersedes_no_word_that_lies_where_it_may_not_write(place: Place) -> None:
    await place.register(MANIFEST)
    _, first = await place.ask(PATH, body=asked(place))
    await place.register(msgspec.structs.replace(MANIFEST, writes=("carbon-footprint-pack",)))
    later = asked(place, id="urn:example:2", supersedes="urn:example:1")
    refused = await place.refused("/declarations/carbon-footprint-pack", body=later)
    assert refused == (403, "not-permitted")
    kept = await place.cells.read(lambda uow: uow.room(WORDS).get(first["sha256"]))
    assert kept is not None
    assert kept.standing is WordStanding.HOLDS


async def test_a_word_that_rests_on_what_was_taken_back_while_the_app_computed_says_so(place: Place) -> None:
    await place.register(MANIFEST)
    notice = KeptNotice(
        peer_id=place.maker.did, sha256="ab" * 32, asset_id="cfp", standing=WordStanding.WITHDRAWN, at_ms=1
    )
    await place.cells.run(lambda uow, moment: uow.room(WORDS).put_notice(notice))
    others = [{"partner": "did:web:other.example", "sha256": "ab" * 32}]
    _, told = await place.ask(PATH, body={**asked(place), "rests_on": others})
    assert told["standing"] == ""
    rests_on = [{"partner": place.maker.did, "sha256": "ab" * 32}]
    _, told = await place.ask(PATH, body={**asked(place), "rests_on": rests_on})
    assert told["standing"] == "rests-on-stale"
    envelope = await place.cells.read(lambda uow: uow.assets.record(ASSET))
    assert envelope is not None
    assert read(envelope).standing is WordStanding.RESTS_ON_STALE
    assert [one.process_id for one in await place.cells.history() if one.event == "word.stale"] == [
        told["sha256"]
    ]


async def test_the_keys_of_partners_and_of_believed_verifiers_are_shown_and_of_nobody_else(
    place: Place, tmp_path: Path
) -> None:
    await place.register(MANIFEST)
    path = f"/did-documents/{place.maker.did.replace('%', '%25')}"
    assert await place.refused(path) == (404, "not-found")

    def believe(uow: UnitOfWork, moment: Moment) -> None:
        declarations.put_group(
            uow, PartnerGroup(group_id="verifiers", title="", members=(place.maker.did,)), moment
        )

    await place.cells.run(believe)
    assert (await place.ask("/verifiers"))[1]["items"] == [place.maker.did]
    status, document = await place.ask(path)
    assert status == 200
    shown = parse_did_document(msgspec.json.encode(document), place.maker.did)
    own = place.maker.program.tenancy.own_document(place.maker.did)
    assert shown.methods.keys() == own.methods.keys()
    stranger = "/did-documents/did%3Aweb%3Astranger.example"
    assert await place.refused(stranger) == (404, "not-found")


async def test_a_supplier_with_an_agreement_is_verified_by_its_present_key(place: Place) -> None:
    await place.register(MANIFEST)
    supplier = Place(place.cells, place.maker, place.client)
    maker_url = f"{place.maker.program.management_url}/app/v1/maker"
    await supplier.register(MANIFEST)
    document = msgspec.to_builtins(declaration(issuer=place.maker.did))
    body = {"kind": "carbon-footprint", "title": "The cell", "document": document}
    headers = {"Authorization": f"Bearer ashiato_app_{'t' * 43}"}
    async with place.client.put(f"{maker_url}{PATH}", json=body, headers=headers) as answer:
        assert answer.status == 200
    envelope = await place.maker.read(lambda uow: uow.assets.record(ASSET))
    assert envelope is not None
    received_id = await place.get(ASSET, body=envelope)
    status, content = await place.ask(f"/received/{received_id}/content")
    assert status == 200
    _, shown = await place.ask(f"/did-documents/{place.maker.did.replace('%', '%25')}")
    documents = {place.maker.did: parse_did_document(msgspec.json.encode(shown), place.maker.did)}
    data = content if isinstance(content, bytes) else msgspec.json.encode(content)
    accepted = accept(place.maker.did, 1, data, documents.get)
    assert accepted.received.sha256 == hash_of(declaration(issuer=place.maker.did))


async def test_notices_and_links_are_shown_as_far_as_the_manifest_goes(place: Place) -> None:
    await place.register(MANIFEST)
    link = TradeLink(
        link_id="urn:x:1",
        side=Side.BUYER,
        partner_id=place.maker.did,
        is_ours=True,
        own_part_id="cell",
        partner_part_id="CELL-1",
        state=LinkState.CONFIRMED,
    )

    def put(uow: UnitOfWork, moment: Moment) -> None:
        for asset_id in (ASSET, "price-1"):
            notice = KeptNotice(
                peer_id=place.maker.did,
                sha256=hashlib.sha256(asset_id.encode()).hexdigest(),
                asset_id=asset_id,
                standing=WordStanding.WITHDRAWN,
                at_ms=moment.now_ms,
            )
            uow.room(WORDS).put_notice(notice)
        uow.room(SUPPLY).links.put(link)
        uow.room(SUPPLY).links.put(msgspec.structs.replace(link, link_id="urn:x:2", state=LinkState.PROPOSED))

    await place.cells.run(put)
    _, page = await place.ask("/notices")
    assert [(one["asset_id"], one["standing"]) for one in page["items"]] == [(ASSET, "withdrawn")]
    assert page["next_cursor"] is None
    _, told = await place.ask("/trade-links/urn:x:1")
    assert (told["partner"], told["side"], told["partner_part_id"]) == (place.maker.did, "buyer", "CELL-1")
    assert await place.refused("/trade-links/urn:x:2") == (404, "not-found")
    await place.register(msgspec.structs.replace(MANIFEST, reads=()))
    assert await place.refused("/trade-links/urn:x:1") == (404, "not-found")
    assert (await place.ask("/notices"))[1]["items"] == []


async def test_a_word_is_time_stamped_when_it_is_signed_and_where_nobody_answers_at_the_next_try(
    tmp_path: Path,
) -> None:
    authority = StampAuthority()
    anchors = tmp_path / "anchors.pem"
    anchors.write_bytes(authority.anchors_pem)
    tries: list[bytes] = []

    def answer_of(query: bytes) -> bytes:
        tries.append(query)
        return authority.answer(query, Answer(nonce=1) if len(tries) < 2 else Answer())

    async with serving(answer_of) as server:
        stamping = TimeStampSettings(url=server.url("/tsr"), anchors_file=str(anchors))
        async with (
            running(tmp_path / "cells", "cells", time_stamps=stamping) as (cells,),
            aiohttp.ClientSession() as client,
        ):
            place = Place(cells, cells, client)
            await place.register(MANIFEST)
            _, first = await place.ask(PATH, body=asked(place))
            assert first["is_time_stamped"] is False
            _, second = await place.ask(PATH, body=asked(place))
            assert (second["is_time_stamped"], second["sha256"]) == (True, first["sha256"])
            _, third = await place.ask(PATH, body=asked(place))
            assert third["is_time_stamped"] is True
            envelope = await cells.read(lambda uow: uow.assets.record(ASSET))
    assert envelope is not None
    word = read(envelope)
    token = base64.b64decode(word.time_stamp)
    assert verify_token(token, word.word.encode(), authority.anchors).at_ms == 1_795_510_800_000
    assert len(tries) == 2
