"""What carriers push: verified as far as they allow, read, acknowledged."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest

from app.carriers.errors import CarrierProtocolError
from app.carriers.jasper import notifications as jasper
from app.carriers.notifications import MAX_BYTES, NotAuthentic, NoticeKind, Push, bounded
from app.carriers.telecom import push as telecom_push
from app.carriers.unicom_cmp import notifications as unicom
from tests.carriers.harness import sample

AT = datetime(2024, 6, 1, 8, 0, 5, tzinfo=UTC)
FORM = "application/x-www-form-urlencoded; charset=UTF-8"
SECRET = {"push_secret": "s3cret"}
TIMESTAMP = "2024-06-01T08:00:00.000Z"
SIGNED = {
    "eventId": "E-1",
    "eventType": "IMEI_CHANGE",
    "timestamp": TIMESTAMP,
    "signature": "//9Drzf54Biz9j+haSgdhS00vFw=",
    "signature2": "NkAk0we3qQ91wlT2fHYj5COrLLu9oY22pckTJ7td1uY=",
    "data": '<ImeiChange xmlns="http://api.jasperwireless.com/ws/schema"><iccid>8986061</iccid><currentImei>868739050000005</currentImei></ImeiChange>',
}


def form(**changes: str | None) -> Push:
    fields = {name: value for name, value in {**SIGNED, **changes}.items() if value is not None}
    return Push(body=urlencode(fields).encode(), content_type=FORM, at=AT)


def test_a_signed_form_with_xml_is_read() -> None:
    received = jasper.receive(form(), SECRET)
    assert received is not None
    notice = received.notice
    assert (notice.external_id, notice.kind, notice.iccid) == ("E-1", NoticeKind.DEVICE_CHANGED, "8986061")
    assert notice.payload["currentImei"] == "868739050000005"


@pytest.mark.parametrize("nested", [False, True])
def test_the_json_variant_has_the_same_keys(nested: bool) -> None:
    content: dict[str, object] = {**SIGNED, "eventType": "CTD_USAGE"}
    if nested:
        content["data"] = {"iccid": "8986061", "dataUsage": 5}
    received = jasper.receive(Push(body=json.dumps(content).encode(), content_type="application/json", at=AT), SECRET)
    assert received is not None
    assert received.notice.kind is NoticeKind.USAGE
    assert received.notice.iccid == "8986061"


@pytest.mark.parametrize(
    "push",
    [
        form(signature="x", signature2=None),
        form(signature2="x"),
        form(signature=None, signature2=None),
        form(timestamp="2024-06-01T08:00:01.000Z"),
        form(timestamp="yesterday"),
    ],
)
def test_a_push_with_a_wrong_or_missing_signature_is_not_authentic(push: Push) -> None:
    with pytest.raises(NotAuthentic):
        jasper.receive(push, SECRET)


def test_either_signature_alone_is_enough_and_without_a_secret_none_is() -> None:
    assert jasper.receive(form(signature=None), SECRET)
    assert jasper.receive(form(signature2=None), SECRET)
    with pytest.raises(NotAuthentic):
        jasper.receive(form(), {})


def test_an_old_signed_timestamp_proves_nothing() -> None:
    push = form()
    with pytest.raises(NotAuthentic):
        jasper.receive(Push(body=push.body, content_type=FORM, at=AT + timedelta(days=2)), SECRET)


@pytest.mark.parametrize(
    "data",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x><iccid>&b;</iccid></x>',
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x><iccid>&a;</iccid></x>',
        "<x><iccid>",
    ],
)
def test_entities_and_broken_xml_are_not_read(data: str) -> None:
    with pytest.raises(CarrierProtocolError):
        jasper.receive(form(data=data), SECRET)


def test_a_completion_is_read_and_acknowledged_as_the_document_prints_it() -> None:
    received = telecom_push.receive(
        Push(body=sample("ctcc_cmp/completion_push.xml"), content_type="text/xml", at=AT), {}
    )
    assert received is not None
    notice = received.notice
    assert (notice.kind, notice.reference, notice.msisdn) == (
        NoticeKind.COMPLETION,
        "1000000252201606149170517340",
        "14914000000",
    )
    assert (notice.succeeded, notice.payload["ACCEPTTYPE"]) == (True, "8")
    assert (
        received.ack.decode()
        == "<ContractRoot><SUCCESS>true</SUCCESS><NOTIFY_CODE>000000</NOTIFY_CODE><RESULTMSG>调用成功</RESULTMSG></ContractRoot>"
    )


def test_the_same_completion_twice_has_one_id_and_a_failed_one_another() -> None:
    body = sample("ctcc_cmp/completion_push.xml")
    ids = []
    for content in (body, body, body.replace("竣工".encode(), "失败".encode())):
        received = telecom_push.receive(Push(body=content, content_type="text/xml", at=AT), {})
        assert received is not None
        ids.append((received.notice.external_id, received.notice.succeeded))
    assert ids[0] == ids[1]
    assert ids[2][0] != ids[0][0]
    assert ids[2][1] is False


def test_an_alarm_completes_nothing() -> None:
    body = "<NotifyContractRoot><TYPE>2</TYPE><ACCNBR>14914000000</ACCNBR><WARNINGTYPE>1</WARNINGTYPE></NotifyContractRoot>"
    received = telecom_push.receive(Push(body=body.encode(), content_type="text/xml", at=AT), {})
    assert received is not None
    assert (received.notice.kind, received.notice.succeeded, received.notice.reference) == (
        NoticeKind.ALARM,
        None,
        None,
    )


def test_gwapi_pushes_a_changed_device_and_a_later_change_is_another_push() -> None:
    body = b'{"data":{"iccid":"89860612102070012348"}}'
    ids = set()
    for at in (AT, AT + timedelta(seconds=10), AT + timedelta(hours=1)):
        received = unicom.receive(Push(body=body, content_type="application/json", at=at), {})
        assert received is not None
        assert received.notice.kind is NoticeKind.DEVICE_CHANGED
        ids.add(received.notice.external_id)
    assert len(ids) == 2


@pytest.mark.parametrize("body", [b"hello", b'{"x":1}', b"<x/>", b""])
def test_a_body_of_another_shape_is_left_to_others(body: bytes) -> None:
    push = Push(body=body, content_type=FORM, at=AT)
    assert jasper.receive(push, SECRET) is None
    assert telecom_push.receive(push, {}) is None
    assert unicom.receive(push, {}) is None


def test_a_push_of_a_size_none_has_is_refused() -> None:
    with pytest.raises(CarrierProtocolError):
        bounded(Push(body=b" " * (MAX_BYTES + 1), content_type=FORM, at=AT))
