"""Import: whole or not at all; every bad row told by line and column, never by its value."""

from __future__ import annotations

import asyncio
import json
import time

from app.usecases.imports.rows import parse_row
from tests.gateway import Gateway, card, iccid

HEADER = "iccid,carrier,terms,plan,msisdn,opened_on,state"


async def _plans(gateway: Gateway) -> None:
    await gateway.fleet({"iccid": iccid(9), "msisdn": "1440000000999", "imsi": "460040000000999"})


def _csv(*rows: str) -> str:
    return "\n".join([HEADER, *rows]) + "\n"


async def _post(gateway: Gateway, body: str | bytes, query: str = "", kind: str = "text/csv") -> tuple[int, dict]:
    answer = await gateway.api.post(f"/v1/sims/import{query}", content=body, headers={"Content-Type": kind})
    return answer.status_code, answer.json()


def _counts(report: dict) -> dict:
    return {name: report[name] for name in ("rows", "created", "updated", "rejected_rows")}


async def test_good_rows_are_created_and_known_ones_updated(gateway: Gateway) -> None:
    await _plans(gateway)
    rows = [f"{iccid(n)},cmcc,flexem,cmcc-100m,14400000000{n:02d},2026-11-01,silent" for n in range(3)]

    first = await _post(gateway, _csv(*rows))
    again = await _post(gateway, _csv(*rows))

    assert (first[0], _counts(first[1])) == (200, {"rows": 3, "created": 3, "updated": 0, "rejected_rows": 0})
    assert (again[0], _counts(again[1])) == (200, {"rows": 3, "created": 0, "updated": 3, "rejected_rows": 0})


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


async def test_a_dry_run_tells_what_an_import_would_do_and_stores_nothing(gateway: Gateway) -> None:
    await _plans(gateway)
    header = "iccid,carrier,terms,plan,state,holds,activated_on,expires_on,province"
    wrong = iccid(4)[:-1] + str((int(iccid(4)[-1]) + 1) % 10)
    rows = (
        f"{iccid(1)},cmcc,flexem,cmcc-100m,active,,2026-06-10,2027-05-31,广东",
        f"{iccid(2)},cmcc,standard,cmcc-100m,active,,2025-11-22,2026-11-21,",
        f"{iccid(3)},cmcc,gsl,cmcc-100m,suspended,arrears,2026-06-10,2027-05-31,",
        f"{wrong},cmcc,gsl,cmcc-100m,active,,2026-06-10,2027-05-31,Nowhere",
        f"{iccid(5)},cmcc,gsl,no-such,active,,2026-06-10,2027-05-31,",
    )

    status, body = await _post(gateway, "\n".join([header, *rows]) + "\n", "?dry_run=true")

    assert (status, body["dry_run"], body["created"], body["held"], body["rejected_rows"]) == (200, True, 4, 1, 1)
    assert body["stops"] == [{"line": 3, "hold": "plan_expired", "rule": "ST-5", "if_running": False}]
    doubts = [(one["line"], one["column"], one["code"]) for one in body["warnings"]]
    assert doubts == [(5, "iccid", "ICCID_CHECK_DIGIT"), (5, "province", "UNKNOWN_PROVINCE")]
    for number in (iccid(1), iccid(2), iccid(3)):
        assert (await gateway.api.get(f"/v1/sims/{number}")).status_code == 404


async def test_files_as_spreadsheets_write_them_are_understood(gateway: Gateway) -> None:
    await _plans(gateway)
    body = f'ICCID;Carrier;Terms;Plan;opened_on\n="{iccid(1)}";cmcc;flexem;cmcc-100m;2026/1/5\n'
    padded = f"iccid\tcarrier\tterms\tplan\n'{iccid(2)[:19]}F\tcmcc\tflexem\tcmcc-100m\n"

    assert (await _post(gateway, body.encode("utf-16")))[0] == 200
    assert (await _post(gateway, padded))[0] == 200

    assert (await gateway.api.get(f"/v1/sims/{iccid(1)}")).json()["opened_on"] == "2026-01-05"
    assert (await gateway.api.get(f"/v1/sims/{iccid(2)}")).json()["iccid"] == iccid(2)[:19]


async def test_a_total_line_and_a_text_that_cannot_be_stored_are_bad_rows_alone(gateway: Gateway) -> None:
    await _plans(gateway)
    total = f"iccid,carrier,terms,plan\n{iccid(1)},cmcc,flexem,cmcc-100m\n合计,1,,\n"
    good = {"iccid": iccid(2), "carrier": "cmcc", "terms": "flexem", "plan": "cmcc-100m"}
    half = json.dumps(good | {"iccid": iccid(3), "tags": {"site": "\ud800"}})
    lines = b"\n".join([json.dumps(good).encode(), half.encode(), "水表".encode("gbk")])

    first = await _post(gateway, total, "?mode=partial")
    second = await _post(gateway, lines, "?mode=partial", "application/x-ndjson")

    assert (first[1]["created"], [(e["line"], e["code"]) for e in first[1]["rejected"]]) == (1, [(3, "ROW_UNREADABLE")])
    assert (second[1]["created"], [(e["line"], e["code"]) for e in second[1]["rejected"]]) == (
        1,
        [(2, "TEXT_UNUSABLE"), (3, "ROW_UNREADABLE")],
    )


async def test_an_overseas_number_need_not_look_like_a_mainland_one() -> None:
    row = {"iccid": iccid(1), "carrier": "overseas", "terms": "gsl", "plan": "world", "msisdn": "+447700900123"}

    assert parse_row(2, row).values["msisdn"] == "447700900123"
    assert parse_row(2, row | {"carrier": "cmcc"}).faults[0].code == "MSISDN_MALFORMED"


async def _two_tenants(gateway: Gateway) -> tuple[dict[str, str], dict[str, str]]:
    """Headers of a CSV of each of two tenants who have the same plan."""
    await _plans(gateway)
    await gateway.api.post("/v1/admin/tenants", json={"id": "other"})
    plan = {"id": "cmcc-100m", "carrier": "cmcc", "allowance": 1, "months": 12}
    assert (await gateway.api.post("/v1/plans", json=plan, headers={"X-Tenant": "other"})).status_code == 201
    return {"Content-Type": "text/csv"}, {"X-Tenant": "other", "Content-Type": "text/csv"}


def _named(numbers: list[str]) -> str:
    return "iccid,carrier,terms,plan\n" + "".join(f"{number},cmcc,flexem,cmcc-100m\n" for number in numbers)


def _honest(answer: dict, rows: int) -> bool:
    counted = answer["created"] + answer["updated"] + answer["rejected_rows"] == rows
    return counted and {error["code"] for error in answer["rejected"]} <= {"NOT_AVAILABLE"}


async def test_both_forms_of_an_iccid_are_one_card_for_imports_at_the_same_moment(gateway: Gateway) -> None:
    ours, theirs = await _two_tenants(gateway)
    long, short = _named([iccid(n) for n in range(100, 150)]), _named([iccid(n)[:19] for n in range(100, 150)])

    done = await asyncio.gather(
        gateway.api.post("/v1/sims/import?mode=partial", content=long, headers=ours),
        gateway.api.post("/v1/sims/import?mode=partial", content=short, headers=theirs),
        gateway.api.post("/v1/sims/import?mode=partial", content=short, headers=ours),
    )

    answers = [answer.json() for answer in done]
    assert sum(answer["created"] for answer in answers) == 50, answers
    assert all(_honest(answer, 50) for answer in answers), answers
    shared = answers[0]["created"] + answers[2]["created"]
    assert answers[1]["rejected_rows"] == shared, answers


async def test_imports_of_the_same_cards_in_opposite_order_leave_each_card_to_one_tenant(gateway: Gateway) -> None:
    ours, theirs = await _two_tenants(gateway)
    numbers = [iccid(n) for n in range(10_000, 12_500)]
    bodies = (_named(numbers), _named([number[:19] for number in reversed(numbers)]))

    async def imported(body: str, headers: dict[str, str]) -> dict:
        while True:  # of two that wait for each other, PostgreSQL ends one, and nothing of it is stored
            answer = await gateway.api.post("/v1/sims/import?mode=partial", content=body, headers=headers)
            if answer.status_code != 503:
                return answer.json()

    one, two = await asyncio.gather(imported(bodies[0], ours), imported(bodies[1], theirs))

    assert (one["created"] + two["created"], _honest(one, 2_500), _honest(two, 2_500)) == (2_500, True, True)
    assert (one["rejected_rows"], two["rejected_rows"]) == (two["created"], one["created"])


async def test_an_import_moves_no_pool_member_and_splits_no_order(gateway: Gateway) -> None:
    await _plans(gateway)
    for size in ("100m", "30m"):
        plan = {"id": f"pool-{size}", "carrier": "cmcc", "allowance": 30 << 20, "months": 12, "kind": "pool_forward"}
        assert (await gateway.api.post("/v1/plans", json=plan)).is_success
    for name in ("one", "two"):
        pool = {"id": name, "name": name, "kind": "forward", "carrier": "cmcc", "plan": "pool-100m"}
        assert (await gateway.api.post("/v1/pools", json=pool)).is_success
    header = "iccid,carrier,terms,plan,state,pool,order\n"
    member = f"{iccid(1)},cmcc,gsl,pool-100m,silent,one,o-1\n"
    assert (await _post(gateway, header + member))[0] == 200
    wrong = {
        "plan": f"{iccid(1)},cmcc,gsl,pool-30m,silent,,o-1\n",
        "pool": f"{iccid(1)},cmcc,gsl,pool-100m,silent,two,o-1\n",
    }

    for column, row in wrong.items():
        _, body = await _post(gateway, header + row, "?mode=partial")
        assert [(e["column"], e["code"]) for e in body["rejected"]] == [(column, "POOL_MISMATCH")]
    for row in (f"{iccid(2)},cmcc,gsl,pool-100m,silent,two,o-1\n", f"{iccid(3)},cmcc,gsl,pool-100m,testing,one,\n"):
        _, body = await _post(gateway, header + row, "?mode=partial")
        assert [(e["column"], e["code"]) for e in body["rejected"]] == [("pool", "POOL_MISMATCH")]


async def test_the_timeline_of_a_card_begins_with_its_import(gateway: Gateway) -> None:
    [known] = await gateway.fleet({})

    timeline = (await gateway.api.get(f"/v1/sims/{known}/timeline")).json()["items"]

    assert [(one["what"], one["after"], one["cause"]) for one in timeline] == [("state", "active", "import")]


async def test_a_small_file_of_bad_rows_names_the_first_faults_and_lets_others_work(gateway: Gateway) -> None:
    await _plans(gateway)
    body = "iccid,carrier,terms,plan\n" + "1\n" * 200_000
    longest = 0.0

    async def others() -> None:
        nonlocal longest
        while True:
            began = time.thread_time()  # this loop's own: a busy machine is no fault of it
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - began)

    watch = asyncio.create_task(others())
    whole = await _post(gateway, body)
    partial = await _post(gateway, body, "?mode=partial")
    watch.cancel()

    assert (whole[0], len(whole[1]["errors"])) == (422, 1_000)
    assert (partial[1]["rejected_rows"], len(partial[1]["rejected"])) == (200_000, 1_000)
    assert longest < 1.0


async def test_an_activated_card_under_a_region_limit_is_limited_also_where_nobody_tells_its_province(
    gateway: Gateway,
) -> None:
    """RG-1, RG-2: under `flexem` only China Mobile's cards are bound, and not before they are activated."""
    cards = await gateway.fleet(
        {},
        {"province": "湖北"},
        {"state": "testing", "activated_on": None, "opened_on": "2026-11-01"},
        {"carrier": "cucc"},
        {"terms": "gsl"},
    )

    regions = [(await gateway.api.get(f"/v1/sims/{name}")).json()["region"] for name in cards]

    limited = [(None, True), ("湖北", True), (None, False), (None, False), (None, False)]
    assert [(region["province"], region["limited"]) for region in regions] == limited


async def test_two_files_with_the_same_plans_in_other_orders_both_get_through(gateway: Gateway) -> None:
    """Plans are locked by id, whatever the order of a file: no two imports wait for each other."""
    lines = [f"p{n},cmcc,104857600,12,card" for n in range(100)]
    files = ["\n".join(["id,carrier,allowance,months,kind", *order]) for order in (lines, lines[::-1]) * 4]
    headers = {"Content-Type": "text/csv"}
    answers = await asyncio.gather(*(gateway.api.post("/v1/plans", content=f, headers=headers) for f in files))
    assert [answer.status_code for answer in answers] == [201] * len(files)
