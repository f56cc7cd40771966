"""Consumers that lie in every way that their receipts can show."""

from typing import Any

import msgspec
import pytest

from ashiato.statements.examination import (
    ENGLISH,
    JAPANESE,
    Chain,
    Examined,
    Fault,
    HandedOver,
    examine,
    unreported,
)
from ashiato.statements.receipts import Receipt, ReceiptKind, VerifiedReceipt
from tests.statements.consuming import AGREEMENT, DATA, HOUR_MS, START_MS, TRANSFER, Consumer, own_side

RECEIVED, USED, DELETED = ReceiptKind.RECEIVED, ReceiptKind.USED, ReceiptKind.DELETED
NOW_MS = START_MS + 10 * HOUR_MS


def permitted(_: Receipt) -> str | None:
    return None


def faults(examined: Examined) -> list[tuple[Fault, int]]:
    return [(finding.fault, finding.sequence) for finding in examined.findings]


def known(examined: Examined) -> dict[int, str]:
    return {verified.receipt.sequence: verified.sha256 for verified in examined.taken}


def look(shown: list[VerifiedReceipt], chain: Chain | None = None, **own: Any) -> Examined:
    return examine(chain or Chain(), shown, None, own_side(**own), permitted)


async def test_an_honest_consumer_is_complete() -> None:
    consumer = Consumer()
    shown = await consumer.chain(RECEIVED, USED, USED, DELETED)
    examined = examine(Chain(), shown, await consumer.head(NOW_MS), own_side(), permitted)
    assert examined.findings == ()
    assert [taken.receipt.sequence for taken in examined.taken] == [1, 2, 3, 4]
    assert (examined.chain.uses_count, examined.chain.held) == (2, {})
    assert unreported(examined.chain, own_side(), 0) == []


async def test_it_may_be_asked_in_pieces_and_again() -> None:
    consumer = Consumer()
    shown = await consumer.chain(RECEIVED, USED, USED)
    first = look(shown[:2])
    again = look(shown, first.chain, known_sha256=known(first))
    assert again.findings == ()
    assert [taken.receipt.sequence for taken in again.taken] == [3]


async def test_one_that_skips_a_receipt_is_seen() -> None:
    shown = await Consumer().chain(RECEIVED, USED, USED)
    assert (Fault.MISSING, 3) in faults(look([shown[0], shown[2]]))


async def test_one_that_holds_the_last_receipts_back_is_seen_by_its_own_head() -> None:
    consumer = Consumer()
    shown = await consumer.chain(RECEIVED, USED, USED)
    examined = examine(Chain(), shown[:2], await consumer.head(NOW_MS), own_side(), permitted)
    assert faults(examined) == [(Fault.MISSING, 3)]


async def test_one_that_reports_no_arrival_is_seen() -> None:
    assert [finding.fault for finding in unreported(Chain(), own_side(), HOUR_MS)] == [Fault.MISSING]
    assert unreported(Chain(), own_side(now_ms=START_MS + HOUR_MS), HOUR_MS) == []


async def test_one_that_repeats_a_receipt_in_one_answer_is_seen() -> None:
    shown = await Consumer().chain(RECEIVED, USED)
    assert faults(look([*shown, shown[1]])) == [(Fault.REPEATED, 2)]


async def test_one_that_reports_one_use_under_two_numbers_is_seen() -> None:
    consumer = Consumer()
    shown = await consumer.chain(RECEIVED, USED)
    twice = await consumer.verified(consumer.draft(USED, START_MS + 3 * HOUR_MS, use=1))
    assert faults(look([*shown, twice])) == [(Fault.REPEATED, 3)]


async def test_one_that_reports_the_same_arrival_twice_is_seen() -> None:
    shown = await Consumer().chain(RECEIVED, RECEIVED)
    assert faults(look(shown)) == [(Fault.REPEATED, 2)]


async def test_one_that_leaves_a_use_unreported_in_an_unbroken_chain_is_seen_by_its_count() -> None:
    consumer = Consumer()
    shown = await consumer.chain(RECEIVED, USED)
    later = await consumer.verified(consumer.draft(USED, START_MS + 3 * HOUR_MS, use=3))
    assert faults(look([*shown, later])) == [(Fault.MISSING, 3)]


async def test_one_that_reorders_is_seen() -> None:
    first, second, third = await Consumer().chain(RECEIVED, USED, USED)
    found = faults(look([first, third, second]))
    assert (Fault.OUT_OF_ORDER, 2) in found


async def test_one_that_invents_data_is_seen() -> None:
    consumer = Consumer()
    shown = await consumer.chain(RECEIVED)
    other_data = await consumer.verified(consumer.draft(USED, START_MS + 2 * HOUR_MS, data_sha256="cd" * 32))
    other_way = await consumer.verified(
        consumer.draft(USED, START_MS + 3 * HOUR_MS, transfer="urn:uuid:none")
    )
    assert {(Fault.INVENTED, 2), (Fault.INVENTED, 3)} <= set(faults(look([*shown, other_data, other_way])))


async def test_what_is_invented_fills_nothing() -> None:
    consumer = Consumer()
    shown = await consumer.chain(RECEIVED)
    for number, kind in enumerate((RECEIVED, USED, DELETED), start=2):
        for invented in ({"transfer": f"urn:uuid:none-{number}"}, {"data_sha256": f"{number}" * 64}):
            at_ms = START_MS + number * HOUR_MS
            shown.append(await consumer.verified(consumer.draft(kind, at_ms, **invented)))
    chain = look(shown).chain
    assert chain.last_sequence == 7
    assert (list(chain.held), chain.deleted, chain.used) == ([f"{TRANSFER} {DATA}"], (), {})


async def test_data_that_went_in_pieces_has_no_hash_to_compare() -> None:
    pieces = HandedOver(first_ms=START_MS, last_ms=START_MS, is_whole=True, sha256s=frozenset())
    shown = await Consumer().chain(RECEIVED, USED)
    assert look(shown, handed_over={TRANSFER: pieces}).findings == ()


async def test_one_that_backdates_is_seen() -> None:
    consumer = Consumer()
    shown = await consumer.chain(RECEIVED, USED)
    older = await consumer.verified(consumer.draft(USED, START_MS + HOUR_MS))
    assert faults(look([*shown, older])) == [(Fault.BACKDATED, 3)]
    before = Consumer()
    early = await before.verified(before.draft(RECEIVED, START_MS - HOUR_MS))
    assert (Fault.BACKDATED, 1) in faults(look([early]))


async def test_one_that_dates_ahead_is_seen() -> None:
    shown = await Consumer().chain(RECEIVED, USED)
    assert faults(look(shown, now_ms=START_MS + HOUR_MS)) == [(Fault.POSTDATED, 2)]


async def test_one_that_forks_its_chain_is_seen() -> None:
    consumer = Consumer()
    shown = await consumer.chain(RECEIVED, USED)
    first = look(shown)
    # The same numbers, another past: the use never happened.
    consumer.sequence, consumer.previous, consumer.uses_count = 1, shown[0].sha256, 0
    other = await consumer.verified(consumer.draft(DELETED, START_MS + 2 * HOUR_MS))
    assert faults(look([other], first.chain, known_sha256=known(first))) == [(Fault.FORKED, 2)]
    beyond = await consumer.verified(consumer.draft(DELETED, START_MS + 3 * HOUR_MS))
    assert (Fault.FORKED, 3) in faults(look([beyond], first.chain, known_sha256=known(first)))


async def test_one_whose_chain_becomes_shorter_is_seen() -> None:
    consumer = Consumer()
    shown = await consumer.chain(RECEIVED, USED)
    first = look(shown)
    head = await consumer.head(NOW_MS, sequence=1, last=shown[0].sha256)
    examined = examine(first.chain, [], head, own_side(known_sha256=known(first)), permitted)
    assert faults(examined) == [(Fault.FORKED, 1)]


async def test_an_old_head_is_no_answer_to_a_new_question() -> None:
    consumer = Consumer()
    shown = await consumer.chain(RECEIVED)
    examined = examine(Chain(), shown, await consumer.head(NOW_MS - HOUR_MS), own_side(), permitted)
    assert faults(examined) == [(Fault.BACKDATED, 1)]


async def test_a_receipt_of_another_agreement_is_seen() -> None:
    consumer = Consumer()
    shown = await consumer.chain(RECEIVED)
    other = await consumer.verified(consumer.draft(USED, START_MS + 2 * HOUR_MS, agreement="urn:uuid:other"))
    examined = look([*shown, other])
    assert faults(examined) == [(Fault.WRONG_PARTIES, 2)]
    assert examined.chain.last_sequence == 1


async def test_a_use_after_the_deletion_is_seen() -> None:
    shown = await Consumer().chain(RECEIVED, DELETED, USED)
    assert faults(look(shown)) == [(Fault.USED_AFTER_DELETION, 3)]


async def test_what_the_agreement_does_not_permit_is_told_with_the_reason() -> None:
    shown = await Consumer().chain(RECEIVED, USED)
    examined = examine(Chain(), shown, None, own_side(), lambda receipt: "at most none")
    (finding,) = examined.findings
    assert (finding.fault, finding.detail) == (Fault.NOT_PERMITTED, "at most none")
    assert finding.evidence == shown[1].compact


async def test_a_gap_that_is_filled_later_is_taken_and_told_only_once() -> None:
    consumer = Consumer()
    first, second, third = await consumer.chain(RECEIVED, USED, USED)
    before = look([first, third])
    after = look([second], before.chain, known_sha256=known(before))
    assert [taken.receipt.sequence for taken in after.taken] == [2]
    assert Fault.FORKED not in {finding.fault for finding in after.findings}


@pytest.mark.parametrize("sentences", [ENGLISH, JAPANESE])
async def test_every_fault_has_a_sentence(sentences: dict[Fault, str]) -> None:
    assert set(sentences) == set(Fault)
    shown = await Consumer().chain(RECEIVED)
    examined = look(shown, agreement="other")
    assert AGREEMENT in examined.findings[0].text_in(sentences)


async def test_the_chain_can_be_kept_as_json() -> None:
    chain = look(await Consumer().chain(RECEIVED, USED)).chain
    assert msgspec.json.decode(msgspec.json.encode(chain), type=Chain) == chain
    assert chain.held == {f"{TRANSFER} {DATA}": START_MS + HOUR_MS}
