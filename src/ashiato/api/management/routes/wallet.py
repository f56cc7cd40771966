"""The credentials that a company holds, and its requests for more."""

from typing import Annotated

from fastapi import Path, Query, Request, Response

from ashiato.api.management.calls import Call, CallOf
from ashiato.api.management.models import credentials as models
from ashiato.api.management.models.processes import WaitQuery
from ashiato.api.management.models.shared import ForeignId, Page, PageQuery, page_of
from ashiato.api.management.openapi import WITH_JSON_BODY, WITH_PARTNER, problems
from ashiato.api.management.routing import participant_router
from ashiato.api.management.waiting import wait_until, while_connected
from ashiato.connector import holding
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.problems import Invalid, NotFound
from ashiato.identity.wallet import CredentialRequest, OfferedCredential, RequestState

router = participant_router("credentials")

HeldId = Annotated[ForeignId, Path()]
RequestId = Annotated[ForeignId, Path()]
OfferId = Annotated[ForeignId, Path()]
OPEN = (RequestState.REQUESTED, RequestState.RECEIVED)


@router.get("/wallet/credentials", summary="List the credentials that this company holds")
async def list_held(call: CallOf, wanted: Annotated[PageQuery, Query()]) -> Page[models.Held]:
    found = await call.read(lambda uow: uow.wallet.held.page(wanted.cursor, wanted.limit + 1))
    items = [models.Held.of(one) for one in found]
    return page_of(Page[models.Held], items, wanted.limit, lambda one: one.held_id)


@router.get("/wallet/credentials/{held_id}", summary="Show a credential that this company holds")
async def get_held(call: CallOf, held_id: HeldId) -> models.Held:
    record = await call.read(lambda uow: uow.wallet.held.get(held_id))
    if record is None:
        raise NotFound(f"There is no credential {held_id!r} in the wallet.", id=held_id)
    return models.Held.of(record)


@router.delete(
    "/wallet/credentials/{held_id}", status_code=204, summary="Remove a credential from the wallet"
)
async def delete_held(call: CallOf, held_id: HeldId) -> None:
    await call.run(lambda uow: holding.forget(uow, held_id, call.moment))


@router.post(
    "/wallet/issuers/query",
    summary="Ask an issuer what it issues",
    responses=problems(*WITH_JSON_BODY, *WITH_PARTNER),
)
async def query_issuer(call: CallOf, body: models.IssuerQuery) -> models.Supported:
    found = await call.around.partners.issues(body.issuer)
    return models.Supported(issuer=body.issuer, items=[models.Offered.of(one) for one in found])


@router.get("/wallet/requests", summary="List the requests for credentials")
async def list_asked(call: CallOf, wanted: Annotated[PageQuery, Query()]) -> Page[models.Asked]:
    found = await call.read(lambda uow: uow.wallet.asked.page(wanted.cursor, wanted.limit + 1))
    items = [models.Asked.of(one) for one in found]
    return page_of(Page[models.Asked], items, wanted.limit, lambda one: one.request_id)


@router.post(
    "/wallet/requests",
    status_code=202,
    summary="Ask an issuer for credentials",
    responses=problems(*WITH_JSON_BODY, *WITH_PARTNER, "wrong-state"),
)
async def ask(call: CallOf, body: models.CredentialOrder, response: Response) -> models.Asked:
    supported = await call.around.partners.issues(body.issuer)
    ids = [_id_of(named, supported) for named in body.credentials]
    asked = await call.run(
        lambda uow: holding.ask(uow, body.issuer, ids, call.moment, request_id=body.id, code=body.code or "")
    )
    response.headers["Location"] = call.location("wallet/requests", asked.request_id)
    return models.Asked.of(asked)


@router.get("/wallet/requests/{request_id}", summary="Show a request; with wait_s the answer waits for news")
async def get_asked(
    call: CallOf, request_id: RequestId, wanted: Annotated[WaitQuery, Query()], request: Request
) -> models.Asked:
    async def look() -> CredentialRequest:
        return await call.read(lambda uow: _asked(uow, request_id))

    first = await look()
    if wanted.wait_s == 0 or first.state not in OPEN:
        return models.Asked.of(first)
    news = wait_until(
        look,
        lambda found: found.state is not first.state,
        lambda found: [found.request_id],
        call.around.waiter,
        call.tenant.participant_id,
        wanted.wait_s,
    )
    return models.Asked.of(await while_connected(request, news, first))


@router.get("/wallet/offers", summary="List what issuers offer")
async def list_credential_offers(
    call: CallOf, wanted: Annotated[PageQuery, Query()]
) -> Page[models.OfferOfIssuer]:
    found = await call.read(lambda uow: uow.wallet.offers.page(wanted.cursor, wanted.limit + 1))
    items = [models.OfferOfIssuer.of(one) for one in found]
    return page_of(Page[models.OfferOfIssuer], items, wanted.limit, lambda one: one.offer_id)


@router.post("/wallet/offers/{offer_id}/accept", status_code=202, summary="Ask for what was offered")
async def accept_credential_offer(call: CallOf, offer_id: OfferId) -> models.Asked:
    return models.Asked.of(await call.run(lambda uow: holding.accept_offer(uow, offer_id, call.moment)))


@router.delete("/wallet/offers/{offer_id}", status_code=204, summary="Forget what was offered")
async def delete_credential_offer(call: CallOf, offer_id: OfferId) -> None:
    await _forget_offer(call, offer_id)


async def _forget_offer(call: Call, offer_id: str) -> None:
    if not await call.run(lambda uow: uow.wallet.offers.delete(offer_id)):
        raise NotFound(f"There is no offer {offer_id!r}.", id=offer_id)


def _id_of(named: str, supported: tuple[OfferedCredential, ...]) -> str:
    """The id of an entry of the issuer's metadata, by itself or by its credential type, of the newer profile first."""
    fitting = [one for one in supported if named in (one.id, one.credential_type)]
    if not fitting:
        raise Invalid(f"The issuer issues no {named!r}.", path="credentials")
    return max(fitting, key=lambda one: (one.id == named, one.profile.startswith("vc20"))).id


def _asked(uow: UnitOfWork, request_id: str) -> CredentialRequest:
    request = uow.wallet.asked.get(request_id)
    if request is None:
        raise NotFound(f"There is no request {request_id!r}.", id=request_id)
    return request
