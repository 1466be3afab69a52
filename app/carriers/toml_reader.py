"""Values of a TOML document, checked one by one: every fault is collected with its key, none stops the reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeVar

E = TypeVar("E", bound=StrEnum)


class TomlReader:
    """Reads values of a document; where one is at fault, `faults` says so and a harmless value stands in for it."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def text(self, where: str, value: object) -> str:
        """A text, not empty."""
        if not isinstance(value, str) or not value:
            self.faults.append(f"{where} must be a text")
            return ""
        return value

    def flag(self, where: str, value: object) -> bool:
        """True or false."""
        if not isinstance(value, bool):
            self.faults.append(f"{where} must be true or false")
        return value is True

    def number(self, where: str, value: object, least: int, most: int | None = None) -> int:
        """A whole number within bounds."""
        if (
            isinstance(value, int)
            and not isinstance(value, bool)
            and least <= value
            and (most is None or value <= most)
        ):
            return value
        self.faults.append(f"{where} must be a whole number, {least} {'or more' if most is None else f'to {most}'}")
        return max(least, 1)

    def one_of(self, where: str, value: object, words: Sequence[str]) -> str:
        """One of these words."""
        if value not in words:
            self.faults.append(f"{where} must be one of {', '.join(words)}")
            return words[0]
        return str(value)

    def choice(self, where: str, value: object, kind: type[E]) -> E | None:
        """A member of an enumeration; None where it is none."""
        for member in kind:
            if member == value:
                return member
        self.faults.append(f"{where} must be one of {', '.join(kind)}")
        return None

    def table(self, where: str, value: object) -> Mapping[str, Any]:
        """A table; empty where it is absent."""
        if isinstance(value, dict):
            return value
        if value is not None:
            self.faults.append(f"[{where}] is not a table")
        return {}

    def names(self, where: str, value: object) -> tuple[str, ...]:
        """A list of texts, none of them empty."""
        if not isinstance(value, list) or not value or not all(isinstance(item, str) and item for item in value):
            self.faults.append(f"{where} must be a list of names")
            return ()
        return tuple(value)

    def unknown(self, where: str, table: Mapping[str, Any], known: Sequence[str]) -> None:
        """Report the keys that nothing reads."""
        self.faults += [f"{where}: unknown key {name!r}" for name in table if name not in known]
