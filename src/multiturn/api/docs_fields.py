"""The fields of a JSON Schema for people: name, type, limits, meaning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from multiturn.api.html import Html, inline, join, tag

REFERENCE = "#/components/schemas/"


def write_fields(schema: Mapping[str, Any]) -> Html:
    """The fields of an object; those that go to the model as they are stand apart."""
    required = schema.get("required", [])
    ours: list[Html] = []
    passed: list[Html] = []
    for name, field in schema["properties"].items():
        row = write_row((name,), field, text=field.get("description", ""), is_required=name in required)
        (passed if field.get("x-goes-to-model") else ours).append(row)
    if not passed:
        return tag("dl", *ours)
    return join(tag("dl", *ours), tag("h4", "Goes to the model as it is, like every other field"), tag("dl", *passed))


def write_row(names: tuple[str, ...], schema: Mapping[str, Any], *, text: str, is_required: bool) -> Html:
    """One field, or one parameter with all its names."""
    shown = join(*(part for name in names for part in (tag("code", name), " ")))
    must = tag("span", "required", class_="must") if is_required else ""
    head = tag("dt", shown, tag("span", write_type(schema), class_="type"), must)
    return tag("div", head, tag("dd", inline(text)))


def write_type(schema: Mapping[str, Any]) -> Html:
    """What a value may be, with its limits and its default."""
    facts = [write_kind(schema)]
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None:
        facts.append(Html(f"from {low}" if high is None else f"{low} to {high}"))
    if "maxLength" in schema:
        facts.append(Html(f"at most {schema['maxLength']} characters"))
    if schema.get("minItems"):
        facts.append(Html("not empty"))
    if schema.get("default") not in (None, "", []):
        facts.append(join("default ", tag("code", show(schema["default"]))))
    return separate(facts, ", ")


def write_kind(schema: Mapping[str, Any]) -> Html:
    """The type alone."""
    if "$ref" in schema:
        return refer(schema["$ref"])
    if "anyOf" in schema:
        return separate([write_type(one) for one in schema["anyOf"]], " or ")
    if "enum" in schema:
        return separate([tag("code", show(value)) for value in schema["enum"]], " | ")
    kind = schema.get("type", "anything")
    if kind == "array":
        return join("list of ", write_kind(schema["items"]))
    return join({"date-time": "time", "uuid": "UUID"}.get(schema.get("format", ""), kind))


def refer(reference: str) -> Html:
    """A link to a shape."""
    name = reference.removeprefix(REFERENCE)
    return tag("a", name, href=f"#shape-{name}")


def separate(parts: list[Html], separator: str) -> Html:
    """Parts with something between them."""
    first, *others = parts
    return join(first, *(part for other in others for part in (separator, other)))


def show(value: object) -> str:
    """A value as JSON writes it; a text without its quotes."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
