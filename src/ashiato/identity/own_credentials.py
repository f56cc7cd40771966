"""What credentials prove that lie here and that nobody presents: a participant's own, and those of its apps.

They are judged by the trust lists that this node applies to others, so that nothing is shown as proved that it would not
accept itself.
"""

from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from ashiato.identity.judging import Judgement
from ashiato.identity.standings import Judge

_MOST_KEPT_COUNT = 1000


class _Kept(msgspec.Struct, frozen=True):
    judgement: Judgement
    generation: object
    judged_ms: int


class OwnCredentials:
    """Judges them, anew after `fresh_s` at the latest, as what a partner presented is asked again."""

    def __init__(self, judge: Judge, fresh_s: int) -> None:
        self._judge = judge
        self._fresh_s = fresh_s
        self._kept: OrderedDict[tuple[str, str, tuple[str, ...]], _Kept] = OrderedDict()

    async def judgement(
        self, participant_id: str, subject: str, credentials: Sequence[str], now_ms: int
    ) -> Judgement:
        """What these texts about `subject` prove at this instant by the measure of `participant_id`."""
        key = (participant_id, subject, tuple(credentials))
        generation = self._judge.generation(participant_id)
        kept = self._kept.get(key)
        if kept is not None and kept.generation is generation and self._holds(kept, now_ms):
            self._kept.move_to_end(key)
            return kept.judgement
        judgement = await self._judge.judge(participant_id, subject, key[2], now_ms)
        self._kept[key] = _Kept(judgement, generation, now_ms)
        self._kept.move_to_end(key)
        while len(self._kept) > _MOST_KEPT_COUNT:
            self._kept.popitem(last=False)
        return judgement

    def _holds(self, kept: _Kept, now_ms: int) -> bool:
        until_ms = kept.judgement.until_ms
        is_recent = 0 <= now_ms - kept.judged_ms < self._fresh_s * 1000
        return is_recent and (until_ms is None or now_ms < until_ms)
