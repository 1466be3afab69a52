"""What the container image carries is enough for real carriers: it has no sandbox, and says so where one is needed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import PROJECT
from tests.e2e.process import free_port

REAL = """
[accounts.cucc-main]
carrier = "cucc"

[[accounts.cucc-main.protocols]]
protocol = "jasper"
base_url = "https://carrier.invalid/rws/api/v1/"
credentials = { username = "env:JASPER_USER", api_key = "env:JASPER_KEY" }
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the Dockerfile copies, alone in a folder."""
    folder = tmp_path_factory.mktemp("image")
    for source, target in re.findall(r"^COPY (\S+) (\S+)$", (PROJECT / "Dockerfile").read_text(), re.MULTILINE):
        if source.startswith("requirements/"):
            continue  # of the stage that installs the packages
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        if (PROJECT / source).is_dir():
            shutil.copytree(PROJECT / source, folder / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(PROJECT / source, folder / target)
    (folder / "carriers.toml").write_text(REAL)
    return folder


@pytest.fixture
def environment(image: Path, clean_database: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(image),
        "DATABASE_URL": clean_database,
        "SIMGATE_CARRIERS": str(image / "carriers.toml"),
        "SIMGATE_DATA_DIR": str(image / "data"),
        "SIMGATE_PORT": str(free_port()),
        "JASPER_USER": "somebody",
        "JASPER_KEY": "something",
    }


def simgate(image: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app.cli", *arguments]
    return subprocess.run(command, cwd=image, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def api(image: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "app.cli", "api"]
    process = subprocess.Popen(
        command, cwd=image, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    yield process
    process.kill()
    process.communicate()


def test_the_image_carries_no_sandbox(image: Path) -> None:
    assert not (image / "sandbox").exists()


def test_every_file_that_the_image_copies_reaches_the_build(image: Path) -> None:
    ignored = (PROJECT / ".dockerignore").read_text().splitlines()
    copied = re.findall(r"^COPY (?!--)(\S+) ", (PROJECT / "Dockerfile").read_text(), re.MULTILINE)
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == set(copied)


def test_help_and_migrate_work_without_the_sandbox(image: Path, environment: dict[str, str]) -> None:
    help_, migrated = simgate(image, environment, "--help"), simgate(image, environment, "migrate")
    assert (help_.returncode, migrated.returncode) == (0, 0), help_.stderr + migrated.stderr


def test_the_api_of_real_carriers_starts_without_the_sandbox(
    environment: dict[str, str], api: subprocess.Popen[str]
) -> None:
    assert api.stdout is not None
    started = next((line for line in api.stdout if environment["SIMGATE_PORT"] in line), None)
    assert started is not None
    api.send_signal(signal.SIGTERM)
    assert api.wait(30) == 0


def test_the_sandbox_command_says_where_it_can_be_run(image: Path, environment: dict[str, str]) -> None:
    ended = simgate(image, environment, "sandbox")
    assert (ended.returncode, "from a checkout" in ended.stderr) == (2, True), ended.stderr


def test_accounts_in_the_sandbox_are_refused_with_advice(image: Path, environment: dict[str, str]) -> None:
    shutil.copy(PROJECT / "demo" / "carriers.toml", image / "sandbox.toml")
    ended = simgate(image, environment | {"SIMGATE_CARRIERS": str(image / "sandbox.toml")}, "run")
    assert (ended.returncode, "name real accounts in SIMGATE_CARRIERS" in ended.stderr) == (5, True), ended.stderr
