"""Sessions that leave the server and come back, over HTTP: nothing is lost, and a broken import leaves nothing."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multiturn.upstream.scripted import Script, ScriptedCall
from tests.contract.dialects.conftest import Place, enter_shared, open_place

pytestmark = pytest.mark.asyncio(loop_scope="module")

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
FACT, QUESTION = "The ferns of my grandmother are called Ada and Blaise.", "What are my grandmother's ferns called?"
LONG = "water the plants and sweep the floor. " * 12
STEPS = st.lists(st.sampled_from(["say", "say long", "call", "edit", "regenerate", "clear", "fork"]), max_size=12)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> str:
    """Both databases."""
    return str(request.param)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory, shared_database: str | None) -> AsyncIterator[Place]:
    """The server of this module, whose model has a small window."""
    async with open_place(tmp_path_factory.mktemp("server"), shared_database, context_tokens=600) as place:
        yield place


async def make(place: Place, name: str, **fields: Any) -> Any:
    """Make a session that is kept."""
    async with place.http.post("/v1/sessions", json={"external_id": name, **fields}) as reply:
        assert reply.status == 201, await reply.text()
        return await reply.json()


async def export(place: Place, name: str = "s", *, documents: bool = False) -> str:
    """Export a session."""
    query = "?documents=true" if documents else ""
    async with place.http.get(f"/v1/sessions/{name}/export{query}") as reply:
        assert (reply.status, reply.content_type) == (200, "application/jsonl")
        return await reply.text()


async def send(place: Place, lines: Any, query: str = "", **headers: str) -> tuple[int, Any]:
    """Import something."""
    body = BytesIO(lines.encode()) if isinstance(lines, str) else lines
    async with place.http.post(f"/v1/sessions/import{query}", data=body, headers=headers) as reply:
        return reply.status, await reply.json()


async def bring(place: Place, lines: Any, query: str = "") -> Any:
    """Import something that is whole."""
    status, body = await send(place, lines, query)
    assert status == 201, body
    return body


async def refused(place: Place, lines: Any, query: str = "") -> str:
    """Why an import is refused as broken, and nothing of it is there."""
    before = await list_names(place)
    status, body = await send(place, lines, query)
    assert (status, body["error"]["code"]) == (400, "import_broken"), body
    assert await list_names(place) == before
    return str(body["error"]["message"])


async def list_names(place: Place) -> list[str]:
    """The names of all sessions."""
    return [one["external_id"] for one in (await place.get("/v1/sessions?limit=100"))["data"]]


def compare(lines: str) -> str:
    """Lines with their ids replaced by numbers, and without the session's name."""
    names: dict[str, str] = {}
    text = ID.sub(lambda found: names.setdefault(found[0], f"id {len(names)}"), lines)
    return re.sub(r'"external_id":"\w+"', '"external_id":""', text)


async def settle(place: Place) -> None:
    """Let work behind the turns end."""
    seen = -1
    while seen != len(place.seen):
        seen = len(place.seen)
        await asyncio.sleep(0.02)


async def show_next(place: Place, name: str) -> Any:
    """What the model is shown in the next turn of a session."""
    body = {"model": "m", "messages": [{"role": "user", "content": QUESTION}]}
    async with place.http.post(f"/v1/sessions/{name}/context/preview", json=body) as reply:
        assert reply.status == 200, await reply.text()
        told = await reply.json()
    before = len(place.seen)
    await place.ask(QUESTION, session_id=name)
    turns = [one["messages"] for one in place.seen[before:] if "Summarize" not in str(one["messages"][-1]["content"])]
    return [(part["kind"], part["tokens"]) for part in told["parts"]], turns[0]


class Walk:
    """A session whose history takes many turns."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.name = "s"
        self.number = 0

    async def step(self, what: str) -> None:
        """Do something in it."""
        self.number += 1
        text = f"Step {self.number}: {LONG if what == 'say long' else 'no more.'}"
        match what:
            case "call":
                self.place.will_say(Script(tool_calls=[ScriptedCall("find", '{"a":1}', id=f"c{self.number}")]))
                await self._post([{"role": "user", "content": text}])
                result = {"role": "tool", "tool_call_id": f"c{self.number}", "content": f"found {self.number}"}
                await self._post([result])
            case "edit" | "regenerate":
                await self._branch(text, is_edit=what == "edit")
            case "clear":
                await self._post_to("clear", 200)
            case "fork":
                await self._post_to("fork", 201, external_id=f"{self.name}f")
                self.name += "f"
            case _:
                await self.place.ask(text, session_id=self.name, user="ann")
        await settle(self.place)

    async def _branch(self, text: str, *, is_edit: bool) -> None:
        """Answer again from the last thing that the user said, or from another one instead."""
        items = [item for item in await self.place.list_items(self.name) if item["type"] == "message"]
        said = [{"role": item["role"], "content": item["content"]} for item in items]
        while said and said[-1]["role"] != "user":
            said.pop()
        if is_edit and said:
            said[-1] = {"role": "user", "content": text}
        await self._post(said or [{"role": "user", "content": text}])

    async def _post(self, messages: list[dict[str, Any]]) -> None:
        async with self.place.post("", session_id=self.name, messages=messages) as reply:
            assert reply.status == 200, await reply.text()

    async def _post_to(self, what: str, status: int, **fields: Any) -> None:
        async with self.place.http.post(f"/v1/sessions/{self.name}/{what}", json=fields) as reply:
            assert reply.status == status, await reply.text()


@settings(
    max_examples=12,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
async def test_any_session_comes_back_as_it_was(shared: Place, steps: list[str]) -> None:
    async with enter_shared(shared) as place:
        await make(place, "s", instructions="Be brief.", metadata={"a": {"b": [1, None, "ü"]}})
        walk = Walk(place)
        for what in steps:
            await walk.step(what)
        lines = await export(place, walk.name)
        await bring(place, lines, "?external_id=copy")
        assert compare(await export(place, "copy")) == compare(lines)
        assert await show_next(place, "copy") == await show_next(place, walk.name)


async def test_cut_session_shows_its_model_the_same_bytes(place: Place) -> None:
    await make(place, "s")
    walk = Walk(place)
    await place.ask(FACT, session_id="s")
    for _ in range(9):
        await walk.step("say long")
    lines = await export(place)
    session = json.loads(lines.partition("\n")[0])
    assert session["cut"] > 1
    assert session["window"]["summary"] or session["pending_summary"]
    assert '"retrieved":{' in lines
    await bring(place, lines, "?external_id=copy")
    assert compare(await export(place, "copy")) == compare(lines)
    shown = await show_next(place, "copy")
    assert shown == await show_next(place, "s")
    assert FACT in str(shown)


async def test_steps_reasoning_and_cost_come_along(place: Place) -> None:
    await make(place, "s")
    await place.ask("hello")
    lines = (await export(place)).splitlines()
    at, run = next((at, json.loads(line)) for at, line in enumerate(lines) if '"type":"run"' in line)
    call = {"call_id": "c1", "name": "look", "source": "desk", "result": "there", "duration_ms": 1.5, "approved": True}
    steps = [{"number": number, "started_at": run["created_at"], "text": "hm"} for number in (1, 2)]
    steps[0]["calls"] = [call]
    run |= {"steps": steps, "reasoning": {"effort": "low"}, "cost_usd": 0.25}
    changed = [*lines[:at], json.dumps(run), *lines[at + 1 :]]
    await bring(place, "\n".join(changed), "?external_id=x")
    again = next(json.loads(line) for line in (await export(place, "x")).splitlines() if '"type":"run"' in line)
    assert {name: again[name] for name in ("steps", "reasoning", "cost_usd")} == {
        name: run[name] for name in ("steps", "reasoning", "cost_usd")
    }
    for wrong in ({"steps": steps[1:]}, {"steps": [steps[0]] * 2}, {"cost_usd": -1}, {"steps": [{"number": 1}]}):
        broken = [*lines[:at], json.dumps({**run, **wrong}), *lines[at + 1 :]]
        assert f"Line {at + 1}" in await refused(place, "\n".join(broken), "?external_id=y")


async def test_fork_stands_alone_when_imported(place: Place) -> None:
    await make(place, "s")
    walk = Walk(place)
    for what in ("say", "say", "fork", "say", "edit"):
        await walk.step(what)
    lines = await export(place, "sf")
    async with place.http.delete("/v1/sessions/s") as reply:
        assert reply.status == 200
    async with place.http.delete("/v1/sessions/sf") as reply:
        assert reply.status == 200
    session = await bring(place, lines)
    assert (session["external_id"], session["forked_from"]) == ("sf", None)
    assert [item["seq"] for item in await place.list_items("sf", branch="all")] == list(range(1, session["items"] + 1))
    assert compare(await export(place, "sf")) == compare(lines)


async def test_documents_come_along_and_are_found(place: Place) -> None:
    await make(place, "s")
    for title, content in (("Trams", "Tram 28 begins at Martim Moniz."), ("Parts", ["One.", "Two."])):
        body = {"title": title, "content": content, "metadata": {"city": "Lisbon"}}
        async with place.http.post("/v1/sessions/s/docs", json=body) as reply:
            assert reply.status in (200, 201), await reply.text()
    assert '"type":"document"' not in await export(place)
    lines = await export(place, documents=True)
    await bring(place, lines, "?external_id=copy")
    assert compare(await export(place, "copy", documents=True)) == compare(lines)
    async with place.http.post("/v1/sessions/copy/docs/search", json={"text": "tram", "mode": "text"}) as reply:
        assert [hit["title"] for hit in (await reply.json())["data"]] == ["Trams"]


async def test_settings_and_unknown_fields_come_along(place: Place) -> None:
    fields = {
        "context_overflow": "truncate",
        "token_budget": 500,
        "recall": False,
        "recall_tokens": 64,
        "recall_options": {"mode": "text", "limit": 3, "lang": "de", "metadata_filter": {"a": 1}},
        "model": "m",
        "situation": "A walk.",
        "system_template": "{{ session.situation }}",
        "render_templates": False,
        "idle_expiry_s": 600,
        "items": [{"role": "user", "content": "Hello", "name": "ann", "mood": {"good": True}}],
    }
    made = await make(place, "s", **fields)
    copy = await bring(place, await export(place), "?external_id=copy")
    changed = {"id", "external_id", "active_at", "expires_at", "imported", "left_out"}
    assert {name: copy[name] for name in made if name not in changed} == {
        name: value for name, value in made.items() if name not in changed
    }
    assert (await place.list_items("copy"))[0]["extra"] == {"name": "ann", "mood": {"good": True}}


async def test_agents_and_users_that_are_not_there_are_left_out(place: Place) -> None:
    async with place.http.post("/v1/agents", json={"name": "guide"}) as reply:
        agent = (await reply.json())["id"]
    await make(place, "s", agents=[agent])
    lines = await export(place)
    assert (await bring(place, lines, "?external_id=a"))["agents"] == [agent]
    stranger = "01a1fc90-fa6f-7167-9e60-a760fad8ae92"
    copy = await bring(place, lines.replace(agent, stranger), "?external_id=b")
    assert (copy["agents"], [one["what"] for one in copy["left_out"]]) == ([], [f"agent {stranger}"])


async def test_knowledge_stores_that_are_not_there_are_left_out(place: Place) -> None:
    async with place.http.post("/v1/stores", json={"name": "files"}) as reply:
        store = (await reply.json())["id"]
    await make(place, "s", stores=[store])
    lines = await export(place)
    assert (await bring(place, lines, "?external_id=a"))["stores"] == [store]
    stranger = "01a1fc90-fa6f-7167-9e60-a760fad8ae92"
    copy = await bring(place, lines.replace(store, stranger), "?external_id=b")
    assert (copy["stores"], [one["what"] for one in copy["left_out"]]) == ([], [f"store {stranger}"])


async def test_broken_line_at_any_place_imports_nothing(place: Place) -> None:
    await make(place, "s")
    walk = Walk(place)
    for what in ("say", "call", "edit"):
        await walk.step(what)
    async with place.http.post("/v1/sessions/s/docs", json={"title": "T", "content": "Text."}) as reply:
        assert reply.status in (200, 201)
    lines = (await export(place, documents=True)).splitlines()
    for place_, line in enumerate(lines):
        before, behind = lines[:place_], lines[place_ + 1 :]
        for wrong in (line[:-1], "nonsense", '{"type":"other"}', line.replace('"type"', '"kind"', 1)):
            why = await refused(place, "\n".join([*before, wrong, *behind]), "?external_id=x&format=multiturn")
            assert why.startswith(f"Line {place_ + 1}: "), why
        await refused(place, "\n".join([*before, *behind]), "?external_id=x&format=multiturn")
        await refused(place, "\n".join(lines[:place_]), "?external_id=x&format=multiturn")
    await bring(place, "\n".join(lines), "?external_id=x")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"version":1', '"version":2'),
        ('"head":4', '"head":5'),
        ('"path":[[1,4]]', '"path":[[1,5]]'),
        ('"path":[[1,4]]', '"path":[[3,4],[1,2]]'),
        ('"seq":2', '"seq":7'),
        ('"seq":2', '"seq":1'),
        ('"ticket":2', '"ticket":1'),
        ('"output_items":[4,4]', '"output_items":[4,9]'),
        ('"items":4', '"items":3'),
        ('"metadata":{}', '"metadata":{"a":"\\u0000"}'),
        ('"system_template":null', '"system_template":"{% for %}"'),
        ('"instructions":null', '"instructions":[{"role":"user","content":"x"}]'),
        ('"token_budget":null', '"token_budget":-1'),
        ('"status":"completed"', '"status":"queued"'),
        ('"metadata":{}', '"metadata":' + '{"a":' * 200 + "1" + "}" * 200),
    ],
)
async def test_lines_that_contradict_are_refused(place: Place, old: str, new: str) -> None:
    await make(place, "s")
    walk = Walk(place)
    for _ in range(2):
        await walk.step("say")
    lines = await export(place)
    assert old in lines
    await refused(place, lines.replace(old, new, 1), "?external_id=x")


async def test_name_that_is_taken_is_a_conflict(place: Place) -> None:
    await make(place, "s")
    status, body = await send(place, await export(place))
    assert (status, body["error"]["code"], body["error"]["param"]) == (409, "session_exists", "external_id")


async def test_session_under_way_is_seen_by_nobody(place: Place) -> None:
    """And a turn that takes its name meanwhile has it."""
    await make(place, "s")
    lines = await export(place)
    arrived, rest = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        head, _, tail = lines.encode().partition(b"\n")
        yield head + b"\n"
        arrived.set()
        await rest.wait()
        yield tail

    importing = asyncio.create_task(send(place, slowly(), "?external_id=x"))
    await arrived.wait()
    await asyncio.sleep(0.1)
    assert await list_names(place) == ["s"]
    async with place.http.get("/v1/sessions/x") as reply:
        assert reply.status == 404
    await place.ask("Hello", session_id="x")
    rest.set()
    status, body = await importing
    assert (status, body["error"]["code"]) == (409, "session_exists")
    assert await place.list_texts("x") == ["Hello", "ok"]


async def test_key_of_a_user_imports_for_that_user(place: Place) -> None:
    await make(place, "s", users=[])
    key = await place.make_key(user="ann")
    lines = await export(place)
    status, _ = await send(place, lines, Authorization=f"Bearer {key}")
    assert status == 201
    async with place.http.get("/v1/sessions", headers={"Authorization": f"Bearer {key}"}) as reply:
        assert [one["external_id"] for one in (await reply.json())["data"]] == ["s"]
    assert sorted(await list_names(place)) == ["s", "s"]


async def test_messages_keep_their_names_and_dates(place: Place) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello", "name": "ann", "created_at": "2023-05-08T13:56:00Z"},
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "found", "created_at": 1700000000},
        {"role": "assistant", "content": "Hi", "name": "bob"},
    ]
    session = await bring(place, "\n".join(map(json.dumps, messages)), "?external_id=talk")
    assert session["instructions"] == [{"role": "system", "content": "Be brief."}]
    assert session["created_at"] == "2023-05-08T13:56:00Z"
    items = await place.list_items("talk")
    assert [(item["type"], (item["extra"] or {}).get("name"), item["created_at"]) for item in items] == [
        ("message", "ann", "2023-05-08T13:56:00Z"),
        ("function_call", None, "2023-05-08T13:56:00Z"),
        ("function_call_output", None, "2023-11-14T22:13:20Z"),
        ("message", "bob", "2023-11-14T22:13:20Z"),
    ]
    await place.ask("And now?", session_id="talk")
    assert [message["role"] for message in place.seen[-1]["messages"]] == [
        *("system", "user", "assistant", "tool", "assistant", "user")
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"role":"user","content":5}', "'message.content' must be a text or a list of parts"),
        ('{"role":"tool","tool_call_id":"c","content":"x"}', "the tool result for 'c' belongs to no call before it"),
        ('{"role":"nobody","content":"x"}', "'message.role' must be one of"),
        ('{"role":"user","content":"x","created_at":"soon"}', "'created_at' must be a time"),
        ('["role"]', "Expected `object`"),
        ("{", "it is not valid JSON"),
        ('{"content":"\\ud800","role":"user"}', ""),
    ],
)
async def test_broken_message_is_named(place: Place, line: str, why: str) -> None:
    said = await refused(place, f'{{"role":"user","content":"Hello"}}\n\n{line}\n{{"role":"user","content":"x"}}')
    assert said.startswith(f"Line 3: {why}")


def conversation(name: str, *, at: str = "c") -> dict[str, Any]:
    """A conversation as OpenAI's export has it."""
    texts = {"a": ("user", "Hello"), "b": ("assistant", "Hi"), "c": ("user", "How are you?"), "d": ("user", "Bye")}
    parents = {"a": "root", "b": "a", "c": "b", "d": "b"}
    mapping: dict[str, Any] = {"root": {"id": "root", "message": None, "parent": None, "children": ["a"]}}
    for node, (role, text) in texts.items():
        content = {"content_type": "text", "parts": [text]}
        message = {"author": {"role": role}, "content": content, "create_time": 1700000000.5, "recipient": "all"}
        children = [child for child, parent in parents.items() if parent == node]
        mapping[node] = {"id": node, "message": message, "parent": parents[node], "children": children}
    return {"title": f"About {name}", "create_time": 1690000000, "current_node": at, "mapping": mapping, "id": name}


async def test_openai_export_becomes_a_session_a_conversation(place: Place) -> None:
    second = conversation("two", at="d")
    hidden = {
        "author": {"role": "tool", "name": "python"},
        "content": {"content_type": "execution_output", "text": "1"},
    }
    second["mapping"]["b"]["message"] = hidden
    told = await bring(place, json.dumps([conversation("one"), second], indent=1))
    assert [(one["external_id"], one["items"]) for one in told["imported"]] == [("one", 3), ("two", 2)]
    assert [(one["where"], one["what"]) for one in told["left_out"]] == [
        ("Conversation 2", "1 × tool, execution_output")
    ]
    assert (told["metadata"], told["created_at"]) == ({"title": "About one"}, "2023-07-22T04:26:40Z")
    assert await place.list_texts("one") == ["Hello", "Hi", "How are you?"]
    assert await place.list_texts("two") == ["Hello", "Bye"]


async def test_broken_conversation_keeps_all_others_out(place: Place) -> None:
    broken = conversation("two", at="nowhere")
    why = await refused(place, json.dumps([conversation("one"), broken]))
    assert why == "Conversation 2: its tree has no node 'nowhere'. Nothing was imported."
    circle = conversation("two")
    circle["mapping"]["a"]["parent"] = "c"
    assert "circle" in await refused(place, json.dumps([conversation("one"), circle]))
    assert "breaks off" in await refused(place, json.dumps([conversation("one"), conversation("two")])[:-1])
    assert "is that of another" in await refused(place, json.dumps([conversation("one"), conversation("one")]))
    assert "names one session" in await refused(
        place, json.dumps([conversation("one"), conversation("two")]), "?external_id=x"
    )


@pytest.mark.parametrize("body", ["", "\n\n", "[]", "{}", '"text"', "\x00"])
async def test_nothing_is_no_import(place: Place, body: str) -> None:
    await refused(place, body)


async def test_body_over_its_limit_is_refused_at_once(place: Place) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(60)

    headers = {"Content-Length": str(256 * 1024 * 1024 + 1)}
    async with place.http.post("/v1/sessions/import", data=endless(), headers=headers) as reply:
        assert reply.status == 413
        assert (await reply.json())["error"]["code"] == "request_too_large"


async def test_unknown_format_is_refused(place: Place) -> None:
    status, body = await send(place, "", "?format=xml")
    assert (status, body["error"]["param"]) == (400, "format")


async def test_turns_pass_a_large_import(place: Place) -> None:
    """Ten thousand items of a hundred bytes, and a second session that goes on meanwhile."""
    lines = "\n".join(
        json.dumps({"role": ("user", "assistant")[number % 2], "content": f"Message {number}: {LONG[:60]}"})
        for number in range(10_000)
    )
    importing = asyncio.create_task(bring(place, lines, "?external_id=large"))
    turns = 0
    while not importing.done():
        await place.ask("Still there?", session_id="other")
        turns += 1
    assert (await importing)["items"] == 10_000
    assert turns > 5
    await place.ask("What did message 4321 say?", session_id="large")
    assert len(place.seen[-1]["messages"]) < 100
    exported = await export(place, "large")
    assert exported.count("\n") == 1 + 10_002 + 1 + 1
    await bring(place, exported, "?external_id=again")
