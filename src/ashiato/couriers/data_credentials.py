"""The token and the proof with which a counterparty's data plane is asked, and a fresh token when the old one runs out."""

from collections.abc import Mapping
from typing import Protocol

import structlog

from ashiato.clients.egress import Egress, EgressRefused, Unreachable
from ashiato.connector.data_address import DataEndpoint, with_token
from ashiato.connector.node import Node
from ashiato.connector.ports import Moment
from ashiato.facts.strict_json import MalformedJson, parse_strict

RENEW_BEFORE_EXPIRY_MS = 10_000
MOST_RENEWALS_COUNT = 2

log = structlog.get_logger()


class Prover(Protocol):
    """Port: proves to the counterparty that we hold the key of the participant for whom the access token was made."""

    def proof_for(self, participant_id: str, method: str, url: str, access_token: str, moment: Moment) -> str:
        """The value of the `DPoP` header for one request (RFC 9449)."""


class DataCredentials:
    """What opens one endpoint for one participant, for as long as a delivery takes."""

    def __init__(
        self,
        node: Node,
        egress: Egress,
        prover: Prover | None,
        participant_id: str,
        peer_id: str,
        endpoint: DataEndpoint,
    ) -> None:
        self._node = node
        self._egress = egress
        self._prover = prover
        self._participant_id = participant_id
        self._peer_id = peer_id
        self._renewed_count = 0
        self.endpoint = endpoint

    def headers(self, method: str) -> dict[str, str]:
        """The headers for one request; a proof counts once, so each request has its own."""
        endpoint = self.endpoint
        headers = {"Authorization": endpoint.authorization} if endpoint.authorization else {}
        if endpoint.wants_proof and self._prover is not None:
            headers["DPoP"] = self._prover.proof_for(
                self._participant_id, method, endpoint.url, endpoint.token, self._node.moment()
            )
        return headers

    def succeeded(self) -> None:
        """The token opened the door: the next refusal is about a new one."""
        self._renewed_count = 0

    async def refresh(self) -> None:
        """Renew a token that is about to run out; when that fails, the old one is tried."""
        expires_ms = self.endpoint.expires_ms
        if expires_ms is not None and self._node.moment().now_ms >= expires_ms - RENEW_BEFORE_EXPIRY_MS:
            await self.renew()

    async def renew(self) -> bool:
        """Ask for a fresh token, at most twice without success in between. A lost answer is simply asked for again."""
        url = self.endpoint.renewal_url
        if url is None or self._renewed_count == MOST_RENEWALS_COUNT:
            return False
        self._renewed_count += 1
        moment = self._node.moment()
        authorization = await self._node.identity.token_for(
            self._participant_id, self._peer_id, moment.now_ms, moment.fresh_id()
        )
        try:
            answer = await self._egress.request(
                "POST", url, headers={"Authorization": authorization}, body=b"", max_response_bytes=65_536
            )
            document = parse_strict(answer.body) if answer.status == 200 else None
        except (Unreachable, EgressRefused, MalformedJson) as error:
            log.info("token not renewed", participant=self._participant_id, why=str(error))
            return False
        if not isinstance(document, Mapping) or not isinstance(token := document.get("access_token"), str):
            log.info("token not renewed", participant=self._participant_id, status=answer.status)
            return False
        if not token or not token.isascii() or not token.isprintable():
            log.info(
                "token not renewed", participant=self._participant_id, why="the token is not printable ASCII"
            )
            return False
        lifetime_s = document.get("expires_in")
        expires_ms = moment.now_ms + lifetime_s * 1000 if isinstance(lifetime_s, int) else None
        self.endpoint = with_token(self.endpoint, token, expires_ms)
        return True
