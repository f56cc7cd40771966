"""What the models have in common: strict members, names of the outside for those of the inside, pages."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Generic, Literal, Self, TypeVar

import msgspec
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

LONGEST_INSTANT_MS = 253_402_300_799_999
MOST_ITEMS_COUNT = 500

# A client knows partners, assets and processes; "peer", "dataset" and "own" are words of the inner rooms.
_OUTSIDE_NAME: Mapping[str, str] = {
    "peer_id": "partner",
    "peer_pid": "partner_pid",
    "peer_address": "partner_address",
    "dataset_id": "asset_id",
}

OwnId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x20\x7f/\\?#%]+$"),
    Field(description="An id of your own choice, without spaces, slashes, '?', '#' and '%'."),
]
ForeignId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=1024, pattern=r"^[^\x00-\x1f\x7f]+$"),
    Field(description="An id that a partner chose, as it stands in its catalog or messages."),
]
Partner = Annotated[
    str,
    StringConstraints(min_length=1, max_length=512, pattern=r"^[!-~]+$"),
    Field(description="The participant id (DID) of the other company.", examples=["did:web:cathode.example"]),
]
Address = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2048, pattern=r"^https?://[!-~]+$"),
    Field(
        description="Where the partner speaks the Dataspace Protocol (its base URL). Left out, it is looked up from the DID."
    ),
]
ProcessId = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"),
    Field(
        description="A UUID of your own choice. A repeated request with the same id starts nothing new and returns what the "
        "first one started."
    ),
]
Line = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
Reason = Annotated[
    str,
    StringConstraints(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$"),
    Field(description="Why, in words that the partner may read."),
]
Instant = Annotated[
    int, Field(ge=0, le=LONGEST_INSTANT_MS, description="Milliseconds since 1970-01-01T00:00:00Z.")
]
# What is read back has plain types: a partner or an older program may have written what these rules would not take in.
InstantShown = Annotated[int, Field(description="Milliseconds since 1970-01-01T00:00:00Z.")]
PartnerShown = Annotated[str, Field(description="The participant id (DID) of the other company.")]
JsonObject = dict[str, JsonValue]
Role = Literal["CONSUMER", "PROVIDER"]
WireFormat = Literal["HttpData-PULL", "HttpData-PUSH"]

ModelT = TypeVar("ModelT", bound=BaseModel)


class Model(BaseModel):
    """Strict: no member that is not described, no number in a text's place."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)

    @classmethod
    def of(cls, record: msgspec.Struct, **more: object) -> Self:
        """The model of a record: its members under their outside names, those that the model does not show left out."""
        members = {_OUTSIDE_NAME.get(name, name): value for name, value in _builtins(record).items()}
        shown = {name: value for name, value in (members | more).items() if name in cls.model_fields}
        # Not strict: a record holds tuples where a document has lists.
        return cls.model_validate(shown, strict=False)


class Page(Model, Generic[ModelT]):
    """Items in a fixed order, and where the next page begins."""

    items: list[ModelT]
    next_cursor: str | None
    """Give it as `cursor` to get the next page; null at the end."""


class PageQuery(BaseModel):
    """Which part of a list is wanted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[int, Field(ge=1, le=MOST_ITEMS_COUNT, description="How many items at most.")] = 100
    cursor: Annotated[
        str,
        StringConstraints(max_length=1100, pattern=r"^[^\x00-\x1f\x7f]*$"),
        Field(description="The `next_cursor` of the page before; empty for the first page."),
    ] = ""


def page_of(
    kind: type[Page[ModelT]], found: Sequence[ModelT], limit_count: int, cursor_of: Callable[[ModelT], str]
) -> Page[ModelT]:
    """A page from one item more than was asked for: the surplus item says that there is a next page."""
    items = list(found[:limit_count])
    return kind(items=items, next_cursor=cursor_of(items[-1]) if len(found) > limit_count else None)


def _builtins(record: msgspec.Struct) -> dict[str, object]:
    members = msgspec.to_builtins(record)
    if not isinstance(members, dict):
        raise TypeError(f"{type(record).__name__} is not a record with members")
    return members


class Problem(Model):
    """A problem document (RFC 9457). `detail` is one sentence that says what to do."""

    type: Annotated[str, Field(pattern=r"^urn:ashiato:problem:[a-z-]+$")]
    """`urn:ashiato:problem:` and a code that stays; see docs/management_api.md."""
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    fields: JsonObject
    """What the sentence speaks of, for programs: `path`, `id`, `state`, `errors`, …"""
