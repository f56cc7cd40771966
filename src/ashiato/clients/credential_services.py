"""Asks the credential service of a counterparty for its credentials (DCP 1.0, 5.4)."""

from ashiato.clients.egress import Egress, EgressRefused, Unreachable
from ashiato.clients.keeping import Unavailable

PATH = "/presentations/query"
TIMEOUT_S = 10.0
MOST_RESPONSE_BYTES = 262_144


class CredentialServices:
    """The Resolution API of credential services, whose addresses stand in DID documents."""

    def __init__(self, egress: Egress) -> None:
        self._egress = egress

    async def query(self, endpoint: str, authorization: str, message: bytes) -> bytes:
        """The body of the answer to a PresentationQueryMessage; raises `Unavailable`."""
        try:
            response = await self._egress.request(
                "POST",
                endpoint.rstrip("/") + PATH,
                headers={
                    "Authorization": authorization,
                    "Content-Type": "application/json",
                    "Accept": "application/json",
                },
                body=message,
                timeout_s=TIMEOUT_S,
                max_response_bytes=MOST_RESPONSE_BYTES,
            )
        except EgressRefused as error:
            raise Unavailable(endpoint, error.why, is_temporary=False) from error
        except Unreachable as error:
            raise Unavailable(endpoint, error.why, is_temporary=True) from error
        if not 200 <= response.status < 300:
            is_temporary = response.status >= 500 or response.status in (408, 425, 429)
            raise Unavailable(
                endpoint, f"the credential service answers {response.status}", is_temporary=is_temporary
            )
        return response.body
