"""What the owner says of its partners and of now, for policies that ask for it."""

import msgspec

from ashiato.connector.offers import check_id, note
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound
from ashiato.connector.records import DeclaredFact, PartnerGroup

# Of an amount and its unit, as in `payAmount in EUR`.
_DECLARABLE = ("event", "payAmount")


def put_group(uow: UnitOfWork, group: PartnerGroup, moment: Moment) -> PartnerGroup:
    """Create or replace a group; from the commit on policies see it so."""
    check_id("group", group.group_id)
    group = msgspec.structs.replace(group, updated_ms=moment.now_ms)
    uow.declarations.put_group(group)
    note(uow, moment, "group.stored", group.group_id, {"members": len(group.members)})
    return group


def group_of(uow: UnitOfWork, group_id: str) -> PartnerGroup:
    """The group; raises `NotFound`."""
    group = uow.declarations.group(group_id)
    if group is None:
        raise NotFound(f"There is no group {group_id!r}.", id=group_id)
    return group


def delete_group(uow: UnitOfWork, group_id: str, moment: Moment) -> None:
    """Nobody is in it any more; policies that name it let in nobody by it."""
    if not uow.declarations.delete_group(group_id):
        raise NotFound(f"There is no group {group_id!r}.", id=group_id)
    note(uow, moment, "group.withdrawn", group_id, {})


def put_fact(uow: UnitOfWork, fact: DeclaredFact, moment: Moment) -> DeclaredFact:
    """Say what is so: which events go on, or what was paid under an agreement (`payAmount`, `payAmount in EUR`)."""
    if fact.name.partition(" in ")[0] not in _DECLARABLE:
        raise Invalid(
            f"{fact.name!r} is nothing that a policy asks an owner for; declare {' or '.join(_DECLARABLE)}.",
            path="name",
        )
    peer_id = ""
    if fact.agreement_id:
        agreement = uow.contracts.agreement(fact.agreement_id)
        if agreement is None:
            raise NotFound(f"There is no agreement {fact.agreement_id!r}.", id=fact.agreement_id)
        peer_id = agreement.peer_id
    fact = msgspec.structs.replace(fact, declared_ms=moment.now_ms)
    uow.declarations.put_fact(fact)
    details: dict[str, object] = {"agreement_id": fact.agreement_id, "values": list(fact.values)}
    note(uow, moment, "fact.declared", fact.name, details, peer_id)
    return fact


def delete_fact(uow: UnitOfWork, name: str, agreement_id: str, moment: Moment) -> None:
    """It is so no more, or it is not known any more."""
    if not uow.declarations.delete_fact(name, agreement_id):
        raise NotFound(f"Nothing is declared as {name!r} there.", id=name)
    note(uow, moment, "fact.withdrawn", name, {"agreement_id": agreement_id})
