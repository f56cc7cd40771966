"""Which issuers count for which credentials, and what is known of partners and why not more."""

from typing import Annotated

from fastapi import Path, Query

from ashiato.api.management.calls import CallOf
from ashiato.api.management.models.shared import Page, PageQuery, Partner, page_of
from ashiato.api.management.models.trusting import (
    JudgedCredentialShown,
    KnownPartner,
    KnownPartnerRow,
    ListedIssuer,
    RecognizedPublisher,
    TrustListShown,
    TrustShown,
)
from ashiato.api.management.routing import participant_router
from ashiato.clients.trust_lists import LoadedTrustList
from ashiato.connector.problems import NotFound

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
        problem=known.problem,
    )


@router.delete(
    "/partners/{partner}", status_code=204, summary="Forget what a partner presented; its next call is asked"
)
async def forget_partner(call: CallOf, partner: PartnerPath) -> None:
    await call.around.trust.forget(call.tenant, partner)


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
        read_ms=loaded.read_ms,
        problem=loaded.problem,
    )
