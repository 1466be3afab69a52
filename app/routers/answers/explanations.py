"""Why SIMs are as they are: the explanation of one, and of many by cause."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.domain.identifiers import parse_iccid
from app.routers.actions import Iccid
from app.routers.answers.explanation_views import explanation_view
from app.routers.http.codes import refusals
from app.routers.http.contract import Parameters, TypedRoute
from app.routers.http.deps import Ctx, SimsReader
from app.routers.http.responses import json_response
from app.routers.schemas.sims import insight as schemas
from app.routers.sims import refuse_as_of
from app.texts.catalogue import language_of
from app.usecases.sims.explain import explain

router = APIRouter(prefix="/v1", tags=["sims"], route_class=TypedRoute)


@router.get("/sims/{iccid}/explanation", response_model=schemas.Explanation, responses=refusals("NOT_FOUND", "NOT_YET"))
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
    return json_response(explanation_view(found, language))
