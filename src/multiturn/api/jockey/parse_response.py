"""A question of any of Jockey's three generations of clients as a turn over a knowledge store."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct
from starlette.datastructures import Headers

from multiturn.api.auth import as_written, check_id
from multiturn.api.jockey import names
from multiturn.api.jockey.reading import read_wire
from multiturn.api.jockey.response_wire import JockeyFormatBody, JockeyResponseOrderBody, JockeySelectionBody
from multiturn.api.limits import read_json_object
from multiturn.engine.structured.schema import check_schema, tighten
from multiturn.errors import InvalidRequest
from multiturn.model.citation import Selection
from multiturn.model.content import Message
from multiturn.model.turn import IdempotencyKey, TurnOrder

ROUTE = "jockey.responses"
SELECTED = re.compile(r"\{\{\s*sel:(\d{1,9})\s*\}\}")
PREFIXES = {"item": "ksi_", "collection": "ksic_"}


class Question(Struct, frozen=True, kw_only=True):
    """A question, read: the store and the parts of it that are meant, the session by its name, and the rest of the
    request as a turn whose input still names selections by their places.
    """

    store: str
    session: str | None
    selections: tuple[Selection, ...]
    turn: TurnOrder
    with_steps: bool
    model: str | None


def parse_question(body: bytes, headers: Headers) -> Question:
    """Read a question. Raises InvalidRequest naming the field that is wrong."""
    asked = read_wire(read_json_object(body), JockeyResponseOrderBody)
    selections = tuple(read_selection(one, place) for place, one in enumerate(asked.selections or ()))
    for place, said in enumerate(asked.input):
        check_selected(said.content, place, len(selections))
    key = headers.get("idempotency-key")
    turn = TurnOrder(
        input=tuple(Message("user", said.content) for said in asked.input),
        model="",
        digest=hashlib.blake2b(body, digest_size=16).digest(),
        fields=read_model_fields(asked),
        output_tokens_max=asked.max_output_tokens,
        is_streamed=bool(asked.stream),
        is_retry=headers.get("x-stainless-retry-count", "0") not in ("", "0"),
        idempotency=IdempotencyKey(ROUTE, check_id(as_written(key), "Idempotency-Key")) if key else None,
        turn_instructions=asked.instructions or None,
        schema=read_schema(asked.text.format if asked.text else None),
    )
    return Question(
        store=find_store(asked),
        session=check_id(asked.session_id, "session_id") if asked.session_id else None,
        selections=selections,
        turn=turn,
        with_steps=bool(asked.include),
        model=asked.model,
    )


def find_store(asked: JockeyResponseOrderBody) -> str:
    """The store that is asked, in either of two places. Raises InvalidRequest where none is named, or two are."""
    tools = [tool.knowledge_store_id for tool in asked.tools or () if tool.type == "knowledge_store"]
    named = dict.fromkeys(id_ for id_ in (asked.knowledge_store_id, *tools) if id_)
    if not named:
        text = "'knowledge_store_id' is missing: every request names the one knowledge store that is asked."
        raise InvalidRequest(text, param="knowledge_store_id")
    if len(named) > 1:
        text = f"A request asks one knowledge store; this one names {len(named)}."
        raise InvalidRequest(text, param="knowledge_store_id")
    return next(iter(named))


def read_selection(body: JockeySelectionBody, place: int) -> Selection:
    """A selection. Raises InvalidRequest for an id of another kind."""
    return Selection(
        kind=body.kind, id=names.read_given(body.id, f"selections[{place}].id", prefix=PREFIXES[body.kind])
    )


def check_selected(text: str, place: int, count: int) -> None:
    """Raise InvalidRequest for a text that names a selection which the request does not have."""
    for found in SELECTED.finditer(text):
        if int(found[1]) >= count:
            where = f"input[{place}].content"
            raise InvalidRequest(f"'{where}' names {found[0]}; the request has {count} selections.", param=where)


def write_selected(text: str, titles: Sequence[str]) -> str:
    """A text with the titles of what it selects, in quotes."""
    return SELECTED.sub(lambda found: f'"{titles[int(found[1])]}"', text)


def read_schema(wanted: JockeyFormatBody | None) -> dict[str, Any] | None:
    """The schema that the answer is to fit, tightened. Raises InvalidRequest for one that is not supported."""
    if wanted is None or wanted.type == "text":
        return None
    if wanted.schema is None:
        raise InvalidRequest("'text.format.schema' is missing.", param="text.format.schema")
    check_schema(wanted.schema, param="text.format.schema")
    return tighten(wanted.schema)


def read_model_fields(asked: JockeyResponseOrderBody) -> dict[str, Raw]:
    """The fields that go to the model."""
    given = {name: getattr(asked, name) for name in ("temperature", "top_p", "seed")}
    given["max_tokens"] = asked.max_output_tokens
    return {name: Raw(msgspec.json.encode(value)) for name, value in given.items() if value is not None}
