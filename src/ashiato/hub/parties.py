"""What the register holds of a company, each step of its life, and the checks of what it tells."""

import re

import msgspec

from ashiato.facts.identifiers import IdentifierKind, MalformedIdentifier, parse_identifier
from ashiato.facts.problems import Invalid
from ashiato.hub.onboarding import Act, PartyState
from ashiato.identity.issuing import ROLES

LONGEST_NAME_CHARS = 200
MOST_IDENTIFIERS_COUNT = 20
MOST_PLANTS_COUNT = 500
_COUNTRY = re.compile(r"[A-Z]{2}")
_DID = re.compile(r"did:web:[A-Za-z0-9.%:_-]{1,500}")

COMPANY_KINDS = frozenset(
    {
        IdentifierKind.CORPORATE_NUMBER,
        IdentifierKind.LEI,
        IdentifierKind.BPN_LEGAL_ENTITY,
        IdentifierKind.GLN,
        IdentifierKind.OPEN_OPERATOR_ID,
    }
)
PLANT_KINDS = frozenset(
    {
        IdentifierKind.PLANT_NUMBER,
        IdentifierKind.GLN,
        IdentifierKind.BPN_SITE,
        IdentifierKind.BPN_ADDRESS,
        IdentifierKind.OPEN_PLANT_ID,
    }
)


class PlantData(msgspec.Struct, frozen=True, kw_only=True):
    """A plant (事業所) with its numbers, written `kind:value`."""

    name: str
    country: str
    identifiers: tuple[str, ...]


class CompanyData(msgspec.Struct, frozen=True, kw_only=True):
    """What a company tells of itself; `identifiers` are written `kind:value`, in their canonical form once checked.

    `invoice_number` (適格請求書発行事業者の登録番号) is T and 13 digits, which for a corporation are its Corporate Number.
    """

    name: str
    country: str
    address: str = ""
    contact: str = ""
    identifiers: tuple[str, ...] = ()
    plants: tuple[PlantData, ...] = ()
    roles: tuple[str, ...] = ()
    invoice_number: str = ""


class PartyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A company of the register; `proved_ms` is when its DID was last proved by a token of its own."""

    party_id: str
    state: PartyState
    company: CompanyData
    roles: tuple[str, ...] = ()
    proved_ms: int | None = None
    created_ms: int
    updated_ms: int
    steps_count: int = 0


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a party's life: who, when, why, and between which states."""

    sequence: int
    act: Act
    before: PartyState | None
    after: PartyState
    actor: str
    at_ms: int
    reason: str = ""


def check_party_id(party_id: str) -> str:
    """The DID, when it is one by which a party can be found; raises `Invalid`."""
    if not _DID.fullmatch(party_id):
        raise Invalid("A party is named by its did:web.", path="party")
    return party_id


def checked(company: CompanyData) -> CompanyData:
    """The data with every number in its canonical form; raises `Invalid` that names the member."""
    if not company.name.strip() or len(company.name) > LONGEST_NAME_CHARS:
        raise Invalid(f"A company has a name of 1 to {LONGEST_NAME_CHARS} characters.", path="name")
    if not _COUNTRY.fullmatch(company.country):
        raise Invalid("Write the country as in ISO 3166-1, like JP.", path="country")
    identifiers = _canonical(company.identifiers, COMPANY_KINDS, "identifiers")
    if not identifiers:
        kinds = ", ".join(sorted(COMPANY_KINDS))
        raise Invalid(f"A company brings at least one number of its own: {kinds}.", path="identifiers")
    unknown = sorted(set(company.roles) - set(ROLES))
    if unknown:
        raise Invalid(f"{unknown[0]!r} is no role; the roles are {', '.join(ROLES)}.", path="roles")
    if len(company.plants) > MOST_PLANTS_COUNT:
        raise Invalid(f"A company has at most {MOST_PLANTS_COUNT} plants here.", path="plants")
    plants = tuple(
        _plant(plant, f"plants.{place}", identifiers) for place, plant in enumerate(company.plants)
    )
    made = msgspec.structs.replace(
        company,
        identifiers=identifiers,
        plants=plants,
        roles=tuple(dict.fromkeys(company.roles)),
        invoice_number=_invoice_number(company.invoice_number, identifiers),
    )
    numbers = numbers_of(made)
    doubled = next((number for number in numbers if numbers.count(number) > 1), None)
    if doubled is not None:
        raise Invalid(f"{doubled} stands twice; one number names one thing.", path="identifiers")
    return made


def numbers_of(company: CompanyData) -> list[str]:
    """Every number of the company and of its plants: what nobody else may hold."""
    return [*company.identifiers, *(number for plant in company.plants for number in plant.identifiers)]


def _plant(plant: PlantData, path: str, of_company: tuple[str, ...]) -> PlantData:
    if not plant.name.strip() or len(plant.name) > LONGEST_NAME_CHARS:
        raise Invalid(f"A plant has a name of 1 to {LONGEST_NAME_CHARS} characters.", path=f"{path}.name")
    if not _COUNTRY.fullmatch(plant.country):
        raise Invalid("Write the country as in ISO 3166-1, like JP.", path=f"{path}.country")
    numbers = _canonical(plant.identifiers, PLANT_KINDS, f"{path}.identifiers")
    for number in numbers:
        # The first 13 digits of a plant number are the company's own number.
        kind, _, value = number.partition(":")
        is_foreign = f"{IdentifierKind.CORPORATE_NUMBER}:{value[:13]}" not in of_company
        if kind == IdentifierKind.PLANT_NUMBER and is_foreign:
            raise Invalid(
                f"{number} begins with the Corporate Number of another company.", path=f"{path}.identifiers"
            )
    return msgspec.structs.replace(plant, identifiers=numbers)


def _canonical(texts: tuple[str, ...], kinds: frozenset[IdentifierKind], path: str) -> tuple[str, ...]:
    if len(texts) > MOST_IDENTIFIERS_COUNT:
        raise Invalid(f"At most {MOST_IDENTIFIERS_COUNT} numbers name one thing.", path=path)
    found = []
    for text in texts:
        try:
            identifier = parse_identifier(text)
        except MalformedIdentifier as error:
            raise Invalid(f"{error}.", path=path) from None
        if identifier.kind not in kinds:
            raise Invalid(
                f"{identifier.kind} does not belong here; the kinds are {', '.join(sorted(kinds))}.",
                path=path,
            )
        found.append(identifier.text)
    return tuple(sorted(found))


def _invoice_number(text: str, identifiers: tuple[str, ...]) -> str:
    if not text:
        return ""
    corporate = next(
        (one for one in identifiers if one.startswith(f"{IdentifierKind.CORPORATE_NUMBER}:")), None
    )
    if not re.fullmatch(r"T[0-9]{13}", text):
        raise Invalid("An invoice registration number is T and 13 digits.", path="invoice_number")
    if corporate is not None and corporate.partition(":")[2] != text[1:]:
        raise Invalid(
            "A corporation's invoice registration number is T and its Corporate Number.",
            path="invoice_number",
        )
    return text
