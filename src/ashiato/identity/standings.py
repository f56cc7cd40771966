"""What is verified of counterparties: asked of them, kept for as long as it may be relied on, judged anew in between."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import msgspec

from ashiato.identity.evidence import CannotFetch, Flights, Presentations
from ashiato.identity.judging import Judgement
from ashiato.identity.presentations import StoredPresentation
from ashiato.identity.querying import CredentialsNotShown, PresentationQuery
from ashiato.identity.signed_tokens import CannotResolve
from ashiato.trust.keys import VerificationKey
from ashiato.trust.standing import Standing

_MOST_KNOWN_COUNT = 10_000
_MOST_READINGS_COUNT = 3
_MOST_STORED_CHARS = 131_072

_LEFT_ALONE = "its credential service failed a moment ago"

Key = tuple[str, str]
V = TypeVar("V")


class StandingRules(msgspec.Struct, frozen=True, kw_only=True):
    """How long what was presented is believed, in seconds.

    A caller is asked again after `presentation_fresh_s`; while its credential service cannot be reached, and where nobody calls
    (a running stream), what was presented counts up to `presentation_stale_s`. `retry_s` is the pause after a failure.
    """

    presentation_fresh_s: int = 300
    presentation_stale_s: int = 86_400
    retry_s: int = 5


class Judge(Protocol):
    """Port: which credentials count, see `judging.CredentialJudge`."""

    async def judge(
        self,
        participant_id: str,
        holder: str,
        credentials: tuple[str, ...],
        now_ms: int,
        key_thumbprint: str = "",
    ) -> Judgement: ...
    def generation(self, participant_id: str) -> object:
        """Another object from the moment on at which other trust lists are in force."""


class Known(msgspec.Struct, frozen=True):
    """What is known of one peer: when it was asked, what came of it, and what was wrong with the whole of it."""

    fetched_ms: int
    judgement: Judgement
    generation: object
    problem: str = ""
    is_temporary: bool = False

    def reasons(self) -> str:
        """Why not everything counts, in one line for our own people; empty when all does."""
        found = [f"{' '.join(one.types)}: {one.why}" for one in self.judgement.credentials if one.why]
        organization = self.judgement.organization
        if organization is not None and organization.why:
            found.append(f"organisation certificate: {organization.why}")
        return "; ".join([self.problem, *found] if self.problem else found)


class KnownPeers:
    """The standings of all counterparties of all participants of this process.

    The memory only saves work: what was presented is in the store, where a restart and other processes find it.
    """

    def __init__(
        self,
        query: PresentationQuery,
        presentations: Presentations,
        flights: Flights,
        judge: Judge,
        rules: StandingRules,
        on_change: Callable[[str, str, int], Awaitable[None]],
        on_need: Callable[[str, str, int, str], None],
    ) -> None:
        self._query = query
        self._presentations = presentations
        self._flights = flights
        self.judge = judge
        self._rules = rules
        self._on_change = on_change
        self._on_need = on_need
        self._known: OrderedDict[Key, Known] = OrderedDict()
        self._failed_ms: OrderedDict[Key, int] = OrderedDict()
        self._heard_count = 0

    async def of_caller(
        self,
        participant_id: str,
        peer_id: str,
        access_token: str | None,
        now_ms: int,
        key: VerificationKey,
    ) -> Known:
        """What is verified of a peer that calls with `access_token` for its credential service, asked of it if need be.

        `key` is the one with which it proved itself in this call.
        """
        known = await self._recall(participant_id, peer_id, now_ms)
        if known is not None and _is_within(known.fetched_ms, now_ms, self._rules.presentation_fresh_s):
            return known
        if access_token is None:
            return self._nothing(participant_id, "it sent no access token for its credential service", now_ms)
        token = access_token
        failed_ms = self._failed_ms.get((participant_id, peer_id))
        if failed_ms is not None and _is_within(failed_ms, now_ms, self._rules.retry_s):
            return await self._in_need(participant_id, peer_id, _LEFT_ALONE, now_ms)
        return await self._flights.once(
            ("query", participant_id, peer_id), lambda: self._ask(participant_id, peer_id, token, now_ms, key)
        )

    async def of_peer(self, participant_id: str, peer_id: str, now_ms: int) -> Known | None:
        """What is verified of a peer that is not there to be asked, judged anew when that went stale."""
        known = await self._recall(participant_id, peer_id, now_ms)
        if known is None or not _is_within(known.fetched_ms, now_ms, self._rules.presentation_stale_s):
            return None
        return known

    async def forget(self, participant_id: str, peer_id: str, now_ms: int) -> None:
        """Know nothing of the peer until it presents again; whoever acts on what was known hears of it."""
        await self._presentations.delete(participant_id, peer_id)
        self.hear(participant_id, peer_id)
        await self._on_change(participant_id, peer_id, now_ms)

    def hear(self, participant_id: str, peer_id: str) -> None:
        """Something else is verified of the peer than before, perhaps by another process: the store has it."""
        self._known.pop((participant_id, peer_id), None)
        self._heard_count += 1

    def standing(self, peer_id: str, known: Known | None) -> Standing:
        """The claims of what is known, and until when they hold."""
        if known is None:
            return Standing(peer_id)
        stale_ms = known.fetched_ms + self._rules.presentation_stale_s * 1000
        until_ms = known.judgement.until_ms
        return Standing(
            peer_id, known.judgement.claims, stale_ms if until_ms is None else min(until_ms, stale_ms)
        )

    async def _recall(self, participant_id: str, peer_id: str, now_ms: int) -> Known | None:
        """What is known already, from the memory or from the store, and judged for this instant."""
        key = (participant_id, peer_id)
        known = self._known.get(key)
        if known is not None and self._holds(participant_id, known, now_ms):
            self._known.move_to_end(key)
            return known
        return await self._flights.once(
            ("judge", participant_id, peer_id), lambda: self._judge_stored(participant_id, peer_id, now_ms)
        )

    def _holds(self, participant_id: str, known: Known, now_ms: int) -> bool:
        if known.generation is not self.judge.generation(participant_id):
            return False
        until_ms = known.judgement.until_ms
        return known.fetched_ms <= now_ms and (until_ms is None or now_ms < until_ms)

    async def _judge_stored(self, participant_id: str, peer_id: str, now_ms: int) -> Known | None:
        for _ in range(_MOST_READINGS_COUNT):
            heard_count = self._heard_count
            stored = await self._presentations.get(participant_id, peer_id)
            is_of_use = stored is not None and _is_within(
                stored.fetched_ms, now_ms, self._rules.presentation_stale_s
            )
            if stored is None or not is_of_use:
                self._known.pop((participant_id, peer_id), None)
                return None
            known = await self._judged(participant_id, stored, now_ms)
            if heard_count == self._heard_count:
                await self._put((participant_id, peer_id), known, now_ms)
                return known
        # Something is heard all the time: this answer is given, and not remembered.
        return known

    async def _judged(
        self, participant_id: str, stored: StoredPresentation, now_ms: int, problem: str = ""
    ) -> Known:
        generation = self.judge.generation(participant_id)
        judgement = await self.judge.judge(
            participant_id, stored.peer_id, stored.credentials, now_ms, stored.key_thumbprint
        )
        return Known(stored.fetched_ms, judgement, generation, problem)

    async def _ask(
        self,
        participant_id: str,
        peer_id: str,
        access_token: str,
        now_ms: int,
        key_of_caller: VerificationKey,
    ) -> Known:
        key = (participant_id, peer_id)
        problem = ""
        credentials: tuple[str, ...] = ()
        try:
            credentials = await self._query.credentials(participant_id, peer_id, access_token, now_ms)
        except (CannotFetch, CannotResolve) as error:
            if error.is_temporary:
                _put(self._failed_ms, key, now_ms)
                return await self._in_need(participant_id, peer_id, error.why, now_ms)
            problem = error.why
        except CredentialsNotShown as error:
            problem = error.why
        self._failed_ms.pop(key, None)
        presentation = StoredPresentation(peer_id, credentials, now_ms, key_of_caller.thumbprint())
        known = await self._judged(participant_id, presentation, now_ms, problem)
        # Only who shows something that counts is remembered: strangers fill no table.
        if known.judgement.claims and sum(map(len, credentials)) <= _MOST_STORED_CHARS:
            await self._presentations.put(participant_id, presentation)
        else:
            await self._presentations.delete(participant_id, peer_id)
        # Behind the store: other processes that hear of a change read it there.
        await self._put(key, known, now_ms)
        return known

    async def _in_need(self, participant_id: str, peer_id: str, why: str, now_ms: int) -> Known:
        """What was presented before, as far as it may be used while the credential service is away."""
        known = await self.of_peer(participant_id, peer_id, now_ms)
        if known is None:
            return self._nothing(participant_id, why, now_ms, is_temporary=True)
        age_s = (now_ms - known.fetched_ms) // 1000
        self._on_need(participant_id, peer_id, age_s, why)
        return known

    def _nothing(
        self, participant_id: str, problem: str, now_ms: int, *, is_temporary: bool = False
    ) -> Known:
        generation = self.judge.generation(participant_id)
        until_ms = now_ms + self._rules.retry_s * 1000 if is_temporary else None
        return Known(now_ms, Judgement(until_ms=until_ms), generation, problem, is_temporary)

    async def _put(self, key: Key, known: Known, now_ms: int) -> Known:
        before = self._known.get(key)
        _put(self._known, key, known)
        if before is not None and before.judgement.claims != known.judgement.claims:
            await self._on_change(*key, now_ms)
        return known


def _put(known: OrderedDict[Key, V], key: Key, value: V) -> None:
    known[key] = value
    known.move_to_end(key)
    while len(known) > _MOST_KNOWN_COUNT:
        known.popitem(last=False)


def _is_within(since_ms: int, now_ms: int, limit_s: int) -> bool:
    """Whether less than `limit_s` passed; a clock that was set back makes everything old, never eternal."""
    return 0 <= now_ms - since_ms < limit_s * 1000
