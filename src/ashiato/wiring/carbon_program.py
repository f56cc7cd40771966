"""The carbon footprint app as a program: it reads through the app interface, computes, and writes the results back.

It is started by a connector (`ashiato app run`) or by anybody with the token of the app, and knows of the connector nothing but
that interface. It can also stay and follow what comes in (`ashiato carbon follow`).
"""

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ashiato.apps.carbon.calculating import FOOTPRINT, INVENTORY
from ashiato.clients.app_interface import AppInterface, AppInterfaceError
from ashiato.wiring.carbon_products import KIND, LINKS, PURPOSE, READ_AGAIN, WRITTEN, Products, patiently

APP_ID = "carbon"
VERSION = "1"
URL_VARIABLE, TOKEN_VARIABLE = "ASHIATO_APP_URL", "ASHIATO_APP_TOKEN"
MANIFEST: Mapping[str, Any] = {
    "name": "Carbon footprint",
    "version": VERSION,
    "purposes": [PURPOSE],
    "reads": [
        {"asset_id": f"{FOOTPRINT}*"},
        *({"asset_id": f"{beginning}*", "own": True} for beginning in (INVENTORY, *READ_AGAIN)),
        {"asset_id": LINKS, "own": True},
    ],
    "writes": list(WRITTEN),
    "signs": [KIND],
}
DONE, FAILED, MISUSED = 0, 1, 2


def main() -> int:
    """Compute every inventory of the company; the exit code is 0 only if each could be computed and was written."""
    return _with_interface(_run)


def follow() -> int:
    """Compute what is not computed yet, and then whatever changes, until the process is ended."""
    return _with_interface(_follow)


def _with_interface(work: Callable[[AppInterface], int]) -> int:
    url, token = os.environ.get(URL_VARIABLE, ""), os.environ.get(TOKEN_VARIABLE, "")
    if not url or not token:
        print(
            f"Set {URL_VARIABLE} and {TOKEN_VARIABLE}, or have the connector start this app.", file=sys.stderr
        )
        return MISUSED
    try:
        interface = AppInterface(url, token)
        try:
            return work(interface)
        finally:
            interface.close()
    except AppInterfaceError as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return DONE


def _run(interface: AppInterface) -> int:
    """A product that cannot be computed is told and leaves the others as they are."""
    failed_count = Products(interface).compute_all()
    return FAILED if failed_count else DONE


def _follow(interface: AppInterface) -> int:
    """What is there is compared with what was computed before each wait, so that neither a kill nor a lost event leaves a gap."""
    products = Products(interface)
    last: int = products.me["last"]
    while True:
        is_settled = patiently(products.catch_up)
        has_news = False
        while not has_news:
            has_news, last = patiently(partial(interface.wait_for_news, last))
            if not is_settled:
                break


if __name__ == "__main__":
    sys.exit(main())
