import pytest

from ashiato.apps.carbon.factors.datasets import UnreadableSource
from ashiato.apps.carbon.factors.tables import csv_table, decode


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932", "utf-16"])
def test_japanese_text_is_read_in_every_usual_encoding(encoding: str) -> None:
    assert decode("電力量（kWh）".encode(encoding)) == "電力量（kWh）"


@pytest.mark.parametrize("data", [b"\xff\xff\xff", b"a\0b", b"\x81"])
def test_what_is_no_text_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableSource) as refused:
        decode(data)
    assert refused.value.code == "encoding_unknown"


@pytest.mark.parametrize("text", ["a,b;c\n1,2\n", "a;b\n1;2\n", "a\tb\n1\t2\n"])
def test_the_separator_is_the_one_of_the_first_line(text: str) -> None:
    assert [len(row) for row in csv_table(text.encode()).rows] == [2, 2]


def test_quoted_lines_and_strange_separators_inside_a_cell_stay_in_the_cell() -> None:
    table = csv_table('a,b\r\n"x\r\ny","p\u2028q\x0cr"\r\n'.encode())
    assert [[cell.text for cell in row] for row in table.rows] == [["a", "b"], ["x\r\ny", "p\u2028q\x0cr"]]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'a,b\n"never closed', "csv_broken"),
        (b'"a"b,c\n', "csv_broken"),
        (b"," * 300 + b"\n", "table_too_large"),
        (b"a\n" * 500_001, "table_too_large"),
        (b"x" * 200_000 + b"\n", "csv_broken"),
    ],
)
def test_broken_and_too_large_tables_are_refused(data: bytes, code: str) -> None:
    with pytest.raises(UnreadableSource) as refused:
        csv_table(data)
    assert refused.value.code == code


def test_an_empty_file_is_an_empty_table() -> None:
    assert csv_table(b"").rows == ()
