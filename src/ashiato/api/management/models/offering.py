"""What a company offers: assets with their sources, policies, offers."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ashiato.api.management.models.shared import InstantShown, JsonObject, Line, Model, OwnId

SecretName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"),
    Field(
        description="The name under which the operator keeps a secret; the secret itself never comes here."
    ),
]
MediaType = Annotated[
    str,
    StringConstraints(max_length=128, pattern=r"^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(;[ -~]*)?$"),
    Field(description="The media type of the data.", examples=["application/json"]),
]
Url = Annotated[str, StringConstraints(min_length=8, max_length=2048, pattern=r"^https?://[!-~]+$")]
Path = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=r"^[^\x00-\x1f\x7f\\]+$")]
Seconds = Annotated[int, Field(ge=1, le=600)]
HttpMethod = Literal["GET", "HEAD", "POST", "PUT"]


class RecordSource(Model):
    """A JSON record in the connector's own store; put it with `PUT …/assets/{asset_id}/record`."""

    kind: Literal["record"]


class FileSource(Model):
    """A file below the folder that the operator opened to this participant."""

    kind: Literal["file"]
    path: Path
    """Relative to that folder, with '/' between folders."""


class S3Source(Model):
    """An object behind the S3 API."""

    kind: Literal["s3"]
    endpoint: Url
    region: Annotated[str, StringConstraints(min_length=1, max_length=32, pattern=r"^[a-z0-9-]+$")]
    bucket: Annotated[
        str, StringConstraints(min_length=3, max_length=63, pattern=r"^[a-z0-9][a-z0-9.-]*[a-z0-9]$")
    ]
    key: Path
    access_key_id: SecretName
    secret_access_key: SecretName
    session_token: SecretName | None = None


class SqlSource(Model):
    """One fixed SELECT on the company's own database, read only. Give exactly one of `database` and `database_url`."""

    kind: Literal["sql"]
    query: Annotated[str, StringConstraints(min_length=1, max_length=100_000)]
    database: Path | None = None
    """A SQLite file below the participant's folder."""
    database_url: SecretName | None = None
    """The name of the secret that holds a PostgreSQL URL."""
    format: Literal["json", "csv"] = "json"
    most_rows_count: Annotated[int, Field(ge=1, le=10_000_000)] = 100_000
    """More rows end the answer as broken: a part must not pass for the whole."""
    timeout_s: Seconds = 60


class HttpSource(Model):
    """An HTTP API of the company's own, with credentials that never leave the connector."""

    kind: Literal["http"]
    base_url: Url
    headers: dict[str, str] = Field(default={})
    secret_headers: dict[str, SecretName] = Field(default={})
    """Header names to names of secrets."""
    forward_path: bool = False
    """Whether a caller's path below the asset is passed on."""
    forward_query: bool = False
    ranges: bool = False
    """Whether the API gives an entity tag and a length to HEAD and answers Range requests."""
    timeout_s: Seconds = 60


Source = Annotated[
    RecordSource | FileSource | S3Source | SqlSource | HttpSource,
    Field(discriminator="kind", description="Where the bytes are."),
]


class AssetBody(Model):
    """A dataset that this company can hand over."""

    title: Annotated[Line, Field(min_length=1)]
    source: Source
    media_type: MediaType = "application/json"
    data_item: Line = ""
    """What kind of data it is (a class for framework contracts and catalog filters)."""
    part_group: Line = ""
    """For which group of parts (a class for framework contracts and catalog filters)."""
    properties: JsonObject = Field(default={})
    """Further description, shown in the catalog."""
    methods: list[HttpMethod] = Field(default=["GET"], max_length=4)
    """The HTTP methods that the data plane forwards: POST and PUT make the asset an inbox or a query."""
    finite: bool = True
    """False for a stream or an inbox that never ends by itself."""


class Asset(Model):
    """An asset as it is stored."""

    asset_id: str
    title: str
    source: JsonObject
    media_type: str
    data_item: str
    part_group: str
    properties: JsonObject
    methods: list[str]
    finite: bool
    created_ms: InstantShown
    updated_ms: InstantShown


class RecordReceipt(Model):
    """What was stored as the record of an asset."""

    asset_id: str
    size_bytes: int
    sha256: str


class PolicyBody(Model):
    """An ODRL policy: the rules of an Offer, in the plain JSON of the Dataspace Protocol."""

    document: Annotated[
        JsonObject,
        Field(
            description="An object with `permission` and, if wanted, `prohibition` and `obligation`. What this connector "
            "cannot enforce is refused, so that nobody is told a lie.",
            examples=[
                {
                    "permission": [
                        {
                            "action": "use",
                            "constraint": [
                                {
                                    "leftOperand": "dateTime",
                                    "operator": "lteq",
                                    "rightOperand": "2027-12-31T00:00:00Z",
                                }
                            ],
                        }
                    ]
                }
            ],
        ),
    ]


class Policy(Model):
    """A policy as it is stored."""

    policy_id: str
    document: JsonObject
    created_ms: InstantShown


class OfferBody(Model):
    """Terms under which assets are offered: those named, or every asset of a data item and part group."""

    contract_policy_id: OwnId
    """The policy that is agreed."""
    access_policy_id: OwnId | None = None
    """The policy that decides who sees the offer; without it everybody does."""
    asset_ids: list[OwnId] = Field(default=[], max_length=20_000)
    data_item: Line | None = None
    part_group: Line | None = None
    approval: Literal["automatic", "manual"] = "automatic"
    """Whether a request that meets the terms is agreed at once or waits for a person."""
    alternative_policy_ids: list[OwnId] = Field(default=[], max_length=100)
    """Further policies that you would also sign, in the order in which they are proposed."""


class Offer(Model):
    """An offer as it is stored."""

    offer_id: str
    contract_policy_id: str
    access_policy_id: str | None
    asset_ids: list[str]
    data_item: str | None
    part_group: str | None
    approval: Literal["automatic", "manual"]
    alternative_policy_ids: list[str]
    created_ms: InstantShown
