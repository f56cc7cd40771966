"""What a company may offer, and what is refused before it could do harm."""

import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from ashiato.connector import offers
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound
from ashiato.connector.records import Asset, OfferDefinition, PolicyDefinition
from ashiato.dsp import v2025_1 as wire
from ashiato.dsp.catalog import Distribution
from ashiato.policy.builder import permit
from tests.connector.firms import ANY, Firm, Street

ASSET = Asset(asset_id="nmc811", title="NMC811", source={"kind": "record"})


async def put_asset(firm: Firm, **changed: Any) -> Asset:
    asset = msgspec.structs.replace(ASSET, **changed)
    return await firm.run(lambda uow, moment: offers.put_asset(uow, asset, moment))


async def put_policy(firm: Firm, document: dict[str, object], policy_id: str = "p") -> PolicyDefinition:
    policy = PolicyDefinition(policy_id=policy_id, document=document)
    return await firm.run(lambda uow, moment: offers.put_policy(uow, policy, moment))


async def put_offer(firm: Firm, **members: Any) -> OfferDefinition:
    offer = OfferDefinition(**{"offer_id": "o", "contract_policy_id": "p", **members})
    return await firm.run(lambda uow, moment: offers.put_offer(uow, offer, moment))


async def withdraw(firm: Firm, act: Callable[[UnitOfWork, str, Moment], None], what: str) -> None:
    await firm.run(lambda uow, moment: act(uow, what, moment))


@pytest.mark.parametrize(
    "asset_id", ["", "a b", "a/b", "a\\b", "a?b", "a#b", "a%2fb", "a\nb", "a\u0000b", "x" * 257, ".", ".."]
)
async def test_an_id_that_cannot_stand_in_a_path_is_refused(
    street: Street, maker: Firm, asset_id: str
) -> None:
    with pytest.raises(Invalid, match="id must"):
        await put_asset(maker, asset_id=asset_id)
    with pytest.raises(Invalid, match="id must"):
        await put_policy(maker, ANY, policy_id=asset_id)
    with pytest.raises(Invalid, match="id must"):
        await put_offer(maker, offer_id=asset_id, asset_ids=("nmc811",))


@pytest.mark.parametrize(
    "asset_id", ["a", "urn:uuid:1", "https:example.com:a", "日本", "a.b-c_d~", "x" * 256]
)
async def test_an_id_of_printable_characters_is_taken(street: Street, maker: Firm, asset_id: str) -> None:
    assert (await put_asset(maker, asset_id=asset_id)).asset_id == asset_id


@pytest.mark.parametrize("name", ["hasPolicy", "distribution", "@id", "@type", "@context"])
async def test_a_property_that_would_break_the_catalog_is_refused(
    street: Street, maker: Firm, name: str
) -> None:
    with pytest.raises(Invalid, match="protocol cannot carry"):
        await put_asset(maker, properties={name: "x"})
    assert await maker.read(lambda uow: uow.assets.asset("nmc811")) is None


async def test_an_asset_that_is_stored_again_keeps_its_age(street: Street, maker: Firm) -> None:
    first = await put_asset(maker)
    street.clock.now_ms += 1000
    again = await put_asset(maker, title="NMC 811")
    assert (again.created_ms, again.title) == (first.created_ms, "NMC 811")
    assert again.updated_ms > first.updated_ms


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"permission": []},
        {"permission": {"action": "use"}},
        {"odrl:permission": [{"action": "use"}]},
        {"action": "use", "permission": [{}]},
        {"permission": [{"action": {"@id": "use"}}]},
        {"permission": [{"action": "use", "constraint": {"leftOperand": "count"}}]},
        {
            "permission": [
                {
                    "action": "use",
                    "constraint": [{"leftOperand": "count", "operator": "odrl:lteq", "rightOperand": "3"}],
                }
            ]
        },
        {"permission": [{"action": "use"}], "odrl:prohibition": [{"action": "distribute"}]},
    ],
)
async def test_a_policy_that_the_protocol_could_not_carry_is_refused(
    street: Street, maker: Firm, document: dict[str, object]
) -> None:
    with pytest.raises(Invalid):
        await put_policy(maker, document)
    assert await maker.read(lambda uow: uow.assets.policy("p")) is None


@pytest.mark.parametrize(
    "document",
    [
        ANY,
        permit(
            "use",
            participants=["did:web:a.example"],
            not_before_ms=0,
            until_ms=10**12,
            elapsed="P1D",
            max_uses=3,
        ),
        {"permission": [{"action": "use", "assignee": "did:web:a.example"}]},
        {
            "permission": [
                {
                    "action": "use",
                    "constraint": [{"leftOperand": "count", "operator": "lteq", "rightOperand": 3}],
                }
            ]
        },
        {"@type": "Set", "@id": "x", **ANY, "conflict": "perm", "prohibition": [{"action": "use"}]},
    ],
)
async def test_a_policy_that_can_be_enforced_is_kept_as_it_was_written_and_can_be_sent(
    street: Street, maker: Firm, document: dict[str, object]
) -> None:
    await put_policy(maker, document)
    kept = await maker.read(lambda uow: uow.assets.policy("p"))
    assert kept is not None
    assert kept.document == document
    await put_asset(maker)
    await put_offer(maker, asset_ids=("nmc811",))
    found = await street.firm("cells").catalog_offer(maker, "nmc811")
    offer = {name: value for name, value in found.items() if name != "target"}
    assert wire.encode_dataset("a", [offer], [Distribution(format="f", access_service="s")], {})
    assert found.get("conflict") == document.get("conflict")


@pytest.mark.parametrize(
    "document",
    [
        {
            "permission": [
                {
                    "action": "use",
                    "constraint": [{"leftOperand": "moonPhase", "operator": "eq", "rightOperand": "full"}],
                }
            ]
        },
        {"permission": [{"action": "use", "duty": [{"action": "x:dance"}]}]},
    ],
)
async def test_a_policy_whose_owner_would_be_told_a_lie_is_refused(
    street: Street, maker: Firm, document: dict[str, object]
) -> None:
    with pytest.raises(Invalid, match="cannot enforce"):
        await put_policy(maker, document)


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"asset_ids": ("nmc811",), "data_item": "carbon-footprint"},
        {"asset_ids": ("nmc811",), "part_group": "cathode"},
        {"data_item": ""},
        {"part_group": ""},
        {"data_item": "carbon-footprint", "part_group": ""},
        {"asset_ids": ("nmc811", "unknown")},
        {"asset_ids": ("nmc811",), "contract_policy_id": "unknown"},
        {"asset_ids": ("nmc811",), "access_policy_id": "unknown"},
        {"asset_ids": ("nmc811",), "alternative_policy_ids": ("unknown",)},
    ],
)
async def test_an_offer_of_nothing_of_too_much_or_of_the_unknown_is_refused(
    street: Street, maker: Firm, members: dict[str, object]
) -> None:
    await put_asset(maker)
    await put_policy(maker, ANY)
    with pytest.raises(Invalid):
        await put_offer(maker, **members)
    assert await maker.read(lambda uow: uow.assets.offer("o")) is None


async def test_a_policy_in_use_stays(street: Street, maker: Firm) -> None:
    await put_asset(maker)
    for policy_id in ("p", "access", "other", "spare"):
        await put_policy(maker, ANY, policy_id)
    await put_offer(
        maker, asset_ids=("nmc811",), access_policy_id="access", alternative_policy_ids=("other",)
    )
    for policy_id in ("p", "access", "other"):
        with pytest.raises(Invalid, match="is used by the offer 'o'"):
            await withdraw(maker, offers.delete_policy, policy_id)
    await withdraw(maker, offers.delete_policy, "spare")
    assert await maker.read(lambda uow: uow.assets.policy("spare")) is None


async def test_what_is_not_there_cannot_be_withdrawn(street: Street, maker: Firm) -> None:
    for act in (offers.delete_asset, offers.delete_policy, offers.delete_offer):
        with pytest.raises(NotFound):
            await withdraw(maker, act, "never-was")


async def test_an_offer_by_class_follows_the_assets_that_come_and_change(street: Street, maker: Firm) -> None:
    await put_policy(maker, ANY)
    await put_asset(maker, asset_id="before", data_item="carbon-footprint")
    await put_offer(maker, data_item="carbon-footprint")
    await put_asset(maker, asset_id="after", data_item="carbon-footprint", part_group="cathode")
    await put_asset(maker, asset_id="other", data_item="due-diligence")

    async def offered() -> list[str]:
        found = await maker.read(
            lambda uow: [
                asset.asset_id
                for asset in uow.assets.list_assets("", 10)
                if uow.assets.entries_of(asset.asset_id)
            ]
        )
        return sorted(found)

    assert await offered() == ["after", "before"]
    await put_asset(maker, asset_id="before", data_item="due-diligence")
    await put_asset(maker, asset_id="other", data_item="carbon-footprint")
    assert await offered() == ["after", "other"]


OFFER_IDS = ["o", "o:1", "urn:x:1", "1", "o_1", "o+id", "offer+id", "offer", "日本", "o:a", "~", "a.b-c"]
ASSET_IDS = ["a", "a:b", "1:a", "b", "urn:uuid:1", "日本", "o", "a+b", "id:1:a"]


def test_each_offer_for_each_asset_has_a_uri_of_its_own() -> None:
    named = {offers.offering_id(offer, asset) for offer in OFFER_IDS for asset in ASSET_IDS}
    assert len(named) == len(OFFER_IDS) * len(ASSET_IDS)
    # RFC 3986, 3: scheme ":" and no character that would need escaping.
    uri = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:([A-Za-z0-9._~:!$&'()*+,;=@-]|%[0-9A-F]{2})+")
    assert [text for text in named if not uri.fullmatch(text)] == []


def test_a_plain_offer_is_named_plainly() -> None:
    assert offers.offering_id("CD123", "ACN0102") == "CD123:ACN0102"


async def test_two_offers_whose_names_run_together_do_not_meet(street: Street, maker: Firm) -> None:
    await maker.publish("b:c", offer_id="a")
    await maker.publish("c", offer_id="a:b")
    found = await maker.read(lambda uow: [uow.assets.entry(name) for name in ("a:b%3Ac", "a:b:c")])
    assert [(entry.offer_id, entry.asset_id) for entry in found if entry] == [("a", "b:c"), ("a:b", "c")]
