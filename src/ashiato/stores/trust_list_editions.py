"""The highest editions of signed trust lists that were ever in force on this node, whoever was served by them."""

from sqlalchemy import bindparam, select

from ashiato.stores.jobs import STORE_ITSELF
from ashiato.stores.schema import OF_PARTICIPANT, TRUST_LIST_EDITION
from ashiato.stores.sessions import Session
from ashiato.stores.statements import Statement, upsert_higher

_C = TRUST_LIST_EDITION.c
_KEEP = upsert_higher(TRUST_LIST_EDITION, "number")
_GET = Statement(
    select(_C.number, _C.sha256).where(
        _C.participant_id == OF_PARTICIPANT,
        _C.signer == bindparam("signer"),
        _C.place == bindparam("place"),
    )
)


def enter(session: Session, signer: str, place: str, number: int, sha256: str) -> tuple[int, str]:
    """Keep that edition where it is the highest so far; returns the number and hash that are the highest now."""
    session.write(
        _KEEP,
        {
            "participant_id": STORE_ITSELF,
            "signer": signer,
            "place": place,
            "number": number,
            "sha256": sha256,
        },
    )
    row = session.one(_GET, {"participant_id": STORE_ITSELF, "signer": signer, "place": place})
    return (number, sha256) if row is None else (int(row[0]), str(row[1]))
