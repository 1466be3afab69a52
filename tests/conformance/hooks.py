"""Loaded by Schemathesis: drops the failures that `exclusions` excuses, reads CSV and NDJSON, keeps webhooks local.

`SIMGATE_EXCUSED` names a file to which the name of each entry that excused something is appended; `SIMGATE_KEY_ID` is
the key that the requests bear.
"""

from __future__ import annotations

import csv
import io
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import schemathesis

from tests.conformance.exclusions import excused_by

LOOPBACK = "http://127.0.0.1:9/"
NEAR = timedelta(minutes=10)


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Whether a failure counts."""
    operation = f"{case.method.upper()} {case.operation.path}"
    excused = excused_by(type(failure).__name__, operation, response.status_code, _json(response))
    if excused is None:
        return True
    with Path(os.environ["SIMGATE_EXCUSED"]).open("a", encoding="utf-8") as record:
        record.write(f"{excused.name}\n")
    return False


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """All but the one request that would revoke the key of the run."""
    return (case.path_parameters or {}).get("key_id") != os.environ["SIMGATE_KEY_ID"]


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """No generated address is ever called, the clock moves by minutes, and a whole number is written as one.

    A month takes the clock as long as its jobs. 1.0 is an integer for JSON Schema; clients write 1.
    """
    body = _whole(case.body)
    if isinstance(body, dict):
        body = body | {name: bounded(body[name]) for name, bounded in BOUNDED.items() if name in body}
    if repr(body) != repr(case.body):  # an assignment makes Schemathesis classify the case anew
        case.body = body


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _whole(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_whole(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _local(url: Any) -> Any:
    return LOOPBACK if isinstance(url, str) and "://" in url else url


def _short(duration: Any) -> Any:
    return "1s" if isinstance(duration, str) and any(map(str.isdecimal, duration)) else duration


def _soon(instant: Any) -> Any:
    return (datetime.now(UTC) + NEAR).isoformat() if isinstance(instant, str) and "T" in instant else instant


BOUNDED = {"url": _local, "advance": _short, "now": _soon}
"""By the body's field: what is sent instead of a valid value; what is not valid stays."""


@schemathesis.deserializer("text/csv")
def csv_text(_context: Any, response: Any) -> str:
    """A table's text. Raises `ValueError` if its rows differ in length."""
    text = str(response.content.decode("utf-8-sig"))
    if len({len(row) for row in csv.reader(io.StringIO(text))}) > 1:
        raise ValueError("the rows differ in length")
    return text


@schemathesis.deserializer("application/x-ndjson")
def ndjson_text(_context: Any, response: Any) -> str:
    """The text of a file of JSON lines. Raises `ValueError` if a line is not JSON."""
    text = str(response.content.decode("utf-8"))
    for line in text.splitlines():
        json.loads(line)
    return text


def _json(response: Any) -> Any:
    try:
        return json.loads(response.content)
    except ValueError:
        return None
