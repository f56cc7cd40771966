"""What a counterparty presented, as it is kept between its calls."""

import msgspec


class StoredPresentation(msgspec.Struct, frozen=True):
    """The credentials that `peer_id` presented and that counted when it did; `credentials` are their own bytes as text.

    The presentation around them was verified at `fetched_ms`, so they are its own. Whether they still count is asked anew at each
    use: dates, status, trust list. `key_thumbprint` (RFC 7638) is the key with which it proved itself then.
    """

    peer_id: str
    credentials: tuple[str, ...]
    fetched_ms: int
    key_thumbprint: str = ""
