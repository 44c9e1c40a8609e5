"""Searches as Jockey's clients ask for them: by what is seen or said, page by page of one ranked list."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from multiturn.api.jockey import names
from multiturn.api.jockey.media import Media
from multiturn.api.jockey.render_stores import KNOWN, render_system
from multiturn.api.jockey.store_wire import (
    JockeyHitBody,
    JockeyHitMetadataBody,
    JockeyHitsBody,
    JockeyMatchBody,
    JockeySearchBody,
    JockeySearchOptionsBody,
    JockeyVideoOptionsBody,
)
from multiturn.errors import InvalidRequest
from multiturn.model.asset import Asset, AssetKind
from multiturn.model.knowledge import DocumentHit, KnowledgeItem, SearchOrder
from multiturn.model.segment import Modality

PAGE_SIZE = 10
# So far down one ranked list pages go.
DEPTH_MAX = 500
TOKEN_LIFE_S = 3600
SEEN: frozenset[Modality] = frozenset({"screen", "caption"})
SAID: frozenset[Modality] = frozenset({"speech"})


class PageToken(Struct, frozen=True, array_like=True):
    """Where a page begins: in the list of which search, ``offset`` places down, as of when."""

    search: str
    offset: int
    at_s: int


class Search(Struct, frozen=True, kw_only=True):
    """A search, read: the order, which page of its list is asked for, and how video is searched (empty: not)."""

    order: SearchOrder
    offset: int
    size: int
    modalities: tuple[str, ...]
    digest: str
    is_grouped: bool
    with_metadata: bool

    def keeps(self, hit: DocumentHit) -> bool:
        """Whether a hit is one that was asked for: sound counts in video only where sound is searched."""
        if hit.item.kind != "video":
            return True
        return "visual" in self.modalities if hit.modality in SEEN else "audio" in self.modalities


def read_search(body: JockeySearchBody, now: datetime) -> Search:
    """A search. Raises InvalidRequest, also for a page token of another search or one that is over."""
    kinds = read_kinds(body)
    options = body.search_options.video if body.search_options else None
    if options and "video" not in kinds:
        text = "'search_options.video' has no effect: 'filter.asset_type' leaves video out."
        raise InvalidRequest(text, param="search_options.video")
    modalities = tuple(dict.fromkeys(options.modalities)) if options else ("visual",)
    modalities = modalities if "video" in kinds else ()
    digest = digest_of(body)
    offset = read_token(body.page_token, digest, now) if body.page_token else 0
    size = body.page_size or PAGE_SIZE
    order = SearchOrder(
        text=body.query.text,
        limit=min(offset + size, DEPTH_MAX) + 1,
        modalities=find_modalities(kinds, modalities),
        kinds=frozenset(kinds),
        item_ids=read_items(body),
    )
    return Search(
        order=order,
        offset=offset,
        size=size,
        modalities=modalities,
        digest=digest,
        is_grouped=body.group_by == "item",
        with_metadata=bool(body.include_metadata),
    )


def read_kinds(body: JockeySearchBody) -> tuple[AssetKind, ...]:
    """The kinds of items that are searched. Raises InvalidRequest for both of two forms."""
    wanted = body.filter.asset_type if body.filter else None
    if wanted is None or not (wanted.eq or wanted.any_of):
        return KNOWN
    if wanted.eq and wanted.any_of:
        raise InvalidRequest("'filter.asset_type': give 'eq' or 'in', not both.", param="filter.asset_type")
    return (wanted.eq,) if wanted.eq else tuple(wanted.any_of or ())


def read_items(body: JockeySearchBody) -> frozenset[UUID]:
    """The items that are searched; all when empty. Raises InvalidRequest for what is no id."""
    wanted = body.filter.item_id if body.filter else None
    if wanted is None:
        return frozenset()
    given = [*([wanted.eq] if wanted.eq else []), *(wanted.any_of or [])]
    return frozenset(names.read_given(id_, "filter.item_id", prefix="ksi_") for id_ in given)


def find_modalities(kinds: Sequence[AssetKind], modalities: Sequence[str]) -> frozenset[Modality]:
    """What of the index is searched; everything where kinds are named that Jockey does not know."""
    if set(kinds) - set(KNOWN):
        return frozenset()
    seen = SEEN if "visual" in modalities or "image" in kinds else frozenset()
    return seen | (SAID if "audio" in modalities else frozenset())


def digest_of(body: JockeySearchBody) -> str:
    """What one ranked list is known by: the search without its page."""
    rest = msgspec.structs.replace(body, page_token=None)
    return hashlib.blake2b(msgspec.json.encode(rest), digest_size=8).hexdigest()


def write_token(search: Search, now: datetime) -> str:
    """The token of the page behind this one."""
    token = PageToken(search.digest, search.offset + search.size, int(now.timestamp()))
    return base64.urlsafe_b64encode(msgspec.json.encode(token)).decode().rstrip("=")


def read_token(text: str, digest: str, now: datetime) -> int:
    """Where a page begins. Raises InvalidRequest for a token that is none, another search's, or over."""
    try:
        token = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=PageToken)
    except (ValueError, msgspec.DecodeError) as error:
        raise InvalidRequest("'page_token' is no token of a page.", param="page_token") from error
    if token.search != digest or not 0 < token.offset <= DEPTH_MAX:
        text = "'page_token' is of another search: send the same body with it."
        raise InvalidRequest(text, param="page_token")
    if now.timestamp() - token.at_s > TOKEN_LIFE_S:
        raise InvalidRequest("'page_token' is over: search anew.", code="page_token_expired", param="page_token")
    return token.offset


class Shown(Struct, frozen=True):
    """What hits are described with: their assets, as far as they are still there, and links to them."""

    assets: Mapping[UUID, Asset]
    media: Media

    def find(self, item: KnowledgeItem) -> Asset | None:
        """The asset of an item."""
        return self.assets.get(item.asset_id) if item.asset_id else None


def render_hits(search: Search, found: Sequence[DocumentHit], shown: Shown, now: datetime) -> JockeyHitsBody:
    """A page of what was found."""
    kept = [hit for hit in found if search.keeps(hit)]
    groups = group(kept) if search.is_grouped else [[hit] for hit in kept]
    page = groups[search.offset : search.offset + search.size]
    has_more = len(groups) > search.offset + search.size and search.offset + search.size < DEPTH_MAX
    options = JockeyVideoOptionsBody(modalities=list(search.modalities)) if search.modalities else None  # type: ignore[arg-type]
    return JockeyHitsBody(
        data=[
            render_hit(hits, search.offset + number, shown, with_metadata=search.with_metadata)
            for number, hits in enumerate(page, start=1)
        ],
        next_page_token=write_token(search, now) if has_more else None,
        effective_search_options=JockeySearchOptionsBody(video=options),
    )


def group(hits: Sequence[DocumentHit]) -> list[list[DocumentHit]]:
    """Hits by their items, in the order of each one's best."""
    groups: dict[UUID, list[DocumentHit]] = {}
    for hit in hits:
        groups.setdefault(hit.item.id, []).append(hit)
    return list(groups.values())


def render_hit(hits: Sequence[DocumentHit], rank: int, shown: Shown, *, with_metadata: bool) -> JockeyHitBody:
    """An item that was found, with what matches in it."""
    best, item = hits[0], hits[0].item
    asset, kind = shown.find(item), item.kind or "document"
    metadata = JockeyHitMetadataBody(system=render_system(kind, asset, {}), user=item.metadata)
    return JockeyHitBody(
        asset_type=kind,
        rank=rank,
        item_id=names.write_item(item.id),
        matches=None if kind == "image" else [render_match(hit, asset, shown.media) for hit in hits],
        metadata=metadata if with_metadata else None,
        title=item.title,
        asset_id=asset.alias if asset else None,
        score=round(best.score, 6),
    )


def render_match(hit: DocumentHit, asset: Asset | None, media: Media) -> JockeyMatchBody:
    """A place in an item that matches; one of a video without times is the whole of it."""
    place, facts = hit.place, dict[str, Any]()
    if hit.item.kind in ("video", "audio"):
        start, end = place.start_s or 0.0, place.end_s
        facts = {"start_sec": start, "end_sec": end if end is not None else (asset and asset.duration_s) or start}
        facts["modalities"] = ["visual" if hit.modality in SEEN else "audio"]
    return JockeyMatchBody(
        transcription=hit.text if hit.modality == "speech" else None,
        text=hit.text,
        page=place.page,
        score=round(hit.score, 6),
        clip_url=media.clip(asset, place) if asset else None,
        **facts,
    )
