"""A policy as a value: the JSON of an Offer, Agreement or Set, read once, checked and ready to be judged.

Names may come short, with `odrl:` or as full addresses, keys included; `{"@id": ...}`, `{"@value": ...}` and
`{"@list": ...}` are opened, and one object may stand where a list is meant. No context is resolved: names
that are not ODRL's stay as they were written.

Read more narrowly than ODRL 2.2, because reading less than was written would grant more than was meant:
`inheritFrom`, refined parties and rules about another asset than the policy's are refused. The refinement of
an action is judged like a constraint of its rule. `remedy` and `consequence` say what follows a breach and
are noted in `Rule.unread`.
"""

from collections.abc import Mapping, Sequence

import msgspec

from ashiato.facts.instants import Duration, MalformedInstant, parse_datetime, parse_duration
from ashiato.policy.vocabulary import LEFT_OPERANDS, OPERATORS, Kind, term

MAX_CONSTRAINTS = 1000
MAX_RULES = 1000
MAX_DEPTH = 32
_LOGICAL = ("and", "or", "xone", "andSequence")
_COMPARISON = ("leftOperand", "operator", "rightOperand", "rightOperandReference")
_CONFLICTS = ("perm", "prohibit", "invalid")
# Members that change what a constraint compares; its right operand then cannot be read from `rightOperand`
# alone.
_OPERAND_CHANGERS = ("rightOperandReference", "unit", "status")
_ACTION_KEYS = ("rdf:value", "http://www.w3.org/1999/02/22-rdf-syntax-ns#value", "@id")
_MAX_DIGITS = 15


class MalformedPolicy(ValueError):
    """Its author must mend the policy: `path` points to the place, `problem` says what is wrong."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path or 'policy'}: {problem}")
        self.path = path
        self.problem = problem


class Constraint(msgspec.Struct, frozen=True):
    """One comparison (ODRL 2.2, 2.5).

    `right_operand` is None when it is no plain value or its unit is another. `measured` is the right operand
    read for an enforced left operand (instant or count, duration, participants); None means that this
    comparison cannot be judged by this node, unless a verified claim of the left operand's name is given.
    """

    left_operand: str
    operator: str
    right_operand: str | tuple[str, ...] | None
    path: str
    kind: Kind | None
    measured: int | Duration | frozenset[str] | None
    fields: tuple[tuple[str, str | tuple[str, ...]], ...]


class Logical(msgspec.Struct, frozen=True):
    """`and`, `or`, `xone` or `andSequence` over at least one operand."""

    connective: str
    operands: tuple["Constraint | Logical", ...]
    path: str


Node = Constraint | Logical


class Rule(msgspec.Struct, frozen=True):
    """A permission, prohibition or duty. `unread` names members that no decision takes into account."""

    action: str
    constraint: Node | None
    duties: tuple["Rule", ...]
    assignee: str | None
    path: str
    unread: tuple[str, ...]


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
        members = short_keys(document, path)
        own_target = _party(members, "target", path)
        if own_target is not None and own_target != target:
            raise MalformedPolicy(
                f"{path}.target", "a rule speaks about the target of its policy; name the target there"
            )
        action, refinements = _action(members.get("action", common), path)
        # ODRL 2.2 gives duties to permissions only; what else carries one is noted, not read.
        is_permission = path.startswith("permission[") and ".duty[" not in path
        duties = self._rules_of(members, "duty", path, None, target) if is_permission else ()
        meaningful = ("remedy", "consequence") if is_permission else ("remedy", "consequence", "duty")
        return Rule(
            action=action,
            constraint=self._all(members.get("constraint"), refinements, path),
            duties=duties,
            assignee=_party(members, "assignee", path),
            path=path,
            unread=tuple(name for name in meaningful if members.get(name) not in (None, [])),
        )

    def _all(self, constraints: object, refinements: object, path: str) -> Node | None:
        nodes = [
            self._node(item, f"{path}.{name}[{index}]", 1)
            for name, found in (("constraint", constraints), ("action.refinement", refinements))
            for index, item in enumerate(_items(found))
        ]
        if len(nodes) <= 1:
            return nodes[0] if nodes else None
        return Logical("and", tuple(nodes), path)

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


def _atomic(members: Mapping[str, object], path: str) -> Constraint:
    left = term(_name(members.get("leftOperand"), f"{path}.leftOperand"))
    operator = term(_name(members.get("operator"), f"{path}.operator"))
    if operator not in OPERATORS:
        raise MalformedPolicy(f"{path}.operator", f"expected one of {', '.join(sorted(OPERATORS))}")
    if "rightOperand" not in members and "rightOperandReference" not in members:
        raise MalformedPolicy(f"{path}.rightOperand", "a comparison needs a right operand")
    changed = any(name in members for name in _OPERAND_CHANGERS)
    right = None if changed else _right(members["rightOperand"])
    known = LEFT_OPERANDS.get(left)
    measured = None
    if known is not None and right is not None and operator in known.operators:
        measured = _measure(known.kind, operator, right)
    told: tuple[tuple[str, str | tuple[str, ...]], ...] = (("left", left), ("operator", operator))
    return Constraint(
        left_operand=left,
        operator=operator,
        right_operand=right,
        path=path,
        kind=None if known is None else known.kind,
        measured=measured,
        fields=told if right is None else (*told, ("right", right)),
    )


def _measure(
    kind: Kind, operator: str, right: str | tuple[str, ...]
) -> int | Duration | frozenset[str] | None:
    values = (right,) if isinstance(right, str) else right
    if kind is Kind.PARTICIPANT:
        single = operator in ("eq", "neq")
        return None if single and len(values) != 1 else frozenset(values)
    if len(values) != 1:
        return None
    text = values[0]
    try:
        if kind is Kind.INSTANT:
            return parse_datetime(text)
        if kind is Kind.ELAPSED:
            return parse_duration(text)
    except MalformedInstant:
        return None
    return whole_number(text)


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
    value = members.get(name)
    if value is None:
        return None
    path = _below(parent, name)
    items = _items(value)
    if len(items) != 1:
        raise MalformedPolicy(path, "exactly one is expected; write one rule for each")
    item = items[0]
    if isinstance(item, Mapping):
        extra = {term(str(key)) for key in item} - {"@id", "@type", "uid"}
        if extra:
            raise MalformedPolicy(path, "only the identifier is read here; write conditions as constraints")
        item = item.get("@id", item.get("uid", item.get("odrl:uid")))
    if not isinstance(item, str) or not item:
        raise MalformedPolicy(path, "an identifier is expected here")
    return item


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
