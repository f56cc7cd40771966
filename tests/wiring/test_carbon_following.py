"""The carbon app as a process that stays: what comes in at the company is computed without anybody asking for it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ashiato.wiring.walkthrough.battery_chain import battery_chain
from ashiato.wiring.walkthrough.inventories import inventory
from tests.companies import ManagementError
from tests.wiring.carbon_chain import BOUGHT, POWDER, VALID_FROM_MS, Chain, payload_of, running_chain, until

MANY_USES = 50
Json = dict[str, Any]


@pytest.fixture
async def chain(tmp_path: Path) -> AsyncIterator[Chain]:
    """The refiners have declared, and the cathode maker keeps its inventory but has bought nothing yet."""
    async with running_chain(tmp_path) as made:
        for slug, products in BOUGHT.items():
            for product_id in products:
                await made.keep(product_id)
            assert (await made.run(slug))["exit_code"] == 0
        yield made


@contextmanager
def following(chain: Chain, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The app stays at the cathode maker."""
    command = [sys.executable, "-m", "ashiato.wiring.main", "carbon", "follow"]
    with (folder / "follow.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, **chain.environment("cathode")}
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def standing(chain: Chain) -> Json:
    """How the powder's declaration stands; nothing before the app has looked."""
    try:
        document: Json = json.loads(await chain.record("cathode", f"carbon-standing-{POWDER}"))
    except ManagementError:
        return {}
    return document


async def declared(chain: Chain) -> Json:
    document: Json = json.loads(payload_of(await chain.record("cathode", f"carbon-footprint-{POWDER}")))
    return document


def with_more(chain: Chain, product_id: str, version: int, first_amount: str) -> bytes:
    """A later inventory of a refiner, whose first line has another amount."""
    product = battery_chain().product(product_id)
    document = json.loads(inventory(battery_chain(), product, chain.dids(), VALID_FROM_MS, version))
    line = document["lines"][0]
    line["energy" if line["type"] == "electricity" else "amount"]["value"] = first_amount
    return json.dumps(document).encode()


async def renew(chain: Chain, product_id: str, version: int, first_amount: str) -> None:
    """The refiner declares a new version, and the cathode maker gets it."""
    await chain.keep(product_id, with_more(chain, product_id, version, first_amount))
    slug = battery_chain().product(product_id).company
    assert (await chain.run(slug))["exit_code"] == 0
    await chain.sell(product_id, MANY_USES)


async def uses(chain: Chain) -> int:
    """How often the app read what others declared."""
    totals = (await chain.cathode.call("GET", "/vault/usage"))["items"]
    return sum(total["uses_count"] for total in totals if total["agreement_id"])


async def test_a_new_version_of_a_supplier_makes_a_new_version_that_waits_for_a_person(
    chain: Chain, tmp_path: Path
) -> None:
    await chain.keep(POWDER)
    with following(chain, tmp_path):
        # Nothing was bought yet: it says what is missing.
        told = await until(lambda: standing(chain), lambda seen: seen.get("standing") == "stale")
        assert "has declared nothing about" in told["problem"]

        for products in BOUGHT.values():
            for product_id in products:
                await chain.sell(product_id, MANY_USES)
        await until(lambda: standing(chain), lambda seen: seen.get("standing") == "current")
        first = await declared(chain)
        assert (first["id"], first["supersedes"]) == (f"{POWDER}/1", "")

        await renew(chain, "nickel-sulphate", 2, "2")
        told = await until(lambda: standing(chain), lambda seen: seen["standing"] == "superseded")
    nickel = f"nickel-sulphate {chain.dids()['nickel']}"
    assert [change["input"] for change in told["changed"]] == [nickel]
    assert told["declaration"]["id"] == f"{POWDER}/1"
    assert told["revision"]["id"] == f"{POWDER}/1+1"
    # Nothing was published: what customers get is still the first version.
    assert await declared(chain) == first
    revision = json.loads(await chain.record("cathode", f"carbon-revision-{POWDER}"))["declaration"]
    assert (revision["id"], revision["supersedes"]) == (f"{POWDER}/1+1", f"{POWDER}/1")
    assert float(revision["totalKg"]) > float(first["totalKg"])
    assert revision["validUntilMs"] - revision["validFromMs"] >= 90 * 86_400_000

    # A person lets it out by a run, and it is the version that waited.
    assert (await chain.run("cathode"))["exit_code"] == 0
    assert await declared(chain) == revision
    told = await standing(chain)
    assert (told["standing"], told["declaration"]["id"]) == ("current", f"{POWDER}/1+1")


async def test_what_comes_while_the_app_is_killed_is_caught_up_with_and_what_comes_twice_is_not_computed_again(
    chain: Chain, tmp_path: Path
) -> None:
    own = json.loads(inventory(battery_chain(), battery_chain().product(POWDER), chain.dids(), VALID_FROM_MS))
    await chain.keep(POWDER, json.dumps({**own, "onChange": "offer"}).encode())
    for products in BOUGHT.values():
        for product_id in products:
            await chain.sell(product_id, MANY_USES)
    with following(chain, tmp_path) as process:
        await until(lambda: standing(chain), lambda seen: seen.get("standing") == "current")
        process.send_signal(signal.SIGKILL)
        process.wait()
    await renew(chain, "lithium-hydroxide", 2, "3")
    assert (await declared(chain))["id"] == f"{POWDER}/1"

    with following(chain, tmp_path):
        await until(lambda: declared(chain), lambda seen: seen["id"] == f"{POWDER}/1+1")
        second = await declared(chain)
        assert second["supersedes"] == f"{POWDER}/1"
        counted = await uses(chain)
        # The same declaration again is news, and no reason to compute.
        await chain.sell("lithium-hydroxide", MANY_USES)
        # What is news to the app afterwards is looked at after what came before.
        await renew(chain, "cobalt-sulphate", 2, "2")
        await until(lambda: declared(chain), lambda seen: seen["id"] == f"{POWDER}/1+2")
    third = await declared(chain)
    assert third["supersedes"] == f"{POWDER}/1+1"
    # One calculation: the three first versions, two second ones and the one that came twice, each read once.
    assert await uses(chain) - counted == 6


async def test_an_inventory_that_says_off_is_left_alone(chain: Chain, tmp_path: Path) -> None:
    own = json.loads(inventory(battery_chain(), battery_chain().product(POWDER), chain.dids(), VALID_FROM_MS))
    await chain.keep(POWDER, json.dumps({**own, "onChange": "off"}).encode())
    log = tmp_path / "follow.log"
    with following(chain, tmp_path):
        # Another product of the company, which is computed, shows that the app has looked.
        other = {**own, "product": "another", "parts": [], "issue": {**own["issue"], "id": "another/1"}}
        asset = "/assets/carbon-inventory-another"
        hidden = {"title": "another", "source": {"kind": "record"}, "visibility": "hidden"}
        await chain.cathode.call("PUT", asset, hidden)
        await chain.cathode.call_bytes("PUT", f"{asset}/record", json.dumps(other).encode())

        async def another() -> Json:
            try:
                found: Json = json.loads(await chain.record("cathode", "carbon-standing-another"))
            except ManagementError:
                return {}
            return found

        await until(another, lambda seen: seen.get("standing") == "current")
    assert await standing(chain) == {}
    assert POWDER not in log.read_text("utf-8")
