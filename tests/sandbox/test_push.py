"""Messages to the customer: Telecom's completion, Jasper's and gwapi's change of device."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from base64 import b64encode
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import pytest
from defusedxml import ElementTree

from tests.sandbox.desk import CTCC, CUCC, Desk, row

SAMPLE = Path(__file__).parent.parent / "samples" / "ctcc_cmp" / "completion_push.xml"
SUSPEND = {"signed": ("", "19"), "acctCd": "", "orderTypeId": "19"}


class Customer:
    """What a customer's address received."""

    def __init__(self) -> None:
        self.received: list[httpx.Request] = []
        self.client = httpx.AsyncClient(transport=httpx.MockTransport(self._take))

    def _take(self, request: httpx.Request) -> httpx.Response:
        self.received.append(request)
        return httpx.Response(200)


@pytest.fixture
async def customer(desk: Desk) -> Customer:
    customer = Customer()
    desk.sandbox.pusher.use(customer.client)
    await desk.control("POST", "settings", {"protocol": "*", "callback_url": "http://customer/callback"})
    return customer


async def completed(desk: Desk) -> str:
    answer = await desk.telecom("disabledNumber", CTCC, **SUSPEND)
    desk.clock.wait(seconds=2)
    await desk.sandbox.tick()
    number = ElementTree.fromstring(answer.text).findtext("GROUP_TRANSACTIONID")
    assert number
    return number


async def test_telecom_tells_the_end_of_an_order(desk: Desk, customer: Customer) -> None:
    number = await completed(desk)
    assert len(customer.received) == 1
    told, documented = ElementTree.fromstring(customer.received[0].content), ElementTree.fromstring(SAMPLE.read_text())
    assert [element.tag for element in told] == [element.tag for element in documented]
    assert told.findtext("GROUP_TRANSACTIONID") == number
    assert (told.findtext("STATUSINFO"), told.findtext("ACCEPTTYPE")) == ("竣工", "8")


@pytest.mark.parametrize(("fault", "times"), [("lose_push", 0), ("duplicate_push", 2)])
async def test_a_push_may_be_lost_or_come_twice(desk: Desk, customer: Customer, fault: str, times: int) -> None:
    await desk.fault(fault, "ctcc_cmp", "suspend", count=1)
    await completed(desk)
    assert len(customer.received) == times
    assert (await desk.sim(CTCC))["effects"] == {"suspend": 1}


async def test_a_push_may_come_before_the_answer(desk: Desk, customer: Customer) -> None:
    await desk.fault("early_push", "ctcc_cmp", "suspend", count=1)
    await desk.telecom("disabledNumber", CTCC, **SUSPEND)
    assert len(customer.received) == 1
    assert (await desk.sim(CTCC))["state"] == "active"
    desk.clock.wait(seconds=2)
    await desk.sandbox.tick()
    assert len(customer.received) == 1


async def test_push_faults_wait_for_a_call_that_pushes(desk: Desk, customer: Customer) -> None:
    await desk.fault("lose_push", "*", "*", count=1)
    await desk.telecom("queryCardMainStatus", CTCC)
    await completed(desk)
    assert customer.received == []


async def test_nothing_is_pushed_where_no_address_is_known(desk: Desk) -> None:
    await completed(desk)
    assert desk.sandbox.store.pushes == {}


async def test_jasper_signs_its_push_and_gwapi_tells_the_card(desk: Desk, customer: Customer) -> None:
    await desk.add(row(CUCC, "cucc", imei="868739050000005"))
    await desk.control("POST", "device", {"iccid": CUCC, "imei": "860000000000001"})
    await asyncio.sleep(0)
    await desk.sandbox.tick()
    form = {name: values[0] for name, values in parse_qs(customer.received[0].content.decode()).items()}
    key = b"sandbox-jasper-push"
    expected = b64encode(hmac.new(key, form["timestamp"].encode(), hashlib.sha256).digest()).decode()
    assert form["signature2"] == expected
    data = ElementTree.fromstring(form["data"])
    space = {"j": "http://api.jasperwireless.com/ws/schema"}
    assert data.findtext("j:previousImei", namespaces=space) == "868739050000005"
    assert data.findtext("j:currentImei", namespaces=space) == "860000000000001"
    assert b'"iccid":"%s"' % CUCC.encode() in customer.received[1].content


async def test_a_customer_who_is_not_there_does_not_stop_the_sandbox(desk: Desk) -> None:
    await desk.control("POST", "settings", {"protocol": "ctcc_cmp", "callback_url": "http://127.0.0.1:1/none"})
    await desk.telecom("disabledNumber", CTCC, **SUSPEND)
    desk.clock.wait(seconds=2)
    assert (await desk.sim(CTCC))["state"] == "suspended"
