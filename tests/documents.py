"""What the documents say, read so that it can be held against the code; and the faults that come out."""

import ast
import re
import shlex
import types
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import msgspec

Row = tuple[str, ...]

_TYPE_NAMES: Mapping[object, str] = {
    str: "string",
    int: "integer",
    bool: "boolean",
    tuple[str, ...]: "list of strings",
    dict[str, str]: "table of strings",
}
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
# A path of the repository, or of a room below `src/ashiato`, as the documents write them.
_PATH = re.compile(r"(?<![\w./-])((?:\.ci|bench|docs|src|tests)/[\w./-]*\w|\w+(?:/\w+)+\.py)(?![\w*/])")
_CONSTANT = re.compile(r"`([\w.]+) = ([0-9.]+)`")
_ASSIGNMENT = re.compile(r"[A-Z_]+=\S*")
_SHELL_SIGNS = frozenset({"&", "&&", "|", ";", ">", "<"})


def rows(text: str, *header: str) -> list[Row]:
    """The rows of every table whose header begins with these cells, without the marks of code around a cell."""
    found: list[Row] = []
    wanted = False
    for line in text.splitlines():
        if not line.startswith("|"):
            wanted = False
            continue
        cells = tuple(cell.strip() for cell in line.strip("|").split("|"))
        if cells[: len(header)] == header:
            wanted = True
        elif wanted and not set(cells[0]) <= {"-"}:
            found.append(tuple(_plain(cell) for cell in cells))
    return found


def _plain(cell: str) -> str:
    return cell[1:-1] if re.fullmatch(r"`[^`]*`", cell) else cell


def differences(told: Iterable[object], real: Iterable[object]) -> list[str]:
    """What only the document says, and what it leaves out."""
    document, code = set(told), set(real)
    return sorted(
        [f"not in the code: {item}" for item in document - code]
        + [f"not in the document: {item}" for item in code - document]
    )


def settings(kind: type[msgspec.Struct], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Every setting below `kind`: its name, its type in words, its default as TOML (or "required")."""
    for field in msgspec.structs.fields(kind):
        name = f"{prefix}{field.name}"
        inner = _section(field.type)
        if inner is not None:
            is_list = get_origin(field.type) is tuple
            yield from settings(inner, f"{name}[]." if is_list else f"{name}.")
        else:
            yield name, _TYPE_NAMES[field.type], _default(field)


def _section(kind: object) -> type[msgspec.Struct] | None:
    if get_origin(kind) in (Union, types.UnionType, tuple):
        return next((inner for inner in map(_section, get_args(kind)) if inner is not None), None)
    return kind if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else None


def _default(field: Any) -> str:
    if field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    elif field.default is not msgspec.NODEFAULT:
        value = field.default
    else:
        return "required"
    return msgspec.json.encode(value).decode()


def ports(source: str) -> list[str]:
    """The names of the Protocol classes in a module."""
    return [
        node.name
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and any(_name(base) == "Protocol" for base in node.bases)
    ]


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def defined(source: str) -> set[str]:
    """The names of the classes and functions at the top of a module."""
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.parse(source).body if isinstance(node, kinds)}


def refusals(source: str) -> set[tuple[str, int]]:
    """Code and status of each refusal that a module writes out; a code that is made of a text and more ends in "…"."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or _name(node.func) not in ("Refusal", "refuse"):
            continue
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        given = [*node.args, None, None]
        status, code = keywords.get("status_code", given[0]), keywords.get("code", given[1])
        if isinstance(status, ast.Constant) and (text := _text(code)) is not None:
            found.add((text, int(str(status.value))))
    return found


def _text(node: ast.expr | None) -> str | None:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
        return f"{node.values[0].value!s}…"
    return None


def returned_codes(source: str, function: str) -> set[tuple[str, int]]:
    """Code and status of each `return status, "code", …` in a function."""
    tree = ast.parse(source)
    wanted = next(
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == function
    )
    found = set()
    for node in ast.walk(wanted):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
            status, code = node.value.elts[:2]
            if isinstance(status, ast.Constant) and isinstance(code, ast.Constant):
                found.add((str(code.value), int(str(status.value))))
    return found


def problems(sources: Iterable[str]) -> set[tuple[str, str]]:
    """Code and class of `Problem` and of everything that is made from it, by the text of all modules."""
    classes = [
        node
        for source in sources
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef) and _own_code(node) is not None
    ]
    known = {"Problem"}
    while more := {node.name for node in classes if known & {_name(base) for base in node.bases}} - known:
        known |= more
    return {(str(_own_code(node)), node.name) for node in classes if node.name in known}


def _own_code(node: ast.ClassDef) -> str | None:
    for line in node.body:
        if isinstance(line, ast.Assign) and [_name(target) for target in line.targets] == ["code"]:
            return _text(line.value)
    return None


def broken_links(text: str, place: Path) -> list[str]:
    """Relative links that lead nowhere, to a file or to a heading in it; `place` is the folder of the text."""
    faults = []
    for target in _LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = place / name if name else None
        if path is not None and not path.exists():
            faults.append(f"{target}: there is no such file")
        elif anchor:
            there = text if path is None else path.read_text("utf-8")
            if anchor not in headings(there):
                faults.append(f"{target}: there is no such heading")
    return faults


def headings(text: str) -> set[str]:
    """The anchors of the headings, as the usual viewers make them."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        for heading in _HEADING.findall(text)
    }


def missing_paths(text: str, repository: Path) -> list[str]:
    """Files and folders that the text names and that do not exist, in the repository or below the package."""
    places = (repository, repository / "src" / "ashiato")
    named = {path.rstrip(".") for path in _PATH.findall(text)}
    return sorted(path for path in named if not any((place / path).exists() for place in places))


def commands(text: str) -> Iterator[list[str]]:
    """The commands `make …` and `ashiato …` in the blocks of code, as words without what the shell does around them."""
    for line in _code_lines(text):
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            continue
        while words and _ASSIGNMENT.fullmatch(words[0]):
            words = words[1:]
        if words and Path(words[0]).name in ("make", "ashiato"):
            end = next((at for at, word in enumerate(words) if word in _SHELL_SIGNS), len(words))
            yield [Path(words[0]).name, *words[1:end]]


def _code_lines(text: str) -> Iterator[str]:
    is_fenced = False
    for line in text.splitlines():
        if line.startswith("```"):
            is_fenced = not is_fenced
        elif is_fenced or line.startswith("    "):
            yield line.strip()


def make_targets(makefile: str) -> tuple[set[str], set[str]]:
    """All targets, and those that `make help` shows."""
    every = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    return every, set(re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE))


def unknown_command(words: list[str], program: Any, targets: set[str]) -> str | None:
    """What is wrong with a command, None when it exists; `program` is the click command of `ashiato`."""
    if words[0] == "make":
        wrong = [word for word in words[1:] if "=" not in word and word not in targets]
        return f"make has no target {wrong[0]}" if wrong else None
    place, path = program, "ashiato"
    for word in words[1:]:
        inner = getattr(place, "commands", {})
        if word in inner:
            place, path = inner[word], f"{path} {word}"
        elif word.startswith("--"):
            known = {option for parameter in place.params for option in parameter.opts} | {"--help"}
            if word.partition("=")[0] not in known:
                return f"{path} has no option {word}"
        elif inner:
            return f"{path} has no command {word}"
    return None


def constants(text: str) -> list[tuple[str, float]]:
    """The constants that a document names with their values, `room.module.NAME = 1`."""
    return [(name, float(value)) for name, value in _CONSTANT.findall(text)]
