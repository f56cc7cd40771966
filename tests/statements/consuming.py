"""A consumer that keeps a chain of receipts, honestly or not."""

from typing import Any

import msgspec

from ashiato.statements import receipts
from ashiato.statements.examination import HandedOver, OwnSide
from ashiato.statements.receipts import HEAD_TYP, RECEIPT_TYP, Head, Receipt, ReceiptKind, VerifiedReceipt
from ashiato.trust.signing import LocalSigner
from tests.trust.parties import ACME, GLOBEX, new_party

PROVIDER, CONSUMER = ACME, GLOBEX
AGREEMENT = "urn:uuid:agreement"
TRANSFER = "urn:uuid:transfer"
DATA = "ab" * 32
START_MS = 1_800_000_000_000
HOUR_MS = 3_600_000


class Consumer:
    """Makes receipts one after the other; `forge` changes members of the next one and signs it all the same."""

    def __init__(self, did: str = CONSUMER) -> None:
        self.party = new_party(did)
        self.signer = LocalSigner(self.party.key)
        self.sequence = 0
        self.previous = ""
        self.uses_count = 0

    def draft(self, kind: ReceiptKind, at_ms: int, **forged: object) -> Receipt:
        """The next receipt, unsigned; the chain goes on from it."""
        self.sequence += 1
        self.uses_count += kind is ReceiptKind.USED
        receipt = Receipt(
            kind=kind,
            agreement=AGREEMENT,
            provider=PROVIDER,
            consumer=self.party.did,
            sequence=self.sequence,
            previous=self.previous,
            at_ms=at_ms,
            asset="cfp",
            transfer=TRANSFER,
            data_sha256=DATA,
            size_bytes=12,
            use=self.uses_count if kind is ReceiptKind.USED else 0,
        )
        receipt = msgspec.structs.replace(receipt, **forged)
        self.previous = receipts.hash_of(receipt)
        return receipt

    async def signed(self, receipt: Receipt) -> str:
        return await receipts.sign(self.signer, RECEIPT_TYP, receipts.canonical(receipt))

    async def verified(self, receipt: Receipt) -> VerifiedReceipt:
        return receipts.verify_receipt(await self.signed(receipt), self.party.document)

    async def chain(self, *kinds: ReceiptKind) -> list[VerifiedReceipt]:
        """Receipts an hour apart."""
        drafts = [self.draft(kind, START_MS + number * HOUR_MS) for number, kind in enumerate(kinds, start=1)]
        return [await self.verified(draft) for draft in drafts]

    async def head(self, at_ms: int, **forged: object) -> receipts.VerifiedHead:
        head = Head(
            agreement=AGREEMENT,
            provider=PROVIDER,
            consumer=self.party.did,
            sequence=self.sequence,
            last=self.previous,
            at_ms=at_ms,
        )
        head = msgspec.structs.replace(head, **forged)
        compact = await receipts.sign(self.signer, HEAD_TYP, receipts.canonical(head))
        return receipts.verify_head(compact, self.party.document)


def own_side(now_ms: Any = START_MS + 10 * HOUR_MS, **more: Any) -> OwnSide:
    """What the provider knows: one whole hand-over right after the agreement."""
    handed = HandedOver(
        first_ms=START_MS + 1000, last_ms=START_MS + 2000, is_whole=True, sha256s=frozenset({DATA})
    )
    side = OwnSide(
        agreement=AGREEMENT,
        provider=PROVIDER,
        consumer=CONSUMER,
        agreed_ms=START_MS,
        handed_over={TRANSFER: handed},
        now_ms=now_ms,
    )
    return msgspec.structs.replace(side, **more)
