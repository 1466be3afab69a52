"""When a reminder is sent: never within quiet hours, a day's together in one digest, a minute's in one message."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

from app.domain.notifications.channels import Batching

_DAY, _MINUTE = timedelta(days=1), timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """Hours of the day, [start, end) by the wall clock of a card's zone; over midnight where the end is earlier."""

    start: time
    end: time

    def contain(self, at: time) -> bool:
        """Whether a time of day lies in them."""
        if self.start <= self.end:
            return self.start <= at < self.end
        return at >= self.start or at < self.end


def after_quiet_hours(at: datetime, zone: tzinfo, quiet: QuietHours | None) -> datetime:
    """The first instant from `at` on that is not in the quiet hours, in UTC."""
    local = at.astimezone(zone)
    if quiet is None or not quiet.contain(local.time()):
        return at.astimezone(UTC)
    ends = datetime.combine(local.date(), quiet.end, zone)
    if quiet.end <= local.time():
        ends = datetime.combine(local.date() + _DAY, quiet.end, zone)
    # In a night when the clocks go back, the wall time of the end may come first a second time: never before `at`.
    return max(ends.astimezone(UTC), at.astimezone(UTC))


def next_digest(at: datetime, zone: tzinfo, digest_at: time, quiet: QuietHours | None) -> datetime:
    """When the digest is sent that takes what is due at `at`: at that time of day, moved out of the quiet hours."""
    local = at.astimezone(zone)
    sent = datetime.combine(local.date(), digest_at, zone)
    if sent.astimezone(UTC) < at.astimezone(UTC):
        sent = datetime.combine(local.date() + _DAY, digest_at, zone)
    return after_quiet_hours(sent, zone, quiet)


def due_at(batching: Batching, at: datetime, zone: tzinfo, digest_at: time, quiet: QuietHours | None) -> datetime:
    """When what became known at `at` is sent; by the minute: at the turn of that minute."""
    match batching:
        case Batching.DAY:
            return next_digest(at, zone, digest_at, quiet)
        case Batching.MINUTE:
            whole = at.astimezone(UTC).replace(second=0, microsecond=0)
            return after_quiet_hours(whole + _MINUTE, zone, quiet)
        case Batching.NONE:
            return after_quiet_hours(at, zone, quiet)
