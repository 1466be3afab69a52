"""Reminders: what a tenant's SIMs and pools are reminded of, quiet hours, and thresholds of many SIMs (RM-1, RM-2)."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Literal

from pydantic import Field, WithJsonSchema

from app.routers.schemas.base import MAX_AMOUNT, AnswerModel, At, RequestModel, checked, open_words
from app.routers.schemas.bulk import Selector
from app.routers.schemas.sims.requests import MAX_REMINDER_DAYS

LANGUAGES = ("en", "zh")
Language = Literal["en", "zh"]
LanguageWord = Annotated[Language, open_words(LANGUAGES)]
CLOCK_PATTERN = "^([01][0-9]|2[0-3]):[0-5][0-9]$"


def _clock_time(value: str) -> time:
    """A time of day as `HH:MM`. Raises `ValueError`."""
    if len(value) != len("HH:MM") or not value.isascii():
        raise ValueError
    return time.fromisoformat(value)


ClockTime = Annotated[
    time,
    checked(_clock_time, "CLOCK_TIME_MALFORMED", "HH:MM, 00:00 to 23:59"),
    WithJsonSchema({"type": "string", "pattern": CLOCK_PATTERN, "x-unit": "HH:MM"}),
]
"""A time of day in a request."""

ClockTimeAnswer = Annotated[str, Field(json_schema_extra={"pattern": CLOCK_PATTERN, "x-unit": "HH:MM"})]

UsageThresholds = Annotated[list[Annotated[int, Field(ge=0, le=MAX_AMOUNT >> 20)]], Field(max_length=2)]
ExpiryThresholds = Annotated[list[Annotated[int, Field(ge=0, le=MAX_REMINDER_DAYS)]], Field(max_length=2)]
PoolPercents = Annotated[list[Annotated[int, Field(ge=0, le=1_000)]], Field(max_length=10)]


class QuietHours(RequestModel):
    """Hours of the day in which channels send nothing: from the first to the second, over midnight too."""

    start: ClockTime = Field(alias="from", description="Their beginning, in the card's zone.", examples=["22:00"])
    end: ClockTime = Field(alias="to", description="Their end; not included.", examples=["08:00"])


class ReminderSettingsRequest(RequestModel):
    """What SIMs and pools without reminders of their own are reminded of; replaces everything, null: nothing is set."""

    usage_mb: UsageThresholds | None = Field(
        default=None, description="MB used in a cycle; at most two, 0 is off.", examples=[[80, 100]]
    )
    expiry_days: ExpiryThresholds | None = Field(
        default=None, description="Days before the last valid day; at most two, 0 is off.", examples=[[30, 15]]
    )
    pool_percent: PoolPercents | None = Field(
        default=None, description="Percents of a pool's total; at most ten, 0 is off.", examples=[[80, 100]]
    )
    quiet_hours: QuietHours | None = Field(default=None, description="When channels send nothing; null: never quiet.")
    language: Language = Field(default="en", description="What channels without their own speak.", examples=["zh"])


class QuietHoursAnswer(AnswerModel):
    """Hours of the day in which channels send nothing."""

    start: ClockTimeAnswer = Field(alias="from", description="Their beginning, in the card's zone.", examples=["22:00"])
    end: ClockTimeAnswer = Field(alias="to", description="Their end; not included.", examples=["08:00"])


class ReminderSettings(AnswerModel):
    """What a tenant has set; null: nothing."""

    usage_mb: list[int] | None = Field(description="MB used in a cycle.", examples=[[80, 100]])
    expiry_days: list[int] | None = Field(description="Days before the last valid day.", examples=[[30, 15]])
    pool_percent: list[int] | None = Field(description="Percents of a pool's total.", examples=[[80, 100]])
    quiet_hours: QuietHoursAnswer | None = Field(description="When channels send nothing.")
    language: LanguageWord = Field(description="What channels without their own speak.", examples=["zh"])
    updated_at: At | None = Field(
        description="When they were set; null: never.", examples=["2026-11-21T10:00:00+00:00"]
    )


class Thresholds(RequestModel):
    """Thresholds of SIMs: a list replaces, null goes back to the tenant's, what is absent stays."""

    usage_mb: UsageThresholds | None = Field(
        default=None, description="MB used in a cycle; at most two, 0 is off.", examples=[[50, 90]]
    )
    expiry_days: ExpiryThresholds | None = Field(
        default=None, description="Days before the last valid day; at most two, 0 is off.", examples=[[30, 7]]
    )


class ApplyReminders(RequestModel):
    """Reminders for many SIMs."""

    selector: Selector = Field(description="Which SIMs; a range of numbers is not taken.")
    reminders: Thresholds = Field(description="Their thresholds.", examples=[{"usage_mb": [50, 90]}])


class RemindersApplied(AnswerModel):
    """What was changed."""

    selected: int = Field(description="SIMs selected.", examples=[1832])
    changed: int = Field(description="Those whose thresholds differ from before.", examples=[1830])
