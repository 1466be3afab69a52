"""A receiver of traces on loopback: OTLP over HTTP, as a collector takes them; what it got are plain spans."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Received:
    """One span, its ids as hex; `resource`: of the process that made it."""

    name: str
    trace: str
    id: str
    parent: str
    kind: int
    failed: bool
    seconds: float
    attributes: dict[str, object]
    links: tuple[str, ...]
    resource: dict[str, object]


@dataclass
class Collector:
    """What was received so far."""

    url: str = ""
    spans: list[Received] = field(default_factory=list)

    def named(self, name: str) -> list[Received]:
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> Received:
        [found] = self.named(name)
        return found


def _plain(attributes: object) -> dict[str, object]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}  # type: ignore[attr-defined]


def spans_of(body: bytes) -> Iterator[Received]:
    """The spans of one request."""
    for group in ExportTraceServiceRequest.FromString(body).resource_spans:
        for span in (span for scope in group.scope_spans for span in scope.spans):
            yield Received(
                name=span.name,
                trace=span.trace_id.hex(),
                id=span.span_id.hex(),
                parent=span.parent_span_id.hex(),
                kind=span.kind,
                failed=span.status.code == span.status.STATUS_CODE_ERROR,
                seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
                attributes=_plain(span.attributes),
                links=tuple(link.trace_id.hex() for link in span.links),
                resource=_plain(group.resource.attributes),
            )


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that listens; its `url` is the base of the endpoint."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            packed = self.headers.get("content-encoding") == "gzip"
            collector.spans += spans_of(gzip.decompress(body) if packed else body)
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: the test's output is for its failures."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
