"""`make bench BENCH=name`: runs one bench and prints one JSON line. Says what each needs when asked for an unknown one."""

import asyncio
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import exchange, policy, tenants

BENCHES = {"exchange": exchange.run, "policy": policy.run, "tenants": tenants.run}
TRUSTS = ("token",)


def main() -> int:
    """Run the bench that the first argument names."""
    name = sys.argv[1] if len(sys.argv) > 1 else "exchange"
    trust = os.environ.get("TRUST", "token")
    if name not in BENCHES or trust not in TRUSTS:
        print(f"usage: make bench BENCH={'|'.join(BENCHES)} TRUST={'|'.join(TRUSTS)}", file=sys.stderr)
        return 2
    figures = asyncio.run(BENCHES[name]())
    print(json.dumps({"bench": name, "trust": trust, **figures}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
