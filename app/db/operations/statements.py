"""Statements on operations that every round or request sends: built once, so that they are found compiled.

Those of hot paths go to the driver itself (`app.db.compiled`).
"""

from __future__ import annotations

from sqlalchemy import ARRAY, BigInteger, Uuid, and_, any_, bindparam, literal_column, or_, select, text

from app.db.compiled import Compiled
from app.db.mapping import OPERATION_COLUMNS
from app.db.schema.control import operations
from app.db.set_based import insert_of, update_of
from app.domain.vocabulary import OPEN_STATUSES, OperationStatus

JSON_COLUMNS = {name: operations.c[name].type for name in ("arguments", "result", "error", "history")}
WORKED = "channel <> 'desk' AND status IN ('queued', 'waiting_carrier', 'verifying')"
"""What workers take up: by API or by the gateway, and not leased for sending."""

# Two workers that claim at once get different rows: the second skips what the first has locked. `claim` rises each
# time, so that a worker held up beyond its lease is told so when it marks as sent or settles (OP-3).
CLAIM = text(
    f"""
    UPDATE operations o
    SET status = CASE o.status WHEN 'queued' THEN 'running' ELSE o.status END,
        lease_until = clock_timestamp() + :lease, claim = o.claim + 1
    FROM (
        SELECT id FROM operations
        WHERE {WORKED} AND run_after <= :now AND (lease_until IS NULL OR lease_until < clock_timestamp())
          AND NOT account = ANY(:full) AND (NOT account = ANY(:paused) OR status <> 'queued' OR kind = 'refresh')
        ORDER BY priority, run_after LIMIT :limit FOR UPDATE SKIP LOCKED
    ) due
    WHERE o.id = due.id
    RETURNING o.*
    """  # noqa: S608 - the fragment is ours
).columns(**JSON_COLUMNS)

# `sent_at` is committed before the first byte is sent, so a row without it cannot have reached the carrier: that
# alone makes it safe to queue again.
RECLAIM = text(
    """
    UPDATE operations
    SET status = CASE WHEN sent_at IS NULL THEN 'queued' ELSE 'verifying' END, lease_until = NULL, claim = claim + 1,
        run_after = CASE WHEN sent_at IS NULL THEN :now ELSE greatest(run_after, sent_at) END,
        history = history || jsonb_build_object('at', CAST(:now_text AS text),
            'status', CASE WHEN sent_at IS NULL THEN 'queued' ELSE 'verifying' END,
            'note', 'the worker that held it went away')
    WHERE id IN (
        SELECT id FROM operations WHERE status = 'running' AND lease_until < clock_timestamp() FOR UPDATE SKIP LOCKED
    )
    """
)

MARK_SENT = text(
    "UPDATE operations o SET sent_at = :now, attempts = o.attempts + 1, lease_until = clock_timestamp() + :lease"
    " FROM unnest(CAST(:ids AS uuid[]), CAST(:claims AS int[])) AS mine(id, claim)"
    " WHERE o.id = mine.id AND o.claim = mine.claim AND o.status = 'running' RETURNING o.id"
)

# Statements of every round are built once, and take any number of ids as one array: SQLAlchemy renders an `IN` for each
# number of ids anew, and PostgreSQL then plans it anew.
_ID, _SIM = (
    operations.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
    operations.c.sim_id == any_(bindparam("sim_ids", type_=ARRAY(BigInteger))),
)
_WAITS = and_(operations.c.status == OperationStatus.SCHEDULED.value, operations.c.waits)
_OPEN = operations.c.status.in_([literal_column(f"'{status}'") for status in sorted(OPEN_STATUSES)])
"""The names stand in the text, so that a prepared plan takes the index of open operations."""
BY_IDS = select(operations).where(_ID)
LOCK = BY_IDS.order_by(operations.c.id).with_for_update()
OPEN_ON = Compiled(select(operations).where(operations.c.sim_id == bindparam("sim_id", type_=BigInteger), _OPEN))
"""By equality: with an array PostgreSQL plans each call anew."""
OPEN_OF = Compiled(select(operations).where(_SIM, _OPEN))
OPEN_OR_WAITING = select(operations.c.sim_id).where(_SIM, operations.c.kind == bindparam("kind"), or_(_OPEN, _WAITS))
# The oldest last: of a SIM's several rows the dict keeps the last one.
WAITING_OF = select(operations).where(_SIM, _WAITS).order_by(operations.c.id.desc()).with_for_update()
_KEPT = frozenset({"id", "tenant", "sim_id", "iccid", "claim"})
"""Columns that `SAVE` leaves as they are."""

ADD = Compiled(insert_of(operations, OPERATION_COLUMNS))
SAVE = Compiled(
    update_of(
        operations,
        tuple(name for name in OPERATION_COLUMNS if name not in _KEPT),
        "lease_until = NULL, claim = s.claim + 1",
    )
)
