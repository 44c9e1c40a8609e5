"""Metrics: what an operator watches, in Prometheus' form."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

FAST = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2)
LONG = (0.01, 0.1, 1, 5, 20, 60, 300, 1200, 3600)
SLOW = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160)


class Metrics:
    """What an operator watches, in Prometheus' form."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self.turns = Counter("multiturn_turns", "Turns by how they ended.", ["status"], registry=registry)
        self.live = Gauge("multiturn_turns_live", "Turns that run or wait on this server.", registry=registry)
        self.first_token = histogram(registry, "first_token", "From the request to the model's first token.", SLOW)
        self.added_latency = histogram(registry, "added_latency", "Time of a turn that was not the model's.", FAST)
        self.queue_wait = histogram(registry, "queue_wait", "Time a turn waited for its session.", SLOW)
        self.commit = histogram(registry, "store_commit", "Time to make a turn durable, begin and end each.", FAST)
        self.tokens = Counter("multiturn_tokens", "Tokens by kind: input, cached, output.", ["kind"], registry=registry)
        self.cost = Counter(
            "multiturn_cost_usd", "What turns with a known price cost, in US dollars.", registry=registry
        )
        self.requests = Counter("multiturn_requests", "HTTP requests by status.", ["status"], registry=registry)
        self.model_queue = Gauge(
            "multiturn_model_queue", "Requests that wait for the embedded model.", registry=registry
        )
        self.estimate_error = Histogram(
            "multiturn_token_estimate_error",
            "How far the estimate of a context's tokens was off, as a share of what the provider reported.",
            buckets=SHARES,
            registry=registry,
        )
        self.summaries = Counter(
            "multiturn_summaries",
            "Summaries made ahead of need: made, too_long (thrown away), deferred (model busy), failed, skipped.",
            ["outcome"],
            registry=registry,
        )
        self.recall = histogram(registry, "recall", "Time to find what a turn needs to know.", FAST)
        self.recall_parts = Counter(
            "multiturn_recall_parts",
            "Searches for a turn by what they could use: words, or words and vectors.",
            ["kind"],
            registry=registry,
        )
        self.indexed = Counter("multiturn_indexed_items", "Items indexed for recall.", registry=registry)
        self.upkeep_failed = Counter("multiturn_upkeep_failed", "Work ahead of need that failed.", registry=registry)
        self.erased = Counter("multiturn_erased_rows", "Rows erased for age or on request.", registry=registry)
        self.index_queue = Gauge(
            "multiturn_index_queue", "Jobs of files that wait or are at work, by kind.", ["kind"], registry=registry
        )
        self.index_steps = Histogram(
            "multiturn_index_step_seconds", "Time of a step of indexing.", ["step"], buckets=LONG, registry=registry
        )
        self.indexed_files = Counter(
            "multiturn_indexed_files", "Files indexed by how it ended: ready, failed.", ["outcome"], registry=registry
        )
        # Looked up once: finding a labelled child costs more than counting.
        self.completed = self.turns.labels("completed")
        self.input_tokens = self.tokens.labels("input")
        self.cached_tokens = self.tokens.labels("cached")
        self.output_tokens = self.tokens.labels("output")

    def write(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)


def histogram(registry: CollectorRegistry, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
    """A histogram of seconds."""
    return Histogram(f"multiturn_{name}_seconds", text, buckets=buckets, registry=registry)
