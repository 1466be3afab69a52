"""Operations that wait their turn (OP-4): each gets it, whatever becomes of the one before."""

from __future__ import annotations

from tests.gateway import Gateway


async def test_one_refused_when_its_turn_comes_does_not_hold_up_the_next(gateway: Gateway) -> None:
    (name,) = await gateway.fleet({})
    wait = {"wait": True}
    first = await gateway.api.post(f"/v1/sims/{name}/suspend")
    second = await gateway.api.post(f"/v1/sims/{name}/suspend", json=wait)
    third = await gateway.api.post(f"/v1/sims/{name}/suspend", json=wait)
    fourth = await gateway.api.post(f"/v1/sims/{name}/refresh", json=wait)
    await gateway.settle()
    ends = [(await gateway.api.get(answer.headers["location"])).json() for answer in (first, second, third, fourth)]
    assert [end["status"] for end in ends] == ["succeeded", "failed", "failed", "succeeded"]
    assert [end["error"] and end["error"]["code"] for end in ends] == [
        None, "INCOMPATIBLE_STATE", "INCOMPATIBLE_STATE", None,
    ]  # fmt: skip
