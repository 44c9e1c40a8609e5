"""The shapes of searches in knowledge stores."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from multiturn.api.citations import PlaceBody
from multiturn.api.native.documents_wire import Cosine, Numbers, Share, Text
from multiturn.model.asset import AssetKind
from multiturn.model.segment import Modality

Id = Annotated[str, Meta(min_length=1, max_length=64)]


class StoreSearchBody(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is searched for in a store."""

    text: Annotated[Text | None, Meta(description="What to search for; it may be left out beside a vector.")] = None
    earlier: Annotated[
        list[Annotated[str, Meta(max_length=10_000)]],
        Meta(
            max_length=20,
            description="What was asked before it, the oldest first: 'when does he say that?' is found by what it was "
            "about. The newest weighs most.",
        ),
    ] = []
    vector: Annotated[
        Numbers | None, Meta(description="A vector of the server's embedding model, instead of the text's.")
    ] = None
    mode: Annotated[
        Literal["text", "vector", "hybrid"] | None,
        Meta(
            description="By words, by vectors, or both weighed (the default; a vector alone is searched for as such)."
        ),
    ] = None
    limit: Annotated[int, Meta(ge=1, le=50)] = 10
    confidence: Annotated[Cosine | None, Meta(description="The least cosine of a chunk that has a vector.")] = None
    alpha: Annotated[Share, Meta(description="How much vectors count in a hybrid search; 0 is words alone.")] = 0.5
    mmr_strength: Annotated[float, Meta(ge=0, lt=1, description="How much variety counts.")] = 0.0
    modalities: Annotated[
        list[Modality], Meta(description="Only what is written, spoken, on a screen, or said of a picture.")
    ] = []
    kinds: Annotated[list[AssetKind], Meta(description="Only items of these kinds.")] = []
    item_ids: Annotated[list[Id], Meta(max_length=1000, description="Only these items.")] = []
    collection_id: Annotated[Id | None, Meta(description="Only items of this collection.")] = None
    metadata_filter: Annotated[dict[str, Any] | None, Meta(description="Only items whose metadata contain this.")] = (
        None
    )
    rerank: Annotated[bool, Meta(description="Whether the reranker looks at the best again, where there is one.")] = (
        True
    )


class StoreHitBody(Struct, kw_only=True):
    """A chunk that was found."""

    item_id: str
    asset_id: str
    title: Annotated[str, Meta(description="The item's.")]
    kind: AssetKind | None
    chunk: Annotated[int, Meta(description="The number of the chunk in its item, from 0.")]
    text: Annotated[str, Meta(description="Its characters, verbatim.")]
    start: Annotated[int, Meta(description="Its first character in the item's text.")]
    end: Annotated[int, Meta(description="Behind its last.")]
    modality: Annotated[Modality, Meta(description="Written, spoken, seen on a screen, or said of a picture.")]
    place: PlaceBody
    score: Annotated[float, Meta(description="How good it is beside the others of this search.")]
    lexical: Annotated[float | None, Meta(description="Its BM25 score.")]
    similarity: Annotated[float | None, Meta(description="Its cosine; null without a vector.")]
    reranked: Annotated[float | None, Meta(description="The reranker's score, where it looked at it.")]
    metadata: Annotated[dict[str, Any], Meta(description="The item's.")]
    url: Annotated[
        str | None,
        Meta(description="The file at this place, without a key and for some days: `#t=` seconds, or `#page=`."),
    ]
    thumbnail_url: Annotated[str | None, Meta(description="A picture of the shot or the page, else of the file.")]


class StoreHitsBody(Struct, kw_only=True):
    """What a search found, the best first."""

    object: Literal["list"] = "list"
    data: list[StoreHitBody]
    mode: Annotated[
        Literal["text", "vector", "hybrid"],
        Meta(description="How it searched: `text` where a hybrid search had no vectors to go by."),
    ]
    took_ms: float
