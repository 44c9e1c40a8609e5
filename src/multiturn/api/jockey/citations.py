"""Citations as Jockey's clients read them: where the marker stands, and what it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal
from uuid import UUID

from multiturn.api.jockey import names
from multiturn.api.jockey.media import Media
from multiturn.api.jockey.response_wire import JockeyAnnotationBody
from multiturn.model.asset import Asset, AssetKind
from multiturn.model.citation import Citation

AnnotationType = Literal[
    "video_citation", "image_citation", "collection_citation", "audio_citation", "document_citation"
]
TYPES: Mapping[AssetKind, AnnotationType] = {
    "video": "video_citation",
    "image": "image_citation",
    "audio": "audio_citation",
    "document": "document_citation",
}


def render_citations(
    citations: Sequence[Citation], assets: Mapping[UUID, Asset], media: Media
) -> list[JockeyAnnotationBody]:
    """Citations in the order of their markers. Those of files that are gone can still be read."""
    ordered = sorted(citations, key=lambda citation: citation.start)
    return [render_citation(one, assets.get(one.asset_id) if one.asset_id else None, media) for one in ordered]


def render_citation(citation: Citation, asset: Asset | None, media: Media) -> JockeyAnnotationBody:
    """A citation."""
    place, type_ = citation.place, find_type(citation)
    has_times = type_ in ("video_citation", "audio_citation") and place.start_s is not None
    has_item = citation.item_id is not None and type_ != "collection_citation"
    return JockeyAnnotationBody(
        type=type_,
        start_index=citation.start,
        end_index=citation.end - 1,
        item_id=names.write_item(citation.item_id) if has_item and citation.item_id else None,
        collection_id=names.write_collection(citation.collection_id) if citation.collection_id else None,
        start_sec=place.start_s if has_times else None,
        end_sec=(place.end_s if place.end_s is not None else place.start_s) if has_times else None,
        title=citation.title or None,
        thumbnail_url=media.still(asset, place) if asset else None,
        hls_url=media.hls(asset) if asset and type_ == "video_citation" else None,
        asset_id=asset.alias if asset else None,
        clip_url=media.clip(asset, place) if asset else None,
        quote=citation.quote or None,
        page=place.page,
        modality=citation.modality,
        is_aligned=citation.is_aligned,
    )


def find_type(citation: Citation) -> AnnotationType:
    """What a citation refers to."""
    if citation.collection_id and not citation.item_id:
        return "collection_citation"
    return TYPES[citation.kind or "document"]
