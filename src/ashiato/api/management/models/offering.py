"""What a company offers: assets with their sources, policies, offers."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ashiato.api.management.models.shared import InstantShown, JsonObject, Line, Model, OwnId, Partner
from ashiato.api.management.models.terms import TermShown
from ashiato.connector import records

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


class AccessForm(Model):
    """Whom the owner lets in: everything that is given must be met, by any one of its values."""

    participants: list[Partner] = Field(default=[], max_length=10_000)
    """Named connectors only."""
    claims: dict[str, list[Line]] = Field(default={}, max_length=50)
    """Verified claims with their values: `{"role": ["recycler"]}`; any member of a credential by `RoleCredential.role`."""
    groups: list[OwnId] = Field(default=[], max_length=100)
    """Your own groups of partners."""
    security_profile: Literal["base", "trust", "trust+"] | None = None
    """The least security profile."""


Access = Annotated[
    AccessForm | list[AccessForm],
    Field(
        description="Who may connect at all, asked in the catalog, in negotiations, at transfers and at every read. Of several "
        "forms one must be met. Left out, everybody may.",
        examples=[{"participants": ["did:web:cathode.example"], "security_profile": "trust"}],
    ),
]
VisibilityName = Literal["hidden", "listed", "offered"]


def access_of(given: AccessForm | list[AccessForm]) -> tuple[records.AccessForm, ...]:
    """The forms as the connector keeps them."""
    forms = given if isinstance(given, list) else [given]
    return tuple(
        records.AccessForm(
            participants=tuple(dict.fromkeys(form.participants)),
            claims=tuple((name, tuple(dict.fromkeys(values))) for name, values in form.claims.items()),
            groups=tuple(dict.fromkeys(form.groups)),
            security_profile=form.security_profile,
        )
        for form in forms
    )


def access_shown(access: tuple[records.AccessForm, ...]) -> list[AccessForm]:
    """The same as it is read back."""
    return [
        AccessForm.of(form, claims={name: list(values) for name, values in form.claims}) for form in access
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
    visibility: VisibilityName = "offered"
    """`hidden` looks as if it did not exist, `listed` shows that it exists and takes requests, `offered` shows its offers."""
    access: Access = Field(default=[])
    classification: Line = ""
    """What policies call the classification of the data."""


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
    visibility: VisibilityName
    access: list[AccessForm]
    classification: str
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
    terms: list[TermShown]
    """Each term with who holds it."""
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
    access: Access = Field(default=[])


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
    access: list[AccessForm]
    access_policy: JsonObject | None
    """The ODRL policy that `access` was compiled to."""
    terms: list[TermShown]
    """Each term of the contract policy with who holds it."""
    created_ms: InstantShown
