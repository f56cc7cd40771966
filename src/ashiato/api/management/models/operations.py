"""Participants of this node, its history and webhooks, its health."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ashiato.api.management.models.shared import InstantShown, JsonObject, Line, Model, PageQuery

Slug = Annotated[
    str,
    StringConstraints(min_length=1, max_length=63, pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"),
    Field(description="The path segment under which the participant is reached.", examples=["cathode"]),
]
EventName = Annotated[
    str,
    StringConstraints(max_length=100, pattern=r"^[a-z]+(\.[a-z]+)*\.?$"),
    Field(
        description="The name of an event, or a prefix that ends in '.'.",
        examples=["transfer.", "approval.needed"],
    ),
]


class Health(Model):
    """The node answers."""

    status: Literal["ok"]


class NewParticipant(Model):
    """A company to serve from this node."""

    slug: Slug
    name: Annotated[Line, Field(min_length=1, max_length=200)]
    did: Annotated[str, StringConstraints(max_length=512, pattern=r"^did:web:[A-Za-z0-9._:%-]+$")] | None = (
        None
    )
    """Left out, a did:web under this node's own address."""


class Participant(Model):
    """A company that this node serves."""

    slug: str
    name: str
    participant_id: str
    """Its DID."""
    address: str
    """Where others speak the Dataspace Protocol with it."""


class CreatedParticipant(Model):
    """The new participant and its first API key, which is shown only here."""

    participant: Participant
    api_key: str


class HistoryEntry(Model):
    """One thing that happened, in order."""

    sequence: int
    at_ms: InstantShown
    event: str
    process_id: str
    partner: str
    details: JsonObject


class HistoryQuery(PageQuery):
    """Which part of the history is wanted."""

    cursor: Annotated[
        str,
        StringConstraints(pattern=r"^[0-9]{0,18}$"),
        Field(description="The `next_cursor` of the page before."),
    ] = ""
    process_id: (
        Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=r"^[^\x00-\x1f\x7f]+$")]
        | None
    ) = None


class EventQuery(BaseModel):
    """From where on events are wanted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: Annotated[
        str,
        StringConstraints(pattern=r"^[0-9]{0,18}$"),
        Field(
            description="The sequence of the last history entry that you have seen; empty means from now on."
        ),
    ] = ""


class WebhookBody(Model):
    """An address of your own that is told of events, signed."""

    url: Annotated[str, StringConstraints(min_length=8, max_length=2048, pattern=r"^https?://[!-~]+$")]
    events: Annotated[list[EventName], Field(min_length=1, max_length=100)]


class Webhook(Model):
    """A webhook as it is stored."""

    webhook_id: str
    url: str
    events: list[str]
    created_ms: InstantShown
