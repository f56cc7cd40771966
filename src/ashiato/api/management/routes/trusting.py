"""Which issuers count for which credentials, and what is known of partners and why not more."""

import hashlib
from collections.abc import Iterable
from typing import Annotated

from fastapi import Path, Query

from ashiato.api.management.calls import CallOf
from ashiato.api.management.models.shared import ForeignId, Page, PageQuery, Partner, page_of
from ashiato.api.management.models.trusting import (
    DescribedFact,
    JudgedCredentialShown,
    KnownPartner,
    KnownPartnerRow,
    ListedAuthority,
    ListedIssuer,
    OrganizationShown,
    RecognizedPublisher,
    SelfDescriptions,
    SelfDescriptionShown,
    TrustListShown,
    TrustShown,
)
from ashiato.api.management.openapi import problems
from ashiato.api.management.routing import participant_router
from ashiato.clients.trust_lists import LoadedTrustList
from ashiato.connector.problems import NotFound
from ashiato.statements.self_descriptions import VerifiedDescription, verify_answer, weigh
from ashiato.trust.did import parse_did_document
from ashiato.trust.standing import Standing

router = participant_router("trust")

PartnerPath = Annotated[Partner, Path()]


@router.get("/trust", summary="Show what is asked of others, and the trust lists in force")
async def show_trust(call: CallOf) -> TrustShown:
    desk = call.around.trust
    return TrustShown(
        mode=desk.mode,
        scopes=list(desk.scopes),
        required_credentials=list(desk.required),
        lists=[_list(loaded) for loaded in desk.lists(call.tenant)],
    )


@router.get("/partners", summary="List the partners whose credentials are remembered")
async def list_partners(call: CallOf, wanted: Annotated[PageQuery, Query()]) -> Page[KnownPartnerRow]:
    found = await call.read(lambda uow: uow.standings.page(wanted.cursor, wanted.limit + 1))
    rows = [KnownPartnerRow(partner=one.peer_id, asked_ms=one.fetched_ms) for one in found]
    return page_of(Page[KnownPartnerRow], rows, wanted.limit, lambda row: row.partner)


@router.get(
    "/partners/{partner}", summary="Show what is verified of a partner, and which credentials do not count"
)
async def get_partner(call: CallOf, partner: PartnerPath) -> KnownPartner:
    known = await call.around.trust.partner(call.tenant, partner, call.moment.now_ms)
    if known is None:
        raise NotFound(f"Nothing is known of {partner} beside its DID.", partner=partner)
    standing = await call.standing(partner)
    organization = known.judgement.organization
    return KnownPartner(
        partner=partner,
        asked_ms=known.fetched_ms,
        fresh_until_ms=standing.fresh_until_ms,
        claims={name: sorted(values) for name, values in sorted(standing.claims.items())},
        credentials=[
            JudgedCredentialShown(
                types=list(one.types),
                issuer=one.issuer,
                counts=one.counts,
                why=one.why,
                until_ms=one.until_ms,
            )
            for one in known.judgement.credentials
        ],
        organization=None if organization is None else OrganizationShown.of(organization),
        problem=known.problem,
    )


@router.get(
    "/self-description",
    summary="Show what this participant says of itself to everybody",
    responses=problems("signer-unavailable"),
)
async def get_self_description(call: CallOf) -> SelfDescriptions:
    own_id = call.tenant.participant_id
    signed = await call.around.trust.self_description(call.tenant, call.moment)
    document = parse_did_document(call.tenant.did_document, own_id)
    found = verify_answer(list(signed), document, call.moment.now_ms)
    # What others find verified is for them to say.
    return _described(own_id, found, Standing(own_id))


@router.get(
    "/partners/{partner}/self-description",
    summary="Fetch and verify what a partner says of itself, or of an asset",
    responses=problems("partner-unavailable"),
)
async def get_self_description_of_partner(
    call: CallOf, partner: PartnerPath, asset_id: Annotated[ForeignId | None, Query()] = None
) -> SelfDescriptions:
    found = await call.around.partners.describe(call.tenant, partner, asset_id)
    return _described(partner, found, await call.standing(partner))


@router.delete(
    "/partners/{partner}", status_code=204, summary="Forget what a partner presented; its next call is asked"
)
async def forget_partner(call: CallOf, partner: PartnerPath) -> None:
    await call.around.trust.forget(call.tenant, partner, call.moment.now_ms)


def _described(
    participant_id: str, found: Iterable[VerifiedDescription], standing: Standing
) -> SelfDescriptions:
    return SelfDescriptions(
        participant=participant_id,
        descriptions=[
            SelfDescriptionShown(
                kind=verified.description.kind.value,
                id=verified.description.id,
                issued_ms=verified.description.issued_ms,
                expires_ms=verified.description.expires_ms,
                facts=[
                    DescribedFact(
                        name=fact.name,
                        value=fact.value,
                        weight=fact.weight.value,
                        credential_id=fact.credential_id,
                        issuer=fact.issuer,
                    )
                    for fact in weigh(verified, standing)
                ],
            )
            for verified in found
        ],
    )


def _list(loaded: LoadedTrustList) -> TrustListShown:
    content = None if loaded.trust_list is None else loaded.trust_list.content
    return TrustListShown(
        place=loaded.source.place,
        publisher=loaded.source.signer if content is None else content.publisher,
        foreign=loaded.source.is_foreign,
        in_force=content is not None,
        number=None if content is None else content.number,
        expires=None if content is None else content.expires,
        issuers=[
            ListedIssuer(
                issuer=entry.issuer,
                types=list(entry.types),
                constraints={name: list(values) for name, values in entry.constraints.items()},
            )
            for entry in (content.issuers if content else ())
        ],
        recognized=[
            RecognizedPublisher(publisher=entry.publisher, types=list(entry.types))
            for entry in (content.recognized if content else ())
        ],
        authorities=[
            ListedAuthority(
                name=entry.name,
                certificate_sha256=hashlib.sha256(entry.certificate).hexdigest(),
                valid_from=entry.valid_from,
                valid_until=entry.valid_until,
            )
            for entry in (content.authorities if content else ())
        ],
        read_ms=loaded.read_ms,
        problem=loaded.problem,
    )
