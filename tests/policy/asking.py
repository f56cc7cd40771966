"""Requests as the tests of this room put them."""

from collections.abc import Iterable, Mapping

from ashiato.facts.instants import parse_datetime
from ashiato.policy.evaluation import Checkpoint, DutyState, Request, Side, decide
from ashiato.policy.odrl import parse_policy

NOW_MS = parse_datetime("2026-11-24T12:00:00Z")
ALICE = "did:web:alice.example"
BOB = "did:web:bob.example"


def asked(
    checkpoint: Checkpoint = Checkpoint.READ,
    *,
    action: str = "read",
    by: str = ALICE,
    now_ms: int = NOW_MS,
    agreed_at_ms: int | None = NOW_MS,
    uses_count: int = 0,
    claims: Mapping[str, Iterable[str]] | None = None,
    facts: Mapping[str, Iterable[str]] | None = None,
    duties: Mapping[str, DutyState] | None = None,
    side: Side = Side.PROVIDER,
) -> Request:
    """A request of ALICE at NOW_MS to read under an agreement of the same instant, unless told otherwise."""
    known, told = (
        {name: frozenset(values) for name, values in (found or {}).items()} for found in (claims, facts)
    )
    return Request(checkpoint, action, by, now_ms, agreed_at_ms, uses_count, known, told, duties or {}, side)


def permits(document: dict[str, object], request: Request) -> bool:
    """The verdict alone."""
    return decide(parse_policy(document), request).permitted


def permission(*constraints: object, action: str = "use", **more: object) -> dict[str, object]:
    """A policy of one permission."""
    return {"permission": [{"action": action, "constraint": list(constraints), **more}]}
