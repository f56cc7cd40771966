"""base64url as RFC 7515, 2 means it: no padding, and one text for each byte string."""

import base64

# The spare bits of the last character must be zero; otherwise many texts decode to one value.
_LAST_OF_TWO = frozenset("AQgw")
_LAST_OF_THREE = frozenset("AEIMQUYcgkosw048")
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def encode(data: bytes) -> str:
    """Unpadded base64url text of `data`."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """The bytes of `text`; raises `ValueError` for padding, other characters, or spare bits that are set."""
    if not text.isascii() or text.encode("ascii").translate(None, _ALPHABET):
        raise ValueError("it holds a character outside the base64url alphabet")
    rest = len(text) % 4
    if rest == 1:
        raise ValueError("its length is impossible in base64url")
    if (rest == 2 and text[-1] not in _LAST_OF_TWO) or (rest == 3 and text[-1] not in _LAST_OF_THREE):
        raise ValueError("the spare bits of its last character are not zero")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
