"""Reports as tests send them, and what they must add up to."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx

HOME = ZoneInfo("Asia/Shanghai")
JSON = "application/json"
NDJSON = "application/x-ndjson"
EVENTS = "application/cloudevents-batch+json"


def report(iccid: str, at: datetime | str, amount: int, *, number: int | str, gateway: str = "gw-1") -> dict[str, Any]:
    """One record."""
    instant = at if isinstance(at, str) else at.isoformat()
    return {"gateway": gateway, "id": str(number), "iccid": iccid, "at": instant, "bytes": amount}


def body_of(records: Sequence[dict[str, Any]], kind: str) -> bytes:
    """The records as one of the three kinds of body."""
    if kind == NDJSON:
        return "\n".join(json.dumps(record) for record in records).encode()
    if kind == EVENTS:
        return json.dumps(
            [
                {
                    "specversion": "1.0",
                    "type": "simgate.usage.report",
                    "source": record["gateway"],
                    "id": record["id"],
                    "subject": record["iccid"],
                    "time": record["at"],
                    "data": {"bytes": record["bytes"]},
                }
                for record in records
            ]
        ).encode()
    return json.dumps(records).encode()


async def send(
    api: httpx.AsyncClient, records: Sequence[dict[str, Any]], kind: str = JSON, *, packed: bool = False
) -> dict[str, Any]:
    """Send the records; gives the answer's body."""
    body, headers = body_of(records, kind), {"Content-Type": kind}
    if packed:
        body, headers = gzip.compress(body), headers | {"Content-Encoding": "gzip"}
    answer = await api.post("/v1/usage/reports", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    counted = sum(told[k] if isinstance(told[k], int) else len(told[k]) for k in told)
    assert counted == len(records), told
    return told


async def usage(api: httpx.AsyncClient, iccid: str) -> dict[str, Any]:
    """The `usage` object of a card."""
    return (await api.get(f"/v1/sims/{iccid}")).json()["usage"]


async def days(api: httpx.AsyncClient, iccid: str, **query: str) -> dict[str, int]:
    """Reported bytes by day, days without any left out."""
    params = {"granularity": "day"} | {name.rstrip("_"): value for name, value in query.items()}
    items = (await api.get(f"/v1/sims/{iccid}/usage", params=params)).json()["items"]
    return {item["day"]: item["reported"] for item in items if item["reported"]}


async def cycles(api: httpx.AsyncClient, iccid: str) -> dict[str, dict[str, Any]]:
    """The six cycles by name."""
    items = (await api.get(f"/v1/sims/{iccid}/usage", params={"granularity": "cycle"})).json()["items"]
    return {item["cycle"]["id"]: item for item in items}


def totals(records: Iterable[dict[str, Any]], zone: ZoneInfo = HOME) -> dict[str, dict[str, int]]:
    """Independent sums of the distinct reports: bytes by card and day in the zone."""
    seen: dict[tuple[str, str], dict[str, Any]] = {}
    for record in records:
        seen.setdefault((record["gateway"], record["id"]), record)
    sums: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for record in seen.values():
        day = datetime.fromisoformat(record["at"]).astimezone(zone).date().isoformat()
        sums[record["iccid"]][day] += record["bytes"]
    return {iccid: {day: amount for day, amount in found.items() if amount} for iccid, found in sums.items()}


def hours_ago(now: datetime, hours: float) -> datetime:
    """An instant in the past, whole seconds, in the home zone."""
    return (now - timedelta(hours=hours)).astimezone(HOME).replace(microsecond=0)
