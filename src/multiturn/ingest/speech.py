"""Turns speech into phrases with their times, by a Whisper model on this machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from faster_whisper import WhisperModel
from faster_whisper.transcribe import Segment as Spoken
from faster_whisper.transcribe import Word

from multiturn.ingest.refusal import Refusal
from multiturn.ingest.sounds import RATE, Samples, Stretch
from multiturn.model.phrases import SENTENCE_ENDS, Phrase

BEAMS = 5
# One more try, less strict, where the first said the same again and again, or nothing that it was sure of.
TEMPERATURES = (0.0, 0.6)
# Of what is left then, this is noise that was taken for words.
COMPRESSION_MAX, LOGPROB_MIN, NO_SPEECH_MAX = 2.4, -1.5, 0.8
# A phrase has one time, and what is cited begins with it: it ends with the sentence, at a pause, and where there is
# neither, at a comma or in the middle.
PAUSE_S, CLAUSE_S, PHRASE_S_MAX = 0.3, 2.5, 5.0
SENTENCE_OR_CLAUSE_ENDS = (*SENTENCE_ENDS, ",", ";", ":", "、", "，")
DETECT_S_MIN = 3.0


class Listener:
    """A speech model, loaded. A multilingual one is told the language once it has heard some seconds of it."""

    def __init__(self, folder: str, *, threads: int) -> None:
        self._model = WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=threads)
        self._language: str | None = None if self._model.model.is_multilingual else "en"

    def transcribe(self, piece: Stretch) -> Iterator[Phrase]:
        """Turn a piece of at most 30 s into phrases."""
        segments, _ = self._model.transcribe(
            piece.samples,
            language=self._language or self._detect(piece.samples),
            beam_size=BEAMS,
            temperature=TEMPERATURES,
            condition_on_previous_text=False,
            word_timestamps=True,
        )
        words = [word for segment in segments if not _is_noise(segment) for word in segment.words or ()]
        yield from cut_words(words, piece.start_s)

    def _detect(self, samples: Samples) -> str:
        language: str
        language, _, _ = self._model.detect_language(samples)
        if len(samples) >= DETECT_S_MIN * RATE:
            self._language = language
        return language


def open_listener(folder: str | None, *, threads: int) -> Listener | None:
    """Load a speech model; None when there is none. Raises Refusal when it is damaged."""
    if folder is None or not (Path(folder) / "model.bin").is_file():
        return None
    try:
        return Listener(folder, threads=threads)
    except (RuntimeError, ValueError) as error:
        raise Refusal(f"The speech model cannot be loaded: {error}", is_passing=True) from error


def _is_noise(segment: Spoken) -> bool:
    return bool(
        segment.compression_ratio > COMPRESSION_MAX
        or segment.avg_logprob < LOGPROB_MIN
        or (segment.no_speech_prob > NO_SPEECH_MAX and segment.avg_logprob < LOGPROB_MIN / 2)
    )


def cut_words(words: Iterable[Word], start_s: float) -> Iterator[Phrase]:
    """Join words to phrases. Their times are moved on by ``start_s``."""
    held: list[Word] = []
    for word in words:
        if held and _is_apart(held, word):
            yield _make_phrase(held, start_s)
            held = []
        held.append(word)
    if held:
        yield _make_phrase(held, start_s)


def _is_apart(held: list[Word], word: Word) -> bool:
    """Whether a word begins a new phrase."""
    last, length_s = held[-1].word.rstrip(), held[-1].end - held[0].start
    return bool(
        word.start - held[-1].end > PAUSE_S
        or word.end - held[0].start > PHRASE_S_MAX
        or last.endswith(SENTENCE_ENDS if length_s < CLAUSE_S else SENTENCE_OR_CLAUSE_ENDS)
    )


def _make_phrase(words: list[Word], start_s: float) -> Phrase:
    text = "".join(word.word for word in words).strip()
    return Phrase(text, start_s + float(words[0].start), start_s + float(words[-1].end))
