"""No rule exists for tests alone: what the product never calls is listed with its reason, or is deleted."""

from __future__ import annotations

from app.texts.reachability import UNREACHABLE, rules_not_reached, unlisted_functions, unreachable_functions
from app.texts.rulebook import rendered


def test_every_function_of_the_domain_is_called_by_the_product_or_listed_with_its_reason() -> None:
    assert not unlisted_functions()


def test_the_list_of_what_the_product_never_calls_has_nothing_left_over() -> None:
    """What is wired leaves the list."""
    found = unreachable_functions()
    for listed, reason in UNREACHABLE.items():
        assert reason
        assert any(name == listed or name.startswith(f"{listed}.") for name in found), listed


def test_the_walk_tells_what_runs_from_what_does_not() -> None:
    found = unreachable_functions()
    assert "usage.pools.forming_refusal" in found
    for name in ("operation.decision.decide", "sim.lifecycle._forced_day", "operation.limits._rebind_budget"):
        assert name not in found


def test_the_rule_book_proves_nothing_that_does_not_run() -> None:
    """Every rule with code runs; a page says so of each."""
    assert not {"IV-1", "DR-2", "RN-2", "US-5", "ST-25", "LC-6"} & rules_not_reached()
    for page in rendered().split("\n### ")[1:]:
        rule = page.split("\n")[0]
        proven, unreached = "- proven " in page, "Not reachable through the API yet." in page
        assert unreached == (rule in rules_not_reached())
        assert not (proven and unreached), rule
