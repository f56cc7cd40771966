import re
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests import tidy

REPOSITORY = Path(__file__).resolve().parent.parent
SOURCE = REPOSITORY / "src" / "ashiato"
PYTHON = sorted(path for folder in ("src", "tests", "bench") for path in (REPOSITORY / folder).rglob("*.py"))
PRODUCT = [path for path in PYTHON if path.is_relative_to(SOURCE)]
TESTS = [path for path in PYTHON if path.name.startswith("test_")]
TEXT_ENDINGS = {".py", ".md", ".lock", ".toml", ".yaml", ".yml", ".sh", ".json", ".xml", ".properties", ""}
TEXTS = sorted(
    path
    for start in ("src", "tests", "bench", "docs", ".ci")
    for path in (REPOSITORY / start).rglob("*")
    if path.is_file() and path.suffix in TEXT_ENDINGS
) + sorted(
    path
    for path in REPOSITORY.iterdir()
    if path.is_file() and path.suffix in TEXT_ENDINGS and path.name not in {".git", "LICENSE"}
)

Check = Callable[[str], list[str]]


def faults(check: Check, paths: Iterable[Path]) -> list[str]:
    return [
        f"{path.relative_to(REPOSITORY)}:{fault}"
        for path in paths
        for fault in check(path.read_text("utf-8"))
    ]


def of_rooms(rooms: frozenset[str]) -> list[Path]:
    return [path for path in PRODUCT if path.relative_to(SOURCE).parts[0] in rooms]


def test_there_is_something_to_check() -> None:
    assert SOURCE / "facts" / "strict_json.py" in of_rooms(tidy.INNER_ROOMS)
    assert Path(__file__) in TESTS
    assert REPOSITORY / "requirements.lock" in TEXTS
    assert REPOSITORY / "Makefile" in TEXTS


def test_inner_rooms_touch_no_clock_dice_or_disk() -> None:
    assert faults(tidy.outside_world, of_rooms(tidy.INNER_ROOMS)) == []


def test_a_function_fits_a_screen() -> None:
    assert faults(tidy.long_functions, PYTHON) == []


def test_a_module_holds_one_idea() -> None:
    assert faults(tidy.long_module, PYTHON) == []


def test_a_measure_names_its_unit() -> None:
    assert faults(tidy.names_without_unit, PYTHON) == []


def test_the_inner_rooms_are_documented() -> None:
    assert faults(tidy.missing_docstrings, of_rooms(tidy.DOCUMENTED_ROOMS)) == []


def test_every_test_can_fail() -> None:
    assert faults(tidy.tests_that_cannot_fail, TESTS) == []


def test_nothing_is_left_unfinished() -> None:
    assert faults(tidy.unfinished, TEXTS) == []


def test_no_text_names_a_registry_or_a_machine() -> None:
    assert faults(tidy.addresses, TEXTS) == []


def test_a_silenced_type_error_says_why() -> None:
    assert faults(tidy.bare_ignores, PYTHON) == []


def test_modules_are_nouns_of_the_trade() -> None:
    named = {path: tidy.swamp_names(path.relative_to(REPOSITORY).parts) for path in PYTHON}
    assert {path: found for path, found in named.items() if found} == {}


def test_every_room_has_a_storey() -> None:
    rooms = {path.relative_to(SOURCE).parts[0] for path in PRODUCT if path.parent != SOURCE}
    contract = (REPOSITORY / ".importlinter").read_text("utf-8")
    assert tidy.rooms_without_storey(contract, rooms) == []


def test_every_imported_package_is_declared() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    declared = {
        re.split(r"[\[><=~! ;]", entry)[0].lower().replace("-", "_") for entry in project["dependencies"]
    }
    assert faults(lambda source: tidy.undeclared_imports(source, declared), PRODUCT) == []


def test_every_locked_package_has_a_hash() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        entries = (REPOSITORY / name).read_text("utf-8").replace("\\\n", " ").splitlines()
        assert entries
        assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize(
    "source",
    [
        "moment = datetime.now()",
        "moment = datetime.datetime.utcnow()",
        "day = date.today()",
        "import time\nstart = time.time()",
        "from time import monotonic",
        "import uuid\nfresh = uuid.uuid4()",
        "from uuid import uuid4\nfresh = uuid4()",
        "text = open('settings').read()",
        "import os\nname = os.environ['NAME']",
        "from os import environ",
        "import random",
        "from random import choice",
        "import secrets",
        "from pathlib import Path",
    ],
)
def test_clock_dice_and_disk_are_noticed(source: str) -> None:
    assert tidy.outside_world(source)


@pytest.mark.parametrize(
    "source",
    [
        "from datetime import datetime\nmoment = datetime.fromtimestamp(now_ms / 1000, UTC)",
        "def decide(now_ms: int, fresh_id: str) -> None: ...",
        "process.open(range)",
    ],
)
def test_instants_and_ports_that_are_handed_in_are_allowed(source: str) -> None:
    assert tidy.outside_world(source) == []


def test_a_long_function_is_noticed_and_its_docstring_is_free() -> None:
    docstring = '    """' + "words\n" * 50 + '    """\n'
    assert tidy.long_functions("def fits():\n" + docstring + "    x()\n" * 69) == []
    assert tidy.long_functions("def long():\n" + docstring + "    x()\n" * 70) != []
    assert tidy.long_functions("async def long():\n" + "    x()\n" * 70) != []


def test_a_long_module_is_noticed() -> None:
    assert tidy.long_module("x()\n" * 600) == []
    assert tidy.long_module("x()\n" * 601) != []


@pytest.mark.parametrize(
    "source",
    [
        "def wait(timeout: float) -> None: ...",
        "def wait(*, retry_delay: int | None = None) -> None: ...",
        "class Lease:\n    ttl: int",
        "MAX_SIZE = 4 * 1024",
        "self.interval = 0.5",
        "expires_at: int = 3",
        "def age(born_ms: int) -> int: ...",
        "LIMIT_SIZE: Final[int] = read()",
        "energy: Decimal",
    ],
)
def test_a_measure_without_unit_is_noticed(source: str) -> None:
    assert tidy.names_without_unit(source)


@pytest.mark.parametrize(
    "source",
    [
        "def wait(timeout_s: float, message: int, page: int, stage: float) -> None: ...",
        "MAX_SIZE_BYTES = 4 * 1024",
        "def age_ms(born_ms: int) -> int: ...",
        "expires_at_ms: int",
        "interval: str = 'P1D'",
        "energy_kwh: Decimal",
        "power_per_cell: float",
    ],
)
def test_a_measure_with_unit_is_allowed(source: str) -> None:
    assert tidy.names_without_unit(source) == []


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("def decide(): ...", 1),
        ("class Offer:\n    def accept(self):\n        a()\n        b()", 2),
        ('class Offer:\n    """What is offered."""\n\n    def accept(self):\n        return 1', 0),
        ("def _decide(): ...\n\nclass _Offer: ...", 0),
    ],
)
def test_a_missing_docstring_is_noticed(source: str, count: int) -> None:
    assert len(tidy.missing_docstrings(source)) == count


@pytest.mark.parametrize(
    "source",
    [
        "def test_a(): run()",
        "def test_a(): assert True",
        "async def test_a(): await run()",
        "class TestA:\n    def test_a(self): run()",
        "def run(): ...\ndef test_a(): run()",
        "def test_a(): test_a()",
    ],
)
def test_a_test_that_cannot_fail_is_noticed(source: str) -> None:
    assert tidy.tests_that_cannot_fail(source)


@pytest.mark.parametrize(
    "source",
    [
        "def test_a(): assert run() == 1",
        "def test_a():\n    with pytest.raises(ValueError): run()",
        "def same(x): assert x\ndef test_a(): same(run())",
    ],
)
def test_a_test_that_can_fail_is_allowed(source: str) -> None:
    assert tidy.tests_that_cannot_fail(source) == []


# The faults below are put together at run time: written whole, they would be found in this file.
@pytest.mark.parametrize("note", ["TO" + "DO", "FIX" + "ME", "XX" + "X"])
def test_an_unfinished_note_is_noticed(note: str) -> None:
    assert tidy.unfinished(f"x = 1  # {note}: later\n") == [f"1: {note}"]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("see https://pypi", ".org/simple"),
        ("https://files.pythonhosted", ".org/packages/x"),
        ("https://repo.maven.apache", ".org/maven2"),
        ("--index", "-url elsewhere"),
        ("folder = '/wo", "rk/main'"),
        ("(/ro", "ot/.cache)"),
        ("file:///ho", "me/somebody/x"),
    ],
)
def test_an_address_is_noticed(start: str, end: str) -> None:
    assert tidy.addresses(start + end)


def test_a_path_of_the_web_is_no_machine_path() -> None:
    assert tidy.addresses("https://example.com/work/plan and tests/root/x") == []


@pytest.mark.parametrize(("ending", "count"), [("", 1), ("[arg-type]", 1), ("[arg-type]  # it lies", 0)])
def test_a_bare_ignore_is_noticed(ending: str, count: int) -> None:
    assert len(tidy.bare_ignores("x = f(1)  # type: " + "ignore" + ending)) == count


@pytest.mark.parametrize("path", ["src/ashiato/utils/x.py", "src/ashiato/dsp/common.py", "tests/helpers.py"])
def test_a_swamp_is_noticed(path: str) -> None:
    assert tidy.swamp_names(Path(path).parts)


def test_an_undeclared_import_is_noticed() -> None:
    source = "import os\nfrom pytest import raises\nfrom ashiato.facts import strict_json\n"
    assert tidy.undeclared_imports(source, {"msgspec"}) == ["2: pytest is no dependency in pyproject.toml"]
    assert tidy.undeclared_imports(source, {"msgspec", "pytest"}) == []


def test_a_room_without_storey_is_noticed() -> None:
    contract = "[importlinter:contract:staircase]\nlayers =\n    (wiring)\n    api | cli\n    facts\n"
    assert tidy.rooms_without_storey(contract, {"wiring", "cli", "facts"}) == []
    assert tidy.rooms_without_storey(contract, {"facts", "garage"}) != []
