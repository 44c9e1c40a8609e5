"""A value brought to fit a schema where it is plain what is meant: types, names, capitals; nothing is made up.

What is missing becomes null, an empty list or an empty text, where the schema allows that; a number that is missing
stays missing. What the result is worth decides the validation behind it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from multiturn.engine.structured.lenient import NotJson, read_leniently
from multiturn.engine.structured.schema import find_definition_name, list_types
from multiturn.engine.structured.validation import make_validators

NUMBER = re.compile(r"[+-]?\d{1,15}(?:\.\d{1,15})?(?:[eE][+-]?\d{1,2})?")
TRUE, FALSE = ("true", "yes"), ("false", "no")
MISSING: Final = object()


class Fitting:
    """Brings values to fit one schema that was checked."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.root = schema
        self.definitions: Mapping[str, Any] = schema.get("$defs", {})
        self.validators = make_validators()

    def fit(self, value: Any) -> Any:
        """The value as the schema has it, as far as that can be told."""
        return self._fit(value, self.root)

    def fits(self, value: Any) -> bool:
        """Whether the value fits."""
        return bool(self.validators(self.root).is_valid(value))

    def _fit(self, value: Any, schema: Mapping[str, Any]) -> Any:
        schema = self._follow(schema)
        if "anyOf" in schema:
            return self._fit_any(value, schema["anyOf"])
        if "enum" in schema or "const" in schema:
            return fit_choice(value, schema["enum"] if "enum" in schema else [schema["const"]])
        types = list_types(schema) or (["object"] if "properties" in schema else [])
        if not types or any(is_of(value, name) for name in types if name not in ("object", "array")):
            return value
        for name in types:
            fitted = self._fit_type(value, name, schema)
            if fitted is not MISSING:
                return fitted
        return value

    def _follow(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """The schema that a reference comes to; a checked schema has no circle."""
        while name := find_definition_name(schema.get("$ref")):
            schema = self.definitions[name]
        return schema

    def _fit_any(self, value: Any, schemas: list[Mapping[str, Any]]) -> Any:
        """The value as the first of the schemas has it that it fits, untouched if that is possible."""
        for fitted in (value, *(self._fit(value, schema) for schema in schemas)):
            if any(self._is_good(fitted, schema) for schema in schemas):
                return fitted
        return value

    def _is_good(self, value: Any, schema: Mapping[str, Any]) -> bool:
        return bool(self.validators({**schema, "$defs": self.definitions}).is_valid(value))

    def _fit_type(self, value: Any, name: str, schema: Mapping[str, Any]) -> Any:
        if name == "object":
            return self._fit_object(value, schema)
        if name == "array":
            return self._fit_array(value, schema)
        return fit_scalar(value, name)

    def _fit_object(self, value: Any, schema: Mapping[str, Any]) -> Any:
        value = unwrap_text(value, dict)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if not isinstance(value, dict):
            return MISSING
        properties: Mapping[str, Any] = schema.get("properties", {})
        given = match_names(value, properties)
        if not given and properties and len(value) == 1 and isinstance(inner := next(iter(value.values())), dict):
            given = match_names(inner, properties)
        fitted = {
            name: self._fit(given[name], part) if name in given else self._fill(part)
            for name, part in properties.items()
        }
        return {name: part for name, part in fitted.items() if part is not MISSING}

    def _fit_array(self, value: Any, schema: Mapping[str, Any]) -> Any:
        value = unwrap_text(value, list)
        if isinstance(value, dict) and len(value) == 1 and isinstance(inner := next(iter(value.values())), list):
            value = inner
        if not isinstance(value, list):
            value = [] if value is None else [value]
        items = schema.get("items")
        fitted = [self._fit(one, items) for one in value] if isinstance(items, Mapping) else value
        if schema.get("uniqueItems"):
            fitted = without_repeats(fitted)
        return fitted[: schema.get("maxItems")]

    def _fill(self, schema: Mapping[str, Any]) -> Any:
        """What stands for a value that is missing: the emptiest that fits, MISSING where that would be made up."""
        schema = self._follow(schema)
        if "anyOf" in schema:
            filled = [one for part in schema["anyOf"] if (one := self._fill(part)) is not MISSING]
            return None if None in filled else next(iter(filled), MISSING)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            choices = schema["enum"]
            return choices[0] if len(choices) == 1 else None if None in choices else MISSING
        return self._fill_types(list_types(schema), schema)

    def _fill_types(self, types: list[str], schema: Mapping[str, Any]) -> Any:
        if "null" in types or not (types or "properties" in schema):
            return None
        if "array" in types:
            return MISSING if schema.get("minItems") else []
        if "string" in types:
            return MISSING if {"minLength", "pattern", "format"} & schema.keys() else ""
        if "object" not in types and "properties" not in schema:
            return MISSING
        parts = {name: self._fill(part) for name, part in schema.get("properties", {}).items()}
        return MISSING if MISSING in parts.values() else parts


def is_of(value: Any, name: str) -> bool:
    """Whether a value is of a JSON type."""
    if name == "null":
        return value is None
    if name == "boolean":
        return isinstance(value, bool)
    if name == "string":
        return isinstance(value, str)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and (name == "number" or float(value).is_integer())


def fit_scalar(value: Any, name: str) -> Any:
    """A value as a text, a number, a truth or nothing, where it plainly says one."""
    if name == "string":
        return write_scalar(value) if isinstance(value, int | float | bool) else MISSING
    if name == "null":
        return None if isinstance(value, str) and value.strip().lower() in ("", "null", "none") else MISSING
    if name == "boolean":
        return read_truth(value)
    return read_number(value, is_whole=name == "integer")


def read_truth(value: Any) -> Any:
    """A truth in words, or as 0 or 1."""
    said = str(value).strip().lower()
    if said in TRUE or (value == 1 and not isinstance(value, str)):
        return True
    return False if said in FALSE or (value == 0 and not isinstance(value, str)) else MISSING


def read_number(value: Any, *, is_whole: bool) -> Any:
    """A number in a text that holds nothing else."""
    if not isinstance(value, str) or not NUMBER.fullmatch(said := value.strip()):
        return MISSING
    number = float(said)
    if number.is_integer() and abs(number) < 2**53:
        return int(number)
    return MISSING if is_whole or not math.isfinite(number) else number


def write_scalar(value: float | bool) -> str:
    """A number or a truth as text."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def fit_choice(value: Any, choices: list[Any]) -> Any:
    """The one of the choices that a value means, whatever its capitals, blanks and hyphens; else the value."""
    if any(is_same(value, choice) for choice in choices):
        return value
    said = flatten(value)
    meant = [choice for choice in choices if flatten(choice) == said]
    return meant[0] if len(meant) == 1 and said else value


def is_same(value: Any, choice: Any) -> bool:
    """Whether two values are the same JSON: true is not 1."""
    return isinstance(value, bool) == isinstance(choice, bool) and bool(value == choice)


def flatten(value: Any) -> str:
    """A text without what people are careless about."""
    if isinstance(value, dict | list):
        return ""
    return re.sub(r"[\s_-]+", "", str(value).casefold())


def match_names(value: Mapping[str, Any], properties: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a value by the properties' names, whatever their capitals, blanks and hyphens; no others."""
    found = {name: value[name] for name in properties if name in value}
    others = {flatten(name): part for name, part in value.items() if name not in properties}
    return found | {
        name: others[flat] for name in properties if name not in found and (flat := flatten(name)) in others
    }


def unwrap_text(value: Any, kind: type) -> Any:
    """The object or list that a text holds as JSON; else the value."""
    if not isinstance(value, str) or value.strip()[:1] not in ("{", "["):
        return value
    try:
        inner = read_leniently(value.strip())
    except NotJson:
        return value
    return inner if isinstance(inner, kind) else value


def without_repeats(values: list[Any]) -> list[Any]:
    """The values, each once, in their order."""
    kept: list[Any] = []
    for value in values:
        if not any(type(value) is type(other) and value == other for other in kept):
            kept.append(value)
    return kept
