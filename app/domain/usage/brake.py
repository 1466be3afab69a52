"""The brake on rules: no rule stops more cards of one account in an hour than a set number (ST-25)."""

from __future__ import annotations

FLOOR = 50
PERCENT = 2


def brake_limit(cards_of_account: int, configured: int | None = None) -> int:
    """How many cards a rule may stop in an hour: as set, else the larger of 50 and 2 % of the account (ST-25)."""
    return max(FLOOR, cards_of_account * PERCENT // 100) if configured is None else configured


def allowed_now(stopped_this_hour: int, limit: int) -> int:
    """How many more may be stopped in this hour; the rest wait until a person releases them (ST-25)."""
    return max(0, limit - stopped_this_hour)
