"""The client of each protocol: the only module that imports a vendor package."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from app.carriers.account_client import AccountClient
from app.carriers.config import Account, ProtocolAccount, base_url
from app.carriers.ctcc_cmp.client import CtccCmpClient
from app.carriers.ctcc_cmp.expected import EXPECTED as CTCC_CMP_EXPECTED
from app.carriers.ctwing.client import CtwingClient
from app.carriers.ctwing.expected import EXPECTED as CTWING_EXPECTED
from app.carriers.described.client import DescribedClient
from app.carriers.described.expected import expectations_of
from app.carriers.desk.client import DeskClient
from app.carriers.errors import CarrierProtocolError
from app.carriers.expectations import Expectations
from app.carriers.gsl.client import GslClient
from app.carriers.gsl.expected import EXPECTED as GSL_EXPECTED
from app.carriers.http.breaker import Breaker
from app.carriers.http.throttle import (
    CallBudget,
    LocalBudget,
    LocalRepeatWindows,
    NoObserver,
    Observer,
    RepeatWindows,
    Throttle,
)
from app.carriers.http.transport import PLAIN, Dialect, Peer, Tap, Transport, Wire
from app.carriers.jasper import notifications as jasper_inbound
from app.carriers.jasper.client import JasperClient
from app.carriers.jasper.expected import EXPECTED as JASPER_EXPECTED
from app.carriers.notifications import Push, Received, Receiver, bounded
from app.carriers.onelink.client import OneLinkClient
from app.carriers.onelink.expected import EXPECTED as ONELINK_EXPECTED
from app.carriers.protocol_client import ProtocolClient, Setup
from app.carriers.telecom import push as telecom_push
from app.carriers.unicom_cmp import notifications as unicom_inbound
from app.carriers.unicom_cmp.client import UnicomCmpClient
from app.carriers.unicom_cmp.expected import EXPECTED as UNICOM_CMP_EXPECTED
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
    ProtocolName.DESCRIBED: DescribedClient.open,
    ProtocolName.DESK: DeskClient.open,
}


RECEIVERS: Mapping[ProtocolName, Receiver] = {
    ProtocolName.JASPER: jasper_inbound.receive,
    ProtocolName.UNICOM_CMP: unicom_inbound.receive,
    ProtocolName.CTCC_CMP: telecom_push.receive,
    ProtocolName.CTWING: telecom_push.receive,
}
"""The protocols that push; OneLink, GSL and the desk do not."""


EXPECTATIONS: Mapping[ProtocolName, Expectations] = {
    ProtocolName.ONELINK: ONELINK_EXPECTED,
    ProtocolName.JASPER: JASPER_EXPECTED,
    ProtocolName.UNICOM_CMP: UNICOM_CMP_EXPECTED,
    ProtocolName.CTCC_CMP: CTCC_CMP_EXPECTED,
    ProtocolName.CTWING: CTWING_EXPECTED,
    ProtocolName.GSL: GSL_EXPECTED,
}
"""What each client expects in its carrier's answers (`app.carriers.probe`); the desk has none."""


def expectations_for(entry: ProtocolAccount) -> Expectations | None:
    """The table of an account's protocol, or that of its description; None for the desk."""
    if entry.description is not None:
        return expectations_of(entry.description)
    return EXPECTATIONS.get(entry.protocol)


class ProtocolWithoutClient(Exception):
    """A protocol that accounts may name has no client, or the reverse: a mistake in this package, found at start."""


def build_clients(
    accounts: Iterable[Account],
    *,
    sandbox_url: str,
    clock: Clock,
    observer: Observer | None = None,
    budget: CallBudget | None = None,
    windows: RepeatWindows | None = None,
    wire: Wire | None = None,
    tap: Tap | None = None,
) -> Mapping[str, AccountClient]:
    """A client for each account, by its code. Ports left out serve this one process; `wire` is for tests, `tap` sees
    every exchange.
    """
    if set(FACTORIES) != set(ProtocolName):
        raise ProtocolWithoutClient(", ".join(sorted(set(FACTORIES) ^ set(ProtocolName))))
    kept = windows or LocalRepeatWindows(clock)
    opener = partial(
        _client,
        sandbox_url=sandbox_url,
        clock=clock,
        observer=observer or NoObserver(),
        budget=budget or LocalBudget(clock),
        wire=wire,
        tap=tap,
    )
    return {account.code: AccountClient(account, opener, kept, clock) for account in accounts}


def receive(account: Account, push: Push) -> Received:
    """Verify and read a push of an account's carrier. Raises: `NotAuthentic`, `CarrierProtocolError`."""
    bounded(push)
    for entry in account.protocols:
        reader = RECEIVERS.get(entry.protocol)
        received = reader(push, entry.credentials) if reader else None
        if received is not None:
            return received
    raise CarrierProtocolError("a push of no shape that this account's protocols have")


def _client(
    account: Account,
    entry: ProtocolAccount,
    *,
    sandbox_url: str,
    clock: Clock,
    observer: Observer,
    budget: CallBudget,
    wire: Wire | None,
    tap: Tap | None,
) -> ProtocolClient:
    breaker = Breaker(clock, on_change=partial(observer.breaker, account.code))
    throttle = Throttle(
        account=f"{account.code}/{entry.protocol}",
        clock=clock,
        budget=budget,
        breaker=breaker,
        in_flight=entry.settings.in_flight,
        per_second=entry.settings.per_second,
    )

    def open_transport(dialect: Dialect = PLAIN) -> Transport:
        return Transport(
            account=account.code,
            peer=Peer(
                base_url=base_url(entry, sandbox_url), read_s=entry.settings.read_s, ca_file=entry.ca_file, wire=wire
            ),
            throttle=throttle,
            observer=observer,
            clock=clock,
            dialect=dialect,
            tap=tap,
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
            description=entry.description,
        )
    )
