"""A noisy tenant in a process of its own, so that its load shares no event loop with those whose times are taken.

Reads one JSON line from standard input (management_url, slug, api_key, partner, address, offer) and floods until the input ends.
"""

import asyncio
import json
import sys
from typing import Any

import aiohttp

CALLERS_COUNT = 16


async def flood(order: dict[str, Any]) -> None:
    """Negotiations and lists without pause, from sixteen callers, by a company with itself as its partner."""
    base_url = f"{order['management_url']}/v1/{order['slug']}"
    headers = {"X-Api-Key": order["api_key"]}

    async def call(session: aiohttp.ClientSession) -> None:
        while True:
            async with session.post(f"{base_url}/negotiations", json=order["negotiation"]) as answer:
                await answer.read()
            async with session.get(f"{base_url}/history?limit=100") as answer:
                await answer.read()

    async with aiohttp.ClientSession(headers=headers) as session:
        callers = [asyncio.create_task(call(session)) for _ in range(CALLERS_COUNT)]
        await asyncio.to_thread(sys.stdin.read)
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(flood(json.loads(sys.stdin.readline())))
