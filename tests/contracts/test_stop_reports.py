"""What each carrier tells of a card whose data is off, from its answer to the API: a cut, a lock, a freeze, the reason.

What a protocol does not tell is claimed nowhere: the card reads as its carrier shows it, or stopped without a reason
(`STOP_REPORTS`, `docs/carriers/README.md`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.domain.operation.stop_reports import STOP_REPORTS, StopReport
from app.domain.sim.network_cut import THRESHOLD_CUT_CODE
from app.domain.vocabulary import Carrier, ProtocolName
from tests.contracts.described import FILES, described_credentials
from tests.contracts.test_carriers import credentials
from tests.gateway import Gateway, card, open_with

CUT, LOCK, FROZEN = StopReport.NETWORK_CUT, StopReport.DEVICE_LOCK, StopReport.FROZEN
AT_THE_CARRIER = {CUT: "network_cut", LOCK: "device_mismatch", FROZEN: "frozen"}
"""What really is on at the sandbox."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What the API shows: the state, and the hold with the carrier's code and words; no hold: nothing is claimed."""

    state: str
    hold: str | None = None
    code: str | None = None
    reason: str | None = None


NOTHING = Shown("active")
"""The carrier shows the card active and no more."""
UNEXPLAINED = Shown("suspended", "unexplained")
"""It is stopped there, and the carrier does not tell why (ST-18)."""

_TELECOM = {
    # LC-15: a cut that we did not make is another device's; the carrier does not tell the two apart
    CUT: Shown("active", "device_mismatch", "已断网"),
    LOCK: Shown("active", "device_mismatch", "已断网"),
    FROZEN: Shown("suspended", "carrier_control", "6", "运营商管理状态"),
}
EXPECTED: Mapping[str, Mapping[StopReport, Shown]] = {
    "onelink": {
        CUT: Shown("active", "network_cut", "serviceType 11: 0"),
        LOCK: Shown("suspended", "device_mismatch", "020000000000", "机卡分离停机"),
        FROZEN: Shown("suspended", "carrier_control", "manageStopRestartStatus=1", "管理停机"),
    },
    "jasper": {CUT: NOTHING, LOCK: UNEXPLAINED, FROZEN: UNEXPLAINED},
    "unicom_cmp": {
        CUT: NOTHING,
        LOCK: Shown("suspended", "device_mismatch", "lockStatus=1"),
        FROZEN: UNEXPLAINED,
    },
    "ctcc_cmp": _TELECOM,
    "ctwing": _TELECOM,
    "gsl": {
        CUT: Shown("active", "network_cut", "cut_net_flag"),
        LOCK: Shown("active", "device_mismatch", "7"),
        FROZEN: UNEXPLAINED,
    },
    "simboss": {CUT: NOTHING, LOCK: UNEXPLAINED, FROZEN: UNEXPLAINED},
    "upiot": {CUT: NOTHING, LOCK: UNEXPLAINED, FROZEN: UNEXPLAINED},
}
CARRIERS = {"jasper": Carrier.CUCC, "unicom_cmp": Carrier.CUCC, "ctcc_cmp": Carrier.CTCC, "ctwing": Carrier.CTCC}
CARRIERS |= {"gsl": Carrier.CTCC}


def account(name: str) -> str:
    """An account of this protocol or dialect, as in `carriers.toml`."""
    secrets = described_credentials(name) if name in FILES else credentials(ProtocolName(name))
    given = ", ".join(f'{key} = "{value}"' for key, value in secrets.items())
    described = f'description = "{FILES[name]}"\n' if name in FILES else ""
    return (
        f'[accounts.it]\ncarrier = "{CARRIERS.get(name, Carrier.CMCC)}"\nzone = "Asia/Shanghai"\ntenants = ["*"]\n'
        f'[[accounts.it.protocols]]\nprotocol = "{"described" if name in FILES else name}"\nbase_url = "sandbox"\n'
        f'uses = ["*"]\n{described}credentials = {{ {given} }}\nsettings = {{ completion_s = 1, settle_lag_s = 2 }}\n'
    )


def row(name: str) -> dict[str, Any]:
    """What an import says of a card in use."""
    terms = "gsl" if name == "gsl" else "standard"
    return {"carrier": CARRIERS.get(name, Carrier.CMCC).value, "imei": "356938035643809", "terms": terms}


async def at_the_carrier(gateway: Gateway, name: str, number: int, hold: str = "") -> None:
    """The carrier's side alone: the card as it was, but for this hold."""
    told = {**card(number, **row(name)), "holds": hold, "gsl": name == "gsl"}
    answer = await gateway.control.post("/_control/sims", content=json.dumps(told))
    assert answer.json()["replaced"] == 1, answer.text


async def shown(gateway: Gateway, iccid: str) -> Shown:
    """The card after a refresh, the same by `GET /v1/sims/{iccid}` and by its explanation."""
    assert (await gateway.operation(await gateway.api.post(f"/v1/sims/{iccid}/refresh")))["status"] == "succeeded"
    sim = (await gateway.api.get(f"/v1/sims/{iccid}")).json()
    explained = (await gateway.api.get(f"/v1/sims/{iccid}/explanation")).json()
    assert sim["network_allowed"] is explained["network_allowed"] is (not sim["holds"])
    assert explained["state"] == sim["state"]
    seen = [(hold["code"], hold["carrier_code"], hold["carrier_reason"]) for hold in sim["holds"]]
    assert [(one["code"], one["carrier_code"], one["carrier_reason"]) for one in explained["holds"]] == seen
    assert [(one["evidence"]["carrier_code"], one["evidence"]["carrier_reason"]) for one in explained["holds"]] == [
        (code, reason) for _, code, reason in seen
    ]
    assert {hold["source"] for hold in sim["holds"]} <= {"carrier"}
    assert len(seen) <= 1
    return Shown(sim["state"], *seen[0]) if seen else Shown(sim["state"])


@pytest.mark.parametrize("name", EXPECTED)
async def test_a_cut_a_lock_and_a_freeze_are_shown_as_the_carrier_tells_them_and_leave_when_it_says_so(
    clean_database: str, tmp_path: Path, name: str
) -> None:
    async with open_with(clean_database, tmp_path, account(name)) as gateway:
        iccids = await gateway.fleet(*[row(name)] * len(AT_THE_CARRIER))
        for number, (report, hold) in enumerate(AT_THE_CARRIER.items()):
            await at_the_carrier(gateway, name, number, hold)
            assert await shown(gateway, iccids[number]) == EXPECTED[name][report], report
            await at_the_carrier(gateway, name, number)
            assert await shown(gateway, iccids[number]) == NOTHING, report


@pytest.mark.parametrize("name", ["ctcc_cmp", "ctwing"])
async def test_data_that_is_off_at_the_threshold_is_no_other_device(
    clean_database: str, tmp_path: Path, name: str
) -> None:
    async with open_with(clean_database, tmp_path, account(name)) as gateway:
        (iccid,) = await gateway.fleet(row(name))
        await at_the_carrier(gateway, name, 0, "over_threshold")
        gateway.sandbox.store.cards[iccid].threshold = {"mb": 5}
        assert await shown(gateway, iccid) == Shown("suspended", "over_threshold", THRESHOLD_CUT_CODE)


def test_what_is_expected_of_a_protocol_is_what_its_table_says_that_it_tells() -> None:
    for name, expected in EXPECTED.items():
        table = STOP_REPORTS[ProtocolName(name) if name in set(ProtocolName) else ProtocolName.DESCRIBED]
        told = {report for report, seen in expected.items() if seen not in (NOTHING, UNEXPLAINED)}
        assert told == set(table) - {StopReport.REASON}, name


def test_the_page_of_the_carriers_has_the_same_table() -> None:
    page = (Path(__file__).parents[2] / "docs" / "carriers" / "README.md").read_text(encoding="utf-8")
    lines = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    told = {line[0].strip("`"): line[1:] for line in lines if len(line) == 1 + len(StopReport)}
    assert told == {
        protocol: [STOP_REPORTS[protocol].get(report, "–") for report in StopReport] for protocol in ProtocolName
    }


async def test_callers_can_read_what_a_carrier_tells(clean_database: str, tmp_path: Path) -> None:
    async with open_with(clean_database, tmp_path, account("onelink")) as gateway:
        answer = (await gateway.api.get("/v1/carriers/cmcc/capabilities")).json()
    told = answer["accounts"][0]["protocols"][0]["stop_reports"]
    assert told == {report: STOP_REPORTS[ProtocolName.ONELINK].get(report) for report in StopReport}
