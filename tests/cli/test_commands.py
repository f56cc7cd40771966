"""Every command against a real node; the last test fails for a command that no test here runs."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from ashiato.cli.app import make_app
from tests.api.management.offering import BODY, CELLS, MAKER, ONCE
from tests.cli.running import Node, first_approval, offer, state, until

FRAMEWORK = "urn:ashiato:framework:nmc"


def test_assets_are_put_shown_listed_and_withdrawn(node: Node, tmp_path: Path) -> None:
    source = tmp_path / "source.json"
    source.write_text(json.dumps({"kind": "sql", "query": "SELECT 1", "database": "parts.db"}))
    record = tmp_path / "record.json"
    record.write_bytes(BODY)
    put = ("asset", "put")
    node.ok(
        "maker",
        *put,
        "a",
        "--title",
        "A",
        "--record",
        str(record),
        "--property",
        "unit=kg",
        "--property",
        "x=a=b",
    )
    node.ok(
        "maker", *put, "b", "--title", "B", "--file", "b.csv", "--media-type", "text/csv", "--method", "GET"
    )
    node.ok("maker", *put, "c", "--title", "C", "--source", f"@{source}", "--endless")
    node.ok("maker", *put, "d", "--title", "D", "--source", '{"kind": "record"}')
    shown = node.ok("maker", "asset", "show", "a")
    assert (shown["source"], shown["properties"]) == ({"kind": "record"}, {"unit": "kg", "x": "a=b"})
    assert node.ok("maker", "asset", "show", "c")["finite"] is False
    listed = node.ok("maker", "asset", "list", "--limit", "3")
    assert [asset["asset_id"] for asset in listed["items"]] == ["a", "b", "c"]
    assert listed["next_cursor"] == "c"
    assert node.run("maker", "asset", "record", "a").out.encode().strip() == BODY
    stored = node.ok("maker", "asset", "record", "d", "--put", "-", stdin=b'{"kg": 1}')
    assert stored["size_bytes"] == 9
    assert node.ok("maker", "asset", "delete", "d") == {"what": "d"}
    assert node.run("maker", "asset", "show", "d").exit_code == 1


def test_a_person_reads_tables_and_lines(node: Node) -> None:
    assert "There is none." in node.run("maker", "asset", "list").err
    offer(node)
    listed = node.run("maker", "asset", "list").out.splitlines()
    assert listed[0].split() == ["asset", "id", "title", "data", "item", "part", "group", "updated"]
    assert listed[1].split()[:4] == ["cfp-1", "Footprint", "cfp", "nmc811"]
    shown = node.run("maker", "asset", "show", "cfp-1").out.splitlines()
    assert shown[0].split() == ["asset", "id", "cfp-1"]
    assert any(line.startswith("created") and line.endswith("Z") for line in shown)
    assert node.run("maker", "asset", "delete", "cfp-1").out == "cfp-1 is withdrawn.\n"


def test_a_long_list_is_said_to_be_longer(node: Node) -> None:
    for number in range(3):
        node.ok("maker", "asset", "put", f"a{number}", "--title", "x", "--file", "x")
    ran = node.run("maker", "asset", "list", "--limit", "2")
    assert len(ran.out.splitlines()) == 3
    assert "larger --limit" in ran.err


def test_whose_word_counts_and_what_is_known_of_partners_is_shown(node: Node) -> None:
    shown = node.ok("maker", "trust", "show")
    assert shown["lists"][0]["publisher"] == "did:web:hub.example"
    lines = node.run("maker", "trust", "show").out.splitlines()
    assert lines[0].split() == ["mode", "dcp"]
    issuers = node.ok("maker", "trust", "issuers")["items"]
    assert [(row["issuer"], row["types"]) for row in issuers] == [
        ("did:web:hub.example", ["MembershipCredential"]),
        ("issuers of did:web:other.example", ["RoleCredential"]),
    ]
    assert node.ok("maker", "trust", "partners") == {"items": [], "next_cursor": None}
    known = node.ok("maker", "trust", "partner", CELLS)
    assert [one["counts"] for one in known["credentials"]] == [True, False]
    assert "the credential is revoked" in node.run("maker", "trust", "partner", CELLS).out
    assert node.ok("maker", "trust", "forget", CELLS) == {"what": CELLS}
    assert node.run("maker", "trust", "partner", CELLS).exit_code == 1


def test_what_a_company_and_its_partner_say_of_themselves_is_shown(node: Node) -> None:
    node.ok("cells", "asset", "put", "cfp-1", "--title", "Footprint", "--file", "x")
    own = node.ok("maker", "trust", "own")
    assert own["participant"] == MAKER
    assert [one["kind"] for one in own["descriptions"]] == ["node", *["service"] * 3, "instance"]
    told = node.ok("maker", "trust", "describe", CELLS)["descriptions"][0]
    assert (told["kind"], told["id"]) == ("node", CELLS)
    assert {fact["weight"] for fact in told["facts"]} == {"claimed"}
    lines = node.run("maker", "trust", "describe", CELLS).out.splitlines()
    assert lines[0].split() == ["kind", "id", "name", "value", "weight", "credential", "id", "issuer"]
    refused = node.run("maker", "trust", "describe", CELLS, "--asset", "cfp-1")
    assert refused.exit_code == 1


def test_policies_are_made_of_options_or_files(node: Node, tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(ONCE))
    assert node.ok("maker", "policy", "put", "once", "--policy", str(file))["document"] == ONCE
    made = node.ok(
        "maker", "policy", "put", "made", "--allow", CELLS, "--not-before", "2026-01-01",
        "--until", "2027-12-31T09:30:00Z", "--elapsed", "P30D", "--uses", "3",
    )  # fmt: skip
    constraints = made["document"]["permission"][0]["constraint"]
    assert [(c["leftOperand"].rpartition("/")[2], c["operator"]) for c in constraints][1:] == [
        ("dateTime", "gteq"),
        ("dateTime", "lteq"),
        ("elapsedTime", "lteq"),
        ("count", "lteq"),
    ]
    assert constraints[1]["rightOperand"] == "2026-01-01T00:00:00Z"
    assert node.ok("maker", "policy", "show", "made") == made
    assert [policy["policy_id"] for policy in node.ok("maker", "policy", "list")["items"]] == ["made", "once"]
    node.ok("maker", "policy", "delete", "once")
    assert node.run("maker", "policy", "show", "once").exit_code == 1


def test_offers_are_published_and_withdrawn(node: Node) -> None:
    offer(node, "--manual", "--access-policy", "use", "--alternative", "use")
    shown = node.ok("maker", "offer", "show", "open")
    assert (shown["approval"], shown["access_policy_id"], shown["alternative_policy_ids"]) == (
        "manual",
        "use",
        ["use"],
    )
    node.ok(
        "maker", "offer", "put", "class", "--policy", "use", "--data-item", "cfp", "--part-group", "nmc811"
    )
    assert [entry["offer_id"] for entry in node.ok("maker", "offer", "list")["items"]] == ["class", "open"]
    node.ok("maker", "offer", "delete", "open")
    assert node.run("maker", "offer", "show", "open").exit_code == 1


def test_webhooks_are_kept(node: Node) -> None:
    made = node.ok(
        "maker",
        "webhook",
        "put",
        "erp",
        "--to",
        "https://erp.example/in",
        "--event",
        "transfer.",
        "--event",
        "a.b",
    )
    assert made["events"] == ["transfer.", "a.b"]
    assert node.ok("maker", "webhook", "show", "erp") == made
    assert node.ok("maker", "webhook", "list")["items"] == [made]
    node.ok("maker", "webhook", "delete", "erp")
    assert node.ok("maker", "webhook", "list")["items"] == []


def test_a_catalog_is_read(node: Node) -> None:
    offer(node)
    wanted = ("catalog", "show", "--from", MAKER, "--data-item", "cfp", "--part-group", "nmc811")
    (dataset,) = node.ok("cells", *wanted)["items"]
    assert dataset["offers"][0]["@id"] == "open:cfp-1"
    assert "open:cfp-1" in node.run("cells", *wanted).out
    assert node.ok("cells", "catalog", "show", "--from", MAKER, "--data-item", "soh")["items"] == []


def test_a_framework_contract_is_proposed_approved_listed_and_ended(node: Node, tmp_path: Path) -> None:
    proposed = node.ok(
        "cells", "framework", "propose", "--id", FRAMEWORK, "--title", "Footprints", "--with", MAKER,
        "--as", "consumer", "--from", "2026-01-01", "--to", "2099-01-01", "--data-item", "cfp",
        "--purpose", "reporting", "--uses", "5",
    )  # fmt: skip
    assert proposed["framework"]["from_ms"] == 1_767_225_600_000
    waiting = first_approval(node, "maker")
    assert node.ok("maker", "approval", "show", waiting["negotiation_pid"]) == waiting
    node.ok("maker", "approval", "approve", waiting["negotiation_pid"])
    state(node, "cells", ("framework", "show", FRAMEWORK), "active")
    assert [entry["state"] for entry in node.ok("cells", "framework", "list", "--with", MAKER)["items"]] == [
        "active"
    ]
    scan = tmp_path / "scan.PDF"
    scan.write_bytes(b"%PDF")
    paper = node.ok(
        "cells",
        "contract",
        "paper",
        "m-7",
        str(scan),
        "--with",
        MAKER,
        "--title",
        "Master",
        "--signed-on",
        "2026-04-01",
    )
    assert paper["media_type"] == "application/pdf"
    saved = tmp_path / "saved.pdf"
    node.ok("cells", "contract", "scan", "m-7", "--to", str(saved))
    assert saved.read_bytes() == b"%PDF"
    kinds = [entry["kind"] for entry in node.ok("cells", "contract", "list", "--with", MAKER)["items"]]
    assert kinds == ["framework", "paper", "agreement"]
    table = node.run("cells", "contract", "list").out
    assert [line.split()[0] for line in table.splitlines()] == ["kind", *kinds]
    assert len(node.run("cells", "contract", "list", "--kind", "paper").out.splitlines()) == 2
    assert node.ok("cells", "framework", "end", FRAMEWORK, "--reason", "over")["end_reason"] == "over"


def test_a_template_is_filled_offered_under_read_agreed_to_and_printed(node: Node, tmp_path: Path) -> None:
    offer(node)
    templates = [item["name"] for item in node.ok("maker", "text", "templates")["items"]]
    assert "data-exchange-1" in templates
    assert len(node.ok("maker", "text", "template", "data-exchange-1")["clauses"]) == 22
    changes = tmp_path / "changes.json"
    changes.write_text('{"insurance": null}', "utf-8")
    told = {
        "provider_name": "桜マテリアル", "consumer_name": "北斗セル", "data": "CFP", "purposes": "legal_reporting",
        "until": "2099-12-31",
    }  # fmt: skip
    options = [part for name, value in told.items() for part in ("--set", f"{name}={value}")]
    text = node.ok(
        "maker", "text", "fill", "data-exchange-1", *options, "--changes", str(changes), "--policy", "texts"
    )
    digest = text["text_sha256"]
    assert [item["text_sha256"] for item in node.ok("maker", "text", "list")["items"]] == [digest]
    node.ok("maker", "offer", "put", "open", "--policy", "texts", "--asset", "cfp-1")
    read = node.ok("cells", "text", "fetch", digest, "--with", MAKER)
    assert [one["key"] for one in read["differences"]] == ["insurance"]
    assert node.ok("cells", "text", "show", digest) == read

    node.ok(
        "cells",
        "get",
        "cfp-1",
        "--from",
        MAKER,
        "--purpose",
        "legal_reporting",
        "--to",
        str(tmp_path / "cfp.json"),
    )
    (agreement,) = [
        entry["agreement"] for entry in node.ok("cells", "contract", "list", "--kind", "agreement")["items"]
    ]
    page = tmp_path / "contract.html"
    node.ok("cells", "text", "print", digest, "--to", str(page), "--agreement", agreement["agreement_id"])
    printed = page.read_text("utf-8")
    assert "桜マテリアル" in printed
    assert agreement["agreement_id"] in printed


def test_terms_are_negotiated_by_hand(node: Node, tmp_path: Path) -> None:
    offer(node, "--manual")
    once = tmp_path / "once.json"
    once.write_text(json.dumps(ONCE))
    asked = node.ok("cells", "negotiation", "request", "cfp-1", "--from", MAKER, "--offer", "open:cfp-1")
    theirs = first_approval(node, "maker")["negotiation_pid"]
    node.ok("maker", "approval", "counter", theirs, "--policy", str(once))
    mine = first_approval(node, "cells")["negotiation_pid"]
    assert mine == asked["negotiation_pid"]
    node.ok("cells", "negotiation", "act", mine, "accept")
    final = state(node, "cells", ("negotiation", "show", mine), "FINALIZED")
    listed = node.ok("cells", "negotiation", "list", "--with", MAKER, "--state", "FINALIZED")
    assert [entry["negotiation_pid"] for entry in listed["items"]] == [mine]
    agreement = node.ok("cells", "contract", "show", final["agreement_id"])
    assert agreement["document"]["permission"] == ONCE["permission"]
    ended = node.ok("cells", "contract", "end", final["agreement_id"], "--reason", "done")
    assert (ended["state"], ended["end_reason"]) == ("terminated", "done")


def test_a_request_is_rejected_with_the_reason(node: Node) -> None:
    offer(node, "--manual")
    asked = node.ok("cells", "negotiation", "request", "cfp-1", "--from", MAKER)
    theirs = first_approval(node, "maker")["negotiation_pid"]
    node.ok("maker", "approval", "reject", theirs, "--reason", "not now")
    ended = state(node, "cells", ("negotiation", "show", asked["negotiation_pid"]), "TERMINATED")
    assert "not now" in str(ended["reason"])


def test_an_asset_is_offered_of_ones_own_accord(node: Node) -> None:
    offer(node)
    made = node.ok("maker", "negotiation", "offer", "cfp-1", "--to", CELLS, "--offer", "open")
    assert made["state"] == "OFFERED"
    assert first_approval(node, "cells")["asset_id"] == "cfp-1"


def test_a_transfer_is_run_by_hand_and_its_data_saved(node: Node, tmp_path: Path) -> None:
    offer(node)
    done = node.ok("cells", "get", "cfp-1", "--from", MAKER)
    agreement_id = done["fetch"]["agreement_id"]
    asked = node.ok("cells", "transfer", "request", agreement_id)
    ended = state(node, "cells", ("transfer", "show", asked["transfer_pid"]), "COMPLETED")
    received_id = ended["progress"]["received_id"]
    assert (
        len(
            node.ok("cells", "transfer", "list", "--agreement", agreement_id, "--state", "COMPLETED")["items"]
        )
        == 2
    )
    open_ended = node.ok("cells", "transfer", "request", agreement_id, "--format", "HttpData-PUSH")
    pid = open_ended["transfer_pid"]
    state(node, "cells", ("transfer", "show", pid), "STARTED")
    assert node.ok("cells", "transfer", "act", pid, "suspend", "--reason", "x")["state"] == "SUSPENDED"
    assert node.ok("cells", "transfer", "act", pid, "terminate")["state"] == "TERMINATED"
    assert node.ok("cells", "received", "show", received_id)["size_bytes"] == len(BODY)
    assert len(node.ok("cells", "received", "list")["items"]) == 2
    saved = tmp_path / "data.json"
    told = node.ok("cells", "received", "save", received_id, "--to", str(saved))
    assert (saved.read_bytes(), told["path"]) == (BODY, str(saved))
    assert node.run("cells", "received", "save", received_id, "--to", str(saved)).exit_code == 2
    assert (
        node.run("cells", "received", "save", received_id, "--to", str(saved), "--overwrite").exit_code == 0
    )
    assert node.run("cells", "received", "save", received_id, "--to", "-").out.encode() == BODY
    accesses = node.ok("cells", "access", "list", "--agreement", agreement_id)["items"]
    assert [access["sent_bytes"] for access in accesses] == [len(BODY)] * 2


def test_the_history_is_listed_and_followed(node: Node) -> None:
    offer(node)
    events = [entry["event"] for entry in node.ok("maker", "history", "list")["items"]]
    assert events[:2] == ["policy.stored", "asset.stored"]
    of_asset = node.ok("maker", "history", "list", "--process", "cfp-1")["items"]
    assert {entry["process_id"] for entry in of_asset} == {"cfp-1"}
    following = node.start("maker", "history", "follow", "--after", "0", "--json")
    try:
        assert following.stdout is not None
        first = json.loads(following.stdout.readline())
    finally:
        following.terminate()
        following.communicate()
    assert (first["sequence"], first["event"]) == (1, "policy.stored")


def test_orders_are_listed_waited_for_and_cancelled(node: Node) -> None:
    offer(node, "--manual")
    begun = node.ok("cells", "get", "cfp-1", "--from", MAKER, "--detach")
    assert begun["state"] == "negotiating"
    assert [fetch["fetch_id"] for fetch in node.ok("cells", "fetch", "list")["items"]] == [begun["fetch_id"]]
    assert node.ok("cells", "fetch", "cancel", begun["fetch_id"])["state"] == "cancelled"
    waited = node.run("cells", "fetch", "show", begun["fetch_id"], "--wait", "--json")
    assert (waited.exit_code, waited.document["state"]) == (1, "cancelled")
    assert json.loads(waited.err)["problem"] == "get.cancelled"
    # Without --wait it is a question that was answered.
    assert node.ok("cells", "fetch", "show", begun["fetch_id"])["state"] == "cancelled"
    second = node.ok("cells", "get", "cfp-1", "--from", MAKER, "--detach")
    waiting = until(lambda: node.ok("maker", "approval", "list")["items"])
    for entry in waiting:
        node.run("maker", "approval", "approve", entry["negotiation_pid"])
    assert node.ok("cells", "fetch", "show", second["fetch_id"], "--wait")["state"] == "done"
    offer(node, "--manual", asset_id="cfp-2", offer_id="second")
    third = node.ok("cells", "get", "cfp-2", "--from", MAKER, "--detach")
    asked = first_approval(node, "maker")
    node.ok("maker", "approval", "reject", asked["negotiation_pid"], "--reason", "Not for you.")
    failed = node.run("cells", "fetch", "show", third["fetch_id"], "--wait", "--json")
    assert (failed.exit_code, failed.document["state"]) == (1, "failed")


def test_the_operator_serves_companies(node: Node) -> None:
    created = node.ok("operator", "participant", "add", "recycler", "--name", "Recycler")
    assert created["api_key"].startswith("ashiato_")
    shown = node.ok("operator", "participant", "show", "recycler")
    assert shown == created["participant"]
    slugs = [entry["slug"] for entry in node.ok("operator", "participant", "list")["items"]]
    assert slugs == ["cells", "maker", "recycler"]
    assert node.ok("maker", "participant", "self")["participant_id"] == MAKER
    said = node.run(
        "operator", "participant", "add", "reuse", "--name", "Reuse", "--did", "did:web:reuse.example"
    )
    assert "shown only now" in said.out
    node.ok("operator", "participant", "suspend", "recycler")
    assert node.run("operator", "participant", "show", "recycler").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "exit_code", "told"),
    [
        (("asset", "show", "none"), 1, "There is no asset 'none'."),
        (("policy", "put", "p"), 2, "Give the policy either as a file or by options"),
        (("policy", "put", "p", "--policy", "x", "--uses", "1"), 2, "Give the policy either"),
        (("policy", "put", "p", "--policy", "/none.json"), 2, "/none.json cannot be read"),
        (("policy", "put", "p", "--until", "tomorrow"), 2, "'tomorrow' is no day or instant"),
        (("policy", "put", "p", "--until", "2026-02-30"), 2, "'2026-02-30' is no day or instant"),
        (("policy", "put", "p", "--elapsed", "30 days"), 2, "'30 days' is no duration"),
        (("asset", "put", "a", "--title", "x"), 2, "Give one source"),
        (("asset", "put", "a", "--title", "x", "--file", "x", "--record", "y"), 2, "Give one source"),
        (("asset", "put", "a", "--title", "x", "--source", "{"), 2, "--source is not JSON"),
        (("asset", "put", "a", "--title", "x", "--source", "[]"), 2, "--source must hold a JSON object"),
        (
            ("asset", "put", "a", "--title", "x", "--file", "x", "--property", "novalue"),
            2,
            "'novalue' is no NAME=VALUE",
        ),
        (("asset", "put", "a", "--title", "x", "--file", "../x"), 1, "source.path"),
        (("asset", "list", "--limit", "0"), 2, "limit"),
        (("asset", "list", "--wrong"), 2, "--wrong"),
        (("negotiation", "act", "x", "dance"), 2, "dance"),
        (("participant", "list"), 1, "Is ASHIATO_COMPANY right"),
        (("asset", "list", "--company", "cells"), 1, "Is ASHIATO_COMPANY right"),
        (("asset", "list", "--api-key", "wrong"), 1, "Is ASHIATO_API_KEY right?"),
        (("get", "none", "--from", MAKER), 1, "did:web:maker.example"),
        (("get", "x", "--from", "did:web:nobody.example"), 1, "did:web:nobody.example"),
    ],
)
def test_what_goes_wrong_is_said_in_a_sentence_with_its_exit_code(
    node: Node, arguments: tuple[str, ...], exit_code: int, told: str
) -> None:
    ran = node.run("maker", *arguments)
    assert (ran.exit_code, ran.out) == (exit_code, "")
    assert told in ran.err
    assert "Traceback" not in ran.err


def test_a_program_gets_the_problem_as_a_document(node: Node) -> None:
    refused = node.run("maker", "asset", "show", "none", "--json")
    assert refused.out == ""
    assert json.loads(refused.err)["type"] == "urn:ashiato:problem:not-found"
    usage = node.run("maker", "policy", "put", "p", "--json")
    assert json.loads(usage.err)["problem"] == "one_policy"


def test_every_fault_of_a_request_is_said(node: Node) -> None:
    ran = node.run("maker", "webhook", "put", "w", "--to", "no-url", "--event", "Bad Event")
    assert ran.exit_code == 1
    assert "body.url" in ran.err
    assert "body.events.0" in ran.err


def commands(command: Any, path: tuple[str, ...] = ()) -> list[str]:
    inner = getattr(command, "commands", None)
    if inner is None:
        return [" ".join(path)]
    return [name for key, value in inner.items() for name in commands(value, (*path, key))]


def test_data_received_is_used_for_a_purpose_and_deleted(node: Node, tmp_path: Path) -> None:
    offer(node)
    done = node.ok(
        "cells", "get", "cfp-1", "--from", MAKER, "--to", str(tmp_path / "a"), "--purpose", "legal"
    )
    received = done["received"]
    received_id = received["received_id"]
    node.ok("cells", "received", "save", received_id, "--to", str(tmp_path / "b"), "--purpose", "quality")
    totals = node.ok("cells", "vault", "usage", "--agreement", received["agreement_id"])["items"]
    assert [(total["purpose"], total["uses_count"]) for total in totals] == [("legal", 1), ("quality", 1)]
    assert node.ok("cells", "vault", "list")["items"][0]["uses_count"] == 2
    assert node.run("cells", "vault", "list").out.count(received_id) == 1
    ordered = node.ok("cells", "vault", "delete", received_id)
    assert ordered["delete_why"] == "ordered"
    until(lambda: node.ok("cells", "vault", "list")["items"][0]["state"] == "deleted")
    ran = node.run("cells", "received", "save", received_id, "--to", str(tmp_path / "c"))
    assert (ran.exit_code, "was deleted" in ran.err) == (1, True)
    signed = node.ok("cells", "receipt", "signed", "--agreement", received["agreement_id"])["items"]
    assert [json.loads(receipt["payload"])["kind"] for receipt in signed] == [
        "received", "used", "used", "deleted",
    ]  # fmt: skip


def test_the_other_side_of_an_agreement_is_asked_and_shown(node: Node, tmp_path: Path) -> None:
    offer(node)
    done = node.ok("cells", "get", "cfp-1", "--from", MAKER)
    agreement_id = done["received"]["agreement_id"]
    shown = node.ok("maker", "receipt", "show", agreement_id)
    assert (shown["standing"], shown["findings"]) == ("not_asked", [])
    assert node.ok("maker", "receipt", "ask", agreement_id)["partner"] == CELLS
    assert [side["agreement_id"] for side in node.ok("maker", "receipt", "list")["items"]] == [agreement_id]
    assert "not_asked" in node.run("maker", "receipt", "show", agreement_id).out


def test_an_app_is_registered_approved_and_revoked(node: Node) -> None:
    manifest = {
        "name": "Sum",
        "version": "1",
        "digest": "ab" * 32,
        "purposes": ["legal"],
        "reads": [{"asset_id": "cfp-*"}],
    }
    put = node.ok("cells", "app", "put", "sum", "--manifest", "-", stdin=json.dumps(manifest).encode())
    assert (put["state"], put["manifest"]["reads"][0]["own"]) == ("proposed", False)
    approved = node.ok("cells", "app", "approve", "sum")
    assert approved["app"]["state"] == "approved"
    assert approved["token"].startswith("ashiato_app_")
    assert "shown only now" in node.run("cells", "app", "approve", "sum").out
    ran = node.run("cells", "app", "run", "sum")
    assert (ran.exit_code, "no folder of apps" in ran.err) == (1, True)
    assert node.ok("cells", "app", "show", "sum")["state"] == "approved"
    assert node.ok("cells", "app", "revoke", "sum")["state"] == "revoked"
    assert [app["app_id"] for app in node.ok("cells", "app", "list")["items"]] == ["sum"]
    bad = {**manifest, "digest": "short"}
    assert (
        node.run("cells", "app", "put", "x", "--manifest", "-", stdin=json.dumps(bad).encode()).exit_code == 1
    )


def test_keys_are_rotated_retired_revoked_and_certified(node: Node, tmp_path: Path) -> None:
    listed = node.ok("maker", "keys", "list")["items"]
    assert [(key["name"], key["state"]) for key in listed] == [("key-1", "signing")]
    rotated = node.ok("maker", "keys", "rotate", "--kind", "P-256", "--overlap", "0", "--keep", "600")[
        "items"
    ]
    assert [key["name"] for key in rotated] == ["key-1", "key-2"]
    assert node.run("maker", "keys", "list").out.splitlines()[0].split()[:3] == ["name", "kind", "state"]
    retired = node.ok("maker", "keys", "retire", "key-1")["items"]
    assert [(key["name"], key["state"]) for key in retired] == [("key-1", "retired"), ("key-2", "signing")]
    needed = node.run("maker", "keys", "retire", "key-2")
    assert (needed.exit_code, "rotate first" in needed.err) == (1, True)
    unknown = node.run("maker", "keys", "revoke", "key-9")
    assert (unknown.exit_code, "There is no key key-9." in unknown.err) == (1, True)
    none = tmp_path / "none.pem"
    none.write_bytes(b"")
    assert node.ok("maker", "keys", "certify", "key-2", str(none))["items"] == retired
    none.write_bytes(b"no certificate")
    assert node.run("maker", "keys", "certify", "key-2", str(none)).exit_code == 1
    assert node.ok("maker", "did", "changes") == {"items": [], "next_cursor": None}


def test_a_contract_is_exported_checked_renewed_and_retired(node: Node, tmp_path: Path) -> None:
    offer(node)
    agreement_id = node.ok("cells", "get", "cfp-1", "--from", MAKER)["fetch"]["agreement_id"]
    decision = node.ok("maker", "contract", "decision", agreement_id)
    assert (decision["permitted"], decision["partner"]) == (True, CELLS)
    assert node.run("cells", "contract", "decision", agreement_id).exit_code == 1
    saved = tmp_path / "agreement.json"
    node.ok("cells", "contract", "export", agreement_id, "--to", str(saved))
    agreement = node.ok("cells", "contract", "show", agreement_id)
    assert json.loads(saved.read_bytes())["agreement"] == agreement["document"]
    checked = node.run("cells", "verify", str(saved))
    # The companies of this program sign nothing: the file proves nothing, and the command says so.
    assert checked.exit_code == 1
    renewed = node.ok("cells", "contract", "renew", agreement_id)
    assert renewed["predecessor_id"] == agreement_id
    final = state(node, "cells", ("negotiation", "show", renewed["negotiation_pid"]), "FINALIZED")
    successor = node.ok("cells", "contract", "show", final["agreement_id"])
    assert successor["predecessor_id"] == agreement_id
    early = node.run("cells", "contract", "retire", agreement_id)
    assert early.exit_code == 1
    node.ok("cells", "contract", "end", agreement_id)
    assert node.ok("cells", "contract", "retire", agreement_id)["is_retired"] is True
    left = node.ok("cells", "contract", "list")["items"]
    assert [entry["agreement"]["agreement_id"] for entry in left] == [final["agreement_id"]]


def test_groups_and_facts_are_told_for_policies(node: Node) -> None:
    put = node.ok("maker", "group", "put", "friends", "--title", "Friends", "--member", CELLS)
    assert (put["title"], put["members"]) == ("Friends", [CELLS])
    assert node.ok("maker", "group", "show", "friends") == put
    assert node.ok("maker", "group", "list")["items"] == [put]
    node.ok("maker", "group", "delete", "friends")
    assert node.run("maker", "group", "show", "friends").exit_code == 1
    told = node.ok("maker", "fact", "put", "event", "--value", "recall", "--value", "audit", "--note", "n-7")
    assert (told["values"], told["note"], told["agreement_id"]) == (["recall", "audit"], "n-7", "")
    assert node.ok("maker", "fact", "list")["items"] == [told]
    assert node.ok("maker", "fact", "delete", "event") == {"what": "event"}
    assert node.ok("maker", "fact", "list")["items"] == []


def test_what_is_owed_is_shown_and_settled(node: Node) -> None:
    offer(node)
    paid = {"permission": [{"action": "use", "duty": [{"action": "compensate"}]}]}
    node.ok("maker", "policy", "put", "use", "--policy", "-", stdin=json.dumps(paid).encode())
    asked = node.ok("cells", "negotiation", "request", "cfp-1", "--from", MAKER)
    final = state(node, "cells", ("negotiation", "show", asked["negotiation_pid"]), "FINALIZED")
    of_it = ("--agreement", final["agreement_id"], "--state", "pending")
    (debt,) = until(lambda: node.ok("maker", "obligation", "list", *of_it)["items"])
    assert (debt["action"], debt["is_own"], debt["partner"]) == ("compensate", False, CELLS)
    assert node.ok("maker", "obligation", "show", debt["obligation_id"]) == debt
    done = node.ok("maker", "obligation", "act", debt["obligation_id"], "fulfil", "--reason", "invoice 7")
    assert (done["state"], done["reason"]) == ("fulfilled", "invoice 7")
    assert node.ok("maker", "obligation", "list", *of_it)["items"] == []
    assert node.run("maker", "obligation", "act", debt["obligation_id"], "fulfil").exit_code == 1


@pytest.mark.parametrize("name", commands(get_command(make_app())))
def test_every_command_is_run_by_a_test_of_this_file(name: str) -> None:
    # The operator's commands are run by a function that is given the hub, and puts the first word before the others itself.
    words = r",\s+".join('"?hub"?' if word == "hub" else f'"{word}"' for word in name.split())
    here = Path(__file__)
    groups = ("carbon", "chain", "credentials", "declarations", "footprints", "hub", "requests")
    beside = [here.with_name(f"test_{name}.py") for name in groups]
    texts = [path.read_text("utf-8") for path in (here, *beside)]
    assert any(re.search(rf"[(\s]{words}", text) for text in texts)
