"""A breaker that holds calls back says what opened it, so that the cause is not lost behind the breaker."""

from __future__ import annotations

import pytest

from app.carriers.http.breaker import Breaker, Health
from app.carriers.http.transport_errors import CircuitOpen
from app.clock import OffsetClock


def test_an_open_breaker_names_the_last_fault() -> None:
    breaker = Breaker(OffsetClock(), failures=2)
    for fault in ("no answer in time", "the credentials are refused"):
        breaker.leave(probe=breaker.enter(), health=Health.UNHEALTHY, fault=fault)

    with pytest.raises(CircuitOpen, match=r"^the credentials are refused: the breaker is open; nothing was sent$"):
        breaker.enter()


def test_a_fault_without_words_is_repeated_failures() -> None:
    breaker = Breaker(OffsetClock(), failures=1)
    breaker.leave(probe=breaker.enter(), health=Health.UNHEALTHY)

    with pytest.raises(CircuitOpen, match=r"^repeated failures: "):
        breaker.enter()
