"""The trust lists of this node: read from files and addresses, verified, and read again when they change."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from ashiato.clients.egress import Egress, EgressRefused, Unreachable
from ashiato.facts.instants import MalformedInstant
from ashiato.trust.did import DidDocument
from ashiato.trust.jws import TokenRefused
from ashiato.trust.organizations import UnboundKey
from ashiato.trust.trust_list import (
    MAX_LIST_CHARS,
    TrustBook,
    TrustList,
    TrustListContent,
    check_edition,
    merge,
    own_trust_list,
    parse_trust_list,
    verify_trust_list,
)

LOOK_EVERY_S = 5.0
_TIMEOUT_S = 10.0
_LEEWAY_S = 10

_log = structlog.get_logger(__name__)


class SignerUnknown(Exception):
    """The document of a list's signer cannot be had; `why` is one sentence."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Signers(Protocol):
    """Port: the DID documents of those who sign lists."""

    async def document(self, did: str, now_ms: int, *, needs_kid: str | None) -> DidDocument:
        """Raises `SignerUnknown`."""


class EditionsUnavailable(Exception):
    """Which editions were in force cannot be read or written now; `why` is one sentence."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Editions(Protocol):
    """Port: the highest edition of each signed list that was ever read here, kept across restarts and processes."""

    async def enter(self, signer: str, place: str, number: int, sha256: str) -> tuple[int, str]:
        """Keep that edition where its number is the highest so far, and say which one is the highest now, by number and hash.

        One transaction: of two editions that are read at the same time only one is the highest. Raises `EditionsUnavailable`.
        """


@dataclass(frozen=True, slots=True)
class TrustListSource:
    """Where a list lies, who must have signed it, and for whom it counts (slugs; none: for all).

    Without a signer it is a file of the operator's own in plain JSON. A foreign list counts only as far as one of the others
    recognises its publisher.
    """

    signer: str = ""
    file: str = ""
    url: str = ""
    participants: tuple[str, ...] = ()
    is_foreign: bool = False

    @property
    def place(self) -> str:
        """The file or address."""
        return self.file or self.url


@dataclass(frozen=True, slots=True)
class LoadedTrustList:
    """A source and what became of it: the list in force, and what is wrong with the last reading of it."""

    source: TrustListSource
    trust_list: TrustList | None = None
    text: str = ""
    problem: str = ""
    read_ms: int = 0
    changed_ns: int = 0


class TrustListBook:
    """The lists in force. A list that cannot be read again stays in force until its own end.

    No edition comes back before the highest that was ever in force here, also after the list ended or the program was started
    again; nor does another text under the number of the highest.
    """

    def __init__(
        self,
        sources: Sequence[TrustListSource],
        egress: Egress,
        signers: Signers,
        editions: Editions,
        *,
        clock_ms: Callable[[], int],
        fresh_s: int,
        on_change: Callable[[], Awaitable[None]],
    ) -> None:
        self._egress = egress
        self._signers = signers
        self._editions = editions
        self._clock_ms = clock_ms
        self._fresh_s = fresh_s
        self._on_change = on_change
        self._loaded = [LoadedTrustList(source) for source in sources]
        self._in_force: dict[str, tuple[TrustBook, ...]] = {}

    def of(self, slug: str) -> tuple[TrustBook, ...]:
        """The lists in force for that participant: the same object as long as none of them changed."""
        known = self._in_force.get(slug)
        if known is None:
            shown = [(loaded.source, loaded.trust_list) for loaded in self.shown(slug)]
            own = [one for source, one in shown if one is not None and not source.is_foreign]
            foreign = [one for source, one in shown if one is not None and source.is_foreign]
            known = self._in_force[slug] = tuple(merge(one, foreign) for one in own)
        return known

    def shown(self, slug: str) -> list[LoadedTrustList]:
        """All lists of that participant, those too that could not be read."""
        return [
            loaded
            for loaded in self._loaded
            if not loaded.source.participants or slug in loaded.source.participants
        ]

    async def read(self, *, everything: bool = True) -> None:
        """Read what changed, or everything, and put it in force."""
        before = [loaded.trust_list for loaded in self._loaded]
        self._loaded = list(
            await asyncio.gather(*(self._read_one(loaded, everything) for loaded in self._loaded))
        )
        if [loaded.trust_list for loaded in self._loaded] != before:
            self._in_force = {}
            await self._on_change()

    async def watch(self) -> None:
        """Look for changes until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.read(everything=False)

    async def _read_one(self, loaded: LoadedTrustList, everything: bool) -> LoadedTrustList:
        now_ms = self._clock_ms()
        is_old = not 0 <= now_ms - loaded.read_ms < self._fresh_s * 1000
        source = loaded.source
        changed_ns = await asyncio.to_thread(_changed_ns, source.file) if source.file else 0
        has_failed = loaded.trust_list is None
        if not (everything or is_old or has_failed or changed_ns != loaded.changed_ns):
            return loaded
        ended = loaded.trust_list is not None and now_ms >= loaded.trust_list.expires_ms
        kept = replace(
            loaded,
            trust_list=None if ended else loaded.trust_list,
            read_ms=now_ms,
            changed_ns=changed_ns,
        )
        try:
            text = await self._text(source)
            trust_list = await self._verified(source, text, now_ms)
        except (_NotRead, SignerUnknown, EditionsUnavailable) as error:
            return self._without(kept, error.why)
        except TokenRefused as error:
            # What lies there now is not what was in force, and whoever put it there meant it to replace that.
            return self._without(replace(kept, trust_list=None, text=""), error.sentence)
        if text == loaded.text and kept.trust_list is not None:
            return replace(kept, problem="")
        _log.info(
            "trust list in force",
            place=source.place,
            publisher=trust_list.publisher,
            number=trust_list.content.number,
            expires=trust_list.content.expires,
        )
        return replace(kept, trust_list=trust_list, text=text, problem="")

    async def _verified(self, source: TrustListSource, text: str, now_ms: int) -> TrustList:
        if not source.signer:
            try:
                return own_trust_list(msgspec.json.decode(text, type=TrustListContent))
            except (msgspec.DecodeError, MalformedInstant, UnboundKey) as error:
                raise _NotRead(f"it is no trust list: {error}") from None
        unverified = parse_trust_list(text)
        document = await self._signers.document(source.signer, now_ms, needs_kid=unverified.kid)
        found = verify_trust_list(unverified, document, now_ms=now_ms, leeway_s=_LEEWAY_S)
        # What is not kept is not in force: after a restart nobody would know it. Another signature on the same words is no other.
        said_sha256 = sha256(unverified.signed.payload).hexdigest()
        highest = await self._editions.enter(source.signer, source.place, found.content.number, said_sha256)
        check_edition(found, said_sha256, *highest)
        return found

    def _without(self, kept: LoadedTrustList, problem: str) -> LoadedTrustList:
        _log.warning(
            "trust list not read",
            place=kept.source.place,
            signer=kept.source.signer,
            why=problem,
            stays_in_force=kept.trust_list is not None,
        )
        return replace(kept, problem=problem)

    async def _text(self, source: TrustListSource) -> str:
        if source.file:
            return await asyncio.to_thread(_file_text, source.file)
        try:
            response = await self._egress.request(
                "GET", source.url, timeout_s=_TIMEOUT_S, max_response_bytes=MAX_LIST_CHARS
            )
        except (EgressRefused, Unreachable) as error:
            raise _NotRead(error.why) from error
        if response.status != 200:
            raise _NotRead(f"the server answers {response.status}")
        return _text_of(response.body)


class _NotRead(Exception):
    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def _changed_ns(file: str) -> int:
    try:
        return Path(file).stat().st_mtime_ns
    except OSError:
        return 0


def _file_text(file: str) -> str:
    try:
        with Path(file).open("rb") as opened:
            return _text_of(opened.read(MAX_LIST_CHARS + 1))
    except OSError as error:
        raise _NotRead(f"the file cannot be read: {error.strerror}") from None


def _text_of(body: bytes) -> str:
    try:
        return body.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise _NotRead("it is not text") from None
