"""A TypeScript client generated from the document compiles under `tsc --strict`, and runs (`make test-clients`)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from app.main import api_document
from tests.clients.generation import NODE_MODULES, finish, generate_typescript, node
from tests.e2e.process import Run

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="no node on this machine: no TypeScript client is made"),
    pytest.mark.skipif(not NODE_MODULES.exists(), reason="the npm packages are not installed: make test-clients"),
]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate_typescript(api_document(), tmp_path_factory.mktemp("typescript-client"))


@pytest.mark.timeout(120)
def test_the_generated_types_and_their_use_compile_under_strict(client: Path) -> None:
    finish([*node("tsc"), "--project", "."], client)

    assert (client / "out" / "tour.js").exists()


@pytest.mark.clients
@pytest.mark.timeout(120)
def test_the_compiled_client_drives_the_tour_of_the_readme(client: Path, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o711)
    run = Run(tmp_path)
    run.start()
    try:
        finish([*node("tsc"), "--project", "."], client)
        found = json.loads(finish(["node", "out/tour.js", run.url, run.key], client))
    finally:
        run.stop()

    assert found == {
        "operation": "succeeded",
        "state": "active",
        "refused_by": [409, "INCOMPATIBLE_STATE", "ST-20"],
        "held_by": ["over_quota"],
        "counted": [[1, 0], [0, 1]],
        "reported": 1 << 20,
    }
