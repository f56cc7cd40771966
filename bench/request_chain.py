"""How long a question takes down a chain of five companies that answer by rules, over the real exchange.

Each asks the next one first; the answer comes up the same way. All of them live in one connector on SQLite and speak with
each other over HTTP on loopback. Before the clock starts every neighbour has looked at the other's catalog, so that keys and
addresses are known; every agreement, one in each direction between neighbours, is negotiated while it runs. Afterwards the
same question is asked again, over the agreements that are there.
"""

import asyncio
import itertools
import statistics
import tempfile
import time
from pathlib import Path

from tests.companies import Company, running

TIERS = ("vehicle", "pack", "cell", "cathode", "nickel")
ROUNDS_COUNT = 5
AGAIN_COUNT = 3
HOUR_MS = 3_600_000
PATIENCE_S = 60.0


async def run() -> dict[str, float]:
    """Medians of seconds: with every agreement to be negotiated, each time among new companies, and over standing ones."""
    first_s, again_s = [], []
    with tempfile.TemporaryDirectory(prefix="ashiato-bench-") as name:
        for number in range(ROUNDS_COUNT):
            node = Company(Path(name) / str(number), TIERS)
            async with running(node):
                await _prepare(node)
                await _check_agreements(node, 0)
                first_s.append(await _question(node))
                # One in each direction between neighbours, and each stands with both of its sides.
                await _check_agreements(node, 2 * 2 * (len(TIERS) - 1))
                again_s += [await _question(node) for _ in range(AGAIN_COUNT)]
    return {
        "chain_s": round(statistics.median(first_s), 3),
        "chain_slowest_s": round(max(first_s), 3),
        "chain_again_s": round(statistics.median(again_s), 3),
    }


async def _prepare(node: Company) -> None:
    """Open inboxes, rules that answer, and neighbours that know each other's keys."""
    for slug, below in zip(TIERS, [*TIERS[1:], None], strict=True):
        await node.call("PUT", "/request-inbox", {}, slug=slug)
        await node.call("PUT", "/assets/cfp", {"title": "t", "source": {"kind": "record"}}, slug=slug)
        ask_on = [{"partner": node.did_of(below), "part": {"part_id": "p"}}] if below else []
        rule = {"data_item": "footprint", "part_id": "p", "asset_id": "cfp", "ask_on": ask_on}
        await node.call("PUT", "/request-rules/r", rule, slug=slug)
    for one, other in itertools.pairwise(TIERS):
        for asker, partner in ((one, other), (other, one)):
            body = {"partner": node.did_of(partner)}
            await node.call("POST", "/catalog/query", body, slug=asker)


async def _check_agreements(node: Company, count: int) -> None:
    found = [await node.call("GET", "/agreements", slug=slug) for slug in TIERS]
    if (found_count := sum(len(page["items"]) for page in found)) != count:
        raise RuntimeError(f"{found_count} agreements instead of {count}")


async def _question(node: Company) -> float:
    """Seconds from the question to its answer, as the one who asks sees it."""
    body = {
        "to": [{"partner": node.did_of(TIERS[1]), "part": {"part_id": "p"}}],
        "data_item": "footprint",
        "due_ms": int(time.time() * 1000) + HOUR_MS,
        "fetch": False,
    }
    began_s = time.perf_counter()
    own_id = (await node.call("POST", "/requests", body))["items"][0]["own_id"]
    shown = await node.call("GET", f"/requests/{own_id}")
    while shown["state"] != "answered":
        if time.perf_counter() - began_s > PATIENCE_S:
            raise RuntimeError(f"the question is {shown['state']} still")
        shown = await node.call("GET", f"/requests/{own_id}?wait_s=10")
    took_s = time.perf_counter() - began_s
    if shown["counts"] != {"trades": 4, "completed": 4, "closed": 0, "open": 0}:
        raise RuntimeError(f"{shown['counts']} instead of four answers")
    # What is still on its way of this question must not slow the next.
    await asyncio.sleep(0.5)
    return took_s
