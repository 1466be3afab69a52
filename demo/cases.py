# ruff: noqa: INP001 - scripts run by hand, in no package
"""What the demo fleet is made of: numbering, places, and the cases that it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MB, GB = 1 << 20, 1 << 30

CARRIERS = ("cmcc", "cucc", "ctcc")
TERMS = ("flexem", "gsl", "standard")


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbering:
    """How a carrier's M2M cards are numbered."""

    iccid: str
    imsi: str
    msisdn: str
    name: str


NUMBERS: Mapping[str, Numbering] = {
    "cmcc": Numbering(iccid="898604", imsi="46004", msisdn="14400", name="移动"),
    "cucc": Numbering(iccid="898606", imsi="46006", msisdn="10646", name="联通"),
    "ctcc": Numbering(iccid="898603", imsi="46011", msisdn="14910", name="电信"),
    "overseas": Numbering(iccid="894920", imsi="26202", msisdn="49151", name="海外"),
}
"""13-digit numbers of the Internet of Things, IMSIs of the IoT core networks; a German carrier's abroad."""

TACS = ("86758404", "86962805", "86411104", "86539306", "86104905")
"""Type allocation codes as modules bear them."""

SITES = ("武汉", "深圳", "成都", "济南", "沈阳", "西安")
PROVINCES = {"武汉": "湖北", "深圳": "广东", "成都": "四川", "济南": "山东", "沈阳": "辽宁", "西安": "陕西"}
DEVICES = ("water-meter", "gateway", "charger", "locker", "street-lamp")

SILENT = {"flexem": ("cucc", "ctcc"), "gsl": CARRIERS, "standard": CARRIERS}
"""Whose cards sleep before first use (LC-1 to LC-3), by terms."""
TESTING = {"flexem": ("cmcc",), "standard": CARRIERS}
"""Whose terms know a test period on the mainland (LC-1, LC-3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Cards under one hold, or under several joined by `;`, at these carriers and terms.

    `used`: bytes of the cycle where use is the reason; `count`: cards of each carrier and terms.
    """

    hold: str
    terms: Sequence[str]
    carriers: Sequence[str] = CARRIERS
    state: str = "suspended"
    plan: str = "100m"
    used: int | None = None
    threshold: int | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    count: int = 2


HELD: Sequence[Held] = (
    Held(hold="manual", terms=TERMS),
    Held(hold="over_quota", terms=("gsl",), used=103 * MB),
    Held(hold="over_quota", terms=("standard",), used=101 * MB, columns={"auto_stop": "true"}),
    Held(hold="over_threshold", terms=("standard",), used=85 * MB, threshold=80 * MB),
    Held(hold="over_threshold", terms=("gsl",), carriers=("ctcc",), used=60 * MB, threshold=50 * MB),
    Held(hold="over_threshold", terms=("flexem",), carriers=("cmcc",), used=112 * MB, threshold=100 * MB),
    Held(hold="policy_cutoff", terms=("flexem",), plan="30m", used=3 * GB + 64 * MB),
    Held(hold="device_mismatch", terms=TERMS, carriers=("cmcc", "cucc")),
    Held(hold="device_mismatch", terms=TERMS, carriers=("ctcc",), state="active"),
    Held(hold="not_real_named", terms=("gsl", "standard"), columns={"real_name": "individual"}),
    Held(hold="arrears", terms=("standard",)),
    Held(hold="carrier_control", terms=("standard",)),
    Held(hold="out_of_region", terms=("flexem",), carriers=("cmcc",)),
    Held(hold="violation", terms=("gsl",)),
    Held(hold="high_risk_region", terms=("gsl",)),
    Held(hold="phone_misuse", terms=("flexem", "gsl")),
    Held(hold="network_cut", terms=("gsl",), carriers=("ctcc",), state="active"),
)
"""Which holds can occur where (ST-1 to ST-17, LC-15); what is expired stands below. At Telecom a changed device and a
cut network leave the state `active` (ST-16, ST-22)."""

STACKED: Sequence[Held] = (
    Held(hold="policy_cutoff;device_mismatch", terms=("flexem",), plan="30m", used=3 * GB + 64 * MB, count=1),
    Held(hold="over_quota;device_mismatch", terms=("gsl",), used=103 * MB, count=1),
    Held(
        hold="over_quota;arrears;not_real_named",
        terms=("standard",),
        used=101 * MB,
        columns={"auto_stop": "true", "real_name": "individual"},
        count=1,
    ),
)
"""Cards stopped for two or three reasons at once, each with its own remedy (ST): tagged `case=stacked`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPool:
    """A pool with its members: `active` ones, which have used `percent` of their allowances, and `silent` ones."""

    id: str
    name: str
    kind: str
    carrier: str
    plan: str
    active: int
    silent: int
    percent: int
    levels_pct: str = ""
    levels: str = ""


POOLS: Sequence[DemoPool] = (
    DemoPool(
        id="water-meters",
        name="水表流量池 Water meters",
        kind="forward",
        carrier="cucc",
        plan="pool-100m",
        active=12,
        silent=3,
        percent=97,
        levels_pct="80;95",
    ),
    DemoPool(
        id="lockers",
        name="快递柜流量池 Parcel lockers",
        kind="backward",
        carrier="ctcc",
        plan="postpaid-100m",
        active=8,
        silent=0,
        percent=110,
        levels=str(GB),
    ),
)
"""One prepaid pool near its end, one postpaid, which has no ceiling (PL-1, PL-4)."""
