"""The page of attacks names each attack once, with tests that exist and requirements as the standard numbers them."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests import documents

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs" / "asvs.md").read_text("utf-8")
# How many sections each chapter of ASVS 5.0.0 has.
SECTIONS_COUNT = {1: 5, 2: 4, 4: 4, 5: 4, 8: 4, 9: 2, 10: 7, 11: 7, 12: 3, 13: 4, 14: 3, 15: 4, 16: 5}

ATTACKS = {
    "Tokens and presentations": (
        "wrong key",
        "expired",
        "`iat` in the future",
        "`nbf` in the future",
        "wrong `aud`",
        "`iss` is not `sub`",
        "`sub` is not the DID document's id",
        "reused `jti`",
        "reused `jti` across two workers",
        "reused `jti` after a restart",
        "no `kid`",
        "unknown `kid`",
        "foreign `kid`",
        "`kid` in another DID",
        "key without `capabilityInvocation`",
        "`alg` none",
        "`alg` HS256 with the public key",
        "`alg` in lower case",
        "unknown or empty `crit`",
        "`b64` false",
        "`jwk` injected",
        "`jku`, `x5u`, `x5c` injected",
        "duplicate JSON keys",
        "spare base64 bits",
        "padding",
        "2 MB header",
        "`exp` NaN or 1e400",
        "`exp` a string or a float",
        "scope escalation",
        "presentation that lacks a credential",
        "presentation with an extra credential",
        "presentation with another holder's credential",
        "forged, changed or mistaken credential",
        "revoked credential",
        "suspended credential",
        "credential not yet valid",
        "credential that violates its schema",
        "issuer not trusted for that type",
        "presentation replayed to another verifier",
    ),
    "Status lists": (
        "gzip bomb",
        "index out of range",
        "negative index",
        "index that is no integer",
        "`statusPurpose` mismatch",
        "list signed by someone else",
        "list with an expired `validUntil`",
        "list shorter than 131 072 bits",
        "list address inside (SSRF)",
        "unreachable list",
        "refresh storm",
    ),
    "DIDs": (
        "did:web with a port (legal)",
        "user information",
        "percent-encoded slash",
        "IP host",
        "path traversal",
        "redirect to another host",
        "document id mismatch",
        "TLS downgrade",
        "10 MB document",
        "slow-loris",
        "key rotation in the middle of a negotiation",
    ),
    "SSRF": (
        "callbackAddress inside",
        "DID inside",
        "token address inside",
        "data sink inside",
        "data source inside",
        "schema or status list inside",
        "webhook inside",
        "a way out beside the one egress client",
        "plain http",
        "two answers for one name",
        "one public and one private address",
        "connecting to another address than the checked one",
        "a certificate for another name",
        "redirect",
        "port outside the list",
        "answer without an end",
        "answer without haste",
        "addresses that the standard library calls global",
        "NAT64, 6to4, IPv4-mapped and IPv4-compatible addresses",
        "decimal, octal, hexadecimal and short addresses",
        "169.254.169.254",
        "rebinding",
        "callback to the own management port",
        "callback of another participant",
        "user information in a URL",
        "CRLF",
        "trailing dot",
        "IDN",
    ),
    "JSON-LD and DSP": (
        "unknown context URL",
        "context that redefines `odrl:permission`, `@type` or `@vocab`",
        "`@import` and `@propagate`",
        "nested scoped contexts",
        "term hidden in `@graph`, `@reverse` or `@included`",
        "list for an object, object for a list",
        "canonicalisation poison graph",
        "policy changed between offer and agreement",
        "agreement with another assignee",
        "message for another's process id",
        "every illegal state jump",
        "duplicate, reordered and late messages",
        "concurrent messages",
        "both sides terminate at once",
        "10 000 open negotiations by one peer",
        "nesting of 100 000 levels",
        "lone surrogates",
        "big integers",
    ),
    "Data plane": (
        "token for another asset, agreement or consumer",
        "token out of its time (CVE-2024-8642)",
        "token after termination",
        "policy expiry in the middle of a stream",
        "parallel refresh",
        "path with `..`, `;`, `%2f` or encoded twice",
        "header smuggling (CL/TE)",
        "hop-by-hop headers injected",
        "`X-Forwarded-*` injected",
        "method override",
        "Range of quadratic cost",
        "slow read",
        "meter that is not what was sent",
        "provider secret echoed",
        "stolen access token",
    ),
}


def rows(name: str) -> list[tuple[str, list[str], list[str]]]:
    """Attack, tests and requirements of each row below that heading."""
    below = PAGE.partition(f"### {name}\n")[2].partition("\n#")[0]
    found = documents.rows(below, "attack", "test", "requirement")
    return [
        (attack, tests.replace("`", "").split("<br>"), requirements.split(", "))
        for attack, tests, requirements in found
    ]


@cache
def functions(path: str) -> frozenset[str]:
    """The names of the test functions in that file."""
    tree = ast.parse((REPOSITORY / path).read_text("utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in tree.body if isinstance(node, kinds))


@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_is_named_once_in_its_order(name: str) -> None:
    assert [attack for attack, _, _ in rows(name)] == list(ATTACKS[name])


def test_no_list_of_attacks_is_missing_here() -> None:
    assert re.findall(r"^### (.*)$", PAGE, re.MULTILINE) == list(ATTACKS)


@pytest.mark.parametrize("name", ATTACKS)
def test_every_test_exists(name: str) -> None:
    for attack, tests, _ in rows(name):
        for test in tests:
            path, _, function = test.partition("::")
            assert function in functions(path), (attack, test)


@pytest.mark.parametrize("name", ATTACKS)
def test_every_requirement_has_a_number_of_the_standard(name: str) -> None:
    for attack, _, requirements in rows(name):
        for requirement in requirements:
            numbers = re.fullmatch(r"V(\d+)\.(\d+)\.(\d+)", requirement)
            assert numbers is not None, attack
            chapter, number = int(numbers[1]), int(numbers[2])
            assert 1 <= number <= SECTIONS_COUNT[chapter], attack


def test_what_is_not_covered_is_said() -> None:
    missing = documents.rows(PAGE, "requirement", "what is missing")
    assert len(missing) >= 10
    assert all(re.fullmatch(r"V\d+\.\d+\.\d+", requirement) for requirement, _ in missing)
