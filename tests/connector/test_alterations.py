"""Changes of JSON on its way out, with expected values worked out by hand."""

import pytest

from ashiato.connector.alterations import MOST_ALTERED_BYTES, CannotAlter, alter, is_alterable
from ashiato.policy.transformations import Method, Transformation


def change(method: Method, *json_paths: str, **more: str) -> Transformation:
    return Transformation("permission[0].duty[0]", method, json_paths, **more)


@pytest.mark.parametrize(
    ("json_path", "left"),
    [
        ("$.maker", '{"cells":[{"id":1,"ohm":2},{"id":3,"ohm":4}],"deep":{"id":5}}'),
        ("$.cells[*].ohm", '{"maker":"A","cells":[{"id":1},{"id":3}],"deep":{"id":5}}'),
        ("$.cells[1]", '{"maker":"A","cells":[{"id":1,"ohm":2}],"deep":{"id":5}}'),
        ("$.cells[*]", '{"maker":"A","cells":[],"deep":{"id":5}}'),
        ("$..id", '{"maker":"A","cells":[{"ohm":2},{"ohm":4}],"deep":{}}'),
        ("$['deep'].*", '{"maker":"A","cells":[{"id":1,"ohm":2},{"id":3,"ohm":4}],"deep":{}}'),
        ("$.cells[7].id", '{"maker":"A","cells":[{"id":1,"ohm":2},{"id":3,"ohm":4}],"deep":{"id":5}}'),
        ("$.maker.none", '{"maker":"A","cells":[{"id":1,"ohm":2},{"id":3,"ohm":4}],"deep":{"id":5}}'),
    ],
)
def test_what_a_path_points_at_is_dropped_and_nothing_else(json_path: str, left: str) -> None:
    body = b'{"maker": "A", "cells": [{"id": 1, "ohm": 2}, {"id": 3, "ohm": 4}], "deep": {"id": 5}}'
    assert alter(body, [change(Method.DROP, json_path)]).decode() == left


def test_a_blurred_member_stays_with_what_stands_for_it() -> None:
    body = '{"名": "正極材", "n": [1, 2]}'.encode()
    blurred = alter(body, [change(Method.BLUR, "$['名']", replacement="***"), change(Method.BLUR, "$.n[0]")])
    assert blurred.decode() == '{"名":"***","n":[null,2]}'


@pytest.mark.parametrize(
    ("number", "grain", "rounded"),
    [
        ("1.26", "0.5", "1.5"),
        ("1.25", "0.5", "1.0"),
        ("1.75", "0.5", "2.0"),
        ("-1.26", "0.5", "-1.5"),
        ("0.1", "0.1", "0.1"),
        ("149", "100", "100"),
        ("150", "100", "200"),
        ("0", "5", "0"),
        ("12345678901234567890123456789012345.6", "1", "12345678901234567890123456789012346"),
        ("0.30000000000000004", "0.1", "0.3"),
        ("null", "1", "null"),
    ],
)
def test_numbers_are_rounded_exactly_to_the_nearest_multiple(number: str, grain: str, rounded: str) -> None:
    body = f'{{"mass_kg": {number}}}'.encode()
    assert (
        alter(body, [change(Method.ROUND, "$.mass_kg", grain=grain)]).decode() == f'{{"mass_kg":{rounded}}}'
    )


@pytest.mark.parametrize(
    ("instant", "grain", "coarse"),
    [
        ("2026-11-24T09:41:07.25+09:00", "hour", "2026-11-24T09:00:00+09:00"),
        ("2026-11-24T09:41:07Z", "day", "2026-11-24"),
        ("2026-11-24T09:41:07Z", "month", "2026-11"),
        ("2026-11-24", "year", "2026"),
        ("2026-11-24", "hour", "2026-11-24"),
        ("2026-11", "day", "2026-11"),
    ],
)
def test_dates_are_cut_down_to_their_grain(instant: str, grain: str, coarse: str) -> None:
    body = f'{{"made": "{instant}"}}'.encode()
    assert alter(body, [change(Method.COARSEN, "$.made", grain=grain)]).decode() == f'{{"made":"{coarse}"}}'


def test_numbers_that_no_path_points_at_keep_every_digit() -> None:
    body = b'{"x": 1, "a": 0.10, "b": 1.7976931348623157e308, "c": 123456789.123456789123456789, "d": -0.0}'
    altered = alter(body, [change(Method.DROP, "$.x")]).decode()
    assert altered == '{"a":0.10,"b":1.7976931348623157E+308,"c":123456789.123456789123456789,"d":-0.0}'


@pytest.mark.parametrize(
    ("body", "method", "grain"),
    [
        (b'{"a": 1', Method.DROP, None),
        (b"a,b\n1,2\n", Method.DROP, None),
        (b'{"a": "12"}', Method.ROUND, "1"),
        (b'{"a": true}', Method.ROUND, "1"),
        (b'{"a": {"b": 1}}', Method.ROUND, "1"),
        (b'{"a": 1e999999}', Method.ROUND, "1"),
        (b'{"a": "yesterday"}', Method.COARSEN, "day"),
        (b'{"a": 20261124}', Method.COARSEN, "day"),
        (b"[" * 100_000 + b"]" * 100_000, Method.DROP, None),
        (b" " * (MOST_ALTERED_BYTES + 1), Method.DROP, None),
    ],
)
def test_what_cannot_be_changed_safely_is_not_handed_out(
    body: bytes, method: Method, grain: str | None
) -> None:
    with pytest.raises(CannotAlter):
        alter(body, [Transformation("permission[0].duty[0]", method, ("$.a",), None, grain)])


def test_only_json_is_alterable() -> None:
    types = ["application/json", "application/ld+json; charset=utf-8", "text/csv", "application/jsonx", ""]
    assert [is_alterable(name) for name in types] == [True, True, False, False, False]
