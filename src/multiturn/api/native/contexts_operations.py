"""What can be asked of contexts, described."""

from __future__ import annotations

from multiturn.api import examples
from multiturn.api.description import ANY, Body, Example, Operation, Parameter, Reply
from multiturn.api.native.contexts_wire import ContextBody, PreviewBody, RetrievedBody
from multiturn.api.native.operations import RUN_ID, SESSION_ID
from multiturn.api.parameters import OPTIONAL_NAME, USER

MESSAGES = Parameter(
    name="messages",
    place="query",
    schema={"type": "string", "enum": ["false", "true"], "default": "false"},
    text="`true`: with the messages themselves, as the provider gets them.",
)

MODEL = Parameter(
    name="model",
    place="query",
    schema=OPTIONAL_NAME,
    text="The model whose budget counts. Left out: that of the newest turn, else the one that a turn would ask.",
)

PARTS = [
    {"kind": "instructions", "tokens": 38, "first": None, "last": None, "is_reused": True},
    {"kind": "summary", "tokens": 120, "first": 1, "last": 84, "is_reused": True},
    {"kind": "items", "tokens": 1630, "first": 85, "last": 112, "is_reused": True},
    {"kind": "retrieved", "tokens": 96, "first": None, "last": None, "is_reused": False},
    {"kind": "input", "tokens": 14, "first": None, "last": None, "is_reused": False},
]

RETRIEVED = {
    "object": "retrieved_context",
    "query": "Which hotel did I mention at the beginning?",
    "tokens": 96,
    "took_ms": 3.1,
    "block": "<recalled>\n[From earlier in this conversation]\nuser: We stay at the Alfama.\n</recalled>\n\n",
    "snippets": [
        {
            "source": "session",
            "text": "We stay at the Alfama.",
            "number": None,
            "omitted": None,
            "score": 1.0,
            "lexical": 7.2,
            "similarity": 0.61,
            "reranked": None,
            "modality": "text",
            "place": {},
            "seq": 5,
            "speaker": "user",
            "said_at": examples.BEGAN,
            "document_id": None,
            "title": None,
            "chunk": None,
            "start": 0,
            "end": 22,
        }
    ],
}

CONTEXT = {
    "object": "context",
    "session_id": examples.SESSION_ID,
    "run_id": None,
    "strategy": "adaptive",
    "budget": 2048,
    "tokens": 1898,
    "reused_tokens": 1788,
    "shown_from": 85,
    "parts": PARTS,
    "summary": {"text": "A trip to Lisbon in May …", "first": 1, "last": 84, "model": examples.MODEL},
    "retrieved": RETRIEVED,
    "messages": None,
}

OPERATIONS = (
    Operation(
        name="getContext",
        method="get",
        paths=("/v1/sessions/{session_id}/context",),
        tag="Contexts",
        summary="Look at a session's context",
        text="What the next turn will begin with: each part with its tokens, the items that it shows, and whether the "
        "turn before had sent it already.",
        parameters=(SESSION_ID, MODEL, MESSAGES, USER),
        replies=(Reply(text="The context.", shape=ContextBody, example=CONTEXT),),
        errors={**ANY, 400: ("invalid_request", "context_length_exceeded"), 404: ("session_not_found",)},
    ),
    Operation(
        name="previewContext",
        method="post",
        paths=("/v1/sessions/{session_id}/context/preview",),
        tag="Contexts",
        summary="Preview the context of a turn",
        text="What the model would be shown if these messages were sent now, with what would be recalled for them. No "
        "model is asked and nothing is stored.",
        parameters=(SESSION_ID, MESSAGES, USER),
        body=Body(
            shape=PreviewBody,
            examples=(
                Example(
                    name="preview",
                    title="A message that was not sent yet",
                    body={"messages": [{"role": "user", "content": examples.ASKED}]},
                ),
            ),
        ),
        replies=(Reply(text="The context.", shape=ContextBody, example=CONTEXT),),
        errors={**ANY, 400: ("invalid_request", "context_length_exceeded"), 404: ("session_not_found",)},
    ),
    Operation(
        name="getRunContext",
        method="get",
        paths=("/v1/runs/{run_id}/context",),
        tag="Contexts",
        summary="Look at the context of a run",
        text="What the model was shown when the run took place.",
        parameters=(RUN_ID, USER),
        replies=(Reply(text="The context.", shape=ContextBody, example={**CONTEXT, "run_id": examples.RUN_ID}),),
        errors={**ANY, 404: ("run_not_found", "context_not_found")},
    ),
    Operation(
        name="getRetrievedContext",
        method="get",
        paths=("/v1/runs/{run_id}/retrieved-context",),
        tag="Contexts",
        summary="Look at what was found for a run",
        text="Each snippet with its scores, those that the model was not shown among them, and why.",
        parameters=(RUN_ID, USER),
        replies=(Reply(text="What was found; no snippets when nothing was.", shape=RetrievedBody, example=RETRIEVED),),
        errors={**ANY, 404: ("run_not_found",)},
    ),
)
