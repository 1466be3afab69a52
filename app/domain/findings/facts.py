"""What the rules of findings know of a SIM, and what they find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType

from app.domain.calendar.cycles import Cycle
from app.domain.findings.table import FindingCode
from app.domain.operation.arguments import Arguments
from app.domain.operation.prices import Catalogue
from app.domain.sim.model import Sim
from app.domain.vocabulary import OperationKind

Fact = str | int | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionChange:
    """The last change of region that was asked for; `done`: it has succeeded."""

    province: str
    city: str | None
    done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SimFacts:
    """A SIM on a day, in its carrier's zone; amounts in bytes.

    `used`, `addons`: of the running `cycle`; `before`: used in whole cycles before it, the last first: those in which
    the SIM was active and known to the gateway all the time. `rebinds`: those of the last 90 days that succeeded.
    """

    sim: Sim
    today: date
    cycle: Cycle
    used: int
    addons: int
    before: tuple[int, ...]
    catalogue: Catalogue
    rebinds: int = 0
    region_change: RegionChange | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding: its evidence, what to do about it, and what that saves.

    `advice`: a text key below `advice_of_finding.`; `rule`: where it is not the table's; `operation` with `arguments`:
    what carries the advice out, None: nothing that is requested of the gateway. `saves_fen`: fen a month, of
    `no_traffic` the price of the next renewal; None: not known, or nothing.
    """

    code: FindingCode
    evidence: Mapping[str, Fact]
    advice: str
    rule: str | None = None
    operation: OperationKind | None = None
    arguments: Arguments = field(default_factory=lambda: MappingProxyType({}))
    saves_fen: int | None = None
