"""DG-1 and DG-2 through the HTTP API: every check in its three answers, every hold with what lifts it."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from app.domain.vocabulary import HoldCode
from tests.e2e.questions.questions import checks, explained
from tests.e2e.rules.test_remedies import CARRIERS, CHOSEN, TERMS, _hold_everything
from tests.gateway import Gateway

NEVER, STOPPED, DROPS = "never_worked", "stopped", "drops_often"
BOUND, OTHER = "867584040006137", "356938035643809"

Known = dict[str, str]

ANSWERED_BY_THE_CALLER: tuple[tuple[str, str, Known, Known, str], ...] = (
    (NEVER, "network", {"device_network": "4G"}, {"device_network": "2G"}, "use_fitting_device"),
    (
        NEVER,
        "apn",
        {"apn": "cmiot", "profile_name": "cmiot"},
        {"apn": "cmiot", "profile_name": "internet"},
        "set_apn_and_restart",
    ),
    (NEVER, "restarted", {"restarted": "true"}, {"restarted": "false"}, "restart_device"),
    (NEVER, "roaming", {"roaming_on": "true"}, {"roaming_on": "false"}, "turn_roaming_on"),
    (NEVER, "people_use", {"used_for_people": "false"}, {"used_for_people": "true"}, "devices_only"),
    (STOPPED, "device_changed", {"imei_seen": BOUND}, {"imei_seen": OTHER}, "rebind"),
    (STOPPED, "restarted", {"restarted": "true"}, {"restarted": "false"}, "restart_device"),
    (DROPS, "module", {"module_compatible": "true"}, {"module_compatible": "false"}, "unbind_and_try_module"),
    (DROPS, "signal", {"signal_strong": "true"}, {"signal_strong": "false"}, "look_at_coverage"),
    (DROPS, "other_device", {"works_elsewhere": "false"}, {"works_elsewhere": "true"}, "replace_device"),
    (DROPS, "card", {"works_elsewhere": "true"}, {"works_elsewhere": "false"}, "replace_card"),
    (DROPS, "coverage", {"covered": "true"}, {"covered": "false"}, "use_other_carrier"),
)


@pytest.mark.parametrize(("symptom", "check", "good", "bad", "remedy"), ANSWERED_BY_THE_CALLER)
async def test_what_the_caller_knows_answers_a_check(
    gateway: Gateway, symptom: str, check: str, good: Known, bad: Known, remedy: str
) -> None:
    """DG-1: ok, fault with its remedy, and unknown where nothing was said."""
    [iccid] = await gateway.fleet({"terms": "gsl", "imei": BOUND})

    found = [checks(await explained(gateway, iccid, **known), symptom)[check] for known in ({}, good, bad)]

    assert [answer for answer, _, _ in found] == ["unknown", "ok", "fault"]
    assert (found[1][2], found[2][2]) == (None, remedy)


@pytest.mark.parametrize("symptom", [NEVER, DROPS])
async def test_a_directed_card_lacks_what_its_list_lacks(gateway: Gateway, symptom: str) -> None:
    """DG-1, DR-1: a `flexem` Unicom card is directed."""
    [iccid] = await gateway.fleet({"carrier": "cucc"})

    known: tuple[Known, ...] = ({}, {"directed_complete": "true"}, {"directed_complete": "false"})
    found = [checks(await explained(gateway, iccid, **one), symptom)["directed"] for one in known]

    assert [answer for answer, _, _ in found] == ["unknown", "ok", "fault"]
    assert found[2][2] == "complete_directed_list"


async def test_what_the_gateway_knows_answers_the_other_checks(gateway: Gateway) -> None:
    """DG-1: activated, area, real-name, holds; carrier data are not in yet (GSL 9.13)."""
    silent, unverified, fine, held = await gateway.fleet(
        {"state": "silent"},
        {"terms": "gsl", "state": "silent", "real_name": "individual"},
        {"terms": "gsl"},
        {"terms": "gsl", "state": "suspended", "holds": "manual"},
    )

    def never(told: dict[str, Any]) -> dict[str, tuple[str, str, str | None]]:
        return checks(told, NEVER)

    at_the_border = never(await explained(gateway, fine, province="云南", city="昆明"))["area"]
    assert never(await explained(gateway, silent))["activated"][::2] == ("fault", "activate")
    assert never(await explained(gateway, unverified))["real_name"][::2] == ("fault", "verify_real_name")
    assert never(await explained(gateway, fine))["area"][0] == "unknown"
    assert at_the_border[0] in ("fault", "unknown")
    assert never(await explained(gateway, fine))["carrier_data"][0] == "unknown"
    assert checks(await explained(gateway, held), STOPPED)["holds"][::2] == ("fault", "lift_holds")


async def test_neither_stopped_nor_in_another_device_means_restart_it(gateway: Gateway) -> None:
    """DG-1, *Stopped*."""
    fine, held = await gateway.fleet(
        {"terms": "gsl", "imei": BOUND},
        {"terms": "gsl", "imei": BOUND, "state": "suspended", "holds": "manual"},
    )

    advice = checks(await explained(gateway, fine, imei_seen=BOUND), STOPPED)["restarted"]
    moved = checks(await explained(gateway, fine, imei_seen=OTHER), STOPPED)["restarted"]
    stopped = checks(await explained(gateway, held), STOPPED)["restarted"]

    assert (advice[0], advice[2]) == ("unknown", "restart_device")
    assert (moved[2], stopped[2]) == (None, None)


async def test_every_hold_tells_why_since_when_what_lifts_it_who_and_by_when(gateway: Gateway) -> None:
    """DG-2: for every hold under all terms at three carriers; times and costs are those of the dry run."""
    cases = [(carrier, terms, code) for carrier, terms, code in product(CARRIERS, TERMS, HoldCode)]
    iccids = await gateway.fleet(*({"carrier": carrier, "terms": terms} for carrier, terms, _ in cases))
    await _hold_everything(gateway, iccids, [code for _, _, code in cases])

    for iccid, (carrier, _, code) in zip(iccids, cases, strict=True):
        [hold] = (await explained(gateway, iccid))["holds"]
        assert (hold["code"], hold["source"], bool(hold["text"])) == (code.value, "carrier", True)
        assert hold["since"]
        assert hold["rule"].startswith("ST-")
        assert hold["remedies"]
        for remedy in hold["remedies"]:
            assert remedy["actor"] in ("self", "supplier", "carrier", "nobody")
            assert remedy["text"]
            if remedy["action"] == "next_cycle":
                assert remedy["eta"]["latest"] is not None
            # A renewal's dry run tells when it is carried out, the remedy when the card is back (SL-4).
            if remedy["operation"] and remedy["allowed_now"] and remedy["operation"] != "renew":
                dry = await _dry_run(gateway, iccid, carrier, remedy)
                assert (_minute(remedy["eta"]["latest"]), remedy["cost_fen"]) == (
                    _minute(dry["due_at"]),
                    dry["cost_fen"],
                )


async def test_every_hold_of_a_card_that_has_several_is_explained(gateway: Gateway) -> None:
    """DG-2."""
    [iccid] = await gateway.fleet({"terms": "gsl", "state": "suspended", "holds": "manual;over_quota"})

    told = await explained(gateway, iccid)

    assert {hold["code"] for hold in told["holds"]} == {"manual", "over_quota"}
    assert all(hold["remedies"] for hold in told["holds"])


async def _dry_run(gateway: Gateway, iccid: str, carrier: str, remedy: dict[str, Any]) -> dict[str, Any]:
    kind = remedy["operation"]
    plan = {"plan": f"{carrier}-1g"} if kind == "change_plan" else {}
    body = CHOSEN.get(kind, {}) | plan | remedy["arguments"]
    answer = await gateway.api.post(f"/v1/sims/{iccid}/{kind.replace('_', '-')}?dry_run=true", json=body)
    return dict(answer.json())


def _minute(instant: str | None) -> str | None:
    """An instant without its seconds: the two are asked one after the other."""
    return instant and instant[:16]
