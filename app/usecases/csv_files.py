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
from contextlib import suppress
from typing import AnyStr, BinaryIO, NamedTuple

from app.usecases.errors import UseCaseError

DELIMITERS = ",;\t"
LONGEST_LINE = 64 << 10
"""Characters of a text's line, bytes of a JSON line: more than the longest values of every column need."""

_PIECE = 1 << 20
_BLOCK = 64 << 10

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


class Record(NamedTuple):
    """The record that begins in this line: its cells, or why it cannot be read. A blank line has neither."""

    line: int
    cells: Sequence[str] = ()
    wrong: str = ""
    plain: bool = False
    """Whether `plain_cell` would change none of its cells."""


def bounded_lines(readline: Callable[[int], AnyStr], end: AnyStr) -> Iterator[AnyStr]:
    """Each line with its end; of one that is too long, the first `LONGEST_LINE` + 1 characters or bytes."""
    while line := readline(LONGEST_LINE + 1):
        yield line
        while len(line) > LONGEST_LINE and not line.endswith(end):
            line = readline(LONGEST_LINE + 1)


def read_csv(source: BinaryIO) -> tuple[list[str], Iterator[Record]]:
    """The names in the header, in small letters, and the records below, separated by comma, semicolon or tab.

    The file is read twice where its encoding is not plain.
    Raises `UnreadableFile`; the records, too, where a UTF-16 file ends within a character.
    """
    text, above = _opened(source), 1
    first = text.next_line()
    delimiter = max(DELIMITERS, key=first.count)
    if first.lower().startswith("sep=") and len(first.strip("\r\n")) == len("sep=,"):
        delimiter, first, above = first[4], text.next_line(), 2
    if len(first) > LONGEST_LINE or "\x00" in first:
        raise UnreadableFile("the first line is no header in UTF-8, UTF-16 or GB18030 text")
    try:
        header = [plain_cell(name).lower() for name in next(csv.reader([first], delimiter=delimiter, strict=True), [])]
    except csv.Error as wrong:
        raise UnreadableFile(f"the header is not CSV: {wrong}") from None
    while header and not header[-1]:
        header.pop()
    return header, _records(text, above, delimiter)


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
    return text.isprintable() or _UNPRINTABLE.search(text) is None  # the former says of some more that it is not


class _Text:
    """The text of a file. Raises `UnreadableFile` where one in UTF-16 ends within a character.

    Bytes that are none in its encoding become lone surrogates, which no column accepts.
    """

    def __init__(self, source: BinaryIO, encoding: str) -> None:
        errors = "surrogatepass" if encoding == "utf-16" else "surrogateescape"
        source.seek(0)
        self._text = io.TextIOWrapper(source, encoding=encoding, errors=errors, newline="")

    def next_line(self) -> str:
        """The next line with its end, of at most `LONGEST_LINE` + 1 characters."""
        return self._read(lambda: self._text.readline(LONGEST_LINE + 1))

    def block(self) -> str:
        """The next lines; the last one may be cut if it is too long."""
        return self._read(lambda: self._text.read(_BLOCK)) + self.next_line()

    def lines(self, begun: str) -> Iterator[str]:
        """The lines of a block and of what follows it, each as `bounded_lines` gives it."""
        yield from bounded_lines(io.StringIO(begun, newline="\n").readline, "\n")
        while begun and not begun.endswith("\n"):  # the rest of a line that was too long
            begun = self.next_line()
        yield from bounded_lines(lambda _: self.next_line(), "\n")

    def close(self) -> None:
        """Leave the file open for its owner, who may have closed it before the last record was read."""
        with suppress(ValueError):
            self._text.detach()

    @staticmethod
    def _read(read: Callable[[], str]) -> str:
        try:
            return read()
        except UnicodeDecodeError:
            raise UnreadableFile("the file ends within a character") from None


def _opened(source: BinaryIO) -> _Text:
    source.seek(0)
    beginning = source.read(4)
    if beginning.startswith(_WORKBOOKS):
        raise UnreadableFile("the file is a spreadsheet's own; save it as CSV")
    utf16 = beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return _Text(source, "utf-16" if utf16 else _encoding(source))


def _encoding(source: BinaryIO) -> str:
    """UTF-8, unless most lines beyond ASCII are not, which makes it GB18030."""
    _skip_ascii(source)
    utf8 = other = 0
    for line in bounded_lines(source.readline, b"\n"):
        if not line.isascii():
            utf8, other = (utf8 + 1, other) if _is_utf8(line) else (utf8, other + 1)
        if utf8 + other == SAMPLE:
            break
    return "gb18030" if other > utf8 else "utf-8-sig"


def _skip_ascii(source: BinaryIO) -> None:
    """Go to a place before which all is ASCII, so that no character is cut there."""
    place = 0
    source.seek(0)
    while (piece := source.read(_PIECE)) and piece.isascii():
        place += len(piece)
    source.seek(place)


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


def _records(text: _Text, above: int, delimiter: str) -> Iterator[Record]:
    """The records of a text, block by block while none has a quotation mark; then with the care that those take."""
    try:
        while block := text.block():
            lines = block.split("\n")
            if not _is_plain(block, lines):
                yield from _careful(_Lines(text.lines(block), above), delimiter)
                return
            if not lines[-1]:
                lines.pop()
            plain = "'" not in block and len(block.split()) == len(lines)
            for cells in csv.reader(lines, delimiter=delimiter, strict=True):
                above += 1
                yield Record(above, cells if any(map(str.strip, cells)) else (), "", plain)
    finally:
        text.close()


def _is_plain(block: str, lines: Sequence[str]) -> bool:
    """Whether each line is a record, and none can be wrong."""
    return (
        '"' not in block
        and ("\r" not in block or block.count("\r") == block.count("\r\n"))
        and max(map(len, lines)) <= LONGEST_LINE
    )


def _careful(lines: _Lines, delimiter: str) -> Iterator[Record]:
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
