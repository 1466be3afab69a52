"""Disputes: gaps between gateways and carrier, widest first, each with its cause, and the file for the carrier (US-6)."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET
from zipfile import ZipFile

import pytest

from app.db.disputes import gaps as stored
from app.domain.usage.gaps import Band
from tests.gateway import Gateway
from tests.usecases.limits.limiting import set_clock
from tests.usecases.usage.reporting import HOME, report, send

MB = 1 << 20
PATH = "/v1/usage/reconciliation"
OF = {"carrier": "cmcc", "cycle": "2026-11"}


@pytest.fixture(autouse=True)
def in_december(gateway: Gateway) -> None:
    """The fourth of a month: November is over, and its figures are final."""
    set_clock(gateway, datetime(2026, 12, 4, 12, tzinfo=HOME))


def on(day: int, hour: int = 10, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=HOME)


async def reported(gateway: Gateway, card: str, *traffic: tuple[datetime, int]) -> None:
    records = [report(card, at, amount, number=f"{card}{at.isoformat()}") for at, amount in traffic]
    assert (await send(gateway.api, records))["accepted"] == len(records)


async def told(gateway: Gateway, **figure: Any) -> None:
    answer = await gateway.api.post("/v1/usage/corrections", json=[figure])
    assert answer.json()["applied"] == 1, answer.text


async def listed(gateway: Gateway, **query: Any) -> list[dict[str, Any]]:
    answer = await gateway.api.get(PATH, params=OF | query)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def gap(gateway: Gateway, theirs: int, *traffic: tuple[datetime, int], as_of: datetime | None = None) -> Any:
    """The only gap, of a card with these reports and this figure."""
    [card] = await gateway.fleet({})
    await reported(gateway, card, *traffic)
    await told(gateway, iccid=card, cycle="2026-11", bytes=theirs, as_of=(as_of or on(4, month=12)).isoformat())
    [item] = await listed(gateway)
    return item


async def test_gaps_come_widest_first_without_those_in_the_band_and_without_reports(gateway: Gateway) -> None:
    """US-6: whatever the sign; a card that agrees within 1 % and one that reports nothing are left out."""
    cards = await gateway.fleet(*({} for _ in range(6)))
    figures = {cards[0]: 150, cards[1]: 100, cards[2]: 20, cards[3]: 101, cards[4]: 120, cards[5]: 500}
    for card, theirs in figures.items():
        if card != cards[5]:
            await reported(gateway, card, (on(10), 100 * MB))
        await told(gateway, iccid=card, cycle="2026-11", bytes=theirs * MB)

    answer = (await gateway.api.get(PATH, params=OF)).json()

    assert [(one["iccid"], one["drift"] // MB) for one in answer["items"]] == [
        (cards[2], 80),
        (cards[0], -50),
        (cards[4], -20),
    ]
    assert (answer["band"], answer["assumed"]) == ({"bytes": 1024, "percent": 1}, ["US-6"])


async def test_pages_end_to_end_are_the_whole_list(gateway: Gateway) -> None:
    """A cursor continues behind the last gap, also among gaps of one width."""
    cards = await gateway.fleet(*({} for _ in range(7)))
    for number, card in enumerate(cards):
        await reported(gateway, card, (on(10), 100 * MB))
        await told(gateway, iccid=card, cycle="2026-11", bytes=(200 + number // 3) * MB)
    whole, cursor, pages = await listed(gateway), None, []
    while True:
        query = OF | {"limit": 2} | ({"cursor": cursor} if cursor else {})
        answer = (await gateway.api.get(PATH, params=query)).json()
        pages += answer["items"]
        if (cursor := answer["next_cursor"]) is None:
            break

    assert pages == whole
    assert len({one["iccid"] for one in whole}) == len(cards)


async def test_a_late_report_changes_the_gap_at_once(gateway: Gateway) -> None:
    """US-6, US-3: ours is what the figure covers, whenever it was reported."""
    [card] = await gateway.fleet({})
    await reported(gateway, card, (on(10), 100 * MB))
    await told(gateway, iccid=card, cycle="2026-11", bytes=150 * MB)
    before = await listed(gateway)

    await reported(gateway, card, (on(11), 10 * MB))
    between = await listed(gateway)
    await reported(gateway, card, (on(12), 40 * MB))

    assert [one["ours"] // MB for one in before + between] == [100, 110]
    assert await listed(gateway) == []


async def test_headers_are_told_from_the_share_of_days(gateway: Gateway) -> None:
    """US-6: 3 % more, day by day."""
    [card] = await gateway.fleet({})
    await reported(gateway, card, *((on(day), 100 * MB) for day in (3, 4, 5, 6)))
    for day in (3, 4, 5, 6):
        await told(gateway, iccid=card, day=f"2026-11-{day:02d}", bytes=103 * MB)

    [item] = await listed(gateway)

    assert (item["cause"], item["evidence"]["share_permille"]) == ("headers", 30)
    assert item["carrier"] == {"bytes": 412 * MB, "as_of": "2026-11-06T16:00:00+00:00"}


async def test_a_share_outside_of_headers_is_unexplained(gateway: Gateway) -> None:
    """US-6: 8 % are more than headers add."""
    item = await gap(gateway, 108 * MB, (on(10), 60 * MB), (on(20), 40 * MB))

    assert (item["cause"], item["evidence"]["accounts_for"]) == ("unexplained", 0)


async def test_reports_after_the_figure_are_lag(gateway: Gateway) -> None:
    """US-6, LC-6: the figure knew of traffic that its time does not cover."""
    item = await gap(gateway, 150 * MB, (on(10), 100 * MB), (on(20, 18), 60 * MB), as_of=on(20, 12))

    assert (item["cause"], item["ours"]) == ("lag", 100 * MB)
    [hours] = item["evidence"]["hours"]
    assert (hours["bytes"], hours["from"][:19]) == (60 * MB, "2026-11-20T04:00:00")


async def test_hours_between_two_midnights_are_zone(gateway: Gateway) -> None:
    """US-6: the carrier counts by UTC: 08:00 to 08:00."""
    traffic = ((on(1, 3), 30 * MB), (on(10), 100 * MB), (on(1, 5, month=12), 50 * MB))

    item = await gap(gateway, 150 * MB, *traffic)

    assert (item["cause"], item["drift"], item["evidence"]["accounts_for"]) == ("zone", -20 * MB, 20 * MB)


async def test_a_day_in_the_neighbouring_cycle_is_cycle_edge(gateway: Gateway) -> None:
    """US-6, BC: the carrier counted the first day in October."""
    item = await gap(gateway, 100 * MB, (on(1, 15), 30 * MB), (on(10), 100 * MB))

    assert (item["cause"], item["evidence"]["hours"][0]["bytes"]) == ("cycle_edge", 30 * MB)


async def test_a_corrected_day_is_correction(gateway: Gateway) -> None:
    """US-6, US-3: a person replaced a day's figure, and the carrier's own next figure of it ends the cause."""
    [card] = await gateway.fleet({})
    await reported(gateway, card, (on(10), 100 * MB), (on(12), 50 * MB))
    for day, used in ((10, 100), (12, 50)):
        await told(gateway, iccid=card, day=f"2026-11-{day}", bytes=used * MB)
    assert await listed(gateway) == []

    await told(gateway, iccid=card, day="2026-11-10", bytes=170 * MB)
    [first] = await listed(gateway)
    await told(gateway, iccid=card, day="2026-11-10", bytes=180 * MB)
    [second] = await listed(gateway)

    assert (first["cause"], first["evidence"]["accounts_for"]) == ("correction", 70 * MB)
    assert (second["cause"], second["evidence"]["accounts_for"]) == ("correction", 80 * MB)
    assert first["evidence"]["corrected_at"] <= second["evidence"]["corrected_at"]


async def test_a_card_that_reported_only_after_the_figure_has_no_reports(gateway: Gateway) -> None:
    """US-6: of what the figure covers nothing was reported."""
    [card] = await gateway.fleet({})
    await reported(gateway, card, (on(22), 5 * MB))
    await told(gateway, iccid=card, cycle="2026-11", bytes=80 * MB, as_of=on(20).isoformat())

    [item] = await listed(gateway)

    assert (item["cause"], item["ours"], item["reported"]) == ("no_reports", 0, 5 * MB)


async def test_traffic_of_the_test_is_no_gap(gateway: Gateway) -> None:
    """US-6, LC-7: a carrier counts from the activation on; reports from before are none of our sum either."""
    set_clock(gateway, on(20, 9, month=12))
    [card] = await gateway.fleet({"terms": "gsl", "state": "testing", "opened_on": "2026-12-01", "test_months": 1})
    await reported(gateway, card, (on(19, month=12), 10 * MB))
    assert (await gateway.api.post(f"/v1/sims/{card}/activate")).status_code == 202
    await gateway.settle()
    set_clock(gateway, on(22, month=12))
    await reported(gateway, card, (on(21, month=12), 50 * MB))

    await told(gateway, iccid=card, cycle="2026-12", bytes=50 * MB)

    assert await listed(gateway, cycle="2026-12") == []


async def test_disagreeing_meters_are_marked_also_within_the_band(gateway: Gateway) -> None:
    """US-6, QT-10: a card that reports stopped and a lower figure freed is listed, however narrow the gap."""
    [card] = await gateway.fleet({"terms": "gsl", "plan": "cmcc-100m"})
    await reported(gateway, card, (on(3, month=12), 100 * MB + 1024))
    await gateway.settle()
    await told(gateway, iccid=card, cycle="2026-12", bytes=100 * MB - 10)
    await gateway.settle()

    [item] = await listed(gateway, cycle="2026-12")

    assert (item["meters_disagree"], item["drift"]) == (True, 1034)


async def test_another_tenant_sees_none_of_it(gateway: Gateway) -> None:
    await gap(gateway, 150 * MB, (on(10), 100 * MB))
    assert (await gateway.api.post("/v1/admin/tenants", json={"id": "other"})).status_code == 201

    answers = [await gateway.api.get(path, params=OF, headers={"X-Tenant": "other"}) for path in (PATH, f"{PATH}/file")]

    assert answers[0].json()["items"] == []
    assert len(answers[1].content.decode("utf-8-sig").splitlines()) == 1


async def test_a_removed_card_leaves_the_list(gateway: Gateway) -> None:
    item = await gap(gateway, 150 * MB, (on(10), 100 * MB))

    assert (await gateway.api.delete(f"/v1/sims/{item['iccid']}")).is_success

    assert await listed(gateway) == []


async def test_the_file_has_both_sides_with_their_times(gateway: Gateway) -> None:
    """US-6: what a carrier needs to answer; ICCIDs stay text in a spreadsheet."""
    item = await gap(gateway, 150 * MB, (on(10), 100 * MB), (on(20, 18), 60 * MB), as_of=on(20, 12))

    answer = await gateway.api.get(f"{PATH}/file", params=OF)

    assert answer.headers["content-disposition"] == 'attachment; filename="reconciliation-cmcc-2026-11.csv"'
    [row] = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert row["iccid"] == f'="{item["iccid"]}"'
    assert (row["carrier_bytes"], row["carrier_as_of"]) == (str(150 * MB), "2026-11-20T12:00:00+08:00")
    assert (row["our_bytes"], row["our_last_report_at"]) == (str(100 * MB), "2026-11-20T18:00:00+08:00")
    assert (row["difference_bytes"], row["cause"]) == (str(-50 * MB), "lag")
    assert row["cause_hours"] == "2026-11-20T12:00:00.000001+08:00/2026-11-21T12:00:00.000001+08:00"


async def test_the_file_as_a_workbook_has_text_cells(gateway: Gateway) -> None:
    item = await gap(gateway, 150 * MB, (on(10), 100 * MB))

    answer = await gateway.api.get(f"{PATH}/file", params=OF | {"format": "xlsx"})

    with ZipFile(io.BytesIO(answer.content)) as book:
        sheet = ET.fromstring(book.read("xl/worksheets/sheet1.xml"))  # noqa: S314 - written by ourselves
    cell = next(one for one in sheet.iter() if one.get("r") == "A2")
    assert cell.get("t") == "inlineStr"
    assert "".join(cell.itertext()) == item["iccid"]


async def test_a_wrong_format_or_cycle_is_refused(gateway: Gateway) -> None:
    for query in ({"format": "pdf"}, {"cycle": "2026-13"}, {"carrier": "none"}):
        assert (await gateway.api.get(f"{PATH}/file", params=OF | query)).status_code == 422, query


@pytest.mark.parametrize(
    ("used", "percent", "there"),
    [
        (90 * MB, 1, False),
        (90 * MB - 1, 1, True),
        (125 * MB, 20, False),
        (125 * MB + 6, 20, True),
    ],
)
async def test_the_statement_and_the_domain_draw_one_band(
    gateway: Gateway, used: int, percent: int, there: bool
) -> None:
    """US-6: the SQL against `Band.holds`, both sides of both edges; 100 MB reported, a band of 10 MB or so much."""
    [card] = await gateway.fleet({})
    await reported(gateway, card, (on(10), 100 * MB))
    await told(gateway, iccid=card, cycle="2026-11", bytes=used)
    band = Band(bytes=10 * MB, percent=percent)
    async with gateway.ctx.pool.acquire() as connection:
        sim_id = await connection.fetchval("SELECT id FROM sims WHERE iccid = $1", card)
        span = stored.CycleSpan(sim_id=sim_id, cycle=202611, opens=on(1, 0), closes=on(1, 0, month=12))
        async with connection.transaction():
            await stored.measure(connection, [span], band)
        kept = await connection.fetchval("SELECT count(*) FROM usage_gaps")

    assert (bool(kept), band.holds(100 * MB, used)) == (there, not there)


async def test_many_gaps_are_read_by_index(gateway: Gateway) -> None:
    """A page of 100,000 gaps reads the index's end, and sorts nothing."""
    async with gateway.ctx.pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO usage_gaps SELECT n, 202611, 'default', 'cmcc', n, 0, now(), n FROM generate_series(1, 100000) n"
        )
        await connection.execute("ANALYZE usage_gaps")
        plan = await connection.fetch(
            "EXPLAIN SELECT * FROM usage_gaps WHERE tenant = 'default' AND carrier = 'cmcc' AND cycle = 202611"
            " AND (width, sim_id) < (50000, 50000) ORDER BY width DESC, sim_id DESC LIMIT 51"
        )
        started = datetime.now(HOME)
        assert len(await listed(gateway)) == 0  # no such SIMs: the joins find none
        took = datetime.now(HOME) - started

    text = "\n".join(line[0] for line in plan)
    assert "Index Scan Backward using ix_usage_gaps_width" in text, text
    assert "Sort" not in text
    assert took < timedelta(seconds=1)
