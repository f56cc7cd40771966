"""The bill: what both sides say, what a company owes and is owed, and how the operator keeps and closes it."""

from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Annotated, Literal, TypeVar

import msgspec
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from ashiato.api.hub.calls import HubCall, OperatorCallOf, PartyCallOf
from ashiato.api.hub.models import billing as models
from ashiato.api.hub.models.parties import PartyId
from ashiato.api.hub.routing import operator_router, party_router
from ashiato.api.management.models.shared import JsonObject, Page, PageQuery, page_of
from ashiato.api.management.openapi import WITH_JSON_BODY, Responses, problems, raw_answer
from ashiato.facts.problems import NotFound, WrongState
from ashiato.hub.billing import keeping, metering, month_end
from ashiato.hub.billing.closing import Charge, NobodyPays, Rules
from ashiato.hub.billing.documents import Document, NoParty, Payment, payment_status
from ashiato.hub.billing.jp_pint import NotInJpPint, jp_pint_of
from ashiato.hub.billing.money import Rounding
from ashiato.hub.billing.months import MalformedMonth, Month, day_of, parse_month, start_of_ms
from ashiato.hub.billing.parties import Party
from ashiato.hub.billing.ports import BILLING, Billing, Counted
from ashiato.hub.billing.printing import csv_of
from ashiato.hub.billing.printing import page_of as printed
from ashiato.hub.billing.schemes import CostScheme
from ashiato.hub.billing.tariffs import Tariff
from ashiato.hub.ports import UnitOfWork

own: APIRouter = party_router("billing")
router: APIRouter = operator_router("billing")

DocumentId = Annotated[models.Hash, Path(description="The digest of the document.")]
RuleId = Annotated[models.Text, Path()]
Form = Literal["csv", "pdf", "jp-pint"]
T = TypeVar("T")
ENDINGS: dict[Form, str] = {"csv": "csv", "pdf": "pdf", "jp-pint": "xml"}
_ANSWER: Responses = {200: raw_answer("The document.", "text/csv", "application/pdf", "application/xml")}


class UsageQuery(PageQuery):
    """Which usage is wanted."""

    state: Literal["awaited", "confirmed", "disputed", "withdrawn"] = "disputed"


class DocumentQuery(PageQuery):
    """Which documents are wanted."""

    month: models.MonthText | None = None


class FormQuery(BaseModel):
    """In which language."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    language: Literal["ja", "en"] = "ja"


@own.post(
    "/billing/usage",
    summary="Say what one delivered, received or used",
    responses=problems("not-permitted", *WITH_JSON_BODY),
)
async def post_usage(call: PartyCallOf, told: models.Statements) -> models.StatementsTaken:
    statements = [each.statement() for each in told.statements]
    answers = await call.run(
        lambda uow: metering.submit(uow, call.party.party_id, statements, call.moment.now_ms)
    )
    return models.StatementsTaken(
        taken=[models.StatementTaken(usage=usage, verdict=verdict.value) for usage, verdict in answers]
    )


@own.get("/billing/usage", summary="One's usage in a state, with the words of both sides")
async def list_own_usage(call: PartyCallOf, query: Annotated[UsageQuery, Query()]) -> Page[models.UsageShown]:
    return await _usage(call, query, call.party.party_id)


@own.post(
    "/billing/usage/{usage}/withdrawal",
    summary="Take a confirmed usage back; it counts no more when both do",
    responses=problems("wrong-state"),
)
async def withdraw_usage(call: PartyCallOf, usage: Annotated[models.Hash, Path()]) -> models.UsageShown:
    after = await call.run(lambda uow: metering.take_back(uow, call.party.party_id, usage))
    return models.UsageShown.shown(after)


@own.get("/billing/documents", summary="The documents that one issued or receives")
async def list_own_documents(
    call: PartyCallOf, query: Annotated[DocumentQuery, Query()]
) -> Page[models.DocumentShown]:
    return await _documents(call, query, call.party.party_id)


@own.get("/billing/documents/{document}", summary="One of them with its lines and payments")
async def get_own_document(call: PartyCallOf, document: DocumentId) -> models.WholeDocument:
    return await _whole(call, document, call.party.party_id)


@own.get(
    "/billing/documents/{document}/{form}",
    summary="One of them as table, page or JP PINT",
    response_class=Response,
    responses={**_ANSWER, **problems("wrong-state")},
)
async def print_own_document(
    call: PartyCallOf, document: DocumentId, form: Form, query: Annotated[FormQuery, Query()]
) -> Response:
    return await _printed(call, document, call.party.party_id, form, query.language)


@own.get("/billing/board/{month}", summary="Who shared how much in a closed month, of those who consented")
async def get_board(call: PartyCallOf, month: models.MonthText) -> models.Board:
    return models.Board.shown(month, (await _counted(call, _month(month))).board)


@router.get("/billing/rules", summary="Parties, tariffs, cost schemes and charges as they are entered")
async def get_rules(call: OperatorCallOf) -> models.RulesShown:
    def read(uow: UnitOfWork) -> models.RulesShown:
        billing = uow.room(BILLING)
        return models.RulesShown(
            parties=[_json(each) for each in billing.parties()],
            tariffs=[_json(each) for each in billing.tariffs()],
            schemes=[_json(each) for each in billing.schemes()],
            charges=[_json(each) for each in billing.charges()],
        )

    return await call.read(read)


@router.put(
    "/billing/parties/{party}",
    summary="Enter how a party stands on documents",
    responses=problems(*WITH_JSON_BODY),
)
async def put_party(
    call: OperatorCallOf, party: Annotated[PartyId, Path()], told: models.PartyTold
) -> JsonObject:
    return await _kept(call, keeping.keep_party, told.record(Party, party_id=party))


@router.put(
    "/billing/tariffs/{tariff}",
    summary="Enter a tariff, or the day on which it ends",
    responses=problems("wrong-state", *WITH_JSON_BODY),
)
async def put_tariff(call: OperatorCallOf, tariff: RuleId, told: models.TariffTold) -> JsonObject:
    return await _kept(call, keeping.keep_tariff, told.record(Tariff, tariff_id=tariff))


@router.put(
    "/billing/schemes/{scheme}",
    summary="Enter a cost scheme",
    responses=problems("wrong-state", *WITH_JSON_BODY),
)
async def put_scheme(call: OperatorCallOf, scheme: RuleId, told: models.SchemeTold) -> JsonObject:
    return await _kept(call, keeping.keep_scheme, told.record(CostScheme, scheme_id=scheme))


@router.put(
    "/billing/charges/{charge}",
    summary="Enter a charge or a reduction",
    responses=problems("wrong-state", *WITH_JSON_BODY),
)
async def put_charge(call: OperatorCallOf, charge: RuleId, told: models.ChargeTold) -> JsonObject:
    return await _kept(call, keeping.keep_charge, told.record(Charge, charge_id=charge))


@router.post(
    "/billing/months/{month}/closing",
    summary="Close a month, or prove that it comes to the same",
    responses=problems("wrong-state"),
)
async def close_month(call: OperatorCallOf, month: models.MonthText) -> models.ClosedMonth:
    rules_of = partial(_rules, call.hub.hub_id)
    try:
        counted = await month_end.close_month(call.hub.store, _month(month), rules_of, call.moment.now_ms)
    except (NoParty, NobodyPays, month_end.DifferentResult) as error:
        raise WrongState(f"{error}.", month=month) from None
    return models.ClosedMonth.shown(counted)


@router.get("/billing/months/{month}", summary="How a month came out")
async def get_month(call: OperatorCallOf, month: models.MonthText) -> models.ClosedMonth:
    return models.ClosedMonth.shown(await _counted(call, _month(month)))


@router.get("/billing/usage", summary="Usage in a state, such as disputes, with the words of both sides")
async def list_usage(call: OperatorCallOf, query: Annotated[UsageQuery, Query()]) -> Page[models.UsageShown]:
    return await _usage(call, query, "")


@router.get("/billing/documents", summary="The documents that were issued")
async def list_documents(
    call: OperatorCallOf, query: Annotated[DocumentQuery, Query()]
) -> Page[models.DocumentShown]:
    return await _documents(call, query, "")


@router.get("/billing/documents/{document}", summary="A document with its lines and payments")
async def get_document(call: OperatorCallOf, document: DocumentId) -> models.WholeDocument:
    return await _whole(call, document, "")


@router.get(
    "/billing/documents/{document}/{form}",
    summary="A document as table, page or JP PINT",
    response_class=Response,
    responses={**_ANSWER, **problems("wrong-state")},
)
async def print_document(
    call: OperatorCallOf, document: DocumentId, form: Form, query: Annotated[FormQuery, Query()]
) -> Response:
    return await _printed(call, document, "", form, query.language)


@router.post(
    "/billing/documents/{document}/payments",
    summary="Say that a document was paid, or a part of it",
    responses=problems("wrong-state", *WITH_JSON_BODY),
)
async def post_payment(
    call: OperatorCallOf, document: DocumentId, told: models.PaymentTold
) -> models.WholeDocument:
    def keep(uow: UnitOfWork) -> None:
        found = keeping.document_of(uow.room(BILLING), document, "")
        payment = told.record(Payment, issuer=found.draft.issuer.party_id, number=found.number)
        keeping.keep_payment(uow, document, payment)

    await call.run(keep)
    return await _whole(call, document, "")


def _rules(operator: str, billing: Billing) -> Rules:
    return month_end.rules_now(billing, operator, Rounding.DOWN, Rounding.DOWN)


def _month(text: str) -> Month:
    try:
        return parse_month(text)
    except MalformedMonth as error:
        raise NotFound(f"{error}.", month=text) from None


def _json(record: object) -> JsonObject:
    shown: JsonObject = msgspec.json.decode(msgspec.json.encode(record))
    return shown


async def _kept(call: HubCall, keep: Callable[[UnitOfWork, T], None], record: T) -> JsonObject:
    await call.run(lambda uow: keep(uow, record))
    return _json(record)


async def _counted(call: HubCall, month: Month) -> Counted:
    counted = await call.read(lambda uow: uow.room(BILLING).counted(month))
    if counted is None:
        raise NotFound(f"{month} is not closed.", month=str(month))
    return counted


async def _usage(call: HubCall, query: UsageQuery, party_id: str) -> Page[models.UsageShown]:
    found = await call.read(
        lambda uow: uow.room(BILLING).usages(
            query.cursor, query.limit + 1, state=query.state, party_id=party_id
        )
    )
    shown = [models.UsageShown.shown(each) for each in found]
    return page_of(Page[models.UsageShown], shown, query.limit, lambda each: each.usage)


async def _documents(call: HubCall, query: DocumentQuery, party_id: str) -> Page[models.DocumentShown]:
    found = await call.read(
        lambda uow: uow.room(BILLING).documents(
            query.cursor, query.limit + 1, party_id=party_id, month=query.month or ""
        )
    )
    shown = [_shown(each) for each in found]
    return page_of(Page[models.DocumentShown], shown, query.limit, lambda each: each.document)


async def _whole(call: HubCall, digest: str, party_id: str) -> models.WholeDocument:
    def read(uow: UnitOfWork) -> tuple[Document, list[Payment]]:
        billing = uow.room(BILLING)
        return keeping.document_of(billing, digest, party_id), billing.payments(digest)

    document, payments = await call.read(read)
    return models.WholeDocument(
        document=_shown(document),
        content=_json(document.draft),
        payments=[_json(each) for each in payments],
        payment_status=payment_status(document, payments, _today(call)).value,
    )


async def _printed(
    call: HubCall, digest: str, party_id: str, form: Form, language: Literal["ja", "en"]
) -> Response:
    document = await call.read(lambda uow: keeping.document_of(uow.room(BILLING), digest, party_id))
    name = f'attachment; filename="{document.number}.{ENDINGS[form]}"'
    headers = {"Content-Disposition": name}
    if form == "csv":
        # With a mark, by which spreadsheets know UTF-8.
        table = csv_of(document, language).encode("utf-8-sig")
        return Response(table, headers=headers, media_type="text/csv; charset=utf-8")
    if form == "jp-pint":
        try:
            return Response(jp_pint_of(document), headers=headers, media_type="application/xml")
        except NotInJpPint as error:
            raise WrongState(f"{error}.", document=digest) from None
    return Response(await _pdf(document, language), headers=headers, media_type="application/pdf")


async def _pdf(document: Document, language: Literal["ja", "en"]) -> bytes:
    """Set in a thread of its own: the first page loads typesetter and font."""
    from ashiato.clients.typesetting.pages import UnprintablePage, pdf_of

    try:
        at_s = start_of_ms(document.issued_on) // 1000
        return await run_in_threadpool(pdf_of, printed(document, language), at_s)
    except UnprintablePage as error:
        raise WrongState(f"{error}.", document=document.digest) from None


def _today(call: HubCall) -> date:
    return day_of(call.moment.now_ms)


def _shown(document: Document) -> models.DocumentShown:
    draft = document.draft
    return models.DocumentShown(
        document=document.digest,
        number=document.number,
        kind=draft.kind.value,
        month=draft.month,
        issuer=draft.issuer.party_id,
        recipient=document.recipient_id,
        issued_on=document.issued_on.isoformat(),
        due_on=document.due_on.isoformat(),
        is_qualified=draft.is_qualified,
        net_yen=draft.net_yen,
        tax_yen=draft.tax_yen,
        gross_yen=draft.gross_yen,
    )
