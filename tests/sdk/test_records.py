"""What the server tells, as objects."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime

import pytest

from multiturn_client import Answer, AnswerFacts, Item, Run, Session
from tests.sdk.answering import Client, tell

RUN = {
    "id": "r",
    "object": "run",
    "status": "completed",
    "created_at": "2026-11-21T09:30:00.000000Z",
    "input_items": [1, 2],
    "usage": {"input_tokens": 7},
    "error": None,
    "mood": "good",
}


def test_fields_have_their_types() -> None:
    run = Run.read(RUN)
    assert run.created_at == datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
    assert run.input_items == (1, 2)
    assert run.usage
    assert (run.usage.input_tokens, run.usage.output_tokens) == (7, 0)
    assert run.ended_at is None


def test_fields_of_a_newer_server_are_kept() -> None:
    run = Run.read(RUN)
    assert run.extra == {"object": "run", "mood": "good"}
    assert getattr(run, "mood") == "good"  # noqa: B009  a name that the types do not know
    with pytest.raises(AttributeError, match="Run has no 'moods'"):
        getattr(run, "moods")  # noqa: B009


def test_records_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Item.read({"seq": 1}).seq = 2  # type: ignore[misc]


def test_records_of_the_same_are_equal() -> None:
    assert Item.read({"seq": 1}) == Item(seq=1) != Item(seq=2)


def test_value_of_another_type_stays_as_it_came() -> None:
    assert Run.read({"usage": "none", "input_items": 7}).input_items == 7  # type: ignore[comparison-overlap]


def test_answer_is_a_text() -> None:
    answer = Answer(AnswerFacts.read({"id": "r", "text": "hi", "usage": {"output_tokens": 1}}))
    assert (answer, answer.upper(), f"{answer}!", type(answer.text)) == ("hi", "HI", "hi!", str)
    for made in (copy.copy(answer), copy.deepcopy(answer), pickle.loads(pickle.dumps(answer))):
        assert (made, made.run_id, made.usage) == ("hi", "r", answer.usage)


def test_session_is_refreshed_in_place() -> None:
    client = Client(tell(body={"id": "s", "items": 0}), tell(body={"id": "s", "items": 2}), tell(body={"id": "s"}))
    session = client.sessions.get("s")
    assert isinstance(session, Session)
    assert session.refresh() is session
    assert session.items == 2
    session.clear()
    assert session.items == 0
