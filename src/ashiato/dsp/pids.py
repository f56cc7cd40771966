"""Process ids and message ids of the counterparty, as far as a state machine must know them."""

from ashiato.dsp.errors import MismatchedMessage

_REMEMBERED = 32


def check_pid(member: str, pid: str) -> None:
    """Raises `MismatchedMessage` for an id under which the counterparty could not be addressed by path."""
    if pid in ("", ".", ".."):
        raise MismatchedMessage(member, "an id that can stand in a path", pid)


def remembered(applied: tuple[str, ...], kind: str, message_id: str | None) -> tuple[str, ...]:
    """`applied` and one message more; the oldest are forgotten, so that a peer cannot make it grow."""
    if message_id is None:
        return applied
    return (*applied, f"{kind} {message_id}")[-_REMEMBERED:]
