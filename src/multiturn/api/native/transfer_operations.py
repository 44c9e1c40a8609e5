"""What can be asked of export and import in the native API, described."""

from __future__ import annotations

from typing import Any

from multiturn.api import examples
from multiturn.api.description import ANY, Body, Example, Operation, Parameter, Reply
from multiturn.api.native.operations import SESSION_ID
from multiturn.api.native.session_operations import SESSION
from multiturn.api.native.transfer_lines import BODY_BYTES_MAX, MIB
from multiturn.api.native.transfer_parse import FORMATS
from multiturn.api.native.transfer_wire import ImportBody, ImportLine
from multiturn.api.parameters import NAME, USER

DOCUMENTS = Parameter(
    name="documents",
    place="query",
    schema={"type": "string", "enum": ["false", "true"], "default": "false"},
    text="Whether the session's documents are exported too.",
)

FORMAT = Parameter(
    name="format",
    place="query",
    schema={"type": "string", "enum": list(FORMATS)},
    text="`multiturn`: what an export gave; `messages`: chat messages, one a line, each with a `created_at` or none; "
    "`openai_chat`: the `conversations.json` of an OpenAI chat export, each conversation a session under its id. "
    "Found out by the first line unless it is named.",
)

EXTERNAL_ID = Parameter(
    name="external_id",
    place="query",
    schema=NAME,
    text="The client's name of the session, for the import of one; else the name that it had, if it had one.",
)

MESSAGE = Example(
    name="message",
    title="A history of one message",
    body={"role": "user", "content": examples.ASKED, "created_at": "2026-11-20T18:04:00Z"},
)

IMPORTED: dict[str, Any] = {
    **SESSION,
    "imported": [{"id": examples.SESSION["id"], "external_id": examples.SESSION_NAME, "items": 2}],
    "left_out": [],
}

OPERATIONS = (
    Operation(
        name="exportSession",
        method="get",
        paths=("/v1/sessions/{session_id}/export",),
        tag="Sessions",
        summary="Export a session",
        text="Everything that is stored of it as JSON Lines: the session, then a line an item (of every branch; a fork "
        "is written out whole), a line a run with what its model was shown, a line a document if asked for, and a last "
        "line of type `end`. Where that is missing the session was cleared or deleted meanwhile. docs/import-export.md "
        "describes the lines.",
        parameters=(SESSION_ID, DOCUMENTS, USER),
        replies=(Reply(text="The lines.", media="application/jsonl"),),
        errors={**ANY, 404: ("session_not_found",)},
    ),
    Operation(
        name="importSessions",
        method="post",
        paths=("/v1/sessions/import",),
        tag="Sessions",
        summary="Import a session",
        text="The body is JSON Lines as `export` gives them, with new ids of session, runs and documents; or another "
        f"format. It is read as it arrives, and has at most {BODY_BYTES_MAX // MIB} MiB. Nobody sees anything of it "
        "before all of it is there. A line that is wrong is a 400 that names it, and nothing is imported then.",
        parameters=(FORMAT, EXTERNAL_ID, USER),
        body=Body(shape=ImportLine, examples=(MESSAGE,)),
        replies=(
            Reply(
                text="The session; the first one, where there were several.",
                status=201,
                shape=ImportBody,
                example=IMPORTED,
            ),
        ),
        errors={
            **ANY,
            400: (*ANY[400], "import_broken", "incomplete_body"),
            409: ("session_exists",),
            413: ("request_too_large",),
        },
    ),
)
