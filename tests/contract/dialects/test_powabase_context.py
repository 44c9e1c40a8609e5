"""What the answers of Powabase's runs rest on: knowledge bases, handlers, texts and items, each as the run says."""

from __future__ import annotations

from typing import Any

import pytest

from multiturn.upstream.scripted_embedder import ScriptedEmbedder
from tests.contract.dialects.conftest import OpenPlace, Place
from tests.contract.dialects.powabase_knowing import ask, fill, id_of, make_base, refuse

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRAMS = "# Trams\n\nTram 28 runs from Martim Moniz to Estrela.\n\n# Fares\n\nA ticket for the tram costs three euros.\n"
FERRIES = "The ferry to Cacilhas leaves every ten minutes.\n"
NOBODY = "01a1fc90-fb10-7a3e-9a51-5a0c2f0f6a01"
ONLY_ONE = "Only one of 'knowledge_bases', 'context_handler_id', 'context_override', or 'context_items' may be provided"


async def make_agent(place: Place, *bases: str) -> str:
    """The path of a new agent with these knowledge bases."""
    agent = f"/agents/{(await ask(place, 'POST', '/agents', {'name': 'Guide', 'model': 'm'}, status=201))['id']}"
    for base in bases:
        await ask(place, "POST", f"{agent}/knowledge-bases", {"knowledge_base_id": id_of(base)}, status=201)
    return agent


async def run(place: Place, agent: str, says: str, message: str = "Where does tram 28 go?", **body: Any) -> Any:
    """A run whose model says this, and behind it what was retrieved for it."""
    place.will_say(says)
    answer = await ask(place, "POST", f"{agent}/run", {"message": message, **body})
    path = f"/sessions/{answer['session_id']}/runs/{answer['run_id']}/retrieved-context"
    return answer, (await ask(place, "GET", path))["retrieved_context"]


def seen(place: Place) -> str:
    """What the model was shown last with the question."""
    return str(place.seen_texts[-1][-1])


async def test_run_rests_on_the_knowledge_bases_that_it_names(place: Place) -> None:
    trams, ferries = await make_base(place), await make_base(place, name="Ferries")
    source_id = await fill(place, trams, "trams.md", TRAMS)
    await fill(place, ferries, "ferries.md", FERRIES)
    agent = await make_agent(place, ferries)
    named = {"id": id_of(trams), "top_k": 1, "retrieval_method": "full_text"}
    answer, (diagnostics, *chunks) = await run(place, agent, "Tram 28 runs to Estrela [1].", knowledge_bases=[named])
    included = [one for one in chunks if one["included_in_context"]]
    assert (len(included), answer["retrieved_items"], diagnostics["items_included"]) == (1, 1, 1)
    assert (included[0]["source_id"], included[0]["kb_name"]) == (source_id, "Transport")
    assert [(one["key"], one["item_id"]) for one in answer["citations"]] == [("1", included[0]["id"])]
    assert "Cacilhas" not in seen(place)


async def test_named_knowledge_base_is_searched_as_it_is_configured(place: Place) -> None:
    base = await make_base(place, retrieval_config={"top_k": 1, "method": "full_text"})
    await fill(place, base, "trams.md", TRAMS)
    agent = await make_agent(place)
    _, (diagnostics, *_) = await run(place, agent, "Yes.", "tram ticket", knowledge_bases=[{"id": id_of(base)}])
    assert diagnostics["items_included"] == 1
    attached = await make_agent(place, base)
    _, (diagnostics, *_) = await run(place, attached, "Yes.", "tram ticket")
    assert diagnostics["items_included"] == 1


async def test_filters_hold_in_a_run(place: Place) -> None:
    base = await make_base(place)
    trams = await fill(place, base, "trams.md", TRAMS, metadata='{"team": "rail"}')
    ferries = await fill(place, base, "ferries.md", FERRIES)
    agent = await make_agent(place)
    for limits, source_id in (
        ({"filter_metadata": {"team": "rail"}}, trams),
        ({"source_ids": [ferries]}, ferries),
    ):
        _, (_, *chunks) = await run(
            place, agent, "Yes.", "tram ferry minutes", knowledge_bases=[{"id": id_of(base), **limits}]
        )
        assert {one["source_id"] for one in chunks} == {source_id}


async def test_no_knowledge_base_is_none(place: Place) -> None:
    base = await make_base(place)
    await fill(place, base, "trams.md", TRAMS)
    agent = await make_agent(place, base)
    answer, (diagnostics, *chunks) = await run(place, agent, "I do not know.", knowledge_bases=[])
    assert (diagnostics["total_items"], chunks, answer.get("citations")) == (0, [], None)


async def test_text_stands_for_a_search(place: Place) -> None:
    base = await make_base(place)
    await fill(place, base, "trams.md", TRAMS)
    agent = await make_agent(place, base)
    answer, (diagnostics, *chunks) = await run(
        place, agent, "Line 4 ends at the harbour [1].", "Where does line 4 end?", context_override="Line 4 ends there."
    )
    assert diagnostics["source"] == "manual_override"
    assert [(one["_type"], one["text"], one["included_in_context"]) for one in chunks] == [
        ("given", "Line 4 ends there.", True)
    ]
    assert [one["key"] for one in answer["citations"]] == ["1"]
    assert "Estrela" not in seen(place)


async def test_text_that_does_not_fit_is_cut_and_says_so(place: Place) -> None:
    agent = await make_agent(place)
    _, (diagnostics, *chunks) = await run(
        place, agent, "Yes.", context_override="The tram rings its bell. " * 400, max_context_tokens=300
    )
    assert [one.get("omitted") for one in chunks] == [None, "budget"]
    assert diagnostics["items_dropped"] == 1


async def test_items_and_chunks_and_texts_stand_for_a_search(place: Place) -> None:
    base = await make_base(place)
    await fill(place, base, "trams.md", TRAMS)
    found = await ask(place, "POST", f"{base}/search", {"query": "tram 28 Estrela", "top_k": 1})
    chunk, item = found["results"][0]["chunk_id"], found["results"][0]["item_id"]
    agent = await make_agent(place)
    text = {"text": "Line 4 ends at the harbour.", "meta": {"title": "Notes", "by": "Ines"}}
    answer, (diagnostics, *chunks) = await run(
        place, agent, "It ends at the harbour [2].", "And line 4?", context_items=[{"item_id": chunk}, text]
    )
    assert diagnostics["source"] == "context_items"
    assert chunks[0]["id"] == chunk
    assert (chunks[1]["source_name"], chunks[1]["meta"]["by"]) == ("Notes", "Ines")
    assert [one["key"] for one in answer["citations"]] == ["2"]
    _, (_, *chunks) = await run(place, agent, "Yes.", context_items=[{"item_id": item}])
    assert {one["text"] for one in chunks} >= {found["results"][0]["text"]}
    assert len(chunks) > 1


async def test_handler_is_given_to_a_run(place: Place) -> None:
    base = await make_base(place)
    await fill(place, base, "trams.md", TRAMS)
    order = {"query": "tram 28", "knowledge_bases": [{"id": id_of(base), "top_k": 1}]}
    handler = await ask(place, "POST", "/context-handlers", order, status=201)
    await ask(place, "DELETE", base)
    agent = await make_agent(place)
    answer, (_, *chunks) = await run(
        place, agent, "Tram 28 runs to Estrela [1].", "And then?", context_handler_id=handler["id"]
    )
    assert answer["context_handler_id"] == handler["id"]
    kept = [one["id"] for one in handler["retrieved_context"][1:] if one["included_in_context"]]
    assert [one["id"] for one in chunks] == kept
    assert [one["item_id"] for one in answer["citations"]] == kept


async def test_citations_can_be_switched_off(place: Place) -> None:
    base = await make_base(place)
    await fill(place, base, "trams.md", TRAMS)
    agent = await make_agent(place, base)
    answer, (diagnostics, *_) = await run(
        place, agent, "Tram 28 runs from Martim Moniz to Estrela [1].", citations_enabled=False
    )
    assert answer["content"] == "Tram 28 runs from Martim Moniz to Estrela."
    assert "citations" not in answer
    assert diagnostics["items_included"] > 0
    assert "in square brackets" not in str(place.seen_texts[-1][0])


async def test_source_of_an_earlier_run_is_in_the_context_still(place: Place) -> None:
    base = await make_base(place)
    await fill(place, base, "trams.md", TRAMS)
    agent = await make_agent(place, base)
    first, _ = await run(place, agent, "Tram 28 runs to Estrela [1].")
    again, (_, *chunks) = await run(
        place, agent, "To Estrela [1].", "Tram 28 goes to Estrela?", session_id=first["session_id"]
    )
    ids = {one["id"] for one in chunks if one["included_in_context"]}
    assert {one["item_id"] for one in again["citations"]} <= ids


async def test_streamed_run_takes_knowledge_bases_beside_the_agents(place: Place) -> None:
    trams, ferries = await make_base(place), await make_base(place, name="Ferries")
    await fill(place, trams, "trams.md", TRAMS)
    await fill(place, ferries, "ferries.md", FERRIES)
    agent = await make_agent(place, trams)
    place.will_say("Every ten minutes.")
    body = {"message": "tram ferry minutes", "runtime_knowledge_bases": [{"id": id_of(ferries), "top_k": 2}]}
    async with place.http.post(f"/api{agent}/run/stream", json=body) as reply:
        assert reply.status == 200
        await reply.text()
    assert "Cacilhas" in seen(place)
    assert "ticket" in seen(place)
    assert await refuse(place, "POST", f"{agent}/run", body) == (400, "invalid_request", "runtime_knowledge_bases")


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"knowledge_bases": [{"id": NOBODY}]}, 404, "knowledge_base_id"),
        ({"knowledge_bases": [{"id": "$"}, {"id": "$"}]}, 400, "knowledge_bases[1].id"),
        (
            {"knowledge_bases": [{"id": "$", "retrieval_method": "tree_search"}]},
            400,
            "knowledge_bases[0].retrieval_method",
        ),
        ({"knowledge_bases": [{"id": "$", "top_k": 0}]}, 400, "knowledge_bases[0].top_k"),
        ({"knowledge_bases": [{"id": "$", "source_ids": []}]}, 400, "knowledge_bases[0].source_ids"),
        ({"knowledge_bases": [{"id": "$", "max_context_tokens": 0}]}, 400, "knowledge_bases[0].max_context_tokens"),
        ({"knowledge_bases": {}}, 400, "knowledge_bases"),
        ({"context_handler_id": NOBODY}, 404, "context_handler_id"),
        ({"context_handler_id": "nothing"}, 404, "context_handler_id"),
        ({"context_override": ""}, 400, "context_override"),
        ({"context_override": " "}, 400, "context_override"),
        ({"context_override": "a\0"}, 400, "context_override"),
        ({"context_items": [{}]}, 400, "context_items[0]"),
        ({"context_items": [{"text": "a", "item_id": NOBODY}]}, 400, "context_items[0]"),
        ({"context_items": [{"item_id": "nothing"}]}, 400, "context_items[0].item_id"),
        ({"context_items": [{"item_id": NOBODY}]}, 404, "context_items[0].item_id"),
        ({"context_items": [{"text": "a"}] * 101}, 400, "context_items"),
        ({"max_context_tokens": 0}, 400, "max_context_tokens"),
        ({"citations_enabled": "no"}, 400, "citations_enabled"),
    ],
)
async def test_what_a_run_cannot_rest_on_is_named(
    place: Place, fields: dict[str, Any], status: int, param: str
) -> None:
    base = id_of(await make_base(place))
    for one in fields.get("knowledge_bases") or ():
        one |= {"id": base} if one["id"] == "$" else {}
    agent = await make_agent(place)
    code, _, named = await refuse(place, "POST", f"{agent}/run", {"message": "Hello", **fields})
    assert (code, named) == (status, param)


async def test_only_one_thing_stands_for_a_search(place: Place) -> None:
    agent = await make_agent(place)
    body = {"message": "Hello", "knowledge_bases": [], "context_override": "Line 4."}
    assert (await ask(place, "POST", f"{agent}/run", body, status=400))["error"] == ONLY_ONE


async def test_vectors_and_their_threshold_count_in_a_run(opening: OpenPlace) -> None:
    async with opening(embedder=ScriptedEmbedder()) as place:
        base = await make_base(place, retrieval_config={"method": "vector_search", "similarity_threshold": 0.5})
        await fill(place, base, "trams.md", TRAMS)
        question = "Tram 28 runs from Martim Moniz to Estrela."
        _, (_, *chunks) = await run(place, await make_agent(place, base), "Yes.", question)
        assert {one["retrieval_method"] for one in chunks} == {"vector_search"}
        scores = [one["included_in_context"] for one in chunks]
        assert scores == sorted(scores, reverse=True)
        assert scores[0]
        named = {"id": id_of(base), "similarity_threshold": 1}
        _, (_, *chunks) = await run(place, await make_agent(place), "Yes.", "Penguins?", knowledge_bases=[named])
        assert {one["omitted"] for one in chunks} == {"below_threshold"}
        found = await ask(place, "POST", f"{base}/search", {"query": question})
        assert found["retrieval_method"] == "vector_search"
        assert all(hit["retrieval_score"] >= 0.5 for hit in found["results"])
