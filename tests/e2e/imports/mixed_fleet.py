"""A fleet as its owner has it on the day of the import, and as the carriers have it, which need not agree.

Every hold under every carrier's terms, stacked holds, running, unused, expired and cancelled cards, over seven accounts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count, product
from typing import Any

from app.domain.vocabulary import Carrier, HoldCode, Supplier
from sandbox.credentials import CREDENTIALS
from tests.gateway import iccid

ACCOUNTS: Mapping[Carrier, tuple[tuple[str, str], ...]] = {
    Carrier.CMCC: (("cmcc-main", "onelink"), ("cmcc-gsl", "gsl")),
    Carrier.CUCC: (("cucc-main", "jasper"), ("cucc-cmp", "unicom_cmp")),
    Carrier.CTCC: (("ctcc-main", "ctcc_cmp"), ("ctcc-5g", "ctwing")),
    Carrier.OVERSEAS: (("world", "jasper"),),
}
"""Carrier -> account and protocol."""

Row = dict[str, Any]

RUNNING: Row = {"state": "active", "holds": ""}
STOPPED: Row = {"state": "suspended", "holds": "manual"}
AS_HERE: Row = {}
READS_ACTIVE = frozenset({HoldCode.NETWORK_CUT, HoldCode.DEVICE_MISMATCH})
"""Holds that leave the state active at `ctcc` (ST-16, ST-22): they stay until it reports whether the network is cut."""


def _held(*codes: HoldCode) -> tuple[Row, tuple[Row, ...]]:
    return {"state": "suspended", "holds": ";".join(codes)}, (AS_HERE, RUNNING, STOPPED)


KINDS: tuple[tuple[Row, tuple[Row, ...]], ...] = (
    *(_held(code) for code in HoldCode),
    _held(HoldCode.OVER_QUOTA, HoldCode.DEVICE_MISMATCH),
    _held(HoldCode.MANUAL, HoldCode.ARREARS),
    (RUNNING, (AS_HERE, STOPPED)),
    (RUNNING, (AS_HERE, {"state": "suspended", "holds": "arrears"}, {"state": "suspended", "holds": "over_quota"})),
    ({"state": "testing"}, (AS_HERE, RUNNING, STOPPED)),
    ({"state": "silent"}, (AS_HERE, RUNNING)),
    ({"state": "inventory"}, (AS_HERE, RUNNING)),
    ({"state": "expired"}, (AS_HERE, STOPPED)),
    ({"state": "cancelled"}, (AS_HERE, RUNNING)),
)
"""What the file says of a card, and what its carrier may say of it."""


@dataclass(frozen=True, slots=True)
class MixedCard:
    """One card: its row in the file, and in the sandbox."""

    ours: Row
    theirs: Row

    @property
    def freed(self) -> bool:
        """Held in the file, running at the carrier."""
        return self.ours["state"] == "suspended" and self.theirs["state"] == "active"

    @property
    def reads_active(self) -> bool:
        """Held in a way that does not show in the carrier's state."""
        codes = set(self.ours["holds"].split(";"))
        return self.ours["carrier"] == Carrier.CTCC and bool(codes & READS_ACTIVE)


def carriers_toml() -> str:
    """The accounts of the fleet, as written in `carriers.toml`."""
    return "\n".join(_account(carrier, *account) for carrier, accounts in ACCOUNTS.items() for account in accounts)


def _account(carrier: Carrier, code: str, protocol: str) -> str:
    secrets = ", ".join(f'{name} = "{value}"' for name, value in CREDENTIALS[protocol].items())
    return (
        f'[accounts.{code}]\ncarrier = "{carrier}"\nzone = "Asia/Shanghai"\ntenants = ["*"]\n'
        f'[[accounts.{code}.protocols]]\nprotocol = "{protocol}"\nbase_url = "sandbox"\n'
        f"credentials = {{ {secrets} }}\nsettings = {{ completion_s = 1, in_flight = 5 }}\n"
    )


def plans() -> list[Row]:
    """The plan of each carrier."""
    return [{"id": f"{one}-100m", "carrier": one.value, "allowance": 100 << 20, "months": 12} for one in Carrier]


def mixed_fleet(size: int, today: date) -> list[MixedCard]:
    """So many cards as of this day, in the home market's zone."""
    cases, numbers = _cases(), count()
    return [_card(next(numbers), *next(cases), today) for _ in range(size)]


def _cases() -> Iterator[tuple[Carrier, Supplier, Row, Row, str]]:
    """Carrier, terms, file, carrier's side and account; each round pairs them differently."""
    for turn in count():
        for place, ((here, theirs), carrier, terms) in enumerate(product(KINDS, Carrier, Supplier)):
            if here.get("holds") == HoldCode.NETWORK_CUT and carrier is not Carrier.CTCC:
                continue  # a single cut exists at ctcc alone (QT-5)
            accounts = ACCOUNTS[carrier]
            yield (
                carrier,
                terms,
                here,
                theirs[(turn + place) % len(theirs)],
                accounts[(turn + place) % len(accounts)][0],
            )


def _card(n: int, carrier: Carrier, terms: Supplier, here: Row, there: Row, account: str, today: date) -> MixedCard:
    abroad = carrier is Carrier.OVERSEAS
    row = {
        "iccid": iccid(n + 3_000_000, "898520" if abroad else "898600"),
        "msisdn": f"4477{n:08d}" if abroad else f"144{n:010d}",
        "imsi": f"46004{n:010d}",
        "carrier": carrier.value,
        "account": account,
        "terms": terms.value,
        "plan": f"{carrier}-100m",
        "holds": "",
        **_dates(here["state"], today),
    }
    theirs = row | here | there | {"gsl": account == "cmcc-gsl"}
    if theirs["state"] in ("active", "suspended"):
        theirs = {**theirs, **_dates("active", today)}
    return MixedCard(row | here, theirs)


def _dates(state: str, today: date) -> Row:
    """Dates by which no rule stops the card within the next weeks."""
    ago = {
        "expired": (700, 400, 20),
        "cancelled": (900, 800, 400),
        "active": (60, 40, -300),
        "suspended": (60, 40, -300),
    }
    days = dict(zip(("opened_on", "activated_on", "expires_on"), ago.get(state, (3,)), strict=False))
    return {name: (today - timedelta(days=back)).isoformat() for name, back in days.items()}


def assert_mixed(fleet: Sequence[MixedCard]) -> None:
    """Every carrier's terms and every hold are there, agreeing and not."""
    seen = Counter((card.ours["carrier"], card.ours["terms"]) for card in fleet)
    assert len(seen) == len(Carrier) * len(Supplier)
    codes = {code for card in fleet for code in card.ours["holds"].split(";")}
    assert codes >= set(HoldCode)
    assert sum(card.freed for card in fleet) > len(fleet) // 10
    assert sum(card.ours["state"] == "active" and card.theirs["state"] == "suspended" for card in fleet) > 0
