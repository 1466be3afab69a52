"""Whatever a carrier sends, a client returns or raises one error of the tree: never another exception."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.carriers.account_client import AccountClient
from app.carriers.errors import CarrierError, CarrierProtocolError
from app.carriers.http import parse
from app.carriers.jasper import notifications as jasper_inbound
from app.carriers.notifications import NotAuthentic, Push
from app.carriers.telecom import push as telecom_push
from app.carriers.unicom_cmp import notifications as unicom_inbound
from app.domain.calendar.cycles import cycle_named
from app.domain.vocabulary import Carrier, OperationKind
from tests.carriers.harness import SAMPLES, SIM, stand
from tests.examples import tries

PROTOCOLS = ["onelink", "jasper", "unicom_cmp", "ctcc_cmp", "ctwing", "gsl"]
DOCUMENTS = {protocol: sorted(path.read_bytes() for path in (SAMPLES / protocol).iterdir()) for protocol in PROTOCOLS}
TOKEN = json.dumps({"status": "0", "result": [{"token": "t", "ttl": "3600"}]}).encode()
CYCLE = {
    protocol: cycle_named(Carrier.CUCC if protocol in ("jasper", "unicom_cmp") else Carrier.CTCC, "2024-06")
    for protocol in PROTOCOLS
}

Asking = Callable[[AccountClient, str], Awaitable[object]]

ASKINGS: dict[str, Asking] = {
    "suspend": lambda client, _: client.change(OperationKind.SUSPEND, SIM, {}),
    "activate": lambda client, _: client.change(OperationKind.ACTIVATE, SIM, {}),
    "many": lambda client, _: client.change_many(OperationKind.SUSPEND, [SIM, SIM], {}),
    "progress": lambda client, _: client.progress(OperationKind.SUSPEND, SIM, "1000001"),
    "job": lambda client, _: client.progress(OperationKind.SUSPEND, SIM, "job:1"),
    "snapshot": lambda client, _: client.snapshot([SIM]),
    "snapshots": lambda client, _: client.snapshot([SIM, SIM]),
    "usage": lambda client, protocol: client.usage([SIM], CYCLE[protocol]),
    "usages": lambda client, protocol: client.usage([SIM, SIM], CYCLE[protocol]),
    "days": lambda client, _: client.usage_days([SIM], date(2024, 6, 13), date(2024, 6, 14)),
    "session": lambda client, _: client.session(SIM),
    "real_name": lambda client, _: client.real_named([SIM]),
    "changed": lambda client, _: client.changed_since(datetime(2024, 6, 14, tzinfo=UTC)),
}

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        [
            "",
            " ",
            "0",
            "0000",
            "1",
            "2",
            "-1",
            "4",
            "12.34MB",
            "1e999",
            "9" * 400,
            "\x00",
            "成功",
            "2024-13-45",
            "0001-01-01 00:00:00",
        ]
    ),
)
shapes = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["status", "result", "data", "code", "message", "iccid", "x"]), inner, max_size=4
        ),
    ),
    max_leaves=8,
)


@st.composite
def corrupted(draw: st.DrawFn, protocol: str) -> bytes:
    """A documented answer, corrupted: cut, mistyped, doubled, mis-encoded, made huge, or not touched at all."""
    content = draw(st.sampled_from(DOCUMENTS[protocol]))
    how = draw(st.sampled_from(["as it is", "cut", "mistyped", "bytes", "encoded", "nested", "replaced"]))
    if how == "cut":
        return content[: draw(st.integers(0, len(content)))]
    if how == "bytes":
        place = draw(st.integers(0, max(0, len(content) - 1)))
        return content[:place] + draw(st.binary(min_size=1, max_size=4)) + content[place + 1 :]
    if how == "encoded":
        return content.decode().encode(draw(st.sampled_from(["gb18030", "utf-16", "utf-8-sig", "utf-7"])))
    if how == "nested":
        opening, closing = draw(st.sampled_from([(b"[", b"]"), (b'{"data":', b"}"), (b"<a>", b"</a>")]))
        depth = draw(st.sampled_from([10, 5_000]))
        return opening * depth + content + closing * depth
    if how == "mistyped" and content.lstrip()[:1] in b"{[":
        return json.dumps(draw(mistyped(json.loads(content)))).encode()
    if how == "replaced":
        return json.dumps(draw(shapes)).encode()
    return content


@st.composite
def mistyped(draw: st.DrawFn, value: object) -> object:
    """A JSON value in which something is of another type, gone, or strange."""
    if draw(st.integers(0, 5)) == 0:
        return draw(shapes)
    if isinstance(value, dict):
        kept = {name: draw(mistyped(inner)) for name, inner in value.items()}
        if kept and draw(st.integers(0, 4)) == 0:
            kept.pop(draw(st.sampled_from(sorted(kept))))
        return kept
    if isinstance(value, list):
        return [draw(mistyped(inner)) for inner in value] * draw(st.sampled_from([1, 1, 2]))
    return value


def carrier_saying(protocol: str, content: bytes) -> AccountClient:
    def answer(request: httpx.Request) -> httpx.Response:
        is_token = protocol == "onelink" and request.url.path.endswith("get/token")
        return httpx.Response(200, content=TOKEN if is_token else content)

    return stand(protocol, answer).client


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(data=st.data())
@settings(
    max_examples=tries(120), deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
async def test_a_spoilt_answer_is_an_error_of_the_tree_or_a_value(protocol: str, data: st.DataObject) -> None:
    content = data.draw(corrupted(protocol))
    asking = data.draw(st.sampled_from(sorted(ASKINGS)))
    error = await error_of(ASKINGS[asking](carrier_saying(protocol, content), protocol))
    assert error is None or len(error.detail) < 3000
    assert error is None or "\x00" not in (error.carrier_code or "")


async def error_of(work: Awaitable[object]) -> CarrierError | None:
    try:
        await work
    except CarrierError as error:
        return error
    return None


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(content=st.binary(max_size=200))
@settings(max_examples=tries(40), deadline=None)
async def test_random_bytes_are_never_a_change_that_succeeded(protocol: str, content: bytes) -> None:
    with pytest.raises(CarrierError):
        await carrier_saying(protocol, content).change(OperationKind.SUSPEND, SIM, {})


@given(
    body=st.one_of(st.binary(max_size=300), shapes.map(lambda value: json.dumps(value).encode())),
    kind=st.sampled_from(["application/x-www-form-urlencoded", "application/json", "text/xml", ""]),
)
@settings(max_examples=tries(200), deadline=None)
def test_a_strange_push_is_refused_or_left_to_others(body: bytes, kind: str) -> None:
    push = Push(body=body, content_type=kind, at=datetime(2024, 6, 1, 8, tzinfo=UTC))
    for receive in (jasper_inbound.receive, telecom_push.receive, unicom_inbound.receive):
        try:
            receive(push, {"push_secret": "s3cret"})
        except (NotAuthentic, CarrierProtocolError):
            continue


@pytest.mark.parametrize(
    ("number", "unit", "expected"),
    [
        ("1", 1024, 1024),
        ("0.5", 1, 1),
        ("0.4", 1, 0),
        ("1.0005", 1024, 1025),
        (" 12 ", 1024, 12_288),
        ("", 1, None),
        (" ", 1, None),
        (None, 1, None),
    ],
)
def test_amounts_are_rounded_half_up_once(number: str | None, unit: int, expected: int | None) -> None:
    assert parse.amount(number, unit) == expected


@given(st.integers(0, 10**9), st.integers(0, 99))
def test_two_decimals_of_a_megabyte_lose_less_than_a_hundredth_of_one(integer: int, hundredths: int) -> None:
    exact = (integer * 100 + hundredths) * 1024 * 1024
    read = parse.amount(f"{integer}.{hundredths:02d}", 1024 * 1024)
    assert read is not None
    assert abs(read * 100 - exact) <= 50


@pytest.mark.parametrize(
    "body", [b'{"a":NaN}', b'{"a":1e400}', b'{"a":' + b"9" * 5000 + b"}", b"[" * 100_000, b'{"a":"\xed\xa0\x80"}']
)
def test_json_that_python_would_choke_on_is_unreadable(body: bytes) -> None:
    with pytest.raises(CarrierProtocolError):
        parse.json_object(body)


def test_a_lone_surrogate_cannot_be_kept() -> None:
    value = parse.json_object(b'{"a":"\\ud800"}')["a"]
    with pytest.raises(CarrierProtocolError):
        parse.text(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2016-06-29 00:21:33.339+0000", datetime(2016, 6, 29, 0, 21, 33, 339000, tzinfo=UTC)),
        ("2018-09-26T03:02:18.393Z", datetime(2018, 9, 26, 3, 2, 18, 393000, tzinfo=UTC)),
        ("2018-09-26T03:02:18+08:00", datetime(2018, 9, 25, 19, 2, 18, tzinfo=UTC)),
        ("2024-06-15 12:00:00", datetime(2024, 6, 15, 4, tzinfo=UTC)),
        ("20240615120000", datetime(2024, 6, 15, 4, tzinfo=UTC)),
        ("20240615", datetime(2024, 6, 14, 16, tzinfo=UTC)),
        ("", None),
    ],
)
def test_times_in_every_form_seen(text: str, expected: datetime | None) -> None:
    from zoneinfo import ZoneInfo

    assert parse.instant(text, ZoneInfo("Asia/Shanghai")) == expected


def test_a_sentinel_day_is_no_day() -> None:
    assert parse.day("0001-01-01 00:00:00", UTC) is None
