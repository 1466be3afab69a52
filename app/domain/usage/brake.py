"""The brake (ST-25): the most SIMs of one carrier account that rules may stop in an hour."""

from __future__ import annotations

FLOOR = 50
"""The least default limit, in SIMs an hour (ST-25)."""

PERCENT = 2
"""The default limit as a percentage of the account's SIMs (ST-25)."""


def brake_limit(cards_of_account: int, configured: int | None = None) -> int:
    """SIMs that a rule may stop in an hour: as configured, else the larger of 50 and 2 % of the account (ST-25)."""
    return max(FLOOR, cards_of_account * PERCENT // 100) if configured is None else configured


def allowed_now(stopped_this_hour: int, limit: int) -> int:
    """SIMs that may still be stopped in this hour; further ones wait until a person releases them (ST-25)."""
    return max(0, limit - stopped_this_hour)
