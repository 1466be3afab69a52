"""The book of terms: which terms hold for a supplier and a carrier on a day, readable value by value (TM-1 to TM-3).

Adding a supplier is adding data (TM-2): its id in `Supplier`, a module of terms beside this one, and its tuple in
`BOOK`. A new version of existing terms is one more `Terms` in its supplier's tuple, with the day from which it holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from datetime import date, timedelta
from functools import lru_cache
from types import MappingProxyType

from app.domain.terms.flexem import FLEXEM
from app.domain.terms.gsl import GSL
from app.domain.terms.model import Term, Terms
from app.domain.terms.standard import STANDARD
from app.domain.vocabulary import Carrier, Supplier


def _by_key(terms: tuple[Terms, ...]) -> Mapping[tuple[Supplier, Carrier], tuple[Terms, ...]]:
    """The versions of each (supplier, carrier), oldest first."""
    found: dict[tuple[Supplier, Carrier], tuple[Terms, ...]] = {}
    for version in sorted(terms, key=lambda entry: entry.since or date.min):
        key = (version.supplier, version.carrier)
        found[key] = (*found.get(key, ()), version)
    return MappingProxyType(found)


BOOK = _by_key(FLEXEM + GSL + STANDARD)
"""Every version of the terms of each (supplier, carrier), oldest first."""


@lru_cache(maxsize=1024)
def terms_in_force(supplier: Supplier, carrier: Carrier, on: date) -> Terms:
    """The terms in force on a day in the carrier's zone: the newest version that has begun (TM-1)."""
    return [version for version in BOOK[supplier, carrier] if version.since is None or version.since <= on][-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class TermLine:
    """One value of the terms as the API shows it: JSON kinds, durations in seconds, None: not published (TM-3)."""

    name: str
    value: object
    source: str
    assumed: tuple[str, ...]


def describe(supplier: Supplier, carrier: Carrier, on: date) -> list[TermLine]:
    """Every value of the terms in force on a day, with its source (TM-3)."""
    terms = terms_in_force(supplier, carrier, on)
    return [
        TermLine(name=name, value=to_json(term.value), source=term.source, assumed=term.assumed)
        for name, term in _lines(terms)
    ]


def _lines(terms: Terms) -> Iterator[tuple[str, Term[object]]]:
    """The named values of the terms, the service levels last."""
    for entry in fields(terms):
        value = getattr(terms, entry.name)
        if isinstance(value, Term):
            yield entry.name, value
    for name, level in terms.service.items():
        yield f"service.{name}", Term(value=level.value, source=level.source, assumed=level.assumed)


def to_json(value: object) -> object:
    """The value in JSON's kinds: sets sorted, periods in seconds, records as objects."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: to_json(part) for name, part in asdict(value).items()}
    if isinstance(value, Mapping):
        return {str(key): to_json(part) for key, part in value.items()}
    if isinstance(value, frozenset):
        return sorted(str(part) for part in value)
    if isinstance(value, tuple):
        return [to_json(part) for part in value]
    return int(value.total_seconds()) if isinstance(value, timedelta) else value
