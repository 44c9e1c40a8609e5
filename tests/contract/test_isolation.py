"""The isolation matrix: every route of the server × who may not: made of the routes, so that a new one is in it.

A route whose parameters nobody gave an id fails; so does one whose filled path its own user cannot read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
import pytest_asyncio
from starlette.routing import BaseRoute, Mount, Route

from multiturn.api.description import Operation
from multiturn.api.envelopes import find_envelope
from multiturn.api.errors import find_status
from multiturn.api.operations import OPERATIONS
from multiturn.api.routes import list_routes
from multiturn.api.services import Services
from tests.contract.asking import Said
from tests.contract.isolation import PARAMETER, PLAIN, PRIVATE, SHARED, World, like, open_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNKNOWN = ("nobody", "wrong key", "expired token", "forged token")
# What belongs to one user; everything else belongs to the tenant, whose users share it.
PERSONAL = {"session_id", "run_id", "user_id", "response_id"}
ADMIN = ("/v1/keys", "/v1/quotas")
DESCRIBED: dict[tuple[str, str], Operation] = {
    (operation.method.upper(), path): operation for operation in OPERATIONS for path in operation.paths
}


ROUTES: list[BaseRoute] = list_routes(cast("Services", SimpleNamespace(is_ready=None, models_state=None)))
# They make a thing with the id that they name, where it is not there: of another tenant that is another thing.
MAKING = {"/julep/api/agents/{agent_id}", "/julep/api/users/{user_id}", "/v1/agents/{agent_id}", "/v1/users/{user_id}"}
# What only who has the whole tenant may list.
LISTED_BY_OWNERS = {"/v1/users", "/julep/api/users"}
# What a text has not.
NOT_OF_TEXTS = {"/v1/assets/{asset_id}/transcript", "/v1.3/assets/{asset_id}/transcription"}


def list_asked() -> list[tuple[str, str]]:
    """Every method on every path of the server."""
    asked = []
    for route in ROUTES:
        if isinstance(route, Mount):
            continue  # What a dialect has and this server has not: see test_what_is_not_there_is_so_for_everybody.
        assert isinstance(route, Route), f"{route}: say how it is asked"
        asked += [(method, route.path) for method in sorted((route.methods or set()) - {"HEAD"})]
    return asked


ASKED = list_asked()
CLOSED = [
    (method, path) for method, path in ASKED if (method, path) not in DESCRIBED or not DESCRIBED[method, path].is_open
]
OPEN = sorted({path for _, path in ASKED} - {path for _, path in CLOSED})
NAMES = [f"{method} {path}" for method, path in CLOSED]
every_closed_route = pytest.mark.parametrize(("method", "path"), CLOSED, ids=NAMES)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with open_world(tmp_path_factory.mktemp("world")) as world:
        yield world


def write_body(world: World, method: str, path: str) -> dict[str, Any]:
    """A body that a route takes, of its description; ids in it are those of the tenant's things."""
    operation = DESCRIBED.get((method, path))
    body = operation.body if operation else None
    if body is None:
        return {}
    if body.examples:
        return {"body": put_ids(world, path, body.examples[0].body)}
    if body.form_example:
        return {"body": dict(body.form_example), "form": True}
    return {"body": b"x" if body.raw else {}}


def put_ids(world: World, path: str, value: Any, name: str = "") -> Any:
    """A body with the tenant's ids where there are ids."""
    if isinstance(value, dict):
        return {key: put_ids(world, path, inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [put_ids(world, path, inner, name.removesuffix("s")) for inner in value]
    known = world.find_id(path, name) if name.endswith("_id") else None
    return known if isinstance(value, str) and known else value


def require_envelope(path: str, said: Said, status: int) -> str:
    """The code of an error, which must be in the envelope of its path, and have the status that it has there."""
    envelope = find_envelope(path)
    error = said.json
    if envelope is None:
        assert set(error["error"]) == {"message", "type", "param", "code"}, said.text
        code = error["error"]["code"]
        assert said.status in (status, find_status(code)), said.text
    else:
        shaped: Any = msgspec.convert(error, envelope.shape)
        code = find_code(msgspec.to_builtins(shaped))
        assert said.status == envelope.find_status(code), said.text
    return str(code)


def find_code(error: Any) -> str:
    """Our code in a dialect's error: it is called a reason where the dialect has codes of its own."""
    if not isinstance(error, dict):
        return ""
    inner = (find_code(value) for value in error.values())
    own = error.get("reason") or error.get("code")
    return own if isinstance(own, str) else next((code for code in inner if code), "")


async def test_what_is_not_there_is_so_for_everybody(world: World) -> None:
    for route in ROUTES:
        if isinstance(route, Mount):
            answers = [await world.ask(who, "POST", f"{route.path}/x") for who in ("nobody", "stranger", "ann")]
            assert len({(said.status, said.body) for said in answers}) == 1
            assert answers[0].status in (401, 404, 501), route.path


async def test_open_routes_are_those_that_tell_nothing_of_anybody() -> None:
    links = [path for path in OPEN if path.startswith("/media/{token}/")]
    assert sorted(set(OPEN) - set(links)) == ["/docs", "/healthz", "/metrics", "/openapi.json", "/readyz"]


@every_closed_route
async def test_without_a_good_key_nobody_gets_in(world: World, method: str, path: str) -> None:
    before = world.snapshot()
    wanted = {"nobody": "missing_api_key", "wrong key": "invalid_api_key"}
    for who in UNKNOWN:
        said = await world.ask(who, method, world.fill(path), **write_body(world, method, path))
        assert require_envelope(path, said, 401) == wanted.get(who, "invalid_token")
        assert said.headers.get("www-authenticate") == "Bearer" or said.status != 401
        assert world.snapshot() == before, who


@every_closed_route
async def test_other_tenant_gets_nothing(world: World, method: str, path: str) -> None:
    before = world.snapshot()
    for who in ("stranger", "guest"):
        await require_nothing(world, who, method, path)
        assert world.snapshot() == before, who


async def require_nothing(world: World, who: str, method: str, path: str) -> None:
    """A thing is answered as one that never was, to the byte, and a listing has none of the tenant's."""
    body = write_body(world, method, path)
    said = await world.ask(who, method, world.fill(path), **body)
    told = said.text
    assert PRIVATE not in told.replace(f"{PRIVATE}, says the model", ""), told
    assert SHARED not in told, told
    names = [name for name in PARAMETER.findall(path) if name not in PLAIN]
    if path.startswith(ADMIN):
        assert require_envelope(path, said, 403) == "forbidden"
    elif names:
        never = await world.ask(who, method, world.fill(path, made_up=names), **body)
        assert said.status == never.status
        if said.status < 300:
            assert path in MAKING
            for made_up in ((), names):
                gone = await world.ask(who, "DELETE", world.fill(path, made_up=made_up))
                assert gone.status < 300
            return
        # Who acts for one user may change nothing of a tenant, whatever is there.
        assert require_envelope(path, said, 404) != "forbidden" or who == "guest"
        assert hide_ids(world, told) == hide_ids(world, never.text)


def hide_ids(world: World, text: str) -> str:
    """A text without the ids that were asked for."""
    for known in world.ids.values():
        text = text.replace(known, "…").replace(like(known), "…")
    return text


@every_closed_route
async def test_other_user_gets_nothing_of_this_one(world: World, method: str, path: str) -> None:
    before = world.snapshot()
    body = write_body(world, method, path)
    said = await world.ask("bob", method, world.fill(path), **body)
    assert PRIVATE not in said.text.replace(f"{PRIVATE}, says the model", ""), said.text
    if path.startswith(ADMIN):
        assert require_envelope(path, said, 403) == "forbidden"
    elif PERSONAL & set(PARAMETER.findall(path)):
        never = await world.ask("bob", method, world.fill(path, made_up=PERSONAL), **body)
        require_envelope(path, said, 404)
        assert hide_ids(world, said.text) == hide_ids(world, never.text)
    else:
        assert said.status < 500 or said.status in (501, 503)
    assert not before - world.snapshot()


@pytest.mark.parametrize(("method", "path"), [one for one in CLOSED if one[0] != "GET"])
async def test_key_that_may_only_read_changes_nothing(world: World, method: str, path: str) -> None:
    before = world.snapshot()
    said = await world.ask("reader", method, world.fill(path), **write_body(world, method, path))
    is_reading = path.rpartition("/")[2] in ("search", "preview", "render", "embed", "mcp")
    assert is_reading or require_envelope(path, said, 403) == "forbidden"
    assert world.snapshot() == before


@pytest.mark.parametrize(("method", "path"), [one for one in CLOSED if one[0] == "GET"])
async def test_who_may_gets_what_the_others_do_not(world: World, method: str, path: str) -> None:
    """Otherwise the matrix would hold for a wrong id as well."""
    who = "admin" if path.startswith(ADMIN) else "owner" if path in LISTED_BY_OWNERS else "ann"
    target = world.fill(path) + ("?tenant=north" if who == "admin" else "")
    said = await world.ask(who, method, target)
    assert said.status == (404 if path in NOT_OF_TEXTS else 200), said.text


async def test_every_id_is_one_that_somebody_can_read() -> None:
    proven = {key_of(path, name) for method, path in CLOSED if method == "GET" for name in PARAMETER.findall(path)}
    asked = {key_of(path, name) for _, path in CLOSED for name in PARAMETER.findall(path) if name not in PLAIN}
    assert asked - proven <= NEVER_READ


def key_of(path: str, name: str) -> str:
    return f"{path.split('/')[1]} {name}"


# Things of which a dialect has no GET of its own.
NEVER_READ = {"api assignment_id", "api hook_id", "api tool_id"}


async def test_someone_elses_session_is_not_handed_over_by_its_id(world: World) -> None:
    """A chat that names somebody else's session, by our id or by its name, begins one of its own."""
    turn = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    before = world.snapshot()
    for who in ("bob", "stranger", "guest"):
        for name in (world.ids["::session_id"], PRIVATE):
            said = await world.ask(who, "POST", "/v1/chat/completions", {**turn, "session_id": name})
            assert said.status == 200, said.text
            items = await world.ask(who, "GET", f"/v1/sessions/{name}/items?order=asc")
            assert [item["role"] for item in items.json["data"]] == ["user", "assistant"]
            assert items.json["data"][0]["content"] == "hi"
    assert before <= world.snapshot()
