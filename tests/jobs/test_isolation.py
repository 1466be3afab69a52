"""Isolation: of each background task one subject is poisoned, and only that one is set aside, until it is healed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from structlog.processors import ExceptionRenderer
from structlog.testing import capture_logs
from structlog.tracebacks import ExceptionDictTransformer

from app.jobs.gauges import count
from app.jobs.quarantine import RETRIES
from app.logs import _render_line
from app.usecases.quarantine import Task
from tests.gateway import Gateway
from tests.jobs import isolation_of_operations, isolation_of_sims
from tests.jobs.isolation import Prepare, Scene
from tests.receiver import Receiver
from tests.usecases.limits.limiting import NOON, set_clock

SCENES = (*isolation_of_sims.SCENES, *isolation_of_operations.SCENES)


@pytest.fixture(autouse=True)
async def at_noon(gateway: Gateway) -> None:
    """The fifteenth of a month, at noon."""
    set_clock(gateway, NOON)


async def _set_aside(gateway: Gateway, task: str) -> list[dict[str, Any]]:
    answer = await gateway.api.get("/v1/admin/quarantine")
    assert answer.status_code == 200, answer.text
    return [item for item in answer.json()["items"] if item["task"] == task]


@pytest.mark.parametrize("prepare", SCENES, ids=lambda scene: scene.__name__)
async def test_one_poisoned_subject_is_set_aside_and_heals_while_all_others_are_handled(
    gateway: Gateway, receiver: Receiver, prepare: Prepare
) -> None:
    scene = await prepare(gateway, receiver)
    with capture_logs() as lines:
        await _is_isolated(gateway, scene)

    set_aside = [line for line in lines if line["event"] == "quarantine.set_aside"]
    assert {(line["task"], line["kind"]) for line in set_aside} >= {(scene.task, scene.kind)}
    shown = "".join(_rendered(line) for line in lines)
    assert re.findall(r"89\d{17,18}", shown) == []
    assert not any(secret in shown for secret in receiver.secrets)


def _rendered(line: Any) -> str:
    """A line as production writes it."""
    renderer = ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
    return _render_line(None, "error", renderer(None, "error", dict(line)))


async def _is_isolated(gateway: Gateway, scene: Scene) -> None:
    await scene.run()

    assert [await scene.handled(one) for one in scene.others] == [True] * len(scene.others)
    [item] = await _set_aside(gateway, scene.task)
    assert (item["kind"], item["subject"], item["attempts"]) == (scene.kind, scene.listed, 1)
    assert item["error"]
    await count(gateway.ctx)
    counted = gateway.ctx.telemetry.registry.get_sample_value("simgate_quarantined", {"task": scene.task})
    assert counted == 1

    await gateway.advance(seconds=61)
    [again] = await _set_aside(gateway, scene.task)
    assert (again["attempts"], again["first_at"]) == (2, item["first_at"])
    await gateway.advance(seconds=61)
    [resting] = await _set_aside(gateway, scene.task)
    assert resting["attempts"] == 2

    await scene.heal()
    for _ in range(4):
        await gateway.advance(minutes=1)
    assert await _set_aside(gateway, scene.task) == []
    assert await scene.handled(scene.bad)


def test_every_task_can_attempt_its_subjects_again() -> None:
    assert set(RETRIES) == set(Task)
