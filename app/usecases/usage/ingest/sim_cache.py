"""Which card an ICCID names and which calendar it lives by: remembered per process, as long as it is certainly right.

A card's id, carrier and account never change, and a card that leaves raises the epoch under an exclusive lock
(`app.db.usage.ingest.SIMS_LOCK`), so a remembered card is believed only under the epoch it was read in. Cards that
are not there are never remembered. Single cards are remembered by name, number ranges whole (`report_ranges`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from app.db.connection import Connection
from app.db.usage import ingest as rows
from app.domain.identifiers import alternate_iccid
from app.domain.vocabulary import Carrier
from app.usecases.context import Context
from app.usecases.usage.ingest.cycle_index import CALENDAR_BITS, CALENDAR_MASK, DayTable, day_table
from app.usecases.usage.ingest.iccid_blocks import BlockCache, IccidBlock

HOME = "Asia/Shanghai"

MAX_CACHED = 50_000
"""Single cards; about 200 bytes each."""


class SimLookupCache:
    """The cards and gateways this process has met. A remembered card is `id << CALENDAR_BITS | calendar`."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.epoch = -1
        self._known: dict[str, dict[str, int]] = {}
        self._blocks: dict[str, BlockCache] = {}
        self._size = 0
        self._gateways: dict[tuple[str, str], int] = {}
        self._calendars: dict[tuple[Carrier, str], int] = {}
        self._calendar_of: dict[tuple[str, str], int] = {}
        self._tables: dict[tuple[Carrier, str], tuple[date, DayTable]] = {}

    def forget(self, epoch: int) -> None:
        """Believe nothing remembered: a card has left; what is learnt now is of this epoch."""
        self._known.clear()
        self._blocks.clear()
        self._size = 0
        self.epoch = epoch

    def find(self, tenant: str, names: Sequence[str]) -> list[int | None]:
        """The remembered card of each ICCID as it was sent, None where none is remembered."""
        cards: list[int | None] = list(map(self._known.get(tenant, {}).get, names))
        if None in cards and tenant in self._blocks:
            self._blocks[tenant].fill(names, cards)
        return cards

    async def gateways(self, connection: Connection, tenant: str, names: Iterable[str]) -> dict[str, int]:
        """The row ids of a tenant's gateways by name."""
        found = {name: self._gateways.get((tenant, name)) for name in names}
        if missing := sorted(name for name, gateway in found.items() if gateway is None):
            named = await rows.gateway_ids(connection, tenant, missing)
            if len(self._gateways) > MAX_CACHED:
                self._gateways.clear()
            self._gateways |= {(tenant, name): gateway for name, gateway in named.items()}
            found |= named
        return {name: gateway for name, gateway in found.items() if gateway is not None}

    def make_room(self) -> None:
        """Forget the single cards where too many are remembered: between requests, never within one."""
        if self._size > MAX_CACHED:
            self._known.clear()
            self._size = 0

    async def learn(self, connection: Connection, tenant: str, iccids: Sequence[str]) -> None:
        """Look these up, either form (DV-5), and remember those that are there."""
        epoch, found = self.epoch, await self._look_up(connection, tenant, iccids)
        while epoch != self.epoch:  # forgotten meanwhile: what was read may be of before
            epoch, found = self.epoch, await self._look_up(connection, tenant, iccids)
        known = self._known.setdefault(tenant, {})
        for iccid, row in found.items():
            known[iccid] = row["id"] << CALENDAR_BITS | self._calendar(row["carrier"], row["account"])
        self._size += len(found)
        self._blocks.setdefault(tenant, BlockCache()).count(found)

    async def load_blocks(self, connection: Connection, tenant: str) -> None:
        """Read whole ranges around the cards that were looked up alone, a few at a time."""
        ranges, epoch = self._blocks.get(tenant), self.epoch
        if ranges is None or not (heads := ranges.due()):
            return
        found = await rows.sims_in_blocks(connection, tenant, heads)
        if epoch == self.epoch:
            ranges.add(heads, map(self._block, found))

    async def _look_up(
        self, connection: Connection, tenant: str, iccids: Sequence[str]
    ) -> dict[str, Mapping[str, Any]]:
        """The rows of those that are there, by the form that was sent."""
        found: dict[str, Mapping[str, Any]] = {
            row["iccid"]: row for row in await rows.cards(connection, tenant, iccids)
        }
        twins = {twin: iccid for iccid in iccids if iccid not in found and (twin := alternate_iccid(iccid)) is not None}
        if twins:
            found |= {twins[row["iccid"]]: row for row in await rows.cards(connection, tenant, list(twins))}
        return found

    def _block(self, row: Mapping[str, Any]) -> IccidBlock:
        calendar = self._calendar(row["carrier"], row["account"])
        return IccidBlock(head=row["head"], calendar=calendar, ids=row["ids"], rests=row["rests"].split())

    def _calendar(self, carrier: str, account: str) -> int:
        number = self._calendar_of.get((carrier, account))
        if number is None:
            zone = str(self._ctx.zone(account))
            number = self._calendars.setdefault((Carrier(carrier), zone), len(self._calendars))
            self._calendar_of[carrier, account] = number
        return number

    def tables(self, now: datetime) -> list[DayTable]:
        """The day table of each calendar, by its number, as it holds now."""
        return [self.table(carrier, zone, now) for carrier, zone in self._calendars]

    def every_table(self, now: datetime) -> list[DayTable]:
        """The day table of every calendar that a card nobody knows yet may turn out to live by."""
        zones = {str(self._ctx.zone(code)) for code in self._ctx.accounts} | {HOME}
        return [self.table(carrier, zone, now) for carrier in Carrier for zone in sorted(zones)]

    def table(self, carrier: Carrier, zone: str, now: datetime) -> DayTable:
        """The day table of one calendar as it holds now."""
        today = now.astimezone(ZoneInfo(zone)).date()
        built = self._tables.get((carrier, zone))
        if built is None or built[0] != today:
            built = self._tables[carrier, zone] = (today, day_table(carrier, ZoneInfo(zone), now))
        return built[1]

    def calendar(self, card: int) -> tuple[Carrier, tzinfo]:
        """The carrier and zone of a remembered card."""
        carrier, zone = list(self._calendars)[card & CALENDAR_MASK]
        return carrier, ZoneInfo(zone)


def canonical_iccid(iccid: str) -> str:
    """The shorter of the two forms of one name (DV-5): by it reports of unknown cards are kept and compared."""
    twin = alternate_iccid(iccid)
    return iccid if twin is None else min(iccid, twin, key=len)
