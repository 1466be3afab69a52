"""The counts of SIMs are what counting them would give, whatever statement changed them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from app.db.sims.counts import SPARE_ROWS
from app.usecases.sims.counts import fold_counts
from tests.gateway import Gateway

_COUNTED = """
SELECT tenant, carrier, account, plan, pool, state, holds::text, sum(cards)::bigint FROM sim_counts
 GROUP BY 1, 2, 3, 4, 5, 6, 7 HAVING sum(cards) <> 0 ORDER BY 1, 2, 3, 4, 5, 6, 7
"""
_FRESH = """
SELECT tenant, carrier, account, plan, pool, state,
       coalesce((SELECT jsonb_agg(jsonb_build_object('code', e -> 'code')) FROM jsonb_array_elements(holds) e), '[]')::text,
       count(*) FROM sims GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
"""


async def _both(gateway: Gateway) -> tuple[list[Any], list[Any]]:
    async with gateway.ctx.work() as work:
        counted, fresh = [
            [tuple(row) for row in await work.connection.execute(text(statement))] for statement in (_COUNTED, _FRESH)
        ]
    return counted, fresh


async def _change(gateway: Gateway, statement: str) -> None:
    async with gateway.ctx.work() as work:
        await work.connection.execute(text(statement))
        await work.commit()


async def _total(gateway: Gateway, query: str) -> int:
    return (await gateway.api.get(f"/v1/sims?include=total&{query}")).json()["total"]


async def test_imports_changes_holds_and_deletions_are_counted(gateway: Gateway) -> None:
    cards = await gateway.fleet({}, {}, {"state": "suspended", "holds": "manual;arrears"}, {"carrier": "cucc"})
    first = await _both(gateway)
    assert (await gateway.api.patch(f"/v1/sims/{cards[0]}", json={"remark": "none of the groups"})).is_success
    await _change(gateway, "UPDATE sims SET state = 'expired', underlying = 'expired' WHERE carrier = 'cucc'")
    assert (await gateway.api.delete(f"/v1/sims/{cards[1]}")).is_success
    second = await _both(gateway)

    assert first[0] == first[1] != []
    assert second[0] == second[1] != first[0]
    assert (await _total(gateway, ""), await _total(gateway, "hold=arrears")) == (3, 1)
    assert await _total(gateway, "state=expired&carrier=cucc") == 1
    summary = (await gateway.api.get("/v1/sims/summary?by=hold")).json()["items"]
    assert {one["hold"]: one["count"] for one in summary} == {None: 2, "arrears": 1, "manual": 1}


async def test_folding_changes_no_sum_and_leaves_a_row_a_group(gateway: Gateway) -> None:
    await gateway.fleet({}, {"carrier": "cucc"})
    for _ in range(3):
        await _change(gateway, "UPDATE sims SET state = 'expired', underlying = 'expired'")
        await _change(gateway, "UPDATE sims SET state = 'active', underlying = 'active'")
    before = await _both(gateway)
    assert await fold_counts(gateway.ctx) == 0

    copies = (
        "INSERT INTO sim_counts SELECT c.*, CASE WHEN n % 2 = 0 THEN 1 ELSE -1 END FROM generate_series(1, :rows) n"
    )
    groups = "CROSS JOIN (SELECT tenant, carrier, account, plan, pool, state, holds FROM sim_counts LIMIT 1) c"
    await _change(gateway, f"{copies} {groups}".replace(":rows", str(2 * SPARE_ROWS)))
    folded = await fold_counts(gateway.ctx)

    assert folded > 2 * SPARE_ROWS
    assert await _both(gateway) == before
    async with gateway.ctx.work() as work:
        rows = (await work.connection.execute(text("SELECT count(*) FROM sim_counts"))).scalar_one()
    assert rows == len(before[0])
