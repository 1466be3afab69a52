"""One transaction of usage ingest: what is new among the reports of some requests, kept and counted.

`classify` sorts out what cannot be counted, before the transaction; `write` does the rest in it, and fills the tallies.
Everything is by column: a list per property of a report, all of one length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import cast

from app.db.connection import Connection
from app.db.events.outbox import add_events
from app.db.usage import ingest as rows
from app.domain.errors import Malformed
from app.domain.identifiers import parse_iccid
from app.usecases.usage.ingest.columns import REQUEST_SHIFT, UNKNOWN, Columns
from app.usecases.usage.ingest.counters import Countable, count
from app.usecases.usage.ingest.cycle_index import CALENDAR_BITS, CALENDAR_MASK
from app.usecases.usage.ingest.reports import MAX_AHEAD, Rejected, Submission, Tally
from app.usecases.usage.ingest.screening import Identity, bounds_of, keys_of, possible_duplicates, rejected_instant
from app.usecases.usage.ingest.sim_cache import SimLookupCache, canonical_iccid

A_DAY = 86_400.0
PLACE_MASK = (1 << REQUEST_SHIFT) - 1

Content = tuple[int | None, float, int, str | None]
"""(card, instant, bytes, ICCID of an unknown card): what must be the same for the same report."""


class StaleSimCache(Exception):
    """The cards remembered are of an older epoch than the one the batch runs in."""

    def __init__(self, epoch: int) -> None:
        super().__init__("cards have left or moved")
        self.epoch = epoch


class Batch:
    """The reports of some requests, on one connection."""

    def __init__(self, connection: Connection, cards: SimLookupCache, now: datetime) -> None:
        self._connection = connection
        self._cards = cards
        self._now = now
        self._latest = (now + MAX_AHEAD).timestamp()
        self._epoch = cards.epoch
        self._requests: Sequence[Submission] = ()
        self._all = Columns()
        self.tallies: list[Tally] = []

    async def classify(self, requests: Sequence[Submission]) -> None:
        """Name the cards and gateways, reject what is too old, too far ahead, or names no possible card."""
        self._requests = requests
        self.tallies = [Tally() for _ in requests]
        self._epoch = self._cards.epoch
        for place, request in enumerate(requests):
            self._cards.make_room()
            reports, tenant = request.reports, request.tenant
            named = await self._cards.gateways(self._connection, tenant, set(reports.gateways))
            cards = self._cards.find(tenant, reports.iccids)
            if None in cards:
                missing = {iccid for iccid, card in zip(reports.iccids, cards, strict=True) if card is None}
                await self._cards.learn(self._connection, tenant, sorted(missing))
                cards = self._cards.find(tenant, reports.iccids)
                await self._cards.load_blocks(self._connection, tenant)
            self._classify(place, request, [named[name] for name in reports.gateways], cards)

    def _classify(self, place: int, request: Submission, gateways: list[int], cards: list[int | None]) -> None:
        reports, base = request.reports, place << REQUEST_SHIFT
        seconds = [at.timestamp() for at in reports.instants]
        if None in cards:
            self._classify_each(place, request, gateways, cards, seconds)
            return
        whole = cast("list[int]", cards)
        keys = keys_of(self._cards.tables(self._now), whole, seconds)
        if 0 in keys or max(seconds, default=0.0) > self._latest:
            self._classify_each(place, request, gateways, cards, seconds)
            return
        found = self._all
        found.gateways += gateways
        found.ids += reports.ids
        found.cards += whole
        found.seconds += seconds
        found.amounts += reports.amounts
        found.keys += keys
        found.origins += range(base, base + len(reports))

    def _classify_each(
        self, place: int, request: Submission, gateways: list[int], cards: list[int | None], seconds: list[float]
    ) -> None:
        """The same where not every report is of a known card and in time."""
        reports, found, rejected = request.reports, self._all, self.tallies[place].rejected
        tables, anybodys = self._cards.tables(self._now), self._cards.every_table(self._now)
        for index, (card, second) in enumerate(zip(cards, seconds, strict=True)):
            try:
                name = parse_iccid(reports.iccids[index]) if card is None else None
            except Malformed as error:
                rejected.append(Rejected(index=index, code=error.code, detail=error.detail))
                continue
            of = anybodys if card is None else (tables[card & CALENDAR_MASK],)
            key = max(table.key(second) for table in of)
            if not key or second > self._latest:
                rejected.append(rejected_instant(index, too_old=not key))
                continue
            if name is not None:
                found.names[len(found.ids)] = name
            found.gateways.append(gateways[index])
            found.ids.append(reports.ids[index])
            found.cards.append(UNKNOWN if card is None else card)
            found.seconds.append(second)
            found.amounts.append(reports.amounts[index])
            found.keys.append(key)
            found.origins.append(place << REQUEST_SHIFT | index)

    async def write(self) -> None:
        """Find what is new, keep it, count it. Raises `StaleSimCache`."""
        found = self._all
        if not found.ids:
            return
        epoch, marks = await rows.lock_batch(self._connection, sorted(set(found.gateways)))
        if epoch != self._epoch:  # not the book's: another batch may have told it since these cards were judged
            raise StaleSimCache(epoch)
        if found.names:
            await self._ask_again()
        new = await self._new(marks)
        if not new:
            return
        await rows.copy_reports(self._connection, self._binary(new))
        await self._move_water_marks(new, marks)
        await self._store_unmatched([index for index in new if found.cards[index] == UNKNOWN])
        events = await count(self._connection, self._cards, self._countable(new), self._now)
        await add_events(self._connection, events)

    async def _ask_again(self) -> None:
        """Look the unknown cards up once more, now that none can arrive before this batch is committed."""
        await rows.lock_unmatched_shared(self._connection)
        found = self._all
        for place, request in enumerate(self._requests):
            mine = [index for index in found.names if found.origins[index] >> REQUEST_SHIFT == place]
            if not mine:
                continue
            await self._cards.learn(self._connection, request.tenant, sorted({found.names[index] for index in mine}))
            tables = self._cards.tables(self._now)
            cards = self._cards.find(request.tenant, [found.names[index] for index in mine])
            too_old = set()
            for index, card in zip(mine, cards, strict=True):
                if card is None:
                    found.names[index] = canonical_iccid(found.names[index])
                    continue
                del found.names[index]
                found.cards[index] = card
                found.keys[index] = tables[card & CALENDAR_MASK].key(found.seconds[index])
                if not found.keys[index]:
                    too_old.add(index)
            for index in too_old:
                tally, at = self._tally_of(index)
                tally.rejected.append(rejected_instant(at, too_old=True))
            found.drop(too_old)

    async def _new(self, marks: Mapping[int, rows.WaterMarks]) -> Sequence[int]:
        """The indexes of reports never seen before; the others are tallied as duplicates or conflicts."""
        found = self._all
        identities = list(zip(found.gateways, found.ids, strict=True))
        kept = await self._kept(possible_duplicates(identities, marks))
        new: Sequence[int] = range(len(identities))
        if kept or len(set(identities)) < len(identities):
            new = self._first_of(identities, kept)
        self._tally_new(new)
        return new

    def _first_of(self, identities: Sequence[Identity], kept: Mapping[Identity, Content]) -> list[int]:
        """The first index of each identity that is not kept yet; the others tallied."""
        first: dict[Identity, int] = {}
        new = []
        for index, identity in enumerate(identities):
            content = kept.get(identity)
            if content is None:
                earlier = first.setdefault(identity, index)
                if earlier == index:
                    new.append(index)
                    continue
                content = self._content(earlier)
            tally, place = self._tally_of(index)
            if content == self._content(index):
                tally.duplicates += 1
            else:
                tally.conflicts.append(place)
        return new

    async def _kept(self, asked: Sequence[Identity]) -> dict[Identity, Content]:
        if not asked:
            return {}
        found = await rows.find_reports(self._connection, asked)
        return {asked[place]: (sim_id, at.timestamp(), amount, iccid) for place, sim_id, at, amount, iccid in found}

    def _content(self, index: int) -> Content:
        found = self._all
        card = found.cards[index]
        sim_id = None if card == UNKNOWN else card >> CALENDAR_BITS
        return sim_id, found.seconds[index], found.amounts[index], found.names.get(index)

    def _tally_of(self, index: int) -> tuple[Tally, int]:
        origin = self._all.origins[index]
        return self.tallies[origin >> REQUEST_SHIFT], origin & PLACE_MASK

    def _tally_new(self, new: Sequence[int]) -> None:
        origins, seconds, cards = self._all.origins, self._all.seconds, self._all.cards
        a_day_ago = self._latest - A_DAY
        by_request = [0] * len(self.tallies)
        for index in new:
            by_request[origins[index] >> REQUEST_SHIFT] += 1
        for tally, accepted in zip(self.tallies, by_request, strict=True):
            tally.accepted = accepted
        for index in (index for index in new if seconds[index] < a_day_ago and cards[index] != UNKNOWN):
            self._tally_of(index)[0].late += 1
        for index in set(self._all.names).intersection(new):
            tally, place = self._tally_of(index)
            tally.accepted -= 1
            tally.unknown.append(place)

    async def _move_water_marks(self, new: Sequence[int], marks: Mapping[int, rows.WaterMarks]) -> None:
        ids: dict[int, list[tuple[int, str]]] = {}
        gateways, names = self._all.gateways, self._all.ids
        for index in new:
            ids.setdefault(gateways[index], []).append((len(names[index]), names[index]))
        wider = []
        for gateway, used in sorted(ids.items()):
            low, high = bounds_of(marks[gateway])
            lowest, highest = min(low, *used), max(high, *used)
            if (lowest, highest) != (low, high):
                wider.append((gateway, lowest[1], highest[1]))
        if wider:
            await rows.move_water_marks(self._connection, wider)

    async def _store_unmatched(self, unknown: Sequence[int]) -> None:
        found = self._all
        if unknown:
            await rows.insert_unmatched(
                self._connection,
                [self._requests[found.origins[index] >> REQUEST_SHIFT].tenant for index in unknown],
                [found.names[index] for index in unknown],
                [found.gateways[index] for index in unknown],
                [found.ids[index] for index in unknown],
                [datetime.fromtimestamp(found.seconds[index], UTC) for index in unknown],
                [found.amounts[index] for index in unknown],
                self._now,
            )

    def _binary(self, new: Sequence[int]) -> list[bytes]:
        found, pack = self._all, rows.pack_report
        cards, seconds, amounts, gateways, ids = found.cards, found.seconds, found.amounts, found.gateways, found.ids
        if not found.names:
            return [pack(cards[i] >> CALENDAR_BITS, seconds[i], amounts[i], gateways[i], ids[i]) for i in new]
        return [
            pack(cards[i] >> CALENDAR_BITS, seconds[i], amounts[i], gateways[i], ids[i])
            if cards[i] != UNKNOWN
            else rows.pack_unmatched_report(found.names[i], seconds[i], amounts[i], gateways[i], ids[i])
            for i in new
        ]

    def _countable(self, new: Sequence[int]) -> Countable:
        found = self._all
        if len(new) == len(found.ids) and not found.names:
            return Countable(found.cards, found.keys, found.seconds, found.amounts)
        known = [index for index in new if found.cards[index] != UNKNOWN]
        return Countable(
            [found.cards[index] for index in known],
            [found.keys[index] for index in known],
            [found.seconds[index] for index in known],
            [found.amounts[index] for index in known],
        )
