"""An HTTP API by its OpenAPI description (3.0, 3.1): its operations, and what a model is told of each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from multiturn.model.tool import ToolSpec
from multiturn.upstream.openapi_schema import SchemaWriter, as_dict, as_list, as_text, follow

METHODS = ("get", "put", "post", "delete", "patch")
PLACES = ("path", "query", "header", "cookie")
# What OpenAPI says is no parameter, and what is the connection's own.
NO_PARAMETERS = frozenset(
    ("accept", "authorization", "content-type", "content-length", "transfer-encoding", "connection", "host", "cookie")
)
# What providers take as the name of an argument.
NO_KEY = re.compile(r"[^A-Za-z0-9_.-]")
KEY_CHARS_MAX = 64
BODY = "body"
JSON_TYPE = re.compile(r"application/([\w.-]+\+)?json")


class WrongDescription(ValueError):
    """A description is none that can be used; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter: ``key`` is what a model calls it. ``explodes`` and ``style`` say how several values are written."""

    key: str
    name: str
    place: str
    is_required: bool
    style: str
    explodes: bool
    schema: dict[str, Any]
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation; ``body`` is the schema of its JSON body, None where it has none."""

    name: str
    method: str
    path: str
    description: str
    parameters: tuple[Parameter, ...]
    body: Any = None
    body_type: str = ""
    is_body_required: bool = False
    server: str | None = None


class Api:
    """A description that was read. Raises WrongDescription."""

    def __init__(self, document: Any) -> None:
        self.document = document = as_dict(document)
        version = as_text(document.get("openapi"))
        if not version.startswith("3."):
            told = f"OpenAPI {version}" if version else "Swagger 2.0" if "swagger" in document else "no OpenAPI"
            raise WrongDescription(f"The description is {told}; OpenAPI 3.0 or 3.1 in JSON is needed")
        self.server = find_server(document)
        self.operations = {operation.name: operation for operation in self._read_operations()}
        self._specs: dict[str, ToolSpec] = {}
        if not self.operations:
            raise WrongDescription("The description has no operation that can be called")

    def describe(self, operation: Operation) -> ToolSpec:
        """An operation as a tool."""
        spec = self._specs.get(operation.name)
        if spec is None:
            spec = self._specs[operation.name] = self._write_spec(operation)
        return spec

    def _write_spec(self, operation: Operation) -> ToolSpec:
        writer = SchemaWriter(self.document)
        properties: dict[str, Any] = {}
        for parameter in operation.parameters:
            told = as_dict(writer.write(parameter.schema))
            properties[parameter.key] = {"description": parameter.description} | told if parameter.description else told
        required = [parameter.key for parameter in operation.parameters if parameter.is_required]
        if operation.body is not None:
            properties[BODY] = writer.write(operation.body)
            required += [BODY] if operation.is_body_required else []
        schema: dict[str, Any] = {"type": "object", "properties": properties}
        if required:
            schema["required"] = required
        return ToolSpec(name=operation.name, description=operation.description, parameters=schema)

    def _read_operations(self) -> Iterator[Operation]:
        """The operations that can be called; one whose body must be something else than JSON cannot."""
        taken: set[str] = set()
        for path, item in as_dict(self.document.get("paths")).items():
            item = follow(self.document, item)
            for method in METHODS:
                operation = item.get(method)
                if isinstance(operation, dict):
                    read = self._read_operation(path, method, item, operation)
                    if read is not None:
                        yield name_once(read, taken)

    def _read_operation(self, path: str, method: str, item: dict[str, Any], said: dict[str, Any]) -> Operation | None:
        body = follow(self.document, said.get("requestBody"))
        types = [name for name in as_dict(body.get("content")) if JSON_TYPE.match(name)]
        is_required = body.get("required") is True
        if is_required and not types:
            return None
        texts = (as_text(said.get("summary")), as_text(said.get("description")))
        return Operation(
            name=as_text(said.get("operationId")).strip() or name_by_path(method, path),
            method=method.upper(),
            path=path,
            description="\n".join(text for text in texts if text) or f"{method.upper()} {path}",
            parameters=self._read_parameters(item, said),
            body=as_dict(body["content"][types[0]]).get("schema", {}) if types else None,
            body_type=types[0] if types else "",
            is_body_required=is_required,
            server=find_server(said) or find_server(item),
        )

    def _read_parameters(self, item: dict[str, Any], said: dict[str, Any]) -> tuple[Parameter, ...]:
        """The parameters of an operation over those of its path."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for listed in (*as_list(item.get("parameters")), *as_list(said.get("parameters"))):
            parameter = follow(self.document, listed)
            name, place = as_text(parameter.get("name")), as_text(parameter.get("in"))
            if name and place in PLACES and not (place == "header" and name.lower() in NO_PARAMETERS):
                found[name, place] = parameter
        keys = {BODY}
        return tuple(read_parameter(name, place, said, keys) for (name, place), said in found.items())


def read_parameter(name: str, place: str, said: dict[str, Any], keys: set[str]) -> Parameter:
    """A parameter, with a key that no other has."""
    key = NO_KEY.sub("_", name)[:KEY_CHARS_MAX]
    if key in keys:
        key = f"{key[: KEY_CHARS_MAX - len(place) - 1]}_{place}"
    while key in keys:
        key = f"{key[: KEY_CHARS_MAX - 1]}_"
    keys.add(key)
    contents = list(as_dict(said.get("content")).values())
    style = as_text(said.get("style")) or ("form" if place in ("query", "cookie") else "simple")
    return Parameter(
        key=key,
        name=name,
        place=place,
        is_required=said.get("required") is True or place == "path",
        style="json" if contents else style,
        explodes=said.get("explode", style == "form") is True,
        schema=as_dict(as_dict(contents[0]).get("schema") if contents else said.get("schema")),
        description=as_text(said.get("description")),
    )


def name_by_path(method: str, path: str) -> str:
    """A name for an operation without an id: ``get_lines_line_stops``."""
    return "_".join((method, *re.findall(r"[A-Za-z0-9]+", path)))


def name_once(operation: Operation, taken: set[str]) -> Operation:
    """An operation with a name that no other has."""
    name, number = operation.name, 1
    while name in taken:
        number += 1
        name = f"{operation.name}_{number}"
    taken.add(name)
    if name == operation.name:
        return operation
    fields = {field: getattr(operation, field) for field in operation.__slots__}
    return Operation(**fields | {"name": name})


def find_server(said: dict[str, Any]) -> str | None:
    """The first server that is named, with its variables as they are by default."""
    servers = as_list(said.get("servers"))
    server = as_dict(servers[0]) if servers else {}
    url = as_text(server.get("url"))
    for name, variable in as_dict(server.get("variables")).items():
        url = url.replace("{" + name + "}", str(as_dict(variable).get("default", "")))
    return url or None


def find_base(api: Api, operation: Operation, base_url: str | None, document_url: str | None) -> str:
    """Where an operation is called: what the agent says, else what the description does. '' where neither does."""
    base = base_url or operation.server or api.server or ("/" if document_url else "")
    return urljoin(document_url, base) if document_url else base
