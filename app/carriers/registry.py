"""Which client speaks which protocol: the only module that knows a vendor package."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from app.carriers.account import Account, ProtocolAccount, base_url
from app.carriers.account_client import AccountClient
from app.carriers.breaker import Breaker
from app.carriers.ctcc_cmp.client import CtccCmpClient
from app.carriers.ctwing.client import CtwingClient
from app.carriers.desk.client import DeskClient
from app.carriers.gsl.client import GslClient
from app.carriers.jasper.client import JasperClient
from app.carriers.manners import (
    CallBudget,
    LocalBudget,
    LocalRepeatWindows,
    Manners,
    Observer,
    RepeatWindows,
    Unobserved,
)
from app.carriers.onelink.client import OneLinkClient
from app.carriers.protocol_client import ProtocolClient, Setup
from app.carriers.transport import Explain, Sign, Transport, Wire
from app.carriers.unicom_cmp.client import UnicomCmpClient
from app.clock import Clock
from app.domain.vocabulary import ProtocolName

Factory = Callable[[Setup], ProtocolClient]

FACTORIES: Mapping[ProtocolName, Factory] = {
    ProtocolName.ONELINK: OneLinkClient.open,
    ProtocolName.JASPER: JasperClient.open,
    ProtocolName.UNICOM_CMP: UnicomCmpClient.open,
    ProtocolName.CTCC_CMP: CtccCmpClient.open,
    ProtocolName.CTWING: CtwingClient.open,
    ProtocolName.GSL: GslClient.open,
    ProtocolName.DESK: DeskClient.open,
}


class ProtocolWithoutClient(Exception):
    """A protocol that accounts may name has no client, or the reverse: a mistake of ours, found at start."""


def build_clients(
    accounts: Iterable[Account],
    *,
    sandbox_url: str,
    clock: Clock,
    observer: Observer | None = None,
    budget: CallBudget | None = None,
    windows: RepeatWindows | None = None,
    wire: Wire | None = None,
) -> Mapping[str, AccountClient]:
    """A client for each account, by its code. Ports left out serve this one process; `wire` is for tests."""
    if set(FACTORIES) != set(ProtocolName):
        raise ProtocolWithoutClient(", ".join(sorted(set(FACTORIES) ^ set(ProtocolName))))
    kept = windows or LocalRepeatWindows(clock)
    opener = partial(
        _client,
        sandbox_url=sandbox_url,
        clock=clock,
        observer=observer or Unobserved(),
        budget=budget or LocalBudget(clock),
        wire=wire,
    )
    return {
        account.code: AccountClient(account, [opener(account, entry) for entry in account.protocols], kept, clock)
        for account in accounts
    }


def _client(
    account: Account,
    entry: ProtocolAccount,
    *,
    sandbox_url: str,
    clock: Clock,
    observer: Observer,
    budget: CallBudget,
    wire: Wire | None,
) -> ProtocolClient:
    breaker = Breaker(clock, on_change=partial(observer.breaker, account.code))
    manners = Manners(
        account=f"{account.code}/{entry.protocol}",
        clock=clock,
        budget=budget,
        breaker=breaker,
        in_flight=entry.settings.in_flight,
        per_second=entry.settings.per_second,
    )

    def open_transport(*, sign: Sign | None = None, explain: Explain | None = None) -> Transport:
        return Transport(
            account=account.code,
            base_url=base_url(entry, sandbox_url),
            manners=manners,
            observer=observer,
            clock=clock,
            read_s=entry.settings.read_s,
            sign=sign,
            explain=explain,
            wire=wire,
        )

    return FACTORIES[entry.protocol](
        Setup(
            account=account.code,
            carrier=account.carrier,
            zone=ZoneInfo(account.zone),
            host=urlsplit(base_url(entry, sandbox_url)).netloc,
            credentials=entry.credentials,
            clock=clock,
            open_transport=open_transport,
            options=entry.options,
            codes=entry.codes,
        )
    )
