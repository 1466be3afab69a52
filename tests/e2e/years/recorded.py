"""The year's fleet once more, its answers recorded on the way: what `as_of` must answer when it is asked later."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from tests.e2e.years.year import Year

SIM_READS = (
    "",
    "/usage?granularity=day",
    "/usage?granularity=cycle",
    "/usage?granularity=report",
    "/deadlines",
    "/explanation",
)
POOL_READS = ("", "/members")


@dataclass(frozen=True)
class Recorded:
    """An answer as it was given at an instant."""

    path: str
    at: datetime
    answer: Any

    def url(self, known_at: datetime | None) -> str:
        """The same read as of that instant."""
        times = {"as_of": self.at.isoformat()} | ({"known_at": known_at.isoformat()} if known_at else {})
        return f"{self.path}{'&' if '?' in self.path else '?'}{urlencode(times)}"


@dataclass
class RecordedYear(Year):
    """A year in which now and then a card and a pool are read, when everything is quiet."""

    rate: float = 0.2
    recorded: list[Recorded] = field(default_factory=list)

    async def quiet(self) -> None:
        await super().quiet()
        if self.random.random() < self.rate:
            names = self.random.sample(list(self.cards), 2)
            await self.record(f"/v1/sims/{names[0]}{self.random.choice(SIM_READS)}")
            await self.record(f"/v1/sims/{names[1]}")
            pool = self.random.choice(list(self.pools))
            await self.record(f"/v1/pools/{pool}{self.random.choice(POOL_READS)}")

    async def record(self, path: str) -> None:
        """Read now, and keep the answer."""
        at = self.gateway.ctx.now()
        answer = await self.gateway.api.get(path)
        assert answer.status_code == 200, answer.text
        self.recorded.append(Recorded(path, at, answer.json()))

    async def compare(self) -> list[str]:
        """Ask everything again as of its instant; gives what differs."""
        wrong = []
        for one in self.recorded:
            answer = await self.gateway.api.get(one.url(one.at))
            found, expected = answer.json(), one.answer
            if found.get("code") == "BEFORE_RECORDS" and self._reports_are_deleted(one):
                continue
            not_kept = {part["part"] for part in found.pop("read_as_of", {}).get("not_kept", ())}
            found, expected = _kept(found, not_kept), _kept(expected, not_kept)
            if "granularity" in found:  # the first cycles may be deleted since
                expected = expected | {"items": expected["items"][-len(found["items"]) or len(expected["items"]) :]}
            if answer.status_code != 200 or found != expected:
                wrong.append(f"{one.path} {one.at}: {_difference(expected, found)}")
        return wrong

    def _reports_are_deleted(self, one: Recorded) -> bool:
        """Whether the running cycle and the five before it are all later than the answer (US-1)."""
        return self.gateway.ctx.now() - one.at > timedelta(days=5 * 30)


def _kept(answer: dict[str, Any], not_kept: set[str]) -> dict[str, Any]:
    """An answer without what is not kept, and without what is measured lately (SL-9)."""
    if "checklists" in answer:
        plain = _without_expected(answer)
        return {name: plain[name] for name in ("iccid", "state")} if "usage" in not_kept else plain
    return answer | {"usage": None} if "usage" in not_kept else answer


def _without_expected(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_expected(one) for name, one in value.items() if name != "expected"}
    return [_without_expected(one) for one in value] if isinstance(value, list) else value


def _difference(before: Any, after: Any) -> Any:
    if isinstance(before, dict) and isinstance(after, dict):
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        return {name: _difference(before.get(name), after.get(name)) for name in names}
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [_difference(a, b) for a, b in zip(before, after, strict=True) if a != b]
    return f"{before!r} -> {after!r}"
