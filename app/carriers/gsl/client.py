"""Huawei Cloud GSL: one client per account (`README.md` beside this file has the quirks).

Every command returns a work order at once and is done later: minutes to two workdays.
"""

# ruff: noqa: ARG002 (an interface is met; not every protocol needs all of it)

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import ClassVar, TypeVar

from app.carriers.base import (
    Arguments,
    DayUsage,
    Failures,
    Progress,
    ProgressState,
    Receipt,
    Session,
    SimRef,
    SimSnapshot,
    UsageFigure,
)
from app.carriers.errors import CarrierError, CarrierProtocolError, CarrierRejected
from app.carriers.gsl import wire
from app.carriers.gsl.commands import command, switch_directions
from app.carriers.http import parse
from app.carriers.http.parse import Object
from app.carriers.http.transport import Call, Dialect, Pairs, Reply, Transport
from app.carriers.protocol_client import ProtocolClient, Setup, concurrently, optional_answer
from app.carriers.result_codes import Codes
from app.domain.calendar.cycles import Cycle
from app.domain.units import MB
from app.domain.vocabulary import Carrier, OperationKind, ProtocolName

T = TypeVar("T")

MONTH_BATCH = 500
DAY_BATCH = 100
PAGE = 500
MONTHS_KEPT = 6
ONLINE = "3"

CARD = "v1/sim-cards/0"
"""A card by its ICCID: 0 means "look at iccid" [2]."""


TELECOM_ONLY = frozenset({OperationKind.CUT_NETWORK, OperationKind.RESTORE_NETWORK})
NO_REBIND = frozenset({Carrier.CUCC, Carrier.OVERSEAS})
"""RegisterImei is for Telecom and Mobile cards, StartStopNet for Telecom's (B.3.3) [2]."""


class GslClient(ProtocolClient):
    """Signed with SDK-HMAC-SHA256; what a card can do depends on its carrier."""

    protocol = ProtocolName.GSL
    kinds: ClassVar[frozenset[OperationKind]] = frozenset(
        {
            OperationKind.ACTIVATE,
            OperationKind.SUSPEND,
            OperationKind.RESUME,
            OperationKind.REBIND,
            OperationKind.SET_THRESHOLD,
            OperationKind.CUT_NETWORK,
            OperationKind.RESTORE_NETWORK,
        }
    )

    def __init__(self, setup: Setup, transport: Transport) -> None:
        super().__init__(setup, transport)
        self._switch = switch_directions(setup.options)

    @classmethod
    def open(cls, setup: Setup) -> GslClient:
        """A client for this account."""
        codes: Codes = {**wire.CODES, **setup.codes}

        def sign(call: Call, query: str) -> Mapping[str, str]:
            return wire.sign(call, query, credentials=setup.credentials, host=setup.host, moment=setup.clock.now())

        def explain(call: Call, reply: Reply) -> CarrierError | None:
            return wire.explain(call, reply, codes)

        return cls(setup, setup.open_transport(Dialect(sign, explain)))

    def can(self, kind: OperationKind) -> bool:
        """By the account's carrier."""
        carrier = self._setup.carrier
        if kind in TELECOM_ONLY:
            return carrier is Carrier.CTCC
        if kind is OperationKind.REBIND:
            return carrier not in NO_REBIND
        return kind in self.kinds

    async def change(self, kind: OperationKind, sim: SimRef, arguments: Arguments) -> Receipt:
        """Ask for one change."""
        self._require_api(kind)
        path, body = command(kind, arguments, self._setup.carrier, self._switch)
        if kind is OperationKind.ACTIVATE:
            call = Call(kind, "POST", f"{CARD}/{path}", (("iccid", sim.iccid),), changes=True)
        else:
            content = json.dumps({**body, "iccid": sim.iccid}).encode()
            call = Call(kind, "POST", f"{CARD}/{path}", body=content, changes=True)
        try:
            return Receipt(settled=False, reference=await self._transport.send(call, wire.work_order))
        except CarrierRejected:
            if kind in wire.TARGETS and await self._already_in_state(kind, sim):
                return Receipt(settled=True, already=True)
            raise

    async def progress(self, kind: OperationKind, sim: SimRef, reference: str) -> Progress:
        """The work order's state, with the description from its details where it failed."""
        query = (("main_search_key", reference), ("limit", "10"), ("offset", "1"))
        state = await self._get("progress", "v1/work-orders", query, lambda reply: wire.order_state(reply, reference))
        if state is not ProgressState.FAILED:
            return Progress(state=state)
        query = (("main_search_key", sim.iccid), ("limit", "10"), ("offset", "1"))
        return await self._get("progress", f"v1/work-orders/{reference}/details", query, wire.failure)

    async def snapshot(self, sims: Sequence[SimRef], *, failures: Failures | None = None) -> list[SimSnapshot]:
        """One card a call, or the whole account 500 a page where that takes fewer calls."""
        listed = await optional_answer(self._list_of(sims)) if len(sims) > 1 else None
        if listed is None:
            return await self._each(sims, self._snapshot_of, failures)
        return self._from_list(sims, listed, failures)

    async def usage(
        self, sims: Sequence[SimRef], cycle: Cycle, *, failures: Failures | None = None
    ) -> list[UsageFigure]:
        """Month usage of 500 cards a call, as of yesterday's end [2]."""
        today = self._today()
        months = (today.year - cycle.start.year) * 12 + today.month - cycle.start.month
        if cycle.start > today or months >= MONTHS_KEPT:
            return []
        as_of = parse.midnight(min(today, cycle.end), self._zone)
        found = await self._batches(sims, MONTH_BATCH, lambda part: self._month(part, cycle.id), failures)
        return [UsageFigure(iccid=iccid, used=used, as_of=as_of) for part in found for iccid, used in part.items()]

    async def usage_days(
        self, sims: Sequence[SimRef], first: date, last: date, *, failures: Failures | None = None
    ) -> list[DayUsage]:
        """Day usage of 100 cards a call, a day or a month; kept from the 1st of last month to yesterday [2]."""
        today = self._today()
        oldest = (today.replace(day=1) - timedelta(days=1)).replace(day=1)
        days = parse.days_between(max(first, oldest), min(last, today - timedelta(days=1)))
        spans: dict[str, list[date]] = {}
        for day in days:
            spans.setdefault(day.strftime("%Y%m"), []).append(day)
        figures: list[DayUsage] = []
        for month, wanted in spans.items():
            parts = await self._batches(sims, DAY_BATCH, partial(self._days, month, wanted), failures)
            figures += [figure for part in parts for figure in part]
        return figures

    async def real_named(self, sims: Sequence[SimRef], *, failures: Failures | None = None) -> dict[str, bool]:
        """One card a call, in real time."""
        return dict(await self._each(sims, self._real_name_of, failures))

    async def session(self, sim: SimRef) -> Session:
        """device_status 3 = online; physical cards have none."""
        card = await self._card(sim)
        status = parse.text(card.get("device_status"))
        if not status:
            raise CarrierRejected("GSL has no session of a physical card")
        imei = parse.text_or_none(card.get("imei"))
        return Session(online=status == ONLINE, as_of=self._clock.now(), imei=imei)

    async def _try_read(self) -> str:
        count = parse.integer((await self._page(1, limit=10)).get("count"), "count")
        return f"the account lists {count} cards"

    async def _already_in_state(self, kind: OperationKind, sim: SimRef) -> bool:
        """Whether a card that refused a change of state has that state already; GSL has no code for it."""
        card = await optional_answer(self._card(sim))
        return card is not None and wire.STATES.get(parse.text(card.get("sim_status"))) is wire.TARGETS[kind]

    async def _get(self, operation: str, path: str, query: Pairs, read: Callable[[Reply], T]) -> T:
        return await self._transport.send(Call(operation, "GET", path, query), read)

    async def _post(self, operation: str, path: str, content: Mapping[str, object], read: Callable[[Reply], T]) -> T:
        return await self._transport.send(Call(operation, "POST", path, body=json.dumps(content).encode()), read)

    async def _card(self, sim: SimRef) -> Object:
        return await self._get("status", CARD, (("iccid", sim.iccid),), _object)

    async def _page(self, number: int, limit: int = PAGE) -> Object:
        return await self._get("status", "v1/sim-cards", (("limit", str(limit)), ("offset", str(number))), _object)

    async def _list_of(self, sims: Sequence[SimRef]) -> list[Object] | None:
        """All cards of the account, where listing them takes fewer calls than one for each of these cards."""
        first = await self._page(1)
        pages = -(-parse.integer(first.get("count"), "count") // PAGE)
        if pages >= len(sims):
            return None
        others = await concurrently(range(2, pages + 1), self._transport.in_flight, self._page)
        return [card for page in (first, *others) for card in parse.objects(page.get("sim_cards"))]

    def _from_list(
        self, sims: Sequence[SimRef], cards: Sequence[Object], failures: Failures | None
    ) -> list[SimSnapshot]:
        """Snapshots of these cards from the account's list; a row that cannot be read is its card's failure."""
        ours = {form: sim.iccid for sim in sims for form in parse.iccid_forms(sim.iccid)}
        as_of = self._clock.now()
        named = [(ours.get(_iccid(card)), card) for card in cards]
        found: list[SimSnapshot] = []
        for iccid, card in named:
            if iccid is None:
                continue
            try:
                found.append(wire.snapshot(card, iccid, self._zone, as_of))
            except CarrierProtocolError as error:
                if failures is None:
                    raise
                failures[iccid] = error
        self._add_missing(sims, found, failures)
        return found

    async def _snapshot_of(self, sim: SimRef) -> SimSnapshot:
        card = await self._card(sim)
        return wire.snapshot(card, sim.iccid, self._zone, self._clock.now())

    async def _month(self, sims: Sequence[SimRef], cycle: str) -> dict[str, int]:
        """Bytes of a cycle by ICCID; the request names it with a dash, the answer without [1]."""
        ours = {form: sim.iccid for sim in sims for form in parse.iccid_forms(sim.iccid)}
        content = {"iccids": [sim.iccid for sim in sims], "billing_cycles": [cycle]}
        body = await self._post("usage", "v1/sim-cards/month-usages", content, _object)
        found: dict[str, int] = {}
        for card in parse.objects(body.get("month_usages")):
            for row in parse.objects(card.get("flow_usages")):
                used = parse.amount(row.get("flow_used"), MB)
                named = parse.text(row.get("billing_cycle")).replace("-", "") == cycle.replace("-", "")
                if used is not None and named and _iccid(card) in ours:
                    found[ours[_iccid(card)]] = used
        return found

    async def _days(self, month: str, wanted: Sequence[date], sims: Sequence[SimRef]) -> list[DayUsage]:
        ours = {form: sim.iccid for sim in sims for form in parse.iccid_forms(sim.iccid)}
        span = {"month": month} if len(wanted) > 1 else {"date": wanted[0].strftime("%Y%m%d")}
        content = {"iccids": [sim.iccid for sim in sims], **span}
        days = await self._post("usage", "v1/sim-cards/batch-daily-flow", content, _list)
        figures: list[DayUsage] = []
        for entry in days:
            day = parse.day(parse.text(entry.get("date")), self._zone)
            if day not in wanted or day is None:
                continue
            as_of = parse.midnight(day + timedelta(days=1), self._zone)
            for row in parse.objects(entry.get("sim_flow")):
                used = parse.amount(row.get("flow"), MB)
                if used is not None and _iccid(row) in ours:
                    figures.append(DayUsage(iccid=ours[_iccid(row)], day=day, used=used, as_of=as_of))
        return figures

    async def _real_name_of(self, sim: SimRef) -> tuple[str, bool] | None:
        body = await self._get("real_name", f"{CARD}/real-named", (("iccid", sim.iccid),), _object)
        answer = parse.flag(body.get("real_named"))
        return None if answer is None else (sim.iccid, answer)

    def _today(self) -> date:
        return self._clock.now().astimezone(self._zone).date()


def _iccid(row: Object) -> str:
    return parse.text(row.get("iccid") or row.get("cid"))


def _object(reply: Reply) -> Object:
    return parse.json_object(reply.body)


def _list(reply: Reply) -> list[Object]:
    return parse.objects(parse.json_value(reply.body))
