"""Citations of an answer as it is written: markers are checked, missing ones are added where the sources hold it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from multiturn.engine.grounding.alignment import Aligner, SourceReader, Support
from multiturn.engine.grounding.sentences import Sentences
from multiturn.engine.places import narrow
from multiturn.model.citation import Citation
from multiturn.model.retrieved import Snippet

# [1], [1, 2], [1-3], [source 2]; not a link's text, nor an index in code such as list[1].
MARKER = re.compile(
    r"(?:[ \t]+|(?<![\w`]))\[(?:sources?\s*)?\^?"
    r"(?P<numbers>\d{1,5}(?:\s*[,;–-]\s*(?:sources?\s*)?\d{1,5})*)\](?!\()"
    r"|(?<=\w)\[(?P<single>\d{1,3})\](?!\()",
    re.IGNORECASE,
)
RANGE = re.compile(r"(\d+)\s*[–-]\s*(\d+)")
RANGE_MAX = 20
YEAR = re.compile(r"\d{4}")
# What stands behind the words of a sentence: a marker is put in front of it.
TAIL = re.compile(r"[\s.,;:!?…\"'”’)*_]*$")
FENCE = re.compile(r"^\s*(?:```|~~~)")
CODE = re.compile(r"`[^`\n]*`")
QUOTE_CHARACTERS_MAX = 600


class Citer:
    """Checks the text of one answer against the sources that the model was shown.

    What it gives back, joined, is the answer's text: ``citations`` name the characters of their markers in it. Where it
    does not cite, there are none, and markers are taken out.
    """

    def __init__(self, sources: Sequence[Snippet], reader: SourceReader, *, cites: bool = True) -> None:
        self.cites = cites
        self.aligner = Aligner(reader)
        self.sources: list[Snippet] = []
        self.by_number: dict[int, int] = {}
        self.sentences = Sentences()
        self.citations: list[Citation] = []
        self.length = self.paused_at = 0
        self.is_code = False
        self.add(sources)

    def add(self, sources: Sequence[Snippet]) -> None:
        """Add sources that the model is shown from now on."""
        known = sources if self.cites else ()
        new = [source for source in known if source.number is not None and source.number not in self.by_number]
        for source in new:
            assert source.number is not None
            self.by_number[source.number] = len(self.sources)
            self.sources.append(source)
        self.aligner.add(new)

    def go_on(self, citations: Sequence[Citation], length: int) -> None:
        """Take up an answer of which so many characters were told, with these citations."""
        self.citations = list(citations)
        self.length = self.paused_at = length

    def feed(self, text: str) -> str:
        """Take a piece of the answer; what may be told of it now."""
        return "".join(map(self._check, self.sentences.feed(text)))

    def finish(self) -> str:
        """The rest, when the answer is whole."""
        return "".join(map(self._check, self.sentences.finish()))

    def pause(self) -> str:
        """The rest of what was said so far; what is said next stands in a paragraph of its own."""
        rest = self.finish()
        if not self.length or self.length == self.paused_at:
            return rest
        rest += self._tell("\n\n")
        self.paused_at = self.length
        return rest

    def _check(self, sentence: str) -> str:
        """A sentence with the markers that hold."""
        if FENCE.match(sentence):
            self.is_code = not self.is_code
            return self._tell(sentence)
        if self.is_code or not sentence.strip():
            return self._tell(sentence)
        words, cited = self._read_markers(sentence)
        if cited or words != sentence:
            return self._tell_marked(words, cited)
        support = self.aligner.align(words)
        return self._tell_aligned(words, support) if support else self._tell(words)

    def _tell(self, text: str) -> str:
        self.length += len(text)
        return text

    def _read_markers(self, sentence: str) -> tuple[str, Mapping[int, list[int]]]:
        """The sentence without its markers, and the known sources of each, by the place where it stood."""
        spans = [found.span() for found in CODE.finditer(sentence)]
        cited: dict[int, list[int]] = {}
        words = ""
        last = 0
        for found in MARKER.finditer(sentence):
            if any(start <= found.start() < end for start, end in spans):
                continue
            known = [number for number in list_numbers(found["numbers"] or found["single"]) if number in self.by_number]
            if not known and (found["single"] or YEAR.search(found["numbers"])):
                continue  # An index of something, or a year: no marker that a model made up.
            words += sentence[last : found.start()]
            last = found.end()
            if known:
                held = cited.setdefault(len(words), [])
                held += [number for number in known if number not in held]
        return words + sentence[last:], cited

    def _tell_marked(self, words: str, cited: Mapping[int, list[int]]) -> str:
        """A sentence with its own markers, as they are written here: each number in brackets of its own."""
        begin, text, last = self.length, "", 0
        marked: list[tuple[int, int, int]] = []
        for place in sorted(cited):
            text += words[last:place]
            last = place
            for number in cited[place]:
                marker = f"[{number}]"
                text += " " if text and not text[-1].isspace() and not text.endswith("]") else ""
                marked.append((number, begin + len(text), begin + len(text) + len(marker)))
                text += marker
        text += words[last:]
        claim = span_of(text, begin)
        for number, start, end in marked:
            source = self.by_number[number]
            support = self.aligner.find_best(words, among=[source])
            self.citations.append(self._cite(number, (start, end), claim, support))
        return self._tell(text)

    def _tell_aligned(self, words: str, support: Support) -> str:
        """A sentence with the marker of what it rests on, in front of its full stop."""
        number = self.sources[support.source].number
        assert number is not None
        tail = TAIL.search(words)
        place = tail.start() if tail else len(words)
        begin, marker = self.length, f" [{number}]"
        text = words[:place] + marker + words[place:]
        span = (begin + place + 1, begin + place + len(marker))
        self.citations.append(self._cite(number, span, span_of(text, begin), support, is_aligned=True))
        return self._tell(text)

    def _cite(
        self,
        number: int,
        marker: tuple[int, int],
        claim: tuple[int, int],
        support: Support | None,
        *,
        is_aligned: bool = False,
    ) -> Citation:
        """The citation of a source, narrowed to the piece of it that the sentence rests on."""
        source = self.sources[self.by_number[number]]
        is_piece = support is not None and support.end > support.start
        start, end = (support.start, support.end) if support and is_piece else (0, len(source.text))
        quote = source.text[start:end][:QUOTE_CHARACTERS_MAX]
        return Citation(
            number=number,
            start=marker[0],
            end=marker[1],
            claim_start=claim[0],
            claim_end=claim[1],
            title=source.title or "",
            quote=quote,
            store_id=source.owner_id,
            item_id=source.item_id,
            asset_id=source.asset_id,
            kind=source.kind,
            modality=source.modality,
            chunk=source.chunk,
            source_start=source.start + start,
            source_end=source.start + start + len(quote),
            place=replace(narrow(source.place, start, end - start) if is_piece else source.place, marks=()),
            is_aligned=is_aligned,
            metadata=source.metadata,
        )


def span_of(text: str, begin: int) -> tuple[int, int]:
    """The characters of a sentence without the white space around it, where it begins at ``begin``."""
    return begin + len(text) - len(text.lstrip()), begin + len(text.rstrip())


def list_numbers(text: str) -> Iterator[int]:
    """The numbers of a marker; a range stands for all in it."""
    last = 0
    for found in RANGE.finditer(text):
        yield from map(int, re.findall(r"\d+", text[last : found.start()]))
        first, until = int(found[1]), int(found[2])
        yield from range(first, min(until, first + RANGE_MAX) + 1)
        last = found.end()
    yield from map(int, re.findall(r"\d+", text[last:]))
