"""Whether the server lives, whether it takes turns, and what it counts."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.errors import write_response
from multiturn.api.services import Services


class HealthRoutes:
    """Open to everybody: they tell nothing of anybody's data."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def routes(self) -> list[Route]:
        """The routes."""
        return [
            Route("/healthz", self.health, methods=["GET"]),
            Route("/readyz", self.ready, methods=["GET"]),
            Route("/metrics", self.metrics, methods=["GET"]),
        ]

    async def health(self, _request: Request) -> Response:
        """The server lives; the state of each model beside it."""
        return write_response({"status": "ok", "models": list(self.services.models_state())})

    async def ready(self, _request: Request) -> Response:
        """200 while requests are accepted and queued; 503 while the database has not heard of this server for a
        lease.
        """
        is_ready = self.services.is_ready()
        return write_response({"status": "ready" if is_ready else "database away"}, status=200 if is_ready else 503)

    async def metrics(self, _request: Request) -> Response:
        """Metrics in Prometheus' text format."""
        return Response(self.services.metrics.write(), media_type="text/plain; version=0.0.4; charset=utf-8")
