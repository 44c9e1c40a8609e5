"""Has speech turned into text by a provider that speaks OpenAI's transcriptions."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager

import aiohttp
import msgspec
from msgspec import Struct

from multiturn.errors import UpstreamError
from multiturn.model.phrases import SENTENCE_ENDS, Phrase, join_phrases
from multiturn.model.segment import Segment
from multiturn.upstream.http import CallLimits, open_session
from multiturn.upstream.services import Service, ServiceFacts

CONNECTIONS_MAX = 8
TRANSCRIBING = ServiceFacts(
    name="upstream of the transcriptions",
    key_setting="MULTITURN_SPEECH_KEY",
    answer_s=600.0,
    answer_bytes_max=16 * 1024 * 1024,
)
DEFAULT_MODEL = "whisper-1"
# A phrase has one time: it ends with the sentence, at a pause, or after so long.
PAUSE_S, PHRASE_S_MAX = 0.5, 5.0


class TranscriptsEndpoint(Struct, frozen=True, kw_only=True):
    """A provider at a URL such as ``https://api.openai.com/v1``, below which ``/audio/transcriptions`` lies."""

    url: str
    model: str | None = None
    key: str | None = None


class _Word(Struct):
    word: str
    start: float
    end: float


class _Spoken(Struct):
    text: str
    start: float
    end: float


class _Answer(Struct):
    text: str = ""
    words: list[_Word] | None = None
    segments: list[_Spoken] | None = None


_answers = msgspec.json.Decoder(_Answer)


class Transcripts:
    """Turns speech into text by a provider: it is asked for the times of words, and those of segments will do."""

    def __init__(
        self, endpoint: TranscriptsEndpoint, session: aiohttp.ClientSession, *, limits: CallLimits | None = None
    ) -> None:
        self.model = endpoint.model or DEFAULT_MODEL
        url = f"{endpoint.url.rstrip('/')}/audio/transcriptions"
        self._service = Service(TRANSCRIBING, session, url=url, key=endpoint.key, limits=limits)

    async def transcribe(self, audio: bytes, *, start_s: float) -> Sequence[Segment]:
        """What is said in a stretch of sound (a WAV file) that begins at ``start_s``.

        Raises UpstreamError: also when the provider gives no times, without which nothing can be cited.
        """
        answer = await self._ask(audio)
        if not answer.text.strip() and not answer.segments and not answer.words:
            return ()
        phrases = [
            Phrase(phrase.text, phrase.start_s + start_s, phrase.end_s + start_s) for phrase in _list_phrases(answer)
        ]
        if not phrases:
            text = "The upstream of the transcriptions gives no times (verbose_json): another model has to be chosen."
            raise UpstreamError(text, code="upstream_invalid")
        return tuple(join_phrases(phrases))

    async def _ask(self, audio: bytes) -> _Answer:
        form = aiohttp.FormData()
        form.add_field("file", audio, filename="speech.wav", content_type="audio/wav")
        form.add_field("model", self.model)
        form.add_field("response_format", "verbose_json")
        for granularity in ("word", "segment"):
            form.add_field("timestamp_granularities[]", granularity)
        body = await self._service.post_form(form)
        try:
            return _answers.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise UpstreamError("The upstream's answer is no transcription.", code="upstream_invalid") from error


def _list_phrases(answer: _Answer) -> Iterator[Phrase]:
    """The phrases of an answer: its segments, cut by the times of their words where there are some."""
    words = answer.words or []
    if not answer.segments:
        yield from _join_words([Phrase(word.word.strip(), word.start, word.end) for word in words])
    for spoken in answer.segments or ():
        yield from _cut_segment(
            spoken, [word for word in words if spoken.start <= (word.start + word.end) / 2 < spoken.end]
        )


def _cut_segment(spoken: _Spoken, words: Sequence[_Word]) -> Iterator[Phrase]:
    """Cut a segment's text at its sentences, each with the times of its words; the text keeps its punctuation."""
    texts = spoken.text.split()
    if len(texts) != len(words):
        yield Phrase(spoken.text.strip(), spoken.start, spoken.end)
        return
    yield from _join_words([Phrase(text, word.start, word.end) for text, word in zip(texts, words, strict=True)])


def _join_words(words: Sequence[Phrase]) -> Iterator[Phrase]:
    held: list[Phrase] = []
    for word in words:
        if held and _is_apart(held, word):
            yield _join(held)
            held = []
        held.append(word)
    if held:
        yield _join(held)


def _is_apart(held: Sequence[Phrase], word: Phrase) -> bool:
    last = held[-1]
    return (
        last.text.endswith(SENTENCE_ENDS)
        or word.start_s - last.end_s > PAUSE_S
        or word.end_s - held[0].start_s > PHRASE_S_MAX
    )


def _join(words: Sequence[Phrase]) -> Phrase:
    return Phrase(" ".join(word.text for word in words), words[0].start_s, words[-1].end_s)


@asynccontextmanager
async def open_transcriber(
    endpoint: TranscriptsEndpoint | None, *, connect_s: float = 10.0
) -> AsyncGenerator[Transcripts | None]:
    """Open the transcriber of the settings, and close it; None where there is none."""
    if endpoint is None:
        yield None
        return
    async with open_session(connections_max=CONNECTIONS_MAX) as session:
        yield Transcripts(endpoint, session, limits=CallLimits(connect_s=connect_s))
