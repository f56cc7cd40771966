"""Holds every message that any test lets out over the protocol's wire against the official schemas."""

import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ashiato.dsp import v2025_1 as wire
from tests.dsp_schemas import DspSchemas

_WRITERS = ("encode", "encode_catalog", "encode_root_dataset", "encode_versions")


class Witness:
    """Looks at each document as it leaves; what a schema refuses is kept until somebody asks."""

    def __init__(self, schemas: DspSchemas) -> None:
        self._schemas = schemas
        self._faults: list[str] = []
        self.seen_count = 0

    def watched(self, write: Callable[..., bytes]) -> Callable[..., bytes]:
        """`write` with a witness."""

        @functools.wraps(write)
        def writing(*arguments: object, **named: object) -> bytes:
            document = write(*arguments, **named)
            self.seen_count += 1
            self._faults += [f"{fault} in {document!r:.600}" for fault in self._schemas.faults(document)]
            return document

        return writing

    def take_faults(self) -> list[str]:
        """What was wrong since the last time."""
        faults, self._faults = self._faults, []
        return faults


@pytest.fixture(scope="session", autouse=True)
def wire_witness() -> Iterator[Witness | None]:
    """The witness of all that is sent; None where the official schemas are not at hand, which other tests report."""
    given = os.environ.get("ASHIATO_CONFORMANCE")
    folder = Path(given) if given else Path(__file__).parents[3] / "shared" / "conformance"
    if not folder.is_dir() and not os.environ.get("CI"):
        yield None
        return
    witness = Witness(DspSchemas(folder / "dsp"))
    with pytest.MonkeyPatch.context() as patch:
        for name in _WRITERS:
            patch.setattr(wire, name, witness.watched(getattr(wire, name)))
        yield witness


@pytest.fixture(autouse=True)
def _every_message_satisfies_the_schemas(wire_witness: Witness | None) -> Iterator[None]:
    yield
    if wire_witness is not None:
        assert wire_witness.take_faults() == []
