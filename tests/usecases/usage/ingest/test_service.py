"""Reports over HTTP: counted once, in the cycle in which the traffic happened, shown by the next read (US-3)."""

from __future__ import annotations

import asyncio
import gzip
import json
from datetime import datetime, timedelta

import pytest

from tests.gateway import Gateway, iccid
from tests.usecases.usage.reporting import EVENTS, HOME, JSON, NDJSON, cycles, days, hours_ago, report, send, usage

MB = 1 << 20


@pytest.mark.parametrize("kind", [JSON, NDJSON, EVENTS])
@pytest.mark.parametrize("packed", [False, True])
async def test_every_kind_of_body_is_counted_and_read_back(gateway: Gateway, kind: str, packed: bool) -> None:
    [card] = await gateway.fleet({})
    at = hours_ago(gateway.ctx.now(), 1)

    told = await send(gateway.api, [report(card, at, 7, number=n) for n in range(3)], kind, packed=packed)

    shown = await usage(gateway.api, card)
    assert (told["accepted"], shown["reported"], shown["used"], shown["source"]) == (3, 21, 21, "gateway_report")
    assert await days(gateway.api, card) == {at.date().isoformat(): 21}


async def test_the_envelope_names_the_gateway_once(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    at = hours_ago(gateway.ctx.now(), 1).isoformat()
    body = {"gateway": "gw-17", "reports": [{"id": "a", "iccid": card, "at": at, "bytes": 5}]}

    first = (await gateway.api.post("/v1/usage/reports", json=body)).json()
    again = (await gateway.api.post("/v1/usage/reports", json=body)).json()

    assert (first["accepted"], again["accepted"], again["duplicates"]) == (1, 0, 1)


async def test_a_report_sent_again_is_a_duplicate_and_with_other_content_a_conflict(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    now = gateway.ctx.now()
    first = report(card, hours_ago(now, 1), 10, number="a")
    await send(gateway.api, [first])

    told = await send(
        gateway.api,
        [
            first,
            first | {"bytes": 11},
            first | {"at": hours_ago(now, 24 * 40).isoformat()},
            first | {"iccid": iccid(999)},
            first | {"gateway": "gw-2"},
        ],
    )

    assert (told["duplicates"], told["accepted"]) == (1, 1)
    assert [one["index"] for one in told["conflicts"]] == [1, 2, 3]
    assert (await usage(gateway.api, card))["reported"] == 20


async def test_the_same_instant_in_another_zone_is_the_same_report(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    at = hours_ago(gateway.ctx.now(), 1)
    one = report(card, at, 10, number="a")

    told = await send(gateway.api, [one, one | {"at": at.astimezone().isoformat()}])
    again = await send(gateway.api, [one | {"at": (at.replace(tzinfo=None) - timedelta(hours=8)).isoformat() + "Z"}])

    assert (told["accepted"], told["duplicates"], again["duplicates"]) == (1, 1, 1)


async def test_either_form_of_an_iccid_names_the_same_card(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    one = report(card, hours_ago(gateway.ctx.now(), 1), 10, number="a")

    told = await send(gateway.api, [one, one | {"iccid": card[:-1]}, one | {"iccid": card[:-1], "id": "b"}])

    assert (told["accepted"], told["duplicates"]) == (2, 1)
    assert (await usage(gateway.api, card))["reported"] == 20


async def test_conflicts_raced_by_several_requests_count_exactly_one(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    now = gateway.ctx.now()
    versions = [report(card, hours_ago(now, 1 + 800 * (n % 2)), 1 << n, number="a") for n in range(12)]

    told = await asyncio.gather(*(send(gateway.api, [version]) for version in versions))

    assert sum(one["accepted"] for one in told) == 1
    assert sum(len(one["conflicts"]) for one in told) == 11
    [winner] = [version for version, one in zip(versions, told, strict=True) if one["accepted"]]
    assert sum(item["reported"] for item in (await cycles(gateway.api, card)).values()) == winner["bytes"]


async def test_what_cannot_be_counted_is_rejected_record_by_record(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    now = gateway.ctx.now()
    good = report(card, hours_ago(now, 1), 1, number="good")
    wrong = [
        good | {"id": "1", "at": "2026-11-21T10:00:00"},
        good | {"id": "2", "at": (now + timedelta(minutes=11)).isoformat()},
        good | {"id": "3", "at": (now - timedelta(days=220)).isoformat()},
        good | {"id": "4", "bytes": -1},
        good | {"id": "5", "bytes": (1 << 40) + 1},
        good | {"id": "6", "iccid": "123"},
        good | {"id": "7", "bytes": "12"},
        {"gateway": "gw-1"},
    ]

    told = await send(gateway.api, [*wrong, good, good | {"id": "8", "at": (now + timedelta(minutes=9)).isoformat()}])

    assert told["accepted"] == 2
    assert [(one["index"], one["code"]) for one in told["rejected"]] == [
        (0, "AT_WITHOUT_OFFSET"),
        (1, "AT_TOO_FAR_AHEAD"),
        (2, "AT_TOO_OLD"),
        (3, "BYTES_OUT_OF_RANGE"),
        (4, "BYTES_OUT_OF_RANGE"),
        (5, "ICCID_MALFORMED"),
        (6, "BYTES_OUT_OF_RANGE"),
        (7, "RECORD_MALFORMED"),
    ]
    assert "123" not in json.dumps(told)


def _body(kind: str, records: list[bytes]) -> bytes:
    return b"\n".join(records) if kind == NDJSON else b"[" + b",".join(records) + b"]"


@pytest.mark.parametrize("kind", [NDJSON, JSON, EVENTS])
@pytest.mark.parametrize(
    "bad", [rb'"\ud800"', rb'"\uDC00\ud83d"', b'"\xcb\xae\xb1\xed"', b'"\xed\xa0\x80"', rb'"\u0000"']
)
async def test_a_text_that_is_none_costs_its_record_alone(gateway: Gateway, kind: str, bad: bytes) -> None:
    [card] = await gateway.fleet({})
    at = hours_ago(gateway.ctx.now(), 1).isoformat()

    def record(number: bytes) -> bytes:
        rest = {"gateway": "g", "iccid": card, "at": at, "bytes": 1}
        if kind == EVENTS:
            rest = {"type": "simgate.usage.report", "source": "g", "subject": card, "time": at, "data": {"bytes": 1}}
        return b'{"id":' + number + b"," + json.dumps(rest).encode()[1:]

    records = [record(b'"a"'), record(bad), record(rb'"\ud83d\ude00"'), record(rb'"\\ud800"')]
    answer = await gateway.api.post("/v1/usage/reports", content=_body(kind, records), headers={"Content-Type": kind})

    told = answer.json()
    assert (answer.status_code, told["accepted"]) == (200, 3), answer.text
    assert [(one["index"], one["code"]) for one in told["rejected"]] == [(1, "TEXT_MALFORMED")]


async def test_a_line_that_is_no_json_costs_itself_alone(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    good = [json.dumps(report(card, hours_ago(gateway.ctx.now(), 1), 1, number=str(n))).encode() for n in range(3)]
    lines = [good[0], b"{cut", b'{"x":' * 100_000, b"7", good[1], b"", b"\xff\xfe", good[2]]

    answer = await gateway.api.post("/v1/usage/reports", content=b"\n".join(lines), headers={"Content-Type": NDJSON})

    told = answer.json()
    assert (answer.status_code, told["accepted"]) == (200, 3), answer.text
    assert [one["index"] for one in told["rejected"]] == [1, 2, 3, 5]
    again = await gateway.api.post("/v1/usage/reports", content=b"{cut\nx", headers={"Content-Type": NDJSON})
    assert (again.status_code, again.json()["code"]) == (400, "UNREADABLE")


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {"Content-Type": JSON}, 400),
        (b"7", {"Content-Type": JSON}, 422),
        (b'{"reports":[]}', {"Content-Type": JSON}, 422),
        (b"\xff\xfe", {"Content-Type": JSON}, 400),
        (b"x", {"Content-Type": JSON, "Content-Encoding": "gzip"}, 400),
        (
            gzip.compress(b"[" + b" " * (9 << 20) + b"]", mtime=0),
            {"Content-Type": JSON, "Content-Encoding": "gzip"},
            413,
        ),
        (gzip.compress(b"[]", mtime=0)[:-4], {"Content-Type": JSON, "Content-Encoding": "gzip"}, 400),
        (gzip.compress(b"", mtime=0) * 100_000, {"Content-Type": JSON, "Content-Encoding": "gzip"}, 413),
        (b"[" * 100_000, {"Content-Type": JSON}, 400),
        (b'[{"x":' + b"[" * 100_000, {"Content-Type": EVENTS}, 400),
        (b'{"x":' * 100_000, {"Content-Type": NDJSON}, 400),
        (b'[{"id":1}', {"Content-Type": JSON}, 400),
        (b'{"gateway":"g","reports":[{"id":1},', {"Content-Type": JSON}, 400),
        (b"[" + b",".join([b"{}"] * 10_001) + b"]", {"Content-Type": JSON}, 413),
        (b"[]", {"Content-Type": "text/plain"}, 415),
        (b"[]", {"Content-Type": JSON}, 200),
    ],
)
async def test_unusable_bodies_are_refused_whole(
    gateway: Gateway, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = await gateway.api.post("/v1/usage/reports", content=body, headers=headers)

    assert answer.status_code == status, answer.text


async def test_unknown_cards_are_kept_aside_and_counted_when_they_arrive(gateway: Gateway) -> None:
    [known] = await gateway.fleet({})
    stranger = iccid(424_242)
    at = hours_ago(gateway.ctx.now(), 2)
    early = report(stranger, at, 5, number="a")

    told = await send(gateway.api, [early, report(stranger[:-1], at, 6, number="b"), early, early | {"bytes": 9}])
    again = await send(gateway.api, [early, early | {"bytes": 9}, early | {"iccid": known}])
    listed = (await gateway.api.get("/v1/usage/unknown")).json()["items"]
    await gateway.fleet({"iccid": stranger, "msisdn": "1440000099999", "imsi": "460040000099999"})
    after = await send(gateway.api, [early])

    assert (len(told["unknown"]), told["duplicates"], len(told["conflicts"])) == (2, 1, 1)
    assert (again["duplicates"], len(again["conflicts"])) == (1, 2)
    assert sorted(item["bytes"] for item in listed) == [5, 6]
    assert (await usage(gateway.api, stranger))["reported"] == 11
    assert (after["duplicates"], (await gateway.api.get("/v1/usage/unknown")).json()["items"]) == (1, [])


async def test_two_records_on_one_line_are_unreadable(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    at = hours_ago(gateway.ctx.now(), 2)
    line = " ".join(json.dumps(report(card, at, 5, number=n)) for n in range(2))

    answer = await gateway.api.post("/v1/usage/reports", content=line, headers={"Content-Type": NDJSON})

    assert answer.status_code == 400, answer.text


async def test_a_strangers_report_is_judged_by_the_longest_calendar_and_by_its_own_once_it_is_here(
    gateway: Gateway,
) -> None:
    stranger, blank = iccid(424_242), {"msisdn": "1440000099999", "imsi": "460040000099999"}
    target = datetime.fromisoformat("2026-12-01T12:00:00+08:00")
    gateway.ctx.clock.adopt(gateway.ctx.clock.offset + (target - gateway.ctx.now()))
    sixth = report(stranger, "2026-06-28T10:00:00+08:00", 5, number="unicom's July")

    aside = await send(gateway.api, [sixth])
    await gateway.fleet({"iccid": stranger, "carrier": "cucc"} | blank)

    assert (len(aside["unknown"]), (await cycles(gateway.api, stranger))["2026-07"]["reported"]) == (1, 5)


async def test_a_report_too_old_for_the_card_it_turns_out_to_be_of_is_rejected(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"carrier": "cmcc"})
    target = datetime.fromisoformat("2026-12-01T12:00:00+08:00")
    gateway.ctx.clock.adopt(gateway.ctx.clock.offset + (target - gateway.ctx.now()))
    spaced = f" {card} "  # looked up again by its clean name, inside the transaction

    told = await send(
        gateway.api,
        [
            report(spaced, "2026-06-28T10:00:00+08:00", 5, number="old"),
            report(spaced, "2026-11-28T10:00:00+08:00", 7, number="new"),
            report(iccid(77), "2026-11-28T10:00:00+08:00", 9, number="strange"),
        ],
    )

    assert (told["accepted"], told["unknown"]) == (1, [{"index": 2}])
    assert [(one["index"], one["code"]) for one in told["rejected"]] == [(0, "AT_TOO_OLD")]
    assert (await cycles(gateway.api, card))["2026-11"]["reported"] == 7


async def test_a_report_raced_with_its_cards_import_is_never_lost(gateway: Gateway) -> None:
    await gateway.fleet({})
    at = hours_ago(gateway.ctx.now(), 2)
    rows = [{"iccid": iccid(5_000 + n), "msisdn": f"1449{n:09d}", "imsi": f"46009{n:010d}"} for n in range(20)]

    async def reported(n: int, card: str) -> None:
        await send(gateway.api, [report(card, at, 3, number=f"{card}-{n}")])

    await asyncio.gather(gateway.fleet(*rows), *(reported(n, row["iccid"]) for n in range(3) for row in rows))

    sums = [(await usage(gateway.api, row["iccid"]))["reported"] for row in rows]
    assert sums == [9] * 20
    assert (await gateway.api.get("/v1/usage/unknown")).json()["items"] == []


async def test_a_late_report_into_a_closed_cycle_is_an_adjustment(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    now = gateway.ctx.now().astimezone(HOME)
    last_month = now.replace(day=1) - timedelta(days=3)

    await send(gateway.api, [report(card, last_month, 9, number="a")])

    name = last_month.strftime("%Y-%m")
    kept = await cycles(gateway.api, card)
    events = (await gateway.api.get("/v1/events", params={"limit": 500})).json()["items"]
    [event] = [event for event in events if event["type"] == "usage.adjusted"]
    assert (kept[name]["used"], (await usage(gateway.api, card))["used"], len(kept)) == (9, 0, 6)
    assert (event["subject"], event["data"]["cycle"]) == (card, name)
    assert (event["data"]["before"], event["data"]["after"]) == ({"used": 0}, {"used": 9})


@pytest.mark.parametrize(
    ("carrier", "at", "cycle"),
    [
        ("cucc", "2026-11-26T23:59:59.999+08:00", "2026-11"),
        ("cucc", "2026-11-27T00:00:00+08:00", "2026-12"),
        ("cucc", "2026-11-26T15:59:59.999Z", "2026-11"),
        ("cucc", "2026-11-27T23:59:59.999+08:00", "2026-12"),
        ("cmcc", "2026-11-30T23:59:59.999+08:00", "2026-11"),
        ("cmcc", "2026-11-30T16:00:00Z", "2026-12"),
    ],
)
async def test_cycles_turn_at_midnight_in_the_carriers_zone(
    gateway: Gateway, carrier: str, at: str, cycle: str
) -> None:
    [card] = await gateway.fleet({"carrier": carrier})
    target = datetime.fromisoformat("2026-12-02T12:00:00+08:00")
    gateway.ctx.clock.adopt(gateway.ctx.clock.offset + (target - gateway.ctx.now()))

    await send(gateway.api, [report(card, at, 5, number="edge")])

    kept = await cycles(gateway.api, card)
    assert {name: item["reported"] for name, item in kept.items() if item["reported"]} == {cycle: 5}
    day = datetime.fromisoformat(at).astimezone(HOME).date().isoformat()
    assert await days(gateway.api, card) == {day: 5}


async def test_a_deleted_cards_reports_wait_for_it_to_come_back(gateway: Gateway) -> None:
    [card] = await gateway.fleet({})
    at = hours_ago(gateway.ctx.now(), 1)
    one = report(card, at, 5, number="a")
    await send(gateway.api, [one])

    assert (await gateway.api.delete(f"/v1/sims/{card}")).is_success
    told = await send(gateway.api, [one, one | {"id": "b"}])
    await gateway.fleet({"iccid": card})

    assert (told["duplicates"], len(told["unknown"])) == (1, 1)
    assert (await usage(gateway.api, card))["reported"] == 10
