"""Which SIM an ICCID names and which calendar its cycles follow: cached per process while it is certainly valid.

A SIM's id, carrier and account never change, and removing a SIM raises the epoch under an exclusive lock
(`app.db.usage.ingest.SIMS_LOCK`), so an entry is valid only under the epoch it was read in. Absent SIMs are never
cached. SIMs are cached singly by ICCID, or with their whole ICCID block (`iccid_blocks`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from app.db.connection import Connection
from app.db.usage import ingest as rows
from app.domain.calendar.days import HOME_ZONE
from app.domain.identifiers import alternate_iccid
from app.domain.vocabulary import Carrier
from app.usecases.context import Context
from app.usecases.usage.ingest.cycle_table import CycleTable, cycle_table
from app.usecases.usage.ingest.iccid_blocks import BlockCache, IccidBlock
from app.usecases.usage.ingest.packed import SimKey, calendar_of, sim_key

MAX_CACHED = 50_000
"""SIMs cached singly, about 200 bytes each; gateways likewise."""


class SimLookupCache:
    """The SIMs, gateways and calendars this process has looked up."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.epoch = -1
        self.unreadable: dict[int, ValueError] = {}
        """SIMs by row id whose cycles cannot be told: their reports wait like those of unknown SIMs."""
        self._sims: dict[str, dict[str, SimKey]] = {}
        self._blocks: dict[str, BlockCache] = {}
        self._size = 0
        self._gateways: dict[tuple[str, str], int] = {}
        self._calendars: dict[tuple[Carrier, str], int] = {}
        self._calendar_of: dict[tuple[str, str], int] = {}
        self._tables: dict[tuple[Carrier, str], tuple[date, CycleTable]] = {}

    def invalidate(self, epoch: int) -> None:
        """Drop every SIM: one was removed; what is read from now on is of this epoch."""
        self._sims.clear()
        self._blocks.clear()
        self._size = 0
        self.epoch = epoch

    def find(self, tenant: str, iccids: Sequence[str]) -> list[SimKey | None]:
        """The cached SIM of each ICCID as it was sent, None where there is none."""
        sims: list[SimKey | None] = list(map(self._sims.get(tenant, {}).get, iccids))
        if None in sims and tenant in self._blocks:
            self._blocks[tenant].fill(iccids, sims)
        return sims

    async def gateways(self, connection: Connection, tenant: str, names: Iterable[str]) -> dict[str, int]:
        """The row ids of a tenant's gateways by name; new ones are created."""
        found = {name: self._gateways.get((tenant, name)) for name in names}
        if missing := sorted(name for name, gateway in found.items() if gateway is None):
            read = await rows.gateway_ids(connection, tenant, missing)
            if len(self._gateways) > MAX_CACHED:
                self._gateways.clear()
            self._gateways |= {(tenant, name): gateway for name, gateway in read.items()}
            found |= read
        return {name: gateway for name, gateway in found.items() if gateway is not None}

    def evict(self) -> None:
        """Drop the singly cached SIMs where there are too many: between requests, never while one is resolved."""
        if self._size > MAX_CACHED:
            self._sims.clear()
            self._size = 0

    async def load(self, connection: Connection, tenant: str, iccids: Sequence[str]) -> None:
        """Look these ICCIDs up in either form (DV-5) and cache those that exist."""
        epoch, found = self.epoch, await self._look_up(connection, tenant, iccids)
        while epoch != self.epoch:  # invalidated during the query: its result may be of the older epoch
            epoch, found = self.epoch, await self._look_up(connection, tenant, iccids)
        sims = self._sims.setdefault(tenant, {})
        for iccid, row in found.items():
            try:
                sims[iccid] = sim_key(row["id"], self._calendar(row["carrier"], row["account"]))
            except ValueError as error:
                self.unreadable[row["id"]] = error
        self._size += len(found)
        self._blocks.setdefault(tenant, BlockCache()).count(found)

    async def load_blocks(self, connection: Connection, tenant: str) -> None:
        """Read the blocks of which enough SIMs were looked up singly, a few at a time."""
        blocks, epoch = self._blocks.get(tenant), self.epoch
        if blocks is None or not (prefixes := blocks.take_due()):
            return
        found = await rows.sims_in_blocks(connection, tenant, prefixes)
        if epoch == self.epoch:  # else the result may be of the older epoch
            blocks.add(prefixes, [block for row in found if (block := self._block(row)) is not None])

    async def _look_up(
        self, connection: Connection, tenant: str, iccids: Sequence[str]
    ) -> dict[str, Mapping[str, Any]]:
        """The rows of those that exist, by the form that was sent."""
        found: dict[str, Mapping[str, Any]] = {
            row["iccid"]: row for row in await rows.find_sims(connection, tenant, iccids)
        }
        alternates = {
            alternate: iccid
            for iccid in iccids
            if iccid not in found and (alternate := alternate_iccid(iccid)) is not None
        }
        if alternates:
            found |= {
                alternates[row["iccid"]]: row for row in await rows.find_sims(connection, tenant, list(alternates))
            }
        return found

    def _block(self, row: Mapping[str, Any]) -> IccidBlock | None:
        """A block; None: no cycles are known for its SIMs, which are then looked up singly."""
        try:
            calendar = self._calendar(row["carrier"], row["account"])
        except ValueError:
            return None
        return IccidBlock(prefix=row["prefix"], calendar=calendar, ids=row["ids"], suffixes=row["suffixes"].split())

    def _calendar(self, carrier: str, account: str) -> int:
        number = self._calendar_of.get((carrier, account))
        if number is None:
            zone = str(self._ctx.zone(account))
            number = self._calendars.setdefault((Carrier(carrier), zone), len(self._calendars))
            self._calendar_of[carrier, account] = number
        return number

    def tables(self, now: datetime) -> list[CycleTable]:
        """The cycle table of each calendar, by its number, as of `now`."""
        return [self.table(carrier, zone, now) for carrier, zone in self._calendars]

    def all_tables(self, now: datetime) -> list[CycleTable]:
        """The cycle table of every calendar that a SIM not known yet may turn out to have."""
        zones = {str(self._ctx.zone(code)) for code in self._ctx.accounts} | {str(HOME_ZONE)}
        return [self.table(carrier, zone, now) for carrier in Carrier for zone in sorted(zones)]

    def table(self, carrier: Carrier, zone: str, now: datetime) -> CycleTable:
        """The cycle table of one calendar as of `now`."""
        today = now.astimezone(ZoneInfo(zone)).date()
        built = self._tables.get((carrier, zone))
        if built is None or built[0] != today:
            kept = self._ctx.retention.report_cycles
            built = self._tables[carrier, zone] = (today, cycle_table(carrier, ZoneInfo(zone), now, kept))
        return built[1]

    def calendar(self, sim: SimKey) -> tuple[Carrier, tzinfo]:
        """The carrier and zone of a cached SIM."""
        carrier, zone = list(self._calendars)[calendar_of(sim)]
        return carrier, ZoneInfo(zone)


def canonical_iccid(iccid: str) -> str:
    """The shorter of an ICCID's two forms (DV-5): by it unmatched reports are stored and compared."""
    alternate = alternate_iccid(iccid)
    return iccid if alternate is None else min(iccid, alternate, key=len)
