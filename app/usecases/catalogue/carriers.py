"""Carriers, their accounts and capabilities, as JSON (CP-1)."""

from __future__ import annotations

from typing import Any

from app.carriers.config import Account, ProtocolAccount
from app.domain.operation.capabilities import APN, CAPABILITIES, ProtocolLimit, channel_for
from app.domain.operation.stop_reports import STOP_REPORTS, StopReport
from app.domain.terms.book import terms_in_force
from app.domain.vocabulary import Carrier, OperationKind, Supplier
from app.usecases.accounts import open_to
from app.usecases.context import Context
from app.usecases.errors import NotFound


def carriers_view(ctx: Context, tenant: str) -> list[dict[str, Any]]:
    """Every carrier with the accounts that the tenant may use."""
    accounts = open_to(ctx, tenant)
    return [
        {
            "carrier": carrier.value,
            "apn": APN[carrier],
            "accounts": [_account(ctx.accounts[code]) for code in accounts if ctx.accounts[code].carrier is carrier],
        }
        for carrier in Carrier
    ]


def _account(account: Account) -> dict[str, Any]:
    return {
        "account": account.code,
        "zone": account.zone,
        "sandbox": account.is_sandbox,
        "protocols": [protocol.protocol.value for protocol in account.protocols],
    }


def capabilities_view(ctx: Context, tenant: str, code: str) -> dict[str, Any]:
    """Per account and protocol: operation -> `api`, `desk`, `gateway` or `none`, with limits. Raises `NotFound`."""
    if code not in set(Carrier):
        raise NotFound("carrier")
    carrier = Carrier(code)
    accounts = [ctx.accounts[a] for a in open_to(ctx, tenant) if ctx.accounts[a].carrier is carrier]
    return {
        "carrier": carrier.value,
        "apn": APN[carrier],
        "networks": {s.value: _networks(ctx, s, carrier) for s in Supplier},
        "accounts": [
            _account(account) | {"protocols": [_protocol(account, protocol) for protocol in account.protocols]}
            for account in accounts
        ],
        "assumed": [],
    }


def _networks(ctx: Context, supplier: Supplier, carrier: Carrier) -> list[str] | None:
    """The networks of the supplier's terms (GSL 3.3, FM 一.1); None: not published."""
    networks = terms_in_force(supplier, carrier, ctx.now().date()).networks.value
    return list(networks) if networks is not None else None


def _protocol(account: Account, protocol: ProtocolAccount) -> dict[str, Any]:
    known = CAPABILITIES[protocol.protocol]
    used = {kind: protocol.covers(kind.value) for kind in OperationKind}
    ways = {kind: channel_for(protocol.protocol, account.carrier, kind) if used[kind] else None for kind in used}
    settings = protocol.settings
    return {
        "protocol": protocol.protocol.value,
        "operations": {kind.value: way.value if way else "none" for kind, way in ways.items()},
        "stop_reports": {one.value: STOP_REPORTS[protocol.protocol].get(one) for one in StopReport},
        "usage": {"unit": known.usage_unit, "freshness": known.usage_freshness},
        "limits": {
            "per_second": settings.per_second,
            "in_flight": settings.in_flight,
            "repeat_window_s": settings.repeat_window_s,
            "settle_lag_s": settings.settle_lag_s,
            "completion_s": settings.completion_s,
            "read_batch": _figure(known.read_batch),
            "change_batch": {kind.value: size for kind, size in known.change_batch.items()},
        },
        "published": {
            "per_second": _figure(known.per_second),
            "in_flight": _figure(known.in_flight),
            "repeat_window_s": _figure(known.repeat_window_s),
            "settle_lag_s": _figure(known.settle_lag_s),
        },
    }


def _figure(figure: ProtocolLimit) -> dict[str, Any]:
    return {"value": figure.value, "source": figure.source, "known": figure.known}
