"""A calendar feed as iCalendar text (RFC 5545): all-day events, each with its alarms and a link."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from icalendar import Alarm, Calendar, Event, Timezone

from app.db.deadlines.feeds import EventVersion
from app.domain.calendar.days import HOME_ZONE, ONE_DAY
from app.texts.catalogue import text
from app.usecases.deadlines.calendar import FeedContent, FeedEvent

ALARMS = (timedelta(days=-6, hours=-15), timedelta(hours=-15))
"""At nine in the morning a week ahead, and the day before, where the reader is."""

REFRESH = timedelta(hours=6)
ZONE = str(HOME_ZONE)


def calendar_of(content: FeedContent, base: str) -> bytes:
    """The calendar; `base`: where this API is, for the links."""
    language = content.feed.language
    name = text("deadline.calendar", language)
    calendar = Calendar()
    calendar.add("prodid", f"-//SimGate//Deadlines//{language.upper()}")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("name", name)
    calendar.add("x-wr-calname", name)
    calendar.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", "PT6H")
    for event, title, version in content.events:
        calendar.add_component(_event(content, event, title, version, base))
    if not content.events:  # a calendar has at least one component (RFC 5545, 3.6)
        zone = Timezone.from_tzid(ZONE, first_date=date(2020, 1, 1), last_date=date(2037, 12, 31))
        calendar.add_component(zone)
    return bytes(calendar.to_ical())


def _event(content: FeedContent, event: FeedEvent, title: str, version: EventVersion, base: str) -> Event:
    """One all-day event: a date without a zone, as days of carriers in different zones stand in one calendar."""
    made = Event()
    made.add("uid", f"{event.kind.value}-{event.day.isoformat()}-{content.feed.id}@simgate")
    made.add("dtstamp", version.changed_at)
    made.add("last-modified", version.changed_at)
    made.add("sequence", version.sequence)
    made.add("dtstart", event.day)
    made.add("dtend", event.day + ONE_DAY)
    made.add("summary", title)
    made.add("description", f"{title}\n{text('deadline.zone', content.feed.language)}")
    made.add("url", f"{base}{link_of(event)}")
    made.add("categories", [event.kind.value])
    made.add("transp", "TRANSPARENT")
    for component in _alarms(title):
        made.add_component(component)
    return made


def _alarms(title: str) -> Sequence[Alarm]:
    found = []
    for ahead in ALARMS:
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", title)
        alarm.add("trigger", ahead)
        found.append(alarm)
    return found


def link_of(event: FeedEvent) -> str:
    """The list of what an event is about, as path and query of this API."""
    before = event.day + ONE_DAY
    return f"/v1/deadlines?kind={event.kind.value}&from={event.day.isoformat()}&before={before.isoformat()}"
