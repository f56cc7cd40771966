"""The masters of a company's chain: trading partners, plants, parts, bills of material."""

from typing import Annotated

from fastapi import Path, Query

from ashiato.api.management.calls import CallOf
from ashiato.api.management.models.shared import OwnId, Page, PageQuery, Partner, page_of
from ashiato.api.management.models.supply import (
    BillBody,
    BillQuery,
    BillShown,
    BillsQuery,
    Identified,
    IdentifiedQuery,
    PartBody,
    PartQuery,
    PartShown,
    Plant,
    PlantBody,
    TradingPartner,
    TradingPartnerBody,
    UserShown,
    texts,
)
from ashiato.api.management.openapi import WITH_JSON_BODY, problems
from ashiato.api.management.routing import participant_router
from ashiato.connector.problems import Invalid
from ashiato.supply import bills, naming, parts, records
from ashiato.supply.ports import UnitOfWork
from ashiato.supply.records import Sourcing

router = participant_router("chain")

PartnerId = Annotated[Partner, Path()]
PlantId = Annotated[OwnId, Path()]
PartId = Annotated[OwnId, Path()]
Version = Annotated[OwnId, Path()]
_PUT = problems(*WITH_JSON_BODY)
_DELETE = problems("wrong-state")


@router.get("/trading-partners", summary="List your suppliers and customers")
async def list_trading_partners(call: CallOf, wanted: Annotated[PageQuery, Query()]) -> Page[TradingPartner]:
    found = await call.read_chain(lambda uow: uow.supply.partners.page(wanted.cursor, wanted.limit + 1))
    return page_of(
        Page[TradingPartner], [_partner(one) for one in found], wanted.limit, lambda one: one.partner
    )


@router.put("/trading-partners/{partner}", summary="Create or replace a supplier or customer", responses=_PUT)
async def put_trading_partner(call: CallOf, partner: PartnerId, body: TradingPartnerBody) -> TradingPartner:
    if body.address is not None:
        call.check_address(body.address, "address")
    record = records.TradingPartner(
        partner_id=partner,
        name=body.name,
        address=body.address or "",
        is_supplier=body.is_supplier,
        is_customer=body.is_customer,
        identifiers=body.names,
    )
    return _partner(await call.run_chain(lambda uow: parts.put_partner(uow, record, call.moment)))


@router.get("/trading-partners/{partner}", summary="Show a supplier or customer")
async def get_trading_partner(call: CallOf, partner: PartnerId) -> TradingPartner:
    return _partner(await call.read_chain(lambda uow: parts.PARTNERS.get(uow, partner)))


@router.delete(
    "/trading-partners/{partner}",
    status_code=204,
    summary="Forget a supplier or customer with whom no trade link stands",
    responses=_DELETE,
)
async def delete_trading_partner(call: CallOf, partner: PartnerId) -> None:
    await call.run_chain(lambda uow: parts.delete_partner(uow, partner, call.moment))


@router.get("/plants", summary="List your plants")
async def list_plants(call: CallOf, wanted: Annotated[PageQuery, Query()]) -> Page[Plant]:
    found = await call.read_chain(lambda uow: uow.supply.plants.page(wanted.cursor, wanted.limit + 1))
    return page_of(Page[Plant], [_plant(one) for one in found], wanted.limit, lambda one: one.plant_id)


@router.put("/plants/{plant_id}", summary="Create or replace a plant", responses=_PUT)
async def put_plant(call: CallOf, plant_id: PlantId, body: PlantBody) -> Plant:
    record = records.Plant(
        plant_id=plant_id,
        name=body.name,
        address=body.address,
        country=body.country,
        identifiers=body.names,
    )
    return _plant(await call.run_chain(lambda uow: parts.put_plant(uow, record, call.moment)))


@router.get("/plants/{plant_id}", summary="Show a plant")
async def get_plant(call: CallOf, plant_id: PlantId) -> Plant:
    return _plant(await call.read_chain(lambda uow: parts.PLANTS.get(uow, plant_id)))


@router.delete(
    "/plants/{plant_id}", status_code=204, summary="Forget a plant that nothing names", responses=_DELETE
)
async def delete_plant(call: CallOf, plant_id: PlantId) -> None:
    await call.run_chain(lambda uow: parts.delete_plant(uow, plant_id, call.moment))


@router.get("/parts", summary="List the parts master")
async def list_parts(call: CallOf, wanted: Annotated[PartQuery, Query()]) -> Page[PartShown]:
    found = await call.read_chain(
        lambda uow: uow.supply.parts.page(wanted.cursor, wanted.limit + 1, of=wanted.plant_id)
    )
    return page_of(Page[PartShown], [_part(one) for one in found], wanted.limit, lambda one: one.part_id)


@router.put("/parts/{part_id}", summary="Create or replace a part", responses=_PUT)
async def put_part(call: CallOf, part_id: PartId, body: PartBody) -> PartShown:
    record = records.PartType(
        part_id=part_id,
        name=body.name,
        sourcing=Sourcing(body.sourcing),
        unit=body.unit,
        revision=body.revision,
        plant_id=body.plant_id,
        properties=dict(body.properties),
        identifiers=body.names,
    )
    return _part(await call.run_chain(lambda uow: parts.put_part(uow, record, call.moment)))


@router.get("/parts/{part_id}", summary="Show a part")
async def get_part(call: CallOf, part_id: PartId) -> PartShown:
    return _part(await call.read_chain(lambda uow: parts.PARTS.get(uow, part_id)))


@router.delete(
    "/parts/{part_id}", status_code=204, summary="Forget a part that nothing names", responses=_DELETE
)
async def delete_part(call: CallOf, part_id: PartId) -> None:
    await call.run_chain(lambda uow: parts.delete_part(uow, part_id, call.moment))


@router.get("/parts/{part_id}/users", summary="List the parts whose bill of material names this one")
async def list_users(call: CallOf, part_id: PartId, wanted: Annotated[PageQuery, Query()]) -> Page[UserShown]:
    def work(uow: UnitOfWork) -> list[str]:
        parts.PARTS.get(uow, part_id)
        return uow.supply.users_of(part_id, wanted.cursor, wanted.limit + 1)

    users = [UserShown(part_id=one) for one in await call.read_chain(work)]
    return page_of(Page[UserShown], users, wanted.limit, lambda one: one.part_id)


@router.get("/parts/{part_id}/bill", summary="Show the bill of material that counts now or at an instant")
async def get_valid_bill(call: CallOf, part_id: PartId, wanted: Annotated[BillQuery, Query()]) -> BillShown:
    at_ms = call.moment.now_ms if wanted.at_ms is None else wanted.at_ms
    return _bill(await call.read_chain(lambda uow: bills.bill_at(uow, part_id, at_ms)))


@router.get("/bills", summary="List the bills of material, every version, or those of one part")
async def list_bills(call: CallOf, wanted: Annotated[BillsQuery, Query()]) -> Page[BillShown]:
    # Neither of the two ids holds a slash.
    part_id, slash, version = wanted.cursor.partition("/")
    if wanted.cursor and not slash:
        raise Invalid("Give the `next_cursor` of the page before.", path="cursor")

    def work(uow: UnitOfWork) -> list[records.Bill]:
        if wanted.part_id is None:
            return uow.supply.page_bills((part_id, version), wanted.limit + 1)
        of_part = uow.supply.bills_of([wanted.part_id]).get(wanted.part_id, [])
        later = [one for one in of_part if (one.part_id, one.version) > (part_id, version)]
        return later[: wanted.limit + 1]

    found = [_bill(one) for one in await call.read_chain(work)]
    return page_of(Page[BillShown], found, wanted.limit, lambda one: f"{one.part_id}/{one.version}")


@router.put(
    "/parts/{part_id}/bills/{version}",
    summary="Create or replace one version of the bill of material of a part",
    responses=_PUT,
)
async def put_bill(call: CallOf, part_id: PartId, version: Version, body: BillBody) -> BillShown:
    record = body.record(part_id, version)
    return _bill(await call.run_chain(lambda uow: bills.put_bill(uow, record, call.moment)))


@router.get("/parts/{part_id}/bills/{version}", summary="Show one version of the bill of material of a part")
async def get_bill(call: CallOf, part_id: PartId, version: Version) -> BillShown:
    return _bill(await call.read_chain(lambda uow: bills.bill_of(uow, part_id, version)))


@router.delete(
    "/parts/{part_id}/bills/{version}", status_code=204, summary="Forget one version of a bill of material"
)
async def delete_bill(call: CallOf, part_id: PartId, version: Version) -> None:
    await call.run_chain(lambda uow: bills.delete_bill(uow, part_id, version, call.moment))


@router.get("/identified", summary="Find what an identifier stands for")
async def get_identified(call: CallOf, wanted: Annotated[IdentifiedQuery, Query()]) -> Identified:
    text = naming.read_identifier(wanted.identifier, "identifier").text
    found = await call.read_chain(lambda uow: naming.find(uow, text))
    return Identified.model_validate({"identifier": text, "kind": found.kind.value, "id": found.id})


def _partner(record: records.TradingPartner) -> TradingPartner:
    return TradingPartner.of(
        record,
        partner=record.partner_id,
        address=record.address or None,
        identifiers=texts(record.identifiers),
    )


def _plant(record: records.Plant) -> Plant:
    return Plant.of(record, identifiers=texts(record.identifiers))


def _part(record: records.PartType) -> PartShown:
    return PartShown.of(record, identifiers=texts(record.identifiers))


def _bill(record: records.Bill) -> BillShown:
    return BillShown.of(record)
