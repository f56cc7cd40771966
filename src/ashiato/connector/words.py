"""Words that the connector signs in the company's name for its apps, what became of them, and what partners say of theirs.

An app has no key. It hands over a document of a kind that this connector knows, about its own company; the kind says whether the
document is one, and under which `typ` it is signed. Nothing else is ever signed, so an app can make no token, no credential and
no agreement of it. Which app at which digest asked is kept with each word.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from ashiato.connector import apps
from ashiato.connector.apps import AppGrant, Result
from ashiato.connector.company import Company, tell
from ashiato.connector.ports import Moment, Room, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound, NotPermitted, WrongState
from ashiato.connector.records import Asset
from ashiato.statements import signed_words
from ashiato.statements.signed_words import MalformedSignedWord, SignedWord, WordStanding

MOST_BASES_COUNT = 10_000
SIGNED, SUPERSEDED, WITHDRAWN, STALE = "word.signed", "word.superseded", "word.withdrawn", "word.stale"
ATTESTED = "word.attested"
NO_LONGER = frozenset({SUPERSEDED, WITHDRAWN, STALE})
"""Events after which a word does not hold as it did."""


class Basis(msgspec.Struct, frozen=True):
    """A word of a partner that a word of ours was computed from, by its hexadecimal SHA-256."""

    partner: str
    sha256: str


class OwnWord(msgspec.Struct, frozen=True, kw_only=True):
    """A word of this company. `subject_id` is the id that the document gives itself; `app_id` is "" for one of its people.

    `app_digest` is the digest of the app that asked for the signature, `digest` whether that is `enforced` or `attested`.
    """

    sha256: str
    kind: str
    subject_id: str
    compact: str
    signed_ms: int
    supersedes: str = ""
    asset_id: str = ""
    app_id: str = ""
    app_digest: str = ""
    digest: str = ""
    time_stamp: str = ""
    statements: tuple[str, ...] = ()
    withdrawal: str = ""
    standing: WordStanding = WordStanding.HOLDS
    rests_on: tuple[Basis, ...] = ()

    def shown(self) -> SignedWord:
        """The word as it lies in its asset."""
        return SignedWord(
            word=self.compact,
            time_stamp=self.time_stamp,
            statements=self.statements,
            withdrawal=self.withdrawal,
            standing=self.standing,
        )


class KeptNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A partner said that a word of its own does not hold any more as it did."""

    peer_id: str
    sha256: str
    asset_id: str
    standing: WordStanding
    at_ms: int


class Words(Protocol):
    """The company's own signed words, and what partners said of theirs."""

    def put(self, word: OwnWord) -> None:
        """Insert or replace by its hash. Raises `Conflict` when (kind, subject_id) belongs to another."""

    def get(self, sha256: str) -> OwnWord | None:
        """Locked for update where the store has concurrent writers."""

    def of_subject(self, kind: str, subject_id: str) -> OwnWord | None:
        """The word that gives itself this id; locked like `get`."""

    def page(self, after_sha256: str, limit_count: int) -> list[OwnWord]:
        """In the order of the hash."""

    def resting_on(self, basis: Basis) -> list[OwnWord]:
        """Words that were computed from that word of a partner."""

    def put_notice(self, notice: KeptNotice) -> None:
        """Insert or replace by (peer_id, sha256)."""

    def notice(self, peer_id: str, sha256: str) -> KeptNotice | None:
        """Locked for update where the store has concurrent writers."""

    def notices(self, after: tuple[str, str], limit_count: int) -> list[KeptNotice]:
        """In the order of peer and hash."""


WORDS: Room[Words] = Room("words")


class WordSigner(Protocol):
    """Signs words in a company's name and has the hour stamped."""

    async def sign(self, participant_id: str, typ: str, body: bytes) -> str:
        """The compact JWS over `body` by the company's present key; raises `SignerUnavailable`."""

    async def stamp(self, compact: str, moment: Moment) -> str:
        """A checked TimeStampToken over the word (DER, base64); "" where no authority is set, or none answers now."""


class CheckedWord(msgspec.Struct, frozen=True, kw_only=True):
    """A document of a known kind: the bytes that are signed, under which `typ`, who speaks, and what it calls itself."""

    typ: str
    body: bytes
    issuer: str
    subject_id: str
    supersedes: str = ""

    @property
    def sha256(self) -> str:
        """The hexadecimal SHA-256 by which others name the word."""
        return signed_words.hash_of(self.body)


WordKind = Callable[[object], CheckedWord]
"""Reads a parsed JSON document of one kind; raises `Invalid` for what is none."""


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """What an app asks for: a document of a kind as an asset, with the terms that it proposes and what it was computed from."""

    kind: str
    title: str
    data_item: str = ""
    part_group: str = ""
    policy: dict[str, object] | None = None
    rests_on: tuple[Basis, ...] = ()


def check(
    uow: UnitOfWork, company: Company, grant: AppGrant, asset_id: str, declared: Declared, word: CheckedWord
) -> OwnWord | None:
    """Raise a `Problem` where this app may not have this signed so; else what is known of the word already."""
    manifest = grant.app.manifest
    if declared.kind not in manifest.signs:
        raise NotPermitted(
            f"The manifest of the app does not let it have {declared.kind!r} signed.", kind=declared.kind
        )
    if not _may_write(grant, asset_id):
        raise NotPermitted(f"The manifest of the app does not let it write {asset_id!r}.", id=asset_id)
    if word.issuer != company.participant_id:
        raise Invalid(
            f"The document speaks for {word.issuer!r}; this connector signs only for its own company.",
            path="document",
        )
    if len(declared.rests_on) > MOST_BASES_COUNT:
        raise Invalid(f"A word rests on at most {MOST_BASES_COUNT} others.", path="rests_on")
    before = uow.room(WORDS).of_subject(declared.kind, word.supersedes) if word.supersedes else None
    if before is not None and not _may_write(grant, before.asset_id):
        raise NotPermitted(
            f"{word.supersedes!r} lies at {before.asset_id!r}, which the manifest of the app does not let it write.",
            id=word.supersedes,
        )
    known = uow.room(WORDS).of_subject(declared.kind, word.subject_id)
    if known is not None and known.sha256 != word.sha256:
        raise WrongState(
            f"{word.subject_id!r} was signed before with other content; give the new version an id of its own.",
            id=word.subject_id,
        )
    return known


def keep(
    uow: UnitOfWork,
    company: Company,
    grant: AppGrant,
    asset_id: str,
    declared: Declared,
    word: CheckedWord,
    signed: SignedWord,
    moment: Moment,
) -> tuple[OwnWord, Asset]:
    """Keep the signed word and write it as the app's result; the one that it supersedes does not hold any more."""
    known = check(uow, company, grant, asset_id, declared, word)
    reader = grant.reader
    kept = OwnWord(
        sha256=word.sha256,
        kind=declared.kind,
        subject_id=word.subject_id,
        compact=signed.word,
        signed_ms=moment.now_ms,
        supersedes=word.supersedes,
        asset_id=asset_id,
        app_id=reader.app,
        app_digest=reader.app_digest,
        digest="" if reader.digest is None else reader.digest.value,
        time_stamp=signed.time_stamp,
        rests_on=declared.rests_on,
    )
    if known is not None:
        kept = msgspec.structs.replace(
            kept, statements=known.statements, withdrawal=known.withdrawal, standing=known.standing
        )
        if known.compact == kept.compact:
            kept = msgspec.structs.replace(
                known, time_stamp=kept.time_stamp, asset_id=asset_id, rests_on=declared.rests_on
            )
    result = Result(
        title=declared.title,
        body=signed_words.written(kept.shown()),
        data_item=declared.data_item,
        part_group=declared.part_group,
        policy=declared.policy,
    )
    asset = apps.write_result(uow, grant.app, asset_id, result, moment)
    if known != kept:
        uow.room(WORDS).put(kept)
    if known is None:
        _tell(uow, company, kept, SIGNED, moment, app=kept.app_id, app_digest=kept.app_digest)
    # The notice may have come while the app computed, when nothing here rested on that word yet.
    if any(uow.room(WORDS).notice(one.partner, one.sha256) for one in kept.rests_on):
        kept = worsen(uow, company, kept, WordStanding.RESTS_ON_STALE, moment)
    if word.supersedes:
        before = uow.room(WORDS).of_subject(declared.kind, word.supersedes)
        if before is not None:
            worsen(uow, company, before, WordStanding.SUPERSEDED, moment)
    return kept, asset


def known_word(uow: UnitOfWork, sha256: str) -> OwnWord:
    """The company's own word; raises `NotFound`, also for one of somebody else."""
    found = uow.room(WORDS).get(sha256)
    if found is None:
        raise NotFound(f"This company has signed no word {sha256!r}.", id=sha256)
    return found


def worsen(
    uow: UnitOfWork, company: Company, word: OwnWord, standing: WordStanding, moment: Moment
) -> OwnWord:
    """The word does not hold any more as it did; what was graver before stays. Told once for each step down."""
    if standing.gravity <= word.standing.gravity:
        return word
    word = msgspec.structs.replace(word, standing=standing)
    _put(uow, word)
    name = {
        WordStanding.SUPERSEDED: SUPERSEDED,
        WordStanding.WITHDRAWN: WITHDRAWN,
        WordStanding.RESTS_ON_STALE: STALE,
    }[standing]
    _tell(uow, company, word, name, moment)
    return word


def withdraw(uow: UnitOfWork, company: Company, sha256: str, withdrawal: str, moment: Moment) -> OwnWord:
    """Take a word back by its signed withdrawal; whoever has it is told. Raises `NotFound` and `WrongState`."""
    word = known_word(uow, sha256)
    if word.withdrawal:
        raise WrongState("The word is withdrawn already.", id=sha256)
    signed = msgspec.structs.replace(word, withdrawal=withdrawal)
    return worsen(uow, company, signed, WordStanding.WITHDRAWN, moment)


def attach(
    uow: UnitOfWork, company: Company, sha256: str, statement: str, speaker: str, moment: Moment
) -> OwnWord:
    """Lay somebody's checked statement about a word beside it; the same one again changes nothing.

    Raises `NotFound`, and `WrongState` where no more go beside it.
    """
    word = known_word(uow, sha256)
    if statement in word.statements:
        return word
    if len(word.statements) >= signed_words.MOST_STATEMENTS_COUNT:
        raise WrongState(
            f"{signed_words.MOST_STATEMENTS_COUNT} statements stand beside it already.", id=sha256
        )
    word = msgspec.structs.replace(word, statements=(*word.statements, statement))
    _put(uow, word)
    _tell(uow, company, word, ATTESTED, moment, speaker=speaker)
    return word


def hear(uow: UnitOfWork, company: Company, notice: KeptNotice, moment: Moment) -> bool:
    """Keep what a partner says of its own word, and mark what was computed from it; False where it was known."""
    room = uow.room(WORDS)
    before = room.notice(notice.peer_id, notice.sha256)
    if before is not None and before.standing.gravity >= notice.standing.gravity:
        return False
    room.put_notice(notice)
    resting = room.resting_on(Basis(notice.peer_id, notice.sha256))
    details: dict[str, object] = {
        "asset_id": notice.asset_id,
        "standing": notice.standing.value,
        "used_in": [word.asset_id for word in resting],
    }
    tell(uow, company, moment, "word.notice", notice.sha256, notice.peer_id, **details)
    for word in resting:
        worsen(uow, company, word, WordStanding.RESTS_ON_STALE, moment)
    return True


def _may_write(grant: AppGrant, asset_id: str) -> bool:
    return any(asset_id.startswith(beginning) for beginning in grant.app.manifest.writes)


def _put(uow: UnitOfWork, word: OwnWord) -> None:
    """Keep the word, and show it so where its asset still holds it."""
    uow.room(WORDS).put(word)
    record = uow.assets.record(word.asset_id) if word.asset_id else None
    if record is None:
        return
    try:
        is_this = signed_words.read(record).word == word.compact
    except MalformedSignedWord:
        is_this = False
    if is_this:
        uow.assets.put_record(word.asset_id, signed_words.written(word.shown()))


def _tell(
    uow: UnitOfWork, company: Company, word: OwnWord, name: str, moment: Moment, **more: object
) -> None:
    details: dict[str, object] = {"kind": word.kind, "id": word.subject_id, "asset_id": word.asset_id, **more}
    tell(uow, company, moment, name, word.sha256, "", **details)
