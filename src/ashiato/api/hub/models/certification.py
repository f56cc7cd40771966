"""Certification cases and certificates, as they are asked for and shown."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ashiato.api.hub.models.parties import PartyId
from ashiato.api.management.models.shared import Instant, InstantShown, Line, Model
from ashiato.hub import certification
from ashiato.hub.certification import Case, CaseStep, SubjectKind
from ashiato.hub.certification import Certificate as CertificateRecord

Sha256 = Annotated[
    str, StringConstraints(pattern=r"^[0-9a-f]{64}$"), Field(description="A hexadecimal SHA-256.")
]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Acts = Literal[
    "accept", "evidence", "find", "correct", "grant", "refuse", "surveil", "recertify", "suspend", "resume", "revoke",
    "withdraw", "appeal",
]  # fmt: skip


class Subject(Model):
    """What is certified: a company, or an app with its program and calculation logic by digest. Never single data."""

    kind: Literal["company", "app"]
    scheme: Word
    scope: Word
    """Logic, management procedures, items and grain, in words."""
    app: Line = ""
    version: Line = ""
    digest: Line = ""
    logic_sha256: Line = ""

    def record(self) -> certification.Subject:
        """For the inner room."""
        return certification.Subject(
            kind=SubjectKind(self.kind),
            scheme=self.scheme,
            scope=self.scope,
            app=self.app,
            version=self.version,
            digest=self.digest,
            logic_sha256=self.logic_sha256,
        )


class NewCase(Model):
    """An application to a certification body."""

    body: PartyId
    subject: Subject


class CaseMove(Model):
    """A step of a case by the applicant or by the body."""

    act: Acts
    reason: Line = ""
    """Read by the other side."""
    evidence_sha256: Annotated[list[Sha256], Field(max_length=100)] = Field(default_factory=list)
    """What is shown to the body under a contract with it; the hub sees the hash alone."""
    valid_until_ms: Instant | None = None
    """With `grant`: the end of the certificate, exclusive."""


class OperatorMove(Model):
    """A step of the operator: decide an appeal, or hold back and revoke in the place of a body that cannot."""

    act: Literal["uphold", "overturn", "suspend", "revoke"]
    reason: Word


class StepShown(Model):
    """One step of a case."""

    sequence: int
    act: str
    side: Literal["applicant", "body", "operator"]
    actor: str
    at_ms: InstantShown
    before: str | None
    after: str
    reason: str
    evidence_sha256: list[str]

    @classmethod
    def shown(cls, step: CaseStep) -> "StepShown":
        """The model of a step."""
        return cls.of(step)


class CaseShown(Model):
    """A case, as the two sides and the operator see it."""

    case: str
    applicant: str
    body: str
    subject: Subject
    state: str
    certificate: str
    steps: list[StepShown]

    @classmethod
    def shown(cls, case: Case) -> "CaseShown":
        """The model of a case."""
        more = {"case": case.case_id, "applicant": case.applicant_id, "body": case.body_id}
        return cls.of(case, **more, certificate=case.certificate_id)


class Certificate(Model):
    """An entry of the public register."""

    certificate: str
    holder: str
    holder_name: str
    body: str
    body_name: str
    subject: Subject
    state: Literal["active", "suspended", "revoked", "superseded"]
    is_valid: bool
    """Whether it counts at the instant of the answer."""
    valid_from_ms: InstantShown
    valid_until_ms: InstantShown
    changed_ms: InstantShown
    surveilled_ms: InstantShown | None

    @classmethod
    def shown(cls, record: CertificateRecord, now_ms: int) -> "Certificate":
        """The model of an entry at an instant."""
        more = {"certificate": record.certificate_id, "holder": record.holder_id, "body": record.body_id}
        return cls.of(record, **more, is_valid=record.counts_at(now_ms))


class NewAccreditation(Model):
    """That a body may certify by these schemes until an instant; without a scheme it may certify nothing more."""

    schemes: Annotated[list[Word], Field(max_length=100)]
    until_ms: Instant


class AccreditationShown(Model):
    """The accreditation of a body."""

    body: str
    schemes: list[str]
    from_ms: InstantShown
    until_ms: InstantShown
