"""What can be asked of Powabase's runs, described."""

from __future__ import annotations

from typing import Any

from multiturn.api import examples
from multiturn.api.description import ANY, PROVIDER, SSE, Body, Example, Operation, Parameter, Reply
from multiturn.api.envelopes import POWABASE
from multiturn.api.parameters import OPTIONAL_NAME, USER
from multiturn.api.powabase.described import (
    AGENT_ID,
    AT,
    BASE,
    ENDED,
    OF_AGENT,
    OF_RUN,
    RUN_ID,
    RUNS,
    SESSION_ID,
    WRITES,
)
from multiturn.api.powabase.run_wire import (
    PowabaseApprovalBody,
    PowabaseApprovedBody,
    PowabaseEventBody,
    PowabaseRunAnswerBody,
    PowabaseRunBody,
    PowabaseRunOrderBody,
)

ONE = f"{BASE}/agents/{{agent_id}}"
IDEMPOTENCY = Parameter(
    name="Idempotency-Key",
    place="header",
    schema=OPTIONAL_NAME,
    text="A request with the same key and body within 24 hours is answered by the run that the first one began.",
)
USAGE = {"prompt_tokens": 21, "completion_tokens": 14, "reasoning_tokens": 0, "cached_tokens": 0, "total_tokens": 35}
CITATION: dict[str, Any] = {
    "key": "1",
    "item_id": "01a1fc90-fa72-8c0d-9a11-4b6f2a000000",
    "source_id": "01a1fc90-fa73-7a44-8b3c-1f2e3d4c5b6a",
    "source_name": "trams.md",
    "text_excerpt": "Tram 28 runs from Martim Moniz to Campo de Ourique.",
    "meta": {"heading": "Trams"},
    "knowledge_base_id": "01a1fc90-fa71-7b0a-b1c6-5d0c7d1f9a21",
}
CHUNK: dict[str, Any] = {
    "_type": "text_embedding_chunk",
    "id": CITATION["item_id"],
    "key": "1",
    "text": CITATION["text_excerpt"],
    "score": 0.84,
    "retrieval_score": 0.71,
    "reranker_score": 0.84,
    "source_id": CITATION["source_id"],
    "source_name": "trams.md",
    "knowledge_base_id": CITATION["knowledge_base_id"],
    "kb_name": "Lisbon",
    "indexing_strategy": "chunk_embed",
    "retrieval_method": "hybrid",
    "meta": {"heading": "Trams"},
    "included_in_context": True,
}
DIAGNOSTICS: dict[str, Any] = {
    "_type": "retrieval_diagnostics",
    "total_items": 1,
    "items_included": 1,
    "items_dropped": 0,
    "token_limit": 7168,
    "estimated_tokens_used": 40,
    "included_indices": [0],
    "format_mode": "flat",
    "query": "Which tram must I take?",
}
TEXT = f"{examples.ANSWERED} [1]"
ANSWER: dict[str, Any] = {
    "run_id": RUN_ID,
    "session_id": SESSION_ID,
    "context_handler_id": None,
    "content": TEXT,
    "error": None,
    "usage": USAGE,
    "retrieved_items": 1,
    "status": "completed",
    "is_new_session": True,
    "steps": 1,
    "tool_calls": [],
    "citations": [CITATION],
}
RUN: dict[str, Any] = {
    "id": "01a1fc90-fa6f-7167-9e60-a75f4edb5903",
    "run_id": RUN_ID,
    "session_id": examples.SESSION_ID,
    "context_handler_id": None,
    "parent_orchestration_run_id": None,
    "parent_workflow_execution_id": None,
    "status": "completed",
    "input_messages": [{"role": "user", "content": examples.ASKED}],
    "output_messages": [{"role": "assistant", "content": TEXT}],
    "content": TEXT,
    "usage": USAGE,
    "error": None,
    "started_at": AT,
    "completed_at": ENDED,
    "created_at": AT,
    "steps": 1,
    "events": [],
    "tool_calls": [],
    "reasoning_steps": [],
    "agent_id": AGENT_ID,
    "model": examples.MODEL,
    "cost_usd": None,
    "citations": [CITATION],
}
EVENTS = (
    f'data: {{"event":"start","run_id":"{RUN_ID}","session_id":"{SESSION_ID}","context_handler_id":null,'
    '"reasoning_requested":false}\n\n'
    'data: {"event":"step_started","step":1,"is_last_step":true}\n\n'
    'data: {"event":"content_delta","type":"content_delta","delta":"Belém."}\n\n'
    'data: {"event":"step_completed","step":1,"finish_reason":"stop","has_tool_calls":false}\n\n'
    'data: {"event":"chunk","content":"Belém."}\n\n'
    f'data: {{"event":"complete","run_id":"{RUN_ID}","session_id":"{SESSION_ID}","content":"Belém.",'
    '"status":"completed","error":null,"steps":1,"tool_calls":[],"usage":null}\n\n'
)
ASK = Example(name="run", title="A message in a new session", body={"message": examples.ASKED})
GO_ON = Example(
    name="next",
    title="The next one, in the session of the first",
    body={"message": "And if it rains?", "session_id": SESSION_ID},
)
FAILURES: dict[int, tuple[str, ...]] = {
    **WRITES,
    **PROVIDER,
    400: (*WRITES[400], "not_implemented", "context_length_exceeded", "agent_not_in_session", "template_error"),
    404: (
        "agent_not_found",
        "session_not_found",
        "store_not_found",
        "model_not_found",
        "item_not_found",
        "asset_not_found",
        "not_found",
    ),
    409: (
        "session_busy",
        "session_exists",
        "idempotency_key_reused",
        "session_deleted",
        "turn_conflict",
        "run_cancelled",
        "run_waiting",
        "conflict",
    ),
    413: ("request_too_large", "run_limit_reached"),
    429: ("quota_exceeded", "queue_full", "model_busy", "server_busy"),
    502: (*PROVIDER[502], "upstream_refused"),
    503: (
        "upstream_unavailable",
        "model_not_ready",
        "queue_timeout",
        "turn_timeout",
        "interrupted",
        "storage_failed",
        "jwks_unavailable",
    ),
}

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        name="powabaseRun",
        method="post",
        paths=(f"{ONE}/run",),
        tag=RUNS,
        summary="Run an agent (Powabase)",
        text="A run whose tool waits for a person's word is told as it stands, with `waiting_for_approval`, and goes "
        "on by itself when the word is there. A failure names its `run_id`.",
        parameters=(OF_AGENT, IDEMPOTENCY, USER),
        body=Body(shape=PowabaseRunOrderBody, examples=(ASK, GO_ON)),
        replies=(Reply(text="The answer.", shape=PowabaseRunAnswerBody, example=ANSWER),),
        errors=FAILURES,
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseRunStream",
        method="post",
        paths=(f"{ONE}/run/stream",),
        tag=RUNS,
        summary="Run an agent, as a stream (Powabase)",
        text="`start` is first: the session and the run are stored. `complete` is last. Among the events between are "
        "`step_started`, `content_delta`, `reasoning_delta`, `reasoning`, `tool_call`, `tool_result`, "
        "`approval_requested`, `step_completed`, `chunk` (the whole text) and `error`. A comment stands for 30 seconds "
        "of silence. A client that goes away does not stop the run.",
        parameters=(OF_AGENT, IDEMPOTENCY, USER),
        body=Body(shape=PowabaseRunOrderBody, examples=(ASK, GO_ON)),
        replies=(
            Reply(text="What happens, as it happens.", media=SSE, events=PowabaseEventBody, events_example=EVENTS),
        ),
        errors=FAILURES,
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseGetRun",
        method="get",
        paths=(f"{BASE}/agents/runs/{{run_id}}",),
        tag=RUNS,
        summary="Get a run (Powabase)",
        text="`session_id` is the session's UUID here. `retrieved_context` begins with its diagnostics.",
        parameters=(OF_RUN, USER),
        replies=(
            Reply(
                text="The run.",
                shape=PowabaseRunBody,
                example={**RUN, "retrieved_context": [DIAGNOSTICS, CHUNK]},
            ),
        ),
        errors={**ANY, 404: ("run_not_found",)},
        envelope=POWABASE,
    ),
    Operation(
        name="powabaseApproveRun",
        method="post",
        paths=(f"{BASE}/agents/runs/{{run_id}}/approve",),
        tag=RUNS,
        summary="Say whether a tool may run (Powabase)",
        text="The run goes on when all its calls have a word. Another word about the same call is a 409.",
        parameters=(OF_RUN, USER),
        body=Body(
            shape=PowabaseApprovalBody,
            examples=(Example(name="yes", title="It may", body={"approved": True, "reason": "It is only a test."}),),
        ),
        replies=(Reply(text="It goes on.", shape=PowabaseApprovedBody, example={"status": "resumed"}),),
        errors={**WRITES, 404: ("call_not_found",), 409: ("run_not_waiting", "approval_given")},
        envelope=POWABASE,
    ),
)
