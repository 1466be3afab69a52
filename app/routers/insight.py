"""What a SIM can say of itself: whether it is online, its deadlines, and why it is stopped."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.domain.diagnosis.checklists import Finding, HoldExplained
from app.domain.diagnosis.notices import Notice
from app.domain.identifiers import parse_iccid
from app.domain.sim.lifecycle import ForcedActivation
from app.routers.http.codes import refusals
from app.routers.http.contract import Parameters, TypedRoute
from app.routers.http.deps import Ctx, SimsReader
from app.routers.http.refusals import remedy_view
from app.routers.http.responses import json_response, while_connected
from app.routers.schemas.base import AsOf
from app.routers.schemas.sims import insight as schemas
from app.texts.catalogue import language_of, text
from app.usecases.sims.explain import deadlines_of, explain, session_of

from .actions import Iccid
from .sims import refuse_as_of

router = APIRouter(prefix="/v1/sims", tags=["sims"], route_class=TypedRoute)

CARRIER_FAILURES = ("CARRIER_REJECTED", "NOT_SUPPORTED_BY_CARRIER", "CARRIER_QUOTA_EXCEEDED", "UNAVAILABLE")
AsOfQuery = Annotated[AsOf, Depends(Parameters(AsOf))]


@router.get(
    "/{iccid}/session", response_model=schemas.Session, responses=refusals("NOT_FOUND", "NOT_YET", *CARRIER_FAILURES)
)
async def get_sim_session(request: Request, iccid: Iccid, ctx: Ctx, caller: SimsReader, query: AsOfQuery) -> Response:
    """Whether the SIM is online now; queries the carrier, within its call budget and ten seconds."""
    refuse_as_of(query)
    return json_response(await while_connected(request, session_of(ctx, caller.tenant, parse_iccid(iccid))))


@router.get("/{iccid}/deadlines", response_model=schemas.Deadlines, responses=refusals("NOT_FOUND", "NOT_YET"))
async def get_sim_deadlines(iccid: Iccid, ctx: Ctx, caller: SimsReader, query: AsOfQuery) -> Response:
    """The days that lie ahead of the SIM, each with its rule."""
    refuse_as_of(query)
    return json_response(await deadlines_of(ctx, caller.tenant, parse_iccid(iccid)))


@router.get("/{iccid}/explanation", response_model=schemas.Explanation, responses=refusals("NOT_FOUND", "NOT_YET"))
async def explain_sim(
    request: Request,
    iccid: Iccid,
    ctx: Ctx,
    caller: SimsReader,
    query: Annotated[schemas.DeviceFacts, Depends(Parameters(schemas.DeviceFacts))],
) -> Response:
    """Why the SIM is as it is: every hold with rule, evidence and remedies, and the three checklists.

    What you know of the device fills the checklists: `?apn=cmiot&restarted=true&province=…`.
    """
    refuse_as_of(query)
    language = language_of(request.headers.get("accept-language"))
    facts = query.model_dump(exclude_unset=True, exclude={"as_of", "known_at", "target"})
    facts["targets"] = tuple(query.target)
    found = await explain(ctx, caller.tenant, parse_iccid(iccid), facts)
    return json_response(
        {
            "iccid": found.iccid,
            "state": found.state.value,
            "network_allowed": found.network_allowed,
            "holds": [_hold_view(hold, language) for hold in found.holds],
            "checklists": {
                symptom.value: [_finding_view(finding, language) for finding in findings]
                for symptom, findings in found.checklists.items()
            },
            "forced_activation": _forced_view(found.forced),
            "notices": [_notice_view(notice, language) for notice in found.notices],
        }
    )


def _hold_view(hold: HoldExplained, language: str) -> dict[str, Any]:
    return {
        "code": hold.code.value,
        "rule": hold.rule,
        "text": text(_hold_text(hold), language),
        "also_called": list(hold.also_called),
        "since": hold.since.isoformat(),
        "source": hold.source.value,
        "carrier_code": hold.carrier_code,
        "carrier_reason": hold.carrier_reason,
        "lagging": hold.lagging,
        "evidence": {
            "source": hold.source.value,
            "carrier_code": hold.carrier_code,
            "carrier_reason": hold.carrier_reason,
            "since": hold.since.isoformat(),
            "reported": hold.reported.value if hold.reported else None,
            "found": [
                {
                    "query": one.query.value,
                    "at": one.at.isoformat(),
                    "found": one.found.value,
                    "text": text(f"found.{one.found.value}", language),
                    "facts": dict(one.facts),
                }
                for one in hold.found
            ],
            "would_tell": [
                {"query": query.value, "text": text(f"query.{query.value}", language)} for query in hold.would_tell
            ],
        },
        "remedies": [remedy_view(remedy, language) for remedy in hold.remedies],
    }


def _hold_text(hold: HoldExplained) -> str:
    """The key of the hold's text; a hold whose reason is gone says so, not its former reason (ST-21, PL-6)."""
    if hold.refilled:
        return "hold_ended.pool_refilled"
    if hold.ended:
        return "hold_ended.lagging" if hold.lagging else "hold_ended.overdue"
    return f"hold.{hold.code.value}"


def _finding_view(finding: Finding, language: str) -> dict[str, Any]:
    return {
        "check": finding.check,
        "text": text(f"check.{finding.check}", language),
        "answer": finding.answer.value,
        "rule": finding.rule,
        "evidence": dict(finding.evidence),
        "remedy": {"action": finding.remedy, "text": text(f"advice.{finding.remedy}", language)}
        if finding.remedy
        else None,
    }


def _notice_view(notice: Notice, language: str) -> dict[str, Any]:
    return {
        "code": notice.code.value,
        "rule": notice.rule,
        "text": text(f"notice.{notice.code.value}", language),
        "facts": dict(notice.facts),
    }


def _forced_view(forced: ForcedActivation | None) -> dict[str, Any] | None:
    if forced is None or forced.forced_on is None:
        return None
    return {"forced_on": forced.forced_on.isoformat(), "rule": forced.rule, "assumed": list(forced.assumed)}
