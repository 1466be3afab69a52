"""`docs/api.md` and the routes agree: none is undocumented, and what is said not to exist yet does not."""

from __future__ import annotations

import importlib
import pkgutil
import re

from fastapi import APIRouter
from fastapi.routing import APIRoute

from app import routers
from app.settings import PROJECT

PAGE = (PROJECT / "docs" / "api.md").read_text(encoding="utf-8")
BUILT, _, UNBUILT = PAGE.partition("\n## Not built yet\n")
PATH = re.compile(r"(?<![\w.])/(?:v1|livez|readyz|metrics)[\w/{}.<>\[\]-]*")
ACTIONS = "/v1/sims/{}/"
SEVERAL = {f"{ACTIONS}{{}}", "/v1/admin/accounts/{}/{}"}
"""Routes that serve several paths of the page."""


def plain(path: str) -> str:
    """A path with its parameters left blank."""
    return re.sub(r"\{[^}]*\}|<[^>]*>", "{}", path).rstrip("/.")


def forms(path: str) -> set[str]:
    """The paths that one notation stands for: `/v1/pools[/{id}]` is two."""
    return {plain(re.sub(r"\[[^\]]*\]", "", path)), plain(path.replace("[", "").replace("]", ""))}


def documented() -> set[str]:
    """Every path of the page, and each part of a row such as "`/pause`, `/resume`" below the last whole path before it."""
    found: set[str] = set()
    base = ""
    for code in re.findall(r"`([^`]*)`", BUILT):
        whole = PATH.search(code)
        if whole:
            base = whole[0].partition("?")[0]
            found |= forms(base)
            continue
        below = re.fullmatch(r"(?:[A-Z|\\]+ )?([/.][\w/{}-]+)", code)
        if below and base:
            found.add(plain(base + below[1]))
            found.add(plain(re.sub(r"[/.][^/.]*$", "", base) + below[1]))
    actions = BUILT.partition("### Actions")[2].partition("###")[0]
    for cell in re.findall(r"^\| (.*?) \|", actions, re.MULTILINE):
        found |= {ACTIONS + name for name in re.findall(r"`([a-z-]+)`", cell)}
    return found


def routes() -> set[str]:
    """The paths that the routers serve."""
    modules = [
        importlib.import_module(module.name)
        for module in pkgutil.walk_packages(routers.__path__, f"{routers.__name__}.")
    ]
    found = [value for module in modules for value in vars(module).values() if isinstance(value, APIRouter)]
    return {
        plain(route.path)
        for router in found
        for route in router.routes
        if isinstance(route, APIRoute) and route.include_in_schema
    }


def test_every_route_is_on_the_page() -> None:
    served = routes()
    assert "/v1/sims/{}" in served
    assert sorted(served - documented() - SEVERAL) == []


def test_what_the_page_calls_not_built_is_not_served() -> None:
    named = {plain(path) for path in PATH.findall(UNBUILT)}
    assert UNBUILT.strip()
    assert sorted(named & routes()) == []
