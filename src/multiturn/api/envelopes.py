"""Errors of dialects that do not write them as OpenAI does: which paths they are of, their statuses and their shape."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from multiturn.api.error_codes import CODES
from multiturn.errors import MultiturnError, UpstreamRefused


@dataclass(frozen=True, slots=True)
class Envelope:
    """A dialect's errors: the struct that describes them, the status of a code of ours, and a body."""

    shape: type[Struct]
    find_status: Callable[[str], int]
    write: Callable[[MultiturnError], dict[str, Any]]

    def status_of(self, error: MultiturnError) -> int:
        """The status of an error; a provider's refusal for too many requests keeps its own."""
        if isinstance(error, UpstreamRefused) and error.status == 429:
            return 429
        return self.find_status(error.code)


class JulepDetailBody(Struct, kw_only=True):
    """One thing that is wrong with a request."""

    type: Annotated[str, Meta(description="`missing`, or `value_error`.")]
    msg: Annotated[str, Meta(description="What is wrong and what would be right.")]
    loc: Annotated[str, Meta(description="Where: `body.…`, `query.…` or `header.…`.")]


class JulepErrorFactsBody(Struct, kw_only=True, omit_defaults=True):
    """What is wrong, as Julep says it."""

    message: Annotated[str, Meta(description="A text for a person. It may change.")]
    code: Annotated[
        str,
        Meta(
            description="As Julep's server wrote it: `http_404` and the like, `validation_error`, `prompt_too_big`, "
            "`llm_bad_request`, `llm_api_error`."
        ),
    ]
    type: Annotated[str | None, Meta(description="The name of Julep's class, else `http_error`.")] = None
    reason: Annotated[str | None, Meta(description="Our own code, which is stable: see the table of errors.")] = None
    fix: Annotated[str | None, Meta(description="What to do about it.")] = None
    details: Annotated[list[JulepDetailBody] | None, Meta(description="Of `validation_error`: what and where.")] = None


class JulepErrorBody(Struct, kw_only=True):
    """An error, in Julep's envelope."""

    error: JulepErrorFactsBody


# A request that does not fit its schema was a 422 there, a bad key a 403 (contracts/julep 1.7).
UNPROCESSABLE = frozenset({"invalid_request", "invalid_json", "incomplete_body"})
TOO_BIG = frozenset({"context_length_exceeded"})
CLASSES: Mapping[str, str] = {
    "session_not_found": "SessionNotFoundError",
    "agent_not_found": "AgentNotFoundError",
    "user_not_found": "UserNotFoundError",
    "document_not_found": "DocNotFoundError",
    "tool_not_found": "ToolNotFoundError",
}
IN_HEADERS = ("x-", "idempotency-key")


def find_julep_status(code: str) -> int:
    """The status that Julep gave what we call so."""
    if code in UNPROCESSABLE:
        return 422
    if code == "upstream_refused":
        return 400
    ours = CODES.get(code, CODES["internal_error"]).status or 500
    return 403 if ours == 401 else ours


def write_julep(error: MultiturnError) -> dict[str, Any]:
    """An error in Julep's envelope."""
    code, status = error.code, find_julep_status(error.code)
    if code in UNPROCESSABLE:
        facts = {"message": "Validation error", "code": "validation_error", "details": [write_detail(error)]}
    elif code in TOO_BIG:
        fix = "Reduce the size of your prompt, or let the server cut the history (`context_overflow`)."
        facts = {"message": error.message, "code": "prompt_too_big", "type": "PromptTooBigError", "fix": fix}
    elif code == "upstream_refused":
        fix = "Check the request: the text has the provider's reason."
        facts = {"message": error.message, "code": "llm_bad_request", "type": "LLMServiceBadRequest", "fix": fix}
    elif code.startswith("upstream_"):
        facts = {
            "message": error.message,
            "code": "llm_api_error",
            "type": "LLMServiceError",
            "fix": CODES[code].advice,
        }
    else:
        text = "Could not validate API KEY" if error.kind == "unauthenticated" else error.message
        facts = {"message": text, "code": f"http_{status}", "type": CLASSES.get(code, "http_error")}
    return {"error": {**facts, "reason": code}}


def write_detail(error: MultiturnError) -> dict[str, str]:
    """What is wrong and where; a field that is named without its place is one of the body."""
    where = error.param or "body"
    if where.lower().startswith(IN_HEADERS):
        where = f"header.{where}"
    elif not where.startswith(("body", "query.", "path.")):
        where = f"body.{where}"
    kind = "missing" if "missing" in error.message or "required" in error.message else "value_error"
    return {"type": kind, "msg": error.message, "loc": where}


JULEP = Envelope(JulepErrorBody, find_julep_status, write_julep)
JULEP_PATH = "/julep/api"


class JockeyErrorBody(Struct, kw_only=True, omit_defaults=True):
    """An error, in TwelveLabs' envelope."""

    code: Annotated[
        str,
        Meta(
            description="As TwelveLabs writes it: `parameter_invalid`, `parameter_not_provided`, `api_key_invalid`, "
            "`api_not_allowed`, `resource_not_exist`, `too_many_requests`, `request_canceled_or_timed_out`; else ours."
        ),
    ]
    message: Annotated[str, Meta(description="A text for a person: what is wrong and what to do. It may change.")]
    reason: Annotated[str | None, Meta(description="Our own code, which is stable: see the table of errors.")] = None
    param: Annotated[str | None, Meta(description="The field or parameter that is wrong.")] = None


# What has another status there than here (contracts/twelvelabs 3).
JOCKEY_STATUSES: Mapping[str, int] = {
    "ingestion_config_invalid": 422,
    "page_token_expired": 410,
    "upstream_refused": 400,
}
MISSING = re.compile(r"missing required field|' is missing")
JOCKEY_CODES: Mapping[int, str] = {
    401: "api_key_invalid",
    403: "api_not_allowed",
    404: "resource_not_exist",
    422: "parameter_invalid",
    429: "too_many_requests",
    504: "request_canceled_or_timed_out",
}


def find_jockey_status(code: str) -> int:
    """The status that TwelveLabs gives what we call so: too much of anything is a wrong parameter there."""
    ours = CODES.get(code, CODES["internal_error"]).status or 500
    return JOCKEY_STATUSES.get(code, 400 if ours == 413 else ours)


def write_jockey(error: MultiturnError) -> dict[str, Any]:
    """An error in TwelveLabs' envelope, which is flat."""
    status = JOCKEY.status_of(error)
    code = JOCKEY_CODES.get(status, error.code)
    if status == 400:
        code = "parameter_not_provided" if MISSING.search(error.message) else "parameter_invalid"
    facts = {"code": code, "message": error.message, "reason": error.code}
    return {**facts, "param": error.param} if error.param else facts


JOCKEY = Envelope(JockeyErrorBody, find_jockey_status, write_jockey)


class PowabaseErrorBody(Struct, kw_only=True, omit_defaults=True):
    """An error, in Powabase's envelope."""

    error: Annotated[str, Meta(description="A text for a person: what is wrong and what to do. It may change.")]
    code: Annotated[str | None, Meta(description="Our own code, which is stable: see the table of errors.")] = None
    param: Annotated[str | None, Meta(description="The field or parameter that is wrong.")] = None
    run_id: Annotated[str | None, Meta(description="The run that failed.")] = None


# What Powabase's server says in words that clients compare (contracts/powabase 2.1, 2.2).
POWABASE_TEXTS: Mapping[str, str] = {
    "missing_api_key": "Authorization header required",
    "session_not_found": "Session not found",
    "agent_not_found": "Agent not found",
    "run_not_found": "Run not found",
    "context_handler_not_found": "Context handler not found",
    "run_not_waiting": "Run not found or not waiting for approval",
    "invalid_json": "Request body must be valid JSON",
}


# What has another status there than here: a request for what is not there is not wrong (contracts/powabase 2.3).
POWABASE_STATUSES: Mapping[str, int] = {"not_implemented": 501, "run_not_waiting": 404}


def find_powabase_status(code: str) -> int:
    """The status of a code in this dialect."""
    ours = CODES.get(code, CODES["internal_error"]).status or 500
    return POWABASE_STATUSES.get(code, ours)


def write_powabase(error: MultiturnError) -> dict[str, Any]:
    """An error in Powabase's envelope, which is flat."""
    facts = {"error": POWABASE_TEXTS.get(error.code, error.message), "code": error.code}
    return {**facts, "param": error.param} if error.param else facts


POWABASE = Envelope(PowabaseErrorBody, find_powabase_status, write_powabase)


# The longer path first: chat completions below Powabase's base are in OpenAI's envelope (DESIGN 8.18).
class McpErrorDataBody(Struct, kw_only=True, omit_defaults=True):
    """What a program can go by."""

    code: Annotated[str, Meta(description="Our own code, which is stable: see the table of errors.")]
    param: Annotated[str | None, Meta(description="The field, argument or header that is wrong.")] = None
    supported: Annotated[list[str], Meta(description="The revisions of the protocol that are spoken here.")] = []
    requested: Annotated[str | None, Meta(description="The revision that was asked for.")] = None


class McpErrorFactsBody(Struct, kw_only=True):
    """What is wrong, as JSON-RPC says it."""

    code: Annotated[
        int,
        Meta(
            description="-32700 no JSON, -32600 no message, -32601 no such method, -32602 wrong parameters, -32603 a "
            "bug; -32020 headers and body disagree, -32022 not our revision; -32000 all else."
        ),
    ]
    message: Annotated[str, Meta(description="A text for a person. It may change.")]
    data: McpErrorDataBody


class McpErrorBody(Struct, kw_only=True):
    """An error of the Model Context Protocol (JSON-RPC 2.0)."""

    jsonrpc: Literal["2.0"]
    id: Annotated[int | str | None, Meta(description="The request's; null where it could not be read.")]
    error: McpErrorFactsBody


MCP_CODES: Mapping[str, int] = {
    "invalid_json": -32700,
    "incomplete_body": -32700,
    "mcp_message_wrong": -32600,
    "mcp_method_unknown": -32601,
    "invalid_request": -32602,
    "internal_error": -32603,
    "mcp_header_mismatch": -32020,
    "mcp_version_unsupported": -32022,
}


def find_mcp_status(code: str) -> int:
    """The status of a code: our own."""
    return CODES.get(code, CODES["internal_error"]).status or 500


def write_mcp(error: MultiturnError) -> dict[str, Any]:
    """An error as JSON-RPC writes it."""
    data = {"code": error.code, **({"param": error.param} if error.param else {})}
    facts = {"code": MCP_CODES.get(error.code, -32000), "message": error.message, "data": data}
    return {"jsonrpc": "2.0", "id": None, "error": facts}


MCP = Envelope(McpErrorBody, find_mcp_status, write_mcp)

ENVELOPES: Mapping[str, Envelope | None] = {
    "/mcp": MCP,
    JULEP_PATH: JULEP,
    "/v1.3": JOCKEY,
    "/api/publicLLM": None,
    "/api/v1": None,
    "/api": POWABASE,
}


def find_envelope(path: str) -> Envelope | None:
    """The envelope of a path; None for OpenAI's, which all others speak."""
    return next((one for base, one in ENVELOPES.items() if path == base or path.startswith(base + "/")), None)
