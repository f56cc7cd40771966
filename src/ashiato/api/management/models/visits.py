"""Bodies and answers about declarations, and about the visit of an independent verifier."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ashiato.api.management.models.requests import PartName, Text
from ashiato.api.management.models.shared import (
    Address,
    Instant,
    InstantShown,
    JsonObject,
    Line,
    Model,
    Partner,
)

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class DeclarationShown(Model):
    """A declaration that this connector signed for its company."""

    sha256: str
    kind: str
    id: str
    asset_id: str
    signed_ms: InstantShown
    standing: str
    """Empty as long as it holds; else `rests-on-stale`, `superseded` or `withdrawn`."""
    statements: int
    """So many statements of verifiers stand beside it."""
    is_time_stamped: bool
    app_id: str


class WithdrawalBody(Model):
    """Why a declaration is taken back; whoever reads the declaration reads it."""

    reason: Line


class StatementAttached(Model):
    """A verifier's statement as it came: the content of the asset that the verifier offers."""

    type: Literal["SignedStatement"] = "SignedStatement"
    statement: Annotated[str, StringConstraints(min_length=1, max_length=400_000)]


class LinesAsked(Model):
    """Which lines of which declaration a verifier wants to see."""

    partner: Partner
    product: Annotated[PartName, Field(min_length=1)]
    """The declarer's own id of the product."""
    declaration_sha256: Sha256
    lines: list[Annotated[int, Field(ge=0)]] = Field(min_length=1, max_length=100)
    due_ms: Instant
    text: Text = ""
    address: Address | None = None


class LinesToCheck(Model):
    """What the verifier received: the signed declaration, and the lines that were opened of it."""

    declaration: JsonObject
    opened: JsonObject | None = None


class LineShown(Model):
    """One opened line, which stands in the inventory that was committed to."""

    index: int
    line: JsonObject


class LinesChecked(Model):
    """All of the lines stand in the inventory of this signed declaration."""

    issuer: str
    product: str
    declaration_id: str
    declaration_sha256: str
    total_kg: str
    lines_count: int
    """How many lines the inventory has."""
    lines: list[LineShown]


class StatementBody(LinesToCheck):
    """What the verifier found; who, what about and which lines is taken from what was checked."""

    standard: Annotated[Line, Field(min_length=1, examples=["ISO 14067:2018"])]
    level: Literal["limited", "reasonable"]
    party: Literal["second_party", "third_party"] = "third_party"
    scope: Line
    finding: Literal["conforms", "conforms_with_remarks", "does_not_conform"]
    remarks: Line = ""
    valid_until_ms: Instant = 0
    """0: for as long as the declaration."""


class StatementMade(Model):
    """The signed statement, and the asset in which the declarer alone may fetch it."""

    asset_id: str
    declaration_sha256: str
    lines: list[int]
    statement: str
