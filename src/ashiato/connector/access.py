"""Who may connect at all: named connectors, attributes that credentials verify, a security profile, or any of these together.

What an owner writes in short is compiled to an ODRL policy, so that one engine decides and one index finds.
"""

from functools import lru_cache

from ashiato.connector.problems import Invalid
from ashiato.connector.records import AccessForm
from ashiato.policy.builder import compare
from ashiato.policy.labels import unenforceable
from ashiato.policy.odrl import Policy, parse_policy
from ashiato.policy.terms import Kind, operand
from ashiato.policy.vocabulary import PARTICIPANT

GROUP = "group"
_VERIFIED = frozenset((Kind.CLAIM, Kind.LEVEL, Kind.LOCATION))

Access = tuple[AccessForm, ...]


def as_document(access: Access) -> dict[str, object]:
    """The ODRL policy that says the same: one permission for each form, whose conditions must all be met."""
    return {"permission": [_permission(form) for form in access]}


@lru_cache(maxsize=4096)
def as_policy(access: Access) -> Policy:
    """The same, parsed."""
    return parse_policy(as_document(access))


def check_access(access: Access) -> None:
    """Refuse what would let in everybody by mistake or nobody ever; raises `Invalid` with the path of the member."""
    for index, form in enumerate(access):
        path = f"access[{index}]"
        if not (form.participants or form.claims or form.groups or form.security_profile):
            raise Invalid(
                "A form of access must ask for something; leave it out to let in everybody.", path=path
            )
        for name, values in form.claims:
            known = operand(name)
            if known is None or known.kind not in _VERIFIED or name == GROUP:
                raise Invalid(
                    f"{name!r} is no claim of a credential; write a short name like 'role', or 'RoleCredential.role'.",
                    path=f"{path}.claims.{name}",
                )
            if not values:
                raise Invalid(f"Name at least one value for {name!r}.", path=f"{path}.claims.{name}")
    gaps = unenforceable(as_policy(access)) if access else ()
    if gaps:
        raise Invalid("The access cannot be judged: " + "; ".join(gap.text for gap in gaps), path="access")


def _permission(form: AccessForm) -> dict[str, object]:
    asked: list[dict[str, object]] = []
    if form.participants:
        asked.append(compare(PARTICIPANT, "isAnyOf", list(form.participants)))
    asked += [compare(name, "isAnyOf", list(values)) for name, values in form.claims]
    if form.groups:
        asked.append(compare(GROUP, "isAnyOf", list(form.groups)))
    if form.security_profile:
        asked.append(compare("security_profile", "gteq", form.security_profile))
    return {"action": "use", "constraint": asked}
