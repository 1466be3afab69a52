"""China Mobile OneLink v5: one client per account (`README.md` beside this file has the quirks)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from app.carriers.base import Arguments, ChangeOutcome, Failures, Progress, Receipt, SimRef
from app.carriers.batches import change_in_halves
from app.carriers.errors import CarrierError, CarrierProtocolError, CarrierRejected
from app.carriers.http import parse
from app.carriers.onelink import wire
from app.carriers.onelink.reads import OneLinkReads
from app.carriers.protocol_client import (
    Setup,
    argument_text,
    chunks,
    concurrently,
    home_number,
    receipt_of,
    required_msisdn,
)
from app.carriers.result_codes import CodeMeaning
from app.domain.vocabulary import OperationKind, SimState

BATCH = 100
"""Cards in one call, joined with `_` ("暂定100张") [C 5]."""

REAL_NAME_BY_WEB = "1"


class OneLinkClient(OneLinkReads):
    """Every change goes by `change/sim-status` and is accepted first, then done: poll the orderNum or jobId."""

    kinds: ClassVar[frozenset[OperationKind]] = frozenset(
        {
            OperationKind.ACTIVATE,
            OperationKind.SUSPEND,
            OperationKind.RESUME,
            OperationKind.VERIFY_REAL_NAME,
            OperationKind.ORDER_ADDON,
        }
    )

    @classmethod
    def open(cls, setup: Setup) -> OneLinkClient:
        """A client for this account."""
        return cls(setup, setup.open_transport())

    def can(self, kind: OperationKind) -> bool:
        """Rebind only where the account has it: its package was withdrawn from sale in 2021-11."""
        return kind in self.kinds or (kind is OperationKind.REBIND and self._setup.options.get("bind_by_web") is True)

    async def change(self, kind: OperationKind, sim: SimRef, arguments: Arguments) -> Receipt:
        """Ask for one change."""
        self._require_api(kind)
        if kind is OperationKind.REBIND:
            return await self._rebind(sim, arguments)
        if kind is OperationKind.VERIFY_REAL_NAME:
            return await self._verify_real_name(sim)
        if kind is OperationKind.ORDER_ADDON:
            return await self._order_addon(sim, arguments)
        return await self._change_state(kind, sim)

    def change_batch(self, kind: OperationKind) -> int:
        """100 for the three changes of state, else 1."""
        return BATCH if kind in wire.TARGET else 1

    async def change_many(
        self, kind: OperationKind, sims: Sequence[SimRef], arguments: Arguments
    ) -> list[ChangeOutcome]:
        """The same change of state on many cards, 100 a call; outcomes in the order of the cards.

        23S06 takes `msisdns` only [C 4], so cards whose number is not known here are changed one by one.
        """
        if kind not in wire.TARGET or len(sims) == 1:
            return await super().change_many(kind, sims, arguments)
        unnumbered = await super().change_many(kind, [sim for sim in sims if not sim.msisdn], arguments)
        outcomes = {outcome.iccid: outcome for outcome in unnumbered}
        numbered = [sim for sim in sims if sim.msisdn]
        for oper_type, group in (await self._groups(kind, numbered, outcomes)).items():
            for part in chunks(group, BATCH):
                outcomes.update(await self._send_batch(kind, oper_type, part))
        return [outcomes[sim.iccid] for sim in sims]

    async def progress(self, kind: OperationKind, sim: SimRef, reference: str) -> Progress:
        """How the order or job goes; of a real-name request, whether the card is real-named by now."""
        if kind is OperationKind.VERIFY_REAL_NAME:
            return await self._real_name_progress(sim)
        if reference.startswith(wire.JOB):
            return (await self.progress_many(kind, [sim], reference))[sim.iccid]
        answer = await self._link.call("progress", "query/order-info", {"orderNum": reference})
        return wire.order_progress(answer.row)

    async def progress_many(
        self, kind: OperationKind, sims: Sequence[SimRef], reference: str, *, failures: Failures | None = None
    ) -> dict[str, Progress]:
        """How the cards of one job go: one call for all of them."""
        if not reference.startswith(wire.JOB):
            return await super().progress_many(kind, sims, reference, failures=failures)
        params = {"jobId": reference.removeprefix(wire.JOB)}
        answer = await self._link.call("progress", "query/sim-batch-result", params)
        found: dict[str, Progress] = {}
        for sim in sims:
            try:
                found[sim.iccid] = wire.job_progress(answer.row, wire.identities(sim), self._link.codes)
            except CarrierProtocolError as error:
                if failures is None:
                    raise
                failures[sim.iccid] = error
        return found

    async def _change_state(self, kind: OperationKind, sim: SimRef) -> Receipt:
        if kind is OperationKind.ACTIVATE:
            code = await self._card_status(sim)
            if wire.STATES.get(code) is SimState.ACTIVE:
                return Receipt(settled=True, already=True)
            oper_type = _activation(code, wire.ACTIVATE_FROM)
        else:
            oper_type = wire.OPER_TYPES[kind]
        params = {"iccid": sim.iccid, "operType": oper_type}
        try:
            answer = await self._link.call(kind, "change/sim-status", params, changes=True)
        except CarrierRejected as error:
            if error.carrier_code == wire.WRONG_STATE and await self._already_in_state(kind, sim):
                return Receipt(settled=True, already=True)
            raise
        return _accepted(answer)

    async def _already_in_state(self, kind: OperationKind, sim: SimRef) -> bool:
        return wire.STATES.get(await self._card_status(sim)) is wire.TARGET[kind]

    async def _groups(
        self, kind: OperationKind, sims: Sequence[SimRef], outcomes: dict[str, ChangeOutcome]
    ) -> Mapping[str, list[SimRef]]:
        """The cards by the operType they need; those that need none, or cannot, get their end at once."""
        if kind is not OperationKind.ACTIVATE:
            return {wire.OPER_TYPES_MANY[kind]: list(sims)}
        groups: dict[str, list[SimRef]] = {}
        found = await concurrently(sims, self._transport.in_flight, self._activation_of)
        for sim, end in zip(sims, found, strict=True):
            if isinstance(end, ChangeOutcome):
                outcomes[sim.iccid] = end
            else:
                groups.setdefault(end, []).append(sim)
        return groups

    async def _activation_of(self, sim: SimRef) -> str | ChangeOutcome:
        """The batch operType that activates this card, or its end where none does."""
        try:
            code = await self._card_status(sim)
            if wire.STATES.get(code) is SimState.ACTIVE:
                return ChangeOutcome(iccid=sim.iccid, receipt=Receipt(settled=True, already=True))
            return _activation(code, wire.ACTIVATE_MANY_FROM)
        except CarrierError as error:
            return ChangeOutcome(iccid=sim.iccid, error=error)

    async def _send_batch(
        self, kind: OperationKind, oper_type: str, sims: Sequence[SimRef]
    ) -> dict[str, ChangeOutcome]:
        """One call for all; a batch that is refused because of some of its cards goes without them."""
        jobs: dict[str, str] = {}

        async def send(part: Sequence[SimRef]) -> None:
            params = {"msisdns": "_".join(home_number(sim.msisdn or "") for sim in part), "operType": oper_type}
            if kind is not OperationKind.ACTIVATE:
                params["reason"] = wire.REASON_OWN_REQUEST
            answer = await self._link.call(kind, "change/sim-status/batch", params, changes=True)
            job = wire.JOB + parse.required_text(answer.row.get("jobId"), "jobId")
            jobs.update({sim.iccid: job for sim in part})

        errors = await change_in_halves(sims, send)
        failed = {iccid: ChangeOutcome(iccid=iccid, error=error) for iccid, error in errors.items()}
        return failed | {
            iccid: ChangeOutcome(iccid=iccid, receipt=Receipt(settled=False, reference=job))
            for iccid, job in jobs.items()
        }

    async def _verify_real_name(self, sim: SimRef) -> Receipt:
        """A page for the person to go through: `result` holds its URL."""
        params = {"iccid": sim.iccid, "urlType": REAL_NAME_BY_WEB}
        row = (await self._link.call("verify_real_name", "secure/sim-real-name-reg", params, changes=True)).row
        url = parse.required_text(row.get("url"), "url")
        return Receipt(settled=False, reference=parse.required_text(row.get("busiSeq"), "busiSeq"), result={"url": url})

    async def _order_addon(self, sim: SimRef, arguments: Arguments) -> Receipt:
        """A fixed pack: the product code is `maincommoDity:packageType`, as `0:2` for 500 MB [C 4]."""
        commodity, _, package = argument_text(arguments, "product_code").partition(":")
        if not commodity or not package:
            raise CarrierRejected("a OneLink product code is maincommoDity:packageType, such as 0:2")
        number = required_msisdn(sim, self.protocol)
        params = {"msisdn": number, "maincommoDity": commodity, "packageType": package}
        answer = await self._link.call("order_addon", "order/gprspackage-order", params, changes=True)
        reference = parse.text_or_none(answer.row.get("orderNum"))
        return receipt_of(answer.meaning, settled=reference is None, reference=reference)

    async def _rebind(self, sim: SimRef, arguments: Arguments) -> Receipt:
        """Network side, change to a device [1] S8; withdrawn from sale in 2021-11, so off unless the account has it."""
        imei = argument_text(arguments, "imei")
        params = {"msisdn": required_msisdn(sim, self.protocol), "operType": "3", "imei": imei}
        answer = await self._link.call("rebind", "operate/card-bind-by-web", params, changes=True)
        return receipt_of(answer.meaning, settled=True)


def _activation(code: str, table: Mapping[str, str]) -> str:
    oper_type = table.get(code)
    if oper_type is None:
        raise CarrierRejected("a card in this state cannot be activated; nothing was sent", carrier_code=code)
    return oper_type


def _accepted(answer: wire.ParsedReply) -> Receipt:
    """Newer platforms give an orderNum; older ones none, then only a snapshot shows the result [C 2]."""
    if answer.meaning is CodeMeaning.ALREADY:
        return Receipt(settled=True, already=True)
    return Receipt(settled=False, reference=parse.text_or_none(answer.row.get("orderNum")))
