"""Parses and checks the identifiers of a SIM and its device: ICCID, IMSI, IMEI, MSISDN (DV-5).

A `Malformed` names the fault and never repeats the value.
"""

from __future__ import annotations

import re

from app.domain.errors import Malformed
from app.domain.vocabulary import Carrier

ICCID_BODY = 19
"""Digits of an ICCID without the check digit that some print as the 20th (DV-5)."""

IMEI_BODY = 14
"""Digits of an IMEI that name the device, before its check digit or software version (DV-6)."""

_IMEI_LENGTH = 15
_IMSI_LENGTHS = (14, 15)
_EXPONENT = re.compile(r"[0-9]+(?:\.[0-9]+)?[eE]\+?[0-9]{1,3}")
_ICCID = re.compile(r"89[0-9]{4}[0-9A-Z]{13,14}")
_PLAIN_ICCID = re.compile(r"89[0-9]{17,18}")
_PADDED_ICCID = re.compile(r"89[0-9]{17}[Ff]")
_DIGITS = re.compile(r"[0-9]+")
_HOME_NUMBER = re.compile(r"1[0-9]{10}(?:[0-9]{2})?")
_ABROAD_NUMBER = re.compile(r"[1-9][0-9]{6,14}")
_BETWEEN_DIGITS = re.compile(r"(?<=[0-9+])[\s\u2010-\u2015\u2212-]+(?=[0-9])")
_INVISIBLE = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060\ufeff]")
"""Marks of direction and width, which address books put around a number."""


_VALUES = bytes(byte - ord("0") if chr(byte).isdecimal() else 0 for byte in range(256))
_DOUBLED = bytes(sum(divmod(2 * value, 10)) for value in _VALUES)
"""A byte's digit; the digits of its double, added up."""


def luhn_digit(digits: str) -> str:
    """The check digit that follows `digits` (ISO/IEC 7812)."""
    # For every row of an import: sums of bytes take a fraction of what the steps of the interpreter would.
    code = digits.encode()
    return str(-(sum(code[-1::-2].translate(_DOUBLED)) + sum(code[-2::-2].translate(_VALUES))) % 10)


def luhn_valid(digits: str) -> bool:
    """Whether the last of `digits` is the Luhn check digit of the others; False for anything but digits."""
    return len(digits) > 1 and _DIGITS.fullmatch(digits) is not None and luhn_digit(digits[:-1]) == digits[-1]


def _clean(text: str, name: str) -> str:
    """The text without surrounding blanks. Raises `Malformed` for a number that a spreadsheet wrote as an exponent."""
    cleaned = text.strip()
    if _EXPONENT.fullmatch(cleaned):
        raise Malformed("EXPONENT", f"the {name} was written as an exponent; export the column as text")
    return cleaned


def parse_iccid(text: str) -> str:
    """The ICCID as written: 89, then 17 or 18 characters, digits or, after the sixth, capital letters (DV-5).

    The `F` with which modems pad 19 digits to whole bytes is no part of it.

    A wrong check digit is a warning for the caller to raise (`luhn_valid`), not an error. Raises `Malformed`.
    """
    if _PLAIN_ICCID.fullmatch(text):
        return text
    iccid = _clean(text, "ICCID")
    if _PADDED_ICCID.fullmatch(iccid):
        iccid = iccid[:-1]
    if _ICCID.fullmatch(iccid) is None:
        raise Malformed("ICCID_MALFORMED", "an ICCID is 89 and 17 or 18 more characters, digits or capital letters")
    return iccid


def alternate_iccid(iccid: str) -> str | None:
    """The ICCID in its other form, 19 or 20 digits; None unless the 20th is the Luhn digit of the others (DV-5)."""
    return iccid_forms(iccid)[1]


def canonical_iccid(iccid: str) -> str:
    """The form under which an ICCID is unique: without its 20th digit where that is the check digit (DV-5)."""
    return iccid_forms(iccid)[0]


def iccid_forms(iccid: str) -> tuple[str, str | None]:
    """The canonical form of an ICCID, and the other of the two that name one SIM, if there are two (DV-5)."""
    if _DIGITS.fullmatch(iccid) is None:
        return iccid, None
    if len(iccid) == ICCID_BODY:
        return iccid, iccid + luhn_digit(iccid)
    body = iccid[:-1]
    return (body, body) if body and luhn_digit(body) == iccid[-1] else (iccid, None)


def imei_at(pointer: str, text: str) -> str:
    """An IMEI of a request's body, by `parse_imei`. Raises `Malformed` with the value's pointer."""
    try:
        return parse_imei(text)
    except Malformed as wrong:
        raise Malformed(wrong.code, wrong.detail, pointer=pointer) from None


def parse_imei(text: str) -> str:
    """A 15-digit IMEI with a valid check digit (DV-5). Raises `Malformed`."""
    imei = _clean(text, "IMEI")
    if _DIGITS.fullmatch(imei) is None or len(imei) != _IMEI_LENGTH:
        raise Malformed("IMEI_MALFORMED", "an IMEI is 15 digits")
    if not luhn_valid(imei):
        raise Malformed("IMEI_CHECK_DIGIT", "the check digit of the IMEI does not fit")
    return imei


def parse_imsi(text: str) -> str:
    """An IMSI of 14 or 15 digits. Raises `Malformed`."""
    if len(text) in _IMSI_LENGTHS and _DIGITS.fullmatch(text):
        return text
    imsi = _clean(text, "IMSI")
    if _DIGITS.fullmatch(imsi) is None or len(imsi) not in _IMSI_LENGTHS:
        raise Malformed("IMSI_MALFORMED", "an IMSI is 14 or 15 digits")
    return imsi


def _international(text: str) -> str:
    """An MSISDN without + or 00 before its country. Raises `Malformed` for an exponent."""
    return _clean(text, "MSISDN").removeprefix("+").removeprefix("00")


def _as_people_write(text: str) -> str:
    """The same of a number with blanks and hyphens, as labels and address books have it. Raises `Malformed`."""
    return _international(_BETWEEN_DIGITS.sub("", _INVISIBLE.sub("", text)))


def parse_msisdn(text: str, carrier: Carrier | None = None) -> str:
    """A mainland number of 11 or 13 (M2M) digits without 86; any E.164 number under `overseas`. Raises `Malformed`."""
    if _HOME_NUMBER.fullmatch(text):
        return text
    number = _international(text)
    if carrier is Carrier.OVERSEAS and _ABROAD_NUMBER.fullmatch(number):
        return number
    home = number.removeprefix("86")
    if _HOME_NUMBER.fullmatch(home) is None:
        raise Malformed("MSISDN_MALFORMED", "an MSISDN is 11 or 13 digits beginning with 1, with or without 86")
    return home


def searched_msisdn(text: str) -> str:
    """The number by which a SIM of any carrier is searched, as SIMs are stored: without +, 00 or, at home, 86.

    Raises `Malformed`.
    """
    number = _as_people_write(text)
    home = number.removeprefix("86")
    return home if _HOME_NUMBER.fullmatch(home) else parse_msisdn(number, Carrier.OVERSEAS)


def msisdn_beginning(text: str) -> str | None:
    """The beginning of an MSISDN as SIMs are stored; None for a text that is no beginning of one.

    86 is the country only behind + or 00 and in a whole number: a device's serial may begin with it.
    """
    try:
        number = _as_people_write(text)
    except Malformed:
        return None
    if _DIGITS.fullmatch(number) is None:
        return None
    home = number.removeprefix("86")
    if home != number and (text.strip().startswith(("+", "00")) or _HOME_NUMBER.fullmatch(home)):
        return home or "1"
    return number


def tac(imei: str) -> str:
    """The type allocation code (TAC): the first 8 digits of an IMEI (DV-2)."""
    return imei[:8]


def canonical_imei(text: str) -> str | None:
    """The 15-digit IMEI of a device that a carrier names by 14 to 16 digits (an IMEISV has 16); None: it is none."""
    digits = text.strip()
    if _DIGITS.fullmatch(digits) is None or not IMEI_BODY <= len(digits) <= _IMEI_LENGTH + 1:
        return None
    body = digits[:IMEI_BODY]
    return None if body.strip("0") == "" else body + luhn_digit(body)


def same_device(first: str, second: str) -> bool:
    """Whether two IMEIs, of 14, 15 or 16 digits, name one device: by their first 14 digits (DV-6).

    The 15th is a check digit; an IMEISV has a software version there instead.
    """
    return first[:IMEI_BODY] == second[:IMEI_BODY]


def mask_iccid(iccid: str) -> str:
    """The ICCID as logs may contain it: its last four characters."""
    return f"****{iccid[-4:]}"
