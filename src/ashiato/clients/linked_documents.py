"""Documents that credentials point to: status lists and schemas, fetched by URL and kept with explicit freshness."""

import structlog

from ashiato.clients.egress import Egress, EgressRefused, Unreachable
from ashiato.clients.keeping import Keeper, KeepingRules, Kept, Unavailable

MOST_DOCUMENT_BYTES = 1_048_576
TIMEOUT_S = 5.0
_ACCEPT = "application/vc+jwt, application/vc+ld+json+jwt, application/jwt, application/json;q=0.9, */*;q=0.1"

_log = structlog.get_logger(__name__)


class LinkedDocuments:
    """Bytes by URL through the egress, whoever wrote the URL. What they mean, and whether they are signed, is asked elsewhere."""

    def __init__(self, egress: Egress, rules: KeepingRules) -> None:
        self._egress = egress
        self._keeper = Keeper(self._download, rules, on_stale=_tell_stale, bytes_of=len)

    async def get(self, url: str, now_ms: int) -> Kept[bytes]:
        """The document, at most `fresh_s` old, or `stale_s` while its server cannot be reached; raises `Unavailable`."""
        return await self._keeper.get(url, now_ms)

    async def _download(self, url: str) -> bytes:
        try:
            response = await self._egress.request(
                "GET",
                url,
                headers={"Accept": _ACCEPT},
                timeout_s=TIMEOUT_S,
                max_response_bytes=MOST_DOCUMENT_BYTES,
            )
        except EgressRefused as error:
            raise Unavailable(url, error.why, is_temporary=False) from error
        except Unreachable as error:
            raise Unavailable(url, error.why, is_temporary=True) from error
        if response.status != 200:
            is_temporary = response.status >= 500 or response.status in (408, 425, 429)
            raise Unavailable(url, f"the server answers {response.status}", is_temporary=is_temporary)
        return response.body


def _tell_stale(url: str, age_s: int, why: str) -> None:
    _log.warning("linked_document_stale", url=url, age_s=age_s, why=why)
