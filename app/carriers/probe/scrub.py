"""A real answer as a sample anyone may see: every identity and secret is replaced by an invented value of its shape.

Only what a table names as a code, figure, time or flag keeps its value; every other text and number is invented, also
in fields that no table knows. The same value becomes the same invented one throughout a run, ICCIDs in both their
forms and numbers with or without 86 included. Invented values are numbered, not computed from the real ones, so that
nothing can be found by trying all numbers.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections.abc import Collection, Mapping
from decimal import Decimal

from app.carriers.errors import CarrierProtocolError
from app.carriers.expectations import Content, Field
from app.carriers.http import parse
from app.carriers.probe.compare import field_of, shown_code
from app.carriers.probe.tree import ITEM, VALUE, pattern_steps
from app.domain.identifiers import luhn_digit

SHORTEST_SECRET = 6
"""A known identity of fewer characters is not looked for inside other texts."""

_ICCID = re.compile(r"89\d{17,18}")
_DIGITS = re.compile(r"\d{6,}")
_DIGITS_OF_A_NUMBER = 10
_TIME = re.compile(r"[\d\-/:.TZ+ ]{4,40}")
_AMOUNT = re.compile(r"-?\d+(\.\d+)?\s*([A-Za-z]{1,5}|元)?")
_LEAF = re.compile(r"<(/?)([\w:.-]+)([^<>]*)>([^<>]*)")


class LeakFound(Exception):
    """A scrubbed sample still holds a known identity; it must not be written."""


class Scrubber:
    """The invented values of one run."""

    def __init__(self, secrets: Collection[str] = ()) -> None:
        self._invented: dict[str, str] = {}
        self._count = 0
        for secret in sorted(secrets):
            self.identity(secret)

    def body(self, content: bytes, fields: Collection[Field]) -> bytes:
        """A JSON, XML or text answer, scrubbed by the rows of its table. Raises `LeakFound`."""
        plain = content.strip()
        if plain[:1] in (b"{", b"["):
            text = _written(self._value(parse.json_value(plain), (), tuple(fields)))
        elif plain[:1] == b"<":
            text = self._xml(plain, tuple(fields))
        else:
            text = self.message(plain.decode(errors="replace"))
        text = self._known_replaced(text)
        self._require_clean(text)
        return text.encode()

    def identity(self, value: str) -> str:
        """The invented value for an identity, of the same shape."""
        plain = value.strip()
        if not plain:
            return value
        if plain not in self._invented:
            self._count += 1
            self._remember(plain)
        return value.replace(plain, self._invented[plain])

    def message(self, value: str) -> str:
        """A carrier's explanation, with digit runs and known identities replaced."""
        known = sorted((name for name in self._invented if len(name) >= SHORTEST_SECRET), key=len, reverse=True)
        pattern = re.compile("|".join([*map(re.escape, known), _DIGITS.pattern]))
        return pattern.sub(lambda match: self.identity(match[0]), value)

    def _remember(self, plain: str) -> None:
        """Invent a value, and the other forms that the same card or number may be named by."""
        if _ICCID.fullmatch(plain):
            body = _shaped(plain[:19], self._count)
            body = "8986" + body[4:]
            self._invented[plain[:19]] = body
            if len(plain) == 20:
                self._invented[plain] = body + luhn_digit(body)
            else:
                self._invented[plain + luhn_digit(plain)] = body + luhn_digit(body)
            return
        invented = _shaped(plain, self._count)
        if plain.isdigit() and plain.startswith("86") and len(plain) in (13, 15):
            self._invented[plain[2:]] = invented[2:]
            invented = "86" + invented[2:]
        elif plain.isdigit() and len(plain) in (11, 13):
            self._invented[f"86{plain}"] = f"86{invented}"
        self._invented[plain] = invented

    def _value(self, value: object, steps: tuple[str, ...], fields: tuple[Field, ...]) -> object:
        if isinstance(value, Mapping):
            return {
                self._key(name, steps, fields): self._value(child, (*steps, str(name)), fields)
                for name, child in value.items()
            }
        if isinstance(value, list):
            return [self._value(child, (*steps, ITEM), fields) for child in value]
        if value is None or isinstance(value, bool):
            return value
        row = field_of(fields, steps)
        if isinstance(value, str):
            return self._text(value, row.content if row else Content.IDENTITY)
        number = self._text(str(value), row.content if row else Content.IDENTITY)
        return Decimal(number)

    def _key(self, name: object, steps: tuple[str, ...], fields: tuple[Field, ...]) -> str:
        """A field's name stays; the free key of an object that a table marks so is invented."""
        row = field_of(fields, (*steps, str(name)))
        free = row is not None and pattern_steps(row.path)[-1] == VALUE
        return self.identity(str(name)) if free else str(name)

    def _text(self, value: str, content: Content) -> str:
        if content is Content.MESSAGE:
            return self.message(value)
        return value if _may_stay(value.strip(), content) else self.identity(value)

    def _xml(self, content: bytes, fields: tuple[Field, ...]) -> str:
        """The document as it was written, with only the texts and attributes replaced."""
        parse.xml_root(content)
        try:
            text = content.decode()
        except UnicodeDecodeError:
            raise CarrierProtocolError("an XML answer in an encoding other than UTF-8 is not saved") from None
        steps: list[str] = []

        def replaced(match: re.Match[str]) -> str:
            closing, tag, rest, leaf = match.groups()
            name = tag.rpartition(":")[2]
            if closing:
                steps.pop()
            elif not rest.endswith("/"):
                steps.append(name)
            row = field_of(fields, tuple(steps))
            if not leaf.strip() or closing or rest.endswith("/"):
                return f"<{closing}{tag}{rest}>{leaf}"
            return f"<{tag}{rest}>{self._text(leaf, row.content if row else Content.IDENTITY)}"

        return _LEAF.sub(replaced, text)

    def _known_replaced(self, text: str) -> str:
        """Identities met so far, wherever they stand in a text, the longest first."""
        for known in sorted(self._invented, key=len, reverse=True):
            if len(known) >= SHORTEST_SECRET and known in text and not known.isalpha():
                text = text.replace(known, self._invented[known])
        return text

    def _require_clean(self, text: str) -> None:
        invented = set(self._invented.values())
        for known in self._invented:
            distinct = len(known) >= SHORTEST_SECRET and known not in invented
            if distinct and known in text and not any(known in value for value in invented):
                raise LeakFound("a scrubbed sample still holds an identity; it was not written")


def _may_stay(plain: str, content: Content) -> bool:
    """Whether a value is what its field's content promises, and cannot be a card's or a person's number."""
    digits = sum(character.isdigit() for character in plain)
    if content is Content.CODE:
        return shown_code(plain) == plain or set(plain) <= {"0", "2"}
    if content is Content.FLAG:
        return len(plain) <= len("false")
    if content is Content.TIME:
        return bool(_TIME.fullmatch(plain)) and _is_time(plain)
    if content is Content.FIGURE:
        return bool(_AMOUNT.fullmatch(plain)) and digits < _DIGITS_OF_A_NUMBER + plain.count(".") * 6
    return not plain


def _is_time(plain: str) -> bool:
    """A date, a month, or an instant between 1970 and 2099, not a bare number that merely has digits."""
    year = plain[:4]
    separated = any(mark in plain for mark in "-:/")
    return year.isdigit() and "1970" <= year <= "2099" and (separated or len(plain) in (6, 8, 14))


def _shaped(plain: str, number: int) -> str:
    """An invented value: digits for digits, letters for letters of their case, other characters as they are."""
    try:
        address = ipaddress.ip_address(plain)
    except ValueError:
        return "".join(_invented_characters(plain, number))
    return f"192.0.2.{number % 254 + 1}" if address.version == 4 else f"2001:db8::{number:x}"


def _invented_characters(plain: str, number: int) -> list[str]:
    stream = hashlib.shake_256(f"sample {number}".encode()).digest(len(plain))
    made = [_invented_character(character, byte) for character, byte in zip(plain, stream, strict=True)]
    if plain.isdigit() and plain[0] != "0" and made[0] == "0":
        made[0] = "1"
    return made


def _invented_character(character: str, byte: int) -> str:
    if character.isdigit() and character.isascii():
        return str(byte % 10)
    if character.isascii() and character.isalpha():
        lower = "abcdef" if character.lower() in "abcdef" else "ghijklmnopqrstuvwxyz"
        letter = lower[byte % len(lower)]
        return letter.upper() if character.isupper() else letter
    return "某" if character.isalpha() else character


def _written(value: object) -> str:
    """Compact JSON in which a number stands as the carrier wrote it (`1.50`)."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(k, ensure_ascii=False)}:{_written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_written(item) for item in value) + "]"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return json.dumps(value, ensure_ascii=False)
