import json
from pathlib import Path

import pytest

from ashiato.cli.output import Output, plain
from ashiato.cli.progress import shown_progress
from tests.cli.running import run
from tests.cli.scripted import scripted

EVIL = "\x1b[2J\x1b]0;owned\x07 good\r\x9b31m \u202egpj.exe"


def test_what_a_partner_wrote_does_not_steer_the_terminal() -> None:
    shown = plain(EVIL)
    assert "good" in shown
    assert not set(shown) & {"\x1b", "\x07", "\r", "\x9b", "\u202e"}
    assert plain("正極材 NMC811 ü") == "正極材 NMC811 ü"


@pytest.mark.parametrize("command", [("asset", "list"), ("asset", "show", "a")])
def test_a_table_and_a_line_are_clean_too(tmp_path: Path, command: tuple[str, ...]) -> None:
    asset = {"asset_id": "a", "title": EVIL, "data_item": "[bold red]x[/]", "nested": {"a": EVIL}}
    body = json.dumps({"items": [asset], "next_cursor": None, **asset}).encode()
    environment = {"ASHIATO_API_KEY": "k", "ASHIATO_COMPANY": "maker", "HOME": str(tmp_path)}
    with scripted(body=body) as (port, _):
        ran = run(command, {**environment, "ASHIATO_URL": f"http://127.0.0.1:{port}"})
    assert ran.exit_code == 0
    assert not set(ran.out) & {"\x1b", "\x07", "\r", "\x9b", "\u202e"}
    # What looks like the table's own markup is text.
    assert "[bold red]x[/]" in ran.out


def test_a_problem_is_clean_too(tmp_path: Path) -> None:
    body = json.dumps(
        {"detail": EVIL, "fields": {"errors": [{"path": "a"}, {"path": EVIL, "problem": EVIL}]}}
    ).encode()
    environment = {"ASHIATO_API_KEY": "k", "ASHIATO_COMPANY": "maker", "HOME": str(tmp_path)}
    with scripted(422, body) as (port, _):
        ran = run(["asset", "list"], {**environment, "ASHIATO_URL": f"http://127.0.0.1:{port}"})
    assert (ran.exit_code, ran.out) == (1, "")
    assert not set(ran.err) & {"\x1b", "\x07", "\r", "\x9b", "\u202e"}


def test_a_pipe_gets_whole_lines(tmp_path: Path) -> None:
    title = "long " * 100
    items = [{"asset_id": "a", "title": title}, {"asset_id": "b", "title": "short"}]
    body = json.dumps({"items": items, "next_cursor": None}).encode()
    environment = {"ASHIATO_API_KEY": "k", "ASHIATO_COMPANY": "maker", "HOME": str(tmp_path), "COLUMNS": "40"}
    with scripted(body=body) as (port, _):
        ran = run(["asset", "list"], {**environment, "ASHIATO_URL": f"http://127.0.0.1:{port}"})
    assert title.strip() in ran.out.splitlines()[1]
    assert [line for line in ran.out.splitlines() if line != line.rstrip()] == []


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("until_ms", 1_767_225_600_000, "2026-01-01T00:00:00Z"),
        ("ended_ms", None, "-"),
        ("created_ms", 0, "-"),
        ("finite", True, "yes"),
        ("finite", False, "no"),
        ("events", ["a", "b"], "a, b"),
        ("properties", {"名": 1}, '{"名": 1}'),
        ("note", "two\nlines", "two lines"),
    ],
)
def test_a_member_is_shown_as_a_person_reads_it(
    capsys: pytest.CaptureFixture[str], name: str, value: object, shown: str
) -> None:
    Output(as_json=False).show({name: value})
    label, _, text = capsys.readouterr().out.partition("  ")
    assert (label, text.strip()) == (name.removesuffix("_ms"), shown)


def test_a_program_gets_japanese_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).show({"title": "正極材"})
    assert capsys.readouterr().out == '{\n  "title": "正極材"\n}\n'


def test_a_bar_is_drawn_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with shown_progress(Output(as_json=False)) as progress:
        progress.step("get.saving", path="x.json")
        progress.bytes_now(512, 1024)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Saving to x.json" in shown.err


def test_nothing_is_drawn_for_a_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with shown_progress(Output(as_json=True)) as progress:
        progress.step("get.saving", path="x.json")
        progress.bytes_now(512, 1024)
    assert capsys.readouterr() == ("", "")
