"""Stolen tokens: without a key of the consumer they open nothing, and a proof counts once and for one request."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from ashiato.connector.ports import UnitOfWork
from ashiato.connector.records import Asset
from ashiato.dsp.states import Role, TransferState
from ashiato.trust.proofs import mint_proof
from tests.data_clients import Answer, ask
from tests.data_plane import (
    CONSUMER,
    PROVIDER,
    STRANGER,
    Bounds,
    Deal,
    Parties,
    Side,
    make_deal,
    running_side,
    token_of,
)

RECORD = b'{"footprint": "73.4"}'
ASSET = Asset(asset_id="powder", title="NMC811", source={"kind": "record"})


@pytest.fixture
async def strict(parties: Parties, tmp_path: Path) -> AsyncIterator[Side]:
    """A provider that serves nobody without a proof."""
    url = f"sqlite:///{tmp_path}/strict.db"
    bounds = Bounds(requires_proof=True)
    async with running_side(PROVIDER, Role.PROVIDER, parties, url, tmp_path / "strict", bounds) as side:
        yield side


class Holder:
    """Somebody who holds an access token and some key."""

    def __init__(self, side: Side, deal: Deal, parties: Parties) -> None:
        self._side = side
        self._parties = parties
        self.url = side.data_url(deal.provider_pid)
        self.token = token_of(side, deal)

    def proof(
        self,
        *,
        did: str = CONSUMER,
        method: str = "GET",
        url: str | None = None,
        token: str | None = None,
        age_ms: int = 0,
    ) -> str:
        return mint_proof(
            self._parties.keys[did],
            method=method,
            url=url or self.url,
            access_token=token or self.token,
            now_ms=self._side.clock.now_ms() - age_ms,
            token_id=str(uuid.uuid4()),
        )

    async def ask(self, proof: str | None, method: str = "GET") -> Answer:
        if proof is None:
            return await ask(self.url, self.token, method)
        return await ask(self.url, self.token, method, DPoP=proof)


@pytest.fixture
async def holder(strict: Side, parties: Parties) -> Holder:
    """The consumer, or whoever stole its token."""
    return Holder(strict, await make_deal(strict, None, ASSET, body=RECORD), parties)


async def test_a_token_with_a_proof_of_the_consumer_s_key_opens(holder: Holder) -> None:
    answer = await holder.ask(holder.proof())
    assert (answer.status, answer.body) == (200, RECORD)
    assert (await holder.ask(holder.proof(method="HEAD"), "HEAD")).status == 200


async def test_a_stolen_token_opens_nothing(holder: Holder) -> None:
    answer = await holder.ask(None)
    assert (answer.status, answer.code) == (401, "no-proof")
    answer = await holder.ask(holder.proof(did=STRANGER))
    assert (answer.status, answer.code) == (401, "not-authenticated")


async def test_a_proof_counts_once(holder: Holder) -> None:
    proof = holder.proof()
    assert (await holder.ask(proof)).status == 200
    answer = await holder.ask(proof)
    assert (answer.status, answer.code) == (401, "proof-replayed")
    look = holder.proof(method="HEAD")
    assert [(await holder.ask(look, "HEAD")).status for _ in range(2)] == [200, 401]


@pytest.mark.parametrize("refused", ["behind the end", "a query", "while it is suspended"])
async def test_a_proof_that_was_refused_counted_all_the_same(
    holder: Holder, strict: Side, refused: str
) -> None:
    proof = holder.proof()
    transfer_pid = holder.url.rpartition("/")[2]

    async def put(state: TransferState) -> None:
        def work(uow: UnitOfWork) -> None:
            transfer = uow.transfers.get(transfer_pid)
            assert transfer is not None
            uow.transfers.update(msgspec.structs.replace(transfer, state=state))

        await strict.run(work)

    if refused == "while it is suspended":
        await put(TransferState.SUSPENDED)
    url = f"{holder.url}?x=1" if refused == "a query" else holder.url
    if refused == "behind the end":
        first = await ask(url, holder.token, DPoP=proof, Range="bytes=999-")
    else:
        first = await ask(url, holder.token, DPoP=proof)
    assert first.status in (400, 403, 409, 416)
    await put(TransferState.STARTED)
    # What would be granted now is refused, because the proof came before.
    again = await ask(holder.url, holder.token, DPoP=proof)
    assert (again.status, again.code) == (401, "proof-replayed")


async def test_a_proof_is_for_one_method_one_address_one_token_and_one_minute(
    holder: Holder, strict: Side
) -> None:
    other = await make_deal(strict, None, ASSET, body=RECORD)
    for proof in (
        holder.proof(method="HEAD"),
        holder.proof(url=strict.data_url(other.provider_pid)),
        holder.proof(url=holder.url.replace("http://127.0.0.1", "http://localhost")),
        holder.proof(token=token_of(strict, other)),
        holder.proof(age_ms=120_000),
        holder.proof(age_ms=-120_000),
        "nonsense",
    ):
        answer = await holder.ask(proof)
        assert (answer.status, answer.code) == (401, "not-authenticated")


async def test_a_wrong_proof_is_refused_also_where_none_is_demanded(provider: Side, parties: Parties) -> None:
    holder = Holder(provider, await make_deal(provider, None, ASSET, body=RECORD), parties)
    assert (await holder.ask(None)).status == 200
    assert (await holder.ask(holder.proof())).status == 200
    assert (await holder.ask(holder.proof(did=STRANGER))).status == 401
