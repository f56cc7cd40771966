"""What the app that follows does where a supplier's keys cannot be had for a while."""

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, cast

from ashiato.clients.app_interface import AppInterface, AppInterfaceError
from ashiato.wiring.carbon_products import Products
from ashiato.wiring.walkthrough.battery_chain import battery_chain
from ashiato.wiring.walkthrough.inventories import inventory
from tests.wiring.carbon_chain import POWDER, VALID_FROM_MS

INVENTORY, STANDING = f"carbon-inventory-{POWDER}", f"carbon-standing-{POWDER}"


class Connector:
    """An app interface behind which one supplier has sent something and its DID document is not reached."""

    def __init__(self) -> None:
        chain = battery_chain()
        dids = {company: f"did:web:{company}.example" for company in ("nickel", "lithium", "cathode")}
        self.records = {INVENTORY: inventory(chain, chain.product(POWDER), dids, VALID_FROM_MS)}
        self.supplier = dids["nickel"]
        self.resolved_count = 0
        self.reads: list[str] = []

    def who_am_i(self) -> dict[str, Any]:
        manifest = {"version": "1", "digest": "0" * 64}
        return {"app_id": "carbon", "participant_id": "did:web:cathode.example", "manifest": manifest}

    def own(self) -> Iterator[dict[str, Any]]:
        return iter([{"asset_id": asset_id} for asset_id in self.records])

    def received(self) -> Iterator[dict[str, Any]]:
        asset_id = "carbon-footprint-nickel-sulphate"
        one = {"received_id": "r", "partner": self.supplier, "asset_id": asset_id, "sha256": "ab" * 32}
        return iter([{**one, "received_ms": 1}])

    def verifiers(self) -> list[str]:
        return []

    def notices(self) -> Iterator[dict[str, Any]]:
        return iter(())

    def read_own(self, asset_id: str, purpose: str) -> bytes:
        return self.records[asset_id]

    def read_received(self, received_id: str, purpose: str) -> bytes:
        self.reads.append(received_id)
        return b"{}"

    def did_document(self, did: str) -> bytes:
        self.resolved_count += 1
        raise AppInterfaceError(404, "The DID document cannot be read now.")

    def write(self, asset_id: str, result: dict[str, Any]) -> dict[str, str]:
        self.records[asset_id] = json.dumps(
            result["record"], separators=(",", ":"), ensure_ascii=False
        ).encode()
        return {"sha256": sha256(self.records[asset_id]).hexdigest()}


def test_a_supplier_whose_keys_are_not_reached_costs_no_use_and_is_looked_at_again() -> None:
    connector = Connector()
    products = Products(cast(AppInterface, connector))
    for count in (1, 2):
        assert products.catch_up() is False
        assert connector.resolved_count == count
        told = json.loads(connector.records[STANDING])
        assert (told["standing"], told["basis"]) == ("stale", "")
        assert connector.supplier in told["problem"]
    assert connector.reads == []
