"""The probe of a described carrier: its table follows from the description, and the sandbox answers as it says."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from app.carriers.config_file import parse_accounts
from app.carriers.probe.recorder import Recorder
from app.carriers.probe.session import Probe
from app.carriers.registry import build_clients, expectations_for
from app.carriers.result_codes import CodeMeaning
from app.clock import SystemClock
from app.domain.vocabulary import Carrier
from tests.contracts.described import FILES, DescribedBench, described_credentials
from tests.contracts.served import serving


@pytest.fixture(scope="module")
async def sandbox_url() -> AsyncIterator[str]:
    async with serving() as url:
        yield url


@pytest.mark.parametrize("name", sorted(FILES))
async def test_the_sandbox_answers_every_read_as_the_description_says(sandbox_url: str, name: str) -> None:
    bench = DescribedBench(sandbox_url, name, Carrier.CMCC)
    await bench.begin()
    sims = [await bench.card(state) for state in ("active", "suspended")]
    entry = {
        "protocol": "described",
        "description": str(FILES[name]),
        "base_url": "sandbox",
        "credentials": dict(described_credentials(name)),
    }
    [account] = parse_accounts({"accounts": {"acc": {"carrier": "cmcc", "protocols": [entry]}}})
    recorder = Recorder(limit=100)
    client = build_clients([account], sandbox_url=sandbox_url, clock=SystemClock(), tap=recorder)["acc"]
    run = Probe(account=account, client=client, recorder=recorder, tables=expectations_for, clock=SystemClock())
    [report] = await run.run(sims, None)
    await client.close()
    await bench.end()
    assert [read for read in report.reads if not read.ok and "99901" not in read.detail] == []
    assert {difference.seen for difference in report.differences} <= {"99901"}, "unpublished: a card that nobody has"
    assert report.requests >= 5
    assert CodeMeaning.OK in account.protocols[0].description.codes.values()  # type: ignore[union-attr]
