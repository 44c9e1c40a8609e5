"""What an agent may have of tools, reasoning and limits; and the secrets of its sources, which are kept."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from multiturn.engine.metadata import check_object, check_text
from multiturn.errors import InvalidRequest
from multiturn.model.agent import AgentBody, AgentLimits
from multiturn.model.reasoning import ReasoningOptions
from multiturn.model.tool import FunctionTool, HttpTools, KnowledgeTool, McpTools, RemoteTools, Tool

TOOLS_MAX, STORES_MAX = 100, 20
# What providers take as a tool's name (OpenAI, "Function calling"); a label is the beginning of such names.
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
LABEL = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)
DESCRIPTION_CHARS_MAX = 4000
SCHEMA_BYTES_MAX = 64 * 1024
DOCUMENT_BYTES_MAX = 1024 * 1024
WIRE_BYTES_MAX = 64 * 1024
URL_CHARS_MAX = 2000
NAMES_MAX, NAME_CHARS_MAX = 500, 255
TIMEOUT_MAX_S = 600.0
# A header's name and value (RFC 9110, 5.1 and 5.5), and those that the connection itself decides.
HEADERS_MAX, HEADER_CHARS_MAX = 32, 8192
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}", re.ASCII)
HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?|", re.ASCII)
OF_THE_CONNECTION = frozenset(
    {"host", "connection", "content-length", "content-type", "transfer-encoding", "upgrade", "mcp-session-id"}
)
IN_NO_URL = re.compile(r"[^\x21-\x7e]")
# What stands where a secret is; sent back, it means the one that is kept.
HIDDEN = "***"

STEPS_MAX = 100
TOKENS_MAX = 2**31 - 1
SECONDS_MAX = 86_400.0
COST_MAX_USD = 1_000_000.0


def check_equipment(body: AgentBody, servers: Collection[str]) -> None:
    """Raise InvalidRequest, naming the field, for tools, stores, reasoning or limits that an agent may not have.

    ``servers`` are the MCP servers that the server's settings name.
    """
    check_tools(body.tools, servers)
    if len(body.store_ids) > STORES_MAX:
        raise wrong("stores", f"must be at most {STORES_MAX}; there are {len(body.store_ids)}")
    if body.reasoning:
        check_reasoning(body.reasoning)
    check_limits(body.limits)
    check_object(body.wire, "wire", bytes_max=WIRE_BYTES_MAX)


def check_tools(tools: Sequence[Tool], servers: Collection[str]) -> None:
    """Raise InvalidRequest for a tool that is wrong, or that is there twice."""
    if len(tools) > TOOLS_MAX:
        raise wrong("tools", f"must be at most {TOOLS_MAX}; there are {len(tools)}")
    seen: set[tuple[str, str]] = set()
    for index, tool in enumerate(tools):
        where = f"tools[{index}]"
        match tool:
            case FunctionTool():
                check_function(tool, where)
                key, param = ("name", tool.name), f"{where}.name"
            case McpTools() | HttpTools():
                check_source(tool, where, servers)
                key, param = ("label", tool.label), f"{where}.label"
            case KnowledgeTool():
                key, param = ("knowledge", ""), where
        if key in seen:
            raise wrong(param, "is there already: each tool stands once" if not key[1] else f"'{key[1]}' is taken")
        seen.add(key)


def check_function(tool: FunctionTool, where: str) -> None:
    """Raise InvalidRequest for a function that no model can be told of."""
    if not NAME.fullmatch(tool.name):
        raise wrong(f"{where}.name", "must be 1 to 64 letters, digits, '_' and '-'")
    check_text(tool.description, f"{where}.description", chars_max=DESCRIPTION_CHARS_MAX)
    check_schema(tool.parameters, f"{where}.parameters")


def check_schema(schema: Mapping[str, Any], where: str) -> None:
    """Raise InvalidRequest for a schema that is not one of an object."""
    check_object(schema, where, bytes_max=SCHEMA_BYTES_MAX)
    if schema.get("type", "object") != "object":
        raise wrong(f"{where}.type", "must be 'object': the arguments of a call are an object")
    properties = schema.get("properties", {})
    if not (isinstance(properties, dict) and all(isinstance(one, dict | bool) for one in properties.values())):
        raise wrong(f"{where}.properties", "must be an object of JSON schemas")
    required = schema.get("required", [])
    if not (isinstance(required, list) and all(isinstance(name, str) for name in required)):
        raise wrong(f"{where}.required", "must be a list of names")


def check_source(tool: RemoteTools, where: str, servers: Collection[str]) -> None:
    """Raise InvalidRequest for a source of tools that cannot be used."""
    if not LABEL.fullmatch(tool.label):
        raise wrong(f"{where}.label", "must be 1 to 32 letters, digits, '_' and '-'")
    if isinstance(tool, McpTools):
        check_server(tool, where, servers)
    else:
        check_description(tool, where)
    check_headers(tool.headers, f"{where}.headers")
    for names, param in ((tool.allowed, "allowed"), (tool.approval, "approval")):
        if isinstance(names, tuple):
            check_names(names, f"{where}.{param}")
    if isinstance(tool.approval, tuple) and tool.allowed is not None:
        for name in tool.approval:
            if name not in tool.allowed:
                raise wrong(f"{where}.approval", f"names '{name}', which is not among 'allowed'")
    if not 0 < tool.timeout_s <= TIMEOUT_MAX_S:
        raise wrong(f"{where}.timeout_s", f"must be above 0 and at most {TIMEOUT_MAX_S:.0f} seconds")


def check_server(tool: McpTools, where: str, servers: Collection[str]) -> None:
    """Raise InvalidRequest unless exactly one MCP server is named."""
    if (tool.server is None) == (tool.url is None):
        raise wrong(where, "must have either 'server' or 'url'")
    if tool.url is not None:
        check_url(tool.url, f"{where}.url")
    elif tool.server not in servers:
        known = ", ".join(sorted(servers)) or "none"
        raise wrong(f"{where}.server", f"must be one that this server's settings name. They name: {known}")


def check_description(tool: HttpTools, where: str) -> None:
    """Raise InvalidRequest unless exactly one OpenAPI description is named."""
    if (tool.document is None) == (tool.url is None):
        raise wrong(where, "must have either 'document' or 'url'")
    if tool.url is not None:
        check_url(tool.url, f"{where}.url")
    if tool.base_url is not None:
        check_url(tool.base_url, f"{where}.base_url")
    if tool.document is not None:
        check_object(tool.document, f"{where}.document", bytes_max=DOCUMENT_BYTES_MAX)
        if not isinstance(tool.document.get("paths"), dict):
            raise wrong(f"{where}.document", "must be an OpenAPI description: it has no 'paths'")


def check_url(url: str, where: str) -> None:
    """Raise InvalidRequest for what is no address of an HTTP server, or holds a secret where everybody sees it."""
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_whole = False
    if not is_whole or len(url) > URL_CHARS_MAX or IN_NO_URL.search(url):
        raise wrong(where, f"must be a URL of http or https, of at most {URL_CHARS_MAX} ASCII characters")
    if "@" in parts.netloc:
        raise wrong(where, "must not hold a password, which would be shown: send it in 'headers'")


def check_headers(headers: Mapping[str, str], where: str) -> None:
    """Raise InvalidRequest for headers that cannot be sent."""
    if len(headers) > HEADERS_MAX:
        raise wrong(where, f"must be at most {HEADERS_MAX}; there are {len(headers)}")
    for name, value in headers.items():
        if not HEADER_NAME.fullmatch(name):
            raise wrong(where, f"has a name that is none of a header: {name!r:.60}")
        if name.lower() in OF_THE_CONNECTION:
            raise wrong(f"{where}.{name}", "is for the connection to say, and cannot be set")
        if len(value) > HEADER_CHARS_MAX or not HEADER_VALUE.fullmatch(value):
            raise wrong(f"{where}.{name}", f"must be at most {HEADER_CHARS_MAX} visible ASCII characters")
    if len({name.lower() for name in headers}) < len(headers):
        raise wrong(where, "names a header twice: upper and lower case are one")


def check_names(names: Sequence[str], where: str) -> None:
    """Raise InvalidRequest for a list of tools that is too long, or that holds what is no name."""
    if len(names) > NAMES_MAX:
        raise wrong(where, f"must be at most {NAMES_MAX} names; there are {len(names)}")
    for index, name in enumerate(names):
        if not name or len(name) > NAME_CHARS_MAX:
            raise wrong(f"{where}[{index}]", f"must have 1 to {NAME_CHARS_MAX} characters")
        check_text(name, f"{where}[{index}]", chars_max=NAME_CHARS_MAX)


def check_reasoning(reasoning: ReasoningOptions) -> None:
    """Raise InvalidRequest for a budget that is none."""
    budget = reasoning.budget_tokens
    if budget is not None and not 1 <= budget <= TOKENS_MAX:
        raise wrong("reasoning.budget_tokens", f"must be a number from 1 to {TOKENS_MAX}")


def check_limits(limits: AgentLimits) -> None:
    """Raise InvalidRequest for limits below anything, or above what anybody means."""
    for name, maximum in (("steps", STEPS_MAX), ("tokens", TOKENS_MAX)):
        value = getattr(limits, name)
        if value is not None and not 1 <= value <= maximum:
            raise wrong(f"limits.{name}", f"must be a number from 1 to {maximum}")
    for name, most in (("seconds", SECONDS_MAX), ("cost_usd", COST_MAX_USD)):
        amount = getattr(limits, name)
        if amount is not None and not (0 < amount <= most and math.isfinite(amount)):
            raise wrong(f"limits.{name}", f"must be above 0 and at most {most:.0f}")


def hide_secrets(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers as they are shown: that they are there, and not what they say."""
    return dict.fromkeys(headers, HIDDEN)


def keep_secrets(tools: Iterable[Tool], before: Iterable[Tool]) -> tuple[Tool, ...]:
    """Tools whose hidden headers have the values that the sources of the same labels had before.

    Raises InvalidRequest for one that was not there, and where the source is at another address now: a secret goes
    only to whom it was given for.
    """
    known = {(type(tool), tool.label): tool for tool in before if isinstance(tool, McpTools | HttpTools)}
    return tuple(
        keep_headers(tool, known.get((type(tool), tool.label)), f"tools[{index}].headers")
        if isinstance(tool, McpTools | HttpTools) and HIDDEN in tool.headers.values()
        else tool
        for index, tool in enumerate(tools)
    )


def keep_headers(tool: RemoteTools, before: RemoteTools | None, where: str) -> RemoteTools:
    """A source with the secrets that it had."""
    values = {name.lower(): value for name, value in before.headers.items()} if before else {}
    for name, value in tool.headers.items():
        if value != HIDDEN:
            continue
        if name.lower() not in values:
            raise wrong(f"{where}.{name}", f"'{HIDDEN}' stands for the value that is kept, and there is none")
        if before is None or find_address(tool) != find_address(before):
            raise wrong(f"{where}.{name}", "must be sent again: the tools are at another address now")
    headers = {name: values[name.lower()] if value == HIDDEN else value for name, value in tool.headers.items()}
    return replace(tool, headers=headers)


def find_address(tool: RemoteTools) -> tuple[Any, ...]:
    """Whom a source's headers are sent to: what an OpenAPI description says decides it too, where no base is given."""
    if isinstance(tool, McpTools):
        return tool.server, tool.url
    said = msgspec.json.encode(tool.document) if tool.document and tool.base_url is None else None
    return tool.url, tool.base_url, said


def wrong(param: str, text: str) -> InvalidRequest:
    """The error of a field: its name, and what would be right."""
    return InvalidRequest(f"'{param}' {text}.", param=param)
