"""Identity by self-issued tokens together with the credentials that the caller presents (DCP 1.0)."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from ashiato.identity.callers import KnownCaller
from ashiato.identity.signed_tokens import NotAuthenticated
from ashiato.identity.standings import KnownPeers
from ashiato.trust.standing import Standing

ACCESS_TOKEN_CLAIM = "token"
CREDENTIAL_CLAIM = "credential"


class LacksCredentials(NotAuthenticated):
    """The caller proved who it is, and presented none of the credentials that everybody must have: `types` are missing."""

    def __init__(self, types: Sequence[str], why: str, *, is_temporary: bool) -> None:
        super().__init__(why, is_temporary=is_temporary)
        self.types = tuple(types)


class Tokens(Protocol):
    """Port: identity without credentials, see `signed_tokens.SignedTokens`."""

    async def authenticate(
        self, participant_id: str, authorization: str | None, now_ms: int
    ) -> KnownCaller: ...
    async def token_for(self, participant_id: str, audience: str, now_ms: int, token_id: str) -> str: ...


class PresentedCredentials:
    """The implementation of the identity port that asks every caller for its credentials."""

    def __init__(self, tokens: Tokens, peers: KnownPeers, required: Sequence[str]) -> None:
        self._tokens = tokens
        self.peers = peers
        self._required = tuple(required)

    async def authenticate(self, participant_id: str, authorization: str | None, now_ms: int) -> KnownCaller:
        """The verified caller and what its credentials prove; raises `NotAuthenticated`, or `LacksCredentials`."""
        caller = await self._tokens.authenticate(participant_id, authorization, now_ms)
        access_token = caller.verified.claims.get(ACCESS_TOKEN_CLAIM)
        known = await self.peers.of_caller(
            participant_id,
            caller.participant_id,
            access_token if isinstance(access_token, str) else None,
            now_ms,
            caller.verified.key,
        )
        standing = self.peers.standing(caller.participant_id, known)
        missing = self._missing(standing)
        if missing:
            why = f"{caller.participant_id} lacks {', '.join(missing)}: {known.reasons() or 'it presented none'}"
            raise LacksCredentials(missing, why, is_temporary=known.is_temporary)
        return KnownCaller(caller.verified, standing)

    async def standing(self, participant_id: str, peer_id: str, now_ms: int) -> Standing:
        """What the peer presented before and what of it still counts; no claims when that is nothing."""
        standing = self.peers.standing(peer_id, await self.peers.of_peer(participant_id, peer_id, now_ms))
        return msgspec.structs.replace(standing, lacks=self._missing(standing))

    def _missing(self, standing: Standing) -> tuple[str, ...]:
        held = standing.claims.get(CREDENTIAL_CLAIM, frozenset())
        return tuple(type_ for type_ in self._required if type_ not in held)

    async def token_for(self, participant_id: str, audience: str, now_ms: int, token_id: str) -> str:
        """See `signed_tokens.SignedTokens.token_for`."""
        return await self._tokens.token_for(participant_id, audience, now_ms, token_id)
