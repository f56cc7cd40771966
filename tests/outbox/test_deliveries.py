"""When a delivery that failed is tried again, and when it is given up."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ashiato.outbox.deliveries import Delivery, DeliveryKind, next_try_ms

HOUR_MS = 3_600_000
FIRST = Delivery(
    delivery_id="d",
    participant_id="did:web:maker.example",
    kind=DeliveryKind.MESSAGE,
    process_id="p",
    sequence=1,
    message_name="ContractRequestMessage",
    address="https://cells.example",
    audience="did:web:cells.example",
    body=b"{}",
    created_ms=1000,
    due_ms=1000,
)


def test_the_waits_double_from_a_tenth_of_a_second_to_a_minute() -> None:
    waits_ms = [
        (next_try_ms(msgspec.structs.replace(FIRST, attempts_count=count), 5000) or 0) - 5000
        for count in range(13)
    ]
    assert waits_ms == [
        100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000, 60_000,
    ]  # fmt: skip


def test_who_asks_for_patience_gets_it_and_no_shorter_wait_than_usual() -> None:
    assert next_try_ms(FIRST, 5000, 30_000) == 35_000
    assert next_try_ms(FIRST, 5000, 1) == 5100


def test_after_three_days_it_is_given_up() -> None:
    last_ms = 1000 + 72 * HOUR_MS
    assert next_try_ms(FIRST, last_ms - 1) == last_ms + 99
    assert next_try_ms(FIRST, last_ms) is None
    assert next_try_ms(FIRST, last_ms + HOUR_MS) is None


@pytest.mark.parametrize("kind", [DeliveryKind.ERASE, DeliveryKind.EXPIRY, DeliveryKind.OBLIGATION])
def test_what_was_promised_and_nobody_else_can_refuse_is_never_given_up(kind: DeliveryKind) -> None:
    own = msgspec.structs.replace(FIRST, kind=kind, attempts_count=5000)
    last_ms = 1000 + 72 * HOUR_MS
    assert next_try_ms(own, last_ms - 1) == last_ms - 1 + 60_000
    for later_ms in (last_ms, last_ms + 10_000 * HOUR_MS):
        assert next_try_ms(own, later_ms) == later_ms + HOUR_MS


@given(st.integers(min_value=0, max_value=10**9), st.integers(min_value=1000, max_value=72 * HOUR_MS))
def test_however_often_it_failed_the_next_try_is_at_most_a_minute_away(
    attempts_count: int, now_ms: int
) -> None:
    again_ms = next_try_ms(msgspec.structs.replace(FIRST, attempts_count=attempts_count), now_ms)
    assert again_ms is not None
    assert 100 <= again_ms - now_ms <= 60_000
