"""The data plane over real HTTP: what is served, to whom, in which parts, and what is written down."""

import asyncio
import base64
import hashlib
import json
import random
import time

import pytest

from ashiato.connector.records import Asset
from ashiato.dsp.states import TransferState
from ashiato.policy.builder import permit
from ashiato.trust.access_tokens import mint_access_token
from tests.data_clients import ask, raw
from tests.data_plane import (
    CONSUMER,
    PROVIDER,
    STRANGER,
    Clock,
    Deal,
    Parties,
    Side,
    make_deal,
    token_of,
)

RECORD = b'{"footprint": "73.4"}'
RECORD_ASSET = Asset(asset_id="powder", title="NMC811", source={"kind": "record"})
BIG = random.Random(5).randbytes(9_000_000)
BIG_ASSET = Asset(
    asset_id="big", title="log", source={"kind": "file", "path": "big.bin"}, media_type="text/plain"
)


@pytest.fixture
async def deal(provider: Side) -> Deal:
    """A record under an agreement."""
    return await make_deal(provider, None, RECORD_ASSET, body=RECORD)


@pytest.fixture
async def big(provider: Side) -> Deal:
    """A file of nine million bytes under an agreement."""
    (provider.folder / "big.bin").write_bytes(BIG)
    return await make_deal(provider, None, BIG_ASSET)


async def test_a_record_is_served_to_the_one_who_holds_the_token(provider: Side, deal: Deal) -> None:
    answer = await ask(provider.data_url(deal.provider_pid), token_of(provider, deal))
    assert (answer.status, answer.body) == (200, RECORD)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Length"] == str(len(RECORD))
    assert answer.headers["Accept-Ranges"] == "bytes"
    digest = base64.b64encode(hashlib.sha256(RECORD).digest()).decode()
    assert answer.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    (access,) = await provider.finished_accesses(1)
    assert (access.sent_bytes, access.outcome) == (len(RECORD), "complete")
    assert access.sha256 == hashlib.sha256(RECORD).hexdigest()
    assert (access.peer_id, access.asset_id, access.agreement_id) == (CONSUMER, "powder", deal.agreement_id)


async def test_head_tells_everything_and_uses_nothing(provider: Side, deal: Deal) -> None:
    answer = await ask(provider.data_url(deal.provider_pid), token_of(provider, deal), "HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(RECORD))
    assert answer.headers["ETag"].startswith('"')
    assert (await provider.agreement(deal.agreement_id)).uses_count == 0
    assert await provider.accesses() == []


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-", 100, len(BIG)),
        ("bytes=-7", len(BIG) - 7, len(BIG)),
        ("bytes=524287-524289", 524287, 524290),
        ("bytes=8999999-99999999", 8999999, 9000000),
    ],
)
async def test_a_part_is_exactly_that_part(
    provider: Side, big: Deal, header: str, start: int, end: int
) -> None:
    answer = await ask(provider.data_url(big.provider_pid), token_of(provider, big), Range=header)
    assert answer.status == 206
    assert answer.body == BIG[start:end]
    assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(BIG)}"
    assert answer.headers["Content-Length"] == str(end - start)
    (access,) = await provider.finished_accesses(1)
    assert (access.range_start_bytes, access.sent_bytes) == (start, end - start)
    assert access.sha256 == hashlib.sha256(BIG[start:end]).hexdigest()


async def test_a_range_behind_the_end_is_not_satisfiable_and_uses_nothing(provider: Side, big: Deal) -> None:
    answer = await ask(provider.data_url(big.provider_pid), token_of(provider, big), Range="bytes=9000000-")
    assert (answer.status, answer.body) == (416, b"")
    assert answer.headers["Content-Range"] == f"bytes */{len(BIG)}"
    assert (await provider.agreement(big.agreement_id)).uses_count == 0


async def test_many_ranges_are_answered_with_the_whole_without_trouble(provider: Side, big: Deal) -> None:
    ranges = "bytes=" + ",".join(f"{n}-{n}" for n in range(10_000))
    began_s = time.monotonic()
    answer = await ask(provider.data_url(big.provider_pid), token_of(provider, big), Range=ranges[:60_000])
    assert (answer.status, len(answer.body)) == (200, len(BIG))
    assert time.monotonic() - began_s < 2


async def test_a_part_of_another_representation_is_answered_with_the_whole(provider: Side, big: Deal) -> None:
    url, token = provider.data_url(big.provider_pid), token_of(provider, big)
    etag = (await ask(url, token, "HEAD")).headers["ETag"]
    assert (await ask(url, token, Range="bytes=10-", If_Range=etag)).status == 206
    for other in ('"other"', f"W/{etag}", "Sat, 29 Oct 1994 19:43:31 GMT"):
        answer = await ask(url, token, Range="bytes=10-", If_Range=other)
        assert (answer.status, len(answer.body)) == (200, len(BIG))


async def test_the_hash_of_a_large_file_is_told_once_it_was_sent(provider: Side, big: Deal) -> None:
    url, token = provider.data_url(big.provider_pid), token_of(provider, big)
    assert "Repr-Digest" not in (await ask(url, token)).headers
    await provider.finished_accesses(1)
    digest = base64.b64encode(hashlib.sha256(BIG).digest()).decode()
    assert (await ask(url, token, "HEAD")).headers["Repr-Digest"] == f"sha-256=:{digest}:"


async def test_the_hash_of_a_large_file_is_read_for_a_counted_use_that_asked_for_the_whole(
    provider: Side, big: Deal
) -> None:
    url, token = provider.data_url(big.provider_pid), token_of(provider, big)

    async def digest_of() -> str | None:
        found = await ask(url, token, "HEAD", Want_Repr_Digest="sha-256=10")
        return found.headers.get("Repr-Digest")

    assert await digest_of() is None
    assert (await provider.agreement(big.agreement_id)).uses_count == 0
    await ask(url, token, Range=f"bytes=0-{len(BIG) - 2}")
    assert await digest_of() is None
    await ask(url, token, Range=f"bytes={len(BIG) - 1}-")
    digest = base64.b64encode(hashlib.sha256(BIG).digest()).decode()
    asked = [ask(url, token, "HEAD", Want_Repr_Digest="sha-512=3, sha-256=10") for _ in range(5)]
    for answer in await asyncio.gather(*asked):
        assert answer.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    assert (await provider.agreement(big.agreement_id)).uses_count == 1


async def test_without_a_good_token_there_is_a_challenge(provider: Side, deal: Deal) -> None:
    url = provider.data_url(deal.provider_pid)
    good = token_of(provider, deal)
    for token in (None, "", "x.y.z", good[:-6] + "AAAAAA", good + "A"):
        answer = await ask(url, token)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    two = await raw(
        provider,
        f"GET /provider/data/{deal.provider_pid} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        f"Authorization: Bearer {good}\r\nAuthorization: Bearer {good}\r\n\r\n".encode(),
    )
    assert two.startswith(b"HTTP/1.1 401")
    assert await provider.accesses() == []


async def test_tokens_for_something_else_open_nothing(
    provider: Side, deal: Deal, big: Deal, parties: Parties
) -> None:
    url = provider.data_url(deal.provider_pid)
    claims = {
        "provider": PROVIDER,
        "consumer": CONSUMER,
        "agreement_id": deal.agreement_id,
        "transfer_pid": deal.provider_pid,
        "asset_id": deal.asset_id,
    }

    async def status_of(**change: str) -> int:
        token = mint_access_token(
            parties.keys[PROVIDER],
            **{**claims, **change},
            now_ms=provider.clock.now_ms(),
            ttl_s=300,
            token_id="t",
        )
        return (await ask(url, token)).status

    assert await status_of() == 200
    assert await status_of(asset_id="big") == 404
    assert await status_of(agreement_id=big.agreement_id) == 404
    assert await status_of(transfer_pid=big.provider_pid) == 404
    assert await status_of(consumer=STRANGER) == 404
    foreign = mint_access_token(
        parties.keys[STRANGER],
        **{**claims, "provider": STRANGER},
        now_ms=provider.clock.now_ms(),
        ttl_s=300,
        token_id="t",
    )
    assert (await ask(url, foreign)).status == 401


async def test_an_expired_token_is_renewed_and_the_renewal_can_be_repeated(
    provider: Side, consumer: Side, deal: Deal
) -> None:
    url = provider.data_url(deal.provider_pid)
    old = token_of(provider, deal)
    provider.clock.offset_ms += 301_000
    consumer.clock.offset_ms += 301_000
    answer = await ask(url, old)
    assert (answer.status, answer.code) == (401, "token-expired")
    for _ in range(2):
        moment = consumer.clock.moment()
        identity = await consumer.node.identity.token_for(
            CONSUMER, PROVIDER, moment.now_ms, moment.fresh_id()
        )
        renewed = await ask(f"{url}/token", identity.removeprefix("Bearer "), "POST")
        document = json.loads(renewed.body)
        assert (renewed.status, document["token_type"], document["expires_in"]) == (200, "Bearer", 300)
        assert (await ask(url, document["access_token"])).body == RECORD
        replayed = await ask(f"{url}/token", identity.removeprefix("Bearer "), "POST")
        assert (replayed.status, replayed.code) == (401, "token-replayed")


async def test_nobody_else_renews_a_token(provider: Side, deal: Deal, parties: Parties) -> None:
    url = f"{provider.data_url(deal.provider_pid)}/token"
    assert (await ask(url, None, "POST")).status == 401
    assert (await ask(url, token_of(provider, deal), "POST")).status == 401
    from ashiato.identity.signed_tokens import SignedTokens

    stranger = SignedTokens(parties, {STRANGER: parties.keys[STRANGER]})
    theirs = await stranger.token_for(STRANGER, PROVIDER, provider.clock.now_ms(), "jti-s")
    assert (await ask(url, theirs.removeprefix("Bearer "), "POST")).status == 404


async def test_foreign_paths_look_like_nothing(provider: Side, deal: Deal) -> None:
    token = token_of(provider, deal)
    root = provider.root_url.rsplit("/", 1)[0]
    assert (await ask(f"{root}/nobody/data/{deal.provider_pid}", token)).status == 404
    assert (await ask(f"{provider.root_url}/data/urn:uuid:none", token)).status == 404


@pytest.mark.parametrize(
    ("state", "code"),
    [(TransferState.SUSPENDED, "transfer-suspended"), (TransferState.TERMINATED, "transfer-ended")],
)
async def test_a_transfer_that_does_not_run_is_refused_with_the_reason(
    provider: Side, deal: Deal, state: TransferState, code: str
) -> None:
    await provider.set_state(deal.provider_pid, state)
    answer = await ask(provider.data_url(deal.provider_pid), token_of(provider, deal))
    assert (answer.status, answer.code) == (403, code)


async def test_a_terminated_agreement_stops_the_second_fetch(provider: Side, deal: Deal) -> None:
    url, token = provider.data_url(deal.provider_pid), token_of(provider, deal)
    assert (await ask(url, token)).status == 200
    await provider.end_agreement(deal.agreement_id)
    answer = await ask(url, token)
    assert (answer.status, answer.code) == (403, "agreement-ended")


async def test_the_number_of_uses_is_enforced_and_a_resume_is_free(provider: Side) -> None:
    (provider.folder / "big.bin").write_bytes(BIG)
    deal = await make_deal(provider, None, BIG_ASSET, rules=permit(max_uses=1))
    url, token = provider.data_url(deal.provider_pid), token_of(provider, deal)
    assert (await ask(url, token)).status == 200
    answer = await ask(url, token)
    assert (answer.status, answer.code) == (403, "policy-denied")
    resumed = await ask(url, token, Range="bytes=8000000-")
    assert (resumed.status, resumed.body) == (206, BIG[8000000:])


async def test_a_method_that_the_owner_does_not_allow_is_refused(provider: Side, deal: Deal) -> None:
    url, token = provider.data_url(deal.provider_pid), token_of(provider, deal)
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = await ask(url, token, method, b"{}")
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    override = await ask(url, token, X_HTTP_Method_Override="DELETE")
    assert (override.status, override.body) == (200, RECORD)


async def test_a_record_takes_no_path_and_no_query(provider: Side, deal: Deal) -> None:
    url, token = provider.data_url(deal.provider_pid), token_of(provider, deal)
    for target in (f"{url}/more", f"{url}?a=1"):
        answer = await ask(target, token)
        assert (answer.status, answer.code) == (400, "not-forwarded")
    assert (await provider.agreement(deal.agreement_id)).uses_count == 0


async def test_a_source_that_fails_tells_the_caller_nothing(provider: Side) -> None:
    asset = Asset(asset_id="gone", title="gone", source={"kind": "file", "path": "inner/absent.bin"})
    deal = await make_deal(provider, None, asset)
    answer = await ask(provider.data_url(deal.provider_pid), token_of(provider, deal))
    assert (answer.status, answer.code) == (502, "source-unavailable")
    assert b"absent.bin" not in answer.body
    assert (await provider.agreement(deal.agreement_id)).uses_count == 0


async def test_one_program_serves_a_clock_that_is_turned(provider: Side, deal: Deal) -> None:
    assert isinstance(provider.clock, Clock)
    token = token_of(provider, deal)
    provider.clock.offset_ms -= 3_600_000
    answer = await ask(provider.data_url(deal.provider_pid), token)
    assert (answer.status, answer.code) == (401, "token-not-yet-valid")
