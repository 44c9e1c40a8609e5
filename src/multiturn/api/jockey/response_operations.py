"""What can be asked of Jockey's responses and of sessions, described."""

from __future__ import annotations

from multiturn.api.description import ANY, PROVIDER, Body, Example, Operation, Reply
from multiturn.api.envelopes import JOCKEY
from multiturn.api.jockey.described import (
    AT,
    BASE,
    EMPTY,
    ITEM_ID,
    OF_RESPONSE,
    OF_SESSION,
    PAGED,
    READS,
    RESPONSE,
    RESPONSE_ID,
    RESPONSES,
    SAID,
    SESSION,
    SESSION_ID,
    SORTED,
    STORE_ID,
    list_words,
    page_of,
)
from multiturn.api.jockey.response_routes import STEPS
from multiturn.api.jockey.response_wire import (
    JockeyEventBody,
    JockeyResponseBody,
    JockeyResponseOrderBody,
    JockeySaidBody,
    JockeySessionBody,
)
from multiturn.api.jockey.wire import JockeyPageBody

ONE = f"{BASE}/sessions/{{session_id}}"
NO_SESSION = {404: ("session_not_found",)}

EVENTS = (
    "event: response.created\n"
    'data: {"type":"response.created","sequence_number":0,"response":{"id":"'
    f'{RESPONSE_ID}","type":"response","object":"response","status":"in_progress","incomplete_details":null,'
    f'"session_id":"{SESSION_ID}","knowledge_store_id":"{STORE_ID}","output":[],"created_at":"{AT}"}}}}\n\n'
    "event: response.output_text.delta\n"
    'data: {"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_'
    f'{SESSION_ID}_0","output_index":0,"content_index":0,"delta":"The walk ends"}}\n\n'
    "data: [DONE]\n\n"
)


def ask(name: str, title: str, text: str, **more: object) -> Example:
    """A question."""
    said = [{"type": "message", "role": "user", "content": text}]
    return Example(name=name, title=title, body={"input": said, **more})


FIRST = ask("first", "A first question", "What are the main themes?", knowledge_store_id=STORE_ID)
NEXT = ask(
    "next",
    "The next one, streamed, about one item",
    "When is the tram in {{sel:0}}?",
    knowledge_store_id=STORE_ID,
    session_id=SESSION_ID,
    selections=[{"kind": "item", "id": ITEM_ID}],
    stream=True,
)
OLD = ask(
    "tools",
    "As the first clients ask",
    "Which videos show a tram?",
    model="jockey1.0",
    tools=[{"type": "knowledge_store", "knowledge_store_id": STORE_ID}],
)
TURN = {
    **READS,
    **PROVIDER,
    400: (
        *("invalid_request", "invalid_json", "incomplete_body", "unknown_session", "session_store_mismatch"),
        *("schema_not_supported", "context_length_exceeded", "not_storable"),
    ),
    404: ("store_not_found", "item_not_found", "collection_not_found", "model_not_found"),
    409: ("session_busy", "turn_conflict", "run_cancelled", "session_deleted", "idempotency_key_reused"),
    429: ("quota_exceeded", "queue_full", "server_busy", "rate_limit_exceeded"),
    502: (*PROVIDER[502], "upstream_refused", "schema_not_met"),
    503: ("storage_failed", "queue_timeout", "turn_timeout", "interrupted", "upstream_unavailable", "model_not_ready"),
}

OPERATIONS = (
    Operation(
        name="jockeyCreateResponse",
        method="post",
        paths=(f"{BASE}/responses",),
        tag=RESPONSES,
        summary="Ask a knowledge store (Jockey)",
        text="Without a `session_id` a conversation begins; with the one that came back it goes on. A conversation "
        "stays with one knowledge store.",
        body=Body(shape=JockeyResponseOrderBody, examples=(FIRST, NEXT, OLD)),
        replies=(
            Reply(
                text="The answer with its citations, whole or as a stream.",
                shape=JockeyResponseBody,
                example=RESPONSE,
                events=JockeyEventBody,
                events_example=EVENTS,
                last_event="[DONE]",
                headers=("X-Session-Id", "X-Run-Id"),
            ),
        ),
        errors=TURN,
        envelope=JOCKEY,
    ),
    Operation(
        name="jockeyGetResponse",
        method="get",
        paths=(f"{BASE}/responses/{{response_id}}",),
        tag=RESPONSES,
        summary="Get a response (Jockey)",
        text="Ours: the hosted service does not have it.",
        parameters=(OF_RESPONSE, list_words("include", STEPS, "Show also what was looked up.")),
        replies=(Reply(text="The response as it stands.", shape=JockeyResponseBody, example=RESPONSE),),
        errors={**ANY, 404: ("run_not_found", "session_not_found")},
        envelope=JOCKEY,
    ),
    Operation(
        name="jockeyListSessions",
        method="get",
        paths=(f"{BASE}/sessions",),
        tag=RESPONSES,
        summary="List sessions (Jockey)",
        text="Ours: the hosted service does not have it. Conversations of other APIs of this server are among them.",
        parameters=SORTED,
        replies=(Reply(text="A page.", shape=JockeyPageBody[JockeySessionBody], example=page_of(SESSION)),),
        errors=ANY,
        envelope=JOCKEY,
    ),
    Operation(
        name="jockeyGetSession",
        method="get",
        paths=(ONE,),
        tag=RESPONSES,
        summary="Get a session (Jockey)",
        text="Ours: the hosted service does not have it.",
        parameters=(OF_SESSION,),
        replies=(Reply(text="The session.", shape=JockeySessionBody, example=SESSION),),
        errors={**ANY, **NO_SESSION},
        envelope=JOCKEY,
    ),
    Operation(
        name="jockeyDeleteSession",
        method="delete",
        paths=(ONE,),
        tag=RESPONSES,
        summary="Delete a session (Jockey)",
        text="Ours: the hosted service does not have it. Everything in it is erased.",
        parameters=(OF_SESSION,),
        replies=(EMPTY,),
        errors={**ANY, **NO_SESSION},
        envelope=JOCKEY,
    ),
    Operation(
        name="jockeyListMessages",
        method="get",
        paths=(f"{ONE}/messages",),
        tag=RESPONSES,
        summary="List what was said in a session (Jockey)",
        text="Ours: the hosted service does not have it. Oldest first.",
        parameters=(OF_SESSION, *PAGED),
        replies=(Reply(text="A page.", shape=JockeyPageBody[JockeySaidBody], example=page_of(SAID)),),
        errors={**ANY, **NO_SESSION},
        envelope=JOCKEY,
    ),
)
