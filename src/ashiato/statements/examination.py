"""What a provider finds in the receipts of a consumer: gaps, repetitions, another order, forks, inventions.

`examine` is pure: it takes what was known, what came, and what the provider knows of its own side. It never refuses; everything
that does not fit is a finding with its reason, and the chain goes on from what was shown last, so that one lie is told once.
What the policy says about a single use is asked through `Judge`.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

import msgspec

from ashiato.statements.receipts import Head, Receipt, ReceiptKind, VerifiedHead, VerifiedReceipt

# Clocks of two honest companies may differ by so much.
CLOCK_LEEWAY_MS = 300_000
MOST_FINDINGS_COUNT = 200


class Fault(StrEnum):
    """What is wrong with the receipts of one agreement."""

    MISSING = "missing"
    """Receipts in between, at the end, or about data that was handed over, were not shown."""
    REPEATED = "repeated"
    """The same receipt was shown twice in one answer, or the same deed under two numbers."""
    OUT_OF_ORDER = "out_of_order"
    """Receipts came in another order than that of their numbers."""
    FORKED = "forked"
    """Another receipt was shown before under this number, or the chain does not continue what was shown."""
    BACKDATED = "backdated"
    """It is dated before the receipt before it, or before the data was handed over."""
    POSTDATED = "postdated"
    """It is dated in the future."""
    INVENTED = "invented"
    """It speaks of data that was never handed over under this agreement."""
    NOT_PERMITTED = "not_permitted"
    """The use that it reports was not permitted by the agreement."""
    USED_AFTER_DELETION = "used_after_deletion"
    """It reports a use of data that was reported as deleted."""
    WRONG_SIGNATURE = "wrong_signature"
    """It is not signed by a key of the consumer."""
    WRONG_PARTIES = "wrong_parties"
    """It names another agreement, consumer or provider."""
    MALFORMED = "malformed"
    """It is no receipt."""
    OVERDUE = "overdue"
    """The data had to be deleted by now, and no receipt says that it was."""
    SILENT = "silent"
    """The consumer does not show its receipts."""


ENGLISH: Mapping[Fault, str] = {
    Fault.MISSING: "Receipts are missing: {detail}.",
    Fault.REPEATED: "A receipt was repeated: {detail}.",
    Fault.OUT_OF_ORDER: "Receipts came out of order: {detail}.",
    Fault.FORKED: "The chain of receipts was forked: {detail}.",
    Fault.BACKDATED: "A receipt is backdated: {detail}.",
    Fault.POSTDATED: "A receipt is dated in the future: {detail}.",
    Fault.INVENTED: "A receipt speaks of data that was never handed over: {detail}.",
    Fault.NOT_PERMITTED: "A use was reported that the agreement does not permit: {detail}.",
    Fault.USED_AFTER_DELETION: "A use was reported of data that was reported as deleted: {detail}.",
    Fault.WRONG_SIGNATURE: "A receipt is not signed by the consumer: {detail}.",
    Fault.WRONG_PARTIES: "A receipt names another agreement or other parties: {detail}.",
    Fault.MALFORMED: "What came is no receipt: {detail}.",
    Fault.OVERDUE: "Data had to be deleted, and no receipt says that it was: {detail}.",
    Fault.SILENT: "The consumer does not show its receipts: {detail}.",
}
JAPANESE: Mapping[Fault, str] = {
    Fault.MISSING: "受領・利用報告が欠けています: {detail}。",
    Fault.REPEATED: "同じ報告が繰り返されています: {detail}。",
    Fault.OUT_OF_ORDER: "報告の順序が入れ替わっています: {detail}。",
    Fault.FORKED: "報告の連鎖が分岐しています: {detail}。",
    Fault.BACKDATED: "報告の日時がさかのぼっています: {detail}。",
    Fault.POSTDATED: "報告の日時が未来です: {detail}。",
    Fault.INVENTED: "渡していないデータについての報告です: {detail}。",
    Fault.NOT_PERMITTED: "契約で許可されていない利用が報告されました: {detail}。",
    Fault.USED_AFTER_DELETION: "削除済みと報告されたデータの利用が報告されました: {detail}。",
    Fault.WRONG_SIGNATURE: "利用者の署名ではありません: {detail}。",
    Fault.WRONG_PARTIES: "別の契約または別の当事者の報告です: {detail}。",
    Fault.MALFORMED: "報告の形式ではありません: {detail}。",
    Fault.OVERDUE: "削除期限を過ぎても削除の報告がありません: {detail}。",
    Fault.SILENT: "利用者が報告を提示しません: {detail}。",
}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that does not fit. `sequence` is that of the receipt, 0 for the whole; `evidence` is what was shown."""

    fault: Fault
    sequence: int
    detail: str
    at_ms: int
    evidence: str = ""

    def text_in(self, sentences: Mapping[Fault, str]) -> str:
        """The sentence in that language."""
        return sentences[self.fault].format(detail=self.detail)


class HandedOver(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider's own records say of one transfer.

    `sha256s` are the hashes of whole answers; empty where the data went in pieces, whose whole this side never hashed.
    """

    first_ms: int
    last_ms: int
    is_whole: bool
    sha256s: frozenset[str]


class Chain(msgspec.Struct, frozen=True, kw_only=True):
    """What was shown so far under one agreement. `held` are the data by transfer and hash, with the instant of arrival."""

    last_sequence: int = 0
    last_sha256: str = ""
    last_at_ms: int = 0
    uses_count: int = 0
    held: dict[str, int] = {}
    deleted: tuple[str, ...] = ()
    used: dict[str, int] = {}
    """The instant of the last use, by the same keys."""


class OwnSide(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider knows by itself. `handed_over` is by its own transfer pid; `known_sha256` gives the hash of a receipt
    that was shown before under a sequence number.
    """

    agreement: str
    provider: str
    consumer: str
    agreed_ms: int
    handed_over: Mapping[str, HandedOver]
    known_sha256: Mapping[int, str] = {}
    now_ms: int


Judge = Callable[[Receipt], str | None]
"""Why the agreement does not permit the use that a receipt reports; None when it does."""


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """`taken` are the receipts that continue the chain, in order; they are kept."""

    chain: Chain
    taken: tuple[VerifiedReceipt, ...]
    findings: tuple[Finding, ...]


def examine(
    chain: Chain, shown: Sequence[VerifiedReceipt], head: VerifiedHead | None, own: OwnSide, judge: Judge
) -> Examined:
    """What `shown` adds to `chain`. `head` is judged only where the consumer has said that no more follow."""
    examination = _Examination(chain, own, judge)
    for verified in shown:
        examination.take(verified)
    if head is not None:
        examination.close(head.head, head.compact)
    return Examined(
        chain=examination.chain,
        taken=tuple(examination.taken),
        findings=tuple(examination.findings[:MOST_FINDINGS_COUNT]),
    )


def data_key(receipt: Receipt) -> str:
    """By what the data of one hand-over is known in a chain."""
    return f"{receipt.transfer} {receipt.data_sha256}"


class _Examination:
    """One answer of a consumer, receipt by receipt."""

    def __init__(self, chain: Chain, own: OwnSide, judge: Judge) -> None:
        self.chain = chain
        self.taken: list[VerifiedReceipt] = []
        self.findings: list[Finding] = []
        self._own = own
        self._judge = judge
        self._seen: dict[int, str] = dict(own.known_sha256)
        self._shown: set[str] = set()
        self._highest = 0

    def take(self, verified: VerifiedReceipt) -> None:
        receipt = verified.receipt
        own = self._own
        if (receipt.agreement, receipt.provider, receipt.consumer) != (
            own.agreement, own.provider, own.consumer,
        ):  # fmt: skip
            self._find(Fault.WRONG_PARTIES, verified, f"agreement {receipt.agreement}")
            return
        if verified.sha256 in self._shown:
            self._find(Fault.REPEATED, verified, f"number {receipt.sequence} came twice in one answer")
            return
        self._shown.add(verified.sha256)
        if receipt.sequence < self._highest:
            self._find(Fault.OUT_OF_ORDER, verified, f"number {receipt.sequence} came after {self._highest}")
        self._highest = max(self._highest, receipt.sequence)
        if not self._is_new(verified):
            return
        self._check_link(verified)
        self._check_dates(verified)
        self._check_data(verified)
        self._go_on(verified)

    def _is_new(self, verified: VerifiedReceipt) -> bool:
        sequence = verified.receipt.sequence
        known = self._seen.get(sequence)
        if known is not None and known != verified.sha256:
            self._find(Fault.FORKED, verified, f"number {sequence} was shown before with other contents")
            return False
        if known is not None:
            return False
        self._seen[sequence] = verified.sha256
        if sequence <= self.chain.last_sequence:
            # It fills a gap that was told already; only what it says is looked at.
            self._check_data(verified)
            self.taken.append(verified)
            return False
        return True

    def _check_link(self, verified: VerifiedReceipt) -> None:
        receipt, chain = verified.receipt, self.chain
        expected = chain.last_sequence + 1
        if receipt.sequence > expected:
            gap = (
                f"{expected}" if receipt.sequence == expected + 1 else f"{expected} to {receipt.sequence - 1}"
            )
            self._find(Fault.MISSING, verified, f"number {gap}")
        elif receipt.previous != chain.last_sha256:
            self._find(
                Fault.FORKED, verified, f"number {receipt.sequence} does not continue the receipt before it"
            )

    def _check_dates(self, verified: VerifiedReceipt) -> None:
        receipt, chain = verified.receipt, self.chain
        if receipt.at_ms < chain.last_at_ms:
            self._find(
                Fault.BACKDATED, verified, f"number {receipt.sequence} is older than the receipt before it"
            )
        elif receipt.at_ms < self._own.agreed_ms - CLOCK_LEEWAY_MS:
            self._find(Fault.BACKDATED, verified, f"number {receipt.sequence} is older than the agreement")
        if receipt.at_ms > self._own.now_ms + CLOCK_LEEWAY_MS:
            self._find(Fault.POSTDATED, verified, f"number {receipt.sequence}")

    def _check_data(self, verified: VerifiedReceipt) -> None:
        receipt = verified.receipt
        handed = self._own.handed_over.get(receipt.transfer)
        if handed is None:
            self._find(Fault.INVENTED, verified, f"nothing was handed over in transfer {receipt.transfer}")
            return
        is_handed_over = self._is_handed_over(receipt)
        if not is_handed_over:
            self._find(
                Fault.INVENTED, verified, f"no data with the SHA-256 {receipt.data_sha256} was handed over"
            )
        if receipt.at_ms < handed.first_ms - CLOCK_LEEWAY_MS:
            self._find(
                Fault.BACKDATED,
                verified,
                f"number {receipt.sequence} is older than the hand-over of the data",
            )
        key = data_key(receipt)
        if not is_handed_over:
            pass
        elif receipt.kind is ReceiptKind.RECEIVED:
            if key in self.chain.held or key in self.chain.deleted:
                self._find(Fault.REPEATED, verified, "the same data is reported as received twice")
        elif key not in self.chain.held and key not in self.chain.deleted:
            self._find(Fault.MISSING, verified, "no receipt says that this data was received")
        if receipt.kind is ReceiptKind.USED:
            self._check_use(verified, key)

    def _is_handed_over(self, receipt: Receipt) -> bool:
        handed = self._own.handed_over.get(receipt.transfer)
        return handed is not None and (not handed.sha256s or receipt.data_sha256 in handed.sha256s)

    def _check_use(self, verified: VerifiedReceipt, key: str) -> None:
        receipt = verified.receipt
        if key in self.chain.deleted:
            self._find(Fault.USED_AFTER_DELETION, verified, f"number {receipt.sequence}")
        if receipt.use <= self.chain.uses_count:
            self._find(Fault.REPEATED, verified, f"use {receipt.use} was reported before")
        elif receipt.use > self.chain.uses_count + 1:
            self._find(Fault.MISSING, verified, f"use {self.chain.uses_count + 1} was not reported")
        why = self._judge(receipt)
        if why is not None:
            self._find(Fault.NOT_PERMITTED, verified, why)

    def _go_on(self, verified: VerifiedReceipt) -> None:
        receipt, chain = verified.receipt, self.chain
        key = data_key(receipt)
        held, deleted, used = chain.held, chain.deleted, chain.used
        if self._is_handed_over(receipt):
            # What was invented is not kept: else one consumer fills what is known of its chain with names of its own.
            match receipt.kind:
                case ReceiptKind.RECEIVED:
                    held = {**held, key: receipt.at_ms}
                case ReceiptKind.USED:
                    used = {**used, key: receipt.at_ms}
                case ReceiptKind.DELETED:
                    held = {name: at_ms for name, at_ms in held.items() if name != key}
                    used = {name: at_ms for name, at_ms in used.items() if name != key}
                    deleted = (*deleted, key)
        self.chain = Chain(
            last_sequence=receipt.sequence,
            last_sha256=verified.sha256,
            last_at_ms=max(receipt.at_ms, chain.last_at_ms),
            uses_count=max(receipt.use, chain.uses_count),
            held=held,
            deleted=deleted,
            used=used,
        )
        self.taken.append(verified)

    def close(self, head: Head, compact: str) -> None:
        own, chain = self._own, self.chain
        if (head.agreement, head.provider, head.consumer) != (own.agreement, own.provider, own.consumer):
            self._tell(Fault.WRONG_PARTIES, head.sequence, "the head of the chain", compact)
        elif abs(head.at_ms - own.now_ms) > 2 * CLOCK_LEEWAY_MS:
            fault = Fault.BACKDATED if head.at_ms < own.now_ms else Fault.POSTDATED
            self._tell(fault, head.sequence, "the head of the chain is not of this moment", compact)
        elif head.sequence > chain.last_sequence:
            self._tell(
                Fault.MISSING,
                head.sequence,
                f"the consumer says that there are {head.sequence}, and showed {chain.last_sequence}",
                compact,
            )
        elif head.sequence < chain.last_sequence:
            self._tell(
                Fault.FORKED,
                head.sequence,
                f"the chain ended at number {chain.last_sequence} before, and at {head.sequence} now",
                compact,
            )
        elif head.last != chain.last_sha256:
            self._tell(Fault.FORKED, head.sequence, "the last receipt is not the one that was shown", compact)

    def _find(self, fault: Fault, verified: VerifiedReceipt, detail: str) -> None:
        self._tell(fault, verified.receipt.sequence, detail, verified.compact)

    def _tell(self, fault: Fault, sequence: int, detail: str, evidence: str) -> None:
        self.findings.append(
            Finding(fault=fault, sequence=sequence, detail=detail, at_ms=self._own.now_ms, evidence=evidence)
        )


def unreported(chain: Chain, own: OwnSide, grace_ms: int) -> list[Finding]:
    """Data that was handed over whole longer than `grace_ms` ago and of which no receipt says that it was received."""
    told = {key.rpartition(" ")[0] for key in (*chain.held, *chain.deleted)}
    return [
        Finding(
            fault=Fault.MISSING,
            sequence=0,
            detail=f"nothing says that the data of transfer {transfer} was received",
            at_ms=own.now_ms,
        )
        for transfer, handed in own.handed_over.items()
        if handed.is_whole and transfer not in told and handed.last_ms + grace_ms <= own.now_ms
    ]
