import pytest

from ashiato.facts.strict_json import MalformedJson, parse_strict


def test_an_ordinary_document_is_read() -> None:
    assert parse_strict('{"a": [1, 2.5, "é", null, true]}'.encode()) == {"a": [1, 2.5, "é", None, True]}


def test_a_surrogate_pair_that_is_whole_is_read() -> None:
    assert parse_strict(rb'{"a": "\ud83d\udd0b"}') == {"a": "\U0001f50b"}


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"x": {"a": 1, "b": 2, "a": 3}}', "'a'"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": 1e400}', "too large"),
        (b'{"a": -Infinity}', "Infinity"),
        (rb'{"a": "\ud83d"}', "surrogate"),
        (b'{"a": "\xff"}', "utf-8"),
        (b'\xef\xbb\xbf{"a": 1}', "BOM"),
        (b"[" * 65 + b"]" * 65, "deeper"),
        (b"[" * 200_000 + b"]" * 200_000, "deeper"),
        (b'{"a": ', "Expecting"),
        (b"", "Expecting"),
        (b"1" * 5000, "digits"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(MalformedJson, match=problem):
        parse_strict(data)


def test_depth_is_counted_exactly() -> None:
    assert parse_strict(b"[" * 64 + b"]" * 64) is not None


def test_a_document_over_the_size_bound_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(MalformedJson, match="at most 10"):
        parse_strict(b'{"a": "0123456789"}', max_bytes=10)
