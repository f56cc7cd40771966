import pytest

from ashiato.connector.problems import Invalid, NotFound, WrongState
from ashiato.facts.identifiers import Identifier, identifier
from ashiato.supply import bills, naming, parts
from ashiato.supply.records import (
    Bill,
    BillLine,
    PartType,
    Plant,
    Sourcing,
    Subject,
    SubjectKind,
    TradingPartner,
)
from tests.supply.conftest import NOW_MS, Firm, at

GTIN = identifier("gtin", "6291041500213")


def part(part_id: str, *names: Identifier, **more: object) -> PartType:
    return PartType(part_id=part_id, identifiers=names, **more)  # type: ignore[arg-type]  # members by name


async def put(firm: Firm, *many: PartType) -> None:
    for one in many:
        await firm.do(lambda uow, one=one: parts.put_part(uow, one, at()))  # type: ignore[misc]  # bound at once


async def test_a_part_comes_back_with_its_instants_and_is_found_by_each_of_its_names(firm: Firm) -> None:
    other = identifier("partner_number", "C-77", "did:web:pack.example")
    stored = await firm.do(lambda uow: parts.put_part(uow, part("cell", GTIN, other), at()))
    assert (stored.created_ms, stored.updated_ms) == (NOW_MS, NOW_MS)
    for text in ("gtin:6291041500213", "gtin:06291041500213", other.text):
        found = await firm.do(lambda uow, text=text: naming.find(uow, text))  # type: ignore[misc]  # bound at once
        assert found == Subject(SubjectKind.PART, "cell")


async def test_the_same_part_again_changes_nothing_and_leaves_no_trace(firm: Firm) -> None:
    await firm.do(lambda uow: parts.put_part(uow, part("cell"), at()))
    again = await firm.do(lambda uow: parts.put_part(uow, part("cell"), at(NOW_MS + 5)))
    changed = await firm.do(lambda uow: parts.put_part(uow, part("cell", name="Cell"), at(NOW_MS + 9)))
    assert again.updated_ms == NOW_MS
    assert (changed.created_ms, changed.updated_ms) == (NOW_MS, NOW_MS + 9)
    history = await firm.do(lambda uow: uow.records.list_history(0, 10))
    assert [entry.event for entry in history] == ["part.stored", "part.stored"]


async def test_a_name_stands_for_one_thing_until_it_is_taken_away_there(firm: Firm) -> None:
    await put(firm, part("cell", GTIN))
    with pytest.raises(Invalid) as refused:
        await put(firm, part("other", GTIN))
    assert refused.value.fields["path"] == "identifiers[0]"
    assert refused.value.fields["id"] == "cell"
    await put(firm, part("cell"), part("other", GTIN))
    assert (await firm.do(lambda uow: naming.find(uow, GTIN.text))).id == "other"


async def test_a_name_is_of_one_company_only(firm: Firm) -> None:
    stranger = Firm(firm.store, "did:web:stranger.example")
    await put(firm, part("cell", GTIN))
    with pytest.raises(NotFound):
        await stranger.do(lambda uow: naming.find(uow, GTIN.text))
    await put(stranger, part("cell", GTIN))


async def test_the_same_name_twice_is_refused(firm: Firm) -> None:
    with pytest.raises(Invalid, match="stands twice"):
        await put(firm, part("cell", GTIN, identifier("gtin", "06291041500213")))


async def test_a_corporate_number_names_no_part(firm: Firm) -> None:
    with pytest.raises(Invalid, match="does not name a part"):
        await put(firm, part("cell", identifier("corporate_number", "7000012050002")))


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"part_id": "a b"}, "id"),
        ({"part_id": ""}, "id"),
        ({"part_id": "x" * 257}, "id"),
        ({"unit": "bushel"}, "unit"),
        ({"plant_id": "nowhere"}, "plant_id"),
        ({"name": "n" * 257}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"properties": {str(number): 1 for number in range(101)}}, "properties"),
    ],
)
async def test_a_bad_part_is_refused_with_the_member(
    firm: Firm, changes: dict[str, object], path: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await put(firm, part(**{"part_id": "cell", **changes}))  # type: ignore[arg-type]  # members by name
    assert refused.value.fields["path"] == path
    assert await firm.do(lambda uow: uow.supply.parts.page("", 10)) == []


async def test_the_unit_of_a_part_stays_once_it_is_used(firm: Firm) -> None:
    await put(firm, part("pack"), part("cell", unit="kg"))
    await put(firm, part("cell", unit="g"), part("cell", unit="kg"))
    line = BillLine(component_id="cell", quantity="250", unit="kg")
    bill = Bill(part_id="pack", version="1", lines=(line,))
    await firm.do(lambda uow: bills.put_bill(uow, bill, at()))
    with pytest.raises(Invalid, match="The bill of material of 'pack' counts this part in kg"):
        await put(firm, part("cell", unit="g"))


async def test_a_part_with_a_bill_does_not_become_a_purchased_one(firm: Firm) -> None:
    await put(firm, part("pack"), part("cell"))
    bill = Bill(
        part_id="pack", version="1", lines=(BillLine(component_id="cell", quantity="9", unit="piece"),)
    )
    await firm.do(lambda uow: bills.put_bill(uow, bill, at()))
    with pytest.raises(Invalid, match="delete it before"):
        await put(firm, part("pack", sourcing=Sourcing.PURCHASED))


async def test_what_is_named_by_others_is_not_deleted(firm: Firm) -> None:
    await firm.do(lambda uow: parts.put_plant(uow, Plant(plant_id="p1", country="JP"), at()))
    await put(firm, part("pack", plant_id="p1"), part("cell"))
    bill = Bill(
        part_id="pack", version="1", lines=(BillLine(component_id="cell", quantity="9", unit="piece"),)
    )
    await firm.do(lambda uow: bills.put_bill(uow, bill, at()))
    for part_id in ("pack", "cell"):
        with pytest.raises(WrongState):
            await firm.do(lambda uow, one=part_id: parts.delete_part(uow, one, at()))  # type: ignore[misc]  # bound at once
    with pytest.raises(WrongState):
        await firm.do(lambda uow: parts.delete_plant(uow, "p1", at()))
    await firm.do(lambda uow: bills.delete_bill(uow, "pack", "1", at()))
    for part_id in ("pack", "cell"):
        await firm.do(lambda uow, one=part_id: parts.delete_part(uow, one, at()))  # type: ignore[misc]  # bound at once
    await firm.do(lambda uow: parts.delete_plant(uow, "p1", at()))
    with pytest.raises(NotFound):
        await firm.do(lambda uow: parts.delete_plant(uow, "p1", at()))


async def test_a_deleted_part_leaves_its_names_to_others(firm: Firm) -> None:
    await put(firm, part("cell", GTIN))
    await firm.do(lambda uow: parts.delete_part(uow, "cell", at()))
    await put(firm, part("other", GTIN))
    assert (await firm.do(lambda uow: naming.find(uow, GTIN.text))).id == "other"


@pytest.mark.parametrize(
    ("changes", "path"),
    [({"partner_id": "cathode"}, "id"), ({"address": "ftp://cathode.example"}, "address")],
)
async def test_a_partner_has_a_did_and_an_address_of_the_web(
    firm: Firm, changes: dict[str, str], path: str
) -> None:
    partner = TradingPartner(**{"partner_id": "did:web:cathode.example", **changes})  # type: ignore[arg-type]  # texts
    with pytest.raises(Invalid) as refused:
        await firm.do(lambda uow: parts.put_partner(uow, partner, at()))
    assert refused.value.fields["path"] == path


async def test_a_plant_has_a_country_of_two_capitals(firm: Firm) -> None:
    with pytest.raises(Invalid) as refused:
        await firm.do(lambda uow: parts.put_plant(uow, Plant(plant_id="p1", country="Japan"), at()))
    assert refused.value.fields["path"] == "country"


async def test_a_name_goes_over_to_another_thing_in_one_step(firm: Firm) -> None:
    await put(firm, part("cell", GTIN))
    outcome = await firm.do(lambda uow: parts.PARTS.store(uow, [part("other", GTIN), part("cell")], at()))
    assert outcome.faults == ()
    assert (await firm.do(lambda uow: naming.find(uow, GTIN.text))).id == "other"
