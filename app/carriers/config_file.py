"""carriers.toml: the carrier accounts, read once at start; refused as a whole, with all its faults listed
(`docs/api.md`).
"""

from __future__ import annotations

import os
import ssl
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from app.carriers.config import (
    CREDENTIALS,
    EVERYTHING,
    OPERATIONS,
    OPTIONAL_CREDENTIALS,
    OPTIONS,
    SANDBOX,
    SANDBOX_DEFAULTS,
    Account,
    ProtocolAccount,
    ProtocolSettings,
    base_url,
    documented,
    sandbox_mode,
)
from app.carriers.described.description import Description
from app.carriers.described.reader import DescriptionInvalid, read_description
from app.carriers.http.throttle import MAX_IN_FLIGHT
from app.carriers.result_codes import CodeMeaning, Codes
from app.carriers.toml_reader import TomlReader
from app.domain.operation.capabilities import CAPABILITIES
from app.domain.vocabulary import Carrier, Channel, OperationKind, ProtocolName

__all__ = [
    "Account",
    "AccountsInvalid",
    "ProtocolAccount",
    "ProtocolSettings",
    "base_url",
    "parse_accounts",
    "read_accounts",
    "sandbox_mode",
]

PROTOCOL_KEYS = ("protocol", "base_url", "uses", "credentials", "settings", "ca_file", "description")


class AccountsInvalid(Exception):
    """carriers.toml cannot be used; `messages` says everything that is wrong, never a credential."""

    def __init__(self, messages: Sequence[str]) -> None:
        super().__init__("; ".join(messages))
        self.messages = list(messages)


def read_accounts(path: Path) -> list[Account]:
    """The accounts of a carriers.toml, in its order. Raises `AccountsInvalid` with every fault found."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise AccountsInvalid([f"{path} cannot be read: {error.strerror}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AccountsInvalid([f"{path} is not TOML: {error}"]) from None
    return parse_accounts(document, folder=path.parent)


def parse_accounts(document: Mapping[str, Any], *, folder: Path = Path()) -> list[Account]:
    """The accounts of a parsed document; `file:` secrets are relative to `folder`. Raises `AccountsInvalid`."""
    reader = _Reader(folder)
    accounts = reader.accounts(document)
    if reader.faults:
        raise AccountsInvalid(reader.faults)
    return accounts


class _Reader(TomlReader):
    """Walks a document, collecting faults instead of stopping at the first."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def accounts(self, document: Mapping[str, Any]) -> list[Account]:
        self.unknown("the file", document, ("accounts",))
        table = document.get("accounts")
        if not isinstance(table, dict) or not table:
            self.faults.append("no [accounts.<code>] is given")
            return []
        found = [self._account(code, value) for code, value in table.items()]
        return [account for account in found if account is not None]

    def _account(self, code: str, value: object) -> Account | None:
        where = f"accounts.{code}"
        if not isinstance(value, dict):
            self.faults.append(f"{where} is not a table")
            return None
        self.unknown(where, value, ("carrier", "zone", "tenants", "protocols"))
        carrier = self.choice(f"{where}.carrier", value.get("carrier"), Carrier)
        protocols = self._protocols(where, value.get("protocols"))
        zone = self._zone(f"{where}.zone", value.get("zone", "Asia/Shanghai"))
        tenants = self.names(f"{where}.tenants", value.get("tenants", [EVERYTHING]))
        if carrier is None:
            return None
        return Account(code=code, carrier=carrier, zone=zone, tenants=tenants, protocols=protocols)

    def _protocols(self, where: str, value: object) -> tuple[ProtocolAccount, ...]:
        if not isinstance(value, list) or not value or not all(isinstance(entry, dict) for entry in value):
            self.faults.append(f"[[{where}.protocols]] is missing")
            return ()
        found = [self._protocol(f"{where}.protocols[{index}]", entry) for index, entry in enumerate(value)]
        entries = tuple(entry for entry in found if entry is not None)
        names = [entry.protocol for entry in entries]
        if len(set(names)) != len(names):
            self.faults.append(f"{where}.protocols names a protocol twice")
        return entries

    def _protocol(self, where: str, value: Mapping[str, Any]) -> ProtocolAccount | None:
        self.unknown(where, value, PROTOCOL_KEYS)
        protocol = self.choice(f"{where}.protocol", value.get("protocol"), ProtocolName)
        if protocol is None:
            return None
        where = f"{where} ({protocol})"
        description = self._description(where, protocol, value.get("description"))
        described = description.base_url if description else None
        base = self._base_url(where, protocol, value.get("base_url", described))
        uses = frozenset(self.names(f"{where}.uses", value.get("uses", [EVERYTHING])))
        uses = uses if description is None else self._described_uses(where, description, uses)
        for name in sorted(uses - OPERATIONS):
            self.faults.append(f"{where}.uses: unknown operation {name!r}")
        settings, options, codes = self._settings(where, protocol, base, value.get("settings", {}))
        settings = settings if description is None else self._with_limits(settings, description, value, base)
        return ProtocolAccount(
            protocol=protocol,
            base_url=base,
            uses=uses,
            credentials=self._credentials(
                where,
                description.credentials if description else CREDENTIALS[protocol],
                OPTIONAL_CREDENTIALS.get(protocol, ()),
                value.get("credentials", {}),
                literal=base == SANDBOX,
            ),
            settings=settings,
            options=options,
            codes=codes,
            description=description,
            ca_file=self._ca_file(f"{where}.ca_file", value.get("ca_file")),
        )

    def _base_url(self, where: str, protocol: ProtocolName, value: object) -> str:
        if protocol is ProtocolName.DESK or value == SANDBOX:
            return SANDBOX
        parts = urlsplit(value) if isinstance(value, str) else urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
            self.faults.append(f'{where}.base_url must be "sandbox" or an http(s) URL without query or user')
        return value if isinstance(value, str) else SANDBOX

    def _description(self, where: str, protocol: ProtocolName, value: object) -> Description | None:
        """The description that a described protocol names, relative to carriers.toml; its faults are the account's."""
        if protocol is not ProtocolName.DESCRIBED:
            if value is not None:
                self.faults.append(f'{where}.description is for protocol = "described" only')
            return None
        if not isinstance(value, str) or not value:
            self.faults.append(f"{where}.description must name a file, such as carriers/simboss.toml")
            return None
        try:
            return read_description(self._folder / value)
        except DescriptionInvalid as wrong:
            self.faults += [f"{where}.description {value}: {message}" for message in wrong.messages]
            return None

    def _described_uses(self, where: str, description: Description, uses: frozenset[str]) -> frozenset[str]:
        """`*` is what the description has a call for, and what needs none: composed, the gateway's or desk work."""
        known = CAPABILITIES[ProtocolName.DESCRIBED].channels
        free = {kind.value for kind, channel in known.items() if channel is not Channel.API} | {OperationKind.REFRESH}
        if {OperationKind.SUSPEND, OperationKind.RESUME} <= description.operations:
            free.add(OperationKind.RESET_NETWORK)
        possible = frozenset({*description.operations, *free})
        if EVERYTHING in uses:
            return possible
        for name in sorted((uses & OPERATIONS) - possible):
            self.faults.append(f"{where}.uses: {description.name} describes no call for {name!r}")
        return uses

    def _with_limits(
        self, settings: ProtocolSettings, description: Description, value: Mapping[str, Any], base: str
    ) -> ProtocolSettings:
        """The description's limits, where the account is real and says nothing else."""
        given = value.get("settings", {})
        if base == SANDBOX or not isinstance(given, dict):
            return settings
        return replace(settings, **{name: limit for name, limit in description.limits.items() if name not in given})

    def _credentials(
        self, where: str, needed: Sequence[str], optional: Sequence[str], value: object, *, literal: bool
    ) -> Mapping[str, str]:
        if not isinstance(value, dict):
            self.faults.append(f"{where}.credentials is not a table")
            return {}
        self.unknown(f"{where}.credentials", value, (*needed, *optional))
        found: dict[str, str] = {}
        for name in (*needed, *optional):
            if name in value or name in needed:
                found[name] = self._secret(f"{where}.credentials.{name}", value.get(name), literal=literal)
        return MappingProxyType(found)

    def _secret(self, where: str, value: object, *, literal: bool) -> str:
        """A credential by `env:NAME` or `file:path`, or as it stands where only the sandbox sees it."""
        if not isinstance(value, str) or not value:
            self.faults.append(f"{where} is missing")
            return ""
        kind, _, name = value.partition(":")
        if kind == "env":
            return self._nonempty(where, os.environ.get(name), f"environment variable {name} is not set")
        if kind == "file":
            return self._nonempty(where, self._read(name), f"file {name} cannot be read or is empty")
        if not literal:
            self.faults.append(f"{where} must be env:NAME or file:path; a literal is for the sandbox only")
        return value

    def _read(self, name: str) -> str | None:
        try:
            return (self._folder / name).read_text(encoding="utf-8-sig").strip()
        except (OSError, UnicodeDecodeError):
            return None

    def _ca_file(self, where: str, value: object) -> Path | None:
        """A file of PEM certificates, relative to carriers.toml."""
        if value is None:
            return None
        path = self._folder / value if isinstance(value, str) else self._folder
        try:
            ssl.create_default_context(cafile=path)
        except OSError:  # ssl.SSLError is one
            self.faults.append(f"{where} must name a readable file of PEM certificates")
        return path

    def _nonempty(self, where: str, value: str | None, fault: str) -> str:
        if not value:
            self.faults.append(f"{where}: {fault}")
        return value or ""

    def _settings(
        self, where: str, protocol: ProtocolName, base: str, value: object
    ) -> tuple[ProtocolSettings, Mapping[str, str | int | bool], Codes]:
        defaults = SANDBOX_DEFAULTS if base == SANDBOX else documented(protocol)
        if not isinstance(value, dict):
            self.faults.append(f"{where}.settings is not a table")
            return defaults, {}, {}
        throttle, extra = ProtocolSettings.__dataclass_fields__, OPTIONS.get(protocol, {})
        self.unknown(f"{where}.settings", value, (*throttle, *extra, "codes"))
        numbers = {name: self.number(f"{where}.settings.{name}", value[name], 0) for name in throttle if name in value}
        options = {name: value[name] for name in extra if name in value}
        for name, option in options.items():
            if type(option) is not extra[name]:
                self.faults.append(f"{where}.settings.{name} must be {extra[name].__name__}")
        kept: dict[str, Any] = {name: getattr(defaults, name) for name in throttle} | numbers
        kept["per_second"] = kept["per_second"] or None
        if not 1 <= kept["in_flight"] <= MAX_IN_FLIGHT:
            self.faults.append(f"{where}.settings.in_flight must be 1 to {MAX_IN_FLIGHT}")
        codes = self._codes(f"{where}.settings.codes", value.get("codes", {}))
        return ProtocolSettings(**kept), MappingProxyType(options), codes

    def _codes(self, where: str, value: object) -> Codes:
        """Meanings of codes that no document publishes: `codes = { "12345" = "rate_limited" }`."""
        if not isinstance(value, dict):
            self.faults.append(f"{where} is not a table")
            return {}
        meanings = {code: self.choice(f"{where}.{code}", word, CodeMeaning) for code, word in value.items()}
        return MappingProxyType({code: meaning for code, meaning in meanings.items() if meaning is not None})

    def _zone(self, where: str, value: object) -> str:
        try:
            return ZoneInfo(value).key if isinstance(value, str) else ""
        except (ValueError, OSError, KeyError):
            self.faults.append(f"{where} is no time zone")
            return "UTC"
