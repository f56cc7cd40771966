"""The claims that policies read, from verified credentials: one name for one thing."""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from sys import intern

from ashiato.trust.credentials import VerifiedCredential

Claims = Mapping[str, frozenset[str]]

SECURITY_PROFILES = ("base", "trust", "trust+")
MAX_VALUE_CHARS = 1024


def claims_of(credentials: Iterable[VerifiedCredential]) -> Claims:
    """All claims of `credentials`, which are taken as trusted and unbarred.

    Each type T gives `credential` = T, and each member m of `credentialSubject` that is a text, a truth
    value, a whole number or a list of texts gives `T.m`. Some have a short name beside it, see `_SHORT`.
    """
    collected: dict[str, set[str]] = {}
    for credential in credentials:
        for type_ in credential.types:
            collected.setdefault("credential", set()).add(type_)
            members = {name: values_of(value) for name, value in credential.claims.items()}
            for name, values in members.items():
                if values:
                    collected.setdefault(intern(f"{type_}.{name}"), set()).update(values)
            short = _SHORT.get(type_)
            for name, values in (short(members) if short else {}).items():
                if values:
                    collected.setdefault(name, set()).update(values)
    return {name: _shared(frozenset(values)) for name, values in collected.items()}


@lru_cache(4096)
def _shared(values: frozenset[str]) -> frozenset[str]:
    """The same object for equal values: ten thousand members are `active`, and it is kept once."""
    return values


def values_of(value: object) -> tuple[str, ...]:
    """The texts that a policy compares with; nothing for what is no plain value."""
    if isinstance(value, bool):
        return ("true" if value else "false",)
    if isinstance(value, int):
        return (str(value),)
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        return ()
    return tuple(text for text in texts if 0 < len(text) <= MAX_VALUE_CHARS)


Members = Mapping[str, tuple[str, ...]]


def _membership(members: Members) -> Members:
    return {
        "membership": ("active",),
        "BusinessPartnerNumber": members.get("holderIdentifier", ()),
        "location": members.get("location", ()),
    }


def _security_profile(members: Members) -> Members:
    """The reached profile and all lower ones: a policy that asks for `base` is met by `trust+`."""
    reached = [SECURITY_PROFILES.index(one) for one in members.get("profile", ()) if one in SECURITY_PROFILES]
    return {"security_profile": SECURITY_PROFILES[: max(reached, default=-1) + 1]}


def _renamed(member: str, name: str) -> Callable[[Members], Members]:
    return lambda members: {name: members.get(member, ())}


_SHORT: Mapping[str, Callable[[Members], Members]] = {
    "MembershipCredential": _membership,
    "RoleCredential": _renamed("role", "role"),
    "SecurityProfileCredential": _security_profile,
    "CompanyCertificationCredential": _renamed("scheme", "certification"),
    "AppCertificationCredential": _renamed("app", "app_certification"),
    "FrameworkAgreementCredential": _renamed("agreement", "framework_agreement"),
}
