"""What a deployed gateway carries may be carried: every package of the lock has a licence that goes with ours."""

from __future__ import annotations

import runpy

import pytest

from app.settings import PROJECT

AUDIT = runpy.run_path(str(PROJECT / "requirements" / "audit.py"))


def test_every_package_of_the_service_has_a_permissive_licence() -> None:
    assert AUDIT["licences"]("service", {}) == []
    assert AUDIT["licences"]("tracing", {}) == []


def test_what_the_tests_use_beside_is_permissive_or_named() -> None:
    assert AUDIT["licences"]("dev", AUDIT["TESTS_ONLY"]) == []
    assert set(AUDIT["TESTS_ONLY"]).isdisjoint(name for name, _ in AUDIT["locked"]("service"))


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("MIT", True),
        ("Apache-2.0 OR BSD-3-Clause", True),
        ("MIT AND PSF-2.0", True),
        ("GPL-3.0-only OR MIT", True),
        ("MIT AND GPL-3.0-only", False),
        ("GNU Lesser General Public License v2 or later (LGPLv2+)", False),
        ("none stated", False),
    ],
)
def test_a_licence_is_allowed_where_one_of_its_alternatives_is(text: str, *, allowed: bool) -> None:
    assert AUDIT["allowed"](text) is allowed


def test_a_lock_names_its_packages_with_their_versions() -> None:
    found = dict(AUDIT["locked"]("service"))
    assert {"fastapi", "sqlalchemy", "asyncpg"} <= found.keys()
    assert all(version[0].isdigit() for version in found.values())
