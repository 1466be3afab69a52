"""The questions of the two manuals (GSL: its FAQ; FM: its chapter four), by number, and how a test puts one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.gateway import Gateway

QUESTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "GSL 2.1": ("物联网卡什么时候开始计算费用？", ("VD-1",)),
    "GSL 2.2": ("物联网卡沉默期多久？使用时间/生效时间如何计算？", ("LC-2",)),
    "GSL 2.3": ("海外运营商提供的物联网卡测试期多久？使用时间/生效时间如何计算？", ("LC-2",)),
    "GSL 2.4": ("物联网卡的有效时间是从卡激活开始算起，还是下单就开始算起呢？", ("VD-1",)),
    "GSL 3.1": ("全球 SIM 联接服务当前支持哪些卡类型？", ("CP-1",)),
    "GSL 3.2": ("高风险地区详细名单", ("RG-4",)),
    "GSL 3.3": ("各运营商支持什么网络？", ("CP-1",)),
    "GSL 3.4": ("已经购买的物联网卡可以设置定向流量吗？", ("DR-1",)),
    "GSL 3.5": ("可以把订单下的部分物联网卡设置为定向流量吗？", ("DR-1",)),
    "GSL 3.6": ("改成定向流量后，是否可以再改成公共流量？", ("DR-2",)),
    "GSL 3.7": ("物联网卡是否能在手机上使用？", ("LC-5",)),
    "GSL 3.8": ("物联网卡能否指定号段？", ("OR-2",)),
    "GSL 3.9": ("企业使用全球 SIM 联接服务，比从运营商处直接购卡有什么优势？", ()),
    "GSL 3.10": ("全球 SIM 联接服务是否支持退订？", ("OR-2",)),
    "GSL 3.11": ("全球 SIM 联接服务对模组是否有要求？", ("CP-1",)),
    "GSL 3.12": ("物联网卡支持单独断网/达量断网吗？", ("QT-5", "QT-4")),
    "GSL 4.1": ("定向域名支持的协议有哪些？", ("DR-1",)),
    "GSL 4.2": ("如何配置定向信息？", ("DR-1",)),
    "GSL 4.3": ("为什么无法删除定向？", ("DR-2",)),
    "GSL 5.1": ("能否购买少量物联网卡？", ("OR-3",)),
    "GSL 5.2": ("开发票在哪个页面？", ("IV-1",)),
    "GSL 5.3": ("相同套餐和数量的订单为什么不同时间购买价格不一样？", ()),
    "GSL 5.4": ("物联网卡购买后可以更换运营商和套餐吗？", ("OR-2",)),
    "GSL 5.5": ("可以购买 NB 卡吗？", ("OR-2", "CP-1")),
    "GSL 5.6": ("可以使用 IAM 子账号购买物联网流量吗？", ()),
    "GSL 5.7": ("物联网卡怎么充值呢？", ("QT-7",)),
    "GSL 5.8": ("流量用完了之后我可以单独购买流量包吗？", ("QT-7",)),
    "GSL 5.9": ("流量不够用，可以退单吗？或者怎么解决？", ("OR-2",)),
    "GSL 6.1": ("下单后什么时候发货？怎么查看物流信息？", ("SL-6", "OR-1")),
    "GSL 7.1": ("物联网卡插入设备后如何激活？", ("LC-4",)),
    "GSL 8.1": ("怎么查看物联网卡已用流量、剩余流量、月用量以及用量趋势？", ("US-1",)),
    "GSL 8.2": ("物联网卡流量多久更新一次？", ("US-2",)),
    "GSL 9.1": ("如何查询购买的物联网卡的卡号、MSISDN 等基本信息？", ("OR-1", "EX-1")),
    "GSL 9.2": ("怎样绑定设备？", ("DV-1",)),
    "GSL 9.3": ("绑定设备后还能更换设备吗，怎样解绑？", ("DV-3",)),
    "GSL 9.4": ("物联网卡是否支持通用流量？", ("DR-3",)),
    "GSL 9.5": ("运营商的 APN 是多少？", ("CP-1",)),
    "GSL 9.6": ("客户物联网卡丢失，如何进行补卡？", ("OR-2",)),
    "GSL 9.7": ("物联网卡基本信息怎么导出？", ("EX-2",)),
    "GSL 9.8": ("请问 NB 卡跟普通物联网卡有什么区别？", ("CP-1",)),
    "GSL 9.9": ("业务受理周期一般需要多久处理（批量激活/停机/复机等）？", ("SL-3",)),
    "GSL 9.10": ("物联网卡已经在使用了，后台显示可测试/可激活？", ("LC-2", "LC-6")),
    "GSL 9.11": (
        "个人实名认证卡在未实名认证下，直接上电后，卡处于什么状态？这个时候会否还没有计算使用周期？",
        ("LC-5",),
    ),
    "GSL 9.12": ("卡处于未实名认证停机状态时，做了实名认证后上电，卡是不是就能使用了？", ("ST-10",)),
    "GSL 9.13": ("物联网卡收到了控制台怎么看不到卡数据？", ("LC-18",)),
    "GSL 9.14": ("如何重置网络？", ("SL-5",)),
    "GSL 9.15": ("为什么物联网卡网络信号弱？", ("DG-1",)),
    "GSL 10.1": ("物联网卡插入设备无法使用/已正常使用的物联网卡突然无法使用/频繁掉线", ("DG-1",)),
    "GSL 10.2": ("物联网卡被停机怎么查看原因？", ("DG-2",)),
    "GSL 10.3": ("在手机上使用物联网卡导致该卡被停机怎么恢复？", ("ST-7",)),
    "GSL 10.4": ("更换设备后物联网卡无法使用，怎么恢复？", ("DV-3",)),
    "GSL 10.5": ("物联网卡/前向流量池超流量停机之后，怎么恢复？", ("ST-4", "ST-2")),
    "GSL 10.6": ("卡停机/停用状态，怎么复机？", ("ST-20",)),
    "GSL 10.7": ("如果有部分卡丢失，需要做停机处理时该如何操作？", ("AC-1",)),
    "GSL 10.8": ("为什么月初了，卡还是停机状态？", ("ST-21",)),
    "GSL 10.9": ("为什么物联网卡无法复机？", ("ST-20",)),
    "GSL 11.1": ("华为云二级账号如何创建、如何登录、有哪些权限？", ()),
    "GSL 12.1": ("物联网卡如何续费？", ("RN-3",)),
    "GSL 12.2": ("续费时是按照第一次下单的价格和套餐收费吗？", ("RN-4",)),
    "GSL 12.3": ("物联网卡之前在运营商买的，续费可以通过华为云续费吗？", ("RN-5",)),
    "GSL 12.4": ("能否对订单的部分物联网卡进行续费？", ("RN-7",)),
    "GSL 12.5": ("物联网卡续费时可以更换运营商或者套餐吗？", ("RN-4",)),
    "GSL 13.1": ("怎么查看是否有使用流量池？单卡流量上限是多少？", ("PL-3", "PL-7")),
    "GSL 13.2": ("怎样查看流量池的总流量、已用流量以及剩余流量？", ("PL-1",)),
    "GSL 13.3": ("非流量池订单购买后是否可以修改为流量池订单？", ("PL-5",)),
    "GSL 13.4": ("前向流量池订单购买后可以取消流量池吗？", ("PL-6",)),
    "GSL 13.5": ("如果当月流量超出，前向流量池里的所有卡都会停机吗？有什么方式能够充值流量？", ("PL-1",)),
    "GSL 13.6": ("可以把前向流量池里的部分卡改成非前向流量池的单卡套餐吗？", ("PL-6",)),
    "GSL 13.7": ("如果下单时开通了流量共享，后期使用中是否能关闭流量共享，变为单张卡独立流量？", ("PL-6",)),
    "GSL 13.8": ("同一个订单物联网卡，能否划分到不同的流量池中？", ("PL-5",)),
    "GSL 13.9": ("前向流量池的卡是激活一张全部都激活吗？", ("PL-2",)),
    "GSL 13.10": ("通过激活物联网卡来贡献流量如何操作呢？", ("AC-1",)),
    "GSL 13.11": ("为什么物联网卡无法加入流量池？", ("PL-5",)),
    "GSL 13.12": ("为什么激活了前向流量池后物联网卡还是显示已停用？", ("PL-6",)),
    "FM FAQ 1": ("为什么物联网卡买来一直没用过，使用的时候提示卡已过期或者剩余时间不到1年？", ("DG-3",)),
    "FM FAQ 2": ("假设客户在A省将设备上线了，用了20M，隔了半年再发到外省，会绑定哪个区域？", ("RG-2",)),
    "FM FAQ 3": ("为什么有的卡能直接在manager改套餐续费，有的不行？", ("RN-4",)),
    "FM FAQ 4": ("若卡拔出后，放入原设备，会机卡分离锁卡吗？", ("DV-4",)),
    "FM FAQ 5": ("移动的物联网卡的套餐周期是怎么计算的？", ("VD-2",)),
}
"""Every question's heading, and the rules that answer it, the best first."""

NOT_OURS: dict[str, str] = {
    "GSL 3.9": "why to buy from this supplier and not from a carrier: sales, no rule",
    "GSL 5.3": "discounts of the supplier's campaigns: what a plan costs is its price_fen",
    "GSL 5.6": "the supplier's own accounts and their permissions",
    "GSL 11.1": "the supplier's own accounts and their permissions",
}
"""The questions that are not about cards, rules, carriers or money, and what they are about."""

FIRST = 3
"""A rule answers a question if it is among so many that the question finds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question of a manual, with the rules that answer it, the best first."""

    number: str
    heading: str
    rules: tuple[str, ...]


def asks(*numbers: str) -> pytest.MarkDecorator:
    """A test for each of these questions, named by its heading, which it gets as `question`."""
    put = [Question(number=one, heading=QUESTIONS[one][0], rules=QUESTIONS[one][1]) for one in numbers]
    return pytest.mark.parametrize("question", put, ids=[f"{one.number} {one.heading}" for one in put])


async def answered(gateway: Gateway, question: Question, *facts: str) -> None:
    """The catalogue answers a heading with its rules, the best first; their Chinese texts have these facts."""
    query = {"q": question.heading, "limit": FIRST}
    found = (await gateway.api.get("/v1/rules", params=query)).json()["items"]
    told = {rule["id"]: rule["text"]["zh"] for rule in found}
    assert next(iter(told)) == question.rules[0], list(told)
    assert set(question.rules) <= set(told), list(told)
    missing = [fact for fact in facts if fact not in "".join(told[rule] for rule in question.rules)]
    assert not missing


async def explained(gateway: Gateway, iccid: str, **device: str) -> dict[str, Any]:
    """The explanation of a card, with what the caller knows of its device."""
    answer = await gateway.api.get(f"/v1/sims/{iccid}/explanation", params=device)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def checks(explanation: dict[str, Any], symptom: str) -> dict[str, tuple[str, str, str | None]]:
    """A checklist: each check's answer, rule and advice."""
    return {
        one["check"]: (one["answer"], one["rule"], one["remedy"] and one["remedy"]["action"])
        for one in explanation["checklists"][symptom]
    }


def notices(explanation: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The notices by their codes."""
    return {one["code"]: one for one in explanation["notices"]}


def ways(explanation: dict[str, Any], hold: str) -> dict[str, dict[str, Any]]:
    """What lifts a hold, by action."""
    [found] = [one for one in explanation["holds"] if one["code"] == hold]
    return {one["action"]: one for one in found["remedies"]}


async def refusal(gateway: Gateway, iccid: str, action: str, body: dict[str, Any] | None = None) -> Any:
    """Why an action would be refused now; None: it would be accepted."""
    answer = await gateway.api.post(f"/v1/sims/{iccid}/{action}?dry_run=true", json=body or {})
    assert answer.status_code == 200, answer.text
    return answer.json()["refusal"]
