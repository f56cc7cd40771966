"""Asks a time stamp authority over HTTP (RFC 3161, 3.4), through the one way out."""

from ashiato.clients.egress import Egress, EgressRefused, Unreachable
from ashiato.trust.timestamps import (
    MAX_RESPONSE_BYTES,
    Anchors,
    TimeStampRefused,
    VerifiedTimeStamp,
    request,
    verify_response,
)

QUERY_TYPE = "application/timestamp-query"
REPLY_TYPE = "application/timestamp-reply"
TIMEOUT_S = 10.0


class NoTimeStamp(Exception):
    """The authority gave none that holds; the operator looks when it lasts. `why` is one sentence."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class TimeStampAuthority:
    """One authority, believed by the given anchors only."""

    def __init__(self, egress: Egress, url: str, anchors: Anchors) -> None:
        self._egress = egress
        self._url = url
        self._anchors = anchors

    async def stamp(self, text: bytes, nonce: int) -> VerifiedTimeStamp:
        """A time stamp over `text`, checked; raises `NoTimeStamp`."""
        try:
            answer = await self._egress.request(
                "POST",
                self._url,
                headers={"Content-Type": QUERY_TYPE, "Accept": REPLY_TYPE},
                body=request(text, nonce),
                timeout_s=TIMEOUT_S,
                max_response_bytes=MAX_RESPONSE_BYTES,
            )
        except (Unreachable, EgressRefused) as error:
            raise NoTimeStamp(str(error)) from error
        if answer.status != 200:
            raise NoTimeStamp(f"the authority answers {answer.status}")
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != REPLY_TYPE:
            raise NoTimeStamp(f"the authority answers with {kind[:64]!r}, not with {REPLY_TYPE}")
        try:
            return verify_response(answer.body, text, nonce, self._anchors)
        except TimeStampRefused as error:
            raise NoTimeStamp(f"{error.fault}: {error.sentence}") from error
