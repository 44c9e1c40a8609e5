"""The paths of Julep's sessions, agents, users and documents."""

from __future__ import annotations

from starlette.routing import Route

from multiturn.api.julep.agent_routes import AgentRoutes
from multiturn.api.julep.chat_routes import ChatRoutes
from multiturn.api.julep.doc_routes import DocRoutes
from multiturn.api.julep.session_routes import SessionRoutes
from multiturn.api.julep.tool_routes import ToolRoutes
from multiturn.api.julep.user_routes import UserRoutes
from multiturn.api.services import Services


class JulepRoutes:
    """Everything that Julep's client asks for, turns first."""

    def __init__(self, services: Services) -> None:
        self.parts = (
            ChatRoutes(services),
            SessionRoutes(services),
            AgentRoutes(services),
            ToolRoutes(services),
            UserRoutes(services),
            DocRoutes(services),
        )

    def below(self, base: str) -> list[Route]:
        """The routes of the dialect under a base path."""
        return [route for part in self.parts for route in part.below(base)]
