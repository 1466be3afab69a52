"""What a card can tell of itself: whether it is online, what lies ahead, why it is stopped."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.domain.diagnosis.checklists import DiagnosisFacts, Finding, HoldExplained
from app.domain.identifiers import parse_iccid
from app.domain.sim.lifecycle import ForcedActivation
from app.routers.http.deps import Ctx, SimsReader
from app.routers.http.problems import shown_remedy
from app.routers.http.responses import json_response
from app.texts.catalogue import language_of, text
from app.usecases.errors import Fault, InvalidArgument
from app.usecases.sims.explain import deadlines_of, explain, session_of

from .sims import refuse_as_of

router = APIRouter(prefix="/v1/sims", tags=["sims"])

_NOT_ASKED = frozenset({"sim", "today", "carrier_knows_it"})
TOLD = {name: field.type for name, field in DiagnosisFacts.__dataclass_fields__.items() if name not in _NOT_ASKED}
"""What a caller may tell of the device, as query parameters; what is not told is `unknown`."""

_FLAGS = {"true": True, "false": False}


@router.get("/{iccid}/session")
async def session(request: Request, iccid: str, ctx: Ctx, caller: SimsReader) -> Response:
    """Whether the card is online now; asks the carrier, within its call budget."""
    refuse_as_of(request)
    return json_response(await session_of(ctx, caller.tenant, parse_iccid(iccid)))


@router.get("/{iccid}/deadlines")
async def deadlines(request: Request, iccid: str, ctx: Ctx, caller: SimsReader) -> Response:
    """The days that lie ahead of the card, each with its rule."""
    refuse_as_of(request)
    return json_response(await deadlines_of(ctx, caller.tenant, parse_iccid(iccid)))


@router.get("/{iccid}/explanation")
async def explanation(request: Request, iccid: str, ctx: Ctx, caller: SimsReader) -> Response:
    """Why the card is as it is: every hold with rule, evidence and remedies, and the three checklists.

    What you know of the device fills the checklists: `?apn=cmiot&restarted=true&province=…`.
    """
    refuse_as_of(request)
    language = language_of(request.headers.get("accept-language"))
    found = await explain(ctx, caller.tenant, parse_iccid(iccid), _told(dict(request.query_params)))
    return json_response(
        {
            "iccid": found["record"].sim.iccid,
            "state": found["state"].value,
            "network_allowed": found["network_allowed"],
            "holds": [_hold(hold, language) for hold in found["holds"]],
            "checklists": {
                symptom.value: [_finding(finding, language) for finding in findings]
                for symptom, findings in found["checklists"].items()
            },
            "forced_activation": _forced(found["forced"]),
        }
    )


def _told(given: dict[str, str]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    faults = []
    for name, value in given.items():
        if name not in TOLD:
            faults.append(Fault(code="UNKNOWN_FIELD", detail=f"one of {', '.join(TOLD)}", pointer=f"query:{name}"))
        elif "bool" not in str(TOLD[name]):
            told[name] = value[:100]
        elif value not in _FLAGS:
            faults.append(Fault(code="FLAG_MALFORMED", detail="true or false", pointer=f"query:{name}"))
        else:
            told[name] = _FLAGS[value]
    if faults:
        raise InvalidArgument(faults)
    return told


def _hold(hold: HoldExplained, language: str) -> dict[str, Any]:
    return {
        "code": hold.code.value,
        "rule": hold.rule,
        "text": text(f"hold.{hold.code.value}", language),
        "also_called": list(hold.also_called),
        "since": hold.since.isoformat(),
        "source": hold.source.value,
        "carrier_code": hold.carrier_code,
        "lagging": hold.lagging,
        "evidence": {"source": hold.source.value, "carrier_code": hold.carrier_code, "since": hold.since.isoformat()},
        "remedies": [shown_remedy(remedy, language) for remedy in hold.remedies],
    }


def _finding(finding: Finding, language: str) -> dict[str, Any]:
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


def _forced(forced: ForcedActivation | None) -> dict[str, Any] | None:
    if forced is None or forced.forced_on is None:
        return None
    return {"forced_on": forced.forced_on.isoformat(), "rule": forced.rule, "assumed": list(forced.assumed)}
