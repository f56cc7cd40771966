"""Schemathesis against the running API: no answer that the OpenAPI document does not know, no defect, no wrong body taken."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.api.management.offering import BODY, CELLS, MAKER, USE
from tests.api.management.program import OPERATOR_KEY, Program, key_of, served_program

SEED = int(os.environ.get("ASHIATO_FUZZ_SEED", "1"))
TIME_LIMIT_S = 280
CARBON = "/carbon/|declarations|line-requests|opened-lines|/statements"
CHAIN = "/(trading-partners|plants|parts|bills|batches|items|built|trade-links|identified|supply)(/|$)"

# 413 and 415 are refusals too; 502 is what a partner gets who does not exist, and 503 would be a store that is away.
CHECKS = """
[checks]
# What the schema allows may still contradict what is stored (an offer names a policy that is not there): 404, 409 and 422
# are then the right answers.
positive_data_acceptance = { enabled = false }
negative_data_rejection = { expected-statuses = ["400", "404", "405", "409", "413", "415", "422"] }
not_a_server_error = { expected-statuses = ["2xx", "4xx", "502"] }
"""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Program]]:
    """The program behind a real server."""
    with served_program(tmp_path) as running:
        yield running


def found_ids(url: str, program: Program) -> dict[str, list[str]]:
    """Ids of things that exist, so that the search gets behind the first "not found"."""
    program.contents["a1"] = BODY
    with client_of(url, "maker") as maker, client_of(url, "cells") as cells:
        for client in (maker, cells):
            offer_everything(client)
        fetch = cells.post("/fetches", json={"partner": MAKER, "asset_id": "a1", "offer_id": "o1:a1"}).json()
        while fetch["state"] not in ("done", "failed"):
            fetch = cells.get(f"/fetches/{fetch['fetch_id']}", params={"wait_s": 5}).json()
        asked = {"role": "CONSUMER", "partner": CELLS, "asset_id": "a1", "offer_id": "o2:a1"}
        for _ in range(4):
            maker.post("/negotiations", json=asked)
        waiting: list[dict[str, str]] = []
        while len(waiting) < 4:
            waiting = cells.get("/approvals").json()["items"]
    return {
        "asset_id": ["a1"],
        "policy_id": ["p1"],
        "offer_id": ["o1", "o1:a1"],
        "partner": [MAKER],
        "fetch_id": [fetch["fetch_id"]],
        "transfer_pid": [fetch["transfer_pid"]],
        "agreement_id": [fetch["agreement_id"]],
        "received_id": [fetch["received_id"]],
        "negotiation_pid": [fetch["negotiation_pid"], *(entry["negotiation_pid"] for entry in waiting)],
    }


def client_of(url: str, slug: str) -> httpx2.Client:
    return httpx2.Client(base_url=f"{url}/v1/{slug}", headers={"X-Api-Key": key_of(slug)}, timeout=30)


def offer_everything(client: httpx2.Client) -> None:
    client.put("/policies/p1", json={"document": USE})
    client.put("/assets/a1", json={"title": "Footprint", "source": {"kind": "record"}, "data_item": "cfp"})
    client.put("/assets/a1/record", json={"kg": 12.5})
    client.put("/offers/o1", json={"contract_policy_id": "p1", "asset_ids": ["a1"]})
    client.put("/offers/o2", json={"contract_policy_id": "p1", "asset_ids": ["a1"], "approval": "manual"})


def configuration(ids: dict[str, list[str]], slug: str | None = None) -> str:
    places = [f"{place}.{name}" for name in ids for place in ("path", "query", "body")]
    lines = ["[generation]", "with-security-parameters = false", "[parameters]"]
    lines += [] if slug is None else [f'"path.slug" = "{slug}"']
    lines += [
        f'"{place}" = {{ dictionary = "{place.split(".")[1]}", probability = 0.6 }}' for place in places
    ]
    lines += ["[dictionaries]"]
    lines += [f'"{name}" = {{ values = {json.dumps(values)} }}' for name, values in ids.items()]
    return "\n".join(lines) + CHECKS


def search(
    folder: Path, url: str, key: str, settings: str, examples_count: int, seed: int, *paths: str
) -> None:
    """Runs schemathesis; fails with its report."""
    (folder / "schemathesis.toml").write_text(settings, encoding="utf-8")
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "run", f"{url}/v1/openapi.json",
        "--header", f"X-Api-Key: {key}", "--max-examples", str(examples_count), "--seed", str(seed), "--no-color", *paths,
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False
    )
    report = "\n".join(line[:400] for line in done.stdout.splitlines()[-200:])
    assert done.returncode == 0, f"seed {seed}\n{report}\n{done.stderr[-2000:]}"
    assert "generated" in report


def test_the_participants_routes_hold(served: tuple[str, Program], tmp_path: Path) -> None:
    url, program = served
    settings = configuration(found_ids(url, program), "cells")
    search(
        tmp_path,
        url,
        key_of("cells"),
        settings,
        12,
        SEED,
        "--exclude-path-regex",
        f"events$|participants|health|{CHAIN}|{CARBON}",
    )


def test_the_routes_of_the_chain_hold(served: tuple[str, Program], tmp_path: Path) -> None:
    url, _ = served
    with client_of(url, "cells") as cells:
        for part_id in ("pack", "cell"):
            cells.put(f"/parts/{part_id}", json={"identifiers": [f"local:{part_id}@erp"]})
            cells.put(f"/batches/{part_id}", json={"part_id": part_id})
            cells.put(f"/items/{part_id}", json={"part_id": part_id, "serial": "1"})
        cells.put("/plants/east", json={})
        cells.put(f"/trading-partners/{MAKER}", json={})
    both = ["pack", "cell"]
    names = ("part_id", "batch_id", "item_id", "thing_id", "component_id", "own_part_id")
    known = {**dict.fromkeys(names, both), "plant_id": ["east"], "partner": [MAKER], "unit": ["piece", "kg"]}
    settings = configuration({**known, "quantity": ["1", "0.5"], "identifier": ["local:pack@erp"]}, "cells")
    # Without the stateful phase: it takes a body whose every member is optional, with one given as its default, for a wrong one.
    phases = ("--phases", "examples,coverage,fuzzing")
    search(tmp_path, url, key_of("cells"), settings, 12, SEED, *phases, "--include-path-regex", CHAIN)


def test_the_routes_of_footprints_hold(served: tuple[str, Program], tmp_path: Path) -> None:
    url, _ = served
    # As with the chain: bodies of which every member is optional.
    phases = ("--phases", "examples,coverage,fuzzing")
    settings = configuration({"partner": [MAKER]}, "cells")
    search(tmp_path, url, key_of("cells"), settings, 6, SEED, *phases, "--include-path-regex", CARBON)


def test_the_operators_routes_hold(served: tuple[str, Program], tmp_path: Path) -> None:
    url, _ = served
    settings = configuration({})
    search(tmp_path, url, OPERATOR_KEY, settings, 8, SEED, "--include-path-regex", "participants|health")


@pytest.mark.fuzz
def test_the_participants_routes_hold_for_long_on_every_store(store_url: str, tmp_path: Path) -> None:
    seed = int(os.environ.get("ASHIATO_FUZZ_SEED", random.randrange(2**32)))
    with served_program(tmp_path, store_url) as (url, program):
        settings = configuration(found_ids(url, program), "cells")
        search(
            tmp_path,
            url,
            key_of("cells"),
            settings,
            30,
            seed,
            "--exclude-path-regex",
            "events$|participants|health|/data",
        )
