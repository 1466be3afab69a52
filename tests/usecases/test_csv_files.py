"""CSV as people have it: encodings, spreadsheets' marks, and quotation marks astray, which cost one record alone."""

from __future__ import annotations

import csv
import io
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.usecases.csv_files import LONGEST_LINE, RECORD_LINES, UnreadableFile, is_printable, plain_cell, read_csv

Cells = list[tuple[int, list[str]]]


def _read(body: bytes) -> tuple[list[str], Cells, list[int]]:
    """Header, records with their lines, and the lines of records that cannot be read."""
    header, records = read_csv(BytesIO(body))
    read = list(records)
    return (
        header,
        [(one.line, list(one.cells)) for one in read if one.cells],
        [one.line for one in read if one.wrong],
    )


@pytest.mark.parametrize(
    "bad",
    ['x,"y', 'x,"y"z', '"x,y', 'x,"' + "y" * 200_000 + '"', "x," + "y" * LONGEST_LINE],
    ids=["open", "within", "first", "long cell", "long line"],
)
def test_a_bad_record_is_its_first_line_alone(bad: str) -> None:
    rows = "".join(f"a{n},b{n}\n" for n in range(30))

    header, good, wrong = _read(f"one,two\nc,d\n{bad}\n{rows}".encode())

    assert (header, wrong) == (["one", "two"], [3])
    assert good == [(2, ["c", "d"]), *((n + 4, [f"a{n}", f"b{n}"]) for n in range(30))]


def test_a_bad_record_at_the_end_hides_no_line() -> None:
    assert _read(b'one\n"a\nb\n"c') == (["one"], [(3, ["b"])], [2, 4])


def test_a_cell_of_several_lines_is_one_record_and_nothing_within_is_a_row() -> None:
    assert _read(b'one,two\n"a\nx,y\nb",c\nd,e\n')[1] == [(2, ["a\nx,y\nb", "c"]), (5, ["d", "e"])]
    many = "\n".join(["z"] * RECORD_LINES)
    assert _read(f'one\n"{many}\n"\n'.encode())[2] == [2, 2 + RECORD_LINES]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_separators_and_encodings_are_seen(delimiter: str, encoding: str) -> None:
    text = f"One{delimiter}TWO\r\n水表{delimiter}广东\r\n\r\n{delimiter}\r\nx{delimiter}y"

    assert _read(text.encode(encoding)) == (["one", "two"], [(2, ["水表", "广东"]), (5, ["x", "y"])], [])


def test_lines_of_another_encoding_are_theirs_alone() -> None:
    body = "one,two\n水表,1\n电表,2\n".encode() + "气表,3\n".encode("gbk") + "热表,4\n".encode()

    _, cells, wrong = _read(body)

    assert ([row[1] for _, row in cells], wrong) == (["1", "2", "3", "4"], [])
    assert [is_printable(row[0]) for _, row in cells] == [True, True, False, True]
    chinese = "one\n水表\n电表\n".encode("gbk") + "气表\n".encode()
    assert [row for _, row in _read(chinese)[1]][:2] == [["水表"], ["电表"]]


def test_a_spreadsheets_header_may_begin_with_its_separator_and_end_in_empty_columns() -> None:
    assert _read(b"sep=;\none;two;;\na;b;;\n") == (["one", "two"], [(3, ["a", "b", "", ""])], [])


def test_a_spreadsheets_marks_are_no_part_of_a_cell() -> None:
    assert [plain_cell(cell) for cell in ('="8986"', "'8986", " x ", "'tis", "=1")] == [
        "8986",
        "8986",
        "x",
        "'tis",
        "=1",
    ]


@pytest.mark.parametrize("body", [b"PK\x03\x04rest", b"o\x00n\x00e\x00\n\x00", b'"one\nx', b"x" * (LONGEST_LINE + 1)])
def test_a_file_without_a_header_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableFile):
        read_csv(BytesIO(body))


def test_a_utf_16_file_that_ends_within_a_character_is_unreadable() -> None:
    with pytest.raises(UnreadableFile):
        _read("one\nab\n".encode("utf-16") + b"x")


CELL = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20)


@given(st.lists(st.lists(CELL, min_size=2, max_size=2).filter(lambda row: any(map(str.strip, row))), max_size=20))
def test_what_the_standard_library_writes_is_read_as_it_was(rows: list[list[str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["one", "two"], *rows])

    header, good, wrong = _read(text.getvalue().encode())

    assert (header, [cells for _, cells in good], wrong) == (["one", "two"], rows, [])


@given(st.binary(max_size=2_000))
def test_no_bytes_do_more_than_make_a_file_unreadable(body: bytes) -> None:
    try:
        _, good, wrong = _read(body)
    except UnreadableFile:
        return
    lines = [line for line, _ in good] + wrong
    assert len(lines) == len(set(lines))
    assert len(lines) <= max(0, body.count(b"\n") + body.count(b"\r") + 1)
