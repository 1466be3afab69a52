"""asyncpg: the balance of a tenant as a chain of entries; whoever adds one holds the account's row locked (ADR 21)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from app.db.connection import Connection
from app.domain.commerce.balance import Draft, Entry

_LOCK = "SELECT balance_fen, last_entry, spell FROM buyer_accounts WHERE tenant = $1 FOR UPDATE"
# Of two transactions that begin an account at once the second waits for the first's commit, and then locks its row.
_BEGIN = """
INSERT INTO buyer_accounts (tenant) VALUES ($1) ON CONFLICT (tenant) DO UPDATE SET tenant = excluded.tenant
RETURNING balance_fen, last_entry, spell
"""
_KNOWN = """
SELECT kind, reference FROM balance_entries JOIN unnest($2::text[], $3::text[]) k(kind, reference)
 USING (kind, reference) WHERE tenant = $1
"""
_INSERT = """
INSERT INTO balance_entries
       (tenant, number, previous, kind, reference, amount_fen, before_fen, after_fen, iccid, cycle, order_id, at)
SELECT $1, k.number, nullif(k.number - 1, 0), k.kind, k.reference, k.amount, k.before, k.after, k.iccid, k.cycle,
       k.order_id, $2
  FROM unnest($3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::text[], $10::int[],
              $11::text[]) k(number, kind, reference, amount, before, after, iccid, cycle, order_id)
 ORDER BY k.number
"""
_MOVE = "UPDATE buyer_accounts SET balance_fen = $2, last_entry = $3, spell = $4 WHERE tenant = $1"
_PAGE = """
SELECT number, kind, reference, amount_fen, before_fen, after_fen, iccid, cycle, order_id, at FROM balance_entries
 WHERE tenant = $1 AND ($2::bigint IS NULL OR number < $2) ORDER BY number DESC LIMIT $3
"""
_FIND = """
SELECT number, kind, reference, amount_fen, before_fen, after_fen, iccid, cycle, order_id, at FROM balance_entries
 WHERE tenant = $1 AND kind = $2 AND reference = $3
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """A balance in fen, locked: the number of its last entry (0: none), and how often it has become positive."""

    fen: int
    last_entry: int
    spell: int


async def lock(connection: Connection, tenant: str) -> Balance:
    """The tenant's balance, locked until the commit; begun with nothing where there is none."""
    row = await connection.fetchrow(_LOCK, tenant) or await connection.fetchrow(_BEGIN, tenant)
    return Balance(fen=row["balance_fen"], last_entry=row["last_entry"] or 0, spell=row["spell"])


async def without_known(connection: Connection, tenant: str, drafts: Sequence[Draft]) -> list[Draft]:
    """The drafts whose kind and reference no entry has; of two of the same, the first."""
    kinds, references = [draft.kind.value for draft in drafts], [draft.reference for draft in drafts]
    rows = await connection.fetch(_KNOWN, tenant, kinds, references)
    seen = {(row["kind"], row["reference"]) for row in rows}
    fresh = []
    for draft in drafts:
        if (draft.kind.value, draft.reference) not in seen:
            seen.add((draft.kind.value, draft.reference))
            fresh.append(draft)
    return fresh


async def append(connection: Connection, tenant: str, entries: Sequence[Entry], spell: int, at: datetime) -> None:
    """Add entries behind the last one, and move the balance, which the caller has locked."""
    drafts = [entry.draft for entry in entries]
    await connection.execute(
        _INSERT,
        tenant,
        at,
        [entry.number for entry in entries],
        [draft.kind.value for draft in drafts],
        [draft.reference for draft in drafts],
        [draft.amount_fen for draft in drafts],
        [entry.before_fen for entry in entries],
        [entry.after_fen for entry in entries],
        [draft.iccid for draft in drafts],
        [draft.cycle for draft in drafts],
        [draft.order for draft in drafts],
    )
    await connection.execute(_MOVE, tenant, entries[-1].after_fen, entries[-1].number, spell)


async def page(connection: Connection, tenant: str, *, before: int | None, limit: int) -> list[asyncpg.Record]:
    """A page of a tenant's entries, newest first."""
    found: list[asyncpg.Record] = await connection.fetch(_PAGE, tenant, before, limit)
    return found


async def find(connection: Connection, tenant: str, kind: str, reference: str) -> asyncpg.Record | None:
    """The entry of a kind with this reference."""
    return await connection.fetchrow(_FIND, tenant, kind, reference)
