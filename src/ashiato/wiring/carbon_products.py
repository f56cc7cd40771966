"""The products of a company as the carbon app sees them through the app interface: what they rest on, and what comes of it."""

import sys
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, TypeVar

import msgspec

from ashiato.apps.carbon.accepting import UnagreedPart, declaration_in, require_agreed
from ashiato.apps.carbon.calculating import (
    BATTERY,
    CALCULATION,
    CONTRIBUTIONS,
    FOOTPRINT,
    INVENTORY,
    LINES,
    REFUSALS,
    Calculation,
    Received,
    suppliers_of,
)
from ashiato.apps.carbon.explaining import EXPLANATION, explanation_of
from ashiato.apps.carbon.inventory_documents import MalformedInventory, read_inventory
from ashiato.apps.carbon.inversion import (
    DISCLOSURES,
    Disclosures,
    quantity_errors,
    read_disclosures,
    seen_version,
    told_too_well,
)
from ashiato.apps.carbon.revisions import (
    REVISION,
    STANDING,
    FootprintStanding,
    Item,
    ResultStanding,
    basis_of,
    bundled,
    changed_inputs,
    issue_of,
    next_version,
    read_standing,
    version_of,
)
from ashiato.clients.app_interface import AppInterface, AppInterfaceError
from ashiato.wiring.carbon_partners import Partners

PURPOSE = "carbon-footprint"
KIND = "carbon-footprint"
"""The kind of word that the connector signs for the app."""
LINKS = "urn:ashiato:supply:trade-links"
CONFLICT = 409
READ_AGAIN = (FOOTPRINT, CALCULATION, STANDING, EXPLANATION, DISCLOSURES)
"""What the app reads of its own results."""
WRITTEN = (
    FOOTPRINT, BATTERY, CALCULATION, CONTRIBUTIONS, LINES, REVISION, STANDING, EXPLANATION, DISCLOSURES,
)  # fmt: skip
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
                self._declare(look, content, calculation, before)
            except (*REFUSALS, UnagreedPart, _NotSigned) as error:
                print(f"{asset_id}: {error}", file=sys.stderr, flush=True)
                failed_count += 1
                continue
            print(f"{FOOTPRINT}{calculation.product} {sha256(calculation.declaration).hexdigest()}")
        return failed_count

    def catch_up(self) -> bool:
        """Compute what rests on something else than before, as its inventory says, and write down how each declaration stands.

        False where the keys of a supplier cannot be had now, so that it must be looked at again without any news.
        """
        look = _Look(self._interface)
        is_settled = True
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
            silent = look.suppliers_without_keys(content)
            if silent:
                # Nothing is read, as each read is a use; without a basis it is looked at again.
                is_settled = False
                problem = f"the DID document of {', '.join(silent)} cannot be had now"
                self._write_stale(look, product, "", problem)
                continue
            self._renew(look, content, product, basis, is_offered=wish == "offer")
        return is_settled

    def _renew(self, look: "_Look", content: bytes, product: str, basis: str, *, is_offered: bool) -> None:
        before = look.declared_before(product)
        declared = None if before is None else version_of(before)
        try:
            calculation, _ = self._next(look, content)
            if before is None or is_offered or calculation.declaration == before:
                self._declare(look, content, calculation, before)
                return
        except (*REFUSALS, UnagreedPart, _NotSigned) as error:
            print(f"{INVENTORY}{product}: {error}", file=sys.stderr, flush=True)
            self._write_stale(look, product, basis, str(error))
            return
        record = look.own_if_there(CALCULATION + product)
        revision = version_of(calculation.declaration)
        _, exposed = self._disclosed(look, calculation)
        self._write(REVISION + product, bundled(calculation), "carbon-revision")
        self._write_standing(
            FootprintStanding(
                product=product,
                basis=basis,
                standing=ResultStanding.SUPERSEDED,
                declaration=declared,
                revision=revision,
                changed=changed_inputs(record, calculation.record),
                exposed=exposed,
            )
        )
        print(f"{FOOTPRINT}{product} is superseded by {revision.id}, which waits to be offered")

    def _next(self, look: "_Look", content: bytes) -> tuple[Calculation, bytes | None]:
        """The calculation and the declaration before it."""
        own = read_inventory(content)
        require_agreed(own.parts, look.partners.link)
        before = look.declared_before(own.document.product)
        received = look.received_for(content)
        return next_version(content, received, self._issuer, self._program, before), before

    def _declare(self, look: "_Look", content: bytes, calculation: Calculation, before: bytes | None) -> None:
        """The calculation first: what is declared can always be traced to how it was computed. How it stands comes last."""
        product = calculation.product
        record = look.own_if_there(CALCULATION + product)
        digest = sha256(calculation.declaration).hexdigest()
        declared = version_of(calculation.declaration)
        explanation = explanation_of(calculation, declared.id, look.own_if_there(EXPLANATION + product))
        disclosures, exposed = self._disclosed(look, calculation)
        results = (
            (CALCULATION + product, calculation.record, "carbon-calculation"),
            (CONTRIBUTIONS + product, calculation.contributions, "carbon-contributions"),
            (LINES + digest, calculation.lines, "carbon-lines"),
            (EXPLANATION + product, msgspec.json.encode(explanation), "carbon-explanation"),
            (DISCLOSURES + product, msgspec.json.encode(disclosures), "carbon-disclosures"),
            (BATTERY + product, calculation.battery, "battery-carbon-footprint"),
        )
        for asset_id, document, data_item in results:
            if document is not None:
                self._write(asset_id, document, data_item)
        self._sign(FOOTPRINT + product, calculation, digest)
        is_new = before is not None and before != calculation.declaration
        self._write_standing(
            FootprintStanding(
                product=product,
                basis=basis_of(content, look.items_for(content), self._program),
                standing=ResultStanding.CURRENT,
                declaration=declared,
                changed=changed_inputs(record, calculation.record) if is_new else (),
                exposed=exposed,
            )
        )

    def _sign(self, asset_id: str, calculation: Calculation, digest: str) -> None:
        """Have the connector sign the declaration in the company's name and put it in its place."""
        declared = {
            "kind": KIND,
            "title": asset_id,
            "document": msgspec.json.decode(calculation.declaration),
            "data_item": "carbon-footprint",
            "rests_on": [{"partner": partner, "sha256": used} for partner, used in calculation.rests_on],
        }
        try:
            stored = self._interface.declare(asset_id, declared)
        except AppInterfaceError as error:
            if error.status == CONFLICT:
                raise _NotSigned(str(error)) from error
            raise
        _require_same(asset_id, stored["sha256"], digest)

    def _disclosed(self, look: "_Look", calculation: Calculation) -> tuple[Disclosures, dict[str, str]]:
        """The versions of three years with this one, and the inputs that these give away, which the owner is told of."""
        product = calculation.product
        known = look.own_if_there(DISCLOSURES + product)
        before = Disclosures(product=product) if known is None else read_disclosures(known, product)
        after = before.with_version(
            seen_version(calculation.result, calculation.own.rules, *issue_of(calculation.declaration))
        )
        errors = quantity_errors(after.versions)
        exposed = {key: f"{errors[key] * 100:.2f}" for key in told_too_well(errors)}
        if exposed:
            listed = ", ".join(f"{key} (error {error} %)" for key, error in exposed.items())
            print(
                f"{FOOTPRINT}{product}: who knows its inputs could tell the quantities of {listed}.",
                file=sys.stderr,
                flush=True,
            )
        return after, exposed

    def _write_stale(self, look: "_Look", product: str, basis: str, problem: str) -> None:
        before = look.declared_before(product)
        self._write_standing(
            FootprintStanding(
                product=product,
                basis=basis,
                standing=ResultStanding.STALE,
                declaration=None if before is None else version_of(before),
                problem=problem,
            )
        )

    def _write_standing(self, standing: FootprintStanding) -> None:
        self._write(STANDING + standing.product, msgspec.json.encode(standing), "carbon-standing")

    def _write(self, asset_id: str, content: bytes, data_item: str) -> None:
        result = {"title": asset_id, "record": msgspec.json.decode(content), "data_item": data_item}
        _require_same(
            asset_id, self._interface.write(asset_id, result)["sha256"], sha256(content).hexdigest()
        )


class _NotSigned(Exception):
    """The connector does not sign this declaration as it is, for a reason that the company must mend."""


def _require_same(asset_id: str, stored: str, computed: str) -> None:
    if stored != computed:
        raise AppInterfaceError(0, f"The connector stored other bytes for {asset_id} than were computed.")


class _Look:
    """What is there at one moment. Each read of something received is a use, so it is read once and only when it is needed."""

    def __init__(self, interface: AppInterface) -> None:
        self._interface = interface
        self._own = {asset["asset_id"] for asset in interface.own()}
        self._received: list[Mapping[str, Any]] = list(interface.received())
        self.partners = Partners(interface)
        self._read: dict[str, Received | None] = {}

    @property
    def inventories(self) -> list[str]:
        return sorted(asset_id for asset_id in self._own if asset_id.startswith(INVENTORY))

    def own(self, asset_id: str) -> bytes:
        return self._interface.read_own(asset_id, PURPOSE)

    def own_if_there(self, asset_id: str) -> bytes | None:
        """The bytes of a result of one's own; None where it was not written yet."""
        return self.own(asset_id) if asset_id in self._own else None

    def declared_before(self, product: str) -> bytes | None:
        """The declaration of the company that lies there; None where there is none."""
        content = self.own_if_there(FOOTPRINT + product)
        return None if content is None else declaration_in(content)

    def items_for(self, content: bytes) -> list[Item]:
        """What the suppliers that an inventory names have sent and said since; nothing is read for it."""
        sent = [Item(one["partner"], one["asset_id"], one["sha256"]) for one in self._from_suppliers(content)]
        return [*sent, *self.partners.known(suppliers_of((content,)))]

    def suppliers_without_keys(self, content: bytes) -> list[str]:
        """The suppliers of an inventory that have sent something which cannot be verified now."""
        return self.partners.without_keys({one["partner"] for one in self._from_suppliers(content)})

    def received_for(self, content: bytes) -> list[Received]:
        """What the suppliers that an inventory names declared.

        What may not be used now, or is not rightly signed, counts as not there.
        """
        found = [self._accepted(item) for item in self._from_suppliers(content)]
        return [one for one in found if one is not None]

    def _from_suppliers(self, content: bytes) -> list[Mapping[str, Any]]:
        suppliers = suppliers_of((content,))
        return [item for item in self._received if item["partner"] in suppliers]

    def _accepted(self, item: Mapping[str, Any]) -> Received | None:
        received_id = item["received_id"]
        if received_id not in self._read:
            try:
                content = self._interface.read_received(received_id, PURPOSE)
                self._read[received_id] = self.partners.accepted(item, content)
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
