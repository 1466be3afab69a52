"""What a fleet has come to after an advance, in a form that two runs of the same days can be compared by.

Left out is what the real clock decides: row ids, instants, carriers' figures (they run on while an advance takes its
time) and with them how many SIMs a reconciliation finds old. Two files that differ: the advance does something else
than it did (`python -m bench.advance --state FILE`).
"""

from __future__ import annotations

import asyncpg

STATEMENTS = {
    "sims": "SELECT iccid, state, underlying, carrier_state, plan, activated_on, expires_on,"
    " expires_forecast_on, retained_until, silent_since, threshold_off_until, next_due_on, stopped_by_us, online,"
    " jsonb_path_query_array(holds, '$[*].code') AS holds FROM sims ORDER BY iccid",
    "operations": "SELECT carrier, kind, status, source, error ->> 'code' AS error, sum(attempts)::bigint AS attempts,"
    " count(*) FROM operations GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5",
    "counters": "SELECT s.iccid, c.cycle, c.reported, c.addons, c.tested, c.figures IS NOT NULL AS figures"
    " FROM usage_cycles c JOIN sims s ON s.id = c.sim_id ORDER BY 1, 2",
    "pools": "SELECT pool_ref, cycle, marks, stopping, cards, effective_cards, total, closed_at IS NOT NULL AS closed"
    " FROM pool_cycles ORDER BY 1, 2",
    "events": "SELECT type, source, count(*) FROM events GROUP BY 1, 2 ORDER BY 1, 2",
    "changes": "SELECT (took_effect_at AT TIME ZONE 'Asia/Shanghai')::date AS day, type, count(*),"
    " count(DISTINCT subject) AS subjects FROM events GROUP BY 1, 2 ORDER BY 1, 2",
    "jobs": "SELECT job, slot, finished_at IS NOT NULL AS finished FROM job_runs"
    " WHERE slot >= date_trunc('day', (SELECT min(slot) FROM job_runs)) + interval '1 day' ORDER BY 1, 2",
    "balance": "SELECT kind, sum(amount_fen)::bigint AS fen, count(*) FROM balance_entries GROUP BY 1 ORDER BY 1",
    "findings": "SELECT kind, code, count(*), count(ended_at) AS ended FROM findings GROUP BY 1, 2 ORDER BY 1, 2",
}


async def state_of(dsn: str) -> dict[str, list[str]]:
    """Every section's rows, each as one line of text."""
    connection = await asyncpg.connect(dsn)
    found = {
        name: [
            line["line"] for line in await connection.fetch(f"SELECT to_jsonb(q)::text AS line FROM ({statement}) q")
        ]
        for name, statement in STATEMENTS.items()
    }
    await connection.close()
    return found
