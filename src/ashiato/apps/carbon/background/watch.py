"""How a long computation tells how far it is, and hears that nobody waits for it any more."""

from collections.abc import Callable

from ashiato.apps.carbon.background.errors import Cancelled

# Called between two steps with what is being done and how much of it is done (0 to 1); False stops the computation.
Watch = Callable[[str, float], bool]


def unwatched(_stage: str, _done_ratio: float, /) -> bool:
    """The watch of a caller who waits to the end."""
    return True


def tell(watch: Watch, stage: str, done_ratio: float) -> None:
    """Raises `Cancelled` when the watch says stop."""
    if not watch(stage, done_ratio):
        raise Cancelled(stage, done_ratio)
