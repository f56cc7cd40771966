"""`Range`, `If-Range` and `Content-Range`, by the examples and rules of RFC 9110, sections 13.1.5 and 14."""

import pytest

from ashiato.connector.ranges import (
    ByteRange,
    ContentRange,
    Unsatisfiable,
    content_range,
    range_holds,
    requested_range,
)


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("bytes=0-499", ByteRange(0, 500)),
        ("bytes=500-999", ByteRange(500, 1000)),
        ("bytes=-500", ByteRange(9500, 10_000)),
        ("bytes=9500-", ByteRange(9500, 10_000)),
        ("bytes=0-0", ByteRange(0, 1)),
        ("bytes=-1", ByteRange(9999, 10_000)),
        ("Bytes=0-9", ByteRange(0, 10)),
        ("bytes=9999-20000", ByteRange(9999, 10_000)),
        ("bytes=-20000", ByteRange(0, 10_000)),
    ],
)
def test_a_single_range_names_its_bytes(header: str, wanted: ByteRange) -> None:
    assert requested_range(header, 10_000) == wanted


@pytest.mark.parametrize("header", ["bytes=10000-", "bytes=10000-10001", "bytes=-0"])
def test_a_range_behind_the_end_cannot_be_satisfied(header: str) -> None:
    assert requested_range(header, 10_000) == Unsatisfiable()


def test_nothing_of_an_empty_body_can_be_asked_for() -> None:
    assert requested_range("bytes=0-", 0) == Unsatisfiable()
    assert requested_range("bytes=-5", 0) == Unsatisfiable()


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=5-4",
        "bytes=a-b",
        "bytes=1-2-3",
        "bytes=0x10-",
        "bytes=+1-2",
        "bytes=٣-٤",
        "items=0-5",
        "bytes=0-0,5-6",
        "bytes=0-," + "0-," * 100_000,
        "bytes=99999999999999999999999-",
    ],
)
def test_what_is_no_single_range_is_ignored_and_the_whole_is_sent(header: str | None) -> None:
    assert requested_range(header, 10_000) is None


def test_a_condition_holds_only_for_the_same_strong_entity_tag() -> None:
    assert range_holds(None, '"a"')
    assert range_holds('"a"', '"a"')
    assert not range_holds('"b"', '"a"')
    assert not range_holds('W/"a"', 'W/"a"')
    assert not range_holds('"a"', None)
    assert not range_holds("Sat, 29 Oct 1994 19:43:31 GMT", '"a"')


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("bytes 42-1233/1234", ContentRange(ByteRange(42, 1234), 1234)),
        ("bytes 42-1233/*", ContentRange(ByteRange(42, 1234), None)),
        ("bytes */1234", ContentRange(None, 1234)),
        ("bytes */*", None),
        ("bytes 5-4/10", None),
        ("bytes 0-10/10", None),
        ("bytes=0-9/10", None),
        ("items 0-9/10", None),
        ("bytes 0-9/10, bytes 0-9/10", None),
    ],
)
def test_a_content_range_is_read_only_when_it_is_consistent(header: str, wanted: ContentRange | None) -> None:
    assert content_range(header) == wanted
