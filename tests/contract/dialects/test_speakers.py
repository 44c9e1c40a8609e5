"""Who answers: agents, their instructions, settings and documents, in every dialect that continues the session."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.dialects.conftest import Place

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def post(place: Place, path: str, **body: Any) -> Any:
    """Make something."""
    async with place.http.post(path, json=body) as reply:
        said = await reply.json()
        assert reply.status in (200, 201), said
        return said


async def make_session(place: Place, agent: dict[str, Any], **session: Any) -> str:
    """A session with an agent."""
    made = await post(place, "/v1/agents", **{"name": "Ada", **agent})
    return str((await post(place, "/v1/sessions", agent_id=made["id"], **session))["id"])


async def test_agent_speaks_in_every_dialect(place: Place) -> None:
    session = await make_session(place, {"instructions": "Be brief.", "model": "small"})
    await place.ask("hi", session_id=session)
    await post(place, f"/v1/sessions/{session}/chat", messages=[{"role": "user", "content": "and?"}])
    for request in place.seen:
        system = request["messages"][0]
        assert system["role"] == "system"
        assert "You are Ada." in system["content"]
        assert "Be brief." in system["content"]
    assert [request["model"] for request in place.seen] == ["m", "small"]


async def test_agent_presets_fields_and_the_turn_wins(place: Place) -> None:
    session = await make_session(place, {"default_settings": {"temperature": 0.5, "top_p": 0.9}})
    await place.ask("hi", session_id=session, temperature=0.1)
    assert (place.seen[0]["temperature"], place.seen[0]["top_p"]) == (0.1, 0.9)


async def test_run_records_the_version_that_answered(place: Place) -> None:
    session = await make_session(place, {})
    agent = (await place.get(f"/v1/sessions/{session}"))["agent_id"]
    await place.ask("hi", session_id=session)
    async with place.http.patch(f"/v1/agents/{agent}", json={"about": "Changed."}) as reply:
        assert reply.status == 200
    await place.ask("and now?", session_id=session)
    runs = (await place.get(f"/v1/sessions/{session}/runs"))["data"]
    assert [run["agent"] for run in runs] == [{"id": agent, "version": 2}, {"id": agent, "version": 1}]


async def test_deleted_agent_leaves_the_session_usable(place: Place) -> None:
    made = await post(place, "/v1/agents", name="Ada")
    session = (await post(place, "/v1/sessions", agent_id=made["id"]))["id"]
    async with place.http.delete(f"/v1/agents/{made['id']}") as reply:
        assert reply.status == 200
    assert await place.ask("hi", session_id=session) == "ok"
    assert place.seen[-1]["messages"] == [{"role": "user", "content": "hi"}]


async def test_strange_agent_is_refused(place: Place) -> None:
    session = await make_session(place, {})
    other = await post(place, "/v1/agents", name="Eve")
    body = {"messages": [{"role": "user", "content": "hi"}], "agent_id": other["id"], "model": "m"}
    async with place.http.post(f"/v1/sessions/{session}/chat", json=body) as reply:
        error = (await reply.json())["error"]
    assert (reply.status, error["code"]) == (400, "agent_not_in_session")


async def test_documents_are_searched_for_a_turn(place: Place) -> None:
    session = (await post(place, "/v1/sessions", model="m"))["id"]
    text = "The ferry to Cacilhas leaves every twenty minutes from Cais do Sodré."
    await post(place, f"/v1/sessions/{session}/docs", title="Ferries", content=text)
    body = {"messages": [{"role": "user", "content": "How often does the ferry to Cacilhas leave?"}]}
    answer = await post(place, f"/v1/sessions/{session}/chat", **body)
    assert text in place.seen_texts[-1][-1]
    assert [doc["title"] for doc in answer["docs"]] == ["Ferries"]
    answer = await post(place, f"/v1/sessions/{session}/chat", **{**body, "recall": False})
    assert answer["docs"] == []


async def test_documents_of_agent_and_user_are_searched_too(place: Place) -> None:
    agent = await post(place, "/v1/agents", name="Ada")
    user = await post(place, "/v1/users", name="Ann")
    session = (await post(place, "/v1/sessions", agent_id=agent["id"], user_id=user["id"], model="m"))["id"]
    await post(place, f"/v1/agents/{agent['id']}/docs", title="Trams", content="Tram 28 climbs to Graça.")
    await post(place, f"/v1/users/{user['id']}/docs", title="Ann", content="Ann is afraid of trams.")
    said = [{"role": "user", "content": "Is a tram a good idea for Ann to climb to Graça?"}]
    answer = await post(place, f"/v1/sessions/{session}/chat", messages=said)
    assert {doc["title"] for doc in answer["docs"]} == {"Trams", "Ann"}


async def test_template_that_names_docs_has_them_in_front(place: Place) -> None:
    template = "{% for doc in docs %}[{{ doc.title }}: {{ doc.content[0] }}]{% endfor %}"
    session = (await post(place, "/v1/sessions", model="m", system_template=template))["id"]
    await post(place, f"/v1/sessions/{session}/docs", title="Trams", content="Tram 28 climbs to Graça.")
    said = [{"role": "user", "content": "Which tram climbs to Graça?"}]
    answer = await post(place, f"/v1/sessions/{session}/chat", messages=said)
    assert place.seen[-1]["messages"][0] == {"role": "system", "content": "[Trams: Tram 28 climbs to Graça.]"}
    assert place.seen_texts[-1][-1] == said[0]["content"]
    assert [doc["title"] for doc in answer["docs"]] == ["Trams"]


async def test_nearest_policy_counts(place: Place) -> None:
    admin = {"Authorization": f"Bearer {await place.make_key(scopes=('admin',))}"}
    policy = {"context_overflow": "summarize", "token_budget": 900}
    async with place.http.patch("/v1/tenant", json=policy, headers=admin) as reply:
        assert reply.status == 200, await reply.text()
    session = await make_session(place, {"context_overflow": "truncate"}, token_budget=700)
    # A model that nobody asked yet: its tokens are taken for ours.
    body = {"messages": [{"role": "user", "content": "hi"}], "model": "unheard"}
    shown = await post(place, f"/v1/sessions/{session}/context/preview", **body)
    assert (shown["strategy"], shown["budget"]) == ("truncate", 700)
    shown = await post(place, f"/v1/sessions/{session}/context/preview", **body, context_overflow="error")
    assert shown["strategy"] == "error"
