"""The supply chain: eight companies compute their footprints tier by tier, and nobody learns what stands behind its supplier.

Each company keeps its own inventory, has its connector start the approved footprint app, offers the declaration to its customer
alone, and the customer fetches it under a contract.
"""

import asyncio
import functools
import json
import secrets
from fractions import Fraction

from ashiato.facts.footprints import STAGES, Stage
from ashiato.facts.quantities import decimal_text, fixed_text, parse_decimal
from ashiato.policy.builder import compare
from ashiato.policy.vocabulary import PARTICIPANT
from ashiato.statements.signed_words import read
from ashiato.trust import base64url
from ashiato.wiring import carbon_packing
from ashiato.wiring.carbon_products import PURPOSE
from ashiato.wiring.carbon_program import APP_ID
from ashiato.wiring.walkthrough.battery_chain import Chain, Product, battery_chain, figures
from ashiato.wiring.walkthrough.companies import Company, Json, eventually, expect
from ashiato.wiring.walkthrough.exchange import ANSWER_WAIT_S, FETCH_ENDS, LONGEST_FETCH_S
from ashiato.wiring.walkthrough.inventories import DAY_MS, inventory
from ashiato.wiring.walkthrough.scene import Scene, Step, now_ms
from ashiato.wiring.walkthrough.trust import MEMBERSHIP, ROLE, ask_for_credentials

PROGRAM_FILE = "carbon.pyz"
FOOTPRINT_ITEM, BATTERY_ITEM = "carbon-footprint", "battery-carbon-footprint"
TIERS = (("nickel", "lithium", "brine", "graphite"), ("cathode",), ("cells",), ("packs",), ("vehicles",))
PACKS = ("nmc811-pack", "lfp-pack")
LONGEST_RUN_S = 60.0
RUN_LOOK_EVERY_S = 0.1
SHOWN_DECIMALS = 1
SECRET_BYTES = 32
GATE = (Stage.RAW_MATERIALS, Stage.MAIN_PRODUCTION)


async def chain_start(scene: Scene) -> Json:
    """The other companies of the chain start, the association grants credentials, and each approves the footprint app."""
    started = await asyncio.gather(*(one.start() for one in scene.chain_processes), return_exceptions=True)
    for failure in started:
        if failure is not None:
            raise failure
    chain = battery_chain()
    newcomers = [one for one in scene.chain.values() if one not in scene.companies]
    for company in newcomers:
        for type_id, claims in ((MEMBERSHIP, {}), (ROLE, {"role": chain.company(company.slug).role})):
            grant = {"holder": company.participant_id, "type_id": type_id, "claims": claims}
            await scene.association.post("/issuer/grants", grant)
    await asyncio.gather(*(ask_for_credentials(scene, company) for company in newcomers))
    program = await asyncio.to_thread(carbon_packing.packed)
    manifest = carbon_packing.manifest(program, PROGRAM_FILE)
    await asyncio.gather(*(_approve(company, program, manifest) for company in scene.chain.values()))
    seen = list(figures(chain))
    return {
        "companies_count": len(scene.chain),
        "processes_count": len({company.pid for company in scene.chain.values()}),
        "digest": manifest["digest"],
        "figures_count": len(seen),
        "assumed_count": sum(figure.assumed for figure in seen),
        "sources_count": len(chain.sources),
    }


async def chain_declare(scene: Scene) -> Json:
    """Tier by tier: compute, offer to the customer, fetch; at the end the packs are known per kWh."""
    chain, began_ms = battery_chain(), now_ms()
    # All versions of this walk are of one day, so that what is declared can be compared.
    scene.remembered["valid_from_ms"] = str(began_ms // DAY_MS * DAY_MS)
    contracts_count = 0
    for tier in TIERS:
        await asyncio.gather(*(compute(scene, chain, slug, chain.made_by(slug)) for slug in tier))
        sales = [product for slug in tier for product in chain.made_by(slug)]
        handed_on = await asyncio.gather(*(_hand_on(scene, chain, product) for product in sales))
        contracts_count += sum(handed_on)
    facts: Json = {"contracts_count": contracts_count, "took_ms": now_ms() - began_ms}
    for pack_id in PACKS:
        facts |= await _told_of(scene, chain, pack_id)
    return facts


async def chain_compare(scene: Scene) -> Json:
    """The packs against what was published of such packs, and where the distance comes from."""
    chain = battery_chain()
    facts: Json = {}
    for pack_id in PACKS:
        pack = chain.product(pack_id)
        band = chain.bands[pack.chemistry]
        gate = await _gate_per_kwh(scene, pack_id)
        expect(
            band.low.number < gate < band.high.number,
            f"{pack.name} has {_shown(gate)} kg/kWh, outside of {band.low.value} to {band.high.value}.",
        )
        name = _fact(pack)
        facts |= {
            f"{name}_gate": _shown(gate),
            f"{name}_low": band.low.value,
            f"{name}_median": band.median.value,
            f"{name}_high": band.high.value,
            f"{name}_distance_percent": _shown((gate / band.median.number - 1) * 100),
        }
        source = chain.source(band.median.source)
        facts |= {"author": source.author, "year": source.year}
    other = chain.checks["nickel-of-other-routes"].value
    more_kg = (other.number - chain.factors["nickel"].intensity.number) * _nickel_per_kwh(chain)
    powder = declared_in(
        await scene.chain["cathode"].content("/assets/carbon-footprint-nmc811-cathode/record")
    )
    return facts | {
        "nickel": chain.factors["nickel"].intensity.value,
        "other_nickel": other.value,
        "nmc811_with_other_nickel": _shown(await _gate_per_kwh(scene, PACKS[0]) + more_kg),
        "powder": powder["totalKg"],
        "other_powder": chain.checks["nmc811-cathode"].value.value,
    }


async def chain_swap(scene: Scene) -> Json:
    """The cathode maker buys lithium from the second refiner; what changes goes down the chain as new versions."""
    chain, began_ms = battery_chain(), now_ms()
    before = {pack_id: await _total_per_kwh(scene, pack_id) for pack_id in PACKS}
    start = next(number for number, tier in enumerate(TIERS) if chain.swap.company in tier)
    for tier in TIERS[start:]:
        await asyncio.gather(*(compute(scene, chain, slug, chain.made_by(slug), 2) for slug in tier))
        sales = [product for slug in tier for product in chain.made_by(slug)]
        await asyncio.gather(*(_hand_on(scene, chain, product) for product in sales))
    facts: Json = {
        "took_ms": now_ms() - began_ms,
        "company": scene.chain[chain.swap.company].name,
        "from_company": scene.chain["lithium"].name,
        "to_company": scene.chain["brine"].name,
    }
    for pack_id in PACKS:
        after, name = await _total_per_kwh(scene, pack_id), _fact(chain.product(pack_id))
        expect(after < before[pack_id], f"{pack_id} has {after} after the swap, and had {before[pack_id]}.")
        facts |= {
            f"{name}_before": _shown(before[pack_id]),
            f"{name}_after": _shown(after),
            f"{name}_percent": _shown((after / before[pack_id] - 1) * 100),
        }
    return facts


async def _approve(company: Company, program: bytes, manifest: Json) -> None:
    """The operator lays the program into the folder of apps, and the company approves its digest."""
    await asyncio.to_thread((company.apps_folder / PROGRAM_FILE).write_bytes, program)
    await company.put(f"/apps/{APP_ID}", manifest)
    await company.post(f"/apps/{APP_ID}/approve")


async def compute(
    scene: Scene, chain: Chain, slug: str, products: tuple[Product, ...], version: int = 1
) -> None:
    """The company writes its inventories and has its connector start the app; each declaration is there afterwards."""
    company = scene.chain[slug]
    suppliers = {other: one.participant_id for other, one in scene.chain.items()}
    swapped = chain.swap.products if version > 1 and slug == chain.swap.company else {}
    for product in products:
        asset = f"/assets/carbon-inventory-{product.id}"
        valid_from_ms, secret = int(scene.remembered["valid_from_ms"]), secrets.token_hex(SECRET_BYTES)
        content = inventory(chain, product, suppliers, valid_from_ms, version, swapped, secret)
        await company.put(asset, _record(product.id, "carbon-inventory", "hidden"))
        await company.put(f"{asset}/record", content)
    look = functools.partial(_runs, company)
    runs_count = len(await look())
    await company.post(f"/apps/{APP_ID}/run")
    ended = await eventually(
        f"the app of {company.name} ends",
        look,
        lambda seen: len(seen) > runs_count,
        LONGEST_RUN_S,
        RUN_LOOK_EVERY_S,
    )
    details = ended[-1]["details"]
    expect(details["exit_code"] == 0, f"The footprint app of {company.name} says: {details['output']}")


async def _runs(company: Company) -> list[Json]:
    told = await company.items("/history", process_id=APP_ID)
    return [entry for entry in told if entry["event"] == "app.ended"]


async def _hand_on(scene: Scene, chain: Chain, product: Product) -> int:
    """Offer what was declared to the company that may buy the product, which fetches it; how many contracts that took."""
    buyer = _buyer(scene, chain, product)
    if buyer is None:
        return 0
    maker = scene.chain[product.company]
    items = [FOOTPRINT_ITEM, *([BATTERY_ITEM] if product.id in chain.batteries else [])]
    for item in items:
        asset_id = _result(item, product.id)
        await maker.put(f"/assets/{asset_id}", _record(asset_id, item, "offered"))
        limits = [compare(PARTICIPANT, "isAnyOf", [buyer.participant_id]), compare("purpose", "eq", PURPOSE)]
        terms = {"permission": [{"action": "use", "constraint": limits}]}
        await maker.put(f"/policies/{asset_id}", {"document": terms})
        offer = {
            "contract_policy_id": asset_id,
            "asset_ids": [asset_id],
            "access": {"participants": [buyer.participant_id]},
        }
        await maker.put(f"/offers/{asset_id}", offer)
        await fetch(buyer, maker, asset_id)
    return len(items)


async def fetch(buyer: Company, maker: Company, asset_id: str) -> str:
    """The company gets what another offers it; the id under which it was received."""
    begun = await buyer.post("/fetches", {"partner": maker.participant_id, "asset_id": asset_id})
    done = await eventually(
        f"{buyer.name} gets {asset_id}",
        lambda: buyer.get(f"/fetches/{begun['fetch_id']}", wait_s=ANSWER_WAIT_S),
        lambda seen: seen["state"] in FETCH_ENDS,
        LONGEST_FETCH_S,
    )
    expect(done["state"] == "done", f"{buyer.name} did not get {asset_id}: {done['problem']}")
    received_id: str = done["received_id"]
    return received_id


def _buyer(scene: Scene, chain: Chain, product: Product) -> Company | None:
    """Who buys a product, or may after the swap."""
    names = {product.id, *(old for old, new in chain.swap.products.items() if new == product.id)}
    buyers = {one.company for one in chain.products for part in one.parts if part.product in names}
    return scene.chain[buyers.pop()] if buyers else None


def _record(title: str, data_item: str, visibility: str) -> Json:
    return {"title": title, "source": {"kind": "record"}, "data_item": data_item, "visibility": visibility}


def _result(item: str, product_id: str) -> str:
    return f"carbon-{'footprint' if item == FOOTPRINT_ITEM else 'battery'}-{product_id}"


def declared_in(content: bytes) -> Json:
    """The declaration in the signed word that a company offers."""
    payload = read(content).word.split(".")[1]
    document: Json = json.loads(base64url.decode(payload))
    return document


def _fact(product: Product) -> str:
    return product.chemistry.lower()


async def _told_of(scene: Scene, chain: Chain, pack_id: str) -> Json:
    """The two figures per kWh of a pack, with their stages, as the pack maker declares them."""
    told = await _battery(scene, pack_id)
    name = _fact(chain.product(pack_id))
    delivered, capacity = told["perKwhDelivered"], told["perKwhOfRatedCapacity"]
    facts: Json = {
        f"{name}_delivered_g": decimal_text(parse_decimal(delivered["totalKgCo2e"]) * 1000),
        f"{name}_capacity": capacity["totalKgCo2e"],
        f"{name}_delivered_kwh": told["serviceLife"]["deliveredKwh"],
    }
    footprint = declared_in(await scene.chain["packs"].content(f"/assets/carbon-footprint-{pack_id}/record"))
    facts[f"{name}_primary_percent"] = decimal_text(parse_decimal(footprint["primaryDataShare"]) * 100)
    for stage in STAGES:
        grams = parse_decimal(delivered["stagesKgCo2e"][stage.value]) * 1000
        facts |= {
            f"{name}_{stage.value}_g": decimal_text(grams),
            f"{name}_{stage.value}": capacity["stagesKgCo2e"][stage.value],
        }
    return facts


async def _battery(scene: Scene, pack_id: str) -> Json:
    told: Json = json.loads(await scene.chain["packs"].content(f"/assets/carbon-battery-{pack_id}/record"))
    return told


async def _gate_per_kwh(scene: Scene, pack_id: str) -> Fraction:
    """kgCO2e per kWh of rated capacity up to the gate of the pack maker."""
    stages = (await _battery(scene, pack_id))["perKwhOfRatedCapacity"]["stagesKgCo2e"]
    return sum((parse_decimal(stages[stage.value]) for stage in GATE), Fraction(0))


async def _total_per_kwh(scene: Scene, pack_id: str) -> Fraction:
    return parse_decimal((await _battery(scene, pack_id))["perKwhOfRatedCapacity"]["totalKgCo2e"])


def _nickel_per_kwh(chain: Chain) -> Fraction:
    """Kilograms of nickel metal that went into one kWh of the NMC811 pack."""
    kg = Fraction(1)
    for product_id, part_id in (
        ("nmc811-pack", "nmc811-cell"),
        ("nmc811-cell", "nmc811-cathode"),
        ("nmc811-cathode", "nickel-sulphate"),
    ):
        product = chain.product(product_id)
        kg *= next(part.amount.number for part in product.parts if part.product == part_id)
    refined = chain.product("nickel-sulphate")
    kg *= next(line.amount.number for line in refined.lines if line.factor == "nickel")
    return kg / chain.batteries["nmc811-pack"].rated_kwh.number


def _shown(value: Fraction) -> str:
    return fixed_text(value, SHOWN_DECIMALS)


STEPS = (
    Step("chain_start", chain_start),
    Step("chain_declare", chain_declare),
    Step("chain_compare", chain_compare),
    Step("chain_swap", chain_swap),
)
