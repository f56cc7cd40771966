"""What others call the company's things: an identifier stands for one thing, a thing has as many as it needs."""

from collections.abc import Mapping, Sequence

from ashiato.connector.problems import Invalid, NotFound
from ashiato.facts.identifiers import Identifier, IdentifierKind, MalformedIdentifier, parse_identifier
from ashiato.supply.faults import Faults
from ashiato.supply.ports import UnitOfWork
from ashiato.supply.records import Subject, SubjectKind

MOST_IDENTIFIERS_COUNT = 50

_K = IdentifierKind
_OF_ANY = frozenset({_K.PARTNER_NUMBER, _K.LOCAL, _K.URI})
_OF_THINGS = _OF_ANY | {_K.TRACE_ID, _K.CATENA_X_ID, _K.CODE24}
KINDS_OF: Mapping[SubjectKind, frozenset[IdentifierKind]] = {
    SubjectKind.PARTNER: _OF_ANY
    | {_K.CORPORATE_NUMBER, _K.OPEN_OPERATOR_ID, _K.BPN_LEGAL_ENTITY, _K.LEI, _K.GLN},
    SubjectKind.PLANT: _OF_ANY | {_K.PLANT_NUMBER, _K.OPEN_PLANT_ID, _K.BPN_SITE, _K.BPN_ADDRESS, _K.GLN},
    SubjectKind.PART: _OF_ANY | {_K.TRACE_ID, _K.CATENA_X_ID, _K.GTIN, _K.BPN_PART},
    SubjectKind.BATCH: _OF_THINGS | {_K.GTIN_BATCH},
    SubjectKind.ITEM: _OF_THINGS | {_K.GTIN_SERIAL},
}
"""Which identifiers can stand for what: a Corporate Number names a company and no part of its products."""


def read_identifier(text: str, path: str) -> Identifier:
    """The identifier in `kind:value` or `kind:value@scope`; raises `Invalid` that names the member."""
    try:
        return parse_identifier(text)
    except MalformedIdentifier as error:
        raise Invalid(f"{error}.", path=path, value=text[:80]) from None


def check_identifiers(
    uow: UnitOfWork, claims: Sequence[tuple[Subject, tuple[Identifier, ...]]], faults: Faults
) -> None:
    """Add a fault for each identifier that cannot stand for its thing or stands for another one already."""
    known = uow.supply.named([one.text for _, names in claims for one in names])
    given = {subject for subject, _ in claims}
    # What a thing gives up here is free for another thing.
    known = {text: subject for text, subject in known.items() if subject not in given}
    claimed: dict[str, Subject] = {}
    for index, (subject, names) in enumerate(claims):
        if len(names) > MOST_IDENTIFIERS_COUNT:
            faults.add(index, "identifiers", f"A thing has at most {MOST_IDENTIFIERS_COUNT} identifiers.")
            continue
        for place, one in enumerate(names):
            path = f"identifiers[{place}]"
            if one.kind not in KINDS_OF[subject.kind]:
                kinds = ", ".join(sorted(KINDS_OF[subject.kind]))
                faults.add(index, path, f"A {one.kind} does not name a {subject.kind}; what does: {kinds}.")
                continue
            if one in names[:place]:
                faults.add(index, path, f"{one.text} stands twice; name it once.", identifier=one.text)
                continue
            owner = claimed.setdefault(one.text, known.get(one.text, subject))
            if owner != subject:
                faults.add(
                    index,
                    path,
                    f"{one.text} stands for the {owner.kind} {owner.id!r} already; take it away there first.",
                    identifier=one.text,
                    kind=owner.kind,
                    id=owner.id,
                )


def find(uow: UnitOfWork, text: str) -> Subject:
    """What the identifier `kind:value` stands for; raises `Invalid` and `NotFound`."""
    wanted = read_identifier(text, "identifier").text
    found = uow.supply.named([wanted]).get(wanted)
    if found is None:
        raise NotFound(f"Nothing here is called {wanted!r}.", identifier=wanted)
    return found
