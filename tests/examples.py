"""How many examples Hypothesis tries: few in `make test`, twenty times as many in `make test-properties`."""

from __future__ import annotations

import os

THOROUGH = "THOROUGH"
"""The variable that `make test-properties` sets."""


def tries(few: int) -> int:
    """`few` as a rule, twenty times that where the run is to be thorough."""
    return few * 20 if os.environ.get(THOROUGH) else few
