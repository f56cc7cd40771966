"""Retry-After as servers write it, and as they should not."""

import pytest

from ashiato.clients.egress import EgressResponse
from ashiato.couriers.patience import asked_patience_ms

# Sun, 06 Nov 1994 08:49:37 GMT is the example of RFC 9110, 5.6.7.
EXAMPLE_MS = 784_111_777_000


@pytest.mark.parametrize(
    ("told", "wait_ms"),
    [
        ("120", 120_000),
        ("0", 0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 60_000),
        ("Sun, 06 Nov 1994 07:49:37 GMT", 0),
        ("Mon, 07 Nov 1994 08:49:37 GMT", 3_600_000),
        ("86400", 3_600_000),
        ("9" * 400, 3_600_000),
        ("-5", 0),
        ("1.5", 0),
        ("soon", 0),
        ("\u0663", 0),
        ("Sun, 99 Nov 99999 08:49:37 GMT", 0),
        ("", 0),
    ],
)
def test_what_a_server_asks_for_is_kept_up_to_an_hour(told: str, wait_ms: int) -> None:
    response = EgressResponse(status=503, headers={"Retry-After": told}, body=b"")
    assert asked_patience_ms(response, EXAMPLE_MS - 60_000) == wait_ms
