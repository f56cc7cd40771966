"""What an admitted party is given, brought to its own credential service, and what becomes of it with its standing."""

import asyncio
import base64
import gzip
import json
import time
from typing import Any

import pytest

from ashiato.identity.issuing import IssuedCredential
from tests.clients.loopback_server import Asked, respond
from tests.dcp_parties import Holder
from tests.hubs import Hub

PATIENCE_S = 30.0


async def until(look: Any) -> Any:
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        found = look()
        if found:
            return found
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come")


def came(firm: Holder, path: str) -> list[Asked]:
    return [asked for asked in firm.world.server.asked if asked.target == f"/{firm.name}/dcp/{path}"]


def claims_of(compact: str) -> dict[str, Any]:
    payload = compact.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found


def takes_everything(firm: Holder) -> None:
    for path in ("credentials", "offers"):
        firm.world.answers[f"/{firm.name}/dcp/{path}"] = respond(b"")


async def request(hub: Hub, firm: Holder, *type_ids: str) -> int:
    body = {
        "@context": ["https://w3id.org/dspace-dcp/v1.0/dcp.jsonld"],
        "type": "CredentialRequestMessage",
        "holderPid": "urn:uuid:00000000-0000-4000-8000-000000000001",
        "credentials": [{"id": type_id} for type_id in type_ids],
    }
    return (await hub.party(firm, "POST", "/hub/issuer/credentials", body)).status


async def issued(hub: Hub, firm: Holder) -> list[IssuedCredential]:
    return await hub.program.store.read(
        firm.did, lambda uow: uow.wallet.issued.page("", 99, peer_id=firm.did)
    )


async def bit(hub: Hub, entry: dict[str, Any]) -> int:
    """Whether the published list says so of that credential."""
    path = entry["statusListCredential"].removeprefix(hub.program.public_url)
    answer = await hub.anyone("GET", path)
    subject = claims_of(answer.document.decode())["credentialSubject"]
    bits = gzip.decompress(base64.urlsafe_b64decode(subject["encodedList"][1:] + "=="))
    index = int(entry["statusListIndex"])
    return bits[index // 8] >> (7 - index % 8) & 1


async def standing(hub: Hub, credential: dict[str, Any]) -> dict[str, int]:
    return {entry["statusPurpose"]: await bit(hub, entry) for entry in credential["credentialStatus"]}


@pytest.fixture
async def credentials(hub: Hub, maker: Holder) -> list[dict[str, Any]]:
    """Those that the maker was brought after it was admitted and asked for them."""
    takes_everything(maker)
    await hub.admitted(maker, 1, roles=("cell-maker",))
    await until(lambda: len(came(maker, "offers")) == 2)
    assert await request(hub, maker, "membership", "role") == 201
    (message,) = await until(lambda: came(maker, "credentials"))
    return [claims_of(one["payload"]) for one in json.loads(message.body)["credentials"]]


async def test_an_admitted_party_gets_a_membership_and_its_roles(
    hub: Hub, maker: Holder, credentials: list[dict[str, Any]]
) -> None:
    told = {one["type"][-1]: one["credentialSubject"] for one in credentials}
    assert told == {
        "MembershipCredential": {
            "id": maker.did,
            "holderIdentifier": "8000000000001",
            "location": "JP",
        },
        "RoleCredential": {"id": maker.did, "role": "cell-maker"},
    }
    assert {one["issuer"] for one in credentials} == {hub.program.hub_id}
    assert [await standing(hub, one) for one in credentials] == [{"revocation": 0, "suspension": 0}] * 2


async def test_suspension_and_expulsion_stand_in_the_published_list_at_once(
    hub: Hub, maker: Holder, credentials: list[dict[str, Any]]
) -> None:
    await hub.decide(maker, "suspend")
    assert [await standing(hub, one) for one in credentials] == [{"revocation": 0, "suspension": 1}] * 2
    await hub.decide(maker, "reinstate")
    assert [await standing(hub, one) for one in credentials] == [{"revocation": 0, "suspension": 0}] * 2
    assert len(await issued(hub, maker)) == 2
    await hub.decide(maker, "expel")
    assert [(await standing(hub, one))["revocation"] for one in credentials] == [1, 1]


@pytest.mark.parametrize(
    "acts", [[], ["review"], ["review", "admit", "suspend"], ["review", "admit", "expel"]]
)
async def test_who_is_not_admitted_gets_no_credential_and_may_not_even_ask(
    hub: Hub, maker: Holder, acts: list[str]
) -> None:
    from tests.hubs import company

    takes_everything(maker)
    await hub.party(maker, "PUT", "/v1/onboarding/application", company(1, roles=["cell-maker"]))
    for act in acts:
        assert (await hub.decide(maker, act)).status == 200
    assert await request(hub, maker, "membership", "role") == 401
    assert await issued(hub, maker) == []


async def test_what_was_granted_before_a_suspension_is_issued_once_after_it(hub: Hub, maker: Holder) -> None:
    takes_everything(maker)
    await hub.admitted(maker, 1, roles=())
    await hub.decide(maker, "suspend")
    await hub.decide(maker, "reinstate")
    assert await request(hub, maker, "membership") == 201
    await until(lambda: came(maker, "credentials"))
    assert len(await issued(hub, maker)) == 1
