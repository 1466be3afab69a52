"""What a probe found: reads, calls and differences of one protocol, as data, as a table, and as samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from app.carriers.config import ProtocolAccount
from app.carriers.errors import CarrierProtocolError
from app.carriers.expectations import Expectations, Field
from app.carriers.probe.compare import (
    Difference,
    FieldDifference,
    call_name,
    compare,
    expected_answer,
    is_refusal,
    result_code,
    shown_code,
)
from app.carriers.probe.reads import ReadResult
from app.carriers.probe.recorder import Exchange
from app.carriers.probe.scrub import LeakFound, Scrubber
from app.carriers.probe.tree import answer_tree
from app.carriers.result_codes import Codes


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """How often a call was answered with one HTTP status and code."""

    call: str
    http_status: int
    code: str
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeReport:
    """One protocol of one account. `not_seen`: calls of the table that nothing made the client send, and when it does.

    `requests` counts what was sent, tokens included.
    """

    account: str
    protocol: str
    requests: int
    reads: tuple[ReadResult, ...]
    calls: tuple[CallResult, ...]
    differences: tuple[FieldDifference, ...]
    not_seen: tuple[tuple[str, str], ...]

    @property
    def conforms(self) -> bool:
        """Whether every read was understood and nothing differs."""
        return not self.differences and all(read.ok for read in self.reads)

    def as_json(self) -> dict[str, object]:
        """The report as plain values."""
        return {**asdict(self), "not_seen": dict(self.not_seen), "conforms": self.conforms}


def build_report(
    account: str,
    entry: ProtocolAccount,
    table: Expectations,
    reads: Sequence[ReadResult],
    exchanges: Sequence[Exchange],
) -> ProbeReport:
    """Compare every recorded answer with the table."""
    codes: Codes = {**table.codes, **entry.codes}
    calls: Counter[tuple[str, int, str]] = Counter()
    differences: dict[FieldDifference, None] = {}
    seen: set[str] = set()
    for exchange in exchanges:
        name = call_name(exchange.call, table.method_parameter)
        row = expected_answer(table, name)
        label = row.name if row else exchange.call.operation
        seen.add(row.call if row else "")
        code, found = _compared(table, codes, name, label, exchange)
        calls[(label, exchange.reply.status, code)] += 1
        differences.update(dict.fromkeys(found))
    return ProbeReport(
        account=account,
        protocol=entry.protocol,
        requests=len(exchanges),
        reads=tuple(reads),
        calls=tuple(CallResult(call=c, http_status=s, code=k, times=n) for (c, s, k), n in calls.items()),
        differences=tuple(differences),
        not_seen=tuple((row.name, row.when) for row in table.answers if row.call not in seen),
    )


def table_lines(report: ProbeReport) -> Iterator[str]:
    """The report for a terminal: reads, calls, then one line a difference."""
    yield f"{report.account} ({report.protocol}): {report.requests} requests, none of them a change"
    yield from (_read_line(read) for read in report.reads)
    rows = [("call", "HTTP", "code", "times")]
    rows += [(c.call, str(c.http_status), c.code, str(c.times)) for c in report.calls]
    yield from _columns(rows)
    if report.differences:
        found = [("difference", "call", "field", "expected", "seen", "source")]
        found += [(d.difference, d.call, d.path, d.expected, d.seen, d.source) for d in report.differences]
        yield from _columns(found)
    for call, when in report.not_seen:
        yield f"  not seen: {call} (sent when {when})"
    yield f"  {len(report.differences)} differences" if report.differences else "  no difference"


def write_samples(
    folder: Path,
    protocol: str,
    table: Expectations,
    codes: Codes,
    exchanges: Sequence[Exchange],
    secrets: Collection[str],
) -> list[Path]:
    """The longest answer of each call and code, scrubbed, as `<folder>/<protocol>/<call>[_<code>].<json|xml|txt>`.

    The shape is that of `tests/samples`. Raises `LeakFound`, OSError.
    """
    scrubber = Scrubber(secrets)
    longest: dict[str, tuple[Exchange, tuple[Field, ...]]] = {}
    for exchange in exchanges:
        row = expected_answer(table, call_name(exchange.call, table.method_parameter))
        tree = _tree(exchange)
        if row is None or tree is None:
            continue
        refused = is_refusal(table, codes, exchange.reply, tree)
        code = result_code(table, tree) if refused else ""
        name = file_name(row.name, shown_code(code) if code else "", exchange.reply.body)
        if name not in longest or len(longest[name][0].reply.body) < len(exchange.reply.body):
            longest[name] = exchange, table.refusal if refused else row.fields
    written = {name: scrubber.body(one.reply.body, fields) for name, (one, fields) in longest.items()}
    target = folder / protocol
    target.mkdir(parents=True, exist_ok=True)
    for name, content in written.items():
        (target / name).write_bytes(content + b"\n")
    return [target / name for name in written]


def file_name(call: str, code: str, body: bytes) -> str:
    """`query/sim-status` → `query_sim-status.json`; a refusal has its code in the name."""
    first = body.strip()[:1]
    ending = "json" if first in (b"{", b"[") else "xml" if first == b"<" else "txt"
    plain = "_".join(part for part in call.replace("{}", "one").split("/") if part)
    suffix = "".join(c for c in f"_{code}" if c.isalnum() or c in "_-.") if code else ""
    return f"{plain}{suffix}.{ending}"


def _compared(
    table: Expectations, codes: Codes, name: str, label: str, exchange: Exchange
) -> tuple[str, list[FieldDifference]]:
    try:
        tree = answer_tree(exchange.reply.body)
    except CarrierProtocolError as error:
        difference = FieldDifference(
            call=label,
            path="",
            difference=Difference.UNREADABLE,
            expected="JSON, XML or a code",
            seen=f"HTTP {exchange.reply.status}: {error.detail}",
        )
        return "", [difference]
    return shown_code(result_code(table, tree)), compare(table, codes, name, exchange.reply, tree)


def _tree(exchange: Exchange) -> object | None:
    try:
        return answer_tree(exchange.reply.body)
    except CarrierProtocolError:
        return None


def _read_line(read: ReadResult) -> str:
    state = "FAILED" if not read.ok else "ok" if read.supported else "none"
    return f"  {state:<6} {read.name}{': ' + read.detail if read.detail else ''}"


def _columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


__all__ = ["CallResult", "LeakFound", "ProbeReport", "build_report", "file_name", "table_lines", "write_samples"]
