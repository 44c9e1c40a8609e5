"""What a run's answer is to rest on, as Powabase's clients say it (contracts/powabase 2.3)."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from multiturn.api.powabase.context_wire import PowabaseContextFields
from multiturn.api.powabase.knowledge_parse import (
    NOTHING_SAID,
    read_item_id,
    read_query,
    read_retrieval,
    read_searched,
    says_anything,
)
from multiturn.api.powabase.knowledge_wire import PowabaseContextItemBody, PowabaseQueryBody
from multiturn.api.powabase.render_run import OVERRIDE
from multiturn.api.services import Services
from multiturn.engine.metadata import check_object
from multiturn.engine.prepared import list_given
from multiturn.errors import InvalidRequest, NotFound
from multiturn.model.agent import Agent
from multiturn.model.citation import Grounding
from multiturn.model.ids import find_id
from multiturn.model.retrieved import Snippet
from multiturn.model.tenant import Caller

ONE_OF = ("knowledge_bases", "context_handler_id", "context_override", "context_items")
TEXT_CHARS_MAX = 1_000_000
TITLE_CHARS_MAX = 200
# What a text is called that says nothing of itself: one that stands for all context, and one of several.
TITLE, ITEM_TITLE = OVERRIDE, "Item"
NO_GROUNDING = Grounding()


async def read_context(
    services: Services, caller: Caller, body: PowabaseContextFields, agent: Agent | None
) -> Grounding | None:
    """What a run's answer is to rest on; None where the request leaves it to the agent and the session.

    Raises InvalidRequest naming the field, NotFound.
    """
    named = [name for name in ONE_OF if getattr(body, name) is not None]
    if len(named) > 1:
        text = (
            "Only one of 'knowledge_bases', 'context_handler_id', 'context_override', or 'context_items' "
            "may be provided"
        )
        raise InvalidRequest(text, param=named[1])
    if named and named[0] != "knowledge_bases" and body.runtime_knowledge_bases:
        text = f"'runtime_knowledge_bases' cannot be searched beside '{named[0]}', which stands for a search."
        raise InvalidRequest(text, param="runtime_knowledge_bases")
    grounding = replace(
        await read_grounding(services, caller, body, agent),
        tokens_max=body.max_context_tokens,
        is_cited=body.citations_enabled is not False,
    )
    return None if grounding == NO_GROUNDING else grounding


async def read_grounding(
    services: Services, caller: Caller, body: PowabaseContextFields, agent: Agent | None
) -> Grounding:
    """The stores that are searched, or what is given instead."""
    if body.context_handler_id is not None:
        prepared = await services.prepared.get(caller, find_id(body.context_handler_id))
        return Grounding(given=list_given(prepared), replaces=True)
    if body.context_override is not None:
        return Grounding(given=(read_text(body.context_override, "context_override"),), replaces=True)
    if body.context_items is not None:
        return Grounding(given=await read_items(services, caller, body.context_items), replaces=True)
    searched = Grounding(replaces=body.knowledge_bases is not None)
    for name in ("knowledge_bases", "runtime_knowledge_bases"):
        searched = await add_bases(services, caller, searched, name, getattr(body, name) or ())
    return searched if searched.replaces else await add_own(services, caller, searched, agent)


async def add_bases(
    services: Services, caller: Caller, before: Grounding, name: str, bases: Sequence[PowabaseQueryBody]
) -> Grounding:
    """Knowledge bases that a request names. One of which nothing is said is searched as the question needs it.

    Raises InvalidRequest, NotFound.
    """
    store_ids, queries = list(before.store_ids), list(before.queries)
    for place, body in enumerate(bases):
        where = f"{name}[{place}]."
        store, query = await read_searched(services, caller.tenant_id, body, where)
        if store.id in store_ids:
            raise InvalidRequest(f"'{where}id' names a knowledge base that was named before.", param=f"{where}id")
        store_ids.append(store.id)
        if says_anything(body, read_retrieval(store)) or body.max_context_tokens is not None:
            queries.append(query)
    return replace(before, store_ids=tuple(store_ids), queries=tuple(queries))


async def add_own(services: Services, caller: Caller, before: Grounding, agent: Agent | None) -> Grounding:
    """The knowledge bases of the agent are searched as each is configured."""
    queries = list(before.queries)
    for store_id in agent.body.store_ids if agent else ():
        store = await services.stores.registry.find(caller.tenant_id, store_id)
        if store and store_id not in before.store_ids and read_retrieval(store) != NOTHING_SAID:
            queries.append(read_query(store, PowabaseQueryBody(id=str(store_id)), ()))
    return replace(before, queries=tuple(queries))


async def read_items(
    services: Services, caller: Caller, items: Sequence[PowabaseContextItemBody]
) -> tuple[Snippet, ...]:
    """Texts as they are, and what chunks and items say. Raises InvalidRequest, NotFound."""
    wanted = {}
    for place, item in enumerate(items):
        where = f"context_items[{place}]"
        if (item.item_id is None) == (item.text is None):
            raise InvalidRequest(f"'{where}' must have either 'item_id' or 'text'.", param=where)
        if item.item_id is not None:
            wanted[place] = read_item_id(item.item_id, f"{where}.item_id")
    found = await services.prepared.read_pieces(caller.tenant_id, list(wanted.values()))
    given: list[Snippet] = []
    for place, item in enumerate(items):
        where = f"context_items[{place}]"
        if item.text is not None:
            meta = read_meta(item, f"{where}.meta")
            given.append(read_text(item.text, f"{where}.text", meta, title=f"{ITEM_TITLE} {place + 1}"))
        elif (pieces := found.get(wanted[place])) is not None:
            given += pieces
        else:
            raise NotFound("Item not found", code="item_not_found", param=f"{where}.item_id")
    return tuple(given)


def read_meta(item: PowabaseContextItemBody, where: str) -> dict[str, object]:
    """What is said of a text. Raises InvalidRequest."""
    check_object(item.meta or {}, where)
    return item.meta or {}


def read_text(text: str, where: str, meta: dict[str, object] | None = None, *, title: str = TITLE) -> Snippet:
    """A text that stands for a source. Raises InvalidRequest."""
    if not text.strip() or len(text) > TEXT_CHARS_MAX:
        raise InvalidRequest(f"'{where}' must have 1 to {TEXT_CHARS_MAX} characters and not be blank.", param=where)
    if "\0" in text:
        raise InvalidRequest(f"'{where}' must not hold NUL characters.", param=where)
    said = [name for key in ("title", "name") if isinstance(name := (meta or {}).get(key), str) and name.strip()]
    title = " ".join(said[0].split())[:TITLE_CHARS_MAX] if said else title
    return Snippet(source="given", text=text, end=len(text), title=title, metadata=meta or {})
