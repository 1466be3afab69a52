"""Questions of the manuals about pools: what they show, how cards join, what stops all of them and frees them."""

from __future__ import annotations

from tests.e2e.questions.questions import Question, answered, asks, explained, notices, refusal, ways
from tests.gateway import Gateway, iccid
from tests.usecases.limits.limiting import sim_of
from tests.usecases.pools.pooling import a_pool, be_at, cycle_of, holds, members_of, use

MB = 1 << 20
NOON = "2026-12-15T12:00:00+08:00"


async def a_forward_pool(gateway: Gateway, *rows: dict[str, str]) -> list[str]:
    """A prepaid pool of 10 MB a card, in the middle of a cycle."""
    await be_at(gateway, NOON)
    return await a_pool(gateway, "forward", *({"msisdn": f"1440000{n:06d}", **row} for n, row in enumerate(rows, 10)))


@asks("GSL 13.1")
async def test_whether_a_card_is_in_a_pool_and_what_its_ceiling_is(gateway: Gateway, question: Question) -> None:
    """PL-7, PL-3: the pool stands at the card; its ceiling is the pool's total."""
    await answered(gateway, question, "卡是否使用流量池在卡上显示", "生效总流量", "默认无上限")
    one, _ = await a_forward_pool(gateway, {}, {})
    assert (await sim_of(gateway, one))["pool"] == "p1"
    await use(gateway, one, 15 * MB)
    assert (await holds(gateway, one), (await members_of(gateway))[one]) == ([], 15 * MB)


@asks("GSL 13.2")
async def test_total_used_and_remaining_of_a_pool(gateway: Gateway, question: Question) -> None:
    """PL-1, PL-7, BC-3: active cards times the plan, whole in the first cycle."""
    await answered(gateway, question, "已激活卡数×单卡套餐")
    one, _, _ = await a_forward_pool(gateway, {}, {}, {"state": "silent"})
    await use(gateway, one, 4 * MB)
    cycle = await cycle_of(gateway)
    assert (cycle["cards"], cycle["effective_cards"]) == (3, 2)
    assert (cycle["total"], cycle["used"], cycle["remaining"]) == (20 * MB, 4 * MB, 16 * MB)
    assert (cycle["cycle"]["start"], cycle["cycle"]["end"]) == ("2026-12-01", "2027-01-01")


@asks("GSL 13.3", "GSL 13.11")
async def test_why_a_card_cannot_join_a_pool(gateway: Gateway, question: Question) -> None:
    """PL-5: bought without a pool, it does not join one later; nor with another plan or carrier."""
    await answered(gateway, question, "购买后不能修改", "测试卡不支持", "同运营商、同套餐")
    await a_forward_pool(gateway, {})
    row = {"terms": "gsl", "msisdn": "14400000099", "imsi": "460040000000099", "iccid": iccid(99)}
    [alone, other] = await gateway.fleet(
        row | {"plan": "cmcc-forward"}, row | {"msisdn": None, "imsi": None, "iccid": iccid(98)}
    )
    late = await refusal(gateway, alone, "join-pool", {"pool": "p1"})
    assert (late["code"], late["rule"]) == ("RULE_VIOLATION", "PL-5")
    wrong = await gateway.api.post(f"/v1/sims/{other}/join-pool", json={"pool": "p1"})
    assert (wrong.status_code, wrong.json()["errors"][0]["code"]) == (422, "POOL_MISMATCH")


@asks("GSL 13.4", "GSL 13.6", "GSL 13.7")
async def test_no_card_leaves_a_pool(gateway: Gateway, question: Question) -> None:
    """PL-6: nor does it join another one; no request dissolves a pool."""
    await answered(gateway, question, "创建后不能取消", "不能关闭流量共享", "不能退出")
    [one] = await a_forward_pool(gateway, {})
    refused = await refusal(gateway, one, "join-pool", {"pool": "p1"})
    assert (refused["code"], refused["rule"]) == ("RULE_VIOLATION", "PL-6")
    assert (await gateway.api.delete("/v1/pools/p1")).status_code == 405


@asks("GSL 13.5")
async def test_an_exhausted_pool_stops_its_active_cards_and_an_addon_frees_them(
    gateway: Gateway, question: Question
) -> None:
    """PL-1, PL-2, ST-4, QT-7."""
    await answered(gateway, question, "所有已激活的卡都停机")
    one, two, silent = await a_forward_pool(gateway, {}, {}, {"state": "silent"})
    await use(gateway, one, 20 * MB)
    assert [await holds(gateway, card) for card in (one, two, silent)] == [["pool_exhausted"], ["pool_exhausted"], []]
    way = ways(await explained(gateway, two), "pool_exhausted")["order_pool_addon"]
    assert (way["actor"], way["allowed_now"]) == ("self", True)
    assert (await gateway.api.post("/v1/pools/p1/addons", json={"bytes": 10 * MB})).status_code == 201
    await gateway.settle()
    assert [await holds(gateway, card) for card in (one, two)] == [[], []]


@asks("GSL 13.9", "GSL 13.10")
async def test_each_card_is_activated_by_itself_or_all_at_once(gateway: Gateway, question: Question) -> None:
    """PL-2, AC-1: one activation activates no other; the whole pool is activated in bulk and adds its traffic."""
    await answered(gateway, question, "激活")
    one, two, three = await a_forward_pool(gateway, {"state": "silent"}, {"state": "silent"}, {"state": "silent"})
    await gateway.operation(await gateway.api.post(f"/v1/sims/{one}/activate"))
    states = [(await sim_of(gateway, card))["state"] for card in (one, two, three)]
    assert (states, (await cycle_of(gateway))["total"]) == (["active", "silent", "silent"], 10 * MB)
    assert (await gateway.api.post("/v1/pools/p1/activate-members", json={})).status_code == 202
    await gateway.settle()
    await gateway.settle()
    states = [(await sim_of(gateway, card))["state"] for card in (one, two, three)]
    assert (states, (await cycle_of(gateway))["total"]) == (["active"] * 3, 30 * MB)


@asks("GSL 13.12")
async def test_still_stopped_after_the_pools_cards_were_activated(gateway: Gateway, question: Question) -> None:
    """PL-6: the pool has traffic again, the carrier still keeps the card: it lags; wait, then the supplier."""
    await answered(gateway, question, "流量生效有时延", "联系供应商工程师")
    [one] = await a_forward_pool(gateway, {"state": "suspended", "holds": "pool_exhausted"})
    explanation = await explained(gateway, one)
    [hold] = explanation["holds"]
    lags = notices(explanation)["pool_quota_lags"]
    assert (lags["rule"], lags["facts"]) == ("PL-6", {"pool": "p1", "remaining": str(10 * MB)})
    assert (hold["lagging"], [way["action"] for way in hold["remedies"]]) == (True, ["wait", "ask_supplier"])
