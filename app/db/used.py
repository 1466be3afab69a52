"""SQL: the bytes of a cycle that count towards the plan, its limits and its pool (US-5, QT-9), and steps of them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

BEFORE_ACTIVATION = "CASE WHEN c.figures_to >= c.tested_to THEN 0 ELSE coalesce(c.tested, 0) END"
"""Reported traffic from before the SIM's activation, of the `usage_cycles` row `c`.

0 once the carrier's figures cover the activation: a carrier counts from the activation on (LC-7, GSL 13.9), and its
figure has replaced those reports."""

USED = f"greatest(coalesce(c.figures, 0) + coalesce(c.reported_since, 0) - {BEFORE_ACTIVATION}, 0)"
"""Figures and the reports beside them, less `BEFORE_ACTIVATION`."""

STEPS = (10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 95, 100, 110, 120, 150, 200, 300, 500, 1_000)
"""Percent of the allowance with add-ons at which a step begins; below the first is step 0.

Those that people ask for. A dozen are passed in a cycle, and few at its beginning, when a fleet has all of them before
it: passing one costs as much as two reports."""


NEVER = 2**63 - 1


def first_step(used: int, allowance: int) -> tuple[int, int]:
    """The step at which a counter begins with so many bytes of an allowance, and the bytes at which the next begins."""
    if allowance == 0:
        return (len(STEPS), NEVER) if used else (0, 1)
    step = step_of(used * 100 // allowance)
    return step, NEVER if step == len(STEPS) else min(-(-STEPS[step] * allowance // 100), NEVER)


def step_of(percent: int) -> int:
    """The lowest step at which a SIM may have used so many percent."""
    return bisect_right(STEPS, percent)


def sure_from(percent: int) -> int:
    """The lowest step at which a SIM has used so many percent, whatever its counter says."""
    return bisect_left(STEPS, percent) + 1
