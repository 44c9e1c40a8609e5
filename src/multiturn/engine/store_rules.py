"""What may be said of knowledge stores, their items and their collections, and what may be extracted of items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from multiturn.errors import InvalidRequest

# The numbers that JavaScript's clients can hold (contracts/twelvelabs.md 6.1).
INTEGER_MAX = 2**53 - 1
SHAPES = ("type", "properties", "required", "additionalProperties", "items", "prefixItems")
BOUNDS = ("enum", "minItems", "maxItems", "minimum", "maximum", "format")
KEYWORDS = frozenset((*SHAPES, *BOUNDS, "title", "description"))
TYPES = frozenset(("object", "array", "string", "number", "integer", "boolean"))
DEPTH_MAX = 10
DESCRIPTION_CHARS_MAX = 10_000


class MetadataRules(Struct, frozen=True):
    """What metadata may hold: so many pairs, of texts, numbers, true, false, and lists of texts."""

    pairs_max: int
    key_chars_max: int = 128
    text_chars_max: int = 2048


STORE_RULES = MetadataRules(pairs_max=10)
ITEM_RULES = MetadataRules(pairs_max=50, text_chars_max=8192)


def check_pairs(metadata: Mapping[str, Any], rules: MetadataRules, param: str = "metadata") -> None:
    """Raise InvalidRequest, naming the key, for metadata that break the rules of a dialect."""
    if len(metadata) > rules.pairs_max:
        text = f"'{param}' must have at most {rules.pairs_max} pairs; it has {len(metadata)}."
        raise InvalidRequest(text, param=param)
    for key, value in metadata.items():
        name = f"{param}.{key[:40]}"
        if not key or len(key) > rules.key_chars_max:
            text = f"A key of '{param}' must have 1 to {rules.key_chars_max} characters; '{key[:40]}' has {len(key)}."
            raise InvalidRequest(text, param=name)
        check_value(value, rules, name)


def check_value(value: object, rules: MetadataRules, name: str) -> None:
    """Raise InvalidRequest for a value that is none of those allowed."""
    texts = value if isinstance(value, list) else [value]
    if any(isinstance(text, str) and len(text) > rules.text_chars_max for text in texts):
        raise InvalidRequest(f"'{name}' must have at most {rules.text_chars_max} characters.", param=name)
    if isinstance(value, list) and all(isinstance(text, str) for text in value):
        return
    if not isinstance(value, str | bool | int | float):
        text = f"'{name}' must be a text, a number, true, false, or a list of texts."
        raise InvalidRequest(text, param=name)
    if isinstance(value, int) and abs(value) > INTEGER_MAX:
        raise InvalidRequest(f"'{name}' must lie between -{INTEGER_MAX} and {INTEGER_MAX}.", param=name)


def check_ingestion(ingestion: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What is to be extracted of items, as it is kept: None where nothing is asked for.

    Raises InvalidRequest (``ingestion_config_invalid``) naming the place.
    """
    wanted = (ingestion or {}).get("enrichment_config")
    if not wanted:
        return None
    place = "ingestion_config.enrichment_config"
    if not isinstance(wanted, dict):
        raise refuse(place, "must be an object")
    schema, description = wanted.get("json_schema"), wanted.get("description")
    kind = wanted.get("type") or ("json_schema" if schema is not None else "description")
    if kind == "json_schema":
        if not isinstance(schema, dict):
            raise refuse(f"{place}.json_schema", "must be a JSON schema")
        check_root(schema, f"{place}.json_schema")
        return {"enrichment_config": {"type": kind, "json_schema": schema}}
    if kind != "description":
        raise refuse(f"{place}.type", "must be 'description' or 'json_schema'")
    if not (isinstance(description, str) and 0 < len(description.strip()) <= DESCRIPTION_CHARS_MAX):
        raise refuse(f"{place}.description", f"must be a text of 1 to {DESCRIPTION_CHARS_MAX} characters")
    return {"enrichment_config": {"type": kind, "description": description}}


def check_root(schema: dict[str, Any], place: str) -> None:
    """Raise InvalidRequest for a schema that is no object's, or holds what may not stand in one."""
    if schema.get("type") != "object":
        raise refuse(f"{place}.type", "must be 'object': items are described by objects")
    if not isinstance(schema.get("properties"), dict) or not schema["properties"]:
        raise refuse(f"{place}.properties", "must name what is to be extracted")
    check_schema(schema, place, depth=1)


def check_schema(schema: object, place: str, *, depth: int) -> None:
    """Raise InvalidRequest for a part of a schema that breaks the rules. An array may leave out its ``items``."""
    if not isinstance(schema, dict):
        raise refuse(place, "must be an object")
    if depth > DEPTH_MAX:
        raise refuse(place, f"is nested deeper than {DEPTH_MAX} levels")
    for word in schema:
        if word not in KEYWORDS:
            raise refuse(f"{place}.{word}", f"is not supported. Take of these: {', '.join(sorted(KEYWORDS))}")
    check_words(schema, place)
    for name, part in (schema.get("properties") or {}).items():
        where = f"{place}.properties.{name}"
        check_schema(part, where, depth=depth + 1)
        if not (isinstance(part.get("description"), str) and part["description"].strip()):
            raise refuse(where, "needs a 'description': by it the value is found")
    if "items" in schema:
        check_schema(schema["items"], f"{place}.items", depth=depth + 1)
    for number, part in enumerate(schema.get("prefixItems") or ()):
        check_schema(part, f"{place}.prefixItems[{number}]", depth=depth + 1)


def check_words(schema: Mapping[str, Any], place: str) -> None:
    """Raise InvalidRequest for a keyword whose value is of the wrong type."""
    wrong = {
        "type": "type" in schema and (not isinstance(schema["type"], str) or schema["type"] not in TYPES),
        "properties": not isinstance(schema.get("properties", {}), dict),
        "required": not is_list_of(schema.get("required", []), str),
        "enum": "enum" in schema and not is_list_of(schema["enum"], str | int | float | bool),
        "prefixItems": not is_list_of(schema.get("prefixItems", []), dict),
        "additionalProperties": not isinstance(schema.get("additionalProperties", False), bool),
        **{word: not is_count(schema.get(word, 0)) for word in ("minItems", "maxItems")},
        **{word: not isinstance(schema.get(word, 0), int | float) for word in ("minimum", "maximum")},
        **{word: not isinstance(schema.get(word, ""), str) for word in ("title", "description", "format")},
    }
    for word in (word for word, is_wrong in wrong.items() if is_wrong):
        raise refuse(f"{place}.{word}", "is of the wrong type")
    missing = set(schema.get("required", [])) - set(schema.get("properties", {}))
    if missing:
        raise refuse(f"{place}.required", f"names '{min(missing)}', which is none of its properties")


def is_list_of(value: object, type_: Any) -> bool:
    """Whether this is a list of such values."""
    return isinstance(value, list) and all(isinstance(one, type_) for one in value)


def is_count(value: object) -> bool:
    """Whether this is a number from 0."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def refuse(place: str, text: str) -> InvalidRequest:
    """The error of an ingestion configuration."""
    return InvalidRequest(f"'{place}' {text}.", code="ingestion_config_invalid", param=place[:200])
