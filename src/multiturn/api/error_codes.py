"""Every error code of the server: its status, what it means, what to do.

``/openapi.json`` and ``/docs`` show them; ``python -m multiturn.api.error_codes > docs/errors.md`` writes the page.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from multiturn.api.access_error_codes import ACCESS
from multiturn.api.error_code import ErrorCode
from multiturn.api.knowledge_error_codes import KNOWLEDGE
from multiturn.api.mcp_error_codes import MCP_REFUSALS
from multiturn.api.run_error_codes import RUNS
from multiturn.api.tool_error_codes import TOOLS

REQUEST = (
    ErrorCode(
        "invalid_request",
        400,
        "A field, a header or a parameter is wrong.",
        "Correct what `param` names; see the text.",
    ),
    ErrorCode(
        "invalid_json",
        400,
        "The body is not JSON in UTF-8, is no object where one is needed, or is nested deeper than 100 levels.",
        "Correct the body; the text says at which byte it fails.",
    ),
    ErrorCode(
        "import_broken",
        400,
        "A line of an import is wrong, or something is missing. Nothing was imported.",
        "Correct the line that the text names.",
    ),
    ErrorCode(
        "schema_not_supported",
        400,
        "A JSON schema for structured output holds what answers cannot be held to.",
        "Change what `param` names; the text says what is supported.",
    ),
    ErrorCode("incomplete_body", 400, "The body ended before it was all there.", "Send the request again."),
    ErrorCode(
        "not_implemented",
        400,
        "The request asks for what this version cannot do yet.",
        "Leave the field out that `param` names.",
    ),
    ErrorCode(
        "not_storable",
        400,
        "The database cannot hold a text of the request (PostgreSQL: one with a NUL character).",
        "Take that character out.",
    ),
    ErrorCode(
        "context_length_exceeded",
        400,
        "The conversation does not fit the model's window: with `context_overflow=error`, or although it was cut.",
        "Let the server cut it (`context_overflow=truncate`), send less, begin a new session, or take another model.",
    ),
    ErrorCode(
        "nothing_to_answer",
        400,
        "All messages of the request are in the session's history already, and none of them can be answered again.",
        "Send a new message.",
    ),
    ErrorCode(
        "unknown_tool_call",
        400,
        "A tool's result belongs to no call in the session.",
        "Send the id that the model gave its call, or the assistant's message with the call before the result.",
    ),
    ErrorCode(
        "unknown_seq",
        400,
        "A session is to be forked at an item that its active branch does not have.",
        "Take the `seq` of an item that `GET …/items` lists.",
    ),
    ErrorCode(
        "agent_not_in_session",
        400,
        "A turn names an agent that does not take part in its session.",
        "Name one of the session's agents, or none: then the first answers.",
    ),
    ErrorCode(
        "unknown_session",
        400,
        "In Jockey's dialect, a question names a session that is not there.",
        "Leave `session_id` out: a new session begins.",
    ),
    ErrorCode(
        "session_store_mismatch",
        400,
        "In Jockey's dialect, a question asks another knowledge store than the one that its session belongs to.",
        "Ask the session's knowledge store, or leave `session_id` out.",
    ),
    ErrorCode(
        "page_token_expired",
        400,
        "A token of a page of search results is older than an hour. In Jockey's dialect the status is 410.",
        "Search anew.",
    ),
    ErrorCode(
        "invalid_participant",
        400,
        "In Julep's dialect, a session names no agent, names agents or users in two fields, or one that is not there.",
        "Name at least one agent that is there, in one of the fields that mean the same.",
    ),
    ErrorCode(
        "template_error",
        400,
        "A template cannot be read or rendered: the text names the line and what is wrong.",
        "Correct the template. With `render_templates`, a user's message is one too.",
    ),
    ErrorCode(
        "key_exists", 400, "A key is to be made with a secret that is a key already.", "Take another secret, or none."
    ),
    ErrorCode(
        "not_found",
        404,
        "There is no such path.",
        "Look at `/docs`. In a path, a name that holds a slash cannot be given: take our id.",
    ),
    ErrorCode(
        "session_not_found",
        404,
        "There is no such session: it never was, it expired, it was deleted, or it is not the caller's.",
        "List the sessions. A turn makes the session that it names.",
    ),
    ErrorCode(
        "document_not_found",
        404,
        "There is no such document, or it is not among those of the session, agent or user that the path names.",
        "List its documents.",
    ),
    ErrorCode(
        "agent_not_found",
        404,
        "There is no such agent, or no such version of it.",
        "List the agents. A path takes our id or the canonical name.",
    ),
    ErrorCode(
        "user_not_found",
        404,
        "There is no such user, or it is not the one that the key acts for.",
        "List the users. A path takes our id or the external id.",
    ),
    ErrorCode(
        "context_not_found",
        404,
        "What the run's model was shown is not known: the turn was not stored (`save=false`), or did not get that far.",
        "Look at another run of the session, or at the session's context as it is now.",
    ),
    ErrorCode("run_not_found", 404, "There is no such run, or it is not the caller's.", "List the session's runs."),
    ErrorCode(
        "model_not_found",
        404,
        "No upstream serves this model.",
        "Take one of the names in the text, or give it an alias (`MULTITURN_MODEL_ALIASES`).",
    ),
    ErrorCode("key_not_found", 404, "There is no such key, or it is revoked already.", "List the tenant's keys."),
    ErrorCode("tenant_not_found", 404, "There is no such tenant.", "A key that is made for it makes it."),
    ErrorCode(
        "method_not_allowed", 405, "The path is there, this method is not.", "The header `Allow` has those that are."
    ),
    ErrorCode(
        "session_exists",
        409,
        "The external id is another session's of the same user.",
        "Take another name, or use that session.",
    ),
    ErrorCode(
        "session_busy",
        409,
        "Another turn of the session runs, and this one was not to wait (`concurrency=reject`).",
        "Send it again later, or with `concurrency=queue`.",
    ),
    ErrorCode(
        "idempotency_key_reused",
        409,
        "The `Idempotency-Key` was used within 24 hours with another body.",
        "Take a new key for a new request.",
    ),
    ErrorCode(
        "document_exists",
        409,
        "The session, agent or user has a document of this title and content already; the text has its id.",
        "Take that document, or change the title.",
    ),
    ErrorCode(
        "agent_exists", 409, "Another agent of the tenant has this canonical name, or this id.", "Take another name."
    ),
    ErrorCode("user_exists", 409, "Another user of the tenant has this external id.", "Take another, or change that."),
    ErrorCode(
        "session_deleted",
        409,
        "The session was deleted while the turn began.",
        "Send it again: it makes a new session.",
    ),
    ErrorCode(
        "turn_conflict",
        409,
        "The session was deleted, or another server took it over, while the turn ran. Nothing of it was stored.",
        "Send it again.",
    ),
    ErrorCode("run_cancelled", 409, "The run was cancelled before it had an answer.", "None: somebody asked for it."),
    ErrorCode("conflict", 409, "The state of the thing does not allow this now.", "Look at it, then decide."),
    ErrorCode(
        "request_too_large",
        413,
        "The body is over the limit, `MULTITURN_BODY_BYTES_MAX`: 32 MiB unless it is set.",
        "Send less, or raise the limit.",
    ),
    ErrorCode(
        "document_too_large",
        413,
        "The content of a document has more than 1,000,000 characters.",
        "Cut it into several documents.",
    ),
    ErrorCode(
        "documents_full",
        413,
        "The documents of this session, agent or user would have more than 50,000 chunks of about 1,000 characters.",
        "Delete some of them, or give them to several agents.",
    ),
    ErrorCode(
        "queue_full",
        429,
        "As many turns wait for the session as may: `MULTITURN_QUEUE_MAX`.",
        "Wait as long as `Retry-After` says.",
    ),
    ErrorCode(
        "model_busy",
        429,
        "As many requests wait for the embedded model as may: `MULTITURN_MODEL_QUEUE_MAX`.",
        "Wait as long as `Retry-After` says.",
    ),
    ErrorCode(
        "server_busy",
        429,
        "As many turns run and wait on this server as it takes.",
        "Wait as long as `Retry-After` says.",
    ),
    ErrorCode("rate_limit_exceeded", 429, "Too many requests at once.", "Wait as long as `Retry-After` says."),
)

SERVER = (
    ErrorCode(
        "internal_error",
        500,
        "A bug of the server. Nothing of the request was stored but, for a turn, its run.",
        "Report it with the line of the server's log that has the `X-Request-Id`.",
    ),
    ErrorCode(
        "upstream_error", 502, "The model's provider failed.", "Try again later; the text has the provider's reason."
    ),
    ErrorCode(
        "upstream_refused",
        502,
        "The provider refused the request. Its own status and its own error are passed on; this code stands in a run.",
        "Correct what the provider names.",
    ),
    ErrorCode(
        "upstream_unauthorized",
        502,
        "The provider refused the server's key.",
        "The operator sets `MULTITURN_UPSTREAM_KEY`.",
    ),
    ErrorCode(
        "upstream_unreachable",
        502,
        "The provider cannot be connected to.",
        "The operator checks `MULTITURN_UPSTREAM_URL`.",
    ),
    ErrorCode(
        "upstream_cut_off", 502, "The provider's answer broke off.", "Send the turn again: the history is as it was."
    ),
    ErrorCode("upstream_invalid", 502, "The provider's answer cannot be read.", "The operator checks what it speaks."),
    ErrorCode(
        "schema_not_met",
        502,
        "The model was asked three times and its answer never fitted the JSON schema of the request.",
        "Simplify the schema, describe its properties, or ask a larger model. The history is as it was.",
    ),
    ErrorCode("upstream_too_large", 502, "The provider's answer is over 64 MiB.", "Ask for a shorter answer."),
    ErrorCode(
        "model_crashed", 502, "The embedded model's process ended in mid-answer.", "Send it again; it starts anew."
    ),
    ErrorCode(
        "upstream_unavailable",
        503,
        "The provider failed repeatedly and is left alone for a moment.",
        "Wait as long as `Retry-After` says.",
    ),
    ErrorCode(
        "model_not_ready",
        503,
        "The embedded model is loading, being downloaded, or does not start.",
        "Wait as long as `Retry-After` says; `GET /healthz` has its state.",
    ),
    ErrorCode(
        "embedder_busy",
        503,
        "As many calls wait for the embedding model as may.",
        "Wait as long as `Retry-After` says.",
    ),
    ErrorCode(
        "queue_timeout",
        503,
        "Other turns of the session took longer than a turn waits: `MULTITURN_QUEUE_WAIT_S`.",
        "Wait as long as `Retry-After` says.",
    ),
    ErrorCode("turn_timeout", 503, "The turn took longer than `MULTITURN_TURN_S`.", "Ask for less at once."),
    ErrorCode(
        "interrupted",
        503,
        "The server stopped while the turn ran. What was said up to then is in its run; the history is as it was.",
        "Send it again.",
    ),
    ErrorCode(
        "storage_failed", 503, "The database could not store it, and nothing was stored.", "Try again; look at the log."
    ),
    ErrorCode(
        "embeddings_unavailable",
        503,
        "A search by vectors alone needs the text as a vector, and no embedding model can make one now.",
        "Search by words (`mode: text`) or both (`hybrid`), send a `vector`, or look at `/healthz`.",
    ),
    ErrorCode("unavailable", 503, "A part of the server cannot answer now.", "Try again later."),
    ErrorCode(
        "upstream_timeout",
        504,
        "The provider did not connect, begin or go on in time.",
        "Try again later, or raise `MULTITURN_FIRST_TOKEN_S` or `MULTITURN_IDLE_S`.",
    ),
)

COMMAND_LINE = (
    ErrorCode("invalid_setting", None, "A setting is wrong.", "Correct what the text names."),
    ErrorCode("unknown_setting", None, "There is no such setting.", "The text lists those that there are."),
    ErrorCode(
        "address_unusable",
        None,
        "The server cannot listen there.",
        "Stop what does, or take another `--port` or `--host`.",
    ),
    ErrorCode(
        "server_unreachable", None, "No server answers at this address.", "Start it, or name another with `--url`."
    ),
    ErrorCode("directory_unusable", None, "The data directory cannot be used.", "Correct its rights, or name another."),
    ErrorCode(
        "directory_in_use", None, "Another server owns the data directory.", "Stop that one, or name another directory."
    ),
    ErrorCode("database_unusable", None, "The database cannot be opened.", "Check `MULTITURN_DATABASE_URL`."),
    ErrorCode(
        "database_too_new", None, "A newer version wrote the database.", "Start that version, or name another database."
    ),
    ErrorCode(
        "model_pull_failed", None, "The model's file cannot be had.", "The text has what was tried, and why it failed."
    ),
    ErrorCode(
        "model_file_invalid", None, "The model's file is not what it should be.", "Delete it, and pull it again."
    ),
    ErrorCode("disk_full", None, "There is no room for the model's file.", "Make room, or take a smaller model."),
)

ALL = (*ACCESS, *REQUEST, *TOOLS, *RUNS, *KNOWLEDGE, *MCP_REFUSALS, *SERVER, *COMMAND_LINE)
CODES: Mapping[str, ErrorCode] = {code.name: code for code in ALL}

PAGE = """# Errors

Written by `python -m multiturn.api.error_codes > docs/errors.md`.

Every error is in OpenAI's envelope; `code` is stable, `message` is for people and may change, `param` names the field,
header or parameter that is wrong, or is null:

```json
{"error": {"message": "There is no such session.", "type": "invalid_request_error", "param": "session_id",
           "code": "session_not_found"}}
```

- A thing of another tenant or user is answered as one that does not exist, to the byte.
- `Retry-After` (seconds) stands where waiting helps. A 409 has `x-should-retry: false`, as the official clients would
  send it again by themselves.
- An error before the first frame of a stream has its own status; after it, it is the last frame, in the same envelope.
- Every response has an `X-Request-Id`; the server's log has the same.
- A provider's own refusal keeps its status and its body.
- Below `/julep/api` errors are in Julep's envelope, with the code as `reason`, and some statuses are Julep's: 422 for
  what does not fit its schema, 403 for a key that is wrong (docs/julep.md).
- Below `/api`, but for `/api/publicLLM` and `/api/v1`, errors are in Powabase's envelope, and what is not implemented
  is a 501: `{"error": "<text>", "code": "<code>"}` (docs/powabase.md).
"""


def write_page() -> str:
    """The page ``docs/errors.md``."""
    parts = [
        PAGE,
        write_section("Who asks", ACCESS),
        write_section("The request", REQUEST),
        write_section("Agents' tools, runs and approvals", (*TOOLS, *RUNS)),
        write_section("Files and knowledge", KNOWLEDGE),
        write_section("Model Context Protocol", MCP_REFUSALS),
        write_section("The server, and the model's provider", SERVER),
        write_section("The command line", COMMAND_LINE),
    ]
    return "\n".join(parts)


def write_section(title: str, codes: Sequence[ErrorCode]) -> str:
    """A heading and a table."""
    has_status = any(code.status for code in codes)
    head = ["code", "status", "what it means", "what to do"] if has_status else ["code", "what it means", "what to do"]
    rows = [head, ["---"] * len(head)]
    rows += [
        [f"`{code.name}`", *([str(code.status)] if has_status else []), code.meaning, code.advice] for code in codes
    ]
    return f"## {title}\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(write_page())
