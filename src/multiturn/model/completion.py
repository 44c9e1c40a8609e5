"""What we ask a model and what it says: the exchange with an upstream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Raw, Struct

from multiturn.model.reasoning import ReasoningOptions
from multiturn.model.usage import Usage


class Maker(Struct, frozen=True, kw_only=True):
    """Who answers: the provider, with the family of its model where that matters. ``wants_thoughts`` says that behind
    tool calls it is to be shown the text of what it thought again.
    """

    name: str
    wants_thoughts: bool = False


class ModelRequest(Struct, frozen=True, kw_only=True):
    """One call of a model.

    ``messages`` is the context as a JSON array in the shape of OpenAI's chat completions, which every upstream
    speaks; ``fields`` are the request's other fields (tools, temperature, ones that do not exist yet), each as the
    JSON that came; ``headers`` go to the provider as they are. ``is_background`` says that nobody waits
    for it: an upstream that answers one request at a time answers the others first.

    ``own`` has the messages once more for each maker of whom something in them is kept that is for itself alone, the
    latest last; everybody else gets ``messages``. ``reasoning`` is how much the model is to think.
    """

    model: str
    messages: Raw
    own: Mapping[str, Raw] = {}
    fields: Mapping[str, Raw] = {}
    headers: Mapping[str, str] = {}
    cache_key: str | None = None
    is_background: bool = False
    reasoning: ReasoningOptions | None = None


class ToolCallDelta(Struct, frozen=True):
    """A piece of the call at ``index``: the first piece brings id and name, every piece more of the arguments.

    ``artefacts`` are fields that are for the provider itself alone, such as a signature.
    """

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    kind: str = "function"
    artefacts: Mapping[str, Raw] = {}


class Delta(Struct, frozen=True, kw_only=True):
    """A streamed piece of an answer.

    ``raw`` is the provider's JSON as it came, so that fields we do not know are passed on. Text, reasoning, tool
    calls and the finish reason are those of choice 0, which is the one that enters the history.

    ``maker`` is who answers, where that is known; ``artefacts`` are fields of the message that are for the maker alone;
    ``thought_as`` is the field in which the reasoning came.
    """

    raw: bytes
    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    tool_calls: Sequence[ToolCallDelta] = ()
    finish_reason: str | None = None
    usage: Usage | None = None
    has_choices: bool = True
    maker: Maker | None = None
    artefacts: Mapping[str, Raw] = {}
    thought_as: str = ""


class Completion(Struct, frozen=True, kw_only=True):
    """A whole answer: ``raw`` is the provider's JSON as it came, the other fields are those of choice 0, as a ``Delta``
    has them.
    """

    raw: bytes
    text: str | None = None
    reasoning: str = ""
    refusal: str | None = None
    tool_calls: Sequence[ToolCallDelta] = ()
    finish_reason: str | None = None
    usage: Usage | None = None
    maker: Maker | None = None
    artefacts: Mapping[str, Raw] = {}
    thought_as: str = ""


class ModelInfo(Struct, frozen=True, kw_only=True):
    """A model that an upstream serves; ``context_tokens`` is its window where the upstream tells it."""

    id: str
    owned_by: str = ""
    created: int = 0
    context_tokens: int | None = None
