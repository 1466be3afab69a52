"""`make audit`: licences of everything in the locks, always; known vulnerabilities with pip-audit, where it can be had.

Exit code 1 for a licence that is not in the table or a package with a known vulnerability.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
PIP_AUDIT = "pip-audit==2.10.1"

PERMISSIVE = (
    *("MIT", "BSD", "3-Clause BSD", "Apache", "ISC", "PSF", "Python Software Foundation", "MIT-0"),
    # File by file: its files stay under it, ours do not come under it.
    *("MPL", "Mozilla Public License"),
)
"""How the licences begin that go with the Apache License 2.0 in a deployed gateway."""

TESTS_ONLY: Mapping[str, str] = {"python-stdnum": "LGPL, an oracle in tests: not in service.lock"}


def locked(lock: str) -> Iterator[tuple[str, str]]:
    """Name and version of each package of a lock."""
    text = (FOLDER / f"{lock}.lock").read_text(encoding="utf-8")
    yield from re.findall(r"^([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", text, re.MULTILINE)


def licence(name: str) -> str | None:
    """What an installed package says of its licence; None: it is not installed on this platform."""
    try:
        found = metadata(name)
    except PackageNotFoundError:
        return None
    classified = [line.split(" :: ")[-1] for line in found.get_all("Classifier") or [] if line.startswith("License ::")]
    chosen = [one for one in classified if one not in ("OSI Approved", "DFSG approved")]
    return found.get("License-Expression") or " AND ".join(chosen) or found.get("License") or "none stated"


def allowed(text: str) -> bool:
    """Whether one of the alternatives is made of permissive licences alone."""
    return any(
        all(part.strip(" ()").startswith(PERMISSIVE) for part in alternative.split(" AND "))
        for alternative in text.split(" OR ")
    )


def licences(lock: str, also: Mapping[str, str]) -> list[str]:
    """The packages of a lock whose licence is not allowed."""
    found = {name: licence(name) for name, _ in locked(lock)}
    return [f"{name}: {text}" for name, text in found.items() if text and not allowed(text) and name not in also]


def vulnerabilities(lock: str) -> tuple[list[str], str]:
    """The known vulnerabilities of a lock, and a word about what was not looked at."""
    with tempfile.TemporaryDirectory() as folder:
        made = [sys.executable, "-m", "venv", folder], [f"{folder}/bin/pip", "install", "--quiet", PIP_AUDIT]
        if any(subprocess.run(step, capture_output=True, check=False).returncode for step in made):  # noqa: S603
            return [], f"not looked at: {PIP_AUDIT} cannot be installed here"
        command = [f"{folder}/bin/pip-audit", "--disable-pip", "--require-hashes", "--format=json"]
        command += ["--progress-spinner=off", f"--requirement={FOLDER / lock}.lock"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return [], f"not looked at: {(done.stderr.strip().splitlines() or ['no answer'])[-1]}"
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    if len(skipped) == len(packages):
        return [], "not looked at: the registry here gives no advisories; run it where the public index can be reached"
    known = [
        f"{package['name']} {package['version']}: {one['id']}, mended in {', '.join(one['fix_versions']) or 'none'}"
        for package in packages
        for one in package.get("vulns", ())
    ]
    return known, f"{len(packages) - len(skipped)} packages looked at, {len(skipped)} not found"


def main() -> int:
    """Print what was found."""
    wrong = False
    for lock in ("service", "tracing", "dev"):
        bad = licences(lock, TESTS_ONLY if lock == "dev" else {})
        number = len(list(locked(lock)))
        print(f"{lock}.lock, licences: {number} packages, " + ("all permissive" if not bad else "; ".join(bad)))
        known, word = vulnerabilities(lock)
        print(f"{lock}.lock, vulnerabilities: {word}" + "".join(f"\n  {one}" for one in known))
        wrong |= bool(bad or known)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
