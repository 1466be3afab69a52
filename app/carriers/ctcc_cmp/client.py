"""China Telecom's legacy CMP (`m2m_ec`): one client per account (`README.md` beside this file has the quirks).

Accepted is not done: "成功接收消息" comes at once with a GROUP_TRANSACTIONID; completion is pushed later, and can only
be queried by the card's state.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from functools import partial
from typing import ClassVar

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
from app.carriers.ctcc_cmp.cipher import StrEnc, sign_text
from app.carriers.errors import CarrierRejected
from app.carriers.http import parse
from app.carriers.http.transport import Call, Pairs, Transport
from app.carriers.protocol_client import (
    ProtocolClient,
    Setup,
    argument_text,
    home_number,
    optional_answer,
    receipt_of,
)
from app.carriers.result_codes import CodeMeaning, Codes
from app.carriers.telecom import stops
from app.carriers.telecom import wire as telecom
from app.carriers.telecom.reply import ParsedReply, parse_reply
from app.domain.calendar.cycles import Cycle
from app.domain.sim.network_cut import NETWORK_CUT_CODE
from app.domain.vocabulary import OperationKind, ProtocolName, SimState

QUERY = "query.do"
ACCEPT = "app/serviceAccept.do"
"""Where orderFlow, unsubScribe, IMEIReRecord and speedLimitAction live [C 2]."""


class CtccCmpClient(ProtocolClient):
    """Every call is a GET signed with the DES variant over the values that the documents name."""

    protocol = ProtocolName.CTCC_CMP
    kinds: ClassVar[frozenset[OperationKind]] = frozenset(
        {
            OperationKind.ACTIVATE,
            OperationKind.SUSPEND,
            OperationKind.RESUME,
            OperationKind.REBIND,
            OperationKind.SET_THRESHOLD,
            OperationKind.CUT_NETWORK,
            OperationKind.RESTORE_NETWORK,
            OperationKind.ORDER_ADDON,
        }
    )

    def __init__(self, setup: Setup, transport: Transport) -> None:
        super().__init__(setup, transport)
        secret = setup.credentials
        self._user = secret["user_id"]
        self._password = secret["password"]
        self._cipher = StrEnc(secret["key1"], secret["key2"], secret["key3"])
        self._proof = self._cipher.encrypt(self._password)
        self._codes: Codes = {**telecom.CODES, **setup.codes}

    @classmethod
    def open(cls, setup: Setup) -> CtccCmpClient:
        """A client for this account."""
        return cls(setup, setup.open_transport())

    async def change(self, kind: OperationKind, sim: SimRef, arguments: Arguments) -> Receipt:
        """Ask for one change."""
        self._require_api(kind)
        if kind is OperationKind.SET_THRESHOLD:
            return await self._set_threshold(sim, arguments)
        path, method, signed = _request(kind, arguments)
        unsigned = _unsigned(kind, arguments)
        try:
            answer = await self._call(kind, path, method, sim, signed=signed, unsigned=unsigned, changes=True)
        except CarrierRejected as error:
            if kind in telecom.TARGETS and await self._already_in_state(kind, sim):
                return Receipt(settled=True, already=True)
            raise telecom.explained(kind, error) from None
        return receipt_of(answer.meaning, settled=False, reference=answer.reference)

    async def snapshot(self, sims: Sequence[SimRef], *, failures: Failures | None = None) -> list[SimSnapshot]:
        """One call per card, one more for the reason where it is stopped, and for the cut-off of a single card."""
        full = len(sims) == 1
        return await self._each(sims, lambda sim: self._snapshot_of(sim, full=full), failures)

    async def usage(
        self, sims: Sequence[SimRef], cycle: Cycle, *, failures: Failures | None = None
    ) -> list[UsageFigure]:
        """Month to date, or the days of a closed month; one call a card."""
        if cycle.start > self._today():
            return []
        return await self._each(sims, lambda sim: self._usage_of(sim, cycle), failures)

    async def usage_days(
        self, sims: Sequence[SimRef], first: date, last: date, *, failures: Failures | None = None
    ) -> list[DayUsage]:
        """One call for each card and day."""
        figures: list[DayUsage] = []
        for day in parse.days_between(first, min(last, self._today())):
            figures += await self._each(sims, partial(self._day_of, day), failures)
        return figures

    async def real_named(self, sims: Sequence[SimRef], *, failures: Failures | None = None) -> dict[str, bool]:
        """realNameQueryIot: 0 = real-named, -5 = not [C 3]."""
        return dict(await self._each(sims, self._real_name_of, failures))

    async def session(self, sim: SimRef) -> Session:
        """Whether the card is online, with address and device."""
        answer = await self._call("session", QUERY, "getOnlineStatus", sim)
        return telecom.session(answer.json, self._zone, self._clock.now())

    async def _try_read(self) -> str:
        """`getSIMList` needs no card; a business refusal shows that user, password and signature passed too."""
        try:
            await self._call("other", QUERY, "getSIMList", None, unsigned=(("pageIndex", "1"),))
        except CarrierRejected as error:
            return f"getSIMList answered with code {error.carrier_code}; credentials and signature passed"
        return "getSIMList answered"

    async def _call(
        self,
        operation: str,
        path: str,
        method: str,
        sim: SimRef | None,
        *,
        signed: Pairs = (),
        unsigned: Pairs = (),
        changes: bool = False,
    ) -> ParsedReply:
        """One call; `signed` are the parameters whose values go into the signature (B1.5)."""
        card = (_card(sim),) if sim else ()
        values = [self._user, self._password, method, *(value for _, value in (*card, *signed))]
        proof = (
            ("method", method),
            ("user_id", self._user),
            ("passWord", self._proof),
            ("sign", self._cipher.encrypt(sign_text(values))),
        )
        call = Call(operation, "GET", path, (*proof, *card, *signed, *unsigned), changes=changes)
        return await self._transport.send(call, lambda reply: parse_reply(reply, self._codes, changes=changes))

    async def _set_threshold(self, sim: SimRef, arguments: Arguments) -> Receipt:
        """offNetAction over all usage, in MB rounded up."""

        async def send(action: str, quota: str) -> ParsedReply:
            signed = (("action", action), ("quota", quota), ("type", telecom.TOTAL_USAGE))
            return await self._call("set_threshold", QUERY, "offNetAction", sim, signed=signed, changes=True)

        answer = await telecom.set_quota(telecom.threshold(arguments), send)
        return receipt_of(answer.meaning, settled=False, reference=answer.reference)

    async def _already_in_state(self, kind: OperationKind, sim: SimRef) -> bool:
        """Whether a card that refused a change of state has that state already."""
        answer = await optional_answer(self._call("status", QUERY, "queryCardMainStatus", sim))
        return answer is not None and telecom.main_status(answer.json) == telecom.TARGETS[kind]

    async def _snapshot_of(self, sim: SimRef, *, full: bool) -> SimSnapshot:
        answer = await self._call("status", QUERY, "queryCardMainStatus", sim)
        code = telecom.main_status(answer.json)
        state = telecom.STATES.get(code)
        cut = stops.network_cut(answer.json)
        product = stops.UNTOLD
        if full and state in (SimState.ACTIVE, SimState.SUSPENDED):
            product = await optional_answer(self._product_of(sim)) or stops.UNTOLD
        found = stops.cut_holds(product)
        if state is SimState.SUSPENDED:
            found = stops.with_management(code, await self._stop_reason_of(sim), stops.status_name(answer.json, code))
        return SimSnapshot(
            iccid=sim.iccid,
            state=state,
            code=code,
            as_of=self._clock.now(),
            holds=found,
            network_cut=product.stop_flag if cut is None else cut,
            cut_code=NETWORK_CUT_CODE,
            threshold=product.threshold,
        )

    async def _stop_reason_of(self, sim: SimRef) -> tuple[CarrierHold, ...]:
        answer = await self._call("status", QUERY, "queryCardStatus", sim)
        return stops.stop_holds(answer.xml, answer.json)

    async def _product_of(self, sim: SimRef) -> stops.CutOff:
        return stops.cut_off((await self._call("status", QUERY, "prodInstQuery", sim)).xml)

    async def _usage_of(self, sim: SimRef, cycle: Cycle) -> UsageFigure | None:
        running = cycle.end > self._today()
        span = () if running else (_day("startDate", cycle.start), _day("endDate", cycle.last_day))
        method = "queryTraffic" if running else "queryTrafficByDate"
        used = await self._traffic(sim, method, span)
        as_of = self._clock.now() if running else parse.midnight(cycle.end, self._zone)
        return None if used is None else UsageFigure(iccid=sim.iccid, used=used, as_of=as_of)

    async def _day_of(self, day: date, sim: SimRef) -> DayUsage | None:
        used = await self._traffic(sim, "queryTrafficByDate", (_day("startDate", day), _day("endDate", day)))
        as_of = min(self._clock.now(), parse.midnight(day + timedelta(days=1), self._zone))
        return None if used is None else DayUsage(iccid=sim.iccid, day=day, used=used, as_of=as_of)

    async def _traffic(self, sim: SimRef, method: str, span: Pairs) -> int | None:
        answer = await self._call("usage", QUERY, method, sim, unsigned=(*span, ("needDtl", "0")))
        return telecom.traffic(answer.xml)

    async def _real_name_of(self, sim: SimRef) -> tuple[str, bool]:
        try:
            answer = await self._call("real_name", QUERY, "realNameQueryIot", sim)
        except CarrierRejected as error:
            if error.carrier_code == "-5":
                return sim.iccid, False
            raise
        return sim.iccid, answer.meaning is CodeMeaning.OK

    def _today(self) -> date:
        return self._clock.now().astimezone(self._zone).date()


def _request(kind: OperationKind, arguments: Arguments) -> tuple[str, str, Pairs]:
    """Path, method and signed parameters of a change (B1.5)."""
    match kind:
        case OperationKind.ACTIVATE:
            return QUERY, "requestServActive", ()
        case OperationKind.SUSPEND:
            return QUERY, "disabledNumber", (("acctCd", ""), ("orderTypeId", telecom.SUSPEND_TYPE))
        case OperationKind.RESUME:
            return QUERY, "disabledNumber", (("acctCd", ""), ("orderTypeId", telecom.RESUME_TYPE))
        case OperationKind.CUT_NETWORK:
            return QUERY, "singleCutNet", (("action", "ADD"),)
        case OperationKind.RESTORE_NETWORK:
            return QUERY, "singleCutNet", (("action", "DEL"),)
        case OperationKind.REBIND:
            return ACCEPT, "IMEIReRecord", (("action", "ADD"),)
        case _:
            return ACCEPT, "orderFlow", (("flowValue", argument_text(arguments, "product_code")),)


def _unsigned(kind: OperationKind, arguments: Arguments) -> Pairs:
    """bind_type: empty = whatever device comes next, 2 = the one named [1] S12."""
    if kind is not OperationKind.REBIND:
        return ()
    imei = arguments.get("imei")
    return (("bind_type", "2"), ("imei", str(imei))) if imei else (("bind_type", ""),)


def _card(sim: SimRef) -> tuple[str, str]:
    """By its number where we know it, else by ICCID; both are taken [C 6]."""
    return ("access_number", home_number(sim.msisdn)) if sim.msisdn else ("iccid", sim.iccid)


def _day(name: str, day: date) -> tuple[str, str]:
    return name, day.strftime("%Y%m%d")
