"""The paths of Jockey's dialect."""

from __future__ import annotations

from starlette.routing import BaseRoute

from multiturn.api.jockey.absent import list_absent
from multiturn.api.jockey.asset_routes import AssetRoutes
from multiturn.api.jockey.item_routes import ItemRoutes
from multiturn.api.jockey.response_routes import ResponseRoutes
from multiturn.api.jockey.session_routes import SessionRoutes
from multiturn.api.jockey.store_routes import StoreRoutes
from multiturn.api.jockey.upload_routes import UploadRoutes
from multiturn.api.services import Services


class JockeyRoutes:
    """Everything that Jockey's clients ask for, turns first. Uploads stand before the assets, whose ids look like any
    word.
    """

    def __init__(self, services: Services) -> None:
        self.parts = (
            ResponseRoutes(services),
            UploadRoutes(services),
            AssetRoutes(services),
            StoreRoutes(services),
            ItemRoutes(services),
            SessionRoutes(services),
        )

    def below(self, base: str) -> list[BaseRoute]:
        """The routes of the dialect under a base path."""
        return [*(route for part in self.parts for route in part.below(base)), *list_absent(base)]
