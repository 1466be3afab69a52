"""Plans, pools and files that do not fit: refused where they come in, each by its code."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.gateway import Gateway, iccid

PLANS = (
    {"id": "pool-a", "carrier": "cmcc", "allowance": 1 << 20, "months": 12, "kind": "pool_forward"},
    {"id": "single", "carrier": "cmcc", "allowance": 1 << 20, "months": 12},
    {"id": "elsewhere", "carrier": "cucc", "allowance": 1 << 20, "months": 12},
)


async def _plans(gateway: Gateway) -> None:
    for plan in PLANS:
        assert (await gateway.api.post("/v1/plans", json=plan)).status_code == 201
    pool = {"id": "p", "name": "P", "kind": "forward", "carrier": "cmcc", "plan": "pool-a"}
    assert (await gateway.api.post("/v1/pools", json=pool)).status_code == 201


async def _import(gateway: Gateway, columns: str, row: str) -> httpx.Response:
    body = f"iccid,carrier,terms,plan,{columns}\n{row}\n"
    return await gateway.api.post("/v1/sims/import", content=body, headers={"Content-Type": "text/csv"})


async def test_an_import_keeps_pools_and_carriers_pure(gateway: Gateway) -> None:
    await _plans(gateway)

    stranger = await _import(gateway, "pool", f"{iccid(1)},cmcc,gsl,single,p")
    member = await _import(gateway, "pool", f"{iccid(2)},cmcc,gsl,pool-a,p")
    moved = await _import(gateway, "alias", f"{iccid(2)},cucc,gsl,elsewhere,x")

    assert stranger.json()["errors"][0]["code"] == "POOL_MISMATCH"
    assert member.status_code == 200
    assert moved.json()["errors"][0]["code"] == "UNKNOWN_PLAN"


async def test_an_ndjson_row_may_hold_a_line_separator(gateway: Gateway) -> None:
    await _plans(gateway)
    row = {"iccid": iccid(1), "carrier": "cmcc", "terms": "gsl", "plan": "single", "alias": "a\u2028b"}

    answer = await gateway.api.post(
        "/v1/sims/import",
        content=json.dumps(row, ensure_ascii=False),
        headers={"Content-Type": "application/x-ndjson"},
    )

    assert (answer.status_code, answer.json()["created"]) == (200, 1)


@pytest.mark.parametrize(
    ("action", "body", "code"),
    [
        ("change-plan", {"plan": "no-such"}, "UNKNOWN_PLAN"),
        ("change-plan", {"plan": "elsewhere"}, "UNKNOWN_PLAN"),
        ("join-pool", {"pool": "no-such"}, "UNKNOWN_POOL"),
        ("join-pool", {"pool": "p"}, "POOL_MISMATCH"),
    ],
)
@pytest.mark.parametrize("query", ["", "?dry_run=true"])
async def test_a_plan_or_pool_that_does_not_fit_is_refused_before_it_is_asked_for(
    gateway: Gateway, action: str, body: dict[str, str], code: str, query: str
) -> None:
    await _plans(gateway)
    await _import(gateway, "state", f"{iccid(1)},cmcc,standard,single,active")

    answer = await gateway.api.post(f"/v1/sims/{iccid(1)}/{action}{query}", json=body)

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, code)


async def test_the_last_renewal_day_is_the_last_of_all_windows(gateway: Gateway) -> None:
    """RN-1, RN-2: a pause at each month's end does not bring the last day forward."""
    await _plans(gateway)
    await _import(
        gateway, "state,activated_on,expires_on", f"{iccid(1)},cmcc,flexem,single,active,2026-10-01,2027-09-30"
    )

    items = (await gateway.api.get(f"/v1/sims/{iccid(1)}/deadlines")).json()["items"]

    last = next(item for item in items if item["kind"] == "last_renewal_day")
    assert (last["on"], last["rule"]) == ("2027-10-22", "RN-1")


async def test_an_import_is_in_the_audit_trail(gateway: Gateway) -> None:
    await _plans(gateway)
    await _import(gateway, "alias", f"{iccid(1)},cmcc,gsl,single,x")

    trail = (await gateway.api.get("/v1/admin/audit")).json()["items"]

    told = next(row["after"] for row in trail if row["action"] == "sims.imported")
    assert told == {"rows": 1, "created": 1, "updated": 0}


@pytest.mark.parametrize("name", ["carrier", "kind", "allowance", "auto_stop", "id", "grade"])
@pytest.mark.parametrize("value", [{}, [], 1.5, {"a": 1}])
async def test_a_plan_of_wrong_types_is_refused(gateway: Gateway, name: str, value: Any) -> None:
    answer = await gateway.api.post("/v1/plans", json=PLANS[1] | {name: value})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"/{name}")


@pytest.mark.parametrize("path", ["/v1/plans", "/v1/sims/import", "/v1/files"])
@pytest.mark.parametrize("row", ['"' + "x" * 200_000 + '"', '"cut off', '"a"b'], ids=["long", "cut", "quoted"])
async def test_a_row_that_is_no_csv_is_named_by_its_line(gateway: Gateway, path: str, row: str) -> None:
    header = {"/v1/plans": "id,carrier,allowance,months", "/v1/files": "iccid"}.get(path, "iccid,carrier,terms,plan")

    answer = await gateway.api.post(path, content=f"{header}\n{row}\n", headers={"Content-Type": "text/csv"})

    assert (answer.status_code, [fault["line"] for fault in answer.json()["errors"]]) == (422, [2])
