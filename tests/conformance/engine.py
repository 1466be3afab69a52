"""One run of Schemathesis against a gateway, from its configuration to its report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from app.settings import PROJECT

SEED = 20261129
REAL_VALUES = 0.7
"""How often a parameter that names an object takes one that exists."""


TIMEOUT_S = 60
FROM_REFUSALS = ("validation_mismatch", "low_valid_rate", "missing_test_data")
"""Warnings of Schemathesis that follow from the answers, not from the document."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a run found."""

    whole: Mapping[str, Any]
    text: str
    """The failures as Schemathesis prints them, with the requests that reproduce them."""

    @property
    def cases(self) -> int:
        return int(self.whole["test_cases"]["generated"])

    @property
    def operations(self) -> Mapping[str, Any]:
        return dict(self.whole["operations"])

    @property
    def warnings(self) -> dict[str, Any]:
        """What could not be tested; not that operations mostly refuse or find nothing, as rules and DELETE do."""
        found = {name: places for name, places in self.whole["warnings"].items() if places}
        return {name: places for name, places in found.items() if name not in FROM_REFUSALS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """Schemathesis with every check, against one gateway."""

    url: str
    key: str
    key_id: str
    folder: Path
    objects: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def run(self, *, examples: int, phases: str, document: Mapping[str, Any] | None = None) -> Report:
        """Generate requests to every operation of the gateway's own document, or of another one.

        `examples` are made for each operation in the phases that count them.
        """
        folder = Path(mkdtemp(dir=self.folder))
        excused, report, source = folder / "excused", folder / "report.json", f"{self.url}/openapi.json"
        excused.touch()
        if document is not None:
            source = str(folder / "openapi.json")
            Path(source).write_text(json.dumps(document), encoding="utf-8")
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(self._configuration(folder))]
        command += ["run", source, "--url", self.url, "--no-color", "--checks", "all", "--phases", phases]
        command += ["--max-examples", str(examples), "--report", "json", "--report-json-path", str(report)]
        environment = {"SIMGATE_EXCUSED": str(excused), "SIMGATE_KEY": self.key, "SIMGATE_KEY_ID": self.key_id}
        done = subprocess.run(
            command,
            cwd=PROJECT,
            env={"PATH": os.environ["PATH"]} | environment,
            capture_output=True,
            text=True,
            timeout=3000,
            check=False,
        )
        (folder / "output.txt").write_text(done.stdout, encoding="utf-8")
        assert report.exists(), done.stdout[-4000:] + done.stderr[-4000:]
        return Report(
            whole=json.loads(report.read_text(encoding="utf-8")),
            text=done.stdout,
        )

    def _configuration(self, folder: Path) -> Path:
        path = folder / "schemathesis.toml"
        lines = [
            f"seed = {SEED}",
            'headers = { Authorization = "Bearer ${SIMGATE_KEY}" }',
            f"hooks = {json.dumps(str(PROJECT / 'tests' / 'conformance' / 'hooks.py'))}",
            "continue-on-failure = true",
            f"request-timeout = {TIMEOUT_S}",
            "[cache]",
            "enabled = false",
            "[generation]",
            "no-shrink = true",
            'database = "none"',
            *_dictionaries(self.objects),
        ]
        path.write_text("\n".join(lines), encoding="utf-8")
        return path


def _dictionaries(objects: Mapping[str, Sequence[str]]) -> list[str]:
    """Values that exist, for the parameters that name objects."""
    names = {parameter: parameter.replace(".", "-") for parameter in objects}
    values = [f"[dictionaries.{names[each]}]\nvalues = {json.dumps(list(found))}" for each, found in objects.items()]
    bound = [f'"{each}" = {{ dictionary = "{name}", probability = {REAL_VALUES} }}' for each, name in names.items()]
    return [*values, "[parameters]", *bound] if objects else []
