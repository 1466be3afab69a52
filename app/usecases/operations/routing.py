"""By what way a card's account gets an operation done: the first of its protocols that can, by the capability table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from app.carriers.config import Account, ProtocolAccount
from app.db.mapping import SimRecord
from app.domain.operation.capabilities import channel_for
from app.domain.operation.outcomes import PollingPolicy
from app.domain.vocabulary import Channel, OperationKind
from app.usecases.context import Context


def protocol_of(account: Account, kind: OperationKind) -> ProtocolAccount | None:
    """The protocol of the account that is used for this kind and has a way for it; the API before the desk."""
    ways = [(p, channel_for(p.protocol, account.carrier, kind)) for p in account.protocols if p.covers(kind.value)]
    for wanted in (Channel.API, Channel.GATEWAY, Channel.DESK):
        for protocol, way in ways:
            if way is wanted:
                return protocol
    return None


def channel_of(ctx: Context, record: SimRecord, kind: OperationKind, arguments: Mapping[str, Any]) -> Channel | None:
    """API, desk or gateway; None where no protocol of the account can (CP-1)."""
    account = ctx.accounts.get(record.account)
    protocol = protocol_of(account, kind) if account else None
    if account is None or protocol is None:
        return None
    return channel_for(protocol.protocol, account.carrier, kind, product_code=bool(arguments.get("product_code")))


def polling_policy_of(ctx: Context, account_code: str, kind: OperationKind) -> PollingPolicy:
    """How long this account's protocol is waited for (settings of `carriers.toml`)."""
    account = ctx.accounts.get(account_code)
    protocol = protocol_of(account, kind) if account else None
    settle = protocol.settings.settle_lag_s if protocol else 60.0
    completion = protocol.settings.completion_s if protocol else 60.0
    return PollingPolicy(
        settle_lag=timedelta(seconds=settle), completion=timedelta(seconds=completion), window=ctx.window
    )


def repeat_window_of(ctx: Context, account_code: str, kind: OperationKind) -> timedelta:
    """How long the protocol waits between two changes of one card (SL-5)."""
    account = ctx.accounts.get(account_code)
    protocol = protocol_of(account, kind) if account else None
    return timedelta(seconds=protocol.settings.repeat_window_s if protocol else 0)
