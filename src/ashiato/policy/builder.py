"""The common policies as the JSON that goes over the wire."""

from collections.abc import Mapping, Sequence

from ashiato.facts.instants import format_datetime, parse_duration
from ashiato.policy.vocabulary import PARTICIPANT


def permit(
    action: str = "use",
    *,
    participants: Sequence[str] | None = None,
    not_before_ms: int | None = None,
    until_ms: int | None = None,
    elapsed: str | None = None,
    max_uses: int | None = None,
) -> dict[str, object]:
    """`{"permission": [...]}` with one permission whose conditions must all hold.

    `participants` are the only ones permitted, `not_before_ms` and `until_ms` the first and the last
    permitted instant, `elapsed` (xsd:duration, `P30D`) the time after the agreement, `max_uses` the number of
    uses. What is None does not restrict. Right operands are strings, as the Dataspace Protocol's schema wants
    them. Raises `MalformedInstant` for an `elapsed` that is no duration and `ValueError` for a `participants`
    that names nobody or a negative `max_uses`.
    """
    if participants is not None and not participants:
        raise ValueError("name at least one participant, or None for every participant")
    if max_uses is not None and max_uses < 0:
        raise ValueError("max_uses counts uses and is not negative")
    constraints: list[dict[str, object]] = []
    if participants is not None:
        constraints.append(compare(PARTICIPANT, "isAnyOf", list(participants)))
    if not_before_ms is not None:
        constraints.append(compare("dateTime", "gteq", format_datetime(not_before_ms)))
    if until_ms is not None:
        constraints.append(compare("dateTime", "lteq", format_datetime(until_ms)))
    if elapsed is not None:
        parse_duration(elapsed)
        constraints.append(compare("elapsedTime", "lteq", elapsed))
    if max_uses is not None:
        constraints.append(compare("count", "lteq", str(max_uses)))
    rule: dict[str, object] = {"action": action}
    if constraints:
        rule["constraint"] = constraints
    return {"permission": [rule]}


def compare(left_operand: str, operator: str, right_operand: str | int | list[str]) -> dict[str, object]:
    """One constraint."""
    return {"leftOperand": left_operand, "operator": operator, "rightOperand": right_operand}


def as_offer(rules: Mapping[str, object], offer_id: str) -> dict[str, object]:
    """The Offer of a catalog that holds `rules` (DSP 2025-1 negotiation schema: `Offer`, which has no
    target).
    """
    return {"@id": offer_id, "@type": "Offer", **rules}
