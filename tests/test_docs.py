"""The documents are tests: what they say of settings, errors, ports, limits, commands and files must be so."""

import importlib
import re
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any, get_args

import pytest
import typer

from ashiato.api import protocol
from ashiato.api.management.answers import STATUS_OF
from ashiato.connector import data_access, problems
from ashiato.connector.records import FetchState
from ashiato.dsp.states import NegotiationState, TransferState
from ashiato.trust.jws import WhyCode
from ashiato.trust.timestamps import TimeStampFault
from ashiato.wiring import serving
from ashiato.wiring.main import app
from ashiato.wiring.settings import Settings
from tests import documents

REPOSITORY = Path(__file__).resolve().parent.parent
SOURCE = REPOSITORY / "src" / "ashiato"
MODULES = sorted(SOURCE.rglob("*.py"))
DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
DECISIONS = sorted((REPOSITORY / "docs" / "adr").glob("0*.md"))
TARGETS, SHOWN_TARGETS = documents.make_targets((REPOSITORY / "Makefile").read_text("utf-8"))


def text_of(name: str) -> str:
    return (REPOSITORY / name).read_text("utf-8")


def program() -> Any:
    return typer.main.get_command(app)


def refusals_of_the_data_plane() -> set[tuple[str, int]]:
    found = {
        refusal
        for room in ("api", "connector")
        for path in (SOURCE / room).glob("*.py")
        for refusal in documents.refusals(path.read_text("utf-8"))
    }
    stopped = (state for state in TransferState if state is not TransferState.STARTED)
    refusals = (data_access.state_refusal(state) for state in stopped)
    return found | {(refusal.code, refusal.status_code) for refusal in refusals}


def answers_of_the_protocol() -> set[tuple[str, int]]:
    source = Path(protocol.__file__).read_text("utf-8")
    answers = [
        protocol._explain(kind("a sentence"))
        for kind in vars(problems).values()
        if isinstance(kind, type) and issubclass(kind, problems.Problem) and kind is not problems.Problem
    ]
    return documents.returned_codes(source, "_explain") | {(code, status) for status, code, _ in answers}


def errors_between(first: str, last: str) -> str:
    text = text_of("docs/errors.md")
    return text[text.index(f"## {first}\n") : text.index(f"## {last}\n")]


def told_answers(section: str) -> list[tuple[str, int]]:
    return [(row[0], int(row[1])) for row in documents.rows(section, "code", "status")]


def test_there_is_something_to_check() -> None:
    assert REPOSITORY / "README.md" in DOCUMENTS
    assert REPOSITORY / "docs" / "adr" / "README.md" in DOCUMENTS
    assert len(DECISIONS) >= 12


def test_every_setting_is_described_with_its_type_and_default() -> None:
    told = documents.rows(text_of("docs/settings.md"), "setting", "type", "default")
    assert documents.differences([row[:3] for row in told], documents.settings(Settings)) == []


def test_the_example_of_the_settings_can_be_read() -> None:
    import msgspec.toml

    block = re.search(
        r"^    unsafe_allow_loopback = false\n(?:    .*\n|\n)+", text_of("docs/settings.md"), re.MULTILINE
    )
    assert block is not None
    settings = msgspec.toml.decode(re.sub(r"^    ", "", block[0], flags=re.MULTILINE), type=Settings)
    assert settings.participants[0].secrets == {"erp_token": "env:MAKER_ERP_TOKEN"}


def test_every_problem_of_the_management_api_is_described() -> None:
    told = told_answers(errors_between("Management API", "Problems of the inner rooms"))
    assert documents.differences(told, STATUS_OF.items()) == []


def test_every_problem_of_the_inner_rooms_is_described() -> None:
    told = documents.rows(
        errors_between("Problems of the inner rooms", "Dataspace Protocol"), "code", "class"
    )
    real = documents.problems(path.read_text("utf-8") for path in MODULES)
    assert documents.differences([row[:2] for row in told], real) == []


def test_every_error_of_the_protocol_is_described() -> None:
    told = told_answers(errors_between("Dataspace Protocol", "Data plane and inbox"))
    assert documents.differences(told, answers_of_the_protocol()) == []


def test_every_refusal_of_the_data_plane_is_described() -> None:
    told = told_answers(errors_between("Data plane and inbox", "Tokens"))
    assert documents.differences(told, refusals_of_the_data_plane()) == []


def test_every_outcome_of_an_access_is_described() -> None:
    told = documents.rows(text_of("docs/errors.md"), "outcome", "meaning")
    real = [outcome.value for outcome in data_access.AccessOutcome]
    assert documents.differences([row[0] for row in told], real) == []


def test_every_reason_to_refuse_a_token_is_described() -> None:
    told = documents.rows(text_of("docs/errors.md"), "why_code")
    assert documents.differences([row[0] for row in told], get_args(WhyCode)) == []


def test_every_fault_of_a_time_stamp_is_described() -> None:
    told = documents.rows(text_of("docs/errors.md"), "fault", "who must act")
    assert documents.differences([row[0] for row in told], get_args(TimeStampFault)) == []


def test_every_error_that_prevents_a_start_is_described() -> None:
    told = documents.rows(text_of("docs/errors.md"), "error", "who must act")
    real = [error.__name__ for error in serving.OPERATOR_ERRORS]
    assert documents.differences([row[0] for row in told], real) == []


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts)


def test_every_port_is_described() -> None:
    told = [row[0] for row in documents.rows(text_of("docs/ports.md"), "port")]
    real = [f"{dotted(path)}.{name}" for path in MODULES for name in documents.ports(path.read_text("utf-8"))]
    assert documents.differences(told, real) == []


def test_every_implementation_of_a_port_exists() -> None:
    known = {
        f"{dotted(path)}.{name}" for path in MODULES for name in documents.defined(path.read_text("utf-8"))
    } | {dotted(path).removesuffix(".__init__") for path in MODULES}
    rows = documents.rows(text_of("docs/ports.md"), "port")
    named = [name for row in rows for name in re.findall(r"`?([a-z_0-9]+(?:\.\w+)+)`?", row[2])]
    assert len(named) > len(rows) / 2
    assert [name for name in named if name not in known] == []


def value_of(name: str) -> Any:
    module, *members = _split(name)
    found: Any = importlib.import_module(f"ashiato.{module}")
    for member in members:
        found = getattr(found() if isinstance(found, type) else found, member)
    return found


def _split(name: str) -> Iterator[str]:
    parts = name.split(".")
    length = next(
        at for at in range(len(parts), 0, -1) if (SOURCE / "/".join(parts[:at])).with_suffix(".py").exists()
    )
    yield ".".join(parts[:length])
    yield from parts[length:]


def test_every_limit_has_the_value_that_is_told() -> None:
    told = documents.constants(text_of("docs/security.md"))
    assert len(told) == len(documents.rows(text_of("docs/security.md"), "what", "limit", "constant"))
    assert [(name, value_of(name)) for name, value in told if value_of(name) != value] == []


def test_the_rooms_stand_on_their_storeys() -> None:
    config = ConfigParser()
    config.read_string(text_of(".importlinter"))
    layers = config["importlinter:contract:staircase"]["layers"].strip().splitlines()
    real = {
        (str(storey), room)
        for storey, layer in enumerate(reversed(layers), start=1)
        for room in re.findall(r"\w+", layer)
    }
    told = documents.rows(text_of("docs/architecture.md"), "storey", "room")
    assert documents.differences([row[:2] for row in told], real) == []


def test_every_state_is_named() -> None:
    text = text_of("docs/architecture.md")
    states = [state.value for kind in (NegotiationState, TransferState, FetchState) for state in kind]
    assert [state for state in states if state not in text] == []


def test_every_relative_link_leads_somewhere() -> None:
    faults = {path.name: documents.broken_links(path.read_text("utf-8"), path.parent) for path in DOCUMENTS}
    assert {name: found for name, found in faults.items() if found} == {}


def test_every_file_that_is_named_exists() -> None:
    faults = {path.name: documents.missing_paths(path.read_text("utf-8"), REPOSITORY) for path in DOCUMENTS}
    assert {name: found for name, found in faults.items() if found} == {}


def test_every_command_that_is_shown_exists() -> None:
    commands = [words for path in DOCUMENTS for words in documents.commands(path.read_text("utf-8"))]
    assert ["make", "demo"] in commands
    assert any(words[:3] == ["ashiato", "connector", "serve"] for words in commands)
    faults = [documents.unknown_command(words, program(), TARGETS) for words in commands]
    assert [fault for fault in faults if fault] == []


def test_every_target_that_make_shows_is_explained() -> None:
    shown = {
        word
        for name in ("README.md", "CONTRIBUTING.md")
        for words in documents.commands(text_of(name))
        if words[0] == "make"
        for word in words[1:]
    }
    assert sorted(SHOWN_TARGETS - shown - {"help"}) == []


def test_every_decision_is_listed_and_says_what_is_lost() -> None:
    index = text_of("docs/adr/README.md")
    faults = []
    for path in DECISIONS:
        text = path.read_text("utf-8")
        number, _, title = text.splitlines()[0].removeprefix("# ").partition(" ")
        if f"| [{number}]({path.name}) | {title} |" not in index:
            faults.append(f"{path.name}: not in the index under its title")
        wanted = ("What forces a decision", "Decision", "Rejected", "What is lost")
        faults += [f"{path.name}: no section {name!r}" for name in wanted if f"\n## {name}\n" not in text]
    assert faults == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[a](nowhere.md)", "nowhere.md: there is no such file"),
        ("[a](docs/settings.md#nothing)", "docs/settings.md#nothing: there is no such heading"),
        ("# One\n[a](#two)", "#two: there is no such heading"),
    ],
)
def test_a_broken_link_is_noticed(text: str, fault: str) -> None:
    assert documents.broken_links(text, REPOSITORY) == [fault]


def test_a_good_link_is_not() -> None:
    text = "# What is `unsafe`?\n[a](README.md) [b](#what-is-unsafe) [c](https://a.example/x) [d](docs/settings.md#secrets)"
    assert documents.broken_links(text, REPOSITORY) == []


def test_a_path_that_does_not_exist_is_noticed() -> None:
    text = "`bench/gone.py`, `tests/conftest.py`, `connector/data_access.py`, `connector/gone.py`, https://a.example/src/x"
    assert documents.missing_paths(text, REPOSITORY) == ["bench/gone.py", "connector/gone.py"]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("make demo   # words", None),
        ("make bench BENCH=exchange", None),
        ("make believe", "make has no target believe"),
        ("ASHIATO__NODE_ID=a ashiato connector serve --settings x.toml &", None),
        (".venv/bin/ashiato connector init --slug a --public-url b", None),
        ("ashiato connector fly", "ashiato connector has no command fly"),
        ("ashiato connector serve --quickly", "ashiato connector serve has no option --quickly"),
    ],
)
def test_a_command_that_does_not_exist_is_noticed(line: str, fault: str | None) -> None:
    for text in (f"Words.\n\n    {line}\n", f"```\n{line}\n```\n"):
        (words,) = documents.commands(text)
        assert documents.unknown_command(words, program(), TARGETS) == fault


def test_a_row_too_many_and_a_row_too_few_are_noticed() -> None:
    table = "| setting | type |\n|---|---|\n| `a` | string |\n| `b` | integer |\n\n| other | type |\n|---|---|\n| `c` | x |\n"
    told = documents.rows(table, "setting", "type")
    assert documents.differences(told, [("a", "string"), ("b", "string")]) == [
        "not in the code: ('b', 'integer')",
        "not in the document: ('b', 'string')",
    ]


def test_refusals_are_found_however_they_are_written() -> None:
    source = """
Refusal(status_code=403, code="a", reason="x")
raise refuse(401, f"b-{kind}", "x")
raise refuse(404, "c", "x")
Refusal(status_code=403, code=code, reason="x")
"""
    assert documents.refusals(source) == {("a", 403), ("b-…", 401), ("c", 404)}


def test_problems_of_problems_are_found() -> None:
    sources = [
        'class Problem(Exception):\n    code = "problem"',
        'class Inner(Problem):\n    code = "inner"\nclass Other(Exception):\n    code = "other"',
        'class Innermost(room.Inner):\n    code = "innermost"',
    ]
    assert documents.problems(sources) == {
        ("problem", "Problem"),
        ("inner", "Inner"),
        ("innermost", "Innermost"),
    }


def test_ports_are_found() -> None:
    source = "class A(Protocol): ...\nclass B(A, typing.Protocol): ...\nclass C(A): ...\nclass D(HttpProtocol): ..."
    assert documents.ports(source) == ["A", "B"]
