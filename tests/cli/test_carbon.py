"""The carbon footprint's tables and databases over the command line."""

import json
import signal
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.api.management.program import did_of, key_of
from tests.api.management.test_carbon_handed_on import (
    ACTIVITIES,
    ACTIVITY_HEAD,
    ANSWER_HEAD,
    FACTORS,
    HEAD,
    REJECTED,
)
from tests.apps.carbon.factors.test_backgrounds import FILE
from tests.cli.running import Node, until

LICENCES = f"licence_id,holders,everybody\ndb,{did_of('cells')},yes\n".encode()
SOURCE = ("--licence", "db", "--title", "Two processes")


def imported(node: Node, tmp_path: Path, *more: str) -> Path:
    file = tmp_path / "two.csv"
    file.write_text(FILE)
    node.ok("cells", "carbon", "import", "licences", "-", stdin=LICENCES)
    node.ok("cells", "carbon", "import-database", "two", str(file), *SOURCE, *more)
    return file


def test_from_a_file_of_another_program_to_an_intensity_and_a_factor(node: Node, tmp_path: Path) -> None:
    file = imported(node, tmp_path)
    again = node.ok("cells", "carbon", "import-database", "two", str(file), *SOURCE)
    assert again["background"] == "same"
    assert [one["background_id"] for one in node.ok("cells", "carbon", "databases")["items"]] == ["two"]
    assert node.ok("cells", "carbon", "database", "two")["activities"] == 2
    found = node.ok("cells", "carbon", "find", "two", "steel")
    assert [one["activity"] for one in found["activities"]] == ["STEEL"]
    assert "STEEL" in node.run("cells", "carbon", "find", "two").out

    # By hand in tests/apps/carbon/factors/test_backgrounds.py.
    intensity = node.ok("cells", "carbon", "intensity", "two", "POWER", "--inputs", "5")
    assert intensity["kgco2e"]["value"] == pytest.approx(0.78725, rel=1e-12)
    shown = node.run("cells", "carbon", "intensity", "two", "POWER").out
    assert ("kgco2e error" in shown, "Steel" in shown) == (True, True)
    half = tmp_path / "half.json"
    swap = {"type": "swap", "activity": "POWER", "supplier": "STEEL", "instead": "STEEL", "ratio": 0.5}
    half.write_text(json.dumps({"changes": [swap]}))
    changed = node.ok("cells", "carbon", "what-if", "two", "POWER", "--changes", str(half))
    assert changed["after"]["value"] == pytest.approx(0.5649 / 0.9, rel=1e-12)
    same = node.ok(
        "cells", "carbon", "what-if", "two", "POWER", "--mix", "POWER:STEEL=1", "--year-of", "STEEL:two"
    )
    assert same["difference"]["value"] == pytest.approx(0.0, abs=1e-12)
    drawn = node.ok("cells", "carbon", "monte-carlo", "two", "POWER", "--draws", "3", "--seed", "1")
    assert (drawn["mean"], drawn["next_draw"]) == (pytest.approx(0.78725), 3)
    assert "2.5% below" in node.run("cells", "carbon", "monte-carlo", "two", "POWER", "--draws", "2").out

    linked = ("carbon", "link", "two", "STEEL", "--factor", "al", "--material", "aluminium")
    assert node.ok("cells", "carbon", *linked[1:])["outcome"] == "new"
    assert "Warning: al lies below what is published for aluminium" in node.run("cells", *linked).err
    (factor,) = node.ok("cells", "carbon", "factors")["items"]
    assert float(factor["kgco2e"]) == pytest.approx(2.8725, rel=1e-11)
    assert node.run("cells", "carbon", "forget", "two").exit_code == 0
    assert node.run("cells", "carbon", "database", "two").exit_code == 1


def test_filled_tables_become_an_inventory_and_an_answer(node: Node, tmp_path: Path) -> None:
    node.ok("cells", "carbon", "import", "licences", "-", stdin=LICENCES)
    node.ok("cells", "carbon", "import", "factors", "-", stdin=FACTORS.encode())
    table = "\n".join((ACTIVITY_HEAD, *ACTIVITIES)) + "\n"
    node.ok("cells", "carbon", "import", "activities", "-", stdin=table.encode())
    head = tmp_path / "anode.json"
    head.write_text(json.dumps(HEAD))
    made = node.run("cells", "carbon", "inventory", str(head), "--lang", "ja")
    assert (made.exit_code, "公表値の範囲を上回って" in made.err) == (0, True)
    assert node.ok("cells", "carbon", "inventory", str(head), "--dry-run")["outcome"] == "same"
    answers = f"{ANSWER_HEAD}\n{REJECTED}\n".encode()
    node.ok("cells", "carbon", "import", "answers", "-", stdin=answers)
    refused = node.run("cells", "carbon", "answer", "r2", "--policy", "use")
    assert (refused.exit_code, "r2" in refused.err) == (1, True)


def test_what_a_file_lacks_is_told_and_nothing_is_stored(node: Node, tmp_path: Path) -> None:
    file = tmp_path / "gap.csv"
    file.write_text(FILE.replace("\nSteel;kg;0.1", "\nGold;kg;0.1"))
    node.ok("cells", "carbon", "import", "licences", "-", stdin=LICENCES)
    for more in (("--dry-run",), ()):
        ran = node.run("cells", "carbon", "import-database", "gap", str(file), *SOURCE, *more)
        assert (ran.exit_code, "nobody supplies it" in ran.err) == (1, True)
    assert node.ok("cells", "carbon", "databases")["items"] == []
    taken = node.ok("cells", "carbon", "import-database", "gap", str(file), *SOURCE, "--allow-missing")
    assert taken["missing"] == 1
    missing = node.run("cells", "carbon", "import-database", "gap", str(tmp_path / "none"), *SOURCE)
    assert missing.exit_code == 2
    for change in ("POWER", "POWER:STEEL=half", "POWER:"):
        assert node.run("cells", "carbon", "what-if", "gap", "POWER", "--mix", change).exit_code == 2


def test_an_empty_table_is_written_in_the_encoding_that_was_asked_for(node: Node, tmp_path: Path) -> None:
    file = tmp_path / "licences.csv"
    options = ("--lang", "ja", "--encoding", "shift_jis", "--to", str(file))
    node.ok("cells", "carbon", "template", "licences", *options)
    head = file.read_bytes().decode("cp932").splitlines()[0]
    assert head.startswith("ライセンスID*,名称")
    workbook = tmp_path / "factors.xlsx"
    node.ok("cells", "carbon", "template", "factors", "--to", str(workbook))
    assert workbook.read_bytes().startswith(b"PK")
    file.write_bytes((head + "\ndb\n\n").encode("cp932"))
    assert node.ok("cells", "carbon", "import", "licences", str(file), "--dry-run")["new"] == 1
    file.write_bytes((head + "\n,名前\n").encode("cp932"))
    wrong = node.run("cells", "carbon", "import", "licences", str(file), "--lang", "ja", "--dry-run")
    assert (wrong.exit_code, "必須項目です" in wrong.err) == (1, True)


def test_ctrl_c_ends_a_simulation_at_the_node_and_nothing_is_lost(node: Node, tmp_path: Path) -> None:
    imported(node, tmp_path)
    long = node.start("cells", "carbon", "monte-carlo", "two", "POWER", "--draws", "100000")
    said = b""
    while b"drawing" not in said:
        assert long.stderr is not None
        line = long.stderr.readline()
        assert line, said
        said += line
    long.send_signal(signal.SIGINT)
    _, errors = long.communicate(timeout=60)
    assert (long.returncode, b"Interrupted" in errors) == (130, True)
    assert node.ok("cells", "carbon", "intensity", "two", "STEEL")["missing_count"] == 0


def test_an_upload_that_breaks_off_leaves_nothing(node: Node, tmp_path: Path) -> None:
    node.ok("cells", "carbon", "import", "licences", "-", stdin=LICENCES)
    parts = urlsplit(node.url)
    with socket.create_connection((str(parts.hostname), parts.port), timeout=30) as line:
        head = (
            "PUT /v1/cells/carbon/backgrounds/half?licence=db&title=Half HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {key_of('cells')}\r\nContent-Type: application/octet-stream\r\n"
            f"Content-Length: {len(FILE)}\r\n\r\n"
        )
        line.sendall(head.encode() + FILE[:200].encode())
    assert node.ok("cells", "carbon", "databases")["items"] == []
    assert until(lambda: node.run("cells", "carbon", "database", "half").exit_code == 1)
