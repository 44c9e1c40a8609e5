"""Logs, metrics and traces. None of them carries a message's text or a key."""

from multiturn.observe.logs import log_context, start_logging
from multiturn.observe.metrics import Metrics
from multiturn.observe.otel import open_tracer
from multiturn.observe.traces import NoTracer, Span, Tracer

__all__ = ["Metrics", "NoTracer", "Span", "Tracer", "log_context", "open_tracer", "start_logging"]
