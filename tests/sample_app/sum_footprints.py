#!/usr/bin/env python3
"""A complete app: adds up the footprints that came in and writes the sum. It knows HTTP, JSON and nothing of the connector."""

import json
import os
import sys
import urllib.request
from decimal import Decimal
from typing import Any

URL = os.environ["ASHIATO_APP_URL"]
TOKEN = os.environ["ASHIATO_APP_TOKEN"]


def ask(path: str, body: object = None) -> Any:
    """The JSON document at an address of the app interface; with a body it is put there."""
    request = urllib.request.Request(
        URL + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
        method="GET" if body is None else "PUT",
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer, parse_float=Decimal)


def main() -> None:
    """Wait for data where there is none yet, then add up and write."""
    if not ask("/received")["items"]:
        ask("/events?wait_s=20")
    total = Decimal(0)
    sources = []
    for item in ask("/received")["items"]:
        footprint = ask(f"/received/{item['received_id']}/content?purpose=footprint")
        total += Decimal(footprint["declared"])
        sources.append(item["asset_id"])
    result = {"title": "Sum of footprints", "record": {"sum": str(total), "of": sorted(sources)}}
    written = ask("/results/sum-of-footprints", result)
    print(f"{written['asset_id']}: {total}", file=sys.stdout)


if __name__ == "__main__":
    main()
