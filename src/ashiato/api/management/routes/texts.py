"""Contract templates, and the texts that are filled from them, offered under, fetched and read."""

from typing import Annotated, Any

import msgspec
from fastapi import Path, Query, Response
from fastapi.concurrency import run_in_threadpool

from ashiato.api.management import contract_pages
from ashiato.api.management.calls import CallOf
from ashiato.api.management.models.contracts import Sha256
from ashiato.api.management.models.shared import Page, Partner, page_of
from ashiato.api.management.models.texts import (
    Name,
    PageOfText,
    Template,
    TemplateListed,
    Text,
    TextFilling,
    TextListed,
    TextQuery,
)
from ashiato.api.management.openapi import WITH_JSON_BODY, problems, raw_answer
from ashiato.api.management.routing import participant_router
from ashiato.connector import contract_texts, offers
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.problems import Invalid, NotFound
from ashiato.connector.records import AgreementRecord, KeptText, PolicyDefinition
from ashiato.law.contract_templates import ContractTemplate, UnknownTemplate, template, template_names
from ashiato.statements.contract_texts import (
    ClauseChange,
    ContractText,
    WrongFilling,
    differences,
    fill,
    read_text,
    rules_of,
)

router = participant_router("contracts")

TextPath = Annotated[Sha256, Path()]


@router.get("/contract-templates", summary="List the contract templates")
async def list_contract_templates(call: CallOf) -> Page[TemplateListed]:
    del call
    shown = [TemplateListed.of(found, name=found.name) for found in map(template, template_names())]
    return Page[TemplateListed](items=shown, next_cursor=None)


@router.get("/contract-templates/{template_name}", summary="Show a contract template with its clauses")
async def get_contract_template(call: CallOf, template_name: Annotated[Name, Path()]) -> Template:
    del call
    found = _template(template_name)
    return Template.of(found, name=found.name)


@router.post(
    "/contract-texts",
    status_code=201,
    summary="Fill a template; the machine-readable part may become a policy at once",
    responses=problems(*WITH_JSON_BODY),
)
async def fill_contract_text(call: CallOf, body: TextFilling) -> Text:
    found = _template(body.template)
    changes = {
        key: None if change is None else msgspec.convert(change.model_dump(), ClauseChange)
        for key, change in body.changes.items()
    }
    try:
        text = fill(found, body.values, changes)
    except WrongFilling as error:
        raise Invalid(f"The template cannot be filled: {error}.", path=error.member) from None
    offers.checked_policy(rules_of(text))

    def work(uow: UnitOfWork) -> KeptText:
        kept = contract_texts.keep(uow, call.company, text, call.moment)
        if body.policy_id is not None:
            offers.put_policy(
                uow, PolicyDefinition(policy_id=body.policy_id, document=rules_of(text)), call.moment
            )
        return kept

    return _shown(await call.run(work), text)


@router.get("/contract-texts", summary="List the contract texts that are here")
async def list_contract_texts(call: CallOf, wanted: Annotated[TextQuery, Query()]) -> Page[TextListed]:
    found = await call.read(lambda uow: uow.contracts.list_texts(wanted.cursor, wanted.limit + 1))
    shown = [TextListed(**_listed(kept, read_text(kept.canonical.encode()))) for kept in found]
    return page_of(Page[TextListed], shown, wanted.limit, lambda text: text.text_sha256)


@router.get(
    "/contract-texts/{text_sha256}", summary="Show a contract text and where it differs from its template"
)
async def get_contract_text(call: CallOf, text_sha256: TextPath) -> Text:
    kept, text = await call.read(lambda uow: contract_texts.text_of(uow, text_sha256))
    return _shown(kept, text)


@router.post(
    "/partners/{partner}/contract-texts/{text_sha256}",
    summary="Fetch the contract text that an offer of a partner names, and keep it",
    responses=problems("partner-unavailable"),
)
async def fetch_contract_text(
    call: CallOf, partner: Annotated[Partner, Path()], text_sha256: TextPath
) -> Text:
    known = await call.read(lambda uow: uow.contracts.text(text_sha256))
    if known is not None:
        return _shown(known, read_text(known.canonical.encode()))
    data = await call.around.partners.contract_text(call.tenant, partner, text_sha256)
    text = contract_texts.received(text_sha256, data)
    kept = await call.run(
        lambda uow: contract_texts.keep(uow, call.company, text, call.moment, peer_id=partner)
    )
    return _shown(kept, text)


@router.get(
    "/contract-texts/{text_sha256}/page",
    summary="A contract as one page to read and print, of an agreement with parties and signatures",
    response_class=Response,
    responses={200: raw_answer("The page.", "text/html", "application/pdf")},
)
async def get_contract_page(
    call: CallOf, text_sha256: TextPath, wanted: Annotated[PageOfText, Query()]
) -> Response:
    def look(uow: UnitOfWork) -> tuple[ContractText, AgreementRecord | None]:
        if wanted.agreement_id is None:
            return contract_texts.text_of(uow, text_sha256)[1], None
        agreement = uow.contracts.agreement(wanted.agreement_id)
        if agreement is None:
            raise NotFound(f"There is no agreement {wanted.agreement_id!r}.", id=wanted.agreement_id)
        text = contract_texts.text_of_agreement(uow, agreement)
        if text.sha256 != text_sha256:
            raise Invalid(f"The agreement names another contract text: {text.sha256}.", path="agreement_id")
        return text, agreement

    text, agreement = await call.read(look)
    is_said = agreement is None or contract_texts.is_said_by(text, agreement.document)
    page = contract_pages.page_of(
        text, wanted.language, agreement, is_said=is_said, owner_id=call.company.participant_id
    )
    if wanted.format == "html":
        headers = {"Content-Security-Policy": contract_pages.POLICY}
        return Response(contract_pages.html_of(page), media_type="text/html", headers=headers)
    at_ms = call.moment.now_ms if agreement is None else agreement.agreed_ms
    return Response(await _on_paper(page, at_ms), media_type="application/pdf")


async def _on_paper(page: contract_pages.ContractPage, at_ms: int) -> bytes:
    # Loaded with the first page that is printed.
    from ashiato.clients.typesetting.pages import UnprintablePage, pdf_of

    try:
        return await run_in_threadpool(pdf_of, msgspec.to_builtins(page), at_ms // 1000, contract_pages.PAPER)
    except UnprintablePage as error:
        raise Invalid(f"The contract cannot be printed: {error.problem}.", path="format") from None


def _template(name: str) -> ContractTemplate:
    try:
        return template(name)
    except UnknownTemplate as error:
        raise NotFound(f"{str(error).capitalize()}.", id=name) from None


def _listed(kept: KeptText, text: ContractText) -> dict[str, Any]:
    return {
        "text_sha256": kept.text_sha256,
        "template": text.template,
        "title": msgspec.to_builtins(text.title),
        "partner": kept.peer_id,
        "created_ms": kept.created_ms,
    }


def _shown(kept: KeptText, text: ContractText) -> Text:
    is_known = text.template in template_names() and template(text.template).sha256 == text.template_sha256
    try:
        found = differences(text, template(text.template)) if is_known else ()
    except WrongFilling:
        # A partner put values in that the template does not take: then it is not this template's text.
        is_known, found = False, ()
    members = msgspec.to_builtins(text)
    return Text.model_validate(
        {
            **_listed(kept, text),
            "values": members["values"],
            "clauses": members["clauses"],
            "rules": rules_of(text),
            "is_template_known": is_known,
            "differences": msgspec.to_builtins(found),
        },
        strict=False,
    )
