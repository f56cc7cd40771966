"""What is wrong with records that somebody wants to store, each fault with its record and its member."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from ashiato.connector.problems import Invalid, Problem


class Fault(msgspec.Struct, frozen=True):
    """One fault of the record at `index` of those that were given; `path` is the member that must be mended."""

    index: int
    path: str
    sentence: str
    fields: dict[str, object] = {}


class Faults:
    """Collects faults, so that whoever sent a thousand records hears of all that must be mended at once."""

    def __init__(self) -> None:
        self.found: list[Fault] = []

    def add(self, index: int, path: str, sentence: str, **fields: object) -> None:
        """Note a fault."""
        self.found.append(Fault(index, path, sentence, fields))

    @contextmanager
    def of(self, index: int, path: str) -> Iterator[None]:
        """What is refused inside is a fault of that record; `path` stands unless the refusal names its own."""
        try:
            yield
        except Problem as problem:
            fields = dict(problem.fields)
            self.found.append(Fault(index, str(fields.pop("path", path)), problem.sentence, fields))

    def good(self, count: int) -> list[int]:
        """The indexes of the records without a fault so far."""
        bad = {fault.index for fault in self.found}
        return [index for index in range(count) if index not in bad]


def refuse(faults: Sequence[Fault]) -> None:
    """Raises `Invalid` with the first fault, if there is one."""
    for fault in faults:
        raise Invalid(fault.sentence, path=fault.path, **fault.fields)


def repeated(keys: Iterable[object], add: Callable[[int, object], None]) -> None:
    """Calls `add` with the index and the key of each one that stood before."""
    seen: set[object] = set()
    for index, key in enumerate(keys):
        if key in seen:
            add(index, key)
        seen.add(key)
