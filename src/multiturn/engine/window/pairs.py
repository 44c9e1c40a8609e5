"""Tool calls and their results: never parted, none without the other."""

from __future__ import annotations

from collections.abc import Sequence

from multiturn.engine.window.tokens import FRAME_TOKENS, count_text
from multiturn.errors import InvalidRequest
from multiturn.model.content import Content, FunctionCall, FunctionCallOutput, Message, Reasoning

NO_RESULT = "No result was given."
NO_RESULT_TOKENS = FRAME_TOKENS + count_text(NO_RESULT)


def pair_calls(contents: Sequence[Content]) -> list[Content]:
    """Put each result right behind the calls it belongs to; a call that nobody answered gets a stand-in, which is
    never stored. Reasoning stays where it is carried on, at the beginning of the answer that it belongs to.
    """
    answers = match_results(contents)
    paired: list[Content] = []
    open_places: list[int] = []
    for place, content in enumerate(contents):
        if isinstance(content, FunctionCall):
            open_places.append(place)
            paired.append(content)
        elif not isinstance(content, Reasoning) or content.artefacts:
            paired += answer_calls(contents, open_places, answers)
            open_places = []
            if isinstance(content, Message | Reasoning):
                paired.append(content)
    return paired + answer_calls(contents, open_places, answers)


def match_results(contents: Sequence[Content]) -> dict[int, int]:
    """The place of the result of each call that has one, by the call's place.

    A result answers the newest call of its id, since providers use ids again; the last one given counts.
    """
    newest: dict[str, int] = {}
    answers: dict[int, int] = {}
    for place, content in enumerate(contents):
        if isinstance(content, FunctionCall):
            newest[content.call_id] = place
        elif isinstance(content, FunctionCallOutput) and content.call_id in newest:
            answers[newest[content.call_id]] = place
    return answers


def answer_calls(contents: Sequence[Content], places: Sequence[int], answers: dict[int, int]) -> list[Content]:
    """The results of the calls that were made together at these places, in their order."""
    return [
        contents[answers[place]] if place in answers else FunctionCallOutput(call.call_id, NO_RESULT)
        for place in places
        if isinstance(call := contents[place], FunctionCall)
    ]


def count_stand_ins(contents: Sequence[Content], counts: Sequence[int]) -> list[int]:
    """The tokens of contents with those of the stand-ins, which are counted with their calls."""
    answers = match_results(contents)
    return [
        count + NO_RESULT_TOKENS if isinstance(content, FunctionCall) and place not in answers else count
        for place, (content, count) in enumerate(zip(contents, counts, strict=True))
    ]


def has_open_calls(contents: Sequence[Content]) -> bool:
    """Whether a call has no result yet."""
    return sum(isinstance(content, FunctionCall) for content in contents) > len(match_results(contents))


def check_results(input_: Sequence[Content], history: Sequence[Content]) -> None:
    """Refuse a result that belongs to no call.

    Raises InvalidRequest naming the call id.
    """
    calls = {content.call_id for content in (*history, *input_) if isinstance(content, FunctionCall)}
    for content in input_:
        if isinstance(content, FunctionCallOutput) and content.call_id not in calls:
            raise InvalidRequest(
                f"The tool result for '{content.call_id}' belongs to no tool call of this session. "
                "Send the assistant message with that call before it, or the id of a call that the model made.",
                code="unknown_tool_call",
                param="messages.tool_call_id",
            )


def find_beginnings(contents: Sequence[Content]) -> list[int]:
    """The places where a context may begin: at something a user said, and between no call and its result."""
    answers = match_results(contents)
    beginnings: list[int] = []
    last_result = -1
    for place, content in enumerate(contents):
        if isinstance(content, Message) and content.role != "assistant" and place > last_result:
            beginnings.append(place)
        last_result = max(last_result, answers.get(place, -1))
    return beginnings
