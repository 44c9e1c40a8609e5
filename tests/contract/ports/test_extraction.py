"""Facts and summaries of items by a model: typed, put together from the whole item, and never in the way of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from multiturn.engine.ingestion.extraction import extract_facts, merge_facts
from multiturn.engine.ingestion.extractor import ModelExtractor
from multiturn.errors import Unavailable, UpstreamError, UpstreamRefused
from multiturn.model.store import StoreItem
from multiturn.store.sqlite import SqliteDatabase
from multiturn.upstream.scripted import Script, ScriptedUpstream
from tests.contract.ports.indexing import Indexing
from tests.contract.ports.scripted_readers import ScriptedExtractor

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "speaker": {"type": "string", "description": "who speaks"},
        "places": {"type": "array", "description": "places named", "items": {"type": "string"}},
        "year": {"type": "integer", "description": "the year"},
    },
    "required": ["speaker"],
}
BY_SCHEMA = {"enrichment_config": {"type": "json_schema", "json_schema": SCHEMA}}
BY_WORDS = {"enrichment_config": {"type": "description", "description": "mood"}}


@pytest.fixture
def desk(sqlite: SqliteDatabase, tmp_path: Path) -> Indexing:
    return Indexing(sqlite, tmp_path / "files")


async def index(desk: Indexing, ingestion: dict[str, Any] | None = None) -> StoreItem:
    """An item of a store that asks for these facts."""
    store = await desk.make_store(ingestion=ingestion)
    return await desk.index(await desk.fill(store, "Ann speaks of Rome."))


async def test_facts_are_kept_with_the_item(desk: Indexing) -> None:
    desk.equip(extractor=ScriptedExtractor([{"speaker": "Ann", "places": ["Rome"]}]))
    item = await index(desk, BY_SCHEMA)
    assert (item.status, item.facts, item.notes) == ("ready", {"speaker": "Ann", "places": ["Rome"]}, ())


async def test_a_description_becomes_a_schema_once(desk: Indexing) -> None:
    extractor = ScriptedExtractor([{"mood": "calm"}, {"mood": "gay"}])
    desk.equip(extractor=extractor)
    item = await index(desk, BY_WORDS)
    store = await desk.stores.get(desk.tenant_id, item.store_id.hex)
    other = await desk.index(await desk.fill(store, "More.", name="more.txt"))
    assert (item.facts, other.facts) == ({"mood": "calm"}, {"mood": "gay"})
    assert extractor.schemas[0] == extractor.schemas[1] == await desk.parts.find_schema(desk.tenant_id, item.store_id)


async def test_facts_that_are_missing_are_a_note(desk: Indexing) -> None:
    desk.equip(extractor=ScriptedExtractor([{"places": ["Rome"]}]))
    item = await index(desk, BY_SCHEMA)
    assert (item.status, item.facts) == ("ready", {"places": ["Rome"]})
    assert item.notes == ("It does not say what the store asks for: speaker.",)


async def test_facts_that_do_not_fit_are_left_out(desk: Indexing) -> None:
    desk.equip(extractor=ScriptedExtractor([{"speaker": 7}]))
    item = await index(desk, BY_SCHEMA)
    assert (item.status, item.facts) == ("ready", {})
    assert "does not fit the schema" in item.notes[0]


async def test_a_model_that_fails_is_a_note(desk: Indexing) -> None:
    extractor = ScriptedExtractor()
    extractor.errors = [Unavailable("The model is away."), Unavailable("The model is away.")]
    desk.equip(extractor=extractor)
    item = await index(desk, BY_SCHEMA)
    assert item.status == "ready"
    assert [note.endswith("The model is away.") or "(The model is away.)" in note for note in item.notes] == [True] * 2
    assert item.digest
    assert item.digest.summary == "Ann speaks of Rome."


async def test_a_summary_by_the_model_says_so(desk: Indexing) -> None:
    desk.equip(extractor=ScriptedExtractor(summary="A talk about Rome."))
    item = await index(desk)
    assert item.digest
    assert (item.digest.summary, item.digest.model) == ("A talk about Rome.", "scripted")


def test_facts_of_windows_are_put_together() -> None:
    found: list[dict[str, Any]] = [
        {"speaker": "Ann", "places": ["Rome", "Oslo"], "year": 1999, "who": {"age": None}},
        {"speaker": "ann", "places": ["rome", "Bern"], "year": 2001, "who": {"age": 7}},
        {"speaker": "Bob", "places": [], "year": 2001, "mood": ""},
    ]
    assert merge_facts(found) == {
        "speaker": "Ann",
        "places": ["rome", "Oslo", "Bern"],
        "year": 2001,
        "who": {"age": 7},
    }


async def test_each_window_may_hold_a_part() -> None:
    extractor = ScriptedExtractor([{"places": ["Rome"]}, {"speaker": "Ann"}])
    assert await extract_facts(extractor, SCHEMA, ["one", "two"]) == {"places": ["Rome"], "speaker": "Ann"}
    assert all("required" not in schema for schema in extractor.schemas)


def model(*scripts: str | Script, summarises: bool = False) -> tuple[ModelExtractor, ScriptedUpstream]:
    """An extractor whose model says these texts."""
    upstream = ScriptedUpstream([Script(text=script) if isinstance(script, str) else script for script in scripts])
    return ModelExtractor(upstream, "scripted", summarises=summarises), upstream


async def test_an_answer_is_mended() -> None:
    extractor, upstream = model('Here it is: ```json\n{"speaker": "Ann", "year": "1999",}\n```')
    facts = await extractor.extract("text", SCHEMA)
    assert (facts["speaker"], facts["year"]) == ("Ann", 1999)
    (request,) = upstream.requests
    assert request["response_format"]["json_schema"]["schema"] == SCHEMA
    assert "Ann" not in request["messages"][0]["content"]


async def test_a_wrong_answer_is_asked_for_again() -> None:
    extractor, upstream = model("I do not know.", '{"speaker": "Ann"}')
    assert (await extractor.extract("text", SCHEMA))["speaker"] == "Ann"
    assert [message["role"] for message in upstream.requests[1]["messages"]] == ["user", "assistant", "user"]


async def test_two_wrong_answers_are_an_error() -> None:
    extractor, _ = model("I do not know.", "No.")
    with pytest.raises(UpstreamError) as failed:
        await extractor.extract("text", SCHEMA)
    assert failed.value.code == "schema_not_met"


async def test_a_provider_without_schemas_is_asked_in_words() -> None:
    refusal = UpstreamRefused("unknown field", status=400, body=b"")
    extractor, upstream = model(Script(error=refusal), '{"speaker": "Ann"}')
    assert (await extractor.extract("text", SCHEMA))["speaker"] == "Ann"
    assert "response_format" not in upstream.requests[1]


async def test_a_made_schema_is_flat_and_checked() -> None:
    wanted = {
        "mood": {"type": "string", "description": "how it sounds"},
        "count": {"type": "integer"},
        "wild": {"anyOf": [{"type": "string"}]},
    }
    said = msgspec.json.encode({"type": "object", "properties": wanted}).decode()
    extractor, _ = model(said)
    schema = await extractor.make_schema("mood and count")
    assert schema["properties"]["mood"] == {"type": "string", "description": "how it sounds"}
    assert schema["properties"]["count"] == {"type": "integer", "description": "count"}
    assert set(schema["properties"]["wild"]) == {"type", "description"}


async def test_a_summary_is_one_plain_text() -> None:
    extractor, upstream = model("<think>hm</think>\nIt is about\nwhales.", summarises=True)
    assert await extractor.summarise("Talk", "text") == "It is about whales."
    assert upstream.requests[0]["temperature"] == 0
    silent, _ = model()
    assert await silent.summarise("Talk", "text") is None
