"""One question of the vehicle maker runs down the whole chain and is answered by rules: it sees counts, and of whom nothing."""

import asyncio

from ashiato.wiring.walkthrough.battery_chain import Chain, Product, battery_chain
from ashiato.wiring.walkthrough.companies import Company, Json, eventually, expect
from ashiato.wiring.walkthrough.exchange import DAY_MS, FOOTPRINT_ITEM
from ashiato.wiring.walkthrough.scene import Scene, Step, now_ms
from ashiato.wiring.walkthrough.secrecy import near

ASKED = "nmc811-pack"
DUE_DAYS = 14
LONGEST_TREE_S = 60.0
ANSWER_WAIT_S = 10


async def chain_request(scene: Scene) -> Json:
    """Every company opens its inbox to its partners and sets rules that ask on; the vehicle maker asks once."""
    chain = battery_chain()
    await asyncio.gather(*(_open(scene, chain, slug) for slug in scene.chain))
    asker, supplier = scene.chain["vehicles"], scene.chain[chain.product(ASKED).company]
    began_ms = now_ms()
    asked = await asker.post(
        "/requests",
        {
            "to": [{"partner": supplier.participant_id, "part": {"part_id": ASKED}}],
            "data_item": FOOTPRINT_ITEM,
            "due_ms": began_ms + DUE_DAYS * DAY_MS,
            "text": "The footprint of the battery, for the declaration of the car.",
        },
    )
    [request] = asked["items"]
    path = f"/requests/{request['own_id']}"
    answered = await eventually(
        "the chain answers the vehicle maker",
        lambda: asker.get(path, wait_s=ANSWER_WAIT_S),
        lambda seen: seen["state"] in ("answered", "rejected", "undelivered") and _has_data(seen),
        LONGEST_TREE_S,
    )
    took_ms = now_ms() - began_ms
    expect(answered["state"] == "answered", f"The request is {answered['state']}: {answered['reason']}")
    counts, expected = answered["counts"], requests_below(chain, ASKED)
    expect(
        (counts["trades"], counts["completed"]) == (expected, expected),
        f"The tree should have {expected} requests, all answered, but its counts are {counts}.",
    )
    return {
        "company": asker.name,
        "product": chain.product(ASKED).name,
        "supplier": supplier.name,
        "trades_count": counts["trades"],
        "completed_count": counts["completed"],
        "asset_id": answered["answers"][-1]["asset_id"],
        "took_ms": took_ms,
    }


def requests_below(chain: Chain, product_id: str) -> int:
    """How many requests it takes to ask for a product and for everything that goes into it, tier by tier."""
    return 1 + sum(requests_below(chain, part.product) for part in chain.product(product_id).parts)


def _has_data(request: Json) -> bool:
    """Whether the data that an answer names has come, or cannot come."""
    if request["state"] != "answered":
        return True
    newest = request["answers"][-1]
    return bool(newest["received_id"] or newest["problem"])


async def _open(scene: Scene, chain: Chain, slug: str) -> None:
    """The inbox takes what customers ask and what suppliers answer, and nothing of anybody else."""
    company = scene.chain[slug]
    partners = sorted(scene.chain[partner].participant_id for partner in near(chain, slug))
    await company.put("/request-inbox", {"access": {"participants": partners}})
    sold = {part.product for product in chain.products for part in product.parts}
    answered = [product for product in chain.made_by(slug) if product.id in sold]
    await asyncio.gather(*(_rule(scene, chain, company, product) for product in answered))


async def _rule(scene: Scene, chain: Chain, company: Company, product: Product) -> None:
    """Who asks for the footprint of a product gets the declaration, once the suppliers of its parts have answered."""
    ask_on = [
        {
            "partner": scene.chain[chain.product(part.product).company].participant_id,
            "part": {"part_id": part.product},
        }
        for part in product.parts
    ]
    rule = {
        "data_item": FOOTPRINT_ITEM,
        "part_id": product.id,
        "asset_id": f"carbon-footprint-{product.id}",
        "ask_on": ask_on,
    }
    await company.put(f"/request-rules/{product.id}", rule)


STEPS = (Step("chain_request", chain_request),)
