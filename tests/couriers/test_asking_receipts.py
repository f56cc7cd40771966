"""Two connectors over HTTP: the provider asks for receipts, and the consumer tells the truth, or does not."""

import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import aiohttp
import msgspec
import pytest
from sqlalchemy import delete

from ashiato.connector import receipts, transfers, vault
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import NotFound
from ashiato.connector.receipts import Standing, standing_of
from ashiato.connector.records import AgreementState, Fetch
from ashiato.connector.vault import Reader
from ashiato.connector.vault_records import KeptReceipt, ReceiptWatch, VaultItem, VaultState
from ashiato.couriers import asking_receipts
from ashiato.outbox.deliveries import DeliveryKind
from ashiato.policy.builder import permit
from ashiato.statements.examination import Fault
from ashiato.statements.receipts import DigestStanding, Receipt, canonical, hash_of
from ashiato.stores.schema import OF_PARTICIPANT, RECEIPT
from ashiato.stores.statements import Statement
from ashiato.stores.unit_of_work import SqlUnitOfWork
from tests.exchange import Member, running
from tests.trust.parties import forge, new_party

PERSON = Reader(subject="key:1")
APP = Reader(subject="app:sum", app="sum", app_digest="ab" * 32, digest=DigestStanding.ATTESTED)
HOUR_MS = 3_600_000
_FORGET = Statement(delete(RECEIPT).where(RECEIPT.c.participant_id == OF_PARTICIPANT))

Companies = tuple[Member, Member]


@pytest.fixture
async def companies(tmp_path: Path) -> AsyncIterator[Companies]:
    """A provider and a consumer, each with a program of its own."""
    async with (
        running(tmp_path / "maker", "maker") as (maker,),
        running(tmp_path / "cells", "cells") as (cells,),
    ):
        yield maker, cells


async def _traded(companies: Companies, rules: Mapping[str, object] | None = None) -> str:
    """One dataset handed over; returns the id of the agreement."""
    maker, cells = companies
    await maker.offer("cfp", rules=rules)
    fetch: Fetch = await cells.fetch(maker, "cfp")
    assert fetch.agreement_id is not None
    assert fetch.received_id is not None
    return fetch.agreement_id


async def _use(cells: Member, reader: Reader = PERSON, purpose: str = "") -> None:
    """One use of the only data in the vault."""

    def use(uow: UnitOfWork, moment: Moment) -> None:
        (received,) = uow.transfers.list_received("", 2)
        vault.admit(uow, cells.tenant.company, received.received_id, reader, purpose, None, moment)

    await cells.run(use)


async def _asked(maker: Member, agreement_id: str) -> ReceiptWatch:
    """What the provider knows after it has asked, now."""
    begun = await maker.run(lambda uow, moment: receipts.ask_now(uow, agreement_id, moment.now_ms))

    def answered(uow: UnitOfWork) -> ReceiptWatch | None:
        found = uow.vault.watch(agreement_id)
        return found if found is not None and (found.asked_ms or 0) >= (begun.due_ms or 0) else None

    return await maker.until(answered)


def _faults(watch: ReceiptWatch) -> set[Fault]:
    return {finding.fault for finding in watch.findings}


async def _rewritten(cells: Member, agreement_id: str, lie: Callable[[list[Receipt]], list[Receipt]]) -> None:
    """The consumer shows other receipts than it made; each is signed by its real key when it is shown."""

    def rewrite(uow: UnitOfWork, moment: Moment) -> None:
        kept = uow.vault.list_receipts(agreement_id, 0, 1000)
        told = lie([msgspec.json.decode(receipt.payload, type=Receipt) for receipt in kept])
        assert isinstance(uow, SqlUnitOfWork)
        uow.session.write(_FORGET, {"participant_id": uow.participant_id})
        for number, receipt in enumerate(told, start=1):
            uow.vault.put_receipt(
                KeptReceipt(
                    agreement_id=agreement_id,
                    sequence=number,
                    payload=canonical(receipt).decode(),
                    sha256=hash_of(receipt),
                )
            )
        account = uow.vault.account(agreement_id)
        assert account is not None
        last = told[-1] if told else None
        uow.vault.put_account(
            msgspec.structs.replace(
                account,
                last_sequence=last.sequence if last else 0,
                last_sha256=hash_of(last) if last else "",
            )
        )

    await cells.run(rewrite)


def _chained(told: list[Receipt]) -> list[Receipt]:
    """The same receipts, numbered and chained anew."""
    chain: list[Receipt] = []
    for number, receipt in enumerate(told, start=1):
        previous = hash_of(chain[-1]) if chain else ""
        chain.append(msgspec.structs.replace(receipt, sequence=number, previous=previous))
    return chain


async def test_an_honest_consumer_is_complete_and_its_uses_are_seen(companies: Companies) -> None:
    maker, cells = companies
    agreement_id = await _traded(companies)
    await _use(cells, PERSON, "legal")
    await _use(cells, APP, "quality")
    watch = await _asked(maker, agreement_id)
    assert watch.findings == ()
    assert standing_of(watch) is Standing.COMPLETE
    kept = await maker.read(lambda uow: uow.vault.list_receipts(agreement_id, 0, 10))
    payloads = [json.loads(_payload(receipt.compact)) for receipt in kept]
    assert [payload["kind"] for payload in payloads] == ["received", "used", "used"]
    assert [payload["purpose"] for payload in payloads] == ["", "legal", "quality"]
    assert (payloads[2]["app"], payloads[2]["digest"]) == ("sum", "attested")


async def test_the_provider_asks_by_itself_soon_after_data_went_out(companies: Companies) -> None:
    maker, _ = companies
    before_ms = (await maker.run(lambda uow, moment: moment)).now_ms
    agreement_id = await _traded(companies)

    def question(uow: UnitOfWork) -> int | None:
        waiting = uow.outbox.of_process(f"receipts:{agreement_id}")
        return waiting[0].due_ms if waiting and waiting[0].kind is DeliveryKind.RECEIPTS else None

    due_ms = await maker.until(question)
    assert 14 * 60_000 < due_ms - before_ms < 17 * 60_000


async def test_after_an_answer_it_asks_again_the_next_day(companies: Companies) -> None:
    maker, _ = companies
    agreement_id = await _traded(companies)
    watch = await _asked(maker, agreement_id)
    assert watch.due_ms is not None
    assert watch.asked_ms is not None
    assert watch.due_ms - watch.asked_ms == 24 * HOUR_MS
    (waiting,) = await maker.read(lambda uow: uow.outbox.of_process(f"receipts:{agreement_id}"))
    assert waiting.due_ms == watch.due_ms


async def test_it_may_ask_as_often_as_it_likes_and_finds_nothing_new(companies: Companies) -> None:
    maker, cells = companies
    agreement_id = await _traded(companies)
    await _asked(maker, agreement_id)
    await _use(cells)
    await _asked(maker, agreement_id)
    watch = await _asked(maker, agreement_id)
    assert (watch.findings, watch.chain.last_sequence, watch.chain.uses_count) == ((), 2, 1)


@pytest.mark.parametrize("limit", ["MOST_PAGES_COUNT", "MOST_QUESTION_BYTES"])
async def test_one_question_brings_so_much_and_the_next_goes_on_behind_it(
    companies: Companies, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    maker, cells = companies
    agreement_id = await _traded(companies)
    for _ in range(5):
        await _use(cells)
    monkeypatch.setattr(receipts, "PAGE_COUNT", 2)
    # Two pages of two receipts; a page that would bring fewer bytes than are left is always asked for.
    monkeypatch.setattr(asking_receipts, limit, 2)
    if limit == "MOST_QUESTION_BYTES":
        monkeypatch.setattr(asking_receipts, limit, asking_receipts.MOST_ANSWER_BYTES)
    reached = []
    for _ in range(6):
        watch = await _asked(maker, agreement_id)
        reached.append(watch.chain.last_sequence)
        if watch.unfinished_since_ms is None:
            break
        # Nothing is missing only because it was not asked for yet.
        assert watch.findings == ()
        assert watch.due_ms is not None
        assert watch.asked_ms is not None
        assert 0 <= watch.due_ms - watch.asked_ms - HOUR_MS < 60_000
        (waiting,) = await maker.read(lambda uow: uow.outbox.of_process(f"receipts:{agreement_id}"))
        assert waiting.due_ms == watch.due_ms
    # The last receipt of a question is asked for again by the next, so each page after the first brings one less.
    assert reached == ([4, 6] if limit == "MOST_PAGES_COUNT" else [2, 3, 4, 5, 6])
    assert (watch.findings, standing_of(watch)) == ((), Standing.COMPLETE)


async def test_one_that_skips_is_shown(companies: Companies) -> None:
    maker, cells = companies
    agreement_id = await _traded(companies)
    await _use(cells)
    await _use(cells)
    await _rewritten(cells, agreement_id, lambda told: [told[0], told[2]])
    watch = await _asked(maker, agreement_id)
    assert Fault.MISSING in _faults(watch)
    assert standing_of(watch) is Standing.FAULTY


async def test_one_that_leaves_a_use_out_and_chains_anew_is_shown_by_its_count(companies: Companies) -> None:
    maker, cells = companies
    agreement_id = await _traded(companies)
    await _use(cells)
    await _use(cells)
    await _rewritten(cells, agreement_id, lambda told: _chained([told[0], told[2]]))
    assert _faults(await _asked(maker, agreement_id)) == {Fault.MISSING}


async def test_one_that_repeats_is_shown(companies: Companies) -> None:
    maker, cells = companies
    agreement_id = await _traded(companies)
    await _use(cells)
    await _rewritten(cells, agreement_id, lambda told: [*told, told[1]])
    assert Fault.REPEATED in _faults(await _asked(maker, agreement_id))


async def test_one_that_reorders_is_shown(companies: Companies) -> None:
    maker, cells = companies
    agreement_id = await _traded(companies)
    await _use(cells)
    await _use(cells)
    await _rewritten(cells, agreement_id, lambda told: [told[0], told[2], told[1]])
    assert Fault.OUT_OF_ORDER in _faults(await _asked(maker, agreement_id))


async def test_one_that_invents_data_is_shown(companies: Companies) -> None:
    maker, cells = companies
    agreement_id = await _traded(companies)
    await _use(cells)

    def invent(told: list[Receipt]) -> list[Receipt]:
        other = msgspec.structs.replace(told[1], data_sha256="ef" * 32)
        return _chained([told[0], other])

    await _rewritten(cells, agreement_id, invent)
    assert Fault.INVENTED in _faults(await _asked(maker, agreement_id))


async def test_one_that_backdates_is_shown(companies: Companies) -> None:
    maker, cells = companies
    agreement_id = await _traded(companies)
    await _use(cells)

    def backdate(told: list[Receipt]) -> list[Receipt]:
        return _chained([told[0], msgspec.structs.replace(told[1], at_ms=told[1].at_ms - HOUR_MS)])

    await _rewritten(cells, agreement_id, backdate)
    assert Fault.BACKDATED in _faults(await _asked(maker, agreement_id))


async def test_one_that_forks_its_chain_after_it_was_shown_is_found(companies: Companies) -> None:
    maker, cells = companies
    agreement_id = await _traded(companies)
    await _use(cells, PERSON, "legal")
    assert (await _asked(maker, agreement_id)).findings == ()
    # The use that was shown becomes another one, and a further one follows.
    await _rewritten(
        cells,
        agreement_id,
        lambda told: _chained([told[0], msgspec.structs.replace(told[1], purpose="quality")]),
    )
    assert Fault.FORKED in _faults(await _asked(maker, agreement_id))


async def test_one_that_forgets_its_receipts_is_shown(companies: Companies) -> None:
    maker, cells = companies
    agreement_id = await _traded(companies)
    await _use(cells)
    await _asked(maker, agreement_id)
    await _rewritten(cells, agreement_id, lambda told: told[:1])
    assert Fault.FORKED in _faults(await _asked(maker, agreement_id))


async def test_one_that_signs_with_another_key_is_shown(companies: Companies) -> None:
    maker, cells = companies
    agreement_id = await _traded(companies)
    await _use(cells)

    def sign_wrongly(uow: UnitOfWork, moment: Moment) -> None:
        (_, second) = uow.vault.list_receipts(agreement_id, 0, 10)
        foreign = _foreign(cells.did, second.payload)
        uow.vault.put_receipt(msgspec.structs.replace(second, compact=foreign))

    await cells.run(sign_wrongly)
    watch = await _asked(maker, agreement_id)
    assert Fault.WRONG_SIGNATURE in _faults(watch)
    assert Fault.MISSING in _faults(watch)


async def test_uses_beyond_the_agreement_are_shown_with_the_reason(companies: Companies) -> None:
    maker, cells = companies
    agreement_id = await _traded(companies, permit("use", max_uses=1))
    await _use(cells)

    def twice(told: list[Receipt]) -> list[Receipt]:
        return _chained([*told, msgspec.structs.replace(told[1], use=2)])

    await _rewritten(cells, agreement_id, twice)
    watch = await _asked(maker, agreement_id)
    assert _faults(watch) == {Fault.NOT_PERMITTED}
    assert "count" in watch.findings[0].detail


async def test_a_fault_is_told_once_and_stands_in_the_history(companies: Companies) -> None:
    maker, cells = companies
    agreement_id = await _traded(companies)
    await _use(cells)
    await _rewritten(cells, agreement_id, lambda told: told[1:])
    first = await _asked(maker, agreement_id)
    again = await _asked(maker, agreement_id)
    assert again.findings == first.findings
    told = [entry for entry in await maker.history() if entry.event == "receipts.fault"]
    assert len(told) == first.findings_count > 0


async def test_a_consumer_that_cannot_be_reached_is_silent_and_asked_again(tmp_path: Path) -> None:
    async with running(tmp_path / "maker", "maker") as (maker,):
        async with running(tmp_path / "cells", "cells") as (cells,):
            agreement_id = await _traded((maker, cells))
        watch = await _asked(maker, agreement_id)
        assert standing_of(watch) is Standing.SILENT
        assert watch.findings == ()
        (waiting,) = await maker.read(lambda uow: uow.outbox.of_process(f"receipts:{agreement_id}"))
        assert waiting.kind is DeliveryKind.RECEIPTS


async def test_when_the_provider_ends_the_agreement_the_consumer_hears_and_deletes_as_it_says(
    companies: Companies,
) -> None:
    maker, cells = companies
    agreement_id = await _traded(companies, {**permit("use"), "obligation": [{"action": "delete"}]})
    await maker.run(
        lambda uow, moment: transfers.end_agreement(uow, maker.tenant.company, agreement_id, "over", moment)
    )

    def deleted(uow: UnitOfWork) -> VaultItem | None:
        (item,) = uow.vault.list_items("", 2)
        return item if item.state is VaultState.DELETED else None

    item = await cells.until(deleted)
    assert item.delete_why == "agreement-ended"
    ended = await cells.read(lambda uow: uow.contracts.agreement(agreement_id))
    assert ended is not None
    assert (ended.state, ended.ended_by) == (AgreementState.TERMINATED, maker.did)

    def told(uow: UnitOfWork) -> ReceiptWatch | None:
        # The question that told of the end may be answered after the next one was put: the answer to that is waited for.
        watch = uow.vault.watch(agreement_id)
        return watch if watch is not None and watch.chain.deleted else None

    await _asked(maker, agreement_id)
    watch = await maker.until(told)
    assert (watch.findings, watch.chain.held, len(watch.chain.deleted)) == ((), {}, 1)


async def test_nobody_else_ends_an_agreement_by_a_question(companies: Companies) -> None:
    _, cells = companies
    agreement_id = await _traded(companies)
    stranger = "did:web:stranger.example"
    await cells.run(
        lambda uow, moment: receipts.told_of_end(uow, cells.tenant.company, stranger, agreement_id, moment)
    )
    agreement = await cells.read(lambda uow: uow.contracts.agreement(agreement_id))
    assert agreement is not None
    assert agreement.state is AgreementState.ACTIVE


async def test_data_that_was_altered_on_its_way_is_used_and_its_receipt_fits(companies: Companies) -> None:
    maker, cells = companies
    refinement = [
        {"leftOperand": "ashiato:jsonPath", "operator": "eq", "rightOperand": "$.declared"},
        {"leftOperand": "ashiato:method", "operator": "eq", "rightOperand": "drop"},
    ]
    action = {"rdf:value": {"@id": "odrl:anonymize"}, "refinement": refinement}
    rules = {"permission": [{"action": "use", "duty": [{"action": [action]}]}]}
    agreement_id = await _traded(companies, rules)
    await _use(cells)
    watch = await _asked(maker, agreement_id)
    assert (watch.findings, watch.chain.uses_count) == ((), 1)


async def test_only_the_provider_of_an_agreement_asks_about_it(companies: Companies) -> None:
    _maker, cells = companies
    agreement_id = await _traded(companies)
    with pytest.raises(NotFound):
        await cells.run(lambda uow, moment: receipts.ask_now(uow, agreement_id, moment.now_ms))
    with pytest.raises(NotFound):
        await cells.run(
            lambda uow, moment: receipts.shown_to(
                uow, cells.tenant.company, "did:web:stranger.example", agreement_id, 0, moment.now_ms
            )
        )


async def test_nobody_is_shown_receipts_without_proving_who_it_is(companies: Companies) -> None:
    maker, cells = companies
    agreement_id = await _traded(companies)
    url = f"{cells.tenant.root_url}/receipts"
    identity, moment = maker.program.node.identity, await maker.run(lambda uow, moment: moment)
    token = await identity.token_for(maker.did, cells.did, moment.now_ms, moment.fresh_id())
    other = await identity.token_for(maker.did, "did:web:other.example", moment.now_ms, moment.fresh_id())
    wanted = {"agreement": agreement_id}
    async with aiohttp.ClientSession() as client:

        async def status(query: Mapping[str, str], token: str | None) -> tuple[int, str]:
            headers = {"Authorization": token} if token else {}
            async with client.get(url, params=query, headers=headers) as answer:
                return answer.status, str((await answer.json(content_type=None)).get("code"))

        assert await status(wanted, None) == (401, "not-authenticated")
        assert await status(wanted, other) == (401, "not-authenticated")
        assert await status({"agreement": "urn:uuid:none"}, token) == (404, "agreement-not-found")
        assert await status(wanted, token) == (401, "token-replayed")
        assert await status({**wanted, "after": "-1"}, None) == (400, "bad-question")


async def test_a_receipt_keeps_the_signature_with_which_it_was_shown(companies: Companies) -> None:
    maker, cells = companies
    agreement_id = await _traded(companies)
    await _asked(maker, agreement_id)
    (first,) = await cells.read(lambda uow: uow.vault.list_receipts(agreement_id, 0, 10))
    await _asked(maker, agreement_id)
    (again,) = await cells.read(lambda uow: uow.vault.list_receipts(agreement_id, 0, 10))
    assert first.compact
    assert again == first


def _payload(compact: str) -> bytes:
    part = compact.split(".")[1]
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _foreign(did: str, payload: str) -> str:
    """A receipt under the name of the consumer's key, signed by another."""
    stranger = new_party("did:web:stranger.example")
    header = {"alg": "ES256", "kid": f"{did}#key-1", "typ": "ashiato-receipt+jwt"}
    return forge(stranger.private, header, payload.encode())
