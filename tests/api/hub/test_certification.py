"""A case from application to appeal, the public register, and the credential that follows it."""

import json
import time
from typing import Any

import pytest

from tests.api.hub.test_credentials import came, claims_of, request, standing, takes_everything, until
from tests.dcp_parties import Holder, World
from tests.hubs import Hub, quoted

DAY_MS = 86_400_000
SHA = "ab" * 32
APP = {
    "kind": "app", "scheme": "CFP-1", "scope": "roll-up of cells", "app": "rollup", "version": "2.1", "digest": SHA,
    "logic_sha256": "cd" * 32,
}  # fmt: skip


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture
async def body(hub: Hub, world: World) -> Holder:
    """An accredited body."""
    made = world.holder("body")
    await hub.admitted(made, 9, roles=("certification-body",))
    accredited = await accredit(hub, made, ["CFP-1"])
    assert accredited.status == 200, accredited
    return made


async def accredit(hub: Hub, firm: Holder, schemes: list[str]) -> Any:
    path = f"/v1/operator/accreditations/{quoted(firm.did)}"
    return await hub.operator("PUT", path, {"schemes": schemes, "until_ms": now_ms() + 30 * DAY_MS})


async def move(hub: Hub, firm: Holder, case: str, act: str, **more: object) -> Any:
    return await hub.party(firm, "POST", f"/v1/party/certifications/{case}/steps", {"act": act, **more})


async def applied(hub: Hub, maker: Holder, body: Holder, subject: object = APP) -> Any:
    return await hub.party(maker, "POST", "/v1/party/certifications", {"body": body.did, "subject": subject})


async def certified(hub: Hub, maker: Holder, body: Holder) -> tuple[str, str]:
    """Case and certificate of an app of the maker."""
    await hub.admitted(maker, 1)
    case = (await applied(hub, maker, body)).document["case"]
    for firm, act, more in (
        (body, "accept", {}),
        (maker, "evidence", {"evidence_sha256": [SHA]}),
        (body, "find", {"reason": "grain is not stated"}),
        (maker, "correct", {"reason": "stated now"}),
    ):
        assert (await move(hub, firm, case, act, **more)).status == 200
    granted = await move(hub, body, case, "grant", valid_until_ms=now_ms() + 365 * DAY_MS)
    assert granted.status == 200, granted
    return case, granted.document["certificate"]


async def register(hub: Hub, certificate: str) -> tuple[str, bool]:
    found = (await hub.anyone("GET", f"/v1/open/certificates/{certificate}")).document
    return found["state"], found["is_valid"]


async def test_a_certificate_stands_in_the_register_that_everybody_can_search(
    hub: Hub, maker: Holder, body: Holder
) -> None:
    case, certificate = await certified(hub, maker, body)
    found = (await hub.anyone("GET", "/v1/open/certificates?words=ROLLUP")).document["items"]
    assert [(one["certificate"], one["holder"], one["body"], one["is_valid"]) for one in found] == [
        (certificate, maker.did, body.did, True)
    ]
    assert found[0]["subject"] == APP
    assert (await hub.anyone("GET", "/v1/open/certificates?words=nothing")).document["items"] == []
    shown = (await hub.party(maker, "GET", f"/v1/party/certifications/{case}")).document
    acts = [(step["act"], step["side"]) for step in shown["steps"]]
    assert acts == [
        ("apply", "applicant"),
        ("accept", "body"),
        ("evidence", "applicant"),
        ("find", "body"),
        ("correct", "applicant"),
        ("grant", "body"),
    ]


async def test_the_credential_follows_the_certificate(hub: Hub, maker: Holder, body: Holder) -> None:
    takes_everything(maker)
    case, certificate = await certified(hub, maker, body)
    assert await request(hub, maker, "app-certification") == 201
    (message,) = await until(lambda: came(maker, "credentials"))
    (credential,) = [claims_of(one["payload"]) for one in json.loads(message.body)["credentials"]]
    subject = credential["credentialSubject"]
    assert (subject["app"], subject["digest"], subject["certificate"]) == ("rollup", SHA, certificate)
    assert subject["certifiedBy"] == body.did
    await move(hub, body, case, "suspend", reason="complaint")
    assert await standing(hub, credential) == {"revocation": 0, "suspension": 1}
    assert await register(hub, certificate) == ("suspended", False)
    # Membership and certificates have lives of their own.
    await hub.decide(maker, "suspend")
    await hub.decide(maker, "reinstate")
    assert await standing(hub, credential) == {"revocation": 0, "suspension": 1}
    await move(hub, body, case, "resume", reason="settled")
    assert await standing(hub, credential) == {"revocation": 0, "suspension": 0}
    await move(hub, body, case, "revoke", reason="logic was changed")
    assert (await standing(hub, credential))["revocation"] == 1
    assert await register(hub, certificate) == ("revoked", False)


async def test_a_certificate_that_is_suspended_before_its_credential_was_fetched_gives_none(
    hub: Hub, maker: Holder, body: Holder
) -> None:
    takes_everything(maker)
    case, _ = await certified(hub, maker, body)
    await move(hub, body, case, "suspend", reason="complaint")
    await request(hub, maker, "app-certification")
    issued = await hub.program.store.read(
        maker.did, lambda uow: uow.wallet.issued.page("", 9, peer_id=maker.did)
    )
    assert issued == []


async def test_an_appeal_is_decided_by_the_operator(hub: Hub, maker: Holder, body: Holder) -> None:
    case, certificate = await certified(hub, maker, body)
    await move(hub, body, case, "suspend", reason="complaint")
    assert (await move(hub, maker, case, "appeal", reason="it is unfounded")).document["state"] == "appealed"
    assert (await move(hub, body, case, "resume", reason="settled")).status == 409
    path = f"/v1/operator/certifications/{case}/steps"
    decided = await hub.operator("POST", path, {"act": "overturn", "reason": "it was unfounded"})
    assert decided.document["state"] == "certified"
    assert await register(hub, certificate) == ("active", True)


async def test_recertification_supersedes_the_certificate(hub: Hub, maker: Holder, body: Holder) -> None:
    case, first = await certified(hub, maker, body)
    assert (await move(hub, maker, case, "recertify")).document["state"] == "recertifying"
    assert await register(hub, first) == ("active", True)
    granted = await move(hub, body, case, "grant", valid_until_ms=now_ms() + 700 * DAY_MS)
    second = granted.document["certificate"]
    assert await register(hub, first) == ("superseded", False)
    assert await register(hub, second) == ("active", True)


async def test_only_an_accredited_body_certifies_and_not_itself(
    hub: Hub, maker: Holder, other: Holder, body: Holder
) -> None:
    await hub.admitted(maker, 1)
    await hub.admitted(other, 2)
    assert (await accredit(hub, other, ["CFP-1"])).status == 409
    assert (await applied(hub, maker, other)).status == 403
    assert (await applied(hub, maker, body, {**APP, "scheme": "unknown"})).status == 403
    assert (await applied(hub, body, body)).status == 403
    case = (await applied(hub, maker, body)).document["case"]
    await accredit(hub, body, [])
    assert (await move(hub, body, case, "accept")).status == 403


async def test_nobody_but_its_two_sides_sees_or_moves_a_case(
    hub: Hub, maker: Holder, other: Holder, body: Holder
) -> None:
    case, _ = await certified(hub, maker, body)
    await hub.admitted(other, 2)
    assert (await hub.party(other, "GET", f"/v1/party/certifications/{case}")).status == 404
    assert (await move(hub, other, case, "revoke", reason="envy")).status == 404
    assert (await hub.party(other, "GET", "/v1/party/certifications")).document["items"] == []
    assert (await move(hub, maker, case, "surveil")).status == 403


async def test_nothing_is_certified_without_evidence_or_for_ever(
    hub: Hub, maker: Holder, body: Holder
) -> None:
    await hub.admitted(maker, 1)
    case = (await applied(hub, maker, body)).document["case"]
    await move(hub, body, case, "accept")
    assert (await move(hub, body, case, "grant", valid_until_ms=now_ms() + DAY_MS)).status == 409
    assert (await move(hub, maker, case, "evidence")).status == 422
    await move(hub, maker, case, "evidence", evidence_sha256=[SHA])
    for end_ms in (now_ms() - 1, now_ms() + 10 * 366 * DAY_MS):
        assert (await move(hub, body, case, "grant", valid_until_ms=end_ms)).status == 422
    assert (await applied(hub, maker, body, {**APP, "digest": "short"})).status == 422
