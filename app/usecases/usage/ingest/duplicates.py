"""Which reports of a batch are new: a report's identity is its gateway and id, stored or counted only once (US-3).

The report ids a gateway has used lie between its low and its high water mark. Gateways count upwards, so an id above
the high mark, the usual case, is new without a query.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from app.db.usage.ingest import WaterMarks
from app.usecases.usage.ingest.packed import sim_id_of
from app.usecases.usage.ingest.resolve import ResolvedReport

Identity = tuple[int, str]
"""(gateway row id, report id)."""

Content = tuple[int | None, float, int, str | None]
"""(SIM row id, epoch seconds, bytes, ICCID of an unmatched report): equal for a duplicate, else a conflict."""

_NONE_USED = ((1 << 30, ""), (-1, ""))


@dataclass(slots=True)
class Screened:
    """The reports of a batch, apart: `new` ones, repetitions, and those whose identity has another content."""

    new: list[ResolvedReport] = field(default_factory=list)
    duplicates: list[ResolvedReport] = field(default_factory=list)
    conflicts: list[ResolvedReport] = field(default_factory=list)


identity_of: Callable[[ResolvedReport], Identity] = itemgetter(0, 1)
"""The gateway and id of a report; by index, since it is called for every report."""

gateway_of: Callable[[ResolvedReport], int] = itemgetter(0)
"""The gateway's row id, likewise."""


def screen(
    reports: list[ResolvedReport], identities: Sequence[Identity], stored: Mapping[Identity, Content]
) -> Screened:
    """Part the reports by their identity, one for each; of several with one identity in the batch the first counts."""
    if not stored and len(set(identities)) == len(reports):
        return Screened(new=reports)
    screened = Screened()
    first_with, is_new = dict[Identity, ResolvedReport]().setdefault, screened.new.append
    for report, identity in zip(reports, identities, strict=True):
        content = stored.get(identity)
        if content is None:
            first = first_with(identity, report)
            if first is report:  # as nearly all are: their contents are never looked at
                is_new(report)
                continue
            content = content_of(first)
        (screened.duplicates if content == content_of(report) else screened.conflicts).append(report)
    return screened


def content_of(report: ResolvedReport) -> Content:
    """What a repetition of the report must have in common with it."""
    sim_id = None if report.sim is None else sim_id_of(report.sim)
    return sim_id, report.second, report.amount, report.iccid


def bounds_of(mark: WaterMarks) -> tuple[tuple[int, str], tuple[int, str]]:
    """A gateway's low and high water mark in their order: by length, then text."""
    if mark.lowest is None or mark.highest is None:
        return _NONE_USED
    return (len(mark.lowest), mark.lowest), (len(mark.highest), mark.highest)


def possible_duplicates(identities: Iterable[Identity], marks: Mapping[int, WaterMarks]) -> list[Identity]:
    """Those whose id is between its gateway's water marks; no other can have been stored before."""
    bounds = {gateway: bounds_of(mark) for gateway, mark in marks.items()}
    found = []
    for identity in identities:
        gateway, report_id = identity
        low, high = bounds[gateway]
        if low <= (len(report_id), report_id) <= high:
            found.append(identity)
    return found


def moved_marks(new: Sequence[ResolvedReport], marks: Mapping[int, WaterMarks]) -> list[tuple[int, str, str]]:
    """The gateways whose water marks new reports move outwards: (row id, lowest, highest), by row id."""
    ids: dict[int, list[tuple[int, str]]] = {}
    for gateway, report_id in map(identity_of, new):
        ids.setdefault(gateway, []).append((len(report_id), report_id))
    moved = []
    for gateway, used in sorted(ids.items()):
        low, high = bounds_of(marks[gateway])
        lowest, highest = min(low, *used), max(high, *used)
        if (lowest, highest) != (low, high):
            moved.append((gateway, lowest[1], highest[1]))
    return moved
