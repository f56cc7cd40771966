"""The use cases of the register: applying, deciding, and what follows for the party's credentials."""

import msgspec

from ashiato.facts.moments import Moment
from ashiato.facts.problems import Invalid, NotFound, NotPermitted, WrongState
from ashiato.hub.node import Party
from ashiato.hub.onboarding import OF_THE_COMPANY, Act, PartyState, advanced
from ashiato.hub.parties import CompanyData, PartyRecord, Step, check_party_id, checked, numbers_of
from ashiato.hub.ports import ISSUER, MEMBERSHIP_TYPE, PARTIES, ROLE_TYPE, TOKENS, Caller, UnitOfWork
from ashiato.identity.issuing import ROLES


class Taken(WrongState):
    """Another party holds one of the numbers; who that is, only the operator sees."""

    code = "taken"


class Replayed(Exception):
    """The caller's token was used before."""


def prove(uow: UnitOfWork, caller: Caller) -> PartyRecord | None:
    """Use the caller's token up; returns the party behind it, if there is one. Raises `Replayed`."""
    if not uow.room(TOKENS).remember_token(caller.participant_id, caller.token_id, caller.expires_ms):
        raise Replayed
    return uow.room(PARTIES).get(caller.participant_id)


def party_of(record: PartyRecord | None) -> Party:
    """The party that may act now; raises `NotPermitted` for everybody who is not admitted."""
    if record is None:
        raise NotPermitted("Your DID is not registered here; apply first.", state="unknown")
    if record.state is not PartyState.ADMITTED:
        raise NotPermitted(
            f"Your standing here is {record.state.value}; only an admitted party may do this.",
            state=record.state.value,
        )
    return Party(record.party_id, record.company.name, frozenset(record.roles))


def standing_of(uow: UnitOfWork, party_id: str) -> Party | None:
    """The admitted party with that DID, None for everybody else."""
    record = uow.room(PARTIES).get(party_id)
    return party_of(record) if record is not None and record.state is PartyState.ADMITTED else None


def apply(
    uow: UnitOfWork, party_id: str, company: CompanyData, actor: str, moment: Moment, *, is_proved: bool
) -> PartyRecord:
    """Take an application in, or a better one in the place of one that waits.

    `is_proved` says that the company's own token brought it. Raises `Invalid`, `WrongState` or `Taken`.
    """
    known = uow.room(PARTIES).get(check_party_id(party_id))
    act = Act.AMEND if known is not None and known.state is not PartyState.REFUSED else Act.APPLY
    after = advanced(known.state if known else None, act, "")
    proved_ms = moment.now_ms if is_proved else (known.proved_ms if known else None)
    told = checked(company)
    _hold(uow, party_id, told)
    record = PartyRecord(
        party_id=party_id,
        state=after,
        company=told,
        proved_ms=proved_ms,
        created_ms=known.created_ms if known else moment.now_ms,
        updated_ms=moment.now_ms,
        steps_count=known.steps_count if known else 0,
    )
    return _stepped(uow, record, act, known.state if known else None, actor, "", moment)


def confirm(uow: UnitOfWork, party_id: str, moment: Moment) -> PartyRecord:
    """The company's own token says that the application which the operator entered is its own; raises `NotFound`."""
    record = _known(uow, party_id)
    proved = msgspec.structs.replace(record, proved_ms=moment.now_ms, updated_ms=moment.now_ms)
    uow.room(PARTIES).put(proved)
    return proved


def decide(
    uow: UnitOfWork,
    party_id: str,
    act: Act,
    actor: str,
    reason: str,
    moment: Moment,
    *,
    roles: tuple[str, ...] | None = None,
) -> PartyRecord:
    """The operator's step with what follows for the credentials, in one transaction; `roles` are granted with ADMIT.

    Without `roles` the party gets those that it asked for. Raises `NotFound`, `WrongState` or `Invalid`.
    """
    if act in OF_THE_COMPANY:
        raise Invalid(f"{act.value} is a step of the company, not of the operator.", path="act")
    record = _known(uow, party_id)
    after = advanced(record.state, act, reason)
    changed = msgspec.structs.replace(record, state=after, updated_ms=moment.now_ms)
    issuer = uow.room(ISSUER)
    match act:
        case Act.ADMIT:
            if record.proved_ms is None:
                raise WrongState(
                    "The company has not proved its DID yet; it confirms the application with a token of its own.",
                    id=party_id,
                )
            changed = msgspec.structs.replace(changed, roles=_granted(record, roles))
            issuer.grant(party_id, _credentials(changed), moment)
        case Act.REFUSE:
            uow.room(PARTIES).hold(party_id, [])
        case Act.SUSPEND:
            issuer.suspend(party_id, reason, moment)
        case Act.REINSTATE:
            issuer.resume(party_id, reason, moment)
            issuer.grant(party_id, _credentials(changed), moment)
        case Act.EXPEL:
            issuer.revoke(party_id, reason, moment)
        case _:
            pass
    return _stepped(uow, changed, act, record.state, actor, reason, moment)


def shown(uow: UnitOfWork, party_id: str) -> tuple[PartyRecord, list[Step]]:
    """The party with every step of its life; raises `NotFound`."""
    return _known(uow, party_id), uow.room(PARTIES).steps(party_id)


def _known(uow: UnitOfWork, party_id: str) -> PartyRecord:
    record = uow.room(PARTIES).get(party_id)
    if record is None:
        raise NotFound(f"There is no party {party_id!r}.", id=party_id)
    return record


def _hold(uow: UnitOfWork, party_id: str, company: CompanyData) -> None:
    numbers = numbers_of(company)
    holders = uow.room(PARTIES).holders_of(numbers)
    taken = next((number for number in numbers if holders.get(number, party_id) != party_id), None)
    if taken is not None:
        raise Taken(
            f"{taken} is registered already. If it is yours, ask the operator of the hub to settle it, with a proof that the "
            "register which issued the number gives you.",
            path="identifiers",
            identifier=taken,
        )
    uow.room(PARTIES).hold(party_id, numbers)


def _granted(record: PartyRecord, roles: tuple[str, ...] | None) -> tuple[str, ...]:
    if roles is None:
        return record.company.roles
    unknown = sorted(set(roles) - set(ROLES))
    if unknown:
        raise Invalid(f"{unknown[0]!r} is no role; the roles are {', '.join(ROLES)}.", path="roles")
    return tuple(dict.fromkeys(roles))


def _credentials(record: PartyRecord) -> list[tuple[str, dict[str, object]]]:
    number = record.company.identifiers[0].partition(":")[2]
    membership: dict[str, object] = {"holderIdentifier": number, "location": record.company.country}
    roles: list[dict[str, object]] = [{"role": role} for role in record.roles]
    return [(MEMBERSHIP_TYPE, membership), *((ROLE_TYPE, claims) for claims in roles)]


def _stepped(
    uow: UnitOfWork,
    record: PartyRecord,
    act: Act,
    before: PartyState | None,
    actor: str,
    reason: str,
    moment: Moment,
) -> PartyRecord:
    step = Step(
        sequence=record.steps_count,
        act=act,
        before=before,
        after=record.state,
        actor=actor,
        at_ms=moment.now_ms,
        reason=reason,
    )
    counted = msgspec.structs.replace(record, steps_count=record.steps_count + 1)
    uow.room(PARTIES).put(counted)
    uow.room(PARTIES).add_step(record.party_id, step)
    return counted
