"""The participants of a connector program: who they are and their keys, sealed."""

import msgspec
from sqlalchemy import bindparam, select, update

from ashiato.stores.schema import OF_PARTICIPANT, PARTICIPANT
from ashiato.stores.sessions import Session, to_json
from ashiato.stores.statements import Statement, Values, insert_unless_known
from ashiato.trust.key_life import KeyLife


class SealedKey(KeyLife, frozen=True, kw_only=True):
    """A signing key and its life; `sealed_pem` can be opened by `keys.KeySafe` alone.

    `certificates` is the X.509 chain that its owner bound to it, as in `x5c`.
    """

    sealed_pem: bytes
    certificates: tuple[str, ...] = ()


class Participant(msgspec.Struct, frozen=True, kw_only=True):
    """A company that this program serves, below the path segment `slug`."""

    participant_id: str
    slug: str
    name: str
    keys: tuple[SealedKey, ...]
    settings: dict[str, object] = {}
    created_ms: int = 0
    is_suspended: bool = False


_participant = msgspec.json.Decoder(Participant).decode

_C = PARTICIPANT.c
_ADD = insert_unless_known(PARTICIPANT, "slug")
_REPLACE = Statement(
    update(PARTICIPANT)
    .where(_C.participant_id == bindparam("of_participant_id"))
    .values(slug=bindparam("slug"), body=bindparam("body"))
    .returning(_C.slug)
)
_GET = Statement(select(_C.body).where(_C.participant_id == OF_PARTICIPANT))
_LOCK = Statement(select(_C.body).where(_C.participant_id == OF_PARTICIPANT), locks=True)
_BY_SLUG = Statement(select(_C.body).where(_C.slug == bindparam("slug")))
_LIST = Statement(select(_C.body).order_by(_C.slug))


def add(session: Session, participant: Participant) -> bool:
    """Add a participant; false when its id or its slug is taken."""
    return session.one(_ADD, _values(participant)) is not None


def replace(session: Session, participant: Participant) -> bool:
    """Store a participant anew (name, keys, settings, suspension); false when there is none with its id."""
    values = {**_values(participant), "of_participant_id": participant.participant_id}
    return session.one(_REPLACE, values) is not None


def by_id(session: Session, participant_id: str) -> Participant | None:
    """The participant with that DID."""
    row = session.one(_GET, {"participant_id": participant_id})
    return None if row is None else _participant(row[0])


def locked(session: Session, participant_id: str) -> Participant | None:
    """The same, and nobody else changes it before this transaction ends."""
    row = session.one(_LOCK, {"participant_id": participant_id})
    return None if row is None else _participant(row[0])


def by_slug(session: Session, slug: str) -> Participant | None:
    """The participant below that path segment."""
    row = session.one(_BY_SLUG, {"slug": slug})
    return None if row is None else _participant(row[0])


def every(session: Session) -> list[Participant]:
    """All participants, suspended ones too, in the order of their slugs."""
    return [_participant(body) for (body,) in session.all(_LIST, {})]


def _values(participant: Participant) -> Values:
    return {
        "participant_id": participant.participant_id,
        "slug": participant.slug,
        "body": to_json(participant),
    }
