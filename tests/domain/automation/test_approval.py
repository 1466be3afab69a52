"""Approval by a second person: what waits, who may decide, until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.automation.approval import (
    ApprovalPolicy,
    ApprovalStatus,
    Objection,
    objection_to,
    status_at,
)

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
S = ApprovalStatus


@pytest.mark.parametrize(("above", "cards", "waits"), [(None, 10**6, False), (5, 5, False), (5, 6, True), (0, 1, True)])
def test_work_waits_above_the_set_size_and_not_at_it(above: int | None, cards: int, waits: bool) -> None:
    assert ApprovalPolicy(above=above).is_needed(cards) is waits


def test_an_approval_expires_at_its_end_and_not_a_moment_before() -> None:
    moment = timedelta(microseconds=1)
    assert status_at(S.WAITING, NOW, NOW - moment) is S.WAITING
    assert status_at(S.WAITING, NOW, NOW) is S.EXPIRED
    assert status_at(S.APPROVED, NOW, NOW + moment) is S.APPROVED


@pytest.mark.parametrize("status", S)
def test_only_another_key_of_the_tenant_decides_and_only_what_waits(status: ApprovalStatus) -> None:
    late = None if status is S.WAITING else Objection.NOT_WAITING
    assert objection_to(status, requested_by="key:a", decided_by="key:b", own_key=True) is late
    assert objection_to(status, requested_by="key:a", decided_by="key:a", own_key=True) is Objection.SAME_KEY
    assert objection_to(status, requested_by="key:a", decided_by="key:b", own_key=False) is Objection.OTHER_TENANT
