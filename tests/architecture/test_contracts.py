"""The import contracts of pyproject.toml hold, and forget no vendor."""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def loggers_as_they_were() -> Iterator[None]:
    """import-linter configures logging for its whole process and so silences every logger there is; not for others."""
    known = [logger for logger in logging.root.manager.loggerDict.values() if isinstance(logger, logging.Logger)]
    before = [(logger, logger.disabled) for logger in known]
    yield
    for logger, disabled in before:
        logger.disabled = disabled


@pytest.mark.usefixtures("loggers_as_they_were")
def test_every_import_contract_is_kept(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    failed = lint_imports(config_filename="pyproject.toml", no_cache=True, no_logo=True)
    assert failed == 0, capfd.readouterr().out


def test_the_registry_contract_names_every_vendor() -> None:
    contracts = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    protected = next(contract for contract in contracts if contract["id"] == "registry")["protected_modules"]
    packages = {path.parent.name for path in (PROJECT / "app" / "carriers").glob("*/__init__.py")}
    packages -= {"http", "probe", "described", "telecom"}
    assert set(protected) == {f"app.carriers.{vendor}" for vendor in packages}
