"""`simgate rule` and `simgate rules`: the rule catalogue in the terminal; needs neither gateway nor network."""

from __future__ import annotations

from argparse import Namespace

from app.cli.exits import CommandError, ExitCode
from app.clock import SystemClock
from app.texts.catalogue import CHINESE, ENGLISH
from app.texts.rule_search import search
from app.texts.rulebook import entry
from app.texts.rules import rules

FOUND = 10
"""Rules that a search prints at most."""


def print_rules(given: Namespace) -> None:
    """`simgate rule ID` or `simgate rules WORDS`."""
    if given.command == "rule":
        _print_rule(given.id)
    else:
        _print_found(" ".join(given.words))


def _print_rule(rule_id: str) -> None:
    """`simgate rule`: what a rule says in both languages, its values with their sources, the tests that prove it."""
    try:
        found = entry(rule_id.upper(), SystemClock().now().date())
    except KeyError:
        raise CommandError(
            ExitCode.USE, f"no rule {rule_id}: ids look like RN-2, and `simgate rules WORD` searches them"
        ) from None
    rule = found.rule
    print(f"{rule.id} {rule.title[CHINESE]} · {rule.title[ENGLISH]}\n\n{rule.text[CHINESE]}\n\n{rule.text[ENGLISH]}\n")
    for value in found.values:
        who = f"{value.supplier.value} {'/'.join(value.carriers)}"
        print(f"  {who}: {value.name} = {value.value}   ({value.source})")
    tests = (*found.tests.through_api, *found.tests.of_the_domain)
    for title, lines in (("sources", rule.sources), ("related", rule.related), ("proved by", tests)):
        print(f"{title}: {', '.join(lines) or '-'}")


def _print_found(query: str) -> None:
    """`simgate rules`: the rules that answer a word or a symptom, the best first; all of them without one."""
    found = search(query)[:FOUND] if query else tuple(rules().values())
    for rule in found:
        print(f"{rule.id:6}{rule.title[CHINESE]} · {rule.title[ENGLISH]}")
        if query:
            print(f"      {rule.text[CHINESE]}\n      {rule.text[ENGLISH]}")
    if not found:
        raise CommandError(ExitCode.OTHER, "no rule found: try another word, `simgate rules` lists them all")
