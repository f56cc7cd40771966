"""The opened keys of one participant, and which of them signs at an instant."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from ashiato.stores.keys import KeySafe
from ashiato.stores.participants import SealedKey
from ashiato.trust.key_life import next_change_ms, signing_key
from ashiato.trust.keys import SigningKey, VerificationKey


class KeyRing:
    """Keys in memory, opened once."""

    def __init__(self, sealed: Sequence[SealedKey], safe: KeySafe) -> None:
        self.lives = tuple(sealed)
        self._keys = {key.kid: safe.open(key) for key in sealed if key.revoked_ms is None}

    def signing(self, now_ms: int) -> SigningKey:
        """The key that signs now."""
        return self._keys[signing_key(self.lives, now_ms).kid]

    def published(self, now_ms: int) -> list[VerificationKey]:
        """The keys of the DID document."""
        return [self._keys[key.kid].verification_key() for key in self.lives if key.is_published(now_ms)]

    def certificates(self) -> dict[str, tuple[str, ...]]:
        """The certificate chains that are bound to keys, by key id."""
        return {key.kid: key.certificates for key in self.lives if key.certificates}

    def next_change_ms(self, now_ms: int) -> int | None:
        """The next instant at which something of this becomes another by itself."""
        return next_change_ms(self.lives, now_ms)


class PresentKeys(Mapping[str, SigningKey]):
    """The key that signs now, for each participant."""

    def __init__(self, rings: Mapping[str, KeyRing], now_ms: Callable[[], int]) -> None:
        self._rings = rings
        self._now_ms = now_ms

    def __getitem__(self, participant_id: str) -> SigningKey:
        return self._rings[participant_id].signing(self._now_ms())

    def __iter__(self) -> Iterator[str]:
        return iter(self._rings)

    def __len__(self) -> int:
        return len(self._rings)
