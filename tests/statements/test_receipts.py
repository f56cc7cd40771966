import hashlib
import json

import msgspec
import pytest

from ashiato.statements import receipts
from ashiato.statements.receipts import MalformedReceipt, ReceiptKind, VerifiedReceipt, verify_receipt
from ashiato.trust.jws import TokenRefused
from tests.statements.consuming import START_MS, Consumer
from tests.trust.parties import GLOBEX, document_with, forge, new_party


async def test_a_receipt_comes_back_as_it_was_signed() -> None:
    consumer = Consumer()
    draft = consumer.draft(
        ReceiptKind.USED, START_MS, purpose="legal", app="sum", app_digest="00", digest="attested"
    )
    verified = verify_receipt(await consumer.signed(draft), consumer.party.document)
    assert verified.receipt == draft


async def test_the_signed_bytes_are_sorted_and_without_spaces_as_rfc_8785_says() -> None:
    consumer = Consumer()
    draft = consumer.draft(ReceiptKind.RECEIVED, START_MS)
    by_hand = json.dumps(msgspec.to_builtins(draft), sort_keys=True, separators=(",", ":")).encode()
    assert receipts.canonical(draft) == by_hand
    assert receipts.hash_of(draft) == hashlib.sha256(by_hand).hexdigest()


async def test_each_receipt_names_the_hash_of_the_one_before() -> None:
    consumer = Consumer()
    first, second = (consumer.draft(kind, START_MS) for kind in (ReceiptKind.RECEIVED, ReceiptKind.USED))
    assert first.previous == ""
    assert second.previous == hashlib.sha256(receipts.canonical(first)).hexdigest()


async def test_a_key_that_is_not_the_consumers_makes_no_receipt() -> None:
    consumer, thief = Consumer(), Consumer()
    draft = consumer.draft(ReceiptKind.RECEIVED, START_MS)
    with pytest.raises(TokenRefused) as refused:
        verify_receipt(await thief.signed(draft), consumer.party.document)
    assert refused.value.why_code == "wrong_signature"


async def test_a_key_that_may_not_make_assertions_makes_no_receipt() -> None:
    consumer = Consumer()
    key = consumer.party.key.verification_key()
    document = document_with(GLOBEX, {key.kid: key}, {"authentication": [key.kid]})
    with pytest.raises(TokenRefused) as refused:
        verify_receipt(await consumer.signed(consumer.draft(ReceiptKind.RECEIVED, START_MS)), document)
    assert refused.value.why_code == "key_not_for_this_use"


async def test_the_document_of_another_company_is_not_asked() -> None:
    consumer = Consumer()
    other = new_party("did:web:other.example")
    with pytest.raises(TokenRefused) as refused:
        verify_receipt(await consumer.signed(consumer.draft(ReceiptKind.RECEIVED, START_MS)), other.document)
    assert refused.value.why_code == "wrong_document"


@pytest.mark.parametrize(
    "change",
    [
        {"sequence": -1},
        {"sequence": 1 << 60},
        {"sequence": "1"},
        {"version": 2},
        {"kind": "sold"},
        {"more": 1},
        {"asset": "a\nb"},
        {"asset": "a" * 3000},
        {"purpose": None},
    ],
)
async def test_what_is_no_receipt_is_refused_also_when_it_is_signed(change: dict[str, object]) -> None:
    consumer = Consumer()
    members = {**msgspec.to_builtins(consumer.draft(ReceiptKind.RECEIVED, START_MS)), **change}
    payload = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    header = {"alg": "ES256", "kid": consumer.party.kid, "typ": receipts.RECEIPT_TYP}
    with pytest.raises(MalformedReceipt):
        verify_receipt(forge(consumer.party.private, header, payload), consumer.party.document)


async def test_the_same_members_in_other_bytes_are_refused() -> None:
    consumer = Consumer()
    members = msgspec.to_builtins(consumer.draft(ReceiptKind.RECEIVED, START_MS))
    header = {"alg": "ES256", "kid": consumer.party.kid, "typ": receipts.RECEIPT_TYP}
    with pytest.raises(MalformedReceipt, match="canonical"):
        verify_receipt(
            forge(consumer.party.private, header, json.dumps(members).encode()), consumer.party.document
        )


async def test_a_token_for_another_purpose_is_no_receipt() -> None:
    consumer = Consumer()
    compact = await receipts.sign(
        consumer.signer, "JWT", receipts.canonical(consumer.draft(ReceiptKind.RECEIVED, START_MS))
    )
    with pytest.raises(TokenRefused) as refused:
        verify_receipt(compact, consumer.party.document)
    assert refused.value.why_code == "wrong_typ"


async def test_only_its_door_makes_a_verified_receipt() -> None:
    draft = Consumer().draft(ReceiptKind.RECEIVED, START_MS)
    with pytest.raises(TypeError):
        VerifiedReceipt(draft, "", "", object())
