"""Contracts as people read them: filled from a template, bound to an agreement by the hash of the text.

The rules that are agreed name the hash (`ContractReference`), so whoever signs the agreement signs the text; and the part of the
text that a connector can hold is in the rules, clause by clause. A text is canonical JSON (RFC 8785), so that its hash is one.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from hashlib import sha256

import msgspec
import rfc8785

from ashiato.facts.strict_json import MalformedJson, parse_strict
from ashiato.law.contract_templates import (
    Clause,
    ContractTemplate,
    Parameter,
    ParameterType,
    Words,
    filled,
    placeholders,
)

CONTRACT_TEXT_SERVICE = "ContractTexts"
VERSION = 1
REFERENCE = "cx-policy:ContractReference"
REFERENCE_PREFIX = "urn:sha256:"
LONGEST_TEXT_BYTES = 262_144
MOST_CLAUSES_COUNT = 100
LONGEST_WORDS_CHARS = 8000
LONGEST_VALUE_CHARS = 1000
MOST_LISTED_COUNT = 100

_KEY = re.compile(r"[a-z][a-z0-9_]{0,59}")
_CODE = re.compile(r"[^\s,{}\"\\]{1,200}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class WrongFilling(ValueError):
    """Whoever fills a template must say something else; `member` is the parameter or the clause."""

    def __init__(self, member: str, problem: str) -> None:
        super().__init__(f"{member}: {problem}")
        self.member = member
        self.problem = problem


class MalformedText(ValueError):
    """The bytes are no contract text; whoever sent them must mend them."""


class TextClause(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One clause with every value in its place; `rules` is its ODRL part as JSON text, "" for none."""

    key: str
    title: Words
    en: str
    ja: str
    rules: str = ""


class TextValue(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was filled in for one parameter."""

    name: str
    label: Words
    value: str


class ContractText(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A contract, whole. `template` and `template_sha256` say from what it was made."""

    version: int
    template: str
    template_sha256: str
    title: Words
    values: tuple[TextValue, ...]
    clauses: tuple[TextClause, ...]

    def canonical(self) -> bytes:
        """Its bytes (RFC 8785)."""
        return rfc8785.dumps(msgspec.to_builtins(self))

    @property
    def sha256(self) -> str:
        """The hash of its bytes, in hexadecimal digits."""
        return sha256(self.canonical()).hexdigest()


class ClauseChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Other words for a clause, or a clause that the template does not have. `odrl` replaces its ODRL part; None keeps it."""

    en: str
    ja: str
    title: Words | None = None
    odrl: str | None = None


class DifferenceKind(StrEnum):
    """How a clause differs from the template."""

    CHANGED = "changed"
    ADDED = "added"
    OMITTED = "omitted"


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A clause that is not the template's; `before` is the template's clause with the values of the text."""

    key: str
    kind: DifferenceKind
    before: TextClause | None
    after: TextClause | None


def fill(
    template: ContractTemplate,
    values: Mapping[str, str],
    changes: Mapping[str, ClauseChange | None] | None = None,
) -> ContractText:
    """The template with its values; `changes` gives other words for a clause, adds one, or leaves one out (None).

    Raises `WrongFilling` with the parameter or clause.
    """
    told = _checked_values(template.parameters, values)
    changed = dict(changes or {})
    clauses: list[TextClause] = []
    for clause in template.clauses:
        change = changed.pop(clause.key, _UNCHANGED)
        if change is not None:
            clauses.append(_clause(_with_change(clause, change), template, told))
    for key, added in changed.items():
        if added is None:
            raise WrongFilling(key, "the template has no such clause to leave out")
        clauses.append(_clause(_new_clause(key, added), template, told))
    text = ContractText(
        version=VERSION,
        template=template.name,
        template_sha256=template.sha256,
        title=template.title,
        values=tuple(
            TextValue(name=one.name, label=one.label, value=told[one.name])
            for one in template.parameters
            if one.name in told
        ),
        clauses=tuple(clauses),
    )
    if len(clauses) > MOST_CLAUSES_COUNT or len(text.canonical()) > LONGEST_TEXT_BYTES:
        raise WrongFilling("clauses", "the text is too long; make it shorter")
    return text


def read_text(data: bytes) -> ContractText:
    """The text in these bytes, which must be its canonical form; raises `MalformedText`."""
    if len(data) > LONGEST_TEXT_BYTES:
        raise MalformedText(f"a contract text has {LONGEST_TEXT_BYTES} bytes at most")
    try:
        text = msgspec.convert(parse_strict(data), ContractText)
    except (MalformedJson, msgspec.ValidationError) as error:
        raise MalformedText(str(error)) from None
    if text.version != VERSION:
        raise MalformedText(f"version {text.version} of contract texts is not known here")
    lines = [text.template, text.template_sha256, *(one.value for one in text.values)]
    for words in (text.title, *(one.label for one in text.values), *(one.title for one in text.clauses)):
        lines += [words.en, words.ja]
    for clause in text.clauses:
        lines += [clause.en, clause.ja]
    if any(_CONTROL.search(line) for line in lines):
        raise MalformedText("it holds characters that change how it is read")
    if len({one.key for one in text.clauses}) != len(text.clauses):
        raise MalformedText("two clauses have one key")
    if text.canonical() != data:
        raise MalformedText("it is not in canonical form (RFC 8785)")
    rules_of(text)
    return text


def rules_of(text: ContractText) -> dict[str, object]:
    """The ODRL rules of all clauses as one policy, with the reference to the text. Raises `MalformedText`.

    One permission holds every condition and duty, so that each clause binds each use.
    """
    constraints: list[object] = []
    duties: list[object] = []
    others: dict[str, list[object]] = {"prohibition": [], "obligation": []}
    action: object = "use"
    for clause in text.clauses:
        try:
            part = parse_strict(clause.rules.encode()) if clause.rules else {}
        except MalformedJson as error:
            raise MalformedText(f"the rules of clause {clause.key!r} are no JSON: {error}") from None
        if not isinstance(part, dict):
            raise MalformedText(f"the rules of clause {clause.key!r} are no object")
        for permission in _dicts(part.get("permission")):
            action = permission.get("action", action)
            constraints += _dicts(permission.get("constraint"))
            duties += _dicts(permission.get("duty"))
        for name, gathered in others.items():
            gathered.extend(_dicts(part.get(name)))
    constraints.append(
        {"leftOperand": REFERENCE, "operator": "eq", "rightOperand": reference_to(text.sha256)}
    )
    permission = {"action": action, "constraint": constraints, **({"duty": duties} if duties else {})}
    return {"permission": [permission], **{name: found for name, found in others.items() if found}}


def reference_to(text_sha256: str) -> str:
    """How a rule names a text."""
    return f"{REFERENCE_PREFIX}{text_sha256}"


def referenced_by(rules: Mapping[str, object]) -> str | None:
    """The hash of the text that a policy's permissions name; None for none, for two, and where it is no such reference."""
    found: set[str] = set()
    for permission in _dicts(rules.get("permission")):
        for constraint in _dicts(permission.get("constraint")):
            operand, value = constraint.get("leftOperand"), constraint.get("rightOperand")
            if operand == REFERENCE and isinstance(value, str) and value.startswith(REFERENCE_PREFIX):
                found.add(value.removeprefix(REFERENCE_PREFIX))
    digest = found.pop() if len(found) == 1 else ""
    return digest if re.fullmatch(r"[0-9a-f]{64}", digest) else None


def differences(text: ContractText, template: ContractTemplate) -> tuple[Difference, ...]:
    """Where a text is not what its template says with the text's own values, in the order of the text, what is left out last.

    Raises `WrongFilling` when the title, the labels or the values of the text are none of that template's.
    """
    if text.title != template.title:
        raise WrongFilling("title", "it is not that of the template")
    labels = {one.name: one.label for one in template.parameters}
    if any(one.label != labels.get(one.name, one.label) for one in text.values):
        raise WrongFilling("values", "what they are called is not what the template calls them")
    if len({one.name for one in text.values}) != len(text.values):
        raise WrongFilling("values", "one parameter is filled in twice")
    told = _checked_values(template.parameters, {one.name: one.value for one in text.values})
    usual = {clause.key: _clause(clause, template, told) for clause in template.clauses}
    found = [
        Difference(
            key=clause.key,
            kind=DifferenceKind.CHANGED if clause.key in usual else DifferenceKind.ADDED,
            before=usual.get(clause.key),
            after=clause,
        )
        for clause in text.clauses
        if usual.get(clause.key) != clause
    ]
    kept = {clause.key for clause in text.clauses}
    return (
        *found,
        *(
            Difference(key=key, kind=DifferenceKind.OMITTED, before=clause, after=None)
            for key, clause in usual.items()
            if key not in kept
        ),
    )


_UNCHANGED = ClauseChange(en="", ja="")


def _with_change(clause: Clause, change: ClauseChange) -> Clause:
    if change is _UNCHANGED:
        return clause
    return msgspec.structs.replace(
        clause,
        title=change.title or clause.title,
        en=change.en,
        ja=change.ja,
        odrl=clause.odrl if change.odrl is None else change.odrl,
    )


def _new_clause(key: str, change: ClauseChange) -> Clause:
    if _KEY.fullmatch(key) is None:
        raise WrongFilling(key[:60], "the key of a clause is small letters, digits and underscores")
    if change.title is None:
        raise WrongFilling(key, "a clause that the template does not have needs a title")
    return Clause(key=key, title=change.title, en=change.en, ja=change.ja, odrl=change.odrl or "")


def _clause(clause: Clause, template: ContractTemplate, values: Mapping[str, str]) -> TextClause:
    for words in (clause.title.en, clause.title.ja, clause.en, clause.ja):
        if not words.strip() or len(words) > LONGEST_WORDS_CHARS:
            raise WrongFilling(
                clause.key, f"its words are empty or longer than {LONGEST_WORDS_CHARS} characters"
            )
        if _CONTROL.search(words):
            raise WrongFilling(clause.key, "its words hold characters that change how they are read")
    missing = placeholders(clause.en + clause.ja) - set(values)
    if missing:
        raise WrongFilling(clause.key, f"its words name {min(missing)!r}, for which nothing is filled in")
    return TextClause(
        key=clause.key,
        title=clause.title,
        en=filled(clause.en, values),
        ja=filled(clause.ja, values),
        rules=_rules(clause, template, values),
    )


def _rules(clause: Clause, template: ContractTemplate, values: Mapping[str, str]) -> str:
    if not clause.odrl or (clause.given and clause.given not in values):
        return ""
    missing = placeholders(clause.odrl) - set(values)
    if missing:
        raise WrongFilling(clause.key, f"its rules name {min(missing)!r}, for which nothing is filled in")
    lists = {one.name for one in template.parameters if one.type is ParameterType.LIST}
    try:
        part = parse_strict(clause.odrl.encode())
    except MalformedJson as error:
        raise WrongFilling(clause.key, f"its rules are no JSON: {error}") from None
    if not isinstance(part, dict):
        raise WrongFilling(clause.key, "its rules are no object with permission, prohibition or obligation")
    return json.dumps(_put_in(part, values, lists), ensure_ascii=False, sort_keys=True)


def _put_in(node: object, values: Mapping[str, str], lists: set[str]) -> object:
    if isinstance(node, dict):
        return {key: _put_in(value, values, lists) for key, value in node.items()}
    if isinstance(node, list):
        return [_put_in(value, values, lists) for value in node]
    if isinstance(node, str):
        alone = node[1:-1]
        if node == f"{{{alone}}}" and alone in lists:
            return values[alone].split(", ")
        return filled(node, values)
    return node


def _checked_values(parameters: Sequence[Parameter], values: Mapping[str, str]) -> dict[str, str]:
    strange = set(values) - {one.name for one in parameters}
    if strange:
        raise WrongFilling(min(strange)[:60], "the template has no such parameter")
    told: dict[str, str] = {}
    for parameter in parameters:
        value = values.get(parameter.name, parameter.default)
        if value is None:
            if parameter.optional:
                continue
            raise WrongFilling(parameter.name, f"say what it is: {parameter.label.en} / {parameter.label.ja}")
        told[parameter.name] = _checked_value(parameter, value)
    return told


def _checked_value(parameter: Parameter, value: str) -> str:
    problem = ""
    if not value.strip() or len(value) > LONGEST_VALUE_CHARS or _CONTROL.search(value) or "\n" in value:
        problem = f"it is one line of 1 to {LONGEST_VALUE_CHARS} characters"
    elif parameter.type is ParameterType.INTEGER:
        problem = "" if re.fullmatch(r"0|[1-9][0-9]{0,14}", value) else "it is a whole number, not negative"
    elif parameter.type is ParameterType.CHOICE:
        problem = "" if value in parameter.choices else f"it is one of {', '.join(parameter.choices)}"
    elif parameter.type is ParameterType.DATE:
        problem = "" if _is_date(value) else "it is a date, YYYY-MM-DD"
    elif parameter.type is ParameterType.LIST:
        codes = [code.strip() for code in value.split(",")]
        value = ", ".join(codes)
        if len(codes) > MOST_LISTED_COUNT or not all(_CODE.fullmatch(code) for code in codes):
            problem = f"it is up to {MOST_LISTED_COUNT} codes with commas between them"
    if problem:
        raise WrongFilling(parameter.name, problem)
    return value


def _is_date(value: str) -> bool:
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _dicts(value: object) -> list[dict[str, object]]:
    found = value if isinstance(value, list) else [value]
    return [one for one in found if isinstance(one, dict)]
