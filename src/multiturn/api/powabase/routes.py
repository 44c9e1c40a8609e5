"""The paths of Powabase's API."""

from __future__ import annotations

from starlette.routing import BaseRoute

from multiturn.api.services import Services


class PowabaseRoutes:
    """Everything that Powabase's clients ask for, turns first."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[BaseRoute]:
        """The routes of the dialect under a base path."""
        return []
