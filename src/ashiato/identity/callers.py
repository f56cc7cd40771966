"""A counterparty that proved who it is, together with what else is verified of it."""

import msgspec

from ashiato.trust.standing import Standing
from ashiato.trust.tokens import VerifiedCaller


class KnownCaller(msgspec.Struct, frozen=True):
    """The caller of one request: its token, which counts once, and its standing."""

    verified: VerifiedCaller
    standing: Standing

    @property
    def participant_id(self) -> str:
        """The DID that it proved."""
        return self.verified.participant_id

    @property
    def token_id(self) -> str:
        """The id of its token, to be remembered until `expires_ms`."""
        return self.verified.token_id

    @property
    def expires_ms(self) -> int:
        """From then on the token is accepted no more."""
        return self.verified.expires_ms
