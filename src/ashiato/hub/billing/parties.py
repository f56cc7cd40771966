"""Who bills and is billed, as it must stand on a document: name, address, registration for the qualified invoice."""

import re
from datetime import date

import msgspec

from ashiato.facts.identifiers import IdentifierKind, MalformedIdentifier, identifier

_NUMBER = re.compile(r"T([0-9]{13})")


class UnusableParty(ValueError):
    """What is said of a party cannot stand on a document; whoever entered it must mend it."""

    def __init__(self, party_id: str, problem: str) -> None:
        super().__init__(f"{party_id}: {problem}")
        self.party_id = party_id
        self.problem = problem


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """One party of the bill. `party_id` is its DID.

    `registration` is its number as issuer of qualified invoices (適格請求書発行事業者登録番号) and holds from `registered_from`
    until before `registered_until`; empty: it is not registered (免税事業者 and others). `is_natural_person` tells that
    the number of a sole trader is not a Corporate Number and so has no check digit that is published. `bills_through_hub`
    says that it has told the operator of its registration and lets it issue in its own name (媒介者交付特例).
    `shows_contribution` is its consent to stand on the contribution board.
    """

    party_id: str
    name: str
    address: str
    registration: str = ""
    registered_from: date | None = None
    registered_until: date | None = None
    is_natural_person: bool = False
    corporate_number: str = ""
    bills_through_hub: bool = False
    is_member: bool = True
    member_from: date | None = None
    member_until: date | None = None
    shows_contribution: bool = False

    def registration_on(self, day: date) -> str:
        """Its registration number where it is registered on that day, else empty."""
        return (
            self.registration
            if self.registration and _within(day, self.registered_from, self.registered_until)
            else ""
        )

    def is_member_on(self, day: date) -> bool:
        """Whether it is a member on that day."""
        return self.is_member and _within(day, self.member_from, self.member_until)


def check_party(party: Party) -> None:
    """Raise `UnusableParty` where a name or a number cannot stand on a document."""
    for name in ("party_id", "name", "address"):
        text = getattr(party, name)
        if not text or len(text) > 512 or not text.isprintable():
            raise UnusableParty(party.party_id, f"{name} must be 1 to 512 printable characters")
    if party.registration:
        check_registration(party.party_id, party.registration, is_natural_person=party.is_natural_person)
        if party.registered_from is None:
            raise UnusableParty(party.party_id, "say since when the registration holds, in registered_from")
    if party.corporate_number:
        _check_corporate(party.party_id, party.corporate_number)
    if party.bills_through_hub and not party.registration:
        raise UnusableParty(
            party.party_id,
            "only who is registered itself may have the operator issue for it (施行令70条の12)",
        )


def check_registration(party_id: str, text: str, *, is_natural_person: bool) -> None:
    """Raise `UnusableParty` unless it is T and 13 digits which, of a corporation, are a Corporate Number with its check digit."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise UnusableParty(party_id, "a registration number is written T and 13 digits")
    if not is_natural_person:
        _check_corporate(party_id, found[1])


def _check_corporate(party_id: str, digits: str) -> None:
    try:
        identifier(IdentifierKind.CORPORATE_NUMBER, digits)
    except MalformedIdentifier as error:
        raise UnusableParty(party_id, f"{digits} is no Corporate Number: {error.problem}") from None


def _within(day: date, first: date | None, after: date | None) -> bool:
    return (first is None or first <= day) and (after is None or day < after)
