"""What each carrier protocol can do, as data that callers can read (CP-1; docs/api.md, Capabilities).

Limits with `known=False` are published nowhere (`docs/carriers/`): careful defaults, settings per account.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from app.domain.vocabulary import Carrier, Channel, OperationKind, ProtocolName

_API, _DESK, _GATEWAY = Channel.API, Channel.DESK, Channel.GATEWAY


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolLimit:
    """A limit of a protocol, its source, and whether the carrier publishes it; `value` None: no limit."""

    value: int | None
    source: str
    known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """One protocol: the channel of each operation kind (missing: not supported), and its limits.

    `per_second`, `in_flight`: calls; `repeat_window_s`: seconds between two changes of one SIM; `settle_lag_s`:
    seconds until a query shows a change; `read_batch`, `change_batch`: SIMs per call.
    """

    protocol: ProtocolName
    channels: Mapping[OperationKind, Channel]
    usage_unit: str
    usage_freshness: str
    per_second: ProtocolLimit
    in_flight: ProtocolLimit
    repeat_window_s: ProtocolLimit
    settle_lag_s: ProtocolLimit
    read_batch: ProtocolLimit
    change_batch: Mapping[OperationKind, int] = field(default_factory=lambda: MappingProxyType({}))


_BASE: Mapping[OperationKind, Channel] = MappingProxyType(
    {
        OperationKind.ACTIVATE: _API,
        OperationKind.SUSPEND: _API,
        OperationKind.RESUME: _API,
        OperationKind.RESET_NETWORK: _API,
        OperationKind.REFRESH: _API,
        OperationKind.REBIND: _DESK,
        OperationKind.SET_THRESHOLD: _GATEWAY,
        OperationKind.VERIFY_REAL_NAME: _DESK,
        OperationKind.ORDER_ADDON: _DESK,
        OperationKind.RENEW: _DESK,
        OperationKind.CHANGE_PLAN: _DESK,
        OperationKind.JOIN_POOL: _DESK,
        OperationKind.RETAIN_NUMBER: _DESK,
        OperationKind.TERMINATE: _DESK,
    },
)
"""Channels that apply unless a protocol overrides them; cut and restore network, change region: not supported."""

_CUTS: Mapping[OperationKind, Channel] = MappingProxyType(
    {OperationKind.CUT_NETWORK: _API, OperationKind.RESTORE_NETWORK: _API},
)
"""Cutting the network of one SIM exists only at China Telecom (QT-5)."""

_DESK_CHANNELS: Mapping[OperationKind, Channel] = MappingProxyType(
    {kind: _DESK if channel is _API else channel for kind, channel in _BASE.items()},
)


def _channels(*parts: Mapping[OperationKind, Channel]) -> Mapping[OperationKind, Channel]:
    """The base channels with the overrides of a protocol."""
    merged = dict(_BASE)
    for part in parts:
        merged.update(part)
    return MappingProxyType(merged)


def _not_published(value: int) -> ProtocolLimit:
    return ProtocolLimit(value=value, source="not published", known=False)


_ROWS = (
    Capability(
        protocol=ProtocolName.ONELINK,
        channels=_channels(
            {
                OperationKind.CHANGE_REGION: _DESK,
                OperationKind.VERIFY_REAL_NAME: _API,
                OperationKind.ORDER_ADDON: _API,
            },
        ),
        usage_unit="KB",
        usage_freshness="CT cards at once, PB cards by the end of yesterday",
        per_second=_not_published(5),
        in_flight=_not_published(10),
        repeat_window_s=ProtocolLimit(value=1800, source="OneLink A9: 30, 10 or 3 minutes by edition"),
        settle_lag_s=_not_published(300),
        read_batch=ProtocolLimit(value=100, source="OneLink A3"),
        change_batch=MappingProxyType({OperationKind.SUSPEND: 100, OperationKind.RESUME: 100}),
    ),
    Capability(
        protocol=ProtocolName.JASPER,
        channels=_channels({OperationKind.ORDER_ADDON: _API, OperationKind.TERMINATE: _API}),
        usage_unit="B",
        usage_freshness="cycle to date, small delay not published",
        per_second=ProtocolLimit(value=5, source="Jasper A1.7"),
        in_flight=ProtocolLimit(value=1, source="Jasper A1.7"),
        repeat_window_s=_not_published(0),
        settle_lag_s=_not_published(300),
        read_batch=ProtocolLimit(value=1, source="Jasper A1.3"),
    ),
    Capability(
        protocol=ProtocolName.UNICOM_CMP,
        channels=_channels({OperationKind.TERMINATE: _API}),
        usage_unit="MB",
        usage_freshness="month to date, delay not published",
        per_second=_not_published(5),
        in_flight=_not_published(5),
        repeat_window_s=_not_published(0),
        settle_lag_s=_not_published(300),
        read_batch=ProtocolLimit(value=50, source="gwapi A2, wsGetTerminalDetails"),
    ),
    Capability(
        protocol=ProtocolName.CTCC_CMP,
        channels=_channels(
            _CUTS,
            {
                OperationKind.REBIND: _API,
                OperationKind.SET_THRESHOLD: _API,
                OperationKind.ORDER_ADDON: _API,
            },
        ),
        usage_unit="MB",
        usage_freshness="month to date, delay not published",
        per_second=ProtocolLimit(value=8, source="m2m_ec B1.7: 500 calls a minute for usage"),
        in_flight=_not_published(5),
        repeat_window_s=_not_published(0),
        settle_lag_s=_not_published(300),
        read_batch=ProtocolLimit(value=1, source="m2m_ec B1"),
    ),
    Capability(
        protocol=ProtocolName.CTWING,
        channels=_channels(_CUTS, {OperationKind.SET_THRESHOLD: _API}),
        usage_unit="MB",
        usage_freshness="month to date, delay not published",
        per_second=_not_published(5),
        in_flight=_not_published(5),
        repeat_window_s=_not_published(0),
        settle_lag_s=_not_published(300),
        read_batch=ProtocolLimit(value=100, source="CTWing B2, batch queries"),
    ),
    Capability(
        protocol=ProtocolName.GSL,
        channels=_channels(_CUTS, {OperationKind.REBIND: _API, OperationKind.SET_THRESHOLD: _API}),
        usage_unit="MB",
        usage_freshness="by the end of yesterday (US-2)",
        per_second=_not_published(5),
        in_flight=_not_published(5),
        repeat_window_s=_not_published(0),
        settle_lag_s=_not_published(300),
        read_batch=ProtocolLimit(value=100, source="GSL B, batch-daily-flow"),
    ),
    Capability(
        protocol=ProtocolName.DESCRIBED,
        channels=_channels(),
        usage_unit="B",
        usage_freshness="as its description says",
        per_second=_not_published(5),
        in_flight=_not_published(5),
        repeat_window_s=_not_published(0),
        settle_lag_s=_not_published(300),
        read_batch=_not_published(1),
    ),
    Capability(
        protocol=ProtocolName.DESK,
        channels=_DESK_CHANNELS,
        usage_unit="B",
        usage_freshness="as entered by hand",
        per_second=ProtocolLimit(value=None, source="a person's work list"),
        in_flight=ProtocolLimit(value=None, source="a person's work list"),
        repeat_window_s=ProtocolLimit(value=0, source="a person's work list"),
        settle_lag_s=ProtocolLimit(value=0, source="a person's work list"),
        read_batch=ProtocolLimit(value=1, source="a person's work list"),
    ),
)

CAPABILITIES: Mapping[ProtocolName, Capability] = MappingProxyType({row.protocol: row for row in _ROWS})
"""Every protocol, by name (CP-1)."""

APN: Mapping[Carrier, str | None] = MappingProxyType(
    {Carrier.CMCC: "cmiot", Carrier.CTCC: "ctnet", Carrier.CUCC: "scuiot", Carrier.OVERSEAS: None},
)
"""Access point and profile name alike, in any case (GSL 7.1); overseas: not published."""

DATA_ONLY = True
"""No voice and no person-to-person SMS (CP-1, GSL 9.8)."""

NB_IOT = False
"""No NB-IoT SIMs (CP-1, GSL 5.5)."""

_CARRIER_OVERRIDES: Mapping[tuple[ProtocolName | None, Carrier, OperationKind], Channel | None] = MappingProxyType(
    {
        (None, Carrier.OVERSEAS, OperationKind.REBIND): None,
        (ProtocolName.GSL, Carrier.CUCC, OperationKind.REBIND): _DESK,
        (ProtocolName.DESK, Carrier.CMCC, OperationKind.CHANGE_REGION): _DESK,
        **{
            (ProtocolName.GSL, carrier, kind): None
            for carrier in Carrier
            for kind in _CUTS
            if carrier is not Carrier.CTCC
        },
    },
)
"""Channels that depend on the carrier as well; protocol None: any protocol; channel None: not supported."""

_ARGUMENTS_NOT_TAKEN: Mapping[tuple[ProtocolName, Carrier, OperationKind], frozenset[str]] = MappingProxyType(
    {(ProtocolName.GSL, Carrier.CMCC, OperationKind.REBIND): frozenset({"imei"})}
)
"""Arguments that a protocol does not take for a carrier: GSL binds such a SIM to the next device only (GSL 9.3)."""

NEEDS_PRODUCT_CODE = frozenset({OperationKind.ORDER_ADDON})
"""Kinds that an API accepts only with the carrier's product code; without one a person does them."""


def channel_for(
    protocol: ProtocolName,
    carrier: Carrier,
    kind: OperationKind,
    *,
    product_code: bool = True,
) -> Channel | None:
    """How this protocol carries out a kind of operation for a SIM of this carrier; None: not supported."""
    for name in (None, protocol):
        if (name, carrier, kind) in _CARRIER_OVERRIDES:
            return _CARRIER_OVERRIDES[name, carrier, kind]
    channel = CAPABILITIES[protocol].channels.get(kind)
    lacks_product = kind in NEEDS_PRODUCT_CODE and not product_code
    return Channel.DESK if channel is Channel.API and lacks_product else channel


def arguments_not_taken(protocol: ProtocolName, carrier: Carrier, kind: OperationKind) -> frozenset[str]:
    """The names of arguments with which this protocol refuses a kind for a SIM of this carrier (OP-7)."""
    return _ARGUMENTS_NOT_TAKEN.get((protocol, carrier, kind), frozenset())
