"""Process ids and message ids of the counterparty, as far as a state machine must know them."""

from ashiato.dsp.errors import MismatchedMessage

LONGEST_PID_BYTES = 1024
_REMEMBERED = 32


def is_usable_pid(pid: str) -> bool:
    """Whether the counterparty can be addressed under the id by path, and every store can keep it and search by it."""
    return pid not in ("", ".", "..") and pid.isprintable() and len(pid.encode()) <= LONGEST_PID_BYTES


def check_pid(member: str, pid: str) -> None:
    """Raises `MismatchedMessage` for an id that is not usable (see `is_usable_pid`)."""
    if not is_usable_pid(pid):
        raise MismatchedMessage(
            member, f"a printable id of at most {LONGEST_PID_BYTES} bytes that can stand in a path", pid[:80]
        )


def remembered(applied: tuple[str, ...], kind: str, message_id: str | None) -> tuple[str, ...]:
    """`applied` and one message more; the oldest are forgotten, so that a peer cannot make it grow."""
    if message_id is None:
        return applied
    return (*applied, f"{kind} {message_id}")[-_REMEMBERED:]
