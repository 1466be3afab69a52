"""`simgate import`: sends a file to a running gateway, follows the import with a bar, and prints what became of it.

The import of SIMs is a task of the gateway: what happens to this command or to its connection does not end it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any
from uuid import uuid4

import httpx

from app.cli.exits import CommandError, ExitCode
from app.cli.gateway_client import MAX_SHOWN_FAULTS, client, json_or_stop, unreachable
from app.cli.progress import Progress
from app.settings import Settings

CHUNK_BYTES = 64 << 10
POLL_S = 0.5
ANSWER_S = 10.0
"""How long a question of how far it is waits for its answer."""

PATIENCE_S = 600
"""How long a gateway that does not answer is asked again; the import goes on meanwhile, or waits for it."""

TRIES = 3
"""How often a file is sent, under one key, where the connection ends before the answer."""

READING = 0.4
"""The part of an import's time that reading takes."""


def import_file(settings: Settings, path: Path, *, plans: bool, partial: bool, dry_run: bool = False) -> None:
    """Import a file and print how many rows were taken, or would be. Raises `CommandError`."""
    if not path.is_file():
        raise CommandError(ExitCode.USE, f"{path} is not a file")
    if plans and dry_run:
        raise CommandError(ExitCode.USE, "--dry-run is for SIMs, not for --plans")
    query = "?dry_run=true" if dry_run else "?mode=partial" if partial else ""
    with client(settings) as gateway:
        try:
            gateway.get("/livez", timeout=ANSWER_S)
        except httpx.HTTPError:
            raise unreachable(settings) from None
        if plans:
            found = json_or_stop(_send(gateway, path, "/v1/plans", {}))
            print(f"{len(found.get('items', [found]))} plans")
            return
        answer = _send(gateway, path, f"/v1/sims/import{query}", {"Prefer": "respond-async"})
        report = json_or_stop(answer)
        if answer.status_code == httpx.codes.ACCEPTED:
            report = _follow(gateway, answer.headers["Location"], path.name)
    _print(report)


def _print(report: dict[str, Any]) -> None:
    print(
        f"{report['rows']} rows: {report['created']} created, {report['updated']} updated, "
        f"{report['held']} held, {report['rejected_rows']} rejected, {report['warned_rows']} with warnings"
    )
    if report["dry_run"]:
        print(f"Nothing was stored. A rule would stop {report['stopped']} SIMs within a day.")
        for stop in report["stops"][:MAX_SHOWN_FAULTS]:
            print(f"line {stop['line']}: {stop['hold']} ({stop['rule']})")
    for fault in (report["rejected"] + report["warnings"])[:MAX_SHOWN_FAULTS]:
        location = f"line {fault.get('line')} {fault.get('column', '')}"
        print(f"{location}: {fault['code']}: {fault['detail']}", file=sys.stderr)


def _send(gateway: httpx.Client, path: Path, url: str, headers: dict[str, str]) -> httpx.Response:
    """Send the file in chunks, so that its size is bounded by neither side's memory.

    One key for every try: where a try was accepted and its answer lost, the next one is answered the same.
    """
    size = path.stat().st_size
    kind = "application/x-ndjson" if path.suffix in (".ndjson", ".jsonl") else "text/csv"
    given = {"Content-Type": kind, "Content-Length": str(size), "Idempotency-Key": f"import-{uuid4()}", **headers}
    for _ in range(TRIES):
        with Progress(size) as progress:
            try:
                answer = gateway.post(url, content=_chunks(path, progress), headers=given)
            except httpx.HTTPError:
                continue
        if answer.status_code != httpx.codes.CONFLICT:  # of the same key: the try before is still being received
            return answer
        Event().wait(POLL_S)
    message = "the connection ended before the gateway had said whether it took the file: look at GET /v1/imports"
    raise CommandError(ExitCode.OTHER, message)


def _chunks(path: Path, progress: Progress) -> Iterator[bytes]:
    sent = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
            sent += len(chunk)
            progress.show(sent, f"sending {path.name}")


def _follow(gateway: httpx.Client, url: str, name: str) -> dict[str, Any]:
    """Show how far an import is until it has ended; gives its report. Raises `CommandError` where it failed."""
    silent = 0.0
    with Progress(1) as progress:
        while True:
            try:
                answer = gateway.get(url, timeout=ANSWER_S)
                task = json_or_stop(answer) if answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR else None
            except httpx.HTTPError:
                task = None
            silent = 0.0 if task else silent + POLL_S
            if silent > PATIENCE_S:
                raise CommandError(ExitCode.OTHER, f"the gateway does not answer; the import goes on: GET {url}")
            if task is not None and task["status"] not in ("queued", "running"):
                break
            progress.show(*(_share(task) if task else (0, f"{name}: the gateway does not answer, asking again")))
            Event().wait(POLL_S)
    if task["problem"] is not None:
        raise _failed(task["problem"])
    report: dict[str, Any] = task["report"]
    return report


def _share(task: dict[str, Any]) -> tuple[float, str]:
    """How much of an import is done, and what it is at."""
    if task["status"] == "queued":
        return 0, "waiting for a worker"
    if task["step"] == "storing":
        done = READING + (1 - READING) * task["stored"] / max(task["read"], 1)
        return done, f"storing: {task['stored']:,} SIMs"
    return READING * task["read"] / max(task["lines"], 1), f"reading: {task['read']:,} rows"


def _failed(problem: dict[str, Any]) -> CommandError:
    for fault in problem["errors"][:MAX_SHOWN_FAULTS]:
        location = " ".join(f"{name} {fault[name]}" for name in ("line", "column") if name in fault)
        print(f"{location}: {fault['code']}: {fault['detail']}", file=sys.stderr)
    return CommandError(ExitCode.OTHER, f"{problem['code']}: {problem['detail']}")
