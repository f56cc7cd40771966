"""The products of a company as the carbon app sees them through the app interface: what they rest on, and what comes of it."""

import sys
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, TypeVar

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
    suppliers_of,
)
from ashiato.apps.carbon.inventory_documents import MalformedInventory, read_inventory
from ashiato.apps.carbon.revisions import (
    REVISION,
    STANDING,
    FootprintStanding,
    Item,
    ResultStanding,
    basis_of,
    bundled,
    changed_inputs,
    next_version,
    read_standing,
    version_of,
)
from ashiato.clients.app_interface import AppInterface, AppInterfaceError

PURPOSE = "carbon-footprint"
READ_AGAIN = (FOOTPRINT, CALCULATION, STANDING)
"""What the app reads of its own results."""
WRITTEN = (FOOTPRINT, BATTERY, CALCULATION, CONTRIBUTIONS, REVISION, STANDING)
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 60.0

T = TypeVar("T")


class Products:
    """Everything that one company keeps an inventory of."""

    def __init__(self, interface: AppInterface) -> None:
        self._interface = interface
        self.me = interface.who_am_i()
        manifest = self.me["manifest"]
        self._issuer: str = self.me["participant_id"]
        self._program = f"{self.me['app_id']} {manifest['version']} sha256:{manifest['digest']}"

    def compute_all(self) -> int:
        """Compute every inventory and put each result in its place; how many could not be computed."""
        look = _Look(self._interface)
        failed_count = 0
        for asset_id in look.inventories:
            content = look.own(asset_id)
            try:
                calculation, before = self._next(look, content)
            except REFUSALS as error:
                print(f"{asset_id}: {error}", file=sys.stderr, flush=True)
                failed_count += 1
                continue
            self._declare(look, content, calculation, before)
            print(f"{FOOTPRINT}{calculation.product} {sha256(calculation.declaration).hexdigest()}")
        return failed_count

    def catch_up(self) -> None:
        """Compute what rests on something else than before, as its inventory says, and write down how each declaration stands."""
        look = _Look(self._interface)
        for asset_id in look.inventories:
            content = look.own(asset_id)
            try:
                own = read_inventory(content)
            except MalformedInventory as error:
                print(f"{asset_id}: {error}", file=sys.stderr, flush=True)
                continue
            product, wish = own.document.product, own.document.on_change
            known = look.own_if_there(STANDING + product)
            standing = None if known is None else read_standing(known)
            basis = basis_of(content, look.items_for(content), self._program)
            if wish == "off" or (standing is not None and standing.basis == basis):
                continue
            self._renew(look, content, product, basis, is_offered=wish == "offer")

    def _renew(self, look: "_Look", content: bytes, product: str, basis: str, *, is_offered: bool) -> None:
        before = look.own_if_there(FOOTPRINT + product)
        declared = None if before is None else version_of(before)
        try:
            calculation, _ = self._next(look, content)
        except REFUSALS as error:
            print(f"{INVENTORY}{product}: {error}", file=sys.stderr, flush=True)
            told = FootprintStanding(
                product=product,
                basis=basis,
                standing=ResultStanding.STALE,
                declaration=declared,
                problem=str(error),
            )
            self._write_standing(told)
            return
        if before is None or is_offered or calculation.declaration == before:
            self._declare(look, content, calculation, before)
            return
        record = look.own_if_there(CALCULATION + product)
        revision = version_of(calculation.declaration)
        self._write(REVISION + product, bundled(calculation), "carbon-revision")
        self._write_standing(
            FootprintStanding(
                product=product,
                basis=basis,
                standing=ResultStanding.SUPERSEDED,
                declaration=declared,
                revision=revision,
                changed=changed_inputs(record, calculation.record),
            )
        )
        print(f"{FOOTPRINT}{product} is superseded by {revision.id}, which waits to be offered")

    def _next(self, look: "_Look", content: bytes) -> tuple[Calculation, bytes | None]:
        """The calculation and the declaration before it."""
        before = look.own_if_there(FOOTPRINT + read_inventory(content).document.product)
        received = look.received_for(content)
        return next_version(content, received, self._issuer, self._program, before), before

    def _declare(self, look: "_Look", content: bytes, calculation: Calculation, before: bytes | None) -> None:
        """The calculation first: what is declared can always be traced to how it was computed. How it stands comes last."""
        product = calculation.product
        record = look.own_if_there(CALCULATION + product)
        results = {
            CALCULATION: (calculation.record, "carbon-calculation"),
            CONTRIBUTIONS: (calculation.contributions, "carbon-contributions"),
            BATTERY: (calculation.battery, "battery-carbon-footprint"),
            FOOTPRINT: (calculation.declaration, "carbon-footprint"),
        }
        for beginning, (document, data_item) in results.items():
            if document is not None:
                self._write(beginning + product, document, data_item)
        is_new = before is not None and before != calculation.declaration
        self._write_standing(
            FootprintStanding(
                product=product,
                basis=basis_of(content, look.items_for(content), self._program),
                standing=ResultStanding.CURRENT,
                declaration=version_of(calculation.declaration),
                changed=changed_inputs(record, calculation.record) if is_new else (),
            )
        )

    def _write_standing(self, standing: FootprintStanding) -> None:
        self._write(STANDING + standing.product, msgspec.json.encode(standing), "carbon-standing")

    def _write(self, asset_id: str, content: bytes, data_item: str) -> None:
        result = {"title": asset_id, "record": msgspec.json.decode(content), "data_item": data_item}
        stored = self._interface.write(asset_id, result)
        if stored["sha256"] != sha256(content).hexdigest():
            raise AppInterfaceError(0, f"The connector stored other bytes for {asset_id} than were computed.")


class _Look:
    """What is there at one moment. Each read of something received is a use, so it is read once and only when it is needed."""

    def __init__(self, interface: AppInterface) -> None:
        self._interface = interface
        self._own = {asset["asset_id"] for asset in interface.own()}
        self._received: list[Mapping[str, Any]] = list(interface.received())
        self._read: dict[str, bytes | None] = {}

    @property
    def inventories(self) -> list[str]:
        return sorted(asset_id for asset_id in self._own if asset_id.startswith(INVENTORY))

    def own(self, asset_id: str) -> bytes:
        return self._interface.read_own(asset_id, PURPOSE)

    def own_if_there(self, asset_id: str) -> bytes | None:
        """The bytes of a result of one's own; None where it was not written yet."""
        return self.own(asset_id) if asset_id in self._own else None

    def items_for(self, content: bytes) -> list[Item]:
        """What the suppliers that an inventory names have sent; nothing is read for it."""
        return [Item(one["partner"], one["asset_id"], one["sha256"]) for one in self._from_suppliers(content)]

    def received_for(self, content: bytes) -> list[Received]:
        """What the suppliers that an inventory names declared. What may not be used now counts as not there."""
        found = []
        for item in self._from_suppliers(content):
            document = self._content(item)
            if document is not None:
                found.append(Received(item["partner"], item["received_ms"], item["sha256"], document))
        return found

    def _from_suppliers(self, content: bytes) -> list[Mapping[str, Any]]:
        suppliers = suppliers_of((content,))
        return [item for item in self._received if item["partner"] in suppliers]

    def _content(self, item: Mapping[str, Any]) -> bytes | None:
        received_id = item["received_id"]
        if received_id not in self._read:
            try:
                self._read[received_id] = self._interface.read_received(received_id, PURPOSE)
            except AppInterfaceError as error:
                if not error.status:
                    raise
                print(
                    f"{item['asset_id']} of {item['partner']} is not used: {error}",
                    file=sys.stderr,
                    flush=True,
                )
                self._read[received_id] = None
        return self._read[received_id]


def patiently(ask: Callable[[], T]) -> T:
    """The answer of a connector that may be away for a while; raises `AppInterfaceError` where it refuses."""
    pause_s = SHORTEST_PAUSE_S
    while True:
        try:
            return ask()
        except AppInterfaceError as error:
            if error.status and error.status < 500:
                raise
            print(f"{error} Trying again in {pause_s:g} s.", file=sys.stderr, flush=True)
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
