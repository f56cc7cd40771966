import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ashiato.trust import base64url


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_what_is_encoded_is_read_back_and_never_padded(data: bytes) -> None:
    text = base64url.encode(data)
    assert text == base64.urlsafe_b64encode(data).decode().rstrip("=")
    assert base64url.decode(text) == data


@settings(deadline=None)
@given(st.text(alphabet="ABab01-_QRg", max_size=12))
def test_no_two_texts_give_the_same_bytes(text: str) -> None:
    try:
        data = base64url.decode(text)
    except ValueError:
        return
    assert base64url.encode(data) == text


@pytest.mark.parametrize(
    "text", ["A", "AAAAA", "AB", "AAB", "QQ==", "QUI=", "+A", "/A", "A A", "QQ\n", "Ａ0"]
)
def test_a_text_that_is_not_canonical_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"base64url|spare bits"):
        base64url.decode(text)
