"""Folds what a model streams into what enters the history."""

from __future__ import annotations

from collections.abc import Sequence

from multiturn.model.completion import Completion, Delta, ToolCallDelta
from multiturn.model.content import Content, FunctionCall, Message, Reasoning
from multiturn.model.usage import Usage


class Answer:
    """The answer so far: choice 0, which is the one that enters the history."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.thoughts: list[str] = []
        self.refusals: list[str] = []
        self.calls: list[list[ToolCallDelta]] = []
        self.open_calls: dict[int, list[ToolCallDelta]] = {}
        self.finish_reason: str | None = None
        self.usage: Usage | None = None

    def add(self, delta: Delta) -> None:
        """Add a streamed piece."""
        if delta.text:
            self.texts.append(delta.text)
        if delta.reasoning:
            self.thoughts.append(delta.reasoning)
        if delta.refusal:
            self.refusals.append(delta.refusal)
        for call in delta.tool_calls:
            self._add_call(call)
        self.finish_reason = delta.finish_reason or self.finish_reason
        self.usage = delta.usage or self.usage

    def _add_call(self, piece: ToolCallDelta) -> None:
        """Add a piece to the call at its index; Gemini's endpoint gives every call, each in one piece, the index 0."""
        pieces = self.open_calls.get(piece.index)
        if pieces is None or (piece.name and pieces[0].name and piece.id != pieces[0].id):
            pieces = self.open_calls[piece.index] = []
            self.calls.append(pieces)
        pieces.append(piece)

    def take(self, completion: Completion) -> None:
        """Take a whole answer."""
        self.texts = [completion.text] if completion.text else []
        self.thoughts = [completion.reasoning] if completion.reasoning else []
        self.refusals = [completion.refusal] if completion.refusal else []
        self.calls = [[call] for call in completion.tool_calls]
        self.finish_reason = completion.finish_reason
        self.usage = completion.usage

    @property
    def is_empty(self) -> bool:
        """Whether nothing was said that could enter the history."""
        return not (self.texts or self.refusals or self.calls)

    def contents(self, *, is_whole: bool = True) -> tuple[Content, ...]:
        """What was said, as items.

        Of an answer that broke off, the last call may lack half its arguments: calls are left out.
        """
        said: list[Content] = []
        if self.thoughts:
            said.append(Reasoning("".join(self.thoughts)))
        if self.texts or self.refusals or not self.calls:
            extra = {"refusal": "".join(self.refusals)} if self.refusals else None
            said.append(Message("assistant", "".join(self.texts) if self.texts or not self.refusals else None, extra))
        if is_whole:
            said += map(write_call, self.calls)
        return tuple(said)


def write_call(pieces: Sequence[ToolCallDelta]) -> FunctionCall:
    """A call from its pieces."""
    return FunctionCall(
        call_id=next((piece.id for piece in pieces if piece.id), ""),
        name="".join(piece.name or "" for piece in pieces),
        arguments="".join(piece.arguments for piece in pieces),
        kind=pieces[0].kind,
    )


def fold(deltas: Sequence[Delta]) -> Answer:
    """The answer that these pieces make."""
    answer = Answer()
    for delta in deltas:
        answer.add(delta)
    return answer
