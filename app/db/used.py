"""SQL: the bytes of a cycle that count towards the plan, its limits and its pool (US-5, QT-9)."""

from __future__ import annotations

BEFORE_ACTIVATION = "CASE WHEN c.figures_to >= c.tested_to THEN 0 ELSE coalesce(c.tested, 0) END"
"""Reported traffic from before the SIM's activation, of the `usage_cycles` row `c`.

0 once the carrier's figures cover the activation: a carrier counts from the activation on (LC-7, GSL 13.9), and its
figure has replaced those reports."""

USED = f"greatest(coalesce(c.figures, 0) + coalesce(c.reported_since, 0) - {BEFORE_ACTIVATION}, 0)"
"""Figures and the reports beside them, less `BEFORE_ACTIVATION`."""
