"""An independent verifier looks at single lines of a declaration, and what it states travels with the declaration.

The cathode maker opens the lines that the verifier sampled and no other. The statement is the verifier's own, signed by its key;
the cell maker, which believes this verifier, counts it in its next version.
"""

import json

from ashiato.policy.builder import compare
from ashiato.policy.vocabulary import PARTICIPANT
from ashiato.wiring.walkthrough.battery_chain import battery_chain
from ashiato.wiring.walkthrough.chain import FOOTPRINT_ITEM, compute, declared_in, fetch
from ashiato.wiring.walkthrough.companies import Company, Json, eventually, expect
from ashiato.wiring.walkthrough.exchange import DAY_MS
from ashiato.wiring.walkthrough.scene import Scene, Step, now_ms
from ashiato.wiring.walkthrough.secrecy import near

DECLARER, BUYER = "cathode", "cells"
PRODUCT, MADE_OF_IT = "nmc811-cathode", "nmc811-cell"
ASSET = f"carbon-footprint-{PRODUCT}"
SAMPLED = [0, 2]
DUE_DAYS = 14
VERSION = 3
"""Of the cell maker's declaration: the first and the one after the swap came before."""
FOUND = {
    "standard": "ISO 14067:2018",
    "level": "limited",
    "scope": "Two sampled lines of the inventory against what was committed to.",
    "finding": "conforms",
}


async def chain_verify(scene: Scene) -> Json:
    """Sample, open, check, state, attach; the buyer computes anew and counts what was verified."""
    verifier, declarer, buyer = scene.verifier, scene.chain[DECLARER], scene.chain[BUYER]
    await verifier.start()
    await _admit(scene, declarer)
    signed = json.loads(await _received(verifier, declarer, ASSET))
    word = await _word(declarer)
    opened = await _opened(verifier, declarer, word["sha256"])
    proof = {"declaration": signed, "opened": opened}
    checked = await verifier.post("/opened-lines", proof)
    expect(
        [line["index"] for line in checked["lines"]] == SAMPLED,
        f"{verifier.name} sees other lines than those that it asked for: {checked['lines']}",
    )
    made = await verifier.post("/statements", {**FOUND, **proof})
    statement = json.loads(await _received(declarer, verifier, made["asset_id"]))
    await declarer.post(f"/declarations/{word['sha256']}/statements", statement)
    before = await _verified(buyer)
    group = {"title": "Verifiers that we believe", "members": [verifier.participant_id]}
    await buyer.put("/groups/verifiers", group)
    await fetch(buyer, declarer, ASSET)
    chain = battery_chain()
    await compute(scene, chain, BUYER, (chain.product(MADE_OF_IT),), VERSION)
    after = await _verified(buyer)
    expect(after > before, f"{buyer.name} counts {after} as verified, and counted {before} before.")
    return {
        "verifier": verifier.name,
        "declarer": declarer.name,
        "buyer": buyer.name,
        "product": chain.product(PRODUCT).name,
        "made_of_it": chain.product(MADE_OF_IT).name,
        "sampled_count": len(SAMPLED),
        "lines_count": opened["openings"][0]["linesCount"],
        "standard": FOUND["standard"],
        "level": FOUND["level"],
        "before_percent": f"{before * 100:.1f}",
        "after_percent": f"{after * 100:.1f}",
    }


async def _admit(scene: Scene, declarer: Company) -> None:
    """The declarer takes the verifier's questions in, and offers it the declaration."""
    verifier = scene.verifier.participant_id
    partners = [scene.chain[slug].participant_id for slug in near(battery_chain(), declarer.slug)]
    await declarer.put("/request-inbox", {"access": {"participants": sorted([*partners, verifier])}})
    terms = {"permission": [{"action": "use", "constraint": [compare(PARTICIPANT, "isAnyOf", [verifier])]}]}
    await declarer.put(f"/policies/{ASSET}-verifier", {"document": terms})
    offer = {
        "contract_policy_id": f"{ASSET}-verifier",
        "asset_ids": [ASSET],
        "access": {"participants": [verifier]},
    }
    await declarer.put(f"/offers/{ASSET}-verifier", offer)


async def _received(who: Company, whose: Company, asset_id: str) -> bytes:
    return await who.content(f"/received/{await fetch(who, whose, asset_id)}/content")


async def _word(declarer: Company) -> Json:
    """The declaration in force, by which lines are asked for."""
    found = [one for one in await declarer.items("/declarations") if one["asset_id"] == ASSET]
    return next(one for one in found if not one["standing"])


async def _opened(verifier: Company, declarer: Company, sha256: str) -> Json:
    """The lines that the verifier asks for and a person of the declarer opens."""
    question = {
        "partner": declarer.participant_id,
        "product": PRODUCT,
        "declaration_sha256": sha256,
        "lines": SAMPLED,
        "due_ms": now_ms() + DUE_DAYS * DAY_MS,
    }
    asked = await verifier.post("/line-requests", question)
    waiting = await eventually(
        f"{declarer.name} is asked for lines",
        lambda: declarer.items("/requests", side="received"),
        lambda seen: any(_waits(one) for one in seen),
    )
    own_id = next(one["own_id"] for one in waiting if _waits(one))
    await declarer.post(f"/line-requests/{own_id}/open", {})
    answered = await eventually(
        f"{verifier.name} receives the lines",
        lambda: verifier.get(f"/requests/{asked['own_id']}"),
        lambda seen: any(one["received_id"] or one["problem"] for one in seen["answers"]),
    )
    [answer] = answered["answers"]
    expect(bool(answer["received_id"]), f"{verifier.name} did not get the lines: {answer['problem']}")
    opened: Json = json.loads(await verifier.content(f"/received/{answer['received_id']}/content"))
    return opened


def _waits(request: Json) -> bool:
    return bool(request["data_item"] != FOOTPRINT_ITEM and request["state"] == "received")


async def _verified(buyer: Company) -> float:
    """The share of its declared figure that a third party verified."""
    declared = declared_in(await buyer.content(f"/assets/carbon-footprint-{MADE_OF_IT}/record"))
    return float(declared["verification"]["thirdParty"])


STEPS = (Step("chain_verify", chain_verify),)
