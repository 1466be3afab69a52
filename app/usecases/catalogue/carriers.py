"""Carriers, their accounts and capabilities, as JSON (CP-1)."""

from __future__ import annotations

from datetime import date
from typing import Any

from app.carriers.config import Account, ProtocolAccount
from app.domain.operation.capabilities import APN, CAPABILITIES, DATA_ONLY, NB_IOT, ProtocolLimit, channel_for
from app.domain.operation.stop_reports import STOP_REPORTS, StopReport
from app.domain.terms.book import describe
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
    by_supplier = [_sold_as(supplier, carrier, ctx.now().date()) for supplier in Supplier]
    return {
        "carrier": carrier.value,
        "apn": APN[carrier],
        "data_only": DATA_ONLY,
        "nb_iot": NB_IOT,
        "networks": {sold["supplier"]: sold["networks"] for sold in by_supplier},
        "sold_as": by_supplier,
        "accounts": [
            _account(account) | {"protocols": [_protocol(account, protocol) for protocol in account.protocols]}
            for account in accounts
        ],
        "assumed": sorted({rule for sold in by_supplier for rule in sold["assumed"]}),
    }


SOLD_AS = (
    "networks",
    "card_type",
    "region_limited",
    "directed_by",
    "directed_protocols",
    "directed_may_be_empty",
    "directed_reversible",
    "directed_deletable",
    "general_up_to",
    "threshold_right",
    "threshold_cap",
    "addons",
    "test_months",
    "test_bytes",
    "test_choice_months",
    "test_choice_bytes",
    "silent_months",
)
"""The values of a supplier's terms that say what its cards can do (CP-1)."""


def _sold_as(supplier: Supplier, carrier: Carrier, on: date) -> dict[str, Any]:
    """What the carrier's cards can do under a supplier's terms, with the source of each value; null: not published."""
    lines = {line.name: line for line in describe(supplier, carrier, on) if line.name in SOLD_AS}
    published = [line for line in lines.values() if line.value is not None]
    return {
        "supplier": supplier.value,
        **{name: lines[name].value for name in SOLD_AS},
        "sources": {line.name: line.source for line in published},
        "assumed": sorted({rule for line in published for rule in line.assumed}),
    }


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
