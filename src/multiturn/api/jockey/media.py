"""Links to files, stills and streams that players open without a key."""

from __future__ import annotations

from starlette.requests import Request

from multiturn.api.media_links import absolute, write_fragment
from multiturn.engine.links import Links
from multiturn.model.asset import Asset
from multiturn.model.segment import Place


class Media:
    """The links of one response, as whole URLs: for the host that its client asked, unless the server has its own."""

    def __init__(self, links: Links, request: Request) -> None:
        self.links = links
        self.request = request

    def write(self, url: str) -> str:
        """A link of ours as a whole URL."""
        return absolute(self.request, url)

    def file(self, asset: Asset) -> str | None:
        """The file itself, when it is there."""
        return self.write(self.links.file(asset)) if asset.status == "ready" else None

    def clip(self, asset: Asset, place: Place) -> str | None:
        """The file from where a place begins, in words that players know: seconds, or a page."""
        url = self.file(asset)
        return url + write_fragment(place) if url else None

    def thumbnail(self, asset: Asset) -> str | None:
        """A still of the file."""
        return self.write(self.links.thumbnail(asset)) if asset.thumbnail == "ready" else None

    def still(self, asset: Asset, place: Place) -> str | None:
        """A still of a place: the key frame of its shot, else that of the file."""
        if asset.kind == "video" and place.shot is not None:
            return self.write(self.links.frame(asset, place.shot))
        return self.thumbnail(asset)

    def hls(self, asset: Asset) -> str | None:
        """A video as HLS."""
        return self.write(self.links.hls(asset)) if asset.hls == "ready" else None
