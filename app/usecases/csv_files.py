"""Uploaded text files as people have them: their encoding, lines of bounded length, and the records of a CSV file.

Read piece by piece: neither a long line nor a quotation mark astray makes more of a file wrong than one record.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import AnyStr

from app.usecases.errors import UseCaseError

DELIMITERS = ",;\t"
LONGEST_LINE = 64 << 10
"""Characters of a text's line, bytes of a JSON line: more than the longest values of every column need."""

SAMPLE = 1_000
"""Lines beyond ASCII that decide a file's encoding."""

RECORD_LINES = 10
"""Lines after which a record still open is one whose quotation mark is astray."""

MAX_FAULTS = 1_000
"""Faults that an answer about a file lists; the others are counted."""

YIELD_EVERY = 100
"""Lines after which other tasks of the process get a turn."""

_UNPRINTABLE = re.compile("[\x00-\x1f\ud800-\udfff]")
_WHOLE = re.compile(r"[0-9]{1,19}(?:\.0+)?")
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


class UnreadableFile(UseCaseError):
    """The file as a whole cannot be read."""

    code = "UNREADABLE"


@dataclass(frozen=True, slots=True)
class Record:
    """The record that begins in this line: its cells, or why it cannot be read. A blank line has neither."""

    line: int
    cells: Sequence[str] = ()
    wrong: str = ""


def bounded_lines(readline: Callable[[int], AnyStr], end: AnyStr) -> Iterator[AnyStr]:
    """Each line with its end; of one that is too long, the first `LONGEST_LINE` + 1 characters or bytes."""
    while line := readline(LONGEST_LINE + 1):
        yield line
        while len(line) > LONGEST_LINE and not line.endswith(end):
            line = readline(LONGEST_LINE + 1)


def read_csv(body: bytes) -> tuple[list[str], Iterator[Record]]:
    """The names in the header, in small letters, and the records below, separated by comma, semicolon or tab.

    Raises `UnreadableFile`; the records, too, where a UTF-16 file ends within a character.
    """
    lines, above = _decoded(body), 1
    first = next(lines, "")
    delimiter = max(DELIMITERS, key=first.count)
    if first.lower().startswith("sep=") and len(first.strip("\r\n")) == len("sep=,"):
        delimiter, first, above = first[4], next(lines, ""), 2
    if len(first) > LONGEST_LINE or "\x00" in first:
        raise UnreadableFile("the first line is no header in UTF-8, UTF-16 or GB18030 text")
    try:
        header = [plain_cell(name).lower() for name in next(csv.reader([first], delimiter=delimiter, strict=True), [])]
    except csv.Error as wrong:
        raise UnreadableFile(f"the header is not CSV: {wrong}") from None
    while header and not header[-1]:
        header.pop()
    return header, _records(_Lines(lines, above), delimiter)


_MARKS = frozenset("='")
"""First characters of a cell that is marked as text."""

FORMULA_STARTS = frozenset("=+-@\t\r\n＝＋－＠")
"""First characters of what a spreadsheet runs as a formula, full-width signs included, or strips to find one."""


def plain_cell(cell: str) -> str:
    """A cell without what marks it as text in a spreadsheet: `="…"`, or an apostrophe before a number or a formula."""
    text = cell.strip()
    if text[:1] not in _MARKS:  # as good as every cell, of millions
        return text
    if text.startswith('="') and text.endswith('"'):
        return text[2:-1].strip()
    marked = text[:1] == "'" and (text[1:2].isdecimal() or text[1:2] in FORMULA_STARTS)
    return text[1:] if marked and text[1:] else text


def inert(text: str) -> str:
    """A text that no spreadsheet runs: with an apostrophe before what looks like a formula."""
    return f"'{text}" if text[:1] in FORMULA_STARTS and text else text


def whole_cell(cell: str) -> int | None:
    """A cell's whole number, also as tables with gaps write it (`12.0`); None for anything else."""
    return int(cell.partition(".")[0]) if _WHOLE.fullmatch(cell) else None


def is_printable(text: str) -> bool:
    """Whether a text can be stored and shown: no control character and no half of a surrogate pair."""
    return _UNPRINTABLE.search(text) is None


def _decoded(body: bytes) -> Iterator[str]:
    """The lines of a text. Bytes that are none in its encoding become lone surrogates, which no column accepts."""
    if body.startswith(_WORKBOOKS):
        raise UnreadableFile("the file is a spreadsheet's own; save it as CSV")
    encoding = _encoding(body)
    errors = "surrogatepass" if encoding == "utf-16" else "surrogateescape"
    text = io.TextIOWrapper(io.BytesIO(body), encoding=encoding, errors=errors, newline="")
    try:
        yield from bounded_lines(text.readline, "\n")
    except UnicodeDecodeError:
        raise UnreadableFile("the file ends within a character") from None


def _encoding(body: bytes) -> str:
    """UTF-16 with a BOM; else UTF-8, unless most lines beyond ASCII are not, which makes it GB18030."""
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    utf8 = other = 0
    if not body.isascii():
        for line in bounded_lines(io.BytesIO(body).readline, b"\n"):
            if not line.isascii():
                utf8, other = (utf8 + 1, other) if _is_utf8(line) else (utf8, other + 1)
            if utf8 + other == SAMPLE:
                break
    return "gb18030" if other > utf8 else "utf-8-sig"


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


class _Lines:
    """The lines of a text, those of the record that is being read set apart, so that they can be read again."""

    def __init__(self, lines: Iterator[str], above: int) -> None:
        self._lines = lines
        self._again: deque[str] = deque()
        self._record: list[str] = []
        self._above = above
        """Lines above the record."""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self._record.append(line)
        if len(line) > LONGEST_LINE:
            raise csv.Error(f"a line of more than {LONGEST_LINE} characters")
        if len(self._record) > RECORD_LINES:
            raise csv.Error(f"a record of more than {RECORD_LINES} lines")
        return line

    def begin(self) -> int:
        """The next line begins a record; gives its number."""
        self._above += len(self._record)
        self._record.clear()
        return self._above + 1

    def keep_first(self) -> None:
        """Only the record's first line is wrong: the others are read again."""
        self._again.extendleft(reversed(self._record[1:]))
        del self._record[1:]


def _records(lines: _Lines, delimiter: str) -> Iterator[Record]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        first_line = lines.begin()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as wrong:
            lines.keep_first()
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            yield Record(first_line, wrong=f"not CSV: {wrong}")
        else:
            yield Record(first_line, cells if any(map(str.strip, cells)) else ())
