"""`/v1/findings`: waste, risks and breaches of compliance that the daily look at the fleet has found."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.domain.identifiers import parse_iccid
from app.domain.units import MB
from app.routers.http.contract import Parameters, TypedRoute
from app.routers.http.deps import Ctx, SimsReader, page_of
from app.routers.http.errors.codes import refusals
from app.routers.http.errors.refusals import refusal_view
from app.routers.http.responses import json_response
from app.routers.schemas.answers import findings as schemas
from app.texts.catalogue import language_of, text
from app.usecases.findings.read import FindingShown, list_findings

router = APIRouter(prefix="/v1/findings", tags=["answers"], route_class=TypedRoute)

BYTES = frozenset({"used", "most", "median", "limit", "at_this_pace", "allowance", "allowance_of_plan"})
"""Facts in bytes, which texts name in megabytes."""


@router.get("", response_model=schemas.FindingPage, responses=refusals())
async def get_findings(
    request: Request,
    ctx: Ctx,
    caller: SimsReader,
    query: Annotated[schemas.FindingQuery, Depends(Parameters(schemas.FindingQuery))],
) -> Response:
    """What was found about the tenant's SIMs, by number: each with rule, evidence, suggestion and what that saves."""
    page, language = page_of(query), language_of(request.headers.get("accept-language"))
    items, last = await list_findings(
        ctx,
        caller.tenant,
        ended=query.state == "ended",
        kind=query.kind,
        code=query.code,
        iccid=None if query.sim is None else parse_iccid(query.sim),
        after=page.number or 0,
        limit=page.limit,
    )
    return json_response(
        {"items": [_finding_view(one, language) for one in items], "next_cursor": page.next_cursor(last)}
    )


def _finding_view(one: FindingShown, language: str) -> dict[str, Any]:
    return {
        "id": one.id,
        "kind": one.kind,
        "code": one.code.value,
        "text": text(f"finding.{one.code.value}", language, **_told(one)),
        "rule": one.rule,
        "source": one.source,
        "subject": {"iccid": one.iccid, "carrier": one.carrier},
        "since": one.since.isoformat(),
        "as_of": one.as_of.isoformat(),
        "ended_at": one.ended_at.isoformat() if one.ended_at else None,
        "evidence": dict(one.evidence),
        "suggestion": {
            "text": text(f"advice_of_finding.{one.advice}", language),
            "action": one.operation.value if one.operation else None,
            "arguments": dict(one.arguments),
            "refusal": refusal_view(one.refusal, language) if one.refusal else None,
        },
        "saves_fen": one.saves_fen,
    }


def _told(one: FindingShown) -> dict[str, object]:
    """The facts as texts name them: bytes in whole megabytes, what is not known as a dash."""
    return {
        name: "–" if value is None else int(value) // MB if name in BYTES else value
        for name, value in one.evidence.items()
    } | {"carrier": one.carrier}
