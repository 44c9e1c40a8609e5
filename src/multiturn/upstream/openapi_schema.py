"""Schemas of an OpenAPI description as plain JSON schemas: references are followed, within bounds."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

# Of one tool: a schema that goes on deeper, or further, says nothing about the rest.
DEPTH_MAX = 12
NODES_MAX = 2000
FOLLOWED_MAX = 16
PLAIN = frozenset(
    (
        *("type", "format", "title", "description", "enum", "const", "default", "required", "pattern"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"),
        *("minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties"),
    )
)
ONE = frozenset(("items", "additionalProperties", "not"))
SEVERAL = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
NAMED = frozenset(("properties", "patternProperties"))


def as_dict(value: Any) -> dict[str, Any]:
    """An object of the description, an empty one where something else stands."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """A list of the description, an empty one where something else stands."""
    return value if isinstance(value, list) else []


def as_text(value: Any) -> str:
    """A text of the description, an empty one where something else stands."""
    return value if isinstance(value, str) else ""


def follow(document: dict[str, Any], value: Any) -> dict[str, Any]:
    """What a reference leads to, within the document; an empty object where that is nothing."""
    for _ in range(FOLLOWED_MAX):
        reference = as_dict(value).get("$ref")
        if not isinstance(reference, str):
            return as_dict(value)
        value = find(document, reference)
    return {}


def find(document: dict[str, Any], reference: str) -> Any:
    """What stands at a JSON pointer (RFC 6901) of the document."""
    if not reference.startswith("#/"):
        return None
    value: Any = document
    for word in unquote(reference[2:]).split("/"):
        name = word.replace("~1", "/").replace("~0", "~")
        if isinstance(value, list):
            value = value[int(name)] if name.isdigit() and int(name) < len(value) else None
        else:
            value = as_dict(value).get(name)
    return value


class SchemaWriter:
    """Writes the schemas of one tool, without references."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.left = NODES_MAX

    def write(self, schema: Any, seen: tuple[str, ...] = (), depth: int = 0) -> Any:
        """A schema as it stands, or what it refers to; one that holds itself is any value there."""
        self.left -= 1
        if isinstance(schema, bool):
            return schema
        schema = as_dict(schema)
        if self.left < 0 or depth > DEPTH_MAX:
            return {}
        reference = schema.get("$ref")
        if isinstance(reference, str):
            if reference in seen or len(seen) > FOLLOWED_MAX:
                return {}
            target = self.write(find(self.document, reference), (*seen, reference), depth)
            return {**as_dict(target), **self._write_fields(schema, seen, depth)}
        return self._write_fields(schema, seen, depth)

    def _write_fields(self, schema: dict[str, Any], seen: tuple[str, ...], depth: int) -> dict[str, Any]:
        written: dict[str, Any] = {}
        for name, value in schema.items():
            if name in PLAIN:
                written[name] = value
            elif name in ONE:
                written[name] = self.write(value, seen, depth + 1)
            elif name in SEVERAL:
                written[name] = [self.write(part, seen, depth + 1) for part in as_list(value)]
            elif name in NAMED:
                written[name] = self._write_named(as_dict(value), seen, depth)
        return modernise(schema, written)

    def _write_named(self, fields: dict[str, Any], seen: tuple[str, ...], depth: int) -> dict[str, Any]:
        """Fields; one that only answers have is left out, and what is over the bound as well."""
        return {
            name: self.write(field, seen, depth + 1)
            for name, field in fields.items()
            if self.left > 0 and as_dict(field).get("readOnly") is not True
        }


def modernise(schema: dict[str, Any], written: dict[str, Any]) -> dict[str, Any]:
    """What OpenAPI 3.0 says in its own way, as JSON schema says it."""
    if schema.get("nullable") is True and isinstance(written.get("type"), str):
        written["type"] = [written["type"], "null"]
    for limit, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(written.get(limit), bool) and written.pop(limit) and bound in written:
            written[limit] = written.pop(bound)
    if "required" in written and "properties" in written:
        there = written["properties"]
        written["required"] = [name for name in as_list(written["required"]) if name in there]
    return written
