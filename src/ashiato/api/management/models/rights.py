"""What the owner says for policies, what is owed, and what a policy answers now."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ashiato.api.management.models.shared import (
    InstantShown,
    JsonObject,
    Line,
    Model,
    PageQuery,
    Partner,
    PartnerShown,
)
from ashiato.api.management.models.terms import TermShown

FactName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100, pattern=r"^[A-Za-z][A-Za-z0-9:._ -]*$"),
    Field(description="`event`, `payAmount`, or with a unit `payAmount in EUR`."),
]
ObligationStateName = Literal["pending", "fulfilled", "overdue", "void"]
ObligationActName = Literal["fulfil", "void", "reopen"]


class GroupBody(Model):
    """Partners that policies call by one name: `group`, or Catena-X's `BusinessPartnerGroup`."""

    title: Line = ""
    members: list[Partner] = Field(default=[], max_length=10_000)


class Group(Model):
    """A group as it is stored."""

    group_id: str
    title: str
    members: list[PartnerShown]
    updated_ms: InstantShown


class FactBody(Model):
    """What is so, until it is withdrawn."""

    values: list[Annotated[Line, Field(min_length=1)]] = Field(max_length=1000)
    """The events that go on now, or the one amount that was paid, as a decimal number."""
    agreement_id: Line = ""
    """The agreement that it is about; left out, it holds for all of them."""
    note: Line = ""


class Fact(Model):
    """A declared fact as it is stored."""

    name: str
    values: list[str]
    agreement_id: str
    note: str
    declared_ms: InstantShown


class FactQuery(PageQuery):
    """Which facts are wanted."""

    agreement_id: Annotated[
        str | None, Field(max_length=1024, description="Only those of this agreement.")
    ] = None


class ObligationQuery(PageQuery):
    """Which obligations are wanted."""

    agreement_id: Annotated[
        str | None, Field(max_length=1024, description="Only those of this agreement.")
    ] = None
    state: Annotated[ObligationStateName | None, Field(description="Only those in this state.")] = None


class ObligationAct(Model):
    """Why, for the record."""

    reason: Line = ""


class Obligation(Model):
    """One duty of an agreement, owed once or as one occurrence of a series."""

    obligation_id: str
    agreement_id: str
    partner: PartnerShown
    asset_id: str
    path: str
    """Where the duty stands in the policy."""
    action: str
    enforcement: str
    trigger: str
    is_own: bool
    """True when your company owes it."""
    comes_first: bool
    """True when data is handed out only after it was done."""
    details: JsonObject
    due_ms: InstantShown | None
    state: ObligationStateName
    reason: str
    created_ms: InstantShown
    settled_ms: InstantShown | None
    recurs: bool
    """True when the next one follows after the interval that the policy names."""
    occurrence: int
    """The how manieth of the series it is."""


class ReasonShown(Model):
    """Why something holds or not, with what it depends on."""

    code: str
    path: str
    satisfied: bool | None
    """Null when it cannot be known here."""
    sentence: str
    sentence_ja: str
    children: list["ReasonShown"]


class DecisionShown(Model):
    """What the policy of an agreement answers to a read now, with every reason and with who holds each term."""

    agreement_id: str
    partner: PartnerShown
    permitted: bool
    summary: str
    reasons: list[ReasonShown]
    duties: list[ReasonShown]
    terms: list[TermShown]
