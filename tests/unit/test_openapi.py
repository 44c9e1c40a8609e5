"""OpenAPI descriptions become tools, and arguments become requests; what a description gets wrong is put up with."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiturn.upstream.openapi import Api, Operation, WrongDescription, find_base
from multiturn.upstream.openapi_request import Request, WrongArguments, write_request

TEXT = {"type": "string"}


def document(paths: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A description."""
    return {"openapi": "3.1.0", "info": {"title": "Trams", "version": "1"}, "paths": paths, **fields}


def read_one(
    operation: dict[str, Any], path: str = "/lines", method: str = "get", **fields: Any
) -> tuple[Api, Operation]:
    api = Api(document({path: {method: operation}}, **fields))
    (read,) = api.operations.values()
    return api, read


def schema_of(operation: dict[str, Any], method: str = "get", **fields: Any) -> dict[str, Any]:
    api, read = read_one(operation, method=method, **fields)
    return api.describe(read).parameters


def parameter(name: str, place: str = "query", **fields: Any) -> dict[str, Any]:
    return {"name": name, "in": place, "schema": TEXT, **fields}


def write(arguments: dict[str, Any], *parameters: dict[str, Any], path: str = "/lines", **fields: Any) -> Request:
    _, operation = read_one({"parameters": list(parameters), **fields}, path=path, method="post")
    return write_request(operation, "https://trams.example/v1/", arguments)


def test_parameters_of_every_place_and_a_body_are_one_schema() -> None:
    body = {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Ride"}}}}
    schema = schema_of(
        {
            "parameters": [
                parameter("line", "path", required=True, description="Which line"),
                parameter("$top"),
                parameter("X-Zone", "header"),
                parameter("visit", "cookie"),
                parameter("Authorization", "header"),
                parameter("body"),
            ],
            "requestBody": body,
        },
        method="post",
        components={"schemas": {"Ride": {"type": "object", "properties": {"zones": {"type": "integer"}}}}},
    )
    assert schema == {
        "type": "object",
        "properties": {
            "line": {"description": "Which line", "type": "string"},
            "_top": TEXT,
            "X-Zone": TEXT,
            "visit": TEXT,
            "body_query": TEXT,
            "body": {"type": "object", "properties": {"zones": {"type": "integer"}}},
        },
        "required": ["line", "body"],
    }


def test_a_schema_that_holds_itself_ends() -> None:
    stop = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Stop"}, "name": TEXT}}
    schema = schema_of(
        {"parameters": [parameter("stop", schema={"$ref": "#/components/schemas/Stop"})]},
        components={"schemas": {"Stop": stop}},
    )
    assert schema["properties"]["stop"]["properties"] == {"next": {}, "name": TEXT}


def test_schemas_that_multiply_are_cut() -> None:
    """Each level holds the next one twice: two to the thirtieth, written out."""
    levels = {f"L{depth}": {"anyOf": [{"$ref": f"#/components/schemas/L{depth + 1}"}] * 2} for depth in range(30)} | {
        "L30": TEXT
    }
    schema = schema_of(
        {"parameters": [parameter("x", schema={"$ref": "#/components/schemas/L0"})]}, components={"schemas": levels}
    )
    assert len(msgspec.json.encode(schema)) < 60_000


@pytest.mark.parametrize(
    "reference",
    [
        "#/components/schemas/None",
        "https://elsewhere.example/x.json",
        "#/components/schemas/Loop",
        "#",
        "#/paths/9/x",
        3,
    ],
)
def test_a_reference_to_nothing_is_any_value(reference: object) -> None:
    loop = {"$ref": "#/components/schemas/Loop"}
    schema = schema_of(
        {"parameters": [parameter("x", schema={"$ref": reference})]}, components={"schemas": {"Loop": loop}}
    )
    assert schema["properties"]["x"] == {}


def test_what_openapi_3_0_says_its_own_way_is_json_schema() -> None:
    told = {"type": "integer", "nullable": True, "minimum": 1, "exclusiveMinimum": True, "example": 3, "xml": {}}
    ride = {"type": "object", "required": ["id", "to"], "properties": {"id": {"readOnly": True}, "to": told}}
    schema = schema_of({"parameters": [parameter("ride", schema=ride)]})
    assert schema["properties"]["ride"] == {
        "type": "object",
        "required": ["to"],
        "properties": {"to": {"type": ["integer", "null"], "exclusiveMinimum": 1}},
    }


def test_operations_have_names_and_none_twice() -> None:
    api = Api(
        document(
            {
                "/lines/{line}/stops": {"get": {}, "parameters": [parameter("line", "path")]},
                "/a": {"get": {"operationId": "list all!"}, "post": {"operationId": "list all!"}},
            }
        )
    )
    assert list(api.operations) == ["get_lines_line_stops", "list all!", "list all!_2"]
    assert api.describe(api.operations["get_lines_line_stops"]).description == "GET /lines/{line}/stops"


def test_an_operation_whose_body_must_be_no_json_is_left_out() -> None:
    form = {"required": True, "content": {"multipart/form-data": {}}}
    patch: dict[str, Any] = {"content": {"application/merge-patch+json": {"schema": {}}}}
    api = Api(document({"/a": {"post": {"requestBody": form}, "patch": {"requestBody": patch}}}))
    assert [operation.body_type for operation in api.operations.values()] == ["application/merge-patch+json"]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"swagger": "2.0", "paths": {}}, "Swagger 2.0"),
        ({}, "no OpenAPI"),
        ([], "no OpenAPI"),
        ({"openapi": "4.0"}, "OpenAPI 4.0"),
        ({"openapi": "3.1.0"}, "no operation"),
        ({"openapi": "3.1.0", "paths": {"/a": {"get": "x"}, "/b": 3, "/c": {"get": None}}}, "no operation"),
    ],
)
def test_a_description_that_is_none_is_refused(said: Any, reason: str) -> None:
    with pytest.raises(WrongDescription, match=reason):
        Api(said)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
WORDS = st.sampled_from(
    ["parameters", "requestBody", "content", "schema", "$ref", "name", "in", "properties", "servers", "url", "required"]
)
ODD = st.recursive(
    JSON | st.sampled_from(["#/paths", "query", "application/json", "#/paths/~1a/get"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@given(item=st.dictionaries(WORDS, ODD), operation=st.dictionaries(WORDS, ODD))
def test_no_description_makes_more_than_a_refusal(item: dict[str, Any], operation: dict[str, Any]) -> None:
    try:
        api = Api(document({"/a": {**item, "get": operation}}))
    except WrongDescription:
        return
    for read in api.operations.values():
        msgspec.json.encode(api.describe(read))
        find_base(api, read, None, None)


def test_arguments_go_where_they_belong() -> None:
    body: dict[str, Any] = {"content": {"application/json": {"schema": {}}}}
    request = write(
        {"line": "28 E/ü", "zones": [1, 2], "open": True, "X-Zone": "a", "visit": "b c", "body": {"a": None}},
        parameter("line", "path"),
        parameter("zones"),
        parameter("open"),
        parameter("X-Zone", "header"),
        parameter("visit", "cookie"),
        path="/lines/{line}/rides",
        requestBody=body,
    )
    assert request.url == "https://trams.example/v1/lines/28%20E%2F%C3%BC/rides?zones=1&zones=2&open=true"
    assert request.headers == {"X-Zone": "a", "Cookie": "visit=b%20c", "Content-Type": "application/json"}
    assert (request.method, request.body) == ("POST", b'{"a":null}')


@pytest.mark.parametrize(
    ("fields", "value", "query"),
    [
        ({"explode": False}, ["a", "b"], "x=a%2Cb"),
        ({"style": "pipeDelimited", "explode": False}, ["a", "b"], "x=a%7Cb"),
        ({"style": "deepObject"}, {"a": 1, "b": "c"}, "x%5Ba%5D=1&x%5Bb%5D=c"),
        ({}, {"a": 1}, "a=1"),
        ({"explode": False}, {"a": 1}, "x=a%2C1"),
        ({"content": {"application/json": {"schema": {}}}}, {"a": [1]}, "x=%7B%22a%22%3A%5B1%5D%7D"),
        ({}, 1.5, "x=1.5"),
    ],
)
def test_several_values_are_written_in_the_parameters_style(fields: dict[str, Any], value: Any, query: str) -> None:
    assert write({"x": value}, parameter("x", **fields)).url.partition("?")[2] == query


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_a_value_cannot_lead_out_of_its_path(value: str) -> None:
    with pytest.raises(WrongArguments, match="part of the path"):
        write({"line": value}, parameter("line", "path"), path="/lines/{line}")
    url = write({"line": "../users?x#{y}"}, parameter("line", "path"), path="/lines/{line}").url
    assert url == "https://trams.example/v1/lines/..%2Fusers%3Fx%23%7By%7D"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({}, "Missing arguments: line"),
        ({"line": None}, "Missing arguments: line"),
        ({"line": "1", "zone": 1}, "Unknown arguments: zone. Known are: X-Zone, line"),
        ({"line": "1", "X-Zone": "a\r\nHost: b"}, "'X-Zone' holds characters"),
    ],
)
def test_arguments_that_do_not_fit_are_named(arguments: dict[str, Any], reason: str) -> None:
    with pytest.raises(WrongArguments, match=reason):
        write(arguments, parameter("line", "path"), parameter("X-Zone", "header"), path="/lines/{line}")


@pytest.mark.parametrize(
    ("servers", "base_url", "document_url", "base"),
    [
        ([{"url": "https://a.example/v1"}], None, None, "https://a.example/v1"),
        ([{"url": "https://a.example/v1"}], "https://b.example", None, "https://b.example"),
        ([{"url": "/v2"}], None, "https://a.example/docs/openapi.json", "https://a.example/v2"),
        ([], None, "https://a.example/docs/openapi.json", "https://a.example/"),
        (
            [{"url": "https://{zone}.example", "variables": {"zone": {"default": "eu"}}}],
            None,
            None,
            "https://eu.example",
        ),
        ([], None, None, ""),
    ],
)
def test_where_an_api_is(servers: list[Any], base_url: str | None, document_url: str | None, base: str) -> None:
    api, operation = read_one({}, servers=servers)
    assert find_base(api, operation, base_url, document_url) == base
