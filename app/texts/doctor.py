"""What `simgate doctor` says, in English and Chinese (`doctor.json`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType


@cache
def doctor_texts() -> Mapping[str, Mapping[str, str]]:
    """Every line by its key and language."""
    found = json.loads(files("app.texts").joinpath("doctor.json").read_text(encoding="utf-8"))
    return MappingProxyType({key: MappingProxyType(entry) for key, entry in found.items()})


def doctor_line(key: str, language: str, facts: Mapping[str, object]) -> str:
    """The text of a finding with its facts; a fact that names another key (`cause`) is put into the language too."""
    known = doctor_texts()
    words = {name: known.get(f"word.{fact}", {}).get(language, str(fact)) for name, fact in facts.items()}
    return known[key][language].format_map(words)
