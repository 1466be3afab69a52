"""`simgate advance`, and what commands that call a running gateway over HTTP have in common."""

from __future__ import annotations

import sys
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from typing import Any

import httpx

from app.cli.exits import CommandError, ExitCode
from app.cli.progress import Progress
from app.domain.calendar.durations import parse_duration
from app.domain.errors import Malformed
from app.settings import Settings

MAX_SHOWN_FAULTS = 20
POLL_S = 0.3


def client(settings: Settings) -> httpx.Client:
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


def json_or_stop(response: httpx.Response) -> dict[str, Any]:
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


def unreachable(settings: Settings) -> CommandError:
    message = f"no gateway answers at {settings.base_url}: start one (make run), or set SIMGATE_URL"
    return CommandError(ExitCode.OTHER, message)


def advance(settings: Settings, duration: str) -> None:
    """`simgate advance`: moves the gateway's clock forwards and prints which jobs ran. Raises `CommandError`."""
    try:
        step = parse_duration(duration)
    except Malformed as wrong:
        raise CommandError(ExitCode.USE, wrong.detail) from None
    with client(settings) as gateway:
        try:
            started = datetime.fromisoformat(json_or_stop(gateway.get("/v1/admin/clock"))["now"])
            report = _advance(gateway, started, step)
        except httpx.HTTPError:
            raise unreachable(settings) from None
    print(f"It is {report['now']} now.")
    for job, times in report["jobs"].items():
        print(f"  {job}: {times}")
    for job, times in report.get("failed", {}).items():
        print(f"  {job}: failed {times}")


def _advance(gateway: httpx.Client, started: datetime, step: timedelta) -> dict[str, Any]:
    """Ask for the move in a thread of its own, and meanwhile show how far the clock has come."""
    body = {"now": (started + step).isoformat()}
    with Progress(step.total_seconds()) as progress, ThreadPoolExecutor(1) as thread:
        request: Future[httpx.Response] = thread.submit(gateway.post, "/v1/admin/clock", json=body)
        while not wait([request], timeout=POLL_S).done:
            _show_clock(gateway, started, progress)
        return json_or_stop(request.result())


def _show_clock(gateway: httpx.Client, started: datetime, progress: Progress) -> None:
    try:
        now = datetime.fromisoformat(gateway.get("/v1/admin/clock").json()["now"])
    except (httpx.HTTPError, ValueError, KeyError):
        return
    progress.show((now - started).total_seconds(), f"{now:%Y-%m-%d}")
