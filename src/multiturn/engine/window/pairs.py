"""Tool calls and their results: never parted, none without the other."""

from __future__ import annotations

from collections.abc import Sequence

from multiturn.errors import InvalidRequest
from multiturn.model.content import Content, FunctionCall, FunctionCallOutput, Reasoning

NO_RESULT = "No result was given."


def pair_calls(contents: Sequence[Content]) -> list[Content]:
    """Put each result right behind the calls it belongs to; a call that nobody answered gets a stand-in, which is
    never stored.
    """
    results = {content.call_id: content for content in contents if isinstance(content, FunctionCallOutput)}
    paired: list[Content] = []
    open_calls: list[FunctionCall] = []
    for content in contents:
        if isinstance(content, FunctionCallOutput | Reasoning):
            continue
        if not isinstance(content, FunctionCall):
            paired += answer_calls(open_calls, results)
            open_calls = []
        else:
            open_calls.append(content)
        paired.append(content)
    return paired + answer_calls(open_calls, results)


def answer_calls(calls: Sequence[FunctionCall], results: dict[str, FunctionCallOutput]) -> list[Content]:
    """The results of calls that were made together, in their order."""
    return [results.get(call.call_id) or FunctionCallOutput(call.call_id, NO_RESULT) for call in calls]


def open_calls(contents: Sequence[Content]) -> set[str]:
    """The ids of the calls that have no result yet."""
    results = {content.call_id for content in contents if isinstance(content, FunctionCallOutput)}
    return {content.call_id for content in contents if isinstance(content, FunctionCall)} - results


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


def may_begin_at(contents: Sequence[Content], index: int) -> bool:
    """Whether a context may begin here: at something a user said, and no result behind it belongs to a call before
    it.
    """
    content = contents[index]
    if isinstance(content, FunctionCall | FunctionCallOutput | Reasoning) or content.role == "assistant":
        return False
    calls = {before.call_id for before in contents[:index] if isinstance(before, FunctionCall)}
    return not calls or not any(
        isinstance(behind, FunctionCallOutput) and behind.call_id in calls for behind in contents[index:]
    )
