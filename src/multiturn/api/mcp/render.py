"""What the tools give back, as structs and as text; and the answers of the protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from multiturn import __version__
from multiturn.api.citations import CitationBody, PlaceBody, list_citations, render_citation
from multiturn.api.envelopes import write_mcp
from multiturn.api.mcp import wire
from multiturn.api.mcp.messages import Asked
from multiturn.api.media_links import write_fragment
from multiturn.engine.window.shown import read_text
from multiturn.errors import MultiturnError
from multiturn.model.content import Content, FunctionCall, Message
from multiturn.model.item import Item
from multiturn.model.run import RunStatus
from multiturn.model.session import Session

ITEM_CHARS_MAX = 8_000
QUOTE_CHARS_MAX = 300
SERVER_INFO = {"name": "multiturn", "title": "Multiturn", "version": __version__}
encode = msgspec.json.Encoder().encode


def write_result(asked: Asked, result: Mapping[str, Any]) -> bytes:
    """The answer to a request; since 2026-07-28 each says that it is whole, and whose it is."""
    if asked.is_modern:
        result = {
            "resultType": "complete",
            **result,
            "_meta": {wire.SERVER_META: SERVER_INFO, **result.get("_meta", {})},
        }
    return encode({"jsonrpc": "2.0", "id": asked.id, "result": result})


def write_refusal(error: MultiturnError, id_: int | str | None, *, version: str | None) -> bytes:
    """The answer to a request that is none, or asks for what is not there."""
    body = {**write_mcp(error), "id": id_}
    if error.code == "mcp_version_unsupported":
        data = {**body["error"]["data"], "supported": wire.VERSIONS, "requested": version or ""}
        body["error"] = {**body["error"], "data": data}
    return encode(body)


def write_outcome(texts: Sequence[str], body: Struct) -> dict[str, Any]:
    """What a tool gave back."""
    return {"content": [{"type": "text", "text": text} for text in texts], "structuredContent": body, "isError": False}


def write_failure(error: MultiturnError) -> dict[str, Any]:
    """Why a tool failed, so that the model that called it can do better."""
    named = f"{error.code}: {error.param}" if error.param else error.code
    facts = {"code": error.code, "param": error.param}
    return {
        "content": [{"type": "text", "text": f"{error.message} ({named})"}],
        "isError": True,
        "_meta": {"multiturn/error": facts},
    }


def write_progress(token: int | str, progress: int, text: str) -> bytes:
    """How far a tool is."""
    params = {"progressToken": token, "progress": progress, "message": text}
    return encode({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})


def write_event(message: bytes) -> bytes:
    """A message in a stream."""
    return b"event: message\ndata: %s\n\n" % message


def render_session(session: Session) -> wire.SessionOut:
    """A session."""
    return wire.SessionOut(
        id=str(session.id),
        name=session.external_id,
        created_at=session.created_at,
        active_at=session.active_at,
        items=sum(len(range_) for range_ in session.path),
        metadata=session.metadata,
    )


def render_item(item: Item) -> wire.ItemOut:
    """An item; of a long one its beginning."""
    content = item.content
    text = content.arguments if isinstance(content, FunctionCall) else read_text(content)
    return wire.ItemOut(
        seq=item.seq,
        type=str(content.__struct_config__.tag),
        at=item.created_at,
        text=text[:ITEM_CHARS_MAX],
        role=content.role if isinstance(content, Message) else None,
        name=content.name if isinstance(content, FunctionCall) else None,
        characters=len(text) if len(text) > ITEM_CHARS_MAX else None,
        citations=[render_citation(citation) for citation in list_citations((content,))],
    )


def render_answer(
    run_id: UUID, session: Session, status: RunStatus, output: Sequence[Content], links: Mapping[UUID, str]
) -> wire.AnswerOut:
    """What a turn ended with, with links that open what it cites."""
    said = [content for content in output if isinstance(content, Message)]
    citations = []
    for citation in list_citations(said):
        link = links.get(citation.asset_id) if citation.asset_id else None
        citations.append(render_citation(citation, link + write_fragment(citation.place) if link else None))
    return wire.AnswerOut(
        session_id=str(session.id),
        session=session.external_id,
        run_id=str(run_id),
        status=status,
        answer="".join(map(read_text, said)),
        citations=citations,
    )


def say_stores(body: wire.StoresOut) -> str:
    """Knowledge stores as text."""
    lines = [
        f"- {store.name} (id {store.id}): {store.items} files, {store.ready} of them indexed."
        + (f" {store.description}" if store.description else "")
        for store in body.stores
    ]
    return "\n".join([*(lines or ["There are no knowledge stores."]), *say_next("cursor", body.next)])


def say_passages(passages: Sequence[wire.PassageOut], store: str) -> str:
    """Passages as text."""
    if not passages:
        return f"Nothing was found in {store}."
    return "\n\n".join(
        f"[{one.number}] {one.title}{say_place(one.place)}\n{one.text}" + (f"\n{one.url}" if one.url else "")
        for one in passages
    )


def say_sessions(body: wire.SessionsOut) -> str:
    """Sessions as text."""
    lines = [
        f"- {session.name or session.id}: {session.items} items, last used {session.active_at:%Y-%m-%d %H:%M} UTC"
        + (f" (id {session.id})" if session.name else "")
        for session in body.sessions
    ]
    return "\n".join([*(lines or ["There are no such sessions."]), *say_next("cursor", body.next)])


def say_items(body: wire.ItemsOut) -> str:
    """A stretch of a session as text."""
    said = [f"{item.seq}. {say_speaker(item)}: {item.text}{say_cut(item)}" for item in body.items]
    return "\n\n".join([*(said or ["Nothing was said in this session."]), *say_next("before", body.next)])


def say_speaker(item: wire.ItemOut) -> str:
    """Who or what an item is from."""
    if item.name:
        return f"{item.type} {item.name}"
    return item.role or item.type


def say_cut(item: wire.ItemOut) -> str:
    """How much more there is of an item."""
    return f" … ({item.characters - len(item.text)} more characters)" if item.characters else ""


def say_next(argument: str, value: int | None) -> list[str]:
    """How to read on."""
    return [] if value is None else [f"There is more: call again with {argument}={value}."]


def say_answer(body: wire.AnswerOut) -> list[str]:
    """An answer as text, with what it cites behind it."""
    texts = [body.answer or "The model said nothing."]
    if body.citations:
        sources = {citation.number: citation for citation in body.citations}
        texts.append("Sources:\n" + "\n".join(say_citation(sources[number]) for number in sorted(sources)))
    return texts


def say_citation(citation: CitationBody) -> str:
    """One line on what an answer cites."""
    quote = " ".join(citation.quote.split())
    quote = quote if len(quote) <= QUOTE_CHARS_MAX else quote[:QUOTE_CHARS_MAX] + "…"
    link = f" {citation.url}" if citation.url else ""
    return f"[{citation.number}] {citation.title}{say_place(citation.place)}: “{quote}”{link}"


def say_place(place: PlaceBody) -> str:
    """Where a text stands in its file."""
    if place.start_s is not None:
        minutes, seconds = divmod(int(place.start_s), 60)
        return f", {minutes}:{seconds:02d}"
    if place.page is not None:
        return f", page {place.page}"
    return f", {place.heading}" if place.heading else ""
