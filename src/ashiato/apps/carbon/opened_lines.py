"""Single lines of the inventory behind a declaration, opened to one verifier, and what the verifier makes of them.

Each opened line proves itself against the root that the signed declaration commits to, so the declarer can show no other line
than the one it computed with, and the verifier learns nothing of the lines that it did not ask for.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec
import rfc8785

from ashiato.apps.carbon.attestations import VERSION, VerifiedDeclaration
from ashiato.apps.carbon.commitments import KeptLines, Opening, opens
from ashiato.apps.carbon.declarations import MalformedDeclaration
from ashiato.facts.strict_json import MalformedJson, parse_strict

MOST_LINES_COUNT = 100
MOST_OPENED_BYTES = 1_048_576


class OpenedLines(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """The lines that a declarer opened of one declaration, in ascending order of their indexes."""

    version: int = VERSION
    type: Literal["OpenedLines"] = "OpenedLines"
    declaration_sha256: str
    openings: tuple[Opening, ...]


def opened(kept: KeptLines, indexes: Sequence[int]) -> bytes:
    """The canonical JSON of these lines; IndexError for one that is not there."""
    lines = OpenedLines(
        declaration_sha256=kept.declaration_sha256,
        openings=tuple(kept.open(index) for index in sorted(set(indexes))),
    )
    return rfc8785.dumps(msgspec.to_builtins(lines))


def read_kept(content: bytes) -> KeptLines | None:
    """What a company keeps of a declaration's lines; None where that is something else."""
    try:
        return msgspec.convert(parse_strict(content, max_bytes=max(len(content), 1)), KeptLines, strict=True)
    except (MalformedJson, msgspec.ValidationError):
        return None


def check_lines(content: bytes, declaration: VerifiedDeclaration) -> OpenedLines:
    """The lines in foreign bytes, each of which stands in the inventory of that declaration; raises `MalformedDeclaration`."""
    try:
        lines = msgspec.convert(parse_strict(content, max_bytes=MOST_OPENED_BYTES), OpenedLines, strict=True)
    except (MalformedJson, msgspec.ValidationError) as error:
        raise MalformedDeclaration(f"these are no opened lines: {error}") from None
    committed = declaration.declaration.inventory
    if lines.version != VERSION:
        raise MalformedDeclaration(f"version {lines.version} of opened lines is not known")
    if lines.declaration_sha256 != declaration.sha256:
        raise MalformedDeclaration("these are lines of another declaration")
    if committed is None:
        raise MalformedDeclaration("the declaration commits to no inventory, so no line of it can be proved")
    indexes = [opening.index for opening in lines.openings]
    if not indexes or indexes != sorted(set(indexes)) or len(indexes) > MOST_LINES_COUNT:
        raise MalformedDeclaration(f"1 to {MOST_LINES_COUNT} lines are opened, each once and in their order")
    for opening in lines.openings:
        if not opens(opening, committed):
            raise MalformedDeclaration(
                f"line {opening.index} does not stand in the inventory that was committed to"
            )
    return lines
