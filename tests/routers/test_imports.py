"""Import: whole or not at all; every bad row told by line and column, never by its value."""

from __future__ import annotations

import json

from tests.gateway import Gateway, card, iccid

HEADER = "iccid,carrier,terms,plan,msisdn,opened_on,state"


async def _plans(gateway: Gateway) -> None:
    await gateway.fleet({"iccid": iccid(9), "msisdn": "1440000000999", "imsi": "460040000000999"})


def _csv(*rows: str) -> str:
    return "\n".join([HEADER, *rows]) + "\n"


async def _post(gateway: Gateway, body: str | bytes, query: str = "", kind: str = "text/csv") -> tuple[int, dict]:
    answer = await gateway.api.post(f"/v1/sims/import{query}", content=body, headers={"Content-Type": kind})
    return answer.status_code, answer.json()


async def test_good_rows_are_created_and_known_ones_updated(gateway: Gateway) -> None:
    await _plans(gateway)
    rows = [f"{iccid(n)},cmcc,flexem,cmcc-100m,14400000000{n:02d},2026-11-01,silent" for n in range(3)]

    first = await _post(gateway, _csv(*rows))
    again = await _post(gateway, _csv(*rows))

    assert first == (200, {"rows": 3, "created": 3, "updated": 0, "rejected": [], "rejected_rows": 0})
    assert again == (200, {"rows": 3, "created": 0, "updated": 3, "rejected": [], "rejected_rows": 0})


async def test_a_bad_row_in_whole_file_mode_changes_nothing_and_is_named(gateway: Gateway) -> None:
    await _plans(gateway)
    good = f"{iccid(1)},cmcc,flexem,cmcc-100m,1440000000001,2026-11-01,silent"
    bad = "8.98604E+19,cmcc,flexem,cmcc-100m,1440000000002,2026-13-01,silent"

    status, body = await _post(gateway, _csv(good, bad))

    assert (status, body["code"]) == (422, "INVALID_ARGUMENT")
    named = {(error["line"], error["column"], error["code"]) for error in body["errors"]}
    assert named == {(3, "iccid", "EXPONENT"), (3, "opened_on", "DAY_MALFORMED")}
    assert "8.98604E+19" not in json.dumps(body)
    assert (await gateway.api.get(f"/v1/sims/{iccid(1)}")).status_code == 404


async def test_partial_mode_takes_the_good_rows(gateway: Gateway) -> None:
    await _plans(gateway)
    good = f"{iccid(1)},cmcc,flexem,cmcc-100m,1440000000001,2026-11-01,silent"
    unknown = f"{iccid(2)},cmcc,flexem,no-such-plan,1440000000002,2026-11-01,silent"

    status, body = await _post(gateway, _csv(good, unknown), "?mode=partial")

    assert (status, body["created"], body["rejected_rows"]) == (200, 1, 1)
    assert [(e["line"], e["column"], e["code"]) for e in body["rejected"]] == [(3, "plan", "UNKNOWN_PLAN")]


async def test_a_known_card_keeps_its_state_dates_holds_account_and_carrier(gateway: Gateway) -> None:
    [known] = await gateway.fleet({"state": "suspended", "holds": "manual"})
    before = (await gateway.api.get(f"/v1/sims/{known}")).json()
    row = card(0, iccid=known, state="silent", opened_on="2020-01-01", remark="new", activated_on="2020-02-02")

    status, body = await _post(gateway, json.dumps(row), kind="application/x-ndjson")

    after = (await gateway.api.get(f"/v1/sims/{known}")).json()
    assert (status, body["updated"]) == (200, 1)
    kept = ("state", "holds", "opened_on", "activated_on", "expires_on", "account", "carrier")
    assert [after[name] for name in kept] == [before[name] for name in kept]
    assert after["remark"] == "new"


async def test_another_tenants_card_is_not_available(gateway: Gateway) -> None:
    [known] = await gateway.fleet({})
    await gateway.api.post("/v1/admin/tenants", json={"id": "other"})
    plan = {"id": "p", "carrier": "cmcc", "allowance": 1, "months": 12}
    headers = {"X-Tenant": "other"}
    assert (await gateway.api.post("/v1/plans", json=plan, headers=headers)).status_code == 201
    row = f"{known},cmcc,flexem,p,1440000000001,2026-11-01,silent"

    answer = await gateway.api.post(
        "/v1/sims/import", content=_csv(row), headers=headers | {"Content-Type": "text/csv"}
    )

    assert [error["code"] for error in answer.json()["errors"]] == ["NOT_AVAILABLE"]
    assert (await gateway.api.get(f"/v1/sims/{known}", headers=headers)).status_code == 404


async def test_gb18030_and_a_bom_are_read_and_unknown_columns_refused(gateway: Gateway) -> None:
    await _plans(gateway)
    header = "iccid,carrier,terms,plan,alias"
    line = f"{iccid(1)},cmcc,flexem,cmcc-100m,水表"
    chinese = f"{header}\n{line}\n".encode("gb18030")
    marked = ("\ufeff" + f"{header}\n{line}\n").encode()

    assert [(await _post(gateway, body))[0] for body in (chinese, marked)] == [200, 200]
    assert (await gateway.api.get(f"/v1/sims/{iccid(1)}")).json()["alias"] == "水表"
    status, body = await _post(gateway, "iccid,carrier,terms,plan,colour\n")
    assert (status, body["code"]) == (400, "UNREADABLE")


async def test_a_state_left_out_follows_from_the_dates(gateway: Gateway) -> None:
    await _plans(gateway)
    opened = gateway.ctx.now().date().isoformat()
    header = "iccid,carrier,terms,plan,opened_on,activated_on"
    rows = (
        f"{iccid(1)},cmcc,flexem,cmcc-100m,{opened},",
        f"{iccid(2)},cmcc,gsl,cmcc-100m,{opened},",
        f"{iccid(3)},cmcc,standard,cmcc-100m,2020-01-01,2020-02-02",
        f"{iccid(4)},cmcc,flexem,cmcc-100m,2026-01-01,2026-09-02",
    )

    assert (await _post(gateway, "\n".join([header, *rows]) + "\n"))[0] == 200

    states = [(await gateway.api.get(f"/v1/sims/{iccid(n)}")).json()["state"] for n in (1, 2, 3, 4)]
    assert states == ["testing", "silent", "cancelled", "active"]
