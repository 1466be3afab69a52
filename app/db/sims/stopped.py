"""asyncpg: the stopped SIMs of a selection, a chunk at a time, with what decides how each comes back.

Only the columns that tell SIMs of one kind from those of another; the whole row is read for one of each kind
(`app.db.sims.explained`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.db.kept_connections import KeptConnections
from app.db.sims.running import RunningPeriods, rebinds, running_cycle
from app.db.twin import BESIDE_LOCAL, fetched_first
from app.db.used import USED
from app.domain.vocabulary import OPEN_STATUSES

StoppedRow = Mapping[str, Any]
"""`id`, `iccid`, `pool`, `holds`, `used` and `addons` (bytes of the running cycle), and further columns by name."""

_OPEN = ", ".join(f"'{status}'" for status in sorted(OPEN_STATUSES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """SIMs of a tenant: `where` over `sims s` with its arguments from `$1` on, `$1` being the tenant."""

    where: str
    arguments: tuple[Any, ...]


def named(tenant: str, iccids: Sequence[str]) -> Selection:
    """SIMs by their ICCIDs; both forms of each are given (DV-5)."""
    return Selection(where="s.tenant = $1 AND s.iccid = ANY($2::text[])", arguments=(tenant, list(iccids)))


def filed(tenant: str, file_id: UUID) -> Selection:
    """SIMs named in an uploaded file, by either form of their ICCIDs (AC-3)."""
    rows = "(SELECT iccid FROM file_rows WHERE file_id = $2 UNION SELECT alternate FROM file_rows WHERE file_id = $2)"
    return Selection(where=f"s.tenant = $1 AND s.iccid IN {rows}", arguments=(tenant, file_id))


async def count_selected(reads: KeptConnections, selection: Selection) -> int:
    """How many SIMs are selected, stopped or not."""
    row = await reads.fetchrow(
        f"SELECT count(*) AS count FROM sims s WHERE {selection.where}",  # noqa: S608 - the conditions are ours
        *selection.arguments,
    )
    return 0 if row is None else int(row["count"])


async def fetch_stopped(
    reads: KeptConnections, selection: Selection, running: RunningPeriods, *, after: int, limit: int
) -> Sequence[StoppedRow]:
    """The next stopped SIMs of a selection after a row id, in that order; cancelled ones are not among them."""
    first = len(selection.arguments) + 1
    rows: Sequence[StoppedRow] = await reads.fetch(
        _STOPPED.text.format(
            where=selection.where,
            cycles=f"${first}",
            rebinds=f"${first + 1}",
            after=f"${first + 2}",
            limit=f"${first + 3}",
        ),
        *selection.arguments,
        running.cycles,
        running.rebinds_since,
        after,
        limit,
    )
    return rows


_OTHER_DEVICE = """s.holds @> '[{{"code": "device_mismatch"}}]'"""

_STOPPED = fetched_first(
    f"""
SELECT s.id, s.iccid, s.account, s.carrier, s.terms, s.plan, s.underlying, s.holds, s.expires_on, s.real_name,
       s.region_limited, s.threshold, s.pool, s.auto_stop, s.threshold_off_until,
       s.imei IS NOT NULL AND left(s.imei, 14) = left(s.imei_seen, 14) AS first_device,
       CASE WHEN c.sim_id IS NOT NULL THEN {USED} END AS used, coalesce(c.addons, 0) AS addons,
       o.kind AS open_kind, o.due_at AS open_due_at,
       {rebinds("{rebinds}", where=_OTHER_DEVICE)},
       CASE WHEN s.holds @> '[{{{{"code": "plan_expired"}}}}]' THEN (
           SELECT count(*) FROM operations r
            WHERE r.sim_id = s.id AND r.kind = 'renew' AND r.status = 'succeeded') END AS renewals
  FROM sims s
  LEFT JOIN usage_cycles c ON c.sim_id = s.id AND c.cycle = {running_cycle("{cycles}")}
  LEFT JOIN operations o ON o.sim_id = s.id AND o.status IN ({_OPEN})
 WHERE {{where}} AND s.id > {{after}} AND s.holds <> '[]'::jsonb AND s.underlying <> 'cancelled'
 ORDER BY s.id LIMIT {{limit}}
""",  # noqa: S608 - the statuses are our own
    why=BESIDE_LOCAL,
    usage_cycles="""sim_id IN (
        SELECT s.id FROM sims s
         WHERE {where} AND s.id > {after} AND s.holds <> '[]'::jsonb AND s.underlying <> 'cancelled'
         ORDER BY s.id LIMIT {limit})""",
)
