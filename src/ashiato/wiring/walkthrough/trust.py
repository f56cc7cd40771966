"""Who may connect: credentials of an association, an offer for one role only, and a membership that is suspended."""

import asyncio

from ashiato.policy.builder import permit
from ashiato.wiring.walkthrough.companies import Company, Json, eventually, expect
from ashiato.wiring.walkthrough.exchange import FOOTPRINT_ITEM, record_asset
from ashiato.wiring.walkthrough.record import published_record
from ashiato.wiring.walkthrough.scene import Scene, Step, now_ms

MEMBERSHIP = "MembershipCredential"
ROLE = "RoleCredential"
CELL_MAKER = "cell-maker"
MEMBERS_ASSET = "nmc811-for-cell-makers"
ANSWER_WAIT_S = 10
LONGEST_SUSPENSION_S = 15.0
TERMINAL_REQUEST = ("ISSUED", "REJECTED")


async def join(scene: Scene) -> Json:
    """The association grants credentials, and each company asks for its own by the Decentralized Claims Protocol."""
    granted = [
        (scene.maker, {MEMBERSHIP: {}, ROLE: {"role": "cathode-maker"}}),
        (scene.cells, {MEMBERSHIP: {}, ROLE: {"role": CELL_MAKER}}),
        (scene.trader, {MEMBERSHIP: {}, ROLE: {"role": "trader"}}),
    ]
    for type_id in (MEMBERSHIP, ROLE):
        await scene.association.put(f"/issuer/types/{type_id}", {"credential_type": type_id})
    for company, credentials in granted:
        for type_id, claims in credentials.items():
            grant = {"holder": company.participant_id, "type_id": type_id, "claims": claims}
            await scene.association.post("/issuer/grants", grant)
    await asyncio.gather(*(ask_for_credentials(scene, company) for company, _ in granted))
    held = {company.name: await company.items("/wallet/credentials") for company, _ in granted}
    expect(
        all(len(credentials) == 2 for credentials in held.values()),
        f"Each company should hold two credentials: {held}",
    )
    issued = await scene.association.items("/issuer/credentials")
    return {
        "issuer": scene.association.name,
        "credentials_count": len(issued),
        "companies_count": len(granted),
        "role": CELL_MAKER,
        "holder": scene.cells.name,
    }


async def offer_by_role(scene: Scene) -> Json:
    """An offer for members that are cell makers: the cell maker finds it, for the trader it does not exist."""
    await scene.maker.put(f"/assets/{MEMBERS_ASSET}", record_asset("For cell makers", "nmc811-members"))
    await scene.maker.put(f"/assets/{MEMBERS_ASSET}/record", published_record())
    await scene.maker.put(f"/policies/{MEMBERS_ASSET}", {"document": permit()})
    offer = {
        "contract_policy_id": MEMBERS_ASSET,
        "asset_ids": [MEMBERS_ASSET],
        "access": {"claims": {"membership": ["active"], "role": [CELL_MAKER]}},
    }
    await scene.maker.put(f"/offers/{MEMBERS_ASSET}", offer)
    seen = await _sees(scene, scene.cells)
    expect(seen, "The cell maker shows the role that the offer asks for, and does not see it.")
    hidden = not await _sees(scene, scene.trader)
    expect(hidden, "The trader does not have the role, and sees the offer.")
    return {
        "asset_id": MEMBERS_ASSET,
        "role": CELL_MAKER,
        "company": scene.trader.name,
        "item": FOOTPRINT_ITEM,
    }


async def suspend_member(scene: Scene) -> Json:
    """The association suspends the cell maker's membership; the maker knows it from the status list."""
    issued = await scene.association.items("/issuer/credentials")
    [membership] = [
        one
        for one in issued
        if one["holder_id"] == scene.cells.participant_id and one["credential_type"] == MEMBERSHIP
    ]
    path = f"/issuer/credentials/{membership['credential_id']}"
    began_ms = now_ms()
    await scene.association.post(f"{path}/suspend", {"reason": "The fee was not paid."})
    await _until_seen(scene, "the suspension is felt", is_seen=False)
    felt_ms = now_ms() - began_ms
    await scene.association.post(f"{path}/resume", {"reason": "The fee was paid."})
    await _until_seen(scene, "the membership counts again", is_seen=True)
    return {"company": scene.cells.name, "felt_after_ms": felt_ms, "asset_id": MEMBERS_ASSET}


async def ask_for_credentials(scene: Scene, company: Company) -> None:
    """The company's request for both credentials, until the association has issued them."""
    order = {"issuer": scene.association.participant_id, "credentials": [MEMBERSHIP, ROLE]}
    asked = await company.post("/wallet/requests", order)
    path = f"/wallet/requests/{asked['request_id']}"
    ended = await eventually(
        f"{company.name} gets its credentials",
        lambda: company.get(path, wait_s=ANSWER_WAIT_S),
        lambda seen: seen["state"] in TERMINAL_REQUEST,
    )
    expect(ended["state"] == "ISSUED", f"The request of {company.name} was rejected: {ended['reason']}")


async def _sees(scene: Scene, company: Company) -> bool:
    """Whether the company sees the offer for cell makers in the maker's catalog."""
    query = {"partner": scene.maker.participant_id, "asset_id": MEMBERS_ASSET}
    return bool((await company.post("/catalog/query", query))["items"])


async def _until_seen(scene: Scene, what: str, *, is_seen: bool) -> None:
    await eventually(
        what, lambda: _sees(scene, scene.cells), lambda seen: seen is is_seen, LONGEST_SUSPENSION_S
    )


STEPS = (Step("join", join), Step("offer_by_role", offer_by_role), Step("suspend_member", suspend_member))
