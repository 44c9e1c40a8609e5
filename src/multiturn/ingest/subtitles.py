"""Reads subtitles: what is said, with its times."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pysubs2

from multiturn.ingest.decoding import read_whole
from multiturn.ingest.options import Options
from multiturn.ingest.refusal import Refusal
from multiturn.model.asset import Probe
from multiturn.model.phrases import Phrase, join_phrases
from multiturn.model.segment import Progress, Reading

BYTES_MAX = 32 << 20
NEW_LINE = "\n"
MIMES = {"srt": "application/x-subrip", "vtt": "text/vtt", "ass": "text/x-ssa", "ssa": "text/x-ssa"}
# WebVTT says who speaks: <v Ada Lovelace>.
VOICE = re.compile(r"<v(?:\.[^ >]*)?[ \t]+([^>]+)>")
MARKUP = re.compile(r"</?[a-zA-Z][^>]*>|\{\\[^}]*\}")


def probe(path: Path, filename: str) -> Probe:
    """Find out how long it lasts. Raises Refusal when nothing is said in it."""
    subtitles = _load(path)
    end_s = max(phrase.end_s for phrase in list_phrases(subtitles))
    return Probe(kind="document", mime=MIMES.get(subtitles.format or "", "text/vtt"), duration_s=round(end_s, 3))


def read(path: Path, options: Options) -> Iterator[Reading]:
    """Read what is said, in the order of its times."""
    yield Progress(share=0.0, doing="reading")
    yield from join_phrases(list_phrases(_load(path)))


def _load(path: Path) -> pysubs2.SSAFile:
    if path.stat().st_size > BYTES_MAX:
        raise Refusal(f"The subtitles are larger than {BYTES_MAX >> 20} MB.")
    try:
        text = VOICE.sub(lambda found: f"{found[1].strip()}: ", read_whole(path).removeprefix("\ufeff"))
        name = _find_format(text)
        subtitles = pysubs2.SSAFile.from_string(_list_cues(text) if name == "vtt" else text, format_=name)
    except (pysubs2.Pysubs2Error, ValueError, IndexError) as error:
        raise Refusal("The subtitles are damaged: their times cannot be read.") from error
    if not list_phrases(subtitles):
        raise Refusal("The subtitles are empty: nothing is said in them.")
    return subtitles


def _find_format(text: str) -> str:
    """The name that pysubs2 has for it: it looks for more of it than some files have."""
    start = text.lstrip()[:200]
    if start.startswith("WEBVTT"):
        return "vtt"
    return "ass" if start.startswith("[Script Info]") else "srt"


def _list_cues(text: str) -> str:
    """WebVTT without its notes, its styles and the names of its cues, which pysubs2 takes for text."""
    blocks = (block.partition("-->") for block in re.split(r"\n{2,}", text))
    cues = (f"{begin.rpartition(NEW_LINE)[2]}-->{rest}" for begin, arrow, rest in blocks if arrow)
    return "WEBVTT\n\n" + "\n\n".join(cues)


def list_phrases(subtitles: pysubs2.SSAFile) -> list[Phrase]:
    """What is said, by its time; a line that is shown twice in a row is said once."""
    phrases: list[Phrase] = []
    for event in sorted(subtitles, key=lambda event: event.start):
        text = " ".join(MARKUP.sub("", event.plaintext).split())
        is_again = phrases and phrases[-1].text == text and event.start / 1000 <= phrases[-1].end_s + 0.1
        if event.is_comment or not text or is_again:
            continue
        phrases.append(Phrase(text, max(event.start, 0) / 1000, max(event.end, event.start, 0) / 1000))
    return phrases
