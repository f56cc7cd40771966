import ast
from pathlib import Path
from string import Formatter

import pytest

import ashiato.cli
from ashiato.cli.texts import ENGLISH, say

SOURCES = sorted(Path(ashiato.cli.__file__).parent.rglob("*.py"))


def literals() -> set[str]:
    return {
        node.value
        for path in SOURCES
        if path.name != "texts.py"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_every_text_is_used() -> None:
    assert set(ENGLISH) - literals() == set()


def test_every_group_and_command_has_a_text() -> None:
    keys = {
        text
        for text in literals()
        if text.partition(".")[0] in {"option", "problem", "done", "get", "list", "save"}
    }
    dotted = {key for key in keys if "." in key and " " not in key and not key.endswith(".")}
    assert dotted <= set(ENGLISH)


@pytest.mark.parametrize("key", sorted(ENGLISH))
def test_a_text_is_a_sentence_or_names_a_step(key: str) -> None:
    text = ENGLISH[key]
    steps = {
        "get.begun",
        "get.negotiating",
        "get.transferring",
        "get.done",
        "get.saving",
        "done.key",
        "done.token",
        "done.saved",
        "trust.issuers_of",
    }
    ends_well = text.endswith(
        (".", "?", ":", "FILE", "{fetch_id}", "{config}", "{problem}", "{detail}", ".)")
    )
    assert key in steps or ends_well


def test_a_text_is_filled_in() -> None:
    fields = {name for _, name, _, _ in Formatter().parse(ENGLISH["done.saved"]) if name}
    assert fields == {"path", "size_bytes", "sha256"}
    assert say("done.saved", path="{x}", size_bytes=3, sha256="ab") == "{x}: 3 bytes, SHA-256 ab."


def test_a_language_stands_in_one_file() -> None:
    """A help text that is not looked up would stay English for everybody.

    The verifier of one file looks nothing up: it runs where this program is not.
    """
    for path in SOURCES:
        if path.name == "proof_verifier.py":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "help":
                assert isinstance(node.value, ast.Call), f"{path}:{node.value.lineno}"
