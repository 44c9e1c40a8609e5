"""Traces: what a turn leaves in a collector, under the names of OpenTelemetry's conventions for generative AI."""

from __future__ import annotations

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from multiturn.observe import NoTracer, open_tracer
from multiturn.observe.otel import make_tracer

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_tracing_is_off_by_default() -> None:
    assert isinstance(open_tracer(None), NoTracer)


def test_span_carries_attributes_and_events() -> None:
    exporter = InMemorySpanExporter()
    tracer = make_tracer(exporter)
    span = tracer.begin("chat m", {"gen_ai.request.model": "m"}, parent=None)
    span.note("first token")
    span.end({"gen_ai.usage.output_tokens": 7})
    tracer.close()
    (done,) = exporter.get_finished_spans()
    assert done.name == "chat m"
    assert dict(done.attributes or {}) == {"gen_ai.request.model": "m", "gen_ai.usage.output_tokens": 7}
    assert [event.name for event in done.events] == ["first token"]


def test_span_hangs_below_callers_trace() -> None:
    exporter = InMemorySpanExporter()
    tracer = make_tracer(exporter)
    tracer.begin("chat m", {}, parent=PARENT).end({})
    tracer.close()
    (done,) = exporter.get_finished_spans()
    assert done.parent is not None
    assert f"{done.parent.trace_id:032x}" == PARENT.split("-")[1]


def test_failed_turn_is_an_error_span() -> None:
    exporter = InMemorySpanExporter()
    tracer = make_tracer(exporter)
    tracer.begin("chat m", {}, parent=None).end({}, error="upstream_timeout")
    tracer.close()
    (done,) = exporter.get_finished_spans()
    assert done.status.status_code is StatusCode.ERROR
    assert (done.attributes or {})["error.type"] == "upstream_timeout"
