"""asyncpg: what a restored database holds as not done, and what may have been done since its backup (OP-3)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from app.db.connection import Connection

_PAUSE = """
INSERT INTO account_states (account, paused_at) SELECT code, $2 FROM unnest($1::text[]) AS code
    ON CONFLICT (account) DO UPDATE SET paused_at = coalesce(account_states.paused_at, excluded.paused_at)
"""

_DOUBT = """
UPDATE operations o
   SET status = CASE WHEN shown THEN 'verifying' ELSE 'waiting_carrier' END,
       channel = CASE WHEN shown THEN channel ELSE 'desk' END,
       sent_at = coalesce(sent_at, $1), attempts = greatest(attempts, 1), tries = 0,
       run_after = $2, lease_until = NULL, claim = claim + 1,
       history = history || jsonb_build_object('at', $3::text, 'note', $4::text,
           'status', CASE WHEN shown THEN 'verifying' ELSE 'waiting_carrier' END)
  FROM (SELECT id, kind = ANY($5::text[]) AS shown FROM operations
         WHERE channel = 'api' AND kind <> 'refresh' AND status IN ('queued', 'running')
         ORDER BY id FOR UPDATE) doubtful
 WHERE o.id = doubtful.id RETURNING shown
"""

_SCHEDULED = """
SELECT id FROM operations WHERE status = 'scheduled' AND run_after <= $1 AND NOT kind = ANY($2::text[]) ORDER BY id
"""

_FAIL_ITEMS = """
UPDATE order_items i
   SET status = 'failed', ended_at = $1,
       error = jsonb_build_object('code', $2::text, 'detail', $3::text, 'carrier_code', NULL)
  FROM orders o
 WHERE i.order_id = o.id AND o.status = 'fulfilling' AND i.status = 'pending' AND i.kind <> 'new_cards'
"""

_CANCEL_BULKS = """
UPDATE bulk_operations SET status = 'cancelling'
 WHERE status IN ('scheduled', 'running') AND NOT dry_run AND NOT kind = ANY($1::text[])
"""


async def pause_accounts(connection: Connection, accounts: Collection[str], now: datetime) -> None:
    """Pause every account that is not paused yet."""
    await connection.execute(_PAUSE, sorted(accounts), now)


async def doubt_unsent(
    connection: Connection, shown: Collection[str], *, sent_at: datetime, now: datetime, note: str
) -> tuple[int, int]:
    """Operations that the backup has as not sent: those of `shown` kinds are verified, a person completes the others.

    Gives how many of each.
    """
    rows = await connection.fetch(_DOUBT, sent_at, now, now.isoformat(), note, sorted(shown))
    verified = sum(row["shown"] for row in rows)
    return verified, len(rows) - verified


async def scheduled_in_doubt(connection: Connection, shown: Collection[str], now: datetime) -> Sequence[UUID]:
    """Scheduled operations due by now whose effect the carrier's word cannot show."""
    return [row["id"] for row in await connection.fetch(_SCHEDULED, now, sorted(shown))]


async def fail_items(connection: Connection, now: datetime, *, code: str, detail: str) -> int:
    """End the items of paid orders that the backup has as not begun; gives how many. Each can be tried again."""
    return _count(await connection.execute(_FAIL_ITEMS, now, code, detail))


async def cancel_bulks(connection: Connection, shown: Collection[str]) -> int:
    """Cancel bulk operations of kinds that the carrier's word cannot show; gives how many."""
    return _count(await connection.execute(_CANCEL_BULKS, sorted(shown)))


def _count(tag: str) -> int:
    return int(tag.rpartition(" ")[2])
