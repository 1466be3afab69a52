"""Calendar feeds of deadlines: what a calendar program reads, who may read it, and what changes when the fleet does."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from icalendar import Calendar
from structlog.testing import capture_logs

from tests.gateway import Gateway, iccid

NO_KEY = {"Authorization": ""}
REQUIRED = ("UID", "DTSTAMP", "DTSTART", "SUMMARY", "SEQUENCE", "URL")


async def created(gateway: Gateway, **body: Any) -> dict[str, Any]:
    answer = await gateway.api.post("/v1/deadlines/feeds", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def read(gateway: Gateway, feed: dict[str, Any]) -> Calendar:
    answer = await gateway.api.get(feed["url"], headers=NO_KEY)
    assert answer.status_code == 200, answer.text
    return Calendar.from_ical(answer.content)


def shown(calendar: Calendar) -> list[tuple[date, str]]:
    return [(event.decoded("dtstart"), str(event["summary"])) for event in calendar.walk("VEVENT")]


async def test_a_calendar_program_reads_the_feed_without_a_key(gateway: Gateway) -> None:
    """RN-1, LC-8, LC-9: all-day events in the carrier's zone, each with its alarms and a link to its SIMs."""
    one, *_ = await gateway.fleet(
        {"carrier": "cucc", "expires_on": "2026-11-30"}, *({"expires_on": "2027-01-31"} for _ in range(30))
    )
    feed = await created(gateway)
    assert re.fullmatch(r"http://gateway/v1/deadlines/feeds/[A-Za-z0-9_-]{43}\.ics", feed["url"])

    calendar = await read(gateway, feed)

    assert shown(calendar) == [
        (date(2026, 11, 30), f"Last valid day: SIM {one}"),
        (date(2026, 12, 21), f"Last safe day for a renewal: SIM {one}"),
        (date(2026, 12, 22), f"Renewals close: SIM {one}"),
        (date(2026, 12, 23), f"Cancellation: SIM {one}"),
        (date(2027, 1, 31), "Last valid day: 30 SIMs"),
        (date(2027, 2, 21), "Last safe day for a renewal: 30 SIMs"),
        (date(2027, 2, 22), "Renewals close: 30 SIMs"),
        (date(2027, 2, 23), "Cancellation: 30 SIMs"),
    ]
    for event in calendar.walk("VEVENT"):
        assert event.decoded("dtend") - event.decoded("dtstart") == timedelta(days=1)
        assert [alarm.decoded("trigger") for alarm in event.walk("VALARM")] == [
            timedelta(days=-6, hours=-15),
            timedelta(hours=-15),
        ]
        link = urlsplit(str(event["url"]))
        listed = await gateway.api.get(f"{link.path}?{link.query}&limit=500")
        days = {(item["on"], item["kind"]) for item in listed.json()["items"]}
        assert days == {(event.decoded("dtstart").isoformat(), parse_qs(link.query)["kind"][0])}


async def test_the_bytes_are_what_the_format_wants(gateway: Gateway) -> None:
    """RFC 5545: CRLF, lines of at most 75 octets also in Chinese, what is required, each UID once; valid when empty."""
    empty = (await gateway.api.get((await created(gateway, language="zh"))["url"])).content
    assert Calendar.from_ical(empty).subcomponents
    await gateway.fleet({"carrier": "cucc", "expires_on": "2026-11-30"}, {"terms": "standard", "state": "silent"})
    answer = await gateway.api.get((await created(gateway, language="zh"))["url"])

    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    for content in (empty, answer.content):
        lines = content.split(b"\r\n")
        assert lines[0] == b"BEGIN:VCALENDAR"
        assert lines[-2:] == [b"END:VCALENDAR", b""]
        assert all(len(line) <= 75 and b"\n" not in line and b"\r" not in line for line in lines)
        assert all(line.decode() for line in lines[:-1])  # no character is cut in two by a fold
        assert b"VERSION:2.0" in lines
        assert any(line.startswith(b"PRODID:") for line in lines)
    assert any(line.startswith(b" ") for line in answer.content.split(b"\r\n"))
    assert "有效期最后一天" in answer.content.decode().replace("\r\n ", "")
    events = Calendar.from_ical(answer.content).walk("VEVENT")
    assert all(name in event for event in events for name in REQUIRED)
    assert len({str(event["uid"]) for event in events}) == len(events) > 4
    assert b"DTSTART;VALUE=DATE:20261130\r\n" in answer.content


async def test_an_event_keeps_its_uid_and_rises_in_sequence_when_it_changes(gateway: Gateway) -> None:
    cards = await gateway.fleet(*({"carrier": "cucc", "expires_on": "2026-11-30"} for _ in range(3)))
    feed = await created(gateway, kinds=["expiry"])
    (first,) = (await read(gateway, feed)).walk("VEVENT")
    await gateway.advance(hours=1)
    (same,) = (await read(gateway, feed)).walk("VEVENT")
    assert same.to_ical() == first.to_ical()

    asked = await gateway.api.post(f"/v1/sims/{cards[0]}/renew", json={"months": 12})
    await gateway.api.post(f"{asked.headers['location']}/complete", json={"outcome": "succeeded"})
    changed, added = (await read(gateway, feed)).walk("VEVENT")

    assert (str(changed["uid"]), str(changed["summary"])) == (str(first["uid"]), "Last valid day: 2 SIMs")
    assert (first["sequence"], changed["sequence"], added["sequence"]) == (0, 1, 0)
    assert changed.decoded("dtstamp") - first.decoded("dtstamp") >= timedelta(hours=1)
    assert added.decoded("dtstart") == date(2027, 11, 30)


async def test_a_poll_of_an_unchanged_feed_is_answered_with_304(gateway: Gateway) -> None:
    await gateway.fleet({"expires_on": "2027-01-31"})
    url = (await created(gateway))["url"]
    answer = await gateway.api.get(url, headers=NO_KEY)
    etag, modified = answer.headers["etag"], answer.headers["last-modified"]
    assert answer.headers["cache-control"] == "private, max-age=900"
    for known in ({"If-None-Match": etag}, {"If-None-Match": f'"x", W/{etag}'}, {"If-Modified-Since": modified}):
        again = await gateway.api.get(url, headers=NO_KEY | known)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    for other in ({"If-None-Match": '"x"', "If-Modified-Since": modified}, {"If-Modified-Since": "yesterday"}):
        assert (await gateway.api.get(url, headers=NO_KEY | other)).status_code == 200
    await gateway.advance(minutes=1)
    await gateway.fleet({}, {"expires_on": "2027-01-31"})
    later = await gateway.api.get(url, headers=NO_KEY | {"If-None-Match": etag})
    assert later.status_code == 200
    assert later.headers["etag"] != etag
    assert (await gateway.api.get(url, headers=NO_KEY | {"If-Modified-Since": modified})).status_code == 200
    assert (await gateway.api.head(url, headers=NO_KEY)).headers["etag"] == later.headers["etag"]


async def test_a_large_fleet_is_a_small_calendar(gateway: Gateway) -> None:
    """However many SIMs share a day, they are one event; and a feed has at most so many events."""
    await gateway.fleet({"carrier": "cucc", "expires_on": "2026-11-30"})
    async with gateway.ctx.pool.acquire() as connection:
        names = [
            r[0]
            for r in await connection.fetch(
                "SELECT column_name FROM information_schema.columns WHERE table_name = 'sims' AND is_identity = 'NO'"
                " AND column_name NOT IN ('iccid', 'canonical_iccid')"
            )
        ]
        columns = ", ".join(f'"{name}"' for name in names)
        await connection.execute(
            f"INSERT INTO sims (iccid, {columns}) SELECT 'x' || n, {columns} FROM sims, generate_series(1, 4999) n"  # noqa: S608
        )
    answer = await gateway.api.get((await created(gateway))["url"])
    events = Calendar.from_ical(answer.content).walk("VEVENT")
    assert [str(event["summary"]).partition(": ")[2] for event in events] == ["5000 SIMs"] * 4
    assert len(answer.content) < 6_000


@pytest.mark.parametrize(
    ("selector", "sims"),
    [
        ({"all": True}, 4),
        ({"filter": {"tag": ["site:hz"]}}, 2),
        ({"filter": {"expires_before": "2027-01-01", "carrier": "cucc"}}, 1),
        ({"pool": "none"}, 0),
        ({"iccids": [iccid(1_000_000), iccid(1_000_001)[:19]]}, 2),
    ],
)
async def test_a_feed_shows_the_sims_of_its_selector(gateway: Gateway, selector: dict[str, Any], sims: int) -> None:
    await gateway.fleet(
        {"expires_on": "2027-01-31", "tags": "site=hz"},
        {"expires_on": "2027-01-31"},
        {"expires_on": "2027-01-31", "tags": "site=hz"},
        {"carrier": "cucc", "expires_on": "2026-11-30"},
    )
    feed = await created(gateway, kinds=["expiry"], selector=selector)
    titles = [title for _, title in shown(await read(gateway, feed))]
    assert sum(int(m[1]) if (m := re.search(r": (\d+) SIMs", title)) else 1 for title in titles) == sims


async def test_the_cycles_of_pools_are_events_too(gateway: Gateway) -> None:
    """BC-2: 12-26 at `cucc`, once the running cycle has turned."""
    plan = {"id": "p", "carrier": "cucc", "allowance": 1 << 30, "months": 12, "kind": "pool_forward"}
    assert (await gateway.api.post("/v1/plans", json=plan)).is_success
    for number in (1, 2):
        pool = {"id": f"p{number}", "name": "P", "kind": "forward", "carrier": "cucc", "plan": "p"}
        assert (await gateway.api.post("/v1/pools", json=pool)).is_success
    await gateway.fleet({"carrier": "cucc", "terms": "gsl", "plan": "p", "pool": "p1", "expires_on": "2027-05-01"})
    whole = await created(gateway, kinds=["pool_cycle_end"])
    members = await created(gateway, kinds=["pool_cycle_end"], selector={"filter": {"carrier": "cucc"}})
    assert shown(await read(gateway, whole)) == [(date(2026, 11, 26), "A pool's cycle ends (pools: 2)")]
    assert shown(await read(gateway, members)) == [(date(2026, 11, 26), "A pool's cycle ends (pools: 1)")]
    await gateway.advance(days=6)
    assert shown(await read(gateway, whole)) == [(date(2026, 12, 26), "A pool's cycle ends (pools: 2)")]


async def test_a_secret_is_shown_once_and_stored_nowhere(gateway: Gateway) -> None:
    """Neither in the database, nor in an answer, a log line or a metric."""
    await gateway.fleet({"expires_on": "2027-01-31"})
    headers = {"Idempotency-Key": "feed-1"}
    first = await gateway.api.post("/v1/deadlines/feeds", json={}, headers=headers)
    again = await gateway.api.post("/v1/deadlines/feeds", json={}, headers=headers)
    assert (again.status_code, again.json()["url"], again.json()["id"]) == (201, None, first.json()["id"])
    url = first.json()["url"]
    secret = url.rpartition("/")[2].removesuffix(".ics")

    with capture_logs() as logs:
        assert (await gateway.api.get(url, headers=NO_KEY)).status_code == 200
        wrong = await gateway.api.get(url.replace(".ics", "x.ics"), headers=NO_KEY)
        posted = await gateway.api.post(url, headers=NO_KEY)
    assert (wrong.status_code, wrong.json()["instance"]) == (404, "/v1/deadlines/feeds/….ics")
    assert posted.status_code == 405
    texts = [str(logs), wrong.text, posted.text, (await gateway.api.get("/metrics")).text]
    texts.append((await gateway.api.get("/v1/deadlines/feeds")).text)
    async with gateway.ctx.pool.acquire() as connection:
        for table in ("deadline_feeds", "deadline_feed_events", "audit"):
            texts.append(str(await connection.fetch(f"SELECT t::text FROM {table} t")))  # noqa: PERF401, S608
        texts.append(str([row["body"] for row in await connection.fetch("SELECT body FROM idempotency_keys")]))
    assert not [text for text in texts if secret in text]
    assert "/v1/deadlines/feeds/{secret}.ics" in texts[3]


async def test_feeds_are_listed_and_revoked_by_their_tenant_alone(gateway: Gateway) -> None:
    one, two = await created(gateway, kinds=["expiry"]), await created(gateway, selector={"pool": "p"}, language="zh")
    page = (await gateway.api.get("/v1/deadlines/feeds?limit=1")).json()
    rest = (await gateway.api.get("/v1/deadlines/feeds", params={"cursor": page["next_cursor"]})).json()
    assert [item["id"] for item in page["items"] + rest["items"]] == [two["id"], one["id"]]
    assert page["items"][0]["selector"]["pool"] == "p"

    assert (await gateway.api.post("/v1/admin/tenants", json={"id": "other"})).is_success
    foreign = {"X-Tenant": "other"}
    assert (await gateway.api.get("/v1/deadlines/feeds", headers=foreign)).json()["items"] == []
    assert (await gateway.api.delete(f"/v1/deadlines/feeds/{one['id']}", headers=foreign)).status_code == 404
    assert (await gateway.api.get(one["url"], headers=NO_KEY)).status_code == 200

    assert (await gateway.api.delete(f"/v1/deadlines/feeds/{one['id']}")).status_code == 204
    assert (await gateway.api.delete(f"/v1/deadlines/feeds/{one['id']}")).status_code == 404
    assert (await gateway.api.get(one["url"], headers=NO_KEY)).status_code == 404
    assert (await gateway.api.get(two["url"], headers=NO_KEY)).status_code == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"kinds": ["cycle_end"]}, None),
        ({"language": "de"}, None),
        ({"selector": {"range": {"start": iccid(1), "end": iccid(2)}}}, "UNSUPPORTED"),
        ({"selector": {"iccids": [iccid(1)] * 10_001}}, "TOO_MANY"),
        ({"selector": {"filter": {}}}, "REQUIRED"),
    ],
)
async def test_what_no_feed_can_be_is_refused(gateway: Gateway, body: dict[str, Any], code: str | None) -> None:
    answer = await gateway.api.post("/v1/deadlines/feeds", json=body)
    assert answer.status_code == 422, answer.text
    assert code is None or answer.json()["errors"][0]["code"] == code
    assert (await gateway.api.get("/v1/deadlines/feeds")).json()["items"] == []


async def test_the_hundred_and_first_feed_is_refused(gateway: Gateway) -> None:
    for _ in range(100):
        await created(gateway)
    answer = await gateway.api.post("/v1/deadlines/feeds", json={})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "TOO_MANY")
