"""Templates of contracts as data files: clauses in English and Japanese, and what of them a connector can hold.

A new version is a new file; a file never changes once it is released. A clause's words and its ODRL part name parameters in
braces.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cache
from hashlib import sha256
from importlib.resources import files

import msgspec

_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")


class TemplateKind(StrEnum):
    """What is agreed with it."""

    USAGE = "usage"
    """Between a participant and the operator of the platform."""
    FRAMEWORK = "framework"
    EXCHANGE = "exchange"


class ParameterType(StrEnum):
    """How the value of a parameter is written."""

    TEXT = "text"
    """One line of words."""
    INTEGER = "integer"
    """Digits, not negative."""
    DATE = "date"
    """YYYY-MM-DD."""
    LIST = "list"
    """Codes, with commas between them."""
    CHOICE = "choice"


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same in both languages."""

    en: str
    ja: str


class Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What whoever fills a template has to say."""

    name: str
    type: ParameterType
    label: Words
    default: str | None = None
    optional: bool = False
    choices: tuple[str, ...] = ()


class Clause(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One heading. `odrl` is the part that a connector can hold, as JSON text; it counts where `given` is filled, or always."""

    key: str
    title: Words
    en: str
    ja: str
    odrl: str = ""
    given: str = ""


class ContractTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a template; `sha256` is over its files, those that it extends included."""

    id: str
    version: str
    kind: TemplateKind
    effective_from: str
    title: Words
    parameters: tuple[Parameter, ...]
    clauses: tuple[Clause, ...]
    sha256: str

    @property
    def name(self) -> str:
        """The id with the version, by which it is asked for."""
        return f"{self.id}-{self.version}"


class UnknownTemplate(KeyError):
    """No template has that name; the caller must name one of `template_names`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"no contract template is called {self.name!r}; there are {', '.join(template_names())}"


class UnreadableTemplate(ValueError):
    """A data file of a template is wrong; whoever edits it must mend it."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"contract template {name!r}: {problem}")


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    id: str
    version: str
    kind: TemplateKind
    effective_from: str
    title: Words
    parameters: tuple[Parameter, ...]
    clauses: tuple[Clause, ...]
    extends: str = ""


@cache
def template_names() -> tuple[str, ...]:
    """The names of all templates that come with the program, in order."""
    return tuple(
        sorted(entry.name.removesuffix(".toml") for entry in (files("ashiato.law") / "contracts").iterdir())
    )


@cache
def template(name: str) -> ContractTemplate:
    """The template of that name; raises `UnknownTemplate`, and `UnreadableTemplate` for a data file with a fault."""
    if name not in template_names():
        raise UnknownTemplate(name)
    text = (files("ashiato.law") / "contracts" / f"{name}.toml").read_text("utf-8")
    found = read_template(name, text)
    if found.name != name:
        raise UnreadableTemplate(name, f"it calls itself {found.name!r}")
    return found


def read_template(name: str, text: str) -> ContractTemplate:
    """The template in TOML `text`, with what it takes from the one that it extends. Raises `UnreadableTemplate`."""
    try:
        file = msgspec.convert(tomllib.loads(text), _File)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise UnreadableTemplate(name, str(error)) from None
    parameters = {parameter.name: parameter for parameter in file.parameters}
    clauses = {clause.key: clause for clause in file.clauses}
    digest = sha256(text.encode())
    if file.extends:
        base = template(file.extends)
        parameters = {one.name: parameters.pop(one.name, one) for one in base.parameters} | parameters
        clauses = {one.key: clauses.pop(one.key, one) for one in base.clauses} | clauses
        digest.update(bytes.fromhex(base.sha256))
    _check(name, file, parameters, clauses.values())
    return ContractTemplate(
        id=file.id,
        version=file.version,
        kind=file.kind,
        effective_from=file.effective_from,
        title=file.title,
        parameters=tuple(parameters.values()),
        clauses=tuple(clauses.values()),
        sha256=digest.hexdigest(),
    )


def placeholders(text: str) -> set[str]:
    """The parameters that a text names."""
    return set(_PLACEHOLDER.findall(text))


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with each parameter's value in its place; what a value brings is not filled again."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)


def _check(name: str, file: _File, parameters: Mapping[str, Parameter], clauses: Iterable[Clause]) -> None:
    if len({one.key for one in file.clauses}) != len(file.clauses):
        raise UnreadableTemplate(name, "two clauses have one key")
    for clause in clauses:
        named = placeholders(clause.en + clause.ja + clause.odrl) | (
            {clause.given} if clause.given else set()
        )
        if strange := named - set(parameters):
            raise UnreadableTemplate(
                name, f"clause {clause.key!r} names the unknown parameter {min(strange)!r}"
            )
        optional = {one for one in placeholders(clause.en + clause.ja) if parameters[one].optional}
        if optional:
            raise UnreadableTemplate(
                name, f"the words of {clause.key!r} need {min(optional)!r}, which is optional"
            )
        try:
            json.loads(clause.odrl or "{}")
        except ValueError as error:
            raise UnreadableTemplate(name, f"the ODRL part of {clause.key!r} is no JSON: {error}") from None
