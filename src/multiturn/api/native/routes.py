"""The paths of the native API that sessions and runs have."""

from __future__ import annotations

from starlette.routing import Route

from multiturn.api.native.approvals import ApprovalRoutes
from multiturn.api.native.runs import RunRoutes
from multiturn.api.native.sessions import SessionRoutes
from multiturn.api.services import Services


class NativeRoutes:
    """Sessions, items and runs, as they can be seen and managed."""

    def __init__(self, services: Services) -> None:
        self.sessions = SessionRoutes(services)
        self.runs = RunRoutes(services)
        self.approvals = ApprovalRoutes(services)

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        return [*self.sessions.below(base), *self.runs.below(base), *self.approvals.below(base)]
