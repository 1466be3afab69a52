"""Any order, any batching, any repetition of the same reports gives the same totals."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import count
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import tries
from tests.gateway import Gateway
from tests.usecases.usage.reporting import EVENTS, HOME, JSON, NDJSON, cycles, days, report, send, totals

examples = count()

SHAPES = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 24 * 50), st.integers(0, 1 << 40), st.sampled_from(["a", "gw", "x-9"])),
    min_size=1,
    max_size=25,
)


@given(shapes=SHAPES, data=st.data())
@settings(max_examples=tries(12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_order_and_batching_do_not_matter(gateway: Gateway, shapes: list[Any], data: st.DataObject) -> None:
    example = next(examples)
    names = {"msisdn": None, "imsi": None}
    cards = await gateway.fleet(
        *({**names, "iccid": f"898602{example:06d}{n:07d}", "carrier": ("cmcc", "cucc", "cmcc")[n]} for n in range(3))
    )
    now = gateway.ctx.now().replace(microsecond=0)
    records = [
        report(
            cards[card], now - timedelta(hours=age), amount, number=f"{example}-{n}", gateway=f"{gateway_}-{example}"
        )
        for n, (card, age, amount, gateway_) in enumerate(shapes)
    ]
    sent = data.draw(st.permutations(records + data.draw(st.lists(st.sampled_from(records), max_size=10))))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=6)))
    batches = [sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True) if a < b]
    kinds = data.draw(st.lists(st.sampled_from([JSON, NDJSON, EVENTS]), min_size=len(batches), max_size=len(batches)))

    if data.draw(st.booleans()):
        told = await asyncio.gather(
            *(send(gateway.api, batch, kind) for batch, kind in zip(batches, kinds, strict=True))
        )
    else:
        told = [await send(gateway.api, batch, kind) for batch, kind in zip(batches, kinds, strict=True)]

    expected = totals(records)
    assert sum(one["accepted"] for one in told) == len(records)
    assert sum(one["duplicates"] for one in told) == len(sent) - len(records)
    for card in cards:
        oldest = (now - timedelta(days=60)).astimezone(HOME).date().isoformat()
        assert await days(gateway.api, card, from_=oldest) == expected.get(card, {})
        kept = await cycles(gateway.api, card)
        assert sum(item["reported"] for item in kept.values()) == sum(expected.get(card, {}).values())
        assert all(item["used"] == item["reported"] for item in kept.values())
