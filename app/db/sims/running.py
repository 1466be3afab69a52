"""SQL: the running cycle of a SIM `s`, and its rebinds of the month (DV-3), by carrier and account.

What depends on the carrier is a parameter of the statement: a JSON object keyed by `carrier:account` where an account
differs from its carrier's home zone, and by `carrier`. It is parsed once a statement, in a sub-select of its own, and
not once a row: of a page of fifty SIMs that was two thirds of PostgreSQL's time.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningPeriods:
    """JSON objects by `carrier:account` and `carrier`: `cycles` (number yyyymm), `rebinds_since` (RFC 3339 instant).

    A carrier that is not in `rebinds_since` has its rebinds not counted.
    """

    cycles: str
    rebinds_since: str


def running_cycle(cycles: str) -> str:
    """The number of the running cycle; `cycles` is the placeholder of `RunningPeriods.cycles`."""
    return f"{_of_account(cycles)}::int"


def rebinds(since: str, *, where: str = "true") -> str:
    """How many rebinds of the month have succeeded; NULL where the carrier counts none, or not `where`.

    `since`: the placeholder of `RunningPeriods.rebinds_since`.
    """
    return f"""CASE WHEN {where} AND (SELECT {since}::text::jsonb) ? s.carrier THEN (
           SELECT count(*) FROM operations r WHERE r.sim_id = s.id AND r.kind = 'rebind' AND r.status = 'succeeded'
              AND r.settled_at >= {_of_account(since)}::timestamptz) END AS rebinds"""  # noqa: S608 - our own text


def _of_account(place: str) -> str:
    given = f"(SELECT {place}::text::jsonb)"
    return f"coalesce({given} ->> (s.carrier || ':' || s.account), {given} ->> s.carrier)"
