"""One transaction of usage ingest: what is new among the reports of some requests, kept and counted.

`judge` sorts out what cannot be counted, before the transaction; `write` does the rest in it, and fills the tallies.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from app.db import ingest as rows
from app.db.outbox import put_events
from app.domain.errors import Malformed
from app.domain.identifiers import iccid_twin, parse_iccid
from app.domain.vocabulary import Carrier
from app.usecases.report_cards import CALENDAR_BITS, CALENDAR_MASK, CardBook
from app.usecases.report_counting import Counted, count
from app.usecases.reports import MOST_AHEAD, Rejected, Submission, Tally

HOME = "Asia/Shanghai"
A_DAY = 86_400.0


class StaleCards(Exception):
    """The cards remembered are of an older epoch than the one the batch runs in."""

    def __init__(self, epoch: int) -> None:
        super().__init__("cards have left or moved")
        self.epoch = epoch


class Row(NamedTuple):
    """A report that may be counted. `card`: as `CardBook` remembers it, None: unknown, then `iccid` is told."""

    gateway: int
    report_id: str
    card: int | None
    second: float
    amount: int
    key: int
    request: int
    place: int
    iccid: str | None


class Batch:
    """The reports of some requests, on one connection."""

    def __init__(self, connection: rows.Connection, cards: CardBook, now: datetime) -> None:
        self._connection = connection
        self._cards = cards
        self._now = now
        self._latest = (now + MOST_AHEAD).timestamp()
        self._requests: Sequence[Submission] = ()
        self._rows: list[Row] = []
        self._unknown: list[Row] = []
        self.tallies: list[Tally] = []

    async def judge(self, requests: Sequence[Submission]) -> None:
        """Name the cards and gateways, reject what is too old, too far ahead, or names no possible card."""
        self._requests = requests
        self.tallies = [Tally() for _ in requests]
        for place, request in enumerate(requests):
            names = {report[0] for report in request.reports}
            gateways = await self._cards.gateways(self._connection, request.tenant, names)
            known = self._cards.of(request.tenant)
            if missing := {report[2] for report in request.reports} - known.keys():
                await self._cards.learn(self._connection, request.tenant, sorted(missing))
            self._judge(place, request, gateways)

    def _judge(self, place: int, request: Submission, gateways: dict[str, int]) -> None:
        known, tables, latest = self._cards.of(request.tenant), self._cards.tables(self._now), self._latest
        keep, rejected = self._rows.append, self.tallies[place].rejected
        for index, (gateway, report_id, iccid, at, amount) in enumerate(request.reports):
            card = known.get(iccid)
            if card is None:
                self._judge_unknown(place, index, gateways[gateway])
                continue
            second = at.timestamp()
            key = tables[card & CALENDAR_MASK].key(second)
            if key and second <= latest:
                keep(Row(gateways[gateway], report_id, card, second, amount, key, place, index, None))
            else:
                rejected.append(_out_of_time(index, too_old=not key))

    def _judge_unknown(self, place: int, index: int, gateway: int) -> None:
        _, report_id, iccid, at, amount = self._requests[place].reports[index]
        second = at.timestamp()
        try:
            name = parse_iccid(iccid)
        except Malformed as error:
            self.tallies[place].rejected.append(Rejected(index=index, code=error.code, detail=error.detail))
            return
        key = self._cards.table(Carrier.CMCC, HOME, self._now).key(second)
        if not key or second > self._latest:
            self.tallies[place].rejected.append(_out_of_time(index, too_old=not key))
        else:
            self._unknown.append(Row(gateway, report_id, None, second, amount, key, place, index, name))

    async def write(self) -> None:
        """Find what is new, keep it, count it. Raises `StaleCards`."""
        gateways = sorted({row.gateway for row in self._rows} | {row.gateway for row in self._unknown})
        epoch, marks = await rows.open_batch(self._connection, gateways)
        if epoch != self._cards.epoch:
            raise StaleCards(epoch)
        if self._unknown:
            await self._ask_again()
        new = await self._new(marks)
        if not new:
            return
        await rows.copy_reports(self._connection, [_binary(row) for row in new])
        await self._widen(new, marks)
        await self._keep_aside([row for row in new if row.card is None])
        counted = [Counted(row.card, row.key, row.second, row.amount) for row in new if row.card is not None]
        await put_events(self._connection, await count(self._connection, self._cards, counted, self._now))

    async def _ask_again(self) -> None:
        """Look the unknown cards up once more, now that none can arrive before this batch is committed."""
        await rows.share_unknown(self._connection)
        again, self._unknown = self._unknown, []
        for place, request in enumerate(self._requests):
            asked = sorted({row.iccid for row in again if row.request == place and row.iccid is not None})
            if not asked:
                continue
            await self._cards.learn(self._connection, request.tenant, asked)
            known, tables = self._cards.of(request.tenant), self._cards.tables(self._now)
            for row in (row for row in again if row.request == place):
                card = known.get(row.iccid or "")
                if card is None:
                    self._rows.append(row._replace(iccid=_one_form(row.iccid or "")))
                else:
                    key = tables[card & CALENDAR_MASK].key(row.second) or row.key
                    self._rows.append(row._replace(card=card, key=key, iccid=None))

    async def _new(self, marks: dict[int, rows.GatewayMarks]) -> list[Row]:
        """The reports never seen before; the others are tallied as duplicates or conflicts."""
        first: dict[tuple[int, str], Row] = {}
        remember = first.setdefault
        again = [row for row in self._rows if remember((row.gateway, row.report_id), row) is not row]
        kept = await self._kept(_doubtful(first.values(), marks))
        for identity, content in kept.items():
            self._tally_known(first.pop(identity), content)
        for row in again:
            identity = (row.gateway, row.report_id)
            self._tally_known(row, kept[identity] if identity in kept else _content(first[identity]))
        for row in first.values():
            tally = self.tallies[row.request]
            if row.card is None:
                tally.unknown.append(row.place)
            else:
                tally.accepted += 1
                tally.late += row.second < self._latest - A_DAY
        return list(first.values())

    async def _kept(self, doubtful: Sequence[Row]) -> dict[tuple[int, str], tuple[object, ...]]:
        if not doubtful:
            return {}
        gateways, report_ids = [row.gateway for row in doubtful], [row.report_id for row in doubtful]
        found = await rows.known_reports(self._connection, gateways, report_ids)
        return {
            (gateways[place], report_ids[place]): (sim_id, at.timestamp(), amount, iccid)
            for place, sim_id, at, amount, iccid in found
        }

    def _tally_known(self, row: Row, content: tuple[object, ...]) -> None:
        tally = self.tallies[row.request]
        if _content(row) == content:
            tally.duplicates += 1
        else:
            tally.conflicts.append(row.place)

    async def _widen(self, new: Sequence[Row], marks: dict[int, rows.GatewayMarks]) -> None:
        wider: dict[int, tuple[tuple[int, str], tuple[int, str]]] = {}
        for row in new:
            place = (len(row.report_id), row.report_id)
            low, high = wider.get(row.gateway) or _bounds(marks[row.gateway])
            if place < low or place > high:
                wider[row.gateway] = (min(low, place), max(high, place))
        if wider:
            await rows.widen_gateways(
                self._connection, [(gateway, low[1], high[1]) for gateway, (low, high) in sorted(wider.items())]
            )

    async def _keep_aside(self, unknown: Sequence[Row]) -> None:
        if unknown:
            await rows.keep_aside(
                self._connection,
                [self._requests[row.request].tenant for row in unknown],
                [row.iccid or "" for row in unknown],
                [row.gateway for row in unknown],
                [row.report_id for row in unknown],
                [datetime.fromtimestamp(row.second, UTC) for row in unknown],
                [row.amount for row in unknown],
                self._now,
            )


def _out_of_time(index: int, *, too_old: bool) -> Rejected:
    if too_old:
        return Rejected(index=index, code="AT_TOO_OLD", detail="at lies before the six cycles that are kept")
    return Rejected(index=index, code="AT_TOO_FAR_AHEAD", detail="at lies more than 10 minutes ahead")


def _content(row: Row) -> tuple[object, ...]:
    """What must be the same for the same report: the card (or the name of an unknown one), the instant, the bytes."""
    return (None if row.card is None else row.card >> CALENDAR_BITS, row.second, row.amount, row.iccid)


def _one_form(iccid: str) -> str:
    """The shorter of the two forms of one name (DV-5)."""
    twin = iccid_twin(iccid)
    return iccid if twin is None else min(iccid, twin, key=len)


NOTHING_USED = ((1 << 30, ""), (-1, ""))


def _bounds(mark: rows.GatewayMarks) -> tuple[tuple[int, str], tuple[int, str]]:
    if mark.lowest is None or mark.highest is None:
        return NOTHING_USED
    return (len(mark.lowest), mark.lowest), (len(mark.highest), mark.highest)


def _doubtful(reports: Iterable[Row], marks: dict[int, rows.GatewayMarks]) -> list[Row]:
    """Those whose id lies between the ids its gateway has used: they may have been seen before, the others not."""
    bounds = {gateway: _bounds(mark) for gateway, mark in marks.items()}
    doubtful = []
    for row in reports:
        low, high = bounds[row.gateway]
        if low <= (len(row.report_id), row.report_id) <= high:
            doubtful.append(row)
    return doubtful


def _binary(row: Row) -> bytes:
    if row.card is None:
        return rows.named_row(row.iccid or "", row.second, row.amount, row.gateway, row.report_id)
    return rows.known_row(row.card >> CALENDAR_BITS, row.second, row.amount, row.gateway, row.report_id)
