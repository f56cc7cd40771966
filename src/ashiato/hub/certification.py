"""Accredited bodies certify companies and apps, never single data: cases, their steps, the public register of certificates."""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from ashiato.facts.moments import Moment
from ashiato.facts.problems import Invalid, NotFound, NotPermitted, WrongState
from ashiato.facts.transactions import Room
from ashiato.hub.certifying import CaseAct, CaseState, Side, advanced
from ashiato.hub.onboarding import PartyState
from ashiato.hub.ports import ISSUER, PARTIES, UnitOfWork

BODY_ROLE = "certification-body"
LONGEST_VALIDITY_MS = 5 * 366 * 86_400_000
_SHA256 = re.compile(r"[0-9a-f]{64}")


class SubjectKind(StrEnum):
    """What is certified."""

    COMPANY = "company"
    APP = "app"


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What an application is about: scheme, scope, and of an app its name, version, digest and that of its calculation logic."""

    kind: SubjectKind
    scheme: str
    scope: str
    app: str = ""
    version: str = ""
    digest: str = ""
    logic_sha256: str = ""


class Accreditation(msgspec.Struct, frozen=True, kw_only=True):
    """That a body may certify by these schemes, from one instant until another."""

    body_id: str
    schemes: tuple[str, ...]
    from_ms: int
    until_ms: int


class CaseStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a case; `evidence_sha256` names what was shown to the body under a contract of its own."""

    sequence: int
    act: str
    side: Side
    actor: str
    at_ms: int
    before: CaseState | None
    after: CaseState
    reason: str = ""
    evidence_sha256: tuple[str, ...] = ()


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A certification case with everything that happened in it."""

    case_id: str
    applicant_id: str
    body_id: str
    subject: Subject
    state: CaseState
    certificate_id: str = ""
    appealed_from: CaseState | None = None
    steps: tuple[CaseStep, ...] = ()


class CertificateState(StrEnum):
    """How a certificate stands, beside its validity in time."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    SUPERSEDED = "superseded"


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the public register (認証結果保存DB（公開用）); `valid_until_ms` is exclusive."""

    certificate_id: str
    holder_id: str
    holder_name: str
    body_id: str
    body_name: str
    subject: Subject
    valid_from_ms: int
    valid_until_ms: int
    state: CertificateState = CertificateState.ACTIVE
    changed_ms: int
    surveilled_ms: int | None = None

    def counts_at(self, now_ms: int) -> bool:
        """Whether it may be relied on at that instant."""
        return self.state is CertificateState.ACTIVE and self.valid_from_ms <= now_ms < self.valid_until_ms


class Certification(Protocol):
    """Accreditations, cases and certificates."""

    def accredit(self, accreditation: Accreditation) -> None:
        """Insert or replace, by body."""

    def accreditation(self, body_id: str) -> Accreditation | None: ...
    def put_case(self, case: Case) -> None:
        """Insert or replace."""

    def case(self, case_id: str) -> Case | None:
        """Locked for update where the store has concurrent writers."""

    def cases(self, after_id: str, limit_count: int, *, of: str | None = None) -> list[Case]:
        """In the order of the id; `of` = those in which that party is applicant or body."""

    def put_certificate(self, certificate: Certificate) -> None:
        """Insert or replace."""

    def certificate(self, certificate_id: str) -> Certificate | None: ...
    def search(self, words: str, after_id: str, limit_count: int) -> list[Certificate]:
        """Those whose names, scheme, scope, app or digest contain the text, whatever its case; in the order of the id."""


CERTIFICATION: Room[Certification] = Room("certification")


def accredit(
    uow: UnitOfWork, body_id: str, schemes: Sequence[str], until_ms: int, moment: Moment
) -> Accreditation:
    """Let an admitted certification body certify by these schemes, by none from now on when there are none.

    Raises `NotFound`, `WrongState` or `Invalid`.
    """
    party = uow.room(PARTIES).get(body_id)
    if party is None:
        raise NotFound(f"There is no party {body_id!r}.", id=body_id)
    if party.state is not PartyState.ADMITTED or BODY_ROLE not in party.roles:
        raise WrongState(f"Only an admitted party with the role {BODY_ROLE} is accredited.", id=body_id)
    if until_ms <= moment.now_ms:
        raise Invalid("The accreditation would be over before it begins.", path="until_ms")
    made = Accreditation(body_id=body_id, schemes=tuple(schemes), from_ms=moment.now_ms, until_ms=until_ms)
    uow.room(CERTIFICATION).accredit(made)
    return made


def apply(uow: UnitOfWork, applicant_id: str, body_id: str, subject: Subject, moment: Moment) -> Case:
    """Ask an accredited body for a certification; raises `Invalid` or `NotPermitted`."""
    if not subject.scheme.strip() or not subject.scope.strip():
        raise Invalid("Name the scheme and the scope (logic, procedures, items, grain).", path="subject")
    if subject.kind is SubjectKind.APP:
        if not subject.app or not subject.version or not _SHA256.fullmatch(subject.digest):
            raise Invalid(
                "An app is certified by name, version and the SHA-256 of its program.", path="subject"
            )
        if not _SHA256.fullmatch(subject.logic_sha256):
            raise Invalid("Name the SHA-256 of the calculation logic.", path="subject.logic_sha256")
    if applicant_id == body_id:
        raise NotPermitted("No body certifies itself; apply to another one.")
    _check_accredited(uow, body_id, subject.scheme, moment.now_ms)
    first = _step(None, "apply", Side.APPLICANT, applicant_id, CaseState.APPLIED, "", (), moment)
    case = Case(
        case_id=moment.fresh_id(),
        applicant_id=applicant_id,
        body_id=body_id,
        subject=subject,
        state=CaseState.APPLIED,
        steps=(first,),
    )
    uow.room(CERTIFICATION).put_case(case)
    return case


def side_of(case: Case, party_id: str) -> Side:
    """On which side the party is; raises `NotFound` for everybody else."""
    if party_id == case.applicant_id:
        return Side.APPLICANT
    if party_id == case.body_id:
        return Side.BODY
    raise NotFound("There is no such case of yours.", id=case.case_id)


def case_of(uow: UnitOfWork, case_id: str) -> Case:
    """The case; raises `NotFound`."""
    case = uow.room(CERTIFICATION).case(case_id)
    if case is None:
        raise NotFound("There is no such case of yours.", id=case_id)
    return case


def move(
    uow: UnitOfWork,
    case: Case,
    act: CaseAct,
    side: Side,
    actor: str,
    moment: Moment,
    *,
    reason: str = "",
    evidence_sha256: tuple[str, ...] = (),
    valid_until_ms: int | None = None,
) -> Case:
    """A step of a case with what follows for its certificate and credential, in one transaction.

    `valid_until_ms` goes with GRANT. Raises `NotPermitted`, `WrongState` or `Invalid`.
    """
    after = advanced(case.state, act, side, reason, appealed_from=case.appealed_from)
    if any(not _SHA256.fullmatch(one) for one in evidence_sha256):
        raise Invalid("Evidence is named by its hexadecimal SHA-256.", path="evidence_sha256")
    if act is CaseAct.EVIDENCE and not evidence_sha256:
        raise Invalid("Name the evidence.", path="evidence_sha256")
    # A body that lost its accreditation may still hold back and revoke what it certified, and give nothing.
    if side is Side.BODY and act not in (CaseAct.SUSPEND, CaseAct.REVOKE, CaseAct.REFUSE):
        _check_accredited(uow, case.body_id, case.subject.scheme, moment.now_ms)
    step = _step(case, act.value, side, actor, after, reason, evidence_sha256, moment)
    moved = msgspec.structs.replace(
        case,
        state=after,
        appealed_from=case.state if act is CaseAct.APPEAL else None,
        steps=(*case.steps, step),
    )
    if act is CaseAct.GRANT:
        moved = _granted(uow, moved, valid_until_ms, moment)
    elif case.certificate_id:
        _follow(uow, moved, act, reason, moment)
    uow.room(CERTIFICATION).put_case(moved)
    return moved


def _granted(uow: UnitOfWork, case: Case, valid_until_ms: int | None, moment: Moment) -> Case:
    if not any(step.evidence_sha256 for step in case.steps):
        raise WrongState("Nothing is certified without evidence.", id=case.case_id)
    if valid_until_ms is None or not moment.now_ms < valid_until_ms <= moment.now_ms + LONGEST_VALIDITY_MS:
        raise Invalid("A certificate is valid from now on, for at most five years.", path="valid_until_ms")
    if case.certificate_id:
        _set(uow, case, CertificateState.SUPERSEDED, "superseded", moment)
    certificate = Certificate(
        certificate_id=moment.fresh_iri(),
        holder_id=case.applicant_id,
        holder_name=_name(uow, case.applicant_id),
        body_id=case.body_id,
        body_name=_name(uow, case.body_id),
        subject=case.subject,
        valid_from_ms=moment.now_ms,
        valid_until_ms=valid_until_ms,
        changed_ms=moment.now_ms,
    )
    uow.room(CERTIFICATION).put_certificate(certificate)
    _offer(uow, certificate, moment)
    return msgspec.structs.replace(case, certificate_id=certificate.certificate_id)


def _follow(uow: UnitOfWork, case: Case, act: CaseAct, reason: str, moment: Moment) -> None:
    match case.state, act:
        case CaseState.SUSPENDED, CaseAct.SUSPEND:
            _set(uow, case, CertificateState.SUSPENDED, reason, moment)
        case CaseState.REVOKED, CaseAct.REVOKE:
            _set(uow, case, CertificateState.REVOKED, reason, moment)
        case CaseState.CERTIFIED, CaseAct.RESUME | CaseAct.OVERTURN:
            certificate = _set(uow, case, CertificateState.ACTIVE, reason, moment)
            _offer(uow, certificate, moment)
        case CaseState.CERTIFIED, CaseAct.SURVEIL:
            found = _certificate(uow, case)
            uow.room(CERTIFICATION).put_certificate(
                msgspec.structs.replace(found, surveilled_ms=moment.now_ms)
            )
        case _:
            pass


def _set(uow: UnitOfWork, case: Case, state: CertificateState, reason: str, moment: Moment) -> Certificate:
    found = _certificate(uow, case)
    if found.state in (CertificateState.REVOKED, CertificateState.SUPERSEDED):
        return found
    changed = msgspec.structs.replace(found, state=state, changed_ms=moment.now_ms)
    uow.room(CERTIFICATION).put_certificate(changed)
    issuer = uow.room(ISSUER)
    match state:
        case CertificateState.ACTIVE:
            issuer.resume(found.holder_id, reason, moment, certificate_id=found.certificate_id)
        case CertificateState.SUSPENDED:
            issuer.suspend(found.holder_id, reason, moment, certificate_id=found.certificate_id)
        case _:
            issuer.revoke(found.holder_id, reason, moment, certificate_id=found.certificate_id)
    return changed


def _offer(uow: UnitOfWork, certificate: Certificate, moment: Moment) -> None:
    """Offer the holder the credential of its certificate, for as long as that is valid."""
    subject = certificate.subject
    claims: dict[str, object] = {
        "certificate": certificate.certificate_id,
        "scheme": subject.scheme,
        "scope": subject.scope,
        "certifiedBy": certificate.body_id,
    }
    type_id = "company-certification"
    if subject.kind is SubjectKind.APP:
        type_id = "app-certification"
        claims |= {
            "app": subject.app,
            "version": subject.version,
            "digest": subject.digest,
            "logicDigest": subject.logic_sha256,
        }
    if certificate.valid_until_ms > moment.now_ms:
        uow.room(ISSUER).grant(
            certificate.holder_id, [(type_id, claims)], moment, valid_until_ms=certificate.valid_until_ms
        )


def _certificate(uow: UnitOfWork, case: Case) -> Certificate:
    found = uow.room(CERTIFICATION).certificate(case.certificate_id)
    if found is None:
        raise NotFound("The certificate of this case is gone.", id=case.certificate_id)
    return found


def _check_accredited(uow: UnitOfWork, body_id: str, scheme: str, now_ms: int) -> None:
    found = uow.room(CERTIFICATION).accreditation(body_id)
    party = uow.room(PARTIES).get(body_id)
    is_standing = party is not None and party.state is PartyState.ADMITTED and BODY_ROLE in party.roles
    if found is None or not is_standing or scheme not in found.schemes or now_ms >= found.until_ms:
        raise NotPermitted(f"{body_id} is not accredited for the scheme {scheme!r} now.", scheme=scheme)


def _name(uow: UnitOfWork, party_id: str) -> str:
    party = uow.room(PARTIES).get(party_id)
    return party.company.name if party is not None else ""


def _step(
    case: Case | None,
    act: str,
    side: Side,
    actor: str,
    after: CaseState,
    reason: str,
    evidence_sha256: tuple[str, ...],
    moment: Moment,
) -> CaseStep:
    return CaseStep(
        sequence=len(case.steps) if case else 0,
        act=act,
        side=side,
        actor=actor,
        at_ms=moment.now_ms,
        before=case.state if case else None,
        after=after,
        reason=reason,
        evidence_sha256=evidence_sha256,
    )
