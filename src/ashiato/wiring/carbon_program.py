"""The carbon footprint app as a program: it reads through the app interface, computes, and writes the results back.

It is started by a connector (`ashiato app run`) or by anybody with the token of the app, and knows of the connector nothing but
that interface.
"""

import os
import sys
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec

from ashiato.apps.carbon.calculating import (
    BATTERY,
    CALCULATION,
    CONTRIBUTIONS,
    FOOTPRINT,
    INVENTORY,
    REFUSALS,
    Calculation,
    Received,
    calculate,
    suppliers_of,
)
from ashiato.clients.app_interface import AppInterface, AppInterfaceError

APP_ID = "carbon"
VERSION = "1"
PURPOSE = "carbon-footprint"
URL_VARIABLE, TOKEN_VARIABLE = "ASHIATO_APP_URL", "ASHIATO_APP_TOKEN"
MANIFEST: Mapping[str, Any] = {
    "name": "Carbon footprint",
    "version": VERSION,
    "purposes": [PURPOSE],
    "reads": [{"asset_id": f"{FOOTPRINT}*"}, {"asset_id": f"{INVENTORY}*", "own": True}],
    "writes": [FOOTPRINT, BATTERY, CALCULATION, CONTRIBUTIONS],
}
DONE, FAILED, MISUSED = 0, 1, 2


def main() -> int:
    """Compute every inventory of the company; the exit code is 0 only if each could be computed and was written."""
    url, token = os.environ.get(URL_VARIABLE, ""), os.environ.get(TOKEN_VARIABLE, "")
    if not url or not token:
        print(
            f"Set {URL_VARIABLE} and {TOKEN_VARIABLE}, or have the connector start this app.", file=sys.stderr
        )
        return MISUSED
    try:
        interface = AppInterface(url, token)
        try:
            return _run(interface)
        finally:
            interface.close()
    except AppInterfaceError as error:
        print(error, file=sys.stderr)
        return FAILED


def _run(interface: AppInterface) -> int:
    """A product that cannot be computed is told and leaves the others as they are."""
    me = interface.who_am_i()
    manifest = me["manifest"]
    program = f"{me['app_id']} {manifest['version']} sha256:{manifest['digest']}"
    inventories = {
        asset["asset_id"]: interface.read_own(asset["asset_id"], PURPOSE) for asset in interface.own()
    }
    received = _received(interface, suppliers_of(inventories.values()))
    failed_count = 0
    for asset_id, content in inventories.items():
        try:
            calculation = calculate(content, received, me["participant_id"], program)
        except REFUSALS as error:
            print(f"{asset_id}: {error}", file=sys.stderr)
            failed_count += 1
            continue
        _write(interface, calculation)
        print(f"{FOOTPRINT}{calculation.product} {sha256(calculation.declaration).hexdigest()}")
    return FAILED if failed_count else DONE


def _received(interface: AppInterface, suppliers: frozenset[str]) -> list[Received]:
    """What the suppliers declared. Each read is a use, so nothing else is read; what may not be used now counts as not there."""
    found = []
    for item in interface.received():
        if item["partner"] not in suppliers:
            continue
        try:
            content = interface.read_received(item["received_id"], PURPOSE)
        except AppInterfaceError as error:
            if not error.status:
                raise
            print(f"{item['asset_id']} of {item['partner']} is not used: {error}", file=sys.stderr)
            continue
        found.append(Received(item["partner"], item["received_ms"], item["sha256"], content))
    return found


def _write(interface: AppInterface, calculation: Calculation) -> None:
    """The calculation first: what is declared can always be traced to how it was computed."""
    results = {
        CALCULATION: (calculation.record, "carbon-calculation"),
        CONTRIBUTIONS: (calculation.contributions, "carbon-contributions"),
        BATTERY: (calculation.battery, "battery-carbon-footprint"),
        FOOTPRINT: (calculation.declaration, "carbon-footprint"),
    }
    for beginning, (content, data_item) in results.items():
        if content is None:
            continue
        asset_id = beginning + calculation.product
        result = {"title": asset_id, "record": msgspec.json.decode(content), "data_item": data_item}
        stored = interface.write(asset_id, result)
        if stored["sha256"] != sha256(content).hexdigest():
            raise AppInterfaceError(0, f"The connector stored other bytes for {asset_id} than were computed.")


if __name__ == "__main__":
    sys.exit(main())
