"""A month over HTTP: both sides speak, the operator closes, each company sees its own documents and no other's."""

import time
from datetime import date
from typing import Any

import pytest

from ashiato.hub.billing.months import Month, day_of, month_of, start_of_ms
from tests.dcp_parties import Holder, World
from tests.hubs import Hub, corporate_number, quoted

OPERATOR = "/v1/operator/billing"
OWN = "/v1/party/billing"
TARIFF = {
    "title": "Use of data", "title_ja": "データ利用料", "fee": "data", "measure": "deliveries", "form": "per_unit",
    "from_day": "2020-01-01", "price_yen": "1000.5",
}  # fmt: skip


def last_month() -> Month:
    return month_of(day_of(time.time_ns() // 1_000_000)).preceding


def statement(side: str, provider: str, consumer: str, number: int, **more: object) -> dict[str, object]:
    month = last_month()
    return {
        "side": side, "kind": "received", "agreement": "urn:uuid:a", "provider": provider, "consumer": consumer,
        "reference": f"urn:uuid:{number}", "item": "D-01", "at_ms": start_of_ms(date(month.year, month.month, 15)),
        "quantity": 10, "data_sha256": f"{number:064x}", **more,
    }  # fmt: skip


async def say(hub: Hub, firm: Holder, *statements: dict[str, object]) -> list[str]:
    answer = await hub.party(firm, "POST", f"{OWN}/usage", {"statements": list(statements)})
    assert answer.status == 200, answer
    return [each["verdict"] for each in answer.document["taken"]]


@pytest.fixture
def third(world: World) -> Holder:
    return world.holder("third")


@pytest.fixture
async def billed(hub: Hub, maker: Holder, other: Holder, third: Holder) -> Hub:
    """The other bought two deliveries from the maker; the third has nothing to do with it."""
    names = {
        hub.program.hub_id: "電池データ基盤",
        maker.did: "髙島セル製造株式会社",
        other.did: "東西自動車株式会社",
    }
    for number, firm in enumerate((maker, other, third), 1):
        await hub.admitted(firm, number)
    for number, (did, name) in enumerate(names.items(), 1):
        party = {
            "name": name, "address": "東京都千代田区", "registration": f"T{corporate_number(number)}",
            "registered_from": "2023-10-01", "corporate_number": corporate_number(number), "bills_through_hub": True,
            "shows_contribution": did == maker.did,
        }  # fmt: skip
        put = await hub.operator("PUT", f"{OPERATOR}/parties/{quoted(did)}", party)
        assert put.status == 200, put
    assert (await hub.operator("PUT", f"{OPERATOR}/tariffs/data", TARIFF)).status == 200
    for side, firm in (("provider", maker), ("consumer", other)):
        await say(hub, firm, *(statement(side, maker.did, other.did, number) for number in (1, 2)))
    return hub


async def closed(hub: Hub) -> Any:
    answer = await hub.operator("POST", f"{OPERATOR}/months/{last_month()}/closing")
    assert answer.status == 200, answer
    return answer.document


async def test_a_month_is_closed_to_the_same_and_its_invoice_comes_in_every_form(
    billed: Hub, other: Holder
) -> None:
    first = await closed(billed)
    assert await closed(billed) == first
    assert (await billed.operator("GET", f"{OPERATOR}/months/{last_month()}")).document == first
    (shown,) = (await billed.party(other, "GET", f"{OWN}/documents")).document["items"]
    assert (shown["kind"], shown["number"], shown["is_qualified"]) == ("invoice", "INV-000001", True)
    assert (shown["net_yen"], shown["tax_yen"], shown["gross_yen"]) == (2001, 200, 2201)
    whole = (await billed.party(other, "GET", f"{OWN}/documents/{shown['document']}")).document
    assert (whole["payment_status"], whole["content"]["lines"][0]["amount_yen"]) == ("open", 2001)
    forms = {}
    for form in ("csv", "pdf", "jp-pint"):
        answer = await billed.party(other, "GET", f"{OWN}/documents/{shown['document']}/{form}")
        assert answer.status == 200, answer
        forms[form] = answer.document
    assert "髙島セル製造株式会社".encode() in forms["csv"]
    assert forms["pdf"].startswith(b"%PDF")
    assert b"urn:peppol:pint:billing-1@jp-1" in forms["jp-pint"]


async def test_a_company_that_is_no_side_of_a_document_or_usage_finds_nothing(
    billed: Hub, maker: Holder, other: Holder, third: Holder
) -> None:
    await closed(billed)
    documents = (await billed.operator("GET", f"{OPERATOR}/documents")).document["items"]
    assert {each["recipient"] for each in documents} == {maker.did, other.did}
    for each in documents:
        for path in ("", "/csv", "/pdf", "/jp-pint"):
            assert (
                await billed.party(third, "GET", f"{OWN}/documents/{each['document']}{path}")
            ).status == 404
    (invoice,) = (each for each in documents if each["recipient"] == other.did)
    assert (await billed.party(maker, "GET", f"{OWN}/documents/{invoice['document']}")).status == 404
    assert (await billed.party(third, "GET", f"{OWN}/documents")).document["items"] == []
    assert (await billed.party(third, "GET", f"{OWN}/usage?state=confirmed")).document["items"] == []
    (usage, *_) = (await billed.party(other, "GET", f"{OWN}/usage?state=confirmed")).document["items"]
    assert (await billed.party(third, "POST", f"{OWN}/usage/{usage['usage']}/withdrawal")).status == 404


async def test_nobody_speaks_for_another(billed: Hub, maker: Holder, other: Holder, third: Holder) -> None:
    forged = {"statements": [statement("consumer", maker.did, other.did, 9)]}
    assert (await billed.party(third, "POST", f"{OWN}/usage", forged)).status == 403
    assert (await billed.party(maker, "POST", f"{OWN}/usage", forged)).status == 403


async def test_a_dispute_shows_both_statements_to_both_sides(
    billed: Hub, maker: Holder, other: Holder
) -> None:
    await say(billed, maker, statement("provider", maker.did, other.did, 5, quantity=11))
    assert await say(billed, other, statement("consumer", maker.did, other.did, 5)) == ["disputed"]
    for firm in (maker, other):
        (dispute,) = (await billed.party(firm, "GET", f"{OWN}/usage")).document["items"]
        assert (dispute["provider_said"]["quantity"], dispute["consumer_said"]["quantity"]) == (11, 10)
    assert len((await billed.operator("GET", f"{OPERATOR}/usage")).document["items"]) == 1
    replaced = statement("provider", maker.did, other.did, 5, replaces=True)
    assert await say(billed, maker, replaced) == ["confirmed"]


async def test_what_both_take_back_is_not_billed(billed: Hub, maker: Holder, other: Holder) -> None:
    (usage, *_) = (await billed.party(other, "GET", f"{OWN}/usage?state=confirmed")).document["items"]
    for firm, state in ((maker, "confirmed"), (other, "withdrawn")):
        answer = await billed.party(firm, "POST", f"{OWN}/usage/{usage['usage']}/withdrawal")
        assert (answer.status, answer.document["state"]) == (200, state)
    await closed(billed)
    (shown,) = (await billed.party(other, "GET", f"{OWN}/documents")).document["items"]
    assert shown["net_yen"] == 1000


async def test_a_payment_counts_once_and_makes_the_status(billed: Hub, other: Holder) -> None:
    await closed(billed)
    (shown,) = (await billed.party(other, "GET", f"{OWN}/documents")).document["items"]
    path = f"{OPERATOR}/documents/{shown['document']}/payments"
    part = {"payment_id": "p1", "on": "2026-11-24", "amount_yen": 2000}
    for _ in range(2):
        answer = await billed.operator("POST", path, part)
        assert (answer.status, answer.document["payment_status"]) == (200, "partly_paid")
    assert (await billed.operator("POST", path, {**part, "amount_yen": 5})).status == 409
    rest = {"payment_id": "p2", "on": "2026-11-25", "amount_yen": 201}
    assert (await billed.operator("POST", path, rest)).document["payment_status"] == "paid"


async def test_the_board_shows_who_consented(billed: Hub, maker: Holder, third: Holder) -> None:
    path = f"{OWN}/board/{last_month()}"
    assert (await billed.party(third, "GET", path)).status == 404
    await closed(billed)
    board = (await billed.party(third, "GET", path)).document["contributions"]
    assert [(each["party"], each["deliveries_count"], each["consumers_count"]) for each in board] == [
        (maker.did, 2, 1)
    ]


async def test_the_operator_sees_what_is_entered_and_is_told_what_cannot_be(
    billed: Hub, maker: Holder
) -> None:
    rules = (await billed.operator("GET", f"{OPERATOR}/rules")).document
    assert [len(rules[kind]) for kind in ("parties", "tariffs", "schemes", "charges")] == [3, 1, 0, 0]
    scheme = {
        "from_day": "2030-01-01", "budget_yen": 10, "members": "0.5", "users": "0.5", "subsidy": "0", "user_part": "by_budget",
    }  # fmt: skip
    assert (await billed.operator("PUT", f"{OPERATOR}/schemes/i", scheme)).status == 200
    assert (await billed.operator("PUT", f"{OPERATOR}/schemes/i", {**scheme, "users": "0.4"})).status == 422
    charge = {
        "seller": billed.program.hub_id, "buyer": maker.did, "title": "Help", "title_ja": "支援", "day": "2030-02-30",
        "amount_yen": 5,
    }  # fmt: skip
    assert (await billed.operator("PUT", f"{OPERATOR}/charges/c", charge)).status == 422
    assert (
        await billed.operator("PUT", f"{OPERATOR}/charges/c", {**charge, "day": "2030-02-28"})
    ).status == 200
    number = {"name": "x", "address": "x", "registration": "T1234567890123", "registered_from": "2023-10-01"}
    assert (await billed.operator("PUT", f"{OPERATOR}/parties/{quoted(maker.did)}", number)).status == 422


async def test_a_month_that_is_not_over_or_in_no_calendar_is_not_closed(billed: Hub) -> None:
    month = last_month().following
    assert (await billed.operator("POST", f"{OPERATOR}/months/{month}/closing")).status == 409
    assert (await billed.operator("GET", f"{OPERATOR}/months/{month}")).status == 404
    assert (await billed.operator("POST", f"{OPERATOR}/months/2026-13/closing")).status == 404


async def test_a_month_waits_for_a_party_that_cannot_stand_on_a_document(
    billed: Hub, maker: Holder, third: Holder
) -> None:
    for side, firm in (("provider", maker), ("consumer", third)):
        await say(billed, firm, statement(side, maker.did, third.did, 7))
    refused = await billed.operator("POST", f"{OPERATOR}/months/{last_month()}/closing")
    assert (refused.status, third.did in refused.document["detail"]) == (409, True)
