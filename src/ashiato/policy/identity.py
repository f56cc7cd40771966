"""When two policies are the same: the hash that an agreement is bound to, for which another spelling is the same."""

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec
import rfc8785

from ashiato.policy.odrl import MalformedPolicy, short_keys
from ashiato.policy.vocabulary import term

LARGEST_KEPT_BYTES = 4096
MOST_KEPT_COUNT = 4096
"""Normal forms that are kept: of small policies only, so that strangers who send many cost little memory."""

_RULES = ("permission", "prohibition", "obligation", "profile", "conflict")
_NAMES = frozenset(("action", "leftOperand", "operator", "conflict"))
_LISTS = frozenset(
    "permission prohibition obligation duty constraint refinement profile and or xone andSequence".split()
)
_CONSTRAINT_TYPES = ("Constraint", "AtomicConstraint", "LogicalConstraint")
_TYPES = {
    "permission": ("Permission",),
    "prohibition": ("Prohibition",),
    "obligation": ("Duty",),
    "duty": ("Duty",),
    **dict.fromkeys(("constraint", "refinement", "and", "or", "xone", "andSequence"), _CONSTRAINT_TYPES),
}


def policy_hash(document: Mapping[str, object]) -> str:
    """Lower-case hex SHA-256 over RFC 8785 of the rules alone, in one spelling.

    Hashed are `permission`, `prohibition`, `obligation`, `profile` and `conflict`. Identifier, type, context, target, parties
    and timestamp of the policy are not hashed, so an offer and the agreement made from it have one hash, also when a
    partner's connector spelled the rules anew (see `same_rules`). Raises `MalformedPolicy` when the rules have no canonical
    form (integers beyond 2^53, lone surrogates).
    """
    return hashlib.sha256(_normal_form(document)).hexdigest()


def same_rules(left: Mapping[str, object], right: Mapping[str, object]) -> bool:
    """Whether two policies hold the same rules, in whatever spelling; then their hashes are equal as well.

    Forgiven are: prefixed and full names, `{"@id": x}` for x, one object for a list of one, empty lists, the
    `@type` of a rule or constraint, and an integer right operand written as text (Catena-X writes integers,
    the Dataspace Protocol sends strings). Order counts, and so does every member that this node does not
    know. Raises `MalformedPolicy` like `policy_hash`.
    """
    return _normal_form(left) == _normal_form(right)


def _normal_form(document: Mapping[str, object]) -> bytes:
    try:
        text = msgspec.json.encode(document)
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError):
        # It is no JSON, or none that has a canonical form: the exact reason comes from the canonical form itself.
        return _normalized(document)
    # NaN, which has no canonical form, is written as null.
    if len(text) > LARGEST_KEPT_BYTES or b"null" in text:
        return _normalized(document)
    return _kept(text)


@lru_cache(maxsize=MOST_KEPT_COUNT)
def _kept(text: bytes) -> bytes:
    # One negotiation asks several times about the same few rules, and the form costs more than the copy.
    return _normalized(msgspec.json.decode(text, type=dict[str, object]))


def _normalized(document: Mapping[str, object]) -> bytes:
    try:
        return _canonical(_rules(document))
    except RecursionError:
        raise MalformedPolicy("", "the rules are nested too deep") from None


def _canonical(value: object) -> bytes:
    try:
        return rfc8785.dumps(value)  # type: ignore[arg-type]  # typed for literal JSON only; it checks at run time
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise MalformedPolicy("", f"the rules have no canonical form: {error}") from None


def _rules(document: Mapping[str, object]) -> dict[str, object]:
    members = _members(document, "")
    return {name: members[name] for name in _RULES if name in members}


def _members(document: Mapping[str, object], within: str) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in short_keys(document, within).items():
        if name == "@type" and isinstance(value, str) and term(value) in _TYPES.get(within, ()):
            continue
        settled = _settled(name, value)
        if settled is not None and settled != []:
            found[name] = settled
    return found


def _settled(name: str, value: object) -> object:
    if name in _LISTS:
        if isinstance(value, Mapping) and set(value) == {"@list"}:
            value = value["@list"]
        items = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        return [_settled_item(name, item) for item in items if item is not None]
    return _settled_item(name, value)


def _settled_item(name: str, value: object) -> object:
    if isinstance(value, Mapping):
        if set(value) == {"@id"}:
            return _settled_item(name, value["@id"])
        return _members(value, name)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_settled_item(name, item) for item in value]
    if name == "rightOperand" and isinstance(value, int) and not isinstance(value, bool):
        # Larger ones are left as they are: no reader of JSON can be sure of their digits, so they have no canonical form.
        return str(value) if abs(value) < 2**53 else value
    return term(value) if name in _NAMES and isinstance(value, str) else value
