"""Generated clients: made anew for each run from the OpenAPI document, in a folder of the test's; none is committed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.cli.openapi import json_bodies
from app.settings import PROJECT

HERE = Path(__file__).parent
TYPESCRIPT = HERE / "typescript"
NODE_MODULES = PROJECT / ".venv" / "node" / "node_modules"
PYTHON_PACKAGE = "simgate_client"


def generate_python(document: Mapping[str, Any], folder: Path) -> Path:
    """The package `simgate_client` and the tour beside it; a part of the document that it cannot express is an error."""
    source = folder / "openapi.json"
    source.write_text(json.dumps(json_bodies(dict(document))), encoding="utf-8")
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none", "--fail-on-warning"]
    command += ["--path", str(source), "--output-path", str(folder / PYTHON_PACKAGE)]
    finish([*command, "--config", str(HERE / "openapi_python_client.yml")], folder)
    (folder / PYTHON_PACKAGE / "py.typed").touch()
    (folder / "tour.py").write_bytes((HERE / "python_tour.py").read_bytes())
    return folder


def generate_typescript(document: Mapping[str, Any], folder: Path) -> Path:
    """The types of the document for openapi-fetch, and the tour that uses them."""
    (folder / "openapi.json").write_text(json.dumps(document), encoding="utf-8")
    (folder / "node_modules").symlink_to(NODE_MODULES)
    for name in ("tour.ts", "tsconfig.json", "package.json"):
        (folder / name).write_bytes((TYPESCRIPT / name).read_bytes())
    finish([*node("openapi-typescript"), "openapi.json", "--output", "schema.ts"], folder)
    return folder


def node(program: str) -> list[str]:
    """The command that runs an installed npm package's program."""
    return ["node", str(NODE_MODULES / ".bin" / program)]


def finish(command: list[str], folder: Path, *, within_s: float = 240, **environment: str) -> str:
    """Run a command in a folder to its end; its standard output. An exit code other than 0 fails the test."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=_environment(folder) | environment,
        capture_output=True,
        text=True,
        timeout=within_s,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command[:4])} …\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
    return done.stdout


def _environment(folder: Path) -> dict[str, str]:
    """This process' environment, with home and caches in the folder."""
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"}
