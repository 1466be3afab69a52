"""Huawei's own client against the sandbox, and our client beside it on the same card (`make test-sdk`).

The SDK lives in an environment of its own; `SIMGATE_SDK_PYTHON` names its Python.
"""

from __future__ import annotations

import asyncio
import json
import os
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.carriers.base import SimRef
from app.carriers.config_file import parse_accounts
from app.carriers.registry import build_clients
from app.clock import SystemClock
from app.domain.vocabulary import OperationKind, ProtocolName, SimState
from tests.contracts.served import serving

pytestmark = pytest.mark.sdk

DOCUMENT = tomllib.loads((Path(__file__).parents[2] / "demo" / "carriers-all.toml").read_text(encoding="utf-8"))
ENTRY = next(
    one for account in DOCUMENT["accounts"].values() for one in account["protocols"] if one["protocol"] == "gsl"
)
ICCID = "89861124050000000010"
CALLS = Path(__file__).parent / "huawei_calls.py"


@pytest.fixture(scope="module")
async def url() -> AsyncIterator[str]:
    async with serving() as where:
        yield where


@pytest.fixture(scope="module")
async def told(url: str) -> dict[str, Any]:
    """What Huawei's client read, call by call."""
    python = os.environ.get("SIMGATE_SDK_PYTHON")
    assert python, "run `make test-sdk`, which sets SIMGATE_SDK_PYTHON"
    row = {
        "iccid": ICCID,
        "carrier": "ctcc",
        "terms": "gsl",
        "plan": "ctcc-100m",
        "state": "silent",
        "msisdn": "1491400000010",
        "opened_on": "2026-09-01",
        "gsl": True,
    }
    async with httpx.AsyncClient(base_url=url) as control:
        await control.post("/_control/settings", json={"protocol": "gsl", "completion_s": 0.05, "strict": True})
        assert (await control.post("/_control/sims", content=json.dumps(row))).json()["rejected"] == []
    secrets = ENTRY["credentials"]
    process = await asyncio.create_subprocess_exec(
        *(python, str(CALLS), url, secrets["ak"], secrets["sk"], secrets["project_id"], ICCID),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()[-3000:]
    read: dict[str, Any] = json.loads(out)
    return read


async def test_a_real_signature_is_accepted_and_a_wrong_one_refused(told: dict[str, Any]) -> None:
    assert told["refused"] in (401, 403)
    assert told["first"]["sim_status"] == 13


async def test_every_command_ends_its_work_order_and_shows_on_the_card(told: dict[str, Any]) -> None:
    commands = {name.partition(" ")[0]: value for name, value in told.items() if " " in name}
    assert {value["status"] for value in commands.values()} == {4}
    assert {value["detail"] for value in commands.values()} == {1}
    assert commands["enable_sim_card"]["card"]["sim_status"] == 20
    assert commands["stop_sim_card"]["card"]["sim_status"] == 14
    assert commands["stop_sim_card"]["card"]["operator_status"] == 5
    assert commands["reset_sim_card"]["card"]["sim_status"] == 20
    assert str(commands["set_exceed_cut_net"]["card"]["exceed_cut_net_quota"]) == "80"
    cuts = [value["card"]["cut_net_flag"] for name, value in told.items() if name.startswith("start_stop_net")]
    assert cuts == [True, False]


async def test_lists_real_name_and_usage_are_read_by_huaweis_models(told: dict[str, Any]) -> None:
    assert told["listed"] == [ICCID]
    assert told["real_named"] in (True, False)
    assert told["month"][0] == ICCID
    assert len(told["month"][1]) == 6


async def test_our_client_reads_the_card_as_huaweis_left_it(url: str, told: dict[str, Any]) -> None:
    accounts = parse_accounts({"accounts": {"g": {"carrier": "ctcc", "protocols": [{**ENTRY, "uses": ["*"]}]}}})
    client = build_clients(accounts, sandbox_url=url, clock=SystemClock())["g"]
    [seen] = await client.snapshot([SimRef(iccid=ICCID)])
    assert (seen.state, seen.network_cut, seen.threshold) == (SimState.ACTIVE, False, 80 * 1024 * 1024)
    receipt = await client.change(OperationKind.SUSPEND, SimRef(iccid=ICCID), {})
    assert client.protocol_for(OperationKind.SUSPEND) is ProtocolName.GSL
    assert receipt.reference
    await client.close()
