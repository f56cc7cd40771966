"""Assets, policies and offers of a participant."""

import hashlib
from typing import Annotated

from fastapi import Path, Query, Request, Response

from ashiato.api.management.bodies import check_media_type, read_body, strict_document
from ashiato.api.management.calls import CallOf
from ashiato.api.management.models.offering import (
    Asset,
    AssetBody,
    Offer,
    OfferBody,
    Policy,
    PolicyBody,
    RecordReceipt,
    access_of,
    access_shown,
)
from ashiato.api.management.models.shared import OwnId, Page, PageQuery, page_of
from ashiato.api.management.models.terms import terms_of
from ashiato.api.management.openapi import WITH_JSON_BODY, problems
from ashiato.api.management.routing import participant_router
from ashiato.connector import offers, records
from ashiato.connector.access import as_document
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.problems import Invalid, NotFound

MOST_RECORD_BYTES = 16 * 1_048_576

router = participant_router("offering")

AssetId = Annotated[OwnId, Path()]
PolicyId = Annotated[OwnId, Path()]
OfferId = Annotated[OwnId, Path()]
Wanted = Annotated[PageQuery, Query()]


@router.get("/assets", summary="List the assets")
async def list_assets(call: CallOf, wanted: Wanted) -> Page[Asset]:
    found = await call.read(lambda uow: uow.assets.list_assets(wanted.cursor, wanted.limit + 1))
    return page_of(
        Page[Asset], [_asset_shown(asset) for asset in found], wanted.limit, lambda asset: asset.asset_id
    )


@router.put("/assets/{asset_id}", summary="Create or replace an asset", responses=problems(*WITH_JSON_BODY))
async def put_asset(call: CallOf, asset_id: AssetId, body: AssetBody) -> Asset:
    members = body.model_dump(exclude={"source", "methods", "access", "visibility"})
    asset = records.Asset(
        asset_id=asset_id,
        source=body.source.model_dump(exclude_unset=True),
        methods=tuple(dict.fromkeys(body.methods)),
        visibility=records.Visibility(body.visibility),
        access=access_of(body.access),
        **members,
    )
    return _asset_shown(await call.run(lambda uow: offers.put_asset(uow, asset, call.moment)))


@router.get("/assets/{asset_id}", summary="Show an asset")
async def get_asset(call: CallOf, asset_id: AssetId) -> Asset:
    return _asset_shown(await call.read(lambda uow: _asset(uow, asset_id)))


@router.delete("/assets/{asset_id}", status_code=204, summary="Withdraw an asset")
async def delete_asset(call: CallOf, asset_id: AssetId) -> None:
    await call.run(lambda uow: offers.delete_asset(uow, asset_id, call.moment))


@router.put(
    "/assets/{asset_id}/record",
    summary="Put the JSON record of an asset whose source is the connector's own store",
    responses=problems(*WITH_JSON_BODY),
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": {}}}},
    },
)
async def put_record(call: CallOf, asset_id: AssetId, request: Request) -> RecordReceipt:
    check_media_type(request, ("application/json",))
    body = await read_body(request, MOST_RECORD_BYTES)
    strict_document(body, MOST_RECORD_BYTES)

    def work(uow: UnitOfWork) -> None:
        _recorded_asset(uow, asset_id)
        offers.put_record(uow, asset_id, body, call.moment)

    await call.run(work)
    return RecordReceipt(asset_id=asset_id, size_bytes=len(body), sha256=hashlib.sha256(body).hexdigest())


@router.get(
    "/assets/{asset_id}/record",
    summary="Show the JSON record of an asset, as it was put",
    response_class=Response,
    responses={200: {"description": "The record.", "content": {"application/json": {"schema": {}}}}},
)
async def get_record(call: CallOf, asset_id: AssetId) -> Response:
    def work(uow: UnitOfWork) -> bytes:
        _recorded_asset(uow, asset_id)
        body = uow.assets.record(asset_id)
        if body is None:
            raise NotFound(f"No record is stored for the asset {asset_id!r}; put it first.", id=asset_id)
        return body

    return Response(await call.read(work), media_type="application/json")


@router.get("/policies", summary="List the policies")
async def list_policies(call: CallOf, wanted: Wanted) -> Page[Policy]:
    found = await call.read(lambda uow: uow.assets.list_policies(wanted.cursor, wanted.limit + 1))
    return page_of(
        Page[Policy],
        [_policy_shown(policy) for policy in found],
        wanted.limit,
        lambda policy: policy.policy_id,
    )


@router.put(
    "/policies/{policy_id}", summary="Create or replace a policy", responses=problems(*WITH_JSON_BODY)
)
async def put_policy(call: CallOf, policy_id: PolicyId, body: PolicyBody) -> Policy:
    policy = records.PolicyDefinition(policy_id=policy_id, document=dict(body.document))
    return _policy_shown(await call.run(lambda uow: offers.put_policy(uow, policy, call.moment)))


@router.get("/policies/{policy_id}", summary="Show a policy")
async def get_policy(call: CallOf, policy_id: PolicyId) -> Policy:
    policy = await call.read(lambda uow: uow.assets.policy(policy_id))
    if policy is None:
        raise NotFound(f"There is no policy {policy_id!r}.", id=policy_id)
    return _policy_shown(policy)


@router.delete("/policies/{policy_id}", status_code=204, summary="Remove a policy that no offer uses")
async def delete_policy(call: CallOf, policy_id: PolicyId) -> None:
    await call.run(lambda uow: offers.delete_policy(uow, policy_id, call.moment))


@router.get("/offers", summary="List the offers")
async def list_offers(call: CallOf, wanted: Wanted) -> Page[Offer]:
    def work(uow: UnitOfWork) -> list[Offer]:
        found = uow.assets.list_offers(wanted.cursor, wanted.limit + 1)
        return [_offer_shown(uow, offer) for offer in found]

    return page_of(Page[Offer], await call.read(work), wanted.limit, lambda offer: offer.offer_id)


@router.put("/offers/{offer_id}", summary="Publish or replace an offer", responses=problems(*WITH_JSON_BODY))
async def put_offer(call: CallOf, offer_id: OfferId, body: OfferBody) -> Offer:
    offer = records.OfferDefinition(
        offer_id=offer_id,
        contract_policy_id=body.contract_policy_id,
        access_policy_id=body.access_policy_id,
        asset_ids=tuple(dict.fromkeys(body.asset_ids)),
        data_item=body.data_item,
        part_group=body.part_group,
        approval=records.Approval(body.approval),
        alternative_policy_ids=tuple(dict.fromkeys(body.alternative_policy_ids)),
        access=access_of(body.access),
    )
    return await call.run(lambda uow: _offer_shown(uow, offers.put_offer(uow, offer, call.moment)))


@router.get("/offers/{offer_id}", summary="Show an offer")
async def get_offer(call: CallOf, offer_id: OfferId) -> Offer:
    def work(uow: UnitOfWork) -> Offer:
        offer = uow.assets.offer(offer_id)
        if offer is None:
            raise NotFound(f"There is no offer {offer_id!r}.", id=offer_id)
        return _offer_shown(uow, offer)

    return await call.read(work)


@router.delete(
    "/offers/{offer_id}", status_code=204, summary="Withdraw an offer; what was agreed stays agreed"
)
async def delete_offer(call: CallOf, offer_id: OfferId) -> None:
    await call.run(lambda uow: offers.delete_offer(uow, offer_id, call.moment))


def _asset_shown(asset: records.Asset) -> Asset:
    return Asset.of(asset, access=access_shown(asset.access))


def _policy_shown(policy: records.PolicyDefinition) -> Policy:
    return Policy.of(policy, terms=terms_of(policy.document))


def _offer_shown(uow: UnitOfWork, offer: records.OfferDefinition) -> Offer:
    contract = uow.assets.policy(offer.contract_policy_id)
    return Offer.of(
        offer,
        access=access_shown(offer.access),
        access_policy=as_document(offer.access) if offer.access else None,
        terms=[] if contract is None else terms_of(contract.document),
    )


def _asset(uow: UnitOfWork, asset_id: str) -> records.Asset:
    asset = uow.assets.asset(asset_id)
    if asset is None:
        raise NotFound(f"There is no asset {asset_id!r}.", id=asset_id)
    return asset


def _recorded_asset(uow: UnitOfWork, asset_id: str) -> records.Asset:
    asset = _asset(uow, asset_id)
    if asset.source.get("kind") != "record":
        raise Invalid(
            f"The asset {asset_id!r} has a source of its own; only one of the kind 'record' takes a record.",
            id=asset_id,
        )
    return asset
