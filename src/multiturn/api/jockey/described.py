"""What the descriptions of Jockey's operations share: parameters, errors, and one conversation as an example."""

from __future__ import annotations

from typing import Any

from multiturn.api import examples
from multiturn.api.description import ANY, Parameter, Reply
from multiturn.api.jockey.reading import PAGE_LIMIT, PAGE_LIMIT_MAX, PAGE_MAX
from multiturn.api.parameters import NAME

BASE = "/v1.3"
ASSETS, STORES, RESPONSES = "Jockey assets", "Jockey knowledge stores", "Jockey responses"
TAGS = {
    ASSETS: "Files, as TwelveLabs' clients put them in: they work with `base_url` set to `/v1.3` of this server. What "
    "is different is in docs/jockey.md. Errors are in TwelveLabs' envelope.",
    STORES: "Knowledge stores, their items and collections, and searches, as TwelveLabs' clients ask for them.",
    RESPONSES: "Questions to a knowledge store over several turns, answered with citations, as Jockey's clients ask.",
}

AT = "2026-11-21T09:30:00Z"
ASSET_ID = "6a074cc69bcc9263a999d3a8"
UPLOAD_ID = "01a1fc90-fa75-7d1e-9d0c-6a1f0f3f2a15"
STORE_ID = "ks_01a1fc90-fa71-7d1e-9d0c-6a1f0f3f2a11"
ITEM_ID = "ksi_01a1fc90-fa72-7d1e-9d0c-6a1f0f3f2a12"
COLLECTION_ID = "ksic_01a1fc90-fa73-7d1e-9d0c-6a1f0f3f2a13"
SESSION_ID = f"sess_{examples.SESSION_ID}"
RESPONSE_ID = f"resp_{examples.RUN_ID}"

READS = {**ANY, 400: ("invalid_request", "invalid_json", "incomplete_body"), 413: ("request_too_large",)}
EMPTY = Reply(text="Done.", status=204, media="")


def name_thing(name: str, text: str, example: str) -> Parameter:
    """A thing as a path names it."""
    return Parameter(name=name, place="path", schema=NAME, text=text, example=example)


OF_ASSET = name_thing("asset_id", "The asset: 24 hexadecimal digits, or its UUID.", ASSET_ID)
OF_UPLOAD = name_thing("upload_id", "The upload.", UPLOAD_ID)
OF_STORE = name_thing("knowledge_store_id", "The knowledge store.", STORE_ID)
OF_ITEM = name_thing("item_id", "The item.", ITEM_ID)
OF_COLLECTION = name_thing("collection_id", "The collection.", COLLECTION_ID)
OF_SESSION = name_thing("session_id", "The session: its id in any form, or any name that it has here.", SESSION_ID)
OF_RESPONSE = name_thing("response_id", "The response: `resp_` and the id of its run.", RESPONSE_ID)

PAGE = Parameter(
    name="page",
    place="query",
    schema={"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": 1},
    text="Which page. One behind the last is empty.",
)
PER_PAGE = Parameter(
    name="page_limit",
    place="query",
    schema={"type": "integer", "minimum": 1, "maximum": PAGE_LIMIT_MAX, "default": PAGE_LIMIT},
    text="How many at most on a page.",
)
OPTION = Parameter(
    name="sort_option",
    place="query",
    schema={"type": "string", "enum": ["desc", "asc"], "default": "desc"},
    text="`desc`: the newest first; `asc`: the oldest.",
)
PAGED = (PAGE, PER_PAGE)


def sort_by(*fields: str) -> Parameter:
    """What a listing can be sorted by."""
    schema = {"type": "string", "enum": list(fields), "default": fields[0]}
    return Parameter(name="sort_by", place="query", schema=schema, text="What to sort by.")


SORTED = (*PAGED, sort_by("created_at", "updated_at"), OPTION)


def list_words(name: str, words: tuple[str, ...], text: str) -> Parameter:
    """A parameter that is repeated, each time with one of a few words."""
    schema = {"type": "array", "items": {"type": "string", "enum": list(words)}}
    return Parameter(name=name, place="query", schema=schema, text=text)


def page_of(thing: dict[str, Any]) -> dict[str, Any]:
    """A page with one thing."""
    return {"data": [thing], "page_info": {"limit_per_page": 10, "page": 1, "total_page": 1, "total_results": 1}}


ASSET: dict[str, Any] = {
    "_id": ASSET_ID,
    "method": "direct",
    "status": "ready",
    "filename": "lisbon.mp4",
    "file_type": "video/mp4",
    "created_at": AT,
    "user_metadata": {"city": "Lisbon"},
    "size": 48123456,
    "duration": 612.4,
    "hls": {"status": "ready", "manifest_url": "http://127.0.0.1:8000/media/Xy0/hls/stream.m3u8"},
    "thumbnail": {"status": "ready", "representative_url": "http://127.0.0.1:8000/media/Xy0/thumbnail.jpg"},
    "technical_metadata": {"video_codec": "h264", "video_width": 1280, "video_height": 720, "has_audio": True},
    "asset_type": "video",
    "url": "http://127.0.0.1:8000/media/Xy0/file/lisbon.mp4",
}
STORE: dict[str, Any] = {
    "_id": STORE_ID,
    "name": "Journeys",
    "item_count": 1,
    "metadata": {"team": "travel"},
    "created_at": AT,
    "updated_at": AT,
}
ITEM: dict[str, Any] = {
    "_id": ITEM_ID,
    "asset_type": "video",
    "asset_id": ASSET_ID,
    "status": "ready",
    "system_metadata": {"asset_type": "video", "filename": "lisbon.mp4", "duration": 612.4, "width": 1280},
    "metadata": {"title": "A walk through Lisbon"},
    "created_at": AT,
    "updated_at": AT,
    "title": "A walk through Lisbon",
    "progress": 100,
}
COLLECTION: dict[str, Any] = {
    "_id": COLLECTION_ID,
    "knowledge_store_id": STORE_ID,
    "name": "Portugal",
    "description": None,
    "metadata": {},
    "member_count": 1,
    "created_at": AT,
    "updated_at": AT,
}
ANSWER = "The walk ends with a ride on tram 28 [1]."
ANNOTATION: dict[str, Any] = {
    "type": "video_citation",
    "start_index": 37,
    "end_index": 39,
    "item_id": ITEM_ID,
    "start_sec": 540.0,
    "end_sec": 561.5,
    "title": "A walk through Lisbon",
    "thumbnail_url": "http://127.0.0.1:8000/media/Xy0/thumbnail.jpg",
    "hls_url": "http://127.0.0.1:8000/media/Xy0/hls/stream.m3u8",
    "asset_id": ASSET_ID,
    "clip_url": "http://127.0.0.1:8000/media/Xy0/file/lisbon.mp4#t=540,561.5",
    "quote": "And here we board tram 28 for the way back.",
    "modality": "speech",
}
RESPONSE: dict[str, Any] = {
    "id": RESPONSE_ID,
    "type": "response",
    "object": "response",
    "status": "completed",
    "incomplete_details": None,
    "session_id": SESSION_ID,
    "knowledge_store_id": STORE_ID,
    "output": [
        {
            "type": "message",
            "id": f"msg_{SESSION_ID}_0",
            "status": "completed",
            "role": "assistant",
            "phase": "final_answer",
            "content": [{"type": "output_text", "text": ANSWER, "annotations": [ANNOTATION]}],
        }
    ],
    "usage": {"input_tokens": 812, "output_tokens": 14},
    "created_at": AT,
}
SESSION: dict[str, Any] = {
    "id": SESSION_ID,
    "knowledge_store_id": STORE_ID,
    "selections": [],
    "metadata": {},
    "created_at": AT,
    "updated_at": AT,
}
SAID: dict[str, Any] = {
    "id": f"msg_{SESSION_ID}_0",
    "type": "message",
    "role": "assistant",
    "content": [{"type": "output_text", "text": ANSWER, "annotations": [ANNOTATION]}],
    "response_id": RESPONSE_ID,
    "created_at": AT,
}
