"""Worker loops: one that fails is seen, in the metrics and in `/readyz?verbose=true`."""

from __future__ import annotations

from app.jobs.loops import Loop, _turn
from app.usecases.context import Context
from tests.gateway import Gateway


async def test_a_loop_shows_its_last_success_and_its_failures_in_a_row(gateway: Gateway) -> None:
    async def fails(_: Context) -> int:
        raise ValueError

    async def works(_: Context) -> int:
        return 0

    await _turn(gateway.ctx, Loop(name="limits", turn=works, idle_pause_s=1))
    for _ in range(3):
        await _turn(gateway.ctx, Loop(name="limits", turn=fails, idle_pause_s=1))
    answer = await gateway.api.get("/readyz", params={"verbose": "true"})
    value = gateway.ctx.telemetry.registry.get_sample_value

    shown = {loop["name"]: loop for loop in answer.json()["loops"]}
    assert shown["limits"] == {
        "name": "limits",
        "last_success": gateway.ctx.now().isoformat(),
        "failures_in_a_row": 3,
    } | {"last_success": shown["limits"]["last_success"]}
    assert shown["limits"]["last_success"] is not None
    assert value("simgate_loop_failures_in_a_row", {"loop": "limits"}) == 3
    assert "loops" not in (await gateway.api.get("/readyz")).json()

    await _turn(gateway.ctx, Loop(name="limits", turn=works, idle_pause_s=1))
    assert value("simgate_loop_failures_in_a_row", {"loop": "limits"}) == 0
