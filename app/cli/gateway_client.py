"""Commands that speak to a running gateway over HTTP, or need none."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from app.cli.exits import CommandError, ExitCode
from app.domain.calendar.durations import parse_duration
from app.domain.errors import Malformed
from app.settings import Settings

CHUNK = 64 << 10
MOST_FAULTS = 20
console = Console(stderr=True)


def _client(settings: Settings) -> httpx.Client:
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


def _json_or_stop(answer: httpx.Response) -> dict[str, Any]:
    """The answer's JSON; a problem ends the command with what it says."""
    if answer.is_success:
        found: dict[str, Any] = answer.json()
        return found
    try:
        problem = answer.json()
    except ValueError:
        raise CommandError(ExitCode.OTHER, f"the gateway answered {answer.status_code}") from None
    for fault in problem.get("errors", [])[:MOST_FAULTS]:
        place = " ".join(f"{name} {fault[name]}" for name in ("line", "column", "pointer") if name in fault)
        console.print(f"{place}: {fault['code']}: {fault['detail']}", highlight=False, markup=False)
    raise CommandError(ExitCode.OTHER, f"{problem.get('code')}: {problem.get('detail')}")


def _reach(settings: Settings) -> CommandError:
    return CommandError(
        ExitCode.OTHER, f"no gateway answers at {settings.base_url}: start one (make run), or set SIMGATE_URL"
    )


def import_file(settings: Settings, path: Path, *, plans: bool, partial: bool) -> None:
    """`simgate import`: send a file with a progress bar, and tell what became of its rows."""
    if not path.is_file():
        raise CommandError(ExitCode.USE, f"{path} is not a file")
    kind = "application/x-ndjson" if path.suffix in (".ndjson", ".jsonl") else "text/csv"
    where = "/v1/plans" if plans else "/v1/sims/import" + ("?mode=partial" if partial else "")
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn()
    with _client(settings) as client, Progress(*columns, console=console) as progress:
        task = progress.add_task(path.name, total=path.stat().st_size)

        def chunks() -> Iterator[bytes]:
            with path.open("rb") as file:
                while chunk := file.read(CHUNK):
                    yield chunk
                    progress.advance(task, len(chunk))

        try:
            headers = {"Content-Type": kind, "Content-Length": str(path.stat().st_size)}
            answer = client.post(where, content=chunks(), headers=headers)
        except httpx.HTTPError:
            raise _reach(settings) from None
    report = _json_or_stop(answer)
    if plans:
        print(f"{len(report.get('items', [report]))} plans")
        return
    print(
        f"{report['rows']} rows: {report['created']} created, {report['updated']} updated, "
        f"{report['rejected_rows']} rejected"
    )
    for fault in report["rejected"][:MOST_FAULTS]:
        print(
            f"line {fault.get('line')} {fault.get('column', '')}: {fault['code']}: {fault['detail']}", file=sys.stderr
        )


def advance(settings: Settings, duration: str) -> None:
    """`simgate advance`: move the one clock, showing where it is meanwhile."""
    try:
        step = parse_duration(duration)
    except Malformed as wrong:
        raise CommandError(ExitCode.USE, wrong.detail) from None
    with _client(settings) as client:
        try:
            begun = datetime.fromisoformat(_json_or_stop(client.get("/v1/admin/clock"))["now"])
            report = _advance(client, begun, step)
        except httpx.HTTPError:
            raise _reach(settings) from None
    print(f"It is {report['now']} now.")
    for job, times in report["jobs"].items():
        print(f"  {job}: {times}")
    for job, times in report.get("failed", {}).items():
        print(f"  {job}: failed {times}")


def _advance(client: httpx.Client, begun: datetime, step: timedelta) -> dict[str, Any]:
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    target = (begun + step).isoformat()
    with Progress(*columns, console=console) as progress, ThreadPoolExecutor(1) as aside:
        task = progress.add_task("advancing", total=step.total_seconds())
        asked = aside.submit(client.post, "/v1/admin/clock", json={"now": target})
        while not asked.done():
            _show_clock(client, begun, progress, task)
        return _json_or_stop(asked.result())


def _show_clock(client: httpx.Client, begun: datetime, progress: Progress, task: Any) -> None:
    try:
        now = datetime.fromisoformat(client.get("/v1/admin/clock").json()["now"])
    except (httpx.HTTPError, ValueError, KeyError):
        return
    progress.update(task, completed=(now - begun).total_seconds(), description=f"{now:%Y-%m-%d}")
    progress.refresh()
    Event().wait(0.3)
