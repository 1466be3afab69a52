"""Questions of the manuals about stops: why a card is stopped, what lifts it, why it cannot be resumed, how long it takes."""

from __future__ import annotations

from datetime import datetime

from app.domain.vocabulary import HoldCode
from tests.e2e.questions.questions import Question, answered, asks, explained, refusal, ways
from tests.gateway import Gateway
from tests.usecases.limits.limiting import set_clock, sim_of, use
from tests.usecases.operations.following import at_the_carrier, completed, hear

MB = 1 << 20


@asks("GSL 10.2")
async def test_why_a_card_is_stopped(gateway: Gateway, question: Question) -> None:
    """Every hold has its rule, its other names and what lifts it, by whom.

    DG-2, ST-1, ST-2, ST-3, ST-4, ST-6, ST-7, ST-8, ST-9, ST-10, ST-11, ST-12, ST-13, ST-14, ST-15, ST-17, ST-18.
    """
    await answered(gateway, question, "停机原因", "办法", "由谁办", "费用", "时限")
    codes = [code for code in HoldCode if code not in (HoldCode.PLAN_EXPIRED, HoldCode.NETWORK_CUT)]
    cards = await gateway.fleet(*({"terms": "gsl", "state": "suspended", "holds": code.value} for code in codes))
    for iccid, code in zip(cards, codes, strict=True):
        explanation = await explained(gateway, iccid)
        [hold] = explanation["holds"]
        assert (explanation["state"], hold["code"], hold["rule"][:3]) == ("suspended", code, "ST-")
        assert hold["also_called"]
        assert all(way["actor"] and way["text"] for way in hold["remedies"])
        assert hold["remedies"]


@asks("GSL 10.6", "GSL 10.9")
async def test_how_a_card_is_resumed_and_why_it_cannot_be(gateway: Gateway, question: Question) -> None:
    """ST-20, ST-1, OP-2: what was asked for is lifted; any other hold is named with what lifts it."""
    await answered(gateway, question, "只解除主动停机")
    asked, over = await gateway.fleet(
        {"terms": "gsl", "state": "suspended", "holds": "manual"},
        {"terms": "gsl", "state": "suspended", "holds": "manual;over_quota"},
    )
    done = await gateway.operation(await gateway.api.post(f"/v1/sims/{asked}/resume"))
    assert (done["status"], (await sim_of(gateway, asked))["state"]) == ("succeeded", "active")
    refused = await gateway.api.post(f"/v1/sims/{over}/resume")
    problem = refused.json()
    assert (refused.status_code, problem["code"], problem["rule"]) == (409, "INCOMPATIBLE_STATE", "ST-20")
    assert [hold["code"] for hold in problem["holds"]] == ["manual", "over_quota"]
    assert {way["action"] for way in problem["remedies"]} >= {"order_addon", "next_cycle"}


@asks("GSL 10.3")
async def test_a_card_stopped_for_use_in_a_phone_is_lost(gateway: Gateway, question: Question) -> None:
    """ST-7."""
    await answered(gateway, question, "不能恢复")
    [iccid] = await gateway.fleet({"terms": "gsl", "state": "suspended", "holds": "phone_misuse"})
    way = ways(await explained(gateway, iccid), "phone_misuse")["replace_card"]
    assert (way["actor"], way["allowed_now"]) == ("nobody", False)
    assert (await refusal(gateway, iccid, "resume"))["rule"] == "ST-20"


@asks("GSL 5.7", "GSL 5.8")
async def test_more_data_is_bought_as_an_addon_of_this_cycle(gateway: Gateway, question: Question) -> None:
    """QT-7, QT-2, ST-2: over its quota a card stops; an add-on once in force frees it."""
    await answered(gateway, question, "仅当月有效", "延长有效期则续费")
    [iccid] = await gateway.fleet({"terms": "gsl"})
    await use(gateway, iccid, 101 * MB)
    way = ways(await explained(gateway, iccid), "over_quota")["order_addon"]
    assert (way["actor"], way["allowed_now"], (await sim_of(gateway, iccid))["state"]) == ("self", True, "suspended")
    await completed(gateway, iccid, "order-addon", bytes=100 * MB)
    await gateway.settle()
    sim = await sim_of(gateway, iccid)
    assert (sim["holds"], sim["usage"]["addons"], sim["usage"]["remaining"]) == ([], 100 * MB, 99 * MB)


@asks("GSL 10.5")
async def test_out_of_quota_a_card_and_a_pool_come_back(gateway: Gateway, question: Question) -> None:
    """ST-2, ST-4: by an add-on, more cards in the pool, or the next cycle."""
    await answered(gateway, question, "叠加包", "次月自动恢复")
    held = {"terms": "gsl", "state": "suspended"}
    single, member = await gateway.fleet(held | {"holds": "over_quota"}, held | {"holds": "pool_exhausted"})
    alone = ways(await explained(gateway, single), "over_quota")
    pooled = ways(await explained(gateway, member), "pool_exhausted")
    assert alone["next_cycle"]["eta"]["latest"] == "2026-12-01T00:00:00+08:00"
    assert set(alone) == {"order_addon", "next_cycle"}
    assert set(pooled) == {"activate_pool_members", "add_pool_cards", "order_pool_addon", "next_cycle"}


@asks("GSL 10.7")
async def test_lost_cards_are_stopped_in_bulk(gateway: Gateway, question: Question) -> None:
    """AC-1, AC-4, OP-6."""
    await answered(gateway, question, "批量停机", "部分卡丢失")
    cards = await gateway.fleet({"terms": "gsl"}, {"terms": "gsl"}, {"terms": "gsl", "state": "silent"})
    body = {"kind": "suspend", "selector": {"iccids": cards}, "arguments": {}}
    answer = await gateway.api.post("/v1/bulk-operations", json=body)
    assert answer.status_code == 202, answer.text
    await gateway.settle()
    await gateway.settle()
    items = (await gateway.api.get(f"/v1/bulk-operations/{answer.json()['id']}/items")).json()["items"]
    assert sorted(item["status"] for item in items) == ["failed", "succeeded", "succeeded"]
    assert [(await sim_of(gateway, card))["state"] for card in cards] == ["suspended", "suspended", "silent"]


@asks("GSL 10.8")
async def test_still_stopped_at_the_start_of_the_month(gateway: Gateway, question: Question) -> None:
    """ST-21: the carrier's data lag till the end of the third day; then the supplier's engineer."""
    await answered(gateway, question, "3天", "请等待", "联系供应商工程师")
    [iccid] = await gateway.fleet({"terms": "gsl", "state": "suspended", "holds": "over_quota"})
    await at_the_carrier(gateway, 0, terms="gsl", state="suspended", holds="over_quota")
    await hear(gateway, iccid)
    told = []
    for day in ("2026-12-02", "2026-12-04"):
        set_clock(gateway, datetime.fromisoformat(f"{day}T12:00:00+08:00"))
        [hold] = (await explained(gateway, iccid))["holds"]
        told.append((hold["lagging"], [(way["action"], way["allowed_now"]) for way in hold["remedies"]]))
    assert told == [
        (True, [("wait", False), ("ask_supplier", False)]),
        (False, [("ask_supplier", True)]),
    ]


@asks("GSL 9.9")
async def test_how_long_an_operation_takes(gateway: Gateway, question: Question) -> None:
    """SL-3, SL-8: one or two workdays; at China Mobile up to a week."""
    await answered(gateway, question, "1~2个工作日", "一周左右")
    at = "2026-11-23T10:00:00+08:00"
    due = {}
    for carrier in ("cmcc", "cucc", "ctcc"):
        query = {"terms": "gsl", "carrier": carrier, "kind": "suspend", "at": at}
        answer = (await gateway.api.get("/v1/calendar/due", params=query)).json()
        due[carrier] = (answer["due_on"], answer["rule"])
    assert due == {"cmcc": ("2026-11-30", "SL-3"), "cucc": ("2026-11-25", "SL-3"), "ctcc": ("2026-11-25", "SL-3")}


@asks("GSL 6.1")
async def test_when_cards_ship(gateway: Gateway, question: Question) -> None:
    """SL-6."""
    await answered(gateway, question, "10个工作日", "6周", "已发货或已完成才展示物流")
    query = {"terms": "gsl", "carrier": "cucc", "kind": "delivery", "at": "2026-11-23T10:00:00+08:00"}
    answer = (await gateway.api.get("/v1/calendar/due", params=query)).json()
    assert (answer["due_on"], answer["rule"]) == ("2026-12-07", "SL-6")


@asks("GSL 8.1")
async def test_where_usage_is_seen(gateway: Gateway, question: Question) -> None:
    """US-1, US-4: by cycle and by day, of cards once activated; over the plan, remaining is negative."""
    await answered(gateway, question, "已用流量、剩余流量", "六个月")
    used, silent = await gateway.fleet({"terms": "flexem"}, {"terms": "gsl", "state": "silent"})
    await use(gateway, used, 130 * MB)
    usage = (await sim_of(gateway, used))["usage"]
    assert (usage["used"], usage["remaining"]) == (130 * MB, -30 * MB)
    days = (await gateway.api.get(f"/v1/sims/{used}/usage?granularity=day")).json()["items"]
    cycles = (await gateway.api.get(f"/v1/sims/{used}/usage?granularity=cycle")).json()["items"]
    assert sum(day["used"] for day in days) == 130 * MB
    assert (len(cycles), cycles[-1]["used"]) == (6, 130 * MB)
    unused = (await sim_of(gateway, silent))["usage"]
    assert (unused["used"], unused["remaining"]) == (None, None)


@asks("GSL 8.2")
async def test_how_fresh_usage_is(gateway: Gateway, question: Question) -> None:
    """US-2: every figure with its time and origin; a refresh asks the carrier."""
    await answered(gateway, question, "昨日24点", "一小时", "手动刷新")
    [iccid] = await gateway.fleet({"terms": "flexem"})
    await use(gateway, iccid, 10 * MB)
    before = (await sim_of(gateway, iccid))["usage"]
    assert (before["source"], before["carrier"], before["as_of"] is not None) == ("gateway_report", None, True)
    done = await gateway.operation(await gateway.api.post(f"/v1/sims/{iccid}/refresh"))
    after = (await sim_of(gateway, iccid))["carrier_view"]
    assert (done["status"], after["state"], after["as_of"] is not None) == ("succeeded", "active", True)


@asks("GSL 9.1")
async def test_a_card_is_found_by_its_numbers(gateway: Gateway, question: Question) -> None:
    """EX-1: with its basic data, by ICCID, MSISDN or device serial, and filtered."""
    await answered(gateway, question, "ICCID、MSISDN、设备序列号", "已完成才能查询")
    [iccid, _] = await gateway.fleet({"device_serial": "300220030002", "order": "CS21"}, {"order": "CS22"})
    number = (await sim_of(gateway, iccid))["msisdn"]
    for query in ({"msisdn": number}, {"device_serial": "300220030002"}, {"q": iccid[:20]}, {"order": "CS21"}):
        items = (await gateway.api.get("/v1/sims", params=query)).json()["items"]
        assert [(one["iccid"], one["msisdn"]) for one in items] == [(iccid, number)], query
