"""Accreditations, certification cases and the register of certificates in SQL."""

import msgspec
from sqlalchemy import Table, bindparam, or_, select

from ashiato.hub.certification import Accreditation, Case, Certificate
from ashiato.stores.hub.schema import HUB_METADATA, key, text
from ashiato.stores.sessions import Session, to_json
from ashiato.stores.statements import Statement, upsert

ACCREDITATION = Table("accreditation", HUB_METADATA, key("body_id"), text("body"))
CASE = Table(
    "certification_case", HUB_METADATA, key("case_id"), text("applicant_id"), text("body_id"), text("body")
)
CERTIFICATE = Table("certificate", HUB_METADATA, key("certificate_id"), text("words"), text("body"))

_accreditation = msgspec.json.Decoder(Accreditation).decode
_case = msgspec.json.Decoder(Case).decode
_certificate = msgspec.json.Decoder(Certificate).decode

_A, _C, _R = ACCREDITATION.c, CASE.c, CERTIFICATE.c
_ACCREDIT, _PUT_CASE, _PUT_CERTIFICATE = upsert(ACCREDITATION), upsert(CASE), upsert(CERTIFICATE)
_GET_ACCREDITATION = Statement(select(_A.body).where(_A.body_id == bindparam("body_id")))
_GET_CASE = Statement(select(_C.body).where(_C.case_id == bindparam("case_id")), locks=True)
_CASES = Statement(
    select(_C.body)
    .where(_C.case_id > bindparam("after_id"))
    .order_by(_C.case_id)
    .limit(bindparam("limit_count"))
)
_CASES_OF = Statement(
    select(_C.body)
    .where(
        _C.case_id > bindparam("after_id"),
        or_(_C.applicant_id == bindparam("party_id"), _C.body_id == bindparam("party_id")),
    )
    .order_by(_C.case_id)
    .limit(bindparam("limit_count"))
)
_GET_CERTIFICATE = Statement(
    select(_R.body).where(_R.certificate_id == bindparam("certificate_id")), locks=True
)
_SEARCH = Statement(
    select(_R.body)
    .where(_R.certificate_id > bindparam("after_id"), _R.words.like(bindparam("pattern"), escape="!"))
    .order_by(_R.certificate_id)
    .limit(bindparam("limit_count"))
)


class SqlCertification:
    """The port `Certification`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def accredit(self, accreditation: Accreditation) -> None:
        values = {"body_id": accreditation.body_id, "body": to_json(accreditation)}
        self._session.write(_ACCREDIT, values)

    def accreditation(self, body_id: str) -> Accreditation | None:
        row = self._session.one(_GET_ACCREDITATION, {"body_id": body_id})
        return None if row is None else _accreditation(row[0])

    def put_case(self, case: Case) -> None:
        values = {
            "case_id": case.case_id,
            "applicant_id": case.applicant_id,
            "body_id": case.body_id,
            "body": to_json(case),
        }
        self._session.write(_PUT_CASE, values)

    def case(self, case_id: str) -> Case | None:
        row = self._session.one(_GET_CASE, {"case_id": case_id})
        return None if row is None else _case(row[0])

    def cases(self, after_id: str, limit_count: int, *, of: str | None = None) -> list[Case]:
        values = {"after_id": after_id, "limit_count": limit_count, "party_id": of}
        rows = self._session.all(_CASES if of is None else _CASES_OF, values)
        return [_case(body) for (body,) in rows]

    def put_certificate(self, certificate: Certificate) -> None:
        values = {
            "certificate_id": certificate.certificate_id,
            "words": _words(certificate),
            "body": to_json(certificate),
        }
        self._session.write(_PUT_CERTIFICATE, values)

    def certificate(self, certificate_id: str) -> Certificate | None:
        row = self._session.one(_GET_CERTIFICATE, {"certificate_id": certificate_id})
        return None if row is None else _certificate(row[0])

    def search(self, words: str, after_id: str, limit_count: int) -> list[Certificate]:
        literal = "".join(f"!{character}" if character in "!%_" else character for character in words.lower())
        values = {"after_id": after_id, "limit_count": limit_count, "pattern": f"%{literal}%"}
        return [_certificate(body) for (body,) in self._session.all(_SEARCH, values)]


def _words(certificate: Certificate) -> str:
    subject = certificate.subject
    parts = (
        certificate.holder_id, certificate.holder_name, certificate.body_id, certificate.body_name, subject.kind.value,
        subject.scheme, subject.scope, subject.app, subject.version, subject.digest, subject.logic_sha256,
    )  # fmt: skip
    return "\n".join(parts).lower()
