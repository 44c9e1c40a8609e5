"""Wire structs as JSON Schema, in the words of an OpenAPI document."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, get_origin

import msgspec
from msgspec.inspect import ListType, Metadata, StructType, Type, UnionType

PREFIX = "#/components/schemas/"
TEMPLATE = PREFIX + "{name}"


def write_shape(shape: Any) -> dict[str, Any]:
    """A reference to the schema of a wire struct; any object for ``dict``."""
    if shape is dict:
        return {"type": "object"}
    return {"$ref": PREFIX + find_shape(shape)}


def find_shape(shape: Any) -> str:
    """What clients call a wire struct."""
    return rename(find_name(shape))


def write_schemas(shapes: Sequence[Any]) -> dict[str, Any]:
    """The schemas of wire structs, and of those within them, by name.

    What has a default may be left out only where the struct itself leaves defaults out.
    """
    _, components = msgspec.json.schema_components(shapes, ref_template=TEMPLATE)
    structs = [struct for info in msgspec.inspect.multi_type_info(shapes) for struct in list_structs(info)]
    whole = {find_name(struct.cls) for struct in structs if not leaves_out(struct.cls)}
    return {rename(name): tidy(schema, is_whole=name in whole) for name, schema in components.items()}


def tidy(schema: dict[str, Any], *, is_whole: bool) -> dict[str, Any]:
    """A schema with our names, prose in CommonMark, and no default that says nothing."""
    properties: dict[str, dict[str, Any]] = schema["properties"]
    for shown in properties.values():
        if is_whole or shown.get("default") is None:
            shown.pop("default", None)
    required = list(properties) if is_whole else schema.get("required", [])
    text = " ".join(inspect.cleandoc(schema["description"]).replace("``", "`").split())
    tidied = {**schema, "title": rename(schema["title"]), "description": text, "required": required}
    if not is_whole:
        tidied.setdefault("additionalProperties", True)
    return {name: rename_references(value) for name, value in tidied.items()}


def rename_references(schema: Any) -> Any:
    """A schema whose references name what we call it."""
    if isinstance(schema, dict):
        return {name: rename_references(value) for name, value in schema.items()}
    if isinstance(schema, list):
        return [rename_references(value) for value in schema]
    if isinstance(schema, str) and schema.startswith(PREFIX):
        return PREFIX + rename(schema.removeprefix(PREFIX))
    return schema


def rename(name: str) -> str:
    """What clients call a struct: ``SessionBody`` is a Session, ``ListBody_SessionBody_`` a SessionList."""
    outer, _, inner = name.rstrip("_]").replace("[", "_").partition("_")
    return inner.removesuffix("Body") + outer.removesuffix("Body")


def leaves_out(struct: Any) -> bool:
    """Whether a struct is written without the fields that have their default."""
    return bool((get_origin(struct) or struct).__struct_config__.omit_defaults)


@cache
def find_name(shape: Any) -> str:
    """The name that msgspec gives the schema of a struct."""
    (schema,), _ = msgspec.json.schema_components([shape], ref_template=TEMPLATE)
    return str(schema["$ref"]).removeprefix(PREFIX)


def list_structs(info: Type) -> Iterator[StructType]:
    """A struct and those within it."""
    match info:
        case StructType():
            yield info
            for field in info.fields:
                yield from list_structs(field.type)
        case ListType():
            yield from list_structs(info.item_type)
        case UnionType():
            for one in info.types:
                yield from list_structs(one)
        case Metadata():
            yield from list_structs(info.type)
