"""Asks a counterparty's credential service for its credentials (DCP 1.0, 5) and opens the presentations that it answers with."""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from ashiato.facts.strict_json import MalformedJson, parse_strict
from ashiato.identity.evidence import Evidence
from ashiato.identity.signed_tokens import LEEWAY_S, CannotResolve
from ashiato.trust.did import DidDocument
from ashiato.trust.jws import TokenRefused
from ashiato.trust.presentations import parse_presentation, verify_presentation

SERVICE_TYPE = "CredentialService"
CONTEXT = "https://w3id.org/dspace-dcp/v1.0/dcp.jsonld"
MOST_PRESENTATIONS_COUNT = 8
MOST_CREDENTIALS_COUNT = 64
_MOST_RESPONSE_BYTES = 262_144


class CredentialsNotShown(Exception):
    """The peer showed nothing that can be used; `why` is one sentence for our own people."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Prover(Protocol):
    """Port: our own proof of identity."""

    async def token_with(
        self, participant_id: str, audience: str, now_ms: int, token_id: str, claims: dict[str, object]
    ) -> str:
        """The value of an Authorization header with these extra claims."""


class PresentationQuery:
    """The presentation flow from the verifier's side."""

    def __init__(
        self,
        evidence: Evidence,
        prover: Prover,
        scopes: Sequence[str],
        fresh_id: Callable[[], str],
        *,
        loose_vc11: bool = False,
    ) -> None:
        self._evidence = evidence
        self._prover = prover
        self._message = msgspec.json.encode(
            {"@context": [CONTEXT], "type": "PresentationQueryMessage", "scope": list(scopes)}
        )
        self._fresh_id = fresh_id
        self._is_loose = loose_vc11

    async def credentials(
        self, participant_id: str, peer_id: str, access_token: str, now_ms: int
    ) -> tuple[str, ...]:
        """The credentials in the peer's presentations to `participant_id`, none of them judged yet.

        Raises `CredentialsNotShown`, `CannotFetch` or `CannotResolve`.
        """
        document = await self._document(peer_id, now_ms)
        service = document.service(SERVICE_TYPE)
        if service is None:
            raise CredentialsNotShown(f"its DID document names no {SERVICE_TYPE}")
        claims: dict[str, object] = {"token": access_token}
        authorization = await self._prover.token_with(
            participant_id, peer_id, now_ms, self._fresh_id(), claims
        )
        body = await self._evidence.query(service.endpoint, authorization, self._message)
        found: list[str] = []
        try:
            for text in _presentations(body):
                presentation = verify_presentation(
                    parse_presentation(text, loose_vc11=self._is_loose),
                    document,
                    audience=participant_id,
                    now_ms=now_ms,
                    leeway_s=LEEWAY_S,
                )
                found.extend(credential.compact for credential in presentation.credentials)
        except TokenRefused as error:
            raise CredentialsNotShown(f"its presentation is refused: {error}") from error
        if len(found) > MOST_CREDENTIALS_COUNT:
            raise CredentialsNotShown(f"it presents more than {MOST_CREDENTIALS_COUNT} credentials")
        return tuple(found)

    async def _document(self, peer_id: str, now_ms: int) -> DidDocument:
        found = (await self._evidence.documents([peer_id], now_ms))[peer_id]
        if isinstance(found, CannotResolve):
            raise found
        return found


def _presentations(body: bytes) -> list[str]:
    """The presentations in a PresentationResponseMessage (DCP 1.0, 5.4.2), all enveloped."""
    try:
        message = parse_strict(body, max_bytes=_MOST_RESPONSE_BYTES, max_depth=8)
    except MalformedJson as error:
        raise CredentialsNotShown(f"its answer is not strict JSON: {error.problem[:200]}") from None
    if not isinstance(message, dict) or message.get("type") != "PresentationResponseMessage":
        raise CredentialsNotShown("its answer is no PresentationResponseMessage")
    texts = message.get("presentation")
    if not isinstance(texts, list) or len(texts) > MOST_PRESENTATIONS_COUNT:
        raise CredentialsNotShown(
            f"its answer is no list of at most {MOST_PRESENTATIONS_COUNT} presentations"
        )
    enveloped = [text for text in texts if isinstance(text, str)]
    if len(enveloped) != len(texts):
        raise CredentialsNotShown("one of its presentations is not a JWT")
    return enveloped
