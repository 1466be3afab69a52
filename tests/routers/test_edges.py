"""What a strict caller tries: cursors of other lists, texts nobody can keep, words nobody knows, keys on every POST."""

from __future__ import annotations

import base64
import gzip
import json
import re
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gateway import Gateway, iccid

LISTS = (
    "/v1/sims",
    "/v1/operations",
    "/v1/bulk-operations",
    "/v1/pools",
    "/v1/events",
    "/v1/webhooks",
    "/v1/usage/unknown",
    "/v1/usage/reconciliation?carrier=cmcc",
    "/v1/admin/audit",
)


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("place", ["abc", 1.5, True, -1, 1 << 70, None, [1]])
async def test_a_cursor_of_another_list_is_unreadable(gateway: Gateway, path: str, place: Any) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")

    answer = await gateway.api.get(f"{path}{'&' if '?' in path else '?'}cursor={cursor}")

    assert (answer.status_code, answer.json()["code"]) == (400, "UNREADABLE")


@pytest.mark.parametrize("query", ["state=asleep", "carrier=xx", "hold=none_such"], ids=["state", "carrier", "hold"])
async def test_a_filter_takes_known_words_only(gateway: Gateway, query: str) -> None:
    answer = await gateway.api.get(f"/v1/sims?{query}")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"query:{query.partition('=')[0]}"


@pytest.mark.parametrize("query", ["kind=dance", "status=lost", "channel=pigeon"])
async def test_the_list_of_operations_takes_known_words_only(gateway: Gateway, query: str) -> None:
    assert (await gateway.api.get(f"/v1/operations?{query}")).status_code == 422


@pytest.mark.parametrize("text", ["a\\u0000b", "a\\ud800b"], ids=["nul", "half a character"])
async def test_a_text_that_cannot_be_kept_is_refused(gateway: Gateway, text: str) -> None:
    await gateway.fleet({"iccid": iccid(1), "msisdn": "1440000000001", "imsi": "460040000000001"})

    answer = await gateway.api.patch(f"/v1/sims/{iccid(1)}", content=f'{{"alias":"{text}"}}')

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "TEXT_UNUSABLE")


async def test_nul_in_a_query_is_refused(gateway: Gateway) -> None:
    assert (await gateway.api.get("/v1/sims?q=%00")).status_code == 422


@pytest.mark.parametrize("path", ["", "/{iccid}/session"])
async def test_what_is_always_of_now_is_not_read_as_of_an_instant(gateway: Gateway, path: str) -> None:
    await gateway.fleet({"iccid": iccid(1), "msisdn": "1440000000001", "imsi": "460040000000001"})

    answer = await gateway.api.get(f"/v1/sims{path.format(iccid=iccid(1))}?as_of=2026-01-01T00:00:00Z")

    assert (answer.status_code, answer.json()["code"]) == (422, "NOT_AS_OF")


async def _twice(gateway: Gateway, path: str, body: Any) -> tuple[httpx.Response, httpx.Response, httpx.Response]:
    headers = {"Idempotency-Key": "edge"}
    first = await gateway.api.post(path, json=body, headers=headers)
    again = await gateway.api.post(path, json=body, headers=headers)
    return first, again, await gateway.api.post(path, json={"other": True}, headers=headers)


async def test_a_correction_is_asked_for_once(gateway: Gateway) -> None:
    first, again, other = await _twice(gateway, "/v1/usage/corrections", {"corrections": []})

    assert (first.status_code, again.content, again.headers["Idempotency-Replayed"]) == (200, first.content, "true")
    assert other.status_code == 422


async def test_a_key_is_made_once_and_its_secret_not_kept(gateway: Gateway) -> None:
    first, again, other = await _twice(gateway, "/v1/admin/keys", {"scopes": ["sims:read"]})

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == {"id": first.json()["id"], "key": None}
    assert other.json()["code"] in ("IDEMPOTENCY_MISMATCH", "INVALID_ARGUMENT")
    assert len((await gateway.api.get("/v1/admin/keys")).json()["items"]) == 2


async def test_pausing_an_account_under_a_key_is_answered_again(gateway: Gateway) -> None:
    first, again, other = await _twice(gateway, "/v1/admin/accounts/cmcc-main/pause", {})
    elsewhere = await gateway.api.post("/v1/admin/accounts/cmcc-main/resume", headers={"Idempotency-Key": "edge"})

    assert (first.status_code, again.content) == (200, first.content)
    assert [(e["code"], e["pointer"]) for e in other.json()["errors"]] == [("UNKNOWN_FIELD", "/other")]
    assert elsewhere.json()["code"] == "IDEMPOTENCY_MISMATCH"


async def test_a_gzip_body_of_two_members_is_read_whole(gateway: Gateway) -> None:
    at = gateway.ctx.now().isoformat()
    lines = [json.dumps({"gateway": "g", "id": str(n), "iccid": iccid(n), "at": at, "bytes": 1}) for n in (1, 2)]
    body = b"".join(gzip.compress(f"{line}\n".encode()) for line in lines)

    answer = await gateway.api.post(
        "/v1/usage/reports", content=body, headers={"Content-Type": "application/x-ndjson", "Content-Encoding": "GZIP"}
    )

    assert answer.json()["unknown"] == [{"index": 0}, {"index": 1}]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/sims/89860000000000000000", {}),
        ("/v1/sims?limit=0", {}),
        ("/v1/sims?state=asleep", {}),
        ("/v1/sims", {"Authorization": "Bearer nobody"}),
        ("/v1/nothing", {}),
    ],
)
async def test_a_problem_speaks_the_callers_language(gateway: Gateway, path: str, headers: dict[str, str]) -> None:
    english = await gateway.api.get(path, headers=headers)
    chinese = await gateway.api.get(path, headers={**headers, "Accept-Language": "zh-CN,zh;q=0.9,en;q=0.1"})

    assert english.headers["Content-Language"] == "en"
    assert chinese.headers["Content-Language"] == "zh"
    told = [chinese.json()["title"], chinese.json()["detail"], *(e["detail"] for e in chinese.json().get("errors", ()))]
    assert all(re.search("[\u4e00-\u9fff]", words) for words in told)
    assert not re.search("[\u4e00-\u9fff]", english.text)
    assert chinese.json()["code"] == english.json()["code"]


def test_every_code_that_is_raised_has_a_chinese_text() -> None:
    told = json.loads(files("app.texts").joinpath("problems.json").read_text(encoding="utf-8"))["codes"]
    rooms = [Path("app") / room for room in ("domain", "usecases", "routers")]
    source = "".join(file.read_text(encoding="utf-8") for room in rooms for file in sorted(room.rglob("*.py")))
    raised = set(
        re.findall(r'(?:Fault\([^)]*?code=|Malformed\(\s*|Conflict\(\s*|\n    code = )"([A-Z][A-Z_]+)"', source)
    )

    assert len(raised) > 50
    assert raised - set(told) <= {"REFUSED"}


async def test_a_reason_is_kept_as_it_was_written(gateway: Gateway) -> None:
    await gateway.fleet({"iccid": iccid(1), "msisdn": "1440000000001", "imsi": "460040000000001"})

    headers = {"X-Reason": "过热".encode()}
    assert (await gateway.api.patch(f"/v1/sims/{iccid(1)}", json={"alias": "x"}, headers=headers)).status_code == 200

    trail = (await gateway.api.get("/v1/admin/audit")).json()["items"]
    assert next(row["reason"] for row in trail if row["action"] == "sim.patched") == "过热"


async def test_a_key_stands_until_the_bulk_operation_it_began_has_ended(gateway: Gateway) -> None:
    await gateway.fleet({"iccid": iccid(1), "msisdn": "1440000000001", "imsi": "460040000000001"})
    later = (gateway.ctx.now() + timedelta(days=3)).isoformat()
    wish = {"kind": "suspend", "selector": {"iccids": [iccid(1)]}, "options": {"execute_at": later}}
    headers = {"Idempotency-Key": "far"}

    first = await gateway.api.post("/v1/bulk-operations", json=wish, headers=headers)
    await gateway.advance(hours=30)
    again = await gateway.api.post("/v1/bulk-operations", json=wish, headers=headers)

    assert (again.json()["id"], again.headers["Idempotency-Replayed"]) == (first.json()["id"], "true")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/calendar/due?terms=gsl&carrier=cmcc&kind=activate&at=9999-12-31T23:59:59Z",
        "/v1/calendar/due?terms=flexem&carrier=cmcc&kind=rebind&at=0001-01-01T00:00:00Z",
        "/v1/sims/{iccid}/usage?granularity=report&from=0001-01-01",
        "/v1/sims/{iccid}/usage?granularity=report&to=9999-12-31",
    ],
)
async def test_a_day_at_the_calendars_end_is_never_a_failure_of_ours(gateway: Gateway, path: str) -> None:
    await gateway.fleet({"iccid": iccid(1), "msisdn": "1440000000001", "imsi": "460040000000001"})

    answer = await gateway.api.get(path.format(iccid=iccid(1)))

    assert answer.status_code in (200, 422)


async def test_a_list_of_operations_tells_its_total_where_asked(gateway: Gateway) -> None:
    await gateway.fleet(
        *({"iccid": iccid(n), "msisdn": f"144000000000{n}", "imsi": f"46004000000000{n}"} for n in (1, 2))
    )
    for n in (1, 2):
        assert (await gateway.api.post(f"/v1/sims/{iccid(n)}/refresh")).status_code == 202

    some = (await gateway.api.get("/v1/operations?limit=1&include=total&kind=refresh")).json()
    none = (await gateway.api.get("/v1/operations?kind=suspend&include=total")).json()

    assert (len(some["items"]), some["total"], none["total"]) == (1, 2, 0)
    assert "total" not in (await gateway.api.get("/v1/operations")).json()
    desk = await gateway.api.get("/v1/operations", headers={"Accept": "text/csv"})
    assert ",false," in desk.text


@pytest.mark.parametrize("name", ["from", "to"])
@pytest.mark.parametrize("granularity", ["day", "cycle", "report"])
async def test_an_empty_day_is_no_day(gateway: Gateway, name: str, granularity: str) -> None:
    await gateway.fleet({"iccid": iccid(1), "msisdn": "1440000000001", "imsi": "460040000000001"})
    answer = await gateway.api.get(f"/v1/sims/{iccid(1)}/usage", params={"granularity": granularity, name: ""})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"query:{name}"


@pytest.mark.parametrize("path", ["/v1/operations", "/v1/findings"])
async def test_a_sim_named_in_a_query_has_the_form_of_an_iccid(gateway: Gateway, path: str) -> None:
    for wrong in ("", "x", "8" * 40):
        answer = await gateway.api.get(path, params={"sim": wrong})
        assert answer.status_code == 422, wrong


async def test_the_address_of_a_feed_allows_reading_alone(gateway: Gateway) -> None:
    """It matches the path of a feed's deletion too, which must not shadow it."""
    answer = await gateway.api.request("TRACE", "/v1/deadlines/feeds/some-secret.ics")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
