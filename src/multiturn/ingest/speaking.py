"""Reads what is said: in subtitles, by the speech model, or hands it out to be transcribed elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from multiturn.ingest.options import Options
from multiturn.ingest.sounds import RATE, Heard, listen, write_wav
from multiturn.ingest.speech import open_listener
from multiturn.ingest.tracks import list_subtitles
from multiturn.model.phrases import Phrase, join_phrases
from multiturn.model.segment import Note, Progress, Reading, Segment, Sound

NO_MODEL = "What is said was not turned into text: there is no speech model."
NOBODY = "Nobody speaks in it."

# Tells which slide is seen at a time: what is said over two of them is no one segment.
FindSlide = Callable[[float], object]


class Speech:
    """What is said in one file."""

    def __init__(self, path: Path, options: Options) -> None:
        """Look for subtitles, and load the speech model where it is needed and there. Raises Refusal."""
        self._path = path
        self._options = options
        self._has_sound = bool(options.probe.technical.get("has_audio", options.probe.kind == "audio"))
        self._subtitles = list_subtitles(path)
        needs_model = self._has_sound and options.speech and not self._subtitles and not options.sounds
        self._listener = open_listener(options.speech_model, threads=options.threads) if needs_model else None
        self._listens = self._has_sound and not self._subtitles and (options.sounds or self._listener is not None)

    @property
    def is_wanted(self) -> bool:
        """Whether there is work to do."""
        return self._listens

    def read(self, find_slide: FindSlide = lambda at_s: None) -> Iterator[Reading]:
        """Read what is said: segments of modality speech, or sounds."""
        if self._subtitles:
            yield from _join(self._subtitles, find_slide)
        elif self._listens:
            yield from self._listen(find_slide)
        elif self._has_sound:
            yield Note(text=NO_MODEL)

    def _listen(self, find_slide: FindSlide) -> Iterator[Reading]:
        """Listen window by window; what is said across the border of two is one segment."""
        held: list[Phrase] = []
        has_spoken = False
        for heard in listen(self._path):
            has_spoken = has_spoken or bool(heard.pieces)
            if self._listener is None:
                yield from self._hand_out(heard)
            else:
                for piece in heard.pieces:
                    held += self._listener.transcribe(piece)
                    segments = list(_join(held, find_slide))
                    yield from segments[:-1]
                    held = held[-len(segments[-1].place.marks) :] if segments else []
                    yield self._tell(piece.end_s)
            yield self._tell(heard.window.end_s)
        yield from _join(held, find_slide)
        if not has_spoken:
            yield Note(text=NOBODY)

    def _hand_out(self, heard: Heard) -> Iterator[Sound]:
        """Hand out a window from the first word to the last."""
        if heard.pieces:
            window = heard.window
            begin = round((heard.pieces[0].start_s - window.start_s) * RATE)
            end = round((heard.pieces[-1].end_s - window.start_s) * RATE)
            spoken = window.cut(begin, end)
            yield Sound(audio=write_wav(spoken.samples), start_s=spoken.start_s, end_s=spoken.end_s)

    def _tell(self, at_s: float) -> Progress:
        whole_s = self._options.probe.duration_s or 0.0
        return Progress(share=min(at_s / whole_s, 1.0) if whole_s else 0.0, doing="listening to what is said")


def _join(phrases: Sequence[Phrase], find_slide: FindSlide) -> Iterator[Segment]:
    """Join phrases to segments, slide by slide."""
    for _, group in groupby(phrases, lambda phrase: find_slide((phrase.start_s + phrase.end_s) / 2)):
        yield from join_phrases(group)
