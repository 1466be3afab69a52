"""One probe of one account: its protocols' reads, recorded, compared, and saved where asked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from app.carriers.account_client import AccountClient
from app.carriers.base import SimRef
from app.carriers.config import Account, ProtocolAccount
from app.carriers.errors import CarrierError
from app.carriers.expectations import Expectations
from app.carriers.probe.reads import run_reads
from app.carriers.probe.recorder import Recorder
from app.carriers.probe.report import ProbeReport, build_report, write_samples
from app.clock import Clock

Tables = Callable[[ProtocolAccount], Expectations | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a probe works with. `client` must have been built with `recorder` as its tap."""

    account: Account
    client: AccountClient
    recorder: Recorder
    tables: Tables
    clock: Clock

    async def listed_cards(self, most: int) -> list[SimRef]:
        """Cards that the carrier itself lists as changed today, where the protocol has such a list."""
        try:
            iccids = await self.client.changed_since(self.clock.now() - timedelta(minutes=1))
        except CarrierError:
            iccids = None
        self.recorder.exchanges.clear()
        return [SimRef(iccid=iccid) for iccid in (iccids or [])[:most]]

    async def run(self, sims: Sequence[SimRef], save: Path | None) -> list[ProbeReport]:
        """Every read of every protocol of the account that has a table. Raises `LeakFound`, OSError where saving."""
        reports: list[ProbeReport] = []
        for entry, client in self.client.protocols():
            table = self.tables(entry)
            if table is None:
                continue
            self.recorder.exchanges.clear()
            reads = await run_reads(client, self.account, sims, self.recorder, self.clock)
            exchanges = list(self.recorder.exchanges)
            reports.append(build_report(self.account.code, entry, table, reads, exchanges))
            if save is not None:
                codes = {**table.codes, **entry.codes}
                write_samples(save, entry.protocol, table, codes, exchanges, secrets_of(entry, sims))
        return reports


def secrets_of(entry: ProtocolAccount, sims: Sequence[SimRef]) -> Collection[str]:
    """What must never stand in a sample: credentials, and the identities of the cards that were named."""
    named = [name for sim in sims for name in (sim.iccid, sim.msisdn, sim.imsi) if name]
    return [*entry.credentials.values(), *named]
