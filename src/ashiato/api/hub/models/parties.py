"""Companies at the hub, as they are told and as they are shown."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ashiato.api.management.models.shared import Instant, InstantShown, Line, Model
from ashiato.hub.parties import CompanyData, PartyRecord, PlantData, Step

Number = Annotated[
    str,
    StringConstraints(max_length=320),
    Field(
        description="A number as kind:value; a Corporate Number (法人番号), an LEI and a GLN with their check digits.",
        examples=["corporate_number:7000012050002"],
    ),
]
PartyId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=512, pattern=r"^did:web:[!-~]+$"),
    Field(description="The DID of the company.", examples=["did:web:cathode.example"]),
]
Country = Annotated[
    str, StringConstraints(pattern=r"^[A-Z]{2}$"), Field(description="ISO 3166-1, such as JP.")
]
State = Literal["applied", "under_review", "admitted", "refused", "suspended", "expelled"]


class Plant(Model):
    """A plant (事業所)."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    country: Country
    identifiers: list[Number] = Field(default_factory=list)


class Company(Model):
    """What a company tells of itself."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    country: Country
    address: Line = ""
    contact: Line = ""
    identifiers: Annotated[list[Number], Field(min_length=1)]
    plants: list[Plant] = Field(default_factory=list)
    roles: list[str] = Field(default_factory=list)
    """The roles that it asks for."""
    invoice_number: Line = ""
    """T and 13 digits: 適格請求書発行事業者の登録番号."""

    def data(self) -> CompanyData:
        """For the inner room."""
        return CompanyData(
            name=self.name,
            country=self.country,
            address=self.address,
            contact=self.contact,
            identifiers=tuple(self.identifiers),
            plants=tuple(
                PlantData(name=one.name, country=one.country, identifiers=tuple(one.identifiers))
                for one in self.plants
            ),
            roles=tuple(self.roles),
            invoice_number=self.invoice_number,
        )


class Application(Model):
    """An application that the operator enters for a company, which confirms it with a token of its own."""

    party: PartyId
    company: Company


class Decision(Model):
    """A step of the operator."""

    act: Literal["review", "admit", "refuse", "suspend", "reinstate", "expel"]
    reason: Line = ""
    """Read by the company; needed to refuse, to suspend, to reinstate and to expel."""
    roles: list[str] | None = None
    """With `admit`: the roles that are granted; left out, those that were asked for."""


class Party(Model):
    """A company of the register."""

    party: str
    state: State
    company: Company
    roles: list[str]
    """Those that were granted."""
    proved_ms: InstantShown | None
    """When its DID was proved last for an application."""
    created_ms: InstantShown
    updated_ms: InstantShown

    @classmethod
    def shown(cls, record: PartyRecord) -> "Party":
        """The model of a record."""
        return cls.of(record, party=record.party_id)


class PartyStep(Model):
    """One step: who, when, why."""

    sequence: int
    act: str
    before: str | None
    after: str
    actor: str
    at_ms: Instant
    reason: str

    @classmethod
    def shown(cls, step: Step) -> "PartyStep":
        """The model of a step."""
        return cls.of(step)


class PartyWithSteps(Model):
    """A company with its whole life."""

    party: Party
    steps: list[PartyStep]


class Own(Model):
    """What an admitted party is told of itself."""

    party: str
    name: str
    roles: list[str]
