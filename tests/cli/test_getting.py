import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from ashiato.cli import getting, saving
from ashiato.cli.client import Client, Document
from ashiato.cli.commanding import Session
from tests.api.management.offering import BODY, MAKER
from tests.cli.running import Node, first_approval, offer, run, until
from tests.cli.scripted import scripted

GET = ("get", "cfp-1", "--from", MAKER)


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same tries, without the pauses between them."""
    monkeypatch.setattr(getting, "RETRY_DELAYS_S", (0.01,) * 5)
    monkeypatch.setattr(saving, "RETRY_DELAYS_S", (0.01,) * 4)


def test_one_command_brings_the_data_into_a_file(node: Node, tmp_path: Path) -> None:
    offer(node)
    target = tmp_path / "footprint.json"
    ran = node.run("cells", *GET, "--to", str(target))
    assert ran.exit_code == 0
    assert target.read_bytes() == BODY
    assert str(target) in ran.out
    (fetch,) = node.ok("cells", "fetch", "list")["items"]
    assert ran.err.splitlines()[:2] == [f"Order {fetch['fetch_id']}", f"Negotiating with {MAKER}"]
    assert list(tmp_path.glob("*.part")) == []


def test_without_a_file_the_data_stays_at_the_node_and_the_way_to_it_is_said(node: Node) -> None:
    offer(node)
    ran = node.run("cells", *GET)
    (received,) = node.ok("cells", "received", "list")["items"]
    assert received["received_id"] in ran.out
    assert f"ashiato received save {received['received_id']} --to FILE" in ran.err


def test_a_program_gets_one_document_and_no_progress(node: Node, tmp_path: Path) -> None:
    offer(node)
    target = tmp_path / "x.json"
    found = node.ok("cells", *GET, "--to", str(target))
    assert (found["fetch"]["state"], found["received"]["size_bytes"], found["path"]) == (
        "done",
        len(BODY),
        str(target),
    )


def test_the_data_may_go_to_standard_output_alone(node: Node) -> None:
    offer(node)
    ran = node.run("cells", *GET, "--to", "-", "--json")
    assert (ran.exit_code, ran.out.encode(), ran.err) == (0, BODY, "")


def test_a_file_that_is_there_is_not_replaced_and_nothing_is_ordered(node: Node, tmp_path: Path) -> None:
    offer(node)
    target = tmp_path / "x.json"
    target.write_text("mine")
    ran = node.run("cells", *GET, "--to", str(target))
    assert ran.exit_code == 2
    assert "--overwrite" in ran.err
    assert target.read_text() == "mine"
    assert node.ok("cells", "fetch", "list")["items"] == []
    assert node.run("cells", *GET, "--to", str(target), "--overwrite").exit_code == 0
    assert target.read_bytes() == BODY


def test_a_folder_that_is_not_there_is_said(node: Node, tmp_path: Path) -> None:
    offer(node)
    ran = node.run("cells", *GET, "--to", str(tmp_path / "none" / "x.json"))
    assert ran.exit_code == 2
    assert "cannot be written" in ran.err


def test_a_refusal_is_said_with_the_partners_reason(node: Node) -> None:
    offer(node, "--manual")
    getting_it = node.start("cells", *GET)
    waiting = first_approval(node, "maker")
    node.ok("maker", "approval", "reject", waiting["negotiation_pid"], "--reason", "Not for you.")
    _, err = getting_it.communicate(timeout=20)
    assert getting_it.returncode == 1
    assert b"was not handed over" in err
    assert b"Not for you." in err


def test_ctrl_c_cancels_the_order_on_both_sides(node: Node) -> None:
    offer(node, "--manual")
    getting_it = node.start("cells", *GET)
    waiting = first_approval(node, "maker")
    getting_it.send_signal(signal.SIGINT)
    out, err = getting_it.communicate(timeout=20)
    assert (getting_it.returncode, out) == (1, b"")
    (fetch,) = node.ok("cells", "fetch", "list")["items"]
    assert f"the order {fetch['fetch_id']} is cancelled".encode() in err
    assert b"Traceback" not in err
    assert fetch["state"] == "cancelled"
    negotiation = ("negotiation", "show", waiting["negotiation_pid"])
    assert until(lambda: node.ok("maker", *negotiation)["state"] == "TERMINATED")


@pytest.mark.parametrize(("is_sent", "state"), [(True, ["cancelled"]), (False, [])])
def test_ctrl_c_before_the_order_is_confirmed_cancels_what_may_have_been_ordered(
    node: Node, monkeypatch: pytest.MonkeyPatch, is_sent: bool, state: list[str]
) -> None:
    offer(node, "--manual")
    ordered = getting._ordered

    def interrupted(session: Session, order: dict[str, object]) -> Document:
        if is_sent:
            ordered(session, order)
        raise KeyboardInterrupt

    monkeypatch.setattr(getting, "_ordered", interrupted)
    ran = node.run("cells", *GET)
    assert ran.exit_code == 1
    assert [fetch["state"] for fetch in node.ok("cells", "fetch", "list")["items"]] == state
    assert ("is cancelled" if is_sent else "before the node confirmed") in ran.err


def test_ctrl_c_elsewhere_just_ends_the_command(node: Node) -> None:
    offer(node, "--manual")
    fetch = node.ok("cells", *GET, "--detach")
    waiting = node.start("cells", "fetch", "show", fetch["fetch_id"], "--wait")
    assert waiting.stderr is not None
    assert b"Negotiating" in waiting.stderr.readline()
    waiting.send_signal(signal.SIGINT)
    _, err = waiting.communicate(timeout=20)
    assert waiting.returncode == 130
    assert b"Traceback" not in err
    assert node.ok("cells", "fetch", "show", fetch["fetch_id"])["state"] == "negotiating"


def test_a_detached_order_goes_on_and_the_way_to_it_is_said(node: Node) -> None:
    offer(node)
    ran = node.run("cells", *GET, "--detach")
    (fetch,) = node.ok("cells", "fetch", "list")["items"]
    assert ran.exit_code == 0
    assert f"ashiato fetch show {fetch['fetch_id']}" in ran.err
    assert until(lambda: node.ok("cells", "fetch", "show", fetch["fetch_id"])["state"] == "done")


def test_an_order_that_takes_too_long_is_left_running(node: Node) -> None:
    offer(node, "--manual")
    begun_s = time.monotonic()
    ran = node.run("cells", *GET, "--timeout", "1")
    assert ran.exit_code == 1
    assert time.monotonic() - begun_s < 8
    (fetch,) = node.ok("cells", "fetch", "list")["items"]
    assert f"ashiato fetch show {fetch['fetch_id']}" in ran.err
    assert fetch["state"] == "negotiating"


def test_a_second_get_uses_the_agreement_at_hand(node: Node) -> None:
    offer(node)
    first, second = (node.ok("cells", *GET)["fetch"] for _ in range(2))
    assert first["agreement_id"] == second["agreement_id"]


@pytest.mark.usefixtures("quick_retries")
def test_a_node_that_goes_away_while_one_waits_is_said_and_the_order_goes_on(tmp_path: Path) -> None:
    fetch = {"fetch_id": "f-1", "state": "negotiating", "partner": MAKER, "received_bytes": 0}
    environment = {"ASHIATO_API_KEY": "k", "ASHIATO_COMPANY": "cells", "HOME": str(tmp_path)}
    with scripted(202, json.dumps(fetch).encode()) as (port, handler):
        handler.do_POST = handler.do_GET  # type: ignore[attr-defined]  # the standard library calls it by this name

        def gone(self: Any) -> None:
            self.came.append((self.command, self.path, {}))
            self.connection.close()

        handler.do_GET = gone  # type: ignore[method-assign]  # from the second request on
        ran = run([*GET], {**environment, "ASHIATO_URL": f"http://127.0.0.1:{port}"})
    assert ran.exit_code == 3
    assert "the order f-1 goes on there" in ran.err
    assert [method for method, _, _ in handler.came] == ["POST", *["GET"] * 6]


@pytest.mark.usefixtures("quick_retries")
@pytest.mark.parametrize("cut_bytes", [1, 5, len(BODY) - 1])
def test_a_download_that_breaks_off_goes_on_where_it_stood(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut_bytes: int
) -> None:
    offer(node)
    done = node.ok("cells", *GET)
    read, asked = Client.read, []
    stream = Client.stream
    broken: list[bool] = []

    def breaking(self: Client, response: Any, most_bytes: int) -> bytes:
        if not broken:
            broken.append(True)
            return read(self, response, cut_bytes)
        if len(broken) == 1:
            broken.append(True)
            return b""
        return read(self, response, most_bytes)

    def noted(self: Client, path: str, **options: Any) -> Any:
        asked.append(options.get("headers"))
        return stream(self, path, **options)

    monkeypatch.setattr(Client, "read", breaking)
    monkeypatch.setattr(Client, "stream", noted)
    target = tmp_path / "x.json"
    received = done["received"]
    node.ok("cells", "received", "save", received["received_id"], "--to", str(target))
    assert target.read_bytes() == BODY
    assert asked == [{}, {"Range": f"bytes={cut_bytes}-", "If-Range": f'"{received["sha256"]}"'}]


@pytest.mark.usefixtures("quick_retries")
def test_data_with_another_hash_is_not_saved(node: Node, tmp_path: Path) -> None:
    offer(node)
    done = node.ok("cells", *GET)
    received_id = done["received"]["received_id"]
    # Received files are encrypted; one in plain, as an older program left them, is read all the same.
    (stored,) = (path for path in (node.home.parent / "node" / "received").rglob("*") if path.is_file())
    stored.write_bytes(BODY.replace(b"12.5", b"99.9"))
    target = tmp_path / "x.json"
    ran = node.run("cells", "received", "save", received_id, "--to", str(target))
    assert ran.exit_code == 1
    assert "SHA-256" in ran.err
    assert not target.exists()
    assert list(tmp_path.glob("x.json*")) == []
