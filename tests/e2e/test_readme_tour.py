"""The README's tour is walked as a newcomer would: word for word, against a running gateway."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import PROJECT
from tests.e2e.process import Run

README = (PROJECT / "README.md").read_text(encoding="utf-8")
TOUR = re.compile(r"<!-- tour -->\n```sh\n(.*?)```", re.DOTALL)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o711)
    begun = Run(tmp_path)
    begun.start()
    yield begun
    begun.stop()


@pytest.mark.timeout(150)
def test_the_tour_of_the_readme_works_as_written(run: Run) -> None:
    script = "\n".join(["set -euo pipefail", *TOUR.findall(README)])
    walked = subprocess.run(
        ["bash", "-c", script],
        cwd=PROJECT,
        env=run.environment,
        capture_output=True,
        text=True,
        timeout=140,
        check=False,
    )
    told = walked.stdout
    assert walked.returncode == 0, walked.stderr
    assert told.count('"type": "https://simgate.invalid/problems/') == 1  # the one refusal that the tour asks for
    assert '"rule": "ST-20"' in told
    assert {"policy_cutoff", "device_mismatch"} <= set(re.findall(r'"hold": "(\w+)"', told))
    assert "'effective_cards': 12" in told
    assert '"exhausted_on"' in told
    assert '"due_rule": "SL-1"' in told
    assert "\nsucceeded\n" in told
    assert "\nactive\n" in told
    assert '"activate": 1' in told
    assert "answer lost" in told
    assert "{'suspend': 1}" in told
    assert '{"accepted":1,"duplicates":0,' in told
    assert '{"accepted":0,"duplicates":1,' in told
    assert "\nIt is " in told
    assert '"start": "2026-12-27"' in told
    assert "\nfulfilling\n" in told
    assert '"renews_to"' in told
    assert "'status': 'done'" in told
