"""The parts master (部品マスタ), the plants and the trading partners."""

import re
from collections.abc import Sequence

from ashiato.connector.ports import Moment
from ashiato.connector.problems import Invalid, WrongState
from ashiato.supply.amounts import unit_of
from ashiato.supply.faults import Faults
from ashiato.supply.keeping import Keeping, check_name, check_own_id
from ashiato.supply.ports import UnitOfWork
from ashiato.supply.records import (
    LinkStanding,
    PartType,
    Plant,
    Sourcing,
    SubjectKind,
    TradingPartner,
)

LONGEST_ADDRESS_CHARS = 2048
MOST_PROPERTIES_COUNT = 100

_COUNTRY = re.compile(r"(?:[A-Z]{2})?")
_DID = re.compile(r"did:[a-z0-9]+:[!-~]{1,500}")
_ADDRESS = re.compile(r"(?:https?://[!-~]+)?")


def put_partner(uow: UnitOfWork, partner: TradingPartner, moment: Moment) -> TradingPartner:
    """Create or replace a supplier or customer. Raises `Invalid`."""
    return PARTNERS.put(uow, partner, moment)


def delete_partner(uow: UnitOfWork, partner_id: str, moment: Moment) -> None:
    """Forget a partner with whom no trade link stands. Raises `NotFound` and `WrongState`."""
    for standing in (LinkStanding.WAITING, LinkStanding.STANDING):
        if uow.supply.count_links(partner_id, standing, 1):
            raise WrongState(
                "A trade link stands with this partner; end it, or answer it, first.", id=partner_id
            )
    PARTNERS.forget(uow, partner_id, moment)


def put_plant(uow: UnitOfWork, plant: Plant, moment: Moment) -> Plant:
    """Create or replace a plant. Raises `Invalid`."""
    return PLANTS.put(uow, plant, moment)


def delete_plant(uow: UnitOfWork, plant_id: str, moment: Moment) -> None:
    """Forget a plant that no part, batch or item names. Raises `NotFound` and `WrongState`."""
    if uow.supply.parts.page("", 1, of=plant_id) or uow.supply.is_made_at(plant_id):
        raise WrongState("A part, batch or item names this plant; change it first.", id=plant_id)
    PLANTS.forget(uow, plant_id, moment)


def put_part(uow: UnitOfWork, part: PartType, moment: Moment) -> PartType:
    """Create or replace a line of the parts master. Raises `Invalid`."""
    return PARTS.put(uow, part, moment)


def delete_part(uow: UnitOfWork, part_id: str, moment: Moment) -> None:
    """Forget a part that nothing names. Raises `NotFound` and `WrongState`."""
    user = used_by(uow, part_id)
    if user:
        raise WrongState(f"{user} names this part; delete or change that first.", id=part_id)
    PARTS.forget(uow, part_id, moment)


def used_by(uow: UnitOfWork, part_id: str) -> str:
    """In words the first thing that names the part; "" = nothing does."""
    users = uow.supply.users_of(part_id, "", 1)
    if users:
        return f"The bill of material of {users[0]!r}"
    if uow.supply.bills_of([part_id]):
        return f"The bill of material of {part_id!r} itself"
    for batch in uow.supply.batches.page("", 1, of=part_id):
        return f"The batch {batch.batch_id!r}"
    for item in uow.supply.items.page("", 1, of=part_id):
        return f"The item {item.item_id!r}"
    for link in uow.supply.links_of([part_id]).get(part_id, ()):
        return f"The trade link {link.link_id!r}"
    return ""


def _check_partners(
    _: UnitOfWork, partners: Sequence[TradingPartner], __: dict[str, TradingPartner], faults: Faults
) -> None:
    for index, partner in enumerate(partners):
        if not _DID.fullmatch(partner.partner_id):
            faults.add(index, "id", "A partner is named by its DID, such as did:web:cathode.example.")
        check_name(index, partner.name, "name", faults)
        if len(partner.address) > LONGEST_ADDRESS_CHARS or not _ADDRESS.fullmatch(partner.address):
            faults.add(index, "address", "The address is the partner's base URL, https://…, or left out.")


def _check_plants(_: UnitOfWork, plants: Sequence[Plant], __: dict[str, Plant], faults: Faults) -> None:
    for index, plant in enumerate(plants):
        check_own_id(index, plant.plant_id, "plant", faults)
        check_name(index, plant.name, "name", faults)
        check_name(index, plant.address, "address", faults)
        if not _COUNTRY.fullmatch(plant.country):
            faults.add(
                index, "country", "The country is two capitals of ISO 3166-1, such as JP, or left out."
            )


def _check_parts(
    uow: UnitOfWork, parts: Sequence[PartType], known: dict[str, PartType], faults: Faults
) -> None:
    plants = uow.supply.plants.get_many([part.plant_id for part in parts if part.plant_id])
    for index, part in enumerate(parts):
        check_own_id(index, part.part_id, "part", faults)
        check_name(index, part.name, "name", faults)
        check_name(index, part.revision, "revision", faults)
        with faults.of(index, "unit"):
            unit_of(part.unit, "unit")
        if part.plant_id and part.plant_id not in plants:
            faults.add(index, "plant_id", f"There is no plant {part.plant_id!r}; create it first.")
        if len(part.properties) > MOST_PROPERTIES_COUNT:
            faults.add(index, "properties", f"A part carries at most {MOST_PROPERTIES_COUNT} properties.")
        before = known.get(part.part_id)
        if before is not None:
            with faults.of(index, "unit"):
                _check_change(uow, before, part)


def _check_change(uow: UnitOfWork, before: PartType, after: PartType) -> None:
    if after.unit != before.unit:
        user = used_by(uow, after.part_id)
        if user:
            raise Invalid(
                f"{user} counts this part in {before.unit}, so its unit stays; make another part for {after.unit}.",
                path="unit",
                unit=after.unit,
                expected_unit=before.unit,
            )
    becomes_purchased = after.sourcing is Sourcing.PURCHASED and before.sourcing is Sourcing.OWN
    if becomes_purchased and uow.supply.bills_of([after.part_id]):
        raise Invalid(
            "The part has a bill of material of your own; delete it before the part becomes a purchased one.",
            path="sourcing",
        )


PARTNERS = Keeping(
    SubjectKind.PARTNER, lambda uow: uow.supply.partners, lambda one: one.partner_id, _check_partners
)
PLANTS = Keeping(SubjectKind.PLANT, lambda uow: uow.supply.plants, lambda one: one.plant_id, _check_plants)
PARTS = Keeping(SubjectKind.PART, lambda uow: uow.supply.parts, lambda one: one.part_id, _check_parts)
