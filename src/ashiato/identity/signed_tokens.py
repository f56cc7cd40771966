"""Identity by self-issued tokens: each side signs with the key of its DID document (DCP 1.0, 4.3, without credentials)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from ashiato.identity.callers import KnownCaller
from ashiato.trust.did import DidDocument
from ashiato.trust.keys import SigningKey
from ashiato.trust.service_tokens import mint_service_token
from ashiato.trust.standing import Standing
from ashiato.trust.tokens import TokenRefused, mint_token, parse_token, verify_token

TOKEN_TTL_S = 60
LONGEST_TTL_S = 600
LEEWAY_S = 10
SCHEME = "Bearer"


class NotAuthenticated(Exception):
    """The counterparty did not prove who it is; `why` is for our log, never for the answer.

    `is_temporary` says that its key could not be fetched now: it should try again.
    """

    def __init__(self, why: str, *, is_temporary: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.is_temporary = is_temporary


class CannotResolve(Exception):
    """A DID document cannot be had; `why` is for our log, `is_temporary` says whether a later try may succeed."""

    def __init__(self, why: str, *, is_temporary: bool) -> None:
        super().__init__(why)
        self.why = why
        self.is_temporary = is_temporary


class Documents(Protocol):
    """Port: DID documents, from a cache with explicit freshness or from their host."""

    async def resolve(self, did: str, now_ms: int, *, needs_kid: str | None = None) -> DidDocument:
        """The document; raises `CannotResolve`."""


class SignedTokens:
    """The signed-token implementation of the identity port, for every participant of this process.

    The replay check is part of the unit of work of each request (`Records.remember_token`), because it must hold across
    processes and restarts.
    """

    def __init__(
        self,
        documents: Documents,
        keys: Mapping[str, SigningKey],
        shown_scopes: Callable[[str, str], Sequence[str]] | None = None,
    ) -> None:
        """`shown_scopes(participant, audience)` says what the audience may ask the participant's credential service for."""
        self._documents = documents
        self._keys = keys
        self._shown_scopes = shown_scopes

    async def authenticate(self, participant_id: str, authorization: str | None, now_ms: int) -> KnownCaller:
        """The verified caller of a request to `participant_id`; raises `NotAuthenticated`."""
        scheme, _, compact = (authorization or "").partition(" ")
        if scheme.lower() != SCHEME.lower() or not compact:
            raise NotAuthenticated("the request has no bearer token")
        try:
            token = parse_token(compact)
            document = await self._documents.resolve(token.issuer, now_ms, needs_kid=token.kid)
            verified = verify_token(
                token,
                document,
                audience=participant_id,
                now_ms=now_ms,
                leeway_s=LEEWAY_S,
                max_ttl_s=LONGEST_TTL_S,
            )
        except TokenRefused as error:
            raise NotAuthenticated(str(error)) from error
        except CannotResolve as error:
            raise NotAuthenticated(error.why, is_temporary=error.is_temporary) from error
        return KnownCaller(verified, Standing(verified.participant_id))

    async def standing(self, participant_id: str, peer_id: str, now_ms: int) -> Standing:
        """What `participant_id` knows of a peer beside its identity: without credentials, nothing."""
        return Standing(peer_id)

    async def token_for(self, participant_id: str, audience: str, now_ms: int, token_id: str) -> str:
        """The value of the Authorization header that proves `participant_id` to `audience`; `token_id` is used once."""
        scopes = self._shown_scopes(participant_id, audience) if self._shown_scopes else ()
        if not scopes:
            return await self.token_with(participant_id, audience, now_ms, token_id, {})
        token = mint_service_token(
            self._keys[participant_id],
            bearer=audience,
            scopes=scopes,
            now_ms=now_ms,
            token_id=f"{token_id}-access",
        )
        return await self.token_with(participant_id, audience, now_ms, token_id, {"token": token})

    async def token_with(
        self, participant_id: str, audience: str, now_ms: int, token_id: str, claims: Mapping[str, object]
    ) -> str:
        """As `token_for`, with these claims and without an access token of our own."""
        token = mint_token(
            self._keys[participant_id],
            audience=audience,
            now_ms=now_ms,
            ttl_s=TOKEN_TTL_S,
            token_id=token_id,
            claims=claims,
        )
        return f"{SCHEME} {token}"
