"""Citations as the native API tells them, with links that open the place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Struct

from multiturn.model.citation import Citation
from multiturn.model.content import Content, Message
from multiturn.model.segment import Place

Characters = Annotated[int, Meta(ge=0)]


class PlaceBody(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a text stands in its file; only what there is."""

    page: Annotated[int | None, Meta(description="The page or slide, from 1.")] = None
    heading: Annotated[str | None, Meta(description="The heading above it, or the sheet that it is on.")] = None
    start_s: Annotated[float | None, Meta(description="Where it begins, in seconds.")] = None
    end_s: Annotated[float | None, Meta(description="Where it ends, in seconds.")] = None
    shot: Annotated[int | None, Meta(description="The shot of a video, from 0.")] = None


class CitationBody(Struct, kw_only=True, omit_defaults=True):
    """A marker `[n]` in an answer and what it stands for. It stays readable when the item is deleted."""

    number: Annotated[int, Meta(description="The number in the marker.")]
    start: Annotated[int, Meta(description="The first character of the marker in the text, in code points.")]
    end: Annotated[int, Meta(description="The character behind its last.")]
    claim_start: Annotated[int, Meta(description="The first character of the sentence that rests on it.")]
    claim_end: Annotated[int, Meta(description="The character behind its last.")]
    title: Annotated[str, Meta(description="The title of the item.")]
    quote: Annotated[str, Meta(description="The piece of the item that the sentence rests on, word for word.")]
    store_id: str | None = None
    item_id: Annotated[str | None, Meta(description="The item of the store.")] = None
    asset_id: Annotated[str | None, Meta(description="The file.")] = None
    url: Annotated[
        str | None,
        Meta(
            description="Of a turn's answer: the file at this place, without a key and for some days: `#t=` seconds, "
            "or `#page=`. Left out when the file is gone."
        ),
    ] = None
    kind: Annotated[Literal["video", "audio", "image", "document"] | None, Meta(description="What the file is.")] = None
    modality: Annotated[
        Literal["text", "speech", "screen", "caption"],
        Meta(description="Written, spoken, seen on a screen, or said of a picture."),
    ]
    place: PlaceBody = PlaceBody()
    source_start: Annotated[Characters, Meta(description="The first character of the quote in the item's text.")] = 0
    source_end: Annotated[Characters, Meta(description="The character behind its last.")] = 0
    is_aligned: Annotated[
        bool, Meta(description="Whether the server found it: the model wrote no marker for this sentence.")
    ] = False
    metadata: Annotated[dict[str, Any], Meta(description="The metadata of the item, as it was then.")] = {}


def render_place(place: Place) -> PlaceBody:
    """A place."""
    return PlaceBody(page=place.page, heading=place.heading, start_s=place.start_s, end_s=place.end_s, shot=place.shot)


def render_citation(citation: Citation, url: str | None = None) -> CitationBody:
    """A citation, with a link that opens its place."""
    return CitationBody(
        url=url,
        number=citation.number,
        start=citation.start,
        end=citation.end,
        claim_start=citation.claim_start,
        claim_end=citation.claim_end,
        title=citation.title,
        quote=citation.quote,
        store_id=write_id(citation.store_id),
        item_id=write_id(citation.item_id),
        asset_id=write_id(citation.asset_id),
        kind=citation.kind,
        modality=citation.modality,
        place=render_place(citation.place),
        source_start=citation.source_start,
        source_end=citation.source_end,
        is_aligned=citation.is_aligned,
        metadata=citation.metadata,
    )


def list_citations(output: Sequence[Content]) -> list[Citation]:
    """The citations of an answer."""
    return [citation for content in output if isinstance(content, Message) for citation in content.citations]


def write_id(id_: UUID | None) -> str | None:
    """An id as text."""
    return None if id_ is None else str(id_)
