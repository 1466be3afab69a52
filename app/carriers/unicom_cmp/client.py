"""Unicom's capability gateway gwapi: one client per account (`README.md` beside this file has the quirks)."""

# ruff: noqa: ARG002 (an interface is met; not every protocol needs all of it)

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import ClassVar, TypeVar
from zoneinfo import ZoneInfo

from app.carriers.base import Arguments, DayUsage, Failures, Receipt, Session, SimRef, SimSnapshot, UsageFigure
from app.carriers.errors import CarrierRejected
from app.carriers.http import parse
from app.carriers.http.parse import Object
from app.carriers.http.transport import Call, Transport
from app.carriers.protocol_client import ProtocolClient, Setup, receipt_of
from app.carriers.result_codes import Codes
from app.carriers.unicom_cmp import wire
from app.domain.calendar.cycles import Cycle, cycle_on
from app.domain.units import MB
from app.domain.vocabulary import OperationKind, ProtocolName

Result = TypeVar("Result")

BATCH = 50
"""Cards in one wsGetTerminalDetails [2: U3, U6]."""

BEIJING = ZoneInfo("Asia/Shanghai")
HEADERS = {"Content-Type": "application/json;charset=UTF-8", "Accept": "application/json"}
MAX_PAGES = 200
UNASSIGNED_ICCID = "89860000000000000000"


class UnicomCmpClient(ProtocolClient):
    """A JSON skin over the Jasper vocabulary; edits use their synchronous form."""

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

    async def snapshot(self, sims: Sequence[SimRef], *, failures: Failures | None = None) -> list[SimSnapshot]:
        """State, device and real-name of 50 cards a call."""
        found = await self._terminals("status", sims, self._snapshot_of, failures)
        self._add_missing(sims, found, failures)
        return found

    async def usage(
        self, sims: Sequence[SimRef], cycle: Cycle, *, failures: Failures | None = None
    ) -> list[UsageFigure]:
        """Month to date of 50 cards a call; a closed cycle one card a call."""
        today = self._clock.now().astimezone(self._zone).date()
        if cycle.start > today:
            return []
        if cycle.end <= today:
            return await self._each(sims, lambda sim: self._closed_usage(sim, cycle), failures)
        as_of = self._clock.now()

        def figure(iccid: str, terminal: Object) -> UsageFigure | None:
            used = parse.amount(terminal.get("monthToDateDataUsage"), MB)
            return None if used is None else UsageFigure(iccid=iccid, used=used, as_of=as_of)

        figures = await self._terminals("usage", sims, figure, failures)
        return [one for one in figures if one is not None]

    async def usage_days(
        self, sims: Sequence[SimRef], first: date, last: date, *, failures: Failures | None = None
    ) -> list[DayUsage]:
        """Sessions summed by the day they began; one call for each card and cycle, more where there are pages."""
        days = await self._each(sims, lambda sim: self._days_of(sim, first, last), failures)
        return [figure for figures in days for figure in figures]

    async def real_named(self, sims: Sequence[SimRef], *, failures: Failures | None = None) -> dict[str, bool]:
        """`realNameStatus` of 50 cards a call."""
        statuses = await self._terminals("real_name", sims, _real_name_of, failures)
        return {iccid: answer for iccid, answer in statuses if answer is not None}

    async def session(self, sim: SimRef) -> Session:
        """Online ⇔ a session began and has not ended; the shape is taken from the SOAP twin [inf]."""
        answer = await self._call("session", "wsGetSessionInfo", {"iccids": [sim.iccid]})
        row = _first_row(answer.data)
        terminal: Object = next(iter(await self._terminals("status", [sim], lambda _, row: row, None)), {})
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
        terminals = await self._terminals("other", [SimRef(iccid=UNASSIGNED_ICCID)], lambda _, row: row, None)
        return f"wsGetTerminalDetails answered, {len(terminals)} cards; the token passed"

    async def _call(
        self, operation: str, api: str, data: Mapping[str, object], *, changes: bool = False
    ) -> wire.ParsedReply:
        body = wire.envelope(self._setup.credentials, self._clock.now().astimezone(BEIJING), data)
        call = Call(operation, "POST", wire.path(api), body=body, headers=HEADERS, changes=changes)
        return await self._transport.send(call, lambda reply: wire.parse_reply(reply, self._codes, changes=changes))

    async def _terminals(
        self,
        operation: str,
        sims: Sequence[SimRef],
        read: Callable[[str, Object], Result],
        failures: Failures | None,
    ) -> list[Result]:
        """What `read` makes of each terminal of wsGetTerminalDetails and of the ICCID that we know the card by."""

        async def fetch(part: Sequence[SimRef]) -> list[Result]:
            ours = {form: sim.iccid for sim in part for form in parse.iccid_forms(sim.iccid)}
            answer = await self._call(operation, "wsGetTerminalDetails", {"iccids": [sim.iccid for sim in part]})
            rows = parse.objects(answer.data.get("terminals"))
            named = [(parse.text(row.get("iccid")), row) for row in rows]
            return [read(ours[iccid], row) for iccid, row in named if iccid in ours]

        parts = await self._batches(sims, BATCH, fetch, failures)
        return [one for part in parts for one in part]

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
            if error.carrier_code == wire.NOT_KEPT:
                return None
            raise
        used = parse.amount(answer.data.get("totalDataVolume"), MB)
        as_of = parse.midnight(cycle.end, self._zone)
        return None if used is None else UsageFigure(iccid=sim.iccid, used=used, as_of=as_of)

    async def _days_of(self, sim: SimRef, first: date, last: date) -> list[DayUsage]:
        now = self._clock.now()
        days = parse.days_between(first, min(last, now.astimezone(self._zone).date()))
        totals: dict[date, int] = {}
        for name in sorted({cycle_on(self._setup.carrier, day).id for day in days}):
            await self._add_cycle(sim, name, totals)
        ends = {day: min(now, parse.midnight(day + timedelta(days=1), self._zone)) for day in days}
        return [DayUsage(iccid=sim.iccid, day=day, used=totals.get(day, 0), as_of=ends[day]) for day in days]

    async def _add_cycle(self, sim: SimRef, cycle: str, totals: dict[date, int]) -> None:
        """Any instant in the month that names the cycle stands for it [3]."""
        for page in range(1, MAX_PAGES):
            data = {"iccid": sim.iccid, "cycleStartDate": f"{cycle}-01 00:00:00", "pageNumber": str(page)}
            answer = await self._call("usage", "wsGetTerminalUsageDataDetails", data)
            wire.add_sessions(totals, parse.rows_once(answer.data.get("usageDetails")), self._zone)
            pages = parse.text(answer.data.get("totalPages"))
            if not pages.isdigit() or page >= int(pages):
                return


def _real_name_of(iccid: str, terminal: Object) -> tuple[str, bool | None]:
    return iccid, wire.real_named(terminal)


def _first_row(data: Object) -> Object:
    """The first object of the first list in the answer, else the answer itself."""
    lists = (parse.objects(value) for value in data.values() if isinstance(value, list))
    return next((rows[0] for rows in lists if rows), data)
