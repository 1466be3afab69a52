"""Questions of the manuals about a card's life: activation, validity, real-name, data of new cards, renewal, plans."""

from __future__ import annotations

from datetime import datetime

from tests.e2e.questions.questions import Question, answered, asks, checks, explained, notices, refusal, ways
from tests.gateway import Gateway
from tests.usecases.limits.limiting import set_clock, sim_of, use
from tests.usecases.operations.following import at_the_carrier, hear, sweep

MB = 1 << 20
SILENT = {"terms": "gsl", "state": "silent", "opened_on": "2026-10-01"}


@asks("GSL 2.1", "GSL 2.4")
async def test_billing_and_validity_begin_with_the_activation(gateway: Gateway, question: Question) -> None:
    """VD-1, VD-3, VD-4, BC-1, BC-2: not in the silent period; each carrier's cycle is its own."""
    await answered(gateway, question, "从卡激活", "不从下单")
    mobile, unicom = await gateway.fleet(SILENT, SILENT | {"carrier": "cucc", "plan": "cucc-100m"})
    before = await sim_of(gateway, mobile)
    assert (before["expires_on"], before["activated_on"]) == (None, None)
    for iccid in (mobile, unicom):
        await gateway.operation(await gateway.api.post(f"/v1/sims/{iccid}/activate"))
    after, other = await sim_of(gateway, mobile), await sim_of(gateway, unicom)
    assert (after["activated_on"], after["expires_on"]) == ("2026-11-21", "2027-11-20")
    assert after["usage"]["cycle"] == {"id": "2026-11", "start": "2026-11-01", "end": "2026-12-01"}
    assert other["usage"]["cycle"] == {"id": "2026-11", "start": "2026-10-27", "end": "2026-11-27"}


@asks("GSL 2.2")
async def test_the_silent_period_of_mainland_cards(gateway: Gateway, question: Question) -> None:
    """LC-2: six months, then activated by force."""
    await answered(gateway, question, "6个月", "强制激活")
    [iccid] = await gateway.fleet(SILENT)
    days = (await gateway.api.get(f"/v1/sims/{iccid}/deadlines")).json()["items"]
    ahead = {day["kind"]: (day["on"], day["rule"]) for day in days}
    assert ahead["silent_end"] == ("2027-03-31", "LC-2")
    assert ahead["forced_activation"] == ("2027-04-01", "LC-2")


@asks("GSL 2.3")
async def test_the_test_period_of_overseas_cards(gateway: Gateway, question: Question) -> None:
    """LC-2."""
    await answered(gateway, question, "海外卡无沉默期", "6个月测试期")
    query = {"terms": "gsl", "carrier": "overseas", "opened_on": "2026-10-01"}
    answer = (await gateway.api.get("/v1/calendar/forced-activation", params=query)).json()
    assert (answer["testing_until"], answer["silent_until"], answer["forced_on"]) == ("2027-03-31", None, "2027-04-01")


@asks("GSL 7.1")
async def test_a_card_activates_by_its_first_use(gateway: Gateway, question: Question) -> None:
    """LC-4, LC-14, LC-16: put into a device, the carrier says active."""
    await answered(gateway, question, "通电即自动激活", "30秒", "APN")
    [iccid] = await gateway.fleet(SILENT)
    assert checks(await explained(gateway, iccid), "never_worked")["activated"] == ("fault", "LC-4", "activate")
    await at_the_carrier(gateway, 0, terms="gsl", state="active", activated_on="2026-11-21")
    await hear(gateway, iccid)
    sim = await sim_of(gateway, iccid)
    assert (sim["state"], sim["activated_on"]) == ("active", "2026-11-21")
    assert checks(await explained(gateway, iccid), "never_worked")["activated"][0] == "ok"


@asks("GSL 9.10")
async def test_in_use_but_shown_testable(gateway: Gateway, question: Question) -> None:
    """LC-2, LC-6: its ordered test traffic lasts, or the carrier's data lag."""
    await answered(gateway, question, "订单配置了测试流量", "等一天左右")
    await gateway.fleet()
    plan = {"id": "tested", "carrier": "cmcc", "allowance": 100 * MB, "months": 12, "test_bytes": 10 * MB}
    assert (await gateway.api.post("/v1/plans", json=plan)).is_success
    tested, plain = await gateway.fleet(SILENT | {"plan": "tested"}, SILENT)
    for iccid in (tested, plain):
        await use(gateway, iccid, MB)
    told = notices(await explained(gateway, tested))["test_traffic_not_used_up"]
    assert (told["rule"], told["facts"]["state"]) == ("LC-2", "silent")
    assert notices(await explained(gateway, plain))["shown_unused_by_lag"]["rule"] == "LC-6"


@asks("GSL 9.11")
async def test_powered_on_before_verification(gateway: Gateway, question: Question) -> None:
    """LC-5, ST-10: stopped as not real-named, and its validity runs."""
    await answered(gateway, question, "未实名制违规停机", "使用周期已开始计算")
    row = {"terms": "gsl", "real_name": "individual", "state": "suspended", "holds": "not_real_named"}
    [iccid] = await gateway.fleet(row)
    explanation = await explained(gateway, iccid)
    runs = notices(explanation)["validity_runs_unverified"]
    assert (explanation["state"], [hold["rule"] for hold in explanation["holds"]]) == ("suspended", ["ST-10"])
    assert (runs["rule"], runs["facts"]) == ("LC-5", {"activated_on": "2026-06-10", "expires_on": "2027-06-09"})


@asks("GSL 9.12")
async def test_verified_a_card_is_active_again_by_itself(gateway: Gateway, question: Question) -> None:
    """ST-10, LC-5."""
    await answered(gateway, question, "自动恢复为在用")
    row = {"terms": "gsl", "real_name": "individual", "state": "suspended", "holds": "not_real_named"}
    [iccid] = await gateway.fleet(row)
    way = ways(await explained(gateway, iccid), "not_real_named")["verify_real_name"]
    assert (way["actor"], way["allowed_now"]) == ("self", True)
    await at_the_carrier(gateway, 0, terms="gsl", real_name="verified")
    await hear(gateway, iccid)
    assert (await sim_of(gateway, iccid))["state"] == "active"


@asks("GSL 9.13")
async def test_a_new_card_without_data_of_the_carrier(gateway: Gateway, question: Question) -> None:
    """LC-18: unknown at first, a fault from the 4th workday after the import on."""
    await answered(gateway, question, "请等待", "第4个工作日")
    [iccid] = await gateway.fleet(SILENT)
    seen = []
    for days in (0, 4, 1):
        await gateway.advance(days=days)
        seen.append(checks(await explained(gateway, iccid), "never_worked")["carrier_data"])
    assert [answer for answer, _, _ in seen] == ["unknown", "unknown", "fault"]
    assert seen[-1][1:] == ("LC-18", "wait_for_carrier_data")


@asks("GSL 12.1", "GSL 12.2")
async def test_how_a_card_is_renewed_and_at_what_price(gateway: Gateway, question: Question) -> None:
    """RN-3, RN-4, VD-5: at the plan's price, through the last valid day; the end moves by a year."""
    await answered(gateway, question)
    await gateway.fleet()
    plan = {"id": "priced", "carrier": "cmcc", "allowance": 100 * MB, "months": 12, "price_fen": 3600}
    assert (await gateway.api.post("/v1/plans", json=plan)).is_success
    [iccid] = await gateway.fleet({"terms": "gsl", "plan": "priced", "activated_on": "2025-11-23"})
    answer = await gateway.api.post(f"/v1/sims/{iccid}/renew?dry_run=true", json={"months": 12})
    assert (answer.json()["allowed"], answer.json()["cost_fen"]) == (True, 3600)
    query = {"terms": "gsl", "carrier": "cmcc", "expires_on": "2026-11-22", "on": "2026-11-23"}
    late = (await gateway.api.get("/v1/calendar/renewal", params=query)).json()
    assert (late["renewable"], late["rule"]) == (False, "RN-3")


@asks("GSL 5.4", "GSL 12.5")
async def test_carrier_and_plan_of_a_card_stay(gateway: Gateway, question: Question) -> None:
    """RN-4, OR-2: under these terms no change of plan, and no action that changes the carrier."""
    await answered(gateway, question)
    [iccid] = await gateway.fleet({"terms": "gsl"})
    refused = await refusal(gateway, iccid, "change-plan", {"plan": "cmcc-1g"})
    assert (refused["code"], refused["rule"] in ("RN-4", "OR-2")) == ("RULE_VIOLATION", True)


@asks("FM FAQ 3")
async def test_the_plan_is_changed_at_the_suppliers_desk(gateway: Gateway, question: Question) -> None:
    """RN-4."""
    await answered(gateway, question, "少量年份较久的卡", "后台处理")
    [iccid] = await gateway.fleet({"terms": "flexem"})
    answer = await gateway.api.post(f"/v1/sims/{iccid}/change-plan", json={"plan": "cmcc-1g"})
    assert (answer.status_code, answer.json()["channel"]) == (202, "desk")


@asks("FM FAQ 1")
async def test_never_used_yet_expired(gateway: Gateway, question: Question) -> None:
    """DG-3, LC-1: activated by force when its test was over."""
    await answered(gateway, question, "到期自动激活")
    [iccid] = await gateway.fleet({"terms": "flexem", "state": "testing", "opened_on": "2026-07-01"})
    await sweep(gateway)
    assert (await sim_of(gateway, iccid))["activated_on"] == "2026-10-01"
    set_clock(gateway, datetime.fromisoformat("2027-03-01T12:00:00+08:00"))
    forced = (await explained(gateway, iccid))["forced_activation"]
    assert (forced["forced_on"], forced["rule"]) == ("2026-10-01", "LC-1")


@asks("FM FAQ 5")
async def test_the_plans_months_are_calendar_months(gateway: Gateway, question: Question) -> None:
    """VD-2."""
    await answered(gateway, question, "2022-06-30", "2022-11-30")
    for activated_on, last in (("2021-07-12", "2022-06-30"), ("2021-12-31", "2022-11-30")):
        query = {"terms": "flexem", "carrier": "cmcc", "activated_on": activated_on, "months": 12}
        answer = (await gateway.api.get("/v1/calendar/expiry", params=query)).json()
        assert (answer["last_valid_day"], answer["rule"]) == (last, "VD-2")
