"""`create_app`: routes, problem handlers and middleware."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import cache
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from app.container import Container
from app.routers import (
    actions,
    admin,
    bulk,
    calendar,
    callbacks,
    deadlines,
    exports,
    health,
    imports,
    insight,
    operations,
    pools,
    sims,
    usage,
)
from app.routers.answers import explanations, findings, forecasts, service_levels
from app.routers.automation import approvals, automations
from app.routers.commerce import account, carts, catalogue, directed, invoices, orders
from app.routers.http import docs
from app.routers.http.application import Application
from app.routers.http.deps import KeyRing
from app.routers.http.errors.problems import add_problem_handlers
from app.routers.http.openapi import document_of
from app.routers.http.request_rates import RequestRates
from app.routers.notifications import channels, reminders, webhooks
from app.routers.schemas.notifications.webhooks import Event
from app.routers.schemas.problems import Problem
from app.settings import VERSION

DESCRIPTION = """One API in front of China Mobile, China Unicom, China Telecom and overseas carriers.

Accepted is not done: an action answers 202 with an operation, which is polled, or reported by webhook.
Every refusal names its rule and what can be done about it."""

ROUTERS = (
    health.router,
    docs.router,
    imports.router,
    catalogue.router,
    account.router,
    invoices.router,
    sims.router,
    insight.router,
    explanations.router,
    forecasts.router,
    findings.router,
    service_levels.router,
    usage.router,
    operations.router,
    bulk.router,
    approvals.router,
    automations.router,
    exports.router,
    carts.router,
    directed.router,
    orders.router,
    deadlines.router,
    pools.router,
    reminders.router,
    channels.router,
    calendar.router,
    webhooks.router,
    callbacks.router,
    admin.router,
    actions.router,
)
"""In order of matching: what names a path exactly comes before what takes any word."""

ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]

Advance = Callable[[datetime], Awaitable[dict[str, Any]]]


def create_app(
    container: Container,
    *,
    advance: Advance | None = None,
    sandbox_answers: Callable[[], Awaitable[bool]] | None = None,
    loads_fleet: bool = False,
) -> FastAPI:
    """The API over an open container. `advance` moves the one clock, where this process can.

    `loads_fleet`: it imports the demo fleet, and is not ready before.
    """
    app = Application(container, title="SimGate", version=VERSION, description=DESCRIPTION)
    # The routers' own routes, as they were built at import: `include_router` would build each of them again.
    app.router.routes.extend(route for router in ROUTERS for route in router.routes)
    container.context.telemetry.expect_routes(
        (method, route.path) for route in ROUTES for method in route.methods or ()
    )
    app.openapi = api_document  # type: ignore[method-assign]
    app.state.keys = KeyRing()
    app.state.key_rates = RequestRates("key")
    app.state.callback_rates = RequestRates("callbacks")
    app.state.advance = advance
    app.state.sandbox_answers = sandbox_answers or _nobody_asked
    app.state.loads_fleet = loads_fleet
    add_problem_handlers(app)
    return app


@cache
def api_document() -> dict[str, Any]:
    """The OpenAPI document, made when it is first asked for: it is the same for every gateway of this version."""
    app = FastAPI(
        title="SimGate",
        version=VERSION,
        description=DESCRIPTION,
        generate_unique_id_function=_operation_id,
        separate_input_output_schemas=False,
    )
    for router in ROUTERS:
        app.include_router(router)
    documented = [route for route in ROUTES if route.include_in_schema]
    return document_of(documented, app.openapi(), problem=Problem, event=Event)


def _operation_id(route: APIRoute) -> str:
    """The function's name: stable, snake_case, and what a generated client's methods are called."""
    return route.name


async def _nobody_asked() -> bool:
    return True
