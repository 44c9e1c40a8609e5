"""A tenant with one of everything, and those who try to get at it.

What is a tenant's says SHARED, what is its user Ann's says PRIVATE: neither may be told to who may not know it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sqlite3
import time
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from starlette.types import ASGIApp

from multiturn.app import open_server
from multiturn.config import Settings
from multiturn.engine.keys import Keys, NewKey
from multiturn.upstream.scripted import Script, ScriptedUpstream
from tests.contract.asking import Said, ask
from tests.issuing import AUDIENCE, ISSUER, make_token, write_jwks
from tests.unit.tool_hosts import ScriptedHost

SHARED, PRIVATE = "Quillwort-Atlas", "Velvet-Lighthouse"
NORTH, SOUTH = "north", "south"
MODEL = "scripted"
PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
# Which of a path's parts tells whose thing a parameter is, where its name alone does not.
OWNERS = ("sessions", "agents", "users")
MADE_UP = str(uuid4())
PLAIN_HEX = MADE_UP.replace("-", "")
HEX = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}$|[0-9a-f]{24,32}$")
# What is no id: a name that everybody may say, a part of a thing, or the signature of a link.
PLAIN: Mapping[str, str] = {
    "model": MODEL,
    "version": "1",
    "kind": "users",
    "number": "1",
    "name": "x.txt",
    "token": "x",
}


@dataclass(kw_only=True)
class World:
    """A server, a tenant in it with everything filled, and the keys of its people and of strangers."""

    app: ASGIApp
    keys: Keys
    reading: sqlite3.Connection
    tenant_id: bytes = b""
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    seen: tuple[int, frozenset[tuple[str, str]]] = (-1, frozenset())

    async def ask(self, who: str, method: str, path: str, body: Any = None, *, form: bool = False) -> Said:
        """Ask as somebody; a body is sent as JSON, or as a form."""
        headers = dict(self.secrets[who])
        if form:
            raw, headers["content-type"] = write_form(body)
        else:
            raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
            headers["content-type"] = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        return await ask(self.app, method, path, headers=headers, body=raw)

    async def make(self, who: str, path: str, body: Any, *, method: str = "POST", form: bool = False) -> Any:
        """Make something; what the server says of it."""
        said = await self.ask(who, method, path, body, form=form)
        assert said.status < 300, (path, said.text)
        return said.json

    @property
    def ann_id(self) -> bytes:
        """Ann's id as the database has it; nobody's while she has done nothing."""
        return UUID(self.ids.get("::user_id", MADE_UP)).bytes

    def find_id(self, path: str, name: str) -> str | None:
        """The id that stands for a parameter of a route: the owner's of it, the dialect's, or anybody's."""
        if name in PLAIN:
            return PLAIN[name]
        parts = path.split("/")
        prefix = parts[1]
        owner = next((one for one in OWNERS if one in parts), "")
        for key in (f"{prefix}:{owner}:{name}", f":{owner}:{name}", f"{prefix}::{name}", f"::{name}"):
            if key in self.ids:
                return self.ids[key]
        return None

    def fill(self, path: str, *, made_up: Collection[str] = ()) -> str:
        """A route's path with ids in it, of things that are there; for some parameters those of what never was."""

        def put(found: re.Match[str]) -> str:
            known = self.find_id(path, found[1])
            assert known is not None, f"{path}: give '{found[1]}' an id in fill_world()"
            return like(known) if found[1] in made_up and found[1] not in PLAIN else known

        return PARAMETER.sub(put, path)

    def snapshot(self) -> frozenset[tuple[str, str]]:
        """Every row of the tenant, by its table and its hash; when a key was last used may change."""
        (version,) = self.reading.execute("PRAGMA data_version").fetchone()
        if version == self.seen[0]:
            return self.seen[1]
        rows = set()
        for (table,) in self.reading.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            columns = [row[1] for row in self.reading.execute(f"PRAGMA table_info({table})")]
            which = "id" if table == "tenants" else "tenant_id"
            kept = ", ".join(name for name in columns if name != "used_at")
            if which in columns:
                # What Bob uses is added up within a second, while others are at it.
                whose = " AND user_id = :ann" if table == "usage_days" else ""
                query = f"SELECT {kept} FROM {table} WHERE {which} = :tenant_id{whose}"
                for row in self.reading.execute(query, {"tenant_id": self.tenant_id, "ann": self.ann_id}):
                    rows.add((table, hashlib.sha256(repr(row).encode()).hexdigest()))
        self.seen = (version, frozenset(rows))
        return self.seen[1]


def like(known: str) -> str:
    """An id of the same form that is nobody's."""
    return HEX.sub(lambda found: MADE_UP[: len(found[0])] if "-" in found[0] else PLAIN_HEX[: len(found[0])], known)


def write_form(fields: Mapping[str, str]) -> tuple[bytes, str]:
    """A form with one file, which `@name` stands for, and its type."""
    boundary, parts = "fence", []
    for name, value in fields.items():
        is_file = value.startswith("@")
        told = f'; filename="{value[1:]}"' if is_file else ""
        text = f"{SHARED}. Tram 28 climbs the hill." if is_file else value
        parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{told}\r\n\r\n{text}\r\n')
    return ("".join(parts) + f"--{boundary}--\r\n").encode(), f"multipart/form-data; boundary={boundary}"


@asynccontextmanager
async def open_world(data_dir: Path) -> AsyncGenerator[World]:
    """Open a server that takes keys and tokens, and fill a tenant."""
    settings = Settings(
        data_dir=data_dir,
        model="m",
        stop_s=0.1,
        sweep_every_s=3600,
        log_level="error",
        jwt_jwks_url=write_jwks("a"),
        jwt_issuer=ISSUER,
        jwt_audience=(AUDIENCE,),
        jwt_tenant=NORTH,
    )
    upstream = ScriptedUpstream(lambda _: Script(f"{PRIVATE}, says the model."))
    async with open_server(settings, upstream=upstream, tool_host=ScriptedHost({})) as server:
        with closing(sqlite3.connect(f"file:{data_dir / 'multiturn.db'}?mode=ro", uri=True)) as reading:
            world = World(app=server.app, keys=server.keys, reading=reading)
            await admit(world)
            await fill_world(world)
            yield world


async def admit(world: World) -> None:
    """Give everybody what they come with."""

    async def make_key(**wanted: Any) -> dict[str, str]:
        key, secret = await world.keys.make(NewKey(**wanted))
        if wanted["tenant"] == NORTH:
            world.tenant_id = key.tenant_id.bytes
        return {"authorization": f"Bearer {secret}"}

    now = int(time.time())
    world.secrets = {
        "ann": await make_key(tenant=NORTH, user="ann"),
        "owner": await make_key(tenant=NORTH),
        "admin": await make_key(tenant=NORTH, scopes=("admin",)),
        "reader": await make_key(tenant=NORTH, scopes=("read",)),
        "bob": await make_key(tenant=NORTH, user="bob"),
        "stranger": await make_key(tenant=SOUTH),
        "guest": await make_key(tenant=SOUTH, user="ann"),
        "nobody": {},
        "wrong key": {"authorization": "Bearer mt-wrong"},
        "expired token": {"authorization": f"Bearer {make_token(sub='ann', exp=now - 600)}"},
        "forged token": {"authorization": f"Bearer {make_token(key=None, kid='b', sub='ann')}"},
    }


async def fill_world(world: World) -> None:
    """Make one of everything, and note its id under ``dialect:owner:parameter``; what is left out fits all."""
    await fill_knowledge(world)
    await fill_agents(world)
    await fill_sessions(world)
    await fill_julep(world)
    await fill_powabase(world)
    key, _ = await world.keys.make(NewKey(tenant=NORTH, label=SHARED))
    world.ids["::key_id"] = str(key.id)
    user = world.ids["::user_id"]
    await world.make("admin", f"/v1/quotas/users/{user}?tenant={NORTH}", {"day": {"turns": 99}}, method="PUT")
    world.ids["::subject_id"] = user
    await world.make("admin", f"/v1/quotas/users?tenant={NORTH}", {"day": {"turns": 99}}, method="PUT")


async def fill_knowledge(world: World) -> None:
    """A file, a store that it is in, a collection, a batch, an upload."""
    ids = world.ids
    made = await world.make("owner", "/v1/assets", {"file": f"@{SHARED}.txt"}, form=True)
    ids["::asset_id"] = made["id"]
    await wait_ready(world, f"/v1/assets/{made['id']}")
    store = (await world.make("owner", "/v1/stores", {"name": SHARED}))["id"]
    ids["::store_id"] = ids["v1.3::knowledge_store_id"] = ids["::vector_store_id"] = store
    item = (await world.make("owner", f"/v1/stores/{store}/items", {"asset_id": made["id"]}))["id"]
    ids["::item_id"] = item
    await wait_ready(world, f"/v1/stores/{store}/items/{item}")
    ids["::collection_id"] = (await world.make("owner", f"/v1/stores/{store}/collections", {"name": SHARED}))["id"]
    files = await world.make("owner", "/v1/files", {"file": f"@{SHARED}-2.txt", "purpose": "assistants"}, form=True)
    ids["::file_id"] = files["id"]
    await wait_ready(world, f"/v1/assets/{files['id']}")
    batches = f"/v1/vector_stores/{store}/file_batches"
    ids["::batch_id"] = (await world.make("owner", batches, {"file_ids": [files["id"]]}))["id"]
    await wait_done(world, f"/v1/vector_stores/{store}/files/{files['id']}")
    order = {"filename": f"{SHARED}.mp4", "type": "video", "total_size": 10_000_000}
    ids["v1.3::upload_id"] = (await world.make("owner", "/v1.3/assets/multipart-uploads", order))["upload_id"]


async def wait_ready(world: World, path: str) -> None:
    """Wait until a file or an item is ready."""
    async with asyncio.timeout(60):
        while (await world.ask("owner", "GET", path)).json["status"] not in ("ready", "failed"):
            await asyncio.sleep(0.02)


async def wait_done(world: World, path: str) -> None:
    """Wait until a file of a vector store is indexed."""
    async with asyncio.timeout(60):
        while (await world.ask("owner", "GET", path)).json["status"] == "in_progress":
            await asyncio.sleep(0.02)


async def fill_agents(world: World) -> None:
    """An agent with a document."""
    body = {"name": SHARED, "model": "m", "instructions": SHARED}
    agent = (await world.make("owner", "/v1/agents", body))["id"]
    world.ids["::agent_id"] = agent
    doc = await world.make("owner", f"/v1/agents/{agent}/docs", {"title": SHARED, "content": SHARED})
    world.ids[":agents:doc_id"] = doc["id"]


async def fill_sessions(world: World) -> None:
    """A session of Ann's with a turn and a document, a document of her own, a response of Jockey's."""
    ids = world.ids
    turn = {"model": "m", "session_id": PRIVATE, "messages": [{"role": "user", "content": f"Where is {PRIVATE}?"}]}
    await world.make("ann", "/v1/chat/completions", turn)
    session = await world.make("ann", f"/v1/sessions/{PRIVATE}", None, method="GET")
    ids["::session_id"] = session["id"]
    ids["::user_id"] = (await world.make("ann", "/v1/users/ann", None, method="GET"))["id"]
    runs = await world.make("ann", f"/v1/sessions/{session['id']}/runs", None, method="GET")
    ids["::run_id"] = runs["data"][0]["id"]
    private = {"title": PRIVATE, "content": PRIVATE}
    for owner, name in (("sessions", session["id"]), ("users", ids["::user_id"])):
        ids[f":{owner}:doc_id"] = (await world.make("ann", f"/v1/{owner}/{name}/docs", private))["id"]
    ids["::doc_id"] = ids[":sessions:doc_id"]
    said = [{"type": "message", "role": "user", "content": f"Where is {PRIVATE}?"}]
    order = {"knowledge_store_id": ids["::store_id"], "input": said}
    response = await world.make("ann", "/v1.3/responses", order)
    ids["v1.3::response_id"], ids["v1.3::session_id"] = response["id"], response["session_id"]


async def fill_julep(world: World) -> None:
    """An agent's tool."""
    tool = {"name": "look", "type": "function", "function": {"parameters": {"type": "object", "properties": {}}}}
    made = await world.make("owner", f"/julep/api/agents/{world.ids['::agent_id']}/tools", tool)
    world.ids["julep:agents:tool_id"] = made["id"]


async def fill_powabase(world: World) -> None:
    """What an agent has there, and a session with a run."""
    ids = world.ids
    ids["api::knowledge_base_id"], ids["api::source_id"] = ids["::store_id"], ids["::asset_id"]
    agent = f"/api/agents/{ids['::agent_id']}"
    tool = {"tool_type": "function", "tool_name": "gaze", "config_override": {"description": "x", "parameters": {}}}
    ids["api:agents:tool_id"] = (await world.make("owner", f"{agent}/tools", tool))["id"]
    base = {"knowledge_base_id": ids["::store_id"]}
    ids["api:agents:assignment_id"] = (await world.make("owner", f"{agent}/knowledge-bases", base))["id"]
    server = {"name": "desk", "url": "https://desk.example/mcp"}
    ids["api:agents:server_id"] = (await world.make("owner", f"{agent}/mcp-servers", server))["id"]
    hook = {"event": "PreToolUse", "type": "approval"}
    ids["api:agents:hook_id"] = (await world.make("owner", f"{agent}/hooks", hook))["id"]
    order = {"query": "tram 28", "knowledge_bases": [{"id": ids["::store_id"], "retrieval_method": "full_text"}]}
    ids["api::context_handler_id"] = (await world.make("ann", "/api/context-handlers", order))["id"]
    plain = (await world.make("owner", "/v1/agents", {"name": "Plain", "model": "m"}))["id"]
    run = await world.make("ann", f"/api/agents/{plain}/run", {"message": PRIVATE})
    ids["api::run_id"], ids["api::session_id"] = run["run_id"], run["session_id"]
