"""Verifiers that want to see more of a wallet than they were allowed to, and others who found an access token for it."""

import asyncio
import base64
import json
import uuid
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.identity.wallet import HeldCredential
from ashiato.trust.enveloping import Profile
from ashiato.trust.service_tokens import mint_service_token
from ashiato.wiring.program import now
from tests.adversary.stranger import Stranger, stranger
from tests.dcp_parties import DCP_CONTEXT, sign
from tests.exchange import Member, port_of, running

TYPE = "org.eclipse.dspace.dcp.vc.type"
MEMBERSHIP = f"{TYPE}:MembershipCredential:read"
ROLE = f"{TYPE}:RoleCredential:read"


@pytest.fixture
async def maker(tmp_path: Path) -> AsyncIterator[Member]:
    """A holder of two credentials."""
    async with running(tmp_path / "maker", "maker") as (found,):
        await found.run(hold)
        yield found


@pytest.fixture
async def acme() -> AsyncIterator[Stranger]:
    async with stranger() as found:
        found.publish()
        yield found


def hold(uow: UnitOfWork, moment: Moment) -> None:
    for type_ in ("MembershipCredential", "RoleCredential"):
        uow.wallet.held.put(
            HeldCredential(
                held_id=type_,
                credential_id=f"urn:{type_}",
                profile=Profile.VC20,
                types=(type_,),
                issuer="did:web:hub.example",
                valid_from_ms=None,
                valid_until_ms=None,
                envelope=f"envelope.of.{type_}",
                request_id="r",
                received_ms=moment.now_ms,
            )
        )


def granted(maker: Member, bearer: str, scopes: Sequence[str], age_ms: int = 0) -> str:
    """An access token of the maker's for these scopes."""
    key = maker.program.tenancy.keys[maker.did]
    at_ms = now().now_ms - age_ms
    return mint_service_token(key, bearer=bearer, scopes=scopes, now_ms=at_ms, token_id=str(uuid.uuid4()))


async def query(maker: Member, acme: Stranger, scopes: object, access_token: str | None) -> tuple[int, str]:
    """The status, and the types of what is presented."""
    now_s = now().now_ms // 1000
    assert acme.key is not None
    claims = {
        "iss": acme.did,
        "sub": acme.did,
        "aud": maker.did,
        "iat": now_s,
        "exp": now_s + 60,
        "jti": str(uuid.uuid4()),
    }
    if access_token is not None:
        claims["token"] = access_token
    message = {"@context": [DCP_CONTEXT], "type": "PresentationQueryMessage", "scope": scopes}
    url = f"http://127.0.0.1:{port_of(maker)}/maker/dcp/presentations/query"
    headers = {"Authorization": f"Bearer {sign(acme.key, 'JWT', claims)}", "Content-Type": "application/json"}
    async with acme.session.post(url, data=json.dumps(message), headers=headers) as answer:
        body = await answer.text()
        if answer.status != 200:
            return answer.status, body
        parts = [token.split(".")[1] for token in json.loads(body)["presentation"]]
        return answer.status, "".join(base64.urlsafe_b64decode(part + "==").decode() for part in parts)


async def test_what_was_granted_is_shown_and_nothing_else(maker: Member, acme: Stranger) -> None:
    status, shown = await query(maker, acme, [MEMBERSHIP], granted(maker, acme.did, [MEMBERSHIP]))
    assert status == 200
    assert "envelope.of.MembershipCredential" in shown
    assert "RoleCredential" not in shown


@pytest.mark.parametrize(
    "scopes",
    [
        [ROLE],
        [MEMBERSHIP, ROLE],
        [f"{TYPE}:*:read"],
        [f"{TYPE}:RoleCredential:*"],
        [f"{TYPE}:RoleCredential:write"],
        [f"{TYPE}:MembershipCredential:read {ROLE}"],
        [f"{TYPE}:membershipcredential:read"],
        ["org.eclipse.dspace.dcp.vc.id:urn:RoleCredential:read"],
        ["org.eclipse.dspace.dcp.vc.id:urn:RoleCredential"],
        ["*"],
        [""],
        [7],
        ROLE,
        {"0": ROLE},
    ],
    ids=repr,
)
async def test_a_scope_beyond_what_was_granted_shows_nothing(
    maker: Member, acme: Stranger, scopes: object
) -> None:
    status, told = await query(maker, acme, scopes, granted(maker, acme.did, [MEMBERSHIP]))
    assert status in (400, 401, 403)
    assert "envelope.of" not in told


async def test_an_access_token_given_to_another_shows_nothing(maker: Member, acme: Stranger) -> None:
    stolen = granted(maker, "did:web:honest.example", [MEMBERSHIP])
    status, told = await query(maker, acme, [MEMBERSHIP], stolen)
    assert (status, "envelope.of" in told) == (401, False)


async def test_an_access_token_of_the_verifiers_own_making_shows_nothing(
    maker: Member, acme: Stranger
) -> None:
    assert acme.key is not None
    own = mint_service_token(
        acme.key, bearer=acme.did, scopes=[MEMBERSHIP], now_ms=now().now_ms, token_id="t"
    )
    for token in (own, None, "", "let me see", own.rpartition(".")[0] + "."):
        status, told = await query(maker, acme, [MEMBERSHIP], token)
        assert (status, "envelope.of" in told) == (401, False)


async def test_an_access_token_that_is_over_shows_nothing(maker: Member, acme: Stranger) -> None:
    old = granted(maker, acme.did, [MEMBERSHIP], age_ms=121_000)
    status, told = await query(maker, acme, [MEMBERSHIP], old)
    assert (status, "envelope.of" in told) == (401, False)


async def test_a_flood_of_queries_is_answered_and_shows_the_same(maker: Member, acme: Stranger) -> None:
    token = granted(maker, acme.did, [MEMBERSHIP])
    answers = await asyncio.gather(*(query(maker, acme, [MEMBERSHIP], token) for _ in range(20)))
    assert {status for status, _ in answers} == {200}
    assert all("RoleCredential" not in shown for _, shown in answers)
