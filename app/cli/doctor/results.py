"""What a check of the installation finds, and how it is printed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from app.texts.doctor import doctor_line


class Level(StrEnum):
    """`NOTE`: worth knowing, and nobody has to be woken for it."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorResult:
    """One line: a key of `doctor.json` with its facts, which never hold a secret."""

    level: Level
    key: str
    facts: Mapping[str, object] = field(default_factory=dict)


def ok(key: str, **facts: object) -> DoctorResult:
    """Something is as it should be."""
    return DoctorResult(level=Level.OK, key=key, facts=facts)


def note(key: str, **facts: object) -> DoctorResult:
    """Something is worth knowing."""
    return DoctorResult(level=Level.NOTE, key=key, facts=facts)


def wrong(key: str, **facts: object) -> DoctorResult:
    """Something has to be mended."""
    return DoctorResult(level=Level.WRONG, key=key, facts=facts)


def printed(results: Iterable[DoctorResult], language: str) -> list[str]:
    """The lines in a language, each beginning with its level."""
    return [
        f"{doctor_line(f'level.{one.level}', language, {})}: {doctor_line(one.key, language, one.facts)}"
        for one in results
    ]
