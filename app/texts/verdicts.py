"""The verdict on a SIM: one sentence that a support agent can read aloud (`docs/api.md`, Explanation)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta, tzinfo

from app.domain.calendar.days import local
from app.domain.diagnosis.recovery.plan import NotLifted, Recovery, RecoveryPlan
from app.domain.vocabulary import SimState
from app.texts.catalogue import ENGLISH, LANGUAGES, text, texts


def verdict_of(state: SimState, causes: Sequence[str], recovery: Recovery | None, zone: tzinfo) -> dict[str, str]:
    """The verdict by language. `causes`: text keys below `cause.`, one a hold; `zone`: the carrier's, for the days."""
    return {language: _sentence(state, causes, recovery, zone, language) for language in LANGUAGES}


def _sentence(state: SimState, causes: Sequence[str], recovery: Recovery | None, zone: tzinfo, language: str) -> str:
    if recovery is None:
        return text(f"verdict.{state.value}", language)
    why = _joined("cause", [_phrase(f"cause.{cause}", language) for cause in causes], language)
    if recovery.fastest is None or recovery.cheapest is None:
        return text("verdict.lost", language, causes=why, why=_reason(recovery.not_lifted[0], language))
    return text(
        "verdict.stopped", language, causes=why, plan=_plans(recovery.fastest, recovery.cheapest, zone, language)
    )


def _plans(fastest: RecoveryPlan, cheapest: RecoveryPlan, zone: tzinfo, language: str) -> str:
    first = _plan(fastest, zone, language)
    second = first if cheapest is fastest else _plan(cheapest, zone, language)
    return first if first == second else _phrase("verdict.other", language, fastest=first, cheapest=second)


def _plan(plan: RecoveryPlan, zone: tzinfo, language: str) -> str:
    """The steps of a plan, when the SIM is back, and for how much."""
    said = ""
    for step in plan.steps:
        phrase = _phrase(f"step.{step.action}", language)
        joint = "then" if step.after else "beside"
        said = _phrase(f"verdict.{joint}", language, first=said, next=phrase) if said else phrase
    return _phrase("verdict.plan", language, steps=said, when=_when(plan, zone, language), price=_price(plan, language))


def _when(plan: RecoveryPlan, zone: tzinfo, language: str) -> str:
    earliest, latest = _from(plan.earliest, zone), _until(plan.latest, zone, language)
    earliest = None if plan.earliest == plan.latest else earliest
    if latest is not None:
        key = "by" if earliest is None else "between"
    else:
        key = "unknown" if earliest is None else "since"
    when = _phrase(f"verdict.{key}", language, earliest=earliest, latest=latest)
    return _phrase("verdict.provisional", language, when=when) if plan.provisional else when


def _from(at: datetime | None, zone: tzinfo) -> str | None:
    """The first instant of a period in the carrier's zone; a midnight is the day that begins with it."""
    if at is None:
        return None
    here = local(at, zone)
    return here.date().isoformat() if here.time() == time.min else f"{here:%Y-%m-%d %H:%M}"


def _until(at: datetime | None, zone: tzinfo, language: str) -> str | None:
    """The last instant of a period in the carrier's zone; a midnight is the end of the day before."""
    if at is None:
        return None
    here = local(at, zone)
    if here.time() != time.min:
        return f"{here:%Y-%m-%d %H:%M}"
    return _phrase("verdict.end_of_day", language, day=(here.date() - timedelta(days=1)).isoformat())


def _price(plan: RecoveryPlan, language: str) -> str:
    if plan.cost_fen is None:
        return _phrase("verdict.unpriced", language)
    yuan = f"{plan.cost_fen // 100}.{plan.cost_fen % 100:02d}"
    return _phrase("verdict.price", language, yuan=yuan) if plan.cost_fen else _phrase("verdict.free", language)


def _reason(lost: NotLifted, language: str) -> str:
    """The text that says why nothing lifts a hold, as the end of a sentence."""
    whole = text(lost.text, language, **lost.facts).rstrip(".。")
    return whole[:1].lower() + whole[1:] if language == ENGLISH else whole


def _joined(key: str, parts: Sequence[str], language: str) -> str:
    said = parts[0]
    for part in parts[1:]:
        said = _phrase(f"verdict.{key}", language, first=said, next=part)
    return said


def _phrase(key: str, language: str, **parts: object) -> str:
    """A part of a sentence, as it is written in the file: neither capitalised nor with words put into the language."""
    return texts()[key][language].format_map(parts)
