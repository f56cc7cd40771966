"""`make bench BENCH=name`: runs one bench and prints one JSON line. Says what each needs when asked for an unknown one."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import as_built, exchange, policy, request_chain, tenants, trusted

Figures = dict[str, float]


async def _exchange_by_credentials() -> Figures:
    """The exchange as it is without credentials, and then what they add to it."""
    return await exchange.run() | await trusted.run()


async def _rollup() -> Figures:
    """The chain and its footprint: in memory, between companies, and in a large store.

    The libraries of the first weigh on memory and start, so no other bench loads them.
    """
    from bench import rollup

    return await rollup.run() | await request_chain.run() | await as_built.run()


async def _billing() -> Figures:
    """The hub's rooms are loaded for it alone."""
    from bench import billing

    return await billing.run()


async def _catalog() -> Figures:
    """It brings the hub, which no other bench needs."""
    from bench import catalog

    return await catalog.run()


async def _lca() -> Figures:
    """Loaded here, because the peer and its libraries are large and the other benches measure memory."""
    from bench import lca

    return await lca.run()


async def _inversion() -> Figures:
    """Loaded here for the same reason."""
    from bench import inversion

    return await inversion.run()


async def _ledger() -> Figures:
    """Its program is the hub, and no connector."""
    from bench import ledger

    return await ledger.run()


BENCHES: dict[tuple[str, str], Callable[[], Coroutine[object, object, Figures]]] = {
    ("billing", "token"): _billing,
    ("catalog", "token"): _catalog,
    ("exchange", "token"): exchange.run,
    ("exchange", "dcp"): _exchange_by_credentials,
    ("inversion", "token"): _inversion,
    ("lca", "token"): _lca,
    ("ledger", "token"): _ledger,
    ("policy", "token"): policy.run,
    ("rollup", "token"): _rollup,
    ("tenants", "token"): tenants.run,
}


def main() -> int:
    """Run the bench that the first argument names."""
    name = sys.argv[1] if len(sys.argv) > 1 else "exchange"
    trust = os.environ.get("TRUST", "token")
    bench = BENCHES.get((name, trust))
    if bench is None:
        names = " or ".join(f"BENCH={known} TRUST={mode}" for known, mode in BENCHES)
        print(f"usage: make bench {names}", file=sys.stderr)
        return 2
    figures = asyncio.run(bench())
    print(json.dumps({"bench": name, "trust": trust, **figures}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
