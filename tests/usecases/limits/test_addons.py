"""Add-on packs by their code (QT-7): what is ordered is added, and a size that nobody knows is said to be unknown."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.gateway import Gateway
from tests.usecases.limits.limiting import MB, NOON, holds_of, set_clock, sim_of, use


@pytest.fixture(autouse=True)
async def at_noon(gateway: Gateway) -> None:
    """The fifteenth of a month, at noon."""
    set_clock(gateway, NOON)


async def _order(gateway: Gateway, card: str, **pack: Any) -> dict[str, Any]:
    return await gateway.operation(await gateway.api.post(f"/v1/sims/{card}/order-addon", json=pack))


async def _complete(gateway: Gateway, operation: dict[str, Any], **told: Any) -> httpx.Response:
    body = {"outcome": "succeeded", "note": "ordered"} | told
    answer = await gateway.api.post(f"/v1/operations/{operation['id']}/complete", json=body)
    await gateway.settle()
    return answer


async def test_a_pack_ordered_by_its_code_is_added_and_lifts_the_stop(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"terms": "gsl"})
    await use(gateway, card, 150 * MB)

    operation = await _order(gateway, card, addon="addon-100m")
    answer = await _complete(gateway, operation)

    assert answer.status_code == 200, answer.text
    assert ((await sim_of(gateway, card))["usage"]["addons"], await holds_of(gateway, card)) == (100 * MB, [])


@pytest.mark.parametrize(("told", "result", "added"), [({"bytes": 200 * MB}, 200 * MB, 200 * MB), ({}, None, 0)])
async def test_a_pack_of_unknown_size_brings_what_the_person_tells_and_says_so(
    gateway: Gateway, told: dict[str, int], result: int | None, added: int
) -> None:
    [card] = await gateway.fleet({"terms": "gsl"})
    operation = await _order(gateway, card, addon="big")

    wrong = await _complete(gateway, operation, bytes=0)
    done = await _complete(gateway, operation, **told)

    assert (wrong.status_code, done.status_code, done.json()["result"]) == (422, 200, {"bytes": result})
    assert (await sim_of(gateway, card))["usage"]["addons"] == added


async def test_a_pack_of_unknown_size_may_fail(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"terms": "gsl"})

    answer = await _complete(gateway, await _order(gateway, card, addon="big"), outcome="failed")

    assert (answer.status_code, (await sim_of(gateway, card))["usage"]["addons"]) == (200, 0)


async def test_a_carriers_product_says_how_much_it_adds(gateway: Gateway) -> None:
    [card] = await gateway.fleet({"terms": "gsl"})

    operation = await _order(gateway, card, addon="big", product_code="0:2")

    assert (operation["channel"], operation["status"]) == ("api", "succeeded")
    assert (await sim_of(gateway, card))["usage"]["addons"] == 500 * MB
