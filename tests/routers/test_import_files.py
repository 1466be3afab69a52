"""One bad row of a file is that row's alone (`mode=partial`), named by its line and column and never by its value."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.gateway import Gateway, iccid

HEADER = "iccid,carrier,terms,plan,alias\n"
PLANS_HEADER = "id,carrier,allowance,months\n"


@pytest.fixture(autouse=True)
async def plan(gateway: Gateway) -> None:
    """The plan of the rows."""
    given = {"id": "cmcc-100m", "carrier": "cmcc", "allowance": 100 << 20, "months": 12}
    assert (await gateway.api.post("/v1/plans", json=given)).is_success


def _row(n: int, alias: str = "meter") -> str:
    return f"{iccid(n)},cmcc,flexem,cmcc-100m,{alias}\n"


async def _post(
    gateway: Gateway, body: str | bytes, query: str = "?mode=partial", path: str = "/v1/sims/import"
) -> dict[str, Any]:
    answer = await gateway.api.post(path + query, content=body, headers={"Content-Type": "text/csv"})
    return {"status": answer.status_code} | answer.json()


def _places(faults: list[dict[str, Any]]) -> list[tuple[int, str | None, str]]:
    return [(fault["line"], fault.get("column"), fault["code"]) for fault in faults]


@pytest.mark.parametrize("stray", ['"a', 'a"b"', '"a"b', '"'], ids=["open", "plain", "within", "alone"])
async def test_a_stray_quotation_mark_costs_its_row_at_most(gateway: Gateway, stray: str) -> None:
    body = HEADER + _row(1) + _row(2, stray) + "".join(_row(n) for n in range(3, 40))

    told = await _post(gateway, body)

    assert told["status"] == 200
    assert told["created"] + told["rejected_rows"] == told["rows"] == 39
    assert _places(told["rejected"]) in ([], [(3, None, "ROW_UNREADABLE")])
    assert (await gateway.api.get(f"/v1/sims/{iccid(39)}")).status_code == 200


async def test_bytes_of_another_encoding_cost_their_row(gateway: Gateway) -> None:
    body = (HEADER + _row(1, "水表") + _row(2, "电表")).encode() + _row(3, "气表").encode("gbk") + b"\xed\xa0\x80,x\n"

    told = await _post(gateway, body)

    assert (told["created"], told["rejected_rows"]) == (2, 2)
    assert (3 + 1, "alias", "TEXT_UNUSABLE") in _places(told["rejected"])
    assert {line for line, _, _ in _places(told["rejected"])} == {4, 5}
    assert (await gateway.api.get(f"/v1/sims/{iccid(1)}")).json()["alias"] == "水表"


async def test_nul_and_line_breaks_in_a_cell_cost_their_row(gateway: Gateway) -> None:
    told = await _post(gateway, HEADER + _row(1, "a\x00b") + _row(2, '"a\nb"') + _row(3))

    assert _places(told["rejected"]) == [(2, "alias", "TEXT_UNUSABLE"), (3, "alias", "TEXT_UNUSABLE")]
    assert told["created"] == 1


async def test_the_whole_file_is_refused_for_one_bad_row_with_its_line(gateway: Gateway) -> None:
    told = await _post(gateway, HEADER + _row(1) + _row(2, '"a"b'), query="")

    assert (told["status"], _places(told["errors"])) == (422, [(3, None, "ROW_UNREADABLE")])
    assert (await gateway.api.get(f"/v1/sims/{iccid(1)}")).status_code == 404


async def test_a_spreadsheets_own_file_is_named_as_such(gateway: Gateway) -> None:
    told = await _post(gateway, b"PK\x03\x04\x14\x00")

    assert (told["status"], told["detail"]) == (400, "the file is a spreadsheet's own; save it as CSV")


@pytest.mark.parametrize(
    "day", ["2026/1/5", "2026-1-5", "2026.1.5", "2026年1月5日", "2026/1/5 0:00", "2026/01/05 00:00:00"]
)
async def test_a_day_as_spreadsheets_write_it(gateway: Gateway, day: str) -> None:
    told = await _post(gateway, f"iccid,carrier,terms,plan,opened_on\n{iccid(1)},cmcc,flexem,cmcc-100m,{day}\n")

    assert (told["status"], told["created"]) == (200, 1), told
    assert (await gateway.api.get(f"/v1/sims/{iccid(1)}")).json()["opened_on"] == "2026-01-05"


async def test_a_file_of_plans_names_its_bad_rows_and_at_most_a_thousand_of_them(gateway: Gateway) -> None:
    wide = ",".join(f"c{n}" for n in range(5_000))
    bodies = (
        PLANS_HEADER + "a,cmcc,1,12\n" + '"b,cmcc,1,12\n' + "c,cmcc,many,12\n" + "d\x07,cmcc,1,12\n",
        PLANS_HEADER + "x,nowhere,-,-\n" * 20_000,
        f"{wide}\n" + "x\n" * 100,
        PLANS_HEADER + "".join(f"p{n},cmcc,1,12\n" for n in range(5_002)),
    )

    few, many, unknown, more = [await _post(gateway, body, "", "/v1/plans") for body in bodies]

    assert (few["status"], [fault["line"] for fault in few["errors"]]) == (422, [3, 4, 5])
    assert (many["status"], len(many["errors"])) == (422, 1_000)
    assert (unknown["status"], len(unknown["errors"])) == (400, 1_000)
    assert (more["status"], _places(more["errors"])) == (422, [(5_002, None, "TOO_MANY")])


async def test_a_file_of_names_has_its_bad_rows_named(gateway: Gateway) -> None:
    body = f'iccid;note\n="{iccid(1)}";x\n\n{iccid(2)};"y\n{iccid(3)};z\n'

    told = await _post(gateway, body, "", "/v1/files")
    good = await _post(gateway, body.replace('"y', "y"), "", "/v1/files")

    assert (told["status"], _places(told["errors"])) == (422, [(4, "iccid", "ICCID_MALFORMED")])
    assert (good["status"], good["rows"]) == (201, 3)


@pytest.mark.parametrize("path", ["/v1/sims/import", "/v1/files"])
@pytest.mark.parametrize("rows", ["1\n", "\n", ",,\n", '"\n'], ids=["bad", "blank", "empty", "quote"])
async def test_a_file_of_rubbish_lets_others_work(gateway: Gateway, path: str, rows: str) -> None:
    body = (HEADER if path == "/v1/sims/import" else "iccid\n") + rows * (1_000_000 // len(rows))
    longest = 0.0

    async def others() -> None:
        nonlocal longest
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0)
            longest = max(longest, time.perf_counter() - began)

    watch = asyncio.create_task(others())
    told = await _post(gateway, body, "?mode=partial" if path == "/v1/sims/import" else "", path)
    watch.cancel()

    assert told["status"] in (200, 201, 422)
    assert len(told.get("errors", told.get("rejected", ()))) <= 1_000
    assert longest < 2.0
