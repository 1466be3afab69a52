"""The import contracts of pyproject.toml hold, and forget no vendor."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

PROJECT = Path(__file__).resolve().parents[2]


def test_every_import_contract_is_kept(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    failed = lint_imports(config_filename="pyproject.toml", no_cache=True, no_logo=True)
    assert failed == 0, capfd.readouterr().out


def test_the_registry_contract_names_every_vendor() -> None:
    contracts = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    protected = next(contract for contract in contracts if contract["id"] == "registry")["protected_modules"]
    vendors = {f"app.carriers.{path.parent.name}" for path in (PROJECT / "app" / "carriers").glob("*/__init__.py")}
    assert set(protected) == vendors
