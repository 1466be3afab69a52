"""A file of the archive is whole or not there."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from app.outbound.archive import Archive


async def test_lines_are_read_again_as_they_were_written(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")

    await archive.store("events", "a.ndjson.gz", ['{"n": 1}', '{"名": "二"}'])

    assert archive.has("events", "a.ndjson.gz")
    packed = (tmp_path / "archive" / "events" / "a.ndjson.gz").read_bytes()
    assert gzip.decompress(packed).decode() == '{"n": 1}\n{"名": "二"}\n'


async def test_a_file_that_was_not_written_to_its_end_is_not_there(tmp_path: Path) -> None:
    archive = Archive(tmp_path)

    async def fail() -> None:
        async with archive.writing("events", "a.csv.gz") as write:
            await write(b"half")
            assert not archive.has("events", "a.csv.gz")
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await fail()

    assert not archive.has("events", "a.csv.gz")
    assert list((tmp_path / "events").iterdir()) == []


async def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")

    with pytest.raises(OSError, match="taken"):
        await Archive(tmp_path / "taken").store("events", "a.ndjson.gz", ["{}"])
