"""The chain over the command line."""

import json
from pathlib import Path

from tests.api.management.program import did_of
from tests.cli.running import Node

MAKER = did_of("maker")


def test_masters_bills_and_what_was_built(node: Node, tmp_path: Path) -> None:
    node.ok("cells", "plant", "put", "east", "--name", "東工場", "--country", "JP")
    node.ok("cells", "part", "put", "pack", "--name", "Pack", "--plant", "east", "--property", "erp=7")
    node.ok("cells", "part", "put", "cell", "--identifier", "gtin:6291041500213")
    bought = node.ok("cells", "part", "put", "cathode", "--purchased", "--unit", "kg")
    assert (bought["sourcing"], bought["unit"]) == ("purchased", "kg")
    assert [one["part_id"] for one in node.ok("cells", "part", "list", "--plant", "east")["items"]] == [
        "pack"
    ]
    assert "gtin:06291041500213" in node.run("cells", "part", "list").out
    assert node.ok("cells", "part", "show", "pack")["properties"] == {"erp": "7"}
    found = node.ok("cells", "supply", "find", "gtin:6291041500213")
    assert (found["kind"], found["id"]) == ("part", "cell")

    made = node.ok("cells", "bill", "put", "pack", "1", "--line", "cell=96", "--from", "2026-04-01")
    assert made["lines"][0]["unit"] == "piece"
    lossy = node.ok("cells", "bill", "put", "cell", "1", "--line", "cathode=250 g 0.05")
    assert (lossy["lines"][0]["unit"], lossy["lines"][0]["loss"]) == ("g", "0.05")
    file = tmp_path / "bill.json"
    file.write_text(json.dumps({"lines": [{"component_id": "cell", "quantity": "100", "unit": "piece"}]}))
    node.ok("cells", "bill", "put", "pack", "2", "--file", str(file), "--from", "2027-04-01")
    assert node.ok("cells", "bill", "show", "pack", "--at", "2026-05-01")["version"] == "1"
    assert node.ok("cells", "bill", "show", "pack", "--at", "2027-05-01")["version"] == "2"
    assert node.ok("cells", "bill", "show", "pack", "--version", "2")["lines"][0]["quantity"] == "100"
    assert node.ok("cells", "part", "users", "cell")["items"] == [{"part_id": "pack"}]
    cyclic = node.run("cells", "bill", "put", "cell", "2", "--line", "pack=1", "--from", "2027-01-01")
    assert (cyclic.exit_code, "cell > pack > cell" in cyclic.err) == (1, True)
    assert node.run("cells", "bill", "put", "cell", "2", "--line", "pack").exit_code == 2
    assert node.run("cells", "bill", "put", "cell", "2").exit_code == 2

    node.ok("cells", "batch", "put", "B1", "--part", "cell", "--quantity", "500", "--made", "2026-05-01")
    node.ok("cells", "item", "put", "p1", "--part", "pack", "--serial", "P1", "--plant", "east")
    node.ok("cells", "item", "put", "c1", "--part", "cell", "--serial", "C1", "--batch", "B1")
    assert [one["item_id"] for one in node.ok("cells", "batch", "items", "B1")["items"]] == ["c1"]
    node.ok("cells", "item", "build-in", "p1", "c1", "--from", "2026-06-01", "--until", "2027-01-01")
    node.ok("cells", "item", "build-in", "p1", "B1", "--component-kind", "batch", "--quantity", "95")
    held = node.ok("cells", "item", "holds", "p1", "--at", "2026-07-01")["items"]
    assert [(one["component_kind"], one["component_id"]) for one in held] == [("batch", "B1"), ("item", "c1")]
    where = node.ok("cells", "item", "held-in", "B1", "--kind", "batch")["items"]
    assert [one["holder_id"] for one in where] == ["p1"]
    assert node.run("cells", "item", "delete", "c1").exit_code == 1
    node.ok("cells", "item", "undo", "p1", "c1", "--from", "2026-06-01")
    node.ok("cells", "item", "delete", "c1")
    node.ok("cells", "item", "undo", "p1", "B1", "--component-kind", "batch")
    node.ok("cells", "batch", "delete", "B1")
    for arguments in (
        ("bill", "delete", "pack", "1"),
        ("bill", "delete", "cell", "1"),
        ("item", "delete", "p1"),
    ):
        node.ok("cells", *arguments)
    assert node.run("cells", "plant", "delete", "east").exit_code == 1
    assert [one["version"] for one in node.ok("cells", "bill", "list")["items"]] == ["2"]


def test_partners_and_links(node: Node) -> None:
    put = node.ok("cells", "partner", "put", MAKER, "--supplier", "--name", "Maker")
    assert (put["is_supplier"], put["is_customer"]) == (True, False)
    assert [one["partner"] for one in node.ok("cells", "partner", "list")["items"]] == [MAKER]
    node.ok("cells", "part", "put", "cathode", "--purchased")
    proposed = node.ok("cells", "link", "propose", "l1", "--with", MAKER, "--part", "cathode")
    assert (proposed["state"], proposed["side"]) == ("proposed", "buyer")
    assert node.run("cells", "link", "confirm", "l1", "--part", "cathode").exit_code == 1
    assert node.run("cells", "link", "refuse", "l1").exit_code == 1
    assert node.run("cells", "partner", "delete", MAKER).exit_code == 1
    assert node.ok("cells", "link", "withdraw", "l1", "--reason", "typo")["state"] == "withdrawn"
    assert [one["link_id"] for one in node.ok("cells", "link", "list", "--with", MAKER)["items"]] == ["l1"]
    node.ok("cells", "partner", "delete", MAKER)


def test_a_table_is_tried_mended_and_brought_in(node: Node, tmp_path: Path) -> None:
    file = tmp_path / "parts.csv"
    node.ok("cells", "supply", "template", "parts", "--lang", "ja", "--to", str(file))
    assert file.read_text("utf-8-sig") == "部品番号,部品名,区分,単位,版,事業所,識別子\n"
    assert node.run("cells", "supply", "template", "parts", "--to", str(file)).exit_code == 2
    header = file.read_text("utf-8-sig")
    file.write_bytes(
        (header + "pack,電池パック,自社,piece,,,\ncell,セル,自社,本,,,\n,x,自社,kg,,,\n").encode("cp932")
    )
    tried = node.run("cells", "supply", "import", str(file), "--dry-run")
    assert tried.exit_code == 1
    assert tried.err.startswith("3:単位: ")
    assert "4:部品番号: This cannot be empty." in tried.err
    refused = node.run("cells", "supply", "import", str(file), "--json")
    assert (refused.exit_code, json.loads(refused.err)["fields"]["errors"][0]["row"]) == (1, 3)
    assert node.ok("cells", "part", "list")["items"] == []
    file.write_bytes((header + "pack,電池パック,自社,piece,,,\n").encode("cp932"))
    assert node.ok("cells", "supply", "import", str(file), "--dry-run")["new"] == 1
    assert node.ok("cells", "supply", "import", str(file))["new"] == 1
    assert node.ok("cells", "supply", "import", "-", stdin=file.read_bytes())["same"] == 1
    assert node.ok("cells", "part", "show", "pack")["name"] == "電池パック"


def test_a_template_for_excel_comes_by_the_ending_of_the_file(node: Node, tmp_path: Path) -> None:
    file = tmp_path / "parts.xlsx"
    node.ok("cells", "supply", "template", "parts", "--to", str(file))
    assert file.read_bytes().startswith(b"PK")
    assert node.ok("cells", "supply", "import", str(file), "--dry-run")["rows"] == 0


def test_what_is_kept_is_listed_and_shown(node: Node) -> None:
    partner = node.ok("cells", "partner", "put", MAKER, "--supplier", "--name", "Maker")
    assert node.ok("cells", "partner", "show", MAKER) == partner
    plant = node.ok("cells", "plant", "put", "east", "--name", "East", "--country", "JP")
    assert node.ok("cells", "plant", "show", "east") == plant
    assert node.ok("cells", "plant", "list")["items"] == [plant]
    node.ok("cells", "part", "put", "cathode", "--purchased", "--unit", "piece")
    batch = node.ok("cells", "batch", "put", "B1", "--part", "cathode")
    assert node.ok("cells", "batch", "show", "B1") == batch
    assert node.ok("cells", "batch", "list")["items"] == [batch]
    item = node.ok("cells", "item", "put", "c1", "--part", "cathode", "--serial", "C1")
    assert node.ok("cells", "item", "show", "c1") == item
    assert node.ok("cells", "item", "list")["items"] == [item]
    link = node.ok("cells", "link", "propose", "l2", "--with", MAKER, "--part", "cathode")
    assert node.ok("cells", "link", "show", "l2") == link
    node.ok("cells", "part", "put", "unused")
    assert node.ok("cells", "part", "delete", "unused") == {"what": "unused"}
