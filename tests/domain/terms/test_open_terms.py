"""A supplier, or a new version of one, is data: a made-up one is added to a copy of the domain and all rules run (TM-2)."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

from app.domain.vocabulary import Supplier

ROOT = Path(__file__).parents[3]

ACME = '''"""Made-up terms, each with a source of its own."""
from dataclasses import replace
from datetime import date, timedelta
from types import MappingProxyType

from app.domain.terms.model import AllowanceStop, ClockLevel, Counting, Edge, ForcedDay, Term, Terms, ThresholdRight
from app.domain.terms.model import service_level
from app.domain.vocabulary import Actor, Carrier, HoldCode, OperationKind, SimState, Supplier

_FIRST = Terms(
    supplier=Supplier.ACME,
    carrier=Carrier.CMCC,
    period_rule="TM-2",
    silent_months=Term(value=2, source="ACME 1"),
    forced_day=Term(value=ForcedDay.END_OF_PERIOD, source="ACME 1"),
    counting=Term(value=Counting.ANNIVERSARY, source="ACME 2"),
    renewable_after_days=Term(value=10, source="ACME 3"),
    cancels_after_days=Term(value=20, source="ACME 3"),
    allowance_stop=Term(value=AllowanceStop.ALWAYS, source="ACME 4"),
    allowance_edge=Term(value=Edge.REACHED, source="ACME 4"),
    threshold_right=Term(value=ThresholdRight.ANY, source="ACME 5"),
    resume_lifts=Term(value=frozenset({HoldCode.MANUAL, HoldCode.ARREARS}), source="ACME 6"),
    rebind_by=Term(value=Actor.SELF, source="ACME 7"),
    addons=Term(value=True, source="ACME 8"),
    service=MappingProxyType({
        OperationKind.SUSPEND: service_level(level=ClockLevel(rule="TM-2", latest=timedelta(hours=1)), source="ACME 9")
    }),
)
_OF_CARRIERS = tuple(replace(_FIRST, carrier=carrier) for carrier in Carrier)
ACME = (*_OF_CARRIERS, replace(_FIRST, since=date(2025, 1, 1), silent_months=Term(value=4, source="ACME 1, 2025")))
'''

NEW_VERSION = """
GSL = (*GSL, replace(_CTCC, since=__import__("datetime").date(2027, 1, 1), rebinds_a_month=Term(value=5, source="2027")))
"""

DRIVE = """
from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from app.domain.calendar.workdays import Workday
from app.domain.diagnosis.checklists import explain_holds
from app.domain.operation.decision import Accepted, decide
from app.domain.operation.refusal import Refusal
from app.domain.operation.remedies import remedies_for
from app.domain.operation.request import Route, RuleContext
from app.domain.sim.hold_table import HOLDS
from app.domain.sim.lifecycle import forced_activation, sweep
from app.domain.sim.model import Hold, Plan, Sim
from app.domain.sim.renewal import renewal
from app.domain.sim.snapshot import apply_snapshot
from app.domain.sim.validity import validity
from app.domain.terms.book import describe, terms_in_force
from app.domain.usage.quota import apply_usage_holds
from app.domain.vocabulary import Carrier, Channel, HoldCode, HoldSource, OperationKind, SimState, Supplier

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2024, 6, 12, 12, tzinfo=ZONE)


class EveryDay:
    def day(self, day):
        return Workday(day=day, workday=True, desk_day=True, name=None, provisional=False)


acme = Supplier("acme")
plan = Plan(id="p", carrier=Carrier.CMCC, allowance=100, months=1)
card = Sim(iccid="8986" + "0" * 16, carrier=Carrier.CMCC, terms=acme, plan=plan, underlying=SimState.INVENTORY,
           opened_on=date(2024, 1, 10))
periods = forced_activation(acme, Carrier.CMCC, date(2024, 1, 10))
assert (periods.forced_on, periods.rule) == (date(2024, 3, 10), "TM-2")
assert forced_activation(acme, Carrier.CMCC, date(2025, 1, 10)).forced_on == date(2025, 5, 10)
swept, moves = sweep(card, date(2024, 3, 12), NOW)
assert (swept.underlying, swept.expires_on) == (SimState.ACTIVE, date(2024, 4, 9))
assert [move.rule for move in moves] == ["TM-2", "TM-2"]
assert sweep(card, date(2024, 5, 1), NOW)[0].underlying is SimState.CANCELLED
assert validity(acme, Carrier.CMCC, date(2024, 6, 1), 1).last_valid_day == date(2024, 6, 30)
assert renewal(acme, Carrier.CMCC, date(2024, 6, 1), date(2024, 6, 11)).renewable
assert not renewal(acme, Carrier.CMCC, date(2024, 6, 1), date(2024, 6, 12)).renewable
route = Route(channel=Channel.API)
context = RuleContext(now=NOW, zone=ZONE, workdays=EveryDay(), routes=lambda kind, arguments: route)
active = replace(swept, expires_on=date(2025, 1, 1))
over, _ = apply_usage_holds(active, 100, 0, at=NOW, today=NOW.date())
assert [hold.code for hold in over.holds] == [HoldCode.OVER_QUOTA]
assert {str(way.action) for way in remedies_for(over, HoldCode.OVER_QUOTA, context)} == {"order_addon", "next_cycle"}
for code in HOLDS:
    held = replace(active, holds=(Hold(code=code, since=NOW, source=HoldSource.CARRIER),))
    assert explain_holds(held, context)[0].code is code
    for kind in OperationKind:
        arguments = {"bytes": 1, "province": "x", "months": 1, "plan": "p", "pool": "p"}
        answer = decide(held, kind, arguments, context)
        assert isinstance(answer, Accepted | Refusal)
sent = decide(active, OperationKind.SUSPEND, {}, context)
assert (sent.due.due_at, sent.due.rule) == (NOW + timedelta(hours=1), "TM-2")
assert apply_snapshot(active, SimState.CANCELLED, (), at=NOW, on=NOW.date()).changes
assert {line.source for line in describe(acme, Carrier.CUCC, NOW.date())} >= {"ACME 1", "not published"}
budgets = [terms_in_force(Supplier.GSL, Carrier.CTCC, date(year, 6, 1)).rebinds_a_month.value for year in (2026, 2027)]
assert budgets == [2, 5]
"""


def _with_acme(copy: Path) -> None:
    """Add the supplier and the new version: an id, a module of terms, its entry in the book, and nothing else."""
    domain = copy / "app" / "domain"
    (domain / "terms" / "acme.py").write_text(ACME, encoding="utf-8")
    for name, old, new in (
        ("vocabulary.py", '    STANDARD = "standard"\n', '    STANDARD = "standard"\n    ACME = "acme"\n'),
        ("terms/book.py", "_by_key(FLEXEM +", "_by_key(ACME + FLEXEM +"),
        (
            "terms/book.py",
            "from app.domain.terms.gsl",
            "from app.domain.terms.acme import ACME\nfrom app.domain.terms.gsl",
        ),
    ):
        text = (domain / name).read_text(encoding="utf-8")
        assert old in text
        (domain / name).write_text(text.replace(old, new), encoding="utf-8")
    with (domain / "terms" / "gsl.py").open("a", encoding="utf-8") as file:
        file.write(NEW_VERSION)


def test_a_made_up_supplier_and_a_new_version_are_data_and_every_rule_runs_on_them(tmp_path: Path) -> None:
    """TM-1, TM-2: whole life, holds, remedies and every operation, with no line of code changed."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").touch()
    shutil.copytree(ROOT / "app" / "domain", tmp_path / "app" / "domain", ignore=shutil.ignore_patterns("__pycache__"))
    _with_acme(tmp_path)
    (tmp_path / "drive.py").write_text(DRIVE, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "drive.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _names_a_supplier(node: ast.AST) -> bool:
    member = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Supplier"
    compared = isinstance(node, ast.Compare) and any(
        isinstance(side, ast.Constant) and side.value in set(Supplier) - {"gsl"} for side in node.comparators
    )
    return member or compared


def test_no_code_outside_the_terms_names_a_supplier() -> None:
    """TM-2: `gsl` is also the name of a protocol, so only the member counts for it."""
    terms = ROOT / "app" / "domain" / "terms"
    for path in (ROOT / "app").rglob("*.py"):
        if terms in path.parents:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not [node.lineno for node in ast.walk(tree) if _names_a_supplier(node) and hasattr(node, "lineno")], path
