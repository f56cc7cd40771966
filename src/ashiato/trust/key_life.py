"""The life of a participant's keys: published first, then signing, then only verifying, then gone.

Everything follows from instants that are written down when a key is made, rotated or revoked. So no timer has to fire, a crash
leaves nothing half done, and several processes on one database agree.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import TypeVar

import msgspec


class KeyState(StrEnum):
    """What a key does now."""

    PUBLISHED = "published"
    """In the DID document, so that others know it before it signs."""
    SIGNING = "signing"
    VERIFYING = "verifying"
    """It signs no more; what it signed is still accepted."""
    RETIRED = "retired"
    """Out of the DID document, after its time."""
    REVOKED = "revoked"
    """Out of the DID document at once, because somebody else may have it."""


class KeyLife(msgspec.Struct, frozen=True, kw_only=True):
    """The instants of one key under its full DID URL `kid`, in milliseconds; None has not been decided."""

    kid: str
    created_ms: int = 0
    signs_from_ms: int = 0
    retire_ms: int | None = None
    revoked_ms: int | None = None

    def is_published(self, now_ms: int) -> bool:
        """Whether it stands in the DID document."""
        return self.revoked_ms is None and (self.retire_ms is None or now_ms < self.retire_ms)


class CannotEndKey(ValueError):
    """The key is needed; whoever asked must rotate first, or name another."""


class NoSuchKey(CannotEndKey):
    """Whoever asked must name a key that there is."""


K = TypeVar("K", bound=KeyLife)


def signing_key(keys: Sequence[K], now_ms: int) -> K:
    """The one that signs: the newest that may; raises `ValueError` when there is none, which no rule below leads to."""
    able = [key for key in keys if key.is_published(now_ms) and key.signs_from_ms <= now_ms]
    if not able:
        raise ValueError("no key of this participant signs now")
    return max(able, key=lambda key: key.signs_from_ms)


def state_of(keys: Sequence[K], key: K, now_ms: int) -> KeyState:
    """What the key does now, among all keys of its participant."""
    if key.revoked_ms is not None:
        return KeyState.REVOKED
    if not key.is_published(now_ms):
        return KeyState.RETIRED
    if key.signs_from_ms > now_ms:
        return KeyState.PUBLISHED
    return KeyState.SIGNING if key.kid == signing_key(keys, now_ms).kid else KeyState.VERIFYING


def next_change_ms(keys: Sequence[K], now_ms: int) -> int | None:
    """The next instant at which the DID document or the signing key becomes another by itself."""
    instants = [key.signs_from_ms for key in keys] + [
        key.retire_ms for key in keys if key.retire_ms is not None
    ]
    return min((instant for instant in instants if instant > now_ms), default=None)


def rotated(keys: Sequence[K], new: K, *, keep_ms: int) -> tuple[K, ...]:
    """The keys with `new` behind them: the present ones verify until `keep_ms` after it begins to sign."""
    retire_ms = new.signs_from_ms + keep_ms
    return (
        *(
            msgspec.structs.replace(key, retire_ms=retire_ms)
            if key.revoked_ms is None and (key.retire_ms is None or key.retire_ms > retire_ms)
            else key
            for key in keys
        ),
        new,
    )


def retired(keys: Sequence[K], kid: str, now_ms: int) -> tuple[K, ...]:
    """The keys, that one out of the DID document from now on; raises `CannotEndKey` for the one that signs."""
    key = _named(keys, kid)
    if state_of(keys, key, now_ms) is KeyState.SIGNING:
        raise CannotEndKey(
            f"{kid} is the key that signs; rotate first, or revoke it if somebody else may have it"
        )
    if not key.is_published(now_ms):
        raise CannotEndKey(f"{kid} is out of the DID document already")
    return _replaced(keys, msgspec.structs.replace(key, retire_ms=now_ms))


def revoked(keys: Sequence[K], kid: str, new: K, now_ms: int) -> tuple[K, ...]:
    """The keys, that one out at once; `new` signs from now on unless another key signs already.

    Others may refuse `new` until they fetch the DID document again: better that than a signature of a thief.
    """
    key = _named(keys, kid)
    if key.revoked_ms is not None:
        raise CannotEndKey(f"{kid} is revoked already")
    left = _replaced(keys, msgspec.structs.replace(key, revoked_ms=now_ms))
    able = [other for other in left if other.is_published(now_ms) and other.signs_from_ms <= now_ms]
    if able:
        # What would have been retired in its favour lives on, or nothing would sign after that.
        heir = max(able, key=lambda other: other.signs_from_ms)
        ahead = any(other.is_published(now_ms) and other.signs_from_ms > now_ms for other in left)
        return left if ahead else _replaced(left, msgspec.structs.replace(heir, retire_ms=None))
    return (*left, new)


def _named(keys: Sequence[K], kid: str) -> K:
    found = next((key for key in keys if key.kid == kid), None)
    if found is None:
        raise NoSuchKey(f"there is no key {kid}")
    return found


def _replaced(keys: Sequence[K], key: K) -> tuple[K, ...]:
    return tuple(key if other.kid == key.kid else other for other in keys)
