"""Folds what a model streams into what enters the history.

What a provider gave of its reasoning for itself alone is kept where tools are in play: behind its calls, and behind
their results. Elsewhere no provider needs it again, and it would only make contexts longer (docs/reasoning.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Raw

from multiturn.engine.thoughts import bind, join_fields
from multiturn.model.completion import Completion, Delta, Maker, ToolCallDelta
from multiturn.model.content import Content, FunctionCall, Message, Reasoning
from multiturn.model.usage import Usage


class Answer:
    """The answer so far: choice 0, which is the one that enters the history.

    ``maker`` is who answers, where that is known. ``follows_result`` says that it answers the result of a tool.
    """

    def __init__(self, *, follows_result: bool = False) -> None:
        self.follows_result = follows_result
        self.maker: Maker | None = None
        self.artefacts: list[Mapping[str, Raw]] = []
        self.thought_as = ""
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
            self.thought_as = delta.thought_as
        if delta.artefacts:
            self.artefacts.append(delta.artefacts)
        if delta.refusal:
            self.refusals.append(delta.refusal)
        for call in delta.tool_calls:
            self._add_call(call)
        self.maker = self.maker or delta.maker
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
        self.artefacts = [completion.artefacts] if completion.artefacts else []
        self.thought_as = completion.thought_as
        self.maker = completion.maker or self.maker
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
        said: list[Content] = self.write_thoughts(is_whole=is_whole)
        if self.texts or self.refusals or not self.calls:
            extra = {"refusal": "".join(self.refusals)} if self.refusals else None
            said.append(Message("assistant", "".join(self.texts) if self.texts or not self.refusals else None, extra))
        if is_whole:
            said += [write_call(pieces, self.maker) for pieces in self.calls]
        return tuple(said)

    def write_thoughts(self, *, is_whole: bool = True) -> list[Content]:
        """What was thought before the words and calls, with what the maker is to be shown again; nothing of the latter
        of an answer that broke off.
        """
        text, maker, artefacts = "".join(self.thoughts), self.maker, None
        if maker is not None and is_whole and (self.calls or self.follows_result):
            text_as = self.thought_as if text and maker.wants_thoughts else ""
            artefacts = bind(maker, join_fields(self.artefacts), text_as)
        return [Reasoning(text, artefacts=artefacts)] if text or artefacts else []


def write_call(pieces: Sequence[ToolCallDelta], maker: Maker | None = None) -> FunctionCall:
    """A call of a maker from its pieces."""
    fields = join_fields([piece.artefacts for piece in pieces if piece.artefacts])
    return FunctionCall(
        call_id=next((piece.id for piece in pieces if piece.id), ""),
        name="".join(piece.name or "" for piece in pieces),
        arguments="".join(piece.arguments for piece in pieces),
        kind=pieces[0].kind,
        artefacts=bind(maker, fields),
    )


def fold(deltas: Sequence[Delta]) -> Answer:
    """The answer that these pieces make."""
    answer = Answer()
    for delta in deltas:
        answer.add(delta)
    return answer
