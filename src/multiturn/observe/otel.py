"""Traces through OpenTelemetry, an optional dependency (``pip install multiturn[otel]``)."""

from __future__ import annotations

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span as OpenTelemetrySpan
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from multiturn.observe.traces import Attributes, Span


class OtelSpan:
    """A span of OpenTelemetry."""

    def __init__(self, span: OpenTelemetrySpan) -> None:
        self.span = span

    def note(self, event: str) -> None:
        """Add an event."""
        self.span.add_event(event)

    def end(self, attributes: Attributes, *, error: str | None = None) -> None:
        """Set the last attributes and the status, and end it."""
        self.span.set_attributes(dict(attributes))
        if error:
            self.span.set_attribute("error.type", error)
            self.span.set_status(Status(StatusCode.ERROR, error))
        self.span.end()


class OtelTracer:
    """Sends spans to a collector in batches, in the background."""

    def __init__(self, exporter: SpanExporter) -> None:
        self.provider = TracerProvider(resource=Resource.create({"service.name": "multiturn"}))
        self.provider.add_span_processor(BatchSpanProcessor(exporter))
        self.tracer = self.provider.get_tracer("multiturn")
        self.propagator = TraceContextTextMapPropagator()

    def begin(self, name: str, attributes: Attributes, *, parent: str | None) -> Span:
        """Begin a span of a call to a model."""
        context = self.propagator.extract({"traceparent": parent}) if parent else None
        span = self.tracer.start_span(name, context, kind=SpanKind.CLIENT, attributes=dict(attributes))
        return OtelSpan(span)

    def close(self) -> None:
        """Send what is left."""
        self.provider.shutdown()


def open_exporter(url: str) -> SpanExporter:
    """What sends spans to an OTLP/HTTP endpoint."""
    return OTLPSpanExporter(endpoint=url)
