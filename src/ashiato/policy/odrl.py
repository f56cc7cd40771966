"""A policy as a value: the JSON of an Offer, Agreement or Set, read once, checked and ready to be judged.

Names may come short, with `odrl:` or as full addresses, keys included; `{"@id": ...}`, `{"@value": ...}` and
`{"@list": ...}` are opened, and one object may stand where a list is meant. No context is resolved: names
that are not ODRL's stay as they were written.

Read more narrowly than ODRL 2.2, because reading less than was written would grant more than was meant:
`inheritFrom` and rules about another asset than the policy's are refused. The refinements of an action, and of the party
or asset of one rule, are judged like constraints of the rule. In a duty, what says how it is done (`Rule.description`) is
kept apart from the conditions under which it is owed; because the Dataspace Protocol carries no refinements, it may stand
among the constraints too. `remedy` and `consequence` are read as duties that a breach brings.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TypeVar

import msgspec

from ashiato.facts.instants import (
    DAY_MS,
    Duration,
    MalformedInstant,
    Span,
    parse_datetime,
    parse_duration,
    parse_span,
)
from ashiato.policy.regions import place
from ashiato.policy.terms import Kind, LeftOperand, Reading, operand
from ashiato.policy.vocabulary import OPERATORS, Checkpoint, Enforcement, term

MAX_CONSTRAINTS = 1000
MAX_RULES = 1000
MAX_DEPTH = 32
_LOGICAL = ("and", "or", "xone", "andSequence")
_COMPARISON = ("leftOperand", "operator", "rightOperand", "rightOperandReference")
_CONFLICTS = ("perm", "prohibit", "invalid")
# Members that change what a constraint compares in a way that is not read.
_OPERAND_CHANGERS = ("rightOperandReference", "status", "dc:frequency", "http://purl.org/dc/terms/frequency")
_WITH_UNIT = frozenset((None, Kind.CLAIM, Kind.FACT, Kind.QUANTITY))
_ACTION_KEYS = ("rdf:value", "http://www.w3.org/1999/02/22-rdf-syntax-ns#value", "@id")
# Parties with a function in a duty (ODRL Vocabulary 2.2, party functions).
_FUNCTIONS = ("informedParty", "compensatedParty", "consentingParty", "attributedParty", "trackingParty")
_POLICY_USAGE = "policyUsage"
_DURATIONS = frozenset(("delayPeriod", "timeInterval"))
_LEVEL_NAMES = {
    "BASE_SECURITY_PROFILE": "base",
    "TRUST_SECURITY_PROFILE": "trust",
    "TRUST_PLUS_SECURITY_PROFILE": "trust+",
}
LEVELS = ("base", "trust", "trust+")
_MAX_DIGITS = 15
# The IDS examples write "lies in one of these" with `isPartOf`; wider places and purposes are known by their own names.
_SAME_AS = {"isPartOf": "isAnyOf", "isA": "isAnyOf"}
_MOST_DAYS = 1_000_000
_DECIMAL = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?")

T = TypeVar("T")

Measure = int | Duration | frozenset[str] | Span | Decimal


class MalformedPolicy(ValueError):
    """Its author must mend the policy: `path` points to the place, `problem` says what is wrong."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path or 'policy'}: {problem}")
        self.path = path
        self.problem = problem


class Constraint(msgspec.Struct, frozen=True):
    """One comparison (ODRL 2.2, 2.5).

    `right_operand` is None when it is no plain value. `measured` is the right operand read for the kind of the left one;
    None means that this comparison cannot be judged. `comparison` is the operator as it is judged, which differs from the
    one that is written where Catena-X writes `eq` for a bound. `claims` and `fact` name what it is compared with.
    """

    left_operand: str
    operator: str
    right_operand: str | tuple[str, ...] | None
    path: str
    kind: Kind | None
    measured: Measure | None
    fields: tuple[tuple[str, str | tuple[str, ...]], ...]
    comparison: str = ""
    claims: tuple[str, ...] = ()
    fact: str = ""
    enforcement: Enforcement = Enforcement.ENFORCED
    checkpoints: tuple[Checkpoint, ...] = ()


class Logical(msgspec.Struct, frozen=True):
    """`and`, `or`, `xone` or `andSequence` over at least one operand."""

    connective: str
    operands: tuple["Constraint | Logical", ...]
    path: str


Node = Constraint | Logical


class Rule(msgspec.Struct, frozen=True):
    """A permission, prohibition or duty. `unread` names members that no decision takes into account.

    In a duty, `description` says how it is done and `parties` with whom; `consequences` (of a duty) and `remedies` (of a
    prohibition) are the duties that a breach brings.
    """

    action: str
    constraint: Node | None
    duties: tuple["Rule", ...]
    assignee: str | None
    path: str
    unread: tuple[str, ...] = ()
    description: tuple[Constraint, ...] = ()
    parties: tuple[tuple[str, str], ...] = ()
    consequences: tuple["Rule", ...] = ()
    remedies: tuple["Rule", ...] = ()


class Policy(msgspec.Struct, frozen=True):
    """`conflict` is `prohibit` where the document is silent; ODRL's own default would void the policy."""

    permissions: tuple[Rule, ...] = ()
    prohibitions: tuple[Rule, ...] = ()
    obligations: tuple[Rule, ...] = ()
    assigner: str | None = None
    assignee: str | None = None
    target: str | None = None
    conflict: str = "prohibit"
    profile: tuple[str, ...] = ()


def parse_policy(document: Mapping[str, object]) -> Policy:
    """The policy in the plain JSON of an Offer, Agreement or Set (DSP 2025-1, ODRL profile).

    Raises `MalformedPolicy`, also for more than `MAX_RULES` rules, `MAX_CONSTRAINTS` constraints or `MAX_DEPTH`
    levels of constraints.
    """
    return _Reader().policy(document)


def short_keys(document: object, path: str) -> Mapping[str, object]:
    """The members of a JSON object by their short names; a name given in two spellings is refused."""
    if not isinstance(document, Mapping):
        raise MalformedPolicy(path, "a JSON object is expected here")
    members = {term(str(key)): value for key, value in document.items()}
    if len(members) != len(document):
        raise MalformedPolicy(path, "the same member stands here twice, in two spellings")
    return members


class _Reader:
    """One pass over one document; what it has read is counted, so that the bounds hold for the whole."""

    def __init__(self) -> None:
        self._rules = 0
        self._constraints = 0

    def policy(self, document: object) -> Policy:
        members = short_keys(document, "")
        for name in ("inheritFrom", "constraint", "refinement"):
            if members.get(name) not in (None, []):
                raise MalformedPolicy(name, "not read at this place; write the rules into the policy itself")
        conflict = term(_name(members["conflict"], "conflict")) if "conflict" in members else "prohibit"
        if conflict not in _CONFLICTS:
            raise MalformedPolicy("conflict", "expected perm, prohibit or invalid")
        target = _party(members, "target", "")
        common = members.get("action")
        return Policy(
            permissions=self._rules_of(members, "permission", "", common, target),
            prohibitions=self._rules_of(members, "prohibition", "", common, target),
            obligations=self._rules_of(members, "obligation", "", common, target),
            assigner=_party(members, "assigner", ""),
            assignee=_party(members, "assignee", ""),
            target=target,
            conflict=conflict,
            profile=tuple(_name(item, "profile") for item in _items(members.get("profile"))),
        )

    def _rules_of(
        self, members: Mapping[str, object], name: str, parent: str, common: object, target: str | None
    ) -> tuple[Rule, ...]:
        return tuple(
            self._rule(item, f"{_below(parent, name)}[{index}]", common, target)
            for index, item in enumerate(_items(members.get(name)))
        )

    def _rule(self, document: object, path: str, common: object, target: str | None) -> Rule:
        self._rules += 1
        if self._rules > MAX_RULES:
            raise MalformedPolicy(path, f"more than {MAX_RULES} rules")
        if path.count(".consequence[") > MAX_DEPTH:
            raise MalformedPolicy(path, f"consequences nested deeper than {MAX_DEPTH} levels")
        members = short_keys(document, path)
        own_target, asset_refinements = _referred(members, "target", path)
        if own_target is not None and own_target != target:
            raise MalformedPolicy(
                f"{path}.target", "a rule speaks about the target of its policy; name the target there"
            )
        assignee, party_refinements = _referred(members, "assignee", path)
        action, refinements = _action(members.get("action", common), path)
        conditions = self._nodes(members.get("constraint"), f"{path}.constraint")
        refined = self._nodes(refinements, f"{path}.action.refinement")
        is_permission, is_prohibition = _is_top(path, "permission"), _is_top(path, "prohibition")
        description: tuple[Constraint, ...] = ()
        if is_permission or is_prohibition:
            conditions += refined
        else:
            conditions, description = _split(conditions, refined)
        conditions += self._nodes(party_refinements, f"{path}.assignee.refinement")
        conditions += self._nodes(asset_refinements, f"{path}.target.refinement")
        # ODRL 2.2 gives duties to permissions, remedies to prohibitions and consequences to duties; what stands elsewhere
        # is noted, not read.
        read = "duty" if is_permission else "remedy" if is_prohibition else "consequence"
        follows = self._rules_of(members, read, path, None, target)
        return Rule(
            action=action,
            constraint=_all(conditions, path),
            duties=follows if is_permission else (),
            assignee=assignee,
            path=path,
            unread=tuple(
                name
                for name in ("remedy", "consequence", "duty")
                if name != read and members.get(name) not in (None, [])
            ),
            description=description,
            parties=tuple(
                (name, party) for name in _FUNCTIONS if (party := _party(members, name, path)) is not None
            ),
            consequences=follows if read == "consequence" else (),
            remedies=follows if is_prohibition else (),
        )

    def _nodes(self, found: object, path: str) -> list[Node]:
        return [self._node(item, f"{path}[{index}]", 1) for index, item in enumerate(_items(found))]

    def _node(self, document: object, path: str, depth: int) -> Node:
        self._constraints += 1
        if self._constraints > MAX_CONSTRAINTS:
            raise MalformedPolicy(path, f"more than {MAX_CONSTRAINTS} constraints")
        if depth > MAX_DEPTH:
            raise MalformedPolicy(path, f"constraints nested deeper than {MAX_DEPTH} levels")
        members = short_keys(document, path)
        connectives = [name for name in _LOGICAL if name in members]
        if not connectives:
            return _atomic(members, path)
        if len(connectives) > 1 or not members.keys().isdisjoint(_COMPARISON):
            raise MalformedPolicy(path, "a constraint is one comparison or one of and, or, xone, andSequence")
        connective = connectives[0]
        operands = _items(members[connective])
        if not operands:
            raise MalformedPolicy(
                f"{path}.{connective}", "a list without conditions says nothing; leave it out"
            )
        return Logical(
            connective,
            tuple(
                self._node(item, f"{path}.{connective}[{index}]", depth + 1)
                for index, item in enumerate(operands)
            ),
            path,
        )


def _is_top(path: str, name: str) -> bool:
    return path.startswith(f"{name}[") and path.endswith("]") and "." not in path


def _all(nodes: list[Node], path: str) -> Node | None:
    if len(nodes) <= 1:
        return nodes[0] if nodes else None
    return Logical("and", tuple(nodes), path)


def _split(conditions: list[Node], refined: list[Node]) -> tuple[list[Node], tuple[Constraint, ...]]:
    """The conditions of a duty (its limits in time among them), and what describes how it is done."""
    described: list[Constraint] = []
    kept: list[Node] = []
    for node in conditions:
        leaves = list(_conjuncts(node))
        if not any(_describes(leaf) for leaf in leaves):
            kept.append(node)
            continue
        for leaf in leaves:
            if isinstance(leaf, Constraint) and _describes(leaf):
                described.append(leaf)
            else:
                kept.append(leaf)
    for node in refined:
        for leaf in _conjuncts(node):
            if isinstance(leaf, Constraint) and leaf.kind not in (Kind.INSTANT, Kind.ELAPSED):
                described.append(leaf)
            else:
                kept.append(leaf)
    return kept, tuple(described)


def _conjuncts(node: Node) -> Iterable[Node]:
    if isinstance(node, Logical) and node.connective in ("and", "andSequence"):
        for part in node.operands:
            yield from _conjuncts(part)
    else:
        yield node


def _describes(node: Node) -> bool:
    return isinstance(node, Constraint) and (node.kind is Kind.DESCRIPTION or is_about_use(node))


def is_about_use(node: Constraint) -> bool:
    """Whether it says that something happens before, at or after each use (`event lt odrl:policyUsage`)."""
    return (
        node.left_operand == "event"
        and isinstance(node.right_operand, str)
        and term(node.right_operand) == _POLICY_USAGE
    )


def is_before_use(node: Constraint) -> bool:
    """Whether it says that something comes before each use."""
    return is_about_use(node) and node.operator in ("lt", "lteq")


def _atomic(members: Mapping[str, object], path: str) -> Constraint:
    left = term(_name(members.get("leftOperand"), f"{path}.leftOperand"))
    operator = term(_name(members.get("operator"), f"{path}.operator"))
    if operator not in OPERATORS:
        raise MalformedPolicy(f"{path}.operator", f"expected one of {', '.join(sorted(OPERATORS))}")
    if "rightOperand" not in members and "rightOperandReference" not in members:
        raise MalformedPolicy(f"{path}.rightOperand", "a comparison needs a right operand")
    known = operand(left)
    kind = None if known is None else known.kind
    unit = None if members.get("unit") is None else _name(members["unit"], f"{path}.unit")
    # A unit of what has none here changes the meaning in a way that is not read.
    changed = any(name in members for name in _OPERAND_CHANGERS) or (
        "unit" in members and (unit is None or kind not in _WITH_UNIT)
    )
    right = None if changed else _right(members["rightOperand"])
    told: tuple[tuple[str, str | tuple[str, ...]], ...] = (("left", left), ("operator", operator))
    if right is not None:
        told = (*told, ("right", right))
    if unit is not None:
        told = (*told, ("unit", unit))
    in_unit = "" if unit is None else f" in {unit}"
    if known is None:
        values = None if right is None else frozenset((right,) if isinstance(right, str) else right)
        return Constraint(left, operator, right, path, None, values, told, operator, (left + in_unit,))
    comparison, measured = _compiled(known, left, operator, right)
    return Constraint(
        left_operand=left,
        operator=operator,
        right_operand=right,
        path=path,
        kind=kind,
        measured=measured,
        fields=told,
        comparison=comparison,
        claims=tuple(name + in_unit for name in dict.fromkeys((*known.claims, left))) if known.claims else (),
        fact=known.fact and known.fact + in_unit,
        enforcement=known.enforcement,
        checkpoints=known.checkpoints,
    )


def _compiled(
    known: LeftOperand, left: str, operator: str, right: str | tuple[str, ...] | None
) -> tuple[str, Measure | None]:
    """The operator as it is judged and the right operand as it is compared."""
    if right is None or operator not in known.operators:
        return operator, None
    values = (right,) if isinstance(right, str) else right
    if known.reading is Reading.FREQUENCY:
        return "lteq", _most_uses(values)
    if known.reading is Reading.DAYS:
        days = whole_number(values[0]) if len(values) == 1 else None
        return "lteq", None if days is None or days > _MOST_DAYS else Duration(ms=days * DAY_MS)
    comparison = "lteq" if known.reading is Reading.UNTIL else _SAME_AS.get(operator, operator)
    return comparison, _measure(known.kind, left, operator, values)


def _most_uses(values: tuple[str, ...]) -> int | None:
    name = values[0] if len(values) == 1 else ""
    if name.startswith("cx.dataFrequency.once"):
        return 1
    return 10**_MAX_DIGITS if name.startswith("cx.dataFrequency.unlimited") else None


def _measure(kind: Kind, left: str, operator: str, values: tuple[str, ...]) -> Measure | None:
    if operator in ("eq", "neq") and len(values) != 1:
        return None
    if kind is Kind.PARTICIPANT:
        return frozenset(values)
    if kind is Kind.LEVEL:
        levels = frozenset(_level(value) for value in values)
        is_single = len(levels) == 1 or operator in ("isAnyOf", "isNoneOf", "isPartOf")
        return levels if is_single and levels <= set(LEVELS) else None
    if kind is Kind.LOCATION:
        return frozenset(place(value) for value in values)
    if kind is Kind.DESCRIPTION and left in _DURATIONS:
        return _instant_or_none(parse_duration, values)
    if kind in (Kind.CLAIM, Kind.FACT, Kind.PURPOSE, Kind.APPLICATION, Kind.PROMISE, Kind.DESCRIPTION):
        ordered = operator in ("lt", "lteq", "gt", "gteq")
        return (
            None if ordered and (len(values) != 1 or whole_number(values[0]) is None) else frozenset(values)
        )
    if kind is Kind.INSTANT:
        instant = _instant_or_none(parse_datetime, values)
        return _instant_or_none(parse_span, values) if instant is None else instant
    if kind is Kind.ELAPSED:
        return _instant_or_none(parse_duration, values)
    if len(values) != 1:
        return None
    return decimal(values[0]) if kind is Kind.QUANTITY else whole_number(values[0])


def _instant_or_none(parse: Callable[[str], T], values: tuple[str, ...]) -> T | None:
    if len(values) != 1:
        return None
    try:
        return parse(values[0])
    except MalformedInstant:
        return None


def _level(name: str) -> str:
    for prefix in ("idsc:", "https://w3id.org/idsa/code/"):
        name = name.removeprefix(prefix)
    return _LEVEL_NAMES.get(name, name)


def decimal(text: str) -> Decimal | None:
    """The number that `text` writes in plain digits with at most one point; None for anything else."""
    return Decimal(text) if _DECIMAL.fullmatch(text) else None


def whole_number(text: str) -> int | None:
    """The number that `text` writes in plain digits, at most fifteen; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else None


def _right(value: object) -> str | tuple[str, ...] | None:
    if isinstance(value, Mapping) and set(value) == {"@list"}:
        value = value["@list"]
    if isinstance(value, Sequence) and not isinstance(value, str):
        scalars = [_scalar(item) for item in value]
        known = tuple(item for item in scalars if item is not None)
        return known if len(known) == len(scalars) else None
    return _scalar(value)


def _scalar(value: object) -> str | None:
    if isinstance(value, Mapping):
        value = (
            value.get("@value") if "@value" in value else value.get("@id") if set(value) == {"@id"} else None
        )
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return value if isinstance(value, str) else None


def _action(document: object, path: str) -> tuple[str, object]:
    where = f"{path}.action"
    items = _items(document)
    if len(items) != 1:
        raise MalformedPolicy(where, "exactly one action is expected; write one rule per action")
    item = items[0]
    if isinstance(item, str):
        return term(_name(item, where)), None
    members = short_keys(item, where)
    # A refined action has an identifier of its own; what it refines stands in rdf:value.
    name = next((members[key] for key in _ACTION_KEYS if key in members), None)
    return term(_name(name, where)), members.get("refinement")


def _party(members: Mapping[str, object], name: str, parent: str) -> str | None:
    found, refinements = _referred(members, name, parent)
    if refinements is not None:
        raise MalformedPolicy(_below(parent, name), _ONLY_ID)
    return found


def _referred(members: Mapping[str, object], name: str, parent: str) -> tuple[str | None, object]:
    """The identifier of a party or asset, and its refinements: then it is the `source` of a collection that is named."""
    value = members.get(name)
    if value is None:
        return None, None
    path = _below(parent, name)
    items = _items(value)
    if len(items) != 1:
        raise MalformedPolicy(path, "exactly one is expected; write one rule for each")
    item = items[0]
    refinements: object = None
    if isinstance(item, Mapping):
        own = {term(str(key)): value for key, value in item.items()}
        if set(own) - {"@id", "@type", "uid", "source", "refinement"}:
            raise MalformedPolicy(path, _ONLY_ID)
        refinements = own.get("refinement")
        names = [own[key] for key in ("source", "@id", "uid") if key in own]
        item = names[0] if names else None
        if isinstance(item, Mapping) and set(item) == {"@id"}:
            item = item["@id"]
    if not isinstance(item, str) or not item:
        raise MalformedPolicy(path, "an identifier is expected here")
    return item, refinements


_ONLY_ID = "only the identifier is read here; write conditions as constraints"


def _items(value: object) -> Sequence[object]:
    if value is None:
        return ()
    if isinstance(value, Mapping) and set(value) == {"@list"}:
        value = value["@list"]
    return value if isinstance(value, Sequence) and not isinstance(value, str) else (value,)


def _name(value: object, path: str) -> str:
    if isinstance(value, Mapping) and set(value) == {"@id"}:
        value = value["@id"]
    if not isinstance(value, str) or not value:
        raise MalformedPolicy(path, "a name is expected here")
    return value


def _below(parent: str, name: str) -> str:
    return f"{parent}.{name}" if parent else name
