import pytest

from ashiato.apps.carbon.background.errors import BackgroundRefused
from ashiato.apps.carbon.background.matrices import background, exchanges

NONE = exchanges([], [], [])
ONE = exchanges([0], [0], [1.0])


def test_exchanges_at_one_coordinate_add_up() -> None:
    made = background(["p"], ["f"], exchanges([0, 0], [0, 0], [1.0, -0.25]), exchanges([0], [0], [2.0]))
    assert made.technosphere.toarray().tolist() == [[0.75]]
    assert made.biosphere.toarray().tolist() == [[2.0]]


def test_the_matrices_cannot_be_changed() -> None:
    made = background(["p"], [], ONE, NONE)
    with pytest.raises(ValueError, match="read-only"):
        made.technosphere.data[0] = 2.0


@pytest.mark.parametrize(
    ("row", "column", "amount", "told"),
    [
        ([0, 2], [0, 1], [1.0, 1.0], "row 2 is outside"),
        ([0, -1], [0, 1], [1.0, 1.0], "row -1 is outside"),
        ([0, 1], [0, 7], [1.0, 1.0], "column 7 is outside"),
        ([0, 1], [0, 1], [1.0, float("nan")], "technosphere exchange 1"),
        ([0, 1], [0, 1], [float("inf"), 1.0], "technosphere exchange 0"),
        ([0], [0], [1.0], "makes nothing of its own product"),
        ([0, 1, 1], [0, 1, 1], [1.0, 1.0, -1.0], "makes nothing of its own product"),
        ([0, 1, 1], [0, 1, 1], [1.0, 1e308, 1e308], "no finite number"),
    ],
)
def test_what_is_no_database_is_refused(
    row: list[int], column: list[int], amount: list[float], told: str
) -> None:
    with pytest.raises(BackgroundRefused, match=told):
        background(["p0", "p1"], [], exchanges(row, column, amount), NONE)


def test_a_dangling_flow_is_refused() -> None:
    with pytest.raises(BackgroundRefused, match="biosphere exchange 0"):
        background(["p"], ["f"], ONE, exchanges([1], [0], [1.0]))


def test_an_empty_database_and_a_name_that_stands_twice_are_refused() -> None:
    with pytest.raises(BackgroundRefused, match="no product"):
        background([], [], NONE, NONE)
    with pytest.raises(BackgroundRefused, match="stands twice"):
        background(["p", "p"], [], exchanges([0, 1], [0, 1], [1.0, 1.0]), NONE)


def test_coordinates_of_different_length_and_broken_positions_are_refused() -> None:
    with pytest.raises(BackgroundRefused, match="differ in number"):
        exchanges([0, 1], [0], [1.0, 2.0])
    with pytest.raises(BackgroundRefused, match="whole numbers"):
        exchanges([0.5], [0], [1.0])


def test_an_unknown_product_is_refused_by_name() -> None:
    made = background(["steel"], [], ONE, NONE)
    assert made.product("steel") == 0
    with pytest.raises(BackgroundRefused, match="copper"):
        made.product("copper")
