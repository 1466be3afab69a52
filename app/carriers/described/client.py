"""A carrier that is described as data: one client for every such file (`docs/carriers/described.md`)."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TypeVar

from app.carriers.base import (
    Arguments,
    DayUsage,
    Failures,
    Receipt,
    Session,
    SimRef,
    SimSnapshot,
    UsageFigure,
)
from app.carriers.described import description as d
from app.carriers.described import wire
from app.carriers.described.description import DescribedCall, Description
from app.carriers.errors import CarrierProtocolError, UnsupportedOperation
from app.carriers.http import parse
from app.carriers.http.parse import Object
from app.carriers.http.tokens import Token, TokenKeeper
from app.carriers.http.transport import Reply, Transport
from app.carriers.protocol_client import ProtocolClient, Setup, receipt_of, required_msisdn
from app.carriers.result_codes import CodeMeaning, Codes, interpret_code
from app.domain.calendar.cycles import Cycle
from app.domain.vocabulary import OperationKind, ProtocolName

SERIALS = 100_000_000
Row = tuple[str, Object]
Result = TypeVar("Result")


class DescribedClient(ProtocolClient):
    """Calls, signing, fields and codes come from the account's description; the reading of them is the same for all."""

    protocol = ProtocolName.DESCRIBED

    def __init__(self, setup: Setup, transport: Transport) -> None:
        super().__init__(setup, transport)
        if setup.description is None:
            raise ValueError("a described account without a description")
        self._description: Description = setup.description
        self._codes: Codes = {**self._description.codes, **setup.codes}
        self._serial = itertools.count(secrets.randbelow(SERIALS))
        self._tokens = TokenKeeper(setup.clock, self._fetch_token)

    @classmethod
    def open(cls, setup: Setup) -> DescribedClient:
        """A client for this account."""
        return cls(setup, setup.open_transport())

    def can(self, kind: OperationKind) -> bool:
        """Whether the description has a call for it."""
        return kind in self._description.calls

    async def change(self, kind: OperationKind, sim: SimRef, arguments: Arguments) -> Receipt:  # noqa: ARG002
        """Ask for one change."""
        self._require_api(kind)
        call = self._description.calls[kind]
        meaning, tree = await self._send(kind, call, [sim], changes=True)
        reference = parse.text_or_none(wire.value_at(tree, call.reference)) if call.reference else None
        return receipt_of(meaning, settled=call.settled, reference=reference)

    async def snapshot(self, sims: Sequence[SimRef], *, failures: Failures | None = None) -> list[SimSnapshot]:
        """State, device and dates, in batches where the description has them."""
        found = _read(await self._rows(d.STATUS, sims, failures), self._snapshot_of, failures)
        self._add_missing(sims, found, failures)
        return found

    async def usage(
        self, sims: Sequence[SimRef], cycle: Cycle, *, failures: Failures | None = None
    ) -> list[UsageFigure]:
        """Month to date; another cycle only where the call takes a `{month}`."""
        now = self._clock.now()
        today = now.astimezone(self._zone).date()
        call = self._call_for(d.USAGE)
        by_month = any("{month}" in value for value in call.parameters.values())
        if cycle.start > today or (cycle.end <= today and not by_month):
            return []
        rows = await self._rows(d.USAGE, sims, failures, month=cycle.id.replace("-", ""))
        end = min(now, parse.midnight(cycle.end, self._zone))

        def figure(iccid: str, row: Object) -> UsageFigure | None:
            used = self._used(d.USAGE, row)
            return None if used is None else UsageFigure(iccid=iccid, used=used, as_of=self._as_of(row, end))

        return [one for one in _read(rows, figure, failures) if one is not None]

    async def usage_days(
        self, sims: Sequence[SimRef], first: date, last: date, *, failures: Failures | None = None
    ) -> list[DayUsage]:
        """One call a day and batch."""
        self._call_for(d.USAGE_DAYS)
        now = self._clock.now()
        figures: list[DayUsage] = []
        for day in parse.days_between(first, min(last, now.astimezone(self._zone).date())):
            as_of = min(now, parse.midnight(day + timedelta(days=1), self._zone))
            rows = await self._rows(d.USAGE_DAYS, sims, failures, day=day.isoformat())
            amounts = _read(rows, lambda iccid, row: (iccid, self._used(d.USAGE_DAYS, row)), failures)
            figures += [
                DayUsage(iccid=iccid, day=day, used=used, as_of=as_of) for iccid, used in amounts if used is not None
            ]
        return figures

    async def real_named(self, sims: Sequence[SimRef], *, failures: Failures | None = None) -> dict[str, bool]:
        """Whether the cards are real-named."""
        rows = await self._rows(d.REAL_NAME, sims, failures)
        return dict(_read(rows, lambda iccid, row: (iccid, self._flag(d.REAL_NAME, row, "real_named")), failures))

    async def session(self, sim: SimRef) -> Session:
        """Whether the card is online."""
        failures: Failures = {}
        rows = await self._rows(d.SESSION, [sim], failures)
        if sim.iccid in failures:
            raise failures[sim.iccid]
        row = rows[0][1] if rows else {}
        online = bool(rows) and self._flag(d.SESSION, row, "online")
        return Session(
            online=online,
            as_of=self._clock.now(),
            ip=self._text(d.SESSION, row, "ip") if online else None,
            rat=self._text(d.SESSION, row, "rat") if online else None,
            imei=self._text(d.SESSION, row, "imei"),
            apn=self._text(d.SESSION, row, "apn") if online else None,
            since=parse.instant(self._field(d.SESSION, row, "since"), self._zone) if online else None,
        )

    async def _try_read(self) -> str:
        """The token, or the state of a card that nobody has: a code about the card shows that the signature passed."""
        if self._description.token is not None:
            await self._tokens.use(_passed)
            return f"{self._description.token.path} answered"
        sim = SimRef(iccid="89860000000000000000", msisdn="10000000000")
        rows = await self._rows(d.STATUS, [sim], {})
        return f"{self._description.calls[d.STATUS].path} answered, {len(rows)} cards"

    async def _rows(self, name: str, sims: Sequence[SimRef], failures: Failures | None, **period: str) -> list[Row]:
        """(ICCID as we know it, row) of every card that the answers have."""
        call = self._call_for(name)

        async def part(group: Sequence[SimRef]) -> list[Row]:
            _, tree = await self._send(name, call, group, period=period)
            return self._named(call, group, wire.rows_at(tree, call.rows))

        parts = await self._batches(sims, call.batch, part, failures)
        return [row for rows in parts for row in rows]

    def _named(self, call: DescribedCall, sims: Sequence[SimRef], rows: Sequence[Object]) -> list[Row]:
        if "iccid" not in call.fields:
            return [(sims[0].iccid, rows[0])] if rows else []
        ours = {form: sim.iccid for sim in sims for form in parse.iccid_forms(sim.iccid)}
        named = [(parse.text(wire.value_at(row, call.fields["iccid"])), row) for row in rows]
        return [(ours[iccid], row) for iccid, row in named if iccid in ours]

    async def _send(
        self,
        operation: str,
        call: DescribedCall,
        sims: Sequence[SimRef],
        *,
        changes: bool = False,
        period: Mapping[str, str] | None = None,
    ) -> tuple[CodeMeaning, Object]:
        """One call with the token where there is one. Raises: the tree."""

        async def work(token: str) -> tuple[CodeMeaning, Object]:
            filled = self._filled(call, sims, period or {}, token)
            request = wire.request(self._description, self._setup.credentials, operation, filled, changes=changes)
            return await self._transport.send(request, lambda reply: self._parsed(reply, changes=changes))

        return await (self._tokens.use(work) if self._description.token else work(""))

    def _filled(
        self, call: DescribedCall, sims: Sequence[SimRef], period: Mapping[str, str], token: str
    ) -> wire.Filled:
        names = [sim.iccid if call.card_by == "iccid" else required_msisdn(sim, self.protocol) for sim in sims]
        values = {**self._values(), **period, "iccid": sims[0].iccid, "msisdn": sims[0].msisdn or ""}
        given = {**self._description.parameters, **call.parameters}
        parameters: dict[str, str | list[str]] = {name: wire.fill(text, values) for name, text in given.items()}
        if call.cards:
            parameters[call.cards] = names if call.join is None else call.join.join(names)
        if self._description.token:
            parameters[self._description.token.parameter] = token
        path = wire.fill(self._description.path_prefix + call.path, values)
        return wire.Filled(call.method, path, parameters)

    def _parsed(self, reply: Reply, *, changes: bool) -> tuple[CodeMeaning, Object]:
        tree = wire.answer(reply.body)
        message = wire.value_at(tree, self._description.envelope.message)
        words = message if isinstance(message, str) else ""
        code = wire.code_of(self._description, tree)
        return interpret_code(self._codes, code, parse.text(words), changes=changes), tree

    async def _fetch_token(self) -> Token:
        call = self._description.token
        if call is None:
            raise UnsupportedOperation("this description has no token")
        parameters = {name: wire.fill(text, self._values()) for name, text in call.parameters.items()}
        filled = wire.Filled(
            call.method, wire.fill(self._description.path_prefix + call.path, self._values()), parameters
        )
        request = wire.request(self._description, self._setup.credentials, "token", filled, changes=False)
        _, tree = await self._transport.send(request, lambda reply: self._parsed(reply, changes=False))
        token = parse.required_text(wire.value_at(tree, call.token), call.token)
        seconds = wire.value_at(tree, call.seconds) if call.seconds else None
        return Token(token, parse.integer(seconds, call.seconds) if seconds is not None else call.lifetime_s)

    def _values(self) -> dict[str, str]:
        """What placeholders stand for now."""
        now = self._clock.now()
        milliseconds = int(now.timestamp() * 1000)
        return {
            **self._setup.credentials,
            "now": now.astimezone(self._zone).strftime("%Y%m%d%H%M%S"),
            "now_s": str(milliseconds // 1000),
            "now_ms": str(milliseconds),
            "serial": f"{next(self._serial) % SERIALS:08d}",
        }

    def _snapshot_of(self, iccid: str, row: Object) -> SimSnapshot:
        code = parse.required_text(self._field(d.STATUS, row, "state"), "the state")
        return SimSnapshot(
            iccid=iccid,
            state=self._description.states.get(code),
            code=code,
            as_of=self._clock.now(),
            activated_on=parse.day(self._field(d.STATUS, row, "activated_on"), self._zone),
            expires_on=parse.day(self._field(d.STATUS, row, "expires_on"), self._zone),
            imei=self._text(d.STATUS, row, "imei"),
            real_named=self._optional_flag(row),
        )

    def _call_for(self, name: str) -> DescribedCall:
        call = self._description.calls.get(name)
        if call is None:
            raise UnsupportedOperation(f"{self._description.name} describes no call for {name}")
        return call

    def _field(self, name: str, row: Object, field: str) -> object:
        return wire.value_at(row, self._description.calls[name].fields.get(field, ""))

    def _text(self, name: str, row: Object, field: str) -> str | None:
        return parse.text_or_none(self._field(name, row, field))

    def _flag(self, name: str, row: Object, field: str) -> bool:
        value = self._field(name, row, field)
        if value is None:
            raise CarrierProtocolError(f"{field} is missing")
        return (str(value).lower() if isinstance(value, bool) else parse.text(value)) in self._description.calls[
            name
        ].yes

    def _optional_flag(self, row: Object) -> bool | None:
        return None if self._field(d.STATUS, row, "real_named") is None else self._flag(d.STATUS, row, "real_named")

    def _used(self, name: str, row: Object) -> int | None:
        return parse.amount(self._field(name, row, "used"), self._description.unit)

    def _as_of(self, row: Object, end: datetime) -> datetime:
        """The instant that the figure covers, where a field says it, never later than now or the cycle's end."""
        reported = parse.instant(self._field(d.USAGE, row, "as_of"), self._zone)
        return end if reported is None else min(reported, end)


def _read(rows: Sequence[Row], read: Callable[[str, Object], Result], failures: Failures | None) -> list[Result]:
    """What `read` makes of each row; one that cannot be read is its card's failure (raised without `failures`)."""
    found: list[Result] = []
    for iccid, row in rows:
        try:
            found.append(read(iccid, row))
        except CarrierProtocolError as error:
            if failures is None:
                raise
            failures[iccid] = error
    return found


async def _passed(_token: str) -> None:
    """A token was had: nothing else is sent."""
