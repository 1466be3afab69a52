"""Unicom's capability gateway gwapi: one client per account (`README.md` beside this file has the quirks)."""

# ruff: noqa: ARG002 (an interface is met; not every protocol needs all of it)

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

from app.carriers.base import Arguments, DayUsage, Receipt, Session, SimRef, SimSnapshot, UsageFigure
from app.carriers.errors import CarrierRejected
from app.carriers.http import parse
from app.carriers.http.parse import Object
from app.carriers.http.transport import Call, Transport
from app.carriers.protocol_client import ProtocolClient, Setup, chunks, concurrently, receipt_of
from app.carriers.result_codes import Codes, NoSuchCard
from app.carriers.unicom_cmp import wire
from app.domain.calendar.cycles import Cycle, cycle_on
from app.domain.units import MB
from app.domain.vocabulary import OperationKind, ProtocolName

BATCH = 50
"""Cards in one wsGetTerminalDetails [2: U3, U6]."""

BEIJING = ZoneInfo("Asia/Shanghai")
HEADERS = {"Content-Type": "application/json;charset=UTF-8", "Accept": "application/json"}
MAX_PAGES = 200
UNASSIGNED_ICCID = "89860000000000000000"


class UnicomCmpClient(ProtocolClient):
    """A JSON skin over the Jasper vocabulary; edits are asked for in their synchronous form."""

    protocol = ProtocolName.UNICOM_CMP
    kinds: ClassVar[frozenset[OperationKind]] = frozenset(wire.TARGETS)

    def __init__(self, setup: Setup, transport: Transport) -> None:
        super().__init__(setup, transport)
        self._codes: Codes = {**wire.CODES, **setup.codes}

    @classmethod
    def open(cls, setup: Setup) -> UnicomCmpClient:
        """A client for this account."""
        return cls(setup, setup.open_transport())

    async def change(self, kind: OperationKind, sim: SimRef, arguments: Arguments) -> Receipt:
        """Ask for one change."""
        self._require_api(kind)
        data = {
            "iccid": sim.iccid,
            "changeType": wire.STATUS_CHANGE,
            "targetValue": wire.TARGETS[kind],
            "asynchronous": "0",
        }
        answer = await self._call(kind, "wsEditTerminal", data, changes=True)
        return receipt_of(answer.meaning, settled=True)

    async def snapshot(self, sims: Sequence[SimRef]) -> list[SimSnapshot]:
        """State, device and real-name of 50 cards a call."""
        terminals = await self._terminals("status", sims)
        return [self._snapshot_of(iccid, terminal) for iccid, terminal in terminals.items()]

    async def usage(self, sims: Sequence[SimRef], cycle: Cycle) -> list[UsageFigure]:
        """Month to date of 50 cards a call; a closed cycle one card a call."""
        today = self._clock.now().astimezone(self._zone).date()
        if cycle.start > today:
            return []
        if cycle.end <= today:
            closed = await concurrently(sims, self._transport.in_flight, lambda sim: self._closed_usage(sim, cycle))
            return [figure for figure in closed if figure is not None]
        terminals = await self._terminals("usage", sims)
        as_of = self._clock.now()
        used_by_iccid = {
            iccid: parse.amount(terminal.get("monthToDateDataUsage"), MB) for iccid, terminal in terminals.items()
        }
        return [
            UsageFigure(iccid=iccid, used=used, as_of=as_of)
            for iccid, used in used_by_iccid.items()
            if used is not None
        ]

    async def usage_days(self, sims: Sequence[SimRef], first: date, last: date) -> list[DayUsage]:
        """Sessions summed by the day they began; one call for each card and cycle, more where there are pages."""
        days = await concurrently(sims, self._transport.in_flight, lambda sim: self._days_of(sim, first, last))
        return [figure for figures in days for figure in figures]

    async def real_named(self, sims: Sequence[SimRef]) -> dict[str, bool]:
        """`realNameStatus` of 50 cards a call."""
        terminals = await self._terminals("real_name", sims)
        statuses = {iccid: wire.real_named(terminal) for iccid, terminal in terminals.items()}
        return {iccid: answer for iccid, answer in statuses.items() if answer is not None}

    async def session(self, sim: SimRef) -> Session:
        """Online ⇔ a session began and has not ended; the shape is taken from the SOAP twin [inf]."""
        answer = await self._call("session", "wsGetSessionInfo", {"iccids": [sim.iccid]})
        row = _first_row(answer.data)
        terminal = (await self._terminals("status", [sim])).get(sim.iccid, {})
        began = parse.instant(row.get("dateSessionStarted"), self._zone)
        online = began is not None and not parse.text(row.get("dateSessionEnded"))
        return Session(
            online=online,
            as_of=self._clock.now(),
            ip=parse.text_or_none(row.get("ipAddress")) if online else None,
            imei=parse.text_or_none(terminal.get("imei")),
            since=began if online else None,
        )

    async def _try_read(self) -> str:
        """Details of a card that nobody has: the gateway checks the token before the platform looks for the card."""
        terminals = await self._terminals("other", [SimRef(iccid=UNASSIGNED_ICCID)])
        return f"wsGetTerminalDetails answered, {len(terminals)} cards; the token passed"

    async def _call(
        self, operation: str, api: str, data: Mapping[str, object], *, changes: bool = False
    ) -> wire.ParsedReply:
        body = wire.envelope(self._setup.credentials, self._clock.now().astimezone(BEIJING), data)
        call = Call(operation, "POST", wire.path(api), body=body, headers=HEADERS, changes=changes)
        return await self._transport.send(call, lambda reply: wire.parse_reply(reply, self._codes, changes=changes))

    async def _terminals(self, operation: str, sims: Sequence[SimRef]) -> dict[str, Object]:
        """The terminals of wsGetTerminalDetails by the ICCID that we know the card by."""
        parts = await concurrently(
            chunks(sims, BATCH), self._transport.in_flight, lambda part: self._part(operation, part)
        )
        return {iccid: terminal for part in parts for iccid, terminal in part.items()}

    async def _part(self, operation: str, sims: Sequence[SimRef]) -> dict[str, Object]:
        ours = {form: sim.iccid for sim in sims for form in parse.iccid_forms(sim.iccid)}
        try:
            answer = await self._call(operation, "wsGetTerminalDetails", {"iccids": [sim.iccid for sim in sims]})
        except NoSuchCard:
            return {}
        rows = parse.objects(answer.data.get("terminals"))
        named = ((parse.text(row.get("iccid")), row) for row in rows)
        return {ours[iccid]: row for iccid, row in named if iccid in ours}

    def _snapshot_of(self, iccid: str, terminal: Object) -> SimSnapshot:
        code = parse.required_text(terminal.get("simStatus"), "simStatus")
        return SimSnapshot(
            iccid=iccid,
            state=wire.STATES.get(code),
            code=code,
            as_of=self._clock.now(),
            holds=wire.holds(terminal, code),
            activated_on=parse.day(terminal.get("dateActivated"), self._zone),
            imei=parse.text_or_none(terminal.get("imei")),
            real_named=wire.real_named(terminal),
        )

    async def _closed_usage(self, sim: SimRef, cycle: Cycle) -> UsageFigure | None:
        """`totalDataVolume` of a closed cycle; MB is assumed [inf]. 1074: a month that is not kept, so no figure."""
        data = {"iccid": sim.iccid, "billingCycle": cycle.id.replace("-", "")}
        try:
            answer = await self._call("usage", "wsGetTerminalUsage", data)
        except CarrierRejected as error:
            if error.carrier_code == wire.NOT_KEPT or isinstance(error, NoSuchCard):
                return None
            raise
        used = parse.amount(answer.data.get("totalDataVolume"), MB)
        as_of = parse.midnight(cycle.end, self._zone)
        return None if used is None else UsageFigure(iccid=sim.iccid, used=used, as_of=as_of)

    async def _days_of(self, sim: SimRef, first: date, last: date) -> list[DayUsage]:
        now = self._clock.now()
        days = parse.days_between(first, min(last, now.astimezone(self._zone).date()))
        totals: dict[date, int] = {}
        try:
            for name in sorted({cycle_on(self._setup.carrier, day).id for day in days}):
                await self._add_cycle(sim, name, totals)
        except NoSuchCard:
            return []
        ends = {day: min(now, parse.midnight(day + timedelta(days=1), self._zone)) for day in days}
        return [DayUsage(iccid=sim.iccid, day=day, used=totals.get(day, 0), as_of=ends[day]) for day in days]

    async def _add_cycle(self, sim: SimRef, cycle: str, totals: dict[date, int]) -> None:
        """Any instant in the month that names the cycle stands for it [3]."""
        for page in range(1, MAX_PAGES):
            data = {"iccid": sim.iccid, "cycleStartDate": f"{cycle}-01 00:00:00", "pageNumber": str(page)}
            answer = await self._call("usage", "wsGetTerminalUsageDataDetails", data)
            wire.add_sessions(totals, parse.objects(answer.data.get("usageDetails")), self._zone)
            pages = parse.text(answer.data.get("totalPages"))
            if not pages.isdigit() or page >= int(pages):
                return


def _first_row(data: Object) -> Object:
    """The first object of the first list in the answer, else the answer itself."""
    lists = (parse.objects(value) for value in data.values() if isinstance(value, list))
    return next((rows[0] for rows in lists if rows), data)
