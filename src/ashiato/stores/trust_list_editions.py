"""The highest editions of signed trust lists that were ever in force on this node, whoever was served by them."""

from sqlalchemy import bindparam, select

from ashiato.stores.jobs import STORE_ITSELF
from ashiato.stores.schema import OF_PARTICIPANT, TRUST_LIST_EDITION
from ashiato.stores.sessions import Session
from ashiato.stores.statements import Statement, upsert_higher

_C = TRUST_LIST_EDITION.c
_KEEP = upsert_higher(TRUST_LIST_EDITION, "number")
_GET = Statement(
    select(_C.number).where(
        _C.participant_id == OF_PARTICIPANT,
        _C.signer == bindparam("signer"),
        _C.place == bindparam("place"),
    )
)


def newest(session: Session, signer: str, place: str) -> int:
    """The highest edition of that signer's list at that place; 0 where none was ever in force."""
    row = session.one(_GET, {"participant_id": STORE_ITSELF, "signer": signer, "place": place})
    return 0 if row is None else int(row[0])


def keep(session: Session, signer: str, place: str, number: int) -> None:
    """From now on no edition before `number` comes back; a lower one than is kept changes nothing."""
    session.write(_KEEP, {"participant_id": STORE_ITSELF, "signer": signer, "place": place, "number": number})
