"""Apps and their manifests."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ashiato.api.management.models.shared import ForeignId, InstantShown, Line, Model
from ashiato.connector.vault_records import AppItems, AppManifest

Word = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[!-~]+$")]


class Items(Model):
    """Data that an app reads."""

    asset_id: ForeignId
    """An asset id, or the beginning of one with `*` behind it."""
    partner: Annotated[str, StringConstraints(max_length=512, pattern=r"^[!-~]*$")] = ""
    """Only what came from this company; empty for any."""
    own: bool = False
    """The company's own assets, instead of data received."""


class Manifest(Model):
    """What an app says of itself and what it is allowed."""

    name: Line
    version: Line
    digest: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of the program."""
    purposes: list[Word] = Field(default=[], max_length=100)
    reads: list[Items] = Field(default=[], max_length=100)
    writes: list[Word] = Field(default=[], max_length=100)
    """Beginnings of the ids of the assets that it writes."""
    signs: list[Word] = Field(default=[], max_length=100)
    """Kinds of words that it may have signed in the name of the company."""
    command: Annotated[str, StringConstraints(max_length=128, pattern=r"^[A-Za-z0-9_.-]*$")] = ""
    """A file in the folder of apps that the operator opened; empty where the connector never starts it."""
    certification: Annotated[str, StringConstraints(max_length=65_536, pattern=r"^[!-~]*$")] = ""
    """Its AppCertificationCredential, as it was issued."""

    def record(self) -> AppManifest:
        """The record of the inner rooms."""
        return AppManifest(
            name=self.name,
            version=self.version,
            digest=self.digest,
            purposes=tuple(self.purposes),
            reads=tuple(
                AppItems(asset_id=items.asset_id, partner=items.partner, own=items.own)
                for items in self.reads
            ),
            writes=tuple(self.writes),
            signs=tuple(self.signs),
            command=self.command,
            certification=self.certification,
        )


class Certification(Model):
    """What is known now of an app's certification."""

    counts: bool
    """Whether it counts here, for this app and this digest; it is looked at again as the credentials of partners are."""
    certified_as: str
    """The name that was certified; a policy calls the app `certified:` and this. Empty where it does not count."""
    issuer: str
    """By whom."""
    holder: str
    """To whom the credential was issued: the app's maker, or the company."""
    valid_until_ms: InstantShown | None
    why: str
    """Why it does not count; empty when it does."""


class App(Model):
    """An app that the company registered."""

    app_id: str
    manifest: Manifest
    state: Literal["proposed", "approved", "revoked"]
    created_ms: InstantShown
    approved_ms: InstantShown | None
    certification: Certification | None = None
    """Null where the manifest holds none."""


class ApprovedApp(Model):
    """An approved app with its token."""

    app: App
    token: str
    """What opens the app interface; it is shown only here."""


class StartedApp(Model):
    """A run that began."""

    app_id: str
    digest: Literal["enforced"]
