"""Citations as clients are told of them, whatever dialect asks."""

from __future__ import annotations

import json
from uuid import UUID

import msgspec
import pytest

from multiturn.api.chat.render import annotate, write_annotations, write_answer
from multiturn.api.citations import list_citations, render_citation, render_place
from multiturn.model.citation import Citation
from multiturn.model.content import Content, FunctionCall, FunctionCallOutput, Message
from multiturn.model.segment import Mark, Place

PLACE = Place(start_s=1.5, end_s=4, shot=0, marks=(Mark(0, 1.5, 4.0),))
CITED = Citation(
    number=3,
    start=8,
    end=11,
    claim_start=0,
    claim_end=12,
    title="Tides",
    quote="It rises.",
    item_id=UUID(int=1),
    kind="video",
    modality="speech",
    place=PLACE,
)
ANSWER = Message("assistant", "It does [3].", citations=(CITED,))
CHOICES = [{"index": 1, "message": {}}, {"index": 0, "message": {"content": "It does [3]."}}]
RAW = json.dumps({"choices": CHOICES}).encode()


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (Place(), {}),
        (PLACE, {"start_s": 1.5, "end_s": 4, "shot": 0}),
        (Place(page=2, heading="Tides"), {"page": 2, "heading": "Tides"}),
    ],
)
def test_of_a_place_only_what_there_is_is_told(place: Place, told: dict[str, object]) -> None:
    assert msgspec.to_builtins(render_place(place)) == told


def test_a_citation_tells_its_modality_and_its_link() -> None:
    told = msgspec.to_builtins(render_citation(CITED, "http://s/a#t=1.5,4"))
    assert (told["number"], told["modality"], told["url"]) == (3, "speech", "http://s/a#t=1.5,4")
    assert "url" not in msgspec.to_builtins(render_citation(CITED))


def test_citations_are_those_of_messages() -> None:
    steps: list[Content] = [FunctionCall("lookup_1", "list_items"), FunctionCallOutput("lookup_1", "[3] Tides"), ANSWER]
    assert list_citations(steps) == [CITED]
    assert [one["file_citation"]["number"] for one in write_annotations(steps)] == [3]
    message = write_answer([*steps, FunctionCall("call_1", "get_weather")])
    assert [call["id"] for call in message["tool_calls"]] == ["call_1"]
    assert message["annotations"][0]["file_citation"]["title"] == "Tides"


def test_a_completion_is_annotated_where_it_was_said() -> None:
    other, first = json.loads(annotate(RAW, [ANSWER]))["choices"]
    assert "annotations" not in other["message"]
    assert first["message"]["annotations"][0]["type"] == "file_citation"
    assert annotate(RAW, [Message("assistant", "No.")]) is RAW
