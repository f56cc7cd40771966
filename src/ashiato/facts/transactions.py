"""The words that every unit of work shares: a room in it, and that somebody else was first."""

from typing import Generic, TypeVar

import msgspec

R = TypeVar("R")


class Room(msgspec.Struct, Generic[R], frozen=True):
    """The name of a room of the unit of work, and the port of what is found there."""

    name: str


class Conflict(Exception):
    """Somebody wrote the same key first; the unit of work is run again and then sees it."""
