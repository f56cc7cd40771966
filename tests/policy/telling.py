"""The tables of `docs/policies.md` as the vocabulary has them."""

from ashiato.policy.terms import AT_REST, DUTY_ACTIONS, LEFT_OPERANDS, DutyAction, Kind, LeftOperand
from ashiato.policy.vocabulary import Checkpoint, Enforcement

_COMPARED = {
    Kind.PARTICIPANT: "the DID of the caller",
    Kind.INSTANT: "the clock",
    Kind.ELAPSED: "the time since the agreement",
    Kind.COUNT: "the uses so far",
    Kind.PROMISE: "nothing",
}


def _at(checkpoints: tuple[Checkpoint, ...]) -> str:
    if checkpoints == tuple(Checkpoint):
        return "every checkpoint"
    return ", ".join(checkpoints)


def _classes(numbers: tuple[int, ...]) -> str:
    return ", ".join(str(number) for number in numbers)


def _compared(known: LeftOperand) -> str:
    if known.fact:
        return f"fact `{known.fact}`"
    if known.claims:
        return "claim " + " or ".join(f"`{name}`" for name in known.claims)
    return _COMPARED[known.kind]


def condition_rows() -> list[tuple[str, ...]]:
    """Left operand, label, where this connector refuses by it, what it is compared with, and its IDS classes."""
    return [
        (
            name,
            str(known.enforcement),
            _at(known.checkpoints) if known.enforcement is Enforcement.ENFORCED else "",
            _compared(known),
            _classes(known.ids_classes),
        )
        for name, known in LEFT_OPERANDS.items()
        if known.kind is not Kind.DESCRIPTION
    ]


def duty_rows() -> list[tuple[str, ...]]:
    """Duty, label, where this connector refuses by it, whether it comes first, and its IDS classes."""
    rows = [_duty_row(name, known) for name, known in DUTY_ACTIONS.items()]
    return [*rows, _duty_row("anonymize", AT_REST, " as an obligation")]


def _duty_row(name: str, known: DutyAction, more: str = "") -> tuple[str, ...]:
    return (
        f"{name}{more}",
        str(known.enforcement),
        _at(known.checkpoints),
        "before" if known.first else "",
        _classes(known.ids_classes),
    )
