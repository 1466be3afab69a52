"""`simgate import` and `simgate advance`: commands that call a running gateway over HTTP."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from app.cli.exits import CommandError, ExitCode
from app.cli.progress import Progress
from app.domain.calendar.durations import parse_duration
from app.domain.errors import Malformed
from app.settings import Settings

CHUNK_BYTES = 64 << 10
MAX_SHOWN_FAULTS = 20
POLL_S = 0.3


def _client(settings: Settings) -> httpx.Client:
    """A client with the key of the settings, else the demo key. Raises `CommandError`."""
    key = settings.key.get_secret_value() if settings.key else _demo_key(settings)
    return httpx.Client(
        base_url=settings.base_url, headers={"Authorization": f"Bearer {key}"}, timeout=httpx.Timeout(600, connect=3)
    )


def _demo_key(settings: Settings) -> str:
    try:
        return settings.demo_key_path.read_text(encoding="ascii").strip()
    except OSError:
        message = f"no key: set SIMGATE_KEY, or start the gateway once (it writes {settings.demo_key_path})"
        raise CommandError(ExitCode.USE, message) from None


def _json_or_stop(response: httpx.Response) -> dict[str, Any]:
    """The response's JSON object. Raises `CommandError` with the problem's code and detail, and prints its errors."""
    if response.is_success:
        found: dict[str, Any] = response.json()
        return found
    try:
        problem = response.json()
    except ValueError:
        raise CommandError(ExitCode.OTHER, f"the gateway answered {response.status_code}") from None
    for fault in problem.get("errors", [])[:MAX_SHOWN_FAULTS]:
        location = " ".join(f"{name} {fault[name]}" for name in ("line", "column", "pointer") if name in fault)
        print(f"{location}: {fault['code']}: {fault['detail']}", file=sys.stderr)
    raise CommandError(ExitCode.OTHER, f"{problem.get('code')}: {problem.get('detail')}")


def _unreachable(settings: Settings) -> CommandError:
    message = f"no gateway answers at {settings.base_url}: start one (make run), or set SIMGATE_URL"
    return CommandError(ExitCode.OTHER, message)


def import_file(settings: Settings, path: Path, *, plans: bool, partial: bool, dry_run: bool = False) -> None:
    """`simgate import`: uploads a file and prints how many rows were taken, or would be. Raises `CommandError`."""
    if not path.is_file():
        raise CommandError(ExitCode.USE, f"{path} is not a file")
    if plans and dry_run:
        raise CommandError(ExitCode.USE, "--dry-run is for SIMs, not for --plans")
    query = "?dry_run=true" if dry_run else "?mode=partial" if partial else ""
    report = _upload(settings, path, "/v1/plans" if plans else f"/v1/sims/import{query}")
    if plans:
        print(f"{len(report.get('items', [report]))} plans")
        return
    print(
        f"{report['rows']} rows: {report['created']} created, {report['updated']} updated, "
        f"{report['held']} held, {report['rejected_rows']} rejected, {report['warned_rows']} with warnings"
    )
    if dry_run:
        print(f"Nothing was stored. A rule would stop {report['stopped']} SIMs within a day.")
        for stop in report["stops"][:MAX_SHOWN_FAULTS]:
            print(f"line {stop['line']}: {stop['hold']} ({stop['rule']})")
    for fault in (report["rejected"] + report["warnings"])[:MAX_SHOWN_FAULTS]:
        location = f"line {fault.get('line')} {fault.get('column', '')}"
        print(f"{location}: {fault['code']}: {fault['detail']}", file=sys.stderr)


def _upload(settings: Settings, path: Path, url: str) -> dict[str, Any]:
    """Send the file in chunks, so that its size is bounded by neither side's memory."""
    size = path.stat().st_size
    kind = "application/x-ndjson" if path.suffix in (".ndjson", ".jsonl") else "text/csv"
    with _client(settings) as client, Progress(size) as progress:

        def chunks() -> Iterator[bytes]:
            sent = 0
            with path.open("rb") as file:
                while chunk := file.read(CHUNK_BYTES):
                    yield chunk
                    sent += len(chunk)
                    progress.show(sent, path.name)

        try:
            response = client.post(url, content=chunks(), headers={"Content-Type": kind, "Content-Length": str(size)})
        except httpx.HTTPError:
            raise _unreachable(settings) from None
    return _json_or_stop(response)


def advance(settings: Settings, duration: str) -> None:
    """`simgate advance`: moves the gateway's clock forwards and prints which jobs ran. Raises `CommandError`."""
    try:
        step = parse_duration(duration)
    except Malformed as wrong:
        raise CommandError(ExitCode.USE, wrong.detail) from None
    with _client(settings) as client:
        try:
            started = datetime.fromisoformat(_json_or_stop(client.get("/v1/admin/clock"))["now"])
            report = _advance(client, started, step)
        except httpx.HTTPError:
            raise _unreachable(settings) from None
    print(f"It is {report['now']} now.")
    for job, times in report["jobs"].items():
        print(f"  {job}: {times}")
    for job, times in report.get("failed", {}).items():
        print(f"  {job}: failed {times}")


def _advance(client: httpx.Client, started: datetime, step: timedelta) -> dict[str, Any]:
    """Ask for the move in a thread of its own, and meanwhile show how far the clock has come."""
    body = {"now": (started + step).isoformat()}
    with Progress(step.total_seconds()) as progress, ThreadPoolExecutor(1) as thread:
        request: Future[httpx.Response] = thread.submit(client.post, "/v1/admin/clock", json=body)
        while not wait([request], timeout=POLL_S).done:
            _show_clock(client, started, progress)
        return _json_or_stop(request.result())


def _show_clock(client: httpx.Client, started: datetime, progress: Progress) -> None:
    try:
        now = datetime.fromisoformat(client.get("/v1/admin/clock").json()["now"])
    except (httpx.HTTPError, ValueError, KeyError):
        return
    progress.show((now - started).total_seconds(), f"{now:%Y-%m-%d}")
