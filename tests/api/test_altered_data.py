"""Data that the policy changes on its way out, over real HTTP: the whole, its parts, its tag, its account, its refusals."""

import asyncio
import base64
import hashlib
import json

import msgspec
import pytest

from ashiato.connector.records import Asset
from ashiato.policy.builder import compare
from tests.clients.loopback_server import Asked, loopback_server, respond
from tests.data_clients import ask
from tests.data_plane import Deal, Side, make_deal, token_of

RECORD = b'{"maker": "A", "mass_kg": 1.26, "made": "2026-11-24T09:41:07Z", "price": 12.50}'
# By hand: the price is dropped, 1.26 lies nearer to 1.5 than to 1.0, the day is all that is left of the instant.
ALTERED = b'{"maker":"A","mass_kg":1.5,"made":"2026-11-24"}'
ASSET = Asset(asset_id="powder", title="NMC811", source={"kind": "record"})


def changes(json_path: str, method: str, grain: str | None = None) -> dict[str, object]:
    said = [compare("ashiato:jsonPath", "eq", json_path), compare("ashiato:method", "eq", method)]
    said += [compare("ashiato:grain", "eq", grain)] if grain else []
    return {"action": "anonymize", "constraint": said}


RULES: dict[str, object] = {
    "permission": [
        {
            "action": "use",
            "duty": [
                changes("$.price", "drop"),
                changes("$.mass_kg", "round", "0.5"),
                changes("$.made", "coarsen", "day"),
            ],
        }
    ]
}


@pytest.fixture
async def deal(provider: Side) -> Deal:
    """A record that is handed out without its price."""
    return await make_deal(provider, None, ASSET, body=RECORD, rules=RULES)


async def test_only_the_altered_record_leaves_and_the_account_says_so(provider: Side, deal: Deal) -> None:
    answer = await ask(provider.data_url(deal.provider_pid), token_of(provider, deal))
    assert (answer.status, answer.body) == (200, ALTERED)
    assert answer.headers["Content-Length"] == str(len(ALTERED))
    digest = base64.b64encode(hashlib.sha256(ALTERED).digest()).decode()
    assert answer.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    (access,) = await provider.finished_accesses(1)
    assert (access.sent_bytes, access.outcome) == (len(ALTERED), "complete")
    assert access.sha256 == hashlib.sha256(ALTERED).hexdigest()
    assert access.altered_by == tuple(f"permission[0].duty[{number}]" for number in range(3))


async def test_parts_and_tags_are_those_of_the_altered_record(provider: Side, deal: Deal) -> None:
    url, token = provider.data_url(deal.provider_pid), token_of(provider, deal)
    head = await ask(url, token, "HEAD")
    assert head.headers["Content-Length"] == str(len(ALTERED))
    tag = head.headers["ETag"]
    part = await ask(url, token, Range="bytes=1-7", If_Range=tag)
    assert (part.status, part.body) == (206, ALTERED[1:8])
    assert part.headers["Content-Range"] == f"bytes 1-7/{len(ALTERED)}"
    other = json.dumps({"maker": "B", "mass_kg": 1, "made": "2026-01-01", "price": 1}).encode()
    await provider.run(lambda uow: uow.assets.put_record("powder", other))
    again = await ask(url, token, Range="bytes=1-7", If_Range=tag)
    assert (again.status, again.body) == (200, b'{"maker":"B","mass_kg":1.0,"made":"2026-01-01"}')


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b'{"mass_kg": "heavy"}', "application/json"),
        (b'{"made": "yesterday"}', "application/json"),
        (RECORD, "text/csv"),
    ],
    ids=["no number", "no date", "no JSON"],
)
async def test_what_cannot_be_altered_is_refused_and_nothing_of_it_leaves(
    provider: Side, body: bytes, media_type: str
) -> None:
    asset = msgspec.structs.replace(ASSET, media_type=media_type)
    deal = await make_deal(provider, None, asset, body=body, rules=RULES)
    answer = await ask(provider.data_url(deal.provider_pid), token_of(provider, deal))
    assert answer.status == 403
    assert json.loads(answer.body)["code"] == "not-alterable"
    assert b"heavy" not in answer.body
    assert (await provider.agreement(deal.agreement_id)).uses_count == 0


async def test_a_permission_without_changes_hands_out_what_there_is(provider: Side) -> None:
    until = {"action": "use", "constraint": [compare("dateTime", "lt", "2020-01-01T00:00:00Z")]}
    rules: dict[str, object] = {
        "permission": [{**until, "duty": [changes("$.price", "drop")]}, {"action": "use"}]
    }
    deal = await make_deal(provider, None, ASSET, body=RECORD, rules=rules)
    answer = await ask(provider.data_url(deal.provider_pid), token_of(provider, deal))
    assert (answer.status, answer.body) == (200, RECORD)
    (access,) = await provider.finished_accesses(1)
    assert access.altered_by == ()


@pytest.mark.parametrize(
    ("method", "behind"),
    [("GET", "/price"), ("GET", "?fields=price"), ("POST", ""), ("POST", "/price"), ("DELETE", "")],
)
async def test_nothing_is_forwarded_to_the_source_of_an_altered_dataset(
    provider: Side, method: str, behind: str
) -> None:
    async def api(asked: Asked, writer: asyncio.StreamWriter) -> None:
        # In a form in which `$.price` finds nothing.
        is_other = asked.method != "GET" or asked.target != "/api"
        body = b'{"selected": {"cost": 12.50}}' if is_other else RECORD
        await respond(body, headers={"Content-Type": "application/json"})(asked, writer)

    async with loopback_server(api) as server:
        source = {"kind": "http", "base_url": server.url("/api"), "forward_path": True, "forward_query": True}
        asset = msgspec.structs.replace(ASSET, source=source, methods=("GET", "POST", "DELETE"))
        deal = await make_deal(provider, None, asset, rules=RULES)
        url, token = provider.data_url(deal.provider_pid), token_of(provider, deal)
        answer = await ask(f"{url}{behind}", token, method)
        assert (answer.status, json.loads(answer.body)["code"]) == (400, "not-forwarded")
        assert b"12.50" not in answer.body
        # Nothing reached the source, and no use was counted.
        assert server.asked == []
        assert (await provider.agreement(deal.agreement_id)).uses_count == 0
        whole = await ask(url, token)
        assert (whole.status, whole.body) == (200, ALTERED)
