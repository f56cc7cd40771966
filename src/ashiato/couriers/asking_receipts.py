"""Asks consumers for their receipts, checks the signatures, and hands over what came to be examined."""

from collections.abc import Callable, Mapping
from urllib.parse import urlencode

import msgspec
import structlog

from ashiato.clients.egress import Egress, EgressRefused, EgressResponse, Unreachable
from ashiato.connector import receipts
from ashiato.connector.node import Node, Tenant
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.records import AgreementState
from ashiato.connector.vault_records import ReceiptWatch
from ashiato.couriers.delivering import Outcome, Verdict
from ashiato.facts.strict_json import MalformedJson, parse_strict
from ashiato.identity.signed_tokens import CannotResolve, Documents
from ashiato.outbox.deliveries import Delivery
from ashiato.statements.examination import Fault, Finding
from ashiato.statements.receipts import (
    MalformedReceipt,
    VerifiedHead,
    VerifiedReceipt,
    verify_head,
    verify_receipt,
)
from ashiato.trust.did import DidDocument
from ashiato.trust.jws import TokenRefused

RECEIPT_SERVICE = "UsageReceipts"
MOST_ANSWER_BYTES = 4 * 1_048_576
# Of one question; the next goes on behind the last receipt that was shown.
MOST_QUESTION_BYTES = 16 * 1_048_576
MOST_PAGES_COUNT = 100
MOST_SHOWN_COUNT = receipts.PAGE_COUNT
MOST_EVIDENCE_CHARS = 4096

log = structlog.get_logger()


class Answer(msgspec.Struct, frozen=True):
    """One page: what a consumer signed, what it only claims to have signed, and the head on the last page."""

    shown: tuple[VerifiedReceipt, ...]
    unreadable: tuple[Finding, ...]
    head: VerifiedHead | None
    more: bool
    size_bytes: int


class _Unanswered(Exception):
    """No receipts came; `is_offered` is False where the partner keeps none."""

    def __init__(self, why: str, *, is_offered: bool | None = None) -> None:
        super().__init__(why)
        self.is_offered = is_offered


class ReceiptCourier:
    """The handler of RECEIPTS deliveries."""

    def __init__(self, node: Node, egress: Egress, documents: Documents) -> None:
        self._node = node
        self._egress = egress
        self._documents = documents

    async def deliver(self, delivery: Delivery) -> Outcome:
        """Ask page by page until the consumer says that there is no more, or until one question brought as much as it may."""
        owner, agreement_id = delivery.participant_id, delivery.body.decode()
        tenant = self._node.tenants.by_id(owner)
        if tenant is None:
            return Outcome(verdict=Verdict.AGAIN, why="the participant is not served by this node")
        found = await self._node.store.read(owner, lambda uow: receipts.watched(uow, agreement_id))
        if found is None:
            return Outcome(verdict=Verdict.DONE)
        agreement, watch = found
        try:
            return await self._ask(tenant, watch, is_ended=agreement.state is not AgreementState.ACTIVE)
        except _Unanswered as error:
            return await self._unanswered(tenant, agreement_id, error)

    async def _ask(self, tenant: Tenant, watch: ReceiptWatch, *, is_ended: bool) -> Outcome:
        # The last receipt is asked for again: one that was changed since must show.
        after_sequence = max(watch.chain.last_sequence - 1, 0)
        left_bytes = MOST_QUESTION_BYTES
        for _ in range(MOST_PAGES_COUNT):
            answer = await self._page(tenant, watch, after_sequence, is_ended=is_ended)
            left_bytes -= answer.size_bytes
            take = self._taking(tenant, watch.agreement_id, answer)
            if not answer.more:
                # The next question is written with the last page, in the transaction that forgets this one.
                return Outcome(verdict=Verdict.DONE, record=take)
            await self._node.store.run(tenant.participant_id, take)
            highest = max((verified.receipt.sequence for verified in answer.shown), default=0)
            if highest <= after_sequence:
                raise _Unanswered("the pages of its receipts do not end")
            after_sequence = highest
            if left_bytes < MOST_ANSWER_BYTES:
                break
        moment = self._node.moment()
        return Outcome(
            verdict=Verdict.DONE,
            record=lambda uow: receipts.put_off(uow, tenant.company, watch.agreement_id, moment),
        )

    def _taking(self, tenant: Tenant, agreement_id: str, answer: Answer) -> Callable[[UnitOfWork], None]:
        moment = self._node.moment()

        def take(uow: UnitOfWork) -> None:
            receipts.take(
                uow, tenant.company, agreement_id, answer.shown, answer.unreadable, answer.head, moment
            )

        return take

    async def _unanswered(self, tenant: Tenant, agreement_id: str, error: _Unanswered) -> Outcome:
        moment, why = self._node.moment(), str(error)

        def note(uow: UnitOfWork) -> None:
            receipts.unanswered(uow, tenant.company, agreement_id, why, moment, is_offered=error.is_offered)

        await self._node.store.run(tenant.participant_id, note)
        if error.is_offered is False:
            return Outcome(verdict=Verdict.DONE)
        return Outcome(
            verdict=Verdict.AGAIN,
            why=why,
            record=lambda uow: receipts.given_up(uow, agreement_id, moment),
        )

    async def _page(
        self, tenant: Tenant, watch: ReceiptWatch, after_sequence: int, *, is_ended: bool
    ) -> Answer:
        moment = self._node.moment()
        document = await self._document_of(watch.peer_id)
        service = document.service(RECEIPT_SERVICE)
        if service is None:
            raise _Unanswered(f"its DID document names no service {RECEIPT_SERVICE}", is_offered=False)
        token = await self._node.identity.token_for(
            tenant.participant_id, watch.peer_id, moment.now_ms, moment.fresh_id()
        )
        wanted = {"agreement": watch.agreement_id, "after": f"{after_sequence}"}
        query = urlencode(wanted | ({"ended": "true"} if is_ended else {}))
        try:
            response = await self._egress.request(
                "GET",
                f"{service.endpoint}?{query}",
                headers={"Authorization": token},
                max_response_bytes=MOST_ANSWER_BYTES,
            )
        except (Unreachable, EgressRefused) as error:
            raise _Unanswered(str(error)) from error
        return _answer(response, document, moment.now_ms)

    async def _document_of(self, peer_id: str) -> DidDocument:
        now_ms = self._node.moment().now_ms
        try:
            return await self._documents.resolve(peer_id, now_ms)
        except CannotResolve as error:
            raise _Unanswered(error.why) from error


def _members(response: EgressResponse) -> Mapping[str, object]:
    if response.status != 200:
        text = response.body[:200].decode("utf-8", "replace")
        raise _Unanswered(f"it answered {response.status}: {text}")
    try:
        members = parse_strict(response.body, max_bytes=MOST_ANSWER_BYTES)
    except MalformedJson as error:
        raise _Unanswered(f"its answer is not JSON: {error.problem[:200]}") from error
    if not isinstance(members, dict):
        raise _Unanswered("its answer is no JSON object")
    return members


def _answer(response: EgressResponse, document: DidDocument, now_ms: int) -> Answer:
    members = _members(response)
    listed, head, more = members.get("receipts"), members.get("head"), members.get("more")
    if not isinstance(listed, list) or len(listed) > MOST_SHOWN_COUNT or not isinstance(more, bool):
        raise _Unanswered("its answer holds no list of receipts")
    shown: list[VerifiedReceipt] = []
    unreadable: list[Finding] = []
    for compact in listed:
        verified = _checked(compact, document, now_ms)
        if isinstance(verified, Finding):
            unreadable.append(verified)
        else:
            shown.append(verified)
    verified_head: VerifiedHead | None = None
    if not more:
        if not isinstance(head, str):
            raise _Unanswered("its answer has no head")
        try:
            verified_head = verify_head(head, document)
        except (TokenRefused, MalformedReceipt) as error:
            raise _Unanswered(f"the head of its receipts does not hold: {error}") from error
    return Answer(tuple(shown), tuple(unreadable), verified_head, more, len(response.body))


def _checked(compact: object, document: DidDocument, now_ms: int) -> VerifiedReceipt | Finding:
    try:
        return verify_receipt(compact if isinstance(compact, str) else "", document)
    except MalformedReceipt as error:
        fault, detail = Fault.MALFORMED, error.problem
    except TokenRefused as error:
        is_form = error.why_code in ("too_large", "not_compact", "not_canonical", "not_json", "wrong_typ")
        fault, detail = Fault.MALFORMED if is_form else Fault.WRONG_SIGNATURE, error.sentence
    return Finding(
        fault=fault,
        sequence=0,
        detail=detail[:300],
        at_ms=now_ms,
        evidence=str(compact)[:MOST_EVIDENCE_CHARS],
    )
