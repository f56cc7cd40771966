"""Declarations that were signed: taking one back, and the visit of an independent verifier on both of its sides."""

import json
from typing import Annotated

import msgspec
import rfc8785
from fastapi import Path, Query

from ashiato.api.management.calls import Call, CallOf
from ashiato.api.management.models.requests import DataRequest, shown
from ashiato.api.management.models.shared import JsonObject, OwnId, Page, PageQuery, page_of
from ashiato.api.management.models.visits import (
    DeclarationShown,
    LinesAsked,
    LinesChecked,
    LineShown,
    LinesToCheck,
    Sha256,
    StatementAttached,
    StatementBody,
    StatementMade,
    WithdrawalBody,
)
from ashiato.api.management.openapi import WITH_JSON_BODY, problems
from ashiato.api.management.routing import participant_router
from ashiato.apps.carbon import attestations, visits
from ashiato.apps.carbon.attestations import VerificationStatement, VerifiedDeclaration
from ashiato.apps.carbon.declarations import MalformedDeclaration, canonical
from ashiato.apps.carbon.opened_lines import OpenedLines, check_lines
from ashiato.connector import words
from ashiato.connector.problems import Invalid
from ashiato.connector.words import WORDS, OwnWord
from ashiato.identity.signed_tokens import CannotResolve
from ashiato.statements import signed_words
from ashiato.statements.signed_words import MalformedSignedWord
from ashiato.trust.did import DidDocument
from ashiato.trust.jws import TokenRefused

router = participant_router("carbon")

DeclarationSha256 = Annotated[Sha256, Path()]
RequestId = Annotated[OwnId, Path()]


@router.get("/declarations", summary="List the declarations that this connector signed for you")
async def list_declarations(call: CallOf, wanted: Annotated[PageQuery, Query()]) -> Page[DeclarationShown]:
    found = await call.read(lambda uow: uow.room(WORDS).page(wanted.cursor, wanted.limit + 1))
    return page_of(
        Page[DeclarationShown], [_shown(word) for word in found], wanted.limit, lambda one: one.sha256
    )


@router.post(
    "/declarations/{sha256}/withdraw",
    summary="Take a declaration back; customers that have it are told that it does not hold any more",
    responses=problems(*WITH_JSON_BODY, "wrong-state"),
)
async def withdraw_declaration(
    call: CallOf, sha256: DeclarationSha256, body: WithdrawalBody
) -> DeclarationShown:
    owner = call.tenant.participant_id
    word = await call.read(lambda uow: words.known_word(uow, sha256))
    withdrawal = visits.withdrawal_of(word, body.reason, call.moment.now_ms, owner)
    compact = await call.around.words.sign(owner, attestations.WITHDRAWAL_TYP, canonical(withdrawal))
    return _shown(await call.run(lambda uow: words.withdraw(uow, call.company, sha256, compact, call.moment)))


@router.post(
    "/declarations/{sha256}/statements",
    summary="Lay a verifier's statement beside a declaration of yours, for everybody who gets it",
    responses=problems(*WITH_JSON_BODY, "wrong-state"),
)
async def attach_statement(
    call: CallOf, sha256: DeclarationSha256, body: StatementAttached
) -> DeclarationShown:
    word = await call.read(lambda uow: words.known_word(uow, sha256))
    own = await _document(call, call.tenant.participant_id)
    try:
        speaker = attestations.speaker_of_statement(body.statement)
        declaration = attestations.verify_declaration(word.compact, own)
        attestations.verify_statement(body.statement, await _document(call, speaker), declaration)
    except MalformedDeclaration as error:
        raise Invalid(f"The statement is not taken: {error.problem}.", path="statement") from None
    except TokenRefused as error:
        raise Invalid(f"A signature does not hold: {error.sentence}", path="statement") from None
    attached = await call.run(
        lambda uow: words.attach(uow, call.company, sha256, body.statement, speaker, call.moment)
    )
    return _shown(attached)


@router.post(
    "/line-requests",
    status_code=201,
    summary="As a verifier, ask a company to open lines of the inventory behind its declaration",
    responses=problems(*WITH_JSON_BODY, "not-permitted"),
)
async def ask_for_lines(call: CallOf, body: LinesAsked) -> DataRequest:
    if body.address:
        call.check_address(body.address, "address")
    sample = visits.Sample(
        partner=body.partner,
        product=body.product,
        declaration_sha256=body.declaration_sha256,
        lines=tuple(body.lines),
        due_ms=body.due_ms,
        text=body.text,
        address=body.address or "",
    )
    request = await call.run(lambda uow: visits.ask_lines(uow, call.company, sample, call.moment))
    return DataRequest.of(request, **shown(request))


@router.post(
    "/line-requests/{own_id}/open",
    summary="Open the lines that a verifier asked for, to that verifier alone",
    responses=problems("wrong-state"),
)
async def open_lines(call: CallOf, own_id: RequestId) -> DataRequest:
    request = await call.run(lambda uow: visits.open_lines(uow, call.company, own_id, call.moment))
    return DataRequest.of(request, **shown(request))


@router.post(
    "/opened-lines",
    summary="Check a signed declaration that you received, and the lines that were opened of it",
    responses=problems(*WITH_JSON_BODY),
)
async def check_opened_lines(call: CallOf, body: LinesToCheck) -> LinesChecked:
    declaration, lines = await _checked(call, body)
    told = declaration.declaration
    return LinesChecked(
        issuer=told.issuer,
        product=told.product,
        declaration_id=told.id,
        declaration_sha256=declaration.sha256,
        total_kg=told.total_kg,
        lines_count=0 if told.inventory is None else told.inventory.lines_count,
        lines=[] if lines is None else [_line(one.index, one.line) for one in lines.openings],
    )


@router.post(
    "/statements",
    status_code=201,
    summary="As a verifier, check again and sign what you found; the declarer alone may fetch it",
    responses=problems(*WITH_JSON_BODY),
)
async def make_statement(call: CallOf, body: StatementBody) -> StatementMade:
    declaration, lines = await _checked(call, body)
    told, owner = declaration.declaration, call.tenant.participant_id
    if told.issuer == owner:
        raise Invalid("A verifier is somebody else than the issuer.", path="declaration")
    statement = VerificationStatement(
        verifier=owner,
        issuer=told.issuer,
        declaration_sha256=declaration.sha256,
        inventory_root="" if lines is None or told.inventory is None else told.inventory.root,
        opened_lines=() if lines is None else tuple(one.index for one in lines.openings),
        standard=body.standard,
        level=body.level,
        party=body.party,
        scope=body.scope,
        finding=body.finding,
        remarks=body.remarks,
        at_ms=call.moment.now_ms,
        valid_until_ms=body.valid_until_ms,
    )
    if statement.valid_until_ms and statement.valid_until_ms <= statement.at_ms:
        raise Invalid("The statement would be valid at no time.", path="valid_until_ms")
    compact = await call.around.words.sign(owner, attestations.VERIFICATION_TYP, canonical(statement))
    asset_id = await call.run(
        lambda uow: visits.keep_statement(uow, call.company, statement, compact, call.moment)
    )
    return StatementMade(
        asset_id=asset_id,
        declaration_sha256=declaration.sha256,
        lines=list(statement.opened_lines),
        statement=compact,
    )


async def _checked(call: Call, body: LinesToCheck) -> tuple[VerifiedDeclaration, OpenedLines | None]:
    """The declaration, signed by its issuer's present key, and the lines of it; raises `Invalid`."""
    try:
        word = signed_words.read(_bytes(body.declaration, "declaration"))
        issuer = attestations.speaker_of_declaration(word.word)
        declaration = attestations.verify_declaration(word.word, await _document(call, issuer))
        opened = None if body.opened is None else check_lines(_bytes(body.opened, "opened"), declaration)
    except (MalformedSignedWord, MalformedDeclaration) as error:
        raise Invalid(f"This does not hold: {error.problem}.") from None
    except TokenRefused as error:
        raise Invalid(f"The signature of the declaration does not hold: {error.sentence}") from None
    return declaration, opened


async def _document(call: Call, did: str) -> DidDocument:
    documents = call.around.node.documents
    if documents is None:
        raise Invalid("This connector reads no keys of others.")
    try:
        return await documents.resolve(did, call.moment.now_ms)
    except CannotResolve as error:
        raise Invalid(f"The DID document of {did!r} cannot be read now: {error}.") from None


def _bytes(document: JsonObject, path: str) -> bytes:
    try:
        return rfc8785.dumps(document)
    except rfc8785.CanonicalizationError as error:
        raise Invalid(f"The document has no canonical form: {error}.", path=path) from None


def _line(index: int, text: str) -> LineShown:
    # Lines of a foreign program may be no JSON; the proof is about their text.
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    return LineShown(index=index, line=found if isinstance(found, dict) else {"text": text})


def _shown(word: OwnWord) -> DeclarationShown:
    return DeclarationShown.of(
        msgspec.structs.replace(word, compact=""),
        id=word.subject_id,
        statements=len(word.statements),
        is_time_stamped=bool(word.time_stamp),
    )
