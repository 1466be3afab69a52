"""Traces by OpenTelemetry, where its standard variables ask for them; otherwise nothing of this is imported or built.

Spans are made where the parts are put together (ADR 35): what is traced is wrapped, what is not has no wrapper. No
attribute holds a whole ICCID, a path, a body or what a caller or a carrier has written.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from app.clock import SystemClock
from app.settings import VERSION, Settings
from app.telemetry import traceparent

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span as OtelSpan

PROTOCOL = "http/protobuf"
FLUSH_S = 5.0
"""How long a process that ends waits for its last spans to be taken."""

Attributes = Mapping[str, str | int | bool | None]


class TracingUnusable(Exception):
    """Traces are asked for and cannot be made; the message says what to do."""


class Span:
    """A span under way."""

    def __init__(self, span: OtelSpan, failed: Any) -> None:
        self._span = span
        self._failed = failed

    def name(self, name: str) -> None:
        """Give it another name: what it is of may be known only at its end."""
        self._span.update_name(name)

    def set(self, name: str, value: str | int | bool | None) -> None:  # noqa: FBT001 - an attribute's value
        """Set an attribute; None is left out."""
        if value is not None:
            self._span.set_attribute(name, value)

    def fail(self, what: str) -> None:
        """Mark it as failed: a code or the name of a class, never a text from outside."""
        self._span.set_status(self._failed)
        self._span.set_attribute("error.type", what)


class Tracing:
    """The spans of one process."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry import trace  # noqa: PLC0415 - only where traces are made
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        self._provider = provider
        self._tracer = provider.get_tracer("simgate", VERSION)
        self._trace = trace
        self._format = TraceContextTextMapPropagator()
        self._failed = trace.Status(trace.StatusCode.ERROR)
        self._kinds = {kind.name.lower(): kind for kind in trace.SpanKind}

    @contextmanager
    def span(
        self,
        name: str,
        attributes: Attributes,
        *,
        kind: str = "internal",
        parent: Mapping[str, str] | None = None,
        links: Sequence[str] = (),
    ) -> Iterator[Span]:
        """A span around a block. `parent`: W3C headers of another process, else it is the span around it, if any.

        What is begun in the block carries its `traceparent`. An error that leaves the block marks the span as failed.
        """
        started = self._tracer.start_span(
            name,
            context=self._format.extract(parent) if parent else None,
            kind=self._kinds[kind],
            attributes={key: value for key, value in attributes.items() if value is not None},
            links=[self._trace.Link(found) for link in links if (found := self._context(link)).is_valid],
        )
        span = Span(started, self._failed)
        with self._trace.use_span(started, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            token = traceparent.set(self.headers().get("traceparent"))
            try:
                yield span
            except BaseException as error:
                span.fail(type(error).__name__)
                raise
            finally:
                traceparent.reset(token)

    def ended(self, name: str, attributes: Attributes, *, seconds: float, failed: str | None) -> None:
        """A call that ended just now and took so long, under the span around it."""
        end = int(SystemClock().now().timestamp() * 1e9)
        started = self._tracer.start_span(
            name,
            kind=self._kinds["client"],
            attributes={key: value for key, value in attributes.items() if value is not None},
            start_time=end - int(seconds * 1e9),
        )
        if failed is not None:
            Span(started, self._failed).fail(failed)
        started.end(end)

    def headers(self) -> dict[str, str]:
        """The W3C headers of the span under way, for another process."""
        found: dict[str, str] = {}
        self._format.inject(found)
        return found

    def _context(self, parent: str) -> Any:
        return self._trace.get_current_span(self._format.extract({"traceparent": parent})).get_span_context()

    async def close(self) -> None:
        """Send what is left, as far as the receiver takes it within `FLUSH_S`."""
        flushing = threading.Thread(target=self._provider.shutdown, daemon=True)
        flushing.start()
        await asyncio.to_thread(flushing.join, FLUSH_S)


def open_tracing(settings: Settings, role: str) -> Tracing | None:
    """The tracing of a process of this role, None where no variable asks for it. Raises `TracingUnusable`."""
    if not settings.traces:
        return None
    if (settings.otlp_traces_protocol or settings.otlp_protocol or PROTOCOL) != PROTOCOL:
        raise TracingUnusable(f"traces are sent by {PROTOCOL} alone: unset OTEL_EXPORTER_OTLP_PROTOCOL")
    try:
        # Only here, and only where traces are wanted: they cost a start 200 ms and 15 MB.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        raise TracingUnusable(
            "traces are asked for (OTEL_…): pip install --require-hashes -r requirements/tracing.lock"
        ) from None
    ours = {"service.name": "simgate", "service.version": VERSION, "simgate.role": role}
    provider = TracerProvider(
        resource=Resource.create({**ours, **OTELResourceDetector().detect().attributes}), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.traces_endpoint)))
    return Tracing(provider)
