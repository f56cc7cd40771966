"""The house rules that imports cannot show, each as a function from a source to its faults."""

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from functools import cache
from importlib.metadata import packages_distributions

FUNCTION_LINES = 70
MODULE_LINES = 600

# `apps` and what stands below it take instants, bytes and fresh ids as arguments.
INNER_ROOMS = frozenset(
    "apps supply connector hub identity outbox statements dsp law policy log trust facts".split()
)
DOCUMENTED_ROOMS = frozenset("apps supply law log connector identity outbox dsp policy trust facts".split())

_OUTSIDE_CALLS = frozenset(
    "open input print uuid1 uuid4 uuid7 urandom token_bytes token_hex token_urlsafe randbelow".split()
)
_OUTSIDE_ATTRIBUTES = {
    "datetime": frozenset("now utcnow today".split()),
    "date": frozenset("today".split()),
    "time": frozenset("time time_ns monotonic monotonic_ns perf_counter process_time sleep".split()),
    "uuid": frozenset("uuid1 uuid4 uuid7".split()),
    "os": frozenset("environ getenv urandom open getpid".split()),
}
_OUTSIDE_MODULES = frozenset("random secrets pathlib tempfile io shutil subprocess threading".split())

_QUANTITIES = frozenset(
    "age backoff capacity deadline delay distance duration elapsed energy expiry expires instant interval "
    "latency length lifetime mass period power size temperature timeout timestamp ttl wait weight".split()
)
_INSTANT_ENDINGS = frozenset("at now since until before after".split())
_UNITS = frozenset(
    "ns us ms s min h days months years bytes kib mib gib kb mb gb bits chars digits count rows items levels "
    "lines wh kwh mwh w kw mw v a ah g kg t m mm km l celsius kelvin percent permille ratio share".split()
)

_SWAMPS = frozenset("util utils common helper helpers core misc _internal".split())

# Each pattern is written so that it does not match its own text.
_UNFINISHED = re.compile(r"\b(?:T[O]DO|F[I]XME|X[X]X)\b")
_ADDRESSES = re.compile(
    r"pypi\.org|pythonhosted\.org|npmjs\.(?:org|com)|maven\.org|maven\.apache\.org|crates\.io|golang\.org"
    r"|--(?:extra-)?index[-]url|--find[-]links"
    r"|(?<![\w.])/(?:work|root|home|Users|opt)/"
)
_BARE_IGNORE = re.compile(r"#\s*type:\s*ignore(?!\[[\w, -]+\]\s+#\s*\S)")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def outside_world(source: str) -> list[str]:
    """Uses of clock, dice, disk, environment or terminal."""
    faults = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
            if node.attr in _OUTSIDE_ATTRIBUTES.get(owner, ()):
                faults.append(f"{node.lineno}: {owner}.{node.attr}; take it as an argument")
        elif (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _OUTSIDE_CALLS
        ):
            faults.append(f"{node.lineno}: {node.func.id}(); take the result as an argument")
        elif isinstance(node, ast.Import | ast.ImportFrom):
            faults += [f"{node.lineno}: import of {name}" for name in _outside_imports(node)]
    return faults


def _outside_imports(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names if alias.name.partition(".")[0] in _OUTSIDE_MODULES]
    module = (node.module or "").partition(".")[0]
    if module in _OUTSIDE_MODULES:
        return [str(node.module)]
    outside = (
        _OUTSIDE_ATTRIBUTES.get(module, frozenset()) if module not in {"datetime", "date"} else frozenset()
    )
    return [f"{module}.{alias.name}" for alias in node.names if alias.name in outside]


def long_functions(source: str) -> list[str]:
    """Functions that do not fit a screen; the docstring is not counted."""
    faults = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, Function):
            lines = _last_line(node) - node.lineno + 1 - _docstring_lines(node)
            if lines > FUNCTION_LINES:
                faults.append(f"{node.lineno}: {node.name} has {lines} lines; split it")
    return faults


def _last_line(node: Function) -> int:
    return node.end_lineno or node.lineno


def _docstring_lines(node: Function) -> int:
    if ast.get_docstring(node) is None:
        return 0
    docstring = node.body[0]
    return (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1


def long_module(source: str) -> list[str]:
    """A module that holds more than one idea."""
    lines = source.count("\n")
    return [f"{lines} lines, at most {MODULE_LINES}; give it one idea"] if lines > MODULE_LINES else []


def names_without_unit(source: str) -> list[str]:
    """Numbers that measure something and do not say in what."""
    faults = []
    for line, name in _numeric_names(ast.parse(source)):
        words = name.lower().strip("_").split("_")
        measures = bool(_QUANTITIES.intersection(words)) or words[-1] in _INSTANT_ENDINGS
        if measures and words[-1] not in _UNITS and "per" not in words:
            faults.append(f"{line}: {name} has no unit; end it in _s, _ms, _bytes, _count, …")
    return faults


def _numeric_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and _is_number_type(node.annotation):
            yield node.lineno, node.arg
        elif isinstance(node, Function) and _is_number_type(node.returns):
            yield node.lineno, node.name
        elif isinstance(node, ast.AnnAssign) and _is_number_type(node.annotation):
            yield from _target_name(node.target)
        elif isinstance(node, ast.Assign) and _is_number(node.value):
            for target in node.targets:
                yield from _target_name(target)


def _target_name(target: ast.expr) -> Iterator[tuple[int, str]]:
    if isinstance(target, ast.Name):
        yield target.lineno, target.id
    elif isinstance(target, ast.Attribute):
        yield target.lineno, target.attr


def _is_number_type(annotation: ast.expr | None) -> bool:
    """int, float, Decimal, Fraction, with or without None or Final around them."""
    match annotation:
        case ast.Name(id=name):
            return name in {"int", "float", "Decimal", "Fraction"}
        case ast.BinOp(left=left, right=right):
            sides = [side for side in (left, right) if not _is_none(side)]
            return all(_is_number_type(side) for side in sides)
        case ast.Subscript(value=ast.Name(id="Final" | "Annotated" | "ClassVar"), slice=inner):
            return _is_number_type(inner.elts[0] if isinstance(inner, ast.Tuple) else inner)
        case ast.Constant(value=str() as text):
            return _is_number_type(ast.parse(text, mode="eval").body)
    return False


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_number(value: ast.expr) -> bool:
    match value:
        case ast.Constant(value=number):
            return isinstance(number, int | float) and not isinstance(number, bool)
        case ast.UnaryOp(operand=operand):
            return _is_number(operand)
        case ast.BinOp(left=left, right=right):
            return _is_number(left) and _is_number(right)
    return False


def missing_docstrings(source: str) -> list[str]:
    """Public classes and functions without a docstring.

    Properties, overriding or overloaded methods and methods of one statement may speak for themselves.
    """
    tree = ast.parse(source)
    faults = []
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            if ast.get_docstring(node) is None:
                faults.append(f"{node.lineno}: {node.name} has no docstring")
            if isinstance(node, ast.ClassDef):
                faults += [
                    f"{method.lineno}: {node.name}.{method.name} has no docstring"
                    for method in node.body
                    if isinstance(method, Function) and not _speaks_for_itself(method)
                ]
    return faults


def _speaks_for_itself(method: Function) -> bool:
    decorators = {ast.unparse(decorator).rpartition(".")[2] for decorator in method.decorator_list}
    return (
        ast.get_docstring(method) is not None
        or method.name.startswith("_")
        or len(method.body) == 1
        or bool(decorators & {"property", "override", "overload", "setter", "cached_property"})
    )


def tests_that_cannot_fail(source: str) -> list[str]:
    """Tests in which nothing is asserted, neither there nor in a function of the same file that they call."""
    tree = ast.parse(source)
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, Function)}
    return [
        f"{node.lineno}: {node.name} asserts nothing"
        for node in functions.values()
        if node.name.startswith("test_") and not _asserts(node, functions, frozenset())
    ]


def _asserts(function: Function, functions: dict[str, Function], seen: frozenset[str]) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Assert) and not isinstance(node.test, ast.Constant):
            return True
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            if name in {"raises", "warns", "call_and_validate"} or name.startswith("assert_"):
                return True
            called = functions.get(name)
            if called and name not in seen and _asserts(called, functions, seen | {function.name, name}):
                return True
    return False


def swamp_names(parts: tuple[str, ...]) -> list[str]:
    """Parts of a module's path that name no thing of the trade."""
    return [f"{part}: name it after what it does" for part in parts if part.removesuffix(".py") in _SWAMPS]


def unfinished(text: str) -> list[str]:
    """Notes to oneself: they belong to the issue."""
    return [f"{line}: {found}" for line, found in _matches(_UNFINISHED, text)]


def addresses(text: str) -> list[str]:
    """Registry hosts and paths of one machine."""
    return [f"{line}: {found}" for line, found in _matches(_ADDRESSES, text)]


def bare_ignores(source: str) -> list[str]:
    """Silenced type errors without the error's code and the reason."""
    return [
        f"{line}: name the error and the reason: [code]  # why" for line, _ in _matches(_BARE_IGNORE, source)
    ]


def undeclared_imports(source: str, declared: set[str]) -> list[str]:
    """Imports of packages that nobody promised to install; `declared` are their names in `pyproject.toml`."""
    return [
        f"{line}: {module} is no dependency in pyproject.toml"
        for line, module in _imported_modules(ast.parse(source))
        if module not in sys.stdlib_module_names | {"ashiato"}
        and declared.isdisjoint(name.lower().replace("-", "_") for name in _distributions().get(module, ()))
    ]


def _imported_modules(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.lineno, node.module.partition(".")[0]


@cache
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()


def _matches(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        for found in pattern.finditer(line):
            yield number, found.group()


def rooms_without_storey(contract: str, rooms: set[str]) -> list[str]:
    """Rooms that the layers of `.importlinter` do not name."""
    config = ConfigParser()
    config.read_string(contract)
    layers = config["importlinter:contract:staircase"]["layers"]
    named = set(re.findall(r"\w+", layers))
    return [f"{room}: give it a storey in .importlinter" for room in sorted(rooms - named)]
