"""Which card an ICCID names and which calendar it lives by: remembered per process, as long as it is certainly right.

A card's id, carrier and account never change, and a card that leaves raises the epoch under an exclusive lock
(`app.db.ingest.CARDS_LOCK`), so a remembered card is believed only under the epoch it was read in. Cards that are not
there are never remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from app.db import ingest as rows
from app.domain.identifiers import iccid_twin
from app.domain.vocabulary import Carrier
from app.usecases.context import Context
from app.usecases.report_days import DayTable, day_table

MOST_REMEMBERED = 150_000
"""Cards; about 200 bytes each."""

CALENDAR_BITS = 8
CALENDAR_MASK = (1 << CALENDAR_BITS) - 1


class CardBook:
    """The cards and gateways this process has met. A remembered card is `id << CALENDAR_BITS | calendar`."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.epoch = -1
        self.known: dict[str, dict[str, int]] = {}
        self._size = 0
        self._gateways: dict[tuple[str, str], int] = {}
        self._calendars: dict[tuple[Carrier, str], int] = {}
        self._calendar_of: dict[tuple[str, str], int] = {}
        self._tables: dict[tuple[Carrier, str], tuple[date, DayTable]] = {}

    def forget(self, epoch: int) -> None:
        """Believe nothing remembered: a card has left or moved; what is learnt now is of this epoch."""
        self.known.clear()
        self._size = 0
        self.epoch = epoch

    def of(self, tenant: str) -> dict[str, int]:
        """The remembered cards of a tenant by ICCID as it was sent."""
        return self.known.setdefault(tenant, {})

    async def gateways(self, connection: rows.Connection, tenant: str, names: Iterable[str]) -> dict[str, int]:
        """The row ids of a tenant's gateways by name."""
        found = {name: self._gateways.get((tenant, name)) for name in names}
        if missing := sorted(name for name, gateway in found.items() if gateway is None):
            named = await rows.name_gateways(connection, tenant, missing)
            if len(self._gateways) > MOST_REMEMBERED:
                self._gateways.clear()
            self._gateways |= {(tenant, name): gateway for name, gateway in named.items()}
            found |= named
        return {name: gateway for name, gateway in found.items() if gateway is not None}

    def make_room(self) -> None:
        """Forget everything where too much is remembered: between requests, never within one."""
        if self._size > MOST_REMEMBERED:
            self.forget(self.epoch)

    async def learn(self, connection: rows.Connection, tenant: str, iccids: Sequence[str]) -> None:
        """Look these up, either form (DV-5), and remember those that are there."""
        self._keep(tenant, {row["iccid"]: row for row in await rows.cards(connection, tenant, iccids)})
        known = self.of(tenant)
        twins = {twin: iccid for iccid in iccids if iccid not in known and (twin := iccid_twin(iccid)) is not None}
        if twins:
            found = await rows.cards(connection, tenant, list(twins))
            self._keep(tenant, {twins[row["iccid"]]: row for row in found})

    def _keep(self, tenant: str, found: Mapping[str, Mapping[str, Any]]) -> None:
        known, calendars = self.of(tenant), self._calendar_of
        for iccid, row in found.items():
            place = (row["carrier"], row["account"])
            calendar = calendars[place] if place in calendars else self._calendar(*place)
            known[iccid] = row["id"] << CALENDAR_BITS | calendar
        self._size += len(found)

    def _calendar(self, carrier: str, account: str) -> int:
        zone = str(self._ctx.zone(account))
        number = self._calendars.setdefault((Carrier(carrier), zone), len(self._calendars))
        self._calendar_of[carrier, account] = number
        return number

    def tables(self, now: datetime) -> list[DayTable]:
        """The day table of each calendar, by its number, as it holds now."""
        return [self.table(carrier, zone, now) for carrier, zone in self._calendars]

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


def one_form(iccid: str) -> str:
    """The shorter of the two forms of one name (DV-5): by it reports of unknown cards are kept and compared."""
    twin = iccid_twin(iccid)
    return iccid if twin is None else min(iccid, twin, key=len)
