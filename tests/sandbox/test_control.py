"""The control API: what a test may ask of the carriers' side."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox.app import create_sandbox
from sandbox.options import ProtocolSettings, SandboxOptions
from tests.sandbox.desk import CMCC, CTCC, CUCC, Desk, HandClock, row


async def test_a_card_shows_through_every_protocol_of_its_carrier(desk: Desk) -> None:
    await desk.add(row("89852012102070012346", "overseas"))
    assert (await desk.sim(CMCC))["protocols"] == ["onelink", "gsl"]
    assert (await desk.sim(CUCC))["protocols"] == ["jasper", "unicom_cmp", "gsl"]
    assert (await desk.sim(CTCC))["native_state"] == {"ctcc_cmp": "4", "ctwing": "4", "gsl": 20}
    assert (await desk.sim("89852012102070012346"))["protocols"] == ["jasper"]


async def test_effects_are_what_happened_and_requests_what_was_asked(desk: Desk) -> None:
    device = f"/devices/{CUCC}"
    for status in ("DEACTIVATED", "DEACTIVATED", "ACTIVATED", "TEST_READY"):
        await desk.jasper("PUT", device, {"status": status})
    await desk.http.put(f"/jasper/rws/api/v1{device}", json={"status": "DEACTIVATED"}, auth=("no", "body"))
    sim = await desk.sim(CUCC)
    assert (sim["effects"], sim["requests"], sim["own"]) == ({"suspend": 1, "resume": 1}, 4, {})
    stats = (await desk.control("GET", "stats"))["jasper"]
    assert (stats["requests"], stats["effects"]) == (5, {"suspend": 1, "resume": 1})
    assert stats["by_operation"] == {"suspend": 3, "resume": 1, "other": 1}


@pytest.mark.parametrize("advance", ["P31D", "31d", "744h", "PT744H"])
async def test_the_clock_moves_by_a_duration(desk: Desk, advance: str) -> None:
    assert (await desk.control("POST", "clock", {"advance": advance}))["now"] == "2026-12-22T04:00:00.000Z"


async def test_the_clock_moves_to_an_instant_and_never_back(desk: Desk) -> None:
    answer = await desk.control("POST", "clock", {"now": "2026-12-01T00:00:00+08:00"})
    assert answer["now"] == "2026-11-30T16:00:00.000Z"
    back = await desk.http.post("/_control/clock", json={"now": "2026-11-30T00:00:00+08:00"})
    assert back.status_code == 409
    assert (await desk.http.post("/_control/clock", json={"advance": "soon"})).status_code == 422


async def test_what_falls_due_happens_in_order_each_at_its_own_instant(desk: Desk) -> None:
    await desk.control("POST", "settings", {"protocol": "onelink", "completion_s": 3600})
    await desk.control("POST", "settings", {"protocol": "ctcc_cmp", "completion_s": 60})
    await desk.onelink("change/sim-status", iccid=CMCC, operType="0")
    await desk.telecom("disabledNumber", CTCC, signed=("", "19"), acctCd="", orderTypeId="19")
    clock = await desk.control("GET", "clock")
    assert clock == {"now": "2026-11-21T04:00:00.000Z", "next": "2026-11-21T04:01:00.000Z"}
    await desk.control("POST", "clock", {"now": clock["next"]})
    assert (await desk.sim(CTCC))["state"] == "suspended"
    assert (await desk.control("GET", "clock"))["next"] == "2026-11-21T05:00:00.000Z"
    await desk.control("POST", "clock", {"advance": "1d"})
    await desk.onelink_token()
    history = (await desk.onelink("query/sim-change-history", iccid=CMCC))["result"][0]["changeHistoryList"]
    assert history == [{"descStatus": "2", "targetStatus": "4", "changeDate": "2026-11-21 13:00:00"}]


async def test_replacing_a_card_begins_it_anew(desk: Desk) -> None:
    await desk.onelink("change/sim-status", iccid=CMCC, operType="0")
    answer = await desk.http.post("/_control/sims", content=json.dumps(row(CMCC, "cmcc")))
    assert answer.json() == {"rows": 1, "added": 0, "replaced": 1, "rejected": []}
    desk.clock.wait(seconds=5)
    sim = await desk.sim(CMCC)
    assert (sim["state"], sim["effects"], sim["requests"]) == ("active", {}, 0)


async def test_good_rows_are_taken_where_others_are_bad(desk: Desk) -> None:
    lines = [json.dumps(row("89860412102070012355", "cmcc")), json.dumps({"iccid": "1", "carrier": "cmcc"})]
    answer = await desk.http.post("/_control/sims", content="\n".join(lines))
    assert (answer.json()["added"], answer.json()["rejected"][0]["line"]) == (1, 2)
    assert (await desk.http.post("/_control/sims", content=lines[1])).status_code == 422
    assert (await desk.http.post("/_control/sims", content="{nonsense")).status_code == 422


async def test_a_csv_fleet_is_taken_at_the_first_start(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.csv"
    fleet.write_text(
        "\ufefficcid,carrier,terms,plan,state,activated_on,holds,tags\n"
        f"{CMCC},cmcc,flexem,cmcc-100m,suspended,2026-01-05,policy_cutoff,a=b;platform=PB\n"
        f"{CTCC},ctcc,standard,ctcc-1g,,,,\n"
    )
    sandbox = create_sandbox(SandboxOptions(fleet=fleet), HandClock())
    card = sandbox.store.cards[CMCC]
    assert (card.visible_state(), list(card.holds), card.pb) == ("suspended", ["manual"], True)
    assert sandbox.store.cards[CTCC].visible_state() == "silent"
    await sandbox.close()


async def test_reset_brings_the_start_back_and_leaves_the_clock(desk: Desk) -> None:
    await desk.fault("status_500")
    await desk.control("POST", "settings", {"protocol": "jasper", "per_second": 1})
    now = (await desk.control("POST", "clock", {"advance": "1d"}))["now"]
    assert await desk.control("POST", "reset") == {"sims": 0}
    assert (await desk.http.get(f"/_control/sims/{CMCC}")).status_code == 404
    assert (await desk.control("GET", "settings"))["jasper"]["per_second"] is None
    assert (await desk.control("GET", "clock"))["now"] == now


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"protocol": "telex"}, 422),
        ({"protocol": "jasper", "colour": 1}, 422),
        ({"protocol": "jasper", "per_second": "fast"}, 422),
        ({"protocol": "jasper", "lag": "long"}, 422),
        ([], 422),
    ],
)
async def test_settings_that_cannot_be_are_refused(desk: Desk, body: object, status: int) -> None:
    assert (await desk.http.post("/_control/settings", json=body)).status_code == status


@pytest.mark.parametrize(("method", "path"), [("GET", "nothing"), ("PUT", "sims"), ("GET", f"sims/{CMCC[:-1]}9")])
async def test_what_is_not_there_is_not_found(desk: Desk, method: str, path: str) -> None:
    assert (await desk.http.request(method, f"/_control/{path}")).status_code == 404


async def test_an_unreadable_body_is_told(desk: Desk) -> None:
    assert (await desk.http.post("/_control/faults", content="{")).status_code == 400


async def test_the_control_api_answers_loopback_only() -> None:
    sandbox = create_sandbox(SandboxOptions(), HandClock())
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b""}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/_control/clock", "query_string": b"", "headers": []}
    await sandbox({**scope, "client": ("192.0.2.1", 1)}, receive, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 403
    await sandbox.close()


async def test_only_the_protocols_asked_for_are_there() -> None:
    desk = Desk()
    sandbox = create_sandbox(
        SandboxOptions(protocols=("jasper",), settings={"jasper": ProtocolSettings()}), HandClock()
    )
    assert list(sandbox.servers) == ["jasper"]
    with pytest.raises(ValueError, match="telex"):
        SandboxOptions(protocols=("telex",))
    await sandbox.close()
    await desk.close()
