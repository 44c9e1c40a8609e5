"""What a question over a knowledge store aims at: the whole of it, moments, or a detail.

By the words of the question, in English; a question in other words is one for a detail, which is searched for by words
and meaning in any language.
"""

from __future__ import annotations

import re

from msgspec import Struct

from multiturn.model.asset import AssetKind

# "What are the main themes in these videos?", "Which documents are about …?", "Give me an overview."
CORPUS = re.compile(
    r"\b(?:themes?|topics?|overview|summar(?:y|ies|i[sz]e|i[sz]ed)|gist|in general|in common|collection|corpus|library"
    r"|(?:which|what|how many|list|all|every|each|any) (?:\w+ ){0,3}"
    r"(?:videos?|clips?|recordings?|documents?|files?|talks?|items?|podcasts?|books?|papers?|pages?|images?|pictures?)"
    r"|(?:these|those|the|my|this) (?:videos?|recordings?|documents?|files?|talks?|items?)"
    r"(?: \w+){0,2} (?:about|cover|contain|show|discuss))\b",
    re.IGNORECASE,
)
# "Give me timestamps for the key moments", "When does he say that?"
MOMENTS = re.compile(
    r"\b(?:time ?stamps?|time ?codes?|moments?|when|at (?:what|which) (?:time|point|minute|second)|minutes?|seconds?"
    r"|highlights?|chapters?|scenes?|key (?:points?|parts?|facts?))\b",
    re.IGNORECASE,
)
# "… in those videos", "the first theme", "when does he say that": what was said before says what is meant.
BACK = re.compile(
    r"\b(?:those|these|that|them|it|its|he|she|they|his|her|their|there|this|first|second|third|last|next|former|latter"
    r"|same|previous|again|more|ones?)\b",
    re.IGNORECASE,
)


# "Which videos …", "in the recordings": what is asked of these kinds is answered from them, where the store has some.
KINDS: tuple[tuple[str, frozenset[AssetKind]], ...] = (
    ("videos?|clips?|films?|movies?|footage|scenes?|shots?", frozenset({"video"})),
    ("talks?|lectures?|speech(?:es)?|interviews?", frozenset({"video", "audio"})),
    ("recordings?|podcasts?|audio", frozenset({"audio", "video"})),
    ("images?|pictures?|photos?|photographs?", frozenset({"image"})),
    ("documents?|papers?|pdfs?|books?|reports?|articles?|pages?", frozenset({"document"})),
)
KIND_WORDS = tuple((re.compile(rf"\b(?:{words})\b", re.IGNORECASE), kinds) for words, kinds in KINDS)


class Aim(Struct, frozen=True):
    """What a question aims at; ``is_back`` says that it takes up what was said before, ``kinds`` are those it names."""

    is_corpus: bool
    is_moments: bool
    is_back: bool
    kinds: frozenset[AssetKind] = frozenset()


def find_aim(text: str) -> Aim:
    """What a question aims at."""
    named = [kinds for words, kinds in KIND_WORDS if words.search(text)]
    kinds: frozenset[AssetKind] = frozenset().union(*named)
    return Aim(bool(CORPUS.search(text)), bool(MOMENTS.search(text)), bool(BACK.search(text)), kinds)
