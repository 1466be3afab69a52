"""`simgate carriers probe` as an operator runs it: exit codes, table, JSON, samples; nothing is changed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urlsplit

import httpx
import pytest

from app.cli.__main__ import main
from app.domain.vocabulary import ProtocolName
from tests.carriers.probe.bench import cards, stats
from tests.contracts.served import serving

ALL = Path(__file__).parents[2] / "demo" / "carriers-all.toml"


@pytest.fixture(scope="module")
def sandbox_url() -> Iterator[str]:
    """A sandbox in a thread of its own: the command runs an event loop itself."""
    found: list[str] = []
    up, stop = Event(), Event()

    async def serve() -> None:
        async with serving() as url:
            found.append(url)
            up.set()
            await asyncio.to_thread(stop.wait)

    thread = Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert up.wait(10)
    yield found[0]
    stop.set()
    thread.join(10)


@pytest.fixture(autouse=True)
def environment(sandbox_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMGATE_SANDBOX_PORT", str(urlsplit(sandbox_url).port))
    monkeypatch.setenv("SIMGATE_CARRIERS", str(ALL))
    monkeypatch.setenv("SIMGATE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("SIMGATE_URL", "http://127.0.0.1:1")


def iccids(url: str, protocol: ProtocolName) -> list[str]:
    return [sim.iccid for sim in asyncio.run(cards(url, protocol))]


def probe(*arguments: str) -> int:
    return main(["carriers", "probe", *arguments])


def test_an_account_that_answers_as_expected_ends_with_0_and_a_table(
    sandbox_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    active, suspended, _ = iccids(sandbox_url, ProtocolName.ONELINK)
    before = asyncio.run(stats(sandbox_url, ProtocolName.ONELINK))
    assert probe("cmcc-main", "--iccid", active, "--iccid", suspended) == 0
    after = asyncio.run(stats(sandbox_url, ProtocolName.ONELINK))
    printed = capsys.readouterr().out
    assert "none of them a change" in printed
    assert "query/sim-stop-reason" in printed
    assert "not seen: query/order-info (sent when a change is under way)" in printed
    assert "no difference" in printed
    assert active not in printed
    assert after["effects"] == before["effects"]


def test_a_difference_ends_with_1_and_is_in_the_json(sandbox_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """CTWing's sandbox refuses queryCardStatus with a code that nobody published."""
    _, suspended, _ = iccids(sandbox_url, ProtocolName.CTWING)
    assert probe("ctcc-5g", "--iccid", suspended, "--json") == 1
    [report] = json.loads(capsys.readouterr().out)
    assert report["conforms"] is False
    assert [(d["call"], d["difference"], d["seen"]) for d in report["differences"]] == [
        ("queryCardStatus", "unknown code", "99404")
    ]


def test_without_cards_named_the_carriers_own_list_gives_some(sandbox_url: str, tmp_path: Path) -> None:
    iccids(sandbox_url, ProtocolName.JASPER)
    assert probe("cucc-main", "--save", str(tmp_path / "samples")) == 0
    saved = sorted(path.name for path in (tmp_path / "samples" / "jasper").iterdir())
    assert saved == [
        "devices.json",
        "devices_one.json",
        "devices_one_ctdUsages.json",
        "devices_one_sessionInfo.json",
        "devices_one_usageInZone.json",
        "echo_one.json",
    ]


def test_no_card_at_all_ends_with_2_and_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert probe("gsl-main") == 2
    assert "--iccid" in capsys.readouterr().err


def test_an_unknown_account_and_one_without_an_api_end_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert probe("nobody") == 2
    assert "cmcc-main" in capsys.readouterr().err
    assert probe("overseas-desk") == 2


def test_the_limit_of_calls_is_kept(sandbox_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    active, *_ = iccids(sandbox_url, ProtocolName.ONELINK)
    assert probe("cmcc-main", "--iccid", active, "--calls", "3", "--json") == 1
    [report] = json.loads(capsys.readouterr().out)
    assert report["requests"] == 3
    assert any("limit of 3 requests" in read["detail"] for read in report["reads"])


def test_a_fault_of_the_carrier_is_a_failed_read(sandbox_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    active, *_ = iccids(sandbox_url, ProtocolName.ONELINK)
    fault = {"protocol": "onelink", "operation": "usage", "kind": "html"}
    httpx.post(f"{sandbox_url}/_control/faults", json=fault, trust_env=False).raise_for_status()
    try:
        assert probe("cmcc-main", "--iccid", active) == 1
    finally:
        httpx.delete(f"{sandbox_url}/_control/faults", trust_env=False)
    printed = capsys.readouterr().out
    assert "FAILED usage of card 1" in printed
    assert "unreadable" in printed
