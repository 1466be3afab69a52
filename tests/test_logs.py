"""Every line is JSON, libraries' too; no ICCID, key or row's value leaves the process in one, wherever in the line it is."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from app.logs import QUIET, Sampled, configure_logging, mask_iccids
from app.settings import PROJECT
from app.telemetry import correlation_id, get_logger, tenant


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
    """A function for the lines written so far, to be called once `configure_logging` was. All is put back afterwards."""
    kept, root = structlog.get_config(), logging.getLogger()
    before = root.handlers[:], root.level, sys.excepthook, threading.excepthook, sys.unraisablehook
    levels = {name: logging.getLogger(name).level for name in QUIET}
    with warnings.catch_warnings():
        yield lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    logging.captureWarnings(capture=False)
    structlog.configure(**kept)
    root.handlers[:], sys.excepthook, threading.excepthook, sys.unraisablehook = before[0], *before[2:]
    root.setLevel(before[1])
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.parametrize(
    "iccid", ["89860000000010000017", "8986000000001000001", "89861A23456789012345", "898600123456789abc12"]
)
def test_an_iccid_of_any_form_is_masked_to_its_last_four_characters(iccid: str) -> None:
    assert mask_iccids(f"sim={iccid}, gone") == f"sim=…{iccid[-4:]}, gone"


def test_other_long_words_stay_as_they_are() -> None:
    words = (
        "01a277db-72ba-7833-ad88-e34312f01505 3f8c5f2f907447f1b37d818c498633cd 8986000000 89860000000010000017000000000"
    )
    assert mask_iccids(words) == words


def test_iccids_in_lists_keys_and_exceptions_are_masked(lines: Any) -> None:
    configure_logging()
    iccid = "89860000000010000017"
    try:
        raise ValueError(f"no card {iccid}")
    except ValueError:
        get_logger("masking").exception("failed", sims=[iccid], by={iccid: 1})

    [line] = lines()
    assert line["sims"] == ["…0017"]
    assert line["exception"][0]["exc_value"] == "no card …0017"
    assert iccid not in json.dumps(line)


def test_lines_of_libraries_warnings_and_uncaught_errors_have_the_same_form(lines: Any) -> None:
    configure_logging()
    try:
        raise RuntimeError("the loop is closed")
    except RuntimeError:
        logging.getLogger("asyncio").exception("Task exception was never retrieved: %s", 7)
    logging.getLogger("alembic.runtime.migration").info("Running upgrade 0001 -> 0002")
    warnings.warn("old", DeprecationWarning, stacklevel=1)
    thread = threading.Thread(target=lambda: 1 // 0)
    thread.start()
    thread.join()
    sys.excepthook(ValueError, ValueError("lost"), None)

    seen = lines()
    assert [(line["component"], line["level"]) for line in seen] == [
        ("asyncio", "error"),
        ("alembic.runtime.migration", "info"),
        ("py.warnings", "warning"),
        ("process", "critical"),
        ("process", "critical"),
    ]
    assert seen[0]["event"] == "Task exception was never retrieved: 7"
    assert seen[0]["exception"][0]["exc_type"] == "RuntimeError"
    assert seen[3]["exception"][0]["exc_type"] == "ZeroDivisionError"


@pytest.mark.parametrize("library", QUIET)
def test_what_a_library_tells_about_each_request_is_not_logged(lines: Any, library: str) -> None:
    configure_logging()
    logging.getLogger(f"{library}.more").info("SELECT secret")

    assert lines() == []


def test_credentials_and_values_of_rows_are_cut_out(lines: Any) -> None:
    configure_logging()
    try:
        raise ValueError("duplicate key\nDETAIL:  Key (secret)=(s3cret) already exists.")
    except ValueError:
        get_logger("masking").exception("failed", url="postgres://user:s3cret@host/db", header="Bearer s3cret")

    [line] = lines()
    assert (line["url"], line["header"]) == ("postgres://…@host/db", "Bearer …")
    assert line["exception"][0]["exc_value"] == "duplicate key"
    assert "s3cret" not in json.dumps(line)


def test_errors_within_a_group_and_their_notes_are_cut_too(lines: Any) -> None:
    """The tasks of a process run in groups."""
    configure_logging()
    inner = ValueError("duplicate key\nDETAIL:  Key (secret)=(s3cret) already exists." + "x" * 2_000)
    inner.add_note("while storing\nCONTEXT:  s3cret")
    try:
        raise ExceptionGroup("tasks", [ExceptionGroup("inner", [inner])])
    except ExceptionGroup:
        get_logger("masking").exception("failed")

    [line] = lines()
    [[group]] = line["exception"][0]["exceptions"]
    assert group["exceptions"][0][0]["exc_value"] == "duplicate key"
    assert "s3cret" not in json.dumps(line)


@pytest.mark.parametrize("url", ["postgres://user:s3@cret@host/db", "postgres://user:p%40s3cret@host/db"])
def test_a_password_with_an_at_sign_is_cut_out_whole(lines: Any, url: str) -> None:
    configure_logging()
    get_logger("masking").info("opened", url=url)

    [line] = lines()
    assert line["url"] == "postgres://…@host/db"


def test_a_line_of_a_request_has_its_correlation_id_and_tenant(lines: Any) -> None:
    configure_logging()
    tokens = correlation_id.set("c-1"), tenant.set("acme")
    logging.getLogger("library").warning("odd")
    correlation_id.reset(tokens[0])
    tenant.reset(tokens[1])
    get_logger("ours").info("later")

    first, second = lines()
    assert (first["correlation_id"], first["tenant"]) == ("c-1", "acme")
    assert second.keys() & {"correlation_id", "tenant"} == set()


def test_lines_beyond_the_limit_are_counted_and_told_by_the_first_one_after() -> None:
    sampled = Sampled(2, 0.05)
    told = [sampled.lines_left_out() for _ in range(5)]
    while (after := sampled.lines_left_out()) is None:
        pass

    assert told == [0, 0, None, None, None]
    assert after >= 3


def test_a_line_that_cannot_be_written_ends_nothing() -> None:
    """A full disk under the log ended every loop that had something to say, and with them the worker."""
    program = (
        "from app.logs import configure_logging; from app.telemetry import get_logger; configure_logging();"
        "[get_logger('worker').info('line', number=n) for n in range(1000)]; print('went on')"
    )
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=full, text=True, check=False, cwd=PROJECT
        )
    assert ended.stdout == "went on\n"
