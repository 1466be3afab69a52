"""Reads a description file; every fault in it is found and said in words with its place."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import urlsplit

from app.carriers.described.description import (
    CHANGES,
    READS,
    REQUIRED,
    Algorithm,
    BodyForm,
    DescribedCall,
    Description,
    Envelope,
    Over,
    Signing,
    SignKind,
    TokenCall,
)
from app.carriers.result_codes import CodeMeaning
from app.carriers.toml_reader import TomlReader
from app.domain.units import UNITS
from app.domain.vocabulary import Carrier, SimState

E = TypeVar("E", bound=StrEnum)

TOP = (
    *("name", "sources", "carriers", "base_url", "credentials", "path_prefix", "body", "parameters", "unit"),
    *("sign", "token", "envelope", "codes", "states", "calls", "limits"),
)
CALL = ("method", "path", "parameters", "cards", "card_by", "batch", "join", "rows", "fields", "yes")
CHANGE_ONLY = ("settled", "reference")
SIGN = (
    *("kind", "algorithm", "over", "pair", "join", "text", "secret", "parameter", "in", "case"),
    *("user", "password"),
)
TOKEN = ("method", "path", "parameters", "token", "seconds", "lifetime_s", "parameter")
LIMITS = ("per_second", "in_flight", "repeat_window_s", "settle_lag_s", "completion_s")
MOMENTS = ("now", "now_s", "now_ms", "serial")
OF_CARD = ("iccid", "msisdn")
PERIODS = {"usage": ("month",), "usage_days": ("day", "month")}
MOST_CARDS = 1000

_NAME = re.compile(r"[a-z][a-z0-9_]{1,30}")
_PATH = re.compile(r"[A-Za-z0-9_\[\]]+(\.[A-Za-z0-9_\[\]]+)*")
_PLACEHOLDER = re.compile(r"\{(\w*)\}")


class DescriptionInvalid(Exception):
    """A description cannot be used; `messages` says everything that is wrong with it."""

    def __init__(self, messages: Sequence[str]) -> None:
        super().__init__("; ".join(messages))
        self.messages = list(messages)


def read_description(path: Path) -> Description:
    """The description in a TOML file. Raises `DescriptionInvalid` with every fault found."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DescriptionInvalid([f"{path.name} cannot be read: {error.strerror}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DescriptionInvalid([f"{path.name} is not TOML: {error}"]) from None
    return replace(parse_description(document), file=path)


def parse_description(document: Mapping[str, Any]) -> Description:
    """The description of a parsed document. Raises `DescriptionInvalid`."""
    reader = _Reader(document)
    description = reader.description()
    if reader.faults:
        raise DescriptionInvalid(reader.faults)
    return description


class _Reader(TomlReader):
    """Walks a document, collecting faults instead of stopping at the first."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        super().__init__()
        self._document = document
        self._credentials = self.names("credentials", document.get("credentials", []))

    def description(self) -> Description:
        given = self._document
        self.unknown("the file", given, TOP)
        name = self.text("name", given.get("name"))
        if name and not _NAME.fullmatch(name):
            self.faults.append("name must be 2 to 31 lower-case letters, digits or _, a letter first")
        carriers = self.names("carriers", given.get("carriers", []))
        self.faults += [
            f"carriers: {one!r} is none of {', '.join(Carrier)}" for one in carriers if one not in set(Carrier)
        ]
        return Description(
            name=name,
            sources=self.names("sources", given.get("sources", [])),
            carriers=frozenset(carriers),
            base_url=self._url(given.get("base_url")),
            credentials=self._credentials,
            path_prefix=self._template("path_prefix", given.get("path_prefix", ""), ()),
            body=self.choice("body", given.get("body", BodyForm.JSON), BodyForm) or BodyForm.JSON,
            parameters=self._parameters("parameters", given.get("parameters", {}), MOMENTS),
            signing=self._signing(self.table("sign", given.get("sign", {}))),
            token=self._token(given.get("token")),
            envelope=self._envelope(self.table("envelope", given.get("envelope", {}))),
            codes=self._map("codes", given.get("codes"), CodeMeaning),
            states=self._map("states", given.get("states"), SimState),
            unit=self._unit(given.get("unit", "B")),
            calls=self._calls(self.table("calls", given.get("calls", {}))),
            limits=self._limits(self.table("limits", given.get("limits", {}))),
        )

    def _calls(self, table: Mapping[str, Any]) -> Mapping[str, DescribedCall]:
        if "status" not in table:
            self.faults.append("calls.status is missing: a change cannot be verified without it")
        found: dict[str, DescribedCall] = {}
        for name, value in table.items():
            if name not in READS and name not in CHANGES:
                self.faults.append(f"calls.{name} is none of {', '.join([*READS, *CHANGES])}")
            else:
                found[name] = self._call(f"calls.{name}", name, self.table(f"calls.{name}", value))
        return MappingProxyType(found)

    def _call(self, where: str, name: str, table: Mapping[str, Any]) -> DescribedCall:
        change = name in CHANGES
        self.unknown(where, table, (*CALL, *CHANGE_ONLY) if change else CALL)
        placeholders = (*MOMENTS, *OF_CARD, *PERIODS.get(name, ()))
        path = self._template(f"{where}.path", table.get("path"), OF_CARD)
        batch = self.number(f"{where}.batch", table.get("batch", 1), 1, MOST_CARDS)
        cards = table.get("cards", "")
        in_path = any(f"{{{one}}}" in path for one in OF_CARD)
        if not cards and not in_path:
            self.faults.append(f"{where}.cards must name the parameter of the cards, or path must hold {{iccid}}")
        if batch > 1 and (in_path or change):
            self.faults.append(f"{where}.batch: a change, or a call with the card in its path, takes one card")
        return DescribedCall(
            method=self._method(f"{where}.method", table.get("method", "POST")),
            path=path,
            parameters=self._parameters(f"{where}.parameters", table.get("parameters", {}), placeholders),
            cards=self.text(f"{where}.cards", cards) if cards else "",
            card_by=self.one_of(f"{where}.card_by", table.get("card_by", "iccid"), OF_CARD),
            batch=batch,
            join=self._join(f"{where}.join", table.get("join", ",")),
            rows=self._path(f"{where}.rows", table.get("rows", "")) if table.get("rows") else "",
            fields=self._fields(where, name, table.get("fields", {}), batch),
            yes=frozenset(self.names(f"{where}.yes", table["yes"])) if "yes" in table else frozenset({"1", "true"}),
            settled=self.flag(f"{where}.settled", table.get("settled", True)),
            reference=self._path(f"{where}.reference", table["reference"]) if "reference" in table else "",
        )

    def _fields(self, where: str, name: str, value: object, batch: int) -> Mapping[str, str]:
        table = self.table(f"{where}.fields", value)
        known = READS.get(name, ())
        self.unknown(f"{where}.fields", table, known)
        self.faults += [f"{where}.fields.{one} is missing" for one in REQUIRED.get(name, ()) if one not in table]
        if batch > 1 and "iccid" not in table:
            self.faults.append(f"{where}.fields.iccid is missing: rows of a batch must name their card")
        return MappingProxyType({one: self._path(f"{where}.fields.{one}", path) for one, path in table.items()})

    def _signing(self, table: Mapping[str, Any]) -> Signing:
        self.unknown("sign", table, SIGN)
        kind = self.choice("sign.kind", table.get("kind", SignKind.NONE), SignKind) or SignKind.NONE
        over = self.choice("sign.over", table.get("over", Over.PARAMETERS), Over) or Over.PARAMETERS
        for name in {SignKind.DIGEST: ("secret",), SignKind.BASIC: ("user", "password")}.get(kind, ()):
            if table.get(name) not in self._credentials:
                self.faults.append(f"sign.{name} must name one of the credentials")
        if over is Over.TEXT and not table.get("text"):
            self.faults.append('sign.text is missing: over = "text" needs it')
        pair = str(table.get("pair", "{name}={value}"))
        if set(_PLACEHOLDER.findall(pair)) - {"name", "value"}:
            self.faults.append("sign.pair may hold {name} and {value} only")
        return Signing(
            kind=kind,
            algorithm=self.choice("sign.algorithm", table.get("algorithm", "sha256"), Algorithm) or Algorithm.SHA256,
            over=over,
            pair=pair,
            join=str(table.get("join", "&")),
            text=str(table.get("text", "")),
            secret=str(table.get("secret", "")),
            parameter=str(table.get("parameter", "sign")),
            in_query=self.one_of("sign.in", table.get("in", "parameters"), ("parameters", "query")) == "query",
            uppercase=self.one_of("sign.case", table.get("case", "lower"), ("lower", "upper")) == "upper",
            user=str(table.get("user", "")),
            password=str(table.get("password", "")),
        )

    def _token(self, value: object) -> TokenCall | None:
        if value is None:
            return None
        table = self.table("token", value)
        self.unknown("token", table, TOKEN)
        return TokenCall(
            method=self._method("token.method", table.get("method", "POST")),
            path=self._template("token.path", table.get("path"), ()),
            parameters=self._parameters("token.parameters", table.get("parameters", {}), MOMENTS),
            token=self._path("token.token", table.get("token")),
            seconds=self._path("token.seconds", table["seconds"]) if "seconds" in table else "",
            lifetime_s=self.number("token.lifetime_s", table.get("lifetime_s", 3600), 1, 31_536_000),
            parameter=self.text("token.parameter", table.get("parameter", "token")),
        )

    def _envelope(self, table: Mapping[str, Any]) -> Envelope:
        self.unknown("envelope", table, ("code", "message"))
        return Envelope(
            code=self._path("envelope.code", table.get("code", "code")),
            message=self._path("envelope.message", table.get("message", "message")),
        )

    def _limits(self, table: Mapping[str, Any]) -> Mapping[str, int]:
        self.unknown("limits", table, LIMITS)
        return {name: self.number(f"limits.{name}", value, 0, 10**6) for name, value in table.items()}

    def _map(self, where: str, value: object, kind: type[E]) -> Mapping[str, E]:
        table = self.table(where, value)
        if not table:
            self.faults.append(f"[{where}] is missing or empty")
        found = {code: self.choice(f"{where}.{code}", word, kind) for code, word in table.items()}
        return MappingProxyType({code: word for code, word in found.items() if word is not None})

    def _parameters(self, where: str, value: object, placeholders: Sequence[str]) -> Mapping[str, str]:
        table = self.table(where, value)
        return MappingProxyType({n: self._template(f"{where}.{n}", text, placeholders) for n, text in table.items()})

    def _template(self, where: str, value: object, placeholders: Sequence[str]) -> str:
        """A text whose `{…}` are credentials or one of `placeholders`."""
        if not isinstance(value, str):
            self.faults.append(f"{where} must be a text")
            return ""
        allowed = (*self._credentials, *placeholders)
        unknown = [name for name in _PLACEHOLDER.findall(value) if name not in allowed]
        self.faults += [f"{where}: {{{name}}} is none of {', '.join(allowed) or 'nothing'}" for name in unknown]
        return value

    def _url(self, value: object) -> str:
        parts = urlsplit(value) if isinstance(value, str) else urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
            self.faults.append("base_url must be an http(s) URL without query or user")
        return str(value)

    def _unit(self, value: object) -> int:
        if not isinstance(value, str) or value.upper() not in UNITS:
            self.faults.append(f"unit must be one of {', '.join(UNITS)}")
            return 1
        return UNITS[value.upper()]

    def _path(self, where: str, value: object) -> str:
        if not isinstance(value, str) or not _PATH.fullmatch(value):
            self.faults.append(f"{where} must be a path of names joined with '.', such as data.rows[]")
            return ""
        return value

    def _join(self, where: str, value: object) -> str | None:
        if value == "list":
            return None
        return self.text(where, value)

    def _method(self, where: str, value: object) -> str:
        return self.one_of(where, value, ("GET", "POST"))
