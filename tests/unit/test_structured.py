"""Structured output: which schemas are taken, and that whatever is repaired fits."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from multiturn.engine.structured.lenient import NotJson, read_leniently
from multiturn.engine.structured.repair import repair
from multiturn.engine.structured.schema import check_schema, tighten
from multiturn.engine.structured.validation import validate, write_correction
from multiturn.errors import InvalidRequest

CLIP = {
    "type": "object",
    "properties": {"item": {"type": "string"}, "start": {"type": "number"}, "end": {"type": ["number", "null"]}},
}
THEMES: dict[str, Any] = {
    "type": "object",
    "properties": {
        "themes": {"type": "array", "items": {"$ref": "#/$defs/theme"}, "maxItems": 3},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "certain": {"type": "boolean"},
    },
    "$defs": {
        "theme": {
            "type": "object",
            "properties": {
                "title": {"type": "string"},
                "mood": {"enum": ["upbeat", "very-sad", None]},
                "count": {"type": "integer", "minimum": 0},
            },
        }
    },
}
TIGHT = tighten(THEMES)


def refuse(schema: object) -> tuple[str | None, str]:
    """Where a schema is refused, and why."""
    with pytest.raises(InvalidRequest) as caught:
        check_schema(schema, param="s")
    assert caught.value.code == "schema_not_supported"
    return caught.value.param, caught.value.message


def nest(levels: int) -> dict[str, Any]:
    """Arrays within arrays."""
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


def double(levels: int) -> dict[str, Any]:
    """References that come to two to the power of the levels."""
    named = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return {"$ref": "#/$defs/d0", "$defs": {**named, f"d{levels}": {"type": "string"}}}


@pytest.mark.parametrize(
    ("schema", "param"),
    [
        ([], "s"),
        (True, "s"),
        ({"oneOf": [{}]}, "s.oneOf"),
        ({"type": "object", "properties": {"a": {"not": {}}}}, "s.properties.a.not"),
        ({"if": {}}, "s.if"),
        ({"type": "object", "patternProperties": {}}, "s.patternProperties"),
        ({"type": "array", "prefixItems": []}, "s.prefixItems"),
        ({"type": "array", "contains": {}}, "s.contains"),
        ({"allOf": [{}]}, "s.allOf"),
        ({"type": "text"}, "s.type"),
        ({"type": []}, "s.type"),
        ({"type": ["string", "string"]}, "s.type"),
        ({"type": {}}, "s.type"),
        ({"anyOf": []}, "s.anyOf"),
        ({"anyOf": [{}, {"enum": []}]}, "s.anyOf[1].enum"),
        ({"enum": [{}]}, "s.enum"),
        ({"const": [1]}, "s.const"),
        ({"items": [{}]}, "s.items"),
        ({"properties": []}, "s.properties"),
        ({"properties": {"a": {"$defs": {}}}}, "s.properties.a.$defs"),
        ({"$ref": "#/$defs/a"}, "s.$ref"),
        ({"$ref": "https://example.com/schema.json"}, "s.$ref"),
        ({"$ref": "#"}, "s.$ref"),
        ({"$ref": 1}, "s.$ref"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, "s.$defs.a.$ref"),
        ({"$defs": {"a": {"items": {"$ref": "#/$defs/b"}}, "b": {"$ref": "#/$defs/a"}}}, "s.$defs.b.$ref"),
        ({"$defs": []}, "s.$defs"),
        ({"required": ["a"]}, "s.required"),
        ({"required": "a"}, "s.required"),
        ({"minimum": "1"}, "s.minimum"),
        ({"minimum": 1e300}, "s.minimum"),
        ({"multipleOf": 0}, "s.multipleOf"),
        ({"minLength": -1}, "s.minLength"),
        ({"uniqueItems": 1}, "s.uniqueItems"),
        ({"additionalProperties": "no"}, "s.additionalProperties"),
        ({"pattern": "("}, "s.pattern"),
        ({"pattern": "((a{1000}){1000}){1000}"}, "s.pattern"),
        ({"pattern": "a" * 1001}, "s.pattern"),
        ({"title": 1}, "s.title"),
        ({"enum": list(range(1001))}, "s.enum"),
        ({"properties": {str(n): {} for n in range(501)}}, "s.properties"),
        ({"properties": {"n" * 257: {}}}, "s.properties"),
    ],
)
def test_schema_outside_the_subset_is_refused_by_its_path(schema: object, param: str) -> None:
    where, why = refuse(schema)
    assert where == param, why
    assert param in why


@pytest.mark.parametrize("schema", [nest(11), nest(3000), double(20)], ids=["deep", "abyss", "doubling"])
def test_deep_and_doubling_schemas_are_refused(schema: dict[str, Any]) -> None:
    refuse(schema)


def test_long_chain_of_references_is_refused() -> None:
    links = {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(2000)}
    refuse({"$ref": "#/$defs/d0", "$defs": {**links, "d2000": {}}})


@pytest.mark.parametrize("schema", [THEMES, CLIP, {}, {"type": "string", "pattern": r"^\d{1,2}:\d{2}$"}, nest(10)])
def test_schema_of_the_subset_is_taken(schema: dict[str, Any]) -> None:
    check_schema(schema)
    check_schema(tighten(schema))


def test_tightened_objects_have_every_property_and_no_other() -> None:
    assert TIGHT["required"] == ["themes", "note", "certain"]
    assert TIGHT["additionalProperties"] is False
    assert TIGHT["$defs"]["theme"]["required"] == ["title", "mood", "count"]
    assert tighten({"type": ["object", "null"], "additionalProperties": True})["additionalProperties"] is False
    assert "default" not in TIGHT["properties"]["note"]
    assert tighten(TIGHT) == TIGHT
    assert "required" not in THEMES


GOOD = {"themes": [{"title": "Sea", "mood": "very-sad", "count": 2}], "note": None, "certain": True}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(GOOD),
        f"```json\n{json.dumps(GOOD, indent=2)}\n```",
        f"Here you are:\n```\n{json.dumps(GOOD)}\n```\nIs [this] what you meant?",
        f"Sure! {json.dumps(GOOD)} That is all.",
        f"<think>maybe {{}}</think>{json.dumps(GOOD)}",
        json.dumps(GOOD)[:-1],
        '{"themes": [{"title": "Sea", "mood": "Very sad", "count": "2"}], "certain": "yes", "extra": 1}',
        "{'themes': [{'title': 'Sea', 'mood': 'very_sad', 'count': 2.0,}], 'note': None, 'certain': True}",
        '{themes: {title: "Sea", mood: "very-sad", count: 2}, certain: true} // done',
        '{"Themes": [{"Title": "Sea", "MOOD": "very-sad", "count": 2}], "certain": true',
        json.dumps({"result": GOOD}),
        json.dumps(json.dumps(GOOD)),
        json.dumps([GOOD]),
        json.dumps({**GOOD, "themes": json.dumps(GOOD["themes"])}),
    ],
)
def test_what_is_plainly_meant_is_repaired(text: str) -> None:
    repaired = repair(text, TIGHT)
    assert repaired is not None
    assert json.loads(repaired) == GOOD


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I could not find any themes.",
        '{"themes": [], "note": null}',
        '{"themes": [{"title": "Sea", "mood": "angry", "count": 1}], "certain": true}',
        '{"themes": [{"title": "Sea", "mood": null, "count": "some"}], "certain": true}',
        '{"themes": [{"title": "Sea", "mood": null, "count": -1}], "certain": true}',
        json.dumps(GOOD)[:-4],
        "[" * 5000,
        '{"a":' * 5000,
    ],
)
def test_what_would_be_guessed_is_not(text: str) -> None:
    assert repair(text, TIGHT) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('["a" "b",,"c"]', ["a", "b", "c"]),
        ('{"said": "he said "no", and left", "n": 1}', {"said": 'he said "no", and left', "n": 1}),
        ("{'it': 'it's', \"b\": [1, 2}", {"it": "it's", "b": [1, 2]}),
        ('{"a": "two\nlines", "b": "\\u00e9\\ud83d\\ude00\\ud800"}', {"a": "two\nlines", "b": "é😀\ufffd"}),
        ("[1, -2.5e3, 007, nan, True, none]", [1, -2500.0, "007", None, True, None]),
        ("/* so */ {a: // yes\n [1, 2], b: some words, c}", {"a": [1, 2], "b": "some words"}),
        ("“quoted”", "quoted"),
        ('{"a":, "b":', {"a": None, "b": None}),
        ('{"a": 1e999, "b": 1' + "0" * 400 + "}", {"a": "1e999", "b": "1" + "0" * 400}),
    ],
)
def test_careless_json_is_read(text: str, value: object) -> None:
    assert read_leniently(text) == value


SCALARS = st.sampled_from(["string", "integer", "number", "boolean", "null"])
NAMES = st.sampled_from(["a", "B c", "d_e", "start", ""])


def extend(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Schemas that hold schemas."""
    objects = st.dictionaries(NAMES, inner, max_size=3).map(lambda parts: {"type": "object", "properties": parts})
    arrays = st.builds(
        lambda items, low, high, unique: {"type": "array", "items": items, "minItems": low, "maxItems": high} | unique,
        inner,
        st.integers(0, 2),
        st.integers(0, 3),
        st.sampled_from([{}, {"uniqueItems": True}]),
    )
    unions = st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"anyOf": parts})
    return objects | arrays | unions


PLAIN: st.SearchStrategy[dict[str, Any]] = st.one_of(
    SCALARS.map(lambda name: {"type": name}),
    st.lists(SCALARS, min_size=1, max_size=3, unique=True).map(lambda names: {"type": names}),
    st.lists(st.sampled_from(["x", "Y z", 1, True, None, 2.5]), min_size=1).map(lambda values: {"enum": values}),
    st.sampled_from(
        [
            {},
            {"const": "x"},
            {"type": "number", "minimum": 0.5, "multipleOf": 0.1},
            {"type": "string", "pattern": r"^(a|aa)+$", "minLength": 2},
            {"$ref": "#/$defs/point"},
        ]
    ),
)
SCHEMAS = st.recursive(PLAIN, extend, max_leaves=8).map(
    lambda schema: {**schema, "$defs": {"point": {"type": "object", "properties": {"x": {"type": "integer"}}}}}
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["3", "true", "x"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)
MARKS = st.lists(
    st.sampled_from([*"{}[]\":,'\\/ \n", "a", "start", "1", "-2.5", "true", "null", "```", "x", "\ud800", "é"]),
    max_size=60,
).map("".join)


@settings(max_examples=250, deadline=None)
@given(SCHEMAS, JSON.map(json.dumps) | MARKS)
def test_whatever_is_repaired_validates(schema: dict[str, Any], text: str) -> None:
    check_schema(schema)
    tight = tighten(schema)
    repaired = repair(text, tight)
    if validate(text, tight).is_valid:
        assert repaired is not None
        assert json.loads(repaired) == json.loads(text)
    if repaired is not None:
        assert Draft202012Validator(tight).is_valid(json.loads(repaired))
        assert validate(repaired, tight).is_valid
        assert repair(repaired, tight) == repaired


@settings(max_examples=200, deadline=None)
@given(MARKS)
def test_reading_ends_with_a_value_or_not_json(text: str) -> None:
    with contextlib.suppress(NotJson):
        json.dumps(read_leniently(text))


@settings(max_examples=200, deadline=None)
@given(JSON)
def test_good_json_is_read_as_it_is(value: Any) -> None:
    text = json.dumps(value)
    if "NaN" not in text and "Infinity" not in text:
        assert json.dumps(read_leniently(text)) == json.dumps(json.loads(text))


@pytest.mark.parametrize("unit", ['{]"', '["', "{1]", '"a" ', "/*", "\\", '{"a":1,', '" ,', "'\n", "```json\n{"])
def test_hostile_answer_is_given_up_quickly(unit: str) -> None:
    began = time.process_time()
    repair(unit * (100_000 // len(unit)), TIGHT)
    assert time.process_time() - began < 1.5


def test_hostile_pattern_ends_within_its_time() -> None:
    schema = {"type": "array", "items": {"type": "string", "pattern": r"^(([a-z])+.)+[A-Z]([a-z])+$"}}
    began = time.process_time()
    assert not validate(json.dumps(["a" * 5000] * 200), schema).is_valid
    assert time.process_time() - began < 1.5


def test_errors_name_the_place_and_stay_short() -> None:
    found = validate(json.dumps({"themes": [{"title": "x" * 9000, "mood": 1, "count": -1}]}), TIGHT)
    assert "'certain' is a required property" in " ".join(found.errors)
    assert any(error.startswith("themes[0].count: ") for error in found.errors)
    assert all(len(error) < 400 for error in found.errors)
    said = write_correction(found.errors)
    assert "themes[0].count" in said


def test_no_more_than_twenty_errors_are_said() -> None:
    assert len(validate(json.dumps([1] * 100), {"type": "array", "items": {"type": "string"}}).errors) == 20
