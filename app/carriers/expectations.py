"""What a client expects in the answers of its carrier: typed tables, one per protocol, beside each client.

A table names every field that the carrier's documents publish, says which of them the client reads, and where the fact
comes from. The conformance probe compares real answers with it (`app.carriers.probe`, `docs/carriers/README.md`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from app.carriers.result_codes import Codes


class Kind(StrEnum):
    """The JSON type of a value. An XML answer has texts, lists and objects only."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    NULL = "null"
    LIST = "list"
    OBJECT = "object"


class Use(StrEnum):
    """What the client does with a field."""

    REQUIRED = "required"
    """Without it the answer cannot be read, or tells nothing."""
    READ = "read"
    """Read where present."""
    KNOWN = "known"
    """Published, not read."""


class Content(StrEnum):
    """What a field holds; decides what a scrubbed sample may keep of it (`app.carriers.probe.scrub`)."""

    CODE = "code"
    FIGURE = "figure"
    TIME = "time"
    FLAG = "flag"
    MESSAGE = "message"
    """The carrier's explanation of a code: kept, with every digit run and known identity replaced."""
    IDENTITY = "identity"
    """A name or number of a card, subscriber, device, account or address."""
    STRUCTURE = "structure"
    """A list or an object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of an answer.

    `path`: names joined with `.`; `[]` stands for the items of a list, `{}` for the values of an object with free keys,
    a leading `*.` for any depth. `values`: the codes that the client knows; None where any value will do.
    """

    path: str
    kinds: frozenset[Kind]
    content: Content
    use: Use
    source: str
    values: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedAnswer:
    """The answer to one call. `call` is the end of the path (`{}` for one segment of it) or the method's name; `when`
    says which cards make the client send the call.
    """

    call: str
    fields: tuple[Field, ...]
    when: str = "always"

    @property
    def name(self) -> str:
        """The call as tables and file names show it: without a version that follows the API's name."""
        return self.call.partition("/V1/")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectations:
    """The expected answers of one protocol.

    `refusal`: the fields of an answer that is no success, whatever the call. `code_names`: the names under which the
    result code may stand, first match first; `codes`: their meanings. `method_parameter`: the query parameter that
    names the call where the path does not.
    """

    answers: tuple[ExpectedAnswer, ...]
    refusal: tuple[Field, ...]
    code_names: tuple[str, ...]
    codes: Codes
    method_parameter: str | None = None
    open: bool = False
    """The table does not claim to know every field, so a field that it has not is no difference."""


_TEXTS = frozenset({Kind.TEXT})
_NUMERIC = frozenset({Kind.TEXT, Kind.NUMBER})
_OR_NULL = frozenset({Kind.NULL})
_KINDS: dict[Content, frozenset[Kind]] = {
    Content.CODE: _TEXTS,
    Content.FIGURE: _NUMERIC,
    Content.TIME: _TEXTS,
    Content.FLAG: frozenset({Kind.TEXT, Kind.NUMBER, Kind.BOOLEAN}),
    Content.MESSAGE: _TEXTS,
    Content.IDENTITY: _TEXTS,
}
_NAMED: dict[str, frozenset[Kind]] = {
    "list": frozenset({Kind.LIST}),
    "object": frozenset({Kind.OBJECT}),
    "number": frozenset({Kind.NUMBER}),
    "numeric": _NUMERIC,
    "text": _TEXTS,
    "boolean": frozenset({Kind.BOOLEAN}),
    "null": _OR_NULL,
}


def required(path: str, content: Content, source: str, kinds: str = "", values: Collection[str] | None = None) -> Field:
    """A field without which the answer tells nothing. `kinds`: as in `field`."""
    return field(path, content, source, kinds, values, use=Use.REQUIRED)


def read(path: str, content: Content, source: str, kinds: str = "", values: Collection[str] | None = None) -> Field:
    """A field that is read where present. `kinds`: as in `field`."""
    return field(path, content, source, kinds, values, use=Use.READ)


def known(content: Content, source: str, paths: str, kinds: str = "") -> tuple[Field, ...]:
    """Published fields that the client does not read; `paths` are separated by blanks."""
    return tuple(field(path, content, source, kinds, None, use=Use.KNOWN) for path in paths.split())


def field(path: str, content: Content, source: str, kinds: str, values: Collection[str] | None, *, use: Use) -> Field:
    """A row. `kinds`: names joined with `|`, as `numeric|null`; empty for what the content usually has."""
    named = frozenset(kind for name in kinds.split("|") if name for kind in _NAMED[name])
    return Field(
        path=path,
        kinds=named or _KINDS[content],
        content=content,
        use=use,
        source=source,
        values=None if values is None else frozenset(values),
    )
