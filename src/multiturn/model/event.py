"""What happens in a run, in order, numbered from 1; a stream can be picked up behind any number."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from multiturn.errors import MultiturnError
from multiturn.model.completion import Completion, Delta
from multiturn.model.content import Content
from multiturn.model.run import Run
from multiturn.model.step import Happening


class Spoke(Struct, frozen=True):
    """The model spoke: the deltas are the events ``first``, ``first + 1`` … of the run; those that arrived together
    stay together.
    """

    first: int
    deltas: Sequence[Delta]


class Stepped(Struct, frozen=True):
    """Something happened beside the model's words: event ``number``."""

    number: int
    what: Happening


class Answered(Struct, frozen=True):
    """The model answered in one piece: event ``number``."""

    number: int
    completion: Completion


class Ended(Struct, frozen=True):
    """The run ended and is stored; nothing follows. ``output`` is what it said, ``error`` why it failed."""

    number: int
    run: Run
    output: tuple[Content, ...] = ()
    error: MultiturnError | None = None


Event = Spoke | Stepped | Answered | Ended


class EventBatch(Struct, frozen=True, kw_only=True):
    """Events as they are stored: the JSON of events ``first`` …, one a line, the provider's or that of a happening.

    ``is_whole`` marks an answer in one piece.
    """

    first: int
    body: str
    is_whole: bool = False
