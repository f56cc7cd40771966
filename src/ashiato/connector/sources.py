"""Where the bytes of an asset lie: one port for every kind of source, and the description that an owner writes."""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Literal, Protocol
from urllib.parse import urlsplit

import msgspec

from ashiato.connector.problems import Invalid
from ashiato.connector.records import Asset
from ashiato.policy.transformations import Transformation

LONGEST_QUERY_LENGTH_COUNT = 100_000
MOST_ROWS_COUNT = 10_000_000
LONGEST_STATEMENT_S = 600

Chunks = AsyncGenerator[bytes]
Write = Callable[[bytes], Awaitable[None]]
Aside = Callable[[], None]
"""Work that a source with a thread of its own does there before each read; it blocks, and may be left undone."""
Opened = Callable[[Aside], Chunks]
"""Opens a source."""

SecretName = str
"""The name under which the operator keeps a secret; an asset never holds the secret itself."""


class BadSource(Invalid):
    """The owner described a source that cannot work; `path` points at the member, `problem` says what it must be."""

    code = "bad-source"

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"source{path and '.' + path}: {problem}", path=path)
        self.path = path
        self.problem = problem


class RecordPlace(msgspec.Struct, frozen=True, tag="record", tag_field="kind", forbid_unknown_fields=True):
    """A JSON record in the connector's own store, under the id of the asset."""


class FilePlace(msgspec.Struct, frozen=True, tag="file", tag_field="kind", forbid_unknown_fields=True):
    """A file below the folder that the operator opened to this participant; `path` is relative to it."""

    path: str


class S3Place(
    msgspec.Struct, frozen=True, kw_only=True, tag="s3", tag_field="kind", forbid_unknown_fields=True
):
    """An object behind the S3 API, addressed as `endpoint/bucket/key`; the credentials are names of secrets."""

    endpoint: str
    region: str
    bucket: str
    key: str
    access_key_id: SecretName
    secret_access_key: SecretName
    session_token: SecretName | None = None


class SqlPlace(
    msgspec.Struct, frozen=True, kw_only=True, tag="sql", tag_field="kind", forbid_unknown_fields=True
):
    """One fixed SELECT on the company's own database; nothing that a caller sends reaches its text.

    Exactly one of `database` (a SQLite file below the participant's folder) and `database_url` (the name of the secret that
    holds a PostgreSQL URL). More rows than `most_rows_count` end the answer as broken: a part must not pass for the whole.
    """

    query: str
    database: str | None = None
    database_url: SecretName | None = None
    format: Literal["json", "csv"] = "json"
    most_rows_count: int = 100_000
    timeout_s: int = 60


class HttpPlace(
    msgspec.Struct, frozen=True, kw_only=True, tag="http", tag_field="kind", forbid_unknown_fields=True
):
    """An HTTP API of the company's own. `headers` are sent as they stand, `secret_headers` name secrets.

    A caller's path and query are passed on only where the owner says so; `ranges` says that the API gives an entity tag and
    a length to HEAD and answers Range requests, so that a broken download can be resumed.
    """

    base_url: str
    headers: dict[str, str] = {}
    secret_headers: dict[str, SecretName] = {}
    forward_path: bool = False
    forward_query: bool = False
    ranges: bool = False
    timeout_s: int = 60


class SupplyInboxPlace(
    msgspec.Struct, frozen=True, tag="supply-inbox", tag_field="kind", forbid_unknown_fields=True
):
    """The company's own inbox for requests for data: what a partner posts there is acted on, and nothing is read."""


Place = RecordPlace | FilePlace | S3Place | SqlPlace | HttpPlace | SupplyInboxPlace


class SourceDescription(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the bytes before the first is read.

    `etag` is the whole entity tag with its quotes; without it, or without `ranges`, a broken download starts anew. `sha256`
    is the hexadecimal hash of the whole, where it is known beforehand.
    """

    media_type: str
    size_bytes: int | None = None
    etag: str | None = None
    ranges: bool = False
    sha256: str | None = None


class Forwarded(msgspec.Struct, frozen=True, kw_only=True):
    """A caller's request to an asset that is an inbox or a query. `path` is raw (still percent-encoded), "" for the asset.

    `caller` is the verified consumer of the agreement under which it comes.
    """

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    caller: str = ""


class ForwardedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the source answered; `headers` are only those that a caller may see."""

    status_code: int
    headers: tuple[tuple[str, str], ...]
    body: Chunks


class SourceUnavailable(Exception):
    """The source did not give what it should; its owner must look. `why` is for the owner's log, never for a caller."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class NotAlterable(SourceUnavailable):
    """A policy demands changes that cannot be made in this data, so none of it is handed out; `why` is for the owner's log."""


class ForwardRefused(Exception):
    """The caller sent a path, query or body that this source does not take; `reason` may be told."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Source(Protocol):
    """The bytes behind one asset for one request: described first, then opened, closed in any case."""

    async def describe(self) -> SourceDescription:
        """Raises `SourceUnavailable`."""

    def open(self, start_bytes: int, end_bytes: int | None, aside: Aside | None = None) -> Chunks:
        """Chunks from `start_bytes` up to, not including, `end_bytes` (None = the end), of what `describe` described.

        Raises `SourceUnavailable` also in the middle, when the bytes change or end too early.
        """

    async def digest(self) -> str | None:
        """The hexadecimal SHA-256 of what `describe` described, read for it where need be; None where that is impossible.

        Raises `SourceUnavailable`.
        """

    def learn(self, sha256: str) -> None:
        """Told when the whole was read and hashed, so that `describe` may know the hash the next time."""

    def vet(self, request: Forwarded) -> None:
        """Refuse what this source does not take, before a use is counted for it; raises `ForwardRefused`."""

    async def forward(self, request: Forwarded) -> ForwardedAnswer:
        """Hand a vetted request on and answer as the source does; raises `SourceUnavailable`."""

    async def close(self) -> None: ...


class SourceFactory(Protocol):
    """Port: asset to source."""

    def source(self, participant_id: str, asset: Asset, changes: tuple[Transformation, ...] = ()) -> Source:
        """The source of the asset, with these changes made on the way out.

        Raises `BadSource` when the description does not hold (it was stored by an older program, say).
        """


class Secrets(Protocol):
    """Port: the secrets of one participant, by name. A name never comes from a counterparty."""

    def get(self, participant_id: str, name: SecretName) -> str:
        """Raises `UnknownSecret`."""


class UnknownSecret(Exception):
    """The operator has not configured the secret of that name for this participant."""

    def __init__(self, name: SecretName) -> None:
        super().__init__(f"no secret named {name!r} is configured")
        self.name = name


class ReceivedPart(Protocol):
    """One file that is coming in. All methods block on the disk: call them in a thread."""

    @property
    def size_bytes(self) -> int:
        """How much is there: after a restart, what the broken attempt left."""

    def append(self, chunk: bytes) -> None: ...
    def restart(self) -> None:
        """Throw away what is there."""

    def sha256(self) -> str:
        """Hexadecimal SHA-256 of what is there, from the first byte on."""

    def finish(self, file_name: str) -> None:
        """Make the file durable under its final name."""

    def close(self) -> None:
        """Keep what is there for the next attempt."""


class ReceivedReader(Protocol):
    """A finished file that is read. All methods block on the disk: call them in a thread."""

    def read(self, start_bytes: int, most_bytes: int) -> bytes:
        """Bytes from `start_bytes` on, b"" behind the end; raises `OSError`, also for a file that was damaged."""

    def close(self) -> None: ...


class ReceivedFiles(Protocol):
    """Port: the store of received files, one folder for each participant. All methods block on the disk."""

    def part(self, participant_id: str, transfer_pid: str) -> ReceivedPart:
        """The unfinished file of that transfer, opened for appending; it is made when there is none."""

    def open(self, participant_id: str, file_name: str) -> ReceivedReader:
        """A finished file; raises `FileNotFoundError`."""

    def remove(self, participant_id: str, file_name: str) -> None:
        """Delete a finished file, and what came in of it."""

    def remove_part(self, participant_id: str, transfer_pid: str) -> None:
        """Delete the unfinished file of a transfer that will not be continued, if there is one."""


_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]{0,4096}")
_SECRET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION = re.compile(r"[a-z0-9-]{1,32}")
_SELECT = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(?:select|with|values|table)\b", re.IGNORECASE | re.DOTALL)
# These belong to the connection or are made by the client itself; an owner who sets them breaks the framing.
RESERVED_HEADERS = frozenset(
    "connection content-length expect host keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer "
    "transfer-encoding upgrade".split()
)


def place_of(source: Mapping[str, object]) -> Place:
    """The place that an owner described; raises `BadSource` at the first member that is wrong."""
    try:
        place: Place = msgspec.convert(dict(source), Place)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$")
        raise BadSource(path.strip("`."), problem) from None
    match place:
        case RecordPlace() | SupplyInboxPlace():
            pass
        case FilePlace():
            _check_path("path", place.path)
        case S3Place():
            _check_s3(place)
        case SqlPlace():
            _check_sql(place)
        case HttpPlace():
            _check_http(place)
    return place


def check_source(source: Mapping[str, object]) -> None:
    """Refuse, when an asset is stored, a source that could not be read later; raises `BadSource`."""
    place_of(source)


def _check_path(member: str, path: str) -> None:
    if not path or len(path) > 1024 or not path.isprintable() or "\\" in path:
        raise BadSource(member, "a relative path of 1 to 1024 printable characters, with '/' between folders")
    if any(part in ("", ".", "..") for part in path.split("/")):
        raise BadSource(
            member, "a path below the opened folder: no leading '/', no empty part, no '.' and no '..'"
        )


def _check_url(member: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or 0 < parts.port < 65_536
    except ValueError:
        raise BadSource(member, "an absolute http or https URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine:
        raise BadSource(member, "an absolute http or https URL")
    if "@" in parts.netloc or parts.query or parts.fragment or not re.fullmatch(r"[!-~]+", url):
        raise BadSource(member, "a URL without user, query, fragment, spaces and control characters")


def _check_secret(member: str, name: SecretName) -> None:
    if not _SECRET_NAME.fullmatch(name):
        raise BadSource(member, "the name of a secret: letters, digits, '_', '.' and '-', at most 128")


def _check_s3(place: S3Place) -> None:
    _check_url("endpoint", place.endpoint)
    if urlsplit(place.endpoint).path not in ("", "/"):
        raise BadSource("endpoint", "a URL without a path; bucket and key stand on their own")
    if not _BUCKET.fullmatch(place.bucket) or ".." in place.bucket:
        raise BadSource("bucket", "a bucket name of 3 to 63 lower-case letters, digits, '.' and '-'")
    if not place.key or len(place.key.encode("utf-8")) > 1024 or not place.key.isprintable():
        raise BadSource("key", "an object key of 1 to 1024 bytes without control characters")
    # S3 takes these literally, every proxy in between resolves them: the signed path would not be the fetched one.
    if any(part in (".", "..") for part in place.key.split("/")):
        raise BadSource("key", "an object key without the parts '.' and '..'")
    if not _REGION.fullmatch(place.region):
        raise BadSource("region", "a region name such as eu-central-1")
    _check_secret("access_key_id", place.access_key_id)
    _check_secret("secret_access_key", place.secret_access_key)
    if place.session_token is not None:
        _check_secret("session_token", place.session_token)


def _check_sql(place: SqlPlace) -> None:
    if (place.database is None) == (place.database_url is None):
        raise BadSource("database", "exactly one of 'database' and 'database_url' must be given")
    if place.database is not None:
        _check_path("database", place.database)
    if place.database_url is not None:
        _check_secret("database_url", place.database_url)
    if len(place.query) > LONGEST_QUERY_LENGTH_COUNT or "\0" in place.query or not _SELECT.match(place.query):
        raise BadSource("query", f"one SELECT of at most {LONGEST_QUERY_LENGTH_COUNT} characters")
    if not 1 <= place.most_rows_count <= MOST_ROWS_COUNT:
        raise BadSource("most_rows_count", f"a number from 1 to {MOST_ROWS_COUNT}")
    if not 1 <= place.timeout_s <= LONGEST_STATEMENT_S:
        raise BadSource("timeout_s", f"seconds from 1 to {LONGEST_STATEMENT_S}")


def _check_http(place: HttpPlace) -> None:
    _check_url("base_url", place.base_url)
    for name, value in place.headers.items():
        _check_header("headers", name)
        if not _HEADER_VALUE.fullmatch(value):
            raise BadSource(f"headers.{name}", "visible ASCII characters, at most 4096")
    for name, secret in place.secret_headers.items():
        _check_header("secret_headers", name)
        _check_secret(f"secret_headers.{name}", secret)
    if not 1 <= place.timeout_s <= LONGEST_STATEMENT_S:
        raise BadSource("timeout_s", f"seconds from 1 to {LONGEST_STATEMENT_S}")


def _check_header(member: str, name: str) -> None:
    if not _HEADER_NAME.fullmatch(name):
        raise BadSource(member, f"{name[:40]!r} is no header name")
    if name.lower() in RESERVED_HEADERS:
        raise BadSource(
            f"{member}.{name}", "this header belongs to the connection and is set by the client itself"
        )
