"""A verifier's visit and a withdrawal by the commands of people on both sides."""

import json
from pathlib import Path

from tests.cli.running import command, ok
from tests.wiring.carbon_chain import running_chain, until
from tests.wiring.test_verifier_visit import DECLARER, PRODUCT, declared, lines_of


async def test_lines_are_asked_for_opened_checked_and_stated_upon_by_commands(tmp_path: Path) -> None:
    async with running_chain(tmp_path / "chain") as chain:
        maker, verifier = chain.refiners, chain.cathode
        word, signed = await declared(chain)
        sha256 = word["sha256"]
        (listed,) = (await ok(maker, "declaration", "list"))["items"]
        assert (listed["sha256"], listed["statements"]) == (sha256, 0)
        await ok(maker, "request", "open")
        of_it = ("--with", chain.dids()[DECLARER], "--product", PRODUCT, "--line", "1", "--due", "2090-01-01")
        asked = await ok(verifier, "declaration", "ask-lines", sha256, *of_it)
        page = await until(
            lambda: ok(maker, "request", "list", "--side", "received"), lambda seen: len(seen["items"]) == 1
        )
        await ok(maker, "declaration", "open-lines", page["items"][0]["own_id"])
        opened = await lines_of(chain, asked["own_id"])
        word_file, lines_file = tmp_path / "word.json", tmp_path / "lines.json"
        word_file.write_text(json.dumps(signed), "utf-8")
        lines_file.write_text(json.dumps(opened), "utf-8")
        both = (str(word_file), "--lines", str(lines_file))
        checked = await ok(verifier, "declaration", "check", *both)
        assert [one["index"] for one in checked["lines"]] == [1]
        found = ("--standard", "ISO 14067:2018", "--level", "reasonable", "--finding", "conforms")
        limits = ("--scope", "One line.", "--until", "2089-01-01")
        made = await ok(verifier, "declaration", "state", *both, *found, *limits)
        assert made["lines"] == [1]
        statement = tmp_path / "statement.json"
        text = json.dumps({"type": "SignedStatement", "statement": made["statement"]})
        statement.write_text(text, "utf-8")
        assert (await ok(maker, "declaration", "attach", sha256, str(statement)))["statements"] == 1
        gone = await ok(maker, "declaration", "withdraw", sha256, "--reason", "A meter was wrong.")
        assert (gone["standing"], gone["statements"]) == ("withdrawn", 1)
        again = await command(maker, "declaration", "withdraw", sha256, "--reason", "Again.")
        assert again.exit_code == 1
