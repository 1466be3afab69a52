"""Answers fuzzed by structure, through each client: an error of the tree, or the right value; never another exception,
never a false success.

Right is: what the untouched sample gives, or nothing for what the mutation took away.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest

from app.carriers.base import Progress, ProgressState, SimRef
from app.carriers.errors import CarrierError
from app.domain.calendar.cycles import cycle_named
from app.domain.vocabulary import Carrier, OperationKind
from tests.carriers.fuzzed import mutations
from tests.carriers.harness import ICCID, SIM, Stand, sample, stand

JUNE_CMCC = cycle_named(Carrier.CMCC, "2024-06")
JUNE_CUCC = cycle_named(Carrier.CUCC, "2024-06")
JUNE_CTCC = cycle_named(Carrier.CTCC, "2024-06")
OTHER = SimRef(iccid="89860412102070000001", msisdn="14914000001", imsi="460040123456780")
JOB = [SimRef(iccid="1", msisdn="1440000000001"), SimRef(iccid="2", msisdn="1440000000002")]

ONELINK_TOKEN = b'{"status":"0","message":"","result":[{"token":"t","ttl":"3600"}]}'
Call = Callable[[Stand], Awaitable[Any]]


@dataclass(frozen=True)
class Case:
    """A sample, the call it answers, and what a blank in it may be read as."""

    name: str
    protocol: str
    path: str
    call: Call
    others: dict[str, bytes] = field(default_factory=dict)
    may_change: frozenset[str] = frozenset()
    """Mutations (`field how`) after which the document says something else, and the answer is right to follow it."""


def change(kind: OperationKind, **arguments: Any) -> Call:
    return lambda it: it.client.change(kind, SIM, arguments)


def snapshot(it: Stand) -> Awaitable[Any]:
    return it.client.snapshot([SIM])


EMPTY = ("null", "blank", "an empty list", "an object", "an empty object", "dropped", "renamed")
NOTHING_USED = frozenset(f"{name} {how}" for name in ("result", "dataAmountList") for how in EMPTY)
"""OneLink: an absent dataAmountList means that none of the cards used anything (A6)."""

CASES = [
    Case(
        "onelink/token.json",
        "onelink",
        "get/token",
        snapshot,
        {
            "sim-status": sample("onelink/sim_status.json"),
            "sim-stop-reason": sample("onelink/stop_reason_stacked.json"),
        },
    ),
    Case(
        "onelink/sim_status.json",
        "onelink",
        "query/sim-status",
        snapshot,
        {"sim-stop-reason": sample("onelink/stop_reason_stacked.json")},
    ),
    Case(
        "onelink/stop_reason_stacked.json",
        "onelink",
        "query/sim-stop-reason",
        snapshot,
        {"query/sim-status": sample("onelink/sim_status.json")},
    ),
    Case(
        "onelink/session.json",
        "onelink",
        "query/sim-session",
        lambda it: it.client.session(SIM),
        may_change=frozenset({"simSessionList an empty list"}),
    ),
    Case(
        "onelink/usage_daily.json",
        "onelink",
        "sim-data-usage-daily/batch",
        lambda it: it.client.usage_days([SIM, OTHER], date(2024, 6, 14), date(2024, 6, 14)),
        may_change=NOTHING_USED,
    ),
    Case("onelink/usage_blank.json", "onelink", "sim-data-usage", lambda it: it.client.usage([SIM], JUNE_CMCC)),
    Case(
        "onelink/batch_result.json",
        "onelink",
        "sim-batch-result",
        lambda it: it.client.progress_many(OperationKind.SUSPEND, JOB, "job:1"),
    ),
    Case("onelink/change_accepted.json", "onelink", "change/sim-status", change(OperationKind.SUSPEND)),
    Case("jasper/device.json", "jasper", f"devices/{ICCID}", snapshot),
    Case("jasper/ctdUsages.json", "jasper", "ctdUsages", lambda it: it.client.usage([SIM], JUNE_CUCC)),
    Case(
        "jasper/usageInZone.json",
        "jasper",
        "usageInZone",
        lambda it: it.client.usage([SIM], cycle_named(Carrier.CUCC, "2024-05")),
        may_change=frozenset(
            {
                "deviceCycleUsageInZones an empty object",
                "620WLW005721_MON-FLEX_300M_SP, 1 an empty list",
                "620WLW005721_MON-FLEX_300M_SP, 1 dropped",
            }
        ),
    ),
    Case(
        "jasper/session_online.json",
        "jasper",
        "sessionInfo",
        lambda it: it.client.session(SIM),
        {f"devices/{ICCID}": sample("jasper/device.json")},
        may_change=frozenset({"dateSessionStarted null", "dateSessionStarted blank"}),
    ),
    Case(
        "jasper/search.json", "jasper", "devices", lambda it: it.client.changed_since(datetime(2024, 6, 1, tzinfo=UTC))
    ),
    Case("unicom_cmp/details.json", "unicom_cmp", "wsGetTerminalDetails", snapshot),
    Case("unicom_cmp/details.json", "unicom_cmp", "wsGetTerminalDetails", lambda it: it.client.usage([SIM], JUNE_CUCC)),
    Case("unicom_cmp/edited.json", "unicom_cmp", "wsEditTerminal", change(OperationKind.SUSPEND)),
    Case("unicom_cmp/already.json", "unicom_cmp", "wsEditTerminal", change(OperationKind.SUSPEND)),
    Case(
        "unicom_cmp/usage_details.json",
        "unicom_cmp",
        "wsGetTerminalUsageDataDetails",
        lambda it: it.client.usage_days([SIM], date(2024, 6, 1), date(2024, 6, 15)),
        may_change=frozenset({"usageDetails an empty list"}),
    ),
    Case("ctcc_cmp/queryCardMainStatus.json", "ctcc_cmp", "queryCardMainStatus", snapshot),
    Case("ctcc_cmp/getOnlineStatus.json", "ctcc_cmp", "getOnlineStatus", lambda it: it.client.session(SIM)),
    Case("ctcc_cmp/queryTraffic.xml", "ctcc_cmp", "queryTraffic", lambda it: it.client.usage([SIM], JUNE_CTCC)),
    Case("ctcc_cmp/disabledNumber.xml", "ctcc_cmp", "disabledNumber", change(OperationKind.SUSPEND)),
    Case("ctcc_cmp/IMEIReRecord_over_limit.json", "ctcc_cmp", "IMEIReRecord", change(OperationKind.REBIND)),
    Case(
        "ctwing/queryCardMainStatus.json",
        "ctwing",
        "queryCardMainStatus",
        snapshot,
        may_change=frozenset({"authStatus false"}),
    ),
    Case(
        "ctwing/batchQryFlowByMonth.json", "ctwing", "batchQryFlowByMonth", lambda it: it.client.usage([SIM], JUNE_CTCC)
    ),
    Case("ctwing/qryRealNameStatus.json", "ctwing", "qryRealNameStatus", lambda it: it.client.real_named([SIM])),
    Case("gsl/card.json", "gsl", "sim-cards/0", snapshot),
    Case("gsl/month_usages.json", "gsl", "month-usages", lambda it: it.client.usage([SIM], JUNE_CTCC)),
    Case(
        "gsl/daily_flow.json",
        "gsl",
        "batch-daily-flow",
        lambda it: it.client.usage_days([SIM], date(2024, 6, 10), date(2024, 6, 11)),
    ),
    Case("gsl/work_order.json", "gsl", "sim-cards/0/stop", change(OperationKind.SUSPEND)),
]


def answering(case: Case, body: bytes) -> Stand:
    """A client whose carrier gives this body to the case's call, and what it must to the others."""

    def handle(request: httpx.Request) -> httpx.Response:
        method = request.url.params.get("method", "")
        if method == case.path or request.url.path.endswith(case.path) or case.path in request.url.path.split("/"):
            return httpx.Response(200, content=body)
        for name, content in {"get/token": ONELINK_TOKEN, **case.others}.items():
            if request.url.path.endswith(name):
                return httpx.Response(200, content=content)
        return httpx.Response(404 if case.protocol in ("jasper", "gsl") else 200, content=b"-2")

    return stand(case.protocol, handle)


async def result_of(case: Case, body: bytes) -> Any:
    """What the call gives, or the error of the tree it raises; anything else fails the test."""
    it = answering(case, body)
    try:
        return await case.call(it)
    except CarrierError as error:
        return error
    finally:
        await it.client.close()


def right(found: Any, expected: Any) -> bool:
    """Whether a result is the expected one, or has nothing where the expected one has something."""
    if found == expected or found in (None, (), [], {}, Progress(state=ProgressState.UNREPORTED)):
        return True
    if is_dataclass(expected) and type(found) is type(expected):
        return all(right(getattr(found, one.name), getattr(expected, one.name)) for one in fields(expected))
    if isinstance(expected, dict) and isinstance(found, dict):
        return all(key in expected and right(value, expected[key]) for key, value in found.items())
    if isinstance(expected, list | tuple) and isinstance(found, list | tuple):
        return all(any(right(one, other) for other in expected) for one in found)
    return False


@pytest.mark.parametrize("case", CASES, ids=[f"{case.name} {number}" for number, case in enumerate(CASES)])
async def test_every_mutation_of_a_sample_is_an_error_or_the_right_value(case: Case) -> None:
    expected = await result_of(case, sample(case.name))
    wrong: list[str] = []
    for mutation in mutations(sample(case.name)):
        found = await result_of(case, mutation.body)
        # nobody can tell that a list once had a row more
        says_less = mutation.how == "without a row" or f"{mutation.field} {mutation.how}" in case.may_change
        if isinstance(found, CarrierError) or says_less or right(found, expected):
            continue
        wrong.append(f"{mutation.field} {mutation.how}: {found}")
    assert not wrong, f"expected {expected}\n" + "\n".join(wrong)


@pytest.mark.parametrize("case", [case for case in CASES if case.name == "ctcc_cmp/IMEIReRecord_over_limit.json"])
async def test_no_mutation_turns_a_refusal_into_a_success(case: Case) -> None:
    for mutation in mutations(sample(case.name)):
        assert isinstance(await result_of(case, mutation.body), CarrierError), (mutation.field, mutation.how)


async def test_a_receipt_needs_the_code_of_success() -> None:
    case = next(case for case in CASES if case.name == "unicom_cmp/edited.json")
    for mutation in mutations(sample(case.name)):
        touched = mutation.field in ("status", "resultCode", "data") and mutation.how != "spaces around"
        found = await result_of(case, mutation.body)
        assert isinstance(found, CarrierError) or not touched, (mutation.field, mutation.how)
