"""Cards from rows with the import's columns (NDJSON or CSV), plus `forced_on`, `gsl` and `platform` (CT or PB).

Columns that mean nothing to a carrier are passed over. A hold that only the gateway knows (its own policy) is, to
the carrier, an ordinary stop at the owner's request.
"""

from __future__ import annotations

import csv
import errno
import io
import json
from collections.abc import Iterator, Mapping
from datetime import date
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sandbox.fleet.automatic import AUTOMATIC
from sandbox.fleet.card import ACTIVATED, Card
from sandbox.fleet.world import World
from sandbox.time import DAY

CARRIERS = ("cmcc", "cucc", "ctcc", "overseas")
STATES = ("inventory", "testing", "silent", "active", "suspended", "expired", "cancelled")
HOLDS: Mapping[str, str] = MappingProxyType(
    {
        "manual": "manual",
        "plan_expired": "plan_expired",
        "device_mismatch": "device_mismatch",
        "arrears": "arrears",
        "out_of_region": "out_of_region",
        "carrier_control": "carrier_control",
        "over_quota": "over_quota",
        "over_threshold": "over_threshold",
        "pool_exhausted": "pool_exhausted",
        "pool_threshold": "pool_exhausted",
        "pool_frozen": "pool_exhausted",
        "not_real_named": "not_real_named",
        "violation": "violation",
        "phone_misuse": "violation",
        "high_risk_region": "violation",
        "network_cut": "network_cut",
        "policy_cutoff": "manual",
        "unexplained": "manual",
        "frozen": "frozen",
    }
)
"""The import's holds → the carrier's; `frozen` (the carrier has taken the card over) is the sandbox's alone."""
_PREFIX = {
    "cmcc": ("1440", "46004"),
    "cucc": ("1064", "46006"),
    "ctcc": ("1491", "46011"),
    "overseas": ("8823", "90116"),
}


class BadRow(ValueError):
    """A row that cannot be a card."""


def rows_of(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line numbers and rows of NDJSON, a JSON array, or CSV with a header. Raises BadRow."""
    stripped = text.lstrip("\ufeff \r\n")
    if stripped[:1] == "[":
        yield from enumerate(json.loads(stripped), start=1)
    elif stripped[:1] == "{" and (single := _whole(stripped)) is not None:
        yield 1, single
    elif stripped[:1] == "{":
        for number, line in enumerate(stripped.splitlines(), start=1):
            if line.strip():
                yield number, _row(number, line)
    else:
        yield from enumerate(csv.DictReader(io.StringIO(stripped)), start=2)


def _whole(text: str) -> dict[str, Any] | None:
    """The row of a text that is one JSON object, on however many lines."""
    try:
        row = json.loads(text)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _row(number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise BadRow(f"line {number} is not JSON") from error
    if not isinstance(row, dict):
        raise BadRow(f"line {number} is not an object")
    return row


def add_rows(world: World, text: str, *, seeded: bool) -> dict[str, Any]:
    """Add or replace the cards of all rows; the good ones also where others are bad."""
    added = replaced = 0
    rejected: list[dict[str, Any]] = []
    for number, row in rows_of(text):
        try:
            card = card_of(world, row, seeded=seeded)
        except (BadRow, ValueError) as error:
            rejected.append({"line": number, "detail": str(error)})
            continue
        if place(world, card):
            replaced += 1
        else:
            added += 1
    return {"rows": added + replaced + len(rejected), "added": added, "replaced": replaced, "rejected": rejected}


def add_file(world: World, path: Path) -> dict[str, Any]:
    """The cards of a file (UTF-8 or GB18030), with generated traffic. Raises OSError."""
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("gb18030", "replace")
    try:
        return add_rows(world, text, seeded=True)
    except ValueError as error:
        raise OSError(errno.EINVAL, f"{path}: {error}") from error


def place(world: World, card: Card) -> bool:
    """Put a card into the world; whether it replaced one."""
    replaced = world.store.add(card)
    now = world.now()
    if card.seeded and card.data_on():
        card.flow_from = now
    if card.forced_on and card.state in ("inventory", "testing", "silent"):
        due = world.zone(card).start(date.fromisoformat(card.forced_on).toordinal())
        world.store.plan(due, card, AUTOMATIC, "forced", "activate", {})
    world.limits.plan(card, now)
    return replaced


def card_of(world: World, row: Mapping[str, Any], *, seeded: bool) -> Card:
    """The card of a row. Raises BadRow."""
    text = {str(name): _text(value) for name, value in row.items()}
    iccid, carrier = text.get("iccid", ""), text.get("carrier", "")
    if not (19 <= len(iccid) <= 20 and iccid.isalnum()):
        raise BadRow("iccid must have 19 or 20 characters")
    if carrier not in CARRIERS:
        raise BadRow(f"carrier must be one of {', '.join(CARRIERS)}")
    msisdn, imsi = _numbers(iccid, carrier)
    card = Card(
        sid=world.store.serial("sid"),
        iccid=iccid,
        carrier=carrier,
        terms=text.get("terms") or "standard",
        plan=text.get("plan", ""),
        msisdn=text.get("msisdn") or msisdn,
        imsi=text.get("imsi") or imsi,
        account=text.get("account", ""),
        imei=text.get("imei", ""),
        bound_imei=text.get("imei") or None,
        province=text.get("province") or None,
        place=text.get("province") or None,
        pool=text.get("pool") or None,
        order=text.get("order") or None,
        gsl=_truth(row.get("gsl")),
        pb=text.get("platform", "").upper() == "PB" or "platform=PB" in _tags(row),
        auto_stop=_truth(row.get("auto_stop")),
        seeded=seeded,
        modified=world.now(),
    )
    _dates(world, card, text)
    _real_name(card, text.get("real_name") or "none")
    _state(world, card, text)
    return card


def _text(value: Any) -> str:
    if value is None or isinstance(value, dict | list):
        return ""
    return str(value).strip()


def _truth(value: Any) -> bool:
    return value is True or str(value).strip().lower() in ("true", "1", "yes")


def _tags(row: Mapping[str, Any]) -> list[str]:
    tags = row.get("tags")
    if isinstance(tags, Mapping):
        return [f"{name}={value}" for name, value in tags.items()]
    return _text(tags).split(";")


def _numbers(iccid: str, carrier: str) -> tuple[str, str]:
    """A phone number and an IMSI for a card that came without: made up, the same each time."""
    digits = str(int.from_bytes(blake2b(iccid.encode(), digest_size=8).digest(), "big")).zfill(20)
    prefix, network = _PREFIX[carrier]
    return prefix + digits[-9:], network + digits[-10:]


def _dates(world: World, card: Card, text: Mapping[str, str]) -> None:
    zone, now = world.zone(card), world.now()
    opened, activated = text.get("opened_on"), text.get("activated_on")
    card.opened_at = zone.start(_day(opened, "opened_on")) if opened else now - 30 * DAY
    card.activated_at = zone.start(_day(activated, "activated_on")) if activated else None
    for name in ("expires_on", "forced_on"):
        if text.get(name):
            _day(text[name], name)
            setattr(card, name, text[name])


def _day(text: str, column: str) -> int:
    try:
        return date.fromisoformat(text).toordinal()
    except ValueError as error:
        raise BadRow(f"{column} must be a day YYYY-MM-DD") from error


def _real_name(card: Card, real_name: str) -> None:
    if real_name not in ("none", "enterprise", "individual", "verified"):
        raise BadRow("real_name must be none, enterprise, individual or verified")
    card.real_name = "individual" if real_name == "verified" else real_name
    card.verified = real_name in ("enterprise", "verified")


def _state(world: World, card: Card, text: Mapping[str, str]) -> None:
    now = world.now()
    state = text.get("state") or _state_by_dates(world, card)
    if state not in STATES:
        raise BadRow(f"state must be one of {', '.join(STATES)}")
    holds = [hold.strip() for hold in text.get("holds", "").split(";") if hold.strip()]
    if any(hold not in HOLDS for hold in holds):
        raise BadRow("holds names one that is not known")
    if state == "suspended" and not holds:
        holds = ["manual"]
    if state == "expired":
        holds = [hold for hold in holds if hold != "plan_expired"]
    card.state = "active" if state == "suspended" else state
    card.holds = {HOLDS[hold]: now for hold in holds}
    if card.state in ACTIVATED and card.activated_at is None:
        card.activated_at = card.opened_at


def _state_by_dates(world: World, card: Card) -> str:
    today = world.zone(card).day(world.now())
    if card.activated_at is None:
        fresh = today - world.zone(card).day(card.opened_at) < 90
        return "testing" if card.carrier == "cmcc" and card.terms == "flexem" and fresh else "silent"
    if card.expires_on and date.fromisoformat(card.expires_on).toordinal() < today:
        return "expired"
    return "active"
