"""How log lines are written: one JSON object per line on standard error, those of libraries and tracebacks included.

ICCIDs are masked and credentials cut out of the finished line, so that no way into the log goes around it.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import warnings
from collections.abc import Iterable, Mapping, MutableMapping
from contextlib import suppress
from types import TracebackType
from typing import Any, TextIO, cast

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from app.clock import monotonic
from app.telemetry import correlation_id, get_logger, tenant

LEVELS: Mapping[str, int] = {name: getattr(logging, name.upper()) for name in ("debug", "info", "warning", "error")}

QUIET = ("uvicorn", "sqlalchemy", "asyncpg", "apscheduler", "httpx", "httpcore", "asyncio", "urllib3")
"""Libraries that log statements, addresses and every tick below `warning`: none of that is logged at any level."""

MAX_ERROR_LENGTH = 1_000
"""Characters of an exception's text: some libraries put a whole body into it."""

_ICCID = re.compile(r"(?<![0-9A-Za-z])89[0-9A-Za-z]{13,18}(?=[0-9A-Za-z]{4}(?![0-9A-Za-z]))")
"""All but the last four characters of an ICCID (DV-5), or of one with letters where none belong or a few too many."""

_CREDENTIALS = re.compile(r"(?i)(?<=://)[^/\s\"]+(?=@)|(?<=bearer )[^\s\"\\]+")
"""User and password in a URL; an API key after its scheme."""

_ROW_VALUES = re.compile(r"\s*\n\s*(?:DETAIL|CONTEXT|QUERY):.*", re.DOTALL)
"""What PostgreSQL adds to its message: the values of the row."""


def mask_iccids(text: str) -> str:
    """The text with every ICCID masked to its last four characters."""
    return _ICCID.sub("…", text)


def configure_logging(level: int = logging.INFO) -> None:
    """Write every log line of this process as JSON from now on. Called once per process."""
    structlog.configure(
        processors=[*_shared(), _render_line],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=cast("TextIO", _Lines(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    _configure_libraries(level)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread
    sys.unraisablehook = _log_unraisable


class _Lines:
    """A stream for lines that may be lost: a full disk under the log, or a reader that is gone, ends nothing."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write it, if it can be written."""
        with suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        """Flush it, if it can be flushed."""
        with suppress(OSError):
            self._stream.flush()


def _shared() -> list[structlog.typing.Processor]:
    """What is done to our lines and to those of libraries alike."""
    return [
        structlog.contextvars.merge_contextvars,
        _add_request,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # Never the frames' locals: they hold keys, bodies and ICCIDs.
        structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
        _shorten_errors,
    ]


def _configure_libraries(level: int) -> None:
    """Lead the standard library's loggers into the same lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_component, *_shared()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _render_line],
            use_get_message=True,
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    logging.captureWarnings(capture=True)
    warnings.simplefilter("default")


_to_json = structlog.processors.JSONRenderer()


def _render_line(logger: object, name: str, line: MutableMapping[str, Any]) -> str:
    """The line as JSON, masked as a whole: values in lists, keys and texts of exceptions as well."""
    return _CREDENTIALS.sub("…", mask_iccids(str(_to_json(logger, name, line))))


def _add_request(_logger: object, _name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Of which request a line is, where it is of one."""
    for name, variable in (("correlation_id", correlation_id), ("tenant", tenant)):
        if (known := variable.get()) is not None:
            line.setdefault(name, known)
    return line


def _component(_logger: object, _name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The name of a library's logger, and its level as ours are called."""
    record: logging.LogRecord = line["_record"]
    line["component"] = record.name
    return line


def _shorten_errors(_logger: object, _name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    _shorten(line.get("exception") or ())
    return line


def _shorten(errors: Iterable[dict[str, Any]]) -> None:
    """Cut the texts and notes of errors, of those within groups as well."""
    for error in errors:
        error["exc_value"] = _without_row(error["exc_value"])
        error["exc_notes"] = [_without_row(note) for note in error["exc_notes"]]
        for chain in error["exceptions"]:
            _shorten(chain)


def _without_row(text: str) -> str:
    return _ROW_VALUES.sub("", text)[:MAX_ERROR_LENGTH]


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    get_logger("process").critical("process.crashed", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(given: threading.ExceptHookArgs) -> None:
    if given.exc_value is not None:
        _log_uncaught(given.exc_type, given.exc_value, given.exc_traceback)


def _log_unraisable(given: Any) -> None:
    """What was raised where nobody can catch it, such as a destructor; its object is not logged."""
    error = given.exc_value
    get_logger("process").warning("process.unraisable", exc_info=(given.exc_type, error, given.exc_traceback))


class Sampled:
    """Lets at most `limit` lines through in `window_s` seconds: callers who guess keys must not fill disks."""

    def __init__(self, limit: int, window_s: float) -> None:
        self._limit = limit
        self._window_s = window_s
        self._began = float("-inf")
        self._written = self._left_out = 0

    def lines_left_out(self) -> int | None:
        """How many lines were left out before this one; None: leave this one out too."""
        now = monotonic()
        if now - self._began >= self._window_s:
            left_out, self._began, self._written, self._left_out = self._left_out, now, 1, 0
            return left_out
        if self._written < self._limit:
            self._written += 1
            return 0
        self._left_out += 1
        return None
