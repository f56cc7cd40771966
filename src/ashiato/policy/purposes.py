"""Purposes of use and which of them lie under which.

Catena-X names its purposes by family, step and version (`cx.circular.dpp:1`). A policy may name a family
(`cx.circular`): each purpose lies under every family whose name is a beginning of its own, up to a full stop. Other
vocabularies say nothing about their order, so their purposes stand alone.
"""

import re

_CATENA_X = re.compile(r"cx(\.[A-Za-z0-9]+)+(:[0-9]+)?")


def with_wider(purpose: str) -> frozenset[str]:
    """A purpose and all that it lies under."""
    if not _CATENA_X.fullmatch(purpose):
        return frozenset((purpose,))
    parts = purpose.partition(":")[0].split(".")
    return frozenset((purpose, *(".".join(parts[:length]) for length in range(2, len(parts) + 1))))
