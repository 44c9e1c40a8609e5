"""JSON schemas that an answer can be made to fit: which are taken, and what is made of them.

The subset is that of TwelveLabs (contracts 7.5): the seven types, ``anyOf``, ``enum``, ``const``, ``$ref`` into the
root's ``$defs``, and bounds. What that API lets through to an unknown end (``oneOf``, ``not``, ``if``, ...) is refused
by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from multiturn.engine.structured.patterns import refuse_pattern
from multiturn.errors import InvalidRequest

LEVELS_MAX = 10
REFERENCES_MAX = 30
SUBSCHEMAS_MAX = 5000
PROPERTIES_MAX = 500
ENUM_MAX = 1000
NAME_CHARS_MAX = 256

TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
# They say nothing about what is valid; those of the second line are not for the model either.
TOLD = ("title", "description", "format")
ANNOTATIONS = ("default", "examples", "deprecated", "readOnly", "writeOnly", "$comment", "$schema", "$id")
NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
LENGTHS = ("minLength", "maxLength", "minItems", "maxItems")
STRUCTURE = ("type", "properties", "required", "additionalProperties", "items", "anyOf", "$ref", "$defs")
KNOWN = {*TOLD, *ANNOTATIONS, *NUMBERS, *LENGTHS, *STRUCTURE, "enum", "const", "pattern", "uniqueItems"}
HINTS = {
    "oneOf": "say 'anyOf'",
    "allOf": "write its parts into one schema",
    "prefixItems": "use an object with a property for each place",
    "patternProperties": "use an array of objects with a name and a value",
    "definitions": "say '$defs'",
}
DROPPED = {*ANNOTATIONS, "required", "additionalProperties"}
DEFINITIONS = "#/$defs/"


def check_schema(schema: object, *, param: str = "schema") -> None:
    """Refuse a schema that answers cannot be held to.

    Raises InvalidRequest (``schema_not_supported``) whose ``param`` is the path to what is wrong, below ``param``.
    """
    _Check(schema, param).check()


class _Check:
    """One schema on its way to be checked; a definition is looked at once, however often it is named."""

    def __init__(self, schema: object, param: str) -> None:
        self.root = schema
        self.param = param
        self.properties = 0
        self.values = 0
        self.open: list[str] = []
        self.sizes: dict[str, tuple[int, int]] = {}
        self.checks: Mapping[str, Callable[[Any, str], str | None]] = {
            "type": _say_type,
            "required": _say_names,
            "enum": self._say_enum,
            "const": _say_constant,
            "pattern": _say_pattern,
            "uniqueItems": lambda value, _: None if isinstance(value, bool) else "must be true or false",
            **dict.fromkeys(TOLD, _say_text),
            **dict.fromkeys(NUMBERS, _say_number),
            "multipleOf": _say_multiple,
            **dict.fromkeys(LENGTHS, _say_length),
        }

    def check(self) -> None:
        if isinstance(self.root, dict) and "$defs" in self.root:
            definitions = self.root["$defs"]
            if not isinstance(definitions, dict):
                self._refuse(f"{self.param}.$defs", "must be an object of schemas")
            for name in definitions:
                self._measure_definition(name, f"{self.param}.$defs.{name}")
        self._measure(self.root, self.param, 0)

    def _measure(self, schema: object, path: str, depth: int) -> tuple[int, int]:
        """Check a schema, and how many schemas and levels it comes to with all references written out."""
        if not isinstance(schema, dict):
            self._refuse(path, "must be an object, a JSON schema")
        if depth > LEVELS_MAX:
            self._refuse(path, f"lies deeper than {LEVELS_MAX} levels")
        for keyword, value in schema.items():
            self._check_keyword(keyword, value, path, is_root=schema is self.root)
        size, levels = 1, 0
        for part, place in _list_parts(schema, path):
            inner, below = self._measure(part, place, depth + 1)
            size, levels = size + inner, max(levels, below + 1)
        if "$ref" in schema:
            inner, below = self._measure_reference(schema["$ref"], f"{path}.$ref")
            size, levels = size + inner, max(levels, below)
        if size > SUBSCHEMAS_MAX:
            self._refuse(path, f"comes to more than {SUBSCHEMAS_MAX} schemas with its references written out")
        if levels > LEVELS_MAX:
            self._refuse(path, f"goes deeper than {LEVELS_MAX} levels with its references written out")
        self._check_required(schema, path)
        return size, levels

    def _measure_reference(self, reference: object, path: str) -> tuple[int, int]:
        name = find_definition_name(reference)
        definitions = self.root.get("$defs") if isinstance(self.root, dict) else None
        if name is None or not isinstance(definitions, dict) or name not in definitions:
            self._refuse(path, f"must name a schema of the root's '$defs', as '{DEFINITIONS}name'")
        return self._measure_definition(name, path)

    def _measure_definition(self, name: str, path: str) -> tuple[int, int]:
        if name in self.open:
            self._refuse(path, f"goes round in a circle: {' > '.join([*self.open, name])}")
        if len(self.open) > REFERENCES_MAX:
            self._refuse(path, f"goes through more than {REFERENCES_MAX} references")
        if name not in self.sizes:
            assert isinstance(self.root, dict)
            self.open.append(name)
            self.sizes[name] = self._measure(self.root["$defs"][name], f"{self.param}.$defs.{name}", 0)
            self.open.pop()
        return self.sizes[name]

    def _check_keyword(self, keyword: str, value: object, path: str, *, is_root: bool) -> None:
        place = f"{path}.{keyword}"
        if keyword not in KNOWN:
            hint = f"; {HINTS[keyword]}" if keyword in HINTS else ""
            self._refuse(place, f"is not supported{hint}. Supported are: {', '.join(sorted(KNOWN))}")
        if keyword in ("$defs", "$id", "$schema") and not is_root:
            self._refuse(place, "may stand at the root only")
        if keyword == "additionalProperties" and not isinstance(value, bool | dict):
            self._refuse(place, "must be true, false or a schema; it is taken as false")
        if keyword == "properties":
            self._check_properties(value, place)
        if keyword == "anyOf" and not (isinstance(value, list) and value):
            self._refuse(place, "must be a list of at least one schema")
        if check := self.checks.get(keyword):
            wrong = check(value, path)
            if wrong:
                self._refuse(place, wrong)

    def _check_properties(self, value: object, place: str) -> None:
        if not isinstance(value, dict):
            self._refuse(place, "must be an object of schemas")
        if any(len(name) > NAME_CHARS_MAX for name in value):
            self._refuse(place, f"has a name of more than {NAME_CHARS_MAX} characters")
        self.properties += len(value)
        if self.properties > PROPERTIES_MAX:
            self._refuse(place, f"makes more than {PROPERTIES_MAX} properties in all")

    def _check_required(self, schema: Mapping[str, Any], path: str) -> None:
        missing = [name for name in schema.get("required", ()) if name not in schema.get("properties", {})]
        if missing:
            self._refuse(f"{path}.required", f"names '{missing[0]}', which is not among the properties")

    def _say_enum(self, value: object, path: str) -> str | None:
        if not (isinstance(value, list) and value):
            return "must be a list of at least one value"
        self.values += len(value)
        if self.values > ENUM_MAX:
            return f"makes more than {ENUM_MAX} values in all"
        return next((wrong for one in value if (wrong := _say_constant(one, path))), None)

    def _refuse(self, path: str, what: str) -> NoReturn:
        raise InvalidRequest(f"The JSON schema cannot be used: {path} {what}.", code="schema_not_supported", param=path)


def _list_parts(schema: Mapping[str, Any], path: str) -> list[tuple[object, str]]:
    """The schemas right within a schema, with their paths."""
    parts = [(part, f"{path}.properties.{name}") for name, part in schema.get("properties", {}).items()]
    if "items" in schema:
        parts.append((schema["items"], f"{path}.items"))
    return [*parts, *((part, f"{path}.anyOf[{place}]") for place, part in enumerate(schema.get("anyOf", ())))]


def find_definition_name(reference: object) -> str | None:
    """The definition that a reference names; None when it names something else."""
    if not isinstance(reference, str) or not reference.startswith(DEFINITIONS):
        return None
    name = reference.removeprefix(DEFINITIONS)
    return None if "/" in name else name.replace("~1", "/").replace("~0", "~")


def _say_type(value: object, _: str) -> str | None:
    names = value if isinstance(value, list) else [value]
    is_good = names and all(isinstance(name, str) and name in TYPES for name in names) and len(set(names)) == len(names)
    return None if is_good else f"must be one of {', '.join(TYPES)}, or a list of them"


def _say_names(value: object, _: str) -> str | None:
    is_good = isinstance(value, list) and all(isinstance(name, str) for name in value)
    return None if is_good else "must be a list of names"


def _say_constant(value: object, _: str) -> str | None:
    is_good = value is None or isinstance(value, str | int | float | bool)
    return None if is_good else "must be text, a number, true, false or null"


def _say_text(value: object, _: str) -> str | None:
    return None if isinstance(value, str) else "must be text"


def _say_number(value: object, path: str) -> str | None:
    is_good = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15
    return None if is_good else "must be a number below 10^15"


def _say_multiple(value: object, path: str) -> str | None:
    wrong = _say_number(value, path)
    return wrong or (None if isinstance(value, int | float) and value >= 1e-9 else "must be above 10^-9")


def _say_length(value: object, _: str) -> str | None:
    is_good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9
    return None if is_good else "must be a whole number from 0"


def _say_pattern(value: object, _: str) -> str | None:
    return refuse_pattern(value) if isinstance(value, str) else "must be text"


def tighten(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema that answers are held to: each object has all of its properties and no others."""
    kept = {keyword: value for keyword, value in schema.items() if keyword not in DROPPED}
    for keyword in ("properties", "$defs"):
        if keyword in kept:
            kept[keyword] = {name: tighten(part) for name, part in kept[keyword].items()}
    if "items" in kept:
        kept["items"] = tighten(kept["items"])
    if "anyOf" in kept:
        kept["anyOf"] = [tighten(part) for part in kept["anyOf"]]
    if "properties" in kept or "object" in list_types(schema):
        kept |= {"required": list(kept.get("properties", ())), "additionalProperties": False}
    return kept


def list_types(schema: Mapping[str, Any]) -> list[str]:
    """The types that a schema names; none where it leaves that open."""
    named = schema.get("type", [])
    return named if isinstance(named, list) else [named]
