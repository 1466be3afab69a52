"""Queries of OneLink v5: state, stop reasons, usage, change list, real-name, session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from app.carriers.base import (
    CarrierHold,
    DayUsage,
    Failures,
    Progress,
    ProgressState,
    Session,
    SimRef,
    SimSnapshot,
    UsageFigure,
)
from app.carriers.http import parse
from app.carriers.http.parse import Object
from app.carriers.http.transport import Transport
from app.carriers.onelink import wire
from app.carriers.onelink.link import Link
from app.carriers.protocol_client import ProtocolClient, Setup, chunks, concurrently, optional_answer
from app.domain.calendar.cycles import Cycle
from app.domain.units import KB
from app.domain.vocabulary import ProtocolName, SimState

BATCH = 100
PAGE = 50
MONTHS_KEPT = 6
DAYS_KEPT = 7
MAX_PAGES = 2000
LISTED_STATES = ("1", "2", "4", "6", "7", "8", "9")
"""The states that the change list is queried for; whether the filter may be left out is not published."""

Identities = Mapping[str, str]
Amount = tuple[str, int, datetime | None]
"""ICCID, bytes, and the instant that the row says it covers (`deadLine`), if it does."""


class OneLinkReads(ProtocolClient):
    """The reading half of the client."""

    protocol = ProtocolName.ONELINK

    def __init__(self, setup: Setup, transport: Transport) -> None:
        super().__init__(setup, transport)
        self._link = Link(setup, transport)

    async def snapshot(self, sims: Sequence[SimRef], *, failures: Failures | None = None) -> list[SimSnapshot]:
        """One call per card, two more where it is stopped; of a single card also dates, device and a cut network."""
        full = len(sims) == 1
        return await self._each(sims, lambda sim: self._snapshot_of(sim, full=full), failures)

    async def usage(
        self, sims: Sequence[SimRef], cycle: Cycle, *, failures: Failures | None = None
    ) -> list[UsageFigure]:
        """Month usage, 100 cards a call, of the current month up to yesterday; a single card up to now."""
        today = self._today()
        if cycle.start > today or _months_back(cycle.start, today) >= MONTHS_KEPT:
            return []
        if len(sims) == 1 and cycle.start <= today < cycle.end:
            return await self._each(sims, self._usage_now, failures)
        as_of = parse.midnight(min(today, cycle.end), self._zone)
        params = {"queryDate": cycle.start.strftime("%Y%m")}
        found = await self._amounts("query/sim-data-usage-monthly/batch", sims, params, failures)
        return [UsageFigure(iccid=iccid, used=used, as_of=_earlier(as_of, covered)) for iccid, used, covered in found]

    async def usage_days(
        self, sims: Sequence[SimRef], first: date, last: date, *, failures: Failures | None = None
    ) -> list[DayUsage]:
        """Day usage, 100 cards a call; kept are the 7 days that end yesterday."""
        today = self._today()
        first, last = max(first, today - timedelta(days=DAYS_KEPT)), min(last, today - timedelta(days=1))
        figures: list[DayUsage] = []
        for day in parse.days_between(first, last):
            as_of = parse.midnight(day + timedelta(days=1), self._zone)
            params = {"queryDate": day.strftime("%Y%m%d")}
            found = await self._amounts("query/sim-data-usage-daily/batch", sims, params, failures)
            figures += [DayUsage(iccid=iccid, day=day, used=used, as_of=as_of) for iccid, used, _ in found]
        return figures

    async def changed_since(self, since: datetime) -> list[str] | None:
        """ICCIDs in the change lists of every day from then to today."""
        days = parse.days_between(since.astimezone(self._zone).date(), self._today())
        requests = [(day, state) for day in days for state in LISTED_STATES]
        lists = await concurrently(requests, self._transport.in_flight, lambda one: self._changed_on(*one))
        return sorted({iccid for found in lists for iccid in found})

    async def real_named(self, sims: Sequence[SimRef], *, failures: Failures | None = None) -> dict[str, bool]:
        """`realNameStatus` 1 = registered; no other value is published, so any other reads as not."""

        async def single(sim: SimRef) -> tuple[str, bool]:
            return sim.iccid, await self._real_name_of(sim)

        return dict(await self._each(sims, single, failures))

    async def session(self, sim: SimRef) -> Session:
        """The card's sessions and the device it is in."""
        answer = await self._link.call("session", "query/sim-session", {"iccid": sim.iccid})
        rows = parse.rows_once(answer.row.get("simSessionList"))
        online = [row for row in rows if parse.required_text(row.get("status"), "status") == "01"]
        imei = await optional_answer(self._imei_of(sim))
        row: Object = online[0] if online else {}
        return Session(
            online=bool(online),
            as_of=self._clock.now(),
            ip=parse.text_or_none(row.get("ip")),
            rat=wire.RATS.get(parse.text(row.get("rat"))),
            imei=imei,
            apn=parse.text_or_none(row.get("apnId")),
            since=parse.instant(row.get("createDate"), self._zone),
        )

    async def _try_read(self) -> str:
        seconds = await self._link.renew()
        return f"get/token answered; the token has {seconds} s left"

    async def _card_status(self, sim: SimRef) -> str:
        answer = await self._link.call("status", "query/sim-status", {"iccid": sim.iccid})
        return parse.required_text(answer.row.get("cardStatus"), "cardStatus")

    async def _snapshot_of(self, sim: SimRef, *, full: bool) -> SimSnapshot:
        code = await self._card_status(sim)
        state = wire.STATES.get(code)
        shows_cut = full and state is SimState.ACTIVE
        return SimSnapshot(
            iccid=sim.iccid,
            state=state,
            code=code,
            as_of=self._clock.now(),
            holds=await self._holds_of(sim) if state is SimState.SUSPENDED else (),
            network_cut=await optional_answer(self._data_paused(sim)) if shows_cut else None,
            cut_code=wire.CUT_CODE,
            activated_on=await optional_answer(self._activation_day_of(sim)) if full else None,
            imei=await optional_answer(self._imei_of(sim)) if full else None,
        )

    async def _holds_of(self, sim: SimRef) -> tuple[CarrierHold, ...]:
        """Why a stopped card is stopped, and whether it is frozen, which a resume does not lift."""
        row = (await self._link.call("status", "query/sim-stop-reason", {"iccid": sim.iccid})).row
        description = parse.text_or_none(row.get("shutdownReasonDesc"))
        found = wire.holds(parse.text(row.get("stopReason")), description)
        return wire.with_freeze(found, await optional_answer(self._freeze_of(sim)))

    async def _freeze_of(self, sim: SimRef) -> CarrierHold | None:
        answer = await self._link.call("status", "query/sim-manage-stop-restart-status", {"iccid": sim.iccid})
        return wire.freeze(answer.row)

    async def _data_paused(self, sim: SimRef) -> bool | None:
        answer = await self._link.call("status", "query/sim-communication-function-status", {"iccid": sim.iccid})
        return wire.data_paused(answer.row)

    async def _activation_day_of(self, sim: SimRef) -> date | None:
        row = (await self._link.call("status", "query/sim-basic-info", {"iccid": sim.iccid})).row
        return parse.day(row.get("activeDate") or row.get("activateDate"), self._zone)

    async def _imei_of(self, sim: SimRef) -> str | None:
        row = (await self._link.call("status", "query/sim-imei", {"iccid": sim.iccid})).row
        return parse.text_or_none(row.get("imei"))

    async def _usage_now(self, sim: SimRef) -> UsageFigure | None:
        """Month to date: CT cards in real time, PB cards up to the last midnight [C 3]; None for a blank."""
        answer = await self._link.call("usage", "query/sim-data-usage", {"iccid": sim.iccid})
        used = parse.amount(answer.row.get("dataAmount"), KB)
        if used is None:
            return None
        frozen = await self._is_pb(sim)
        as_of = parse.midnight(self._today(), self._zone) if frozen else self._clock.now()
        return UsageFigure(iccid=sim.iccid, used=used, as_of=as_of)

    async def _is_pb(self, sim: SimRef) -> bool:
        answer = await self._link.call("other", "query/sim-platform/batch", {"iccids": sim.iccid})
        return "CT" not in parse.text(answer.row.get("platformType")).upper()

    async def _amounts(
        self, path: str, sims: Sequence[SimRef], params: Mapping[str, str], failures: Failures | None
    ) -> list[Amount]:
        """The usage of many cards, 100 a call."""
        parts = await self._batches(sims, BATCH, lambda part: self._amounts_of(path, part, params), failures)
        return [amount for part in parts for amount in part]

    async def _amounts_of(self, path: str, sims: Sequence[SimRef], params: Mapping[str, str]) -> list[Amount]:
        """An absent list means that none of the cards used anything; a card missing from a list has no figure."""
        joined = "_".join(sim.iccid for sim in sims)
        answer = await self._link.call("usage", path, {"iccids": joined, **params})
        if answer.row.get("dataAmountList") in (None, "", []):
            return [(sim.iccid, 0, None) for sim in sims]
        names = _by_any_name(sims)
        found: list[Amount] = []
        for row in parse.objects(answer.row.get("dataAmountList")):
            iccid = next((names[name] for name in _names(row) if name in names), None)
            used = parse.amount(row.get("dataAmount"), KB)
            if iccid is not None and used is not None:
                found.append((iccid, used, wire.covered_until(row, self._zone)))
        return found

    async def _changed_on(self, day: date, state: str) -> list[str]:
        iccids: set[str] = set()
        numbers: set[str] = set()
        for page in range(1, MAX_PAGES):
            params = {"changeDate": day.strftime("%Y%m%d"), "cardStatus": state}
            params |= {"pageSize": str(PAGE), "startNum": str(page)}
            answer = await self._link.call("changes", "query/changeable-sim-date", params)
            found, nameless = wire.changed_cards(answer.rows)
            before = len(iccids) + len(numbers)
            iccids.update(found)
            numbers.update(nameless)
            if len(found) + len(nameless) < PAGE or len(iccids) + len(numbers) == before:
                break
        return [*iccids, *await self._iccids_of(sorted(numbers))]

    async def _iccids_of(self, numbers: Sequence[str]) -> list[str]:
        """ICCIDs of numbers, 100 a call; each row has a status of its own."""
        found: list[str] = []
        for part in chunks(numbers, BATCH):
            answer = await self._link.call("other", "query/sim-card-info/batch", {"msisdns": "_".join(part)})
            found += [parse.text(row.get("iccid")) for row in answer.rows if parse.text(row.get("status")) == "0"]
        return [iccid for iccid in found if iccid]

    async def _real_name_of(self, sim: SimRef) -> bool:
        answer = await self._link.call("real_name", "query/sim-real-name-status", {"iccid": sim.iccid})
        return parse.required_text(answer.row.get("realNameStatus"), "realNameStatus") == "1"

    async def _real_name_progress(self, sim: SimRef) -> Progress:
        verified = await self._real_name_of(sim)
        return Progress(state=ProgressState.DONE if verified else ProgressState.PENDING)

    def _today(self) -> date:
        return self._clock.now().astimezone(self._zone).date()


def _names(row: Object) -> list[str]:
    return [parse.text(row.get(name)) for name in ("iccid", "msisdn", "imsi")]


def _by_any_name(sims: Sequence[SimRef]) -> Identities:
    """ICCID by every identity an answer may name a card with."""
    return {name: sim.iccid for sim in sims for name in wire.identities(sim)}


def _earlier(as_of: datetime, covered: datetime | None) -> datetime:
    return as_of if covered is None else min(as_of, covered)


def _months_back(month: date, today: date) -> int:
    return (today.year - month.year) * 12 + today.month - month.month
