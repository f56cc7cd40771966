"""Speaks to the witnesses of a log (C2SP tlog-witness): what they saw last, and their cosignatures."""

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import sha256

import structlog

from ashiato.clients.egress import Egress
from ashiato.clients.egress_errors import EgressError
from ashiato.hub.ledger_ports import Prove
from ashiato.log.notes import MOST_NOTE_BYTES, MalformedNote, Note, NoteKey, NoteSignature, parse_signatures
from ashiato.log.witnessing import Answer, encode_submission

TIMEOUT_S = 5.0

log = structlog.get_logger()


class WitnessClients:
    """The port `hub.ledger_ports.Witnesses`, over HTTP. `addresses` gives the prefix of each key's witness."""

    def __init__(self, egress: Egress, origin: str, addresses: Sequence[tuple[NoteKey, str]]) -> None:
        self._egress = egress
        self._origin_sha256 = sha256(origin.encode()).hexdigest()
        self._addresses = tuple((key, address.rstrip("/")) for key, address in addresses)
        # Only a guess with which to begin: a witness says 409 and its size when it is another.
        self._seen_counts: dict[str, int] = {}

    @property
    def keys(self) -> Sequence[NoteKey]:
        """See the port."""
        return tuple(key for key, _ in self._addresses)

    async def last_seen(self) -> Mapping[str, bytes | None]:
        """See the port."""
        answers = await asyncio.gather(*(self._last(address) for _, address in self._addresses))
        return {
            key.name: note
            for (key, _), (is_answered, note) in zip(self._addresses, answers, strict=True)
            if is_answered
        }

    async def cosign(self, note: Note, size_count: int, prove: Prove) -> Sequence[NoteSignature]:
        """See the port."""
        found = await asyncio.gather(
            *(self._cosign(key, address, note, size_count, prove) for key, address in self._addresses)
        )
        return [line for lines in found for line in lines]

    async def _last(self, address: str) -> tuple[bool, bytes | None]:
        url = f"{address}/{self._origin_sha256}/checkpoint"
        try:
            answer = await self._egress.request(
                "GET", url, timeout_s=TIMEOUT_S, max_response_bytes=MOST_NOTE_BYTES
            )
        except EgressError as error:
            log.warning("a witness does not answer", why=str(error))
            return False, None
        if answer.status == Answer.UNKNOWN_LOG:
            return True, None
        return answer.status == 200, answer.body

    async def _cosign(
        self, key: NoteKey, address: str, note: Note, size_count: int, prove: Prove
    ) -> Sequence[NoteSignature]:
        old_count = min(self._seen_counts.get(key.name, 0), size_count)
        # The second try is with the size that the witness told.
        for _ in range(2):
            body = encode_submission(old_count, await prove(old_count), note)
            try:
                answer = await self._egress.request(
                    "POST",
                    f"{address}/add-checkpoint",
                    headers={"Content-Type": "text/plain; charset=utf-8"},
                    body=body,
                    timeout_s=TIMEOUT_S,
                    max_response_bytes=MOST_NOTE_BYTES,
                )
            except EgressError as error:
                log.warning("a witness does not answer", witness=key.name, why=str(error))
                return ()
            if answer.status == Answer.COSIGNED:
                self._seen_counts[key.name] = size_count
                return _lines(answer.body)
            if answer.status != Answer.OUT_OF_STEP or (told := _told(answer.body, size_count)) is None:
                break
            old_count = told
        log.error("a witness does not cosign", witness=key.name, status=answer.status)
        return ()


def _told(body: bytes, most_count: int) -> int | None:
    """The size that a witness told, where the tree can still extend it."""
    text = body[:32].decode("ascii", "replace").removesuffix("\n")
    return int(text) if text.isascii() and text.isdigit() and int(text) <= most_count else None


def _lines(body: bytes) -> Sequence[NoteSignature]:
    try:
        return parse_signatures(body.decode("utf-8"))
    except (MalformedNote, UnicodeDecodeError):
        return ()
