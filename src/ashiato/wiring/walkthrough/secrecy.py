"""What each company of the chain can and cannot see: looked for in everything that it holds, byte by byte."""

import asyncio
import base64
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from ashiato.wiring.walkthrough.battery_chain import Chain, Product, battery_chain
from ashiato.wiring.walkthrough.companies import Company, Json, expect
from ashiato.wiring.walkthrough.scene import Scene, Step

LOOKED_AT = ("cells", "packs", "vehicles")
INSIDE = ("inventory", "calculation", "contributions")
# A shorter number could stand anywhere by chance.
LEAST_CANARY_CHARS = 6
_SIGNED = re.compile(rb"eyJ[A-Za-z0-9_-]+\.(eyJ[A-Za-z0-9_-]+)")


async def chain_secrecy(scene: Scene) -> Json:
    """Of the companies, products and amounts beyond a company's own partners, nothing lies in its store or is shown to it."""
    chain = battery_chain()
    searched_bytes = files_count = canaries_count = 0
    facts: Json = {}
    for slug in LOOKED_AT:
        company = scene.chain[slug]
        words = canaries(scene, chain, slug)
        texts = await asyncio.to_thread(_files, company.folder)
        files_count += len(texts)
        texts += await _shown(company)
        texts += await _received(scene, chain, slug)
        texts += [payload for text in texts for payload in signed_payloads(text)]
        found = finds(words, texts)
        expect(not found, f"{company.name} holds what it must not know: {found}")
        searched_bytes += sum(map(len, texts))
        canaries_count += len(words)
        agreements = await company.items("/agreements")
        facts[f"{slug}_partners"] = len({one["partner"] for one in agreements})
        facts[f"{slug}_hidden"] = len(chain.companies) - 1 - len(near(chain, slug))
    await _nothing_offered_from_inside(scene, chain)
    return facts | {
        "canaries_count": canaries_count,
        "files_count": files_count,
        "searched_mb": round(searched_bytes / 1_000_000, 1),
        "found_count": 0,
        **{slug: scene.chain[slug].name for slug in LOOKED_AT},
    }


def signed_payloads(text: bytes) -> list[bytes]:
    """What is said in the signed words (compact JWS) of a text: there it is written in base64url, where no search finds it."""
    payloads = []
    for found in _SIGNED.findall(text):
        # On a page of a database a text may be broken off; what is there of it is looked through all the same.
        whole = found[:-1] if len(found) % 4 == 1 else found
        payloads.append(base64.urlsafe_b64decode(whole + b"=" * (-len(whole) % 4)))
    return payloads


def finds(words: Iterable[str], texts: Iterable[bytes]) -> list[str]:
    """The words that stand in one of the texts, as words of their own: 0.0041 does not stand in 0.00412."""
    searched = list(texts)
    return sorted({word for word in words if any(_stands(word.encode(), text) for text in searched)})


def _stands(word: bytes, text: bytes) -> bool:
    # The plain search first: it is many times faster, and almost always says no.
    return word in text and re.search(rb"(?<![0-9.])" + re.escape(word) + rb"(?![0-9])", text) is not None


def near(chain: Chain, slug: str) -> set[str]:
    """The direct suppliers and customers of a company, also those after the swap."""
    near: set[str] = set()
    for product in chain.products:
        bought = {
            chain.product(one).company for part in product.parts for one in _either(chain, part.product)
        }
        if product.company == slug:
            near |= bought
        elif slug in bought:
            near.add(product.company)
    return near


def _either(chain: Chain, product_id: str) -> tuple[str, ...]:
    new = chain.swap.products.get(product_id)
    return (product_id,) if new is None else (product_id, new)


def canaries(scene: Scene, chain: Chain, slug: str) -> set[str]:
    """Words that would give something away to a company: DIDs, products and amounts of those it does not deal with, and the
    amounts in the bills of its suppliers."""
    partners = near(chain, slug)
    dids = {
        scene.chain[one.slug].participant_id for one in chain.companies if one.slug not in {slug, *partners}
    }
    foreign = [product for product in chain.products if product.company != slug]
    far = {product.id for product in foreign if product.company not in partners}
    own = {value for product in chain.made_by(slug) for value in _amounts(product)}
    amounts = {value for product in foreign for value in _amounts(product)} - own
    return dids | far | {value for value in amounts if len(value) >= LEAST_CANARY_CHARS and "." in value}


def _amounts(product: Product) -> Iterable[str]:
    yield from (part.amount.value for part in product.parts)
    yield from (line.amount.value for line in product.lines)


def _files(folder: Path) -> list[bytes]:
    """Every file of a company's process: database, log, settings, what it received."""
    return [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]


async def _shown(company: Company) -> list[bytes]:
    """What its own people are shown."""
    lists = ("/received", "/agreements", "/negotiations", "/history", "/accesses", "/assets", "/offers")
    return [str(await company.items(path)).encode() for path in lists]


async def _received(scene: Scene, chain: Chain, slug: str) -> list[bytes]:
    """The documents that it received, as their makers hold them; the hashes say that they are the same."""
    hashes = {item["sha256"] for item in await scene.chain[slug].items("/received")}
    documents = []
    for product in chain.products:
        if product.company not in near(chain, slug):
            continue
        kinds = ["footprint", *(["battery"] if product.id in chain.batteries else [])]
        for kind in kinds:
            content = await scene.chain[product.company].content(f"/assets/carbon-{kind}-{product.id}/record")
            if hashlib.sha256(content).hexdigest() in hashes:
                documents.append(content)
    expect(bool(documents), f"{scene.chain[slug].name} received nothing that its suppliers hold now.")
    return documents


async def _nothing_offered_from_inside(scene: Scene, chain: Chain) -> None:
    """A customer finds its supplier's declaration, and nothing of what that was computed from; a stranger finds neither."""
    for maker, product_id, customer, stranger in (
        ("cells", "nmc811-cell", "packs", "vehicles"),
        ("packs", "nmc811-pack", "vehicles", "cells"),
    ):
        partner = scene.chain[maker].participant_id
        for kind in (*INSIDE, "footprint"):
            query = {"partner": partner, "asset_id": f"carbon-{kind}-{product_id}"}
            seen = await asyncio.gather(
                *(scene.chain[who].post("/catalog/query", query) for who in (customer, stranger))
            )
            counts = [len(page["items"]) for page in seen]
            expected = [1, 0] if kind == "footprint" else [0, 0]
            expect(counts == expected, f"{kind} of {product_id} is seen {counts} times, not {expected}.")


STEPS = (Step("chain_secrecy", chain_secrecy),)
