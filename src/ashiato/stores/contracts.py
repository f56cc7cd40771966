"""The contract master in SQL: agreements, framework contracts, paper contracts with their scans, contract texts."""

import msgspec
from sqlalchemy import bindparam, literal_column, select

from ashiato.connector.records import (
    AgreementRecord,
    AgreementState,
    FrameworkContract,
    KeptText,
    PaperContract,
)
from ashiato.dsp.states import Role
from ashiato.stores.schema import AGREEMENT, CONTRACT_TEXT, FRAMEWORK, OF_PARTICIPANT, PAPER, PAPER_SCAN
from ashiato.stores.sessions import Session, to_json
from ashiato.stores.statements import Row, Statement, Values, insert, upsert

_agreement = msgspec.json.Decoder(AgreementRecord).decode
_framework = msgspec.json.Decoder(FrameworkContract).decode
_paper = msgspec.json.Decoder(PaperContract).decode
_text = msgspec.json.Decoder(KeptText).decode

_P = OF_PARTICIPANT
_A, _F, _L, _S, _T = AGREEMENT.c, FRAMEWORK.c, PAPER.c, PAPER_SCAN.c, CONTRACT_TEXT.c

_INSERT_AGREEMENT = insert(AGREEMENT)
_PUT_AGREEMENT = upsert(AGREEMENT)
_GET_AGREEMENT = Statement(
    select(_A.body).where(_A.participant_id == _P, _A.agreement_id == bindparam("agreement_id")), locks=True
)
_PAGE = (
    select(_A.body)
    .where(_A.participant_id == _P, _A.agreement_id > bindparam("after_id"))
    .order_by(_A.agreement_id)
    .limit(bindparam("limit_count"))
)
_OF_PEER = _A.peer_id == bindparam("peer_id")
_OF_FRAMEWORK = _A.framework_id == bindparam("framework_id")
_PAGES = {
    (False, False): Statement(_PAGE),
    (True, False): Statement(_PAGE.where(_OF_PEER)),
    (False, True): Statement(_PAGE.where(_OF_FRAMEWORK)),
    (True, True): Statement(_PAGE.where(_OF_PEER, _OF_FRAMEWORK)),
}
_FIND_USABLE = Statement(
    select(_A.body)
    .where(
        _A.participant_id == _P,
        _A.asset_id == bindparam("asset_id"),
        _OF_PEER,
        _A.role == bindparam("role"),
        _A.is_usable == literal_column("1"),
    )
    .order_by(_A.agreed_ms.desc(), _A.agreement_id.desc())
)
_PARTNERS_OF_ASSET = Statement(
    select(_A.peer_id)
    .where(_A.participant_id == _P, _A.asset_id == bindparam("asset_id"), _A.role == bindparam("role"))
    .distinct()
    .order_by(_A.peer_id)
)
_INSERT_FRAMEWORK = insert(FRAMEWORK)
_PUT_FRAMEWORK = upsert(FRAMEWORK)
_GET_FRAMEWORK = Statement(
    select(_F.body).where(_F.participant_id == _P, _F.framework_id == bindparam("framework_id")), locks=True
)
_FRAMEWORKS = select(_F.body).where(_F.participant_id == _P).order_by(_F.framework_id)
_LIST_FRAMEWORKS = {
    False: Statement(_FRAMEWORKS),
    True: Statement(_FRAMEWORKS.where(_F.peer_id == bindparam("peer_id"))),
}
_PUT_PAPER = upsert(PAPER)
_PUT_SCAN = upsert(PAPER_SCAN)
_GET_PAPER = Statement(select(_L.body).where(_L.participant_id == _P, _L.paper_id == bindparam("paper_id")))
_GET_SCAN = Statement(select(_S.scan).where(_S.participant_id == _P, _S.paper_id == bindparam("paper_id")))
_PAPERS = select(_L.body).where(_L.participant_id == _P).order_by(_L.paper_id)
_LIST_PAPERS = {
    False: Statement(_PAPERS),
    True: Statement(_PAPERS.where(_L.peer_id == bindparam("peer_id"))),
}
_PUT_TEXT = upsert(CONTRACT_TEXT)
_GET_TEXT = Statement(
    select(_T.body).where(_T.participant_id == _P, _T.text_sha256 == bindparam("text_sha256"))
)
_LIST_TEXTS = Statement(
    select(_T.body)
    .where(_T.participant_id == _P, _T.text_sha256 > bindparam("after_sha256"))
    .order_by(_T.text_sha256)
    .limit(bindparam("limit_count"))
)


class SqlContracts:
    """The port `Contracts` of one participant.

    A unit of work reads an agreement or a framework once: it is locked from then on, and what it becomes is known.
    """

    __slots__ = ("_agreements", "_frameworks", "_participant_id", "_session")

    def __init__(self, session: Session, participant_id: str) -> None:
        self._session = session
        self._participant_id = participant_id
        self._agreements: dict[str, str] = {}
        self._frameworks: dict[str, str] = {}

    def insert_agreement(self, agreement: AgreementRecord) -> None:
        self._write_agreement(_INSERT_AGREEMENT, agreement)

    def put_agreement(self, agreement: AgreementRecord) -> None:
        self._write_agreement(_PUT_AGREEMENT, agreement)

    def _write_agreement(self, statement: Statement, agreement: AgreementRecord) -> None:
        body = self._agreements[agreement.agreement_id] = to_json(agreement)
        usable = agreement.finalized and agreement.state is AgreementState.ACTIVE
        # A negotiation writes an agreement, signs it and settles it in one unit of work: the row is written once.
        self._session.write_last(
            statement,
            {
                "participant_id": self._participant_id,
                "agreement_id": agreement.agreement_id,
                "role": agreement.role.value,
                "peer_id": agreement.peer_id,
                "asset_id": agreement.asset_id,
                "framework_id": agreement.framework_id,
                "agreed_ms": agreement.agreed_ms,
                "is_usable": 1 if usable else 0,
                "body": body,
            },
            key=agreement.agreement_id,
            completes=_INSERT_AGREEMENT,
        )

    def agreement(self, agreement_id: str) -> AgreementRecord | None:
        body = self._agreements.get(agreement_id)
        if body is None:
            row = self._one(_GET_AGREEMENT, {"agreement_id": agreement_id})
            if row is None:
                return None
            body = self._agreements[agreement_id] = row[0]
        return _agreement(body)

    def list_agreements(
        self, after_id: str, limit_count: int, *, peer_id: str | None = None, framework_id: str | None = None
    ) -> list[AgreementRecord]:
        statement = _PAGES[peer_id is not None, framework_id is not None]
        values = {
            "after_id": after_id,
            "limit_count": limit_count,
            "peer_id": peer_id,
            "framework_id": framework_id,
        }
        return [_agreement(body) for (body,) in self._all(statement, values)]

    def partners_of_asset(self, role: Role, asset_id: str) -> list[str]:
        values = {"participant_id": self._participant_id, "asset_id": asset_id, "role": role.value}
        return [str(peer_id) for (peer_id,) in self._session.all(_PARTNERS_OF_ASSET, values)]

    def find_usable(self, role: Role, peer_id: str, asset_id: str) -> list[AgreementRecord]:
        values = {"role": role.value, "peer_id": peer_id, "asset_id": asset_id}
        return [_agreement(body) for (body,) in self._all(_FIND_USABLE, values)]

    def insert_framework(self, framework: FrameworkContract) -> None:
        self._write_framework(_INSERT_FRAMEWORK, framework)

    def put_framework(self, framework: FrameworkContract) -> None:
        self._write_framework(_PUT_FRAMEWORK, framework)

    def _write_framework(self, statement: Statement, framework: FrameworkContract) -> None:
        body = self._frameworks[framework.framework_id] = to_json(framework)
        self._session.write(
            statement,
            {
                "participant_id": self._participant_id,
                "framework_id": framework.framework_id,
                "peer_id": framework.peer_id,
                "body": body,
            },
        )

    def framework(self, framework_id: str) -> FrameworkContract | None:
        body = self._frameworks.get(framework_id)
        if body is None:
            row = self._one(_GET_FRAMEWORK, {"framework_id": framework_id})
            if row is None:
                return None
            body = self._frameworks[framework_id] = row[0]
        return _framework(body)

    def list_frameworks(self, peer_id: str | None) -> list[FrameworkContract]:
        rows = self._all(_LIST_FRAMEWORKS[peer_id is not None], {"peer_id": peer_id})
        return [_framework(body) for (body,) in rows]

    def put_paper(self, paper: PaperContract, scan: bytes) -> None:
        key = {"participant_id": self._participant_id, "paper_id": paper.paper_id}
        self._session.write(_PUT_PAPER, {**key, "peer_id": paper.peer_id, "body": to_json(paper)})
        self._session.write(_PUT_SCAN, {**key, "scan": scan})

    def paper(self, paper_id: str) -> PaperContract | None:
        row = self._one(_GET_PAPER, {"paper_id": paper_id})
        return None if row is None else _paper(row[0])

    def paper_scan(self, paper_id: str) -> bytes | None:
        row = self._one(_GET_SCAN, {"paper_id": paper_id})
        return None if row is None else bytes(row[0])

    def list_papers(self, peer_id: str | None) -> list[PaperContract]:
        rows = self._all(_LIST_PAPERS[peer_id is not None], {"peer_id": peer_id})
        return [_paper(body) for (body,) in rows]

    def put_text(self, text: KeptText) -> None:
        key = {"participant_id": self._participant_id, "text_sha256": text.text_sha256}
        self._session.write(_PUT_TEXT, {**key, "body": to_json(text)})

    def text(self, text_sha256: str) -> KeptText | None:
        row = self._one(_GET_TEXT, {"text_sha256": text_sha256})
        return None if row is None else _text(row[0])

    def list_texts(self, after_sha256: str, limit_count: int) -> list[KeptText]:
        rows = self._all(_LIST_TEXTS, {"after_sha256": after_sha256, "limit_count": limit_count})
        return [_text(body) for (body,) in rows]

    def _one(self, statement: Statement, values: Values) -> Row | None:
        return self._session.one(statement, {"participant_id": self._participant_id, **values})

    def _all(self, statement: Statement, values: Values) -> list[Row]:
        return self._session.all(statement, {"participant_id": self._participant_id, **values})
