"""Doubts about a row of an import that is stored all the same (DV-5, RG-6): code, line and column, never the value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from app.domain.identifiers import ICCID_BODY, luhn_valid
from app.domain.regions.names import province_named
from app.usecases.errors import Fault

SPREADSHEET_DIGITS = 15
"""Digits of a number that a spreadsheet keeps; it writes zeros for the others."""


def _rounded(iccid: str) -> bool:
    return iccid.isdecimal() and set(iccid[SPREADSHEET_DIGITS:]) == {"0"}


def _wrong_check_digit(iccid: str) -> bool:
    return iccid.isdecimal() and len(iccid) > ICCID_BODY and not luhn_valid(iccid)


def _unknown_province(name: str) -> bool:
    return province_named(name) is None


_DOUBTS: Mapping[str, tuple[tuple[str, str, Callable[[str], bool]], ...]] = MappingProxyType(
    {
        "iccid": (
            ("ICCID_ROUNDED", "only zeros after the 15th digit: a spreadsheet may have rounded it", _rounded),
            ("ICCID_CHECK_DIGIT", "the 20th digit is not the check digit (DV-5)", _wrong_check_digit),
        ),
        "province": (("UNKNOWN_PROVINCE", "no province of that name is known (RG-6)", _unknown_province),),
    }
)
"""Column -> code, detail and test of each doubt."""


def doubts_of(values: Mapping[str, Any], line: int | None = None) -> tuple[Fault, ...]:
    """What is doubtful in the values of a row."""
    return tuple(
        Fault(code=code, detail=detail, line=line, column=column)
        for column, doubts in _DOUBTS.items()
        if column in values
        for code, detail, doubtful in doubts
        if doubtful(values[column])
    )


def doubtful_iccid(iccid: str, alternate: str | None) -> bool:
    """Whether there is any doubt about an ICCID, quickly; `alternate`: its other form, if it has one."""
    return (alternate is None and len(iccid) > ICCID_BODY) or iccid[SPREADSHEET_DIGITS:].strip("0") == ""
