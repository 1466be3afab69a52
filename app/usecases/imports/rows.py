"""One row of an import: its columns, how each is parsed, and the SIM it makes (`docs/api.md`, Import).

Pure: a row becomes a SIM, or faults that name the column and never the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import partial
from types import MappingProxyType
from typing import Any

from app.domain.calendar.days import day_named
from app.domain.errors import Malformed
from app.domain.identifiers import parse_iccid, parse_imei, parse_imsi, parse_msisdn
from app.domain.regions.rules import with_region_limit
from app.domain.sim.lifecycle import state_from_dates, with_validity_end
from app.domain.sim.model import Hold, Plan, Sim
from app.domain.vocabulary import Carrier, HoldCode, HoldSource, RealName, SimState, Supplier
from app.usecases.csv_files import is_printable, whole_cell
from app.usecases.errors import Fault

LONGEST_TEXT = 200

_SPREADSHEET_DAY = re.compile(r"([0-9]{4})[/.年-]([0-9]{1,2})[/.月-]([0-9]{1,2})日?(?: 0?0:00(?::00)?)?")
"""A day as spreadsheets write it: 2026/1/5, 2026/1/5 0:00, 2026年1月5日."""


def _text(value: str) -> str:
    """A text that can be stored (`is_printable`). Raises `Malformed`."""
    if len(value) > LONGEST_TEXT or not is_printable(value):
        raise Malformed("TEXT_UNUSABLE", f"at most {LONGEST_TEXT} printable characters, in the file's encoding")
    return value


def _day(value: str) -> date:
    written = _SPREADSHEET_DAY.fullmatch(value)
    try:
        found = date(*map(int, written.groups())) if written else day_named(value)
    except ValueError:
        raise Malformed("DAY_MALFORMED", "a day is written YYYY-MM-DD") from None
    if not 2000 <= found.year <= 2100:  # noqa: PLR2004
        raise Malformed("DAY_MALFORMED", "a day is written YYYY-MM-DD, between 2000 and 2100")
    return found


def _flag(value: str) -> bool:
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if value.lower() not in known:
        raise Malformed("FLAG_MALFORMED", "true or false")
    return known[value.lower()]


def _months(value: str) -> int:
    months = whole_cell(value)
    if months is None or months > 9:  # noqa: PLR2004 - LC-3
        raise Malformed("MONTHS_MALFORMED", "0 to 9 months")
    return months


def _one_of(kind: type[Any]) -> Callable[[str], Any]:
    return partial(_member, kind)


def _member(kind: type[Any], value: str) -> Any:
    try:
        return kind(value)
    except ValueError:
        raise Malformed("UNKNOWN_WORD", f"one of {', '.join(member.value for member in kind)}") from None


def _tags(value: str) -> dict[str, str]:
    pairs = [pair.split("=", 1) for pair in value.split(";") if pair]
    if any(len(pair) != 2 or not pair[0] for pair in pairs):  # noqa: PLR2004
        raise Malformed("TAGS_MALFORMED", "tags are written k=v;k=v")
    return {_text(key.strip()): _text(tag.strip()) for key, tag in pairs}


def _holds(value: str) -> tuple[HoldCode, ...]:
    return tuple(dict.fromkeys(_one_of(HoldCode)(code.strip()) for code in value.split(";") if code.strip()))


COLUMN_PARSERS: Mapping[str, Callable[[str], Any]] = MappingProxyType(
    {
        "iccid": parse_iccid,
        "carrier": _one_of(Carrier),
        "terms": _one_of(Supplier),
        "plan": _text,
        "msisdn": parse_msisdn,
        "imsi": parse_imsi,
        "account": _text,
        "opened_on": _day,
        "purchased_on": _day,
        "state": _one_of(SimState),
        "activated_on": _day,
        "expires_on": _day,
        "imei": parse_imei,
        "device_serial": _text,
        "alias": _text,
        "province": _text,
        "real_name": _one_of(RealName),
        "pool": _text,
        "order": _text,
        "holds": _holds,
        "remark": _text,
        "test_months": _months,
        "auto_stop": _flag,
        "tags": _tags,
    }
)
"""Column -> parser of its text."""

REQUIRED = ("iccid", "carrier", "terms", "plan")

_CARRIERS: Mapping[str, Carrier] = {carrier.value: carrier for carrier in Carrier}


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedRow:
    """One row with its parsed values, or with its faults."""

    line: int
    values: dict[str, Any] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()


def parse_row(line: int, given: Mapping[str, str]) -> ParsedRow:
    """Parse every column; an empty cell counts as absent."""
    values: dict[str, Any] = {}
    faults = [
        Fault(code="REQUIRED", detail="required", line=line, column=name) for name in REQUIRED if not given.get(name)
    ]
    carrier = _CARRIERS.get(given.get("carrier", ""))
    for name, text in given.items():
        if not text:
            continue
        try:
            values[name] = parse_msisdn(text, carrier) if name == "msisdn" else COLUMN_PARSERS[name](text)
        except Malformed as wrong:
            faults.append(Fault(code=wrong.code, detail=wrong.detail, line=line, column=name))
    return ParsedRow(line=line, values=values, faults=tuple(faults))


def new_sim(values: Mapping[str, Any], plan: Plan, *, today: date, at: datetime) -> Sim:
    """The SIM of a new row; state and dates that the row omits follow from its other dates. Raises `Malformed`."""
    sim = Sim(
        iccid=values["iccid"],
        carrier=values["carrier"],
        terms=values["terms"],
        plan=plan,
        underlying=SimState.INVENTORY,
        opened_on=values.get("opened_on"),
        purchased_on=values.get("purchased_on"),
        activated_on=values.get("activated_on"),
        expires_on=values.get("expires_on"),
        test_months=values.get("test_months"),
        auto_stop=values.get("auto_stop"),
        real_name=values.get("real_name", RealName.NONE),
        imei=values.get("imei"),
        province=values.get("province"),
        pool=values.get("pool"),
    )
    sim = with_validity_end(sim)
    state = values.get("state")
    if state is None:
        sim = _held(state_from_dates(sim, today, at)[0], values.get("holds", ()), at)
    else:
        sim = _with_state(sim, state, values.get("holds"), today, at)
    return with_region_limit(sim, today)


def _with_state(sim: Sim, state: SimState, holds: tuple[HoldCode, ...] | None, today: date, at: datetime) -> Sim:
    """A SIM whose state the file gives: `suspended` means a SIM with holds, by default `manual`."""
    if state is SimState.SUSPENDED:
        dated = state_from_dates(sim, today, at)[0]
        activated = sim.activated_on is not None or dated.underlying is SimState.ACTIVE
        underlying = SimState.ACTIVE if activated else dated.underlying
        return _held(replace(sim, underlying=underlying), holds or (HoldCode.MANUAL,), at)
    if state is SimState.EXPIRED:
        held = (*(holds or ()), HoldCode.PLAN_EXPIRED)
        return _held(_ended(replace(sim, underlying=state), today, at), tuple(dict.fromkeys(held)), at)
    return _held(replace(sim, underlying=state), holds or (), at)


def _ended(sim: Sim, today: date, at: datetime) -> Sim:
    """An expired SIM with the hold that follows from its end date, where the file gives one that has passed (LC-8)."""
    if sim.expires_on is None or sim.expires_on >= today:
        return sim
    return replace(sim, holds=(Hold(code=HoldCode.PLAN_EXPIRED, since=at, source=HoldSource.GATEWAY),))


def _held(sim: Sim, codes: tuple[HoldCode, ...], at: datetime) -> Sim:
    """The SIM with the holds that the file gives it; those that follow from its dates stay the gateway's (LC-17)."""
    known = {hold.code for hold in sim.holds}
    added = tuple(Hold(code=code, since=at, source=HoldSource.IMPORT) for code in codes if code not in known)
    return replace(sim, holds=(*sim.holds, *added))


UPDATABLE_COLUMNS = [
    "msisdn",
    "imsi",
    "terms",
    "plan",
    "imei",
    "device_serial",
    "alias",
    "province",
    "real_name",
    "pool",
    "order",
    "remark",
    "test_months",
    "auto_stop",
    "tags",
]
"""What an import may update on a known SIM: never its state, dates, holds, account or carrier."""


def changed_columns(row: ParsedRow) -> dict[str, Any]:
    """Database columns that a row updates on a known SIM."""
    given = {name: row.values[name] for name in UPDATABLE_COLUMNS if name in row.values}
    if "order" in given:
        given["order_id"] = given.pop("order")
    return {name: getattr(value, "value", value) for name, value in given.items()}
