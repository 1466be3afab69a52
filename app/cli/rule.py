"""`simgate rule`: prints a rule of the catalogue; needs neither gateway nor network."""

from __future__ import annotations

from app.cli.exits import CommandError, ExitCode
from app.clock import SystemClock
from app.texts.rulebook import entry


def rule(rule_id: str) -> None:
    """`simgate rule`: what a rule says in both languages, its values with their sources, the tests that prove it."""
    try:
        found = entry(rule_id.upper(), SystemClock().now().date())
    except KeyError:
        raise CommandError(
            ExitCode.USE, f"no rule {rule_id}: ids look like RN-2, and docs/rules.md lists them all"
        ) from None
    print(f"{found.id}\n\n{found.chinese}\n\n{found.english}\n")
    for value in found.values:
        who = f"{value.supplier.value} {'/'.join(value.carriers)}"
        print(f"  {who}: {value.name} = {value.value}   ({value.source})")
    for title, lines in (("sources", found.sources), ("proved by", found.tests)):
        print(f"{title}: {', '.join(lines) or '-'}")
