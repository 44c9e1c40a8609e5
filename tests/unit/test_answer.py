"""What a model streams, folded into what enters the history."""

from __future__ import annotations

import pytest

from multiturn.engine.answer import Answer, fold
from multiturn.model.completion import Completion, Delta, ToolCallDelta
from multiturn.model.content import FunctionCall, Message, Reasoning
from multiturn.model.usage import Usage


def make_delta(text: str = "", **more: object) -> Delta:
    return Delta(raw=b"{}", text=text, **more)  # type: ignore[arg-type]


def test_words_become_one_message() -> None:
    answer = fold([make_delta("Hello, "), make_delta("Alice."), make_delta(finish_reason="stop")])
    assert answer.contents() == (Message("assistant", "Hello, Alice."),)
    assert answer.finish_reason == "stop"


def test_nothing_said_is_an_empty_message() -> None:
    assert Answer().is_empty
    assert Answer().contents() == (Message("assistant", ""),)


def test_thoughts_stand_before_the_words() -> None:
    answer = fold([make_delta(reasoning="Let me "), make_delta(reasoning="see."), make_delta("Yes.")])
    assert answer.contents() == (Reasoning("Let me see."), Message("assistant", "Yes."))


def test_refusal_is_kept_with_the_message() -> None:
    assert fold([make_delta(refusal="I "), make_delta(refusal="can't.")]).contents() == (
        Message("assistant", None, {"refusal": "I can't."}),
    )


def test_pieces_of_a_call_are_joined() -> None:
    begun = ToolCallDelta(0, id="call_1", name="look", arguments='{"a":')
    answer = fold([make_delta(tool_calls=[begun]), make_delta(tool_calls=[ToolCallDelta(0, arguments="1}")])])
    assert answer.contents() == (FunctionCall("call_1", "look", '{"a":1}'),)


def test_parallel_calls_stay_in_their_order() -> None:
    calls = [ToolCallDelta(1, id="b", name="two"), ToolCallDelta(0, id="a", name="one")]
    answer = fold([make_delta(tool_calls=[call]) for call in calls])
    assert [call.call_id for call in answer.contents() if isinstance(call, FunctionCall)] == ["b", "a"]


def test_calls_of_a_broken_answer_are_left_out() -> None:
    call = ToolCallDelta(0, id="call_1", name="look", arguments='{"half')
    answer = fold([make_delta("I look."), make_delta(tool_calls=[call])])
    assert answer.contents(is_whole=False) == (Message("assistant", "I look."),)


def test_last_usage_counts() -> None:
    answer = fold([make_delta(usage=Usage(output_tokens=1)), make_delta(usage=Usage(output_tokens=9))])
    assert answer.usage == Usage(output_tokens=9)


@pytest.mark.parametrize("text", [None, "", "said"])
def test_whole_answer_is_taken_as_it_is(text: str | None) -> None:
    answer = Answer()
    call = ToolCallDelta(0, id="call_1", name="look", arguments="{}")
    answer.take(Completion(raw=b"{}", text=text, tool_calls=[call], finish_reason="tool_calls"))
    said = (Message("assistant", text),) if text else ()
    assert answer.contents() == (*said, FunctionCall("call_1", "look", "{}"))
