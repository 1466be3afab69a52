"""China Telecom's CTWing 5G-CMP gateway: one client per account (`README.md` beside this file has the quirks)."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import ClassVar, TypeVar
from zoneinfo import ZoneInfo

from app.carriers.base import (
    Arguments,
    CarrierHold,
    DayUsage,
    Failures,
    Receipt,
    Session,
    SimRef,
    SimSnapshot,
    UsageFigure,
)
from app.carriers.batches import Batches
from app.carriers.ctwing import wire
from app.carriers.errors import CarrierProtocolError, CarrierRejected
from app.carriers.http import parse
from app.carriers.http.parse import Object
from app.carriers.http.transport import Call, Dialect, Pairs, Transport
from app.carriers.protocol_client import (
    ProtocolClient,
    Setup,
    home_number,
    optional_answer,
    receipt_of,
)
from app.carriers.result_codes import Codes
from app.carriers.telecom import stops
from app.carriers.telecom import wire as telecom
from app.carriers.telecom.reply import ParsedReply, parse_reply
from app.domain.calendar.cycles import Cycle
from app.domain.sim.network_cut import NETWORK_CUT_CODE
from app.domain.vocabulary import OperationKind, ProtocolName, SimState

BATCH = 100
PAGE = 50
MAX_PAGES = 200

Result = TypeVar("Result")
Numbered = tuple[str, SimRef]


class CtwingClient(ProtocolClient):
    """Cards go by their number; where the gateway knows only the ICCID, the number is queried first."""

    protocol = ProtocolName.CTWING
    kinds: ClassVar[frozenset[OperationKind]] = frozenset({*wire.CHANGE_CALLS, OperationKind.SET_THRESHOLD})

    def __init__(self, setup: Setup, transport: Transport) -> None:
        super().__init__(setup, transport)
        self._codes: Codes = {**telecom.CODES, **setup.codes}
        self._customer = setup.credentials["cust_number"]

    @classmethod
    def open(cls, setup: Setup) -> CtwingClient:
        """A client for this account."""
        secret, key = setup.credentials["app_secret"], setup.credentials["app_key"]
        # GMT in one source, local time in two [?]: a setting, default China's
        zone = ZoneInfo(str(setup.options.get("timestamp_zone", "Asia/Shanghai")))

        def sign(call: Call, _query: str) -> Mapping[str, str]:
            timestamp = setup.clock.now().astimezone(zone).strftime("%Y%m%d%H%M%S")
            proof = wire.sign(secret, timestamp, call.query, call.body)
            return {"AppKey": key, "Timestamp": timestamp, "Sign": proof, "Content-Type": "application/json"}

        return cls(setup, setup.open_transport(Dialect(sign)))

    async def change(self, kind: OperationKind, sim: SimRef, arguments: Arguments) -> Receipt:
        """Ask for one change."""
        self._require_api(kind)
        number = await self._number(sim)
        if kind is OperationKind.SET_THRESHOLD:
            return await self._set_threshold(number, arguments)
        verb, path, params = wire.CHANGE_CALLS[kind]
        try:
            answer = await self._call(kind, (verb, path), (("access_number", number), *params), changes=True)
        except CarrierRejected as error:
            if kind in telecom.TARGETS and await self._already_in_state(kind, number):
                return Receipt(settled=True, already=True)
            raise telecom.explained(kind, error) from None
        return receipt_of(answer.meaning, settled=False, reference=answer.reference)

    async def snapshot(self, sims: Sequence[SimRef], *, failures: Failures | None = None) -> list[SimSnapshot]:
        """A single card in full; many by 100 a call, and one by one where that row lacks a state or data is off."""
        if len(sims) == 1:
            return await self._each(sims, lambda sim: self._snapshot_of(sim, full=True), failures)
        numbered = await self._numbered(sims, failures)
        rows = await self._infos_of(numbered)
        plain = [self._brief(sim, rows[number]) for number, sim in numbered if wire.is_plain(rows.get(number))]
        rest = [sim for number, sim in numbered if not wire.is_plain(rows.get(number))]
        return plain + await self._each(rest, lambda sim: self._snapshot_of(sim, full=False), failures)

    async def usage(
        self, sims: Sequence[SimRef], cycle: Cycle, *, failures: Failures | None = None
    ) -> list[UsageFigure]:
        """The running month of 100 cards a call; a closed one by its days, one card a call."""
        today = self._clock.now().astimezone(self._zone).date()
        if cycle.start > today:
            return []
        if cycle.end <= today:
            return await self._each(sims, lambda sim: self._closed(sim, cycle), failures)
        numbered = await self._numbered(sims, failures)
        month = cycle.start.strftime("%Y%m")
        figures = await self._flows(wire.FLOW_BY_MONTH, numbered, {}, failures)
        as_of = self._clock.now()
        return [
            UsageFigure(iccid=sim.iccid, used=used, as_of=as_of)
            for sim, used, row in figures
            if parse.text(row.get("month")) in ("", month)
        ]

    async def usage_days(
        self, sims: Sequence[SimRef], first: date, last: date, *, failures: Failures | None = None
    ) -> list[DayUsage]:
        """100 cards and one day a call; the day's parameter name is assumed [I]."""
        now = self._clock.now()
        numbered = await self._numbered(sims, failures)
        figures: list[DayUsage] = []
        for day in parse.days_between(first, min(last, now.astimezone(self._zone).date())):
            as_of = min(now, parse.midnight(day + timedelta(days=1), self._zone))
            rows = await self._flows(wire.FLOW_BY_DATE, numbered, {"date": day.strftime("%Y%m%d")}, failures)
            figures += [DayUsage(iccid=sim.iccid, day=day, used=used, as_of=as_of) for sim, used, _ in rows]
        return figures

    async def changed_since(self, since: datetime) -> list[str] | None:
        """ICCIDs in cradStatus from then on; None where its rows, whose names are not published, have no ICCID."""
        changed: dict[str, None] = {}
        for page in range(1, MAX_PAGES):
            answer = await self._call("changes", wire.CHANGES, (("page", str(page)), ("size", str(PAGE))))
            rows = wire.rows(answer.json)
            if any(not row.get("iccid") for row in rows):
                return None
            recent = [row for row in rows if self._is_since(row, since)]
            changed.update(dict.fromkeys(parse.text(row["iccid"]) for row in recent))
            if len(rows) < PAGE:
                break
        return list(changed)

    async def real_named(self, sims: Sequence[SimRef], *, failures: Failures | None = None) -> dict[str, bool]:
        """qryRealNameStatus, 100 cards a call: 1 = real-named [C 3]."""

        async def fetch(part: Sequence[Numbered]) -> list[tuple[str, bool]]:
            ours = dict(part)
            rows = wire.rows((await self._post("real_name", wire.REAL_NAME, {"accessNumber": list(ours)})).json)
            named = [(ours.get(home_number(wire.number_of(row))), wire.is_real_named(row)) for row in rows]
            return [(sim.iccid, answer) for sim, answer in named if sim is not None]

        return dict(await self._batch(await self._numbered(sims, failures), fetch, failures))

    async def session(self, sim: SimRef) -> Session:
        """Whether the card is online, with address and device."""
        answer = await self._call("session", wire.ONLINE, (("access_number", await self._number(sim)),))
        return telecom.session(answer.json, self._zone, self._clock.now())

    async def _try_read(self) -> str:
        await self._call("other", wire.SIM_LIST, (("pageIndex", "1"),))
        return "getSIMList answered"

    async def _call(self, operation: str, call: tuple[str, str], query: Pairs, *, changes: bool = False) -> ParsedReply:
        verb, path = call
        request = Call(operation, verb, path, query, changes=changes)
        return await self._transport.send(request, lambda reply: parse_reply(reply, self._codes, changes=changes))

    async def _post(self, operation: str, call: tuple[str, str], content: Mapping[str, object]) -> ParsedReply:
        verb, path = call
        request = Call(operation, verb, path, body=json.dumps(content).encode())
        return await self._transport.send(request, lambda reply: parse_reply(reply, self._codes, changes=False))

    async def _number(self, sim: SimRef) -> str:
        """The card's number, queried by ICCID where the gateway does not know it."""
        if sim.msisdn:
            return home_number(sim.msisdn)
        answer = await self._call("other", wire.TELEPHONE, (("iccid", sim.iccid),))
        return parse.required_text(answer.json.get("SMSG"), "SMSG")

    async def _numbered(self, sims: Sequence[SimRef], failures: Failures | None) -> list[Numbered]:
        """The cards with their numbers; those that have none are left out."""

        async def single(sim: SimRef) -> Numbered:
            return await self._number(sim), sim

        return await self._each(sims, single, failures)

    async def _batch(
        self,
        numbered: Sequence[Numbered],
        call: Callable[[Sequence[Numbered]], Awaitable[list[Result]]],
        failures: Failures | None,
    ) -> list[Result]:
        """The rows of a batch query, 100 numbers a call, halved around numbers that cannot be answered for."""
        batches = Batches(
            call=call,
            iccid=lambda one: one[1].iccid,
            size=BATCH,
            width=self._transport.in_flight,
            failures=failures,
        )
        return [row for rows in await batches.run(numbered) for row in rows]

    async def _set_threshold(self, number: str, arguments: Arguments) -> Receipt:
        """offNetAction over all usage, in MB rounded up."""

        async def send(action: str, quota: str) -> ParsedReply:
            query = (("access_number", number), ("action", action), ("quota", quota), ("type", telecom.TOTAL_USAGE))
            return await self._call("set_threshold", wire.THRESHOLD, query, changes=True)

        answer = await telecom.set_quota(telecom.threshold(arguments), send)
        return receipt_of(answer.meaning, settled=False, reference=answer.reference)

    async def _infos_of(self, numbered: Sequence[Numbered]) -> dict[str, Object]:
        """Rows by number. A number that the batch cannot answer for is queried by itself afterwards."""
        rows = await self._batch(numbered, self._infos, {})
        return {home_number(wire.number_of(row)): row for row in rows}

    async def _infos(self, part: Sequence[Numbered]) -> list[Object]:
        content = {"custNumber": self._customer, "accessNumbers": [number for number, _ in part]}
        return wire.rows((await self._post("status", wire.SIM_INFO, content)).json)

    def _brief(self, sim: SimRef, row: Object) -> SimSnapshot:
        code = wire.state_of(row)
        return SimSnapshot(
            iccid=sim.iccid,
            state=telecom.STATES.get(code),
            code=code,
            as_of=self._clock.now(),
            network_cut=stops.network_cut(row),
        )

    async def _already_in_state(self, kind: OperationKind, number: str) -> bool:
        """Whether a card that refused a change of state has that state already."""
        answer = await optional_answer(self._call("status", wire.MAIN_STATUS, (("access_number", number),)))
        return answer is not None and telecom.main_status(answer.json) == telecom.TARGETS[kind]

    async def _snapshot_of(self, sim: SimRef, *, full: bool) -> SimSnapshot:
        number = await self._number(sim)
        json_ = (await self._call("status", wire.MAIN_STATUS, (("access_number", number),))).json
        code = telecom.main_status(json_)
        state = telecom.STATES.get(code)
        cut = stops.network_cut(json_)
        wanted = (full or cut) and state in (SimState.ACTIVE, SimState.SUSPENDED)
        product = (await optional_answer(self._product_of(number)) if wanted else None) or stops.UNTOLD
        found = stops.cut_holds(product)
        if state is SimState.SUSPENDED:
            found = stops.with_management(code, await self._holds(number), stops.status_name(json_, code))
        return SimSnapshot(
            iccid=sim.iccid,
            state=state,
            code=code,
            as_of=self._clock.now(),
            holds=found,
            real_named=parse.flag(json_.get("authStatus")),
            network_cut=cut,
            cut_code=NETWORK_CUT_CODE,
            threshold=product.threshold,
        )

    async def _holds(self, number: str) -> tuple[CarrierHold, ...]:
        """The reason by `queryCardStatus`, as on the older host; none without an answer."""
        answer = await optional_answer(self._call("status", wire.CARD_STATUS, (("access_number", number),)))
        return stops.stop_holds(answer.xml, answer.json) if answer else ()

    async def _product_of(self, number: str) -> stops.CutOff:
        return stops.cut_off((await self._call("status", wire.PRODUCT, (("access_number", number),))).xml)

    async def _closed(self, sim: SimRef, cycle: Cycle) -> UsageFigure | None:
        number = await self._number(sim)
        span = (("startDate", cycle.start.strftime("%Y%m%d")), ("endDate", cycle.last_day.strftime("%Y%m%d")))
        query = (("access_number", number), *span, ("needDtl", "0"))
        used = telecom.traffic((await self._call("usage", wire.TRAFFIC_BY_DATE, query)).xml)
        as_of = parse.midnight(cycle.end, self._zone)
        return None if used is None else UsageFigure(iccid=sim.iccid, used=used, as_of=as_of)

    async def _flows(
        self, call: tuple[str, str], numbered: Sequence[Numbered], params: Mapping[str, str], failures: Failures | None
    ) -> list[tuple[SimRef, int, Object]]:
        """(card, bytes, row) of a batch flow call."""

        async def fetch(part: Sequence[Numbered]) -> list[tuple[SimRef, int, Object]]:
            ours = dict(part)
            content = {"custNumber": self._customer, "accessNumber": list(ours), **params}
            rows = wire.rows((await self._post("usage", call, content)).json)
            figures = [(ours.get(home_number(wire.number_of(row))), wire.flow(row), row) for row in rows]
            return [(sim, used, row) for sim, used, row in figures if sim is not None and used is not None]

        return await self._batch(numbered, fetch, failures)

    def _is_since(self, row: Object, since: datetime) -> bool:
        try:
            moment = parse.instant(wire.time_of(row), self._zone)
        except CarrierProtocolError:
            return True
        return moment is None or moment >= since
