"""Whether the process lives, whether it is ready, and what it counts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import PlainTextResponse, Response

from app.container import Container
from app.routers.http.application import Application
from app.routers.http.contract import Parameters
from app.routers.http.deps import KeyRing, authorize, container_of, context_of
from app.routers.http.errors.codes import refusals
from app.routers.http.errors.problems import add_problem_handlers
from app.routers.http.request_rates import RequestRates
from app.routers.http.responses import json_response
from app.routers.schemas.admin import Liveness, Readiness, ReadinessQuery
from app.settings import VERSION
from app.usecases.admin.readiness import jobs_view, loops_view, readiness

router = APIRouter(tags=["operating"])

ReadinessParameters = Annotated[ReadinessQuery, Depends(Parameters(ReadinessQuery))]


@router.get("/livez", response_model=Liveness)
async def get_liveness(request: Request) -> Response:
    """The process lives; no I/O."""
    return json_response({"status": "ok", "version": VERSION, "commit": container_of(request).settings.commit})


@router.get("/readyz", response_model=Readiness, responses={503: {"model": Readiness, "description": "Not ready yet."}})
async def get_readiness(request: Request, query: ReadinessParameters) -> Response:
    """Ready: migrations are current, the sandbox (if ours) answers, the first import is done."""
    state = request.app.state
    checks = await readiness(context_of(request), state.sandbox_answers, loads_fleet=state.loads_fleet)
    ready = all(check == "ok" for check in checks.values())
    shown: dict[str, Any] = {"status": "ready" if ready else "not_ready", "checks": checks}
    if query.verbose:
        shown |= {"loops": loops_view(context_of(request)), "jobs": await jobs_view(context_of(request))}
    return json_response(shown, status=200 if ready else 503)


@router.get(
    "/metrics", response_class=PlainTextResponse, responses=refusals("UNAUTHORIZED", "FORBIDDEN", "TOO_MANY_REQUESTS")
)
async def get_metrics(request: Request) -> Response:
    """Prometheus' exposition text."""
    container = container_of(request)
    if not container.metrics_open:
        await authorize(request, "metrics")
    return Response(container.context.telemetry.render(), media_type=CONTENT_TYPE_LATEST)


def create_health_app(container: Container, *, sandbox_answers: Callable[[], Awaitable[bool]]) -> FastAPI:
    """`/livez`, `/readyz` and `/metrics` alone: for a worker or a scheduler that is a process of its own."""
    app = Application(container, title="SimGate", version=VERSION)
    app.state.keys = KeyRing()
    app.state.key_rates = RequestRates("key")
    app.state.callback_rates = RequestRates("callbacks")
    app.state.sandbox_answers = sandbox_answers
    app.state.loads_fleet = False
    app.router.routes.extend(router.routes)
    add_problem_handlers(app)
    return app
