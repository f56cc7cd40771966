"""Keys that are published, sign, verify and go: at each instant by the instants that were written down."""

import pytest

from ashiato.trust.key_life import (
    CannotEndKey,
    KeyLife,
    KeyState,
    next_change_ms,
    retired,
    revoked,
    rotated,
    signing_key,
    state_of,
)

FIRST = KeyLife(kid="did:web:a.example#key-1", created_ms=0)
SECOND = KeyLife(kid="did:web:a.example#key-2", created_ms=1000, signs_from_ms=1300)
THIRD = KeyLife(kid="did:web:a.example#key-3", created_ms=2000, signs_from_ms=2000)


def states(keys: tuple[KeyLife, ...], now_ms: int) -> list[KeyState]:
    return [state_of(keys, key, now_ms) for key in keys]


def test_a_new_key_is_published_before_it_signs_and_the_old_one_verifies_after_it() -> None:
    keys = rotated((FIRST,), SECOND, keep_ms=500)
    assert states(keys, 1000) == [KeyState.SIGNING, KeyState.PUBLISHED]
    assert states(keys, 1299) == [KeyState.SIGNING, KeyState.PUBLISHED]
    assert states(keys, 1300) == [KeyState.VERIFYING, KeyState.SIGNING]
    assert states(keys, 1799) == [KeyState.VERIFYING, KeyState.SIGNING]
    assert states(keys, 1800) == [KeyState.RETIRED, KeyState.SIGNING]


def test_the_next_change_is_known_at_each_instant() -> None:
    keys = rotated((FIRST,), SECOND, keep_ms=500)
    assert [next_change_ms(keys, now_ms) for now_ms in (0, 1299, 1300, 1799, 1800)] == [
        1300, 1300, 1800, 1800, None,
    ]  # fmt: skip


def test_at_every_instant_exactly_one_key_signs_and_it_is_published() -> None:
    keys = rotated(rotated((FIRST,), SECOND, keep_ms=500), THIRD, keep_ms=100)
    for now_ms in range(0, 3000, 50):
        signing = [key for key in keys if state_of(keys, key, now_ms) is KeyState.SIGNING]
        assert signing == [signing_key(keys, now_ms)]
        assert signing[0].is_published(now_ms)


def test_a_second_rotation_does_not_prolong_a_key_that_was_to_go_earlier() -> None:
    keys = rotated(rotated((FIRST,), SECOND, keep_ms=500), THIRD, keep_ms=100_000)
    assert (keys[0].retire_ms, keys[1].retire_ms) == (1800, 102_000)


def test_the_key_that_signs_is_not_retired_and_others_are_at_once() -> None:
    keys = rotated((FIRST,), SECOND, keep_ms=500)
    with pytest.raises(CannotEndKey, match="rotate first"):
        retired(keys, FIRST.kid, 1200)
    assert states(retired(keys, FIRST.kid, 1400), 1400) == [KeyState.RETIRED, KeyState.SIGNING]
    with pytest.raises(CannotEndKey, match="already"):
        retired(retired(keys, FIRST.kid, 1400), FIRST.kid, 1500)
    with pytest.raises(CannotEndKey, match="no key"):
        retired(keys, "did:web:a.example#other", 1400)


def test_a_revoked_key_is_out_at_once_and_a_new_one_signs() -> None:
    keys = revoked((FIRST,), FIRST.kid, THIRD, 2000)
    assert states(keys, 2000) == [KeyState.REVOKED, KeyState.SIGNING]
    with pytest.raises(CannotEndKey, match="revoked already"):
        revoked(keys, FIRST.kid, THIRD, 2001)


def test_revoking_the_new_key_gives_the_one_before_it_back_its_time() -> None:
    keys = revoked(rotated((FIRST,), SECOND, keep_ms=500), SECOND.kid, THIRD, 1400)
    assert states(keys, 1400) == [KeyState.SIGNING, KeyState.REVOKED]
    assert states(keys, 10_000) == [KeyState.SIGNING, KeyState.REVOKED]


def test_revoking_a_key_that_only_verifies_leaves_the_rest_as_it_is() -> None:
    keys = rotated((FIRST,), SECOND, keep_ms=500)
    assert states(revoked(keys, FIRST.kid, THIRD, 1400), 1400) == [KeyState.REVOKED, KeyState.SIGNING]
