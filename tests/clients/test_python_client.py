"""A Python client generated from the document is typed to the end, and does what the README shows."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.clients.generation import PYTHON_PACKAGE, finish, generate_python
from tests.e2e.process import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("run")
    folder.chmod(0o711)
    folder.parent.chmod(0o711)
    begun = Run(folder)
    begun.start()
    yield begun
    begun.stop()


@pytest.fixture(scope="module")
def client(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    document = httpx.get(f"{run.url}/openapi.json", trust_env=False).raise_for_status().json()
    return generate_python(document, tmp_path_factory.mktemp("python-client"))


@pytest.mark.timeout(120)
def test_the_generated_client_and_its_use_pass_mypy_strict(client: Path) -> None:
    checked = finish([sys.executable, "-m", "mypy", "--strict", PYTHON_PACKAGE, "tour.py"], client)

    assert checked.startswith("Success: no issues found in ")


@pytest.mark.timeout(120)
def test_the_generated_client_drives_the_tour_of_the_readme(run: Run, client: Path) -> None:
    found = json.loads(finish([sys.executable, "tour.py", run.url, run.key], client))

    assert (found["operation"], found["state"]) == ("succeeded", "active")
    assert (found["steps"][0], found["steps"][-1]) == ("queued", "succeeded")
    assert found["refused_by"] == [409, "INCOMPATIBLE_STATE", "ST-20"]
    assert found["held_by"] == ["over_quota"]
    assert found["remedies"] > 0
    assert found["would_suspend"] is True
    assert (found["counted"], found["reported"]) == ([[1, 0], [0, 1]], 1 << 20)
