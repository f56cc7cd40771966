"""A partner that lies about itself, as a running company sees it that fetches and verifies what it says."""

import json
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ashiato.statements.self_descriptions import LIFE_MS, SELF_DESCRIPTION_TYP, Described, Level, describe
from ashiato.trust import jws
from ashiato.trust.did import Service
from ashiato.trust.keys import SigningKey
from tests.clients.loopback_server import respond
from tests.companies import Company, ManagementError
from tests.dcp_parties import Holder, Issuer, World, dcp_world
from tests.trusting import dcp_settings, own_list

SECURITY = "SecurityProfileCredential"
QUERY = {"@context": ["https://w3id.org/dspace/2025/1/context.jsonld"], "@type": "CatalogRequestMessage"}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with dcp_world(time.time_ns() // 1_000_000) as made:
        yield made


@pytest.fixture
def hub(world: World) -> Issuer:
    return world.issuer("hub")


@pytest.fixture
def maker(world: World) -> Holder:
    made = world.holder("maker")
    place = Service(f"{made.did}#self-description", "SelfDescription", made.url("/self-description"))
    made.services = (*made.services, place)
    return made


@pytest.fixture
async def buyer(tmp_path: Path, hub: Issuer) -> AsyncIterator[Company]:
    lists = own_list(tmp_path / "list.json", {hub.did: [SECURITY]})
    async with Company(tmp_path / "buyer", ["buyer"], settings=dcp_settings(lists)) as company:
        yield company


def _node(
    maker: Holder,
    *levels: Level,
    key: SigningKey | None = None,
    participant: str = "",
    age_ms: int = 0,
    typ: str = SELF_DESCRIPTION_TYP,
) -> str:
    who = participant or maker.did
    about = {"name": "Maker", "location": "JP"}
    payload = describe(Described.NODE, who, who, about, time.time_ns() // 1_000_000 - age_ms, levels)
    return jws.sign_compact(key or maker.key, typ, payload)


def _says(maker: Holder, *compacts: str) -> None:
    body = json.dumps({"descriptions": compacts}).encode()
    maker.world.answers["/maker/self-description"] = respond(body)


async def _facts(buyer: Company, maker: Holder) -> dict[str, str]:
    """The weight of each value."""
    path = f"/partners/{maker.did.replace('%', '%25')}/self-description"
    (node,) = (await buyer.call("GET", path))["descriptions"]
    return {fact["value"]: fact["weight"] for fact in node["facts"]}


async def _show(buyer: Company, maker: Holder, credentials: Sequence[str]) -> None:
    maker.shown = list(credentials)
    maker.world.now_ms = time.time_ns() // 1_000_000
    headers = {"Authorization": maker.token(buyer.did), "Content-Type": "application/json"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{buyer.address}/catalog/request", json=QUERY, headers=headers) as answer,
    ):
        assert answer.status == 200


async def test_a_level_is_backed_by_a_credential_that_was_presented_and_a_higher_one_contradicted(
    buyer: Company, maker: Holder, hub: Issuer
) -> None:
    def level(value: str) -> Level:
        return Level(name="security_profile", value=value, credential_id="urn:uuid:1", issuer=hub.did)

    _says(maker, _node(maker, level("trust+")))
    assert await _facts(buyer, maker) == {"Maker": "claimed", "JP": "claimed", "trust+": "claimed"}
    await _show(buyer, maker, [hub.credential(maker.did, SECURITY, {"profile": "trust"})])
    assert await _facts(buyer, maker) == {"Maker": "claimed", "JP": "claimed", "trust+": "contradicted"}
    _says(maker, _node(maker, level("trust")))
    assert await _facts(buyer, maker) == {"Maker": "claimed", "JP": "claimed", "trust": "backed"}
    asked = [one for one in maker.world.server.asked if one.target == "/maker/self-description"]
    # What everybody may know is fetched without saying who asks.
    assert all("authorization" not in one.headers for one in asked)


async def test_an_answer_that_does_not_hold_is_refused_and_says_who_must_act(
    buyer: Company, maker: Holder, hub: Issuer
) -> None:
    other_key = SigningKey(maker.key.kid, ec.generate_private_key(ec.SECP256R1()))
    good = _node(maker)
    answers: dict[str, Any] = {
        "signed by another's key under our kid": [_node(maker, key=other_key)],
        "signed by another participant": [_node(maker, key=hub.key)],
        "another participant's own": [_node(maker, key=hub.key, participant=hub.did)],
        "expired": [_node(maker, age_ms=LIFE_MS + 1)],
        "from the future": [_node(maker, age_ms=-LIFE_MS - 60_000)],
        "of another type": [_node(maker, typ="ashiato-receipt+jwt")],
        "a changed payload": [
            f"{good.split('.')[0]}.{_node(maker, age_ms=5).split('.')[1]}.{good.split('.')[2]}"
        ],
        "twice": [good, good],
        "a good one and one that does not hold": [good, "x"],
        "none": [],
        "too many": [good] * 101,
    }
    bodies = {name: json.dumps({"descriptions": listed}).encode() for name, listed in answers.items()}
    bodies |= {
        "no JSON": b"<html>",
        "a list": b"[]",
        "a key twice": b'{"descriptions": [], "descriptions": []}',
        "huge": json.dumps({"descriptions": [good], "more": "x" * 2_000_000}).encode(),
        "a huge description": json.dumps({"descriptions": ["x" * 20_000]}).encode(),
    }
    for name, body in bodies.items():
        maker.world.answers["/maker/self-description"] = respond(body)
        with pytest.raises(ManagementError) as refused:
            await _facts(buyer, maker)
        assert (refused.value.status, "partner-unavailable" in str(refused.value)) == (502, True), name
    for status in ("404 Not Found", "302 Found", "500 Internal Server Error"):
        maker.world.answers["/maker/self-description"] = respond(status=status)
        with pytest.raises(ManagementError, match="502"):
            await _facts(buyer, maker)
    _says(maker, good)
    assert await _facts(buyer, maker) == {"Maker": "claimed", "JP": "claimed"}


async def test_a_partner_that_names_no_place_for_it_says_nothing(buyer: Company, world: World) -> None:
    with pytest.raises(ManagementError, match="names no service SelfDescription"):
        await _facts(buyer, world.holder("silent"))
