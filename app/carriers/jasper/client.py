"""Unicom's Jasper (Cisco IoT Control Center REST v1): one client per account (`README.md` has the quirks)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import ClassVar, TypeVar
from urllib.parse import quote

from app.carriers.base import Arguments, Failures, Receipt, Session, SimRef, SimSnapshot, StateChange, UsageFigure
from app.carriers.errors import CarrierError
from app.carriers.http import parse
from app.carriers.http.parse import Object
from app.carriers.http.transport import Call, Dialect, Pairs, Reply
from app.carriers.jasper import wire
from app.carriers.protocol_client import ProtocolClient, Setup, argument_text, optional_answer
from app.carriers.result_codes import Codes
from app.domain.calendar.cycles import Cycle, cycle_on, preceding
from app.domain.vocabulary import OperationKind, ProtocolName, SimState

T = TypeVar("T")

AUDIT_DAYS = 30
"""How far back the audit trail of a SIM is read: the default of the query (A1.4.7)."""

PAGE = 50
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
LIST_SHARE = 4
"""The whole account is listed, 50 cards a call, as long as that takes under a quarter of the calls one by one."""

HEADERS = {"Accept": "application/json"}
JSON_HEADERS = {"Accept": "application/json", "Content-Type": "application/json"}
CYCLES_BEFORE = 2
"""usageInZone keeps three cycles with the running one [2]."""


class JasperClient(ProtocolClient):
    """Edits are in force when answered (200); the platform has no rebind, no region, no day usage, no real-name."""

    protocol = ProtocolName.JASPER
    kinds: ClassVar[frozenset[OperationKind]] = frozenset({*wire.TARGETS, OperationKind.ORDER_ADDON})

    @classmethod
    def open(cls, setup: Setup) -> JasperClient:
        """A client for this account."""
        proof = {"Authorization": basic(setup.credentials["username"], setup.credentials["api_key"])}
        codes: Codes = {**wire.CODES, **setup.codes}

        def sign(_call: Call, _query: str) -> Mapping[str, str]:
            return proof

        def explain(call: Call, reply: Reply) -> CarrierError | None:
            return wire.explain(call, reply, codes)

        return cls(setup, setup.open_transport(Dialect(sign, explain)))

    async def change(self, kind: OperationKind, sim: SimRef, arguments: Arguments) -> Receipt:
        """Ask for one change."""
        self._require_api(kind)
        if kind is OperationKind.ORDER_ADDON:
            # the answer of /eventplan is not published: HTTP 2xx is all that is read of it
            body = {"eventName": argument_text(arguments, "product_code")}
            settled = await self._put(kind, f"eventplan/{_path(sim)}", body, lambda reply: reply.status != 202)
        else:
            settled = await self._put(kind, _device(sim), {"status": wire.TARGETS[kind]}, wire.edited)
        return Receipt(settled=settled)

    async def snapshot(self, sims: Sequence[SimRef], *, failures: Failures | None = None) -> list[SimSnapshot]:
        """One call per card, or the account's list where there are many; one more for each stopped card."""
        listed = await self._listed(sims)
        rest = [sim for sim in sims if sim.iccid not in listed]
        found = await self._each(rest, self._snapshot_of, failures)
        brief = [sim for sim in sims if sim.iccid in listed]
        return found + await self._each(brief, lambda sim: self._brief(sim, listed[sim.iccid]), failures)

    async def usage(
        self, sims: Sequence[SimRef], cycle: Cycle, *, failures: Failures | None = None
    ) -> list[UsageFigure]:
        """Bytes of the running cycle, or of the two before it, one call a card."""
        today = self._clock.now().astimezone(self._zone).date()
        if cycle.start > today or cycle.start < self._oldest_cycle(today).start:
            return []
        running = cycle.end > today
        return await self._each(sims, lambda sim: self._usage_of(sim, cycle, running=running), failures)

    async def changed_since(self, since: datetime) -> list[str] | None:
        """ICCIDs modified since then, each in both forms where it has two (19 digits, and with the check digit)."""
        changed: dict[str, None] = {}
        number = 1
        while True:
            page = await self._page(since, number)
            for iccid, _ in page.devices:
                changed.update(dict.fromkeys(parse.iccid_forms(iccid)))
            if page.last:
                return list(changed)
            number += 1

    async def session(self, sim: SimRef) -> Session:
        """Online ⇔ a session began and has not ended [3]."""
        body = await self._get("session", f"{_device(sim)}/sessionInfo", _object)
        device = await self._get("status", _device(sim), wire.device)
        began = parse.instant(parse.required(body, "dateSessionStarted"), self._zone)
        online = began is not None and not parse.text(parse.required(body, "dateSessionEnded"))
        return Session(
            online=online,
            as_of=self._clock.now(),
            ip=parse.text_or_none(body.get("ipAddress")) if online else None,
            imei=parse.text_or_none(device.get("imei")),
            apn=parse.text_or_none(body.get("apn")) if online else None,
            since=began if online else None,
        )

    async def last_state_change(self, sim: SimRef) -> StateChange | None:
        """The newest change of the SIM's status in its audit trail, and by which user (A1.4.7)."""
        query = (("daysOfHistory", str(AUDIT_DAYS)),)
        body = await self._get("status", f"{_device(sim)}/auditTrails", _object, query)
        return wire.last_state_change(body, self._zone)

    async def _try_read(self) -> str:
        await self._get("other", "echo/simgate", _object)
        return "GET /echo answered"

    def _oldest_cycle(self, today: date) -> Cycle:
        carrier = self._setup.carrier
        oldest = cycle_on(carrier, today)
        for _ in range(CYCLES_BEFORE):
            oldest = preceding(carrier, oldest)
        return oldest

    async def _listed(self, sims: Sequence[SimRef]) -> dict[str, str]:
        """ICCID → status of those cards that a worthwhile run through the account's list shows.

        A page that cannot be read ends the run: the rest is queried card by card.
        """
        missing = {form: sim.iccid for sim in sims for form in parse.iccid_forms(sim.iccid)}
        found: dict[str, str] = {}
        pages = len(sims) // LIST_SHARE if len(sims) > PAGE else 0
        for number in range(1, pages + 1):
            page = await optional_answer(self._page(LONG_AGO, number))
            if page is None:
                break
            found.update({missing[iccid]: status for iccid, status in page.devices if iccid in missing and status})
            if page.last or len(found) == len(sims):
                break
        return found

    async def _page(self, since: datetime, number: int) -> wire.Page:
        moment = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")
        query = (("modifiedSince", moment), ("pageSize", str(PAGE)), ("pageNumber", str(number)))
        return await self._get("changes", "devices", wire.page, query)

    async def _snapshot_of(self, sim: SimRef) -> SimSnapshot:
        device = await self._get("status", _device(sim), wire.device)
        code = parse.text(device.get("status"))
        stopped = wire.STATES.get(code) is SimState.SUSPENDED
        return SimSnapshot(
            iccid=sim.iccid,
            state=wire.STATES.get(code),
            code=code,
            as_of=self._clock.now(),
            holds=wire.holds(code, over_limit=await self._over_limit(sim) if stopped else None),
            activated_on=parse.day(device.get("dateActivated"), self._zone),
            imei=parse.text_or_none(device.get("imei")),
        )

    async def _brief(self, sim: SimRef, code: str) -> SimSnapshot:
        """The state from the account's list, with the reason where the card is stopped."""
        state = wire.STATES.get(code)
        over_limit = await self._over_limit(sim) if state is SimState.SUSPENDED else None
        holds = wire.holds(code, over_limit=over_limit)
        return SimSnapshot(iccid=sim.iccid, state=state, code=code, as_of=self._clock.now(), holds=holds)

    async def _over_limit(self, sim: SimRef) -> bool | None:
        body = await self._get("usage", f"{_device(sim)}/ctdUsages", _object)
        return parse.flag(body.get("overageLimitReached"))

    async def _usage_of(self, sim: SimRef, cycle: Cycle, *, running: bool) -> UsageFigure | None:
        if running:
            body = await self._get("usage", f"{_device(sim)}/ctdUsages", _object)
            used, as_of = parse.amount(body.get("ctdDataUsage"), 1), self._clock.now()
        else:
            body = await self._get("usage", f"{_device(sim)}/usageInZone", _object, _cycle_query(cycle.start))
            used, as_of = wire.zone_usage(body), parse.midnight(cycle.end, self._zone)
        return None if used is None else UsageFigure(iccid=sim.iccid, used=used, as_of=as_of)

    async def _get(self, operation: str, path: str, read: Callable[[Reply], T], query: Pairs = ()) -> T:
        return await self._transport.send(Call(operation, "GET", path, query, headers=HEADERS), read)

    async def _put(self, kind: str, path: str, body: Mapping[str, str], read: Callable[[Reply], bool]) -> bool:
        content = json.dumps(body).encode()
        call = Call(kind, "PUT", path, body=content, headers=JSON_HEADERS, changes=True)
        return await self._transport.send(call, read)


def basic(username: str, api_key: str) -> str:
    """The Authorization header: the API key, not the portal's password [5+]."""
    return "Basic " + base64.b64encode(f"{username}:{api_key}".encode()).decode()


def _path(sim: SimRef) -> str:
    return quote(sim.iccid, safe="")


def _device(sim: SimRef) -> str:
    return f"devices/{_path(sim)}"


def _object(reply: Reply) -> Object:
    return parse.json_object(reply.body)


def _cycle_query(start: date) -> tuple[tuple[str, str], ...]:
    return (("cycleStartDate", start.strftime("%Y-%m-%dZ")),)
