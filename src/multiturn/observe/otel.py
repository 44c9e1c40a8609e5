"""Traces through OpenTelemetry, an optional dependency that is loaded when it is asked for (``multiturn[otel]``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from multiturn.observe.traces import Attributes, NoTracer, Span, Tracer

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span as OpenTelemetrySpan


class OtelSpan:
    """A span of OpenTelemetry."""

    def __init__(self, span: OpenTelemetrySpan, fail: Callable[[OpenTelemetrySpan, str], None]) -> None:
        self.span = span
        self.fail = fail

    def note(self, event: str) -> None:
        """Add an event."""
        self.span.add_event(event)

    def end(self, attributes: Attributes, *, error: str | None = None) -> None:
        """Set the last attributes and the status, and end it."""
        self.span.set_attributes(dict(attributes))
        if error:
            self.span.set_attribute("error.type", error)
            self.fail(self.span, error)
        self.span.end()


class OtelTracer:
    """Sends spans to a collector in batches, in the background."""

    def __init__(
        self,
        provider: TracerProvider,
        read_parent: Callable[[str], Context],
        fail: Callable[[OpenTelemetrySpan, str], None],
    ) -> None:
        self.provider = provider
        self.tracer = provider.get_tracer("multiturn")
        self.read_parent = read_parent
        self.fail = fail

    def begin(self, name: str, attributes: Attributes, *, parent: str | None) -> Span:
        """Begin a span, below the caller's where it has one."""
        context = self.read_parent(parent) if parent else None
        return OtelSpan(self.tracer.start_span(name, context, attributes=dict(attributes)), self.fail)

    def close(self) -> None:
        """Send what is left."""
        self.provider.shutdown()


def open_tracer(url: str | None) -> Tracer:
    """The tracer that sends to an OTLP/HTTP endpoint, or the one that does nothing when there is none.

    Raises ImportError when OpenTelemetry is not installed.
    """
    if url is None:
        return NoTracer()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # optional dependency

    return make_tracer(OTLPSpanExporter(endpoint=url))


def make_tracer(exporter: SpanExporter) -> OtelTracer:
    """The tracer that sends to an exporter. Raises ImportError when OpenTelemetry is not installed."""
    from opentelemetry.sdk.resources import Resource  # optional dependency
    from opentelemetry.sdk.trace import TracerProvider  # optional dependency
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # optional dependency
    from opentelemetry.trace import Status, StatusCode  # optional dependency
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # optional dependency

    provider = TracerProvider(resource=Resource.create({"service.name": "multiturn"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    propagator = TraceContextTextMapPropagator()
    return OtelTracer(
        provider,
        read_parent=lambda traceparent: propagator.extract({"traceparent": traceparent}),
        fail=lambda span, code: span.set_status(Status(StatusCode.ERROR, code)),
    )
