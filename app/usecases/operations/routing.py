"""Route an operation: the first protocol of its account that supports the kind, by the capability table (CP-1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any

from app.carriers.config import Account, ProtocolAccount
from app.db.mapping import SimRecord
from app.domain.operation.capabilities import arguments_not_taken, channel_for
from app.domain.operation.outcomes import PollingPolicy
from app.domain.operation.request import Route
from app.domain.vocabulary import Channel, OperationKind
from app.usecases.context import Context

DEFAULT_WAIT = timedelta(seconds=60)
"""Settle lag and completion time of an account that is no longer configured."""


@lru_cache(maxsize=4096)
def protocol_of(account: Account, kind: OperationKind) -> ProtocolAccount | None:
    """The account's protocol for this kind: API before gateway before desk; None where none supports it."""
    channels = [(p, channel_for(p.protocol, account.carrier, kind)) for p in account.protocols if p.covers(kind.value)]
    for preferred in (Channel.API, Channel.GATEWAY, Channel.DESK):
        for protocol, channel in channels:
            if channel is preferred:
                return protocol
    return None


def channel_of(ctx: Context, record: SimRecord, kind: OperationKind, arguments: Mapping[str, Any]) -> Channel | None:
    """`api`, `desk` or `gateway`; None where no protocol of the account supports the kind (CP-1)."""
    return route_of(ctx, record, kind, arguments).channel


def route_of(ctx: Context, record: SimRecord, kind: OperationKind, arguments: Mapping[str, Any]) -> Route:
    """How the SIM's account carries out the kind: channel, repeat window, arguments that it does not take (CP-1)."""
    account = ctx.accounts.get(record.account)
    return _UNKNOWN if account is None else _route(account, kind, product_code=bool(arguments.get("product_code")))


_UNKNOWN = Route(channel=None)
"""Of an account that is no longer configured."""


@lru_cache(maxsize=4096)
def _route(account: Account, kind: OperationKind, *, product_code: bool) -> Route:
    protocol = protocol_of(account, kind)
    if protocol is None:
        return _UNKNOWN
    return Route(
        channel=channel_for(protocol.protocol, account.carrier, kind, product_code=product_code),
        repeat_window=timedelta(seconds=protocol.settings.repeat_window_s),
        refuses=arguments_not_taken(protocol.protocol, account.carrier, kind),
    )


def polling_policy_of(ctx: Context, account_code: str, kind: OperationKind) -> PollingPolicy:
    """How long to wait for this account's protocol: settle lag, completion and window (`carriers.toml`, OP-3)."""
    protocol = _configured(ctx, account_code, kind)
    if protocol is None:
        return PollingPolicy(settle_lag=DEFAULT_WAIT, completion=DEFAULT_WAIT, window=ctx.window)
    settle, completion = protocol.settings.settle_lag_s, protocol.settings.completion_s
    return PollingPolicy(
        settle_lag=timedelta(seconds=settle), completion=timedelta(seconds=completion), window=ctx.window
    )


def _configured(ctx: Context, account_code: str, kind: OperationKind) -> ProtocolAccount | None:
    account = ctx.accounts.get(account_code)
    return protocol_of(account, kind) if account else None
